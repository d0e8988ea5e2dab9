import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb
from portrait_loupe.kernels.texture import BANDS, MID, band_rms, flat_share, lab, lightness

WIDTH = 440.0


def response(band, period_share):
    """Of the difference of two Gaussians, pixels included, to a wave of that period."""
    half = math.sqrt(math.log(2)) / (2 * math.pi)
    return sum(
        sign * math.exp(-2 * (math.pi * half * edge / period_share) ** 2)
        for sign, edge in zip((1, -1), band, strict=True)
    )


def wave(period_px):
    """Long, so that little of it lies at an end; constant down its 16 rows."""
    return (50 + torch.sin(2 * math.pi * torch.arange(8192.0) / period_px)).expand(16, -1)


def grain(side, period, seed=3):
    """Smooth random texture whose structures are about ``period`` px across, L 50 +- 1."""
    torch.manual_seed(seed)
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side))
    pass_band = torch.exp(-((frequency * period - 1) ** 2) / 0.1)
    plane = torch.fft.ifft2(torch.fft.fft2(torch.randn(side, side)) * pass_band).real
    return 50 + plane / plane.std()


def inner(side, margin):
    mask = torch.zeros(side, side)
    mask[margin:-margin, margin:-margin] = 1
    return mask


def test_lab_is_that_of_scikit_image(astronaut):
    color = pytest.importorskip("skimage.color")
    part = astronaut[:, 100:140, 200:260]
    want = torch.from_numpy(color.rgb2lab(part[0].double().numpy())).movedim(-1, 0)
    got = lab(part.double().movedim(-1, 1))[0]
    # its white is rounded to (0.95047, 1, 1.08883), ours is the matrix's own: 0.02 of b
    assert_close(got, want, atol=0.03, rtol=0)


def test_gray_has_no_colour_and_white_is_100():
    tones = torch.linspace(0, 1, 256)[None, None, None].expand(1, 3, 1, 256).double()
    got = lab(tones)[0, :, 0]
    assert got[1:].abs().max() < 1e-9
    assert got[0, 0] == 0
    assert float(got[0, -1]) == pytest.approx(100, abs=1e-6)
    assert bool((got[0].diff() > 0).all())
    assert_close(lightness(tones)[0, 0, 0], got[0])
    assert_close(lightness(tones[:, :1])[0, 0, 0], got[0])


@pytest.mark.parametrize("period_share", [0.006, 0.0113, 0.022, 0.045])
def test_a_wave_passes_each_band_as_its_gaussians_say(period_share):
    plane = wave(period_share * 600)
    got = band_rms(plane, torch.ones_like(plane), 600)
    for value, band in zip(got, BANDS, strict=True):
        # drawn at the pixels' centres: its pixels have blurred nothing, the bands think they had
        pixel = math.exp((math.pi / (period_share * 600)) ** 2 / 6)
        want = pixel * abs(response(band, period_share)) / math.sqrt(2)
        assert value == pytest.approx(want, rel=0.01, abs=2e-3)


def test_the_same_face_at_twice_the_size_has_the_same_figures():
    strength = torch.linspace(0.05, 2, 1280)  # from flat to rough: the share lies between
    fine = 50 + strength * (grain(1280, 4 * 0.0113 * WIDTH) - 50)
    small, large = (F.avg_pool2d(fine[None, None], size)[0, 0] for size in (4, 2))
    mask = inner(320, 20)
    twice = mask.repeat_interleave(2, 0).repeat_interleave(2, 1)
    once, again = band_rms(small, mask, WIDTH), band_rms(large, twice, 2 * WIDTH)
    assert once[0] is None  # 1.8 px
    assert again[0] is not None
    for first, second in zip(once[1:], again[1:], strict=True):
        assert second == pytest.approx(first, rel=0.03)
    share = flat_share(small, mask, WIDTH)
    assert 0.02 < share < 0.8
    assert flat_share(large, twice, 2 * WIDTH) == pytest.approx(share, abs=0.02)


