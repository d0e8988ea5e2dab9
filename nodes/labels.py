"""Text that fits its place: smaller, then on two lines, then shortened in the middle, never cut off."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .typography import clusters, length, one_line

__all__ = ["Fitted", "fit", "one_line", "shorten", "size_for", "width_of"]

ELLIPSIS = "…"
LEAST_PX, LEAST_SHARE = 16, 0.018
_NARROWEST = 0.125  # of the letter size; DejaVu Sans has nothing visible under 0.27
_BREAKS = "-_/\\.,:;|+"
_OPENING = "([{«<\u3008\u300a\u300c\u300e\u3010\uff08"  # not last on a line
_CLOSING = ")]}»>!?%\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u30fc\uff01\uff09\uff0c\uff0e\uff1f"


@dataclass(frozen=True)
class Fitted:
    """Texts as they are written."""

    size: int
    """Letter size of all of them, pixels."""
    lines: tuple[tuple[str, ...], ...]
    """The lines of each text; none for an empty one."""
    shortened: tuple[bool, ...]
    """Whether letters of a text were left out."""


@dataclass(frozen=True)
class _Room:
    """A width and how it is written in."""

    width: float
    size: int
    bold: bool
    user_font: str | Path | None

    def holds(self, text: str) -> bool:
        return self._measure(text) <= self.width

    def _measure(self, text: str) -> float:
        return length(text, self.size, bold=self.bold, user_font=self.user_font)

    @property
    def most(self) -> int:
        """Letters that no line has more of: longer texts need not be measured."""
        return max(int(self.width / (_NARROWEST * self.size)), 0) + 2


def least_size(width: int, height: int) -> int:
    """The smallest letters that are still read when a plate is seen in a phone's feed, pixels."""
    return max(LEAST_PX, round(LEAST_SHARE * min(width, height)))


def width_of(
    text: str, size: int, *, bold: bool = False, user_font: str | Path | None = None
) -> float:
    """Width of a text written as one line at a letter size, pixels."""
    return length(text, size, bold=bold, user_font=user_font)


def size_for(
    texts: Sequence[str],
    width: int,
    largest: int,
    smallest: int,
    *,
    bold: bool = False,
    user_font: str | Path | None = None,
) -> int:
    """One letter size for all texts, pixels: the largest at which each fits.

    Never under ``smallest``: one long text must not make the others illegible; it is shortened.
    """
    cleaned = [one_line(text) for text in texts]
    return _largest(cleaned, width, largest, smallest, bold, user_font) or smallest


def shorten(
    text: str, width: int, size: int, *, bold: bool = False, user_font: str | Path | None = None
) -> str:
    """The text, or its beginning and end around an ellipsis, within a width in pixels."""
    room = _Room(width, size, bold, user_font)
    text = one_line(text)
    units = clusters(text)
    if len(units) <= room.most and room.holds(text):
        return text
    kept = _longest(units, lambda short: (short,) if room.holds(short) else None)
    return kept[0] if kept else ELLIPSIS


def fit(
    texts: Sequence[str],
    width: int,
    largest: int,
    smallest: int,
    *,
    lines: int = 2,
    bold: bool = False,
    user_font: str | Path | None = None,
) -> Fitted:
    """Texts of one letter size, each within a width.

    Parameters
    ----------
    texts : the labels of all panels
    width : pixels
    largest, smallest : pixels
        :func:`least_size` tells the smallest that is still read.
    lines : int, at least 1
        A text that is too wide at the smallest size is wrapped to at most so many lines.

    Returns
    -------
    Fitted
        The largest size at which each text fits on one line. Where there is none, the smallest:
        too wide texts are broken at blanks, at ``- _ / .`` and between Chinese or Japanese letters,
        anywhere if that saves letters, and then lose their middle to an ellipsis.

    Raises
    ------
    ValueError
        ``smallest`` or ``lines`` is below 1.
    """
    if smallest < 1 or lines < 1:
        raise ValueError(
            f"smallest and lines must be at least 1, got {smallest} px and {lines} lines"
        )
    cleaned = [one_line(text) for text in texts]
    size = _largest(cleaned, width, max(largest, smallest), smallest, bold, user_font)
    room = _Room(width, size or smallest, bold, user_font)
    fitted = [_lines(text, room, lines) for text in cleaned]
    return Fitted(
        room.size, tuple(found for found, _ in fitted), tuple(short for _, short in fitted)
    )


