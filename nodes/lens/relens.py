"""The re-lens: the most contrast that can be given back to a soft picture by a passive lens.

A filter with the transfer function H on a picture taken through the source PSF S makes the cascade
C = S H. While C is a lens (its light adds up to 1 and is nowhere negative) every edge stays
monotone: no halo, whatever the contrast. The most mid-band gain under that rule is a small linear
programme over a few signed Gaussians; it is solved once for a source blur and kept.

Unlike the optics in ``kernels.psf`` the constraints are set on the pixel lattice, for edges along
the pixels and at 45 degrees to them: below about 0.8 px, taps sampled on pixels reach less than the
continuous Gaussians of a textbook, and a design that ignores it rings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import erf, floor, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

SIGMAS_PX = (0.45, 6.0)
"""Below, there is nothing to take back; above, the design for 6 px serves."""
GAINS_MAX = (1.0, 4.0)
BAND_CY_PX = (0.05, 0.25)
"""Where micro-contrast is seen in a 4K picture from 1.5 picture heights."""

SIGMA_STEP_PX = 0.05  # rounded down: a blur thought smaller than it is cannot ring
MOST_WEIGHT = 19.0  # sum of all absolute weights: what float32 and TF32 taps can carry
# Of the edge's height; without it, 1 % linear is a shoulder of 3 % in code values.
MOST_FOOT_LIFT = 0.002
# Up to here no contrast may be lost; else the programme buys gain with a wide ramp.
KEPT_CY_PX = 0.3

# An undershoot of 0.05 % of the edge is 0.15 % in code values at the dark side of a 15:1 edge, and
# buys 2 % of gain at 0.8 px. At 0.5 px a strict lattice design gains 0.7 %; 0.4 % undershoot buys 3 %.
_UNDERSHOOT = ((0.5, 0.004), (0.8, 0.0005))
_BACKWARD = ((0.5, 0.05), (0.8, 0.002))  # most negative LSF x sigma (its peak is 0.4)

# Widths as multiples of the source's; found by trying all of a finer ladder at 0.5 to 6 px.
_LADDER = (0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 4.0)
_LEAST_WIDTH_PX = 0.3  # below, the sampled taps are a point, which the delta is already
_TERMS = 3
_GOOD_ENOUGH = 0.96  # of the best gain - 1: among those the least noise, 1.84 -> 1.68 at 1.2 px
_REACH = 4.0  # taps out to so many sigma
_CONTINUOUS_PX = 1.5  # from here on a sampled Gaussian is the continuous one (1e-9)
_ANGLES = (0.0, np.pi / 4)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Relens:
    """The filter ``delta`` x point + sum of ``weights`` x Gaussian(``sigmas_px``), each of sum 1."""

    sigma_px: float
    """The source blur it is made for, rounded down."""
    delta: float
    weights: tuple[float, ...]
    sigmas_px: tuple[float, ...]
    mid_gain: float
    """Mean gain over the band, along the pixel rows."""
    noise_gain: float
    """Standard deviation of white noise, after over before."""
    foot_lift: float
    """Most that a point before the edge is lifted, of the edge's height."""

    def passive_at(self, level: float) -> Relens:
        """The same at a level from 0 (nothing) to 1: H_m = 1 + m (H - 1), passive at every m.

        Raises
        ------
        ValueError
            ``level`` is outside [0, 1].
        """
        if not 0 <= level <= 1:
            raise ValueError(
                f"level must be from 0 to 1 for a passive re-lens, got {level:g}; "
                "beyond 1 is presence, which no lens can do"
            )
        weights = tuple(level * weight for weight in self.weights)
        delta = 1 + level * (self.delta - 1)
        return Relens(
            self.sigma_px,
            delta,
            weights,
            self.sigmas_px,
            1 + level * (self.mid_gain - 1),
            _noise_gain(delta, weights, self.sigmas_px),
            level * self.foot_lift,
        )

    def gain_at(self, frequencies: Floats) -> Floats:
        """H at frequencies along the pixel rows, cycles per pixel."""
        total = np.full(np.shape(frequencies), self.delta, dtype=np.float64)
        for weight, sigma in zip(self.weights, self.sigmas_px, strict=True):
            total += weight * _otf(sigma, np.asarray(frequencies, np.float64), 0.0)
        return total


