from dataclasses import replace
from math import log

import numpy as np
import pytest

from portrait_loupe.nodes.identity.aggregate import other_centers, robust_center, unit_rows
from portrait_loupe.nodes.identity.calibration.fit import curve_at, fit_curve
from portrait_loupe.nodes.identity.calibration.suggestion import (
    Levels,
    calibration_for,
    levels_of,
    suggest,
    with_calibration,
)
from portrait_loupe.nodes.identity.calibration.value import Calibration, Point
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)


def exact(weight, floor=0.1, ceiling=0.6, rise=0.4):
    return floor + (ceiling - floor) * (1 - np.exp(-weight / rise))


def calibration(points=None, **other):
    points = points or [Point(w, exact(w) + 0.01 * (k - 1), k) for w in WEIGHTS for k in range(3)]
    fitted, objection = fit_curve(points)
    assert fitted, objection
    told = {
        "adapter": "faceid.bin", "adapter_sha256": "aa", "base": "SDXL", "base_id": "bb", "encoder": "glintr100",
        "encoder_sha256": "cc", "points": tuple(points), "fitted": fitted,
    }  # fmt: skip
    return Calibration(**{**told, **other})


def test_it_is_the_smallest_weight_that_brings_nine_tenths_of_what_was_measured():
    gain = exact(1.2) - 0.1
    expected = -0.4 * log(1 - 0.9 * gain / 0.5)
    found = suggest(calibration())
    assert found.weight == pytest.approx(expected, abs=2e-3)  # the curve is fitted
    assert found.cosine == pytest.approx(0.1 + 0.9 * gain, abs=1e-3)
    assert found.gain == pytest.approx(0.9 * gain, abs=1e-3)
    assert found.gained == (3, 3)
    assert not found.is_noise


def test_prominence_divides_what_is_set():
    one = calibration()
    plain = suggest(one)
    for factor in (0.5, 1.6):
        found = suggest(one, factor)
        assert found.weight == pytest.approx(plain.weight / factor)
        assert found.effective == plain.effective
        assert found.cosine == plain.cosine
    assert suggest(one, 0.25).weight == 3.0  # Apply Identity's largest, for one of 3.1
    with pytest.raises(ValueError, match="factor of prominence must be above 0"):
        suggest(one, 0.0)


def test_it_never_goes_beyond_what_was_tested():
    line = [Point(w, 0.1 + 0.2 * w + 0.001 * k, k) for w in WEIGHTS for k in range(3)]
    found = suggest(calibration(line), levels=Levels(0.5, 0.6))
    assert 1.0 < found.effective <= 1.2
    assert (found.lowest, found.median) == (None, None)
    heavy = [Point(w, exact(w), k) for w in (0.5, 0.9, 1.2) for k in range(2)]
    assert suggest(calibration(heavy), levels=Levels(0.2, 0.5)).lowest == 0.5


def test_it_never_goes_beyond_the_peak():
    burnt = [Point(w, exact(w) + 0.01 * k, k) for w in (*WEIGHTS,) for k in range(3)]
    burnt += [Point(w, 0.2 + 0.01 * k, k) for w in (1.6, 2.0) for k in range(3)]
    found = suggest(calibration(burnt))
    assert found.effective < 1.2
    rng = np.random.default_rng(0)
    for _ in range(20):
        noisy = [replace(p, cosine=p.cosine + rng.normal(0, 0.03)) for p in burnt]
        one = calibration(noisy)
        assert suggest(one).effective <= one.fitted.last <= 1.2


def test_a_lucky_mean_is_no_weight_that_the_curve_cannot_reach():
    points = [Point(w, exact(w), k) for w in WEIGHTS for k in range(3)]
    points[-3:] = [Point(1.2, 0.9, k) for k in range(3)]
    one = calibration(points)
    assert suggest(one).effective <= 1.2