def _largest(
    texts: Sequence[str],
    width: int,
    largest: int,
    smallest: int,
    bold: bool,
    user_font: str | Path | None,
) -> int | None:
    """The largest size at which each text fits on one line, by halving; None without any."""

    def holds_all(size: int) -> bool:
        room = _Room(width, size, bold, user_font)
        return all(len(clusters(text)) <= room.most and room.holds(text) for text in texts)

    if largest < smallest or not holds_all(smallest):
        return None
    low, high = smallest, largest + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds_all(middle) else (low, middle)
    return low


def _lines(text: str, room: _Room, lines: int) -> tuple[tuple[str, ...], bool]:
    """A text on as few lines as it needs, and whether letters were left out."""
    units = clusters(text)
    if not units:
        return (), False
    if len(units) <= room.most and room.holds(text):
        return (text,), False

    def wrapped(short: str) -> tuple[str, ...] | None:
        parts = clusters(short)
        return _wrap(parts, room, lines, _may_break) or _wrap(parts, room, lines, _anywhere)

    if len(units) <= lines * room.most and (whole := wrapped(text)):
        return whole, False
    return _longest(units, wrapped) or (ELLIPSIS,), True


def _longest(
    units: Sequence[str], accept: Callable[[str], tuple[str, ...] | None]
) -> tuple[str, ...] | None:
    """What is accepted of a text that keeps as much of its beginning and end as it can."""
    best = None
    low, high = 0, len(units)
    while high - low > 1:
        kept = (low + high) // 2
        found = accept(
            "".join(units[: (kept + 1) // 2]).rstrip()
            + ELLIPSIS
            + "".join(units[len(units) - kept // 2 :]).lstrip()
        )
        low, high = (kept, high) if found else (low, kept)
        best = found or best
    return best


def _wrap(
    units: Sequence[str],
    room: _Room,
    lines: int,
    may_break: Callable[[Sequence[str], int], bool],
) -> tuple[str, ...] | None:
    """At most so many lines that hold all of a text, each as full as its breaks allow; or None."""
    found: list[str] = []
    start = 0
    while start < len(units):
        end = start + _most_held(units[start : start + room.most], room)
        if end == start or len(found) == lines:
            return None
        if end < len(units):
            # a word wider than the line is broken where the line ends
            end = next((stop for stop in range(end, start, -1) if may_break(units, stop)), end)
        found.append("".join(units[start:end]).strip())
        start = end
        while start < len(units) and units[start] == " ":
            start += 1
    return tuple(found)


def _most_held(units: Sequence[str], room: _Room) -> int:
    """How many letters from the beginning fit on a line, by halving."""
    low, high = 0, len(units) + 1
    while high - low > 1:
        middle = (low + high) // 2
        held = room.holds("".join(units[:middle]))
        low, high = (middle, high) if held else (low, middle)
    return low


def _anywhere(units: Sequence[str], place: int) -> bool:
    return True


def _may_break(units: Sequence[str], place: int) -> bool:
    """Whether a line may end before a letter."""
    before, after = units[place - 1], units[place]
    if " " in (before, after):
        return True
    if before in _BREAKS:
        # 2.1 and 1,000 stay whole
        between_figures = place > 1 and units[place - 2].isdigit() and after.isdigit()
        return not (between_figures and before in ".,:")
    if after in _CLOSING or before in _OPENING:
        return False
    return _is_east_asian(before) or _is_east_asian(after)


def _is_east_asian(unit: str) -> bool:
    """Chinese and Japanese letters; Korean words are kept whole."""
    return unicodedata.east_asian_width(unit[0]) == "W" and not unicodedata.name(
        unit[0], ""
    ).startswith("HANGUL")
