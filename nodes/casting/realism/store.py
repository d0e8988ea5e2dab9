"""Corridors as files: the pack's own, and those that users made of their own photos."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ... import file_names
from ...identity.own_files import own_files, parsed, text_of
from ...whole_files import saving, write_whole
from .corridor import Corridor, read_corridor

FOLDER = "loupe_corridors"
ENDING = ".json"
SHIPPED = "shipped"
KEEP_BOTH, REPLACE = "keep both", "replace"
EXISTING = (KEEP_BOTH, REPLACE)
_OWN = Path(__file__).with_name("corridor.json")
_MOST_COPIES = 999
_LISTED = 12


def list_corridors(folders: Sequence[Path]) -> list[str]:
    """The names to choose from: ``shipped`` first, then the users' files, without their ending."""
    found = {path.stem for path in own_files(folders)[0] if _fits(path)}
    return [SHIPPED, *sorted(found - {SHIPPED})]


def load_corridor(name: str, folders: Sequence[Path]) -> Corridor:
    """The corridor of a name.

    Parameters
    ----------
    name : str
        ``SHIPPED``, or a bare file name in one of the folders, with or without ``.json``.
    folders : sequence of Path
        Where users' corridors lie, ``models/loupe_corridors``.

    Raises
    ------
    ValueError
        The name is not allowed, no folder has it, it is a link that leads out of its folder, or the file is no
        corridor of this pack's version.
    """
    if name == SHIPPED:
        return read_corridor(parsed(text_of(_OWN), _OWN.name), _OWN.name)
    file_name = check_file_name(name, "corridor")
    for folder in folders:
        path = folder / file_name
        if path.is_file():
            if not file_names.is_inside(path, folder):
                raise ValueError(
                    f"corridor: {file_name} is a link that leads out of models/{FOLDER}, so it is not read. Copy the "
                    "file itself there."
                )
            found = read_corridor(parsed(text_of(path), path.name), path.name)
            return replace(found, name=path.stem)
    there = list_corridors(folders)
    listed = ", ".join(there[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
    raise ValueError(
        f"corridor must be one of {listed}; there is no {file_name} in models/{FOLDER}. Realism Calibrate makes "
        "one of your own photos."
    )


def save_corridor(
    corridor: Corridor, name: str, folder: Path, existing: str = KEEP_BOTH
) -> tuple[Path, str]:
    """Write a corridor into a folder, whole or not at all.

    Parameters
    ----------
    corridor : Corridor
    name : str
        A bare file name.
    folder : Path
        Made where it is missing.
    existing : one of ``EXISTING``
        ``keep both`` never writes over a file; ``replace`` writes over a corridor, and nothing else.

    Returns
    -------
    path : Path
    note : str
        What was done, for the report.

    Raises
    ------
    ValueError
        The name is not allowed, or ``replace`` meets a file that is no corridor.
    RuntimeError
        The folder cannot be written to.
    """
    if existing not in EXISTING:
        raise ValueError(f"existing must be one of {', '.join(EXISTING)}; got {existing!r}")
    file_name = check_file_name(name, "name")
    data = (json.dumps(corridor.as_json(), indent=1, allow_nan=False) + "\n").encode()
    with saving("the corridor", file_name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        path, note = _target(file_name, folder, existing)
        write_whole(path, data, over=existing == REPLACE)
        return path, note


def check_file_name(name: str, widget: str) -> str:
    """The bare file name that a user's text stands for; ValueError says what is wrong.

    ``shipped`` is the pack's own and no user's file.
    """
    file_name = file_names.check_file_name(
        name,
        widget,
        ending=ENDING,
        example="my corridor",
        place=f"Corridors lie in the folder models/{FOLDER}.",
    )
    if file_name[: -len(ENDING)].lower() == SHIPPED:
        raise ValueError(f"{widget} must not be {SHIPPED!r}: that is the pack's own corridor")
    return file_name


def _target(file_name: str, folder: Path, existing: str) -> tuple[Path, str]:
    first = folder / file_name
    if not os.path.lexists(first):
        return first, f"Saved as {FOLDER}/{file_name}."
    if existing == REPLACE:
        if first.is_symlink() or not first.is_file():
            raise ValueError(
                f"{file_name} is no plain file, so it is not replaced. Choose another name, or existing = keep both."
            )
        try:
            _check_is_corridor(first)
        except ValueError as objection:
            raise ValueError(
                f"only a corridor is replaced: {objection}. Choose another name, or existing = keep both."
            ) from None
        return first, f"Saved as {FOLDER}/{file_name}; the corridor that it held is replaced."
    stem = file_name[: -len(ENDING)]
    for number in range(2, _MOST_COPIES + 1):
        path = folder / f"{stem}_{number}{ENDING}"
        if not os.path.lexists(path):
            return path, f"{file_name} was left alone; saved as {FOLDER}/{path.name}."
    raise ValueError(
        f"name: there are {_MOST_COPIES} corridors {file_name} already. Choose another."
    )


def _check_is_corridor(path: Path) -> None:
    """Of any version: an old one may be replaced."""
    data = parsed(text_of(path), path.name)
    if not isinstance(data, dict) or data.get("kind") != "loupe realism corridor":
        raise ValueError(f"{path.name} is none")


def _fits(path: Path) -> bool:
    return file_names.why_not_a_name(path.stem) is None and path.stem.lower() != SHIPPED
