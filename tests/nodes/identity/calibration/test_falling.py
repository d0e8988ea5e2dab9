import numpy as np
import pytest

from portrait_loupe.nodes.identity.calibration.falling import (
    isotonic,
    means_of,
    noise_of,
    peak_weight,
    spread_of,
    unimodal,
)
from portrait_loupe.nodes.identity.calibration.value import Point

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)


def sampled(rng, means, seeds=3, own=0.04, rest=0.03):
    """Points whose seeds stand above or below together, and a noise of each picture."""
    levels = rng.normal(0, own, seeds)
    return [
        Point(weight, mean + levels[seed] + rng.normal(0, rest), seed)
        for weight, mean in zip(WEIGHTS, means, strict=True)
        for seed in range(seeds)
    ]


def test_the_nearest_rising_sequence_pools_what_falls():
    ones = np.ones(5)
    assert isotonic(np.array([1.0, 2, 3, 4, 5]), ones) == pytest.approx([1, 2, 3, 4, 5])
    assert isotonic(np.array([5.0, 4, 3, 2, 1]), ones) == pytest.approx([3] * 5)
    assert isotonic(np.array([1.0, 3, 2, 4, 5]), ones) == pytest.approx([1, 2.5, 2.5, 4, 5])
    assert isotonic(np.array([3.0, 0.0]), np.array([1.0, 3.0])) == pytest.approx([0.75, 0.75])


def test_no_rising_sequence_is_nearer():
    """Against every rising sequence of a coarse grid."""
    rng = np.random.default_rng(0)
    values, counts = rng.normal(size=4), np.array([1.0, 2, 3, 1])
    own = (counts * (values - isotonic(values, counts)) ** 2).sum()
    grid = np.linspace(-2, 2, 21)
    for a in grid:
        for b in grid[grid >= a]:
            for c in grid[grid >= b]:
                for d in grid[grid >= c]:
                    assert (counts * (values - [a, b, c, d]) ** 2).sum() >= own - 1e-9


def test_a_sequence_that_rises_peaks_at_its_end_and_one_that_falls_at_its_beginning():
    ones = np.ones(4)
    assert unimodal(np.array([1.0, 2, 3, 4]), ones)[0] == 3
    assert unimodal(np.array([4.0, 3, 2, 1]), ones)[0] == 0
    peak, level = unimodal(np.array([1.0, 5, 2, 0]), ones)
    assert peak == 1
    assert level == pytest.approx([1, 5, 2, 0])


def test_a_clear_fall_is_found_at_its_peak():
    rng = np.random.default_rng(1)
    found = [peak_weight(sampled(rng, (0.1, 0.4, 0.6, 0.4, 0.2))) for _ in range(100)]
    assert found == [(0.6, True)] * 100


@pytest.mark.parametrize("means", [(0.3,) * 5, (0.1, 0.4, 0.52, 0.57, 0.59)], ids=["flat", "rising"])  # fmt: skip
def test_noise_alone_is_seldom_called_a_fall(means):
    rng = np.random.default_rng(2)
    falls = sum(peak_weight(sampled(rng, means))[1] for _ in range(400))
    # 3 % in 2000 sets; three standard deviations of 400 draws are 2.6 %
    assert falls / 400 < 0.06


def test_levels_of_the_seeds_are_in_the_spread_and_not_in_the_noise():
    rng = np.random.default_rng(3)
    sets = [sampled(rng, (0.1, 0.3, 0.4, 0.5, 0.5), seeds=4) for _ in range(300)]
    # mean squares, whose expectation is exact: 0.05^2 and 0.03^2; 5 % are four standard errors of 300 sets
    assert np.mean([spread_of(one) ** 2 for one in sets]) == pytest.approx(0.05**2, rel=0.12)
    assert np.mean([noise_of(one) ** 2 for one in sets]) == pytest.approx(0.03**2, rel=0.06)


def test_pictures_without_a_face_are_passed_over():
    points = [Point(0.0, 0.1, 0), Point(0.0, None, 1), Point(0.5, 0.3, 0), Point(0.5, 0.5, 1)]
    weights, means, counts = means_of(points)
    assert (weights.tolist(), means.tolist(), counts.tolist()) == ([0, 0.5], [0.1, 0.4], [1, 2])


def test_one_seed_leaves_no_spread_to_tell():
    assert spread_of([Point(w, 0.3, 0) for w in WEIGHTS]) == 0
