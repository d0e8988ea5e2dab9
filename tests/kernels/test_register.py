import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.picture import luma
from portrait_loupe.kernels.register import aligned, ncc, register


def drawn(x, y, height=180, width=240):
    """A picture defined between its pixels too, drawn with its content moved by (x, y) px."""
    down, across = torch.meshgrid(
        torch.arange(height).double() - y, torch.arange(width).double() - x, indexing="ij"
    )
    plane = torch.full((height, width), 0.5, dtype=torch.float64)
    torch.manual_seed(2)
    for _ in range(500):
        at, size, tone = torch.rand(2) * 300 - 30, 1.2 + 8 * torch.rand(1) ** 2, torch.randn(1)
        plane += (
            0.15 * tone * torch.exp(-((across - at[0]) ** 2 + (down - at[1]) ** 2) / (2 * size**2))
        )
    return plane


@pytest.fixture(scope="module")
def still():
    return drawn(0, 0)


# 0.05 px: a twentieth; what is found is an order better on a clean picture
@pytest.mark.parametrize(
    "shift", [(0.5, 0.0), (0.25, -0.7), (-3.4, 2.6), (5.0, -4.0), (6.9, 6.8), (-0.1, 0.06)], ids=str
)
def test_a_known_shift_is_found(still, shift):
    found = register(still, drawn(*shift))
    assert_close(torch.tensor(found.shift_px), torch.tensor(shift), atol=0.05, rtol=0)
    assert found.ncc > 0.995


def test_a_shift_is_found_in_noise_and_another_exposure(still):
    torch.manual_seed(5)
    shift = (2.3, -1.6)
    noisy = 0.8 * drawn(*shift) + 0.05
    found = register(still + 0.02 * torch.randn_like(still), noisy + 0.02 * torch.randn_like(still))
    assert_close(torch.tensor(found.shift_px), torch.tensor(shift), atol=0.05, rtol=0)
    assert found.ncc > 0.9


def test_a_shift_between_enlarged_panels_is_found(still):
    """A panel is mostly enlarged: what its source had no room for is empty or blocks."""
    from portrait_loupe.kernels.resample import resample_area

    def panel(x):
        return resample_area(
            still[None, None].clamp(0, 1).float(), (x, 20.0, 96.0, 72.0), (480, 360)
        )[0][0, 0]

    found = register(panel(60.0), panel(60.9))  # 0.9 source px to the right: content moves left
    # blocks of 5 px hold their own place: the error is a share of a source pixel
    assert_close(torch.tensor(found.shift_px), torch.tensor((-4.5, 0.0)), atol=0.5, rtol=0)


def test_a_larger_plane_is_measured_too():
    def stripes(x, y):
        down, across = torch.arange(1400.0)[:, None] - y, torch.arange(1500.0) - x
        return torch.sin(across / 9 + (down / 60).sin()) * torch.cos(
            down / 14 + across / 200
        ) + torch.sin((across**2 + down**2) / 9e4)

    found = register(stripes(0, 0), stripes(7.3, -4.6))
    assert_close(torch.tensor(found.shift_px), torch.tensor((7.3, -4.6)), atol=0.05, rtol=0)


def test_a_shift_beyond_the_bound_is_not_reported(still):
    found = register(still, drawn(30.0, 0.0))
    assert max(map(abs, found.shift_px)) <= 0.04 * 180 + 1e-9
    assert found.ncc < 0.9
    assert register(still, drawn(30.0, 0.0), most_share=0.2).ncc > 0.99


def test_the_same_plane_needs_no_shift(still):
    found = register(still, still.clone())
    assert found.shift_px == (0.0, 0.0)
    assert found.ncc == 1.0


def test_a_whole_shift_is_whole_so_that_nothing_is_interpolated(still):
    found = register(still[5:165, 5:225], still[2:162, 7:227])
    assert found.shift_px == (-2.0, 3.0)
    a, b = aligned(still[5:165, 5:225], still[2:162, 7:227], found.shift_px)
    assert torch.equal(a, b)


def test_photos_of_two_people_do_not_correlate(astronaut, hopper):
    a, b = luma(astronaut[0, :256, 100:356]), luma(hopper[0, 60:316, 130:386])
    assert register(a, b).ncc < 0.6


def test_taking_a_shift_back_blurs_both_sides_alike(still):
    shift = (2.4, -1.3)
    a, b = aligned(still, drawn(*shift), shift)
    assert a.shape == b.shape == (179, 238)
    # cubic convolution on structures of 1.2 px sigma and more; the border is not the picture's own
    inside = (slice(4, -4), slice(4, -4))
    assert float((a - b)[inside].abs().max()) < 0.03
    assert float((a - b)[inside].square().mean().sqrt()) < 0.02 * float(a.std())
    assert float(a.std()) == pytest.approx(float(b.std()), rel=1e-3)


def test_ncc_is_that_of_numpy():
    import numpy as np

    torch.manual_seed(0)
    a, b = torch.rand(20, 30), torch.rand(20, 30)
    want = np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1]
    assert ncc(a, b) == pytest.approx(want, abs=1e-6)
    assert ncc(a, 1 - 3 * a) == pytest.approx(-1, abs=1e-6)
    assert ncc(a, torch.zeros(20, 30)) is None


@pytest.mark.parametrize("tones", [(0.5, 0.5), (0.0, 0.0), (0.2, 0.9)], ids=str)
def test_flat_planes_have_no_correlation(tones):
    found = register(*(torch.full((40, 50), tone) for tone in tones))
    assert found.shift_px == (0.0, 0.0)
    assert found.ncc is None


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (3, 7), (7, 400), (5, 5)], ids=str)
def test_tiny_planes_do_no_harm(size):
    torch.manual_seed(1)
    found = register(torch.rand(size), torch.rand(size))
    assert all(map(math.isfinite, found.shift_px))
    assert found.ncc is None or -1 <= found.ncc <= 1


@pytest.mark.parametrize(
    ("a", "b", "share", "words"),
    [
        (torch.zeros(4, 4), torch.zeros(4, 5), 0.04, "4x4 and 5x4"),
        (torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), 0.04, "first must be"),
        (torch.zeros(4, 4), torch.full((4, 4), math.nan), 0.04, "second must be finite"),
        (torch.zeros(4, 4), torch.zeros(4, 4), 0.5, "most_share"),
    ],
)
def test_what_is_no_pair_of_planes_is_refused(a, b, share, words):
    with pytest.raises(ValueError, match=words):
        register(a, b, most_share=share)
