"""The recognition networks that lie in the folders of model packs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...framing.detect.files import PLACES
from .onnx_file import Graph, read_graph

KNOWN = ("w600k_r50", "glintr100", "w600k_mbf")
AURAFACE = "auraface"
SIDE, SIDES = 112, 512  # px of the crop, numbers of the embedding
CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class PackFile:
    """A recognition network, by its name or by its shape."""

    path: Path
    id: str
    """See ``arcface.Encoder.id``."""

    @property
    def pack(self) -> str:
        return self.path.parent.name


def encoder_files(folders: Sequence[Path]) -> tuple[list[PackFile], list[str]]:
    """The recognition networks of the packs.

    Parameters
    ----------
    folders : where packs lie, ``<folder>/models/<pack>/``, ``<folder>/<pack>/``, or the folder itself

    Returns
    -------
    files : list of PackFile
        Every file once. Those of the known names whatever they hold, others if they take a crop of
        112 px and answer with 512 numbers.
    remarks : list of str
        Packs one folder too deep, and folders that hold none.
    """
    files: dict[Path, PackFile] = {}
    remarks: list[str] = []
    for folder in map(Path, folders):
        for place in PLACES:
            pattern = f"{place}/*.onnx" if place else "*.onnx"
            for path in sorted(folder.glob(pattern)):
                if path.is_file() and path not in files and _is_encoder(path):
                    files[path] = PackFile(path, encoder_id(path, folder))
        remarks += _of_folders(folder)
    return list(files.values()), remarks


def encoder_id(path: Path, folder: Path | None = None) -> str:
    """What a file's encoder is called, for ever: letters a-z, digits, ``_`` and ``-``.

    Parameters
    ----------
    path : Path
    folder : Path or None
        Of the folders of the path only those below this one count.
    """
    stem = re.sub(r"[^a-z0-9_-]", "", path.stem.lower()) or "encoder"
    inner = path.relative_to(folder) if folder else path
    # AuraFace took over the file name of antelopev2's network, not its space.
    if stem == "glintr100" and any(AURAFACE in part.lower() for part in inner.parts[:-1]):
        return AURAFACE
    return stem


def _is_encoder(path: Path) -> bool:
    if path.stem.lower() in KNOWN:
        return True
    try:
        return has_the_shape(read_graph(path))
    except (ValueError, OSError):  # whatever lies there, it is nobody's encoder
        return False


def has_the_shape(graph: Graph) -> bool:
    """Whether a network takes a crop of 112 px and answers with 512 numbers."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return False
    taken, told = graph.inputs[0], graph.outputs[0]
    return len(taken) == 4 and taken[1:] == (3, SIDE, SIDE) and len(told) == 2 and told[1] == SIDES


def _of_folders(folder: Path) -> list[str]:
    """What is odd about the folders of packs."""
    remarks = []
    for pack in sorted(path for path in folder.glob("models/*") if path.is_dir()):
        if any(pack.glob("*.onnx")):
            continue
        deeper = sorted({path.parent for path in pack.glob("*/*.onnx")})
        if deeper:
            remarks.append(
                f"the pack in {deeper[0]} lies one folder too deep: found all the same, but insightface and other "
                f"packs want its files in {pack}"
            )
        else:
            remarks.append(
                f"{pack} holds no .onnx file: unpack the pack there, or remove the folder"
            )
    return remarks


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, hex; read once as long as its size and time stay.

    Raises
    ------
    OSError
        It cannot be read.
    """
    stat = path.stat()
    return _sha256(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
