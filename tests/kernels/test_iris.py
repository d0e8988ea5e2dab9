import math

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from portrait_loupe.kernels.iris import LEAST_STEP, SEARCH_IOD, iris_radius

FINE = 4  # sub-pixels along each side of a drawn pixel


def eye(
    radius,
    side=None,
    at=(0.13, -0.21),
    *,
    pupil=0.4,
    lids=(0.55, 0.8),
    catch=True,
    lashes=True,
    roll=0.0,
    iris=0.3,
    white=0.72,
    soft=0.06,
    noise=0.0,
):
    """A drawn eye: coded luma (side, side), and its centre; lengths in radii but ``at``, px from the middle.

    The limbus is a ramp of ``soft`` radii; the lids are two arcs over the eye, darker lashes above.
    """
    side = side or round(6 * radius)
    cx, cy = side / 2 + at[0], side / 2 + at[1]
    place = (torch.arange(side * FINE).double() + 0.5) / FINE
    x, y = place - cx, place[:, None] - cy
    turn = math.radians(roll)
    u, v = (
        (x * math.cos(turn) + y * math.sin(turn)) / radius,
        (y * math.cos(turn) - x * math.sin(turn)) / radius,
    )
    r = torch.hypot(u, v)
    fibres = 0.03 * torch.sin(24 * torch.atan2(v, u)) * (r > pupil)
    ramp = torch.special.expit((r - 1) / (soft / 4)) if soft else (r > 1).double()
    plane = (iris + fibres) * (1 - ramp) + (white - 0.06 * u.abs()) * ramp
    plane = torch.where(r < pupil, 0.05, plane)
    if catch:
        plane = torch.where(torch.hypot(u - 0.35, v + 0.3) < 0.16, 0.97, plane)
    upper, lower = -lids[0] * (1 - (u / 2.1) ** 2), lids[1] * (1 - (u / 2.1) ** 2)
    skin = 0.58 + 0.03 * torch.sin(5 * u + 3 * v)
    plane = torch.where((v < upper) | (v > lower), skin, plane)
    if lashes:
        fringe = (v < upper + 0.12) & (v > upper - 0.5) & (torch.sin(34 * u + 3 * v) > 0.5)
        plane = torch.where(fringe, 0.12, plane)
    plane = plane.view(side, FINE, side, FINE).mean((1, 3))
    torch.manual_seed(6)
    return (plane + noise * torch.randn_like(plane)).clamp(0, 1), (cx, cy)


def near(radius):
    """The search range of an eye whose iris is as large as most."""
    return radius * SEARCH_IOD[0] / 0.093, radius * SEARCH_IOD[1] / 0.093


def close(found, radius, centre):
    """Within 1.5 % or 0.3 px, whichever is more; the centre within twice that."""
    limit = max(0.015 * radius, 0.3)
    assert found.radius_px == pytest.approx(radius, abs=limit)
    assert found.centre[0] == pytest.approx(centre[0], abs=2 * limit)
    assert found.centre[1] == pytest.approx(centre[1], abs=2 * limit)


@pytest.mark.parametrize("radius", [9.6, 13.0, 17.3, 31.0, 62.0])
def test_a_drawn_iris_has_its_radius_and_place(radius):
    plane, centre = eye(radius)
    found, reason = iris_radius(plane, centre, *near(radius))
    assert reason == ""
    close(found, radius, centre)


@pytest.mark.parametrize(
    "how",
    [
        {"pupil": 0.25},
        {"pupil": 0.62},
        {"lids": (0.3, 0.6)},
        {"lids": (1.3, 1.3), "lashes": False},
        {"soft": 0.0},
        {"soft": 0.14},
        {"noise": 0.04},
        {"iris": 0.5},
        {"roll": 25.0},
        {"roll": -60.0},
    ],
    ids=str,
)
def test_neither_lids_pupil_catch_light_nor_noise_move_it(how):
    plane, centre = eye(18.0, **how)
    found, reason = iris_radius(plane, centre, *near(18.0), roll_deg=how.get("roll", 0.0))
    assert reason == ""
    close(found, 18.0, centre)


@pytest.mark.parametrize("off", [(0.3, 0.0), (-0.25, 0.2), (0.1, -0.35)], ids=str)
def test_a_centre_a_third_of_a_radius_off_is_mended(off):
    plane, centre = eye(20.0)
    guess = (centre[0] + 20 * off[0], centre[1] + 20 * off[1])
    found, _ = iris_radius(plane, guess, *near(20.0))
    close(found, 20.0, centre)


def test_a_blurred_iris_keeps_its_radius():
    plane, centre = eye(20.0)
    place = torch.arange(-8, 9).double()
    taps = torch.exp(-(place**2) / (2 * 2.0**2))
    taps = taps / taps.sum()
    padded = torch.nn.functional.pad(plane[None, None], (8,) * 4, mode="replicate")
    soft = torch.nn.functional.conv2d(padded, (taps[:, None] * taps)[None, None])[0, 0]
    found, _ = iris_radius(soft, centre, *near(20.0))
    # a disc blurred by sigma is steepest about sigma^2 / (2 r) = 0.1 px inside its border
    close(found, 20.0, centre)


