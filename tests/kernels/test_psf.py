import json
from dataclasses import asdict, replace
from math import acos, exp, pi, sin, sqrt

import numpy as np
import pytest
import torch
from prysm.coordinates import make_xy_grid
from prysm.otf import mtf_from_psf
from prysm.propagation import Wavefront
from torch.testing import assert_close

from portrait_loupe.kernels.psf import (
    CAMERA,
    ENERGY,
    MAX_SUPPORT_PX,
    Lens,
    Sampling,
    check_sampling,
    compute_psf,
    encircled_radius_px,
    monochromatic,
    mtf,
    plan_sampling,
    strehl,
)

GREEN = monochromatic(0.55)
SOFT = Lens("soft", 2.2, w040_um=5.0, loca_um=30, residual_sigma_um=3)
IDEAL = Lens("ideal", 4)


def diffraction_mtf(cycles_um: float, wavelength_um: float, f_number: float) -> float:
    """Goodman, eq. 7-33."""
    s = cycles_um * wavelength_um * f_number
    return 2 / pi * (acos(s) - s * sqrt(1 - s * s)) if s < 1 else 0.0


def pixel_mtf(cycles_px: float) -> float:
    return sin(pi * cycles_px) / (pi * cycles_px)


@pytest.mark.parametrize("f_number", [1.4, 2.8, 4, 8, 16])
def test_a_perfect_lens_is_limited_by_diffraction_alone(f_number):
    pitch_um = 0.45 * 0.55 * f_number  # the cut-off is just below Nyquist: nothing aliases
    psf = compute_psf(Lens("ideal", f_number), pitch_um, spectrum=GREEN)
    for lp_mm in (10, 20, 40, 80, 110):
        cycles = lp_mm / 1000 * pitch_um
        want = diffraction_mtf(lp_mm / 1000, 0.55, f_number) * pixel_mtf(cycles)
        # O1; four thousandths of the light lie beyond the support
        assert_close(mtf(psf, [cycles])[1].item(), want, atol=0.005, rtol=0)


def test_nothing_finer_than_the_cut_off_passes():
    psf = compute_psf(Lens("ideal", 16), 2.0, spectrum=GREEN)
    cut_off = 2.0 / (0.55 * 16)  # cycles per pixel
    assert mtf(psf, [1.05 * cut_off, 1.5 * cut_off, 2 * cut_off]).max() < 0.005


def test_the_first_dark_ring_is_airys():
    psf = compute_psf(Lens("ideal", 8), 0.2, support_px=301, spectrum=GREEN)
    row = psf[1, 150, 150:]
    first = int((row.diff() > 0).nonzero()[0])
    a, b, c = row[first - 1 : first + 2].tolist()
    zero_um = 0.2 * (first + (a - c) / (2 * (a - 2 * b + c)))
    assert_close(zero_um, 1.2197 * 0.55 * 8, atol=0.02, rtol=0)  # a tenth of a pixel


def test_a_quarter_wave_of_defocus_leaves_strehl_081():
    lens = Lens("defocused", 4, focus_um=0.55 / 4 * 8 * 4**2)
    # O2; sin^2(x) / x^2 at x = pi / 4 is 0.8106
    assert_close(strehl(lens, 0.55), 0.811, atol=0.005, rtol=0)


def test_a_quarter_wave_of_spherical_aberration_leaves_strehl_080():
    assert_close(strehl(Lens("spherical", 4, w040_um=0.55 / 4), 0.55), 0.800, atol=0.005, rtol=0)


def test_strehl_is_the_peak_of_the_psf():
    lens = Lens("spherical", 8, w040_um=0.2)
    peaks = [
        compute_psf(each, 0.4, support_px=255, spectrum=GREEN)[1, 127, 127]
        for each in (lens, replace(lens, w040_um=0.0))
    ]
    # both windows hold 0.98 of the light, to some thousandths the same
    assert_close(float(peaks[0] / peaks[1]), strehl(lens, 0.55), atol=0.005, rtol=0)


def test_spherical_aberration_balanced_by_defocus_is_sharper():
    paraxial = Lens("paraxial", 4, w040_um=0.5)
    balanced = replace(paraxial, focus_um=-0.5 * 8 * 4**2)  # W020 = -W040: the least variance
    assert strehl(balanced, 0.55) > 4 * strehl(paraxial, 0.55)


