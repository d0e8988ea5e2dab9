"""The networks that lie in the folders of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# Where packs lie below a folder such as models/insightface; the last two are one too deep, as
# antelopev2's zip unpacks into antelopev2/antelopev2.
PLACES = ("models/*", "*", "", "models/*/*", "*/*")
NETWORKS = (".onnx", ".pth")  # the second is kornia's face detector


def state_of(folders: Sequence[Path]) -> str:
    """Every network in the folders with its size and time: it changes when one comes, goes or is another.

    A node whose inputs have not changed is not run again by ComfyUI, unless such a text has.
    """
    told = set()
    for folder in map(Path, folders):
        for place in PLACES:
            for path in folder.glob(f"{place}/*" if place else "*"):
                if path.suffix.lower() not in NETWORKS:
                    continue
                try:
                    stat = path.stat()
                except OSError:  # gone meanwhile, or a link to nowhere
                    continue
                told.add(f"{path} {stat.st_size} {stat.st_mtime_ns}")
    return "\n".join(sorted(told))
