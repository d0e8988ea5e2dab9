"""The curve through a calibration's points: it rises, levels off, and says how sure it is.

cos(w) = floor + (ceiling - floor) (1 - exp(-w / rise)), by least squares with the soft L1 loss (one odd
picture bends it little). Pictures of one seed stand above or below the curve together, so the standard
errors count seeds, not pictures alone: the variance of the residuals is split into a seed's own part and
the rest (method of moments), and both go into the covariance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .falling import means_of, peak_weight, spread_of
from .value import Fitted, Point

Array = NDArray[np.float64]
Errors = tuple[float | None, float | None, float | None]

FEWEST_WEIGHTS = 3
FEWEST_SEEDS = 2
RISES = (1 / 5, 3.0)
"""The rise is above so much of the lightest weight over 0, below so much of the heaviest: a faster one is over at the
first weight, a slower one is a straight line."""
STARTS = 40
SOFT = 2.0  # noise scales beyond which a residual counts less
LEAST_SCALE = 1e-3  # of a cosine: of points without noise
LEAST_GAIN = 1e-6
MISSED = 3.0  # standard errors of a mean


def why_not(points: Sequence[Point]) -> str | None:
    """What must be rendered before a curve can be drawn; None where it can."""
    told = [one for one in points if one.cosine is not None]
    if not told:
        return (
            "no picture tells a cosine. Render larger faces (112 px or more, forehead to chin), and see that a face "
            "encoder is here"
        )
    counts = {one.weight: 0 for one in points}
    for one in told:
        counts[one.weight] += 1
    enough = [weight for weight, count in counts.items() if count >= FEWEST_SEEDS]
    if len(enough) >= FEWEST_WEIGHTS:
        return None
    poor = ", ".join(f"{weight:g}" for weight in sorted(set(counts) - set(enough)))
    lacking = f"; more seeds at {poor}" if poor else ""
    return (
        f"a curve needs {FEWEST_WEIGHTS} different weights with {FEWEST_SEEDS} or more pictures each that show a face, "
        f"there {'is' if len(enough) == 1 else 'are'} {len(enough)}: render {_more(counts)}{lacking}"
    )


def _more(counts: dict[float, int]) -> str:
    if len(counts) >= FEWEST_WEIGHTS:
        return "with more seeds, or with larger faces"
    return f"{FEWEST_WEIGHTS - len(counts)} or more other weights, such as 0, 0.4, 0.8, 1.2"


def fit_curve(points: Sequence[Point]) -> tuple[Fitted | None, str]:
    """The curve through the points up to where the cosine falls, or what to render.

    Parameters
    ----------
    points : sequence of Point
        Those without a cosine are passed over.

    Returns
    -------
    fitted : Fitted or None
    objection : str
        Why there is none; else empty.
    """
    objection = why_not(points)
    if objection:
        return None, objection
    told = [one for one in points if one.cosine is not None]
    last, falls = peak_weight(told)
    rising = [one for one in told if one.weight <= last]
    if falls and why_not(rising):
        heaviest = max(one.weight for one in told)
        return None, (
            f"the cosine is highest at {last:g} and falls after it, to {heaviest:g}: heavier weights burn the picture. "
            f"Render lighter ones, {FEWEST_WEIGHTS} or more between 0 and {last if last > 0 else heaviest / 4:g}"
        )
    weights = np.array([one.weight for one in rising])
    cosines = np.array([one.cosine for one in rising], float)
    seeds = [one.noise for one in rising]
    floor, ceiling, rise = _solve(weights, cosines)
    errors: Errors = (None, None, None)
    if ceiling - floor > LEAST_GAIN:
        errors = _errors(weights, cosines, seeds, np.array([floor, ceiling, rise]))
    else:
        floor = ceiling = float(np.clip(np.mean(cosines), -1, 1))
        rise = last
        flat = float(np.std(cosines)) / len(set(seeds)) ** 0.5
        errors = (flat, flat, None)
    fitted = Fitted(
        floor=floor,
        ceiling=ceiling,
        rise=rise,
        floor_error=errors[0],
        ceiling_error=errors[1],
        rise_error=errors[2],
        spread=spread_of(rising),
        first=float(weights.min()),
        last=last,
        falls=falls,
    )
    return fitted, ""


def curve_at(fitted: Fitted, weight: float | Array) -> Array:
    """The cosine at effective weights."""
    return _curve(np.array([fitted.floor, fitted.ceiling, fitted.rise]), np.asarray(weight, float))


def missed(points: Sequence[Point], fitted: Fitted) -> float | None:
    """The weight at which the mean lies farthest from the curve, by more than 3 standard errors of it; else None."""
    rising = [one for one in points if one.weight <= fitted.last]
    weights, means, counts = means_of(rising)
    off = np.abs(means - curve_at(fitted, weights)) * np.sqrt(counts)
    worst = int(np.argmax(off))
    return float(weights[worst]) if off[worst] > MISSED * max(fitted.spread, LEAST_SCALE) else None


def _curve(at: Array, weights: Array) -> Array:
    floor, ceiling, rise = at
    return floor + (ceiling - floor) * -np.expm1(-weights / rise)


def _slopes(at: Array, weights: Array) -> Array:
    """(N, 3) derivatives by floor, ceiling and rise."""
    floor, ceiling, rise = at
    left = np.exp(-weights / rise)
    return np.stack([left, 1 - left, -(ceiling - floor) * left * weights / rise**2], 1)


def _bounds(weights: Array) -> tuple[Array, Array]:
    least, most = RISES[0] * float(weights[weights > 0].min()), RISES[1] * float(weights.max())
    return np.array([-1.0, -1.0, least]), np.array([1.0, 1.0, most])


def _solve(weights: Array, cosines: Array) -> tuple[float, float, float]:
    from scipy.optimize import least_squares

    low, high = _bounds(weights)
    start = _start(weights, cosines, low, high)
    residual = cosines - _curve(start, weights)
    found = least_squares(
        lambda at: _curve(at, weights) - cosines,
        start,
        jac=lambda at: _slopes(at, weights),  # pyright: ignore[reportArgumentType]
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SOFT * _scale(residual),
        x_scale=(0.1, 0.1, float(weights.max())),
    )
    floor, ceiling, rise = (float(value) for value in found.x)
    return floor, ceiling, rise


def _start(weights: Array, cosines: Array, low: Array, high: Array) -> Array:
    """The best of many rises, floor and ceiling by the median of absolute residuals' least squares."""
    best, cost = low, np.inf
    for rise in np.geomspace(low[2] * 1.01, high[2] * 0.99, STARTS):
        left = np.exp(-weights / rise)
        pair, *_ = np.linalg.lstsq(np.stack([left, 1 - left], 1), cosines, rcond=None)
        at = np.clip([*pair, rise], low + 1e-9, high - 1e-9)
        own = float(np.abs(cosines - _curve(at, weights)).sum())
        if own < cost:
            best, cost = at, own
    return best


