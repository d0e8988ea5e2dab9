import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.crop import cut
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.plan import CropPlan

FACE = Face(eyes=((10.0, 10.0), (20.0, 10.0)))


def plan(*crops: Box, size=(16, 24)) -> CropPlan:
    return CropPlan((40, 60), crops, size, (FACE,) * len(crops), "test", "custom")


def test_a_crop_that_keeps_its_size_is_the_sources_own_pixels():
    image = torch.rand(2, 60, 40, 3)
    assert torch.equal(cut(image, plan(Box(3, 5, 16, 24))), image[:, 5:29, 3:19])


def test_each_picture_gets_its_own_crop():
    image = torch.rand(2, 60, 40, 3)
    got = cut(image, plan(Box(0, 0, 16, 24), Box(24, 36, 16, 24)))
    assert torch.equal(got[0], image[0, :24, :16])
    assert torch.equal(got[1], image[1, 36:, 24:])


def test_scaling_moves_nothing():
    """A bright dot keeps its place in pixel edges: half-pixel errors would show as 0.5 px and more."""
    for zoom in (2, 3, 0.5):
        image = torch.zeros(1, 60, 40, 1)
        image[0, 20:24, 12:16] = 1  # centre at (14, 22)
        size = (round(32 * zoom), round(48 * zoom))
        dot = cut(image, plan(Box(4, 4, 32, 48), size=size))[0, ..., 0]
        rows, columns = torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5
        centre = ((dot.sum(0) @ columns) / dot.sum(), (dot.sum(1) @ rows) / dot.sum())
        assert_close(torch.tensor(centre), torch.tensor([10.0, 18.0]) * zoom, atol=0.02, rtol=0)


def test_scaled_values_stay_in_range_and_keep_channels_and_dtype():
    image = torch.zeros(1, 60, 40, 4, dtype=torch.float16)
    image[:, ::2] = 1
    got = cut(image, plan(Box(4, 4, 8, 12)))
    assert got.shape == (1, 24, 16, 4)
    assert got.dtype == torch.float16
    assert 0 <= got.min() <= got.max() <= 1


def test_shrinking_averages_rather_than_picks():
    """A fine checkerboard becomes gray; without anti-aliasing it stays black and white."""
    rows, columns = torch.arange(60)[:, None], torch.arange(40)
    image = ((rows + columns) % 2).float()[None, ..., None]
    got = cut(image, plan(Box(0, 0, 40, 60), size=(8, 12)))
    assert_close(got, torch.full_like(got, 0.5), atol=0.06, rtol=0)  # the border's kernel is cut


def test_absurdly_many_pixels_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match=r"the crop would be 1 picture\(s\) of 16384x32768 px"):
        cut(torch.rand(1, 60, 40, 3), plan(Box(0, 0, 20, 40), size=(16384, 32768)))