def test_prysm_finds_the_same_mtf():
    lens = Lens("soft", 2.8, focus_um=-40.0, w040_um=1.5, w060_um=-0.4, residual_sigma_um=3.0)
    pitch_um, wavelength_um, efl_mm = 3.0, 0.55, 100.0
    x, y = make_xy_grid(768, diameter=efl_mm / lens.f_number)
    rho = np.hypot(x, y) / (efl_mm / lens.f_number / 2)
    w020_um = lens.focus_um / (8 * lens.f_number**2)
    opd_um = w020_um * rho**2 + lens.w040_um * rho**4 + lens.w060_um * rho**6
    pupil = Wavefront.from_amp_and_phase(
        (rho <= 1).astype(float), opd_um * 1e3, wavelength_um, float(x[0, 1] - x[0, 0])
    )
    theirs = mtf_from_psf(pupil.focus(efl_mm, Q=3).intensity).slices().x
    psf = compute_psf(lens, pitch_um, sampling=Sampling(4, 4 * 511, 2048), spectrum=GREEN)
    for lp_mm in (10, 20, 40, 80):
        cycles = lp_mm / 1000 * pitch_um
        blur = exp(-2 * (pi * lens.residual_sigma_um * lp_mm / 1000) ** 2) * pixel_mtf(cycles)
        want = float(np.interp(lp_mm, *theirs)) * blur
        for direction in (psf[1], psf[1].T):
            # O3; the window leaves out 3e-4 of the light
            assert_close(mtf(direction, [cycles]).item(), want, atol=5e-4, rtol=0)


def test_spherical_aberration_spreads_light_as_its_rays_do():
    lens = Lens("spherical", 2.2, w040_um=6.0)
    psf = compute_psf(lens, 1.0, spectrum=GREEN)
    # O6: a ray at rho lands 8 N W040 rho^3 away, and 80 % of the light is within rho^2 = 0.8
    want = 8 * 2.2 * 6.0 * 0.8**1.5
    assert_close(encircled_radius_px(psf[1], 0.8).item(), want, atol=0, rtol=0.03)


def test_defocus_spreads_light_over_a_disc():
    psf = compute_psf(Lens("defocused", 4, focus_um=1600.0), 2.0, spectrum=GREEN)
    # radius dz / (2 N), evenly lit but for the rim, where 23 waves of defocus leave 2 % to diffraction
    assert_close(encircled_radius_px(psf[1], 0.8).item(), 100 * sqrt(0.8), atol=0, rtol=0.03)


