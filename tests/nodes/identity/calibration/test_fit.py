import numpy as np
import pytest

from portrait_loupe.nodes.identity.calibration.fit import curve_at, fit_curve, missed
from portrait_loupe.nodes.identity.calibration.value import Point

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)
TRUE = {"floor": 0.1, "ceiling": 0.6, "rise": 0.4}


def made(rng, seeds, own=0.0, rest=0.03, weights=WEIGHTS, floor=0.1, ceiling=0.6, rise=0.4):
    levels = rng.normal(0, own, seeds)
    return [
        Point(w, floor + (ceiling - floor) * (1 - np.exp(-w / rise)) + levels[k] + rng.normal(0, rest), k)
        for w in weights
        for k in range(seeds)
    ]  # fmt: skip


def fitted_of(points):
    fitted, objection = fit_curve(points)
    assert objection == ""
    return fitted


@pytest.mark.parametrize(
    ("true", "weights"),
    [
        ({"floor": 0.1, "ceiling": 0.6, "rise": 0.4}, WEIGHTS),
        ({"floor": -0.1, "ceiling": 0.9, "rise": 0.1}, (0.0, 0.1, 0.5, 3.0)),
        ({"floor": 0.3, "ceiling": 0.5, "rise": 1.5}, (0.2, 1.0, 2.0, 3.0)),
    ],
)
def test_a_curve_without_noise_is_found_again(true, weights):
    fitted = fitted_of(made(np.random.default_rng(0), 2, rest=0, weights=weights, **true))
    for name, value in true.items():
        assert getattr(fitted, name) == pytest.approx(value, abs=1e-4)
    assert (fitted.first, fitted.last, fitted.falls) == (weights[0], weights[-1], False)
    assert curve_at(fitted, 0.0) == pytest.approx(true["floor"], abs=1e-4)


@pytest.mark.parametrize(
    ("own", "rest", "least"),
    [(0.0, 0.03, 0.92), (0.04, 0.02, 0.89)],
    ids=["each picture its own noise", "seeds stand above or below together"],
)
def test_the_truth_lies_within_two_stated_errors_as_often_as_it_should(own, rest, least):
    """95 % with many seeds; with 8 the errors themselves are estimated, of seeds with 7 degrees of freedom:
    Student's t has 91 % there. 300 sets: a standard deviation of 1.3 %."""
    rng = np.random.default_rng(1)
    off = []
    for _ in range(300):
        fitted = fitted_of(made(rng, 8, own, rest))
        off.append([
            (getattr(fitted, name) - value) / getattr(fitted, f"{name}_error") for name, value in TRUE.items()
        ])  # fmt: skip
    off = np.array(off)
    within = (np.abs(off) < 2).mean(0)
    assert within.min() > least
    # nor are they far too large: the deviations in stated errors have about the standard deviation 1
    assert off.std(0).min() > 0.85
    assert np.abs(off.mean(0)).max() < 0.25