def design(sigma_px: float, gmax: float = 2.0, band: tuple[float, float] = BAND_CY_PX) -> Relens:
    """The passive filter with the most mid-band gain for a source blur.

    Parameters
    ----------
    sigma_px : float, pixels
        Gaussian sigma of the source, its pixel's own area included; as
        :func:`~portrait_loupe.kernels.edges.source_sigma` finds it. Rounded down to
        ``SIGMA_STEP_PX``; above 6 the design for 6, below 0.45 the filter that changes nothing.
    gmax : float in [1, 4]
        Most gain at any frequency. 2 keeps noise in bounds; 3 to 4 for upscaled pictures.
    band : (low, high), cycles per pixel

    Returns
    -------
    Relens
        Three signed Gaussians at most, ``sum |w| < 20``. Solved in less than a second, then kept.

    Raises
    ------
    ValueError
        A value is out of range.

    Notes
    -----
    maximise the mean of H over the band, subject to H(0) = 1; 1 <= H <= gmax up to 0.3 cy/px and
    0 <= H <= gmax beyond; an edge that does not step backward (LSF >= 0, with the slack that is
    written beside the constants) and whose foot is lifted by 0.2 % at most.
    """
    low, high = band
    if not (isfinite(sigma_px) and sigma_px >= 0):
        raise ValueError(f"sigma_px must be a finite number of pixels, 0 or above, got {sigma_px}")
    if not GAINS_MAX[0] <= gmax <= GAINS_MAX[1]:
        raise ValueError(
            f"gmax must be from {GAINS_MAX[0]:g} to {GAINS_MAX[1]:g}, got {gmax:g}. "
            "2 suits a picture at its own size, 3 an upscaled one."
        )
    if not 0 < low < high <= 0.5:
        raise ValueError(
            f"band must be two rising frequencies above 0 and up to 0.5 cycles per pixel, "
            f"got {low:g} to {high:g}"
        )
    if sigma_px < SIGMAS_PX[0]:
        return Relens(float(sigma_px), 1.0, (), (), 1.0, 1.0, 0.0)
    steps = floor(min(sigma_px, SIGMAS_PX[1]) / SIGMA_STEP_PX + 1e-6)
    return _solve(steps, float(gmax), (float(low), float(high)))


def headroom(sigma_px: float, gmax: float = 2.0) -> float:
    """Mid-band gain that a lens can still give to a source of this blur: 1.11 means +11 %."""
    return design(sigma_px, gmax).mid_gain


@cache
def _solve(steps: int, gmax: float, band: tuple[float, float]) -> Relens:
    sigma = round(steps * SIGMA_STEP_PX, 6)
    widths = [ratio * sigma for ratio in _LADDER if ratio * sigma >= _LEAST_WIDTH_PX]
    aim = np.stack([_otf(width, np.linspace(*band, 41), 0.0).mean() - 1 for width in widths])
    matrix, bound, lifts = _constraints(sigma, gmax, widths)
    found: list[tuple[float, float, tuple[int, ...], Floats]] = []
    for chosen in combinations(range(len(widths)), _TERMS):
        columns = list(chosen)
        weights = _most(aim[columns], matrix[:, columns], bound)
        if weights is not None:
            gain = 1 + float(aim[columns] @ weights)
            noise = _noise_gain(1 - weights.sum(), weights, [widths[i] for i in chosen])
            found.append((gain, noise, chosen, weights))
    # weights of 0 are always allowed, so there is a result
    best = max(gain for gain, *_ in found)
    enough = 1 + _GOOD_ENOUGH * (best - 1) - 1e-9
    gain, noise, chosen, weights = min(
        (row for row in found if row[0] >= enough), key=lambda row: row[1]
    )
    return Relens(
        sigma,
        float(1 - weights.sum()),
        tuple(map(float, weights)),
        tuple(widths[i] for i in chosen),
        gain,
        noise,
        max(0.0, float((lifts[:, list(chosen)] @ weights).max())),
    )


def _most(aim: Floats, matrix: Floats, bound: Floats) -> Floats | None:
    """Weights with the largest ``aim @ w`` under ``matrix @ w <= bound`` and the limit on their sum."""
    from scipy.optimize import linprog

    count = len(aim)
    ones = np.ones((1, count))
    # w = up - down; with the delta 1 - sum(w) on either side of 0
    whole = np.concatenate(
        [
            np.concatenate([matrix, -matrix], 1),
            np.concatenate([0 * ones, 2 * ones], 1),  # sum |w| + delta
            np.concatenate([2 * ones, 0 * ones], 1),  # sum |w| - delta
        ]
    )
    limits = np.concatenate([bound, [MOST_WEIGHT - 1, MOST_WEIGHT + 1]])
    solved = linprog(-np.concatenate([aim, -aim]), whole, limits, bounds=(0, None), method="highs")
    return solved.x[:count] - solved.x[count:] if solved.status == 0 else None


