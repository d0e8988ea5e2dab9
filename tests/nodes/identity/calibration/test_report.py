import numpy as np
import pytest

from portrait_loupe.nodes.identity.calibration.fit import fit_curve
from portrait_loupe.nodes.identity.calibration.report import (
    curve_words,
    known_words,
    stored_words,
    suggestion_words,
)
from portrait_loupe.nodes.identity.calibration.suggestion import Levels, suggest, with_calibration
from portrait_loupe.nodes.identity.calibration.value import Calibration, Point
from portrait_loupe.nodes.identity.profile import Identity, Reference

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)


def calibration(of, seeds=3, spread=0.01, weights=WEIGHTS, created="2026-11-21"):
    points = tuple(Point(w, of(w) + spread * (k - 1), k) for w in weights for k in range(seeds))
    fitted, _ = fit_curve(points)
    return Calibration("a.bin", "aa", "SDXL", "bb", "glintr100", "cc", points, fitted, created, "20 steps")  # fmt: skip


def rising(weight):
    return 0.1 + 0.5 * (1 - np.exp(-weight / 0.4))


def words_of(one, factor=1.0, levels=None):
    found = suggest(one, factor, levels)
    return "\n".join(curve_words(one.fitted, one.points) + suggestion_words(found, levels, one.encoder, factor))  # fmt: skip


def test_a_good_curve_is_told_with_its_errors_and_its_weight():
    words = words_of(calibration(rising), levels=Levels(0.45, 0.7))
    assert "0.100 +- 0.00" in words
    assert "suggested weight: 0.7" in words
    assert "3 of 3 seeds gained" in words
    assert "(0.450): reached at weight 0.4" in words
    assert "(0.700): not reached" in words
    assert "so few seeds make the errors rough" in words
    assert "no more than noise" not in words
    assert "levelled" not in words
    assert "misses" not in words


def test_prominence_is_told_where_it_is():
    assert "(effective 0.7" in words_of(calibration(rising), 0.5)
    assert "Apply Identity's largest weight is 3" in words_of(calibration(rising), 0.2)


@pytest.mark.parametrize(
    ("of", "spread", "told"),
    [
        (lambda w: 0.3, 0.01, "does not rise with the weight: 0.300 throughout"),
        (lambda w: 0.3, 0.01, "none brings anything; the output weight is 0.8"),
        (lambda w: 0.1 + 0.2 * w, 0.01, "has not levelled off at 1.2"),
        (lambda w: 0.3 + 0.1 * rising(w), 0.2, "no more than noise"),
        (lambda w: 0.1 if w < 0.5 else 0.6, 0.01, "the curve misses the pictures at weight"),
        (lambda w: rising(w) if w < 1 else 0.1, 0.01, "above 0.9 the cosine falls"),
    ],
)
def test_what_is_wrong_with_a_curve_is_said(of, spread, told):
    assert told in words_of(calibration(of, spread=spread))


def test_many_seeds_are_not_called_few():
    assert "so few seeds" not in words_of(calibration(rising, seeds=4))


def person():
    return Identity("Ada", (Reference(
        quality=1.0, parts={}, photo_sha256="", eyes=((1.0, 1.0), (5.0, 1.0)), points=(), image_size=(9, 9),
        iod_px=4.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.2,
    ),))  # fmt: skip


def test_a_stored_calibration_is_one_line():
    one = with_calibration(person(), calibration(rising))
    words = known_words(one, "aa", "bb")
    assert words.startswith("calibrated 2026-11-21, 15 pictures by glintr100: suggested weight 0.7")
    assert "\n" not in words
    assert known_words(one, "aa", "zz") == known_words(person(), "aa", "bb") == ""
    half = known_words(one, "aa", "bb", 0.5)
    assert "suggested weight 1.5" in half
    assert "with prominence x 0.50" in half
    flat = calibration(lambda w: 0.3, created="")
    assert (
        stored_words(flat, person())
        == "calibrated, 15 pictures by glintr100: no weight brought anything"
    )
    noisy = calibration(lambda w: 0.3 + 0.1 * rising(w), spread=0.2)
    assert stored_words(noisy, person()).endswith("no more than noise between seeds")
