"""Lenses as small files that users share: where they may lie, and what they may be called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...kernels.psf import Lens
from .. import file_names
from ..whole_files import write_whole
from .catalogue import CatalogueError, read_lens, write_lens

FOLDER = "loupe_lenses"
ENDING = ".json"
MAX_BYTES = 64 * 1024  # a lens takes 1 kB
_LISTED = 12
_MOST_COPIES = 999


def check_file_name(name: str, widget: str) -> str:
    """The file name that a user's text stands for, safe on every system.

    Parameters
    ----------
    name : str
        With or without ``.json``.
    widget : str
        Where it was typed, for the message.

    Returns
    -------
    str
        A bare name that ends in ``.json``.

    Raises
    ------
    ValueError
        It names a folder, a drive or a device, or holds what some system does not allow.
    """
    return file_names.check_file_name(
        name,
        widget,
        ending=ENDING,
        example="my lens",
        place=f"Lens files lie in the folder {FOLDER}.",
    )


def find_file(name: str, folders: Sequence[Path], widget: str = "load") -> Path:
    """The lens file of a name, from the first folder that has it.

    Raises
    ------
    ValueError
        The name is not allowed, no folder has the file, or it is a link that leads out of its folder.
    """
    file_name = check_file_name(name, widget)
    for folder in folders:
        path = folder / file_name
        if path.is_file():
            if not file_names.is_inside(path, folder):
                raise ValueError(
                    f"{widget}: {file_name} is a link that leads out of {folder}, so it is not read. Copy the file "
                    "itself there."
                )
            return path
    there = sorted({path.name for folder in folders for path in folder.glob(f"*{ENDING}")})
    listed = ", ".join(there[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
    where = " or ".join(str(folder) for folder in folders) or "no folder"
    raise ValueError(
        f"{widget} must name a lens file in {where}; there is no {file_name}. "
        f"There {'are ' + listed if there else 'is none yet: save one with save_as, or put it there'}."
    )


def load_lens(name: str, folders: Sequence[Path], widget: str = "load") -> Lens:
    """The lens of a file.

    Parameters
    ----------
    name : str
        A bare file name.
    folders : sequence of Path
        Where lens files may lie.

    Raises
    ------
    ValueError
        See :func:`find_file`; or the file is too large, no text, or no lens.
    """
    path = find_file(name, folders, widget)
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CatalogueError(
            f"{path.name} must be at most {MAX_BYTES // 1024} kB, it is larger: it is no lens file"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CatalogueError(f"{path.name} must be text in UTF-8, it is not") from None
    return read_lens(text, path.name)


def save_lens(lens: Lens, name: str, folder: Path, widget: str = "save_as") -> tuple[Path, str]:
    """Write a lens into a folder, beside whatever is there.

    Parameters
    ----------
    lens : Lens
    name : str
        A bare file name.
    folder : Path
        Made where it is missing.

    Returns
    -------
    path : Path
        The file that now holds the lens. Where the name was taken by another lens it has a number.
    note : str
        What was done, for the report.

    Raises
    ------
    ValueError
        The name is not allowed.
    RuntimeError
        The folder cannot be written to.
    """
    file_name = check_file_name(name, widget)
    data = write_lens(lens).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, _MOST_COPIES + 1):
            stem = file_name[: -len(ENDING)]
            path = folder / (file_name if number == 1 else f"{stem}_{number}{ENDING}")
            try:
                write_whole(path, data, over=False)
            except FileExistsError:
                if (
                    path.is_file()
                    and path.stat().st_size == len(data)
                    and path.read_bytes() == data
                ):
                    return path, f"Already saved as {path}."
                continue
            if number == 1:
                return path, f"Saved as {path}."
            return path, f"{file_name} is another lens and was left alone; saved as {path}."
    except OSError as error:
        raise RuntimeError(
            f"the lens could not be saved in {folder}: {error.strerror or error}. Free some room or "
            "allow writing there, or empty save_as."
        ) from None
    raise ValueError(
        f"{widget}: there are {_MOST_COPIES} lenses {file_name} already. Choose a name."
    )
