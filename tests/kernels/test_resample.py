import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.resample import area_taps, resample_area


@pytest.fixture
def noise():
    return torch.rand(1, 3, 23, 31, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("zoom", [1, 2, 3, 5, 7])
def test_a_whole_zoom_repeats_the_sources_own_pixels(noise, zoom):
    panel, coverage = resample_area(noise, (4, 3, 9, 11), (9 * zoom, 11 * zoom))
    want = noise[..., 3:14, 4:13].repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)
    assert_close(panel, want, atol=1e-7, rtol=0)  # one float32 step of a code near 1
    assert coverage.min() == coverage.max() == 1


def test_eight_bit_codes_come_back_to_the_bit_at_a_whole_zoom():
    codes = (torch.arange(256.0) / 255).view(1, 1, 16, 16)
    panel, _ = resample_area(codes, (0, 0, 16, 16), (48, 48))
    assert torch.equal(
        (panel * 255).round(),
        (codes * 255).round().repeat_interleave(3, -1).repeat_interleave(3, -2),
    )


@pytest.mark.parametrize("zoom", [4, 2.6, 1.37, 0.4, 0.11])
def test_an_edge_never_overshoots(zoom):
    edge = torch.full((1, 1, 8, 120), 0.2)
    edge[..., 61:] = 0.8
    panel, _ = resample_area(edge, (10.3, 0, 100, 8), (round(100 * zoom), round(8 * zoom) or 1))
    assert panel.min() >= 0.2 - 1e-6
    assert panel.max() <= 0.8 + 1e-6
    assert (panel.diff(dim=-1) >= -1e-6).all()  # and stays one edge


def test_a_lash_comb_keeps_its_light_not_its_codes():
    """One black column in four, shrunk to a quarter: three quarters of the light, code 225 of 255 on white."""
    comb = torch.ones(1, 1, 8, 64)
    comb[..., ::4] = 0
    panel, _ = resample_area(comb, (0, 0, 64, 8), (16, 2))
    assert_close(panel, linear_to_srgb(torch.full_like(panel, 0.75)), atol=1e-6, rtol=0)


def test_shrinking_keeps_the_mean_light(noise):
    panel, _ = resample_area(noise, (0, 0, 31, 23), (7, 5))
    assert_close(srgb_to_linear(panel).mean(), srgb_to_linear(noise).mean(), atol=1e-6, rtol=0)


def test_what_lies_beyond_the_picture_is_told_apart():
    grey = torch.full((1, 3, 10, 10), 0.5)
    panel, coverage = resample_area(grey, (-5, 0, 10, 10), (20, 20))
    assert coverage[:, :10].max() == 0
    assert coverage[:, 10:].min() == 1
    assert_close(panel[..., 10:], torch.full((1, 3, 20, 10), 0.5), atol=1e-6, rtol=0)


def test_a_pixel_half_beyond_keeps_the_colour_of_its_inner_half():
    grey = torch.full((1, 1, 4, 4), 0.5)
    panel, coverage = resample_area(grey, (-0.5, 0, 4, 4), (4, 4))
    assert_close(coverage[:, 0], torch.full((4,), 0.5))
    assert_close(panel[..., 0], torch.full((1, 1, 4), 0.5), atol=1e-6, rtol=0)


@given(
    start=st.floats(-40, 60), length=st.floats(0.01, 200), count=st.integers(1, 60), available=st.integers(1, 50)
)  # fmt: skip
def test_the_weights_of_a_pixel_sum_to_what_it_covers(start, length, count, available):
    taps = area_taps(start, length, count, available)
    edges = start + length / count * torch.arange(count + 1, dtype=torch.float64)
    covered = (edges[1:].clamp(0, available) - edges[:-1].clamp(0, available)) / (length / count)
    assert (taps.weight >= 0).all()
    assert 0 <= taps.index.min() <= taps.index.max() < available
    # the edges are rounded to 1e-9 px, and a pixel may be as narrow as length / count
    assert_close(taps.weight.sum(1), covered, atol=4e-9 * count / length + 1e-12, rtol=0)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((3.2, 1.7, 20.1, 18.9), (50, 41)),
        ((3.2, 1.7, 20.1, 18.9), (7, 5)),
        ((-3, -2, 40, 30), (19, 22)),
    ],
    ids=["enlarged", "reduced", "beyond"],
)
def test_every_pixel_is_the_mean_light_of_its_area(noise, box, size):
    """Against looking at 64 x 64 points of each output pixel."""
    panel, coverage = resample_area(noise, box, size)
    fine = 64
    x, y = (
        box[axis]
        + box[axis + 2]
        * (torch.arange(size[axis] * fine, dtype=torch.float64) + 0.5)
        / (size[axis] * fine)
        for axis in (0, 1)
    )
    inside = ((y >= 0) & (y < 23))[:, None] & (x >= 0) & (x < 31)
    source = srgb_to_linear(noise[0, 0].double())
    light = source[y.floor().long().clamp(0, 22)][:, x.floor().long().clamp(0, 30)] * inside

    def means(points):
        return (
            points.double()
            .unflatten(0, (size[1], fine))
            .unflatten(-1, (size[0], fine))
            .mean((1, 3))
        )

    # a source pixel's border is met to half a point on each side of each axis, and light is at most 1
    tolerance = {"atol": 2 / fine, "rtol": 0}
    seen = means(inside)
    assert_close(coverage.double(), seen, **tolerance)
    sure = seen > 0.99
    got = srgb_to_linear(panel[0, 0].double())
    assert_close(got[sure], (means(light) / seen.clamp(min=1e-9))[sure], **tolerance)


@pytest.mark.parametrize(
    ("box", "size"), [((0, 0, 0, 5), (4, 4)), ((0, 0, 5, 5), (0, 4)), ((0, 0, 5, -1), (4, 4))]
)
def test_a_box_or_panel_without_area_is_refused(noise, box, size):
    with pytest.raises(ValueError, match="both need an area"):
        resample_area(noise, box, size)