def test_twice_the_picture_gives_twice_the_radius():
    plane, centre = eye(24.0)
    once, _ = iris_radius(plane, centre, *near(24.0))
    grown = plane.repeat_interleave(3, 0).repeat_interleave(3, 1)
    thrice, _ = iris_radius(grown, (3 * centre[0], 3 * centre[1]), *near(72.0))
    assert thrice.radius_px == pytest.approx(
        3 * once.radius_px, rel=0.01
    )  # searched on other grids


def test_a_lighter_iris_stands_out_less():
    dark, light = (iris_radius(*eye(18.0, iris=tone), *near(18.0))[0].score for tone in (0.2, 0.5))
    assert dark > 2 * light > 0


def test_a_small_eye_says_how_many_pixels_it_needs():
    plane, centre = eye(6.0)
    found, reason = iris_radius(plane, centre, *near(6.0))
    assert found is None
    assert "9 px are needed" in reason
    plane, centre = eye(8.0)
    found, reason = iris_radius(plane, centre, *near(8.0))
    assert found is None
    assert "9 px are needed" in reason


@pytest.mark.parametrize("tone", [0.0, 0.5, 1.0])
def test_nothing_is_found_where_nothing_is(tone):
    found, reason = iris_radius(torch.full((120, 120), tone), (60.0, 60.0), *near(18.0))
    assert found is None
    assert "no circle" in reason


def test_noise_is_no_iris():
    torch.manual_seed(1)
    for _ in range(8):
        noise = 0.5 + 0.05 * torch.randn(120, 120)
        found, _ = iris_radius(noise, (60.0, 60.0), *near(18.0))
        assert found is None


def test_a_bright_disc_is_no_iris():
    plane, centre = eye(18.0, catch=False, lashes=False)
    found, _ = iris_radius(1 - plane, centre, *near(18.0))
    assert found is None


def test_an_edge_on_one_side_alone_is_no_iris():
    x = torch.arange(120.0)
    plane = torch.where(x > 76, 0.8, 0.3).expand(120, 120)
    found, _ = iris_radius(plane, (60.0, 60.0), *near(18.0))
    assert found is None


def test_a_larger_disc_is_not_taken_for_the_nearest_radius():
    plane, centre = eye(27.0, pupil=0.0, catch=False, lashes=False, lids=(2, 2))
    found, reason = iris_radius(plane, centre, *near(18.0))
    assert found is None, found
    assert "stands out" in reason


def test_an_eye_at_the_border_is_refused():
    plane, centre = eye(18.0)
    found, reason = iris_radius(plane, (3.0, centre[1]), *near(18.0))
    assert found is None
    assert "border" in reason


@pytest.mark.parametrize(
    ("plane", "low", "high", "words"),
    [
        (torch.zeros(3, 9, 9), 5, 9, "plane must be"),
        (torch.zeros(9, 9, dtype=torch.uint8), 5, 9, "plane must be"),
        (torch.zeros(9, 9), 9, 5, "two rising radii"),
        (torch.zeros(9, 9), 5, math.nan, "two rising radii"),
    ],
)
def test_what_is_no_plane_or_no_range_is_refused(plane, low, high, words):
    with pytest.raises(ValueError, match=words):
        iris_radius(plane, (4.0, 4.0), low, high)


def test_a_place_that_is_none_is_refused():
    with pytest.raises(ValueError, match="finite point"):
        iris_radius(torch.zeros(9, 9), (math.nan, 4.0), 5, 9)


# Iris centres, px, marked by hand: tests/bench/faces.py says how.
MARKED = {
    "ben-lujan": ((460.0, 434.6), (624.6, 430.9)),
    "christopher-coons": ((437.2, 387.0), (640.9, 395.8)),
    "elizabeth-warren": ((411.8, 423.6), (623.6, 414.5)),
    "mike-rounds": ((430.1, 383.6), (614.8, 402.2)),
    "roy-blunt": ((361.7, 415.9), (543.5, 386.4)),
    "susan-collins": ((375.7, 390.7), (548.0, 383.5)),
}


def test_irises_of_real_portraits_are_about_as_large_as_anatomy_says(test_data):
    import numpy as np

    ratios = []
    for name, eyes in MARKED.items():
        path = test_data / "photos" / "corridor" / f"{name}.jpg"
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        plane = torch.from_numpy(np.array(Image.open(path).convert("L"))).float() / 255
        (x1, y1), (x2, y2) = eyes
        iod, roll = math.hypot(x2 - x1, y2 - y1), math.degrees(math.atan2(y2 - y1, x2 - x1))
        range_px = [share * iod for share in SEARCH_IOD]
        found = [iris_radius(plane, centre, *range_px, roll_deg=roll)[0] for centre in eyes]
        both = [one.radius_px / iod for one in found if one is not None]
        ratios += both
        for one, centre in zip(found, eyes, strict=True):
            if one is not None:  # marked within 0.01 IOD
                assert math.dist(one.centre, centre) < 0.03 * iod
                assert one.score > LEAST_STEP
    assert len(ratios) >= 11  # of 12 eyes
    # 11.7 / 2 / 63 is 0.093; one person's pupils lie 54 to 74 mm apart
    assert_close(float(np.median(ratios)), 0.093, atol=0.005, rtol=0)
