"""Identities as files: saved so that nothing is lost, read so that nothing is believed.

``form`` knows what is in a file; this file knows where it lies and what it may be called. Only the
safetensors library reads and writes them: a file can hold numbers and texts, never a program.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .. import file_names
from ..whole_files import saving, write_whole
from .form import ENDING, content_digest, from_file, to_bytes
from .profile import Identity

FOLDER = "identity_profiles"
# 64 faces take 53 MB with their crops, each encoder 0.13 MB more.
MAX_BYTES = 192 * 1024 * 1024
KEEP_BOTH, REPLACE = "keep both", "replace"
EXISTING = (KEEP_BOTH, REPLACE)
_MOST_COPIES = 999
_LISTED = 12


def check_file_name(name: str, widget: str) -> str:
    """The bare file name, with its ending, that a user's text stands for; ValueError says what is wrong."""
    return file_names.check_file_name(
        name,
        widget,
        ending=ENDING,
        example="my identity",
        place=f"Identities lie in the folder models/{FOLDER}.",
    )


def list_identities(folders: Sequence[Path]) -> list[str]:
    """The names of the files that could be loaded, sorted; what is in them is not looked at."""
    return sorted(
        {
            path.name
            for folder in folders
            for path in folder.glob(f"*{ENDING}")
            if file_names.why_not_a_name(path.name[: -len(ENDING)]) is None
            and path.is_file()
            and file_names.is_inside(path, folder)
        }
    )


def find_identity(name: str, folders: Sequence[Path], widget: str = "file") -> Path:
    """The file of a name, from the first folder that has it.

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
                    f"{path} is a link that leads out of its folder, so it is not read. Copy the file itself there."
                )
            return path
    there = list_identities(folders)
    listed = ", ".join(there[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
    where = " or ".join(str(folder) for folder in folders) or "no folder"
    raise ValueError(
        f"{widget} must name an identity in {where}; there is no {file_name}. "
        f"There {'are ' + listed if there else 'is none yet: save one with Save Identity'}."
    )


def load_identity(name: str, folders: Sequence[Path], widget: str = "file") -> Identity:
    """The identity of a file.

    Parameters
    ----------
    name : str
        A bare file name.
    folders : sequence of Path
        Where identities may lie.

    Raises
    ------
    ValueError
        See :func:`find_identity`; or the file is too large, damaged, changed by another program, of
        another version, or no identity. It is left as it is.
    """
    return read_identity(find_identity(name, folders, widget))


def read_identity(path: Path) -> Identity:
    """The identity in a file; ValueError names the file, says what is wrong, and it is left alone."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(
                f"it has {size / 2**20:.0f} MB, an identity has at most {MAX_BYTES // 2**20} MB"
            )
        return from_file(path)
    except OSError as error:
        raise ValueError(
            f"{path.name} cannot be read: {error.strerror or error}. It was left alone."
        ) from None
    except ValueError as objection:
        raise ValueError(
            f"{path.name} is not used: {objection}. The file was left alone."
        ) from None


def save_identity(
    identity: Identity,
    name: str,
    folder: Path,
    existing: str = KEEP_BOTH,
    widget: str = "file_name",
) -> tuple[Path, str]:
    """Write an identity into a folder, whole or not at all.

    Parameters
    ----------
    identity : Identity
    name : str
        A bare file name.
    folder : Path
        Made where it is missing.
    existing : one of ``EXISTING``
        ``keep both`` never writes over a file: another name gets a number. ``replace`` writes over
        a file that is itself an identity that can be read, and over nothing else.

    Returns
    -------
    path : Path
        The file that now holds the identity.
    note : str
        What was done, for the report.

    Raises
    ------
    ValueError
        The name is not allowed, or ``replace`` meets a file that is no readable identity.
    RuntimeError
        The folder cannot be written to.
    """
    if existing not in EXISTING:
        raise ValueError(f"existing must be one of {', '.join(EXISTING)}; got {existing!r}")
    file_name = check_file_name(name, widget)
    with saving("the identity", file_name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        path, note = _target(identity, file_name, folder, existing, widget)
        if not note.startswith("Already"):
            write_whole(path, to_bytes(identity), over=existing == REPLACE)
        return path, note


def _target(
    identity: Identity, file_name: str, folder: Path, existing: str, widget: str
) -> tuple[Path, str]:
    """Where an identity is to be written, and what is said then."""
    first = folder / file_name
    if not os.path.lexists(first):
        return first, f"Saved as {_where(first)}."
    if _holds(first, folder, identity):
        return first, f"Already saved as {_where(first)}."
    if existing == REPLACE:
        _check_replaceable(first, folder)
        return first, f"Saved as {_where(first)}; the identity that it held is replaced."
    stem = file_name[: -len(ENDING)]
    for number in range(2, _MOST_COPIES + 1):
        path = folder / f"{stem}_{number}{ENDING}"
        if not os.path.lexists(path):
            return path, f"{file_name} is another file and was left alone; saved as {_where(path)}."
        if _holds(path, folder, identity):
            return path, f"Already saved as {_where(path)}."
    raise ValueError(
        f"{widget}: there are {_MOST_COPIES} identities {file_name} already. Choose a name."
    )


def _where(path: Path) -> str:
    """The file within the host's folders; the way to them is nobody's business."""
    return f"{path.parent.name}/{path.name}"


def _holds(path: Path, folder: Path, identity: Identity) -> bool:
    """Whether a file is this identity, whenever it was made."""
    if not path.is_file() or not file_names.is_inside(path, folder):
        return False
    try:
        return content_digest(read_identity(path)) == content_digest(identity)
    except ValueError:
        return False


def _check_replaceable(path: Path, folder: Path) -> None:
    """Refuse to write over what is no identity: it may be somebody's only copy of something else."""
    way_out = "Choose another file_name, or existing = keep both"
    if path.is_symlink() or not path.is_file() or not file_names.is_inside(path, folder):
        raise ValueError(f"{path} is no plain file, so it is not replaced. {way_out}.")
    try:
        read_identity(path)
    except ValueError as objection:
        raise ValueError(
            f"only an identity that can be read is replaced. {objection} {way_out}."
        ) from None
