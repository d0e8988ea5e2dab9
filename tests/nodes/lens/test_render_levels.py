"""Levels above 0, styles of light, areas and masks: what the Lens node does with all of a picture."""

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.psf import Lens, Tail
from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.lens import render as rendering
from portrait_loupe.nodes.lens.plan import Settings, plan_rendering
from portrait_loupe.nodes.lens.relens import headroom
from portrait_loupe.nodes.lens.render import apply, render

SOFT = Lens("soft", 2.2, focus_um=-100, w040_um=5.0, loca_um=30, residual_sigma_um=3)
FACE = Face(((40.0, 50.0), (72.0, 50.0)))
FACES = Faces((112, 128), ((FACE,),), "by hand")


def gaussian(picture, sigma):
    reach = int(4 * sigma + 1)
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    taps = torch.exp(-(x**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).view(1, 1, -1, 1).expand(3, 1, -1, 1)
    planes = torch.nn.functional.pad(picture.movedim(-1, 1), (reach,) * 4, mode="reflect")
    planes = torch.nn.functional.conv2d(planes, taps, groups=3)
    return torch.nn.functional.conv2d(planes, taps.mT, groups=3).movedim(1, -1)


@pytest.fixture
def texture():
    """Low-contrast noise of a blur of 1.5 px around mid-gray, with one strong soft edge."""
    torch.manual_seed(7)
    light = 0.2 + 0.04 * torch.randn(1, 128, 112, 1).expand(-1, -1, -1, 3)
    light = light.clone()
    light[:, :, 80:] += 0.5
    return linear_to_srgb(gaussian(light, 1.5))


def rms(picture):
    part = picture[0, 16:-16, 16:64].mean(-1)
    return float((part - part.mean()).std())


def seen(picture, level, **how):
    settings = {
        "source_px": 1.5,
        **{k: how.pop(k) for k in list(how) if k in ("source_px", "gain_limit", "highlights")},
    }
    return render(picture, Settings(SOFT, level, 36.0, **settings), **how)


def test_contrast_rises_with_the_level_from_the_lens_to_presence(texture):
    levels = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    found = [
        rms(render(texture, Settings(SOFT, level, 4.0, source_px=1.5)).picture) for level in levels
    ]
    assert found == sorted(found)
    assert found[0] < 0.95 * found[2]
    assert found[-1] > 1.3 * found[2]


@pytest.mark.parametrize("level", [0.5, 1.0, 1.6, 2.0])
def test_no_level_gives_an_edge_a_halo(texture, level):
    edge = texture.clone()
    edge[:] = linear_to_srgb(
        gaussian(
            torch.where(torch.arange(112)[None, None, :, None] < 56, 0.05, 0.7)
            .expand(1, 128, -1, 3)
            .float(),
            1.5,
        )
    )
    after = seen(edge, level).picture
    # R5: 1 % of the edge in code values
    height = float(edge.max() - edge.min())
    assert float(after.max() - edge.max()) <= 0.01 * height
    assert float(edge.min() - after.min()) <= 0.01 * height


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("value", [0.0, 0.02, 0.5, 1.0])
def test_a_flat_field_stays_flat_above_0_too(level, value):
    flat = torch.full((1, 40, 37, 3), value)
    after = seen(flat, level).picture
    assert_close(srgb_to_linear(after), srgb_to_linear(flat), atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [0.7, 1.8])
def test_gray_stays_gray_above_0(texture, level):
    after = seen(texture, level).picture
    assert float((after.amax(-1) - after.amin(-1)).max()) <= 1e-5  # R8


@pytest.mark.parametrize("level", [-1.0, 0.8, 1.7])
def test_strips_leave_no_seam(texture, level, monkeypatch):
    whole = seen(texture, level).picture
    monkeypatch.setattr(rendering, "STRIP_ROWS", 16)
    monkeypatch.setattr(rendering, "HALO_SHARE", 1)
    assert_close(
        seen(texture, level).picture, whole, atol=2e-6, rtol=0
    )  # float32 sums in another order


def test_the_report_says_what_the_source_allows(texture):
    report = seen(texture, 0.5).report
    assert f"Passive headroom of this source, at level 1: {headroom(1.5) - 1:+.0%}" in report
    assert "presence, beyond what a lens can do" in seen(texture, 1.5).report
    assert "presence" not in report


def test_a_sharpened_photo_is_left_alone_and_the_reason_given(astronaut):
    sharpened = (astronaut + 2 * (astronaut - gaussian(astronaut, 1.0))).clamp(0, 1)
    declined = render(sharpened, Settings(SOFT, 1.5))
    assert torch.equal(declined.picture, sharpened)
    assert "is not applied" in declined.report
    assert not render(gaussian(astronaut, 1.2), Settings(SOFT, 0.5)).renderings[0].declined


def test_a_declined_level_keeps_the_picture_and_the_user_may_insist(texture, monkeypatch):
    class Estimate:
        sigma_px, haloed, reason = 0.45, True, "the source has halos"

    monkeypatch.setattr(rendering, "source_sigma", lambda plane, tick: Estimate)
    declined = render(texture, Settings(SOFT, 1.5))
    assert torch.equal(declined.picture, texture)
    assert declined.report.startswith(
        "Level 1.5 is not applied: the source has halos. Set source_px"
    )
    assert declined.as_json()["pictures"][0]["applied"] is False
    insisted = render(texture, Settings(SOFT, 1.5, source_px=1.2))
    assert not torch.equal(insisted.picture, texture)


def test_the_source_is_measured_where_the_face_is(monkeypatch):
    found = []

    class Estimate:
        sigma_px, haloed, reason = 1.0, False, ""

    def measured(plane, tick):
        found.append(plane)
        return Estimate

    picture = torch.zeros(1, 600, 800, 3)
    picture[:, 100:200, 600:700] = 0.7
    monkeypatch.setattr(rendering, "source_sigma", measured)
    faces = Faces((800, 600), ((Face(((630.0, 140.0), (670.0, 140.0))),),), "by hand")
    render(picture, Settings(SOFT, 0.5), faces=faces)
    assert found[0].shape[0] < 400
    assert float(found[0].max()) > 0.6
    assert float(found[0].mean()) > float(picture.mean())


def test_outside_the_mask_nothing_changes(texture):
    mask = torch.zeros(1, 128, 112)
    mask[:, :, :50] = 1
    for level in (-1.0, 1.5):
        after = render(texture, Settings(SOFT, level, 4.0, source_px=1.5), mask=mask).picture
        full = render(texture, Settings(SOFT, level, 4.0, source_px=1.5)).picture
        assert torch.equal(after[:, :, 50:], texture[:, :, 50:])
        assert_close(after[:, :, :50], full[:, :, :50], atol=1e-6, rtol=0)


def test_skin_can_be_soft_while_the_eyes_are_crisp(texture):
    base = seen(texture, 0.6).picture
    mixed = seen(texture, 0.6, faces=FACES, offsets={"skin": -1.6, "eyes": 0.0, "hair": 0.0})
    cheek, eye = (slice(66, 72), slice(36, 42)), (slice(48, 52), slice(39, 42))
    assert float((mixed.picture - base)[0, cheek[0], cheek[1]].abs().max()) > 1e-3
    assert_close(mixed.picture[0, eye[0], eye[1]], base[0, eye[0], eye[1]], atol=1e-6, rtol=0)
    assert_close(mixed.picture[0, :8], base[0, :8], atol=1e-6, rtol=0)
    assert "skin at level -1" in mixed.report


def test_an_area_is_what_its_level_would_be_there(texture):
    mixed = render(
        texture, Settings(SOFT, 0.0, 4.0, source_px=1.5), faces=FACES, offsets={"skin": -1.0}
    ).picture
    full = render(texture, Settings(SOFT, -1.0, 4.0, source_px=1.5)).picture
    x, y = FACE.to_image(0.0, 0.4)
    assert_close(mixed[0, int(y), int(x)], full[0, int(y), int(x)], atol=2e-6, rtol=0)
    assert torch.equal(mixed[0, 120:], texture[0, 120:])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"offsets": {"skin": 0.5}}, "needs faces: link Find Faces"),
        ({"offsets": {"nose": 0.5}, "faces": FACES}, "there are levels for skin, eyes, hair"),
        ({"offsets": {"skin": 9.0}, "faces": FACES}, "skin must be from -3 to 3"),
        ({"faces": Faces((9, 9), ((FACE,),), "x")}, "9x9"),
        ({"mask": torch.ones(1, 9, 9)}, "mask has 9x9 px"),
    ],
)
def test_what_does_not_belong_together_is_refused(texture, how, words):
    with pytest.raises(ValueError, match=words):
        seen(texture, 0.5, **how)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"focus_um": 9999.0}, "focus_um must be from"),
        ({"highlights": 1.0}, "highlights must be from 0 to 0.95"),
        ({"source_px": -1.0}, "source_px must be from 0 to 6"),
        ({"gain_limit": float("nan")}, "gain_limit must be from 1 to 4"),
    ],
)
def test_settings_out_of_range_name_themselves(how, words):
    with pytest.raises(ValueError, match=words):
        Settings(SOFT, 0.5, **how)