def _constraints(sigma: float, gmax: float, widths: list[float]) -> tuple[Floats, Floats, Floats]:
    """Rows ``A w <= b`` for every width, and those of ``A`` that are the foot's lift.

    H = 1 + sum w (G - 1), so a row holds what one Gaussian in place of the point changes.
    """
    undershoot, backward = (_between(sigma, *ends) for ends in (_UNDERSHOOT, _BACKWARD))
    matrix, bound, lifts = [], [], []
    for angle in _ANGLES:
        # closer at the low end, where a wide blur's filter bends most
        frequencies = 0.5 / np.cos(angle) * np.linspace(0, 1, 51)[1:] ** 1.5
        gains = np.stack([_otf(width, frequencies, angle) - 1 for width in widths], 1)
        least = np.where(frequencies <= KEPT_CY_PX, 1.0, 0.0)
        x = np.linspace(-(5 * sigma + 1), 0, 81)
        line, step = _line(x, sigma), _step(x, sigma)
        edges = [_edge_through(width, x, sigma, angle) for width in widths]
        lines = np.stack([edge[0] - line for edge in edges], 1)
        lift = np.stack([edge[1] - step for edge in edges], 1)
        matrix += [gains, -gains, -lines * sigma, lift, -lift]
        bound += [
            np.full(len(frequencies), gmax - 1),
            1 - least,
            line * sigma + backward,
            np.full(len(x), MOST_FOOT_LIFT),
            step + undershoot,
        ]
        lifts.append(lift)
    return np.concatenate(matrix), np.concatenate(bound), np.concatenate(lifts)


def _edge_through(width: float, x: Floats, sigma: float, angle: float) -> tuple[Floats, Floats]:
    """Line and edge spread at ``x`` of a source seen through one Gaussian of taps."""
    if width >= _CONTINUOUS_PX:
        both = sqrt(sigma**2 + width**2)
        return _line(x, both), _step(x, both)
    place, tap = _taps(width)
    if angle:
        place = (place[:, None] * np.cos(angle) + place * np.sin(angle)).ravel()
        tap = (tap[:, None] * tap).ravel()
    away = x[:, None] - place
    return _line(away, sigma) @ tap, _step(away, sigma) @ tap


def _otf(width: float, frequencies: Floats, angle: float) -> Floats:
    """Transfer function of a sampled Gaussian at ``frequencies`` in the direction ``angle``."""
    place, tap = _taps(width)
    across, down = (
        np.cos(2 * np.pi * np.multiply.outer(frequencies * part, place)) @ tap
        for part in (np.cos(angle), np.sin(angle))
    )
    return across * down


def _taps(width: float) -> tuple[Floats, Floats]:
    reach = max(1, int(np.ceil(_REACH * width)))
    place = np.arange(-reach, reach + 1, dtype=np.float64)
    tap = np.exp(-(place**2) / (2 * width**2))
    return place, tap / tap.sum()


def _noise_gain(delta: float, weights: tuple[float, ...] | Floats, widths) -> float:
    """Root of the sum of the squared 2-D taps."""
    taps = [_taps(width) for width in widths]
    total = delta**2
    for (place, one), weight in zip(taps, weights, strict=True):
        total += 2 * delta * weight * float(one[place == 0][0]) ** 2
        for (other_place, other), other_weight in zip(taps, weights, strict=True):
            short = min(len(place), len(other_place)) // 2
            a, b = (row[len(row) // 2 - short : len(row) // 2 + short + 1] for row in (one, other))
            total += weight * other_weight * float(a @ b) ** 2
    return sqrt(max(0.0, total))


def _between(sigma: float, sharp: tuple[float, float], soft: tuple[float, float]) -> float:
    return float(np.interp(sigma, (sharp[0], soft[0]), (sharp[1], soft[1])))


def _line(x: Floats, sigma: float) -> Floats:
    return np.exp(-(x**2) / (2 * sigma**2)) / (sigma * sqrt(2 * np.pi))


def _step(x: Floats, sigma: float) -> Floats:
    return 0.5 * (1 + _erf(x / (sigma * sqrt(2))))


_erf = np.vectorize(erf, otypes=[np.float64])
