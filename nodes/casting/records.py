"""What is written down of a take: plain values out, and back without trust.

Files of a cast may come from anybody: numbers must be numbers, texts are cut, points must be points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from ..finite import finite_number
from ..framing.faces import Face, Faces
from .ranking import distance_of
from .take import Cast, Take
from .words import cost_words

SCHEMA = 1
_MOST_POINTS = 478
_FARTHEST = 1e6  # px


def record_of(take: Take, faces_backend: str) -> dict[str, Any]:
    """A take without its pixels."""
    return {
        "sha256": take.sha256,
        "number": take.number,
        "model": take.model,
        "seed": take.seed,
        "prompt_sha": take.prompt_sha,
        "score": distance_of(take),
        "rank": take.rank,
        "reason": reason_of(take),
        "rejected": take.rejected,
        "figures": {} if take.evidence is None else finite_of(take.evidence.figures),
        "width": take.picture.shape[2],
        "height": take.picture.shape[1],
        "face": None if take.face is None else asdict(take.face),
        "faces_backend": faces_backend,
    }


def finite_of(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures that JSON can hold."""
    return {name: float(value) for name, value in figures.items() if isfinite(value)}


def reason_of(take: Take) -> str:
    """Why a take stands where it stands, in plain words."""
    if take.rejected is not None:
        return take.rejected
    if take.evidence is None:
        return "not scored"
    return take.evidence.gate or take.evidence.reason


def offer_of(cast: Cast, name: str, at: str) -> dict[str, Any]:
    """A whole offer."""
    return {
        "schema": SCHEMA,
        "cast": name,
        "at": at,
        "region": cast.region,
        "prompt": cast.prompt,
        "corridor": cast.corridor,
        "cost": cost_words(cast.takes),
        "takes": [record_of(take, cast.faces_backend) for take in cast.takes],
    }


def offered_in(offer: Any) -> list[Mapping[str, Any]]:
    """The takes of an offer that was read from a file; none where it is no offer."""
    takes = offer.get("takes") if isinstance(offer, Mapping) else None
    if not isinstance(takes, list):
        return []
    return [one for one in takes if isinstance(one, Mapping) and isinstance(one.get("sha256"), str)]


def vote_of(offer: Any, cast: str, picked: str, by: str, at: str) -> dict[str, Any] | None:
    """A pick as a line of the vote log; None where the offer does not hold what was picked."""
    offered = [one for one in offered_in(offer) if not one.get("rejected")]
    if not any(one["sha256"] == picked for one in offered):
        return None
    kept = ("sha256", "model", "score", "rank")
    return {
        "schema": SCHEMA,
        "at": at,
        "cast": cast,
        "by": by,
        "picked": picked,
        "offered": [{key: one.get(key) for key in kept} for one in offered],
    }


def faces_from(record: Mapping[str, Any], size: tuple[int, int]) -> Faces | None:
    """The face of a record as Find Faces gives it, or None where it holds none that can be used."""
    face = face_from(record.get("face"))
    if face is None:
        return None
    backend = record.get("faces_backend")
    return Faces(size, ((face,),), backend[:120] if isinstance(backend, str) else "")


def face_from(told: Any) -> Face | None:
    """A face that was written with ``record_of``, or None where something else stands there."""
    if not isinstance(told, Mapping):
        return None
    eyes, points = _points(told.get("eyes")), _points(told.get("points", []))
    if eyes is None or len(eyes) != 2 or points is None:
        return None
    angles = (_number(told.get("yaw_deg")), _number(told.get("pitch_deg")))
    score = _number(told.get("score"))
    try:
        return Face((eyes[0], eyes[1]), 1.0 if score is None else score, points, *angles)
    except ValueError:
        return None


def _points(told: Any) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(told, Sequence) or isinstance(told, str) or len(told) > _MOST_POINTS:
        return None
    found = []
    for one in told:
        if not isinstance(one, Sequence) or isinstance(one, str) or len(one) != 2:
            return None
        x, y = _number(one[0]), _number(one[1])
        if x is None or y is None:
            return None
        found.append((x, y))
    return tuple(found)


def _number(value: Any) -> float | None:
    number = finite_number(value)
    return number if number is not None and abs(number) < _FARTHEST else None