def _scale(residual: Array) -> float:
    """Of the noise: 1.4826 x median of the absolute residuals, for the three that were fitted."""
    freedom = max(len(residual) - 3, 1)
    mad = 1.4826 * float(np.median(np.abs(residual))) * (len(residual) / freedom) ** 0.5
    return max(mad, LEAST_SCALE)


def _errors(weights: Array, cosines: Array, seeds: Sequence[tuple[int, int]], at: Array) -> Errors:
    """Standard errors of floor, ceiling and rise; None of one that lies at a bound or is not told."""
    low, high = _bounds(weights)
    room = 1e-4 * (high - low)
    free = (at > low + room) & (at < high - room)
    slopes = _slopes(at, weights)[:, free]
    if not free.any() or np.linalg.matrix_rank(slopes) < free.sum():
        return None, None, None
    residual = cosines - _curve(at, weights)
    bent = 1 + (residual / (SOFT * _scale(residual))) ** 2
    # pseudo values (Huber 1981, 7.6): least squares of these has the covariance of the robust fit
    residual = residual / np.sqrt(bent) / np.mean(bent**-1.5)
    inner = np.linalg.inv(slopes.T @ slopes)
    same = np.array([[one == other for other in seeds] for one in seeds], float)
    rest, own = _variances(residual, slopes @ inner @ slopes.T, same)
    noise = rest * np.eye(len(residual)) + own * same
    covariance = inner @ slopes.T @ noise @ slopes @ inner
    told = np.full(3, np.nan)
    told[free] = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    floor, ceiling, rise = (None if np.isnan(error) else float(error) for error in told)
    return floor, ceiling, rise


def _variances(residual: Array, hat: Array, same: Array) -> tuple[float, float]:
    """Of the rest and of the seeds: what two sums of squares of the residuals are expected to be, solved.

    E[r r'] = M (rest I + own S) M, M = I - hat, S = 1 where two pictures have one seed.
    """
    made = np.eye(len(residual)) - hat
    both = made @ same @ made
    total, by_seed = float(residual @ residual), float(residual @ same @ residual)
    equations = np.array([[np.trace(made), np.trace(both)], [np.trace(both), (both * same).sum()]])
    alone = total / max(float(np.trace(made)), 1e-12)
    if abs(np.linalg.det(equations)) < 1e-12:
        return alone, 0.0
    rest, own = np.linalg.solve(equations, [total, by_seed])
    if own <= 0:
        return alone, 0.0
    return max(float(rest), 0.0), float(own)
