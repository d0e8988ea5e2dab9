from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from portrait_loupe.nodes.framing.crop import Place, cut
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.plan import CropPlan
from portrait_loupe.nodes.framing.stitch import MODES, membrane, stitch

SIZE = (320, 300)
FACE = Face(((130.0, 130.0), (170.0, 130.0)))  # IOD 40 px, oval about (150, 149)
BOX = Box(70, 70, 160, 160)

UP, DOWN, SAME = (256, 256), (96, 96), (160, 160)
PLACES = {
    "up": (BOX, UP, 0.0),
    "down": (BOX, DOWN, 0.0),
    "same": (BOX, SAME, 0.0),
    "turned up": (BOX, UP, 14.0),
    "turned down": (BOX, DOWN, -9.0),
    "turned same": (BOX, SAME, 14.0),
    "padded": (Box(-50, 30, 280, 280), (224, 224), 0.0),
    "padded, turned": (Box(-50, 60, 280, 280), (224, 224), 20.0),
    "the picture": (Box(0, 0, 320, 300), (320, 300), 0.0),
}  # fmt: skip


def plan(*crops: Box, size=UP, faces=(FACE,), preset="CU close-up", **further) -> CropPlan:
    return CropPlan(SIZE, crops or (BOX,), size, faces, preset, "custom", **further)


def placed(name: str) -> CropPlan:
    box, size, angle = PLACES[name]
    return plan(box, size=size, angles_deg=(angle,) if angle else ())


def picture(batch=1, channels=3, dtype=torch.float32) -> torch.Tensor:
    """Detail at all scales, well inside 0..1."""
    generator = torch.Generator().manual_seed(7)
    layers = [
        F.interpolate(
            torch.rand(batch, channels, 300 // grain, 320 // grain, generator=generator),
            (300, 320), mode="bicubic",
        )
        for grain in (1, 4, 20, 100)
    ]  # fmt: skip
    return (0.2 + 0.6 * sum(layers) / 4).clamp(0, 1).movedim(1, -1).to(dtype).contiguous()


def edit(crop: torch.Tensor) -> torch.Tensor:
    """Something else entirely."""
    return torch.rand(crop.shape, generator=torch.Generator().manual_seed(3)).to(crop.dtype)


@pytest.mark.parametrize("mode", ["auto", "exact", "null_edit"])
@pytest.mark.parametrize("name", PLACES)
def test_an_unedited_crop_gives_the_original_back_bit_for_bit(name, mode):
    image, way = picture(), placed(name)
    done = stitch(image, cut(image, way), way, mode, unedited=cut(image, way) * 0.9 + 0.03)
    if mode == "null_edit":  # there unedited means: what the VAE made of it
        through = cut(image, way) * 0.9 + 0.03
        done = stitch(image, through, way, mode, unedited=through)
    assert torch.equal(done.picture, image)
    assert done.changed_px == 0
    assert done.changed.any()


def test_at_the_pictures_own_scale_even_plain_gives_it_back():
    image, way = picture(), placed("same")
    assert torch.equal(stitch(image, cut(image, way), way, "plain").picture, image)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("channels", "dtype"), [(4, torch.float16), (1, torch.float32), (3, torch.bfloat16)]
)
def test_a_batch_of_any_kind_keeps_its_bits_where_nothing_was_edited(channels, dtype, mode):
    image, way = picture(3, channels, dtype), plan(size=DOWN)
    crops = cut(image, way)
    done = stitch(image, crops, way, "exact" if mode == "plain" else mode, unedited=crops)
    assert done.picture.dtype == dtype
    assert torch.equal(done.picture, image)
    crops[1] = edit(crops[1])
    done = stitch(image, crops, way, mode, unedited=cut(image, way))
    outside = done.changed == 0
    assert torch.equal(done.picture[outside], image[outside])
    assert not torch.equal(done.picture[1], image[1])
    if mode != "plain":
        assert torch.equal(done.picture[[0, 2]], image[[0, 2]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLACES)
def test_whatever_the_edit_no_bit_changes_where_the_mask_is_0(name, mode):
    image, way = picture() * 1.5 - 0.2, placed(name)  # also values beyond 0..1
    before = image.clone()
    crops = edit(cut(image, way))
    done = stitch(image, crops, way, mode, unedited=cut(image, way))
    assert torch.equal(image, before)
    outside = done.changed[0] == 0
    assert torch.equal(done.picture[0, outside], image[0, outside])
    different = (done.picture != image).any(-1)
    assert 0 < int(different.sum()) == done.changed_px
    assert outside.sum() > 0.5 * outside.numel()
    lawful = (image >= 0) & (image <= 1)
    assert 0 <= done.picture[lawful].min() <= done.picture[lawful].max() <= 1


@pytest.mark.parametrize("mode", ["exact", "plain"])
def test_at_the_pictures_own_scale_the_edit_arrives_as_it_is(mode):
    image, way = picture(), plan(size=SAME)
    crops = edit(cut(image, way))
    done = stitch(image, crops, way, mode)
    assert_close(done.picture[0, 140:160, 140:160], crops[0, 70:90, 70:90], atol=1e-6, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 14.0])
