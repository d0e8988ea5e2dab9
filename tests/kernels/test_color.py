import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear


def test_black_and_white_stay_what_they_are():
    ends = torch.tensor([0.0, 1.0])
    # (1.055 - 0.055) ** 2.4 is 1 to float32's rounding
    assert_close(srgb_to_linear(ends), ends, atol=1e-6, rtol=0)
    assert_close(linear_to_srgb(ends), ends, atol=1e-6, rtol=0)


def test_middle_grey_is_a_fifth_of_the_light():
    # IEC 61966-2-1: code 119 of 255 is L* 50.03, 18.45 % of the light
    grey = torch.tensor([119 / 255], dtype=torch.float64)
    assert_close(srgb_to_linear(grey).item(), 0.1845, atol=5e-5, rtol=0)


def test_every_8_bit_code_comes_back():
    codes = torch.arange(256) / 255
    # float32 rounding; a 16-bit step is 1.5e-5
    assert_close(linear_to_srgb(srgb_to_linear(codes)), codes, atol=1e-6, rtol=0)


def test_more_code_is_more_light_across_the_knee_too():
    codes = torch.linspace(0.035, 0.045, 1001, dtype=torch.float64)
    assert (srgb_to_linear(codes).diff() > 0).all()


@pytest.mark.parametrize("convert", [srgb_to_linear, linear_to_srgb])
def test_what_lies_outside_is_clamped(convert):
    assert_close(convert(torch.tensor([-0.2, 1.3])), torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("convert", [srgb_to_linear, linear_to_srgb])
def test_the_dtype_is_kept(convert, dtype):
    assert convert(torch.rand(3, 5).to(dtype)).dtype == dtype
