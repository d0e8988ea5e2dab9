"""A cast in words and as plain values: rank, reason and figures of every take, cost, what was rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from .ranking import distance_of, ties
from .take import Take

MOST_OUT = 3  # figures outside the corridor that are named


@dataclass(frozen=True)
class Likeness:
    """How like an identity a take's face is."""

    cosine: float | None
    """To the centre of the profile; None where it cannot be told."""
    encoder: str = ""
    objection: str = ""
    """Why it cannot be told."""


def cost_words(takes: Sequence[Take]) -> str:
    """What a cast was: takes of each model. Once one is locked no generator runs."""
    counts: dict[str, int] = {}
    for take in takes:
        counts[take.model] = counts.get(take.model, 0) + 1
    parts = " + ".join(f"{count} {model}" for model, count in counts.items())
    return f"{len(takes)} take{'' if len(takes) == 1 else 's'} = {parts}; locked: 0"


def seed_words(take: Take) -> str:
    return "seed n/a" if take.seed is None else f"seed {take.seed}"


def write_report(
    takes: Sequence[Take],
    *,
    corridor: str,
    region: str,
    faces_backend: str,
    likeness: Mapping[int, Likeness] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """All of a cast, the ranked takes first, in plain words."""
    ranked = sorted((one for one in takes if one.rank is not None), key=lambda one: one.rank or 0)
    unranked = [one for one in takes if one.rank is None and one.rejected is None]
    rejected = [one for one in takes if one.rejected is not None]
    lines = [cost_words(takes)]
    if ranked:
        lines.append(
            f"Ranked by the distance of the skin's texture from real photographs (corridor {corridor}); smaller reads "
            "more real. An order within this cast, no verdict."
        )
    for group in ties(takes):
        lines.append(
            f"Too close to call: takes {', '.join(map(str, group))} are less than one sigma from the first of them. "
            "Look for yourself."
        )
    alike = likeness or {}
    lines += [_line(take, alike.get(take.number)) for take in [*ranked, *unranked]]
    lines += [
        f"take {take.number} ({take.model}, {seed_words(take)}) rejected: {take.rejected}"
        for take in rejected
    ]
    if len(rejected) == len(takes):
        lines.append("Nothing is offered: every take was rejected.")
    if all(take.seed is None for take in takes):
        lines.append("No take has a seed that is known: what you keep is the picture itself.")
    lines.append(f"Sheet: {region}; faces: {faces_backend}.")
    return "\n".join([*lines, *notes])


def _line(take: Take, likeness: Likeness | None) -> str:
    """One offered take."""
    where = f"take {take.number} ({take.model}, {seed_words(take)})"
    height, width = take.picture.shape[1:3]
    parts = [f"{width}x{height} px"]
    evidence = take.evidence
    if evidence is None:
        return "; ".join([f"{where}: not scored", *parts, *_alike(likeness)])
    distance = distance_of(take)
    if distance is None:
        start = f"{where}: not ranked: {evidence.gate or evidence.reason}"
    else:
        start = f"{where}: rank {take.rank}, distance {distance:.2f}: {evidence.reason}"
    parts.append(f"face {evidence.face_px:.0f} px tall")
    out = [f"{name} {sigmas:+.1f} sigma" for name, sigmas in evidence.out[:MOST_OUT]]
    if out:
        parts.append(f"outside: {', '.join(out)}")
    told = [f"{name} {value:.3g}" for name, value in evidence.figures.items() if isfinite(value)]
    if told:
        parts.append(", ".join(told))
    return "; ".join([start, *parts, *_alike(likeness)])


def _alike(likeness: Likeness | None) -> list[str]:
    if likeness is None:
        return []
    if likeness.cosine is None:
        return [f"likeness cannot be told: {likeness.objection}"]
    return [
        f"cosine {likeness.cosine:.3f} to the identity ({likeness.encoder}), not part of the rank"
    ]


def as_json(
    takes: Sequence[Take],
    *,
    corridor: str,
    region: str,
    prompt: str,
    faces_backend: str,
    likeness: Mapping[int, Likeness] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Plain values for other programs; null where nothing is known."""
    alike = likeness or {}
    return {
        "schema": 1,
        "region": region,
        "prompt": prompt,
        "corridor": corridor,
        "faces_backend": faces_backend,
        "cost": cost_words(takes),
        "too_close_to_call": [list(group) for group in ties(takes)],
        "takes": [_plain(take, alike.get(take.number)) for take in takes],
        "notes": list(notes),
    }


def _plain(take: Take, likeness: Likeness | None) -> dict[str, Any]:
    height, width = take.picture.shape[1:3]
    evidence, face = take.evidence, take.face
    told: dict[str, Any] = {
        "number": take.number,
        "model": take.model,
        "sha256": take.sha256,
        "seed": take.seed,
        "prompt_sha": take.prompt_sha,
        "width": width,
        "height": height,
        "rejected": take.rejected,
        "rank": take.rank,
        "score": distance_of(take),
        "eyes": None if face is None else [[round(c, 3) for c in eye] for eye in face.eyes],
        "evidence": None,
        "likeness": None if likeness is None else asdict(likeness),
    }
    if evidence is not None:
        told["evidence"] = {
            "distance": _finite(evidence.distance),
            "reason": evidence.reason,
            "gate": evidence.gate,
            "face_px": _finite(evidence.face_px),
            "figures": {name: _finite(value) for name, value in evidence.figures.items()},
            "out": [[name, _finite(sigmas)] for name, sigmas in evidence.out],
        }
    return told


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
