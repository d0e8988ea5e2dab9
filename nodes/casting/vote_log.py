"""The vote log: every pick as a line, written once, and read without trust."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..comparison.encode import json_bytes
from .disk import check_inside
from .lock import BLIND_PICK, PICK, TakeLock
from .records import vote_of
from .store import FOLDER, VOTES, read_offer

PICKS = (PICK, BLIND_PICK)  # what a person chose
_MOST_BYTES = 64 * 2**20  # of the log: a pick among twelve takes has 1.5 kB


def add_vote(lock: TakeLock, name: str, output: Path) -> str:
    """Write a pick down, once; a remark where the disk refuses, else nothing.

    A take that the cast's last offer does not hold was picked from other takes: that says nothing.
    """
    path = output / FOLDER / VOTES
    try:
        check_inside(path, output)
        known = (lock.take_sha256, lock.at, name)
        if any(
            (one.get("picked"), one.get("at"), one.get("cast")) == known for one in _lines(path)
        ):
            return ""
        vote = vote_of(read_offer(name, output), name, lock.take_sha256, lock.by, lock.at)
        if vote is None:
            return ""
        _append(path, json_bytes(vote).replace(b"\n", b" ") + b"\n")
    except (OSError, ValueError) as error:
        return f"The pick is not counted: {error}."
    return ""


def _append(path: Path, line: bytes) -> None:
    """Put a line at the end of a file; after one that a full disk cut off it begins anew."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
    # one write at the end of the file: two hosts do not mix their lines
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)


def read_votes(output: Path) -> list[dict[str, Any]]:
    """All picks, the oldest first; lines that are none are left out."""
    path = output / FOLDER / VOTES
    try:
        check_inside(path, output)
        return _lines(path)
    except (OSError, ValueError):
        return []


def votes_state(output: Path) -> str:
    """A text that changes with the vote log."""
    with suppress(OSError):
        stat = (output / FOLDER / VOTES).stat()
        return f"{stat.st_mtime_ns} {stat.st_size}"
    return ""


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of the vote log that can be read."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES)
    found = []
    for line in data.splitlines():
        with suppress(ValueError, RecursionError):
            told = json.loads(line)
            if isinstance(told, dict):
                found.append(told)
    return found
