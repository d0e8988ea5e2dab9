"""Names that users type for files: bare, and safe on every system."""

from __future__ import annotations

from pathlib import Path

MAX_LETTERS = 80
MAX_BYTES = (
    200  # of UTF-8, where letters take up to four: file systems hold 255 with ending and number
)
FORBIDDEN = frozenset('/\\:*?"<>|')  # to Windows, and the first to all
RESERVED = frozenset(  # to Windows, for devices, whatever follows a point
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in "123456789\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"}
)  # fmt: skip


def check_file_name(name: str, widget: str, *, ending: str, example: str, place: str) -> str:
    """The file name that a user's text stands for, safe on every system.

    Parameters
    ----------
    name : str
        With or without the ending.
    widget : str
        Where it was typed, for the message.
    ending : str
        ``.json``, lower case.
    example : str
        A name that would do, for the message.
    place : str
        Where such files lie, a sentence for the message.

    Returns
    -------
    str
        A bare name with the ending.

    Raises
    ------
    ValueError
        It names a folder, a drive or a device, or holds what some system does not allow.
    """
    stem = name.strip()
    if stem.lower().endswith(ending):
        stem = stem[: -len(ending)]
    objection = why_not_a_name(stem)
    if objection:
        raise ValueError(
            f"{widget} must be a bare file name such as {example!r}: {objection}, got {name[:120]!r}. "
            f"{place}"
        )
    return stem + ending


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder, links followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def why_not_a_name(stem: str) -> str | None:
    """The reason why a name without its ending cannot be a file's on every system, or None."""
    if not stem:
        return "it is empty"
    if len(stem) > MAX_LETTERS:
        return f"it may have at most {MAX_LETTERS} letters"
    if len(stem.encode("utf-8", "replace")) > MAX_BYTES:
        return f"it may have at most {MAX_BYTES} bytes, and many of its letters take several"
    if found := sorted(FORBIDDEN & set(stem)):
        return f"it may not hold {' '.join(found)}"
    if not stem.isprintable():
        return "it may hold letters that can be seen alone"
    if stem[0] in ". " or stem[-1] in ". ":
        return "it may not begin or end with a point or a space"
    if stem.split(".")[0].strip().lower() in RESERVED:
        return "Windows keeps this name for a device"
    return None
