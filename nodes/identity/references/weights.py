"""Each reference's weight, from one number and a typed list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

MOST_WEIGHT = 8.0
EXAMPLE = "1:0.5, 2:1.5"
ITEM = re.compile(r"^(\*|\d+(?:\s*-\s*\d+)?)\s*:\s*(\S+)$")


@dataclass(frozen=True)
class Weights:
    """Odds by which references are read, counted from 0."""

    rest: float = 1.0
    named: Mapping[int, float] = field(default_factory=dict)

    def of(self, reference: int) -> float:
        """The weight of one reference, however many there are."""
        return self.named.get(reference, self.rest)


def parse_weights(weight: float, text: str, references: int) -> Weights:
    """The number and the list as one.

    Parameters
    ----------
    weight : float, 0..8
        Of all references that the list leaves out.
    text : str
        Such as ``1:0.5, 2-3:1.5, *:0``, references counted from 1, ``*`` the rest. Empty: ``weight``
        for all.
    references : int
        How many there are.

    Raises
    ------
    ValueError
        A weight out of range, a list that cannot be read, a reference that is not there.
    """
    rest, named = checked(weight, "weight"), {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            continue
        found = ITEM.match(item)
        if found is None:
            raise ValueError(
                f"weights has {item!r}, which is no reference and its weight; write it as {EXAMPLE}"
            )
        value = checked(found[2], f"the weight in {item!r}")
        if found[1] == "*":
            rest = value
            continue
        first, *more = (int(number) for number in found[1].split("-"))
        last = more[0] if more else first
        if not 1 <= first <= last <= references:
            there = (
                "there is 1 reference" if references == 1 else f"there are {references} references"
            )
            raise ValueError(f"weights says {item!r}, but {there}, counted from 1")
        for reference in range(first - 1, last):
            if reference in named:
                raise ValueError(
                    f"weights names reference {reference + 1} twice, the second in {item!r}"
                )
            named[reference] = value
    return Weights(rest, named)


def checked(value: float | str, name: str) -> float:
    """The number, 0..8; ValueError where it is none."""
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not (isfinite(number) and 0 <= number <= MOST_WEIGHT):
        raise ValueError(f"{name} must be a number from 0 to {MOST_WEIGHT:g}, got {value}")
    return number
