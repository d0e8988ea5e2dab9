"""The user's word on single faces: ``+3 -5`` keeps the third and rejects the fifth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from .profile import Reference

_TOKEN = re.compile(r"([+-])\s*(\d{1,4})")


def parse_overrides(text: str, count: int) -> dict[int, bool]:
    """Which faces are kept (True) or rejected (False), by their place from 0.

    Parameters
    ----------
    text : str
        Numbers as on the sheet, from 1, each with its sign; blanks, commas or nothing between.
    count : int
        Faces that there are.

    Raises
    ------
    ValueError
        Something else is written, a number is out of range, or a face is both kept and rejected.
    """
    left = _TOKEN.sub(" ", text).replace(",", " ").replace(";", " ").split()
    if left:
        raise ValueError(
            "overrides must be numbers with their sign, such as '+3 -5' (keep face 3, reject face 5); "
            f"got {text.strip()[:120]!r}"
        )
    words: dict[int, bool] = {}
    for sign, digits in _TOKEN.findall(text):
        number = int(digits)
        if not 1 <= number <= count:
            raise ValueError(f"overrides name face {number}, there are 1 to {count} on the sheet")
        if words.setdefault(number - 1, sign == "+") != (sign == "+"):
            raise ValueError(f"overrides keep and reject face {number}: take one of them away")
    return words


def with_overrides(references: Sequence[Reference], text: str) -> tuple[Reference, ...]:
    """The references with the user's word on some; on the others an earlier word stays."""
    words = parse_overrides(text, len(references))
    return tuple(
        replace(one, forced=words.get(place, one.forced)) for place, one in enumerate(references)
    )
