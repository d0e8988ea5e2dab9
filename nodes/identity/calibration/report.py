"""A calibration in plain words: what was measured, the curve, the weight, and how far to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log

from ..profile import Identity
from .falling import means_of
from .fit import missed
from .measure import Measured
from .suggestion import Levels, Suggestion, calibration_for, levels_of, suggest
from .value import Calibration, Fitted, Point

FALLBACK = 0.8  # Apply Identity's own default, where nothing is suggested
LEVELLED = 0.8  # of the way to the ceiling: below it the ceiling was not seen
FEW_SEEDS = 4
LORA = (
    "at weight 0 the adapter's LoRA does not act either, at all others it does: the step that it makes is part of the "
    "curve's first rise"
)


def measured_words(measured: Measured, adapter: str, base: str, factor: float) -> list[str]:
    """What was rendered and what could be told of it."""
    weights = sorted({one.weight for one in measured.renders})
    told = sum(one.cosine is not None for one in measured.points)
    lines = [
        f"{adapter} on {base}: {len(measured.renders)} pictures at {len(weights)} weights, {weights[0]:g} to "
        f"{weights[-1]:g}" + ("" if factor == 1 else f", x {factor:.2f} for prominence")
    ]
    missing = len(measured.renders) - told
    if missing:
        lines.append(f"{missing} of them tell no cosine: no face, or one below 112 px")
    if measured.encoder:
        flatters = ", which the adapter follows: it flatters, so believe the curve's shape more than its height"
        lines.append(f"measured by {measured.encoder}{flatters if measured.steered else ''}")
    lines += _table(list(measured.points), "weight" if factor == 1 else "effective weight")
    return lines


def _table(points: list[Point], name: str) -> Iterator[str]:
    for weight, mean, count in zip(*means_of(points), strict=True):
        own = [one.cosine for one in points if one.weight == weight and one.cosine is not None]
        yield f"  {name} {weight:.3g}: {mean:.3f} ({min(own):.3f} to {max(own):.3f}, {count:.0f} faces)"


def curve_words(fitted: Fitted, points: Sequence[Point]) -> list[str]:
    """The curve and its errors."""
    seeds = len({one.noise for one in points})
    if fitted.ceiling <= fitted.floor:
        return [
            f"the cosine does not rise with the weight: {fitted.floor:.3f} throughout, {fitted.spread:.3f} between "
            "seeds"
        ]
    lines = [
        f"curve: {_with(fitted.floor, fitted.floor_error)} without the identity, rising to "
        f"{_with(fitted.ceiling, fitted.ceiling_error)}, 63 % of the way at weight {_with(fitted.rise, fitted.rise_error)}"
        " (each with its standard error)"
    ]
    if fitted.last < -fitted.rise * log(1 - LEVELLED):
        lines.append(
            f"it has not levelled off at {fitted.last:.3g}: the ceiling is a guess, and heavier weights may bring more"
        )
    off = missed(points, fitted)
    if off is not None:
        lines.append(
            f"the curve misses the pictures at weight {off:.3g}: likeness does not grow in this shape here, believe the dots"
        )
    if fitted.falls:
        lines.append(
            f"above {fitted.last:.3g} the cosine falls: there the weight burns the picture. Those pictures are left out"
        )
    lines.append(
        f"between seeds at one weight: {fitted.spread:.3f}"
        + ("; so few seeds make the errors rough" if seeds < FEW_SEEDS else "")
    )
    return lines


def _with(value: float, error: float | None) -> str:
    return f"{value:.3f} " + ("(not told)" if error is None else f"+- {error:.3f}")


def suggestion_words(
    suggestion: Suggestion, levels: Levels | None, encoder: str, factor: float
) -> list[str]:
    """The weight to set, and what it reaches."""
    if suggestion.weight is None or suggestion.effective is None:
        return [f"no weight is suggested, none brings anything; the output weight is {FALLBACK:g}"]
    scaled = "" if factor == 1 else f" (effective {suggestion.effective:.2f} / {factor:.2f})"
    more, of = suggestion.gained
    lines = [
        f"suggested weight: {suggestion.weight:.2f}{scaled}, the smallest that brings 90 % of what was gained: cosine "
        f"{suggestion.cosine:.3f}, {suggestion.gain:.3f} above none; {more} of {of} seeds gained"
    ]
    if suggestion.effective / factor > suggestion.weight + 1e-9:
        lines.append(
            f"Apply Identity's largest weight is {suggestion.weight:g}: with this prominence it takes more"
        )
    if suggestion.is_noise:
        lines.append(
            f"this gain is below the spread between seeds ({suggestion.spread:.3f}): no more than noise. Another seed "
            "does as much"
        )
    if levels is None:
        lines.append(
            f"what the profile's own photos reach is not known: it takes three or more, embedded with {encoder}"
        )
        return lines
    for name, level, weight in (
        ("the least alike", levels.lowest, suggestion.lowest),
        ("half", levels.median, suggestion.median),
    ):
        reached = "not reached" if weight is None else f"reached at weight {weight:.2f}"
        lines.append(f"as alike as {name} of the profile's own photos ({level:.3f}): {reached}")
    return lines


def caveats(base: str, how: str) -> list[str]:
    """How far it goes."""
    return [
        f"it holds for this adapter, {base}, this prompt and these settings ({how or 'not told'}); a cosine is no "
        "judgement of the picture: look at the grid"
    ]


def known_words(identity: Identity, adapter_sha256: str, base_id: str, factor: float = 1.0) -> str:
    """What a profile's calibration speaks for, in one line; empty where it has none for these two."""
    found = calibration_for(identity, adapter_sha256, base_id)
    return "" if found is None else stored_words(found, identity, factor)


def stored_words(found: Calibration, identity: Identity, factor: float = 1.0) -> str:
    """The suggestion of a stored calibration in one line."""
    levels = levels_of(identity, found.encoder, found.encoder_sha256)
    suggestion = suggest(found, factor, levels)
    when = f"calibrated {found.created}, " if found.created else "calibrated, "
    pictures = f"{len(found.points)} pictures by {found.encoder}"
    if suggestion.weight is None:
        return f"{when}{pictures}: no weight brought anything"
    words = f"{when}{pictures}: suggested weight {suggestion.weight:.2f}"
    if factor != 1:
        words += f" with prominence x {factor:.2f}"
    words += f", cosine {suggestion.cosine:.3f}"
    return f"{words}; no more than noise between seeds" if suggestion.is_noise else words
