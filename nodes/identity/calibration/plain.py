"""A calibration as plain values and back; what comes from a file is believed in nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from .value import MOST_CALIBRATIONS, MOST_POINTS, Calibration, Fitted, Point

MOST_SEED = 2**64 - 1
MOST_EFFECTIVE = 100.0  # weight: 3 x 1.6 is the largest that Apply Identity makes
_TEXTS = (
    "adapter", "adapter_sha256", "base", "base_id", "encoder", "encoder_sha256", "created", "how",
)  # fmt: skip


def to_text(calibrations: tuple[Calibration, ...]) -> str:
    """As JSON that loses nothing."""
    return json.dumps([plain_of(one) for one in calibrations], allow_nan=False)


def plain_of(one: Calibration) -> dict[str, Any]:
    """Plain values; a point is [weight, cosine, seed, number, share]."""
    points = [[p.weight, p.cosine, p.seed, p.number, p.share] for p in one.points]
    texts = {name: getattr(one, name) for name in _TEXTS}
    return {**texts, "fitted": asdict(one.fitted), "points": points}


def summary_of(one: Calibration) -> dict[str, Any]:
    """The same with the number of points in place of them."""
    return {**plain_of(one), "points": len(one.points)}


def from_text(text: str) -> tuple[Calibration, ...]:
    """The calibrations in a file's text.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError
        It is not what ``to_text`` writes.
    """
    told = json.loads(text)
    if not isinstance(told, list) or len(told) > MOST_CALIBRATIONS:
        raise ValueError(f"it must hold a list of at most {MOST_CALIBRATIONS} calibrations")
    return tuple(_calibration(one) for one in told)


def _calibration(told: Mapping[str, Any]) -> Calibration:
    points = told["points"]
    if not isinstance(points, list) or not 1 <= len(points) <= MOST_POINTS:
        raise ValueError(f"a calibration must hold 1 to {MOST_POINTS} points")
    texts = {name: told[name] for name in _TEXTS}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"the {name} of a calibration is {str(text)[:40]!r}, no text")
    return Calibration(
        points=tuple(_point(*one) for one in points), fitted=_fitted(told["fitted"]), **texts
    )


def _point(weight: Any, cosine: Any, seed: Any, number: Any, share: Any) -> Point:
    return Point(
        _number(weight, 0, MOST_EFFECTIVE),
        None if cosine is None else _number(cosine, -1, 1),
        _whole(seed, MOST_SEED),
        _whole(number, MOST_POINTS),
        None if share is None else _number(share, 0, 1),
    )


def _fitted(told: Mapping[str, Any]) -> Fitted:
    def error(name: str) -> float | None:
        return None if told[name] is None else _number(told[name], 0, float("inf"))

    fitted = Fitted(
        floor=_number(told["floor"], -1, 1),
        ceiling=_number(told["ceiling"], -1, 1),
        rise=_number(told["rise"], 0, float("inf")),
        floor_error=error("floor_error"),
        ceiling_error=error("ceiling_error"),
        rise_error=error("rise_error"),
        spread=_number(told["spread"], 0, 2),
        first=_number(told["first"], 0, MOST_EFFECTIVE),
        last=_number(told["last"], 0, MOST_EFFECTIVE),
        falls=told["falls"],
    )
    if not isinstance(fitted.falls, bool):
        raise ValueError("whether a curve of a calibration falls is neither yes nor no")
    if not (fitted.rise > 0 and fitted.ceiling >= fitted.floor and fitted.last >= fitted.first):
        raise ValueError("the curve of a calibration does not rise")
    return fitted


def _number(value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ValueError(f"a number of a calibration is {str(value)[:40]!r}")
    if not least <= value <= most:
        raise ValueError(
            f"a number of a calibration must be {least:g} to {most:g}, it is {value:g}"
        )
    return float(value)


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"a whole number of a calibration is {str(value)[:40]!r}")
    return value
