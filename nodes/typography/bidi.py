"""The order of a line whose parts are read in two directions, and letters joined without raqm."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, groupby
from typing import TypeVar

from . import fonts
from .clusters import ZWNJ, is_ignorable, one_line

_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_LAM, _ALEFS, _TATWEEL = "\u0644", "\u0622\u0623\u0625\u0627", "\u0640"

_Part = TypeVar("_Part")


def levels(units: Sequence[str]) -> list[int]:
    """Embedding levels: even from left to right, odd from right to left (UAX 9).

    The line has the direction of its first letter that has one. Overrides were dropped by
    :func:`one_line`; brackets go with their neighbours, not in pairs (N0).
    """
    kinds = [unicodedata.bidirectional(unit[0]) or "L" for unit in units]
    if not {"R", "AL", "AN"} & set(kinds):
        return [0] * len(kinds)
    strong = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L")
    base = 0 if strong == "L" else 1
    kinds = _weak(kinds, "LR"[base])
    kinds = _neutral(kinds, "LR"[base])
    raised = ({"L": 0, "R": 1, "AN": 2, "EN": 2}, {"L": 1, "R": 0, "AN": 1, "EN": 1})[base]
    return [base + raised[kind] for kind in kinds]


def _weak(kinds: list[str], base: str) -> list[str]:
    """Figures and what belongs to them (W1 to W7)."""
    kinds = list(kinds)
    strong = base
    for place, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[place] = kinds[place - 1] if place else base
        if kinds[place] in ("L", "R", "AL"):
            strong = kinds[place]
        elif kinds[place] == "EN" and strong == "AL":
            kinds[place] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    for place in range(1, len(kinds) - 1):
        before, kind, after = kinds[place - 1 : place + 2]
        if before == after and (
            (kind == "ES" and before == "EN") or (kind == "CS" and before in ("EN", "AN"))
        ):
            kinds[place] = before
    place = 0
    for terminal, group in groupby(list(kinds), key=lambda kind: kind == "ET"):
        count = len(list(group))
        around = kinds[max(place - 1, 0) : place] + kinds[place + count : place + count + 1]
        if terminal and "EN" in around:
            kinds[place : place + count] = ["EN"] * count
        place += count
    strong = base
    for place, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[place] = "L"
    return kinds


def _neutral(kinds: list[str], base: str) -> list[str]:
    """Blanks and signs take the direction that they stand in (N1, N2)."""
    found: list[str] = []
    place = 0
    for neutral, group in groupby(kinds, key=lambda kind: kind not in ("L", "R", "AN", "EN")):
        members = list(group)
        place += len(members)
        if neutral:
            before = _side(found[-1]) if found else base
            after = _side(kinds[place]) if place < len(kinds) else base
            members = [before if before == after else base] * len(members)
        found += members
    return found


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"


def visual(numbered: Sequence[tuple[int, _Part]]) -> list[_Part]:
    """From reading order to the order on the line (UAX 9, L2)."""
    line = list(numbered)
    for level in range(max((level for level, _ in line), default=0), 0, -1):
        again: list[tuple[int, _Part]] = []
        for turned, group in groupby(line, key=lambda one: one[0] >= level):
            members = list(group)
            again += members[::-1] if turned else members
        line = again
    return [part for _, part in line]


def plain(units: list[str], path: str, level: int) -> str:
    """A run without raqm: what the BASIC layout draws from left to right, selectors as boxes."""
    units = _joined(units, path)
    if level % 2:
        units = [unit.translate(_MIRRORED) for unit in reversed(units)]
    return "".join(sign for unit in units for sign in unit if not is_ignorable(sign))


def _joined(units: list[str], path: str) -> list[str]:
    """Arabic letters in the forms that join them, where the font has these."""
    forms = _arabic_forms()
    found: list[str] = []
    joins = False  # whether the letter before reaches on to this one
    rest: Iterator[int] = iter(range(len(units)))
    for place in rest:
        unit = units[place]
        following = units[place + 1] if place + 1 < len(units) else ""
        letter, marks = unit[0], unit[1:]
        if letter == _LAM and following and following[0] in _ALEFS and ZWNJ not in marks:
            letter, marks = letter + following[0], marks + following[1:]
            next(rest)
            following = ""
        shapes = forms.get(letter, {})
        reaches = (
            ("<initial>" in shapes or letter == _TATWEEL)
            and ZWNJ not in marks
            and ("<final>" in forms.get(following[:1], {}) or following[:1] == _TATWEEL)
        )
        kind = ("<isolated>", "<initial>", "<final>", "<medial>")[2 * joins + reaches]
        shape = shapes.get(kind, letter)
        found.append((shape if fonts.has(path, shape) else letter) + marks)
        joins = reaches
    return found


@lru_cache(maxsize=1)
def _arabic_forms() -> dict[str, dict[str, str]]:
    """Letters (and lam with alef) to their forms by place in the word, from Unicode's own tables."""
    forms: dict[str, dict[str, str]] = {}
    for code in chain(range(0xFB50, 0xFBFF), range(0xFE80, 0xFEFD)):
        kind, *codes = unicodedata.decomposition(chr(code)).split() or [""]
        letters = "".join(chr(int(one, 16)) for one in codes)
        lone = len(letters) == 1 or (letters[:1] == _LAM and letters[1:] in tuple(_ALEFS))
        if kind in ("<isolated>", "<initial>", "<medial>", "<final>") and lone:
            forms.setdefault(letters, {})[kind] = chr(code)
    return forms


def unshaped(text: str, boxes: str) -> str:
    """The letters that need raqm: Arabic without forms of its own, and what India and its neighbours write."""
    return "".join(
        sign
        for sign in dict.fromkeys(one_line(text))
        if (0x0600 <= ord(sign) <= 0x0DFF or 0x0F00 <= ord(sign) <= 0x109F)
        and unicodedata.category(sign) == "Lo"
        and sign not in _arabic_forms()
        and sign not in boxes
    ) + "".join(sign for sign in dict.fromkeys(text) if 0x1780 <= ord(sign) <= 0x17D3)
