"""A plate drawn again from its manifest and the pictures that it was made of."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..picture_files import FORMATS
from ..typography import find_font
from ..whole_files import saving, write_whole
from .design import Design
from .encode import write_picture
from .manifest import plate_sha256, read_manifest, source_sha256
from .plate import draw
from .sources import ENDING, unpack

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
MOST_FILES = 5000  # of a folder that are looked at
MOST_LETTERS = 400  # of a file's name, the last ones: it comes from anybody
PLACES = ("[input]", "[output]", "[temp]")  # what ComfyUI writes behind a file's name
# What Pillow says of damage. NotImplementedError is a RuntimeError, UnicodeError a ValueError.
_DAMAGE = (
    OSError, RuntimeError, MemoryError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError,
    AttributeError, struct.error,
)  # fmt: skip


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
    named = {Path(_file(one)).name for one in sources}
    sizes = {tuple(sources[index]["size"]) for index in wanted}
    for path in _files(folders, named):
        if missing <= have.keys():
            break
        try:
            image = read_source(path, sizes)
        except ValueError:
            continue  # no picture, or one that cannot be read: it is not what is looked for
        sha = source_sha256(image)
        if sha in missing:
            have[sha] = image
    lost = [
        f"{str(one.get('label') or index + 1)[:MOST_LETTERS]} ({_file(one) or 'made in the graph, never a file'})"
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
    if not isinstance(name, str):
        return ""
    place = next(filter(name.endswith, PLACES), "")
    if place:
        name = name[: -len(place)].rstrip()
    return name[-MOST_LETTERS:].replace("\\", "/")


def _kept(folders: Sequence[Path]) -> Iterator[Path]:
    """Files of sources that Save Plate kept."""
    for folder in folders:
        yield from sorted(path for path in folder.iterdir() if path.name.endswith(ENDING))


def _files(folders: Sequence[Path], named: Collection[str]) -> Iterator[Path]:
    """Pictures of the folders, those that the manifest names first."""
    found = []
    for folder in folders:
        listed = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
        found += listed[:MOST_FILES]
    return iter(sorted(found, key=lambda path: path.name not in named))


def read_source(path: Path, sizes: Collection[tuple[int, int]] = ()) -> Tensor:
    """A file as ComfyUI's Load Image gives it, (1, H, W, 3), sRGB 0..1.

    Parameters
    ----------
    path : Path
    sizes : pairs of sides, pixels
        A picture of none of them is not decoded: a file of 20 kB can hold 200 megapixels. Which side
        is the width does not count, since EXIF may lay the picture on its side. Empty allows all.

    Raises
    ------
    ValueError
        It is no picture of 8 bits, cannot be read, or is of another size.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as file:
            if sizes and sorted(file.size) not in map(sorted, sizes):
                raise ValueError("it is {}x{} px, no source is".format(*file.size))
            if file.mode[0] in "IF":
                raise ValueError("it holds more than 8 bits a channel")
            colours = np.array(ImageOps.exif_transpose(file).convert("RGB"), dtype=np.float32)
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        words = str(error) or type(error).__name__
        raise ValueError(f"{path.name} cannot be read: {words}") from error
    colours /= 255
    return torch.from_numpy(colours)[None]


def save_slides(pictures: Iterable[Tensor], places: Sequence[Path]) -> None:
    """Write pictures, (H, W, 3) each, as PNG of 8 bits: all of them or none, and over no file.

    Raises
    ------
    FileExistsError
        There is a file; the message names it.
    RuntimeError
        The disk refuses.
    """
    for path in places:
        if os.path.lexists(path):
            raise FileExistsError(
                f"{path} exists already and is left as it is. Name another file with --output, or move it away."
            )
    done: list[Path] = []
    try:
        for path, picture in zip(places, pictures, strict=True):
            with saving("the plate", path.name, path.parent), BytesIO() as made:
                write_picture(made, picture, "PNG 8-bit")
                write_whole(path, made.getvalue(), over=False)
            done.append(path)
    except BaseException:
        for path in done:
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def _differences(told: Mapping[str, Any]) -> Iterator[str]:
    """Which programs are of another version than those that drew the plate."""
    from .manifest import software

    then = told.get("software")
    for name, now in software().items():
        was = then.get(name) if isinstance(then, Mapping) else None
        if was != now:
            yield f"{name} was {str(was)[:40]}, is {now}"
