"""Files that are written whole or not at all: under another name first, which is then given up for theirs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def draft_of(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside a place; it takes the place when all went well, and is gone where not."""
    draft = path.with_name(f".saving-{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            yield draft, cast("BinaryIO", file)
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, over: bool = True) -> None:
    """Write a file.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    data : bytes
    over : bool
        Whether it may take the place of a file.

    Raises
    ------
    FileExistsError
        It may not, and there is one: nobody else's file that came meanwhile is lost.
    OSError
    """
    taken = False
    try:
        with draft_of(path) as (_, file):
            file.write(data)
            to_disk(file)
            if not over:
                path.open("xb").close()
                taken = True
    except BaseException:
        if taken:  # and nothing came to the place
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def to_disk(file: BinaryIO) -> None:
    """Some disks notice only now that they are full."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def saving(what: str, file_name: str, folder: Path) -> Iterator[None]:
    """Turn what the disk says against a user's file into what to do, a RuntimeError."""
    try:
        yield
    except FileExistsError:
        raise RuntimeError(
            f"{file_name} was saved by another program at the same moment. Save again."
        ) from None
    except OSError as error:
        raise RuntimeError(
            f"{what} could not be saved in {folder}: {error.strerror or error}. Free some room or allow "
            "writing there."
        ) from None
