"""The weight that a calibration speaks for: the smallest that brings nearly all it can bring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

import numpy as np

from ..apply.settings import MOST_WEIGHT
from ..drift import LEAST_CONTROL
from ..profile import Identity
from .falling import means_of
from .fit import curve_at
from .value import MOST_CALIBRATIONS, Calibration

ENOUGH = 0.9  # of the gain: what lies above costs weight and brings little
LEAST_GAIN = 1e-3  # of a cosine: no encoder tells less


@dataclass(frozen=True)
class Levels:
    """What the profile's own photos reach, on the scale of the curve."""

    lowest: float
    median: float


@dataclass(frozen=True)
class Suggestion:
    """Weights as they are set on Apply Identity: before prominence."""

    weight: float | None
    """None where no weight brings anything."""
    effective: float | None
    """The same times the factor."""
    cosine: float
    """That the curve has there; at the lightest tested weight where there is no suggestion."""
    gain: float
    """Above the curve's floor."""
    spread: float
    """Standard deviation between seeds."""
    gained: tuple[int, int]
    """Of so many seeds (second) so many (first) are more alike at the tested weight nearest to it than at the lightest."""
    lowest: float | None = None
    """The weight that reaches the lowest of the profile's own photos; None where none does, or nobody knows."""
    median: float | None = None

    @property
    def is_noise(self) -> bool:
        """Whether it brings less than another seed would."""
        return self.weight is None or self.gain < self.spread


def suggest(
    calibration: Calibration, factor: float = 1.0, levels: Levels | None = None
) -> Suggestion:
    """The smallest weight that reaches 90 % of the way from the floor to the best mean measured.

    Parameters
    ----------
    calibration : Calibration
    factor : float, above 0
        Of prominence as it is now; the curve is over weight x factor.
    levels : Levels, optional

    Returns
    -------
    Suggestion
        Its effective weight lies between the lightest that was tested and the one where the cosine is
        highest or that was heaviest, never outside.

    Raises
    ------
    ValueError
        The factor is not above 0.
    """
    if not factor > 0:
        raise ValueError(f"the factor of prominence must be above 0, got {factor:g}")
    fitted = calibration.fitted
    rising = [one for one in calibration.points if one.weight <= fitted.last]
    best = float(means_of(rising)[1].max()) if any(p.cosine is not None for p in rising) else -1.0
    gain = best - fitted.floor
    flat = gain <= LEAST_GAIN or fitted.ceiling - fitted.floor <= LEAST_GAIN
    effective = None if flat else _reaching(calibration, fitted.floor + ENOUGH * gain, fitted.last)
    at = fitted.first if effective is None else effective
    cosine = float(curve_at(fitted, at))
    return Suggestion(
        weight=None if effective is None else min(effective / factor, MOST_WEIGHT),
        effective=effective,
        cosine=cosine,
        gain=max(cosine - fitted.floor, 0.0),
        spread=fitted.spread,
        gained=_gained(calibration, at),
        lowest=_level(calibration, None if levels is None else levels.lowest, factor),
        median=_level(calibration, None if levels is None else levels.median, factor),
    )


def _reaching(calibration: Calibration, cosine: float, otherwise: float | None) -> float | None:
    """The smallest effective weight within what was tested at which the curve has a cosine."""
    fitted = calibration.fitted
    if float(curve_at(fitted, fitted.first)) >= cosine:
        return fitted.first
    if float(curve_at(fitted, fitted.last)) < cosine:
        return otherwise
    left = (fitted.ceiling - cosine) / (fitted.ceiling - fitted.floor)
    return float(np.clip(-fitted.rise * log(left), fitted.first, fitted.last))


def _level(calibration: Calibration, cosine: float | None, factor: float) -> float | None:
    found = None if cosine is None else _reaching(calibration, cosine, None)
    return None if found is None else found / factor


def _gained(calibration: Calibration, effective: float) -> tuple[int, int]:
    told = [(p.weight, p.noise, p.cosine) for p in calibration.points if p.cosine is not None]
    weights = sorted({weight for weight, *_ in told if weight <= calibration.fitted.last})
    if not weights:
        return 0, 0
    nearest = min(weights, key=lambda weight: abs(weight - effective))
    first = {noise: cosine for weight, noise, cosine in told if weight == weights[0]}
    late = [(noise, c) for weight, noise, c in told if weight == nearest and noise in first]
    return sum(bool(cosine > first[noise]) for noise, cosine in late), len(late)


def levels_of(identity: Identity, encoder: str, sha256: str) -> Levels | None:
    """What the identity's own photos reach, each against the centre of the others, brought to the curve's scale.

    The centre of all is nearer to everybody than that of all but one: the photos' cosines are divided by
    what the mean of these other centres has of the centre's direction. None of fewer than three photos,
    or where the profile does not hold this encoder.
    """
    from ..aggregate import other_centers

    try:
        embedded = identity.of(encoder, sha256)
        centre = identity.center(embedded)
    except ValueError:
        return None
    keep = identity.keep(embedded)
    if keep.sum() < LEAST_CONTROL:
        return None
    others = other_centers(embedded.unit, identity.quality, keep)[keep]
    own = identity.leave_one_out(embedded) / float((others @ centre).mean())
    return Levels(float(own.min()), float(np.median(own)))


def calibration_for(identity: Identity, adapter_sha256: str, base_id: str) -> Calibration | None:
    """The calibration that a profile holds of an adapter on a base model."""
    found = [one for one in identity.calibrations if one.key == (adapter_sha256, base_id)]
    return found[-1] if found else None


def with_calibration(identity: Identity, calibration: Calibration) -> Identity:
    """The identity with this calibration in place of an earlier one of the same adapter and base; at most 32, the
    newest."""
    others = [one for one in identity.calibrations if one.key != calibration.key]
    kept = [*others, calibration][-MOST_CALIBRATIONS:]
    return replace(identity, calibrations=tuple(kept))
