import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.realism.skin import COMMON_PX, COMMON_WIDTH_PX, cut_skin, face_px
from portrait_loupe.nodes.framing.faces import OVAL, Face


def test_a_larger_face_is_brought_to_the_common_size(painted, spectrum, face, grown):
    small = cut_skin(painted(spectrum(2.0, 1)), face)
    assert small.width_px == pytest.approx(COMMON_WIDTH_PX, rel=1e-4)
    image = painted(spectrum(2.0, 1)).repeat_interleave(3, 1).repeat_interleave(3, 2)
    large = cut_skin(image, grown(face, 3))
    assert face_px(grown(face, 3)) == pytest.approx(3 * COMMON_PX, rel=1e-4)
    assert large.width_px == pytest.approx(COMMON_WIDTH_PX, rel=1e-4)
    assert abs(large.lab.shape[1] - small.lab.shape[1]) <= 2
    assert large.seen == pytest.approx(small.seen, abs=0.02)
    assert large.ita_deg == pytest.approx(small.ita_deg, abs=0.5)


@pytest.mark.parametrize("scale", [1.05, 1.5, 3.0])
def test_all_faces_are_equally_soft(painted, spectrum, face, grown, scale):
    """Pixels of a scaled-th, then squares of one: with the rest they make 1/6 px2."""
    plain = torch.tensor([0.76, 0.59, 0.5]).expand(1, 1400, 1700, 3)
    large = cut_skin(plain, grown(face, scale))
    assert large.blur_px2 + 1 / 12 / scale**2 == pytest.approx(1 / 12, rel=1e-4)
    assert cut_skin(painted(spectrum(2.0, 1)), face).blur_px2 == pytest.approx(1 / 12)


@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_which_pixels_are_skin_does_not_depend_on_noise_or_smoothing(
    painted, spectrum, face, sigma
):
    random = np.random.default_rng(1).standard_normal((460, 540))
    plain = cut_skin(painted(1.5 * spectrum(2.0, 1)), face).mask
    noisy = cut_skin(painted(1.5 * spectrum(2.0, 1) + sigma * random), face).mask
    assert float((plain != noisy).float().mean()) < 0.002


@pytest.mark.parametrize("name", ["gaussian", "bilateral", "grain_over_plastic"])
def test_how_much_skin_is_seen_does_not_rise_when_wrinkles_are_smoothed(
    painted, spectrum, face, series, name
):
    """A furrow every 36 px, 2 px wide to each side: what is measured grows, what is seen does not."""
    rows = np.arange(460)[:, None]
    away = np.abs((rows + 18) % 36 - 18)
    light = 1.5 * spectrum(2.0, 1) - 26.0 * np.exp(-(away**2) / 2 / 2.0**2)
    picture = painted(light)
    strength = {"gaussian": 4.0, "bilateral": (8.0, 0.3), "grain_over_plastic": 0.022}[name]
    smoothed = getattr(series, name)(picture[0].numpy(), strength).clip(0, 1).astype(np.float32)
    plain, smooth = (cut_skin(one, face) for one in (picture, torch.from_numpy(smoothed)[None]))
    assert smooth.measured > plain.measured + 0.1
    assert smooth.seen == pytest.approx(plain.seen, abs=0.05)


def test_hair_and_shade_are_no_skin(painted, face):
    flat = np.zeros((460, 540))
    whole = cut_skin(painted(flat), face)
    fringe = flat.copy()
    fringe[: int(170 - 0.42 * face.iod)] = -45.0
    assert cut_skin(painted(fringe), face).seen < 0.72 * whole.seen
    shade = flat.copy()
    shade[:, :270] = -15.0
    found = cut_skin(painted(shade), face)
    # both cheeks are skin, each about as light as itself; the border across the forehead is none
    assert found.seen > 0.85
    x, y = (round(value) for value in face.to_image(0.0, -0.62))
    left, top = round(face.to_image(-0.86, 0)[0]), round(face.to_image(0, -0.78)[1])
    assert found.mask[y - top, x - left] == 0


def test_clipped_skin_is_counted_on_the_pictures_own_pixels(painted, face, grown):
    picture = painted(np.zeros((460, 540))).repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert cut_skin(picture, grown(face, 2)).clipped == 0.0
    picture[:, ::4, ::4] = 1.0  # a sixteenth; in the reduced picture no pixel is burnt out
    assert cut_skin(picture, grown(face, 2)).clipped == pytest.approx(1 / 16, abs=0.003)
    picture[:, 1::4, ::4] = 0.0
    assert cut_skin(picture, grown(face, 2)).clipped == pytest.approx(2 / 16, abs=0.004)


def test_where_there_is_no_skin_there_is_none(painted, face):
    picture = painted(np.zeros((460, 540)))
    away = Face(tuple((x + 2000, y) for x, y in face.eyes))
    assert cut_skin(picture, away) is None
    half = Face(tuple((x - 250, y) for x, y in face.eyes))
    assert cut_skin(picture, half).seen < 0.6


def test_what_lies_elsewhere_in_the_picture_does_not_count(painted, spectrum, face):
    picture = painted(spectrum(2.0, 1))
    torn = picture.clone()
    torn[:, 400:] = float("nan")
    torch.testing.assert_close(cut_skin(torn, face).lab, cut_skin(picture, face).lab)
    torn[:, 250:] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        cut_skin(torn, face)


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_transparent_pictures_are_taken(painted, spectrum, face, channels):
    picture = painted(spectrum(2.0, 1))
    if channels == 4:
        picture = torch.cat([picture, torch.ones_like(picture[..., :1])], -1)
    else:
        picture = picture.mean(-1, keepdim=True)
    assert cut_skin(picture, face).seen > 0.9


def test_the_oval_is_as_tall_as_the_face_says(face):
    assert face_px(face) == pytest.approx(OVAL[1] * face.iod)
