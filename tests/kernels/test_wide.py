import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.convolve import convolve, convolve_wide, wide_factor


def gaussian(sigma: float, side: int) -> torch.Tensor:
    x = torch.arange(side, dtype=torch.float64) - side // 2
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    return torch.outer(taps, taps) / taps.sum() ** 2


def exponential(scale: float, side: int) -> torch.Tensor:
    x = torch.arange(side, dtype=torch.float64) - side // 2
    psf = torch.exp(-(x[:, None] ** 2 + x**2).sqrt() / scale)
    return psf / psf.sum()


def slanted(height: int, width: int) -> torch.Tensor:
    """An edge that is neither upright nor on the coarse grid."""
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return (0.2 * y + x > 0.6 * width).double()[None, None]


# the bounds are those of the docstring's table, and what a step of 8 bits is: 4e-3
@pytest.mark.parametrize(
    ("shape", "ratio", "bound"),
    [
        (gaussian, 2, 2.5e-4),
        (gaussian, 4, 5e-5),
        (exponential, 2, 2.5e-3),
        (exponential, 4, 4e-4),
    ],
)
@pytest.mark.parametrize("factor", [3, 4])
def test_it_agrees_with_direct_convolution(shape, ratio, bound, factor):
    image = slanted(85, 107)
    cut = 4.5 if shape is gaussian else 8
    reach = round(cut * ratio)
    want = convolve(image, shape(ratio * factor, 2 * reach * factor + 1))
    got = convolve_wide(image, shape(ratio, 2 * reach + 1), factor)
    assert (got - want).abs().max() < bound


@pytest.mark.parametrize("place", [30, 31, 32, 33])
def test_a_point_of_light_stays_where_it_is(place):
    sky = torch.zeros(1, 1, 80, 90, dtype=torch.float64)
    sky[0, 0, place, place + 7] = 1.0
    glow = convolve_wide(sky, gaussian(2.0, 17), 4)[0, 0]
    y, x = torch.arange(80.0).double(), torch.arange(90.0).double()
    # the mirrored border sends back 1e-4 of the light
    assert abs(float(glow.sum(1) @ y) - place) < 0.01
    assert abs(float(glow.sum(0) @ x) - place - 7) < 0.01
    width = float(glow.sum(0) @ (x - place - 7) ** 2)
    assert abs(math.sqrt(width) - 8.0) < 0.05
    assert_close(float(glow.sum()), 1.0, atol=1e-3, rtol=0)


@pytest.mark.parametrize("factor", [1, 2, 5, 32])
@pytest.mark.parametrize("shape", [(1, 3, 37, 50), (2, 1, 1, 1), (1, 1, 3, 200)], ids=str)
def test_a_flat_field_stays_flat(factor, shape):
    grey = torch.full(shape, 0.43)
    got = convolve_wide(grey, gaussian(3.0, 25).float(), factor)
    assert got.shape == grey.shape
    assert_close(got, grey, atol=1e-6, rtol=0)  # R2


def test_light_is_never_negative_and_never_brighter_than_the_brightest():
    torch.manual_seed(4)
    image = (torch.rand(1, 3, 70, 61) > 0.97).float()
    image[..., 40:, :] = 0.0
    glow = convolve_wide(image, exponential(3.0, 21).float(), 4)
    assert glow.min() >= 0.0
    assert glow.max() <= 1.0


@pytest.mark.parametrize("shape", ["gaussian", "disc"])
def test_the_dark_far_from_all_light_is_exactly_dark(shape):
    """Where the transform's rounding, or sharpening a PSF that ends abruptly, would say less than none."""
    x = torch.arange(13.0) - 6
    disc = ((x[:, None] ** 2 + x**2) <= 9).float()
    psf = disc / disc.sum() if shape == "disc" else gaussian(1.5, 13).float()
    image = torch.zeros(1, 1, 200, 210)
    image[..., :30, :40] = torch.rand(30, 40)
    glow = convolve_wide(image, psf, 3)
    assert glow.min() == 0.0


def test_the_sum_of_the_psf_is_the_gain():
    grey = torch.full((1, 2, 40, 40), 0.5)
    psfs = torch.stack([0.06 * gaussian(3, 25), 0.02 * gaussian(3, 25)])
    got = convolve_wide(grey, psfs, 4)
    assert_close(got[0, 0], torch.full((40, 40), 0.03), atol=1e-7, rtol=0)
    assert_close(got[0, 1], torch.full((40, 40), 0.01), atol=1e-7, rtol=0)


def test_a_psf_that_looks_different_from_each_side_is_not_turned():
    psf = gaussian(2.5, 31).roll((3, -5), (0, 1))
    sky = torch.zeros(1, 1, 150, 150, dtype=torch.float64)
    sky[0, 0, 74, 76] = 1.0
    glow = convolve_wide(sky, psf, 3)[0, 0]
    peak = int(glow.argmax())
    # the tail is cut at the window's side, which moves the light a little, the peak not
    assert (peak // 150 - 74, peak % 150 - 76) == (9, -15)


def test_a_factor_of_one_is_plain_convolution():
    image, psf = torch.rand(1, 3, 20, 23), gaussian(1.5, 13)
    assert_close(convolve_wide(image, psf, 1), convolve(image, psf), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_and_strides(dtype):
    image = torch.rand(1, 33, 45, 3).to(dtype).movedim(-1, 1)
    got = convolve_wide(image, gaussian(3.0, 25), 3)
    assert got.dtype == dtype
    want = convolve_wide(image.double(), gaussian(3.0, 25), 3)
    assert_close(got.double(), want, atol=torch.finfo(dtype).eps + 1e-9, rtol=0)


def test_a_difference_of_gaussians_keeps_its_negative_lobe_and_its_sum():
    sky = torch.zeros(1, 1, 120, 120, dtype=torch.float64)
    sky[0, 0, 60, 60] = 1.0
    psf = 2 * gaussian(2.0, 31) - gaussian(4.0, 31)
    got = convolve_wide(sky, psf, 3)
    assert got.min() < 0
    assert_close(float(got.sum()), 1.0, atol=1e-3, rtol=0)


def test_the_scale_chooses_the_factor():
    assert [wide_factor(scale) for scale in (0.1, 5.9, 6, 25, 1000)] == [1, 1, 2, 8, 32]
    with pytest.raises(ValueError, match="NaN"):
        wide_factor(math.nan)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="factor must be at least 1, got 0"):
        convolve_wide(torch.zeros(1, 1, 4, 4), torch.ones(1, 1), 0)
    with pytest.raises(ValueError, match=r"odd side, .* got 4x4"):
        convolve_wide(torch.zeros(1, 1, 4, 4), torch.ones(4, 4), 2)
