"""The user's own font: found by its name, refused with advice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from . import choice, fonts

_LISTED = 12


def find_font(name: str, folders: Sequence[Path], widget: str = "font") -> Path:
    """The user's font file of a name, from the first folder that has it.

    Parameters
    ----------
    name : str
        A file name, or one inside a folder of these folders (``latin/My Sans.ttf``).
    folders : the only places that are looked into
    widget : str
        Where the name was typed, for the message.

    Raises
    ------
    ValueError
        The name leads out of the folders, none has the file, or it is no font.
    """
    if objection := _why_not_a_font_name(name):
        raise ValueError(
            f"{widget} must be the name of a font file such as 'My Sans.ttf': {objection}, got {name[:120]!r}. "
            "Put the file into the font folder and give its name alone."
        )
    for folder in folders:
        place = folder / name.strip()
        # a link may lead out of the folder
        if place.is_file() and place.resolve().is_relative_to(folder.resolve()):
            usable(place)
            return place
    there = [
        path.relative_to(folder).as_posix()
        for folder in folders
        for path in map(Path, choice.font_files((folder,)))
    ]
    choice.font_files.cache_clear()  # the user may be about to add one
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    raise ValueError(
        f"{widget}: there is no font file {name.strip()!r} in {', '.join(map(str, folders)) or 'any folder'}. "
        f"There: {', '.join(there[:_LISTED]) + more or 'none'}. Put the file there, or leave {widget} empty."
    )


def _why_not_a_font_name(name: str) -> str | None:
    name = name.strip()
    if not name:
        return "it is empty"
    if len(name) > 200:
        return "it may have at most 200 letters"
    if not name.isprintable():
        return "it may hold letters that can be seen alone"
    if found := sorted(set('\\:*?"<>|') & set(name)):
        return f"it may not hold {' '.join(found)}"
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        return "it may not lead out of the folder"
    if not name.lower().endswith(choice.FONT_ENDINGS):
        return f"it must end in {', '.join(choice.FONT_ENDINGS)}"
    return None


def usable(path: str | Path | None) -> str | None:
    """The path of the user's font, once it was opened."""
    if not path:
        return None
    return _opened(str(path), _stamp(path))


@lru_cache(maxsize=32)
def _opened(path: str, stamp: tuple[int, int]) -> str:
    del stamp  # part of the key: a file that was mended is looked at again
    fonts.coverage.cache_clear()
    choice.pick.cache_clear()
    fonts.open_font.cache_clear()
    try:
        fonts.open_font(path, 32, False, fonts.can_shape())
    except OSError as error:
        raise ValueError(
            f"font: {path} is no font that can be read ({error}). Choose another, or leave font empty."
        ) from error
    if not len(fonts.coverage(path)[0]) > 1:
        raise ValueError(
            f"font: {path} says of no letter that it has it (no Unicode table). Choose another, or leave font empty."
        )
    return path


def _stamp(path: str | Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"font: {path} cannot be read ({error}). Choose another, or leave font empty."
        ) from error
    return found.st_mtime_ns, found.st_size
