from dataclasses import replace
from math import cos, pi, sin

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.psf import Lens, wavefront_um
from portrait_loupe.kernels.psf.pupil import full_axis, is_mirrored, opening, transmission
from portrait_loupe.kernels.psf.wavefront import bend_um, steepest_um

PLAIN = Lens("plain", 2.8)
SAMPLES = 400


def open_share(lens: Lens, field: float = 0.0, azimuth_deg: float = 0.0) -> float:
    """The opening's area, that of the full circle being 1."""
    axis = full_axis(SAMPLES)
    cells = opening(
        lens, axis[None], axis[:, None], 2 / SAMPLES, field=field, azimuth_deg=azimuth_deg
    )
    return float(cells.sum()) * (2 / SAMPLES) ** 2 / pi


def passes(lens: Lens, u: float, v: float, **place: float) -> bool:
    at = (torch.tensor(value, dtype=torch.float64) for value in (u, v))
    return float(opening(lens, *at, 1e-6, **place)) > 0.5


@pytest.mark.parametrize("blades", [3, 5, 6, 9])
def test_straight_blades_leave_a_polygon(blades):
    want = blades / 2 * sin(2 * pi / blades) / pi
    assert_close(open_share(replace(PLAIN, blades=blades)), want, atol=1e-3, rtol=0)


@pytest.mark.parametrize("rotation_deg", [0, 17, 90])
def test_a_corner_points_where_the_rotation_says(rotation_deg):
    lens = replace(PLAIN, blades=5, rotation_deg=rotation_deg)
    turn, half = rotation_deg * pi / 180, pi / 5
    assert passes(lens, 0.98 * cos(turn), 0.98 * sin(turn))
    assert not passes(lens, 0.83 * cos(turn + half), 0.83 * sin(turn + half))  # cos 36 is 0.81
    assert passes(lens, 0.79 * cos(turn + half), 0.79 * sin(turn + half))


def test_round_blades_leave_a_circle():
    shares = [open_share(replace(PLAIN, blades=6, roundness=each)) for each in (0, 0.5, 1)]
    assert shares[0] < shares[1] < shares[2]
    assert_close(shares[2], 1.0, atol=1e-3, rtol=0)


@pytest.mark.parametrize("azimuth_deg", [0, 45, 100])
@pytest.mark.parametrize("hidden", [0.2, 0.5, 0.8])
def test_the_barrel_hides_what_cat_eye_says(hidden, azimuth_deg):
    lens = replace(PLAIN, cat_eye=hidden)
    assert_close(open_share(lens, 1.0, azimuth_deg), 1 - hidden, atol=2e-3, rtol=0)
    assert_close(open_share(lens, 0.0), 1.0, atol=1e-3, rtol=0)
    assert 1 - hidden < open_share(lens, 0.5, azimuth_deg) < 1


def test_a_cats_eye_is_narrow_towards_the_centre():
    lens = replace(PLAIN, cat_eye=0.5)
    turn = 30 * pi / 180
    place = {"field": 1.0, "azimuth_deg": 30.0}
    assert not passes(lens, 0.7 * cos(turn), 0.7 * sin(turn), **place)
    assert passes(lens, -0.85 * sin(turn), 0.85 * cos(turn), **place)


def test_stops_take_their_areas():
    assert_close(open_share(replace(PLAIN, annulus=0.35)), 1 - 0.35**2, atol=1e-3, rtol=0)
    sieve = replace(PLAIN, sieve_holes=12, sieve_disc=0.42, sieve_hole=0.13, sieve_at=0.74)
    assert_close(open_share(sieve), 0.42**2 + 12 * 0.13**2, atol=2e-3, rtol=0)
    assert_close(open_share(replace(PLAIN, squeeze=2.0)), 0.5, atol=2e-3, rtol=0)


def test_an_apodising_filter_darkens_the_rim():
    lens = replace(PLAIN, apodisation=1.4)
    u = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    want = torch.exp(-1.4 * torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64))
    assert_close(transmission(lens, u, torch.zeros(3).double()), want)


