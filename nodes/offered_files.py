"""What a node that offers a list of files tells its host of the one that was chosen.

The host's own list is as old as the page, so such a node looks for the file itself: before a run, where
the answer is a sentence, and between runs, where it is a text that changes when the file does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def check_choice(chosen: Any, find: Callable[[Any], object], folder: str = "") -> bool | str:
    """Whether what was chosen is there.

    Parameters
    ----------
    chosen : str, or what a graph holds in its place
        None where the input is linked: then it is not known yet.
    find : what looks for it
        Raises a ValueError or a RuntimeError that says what to do.
    folder : str
        Where such files lie. Where it is left out, ``find`` says itself that a number is no name.

    Returns
    -------
    True, or why it is not there
    """
    if chosen is None:
        return True
    if folder and not isinstance(chosen, str):
        return f"file must be the name of a file in {folder}, got {chosen!r}"
    try:
        find(chosen)
    except (ValueError, RuntimeError) as objection:
        return str(objection)
    return True


def state_of_choice(chosen: str | None, find: Callable[[str], Path], *also: str) -> str:
    """A text that changes when the file is another or was written, or what else is told of it."""
    try:
        found = find(chosen or "")
        told = found.stat()
    except (ValueError, RuntimeError, OSError):
        return "no file"
    return " ".join([str(found), str(told.st_mtime_ns), str(told.st_size), *also])
