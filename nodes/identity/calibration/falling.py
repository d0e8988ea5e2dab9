"""Where a rising cosine turns: pictures that burn at high weights are no longer alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .value import Point

Array = NDArray[np.float64]

SURE = 3.0
"""Standard errors by which the cosine must fall before that is believed. Simulated, 2000 sets of 5 weights: of
curves that are flat a fall is seen in 7, 3 and 2 % with 2, 3 and 5 seeds, of such that rise in 3 % or fewer;
a fall by 0.16 at the last weight (noise 0.03) in 63, 81 and 97 %."""


def isotonic(values: Array, counts: Array) -> Array:
    """The rising sequence nearest to some means, each weighed by its count (pool adjacent violators).

    Barlow, Bartholomew, Bremner and Brunk 1972, ch. 1.2.
    """
    blocks: list[list[float]] = []  # mean, weight, length
    for value, count in zip(values, counts, strict=True):
        blocks.append([float(value), float(count), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight, length = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * weight) / (before[1] + weight)
            before[1] += weight
            before[2] += length
    return np.concatenate([np.full(int(length), mean) for mean, _, length in blocks])


def unimodal(values: Array, counts: Array) -> tuple[int, Array]:
    """The nearest sequence that rises to a peak and falls after it, and the peak's place.

    Of equally good ones the one that peaks last, so that a rising sequence has its peak at the end.
    """
    best: tuple[float, int, Array] | None = None
    for peak in range(len(values)):
        up = isotonic(values[: peak + 1], counts[: peak + 1])
        down = isotonic(values[peak:][::-1], counts[peak:][::-1])[::-1]
        # the peak is in both parts: where they do not agree on it the higher one keeps the order
        level = np.concatenate([up[:-1], [max(up[-1], down[0])], down[1:]])
        cost = float((counts * (values - level) ** 2).sum())
        if best is None or cost <= best[0] + 1e-12:
            best = (cost, peak, level)
    assert best is not None
    return best[1], best[2]


def peak_weight(points: list[Point]) -> tuple[float, bool]:
    """The heaviest weight up to which the cosine does not fall, and whether it falls after it.

    Parameters
    ----------
    points : list of Point, each with a cosine, two or more at some weight

    Returns
    -------
    weight : float
        The largest of all where no fall is sure.
    falls : bool
    """
    weights, means, counts = means_of(points)
    peak, level = unimodal(means, counts)
    error = noise_of(points) * np.sqrt(1 / counts[peak] + 1 / counts[-1])
    if peak == len(weights) - 1 or level[peak] - level[-1] <= SURE * max(error, 1e-9):
        return float(weights[-1]), False
    return float(weights[peak]), True


def means_of(points: list[Point]) -> tuple[Array, Array, Array]:
    """Of each weight, lightest first: itself, the mean cosine, the number of pictures."""
    found: dict[float, list[float]] = {}
    for one in points:
        if one.cosine is not None:
            found.setdefault(one.weight, []).append(one.cosine)
    weights = sorted(found)
    means = [float(np.mean(found[weight])) for weight in weights]
    counts = [float(len(found[weight])) for weight in weights]
    return np.array(weights), np.array(means), np.array(counts)


def spread_of(points: list[Point]) -> float:
    """Standard deviation of the cosine between seeds at one weight, pooled over the weights; 0 of none."""
    weights, means, counts = means_of(points)
    mean = dict(zip(weights, means, strict=True))
    squares = sum((one.cosine - mean[one.weight]) ** 2 for one in points if one.cosine is not None)
    freedom = counts.sum() - len(counts)
    return float(np.sqrt(squares / freedom)) if freedom > 0 else 0.0


def noise_of(points: list[Point]) -> float:
    """What is left of the spread when each seed's own level is taken out, as one weight is held against another.

    Least squares with a level for each weight and each seed; the whole spread where that leaves nothing to tell.
    """
    told = [one for one in points if one.cosine is not None]
    weights = sorted({one.weight for one in told})
    seeds = sorted({one.noise for one in told})
    design = np.zeros((len(told), len(weights) + len(seeds)))
    for row, one in enumerate(told):
        design[row, weights.index(one.weight)] = 1
        design[row, len(weights) + seeds.index(one.noise)] = 1
    cosines = np.array([one.cosine for one in told])
    levels, _, rank, _ = np.linalg.lstsq(design, cosines, rcond=None)
    freedom = len(told) - int(rank)
    if freedom <= 0:
        return spread_of(points)
    return float(np.sqrt(((cosines - design @ levels) ** 2).sum() / freedom))
