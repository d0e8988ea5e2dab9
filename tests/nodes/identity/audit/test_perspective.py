"""Where the camera stands, against scenes projected through a pinhole."""

from math import hypot, sqrt

import numpy as np
import pytest

from portrait_loupe.nodes.identity.audit.perspective import (
    View,
    distance_from,
    magnification,
    perspective_of,
)


def project(points, focal_px, frame):
    """Points (x, y, z) in metres in front of a pinhole camera, in pixels."""
    points = np.asarray(points, float)
    return points[:, :2] / points[:, 2:] * focal_px + np.array(frame) / 2


def camera(focal_mm, frame):
    """Its focal length in pixels, from the corners of a 24 x 36 mm frame that it would fill."""
    return focal_mm * hypot(*frame) / sqrt(24**2 + 36**2)


@pytest.mark.parametrize("frame", [(1024, 1024), (832, 1216), (6000, 4000)])
@pytest.mark.parametrize("focal_mm", [24.0, 50.0, 135.0])
@pytest.mark.parametrize("distance", [0.3, 0.83, 2.5])
def test_projected_eyes_give_back_the_distance(frame, focal_mm, distance):
    eyes = project([(-0.0315, 0, distance), (0.0315, 0, distance)], camera(focal_mm, frame), frame)
    view = View(float(np.hypot(*(eyes[1] - eyes[0]))), frame, "a face")
    # sqrt(24^2 + 36^2) is 43.2666 mm, the constant 43.27
    assert distance_from(focal_mm, view) == pytest.approx(distance, rel=2e-4)
    found = perspective_of(focal_mm, 0.0, view)
    assert found.distance_m == pytest.approx(distance, rel=2e-4)
    assert found.estimated
    assert "child" in found.remarks[0]


@pytest.mark.parametrize("distance", [0.2, 0.5, 0.83, 3.0])
def test_a_nose_10_cm_nearer_is_drawn_larger_by_the_magnification(distance):
    def drawn_width(z):
        ball = [(-0.01, 0, z), (0.01, 0, z)]  # the ball's widest points
        left, right = project(ball, 1000.0, (1000, 1000))
        return right[0] - left[0]

    assert drawn_width(distance) / drawn_width(distance + 0.10) == pytest.approx(
        magnification(distance)
    )


def test_below_83_cm_is_worth_a_warning():
    assert magnification(0.83) == pytest.approx(1.12, abs=0.001)
    assert perspective_of(0, 0.82, None).close
    assert not perspective_of(0, 0.84, None).close


def test_a_24_mm_headshot_stands_too_near():
    """Eyes 1/4.6 of the frame's width apart, as the shot named headshot has them."""
    found = perspective_of(24.0, 0.0, View(1024 / 6.5, (1024, 1024), "a headshot"))
    assert found.distance_m == pytest.approx(0.33, abs=0.02)
    assert found.close


def test_a_nearer_camera_magnifies_more():
    values = [magnification(d) for d in (5, 2, 1, 0.5, 0.2, 0.05)]
    assert values == sorted(values)


def test_focal_length_and_distance_that_contradict_each_other():
    view = View(150.0, (1024, 1024), "the face")
    true = distance_from(50.0, view)
    assert perspective_of(50.0, true, view).remarks == ()
    assert perspective_of(50.0, true * 50 / 63 * 1.01, view).remarks == ()  # a narrow adult
    for wrong in (true * 2, true / 2):
        found = perspective_of(50.0, wrong, view)
        assert found.distance_m == wrong
        assert not found.estimated
        assert "contradict" in found.remarks[0]


def test_the_unknown_is_none():
    assert perspective_of(0, 0, None) is None
    assert perspective_of(50.0, 0, None) is None
    assert perspective_of(0, 0, View(100, (500, 500), "x")) is None


@pytest.mark.parametrize(("focal", "distance", "name"), [(-1, 0, "focal_mm"), (1, 0, "focal_mm"), (float("nan"), 0, "focal_mm"), (0, -1, "distance_m"), (0, float("inf"), "distance_m"), (0, 0.001, "distance_m")])  # fmt: skip
def test_impossible_numbers_are_named(focal, distance, name):
    with pytest.raises(ValueError, match=name):
        perspective_of(focal, distance, None)
