import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.realism.bands import HALF_POWER, on_mask, split_bands


def test_a_constant_stays_a_constant_up_to_the_border_of_any_mask():
    mask = torch.zeros(60, 70)
    mask[10:40, 5:33] = 1
    (smooth,) = on_mask(torch.full((2, 60, 70), 65.0), mask, [3.0])
    torch.testing.assert_close(smooth[:, 10:40, 5:33], torch.full((2, 30, 28), 65.0))
    (smooth,) = on_mask(torch.full((1, 60, 70), 65.0), torch.ones(60, 70), [5.0])
    torch.testing.assert_close(smooth, torch.full((1, 60, 70), 65.0))


def test_what_lies_off_the_mask_does_not_exist():
    torch.manual_seed(0)
    plane, mask = torch.randn(1, 64, 64), torch.zeros(64, 64)
    mask[16:48, 16:48] = 1
    other = torch.where(mask > 0, plane, torch.full_like(plane, 90.0))
    for one, same in zip(
        split_bands(plane, mask, [3.0, 6.0, 12.0]),
        split_bands(other, mask, [3.0, 6.0, 12.0]),
        strict=True,
    ):
        torch.testing.assert_close(one, same, atol=1e-5, rtol=0)
        assert (one[:, mask == 0] == 0).all()


@pytest.mark.parametrize("sigma", [1.0, 2.5, 6.0])
def test_a_point_spreads_as_a_gaussian_without_coming_round(sigma):
    """The picture is about its mean, which a point hardly moves; scipy's is cut at 4 sigma."""
    from scipy.ndimage import gaussian_filter

    points = torch.zeros(
        1, 96, 96
    )  # a whole number of transforms' steps: no zeros are added for these
    points[0, 50, 50] = points[0, 0, 0] = 1.0
    ours = on_mask(points, torch.ones(96, 96), [sigma])[0][0].numpy()
    theirs = gaussian_filter(points[0].numpy(), sigma)
    part = (slice(30, 71), slice(30, 71))
    np.testing.assert_allclose(ours[part], theirs[part], atol=5e-3 * theirs[part].max())
    assert abs(ours[-1, -1]) < 1e-3 * ours[0, 0]


def test_a_wave_passes_half_of_its_power_at_the_edge_of_a_band():
    period = 12.0
    wave = torch.cos(2 * torch.pi * torch.arange(240) / period).expand(1, 240, 240)
    (smooth,) = on_mask(wave, torch.ones(240, 240), [HALF_POWER * period])
    middle = (slice(None), slice(60, 180), slice(60, 180))
    # HALF_POWER is sqrt(ln 2) / 2 pi to four digits
    assert float(smooth[middle].square().mean() / wave[middle].square().mean()) == pytest.approx(
        0.5, rel=2e-3
    )


def test_the_bands_and_the_rest_sum_to_the_picture():
    torch.manual_seed(1)
    plane, mask = torch.randn(1, 50, 60) + 60, torch.ones(50, 60)
    bands = split_bands(plane, mask, [3.0, 6.0])
    (rest,) = on_mask(plane, mask, [HALF_POWER * 6.0])
    torch.testing.assert_close(sum(bands) + rest, plane, atol=1e-4, rtol=0)
