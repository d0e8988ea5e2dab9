import json
from dataclasses import asdict, replace
from math import acos, cos, exp, pi, sin, sqrt

import numpy as np
import pytest
import torch
from prysm.coordinates import make_xy_grid
from prysm.otf import mtf_from_psf
from prysm.propagation import Wavefront
from torch.testing import assert_close

from portrait_loupe.kernels.psf import (
    CAMERA,
    CAMERA_COARSE,
    ENERGY,
    MAX_SUPPORT_PX,
    Lens,
    Sampling,
    Tail,
    centroid_px,
    check_sampling,
    compute_psf,
    encircled_radius_px,
    monochromatic,
    mtf,
    mtf_lp_mm,
    otf,
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


def prysms(lens: Lens, opd_um, lp_mm):
    """MTF at 550 nm over both axes of the pupil, from an optical path of its own."""
    efl_mm = 100.0
    x, y = make_xy_grid(768, diameter=efl_mm / lens.f_number)
    u, v = (each / (efl_mm / lens.f_number / 2) for each in (x, y))
    pupil = Wavefront.from_amp_and_phase(
        (np.hypot(u, v) <= 1).astype(float), opd_um(u, v) * 1e3, 0.55, float(x[0, 1] - x[0, 0])
    )
    theirs = mtf_from_psf(pupil.focus(efl_mm, Q=3).intensity).slices()
    return [[float(np.interp(each, *getattr(theirs, axis))) for each in lp_mm] for axis in "xy"]


@pytest.mark.parametrize("azimuth_deg", [0, 90])
def test_prysm_finds_the_same_mtf_off_the_axis(azimuth_deg):
    lens = Lens(
        "corner", 2.8, -20, 0.6, residual_sigma_um=3.0, w131_um=0.9, w222_um=-0.8, w220_um=0.7
    )
    field, lp_mm = 0.7, (10, 20, 40, 80)

    def opd_um(u, v):
        radial = u if azimuth_deg == 0 else v
        squared = u**2 + v**2
        defocus = -20 / (8 * 2.8**2) + 0.7 * field**2
        return (
            defocus * squared
            + 0.6 * squared**2
            + 0.9 * field * squared * radial
            - 0.8 * field**2 * radial**2
        )

    blur = [exp(-2 * (pi * 3.0 * each / 1000) ** 2) for each in lp_mm]
    want = [
        [value * loss for value, loss in zip(each, blur, strict=True)]
        for each in prysms(lens, opd_um, lp_mm)
    ]
    place = {"field": field, "azimuth_deg": azimuth_deg, "spectrum": GREEN}
    ours = mtf_lp_mm(lens, lp_mm, **place)[:, 1].tolist()
    if azimuth_deg == 90:  # then tangential lines follow one another downwards
        ours.reverse()
    assert_close(ours, want, atol=5e-4, rtol=0)  # O3
    assert abs(ours[0][2] - ours[1][2]) > 0.05  # the axes do differ
    psf = compute_psf(lens, 3.0, sampling=Sampling(5, 5 * 401, 1000), **place)
    for angle, wanted in zip((0, 90), want, strict=True):
        pixels = [w * pixel_mtf(f * 0.003) for w, f in zip(wanted, lp_mm, strict=True)]
        values = mtf(psf[1], [f * 0.003 for f in lp_mm], angle).tolist()
        # the window leaves out 6e-4 of the light, so what is in it counts for more by that
        assert_close(values, pixels, atol=8e-4, rtol=0)


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


@pytest.mark.parametrize("field", [0.0, 1.0])
def test_half_the_waves_draw_nearly_the_same_lens(field):
    for lens in (SOFT, CORNER, Lens("fast", 1.5, -30.4, 2.2, -0.9, 25, 3.2)):
        all_waves, half = (
            mtf_lp_mm(lens, (10, 40), field=field, spectrum=each)
            for each in (CAMERA, CAMERA_COARSE)
        )
        assert_close(half, all_waves, atol=0.01, rtol=0)  # what its docstring promises


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


CORNER = Lens(
    "corner", 2.0, -20, 0.8, loca_um=20, residual_sigma_um=2, w131_um=1.0, w222_um=-0.8, w220_um=0.9,
    lca_um_per_100nm=6, blades=7, roundness=0.3, rotation_deg=10, cat_eye=0.4,
)  # fmt: skip


@pytest.mark.parametrize("pitch_um", [1.5, 4.7, 24])
def test_a_corner_is_light_and_all_of_it(pitch_um):
    psf = compute_psf(CORNER, pitch_um, field=1.0, azimuth_deg=37)
    assert psf.min() >= 0
    assert_close(psf.sum((1, 2)), torch.ones(3).double(), atol=1e-6, rtol=0)  # O5


def test_the_corner_to_the_left_mirrors_the_corner_to_the_right():
    lens = replace(CORNER, blades=0)  # an iris does not turn with the field
    right, down, left, diagonal = (
        compute_psf(lens, 3.0, support_px=45, field=0.8, azimuth_deg=azimuth)
        for azimuth in (0, 90, 180, 45)
    )
    # 1e-6: single precision, 1e-6 of the peak
    assert_close(down, right.rot90(-1, (1, 2)), atol=1e-6, rtol=0)
    assert_close(left, right.flip(2), atol=1e-6, rtol=0)
    assert_close(diagonal, diagonal.mT, atol=1e-6, rtol=0)
    assert_close(right, right.flip(1), atol=1e-6, rtol=0)
    assert (right - down).abs().max() > 0.01


def test_a_quarter_of_the_pupil_stands_for_the_whole():
    sampling = Sampling(7, 7 * 101, 900)
    quarter = compute_psf(SOFT, 3.0, sampling=sampling)
    whole = compute_psf(replace(SOFT, w131_um=1e-9), 3.0, sampling=sampling, field=1.0)
    assert_close(whole, quarter, atol=1e-6, rtol=0)  # single precision


def test_on_the_axis_corners_do_not_matter():
    assert_close(
        compute_psf(replace(SOFT, w131_um=3.0, cat_eye=0.6, lca_um_per_100nm=9), 4.7),
        compute_psf(SOFT, 4.7),
        atol=0,
        rtol=0,
    )


@pytest.mark.parametrize("azimuth_deg", [0, 30, 90, 210])
@pytest.mark.parametrize("field", [0.5, 1.0])
def test_coma_points_away_from_the_centre(azimuth_deg, field):
    lens = Lens("coma", 4, residual_sigma_um=2, w131_um=2.0)
    psf = compute_psf(
        lens, 2.0, support_px=101, spectrum=GREEN, field=field, azimuth_deg=azimuth_deg
    )
    turn = azimuth_deg * pi / 180
    # Rays land 2 N grad W away; over the pupil the mean of grad (r^3 cos) is 1, outward.
    want = 2 * 4 * 2.0 * field / 2.0 * torch.tensor([cos(turn), sin(turn)], dtype=torch.float64)
    assert_close(centroid_px(psf[1]), want, atol=0.1, rtol=0)  # px: the window cuts the tail
    peak = divmod(int(psf[1].argmax()), 101)
    along = (peak[1] - 50) * cos(turn) + (peak[0] - 50) * sin(turn)
    assert (
        along < want.norm() - 0.5
    )  # the point stays near the centre, what trails off goes outward


@pytest.mark.parametrize("azimuth_deg", [0, 45, 130, 200])
@pytest.mark.parametrize(("w222_um", "swirls"), [(-4.0, True), (6.0, False)])
def test_astigmatism_turns_points_into_arcs_around_the_centre_or_into_rays(
    azimuth_deg, w222_um, swirls
):
    lens = Lens("field", 2.8, residual_sigma_um=1, w222_um=w222_um, w220_um=6.0)
    psf = compute_psf(lens, 6.0, support_px=61, spectrum=GREEN, field=1, azimuth_deg=azimuth_deg)[1]
    axis, turn = torch.arange(-30, 31, dtype=torch.float64), azimuth_deg * pi / 180
    along = axis * cos(turn) + axis[:, None] * sin(turn)
    across = axis[:, None] * cos(turn) - axis * sin(turn)
    sizes = [float((psf * each**2).sum().sqrt()) for each in (along, across)]
    # rays land 4 N (W220 + W222) u and 4 N W220 v away
    assert_close(sizes[0] / sizes[1], (6.0 + w222_um) / 6.0, atol=0, rtol=0.15)
    assert (sizes[1] > sizes[0]) == swirls


@pytest.mark.parametrize("azimuth_deg", [0, 37, 90, 200])
@pytest.mark.parametrize("field", [0.6, 1.0])
def test_lateral_colour_moves_each_channel_by_what_it_sees(azimuth_deg, field):
    lens = Lens("colour", 5.6, residual_sigma_um=2, lca_um_per_100nm=20)
    psf = compute_psf(lens, 4.0, field=field, azimuth_deg=azimuth_deg)
    turn = azimuth_deg * pi / 180
    for channel, weights in enumerate(CAMERA.weights):
        pairs = zip(weights, CAMERA.wavelengths_um, strict=True)
        outward = 20 * field * sum(w * (wave - 0.55) / 0.1 for w, wave in pairs) / 4.0
        want = outward * torch.tensor([cos(turn), sin(turn)], dtype=torch.float64)
        assert_close(centroid_px(psf[channel]), want, atol=0.05, rtol=0)  # R8
    assert centroid_px(psf[0]).norm() > 1


def test_longitudinal_colour_costs_each_channel_what_its_waves_lose():
    lens = Lens("colour", 2.8, loca_um=120, residual_sigma_um=2)
    psf = compute_psf(lens, 2.0)
    lp_mm = (10, 20, 40)
    values = mtf(psf, [each * 0.002 for each in lp_mm])
    pixels = torch.tensor([pixel_mtf(each * 0.002) for each in lp_mm], dtype=torch.float64)
    assert_close(values / pixels, mtf_lp_mm(lens, lp_mm)[0], atol=0, rtol=0.02)  # R8
    blue = monochromatic(0.45)
    moved = replace(lens, loca_um=0, focus_um=120.0)  # 100 nm from 550
    assert_close(
        mtf_lp_mm(lens, lp_mm, spectrum=blue),
        mtf_lp_mm(moved, lp_mm, spectrum=blue),
        atol=1e-9,
        rtol=0,
    )


def bokeh(**values) -> torch.Tensor:
    """A defocused point, (101, 101); the pupil's rim is 40 px from its centre."""
    place = {name: values.pop(name) for name in ("field", "azimuth_deg") if name in values}
    lens = Lens("bokeh", 2.8, focus_um=4 * 40 * 2 * 2.8, residual_sigma_um=2, **values)
    return compute_psf(lens, 4.0, support_px=101, spectrum=GREEN, **place)[1]


def ring(picture: torch.Tensor, radius: float, width: float = 2.0) -> torch.Tensor:
    """The mean light in each of 360 directions, at a distance from the centre."""
    side = picture.shape[-1] // 2
    angle = torch.arange(360, dtype=torch.float64) * pi / 180
    reach = radius + torch.linspace(-width, width, 9, dtype=torch.float64)[:, None]
    x, y = (reach * torch.cos(angle)) / side, (reach * torch.sin(angle)) / side
    grid = torch.stack([x, y], -1)[None]
    return torch.nn.functional.grid_sample(
        picture[None, None], grid, align_corners=True, mode="bilinear"
    )[0, 0].mean(0)


def peaks(circle: torch.Tensor) -> int:
    """How many maxima a circle has that stand above its mean, neighbours within 5 degrees apart."""
    around = torch.stack([circle.roll(step) for step in range(-5, 6)])
    return int(((circle == around.amax(0)) & (circle > 1.1 * circle.mean())).sum())


@pytest.mark.parametrize(("blades", "spikes"), [(5, 10), (6, 6), (7, 14), (8, 8)])
def test_a_light_gets_a_spike_for_each_blade_or_two_where_they_are_odd(blades, spikes):
    lens = Lens("star", 16, residual_sigma_um=1, blades=blades)
    # one colour, so that rings and spikes do not smear
    star = compute_psf(lens, 6.0, support_px=101, spectrum=GREEN)[1]
    assert peaks(ring(star, 30, 8)) == spikes


def test_a_blurred_light_has_the_shape_of_its_iris():
    shape = bokeh(blades=6, rotation_deg=0)
    corner, side = ring(shape, 36)[0], ring(shape, 37)[30]
    assert corner > 5 * side  # the corner lies at 40 px, the middle of a blade at 40 cos(30) = 34.6
    assert peaks(ring(shape, 37)) == 6


@pytest.mark.parametrize("azimuth_deg", [0, 60, 135])
def test_a_light_in_the_corner_is_a_cats_eye_around_the_centre(azimuth_deg):
    light = bokeh(cat_eye=0.5, field=1.0, azimuth_deg=azimuth_deg)
    turn = azimuth_deg * pi / 180
    axis = torch.arange(-50, 51, dtype=torch.float64)
    along = axis * cos(turn) + axis[:, None] * sin(turn)
    across = axis[:, None] * cos(turn) - axis * sin(turn)
    narrow, long = (float((light * each**2).sum().sqrt()) for each in (along, across))
    # 1.53 for two circles that share half their area; their rims are 1.3 px of 40 soft
    assert_close(long / narrow, 1.53, atol=0.1, rtol=0)
    assert_close(centroid_px(light), torch.zeros(2).double(), atol=0.1, rtol=0)
    whole = bokeh(cat_eye=0.5)
    lit = [int((each > whole.max() / 3).sum()) for each in (light, whole)]
    assert_close(lit[0] / lit[1], 0.5, atol=0.04, rtol=0)  # the same rims


def test_an_apodised_light_fades_to_its_rim():
    light, hard = bokeh(apodisation=1.4), bokeh()
    rows = [each[50, 50:] / each[48:53, 48:53].mean() for each in (light, hard)]
    for rho in (0.3, 0.5, 0.7):
        # amplitude exp(-a rho^2); diffraction ripples by some per cent
        assert_close(float(rows[0][round(40 * rho)]), exp(-2 * 1.4 * rho**2), atol=0.05, rtol=0)
    steepest = [float(-each.diff().min()) for each in rows]
    assert steepest[1] > 4 * steepest[0]


def test_a_ring_stop_leaves_lights_a_dark_middle():
    light = bokeh(annulus=0.5)
    x = torch.arange(-50, 51, dtype=torch.float64)
    inside = torch.hypot(x, x[:, None]) < 40 * 0.4
    assert float(light[inside].sum()) < 0.03  # diffraction alone; 0.16 of a full disc
    assert ring(light, 30).min() > 0.5 * light.max() / 2


def test_a_sieve_beads_the_lights():
    light = bokeh(sieve_holes=12, sieve_disc=0.42, sieve_hole=0.13, sieve_at=0.74)
    assert peaks(ring(light, 0.74 * 40)) == 12
    assert ring(light, 0.5 * 40, 1).mean() < 0.5 * ring(light, 0.3 * 40, 1).mean()


@pytest.mark.parametrize("squeeze", [1.33, 2.0])
def test_an_anamorphic_light_is_higher_than_wide(squeeze):
    light = bokeh(squeeze=squeeze)
    half = light[45:56, 45:56].mean() / 2
    high, wide = int((light[:, 50] > half).sum()), int((light[50] > half).sum())
    assert_close(high / wide, squeeze, atol=0, rtol=0.05)
    assert_close(high, 80, atol=3, rtol=0)


def test_the_transfer_function_of_a_psf_is_its_mtf_along_both_axes():
    psf = compute_psf(CORNER, 4.7, field=1.0, azimuth_deg=20)
    h, w = 72, 96
    values = otf(psf, (h, w))
    assert values.shape == (3, h, w // 2 + 1)
    assert_close(values[:, 0, 0].real, torch.ones(3).double(), atol=1e-9, rtol=0)
    for k in (3, 9, 20):
        assert_close(values[:, 0, k].abs(), mtf(psf, [k / w])[:, 0], atol=1e-9, rtol=0)
        assert_close(values[:, k, 0].abs(), mtf(psf, [k / h], 90)[:, 0], atol=1e-9, rtol=0)
    assert otf(compute_psf(SOFT, 4.7)).imag.abs().max() < 1e-9  # the same on opposite sides
    with pytest.raises(ValueError, match="size must be at least the PSF's"):
        otf(psf, (4, 96))


def test_slanted_lines_meet_the_psf_that_a_turned_lens_has():
    lens = replace(CORNER, blades=0)
    right = compute_psf(lens, 3.0, support_px=61, field=1.0)
    turned = compute_psf(lens, 3.0, support_px=61, field=1.0, azimuth_deg=35)
    for angle in (0, 90):
        # pixels are square: they do not turn, 1e-3 at these frequencies
        assert_close(mtf(turned, [0.06], 35 + angle), mtf(right, [0.06], angle), atol=2e-3, rtol=0)


def test_a_whole_lens_keeps_what_core_and_tails_keep():
    tails = (Tail("gaussian", 0.3, 0.2, 0.1, 70), Tail("exponential", 0.05, 0.05, 0.05, 220))
    lens = replace(SOFT, tails=tails, glare=0.02)
    core = mtf_lp_mm(SOFT, [0.0, 1.0, 5.0])
    whole = mtf_lp_mm(lens, [0.0, 1.0, 5.0])
    assert_close(whole[..., 0], torch.ones(2, 3).double(), atol=1e-9, rtol=0)
    for at, f in ((1, 0.001), (2, 0.005)):
        wide = exp(-2 * (pi * 70 * f) ** 2), (1 + (2 * pi * 220 * f) ** 2) ** -1.5
        for channel, share in enumerate((0.3, 0.2, 0.1)):
            want = (1 - share - 0.07) * float(core[0, channel, at])
            want += share * wide[0] + 0.05 * wide[1] + 0.02 * exp(-2 * pi * 2000 * f)
            assert_close(float(whole[0, channel, at]), want, atol=1e-6, rtol=0)


def test_a_perfect_lens_has_goodmans_mtf():
    lp_mm = (0, 10, 100, 400, 435, 454, 500)
    values = mtf_lp_mm(IDEAL, lp_mm, spectrum=GREEN)
    want = [diffraction_mtf(each / 1000, 0.55, 4) for each in lp_mm]
    assert_close(values[0, 0].tolist(), want, atol=5e-4, rtol=0)
    assert_close(values[0], values[1], atol=1e-9, rtol=0)


def test_pixels_and_formula_agree_in_the_corner():
    """Coma, colour and iris together: what one shifts, another must shift to the same side."""
    psf = compute_psf(CORNER, 1.5, field=1.0, azimuth_deg=90)
    lp_mm = (10, 30, 60)
    tangential, sagittal = mtf_lp_mm(CORNER, lp_mm, field=1.0, azimuth_deg=90)
    for angle, want in ((90, tangential), (0, sagittal)):
        values = mtf(psf, [each * 0.0015 for each in lp_mm], angle)
        pixels = torch.tensor([pixel_mtf(each * 0.0015) for each in lp_mm], dtype=torch.float64)
        assert_close(values / pixels, want, atol=0.005, rtol=0)  # 0.004 of the light is outside


def test_a_light_far_out_of_focus_keeps_no_contrast_by_mistake():
    lens = Lens("far", 2.2, focus_um=8 * 2.2**2 * 100)  # 100 um of path, 180 waves
    # 160 samples would meet the same phase again and again at 91 lp/mm, and see all contrast kept;
    # a disc of radius 880 um keeps 2 J1(z) / z, z = 2 pi 880 f: below 1e-3
    assert mtf_lp_mm(lens, [85, 91, 95], spectrum=GREEN).max() < 0.01
    with pytest.raises(ValueError, match="at most 2048 samples for its contrast, it needs"):
        mtf_lp_mm(replace(lens, focus_um=90_000.0), [91])


@pytest.mark.parametrize(("field", "azimuth"), [(1.2, 0), (-0.1, 0), (float("nan"), 0)])
def test_a_place_outside_the_picture_is_refused(field, azimuth):
    for ask in (lambda **k: compute_psf(SOFT, 4.7, **k), lambda **k: mtf_lp_mm(SOFT, [10], **k)):
        with pytest.raises(ValueError, match=r"field must be from 0 .* to 1"):
            ask(field=field, azimuth_deg=azimuth)
    with pytest.raises(ValueError, match="azimuth_deg must be finite"):
        compute_psf(SOFT, 4.7, field=1.0, azimuth_deg=float("inf"))


def test_the_phase_rule_knows_the_corners():
    lens = Lens("coma", 2.2, w131_um=12.0)
    sampling = Sampling(5, 5 * 61, 250)
    compute_psf(lens, 2.0, sampling=sampling)
    with pytest.raises(ValueError, match="waves between two of 250"):
        compute_psf(lens, 2.0, sampling=sampling, field=1.0)
    planned = plan_sampling(lens, 2.0, 122, field=1.0)
    check_sampling(lens, 2.0, planned, field=1.0)


@pytest.mark.parametrize(
    "lens", [SOFT, replace(CORNER, tails=(Tail("glare", 0.1, 0.1, 0.2, 900),))]
)
def test_a_lens_survives_json(lens):
    again = Lens(**json.loads(json.dumps(asdict(lens))))
    assert again == lens
    assert hash(again) == hash(lens)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"f_number": 0}, "f_number must be from 0.5 to 128, got 0"),
        ({"f_number": "2.8"}, "f_number must be a number, got '2.8'"),
        ({"w040_um": float("nan")}, "w040_um must be finite"),
        ({"residual_sigma_um": -1}, "residual_sigma_um must be 0 or more"),
        ({"name": ""}, "name must be a text"),
        ({"w131_um": 10**400}, "w131_um must be a sensible number"),
        ({"blades": 2}, "blades must be 0 or a whole number from 3 to 24, got 2"),
        ({"blades": 5.5}, "blades must be 0 or a whole number"),
        ({"cat_eye": 1}, "cat_eye must be from 0 to 0.9, got 1"),
        ({"squeeze": 0.5}, "squeeze must be from 1 to 3"),
        ({"glare": -0.1}, "glare must be from 0 to 0.9"),
        ({"tails": {}}, "tails must be a list"),
        ({"tails": [4]}, "tail 1 must be an object with profile, share_r"),
        ({"tails": [Tail("gaussian", 0, 0, 0, 9)] * 9}, "tails must be at most 8, got 9"),
        (
            {"tails": [Tail("gaussian", 0, 0.9, 0, 9)], "glare": 0.1},
            r"take 1 of the green light, at most 0.95 .* Lower glare",
        ),
        ({"sieve_holes": 12}, "sieve_hole must be above 0"),
        (
            {"sieve_holes": 6, "sieve_hole": 0.2, "sieve_at": 0.9},
            "sieve_at . sieve_hole must be at most 1",
        ),
        (
            {"sieve_holes": 12, "sieve_hole": 0.2, "sieve_at": 0.7},
            "touch neither its disc nor each other",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_a_lens_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Lens(**{"name": "lens", "f_number": 2.8, **values})
