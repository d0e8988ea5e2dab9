import json
from dataclasses import asdict
from math import exp, pi, sqrt

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.psf import (
    GLARE_UM,
    PROFILES,
    Lens,
    Tail,
    core_share,
    tail_otf,
    tail_psf,
    wide_tails,
)


def tail(profile: str, scale_um: float = 100.0) -> Tail:
    return Tail(profile, 0.1, 0.1, 0.1, scale_um)


def density(profile: str, r: float) -> float:
    """Light per square scale, at r scales; the whole plane holds 1."""
    if profile == "gaussian":
        return exp(-r * r / 2) / (2 * pi)
    if profile == "exponential":
        return exp(-r) / (2 * pi)
    return (1 + r * r) ** -1.5 / (2 * pi)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("pitch_um", "side"), [(0.5, 3), (4.7, 129), (60, 31), (1125, 9), (9000, 1)]
)
def test_a_tail_is_light_and_all_of_it(profile, pitch_um, side):
    psf = tail_psf(tail(profile), pitch_um, side)
    assert psf.shape == (side, side)
    assert psf.dtype == torch.float64
    assert psf.min() >= 0
    assert_close(float(psf.sum()), 1.0, atol=1e-9, rtol=0)
    for turned in (psf.T, psf.flip(0), psf.flip(1)):
        assert_close(turned, psf, atol=1e-12, rtol=0)
    assert psf.argmax() == side * side // 2


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("pitch_um", [3.0, 25.0, 110.0, 400.0])
def test_a_coarse_pixel_holds_what_its_fine_pixels_hold(profile, pitch_um):
    """So a tail at a lower resolution is the same tail."""
    coarse = tail_psf(tail(profile), pitch_um, 21)
    fine = tail_psf(tail(profile), pitch_um / 3, 63)
    binned = fine.unflatten(0, (21, 3)).unflatten(2, (21, 3)).sum((1, 3))
    # the integrals are exact but for the exponential's, 1e-6 where pixels are four scales wide
    assert_close(coarse, binned, atol=1e-6, rtol=0)


@pytest.mark.parametrize("profile", PROFILES)
def test_light_falls_off_with_the_distance_as_its_profile_says(profile):
    psf = tail_psf(tail(profile), 5.0, 401)  # a pixel is a twentieth of a scale
    for away in (40, 100, 120):
        got = float(psf[200, 200 + away] / psf[200, 220])
        assert_close(
            got, density(profile, away / 20) / density(profile, 1.0), atol=0, rtol=0.004
        )  # a pixel's mean is not its middle: (r / 20)^2 / 24 of a Gaussian, r 6 scales


@pytest.mark.parametrize("profile", ["gaussian", "exponential"])
def test_the_pixels_keep_the_contrast_that_the_formula_says(profile):
    psf = tail_psf(tail(profile), 10.0, 401)  # 20 scales to each side: all of it
    x = torch.arange(-200, 201, dtype=torch.float64)
    for cycles_px in (0.0, 0.005, 0.02, 0.05):
        kept = float((psf.sum(0) * torch.cos(2 * pi * x * cycles_px)).sum())
        want = float(tail_otf(tail(profile), torch.tensor(cycles_px / 10)))
        want *= float(torch.sinc(torch.tensor(cycles_px)))
        assert_close(kept, want, atol=1e-4, rtol=0)  # copies of the spectrum, folded in


def test_half_of_the_glare_falls_within_its_root_three():
    """Inside R scales lies 1 - (1 + R^2)^-0.5; of a window it is a share of what the window holds."""
    psf = tail_psf(tail("glare"), 5.0, 801)
    x = torch.arange(-400, 401, dtype=torch.float64) / 20
    radius = torch.hypot(x, x[:, None])
    inside = float(psf[radius < sqrt(3)].sum() / psf[radius < 15].sum())
    assert_close(inside, 0.5 / (1 - (1 + 15**2) ** -0.5), atol=0.002, rtol=0)


def test_glares_contrast_is_gone_by_one_line_pair_per_millimetre():
    assert_close(
        float(tail_otf(tail("glare", 2000), torch.tensor(1e-4))),
        exp(-2 * pi * 0.2),
        atol=1e-6,
        rtol=0,
    )
    assert float(tail_otf(tail("glare", 2000), torch.tensor(1e-3))) < 1e-5


def test_the_core_gets_what_tails_and_glare_leave():
    halation = Tail("exponential", 0.06, 0.02, 0.005, 110)
    lens = Lens("film", 2.8, glare=0.01, tails=(halation,))
    assert core_share(lens) == pytest.approx((0.93, 0.97, 0.985))
    assert wide_tails(lens) == (halation, Tail("glare", 0.01, 0.01, 0.01, GLARE_UM))
    assert core_share(Lens("plain", 2.8)) == (1, 1, 1)
    assert wide_tails(Lens("plain", 2.8)) == ()


def test_tails_come_from_json():
    halation = Tail("exponential", 0.06, 0.02, 0.005, 110)
    lens = Lens("film", 2.8, tails=json.loads(json.dumps([asdict(halation)])))
    assert lens.tails == (halation,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"profile": "box"}, "profile must be one of gaussian, exponential, glare, got 'box'"),
        ({"share_r": 1.1}, "shares must be from 0 to 1, got 1.1, 0.1, 0.1"),
        ({"share_b": -0.1}, "shares must be from 0 to 1"),
        ({"share_g": "0.1"}, "share_g must be a number"),
        ({"scale_um": 0}, "scale_um must be from 0.1 to 100000, got 0"),
        ({"scale_um": float("inf")}, "scale_um must be finite"),
    ],
    ids=str,
)
def test_a_tail_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Tail(**{**asdict(tail("gaussian")), **values})


def test_pixels_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="pitch_um must be above 0"):
        tail_psf(tail("glare"), 0, 9)
    with pytest.raises(ValueError, match="odd and positive, got 8"):
        tail_psf(tail("glare"), 4, 8)