def test_the_own_photos_levels_are_reached_where_the_curve_passes_them():
    one = calibration()
    found = suggest(one, 0.5, Levels(0.3, 0.7))
    assert curve_at(one.fitted, found.lowest * 0.5) == pytest.approx(0.3)
    assert found.median is None


def test_a_gain_below_the_spread_of_seeds_is_noise():
    rng = np.random.default_rng(1)
    levels = (-0.15, 0.0, 0.15)
    points = [Point(w, 0.3 + exact(w, 0, 0.05) + levels[k] + rng.normal(0, 0.002), k) for w in WEIGHTS for k in range(3)]  # fmt: skip
    found = suggest(calibration(points))
    assert found.is_noise
    assert found.gained == (3, 3)  # every seed gains all the same: so it is told beside it
    flat = suggest(calibration([Point(w, 0.3, k) for w in WEIGHTS for k in range(3)]))
    assert flat.is_noise
    assert flat.weight is None


def identity(rows, quality=None):
    quality = np.ones(len(rows)) if quality is None else quality
    references = tuple(
        Reference(
            quality=float(one), parts={}, photo_sha256=str(number), eyes=((1.0, 1.0), (5.0, 1.0)), points=(),
            image_size=(9, 9), iod_px=4.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.2,
        )
        for number, one in enumerate(quality)
    )  # fmt: skip
    return Identity("Ada", references, (Embedded("glintr100", "cc", "", rows.astype(np.float32)),))


def test_the_own_photos_are_brought_to_the_scale_on_which_pictures_are_measured():
    """A picture whose cosine to the centre is at a level is held against the others' centres at the photo's own."""
    rng = np.random.default_rng(2)
    rows = unit_rows(rng.standard_normal(512) + 0.7 * rng.standard_normal((6, 512)))
    levels = levels_of(identity(rows), "glintr100", "cc")
    centre, _ = robust_center(rows, np.ones(6), np.ones(6, bool))
    others = other_centers(rows, np.ones(6), np.ones(6, bool))
    # a picture that has nothing else of what the other centres share: then the two scales are one factor apart
    shared, _ = np.linalg.qr(np.stack([centre, others.mean(0)], 1))
    side = rng.standard_normal(512)
    side -= shared @ (shared.T @ side)
    new = levels.median * centre + np.sqrt(1 - levels.median**2) * side / np.linalg.norm(side)
    own = (rows * others).sum(1)
    assert (others @ new).mean() == pytest.approx(np.median(own), abs=1e-6)  # float32 rows
    assert (others @ centre).mean() < 0.999
    assert levels.lowest <= levels.median


@pytest.mark.parametrize(("encoder", "sha", "count"), [("w600k_r50", "cc", 6), ("glintr100", "dd", 6), ("glintr100", "cc", 2)])  # fmt: skip
def test_without_photos_of_this_encoder_nobody_knows_a_level(encoder, sha, count):
    rows = np.random.default_rng(3).standard_normal((6, 512)) + 2
    assert levels_of(identity(rows[:count]), encoder, sha) is None
    assert levels_of(identity(rows), "glintr100", "cc") is not None


def test_a_profile_keeps_the_newest_for_each_adapter_and_base():
    one = identity(np.random.default_rng(4).standard_normal((3, 512)) + 2)
    first, second = calibration(created="2026-01-01"), calibration(created="2026-02-02")
    other = calibration(base_id="other")
    kept = with_calibration(with_calibration(with_calibration(one, first), other), second)
    assert one.calibrations == ()
    assert kept.calibrations == (other, second)
    assert calibration_for(kept, "aa", "bb") is second
    assert calibration_for(kept, "aa", "other") is other
    assert calibration_for(kept, "zz", "bb") is None
    for number in range(40):
        kept = with_calibration(kept, calibration(base_id=str(number)))
    assert len(kept.calibrations) == 32
    assert calibration_for(kept, "aa", "39") is not None