@pytest.mark.parametrize("size", [UP, DOWN])
@pytest.mark.parametrize("mode", MODES)
def test_a_dot_painted_in_the_crop_lies_where_it_was_painted(mode, size, angle):
    """Half a pixel would be 0.2 px and more at these scales; asked is 0.02."""
    image = torch.full((1, 300, 320, 3), 0.5)
    way = plan(size=size, angles_deg=(angle,) if angle else ())
    crops, scale = cut(image, way), way.scales[0]
    where = (153.3, 147.6)
    u, v = way.to_output(0, where)
    x, y = torch.arange(size[0]) + 0.5, (torch.arange(size[1]) + 0.5)[:, None]
    dot = torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (3 * scale) ** 2))
    done = stitch(image, crops + 0.4 * dot[..., None], way, mode, unedited=crops)
    light = (done.picture - image)[0, 130:170, 130:170].sum(-1).clamp(min=0.01) - 0.01
    span = torch.arange(130, 170) + 0.5
    assert float(light.sum(0) @ span / light.sum()) == pytest.approx(where[0], abs=0.02)
    assert float(light.sum(1) @ span / light.sum()) == pytest.approx(where[1], abs=0.02)


def worst_step(done, image) -> float:
    """The steepest change from pixel to pixel anywhere, 1/255."""
    change = (done.picture - image)[0]
    return 255 * float(max(change.diff(dim=0).abs().max(), change.diff(dim=1).abs().max()))


def ramp(crop: torch.Tensor) -> torch.Tensor:
    """A tone shift from -2/255 at the left to 4/255 at the right, differing by colour."""
    width = crop.shape[2]
    line = torch.linspace(-2, 4, width)[:, None] * torch.tensor([1.0, 0.5, -0.3])
    return line / 255


@pytest.mark.parametrize("feather", [0.0, 0.25])
@pytest.mark.parametrize("drift", [lambda crop: 3 / 255, ramp], ids=["+3/255", "ramp"])
@pytest.mark.parametrize("name", PLACES)
def test_auto_takes_off_the_drift_of_the_vae(name, drift, feather):
    """Less than 0.5/255 across the border even where it is hard, and the tone inside is the original's."""
    image, way = picture(), placed(name)
    crops = cut(image, way)
    done = stitch(image, crops + drift(crops), way, "auto", feather=feather)
    assert worst_step(done, image) < 0.5
    assert 255 * float((done.picture - image).abs().max()) < 0.5
    if drift is not ramp:
        assert "tone shift taken off: +3.00/255" in done.report
        assert stitch(image, crops + 3 / 255, way, "exact", feather=0).step * 255 > 1


