"""What Close-Up Prompt says about the prompt that it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...framing.regions import SHOTS
from .terms import CONFLICT, MAX_LETTERS, OCCLUSION, STYLE

MOST = 200  # words of a class
OLDEST = 130  # years


@dataclass(frozen=True)
class Spoken:
    """Read without trust: what is no such thing is left out, and said."""

    shot: str = ""
    """A name of ``regions.SHOTS``, or nothing."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By class."""
    age: float | None = None
    """Years, of the person as planned."""
    remarks: tuple[str, ...] = ()


def read_spoken(text: str) -> Spoken:
    """The terms of Close-Up Prompt, from its JSON; unknown keys are ignored."""
    if not isinstance(text, str) or not text.strip():
        return Spoken()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return Spoken(remarks=("terms is not the JSON of Close-Up Prompt: it is left out",))
    remarks = []
    words = {}
    for kind in (STYLE, CONFLICT, OCCLUSION):
        given = data.get(kind) or []
        kept = [w for w in given if isinstance(w, str)] if isinstance(given, list) else []
        if not isinstance(given, list) or len(kept) < len(given):
            remarks.append(f"terms: {kind} must be a list of texts; what is none is left out")
        words[kind] = tuple(word[:MAX_LETTERS] for word in kept[:MOST])
    shot = data.get("shot") or ""
    if shot not in ("", *SHOTS):
        remarks.append(f"terms: there is no shot {str(shot)[:40]!r}")
        shot = ""
    age = data.get("age")
    if age is not None and not _is_age(age):
        remarks.append(f"terms: age must be 0 to {OLDEST} years, got {str(age)[:40]!r}")
        age = None
    return Spoken(shot, words, age, tuple(remarks))


def _is_age(age: Any) -> bool:
    number = isinstance(age, int | float) and not isinstance(age, bool)
    return number and 0 <= age <= OLDEST