def test_one_bright_pixel_is_as_wide_as_itself():
    pixel = torch.zeros(3, 5, 5)
    pixel[:, 2, 2] = 1
    # 80 % of a unit square lies within sqrt(0.8 / pi) = 0.5046, the circle just above its sides
    assert_close(
        encircled_radius_px(pixel, 0.8), torch.full((3,), 0.505).double(), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("pitch_um", [0.5, 1.5, 4.7, 24, 60])
@pytest.mark.parametrize(
    "lens",
    [IDEAL, SOFT, Lens("fast", 1.4, -16.0, 1.5, -0.8, 20.0, 2.8)],
    ids=lambda lens: lens.name,
)
def test_a_psf_is_light_and_all_of_it(lens, pitch_um):
    psf = compute_psf(lens, pitch_um)
    assert psf.dtype == torch.float64
    assert psf.ndim == 3
    assert psf.shape[0] == 3
    assert psf.shape[1] == psf.shape[2]
    assert psf.shape[1] % 2 == 1
    assert psf.min() >= 0
    assert_close(psf.sum((1, 2)), torch.ones(3).double(), atol=1e-6, rtol=0)  # O5
    assert_close(psf.float().sum((1, 2)), torch.ones(3), atol=1e-6, rtol=0)
    # on the axis every direction is alike; what differs is the rounding of sums
    for turned in (psf.mT, psf.flip(1), psf.flip(2)):
        assert_close(turned, psf, atol=1e-12, rtol=0)


@pytest.mark.parametrize("support_px", [61, 121, 241])
def test_the_light_in_a_window_is_airys(support_px):
    """Before normalisation, so that the energy guard means what it says."""
    half_um = support_px / 2
    whole = compute_psf(IDEAL, 1.0, support_px=MAX_SUPPORT_PX, spectrum=GREEN)[1]
    reach, middle = support_px // 2, MAX_SUPPORT_PX // 2
    part = whole[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1].sum()
    # Outside a circle lies 2 lambda N / (pi^2 r) [Born & Wolf, 8.5.2]; around a square of half side r
    # the mean of cos(angle) over an eighth of a turn, 2 sqrt(2) / pi, of that.
    missing = 2 * 0.55 * 4 / pi**2 * (2 * sqrt(2) / pi)
    want = (1 - missing / half_um) / (1 - missing / (MAX_SUPPORT_PX / 2))
    assert_close(float(part), want, atol=5e-4, rtol=0)


def test_the_support_is_the_smallest_that_holds_the_light():
    wide = compute_psf(SOFT, 4.7, support_px=101)
    psf = compute_psf(SOFT, 4.7)
    side = psf.shape[-1]
    reach = side // 2
    inner = wide[:, 50 - reach : 51 + reach, 50 - reach : 51 + reach].sum((1, 2))
    tighter = wide[:, 51 - reach : 50 + reach, 51 - reach : 50 + reach].sum((1, 2))
    # The wide window too leaves out some thousandths, and is divided by what it holds.
    assert inner.min() > ENERGY - 1e-6
    assert tighter.min() < ENERGY + 0.003


def test_longitudinal_colour_blurs_red_and_blue_and_spares_green():
    red, green, blue = mtf(compute_psf(Lens("colour", 2.8, loca_um=120), 2.0), [0.04])[:, 0]
    assert green > red + 0.05
    assert green > blue + 0.05


def test_without_colour_errors_longer_waves_spread_further():
    red, green, blue = mtf(compute_psf(Lens("ideal", 16), 2.0), [0.1])[:, 0]
    assert red < green < blue


@pytest.mark.parametrize(
    ("lens", "pitches_um"),
    [(IDEAL, (0.8, 0.9, 1.05)), (SOFT, (0.8, 1.5, 3.1))],
    ids=["ideal", "soft"],
)
def test_the_pitch_changes_the_pixels_not_the_lens(lens, pitches_um):
    """Where pixels are fine enough not to alias."""
    values = [
        mtf(compute_psf(lens, pitch), [0.02 * pitch])[1].item() / pixel_mtf(0.02 * pitch)
        for pitch in pitches_um
    ]
    assert max(values) - min(values) < 0.004  # the missing light, twice


def test_a_larger_residual_blur_is_a_gaussian():
    sharp, soft = (
        mtf(compute_psf(Lens("lens", 2.8, residual_sigma_um=s), 1.0, energy=0.998), [0.04])[
            1
        ].item()
        for s in (2.0, 5.0)
    )
    assert_close(soft / sharp, exp(-2 * (pi * 0.04) ** 2 * (25 - 4)), atol=0.005, rtol=0)


def test_camera_channels_each_see_all_their_light():
    assert len(CAMERA.wavelengths_um) == 13
    for row in CAMERA.weights:
        assert_close(sum(row), 1.0, atol=1e-12, rtol=0)
    peaks = [CAMERA.wavelengths_um[row.index(max(row))] for row in CAMERA.weights]
    assert_close(peaks, [0.6, 0.537, 0.46], atol=0.0125, rtol=0)  # half a step


@pytest.mark.parametrize(
    "lens", [IDEAL, SOFT, Lens("fast", 1.4, w040_um=1.5)], ids=lambda lens: lens.name
)
@pytest.mark.parametrize("pitch_um", [0.7, 4.7, 35.2])
def test_a_planned_sampling_keeps_the_rules(lens, pitch_um):
    sampling = plan_sampling(lens, pitch_um, 300.0)
    check_sampling(lens, pitch_um, sampling)
    assert sampling.window_samples * pitch_um / sampling.oversampling >= 300 - 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"oversampling": 3, "window_samples": 151}, "too coarse for f/2.2 at 0.4 um"),
        ({"pupil_samples": 150}, "let copies of the PSF into"),
        ({"window_samples": 301, "pupil_samples": 190}, "waves between two of 190"),
        ({"window_samples": 602}, "both be odd or both be even"),
        ({"window_samples": 0}, "must be positive"),
        (
            {"pupil_samples": 4096},
            r"at most 2048 samples, it needs 4096\. Choose a larger format_mm",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_a_sampling_that_misleads_is_refused(change, message):
    good = Sampling(oversampling=11, window_samples=601, pupil_samples=500)
    check_sampling(SOFT, 4.7, good)
    with pytest.raises(ValueError, match=message):
        compute_psf(SOFT, 4.7, sampling=replace(good, **change))


def test_a_window_that_loses_light_is_refused():
    with pytest.raises(ValueError, match=r"'soft' on 5 px .* must be within 0.95 and 1.005"):
        compute_psf(SOFT, 4.7, support_px=5)


def test_a_psf_wider_than_the_limit_is_refused_with_advice():
    with pytest.raises(
        ValueError, match=r"at most 511 px wide, it is wider\. Choose a larger format_mm"
    ):
        compute_psf(SOFT, 0.1)


@pytest.mark.parametrize("pitch_um", [0, -1, float("nan")])
def test_a_pitch_must_be_positive(pitch_um):
    with pytest.raises(ValueError, match="pitch_um must be above 0"):
        compute_psf(IDEAL, pitch_um)


def test_an_even_support_is_refused():
    with pytest.raises(ValueError, match="odd and positive, got 8"):
        compute_psf(IDEAL, 4.7, support_px=8)


def test_a_lens_survives_json():
    assert Lens(**json.loads(json.dumps(asdict(SOFT)))) == SOFT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"f_number": 0}, "f_number must be from 0.5 to 128, got 0"),
        ({"f_number": "2.8"}, "f_number must be a number, got '2.8'"),
        ({"w040_um": float("nan")}, "w040_um must be finite"),
        ({"residual_sigma_um": -1}, "residual_sigma_um must be 0 or more"),
        ({"name": ""}, "name must be a text"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_a_lens_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Lens(**{"name": "lens", "f_number": 2.8, **values})