def test_seeds_that_stand_together_make_the_floor_less_sure_than_the_pictures_alone_say():
    """A level that all pictures of a seed share goes into floor and ceiling whole: own / sqrt(seeds)."""
    rng = np.random.default_rng(2)
    errors = [fitted_of(made(rng, 6, 0.06, 0.005)).floor_error for _ in range(60)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(0.06 / 6**0.5, rel=0.15)


def test_one_odd_picture_bends_the_curve_less_than_half_as_far_as_least_squares():
    from scipy.optimize import curve_fit

    def ceiling(points):
        weights, cosines = np.array([(one.weight, one.cosine) for one in points]).T
        return curve_fit(lambda w, f, c, r: f + (c - f) * (1 - np.exp(-w / r)), weights, cosines, (0.1, 0.6, 0.4), bounds=([-1, -1, 0.06], [1, 1, 3.6]))[0][1]  # fmt: skip

    rng = np.random.default_rng(3)
    robust, plain = [], []
    for _ in range(30):
        points = made(rng, 4, rest=0.02)
        odd = [*points[:-2], Point(1.2, -0.05, 2), points[-1]]  # another face
        robust.append(fitted_of(points).ceiling - fitted_of(odd).ceiling)
        plain.append(ceiling(points) - ceiling(odd))
    assert 0 < np.median(robust) < np.median(plain) / 2


def test_pictures_without_a_face_change_nothing():
    points = made(np.random.default_rng(4), 3)
    blind = [Point(w, None, 7) for w in (*WEIGHTS, 2.0)]
    assert fitted_of([*points, *blind]) == fitted_of(points)


def test_a_flat_curve_is_called_flat_or_rises_by_less_than_the_noise():
    rng = np.random.default_rng(5)
    for _ in range(40):
        fitted, objection = fit_curve(made(rng, 3, ceiling=0.1))
        if fitted is None:
            assert "falls after it" in objection
            continue
        assert fitted.ceiling >= fitted.floor
        gain = curve_at(fitted, fitted.last) - curve_at(fitted, fitted.first)
        assert (
            0 <= gain < 0.08
        )  # 0.03 of noise, 3 seeds: 0.017 a mean, the highest less the lowest of five


def test_a_straight_line_is_said_not_to_level_off_by_its_rise():
    points = [Point(w, 0.1 + 0.2 * w, k) for w in WEIGHTS for k in range(3)]
    fitted = fitted_of(points)
    assert fitted.rise > 3  # 0.8 of the way would be made at 1.6 rises
    assert curve_at(fitted, np.array(WEIGHTS)) == pytest.approx([0.1 + 0.2 * w for w in WEIGHTS], abs=0.01)  # fmt: skip
    assert fitted.ceiling <= 1


def test_a_curve_that_is_over_at_the_first_weight_keeps_its_levels():
    points = [Point(w, 0.5 if w else 0.1, k) for w in WEIGHTS for k in range(3)]
    fitted = fitted_of(points)
    assert (fitted.floor, fitted.ceiling) == pytest.approx((0.1, 0.5), abs=0.01)
    assert fitted.rise < 0.1


def test_what_falls_is_left_out():
    rng = np.random.default_rng(6)
    weights = (0.0, 0.2, 0.4, 0.8, 1.6)
    rising = made(rng, 3, rest=0.01, weights=weights)
    burnt = [Point(2.4, 0.2 + 0.01 * k, k) for k in range(3)]
    fitted = fitted_of([*rising, *burnt])
    assert (fitted.last, fitted.falls) == (1.6, True)
    assert fitted.ceiling == pytest.approx(fitted_of(rising).ceiling)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([], "no picture tells a cosine"),
        ([Point(w, None, k) for w in WEIGHTS for k in range(3)], "no picture tells a cosine"),
        ([Point(w, 0.3, 0) for w in WEIGHTS], "3 different weights with 2 or more pictures each.*there are 0.*more seeds"),
        ([Point(w, 0.3, k) for w in (0.0, 1.0) for k in range(9)], "there are 2: render 1 or more other weights"),
        ([Point(w, 0.6 - 0.4 * w + 0.01 * k, k) for w in WEIGHTS for k in range(3)], "highest at 0 and falls after it"),
        ([Point(w, 0.6 if w == 0.3 else 0.1 + 0.01 * k, k) for w in WEIGHTS for k in range(3)],
         "highest at 0.3 and falls after it, to 1.2.*between 0 and 0.3"),
    ],
)  # fmt: skip
def test_where_no_curve_can_be_drawn_it_says_what_to_render(points, told):
    import re

    fitted, objection = fit_curve(points)
    assert fitted is None
    assert re.search(told, objection)


def test_another_shape_is_called_another_shape():
    rng = np.random.default_rng(7)
    late = [Point(w, (0.5 if w > 0.5 else 0.1) + rng.normal(0, 0.01), k) for w in WEIGHTS for k in range(3)]  # fmt: skip
    assert missed(late, fitted_of(late)) in WEIGHTS
    right = [made(rng, 3, own=0.03) for _ in range(40)]
    assert all(missed(points, fitted_of(points)) is None for points in right)