def test_given_back_highlights_make_a_catch_light_glow_and_a_flat_field_stay():
    night = torch.full((1, 61, 61, 3), 0.05)
    night[:, 29:32, 29:32] = 1.0
    plain, glowing = (
        render(night, Settings(SOFT, -1.0, 1.2, highlights=h)).picture for h in (0.0, 0.9)
    )
    ring = torch.ones(61, 61, dtype=torch.bool)
    ring[26:35, 26:35] = False
    glow, haze = (float(one[0][ring].mean()) - 0.05 for one in (glowing, plain))
    assert glow > 2 * haze > 0
    for value in (0.1, 0.6, 0.95, 1.0):
        flat = torch.full((1, 20, 20, 3), value)
        after = render(flat, Settings(SOFT, -1.0, 1.2, highlights=0.9)).picture
        assert_close(srgb_to_linear(after), srgb_to_linear(flat), atol=3e-6, rtol=0)


@pytest.mark.parametrize("size", [(128, 112), (37, 61), (1, 1)])
def test_a_veil_takes_the_light_that_it_spreads(size):
    """A tail that covers the picture brings its mean: out = (1 - share) picture + share mean."""
    torch.manual_seed(1)
    veiled = Lens("veiled", 4, tails=(Tail("gaussian", 0.2, 0.2, 0.2, 40_000.0),))
    picture = linear_to_srgb(torch.rand(1, *size, 3) * 0.8)
    after = srgb_to_linear(render(picture, Settings(veiled, -1.0, 36.0)).picture)
    bare = srgb_to_linear(render(picture, Settings(Lens("bare", 4), -1.0, 36.0)).picture)
    mean = srgb_to_linear(picture).mean((1, 2), keepdim=True)
    # the Gaussian is not quite even across the picture: 40 of 36 mm
    assert_close(after, 0.8 * bare + 0.2 * mean, atol=0.02, rtol=0)
    assert_close(after.mean(), srgb_to_linear(picture).mean(), atol=5e-3, rtol=0)


