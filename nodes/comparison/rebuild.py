"""A plate drawn again from its manifest and the pictures that it was made of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..typography import find_font
from .design import Design
from .manifest import plate_sha256, read_manifest, source_sha256
from .plate import draw
from .sources import ENDING, unpack

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
MOST_FILES = 5000  # of a folder that are looked at


@dataclass(frozen=True)
class Rebuilt:
    """A plate, and whether it is the one that the manifest speaks of."""

    picture: Tensor
    """(S, H, W, 3), sRGB 0..1."""
    same: bool
    """Every byte of the plate, rounded to 8 bits, is as it was."""
    remarks: tuple[str, ...] = ()


def rebuild(
    text: str, folders: Sequence[Path], *, fonts: Sequence[Path] = (), source: str = "the manifest"
) -> Rebuilt:
    """Draw the plate of a manifest.

    Parameters
    ----------
    text : str
        The manifest.
    folders : where the sources lie; each is known by its pixels, not by its name
    fonts : where the user's font lies, if one was used
    source : str
        What the manifest is called in messages.

    Raises
    ------
    ManifestError
        It is none, or cannot be drawn.
    ValueError
        A source is in none of the folders; the message names it.
    """
    design, told = read_manifest(text, source)
    if design.font:
        design = replace(design, font=str(find_font(Path(design.font).name, list(fonts))))
    images = _found(told["sources"], design, folders)
    picture, _, _ = draw(design, images)
    same = plate_sha256(picture) == told.get("plate_sha256")
    return Rebuilt(picture, same, () if same else tuple(_differences(told)))


def _found(
    sources: Sequence[Mapping[str, Any]], design: Design, folders: Sequence[Path]
) -> list[Tensor]:
    """Every source's picture."""
    wanted = {one.source for slide in design.slides for one in slide.panels}
    missing = {sources[index]["sha256"] for index in wanted}
    have: dict[str, Tensor] = {}
    for path in _kept(folders):
        with contextlib.suppress(ValueError):  # another plate's, or damaged: then it is missing
            have |= unpack(path, missing - have.keys())
    named = [Path(str(_file(one))).name for one in sources]
    for path in _files(folders, named):
        if missing <= have.keys():
            break
        try:
            image = read_source(path)
        except (OSError, ValueError):
            continue  # no picture, or one that cannot be read: it is not what is looked for
        sha = source_sha256(image)
        if sha in missing:
            have[sha] = image
    lost = [
        f"{one.get('label') or index + 1} ({_file(one) or 'made in the graph, never a file'})"
        for index, one in enumerate(sources)
        if index in wanted and one["sha256"] not in have
    ]
    if lost:
        raise ValueError(
            f"no picture in {', '.join(map(str, folders)) or 'no folder'} has the pixels of: {', '.join(lost)}. Name the "
            "folder that holds the sources, unchanged, with --sources; what was made in the graph is kept where sources is "
            "linked to Save Plate."
        )
    # a source that no panel shows may be anything
    return [have.get(one["sha256"], torch.zeros(1, 1, 1, 3)) for one in sources]


def _file(source: Mapping[str, Any]) -> str:
    caption = source.get("caption")
    name = caption.get("file", "") if isinstance(caption, Mapping) else ""
    return re.sub(r"\s*\[(input|output|temp)\]$", "", str(name)).replace("\\", "/")


def _kept(folders: Sequence[Path]) -> Iterator[Path]:
    """Files of sources that Save Plate kept."""
    for folder in folders:
        yield from sorted(path for path in folder.iterdir() if path.name.endswith(ENDING))


def _files(folders: Sequence[Path], named: Sequence[str]) -> Iterator[Path]:
    """Pictures of the folders, those that the manifest names first."""
    found = []
    for folder in folders:
        listed = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
        found += listed[:MOST_FILES]
    return iter(sorted(found, key=lambda path: path.name not in named))


def read_source(path: Path) -> Tensor:
    """A file as ComfyUI's Load Image gives it, (1, H, W, 3), sRGB 0..1.

    Raises
    ------
    ValueError, OSError
        It is no picture of 8 bits.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            if file.mode[0] in "IF":
                raise ValueError(f"{path.name} holds more than 8 bits a channel")
            colours = np.asarray(ImageOps.exif_transpose(file).convert("RGB"), dtype=np.float32)
    except (Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    return torch.from_numpy(colours / 255)[None]


def _differences(told: Mapping[str, Any]) -> Iterator[str]:
    """Which programs are of another version than those that drew the plate."""
    from .manifest import software

    then = told.get("software")
    for name, now in software().items():
        was = then.get(name) if isinstance(then, Mapping) else None
        if was != now:
            yield f"{name} was {str(was)[:40]}, is {now}"