def test_auto_finds_the_drift_beneath_the_vaes_noise():
    """4/255 of noise per pixel, as of a VAE's round trip on texture, and a drift of 3/255."""
    image, way = picture(), plan(size=UP)
    crops = cut(image, way)
    noise = torch.randn(crops.shape, generator=torch.Generator().manual_seed(1)) * 4 / 255
    done = stitch(image, crops + noise + 3 / 255, way, "auto")
    inside = done.changed[0] > 0
    assert abs(255 * float((done.picture - image)[0, inside].mean())) < 0.3
    assert done.shift * 255 == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("strength", [20 / 255, 80 / 255])
def test_an_edit_that_crosses_the_border_bleeds_nothing_into_the_rest(strength):
    """Hair painted over the left of the face and beyond: the right of the face keeps its tone."""
    image, way = picture() * 0.6, plan(size=UP)
    crops = cut(image, way)
    crops[:, :, :90] += strength
    done = stitch(image, crops, way, "auto")
    right = (done.picture - image)[0, 130:170, 170:195]
    assert 255 * float(right.abs().max()) < 1


def test_where_nothing_around_the_mask_is_as_it_was_auto_says_so_and_adds_the_change():
    image, way = picture() * 0.5, plan(size=SAME)
    done = stitch(image, cut(image, way) + 0.4, way, "auto")
    assert "no tone shift was taken off" in done.report
    assert torch.equal(done.picture, stitch(image, cut(image, way) + 0.4, way, "exact").picture)
    assert done.shift is None
    everything = torch.ones(1, *SAME)
    assert "no tone shift" in stitch(image, cut(image, way), way, stitch_mask=everything).report


def test_a_shift_is_continued_into_the_mask_smoothly_and_never_beyond_the_rings():
    mask = torch.zeros(128, 128)
    mask[30:90, 40:100] = 1
    field = torch.linspace(0, 10 / 255, 128).expand(3, 128, 128).clone()
    inside = torch.ones(128, 128, dtype=torch.bool)
    field[:, 45:75, 55:85] = 0.9  # the edit
    shift = membrane(field, mask, inside)
    straight = -torch.linspace(0, 10 / 255, 128).expand(3, 128, 128)
    assert 255 * float((shift - straight)[:, 30:90, 40:100].abs().max()) < 0.3
    edited = torch.full((3, 128, 128), 0.9)
    assert membrane(edited, mask, inside) is None
    assert membrane(field, torch.ones_like(mask), inside) is None
    inside[:] = False
    assert membrane(field, mask, inside) is None  # padding says nothing about the VAE