def test_what_is_outside_of_the_mask_does_not_exist():
    plane, mask = grain(256, 5), inner(256, 60)
    around = torch.where(mask > 0, plane, 5.0)
    other = torch.where(mask > 0, plane, 95.0)
    for first, second in zip(*(band_rms(one, mask, 600) for one in (around, other)), strict=True):
        assert first == pytest.approx(second, rel=1e-4)
    assert flat_share(around, mask, WIDTH) == pytest.approx(
        flat_share(other, mask, WIDTH), abs=1e-3
    )


def test_an_evenly_lit_patch_is_flat_whatever_its_mask_and_border():
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    mask = (torch.hypot(x - 120, y - 130) < 70).float()
    for tone in (0.0, 50.0, 100.0):
        plane = torch.full((256, 256), tone)
        assert max(band_rms(plane, mask, 600)) < 1e-3
        assert flat_share(plane, mask, WIDTH) == 1.0


def test_more_texture_is_more_rms_and_less_flat_skin():
    plane, mask = grain(256, 0.0113 * WIDTH) - 50, inner(256, 20)
    strengths = (0.1, 0.4, 0.8, 1.6)
    rms = [band_rms(50 + s * plane, mask, WIDTH, (MID,))[0] for s in strengths]
    flat = [flat_share(50 + s * plane, mask, WIDTH) for s in strengths]
    assert_close(torch.tensor(rms) / rms[0], torch.tensor(strengths) / 0.1, atol=0, rtol=1e-3)
    assert flat == sorted(flat, reverse=True)
    assert flat[0] == 1.0
    assert flat[-1] < 0.05


def test_blurred_skin_is_flatter():
    plane, mask = grain(256, 0.0113 * WIDTH, seed=8), inner(256, 20)
    frequency = torch.hypot(torch.fft.fftfreq(256)[:, None], torch.fft.fftfreq(256))
    soft = torch.fft.ifft2(
        torch.fft.fft2(plane) * torch.exp(-2 * (math.pi * 1.2 * frequency) ** 2)
    ).real
    assert band_rms(soft, mask, WIDTH)[1] < 0.5 * band_rms(plane, mask, WIDTH)[1]
    assert flat_share(soft, mask, WIDTH) > flat_share(plane, mask, WIDTH) + 0.2


def test_what_cannot_be_told_is_none():
    plane = grain(64, 5)
    few = torch.zeros(64, 64)
    few[:7, :9] = 1
    assert band_rms(plane, few, WIDTH) == (None,) * 4
    assert flat_share(plane, few, WIDTH) is None
    small = band_rms(plane, torch.ones(64, 64), 130.0)
    assert small[:2] == (None, None)  # periods of 0.5 and 1 px
    assert None not in small[2:]
    assert flat_share(plane, torch.ones(64, 64), 50.0) is None


@pytest.mark.parametrize(
    ("plane", "mask", "width", "words"),
    [
        (torch.zeros(1, 8, 8), torch.ones(8, 8), 440.0, "plane must be"),
        (torch.zeros(8, 8), torch.ones(8, 9), 440.0, "mask must be 8x8"),
        (torch.zeros(8, 8), torch.ones(8, 8), 0.0, "face_width_px"),
        (torch.zeros(8, 8), torch.ones(8, 8), math.nan, "face_width_px"),
    ],
)
def test_what_is_no_plane_is_refused(plane, mask, width, words):
    for measure in (band_rms, flat_share):
        with pytest.raises(ValueError, match=words):
            measure(plane, mask, width)


def test_light_and_its_code_have_one_lightness():
    light = torch.tensor([0.0, 0.001, 0.18418652, 1.0])  # 0.184 is L 50 by definition: (66/116)^3
    got = lightness(linear_to_srgb(light).view(1, 1, 1, -1))[0, 0, 0]
    assert_close(got, torch.tensor([0.0, 0.9032963, 50.0, 100.0]), atol=1e-3, rtol=0)