@pytest.mark.parametrize(
    ("values", "field", "mirrored"),
    [
        ({}, 0, True),
        ({"w131_um": 1.0, "cat_eye": 0.5, "lca_um_per_100nm": 3.0}, 0, True),
        ({"w131_um": 1.0}, 0.1, False),
        ({"w222_um": 1.0}, 0.1, False),
        ({"w220_um": 1.0}, 0.1, True),
        ({"cat_eye": 0.5}, 0.1, False),
        ({"lca_um_per_100nm": 3.0}, 0.1, False),
        ({"blades": 6}, 0, True),
        ({"blades": 6, "rotation_deg": 10}, 0, False),
        ({"blades": 5}, 0, False),
        ({"blades": 5, "roundness": 1.0}, 0, True),
        ({"sieve_holes": 5, "sieve_hole": 0.2, "sieve_at": 0.7}, 0, False),
        ({"sieve_holes": 6, "sieve_hole": 0.2, "sieve_at": 0.7}, 0, True),
        ({"apodisation": 1.0, "annulus": 0.3, "squeeze": 2.0}, 1, True),
    ],
    ids=str,
)
def test_a_quarter_is_enough_only_where_the_pupil_mirrors(values, field, mirrored):
    lens = replace(PLAIN, **values)
    assert is_mirrored(lens, field) == mirrored
    axis = full_axis(64)
    u, v = axis[None], axis[:, None]
    place = {"field": field, "azimuth_deg": 20.0}
    both = opening(lens, u, v, 2 / 64, **place), wavefront_um(lens, u, v, 0.5, **place)
    alike = all(
        torch.allclose(each, each.flip(side), atol=1e-9) for each in both for side in (0, 1)
    )
    if mirrored:
        assert alike
    elif not values.get(
        "lca_um_per_100nm"
    ):  # lateral colour mirrors, but where light lands does not
        assert not alike


@pytest.mark.parametrize("field", [0.0, 0.4, 1.0])
def test_the_steepest_slope_is_that_of_the_wavefront(field):
    lens = Lens(
        "all", 2, -30, 0.8, -0.3, 20, w131_um=1.4, w222_um=-0.9, w220_um=0.6
    )  # fmt: skip
    angle = torch.linspace(0, 2 * pi, 721, dtype=torch.float64)
    rho = torch.linspace(0, 1, 401, dtype=torch.float64)[:, None]
    u = (rho * torch.cos(angle)).requires_grad_()
    v = (rho * torch.sin(angle)).requires_grad_()
    path = wavefront_um(lens, u, v, 0.45, field=field, azimuth_deg=25.0)
    slopes = torch.autograd.grad(path.sum(), (u, v))
    want = float(torch.hypot(*slopes).max())
    assert_close(steepest_um(lens, 0.45, field), want, atol=0, rtol=1e-3)  # steps of 2 degrees


@pytest.mark.parametrize("field", [0.0, 1.0])
def test_the_slope_changes_no_faster_than_the_bend(field):
    lens = Lens("all", 2, -30, 0.8, -0.3, 20, w131_um=1.4, w222_um=-0.9, w220_um=0.6)
    axis = torch.linspace(-1, 1, 401, dtype=torch.float64)
    u, v = axis[None].expand(401, 401), axis[:, None].expand(401, 401)
    path = wavefront_um(lens, u, v, 0.45, field=field, azimuth_deg=25.0)
    rim = torch.hypot(u, v)[1:-1, 1:-1] <= 1
    bends = [path.diff(n=2, dim=side) / (2 / 400) ** 2 for side in (0, 1)]
    most = max(float(bends[0][:, 1:-1][rim].abs().max()), float(bends[1][1:-1][rim].abs().max()))
    assert most <= bend_um(lens, 0.45, field) * 1.001  # differences are not derivatives
    assert bend_um(lens, 0.45, field) < 2.5 * most


def test_the_path_at_the_rim_is_the_sum_of_its_coefficients():
    lens = Lens("all", 2, 0, 1.0, 0.5, w131_um=0.25, w222_um=0.125, w220_um=0.0625)
    at = torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    assert_close(float(wavefront_um(lens, *at, 0.55, field=1.0)), 1.9375)
    assert_close(float(wavefront_um(lens, *at, 0.55, field=1.0, azimuth_deg=90)), 1.5625)
    assert_close(float(wavefront_um(lens, *at, 0.55, field=0.5)), 1.5 + 0.125 + 0.1875 / 4)
    assert_close(float(wavefront_um(lens, *at, 0.55, field=1.0, azimuth_deg=180)), 1.4375)
