"""Numbers that strangers wrote."""

from __future__ import annotations

from math import isfinite
from typing import Any


def finite_number(value: Any) -> float | None:
    """An int or a float that stands for a number, or None for all else.

    JSON holds integers that no float can: asked about those ``isfinite`` raises.
    """
    if type(value) not in (int, float):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:
        return None