def test_the_contrast_in_the_report_counts_the_veil():
    bare, veiled = (
        plan_rendering(Settings(lens, -1.0, 36.0), width=1000, height=800)
        for lens in (Lens("bare", 4), Lens("veiled", 4, glare=0.1))
    )
    assert veiled.contrast_at(10) == pytest.approx(0.9 * bare.contrast_at(10), abs=0.002)
    assert "10.0% of the green light is thrown far" in veiled.report()


def test_corners_are_drawn_as_corners_only_across_the_frame():
    coma = Lens("coma", 2.0, w131_um=4.0, residual_sigma_um=3)
    stars = torch.zeros(1, 97, 129, 3)
    stars[:, 48, 64] = stars[:, 6, 8] = 1.0
    centre, across = (
        srgb_to_linear(render(stars, Settings(coma, -1.0, 1.0, across_frame=flag)).picture)
        for flag in (False, True)
    )
    assert_close(across[:, 44:53, 60:69], centre[:, 44:53, 60:69], atol=0.02, rtol=0)
    assert float(across[0, 6, 8].max()) < 0.8 * float(centre[0, 6, 8].max())
    flat = torch.full((1, 97, 129, 3), 0.5)
    assert_close(
        render(flat, Settings(coma, -1.0, 1.0, across_frame=True)).picture, flat, atol=2e-6, rtol=0
    )


def test_the_same_lens_at_twice_the_size_is_the_same_picture():
    """R10: at most one code value RMS after bringing both to one size."""
    torch.manual_seed(2)
    coarse = torch.rand(1, 3, 24, 32)
    large = torch.nn.functional.interpolate(coarse, (384, 512), mode="bicubic").clamp(0, 1)
    small = torch.nn.functional.avg_pool2d(srgb_to_linear(large), 2)
    large, small = large.movedim(1, -1), linear_to_srgb(small).movedim(1, -1)
    seen_large, seen_small = (
        render(one, Settings(SOFT, -1.0, 6.0)).picture for one in (large, small)
    )
    shrunk = linear_to_srgb(
        torch.nn.functional.avg_pool2d(srgb_to_linear(seen_large).movedim(-1, 1), 2)
    )
    assert float((shrunk.movedim(1, -1) - seen_small).square().mean().sqrt()) <= 1 / 255


def test_a_part_is_rendered_as_the_whole_is(texture):
    for level in (-1.0, 0.8, 1.6):
        plan = plan_rendering(Settings(SOFT, level, 4.0, source_px=1.5), width=112, height=128)
        halo = plan.halo_px
        if 40 - halo < 0:
            continue
        top = (40 - halo) // 4 * 4
        part = apply(texture[:, top:], plan)[:, 40 - top :]
        assert_close(part, apply(texture, plan)[:, 40:], atol=2e-6, rtol=0)


def test_a_user_who_stops_is_obeyed(texture):
    class Stopped(Exception):
        pass

    def progress(total):
        def tick(done):
            raise Stopped

        return tick

    with pytest.raises(Stopped):
        render(texture.repeat(2, 1, 1, 1), Settings(SOFT, 1.0, source_px=1.0), progress=progress)
