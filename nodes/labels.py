"""Text that fits its place: smaller, then shortened in the middle, never cut off."""

from __future__ import annotations

from collections.abc import Sequence

from .typography import font


def one_line(text: str) -> str:
    """The text with line breaks and what cannot be written turned into single blanks."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def width_of(text: str, size: int, *, bold: bool = False) -> float:
    """Width of a text written as one line at a letter size, pixels."""
    return font(size, bold=bold).getlength(one_line(text))


def size_for(
    texts: Sequence[str], width: int, largest: int, smallest: int, *, bold: bool = False
) -> int:
    """One letter size for all texts, pixels: the largest at which each fits.

    Never under ``smallest``: one long text must not make the others illegible; it is shortened.
    """
    for size in range(largest, smallest, -1):
        if all(width_of(text, size, bold=bold) <= width for text in texts):
            return size
    return smallest


def shorten(text: str, width: int, size: int, *, bold: bool = False) -> str:
    """The text, or its beginning and end around an ellipsis, within a width in pixels."""
    text = one_line(text)
    if width_of(text, size, bold=bold) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        short = text[: (kept + 1) // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
        if width_of(short, size, bold=bold) <= width:
            return short
    return "…"
