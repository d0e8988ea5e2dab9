import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.picture import (
    MAX_SIDE,
    check_picture,
    check_result,
    flatten_alpha,
    luma,
    split_alpha,
)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_picture_passes_untouched(channels, dtype):
    picture = torch.rand(2, 3, 4, channels).to(dtype)
    assert check_picture(picture) is picture


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("portrait.png", "got str"),
        (None, "got NoneType"),
        (torch.rand(8, 8), "got 8x8"),
        (torch.rand(1, 8, 8), "Convert Mask to Image"),
        (torch.rand(1, 8, 8, 2), "1, 3 or 4 channels"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), "Divide 8-bit values by 255"),
        (torch.rand(0, 8, 8, 3), "the batch is empty"),
        (torch.rand(1, 0, 8, 3), "got 8x0"),
        (torch.empty(1, 1, MAX_SIDE + 1, 3), "Scale or crop it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_with_the_way_out(picture, words):
    with pytest.raises(ValueError, match=words):
        check_picture(picture)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_counted_and_placed(value):
    picture = torch.rand(3, 8, 8, 3)
    picture[1, 2, 3:5, 0] = value
    with pytest.raises(ValueError, match=r"reference, picture 2 of 3, holds 2 values"):
        check_picture(picture, "reference")


def test_a_gray_picture_has_three_equal_colours_and_no_alpha():
    colours, alpha = split_alpha(torch.rand(1, 4, 5, 1))
    assert colours.shape == (1, 4, 5, 3)
    assert alpha is None


def test_transparency_shows_the_ground():
    picture = torch.tensor([1.0, 0.0, 0.0, 0.25]).view(1, 1, 1, 4)
    assert_close(flatten_alpha(picture, 0.4).flatten(), torch.tensor([0.55, 0.3, 0.3]))


def test_luma_of_white_is_one_and_green_counts_most():
    red, green, blue = luma(torch.eye(3))
    assert_close(luma(torch.ones(3)), torch.tensor(1.0))
    assert green > red > blue


def test_8k_is_a_picture_and_twice_as_much_the_end():
    assert MAX_SIDE == 16384
    check_picture(torch.empty(1, 1, MAX_SIDE, 3).fill_(0.5))


def test_what_would_not_fit_is_refused_before_it_is_made():
    check_result(16, 4096, 4096)
    with pytest.raises(
        ValueError, match=r"the crop would be 17 picture\(s\) of 4096x4096 px, 285 megapixels"
    ):
        check_result(17, 4096, 4096, "the crop")