class Vae:
    """Loses fine detail and shifts the tone, as VAEs do; holds what ComfyUI's object holds."""

    def __init__(self, multiple: int = 1, time: bool = False):
        self.multiple, self.time, self.asked = multiple, time, []

    def encode(self, pixels):
        self.asked.append(tuple(pixels.shape))
        height, width = (side // self.multiple * self.multiple for side in pixels.shape[1:3])
        return pixels[:, :height, :width]

    def decode(self, samples):
        blurred = F.avg_pool2d(samples.movedim(-1, 1), 3, 1, 1, count_include_pad=False)
        back = (blurred * 0.97 + torch.tensor([5.0, 3.0, -2.0])[:, None, None] / 255).movedim(1, -1)
        return back[None] if self.time else back


@pytest.mark.parametrize("time", [False, True], ids=["image VAE", "video VAE"])
@pytest.mark.parametrize("name", ["up", "down", "turned up"])
def test_null_edit_takes_off_all_that_the_vae_does(name, time):
    image, way = picture(2), placed(name)
    vae = Vae(time=time)
    through = torch.cat(
        [vae.decode(vae.encode(one[None])).reshape(1, *one.shape) for one in cut(image, way)]
    )
    vae.asked.clear()
    done = stitch(image, through, way, "null_edit", vae=vae)
    assert torch.equal(done.picture, image)
    assert vae.asked == [(1, *way.output_size[::-1], 3)] * 2  # one by one: no frames of a film
    assert "tone shift taken off" in done.report
    # something painted on top keeps its own tone: flat gray stays what was painted, drift taken off
    painted = through.clone()
    v, u = (slice(size * 7 // 16, size * 9 // 16) for size in way.output_size[::-1])
    painted[:, v, u] = 0.1
    edited = stitch(image, painted, way, "null_edit", vae=vae).picture
    assert edited[0, 147:153, 147:153].mean() == pytest.approx(0.1, abs=0.015)


def test_null_edit_brings_no_ghost_of_the_old_detail_onto_what_is_new():
    """Checks of 1 px are lost by the VAE; on a painted patch they must not come back."""
    rows, columns = torch.arange(300)[:, None], torch.arange(320)
    image = (0.3 + 0.4 * ((rows + columns) % 2))[None, ..., None].repeat(1, 1, 1, 3)
    way, vae = plan(size=SAME), Vae()
    through = vae.decode(vae.encode(cut(image, way)))
    through[:, 50:110, 50:110] = 0.9
    patch = stitch(image, through, way, "null_edit", vae=vae).picture[0, 140:160, 140:160]
    assert float(patch.std()) < 0.02  # 0.2 with the whole ghost
    assert torch.equal(
        stitch(
            image, through, way, "null_edit", unedited=vae.decode(vae.encode(cut(image, way)))
        ).picture,
        stitch(image, through, way, "null_edit", vae=vae).picture,
    )


def test_auto_brings_no_ghost_of_detail_that_the_crop_could_not_hold():
    """Shrunk to 0.6, checks of 1 px are gone from the crop; the plain residual would put them on the edit."""
    rows, columns = torch.arange(300)[:, None], torch.arange(320)
    image = (0.3 + 0.2 * ((rows + columns) % 2))[None, ..., None].repeat(1, 1, 1, 3)
    way = plan(size=DOWN)
    crops = cut(image, way)
    crops[:, 30:66, 30:66] = 0.8
    patch = {
        mode: stitch(image, crops, way, mode).picture[0, 140:160, 140:160].std()
        for mode in MODES[:2]
    }
    assert patch["auto"] < 0.01
    assert patch["exact"] > 0.09  # by definition


@pytest.mark.parametrize(
    ("vae", "words"),
    [
        (None, "null_edit needs the VAE.*or the unedited crop"),
        (Vae(multiple=100), "turned a crop of 256x256 px into 200x200.*multiple"),
        ("vae", "must be a VAE of ComfyUI, got str"),
    ],
    ids=["none", "trims", "text"],
)
def test_null_edit_without_a_usable_vae_says_what_it_needs(vae, words):
    image, way = picture(), plan()
    with pytest.raises(ValueError, match=words):
        stitch(image, cut(image, way), way, "null_edit", vae=vae)


@pytest.mark.parametrize("corner", [(30, 30), (290, 30), (30, 270), (290, 270)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_a_face_in_each_corner_is_edited_up_to_the_pictures_border(corner, mode):
    x, y = corner
    face = Face(((x - 20.0, y), (x + 20.0, y)))
    box = Box(min(max(x - 80, 0), 160), min(max(y - 80, 0), 140), 160, 160)
    image, way = picture() * 0.5, plan(box, size=UP, faces=(face,))
    crops = cut(image, way)
    done = stitch(image, crops + 0.04, way, mode, unedited=crops)
    left, top = (0 if x < 100 else 319), (0 if y < 100 else 299)
    for row, column in ((y, left), (top, x)):
        change = float((done.picture - image)[0, row, column].mean())
        # plain loses detail by its scaling, null_edit fades the detail of what is new
        slack = 0.03 if mode in ("plain", "null_edit") else 0.002
        assert change == pytest.approx(0 if mode == "auto" else 0.04, abs=slack)
    assert done.changed[0, y, left] == done.changed[0, top, x] == 1


SECOND = Face(((160.0, 140.0), (200.0, 140.0)))  # its oval overlaps that of FACE by half
TWO = plan(BOX, Box(100, 80, 160, 160), size=SAME, faces=(FACE, SECOND), picture_of=(0, 0))


@pytest.mark.parametrize("mode", ["auto", "exact", "null_edit"])
@pytest.mark.parametrize("size", [SAME, UP])
def test_two_crops_of_one_picture_that_were_not_edited_leave_it_as_it_is(size, mode):
    image, way = picture(), replace(TWO, output_size=size)
    crops = cut(image, way)
    assert torch.equal(stitch(image, crops, way, mode, unedited=crops).picture, image)


@pytest.mark.parametrize("mode", MODES)
def test_an_unedited_second_crop_takes_nothing_of_the_first_back(mode):
    image = picture() * 0.5
    crops = cut(image, TWO)
    crops[0, 40:120, 40:120] += 0.3
    both = stitch(image, crops, TWO, mode, unedited=cut(image, TWO))
    alone = plan(BOX, size=SAME)
    one = stitch(image, crops[:1], alone, mode, unedited=cut(image, alone))
    assert torch.equal(both.picture, one.picture)


@pytest.mark.parametrize("mode", ["auto", "exact", "null_edit"])
def test_the_same_edit_in_two_crops_is_not_applied_twice(mode):
    image = picture() * 0.3
    edited = image.clone()
    edited[:, 125:175, 140:190] = 0.9
    done = stitch(image, cut(edited, TWO), TWO, mode, unedited=cut(image, TWO))
    assert_close(done.picture[0, 145:155, 155:175], edited[0, 145:155, 155:175], atol=0.02, rtol=0)


def test_the_later_of_two_edits_is_seen_where_they_overlap():
    image = torch.full((1, 300, 320, 3), 0.3)
    crops = cut(image, TWO)
    crops[0, 55:105, 70:120] = 0.9  # source rows 125-175, columns 140-190
    crops[1, 45:95, 40:90] = 0.6
    done = stitch(image, crops, TWO, "exact")
    assert_close(done.picture[0, 145:155, 155:175], torch.full((10, 20, 3), 0.6), atol=0.01, rtol=0)


def test_crops_go_back_to_the_picture_that_they_came_from():
    image = picture(3)
    way = plan(BOX, Box(100, 80, 160, 160), size=SAME, faces=(FACE, SECOND), picture_of=(2, 0))
    crops = cut(image, way)
    crops[0] = edit(crops[0])
    done = stitch(image, crops, way, "exact")
    assert torch.equal(done.picture[:2], image[:2])
    assert_close(done.picture[2, 140:160, 140:160], crops[0, 70:90, 70:90], atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_a_crop_that_lost_its_alpha_leaves_the_originals(mode):
    image, way = picture(channels=4), plan(size=UP)
    crops = cut(image, way)
    done = stitch(image, edit(crops[..., :3]), way, mode, unedited=crops[..., :3])
    assert torch.equal(done.picture[..., 3], image[..., 3])
    assert not torch.equal(done.picture[..., :3], image[..., :3])
    assert torch.equal(stitch(image, crops[..., :3], way, "auto").picture, image)


def test_edited_alpha_comes_back_where_the_original_has_one_and_is_left_out_where_not():
    image, way = picture(channels=4), plan(size=SAME)
    crops = cut(image, way)
    crops[..., 3] = 0.25
    done = stitch(image, crops, way, "exact")
    assert_close(
        done.picture[0, 145:155, 145:155, 3], torch.full((10, 10), 0.25), atol=1e-5, rtol=0
    )
    done = stitch(image[..., :3], crops, way, "exact")
    assert torch.equal(done.picture, image[..., :3])
    assert "alpha is left out" in done.report


def test_gray_pictures_take_the_brightness_of_a_coloured_edit():
    image, way = picture(channels=1), plan(size=SAME)
    crops = torch.zeros(1, 160, 160, 3)
    crops[..., 1] = 1
    done = stitch(image, crops, way, "exact")
    assert done.picture.shape == image.shape
    assert_close(
        done.picture[0, 145:155, 145:155], torch.full((10, 10, 1), 0.7152), atol=1e-5, rtol=0
    )
    gray_edit = stitch(image.expand(-1, -1, -1, 3), cut(image, way), way, "exact")
    assert torch.equal(gray_edit.picture, image.expand(-1, -1, -1, 3))


def test_the_users_stitch_mask_counts():
    image, way = picture(), plan(size=SAME)
    mask = torch.zeros(1, 160, 160)
    mask[:, 20:30, 20:40] = 1
    mask[:, 100, 100] = 0.5
    done = stitch(image, torch.ones(1, 160, 160, 3), way, "exact", stitch_mask=mask)
    assert torch.equal(done.changed[0, 70:230, 70:230], (mask[0] > 0).float())
    assert done.changed.sum() == 201
    assert_close(done.picture[0, 170, 170], 0.5 + 0.5 * image[0, 170, 170])
    empty = stitch(
        image, torch.ones(1, 160, 160, 3), way, "exact", stitch_mask=torch.zeros(160, 160)
    )
    assert torch.equal(empty.picture, image)
    assert "stitch_mask 1 is empty" in empty.report


def test_a_crop_scaled_by_the_user_is_scaled_back_and_the_report_says_so():
    image, way = torch.full((1, 300, 320, 3), 0.4), plan(size=(128, 256))
    twice = torch.full((1, 512, 256, 3), 0.6)
    done = stitch(image, twice, way, "exact")
    assert "crop has 256x512 px, the plan's crops have 128x256: scaled" in done.report
    assert done.picture[0, 150, 150].mean() == pytest.approx(0.6, abs=1e-5)


@pytest.mark.parametrize(
    ("crops", "words"),
    [
        (torch.rand(1, 256, 200, 3), "200x256 px, the plan's crops have 256x256: another aspect"),
        (torch.rand(2, 256, 256, 3), "crop holds 2 pictures, the plan cuts 1 crops"),
        (
            torch.full((1, 256, 256, 3), torch.nan),
            "crop, picture 1 of 1, holds 196608 values that are NaN",
        ),
        (torch.rand(0, 256, 256, 3), "crop holds no picture"),
        ("crop", "crop must be a picture"),
    ],
    ids=["aspect", "count", "nan", "none", "text"],
)
def test_crops_that_do_not_belong_are_refused(crops, words):
    image, way = picture(), plan()
    with pytest.raises(ValueError, match=words):
        stitch(image, crops, way)


def test_an_unedited_crop_that_does_not_belong_is_refused_by_its_name():
    image, way = picture(), plan()
    with pytest.raises(ValueError, match="unedited holds 2 pictures"):
        stitch(image, cut(image, way), way, "null_edit", unedited=torch.rand(2, 256, 256, 3))
    # another mode does not look at it
    stitch(image, cut(image, way), way, "exact", unedited="nonsense")


def test_a_crop_that_was_trimmed_to_a_multiple_is_refused_with_advice():
    """252 to 248 has the same aspect, but scaling it would drift by up to 2 px."""
    image, way = picture(), plan(size=(252, 252))
    with pytest.raises(ValueError, match=r"cut it to a multiple of 8.*multiple_of 8"):
        stitch(image, torch.rand(1, 248, 248, 3), way)


def test_other_bad_input_is_refused():
    image, way = picture(), plan()
    crops = cut(image, way)
    with pytest.raises(
        ValueError, match="mode must be one of auto, exact, plain, null_edit; got 'best'"
    ):
        stitch(image, crops, way, "best")
    with pytest.raises(ValueError, match="this plan was made for pictures of 320x300"):
        stitch(torch.rand(1, 200, 200, 3), crops, way)
    with pytest.raises(ValueError, match="stitch_mask has 320x300 px where 256x256 are needed"):
        stitch(image, crops, way, stitch_mask=torch.ones(1, 300, 320))
    with pytest.raises(ValueError, match="feather must be from 0 to 2"):
        stitch(image, crops, way, feather=3)
    with pytest.raises(ValueError, match="NaN"):
        stitch(image * torch.nan, crops, way)


@pytest.mark.parametrize("size", [(1, 1), (1, 10), (30, 3)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_the_smallest_and_narrowest_pictures_are_stitched(size, mode):
    width, height = size
    image = torch.full((1, height, width, 3), 0.25)
    face = Face(((0.1, 0.5), (0.9, 0.5)))
    way = CropPlan(
        size, (Box(0, 0, width, height),), (width * 8, height * 8), (face,), "t", "custom"
    )
    crops = cut(image, way)
    assert_close(stitch(image, crops, way, mode, unedited=crops).picture, image, atol=1e-6, rtol=0)
    done = stitch(image, crops + 0.5, way, mode, unedited=crops)
    assert torch.isfinite(done.picture).all()


@pytest.mark.parametrize("angle", [0.0, 6.0])
@pytest.mark.parametrize("size", [(768, 768), (512, 512), (192, 192)], ids=str)
def test_a_real_face_survives_a_vae_like_edit_without_a_seam(hopper, size, angle):
    """Grace Hopper through blur, noise and a tone ramp: nothing outside, no step, the tone back."""
    face = Face(((223.0, 193.5), (305.0, 189.5)))
    way = CropPlan(
        (512, 600), (Box(100, 40, 320, 320),), size, (face,), "BCU", "custom",
        angles_deg=(angle,) if angle else (),
    )  # fmt: skip
    crops = cut(hopper, way)
    soft = F.avg_pool2d(crops.movedim(-1, 1), 3, 1, 1, count_include_pad=False).movedim(1, -1)
    done = stitch(hopper, (soft + ramp(crops)).clamp(0, 1), way, "auto")
    outside = done.changed == 0
    assert torch.equal(done.picture[outside], hopper[outside])
    left_over = (done.picture - stitch(hopper, soft, way, "auto").picture).abs().mean()
    shifted = stitch(hopper, (soft + ramp(crops)).clamp(0, 1), way, "exact").picture
    full = (shifted - stitch(hopper, soft, way, "exact").picture).abs().mean()
    assert float(left_over) < 0.15 * float(full)


def test_the_report_says_what_was_done():
    image, way = picture() * 0.8, plan(size=SAME)
    crops = cut(image, way)
    crops[0, 60:100, 60:100] += 0.1
    done = stitch(image, crops, way, "exact")
    assert done.report.startswith(
        f"{done.changed_px:,} px changed, {done.changed_px / 96000:.1%} of the picture"
    )
    assert "step across the border: 0.00/255 per px" in done.report
    assert done.shift is None
    assert done.changed_px == 1600


def test_progress_is_shown_crop_by_crop():
    seen = []

    def progress(total):
        seen.append(total)
        return seen.append

    image = picture(3)
    stitch(image, cut(image, plan()), plan(), progress=progress)
    assert seen[0] == 3
    told = seen[1:]  # often within a crop, so that a stop is felt
    assert told == sorted(told)
    assert sorted(set(told)) == [0, 1, 2, 3]


def test_the_window_of_a_turned_crop_lies_in_the_picture():
    rows, columns = Place.of(placed("padded, turned"), 0).window
    assert (columns.start, rows.stop) == (0, 300)
    assert 0 <= rows.start < rows.stop
