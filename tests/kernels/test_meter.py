import io
import math

import numpy as np
import pytest
import torch

from portrait_loupe.kernels import meter as room
from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.meter import (
    band_of,
    box_of,
    compare,
    mask_of,
    micro_contrast,
    overlay,
    scale_of,
    sharpness,
)
from portrait_loupe.kernels.presence import beta_for_gain, guard, limits_of, luma_of, presence


@pytest.fixture(scope="module")
def face(astronaut):
    return astronaut[:, :300, 60:380].movedim(-1, 1).contiguous()


@pytest.fixture(scope="module")
def before(face):
    return micro_contrast(face)


def softened(picture, sigma):
    return linear_to_srgb(
        room._blur_direct(srgb_to_linear(picture).transpose(0, 1), sigma).transpose(0, 1)
    )


def lifted(picture, gain):
    return guard(presence(picture, gain), limits_of(picture))


def as_jpeg(picture, quality):
    from PIL import Image

    pixels = (picture[0].movedim(0, -1) * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    read = np.asarray(Image.open(file), np.float32) / 255
    return torch.from_numpy(read)[None].movedim(-1, 1)


def noisy(picture, deviation):
    torch.manual_seed(11)
    return (picture + deviation * torch.randn_like(picture)).clamp(0, 1)


@pytest.mark.parametrize(
    "nuisance",
    [
        pytest.param(lambda it: linear_to_srgb(srgb_to_linear(it) * 0.5), id="exposure x 0.5"),
        pytest.param(lambda it: noisy(it, 0.01), id="noise 1 %"),
        pytest.param(lambda it: as_jpeg(it, 60), id="JPEG 60"),
        pytest.param(lambda it: it.flip(-1), id="flip"),
    ],
)
def test_what_is_not_contrast_hardly_moves_it(face, before, nuisance):
    assert micro_contrast(nuisance(face)) / before == pytest.approx(1, abs=0.10)  # criterion M1


def test_a_soft_picture_has_less_and_presence_gives_more(face, before):
    # Criterion M2. A Gaussian of 1.9 px keeps 0.45 of the band's contrast on average.
    assert micro_contrast(softened(face, 1.9)) / before <= 0.55
    assert compare(softened(face, 1.9), face).micro_contrast <= 0.55


def mid_band_lifted(picture, gain):
    """Every structure of the band, edges too."""
    luma = luma_of(picture)
    detail = room._blur_direct(luma, 1.0) - room._blur_direct(luma, 3.5)
    return (picture + beta_for_gain(gain) * detail).clamp(0, 1)


def test_a_mid_band_gain_reads_as_micro_contrast(face, before):
    lifted = mid_band_lifted(face, 1.5)
    assert micro_contrast(lifted) / before >= 1.3  # criterion M2
    assert compare(lifted, face).micro_contrast == pytest.approx(1.5, abs=0.2)


def test_presence_moves_one_axis_and_hardly_the_other(face):
    """Little in all, for this face is 80 px wide and nearly all of it lies beside an edge."""
    seen = compare(lifted(face, 2.0), face)
    assert seen.micro_contrast > 1.015
    assert seen.sharpness == pytest.approx(1, abs=0.03)


def test_the_more_presence_the_more_micro_contrast(face):
    figures = [micro_contrast(lifted(face, gain)) for gain in (1.0, 1.25, 1.5, 1.75, 2.0)]
    assert figures == sorted(figures)
    assert figures[-1] > 1.015 * figures[0]


def test_a_faint_wave_measures_its_own_contrast():
    x = torch.arange(256).double()
    frequency, amplitude = 0.1, 0.02
    light = 0.3 * (1 + amplitude * torch.sin(2 * math.pi * frequency * x)).expand(1, 1, 200, 256)
    gains = [math.exp(-2 * (math.pi * sigma * frequency) ** 2) for sigma in (0.9, 3.2)]
    want = amplitude / math.sqrt(2) * (gains[0] - gains[1]) * 0.3 / 0.31
    # the borders go on as a constant: 2 %
    assert micro_contrast(linear_to_srgb(light.float())) == pytest.approx(want, rel=0.02)


def test_a_strong_edge_is_not_texture():
    edge = torch.full((1, 1, 96, 96), 0.2)
    edge[..., 48:] = 0.9
    contrast, _ = room._contrast(srgb_to_linear(edge), 1.0)
    # its very middle and its far foot are left: there the edge is as level as texture
    assert micro_contrast(edge) < 0.5 * float((contrast**2).mean().sqrt())
    assert micro_contrast(torch.full((1, 3, 96, 96), 0.4)) < 1e-6


def test_a_mask_measures_what_is_inside(face):
    left, right = mask_of((0, 0, 160, 300), 300, 320), mask_of((160, 0, 160, 300), 300, 320)
    changed = face.clone()
    changed[..., 180:] = 0.5
    assert micro_contrast(changed, left) == pytest.approx(micro_contrast(face, left), rel=0.05)
    assert micro_contrast(changed, right) < 0.7 * micro_contrast(face, right)
    assert micro_contrast(face, torch.stack([left])) == micro_contrast(face, left)


def test_a_mask_with_too_few_pixels_measures_nothing(face):
    assert micro_contrast(face, mask_of((5, 5, 4, 4), 300, 320)) == 0
    with pytest.raises(ValueError, match="no faint texture"):
        compare(face, face, mask_of((5, 5, 4, 4), 300, 320))


def test_the_same_picture_compares_as_one(face):
    seen = compare(face, face, mask_of((20, 30, 250, 220), 300, 320))
    assert (seen.micro_contrast, seen.sharpness) == (1, 1)
    assert seen.own == seen.reference


def test_a_soft_picture_is_less_sharp(face):
    seen = compare(softened(face, 1.5), face)
    assert seen.sharpness < 0.8


def test_twice_the_size_at_twice_the_scale_is_the_same(face, before):
    large = torch.nn.functional.interpolate(face, scale_factor=2, mode="bicubic").clamp(0, 1)
    # the interpolation itself blurs
    assert micro_contrast(large, scale=2) == pytest.approx(before, rel=0.06)
    assert micro_contrast(large, scale=1) < 0.8 * before


def test_the_wide_blur_on_a_smaller_picture_is_the_blur(face):
    light = srgb_to_linear(luma_of(face))
    for sigma in (6.4, 10.0, 20.0):
        direct = room._blur_direct(light, sigma)
        inner = (..., slice(40, -40), slice(40, -40))  # beyond the border blocks go on, not pixels
        away = (room._blur(light, sigma)[inner] - direct[inner]).abs()
        assert float(away.max()) <= 2.5e-3  # the linear way back up, at the steepest edges
        assert float(away.mean()) <= 1.6e-4


def test_the_map_shows_where(face):
    changed = face.clone()
    changed[..., :160] = softened(face, 2.0)[..., :160]
    seen = overlay(changed, face)
    assert seen.shape == (1, 1, 300, 320)
    soft, same = seen[..., 20:-20, 20:130], seen[..., 20:-20, 190:300]
    assert float(same[same > 0].median()) == pytest.approx(1, abs=0.02)
    assert float(soft[soft > 0].median()) < 0.6
    alone = overlay(face)
    assert torch.isfinite(alone).all()
    assert 0.2 < float(alone[alone > 0].median()) < 1.5
    assert not bool(overlay(torch.full((1, 3, 64, 64), 0.3)).any())


@pytest.mark.parametrize(
    ("height", "distance", "band"),
    [(2160, 1.5, (0.051, 0.205)), (7680, 1.0, (0.021, 0.083)), (1536, 1.5, (0.072, 0.288))],
)
def test_the_band_is_that_of_an_eye_at_a_distance(height, distance, band):
    assert band_of(height, distance) == pytest.approx(band, abs=0.001)


def test_scale_is_one_at_the_default_band():
    assert scale_of(room.BAND_CY_PX) == 1
    assert scale_of((0.025, 0.1)) == 2
    with pytest.raises(ValueError, match="rising"):
        scale_of((0.2, 0.1))


def test_boxes_and_masks_are_inverse():
    assert box_of(mask_of((3, 4, 5, 6), 20, 30)) == (3, 4, 5, 6)
    assert box_of(mask_of((3, 4, 5, 6), 20, 30)[None]) == (3, 4, 5, 6)
    assert float(mask_of((-2, -2, 4, 4), 20, 30).sum()) == 4
    with pytest.raises(ValueError, match="it is empty"):
        box_of(torch.zeros(4, 4))


def test_a_picture_without_edges_has_no_sharpness():
    crisp, estimate = sharpness(torch.full((64, 64), 0.5))
    assert crisp is None
    assert "only 0 clear edge pixels" in str(estimate.reason)


def test_other_sizes_and_shapes_are_refused(face):
    with pytest.raises(ValueError, match="must have one size, got 320x300 and 319x300"):
        compare(face, face[..., :-1])
    with pytest.raises(ValueError, match="channels last"):
        micro_contrast(face.movedim(1, -1))
    with pytest.raises(ValueError, match="mask must be"):
        micro_contrast(face, torch.ones(5, 5))
    with pytest.raises(ValueError, match="scale must be above 0"):
        micro_contrast(face, scale=0)
    with pytest.raises(ValueError, match="distance_heights must be above 0"):
        band_of(100, 0)
