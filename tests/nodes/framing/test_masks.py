from dataclasses import replace
from math import pi

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.crop import cut
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.masks import sampling_masks, stitch_masks, unit_px
from portrait_loupe.nodes.framing.plan import CropPlan

SIZE = (400, 400)
FACE = Face(((170.0, 180.0), (230.0, 180.0)))  # IOD 60 px
WIDE = Box(40, 40, 320, 320)


def plan(*crops: Box, faces=(FACE,), size=(320, 320), preset="CU close-up", **further) -> CropPlan:
    return CropPlan(SIZE, crops or (WIDE,), size, faces, preset, "custom", **further)


def at(mask: torch.Tensor, way: CropPlan, x: float, y: float, crop: int = 0) -> float:
    """A mask's value at a point of the source."""
    u, v = way.to_output(crop, (x, y))
    return float(mask[crop, int(v), int(u)])


@pytest.mark.parametrize("size", [(320, 320), (640, 640), (160, 160)], ids=str)
@pytest.mark.parametrize("grow", [0.0, 0.25, 1.0])
def test_the_face_is_repainted_as_an_oval_grown_on_all_sides(size, grow):
    way = plan(size=size)
    mask = sampling_masks(way, 1, grow=grow)
    assert mask.shape == (1, *size[::-1])
    iod = 60 * size[0] / 320
    area = pi * (1.145 + grow) * (1.345 + grow) * iod**2
    assert float(mask.sum()) == pytest.approx(area, rel=0.01)  # the border is whole pixels
    for u, v, within in (
        (0, 1.83 + grow, True),
        (0, 1.87 + grow, False),
        (1.18 + grow, 0.485, False),
    ):
        x, y = FACE.to_image(u, v - 0.02)
        assert at(mask, way, x, y) == within


def test_the_oval_follows_a_tilted_head_and_stands_upright_in_a_turned_crop():
    tilted = Face(((178.0, 165.0), (222.0, 215.0)))
    way = plan(Box(61, 96, 230, 230), faces=(tilted,))
    turned = replace(way, angles_deg=(tilted.roll_deg,))
    for one in (way, turned):
        mask = sampling_masks(one, 1)
        assert at(mask, one, *tilted.to_image(0, 1.9)) == 1
        assert at(mask, one, *tilted.to_image(1.45, 0.485)) == 0
    upright = sampling_masks(turned, 1)[0]
    u, _ = turned.to_output(0, tilted.centre)
    columns = upright.any(0).nonzero()
    assert float(columns.float().mean()) + 0.5 == pytest.approx(u, abs=1)


def test_every_face_in_a_crop_gets_its_oval_and_the_faces_of_other_crops_do_not():
    second = Face(((290.0, 200.0), (320.0, 200.0)))
    joint = plan(faces=(second,), others=((FACE,),))
    mask = sampling_masks(joint, 1)
    assert at(mask, joint, 200, 200) == at(mask, joint, 305, 210) == 1
    apart = plan(WIDE, WIDE, faces=(FACE, second), picture_of=(0, 0))
    mask = sampling_masks(apart, 1)
    assert at(mask, apart, 305, 210, crop=0) == 0
    assert at(mask, apart, 305, 210, crop=1) == 1


def test_an_extreme_close_up_is_repainted_but_for_a_border_and_corners():
    way = plan(Box(140, 160, 60, 60), preset="ECU eye left", size=(256, 256))
    mask = sampling_masks(way, 1)[0]
    border = torch.ones(256, 256, dtype=torch.bool)
    border[16:-16, 16:-16] = False
    assert not mask[border].any()
    assert not mask[:40, :40].all()
    assert mask.mean() > 0.6
    # a crop that is smaller than the oval all around is treated alike
    assert torch.equal(sampling_masks(replace(way, preset="custom"), 1)[0], mask)


def test_what_is_no_face_is_repainted_around_its_box():
    way = plan(faces=(), subjects=(Box(150, 120, 80, 100),))
    mask = sampling_masks(way, 1, grow=0.1)
    assert unit_px(way, 0) == pytest.approx(100 / 2.69)
    assert at(mask, way, 190, 170) == at(mask, way, 153, 170) == 1
    assert at(mask, way, 143, 170) == at(mask, way, 190, 226) == 0


def test_padding_is_repainted():
    way = plan(Box(-80, 100, 320, 320))
    mask = sampling_masks(way, 1)[0]
    assert mask[:, :80].all()  # left of the picture
    assert mask[-20:].all()  # below it
    assert not mask[:60, 81:90].any()


def test_the_users_mask_is_cut_as_the_picture_is():
    own = torch.rand(2, 400, 400)
    way = plan(Box(-20, 40, 320, 320))
    mask = sampling_masks(way, 2, mask=own)
    assert torch.equal(mask[1, :, 20:], own[1, 40:360, :300])
    assert mask[:, :, :20].all()
    assert torch.equal(
        sampling_masks(way, 2, mask=own[0])[1], sampling_masks(way, 1, mask=own[:1])[0]
    )
    # at another size, in the same place: the centre of a disc
    x, y = torch.arange(400) + 0.5, (torch.arange(400) + 0.5)[:, None]
    disc = ((x - 200) ** 2 + (y - 150) ** 2 < 40**2).float()
    for further in ({}, {"angles_deg": (25.0,)}):
        small = plan(Box(100, 50, 200, 200), size=(480, 480), **further)
        got = sampling_masks(small, 1, mask=disc)[0]
        u, v = small.to_output(0, (200, 150))
        assert float((got.sum(0) @ (torch.arange(480) + 0.5)) / got.sum()) == pytest.approx(
            u, abs=0.1
        )
        assert float((got.sum(1) @ (torch.arange(480) + 0.5)) / got.sum()) == pytest.approx(
            v, abs=0.1
        )
        assert 0 <= got.min() <= got.max() <= 1


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(400, 400), "covers nothing of crop 1: it is empty"),
        (torch.eye(400).roll(350, 0) * (torch.arange(400) < 30), "lies outside the crop"),
        (torch.ones(200, 400), "mask has 400x200 px where 400x400 are needed"),
        (torch.ones(3, 400, 400), "holds 3 masks for 2 pictures"),
        (torch.full((400, 400), torch.nan), "NaN"),
        (torch.ones(1, 1, 400, 400), "must be a MASK.*1x1x400x400"),
        ("mask", "must be a MASK.*got str"),
    ],
    ids=["empty", "outside", "size", "count", "nan", "shape", "text"],
)
def test_masks_that_cannot_be_used_are_refused(mask, words):
    with pytest.raises(ValueError, match=words):
        sampling_masks(plan(), 2, mask=mask)


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_margins_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match="grow must be from 0 to 2 inter-ocular distances"):
        sampling_masks(plan(), 1, grow=value)
    with pytest.raises(ValueError, match="feather must be from 0 to 2 inter-ocular distances"):
        stitch_masks(torch.ones(1, 320, 320), plan(), 1, feather=value)


def test_the_stitch_mask_rises_inside_the_sampling_mask_as_smootherstep():
    """A straight border: at half the feather it is one half, at a quarter 0.1035 (Perlin's polynomial)."""
    way = plan(Box(0, 0, 400, 400), size=(400, 400))
    sampling = torch.zeros(1, 400, 400)
    sampling[:, :, 100:] = 1
    mask = stitch_masks(sampling, way, 1, feather=0.4)[0]  # 24 px
    assert not mask[:, :100].any()
    line = mask[200]
    assert_close(line[[105, 106]].mean(), torch.tensor(0.1035), atol=2e-3, rtol=0)
    assert_close(line[[111, 112]].mean(), torch.tensor(0.5), atol=1e-4, rtol=0)
    assert (line[124:] == 1).all()
    assert (line.diff() >= 0).all()


def test_the_stitch_mask_is_0_on_the_crops_border_unless_the_picture_ends_there():
    sampling = torch.ones(1, 320, 320)
    middle = stitch_masks(sampling, plan(), 1, feather=0.5)[0]
    for side in (middle[0], middle[-1], middle[:, 0], middle[:, -1]):
        assert float(side.max()) < 1e-3  # half a pixel inside 30 px of feather
    corner = stitch_masks(sampling, plan(Box(0, 0, 320, 320)), 1, feather=0.5)[0]
    assert (corner[:200, :200] == 1).all()
    assert float(corner[-1].max()) < 1e-3
    assert float(corner[:, -1].max()) < 1e-3
    whole = CropPlan(SIZE, (Box(0, 0, 400, 400),), (320, 320), (FACE,), "t", "custom")
    assert (stitch_masks(sampling, whole, 1) == 1).all()


@pytest.mark.parametrize("angle", [0.0, 12.0])
def test_padding_casts_no_feather_into_the_picture_and_no_edit_either(angle):
    """The face is cut by the picture's border: there the stitch goes on at full strength."""
    face = Face(((-10.0, 180.0), (50.0, 180.0)))
    way = plan(Box(-140, 40, 320, 320), faces=(face,), angles_deg=(angle,))
    sampling = sampling_masks(way, 1)
    mask = stitch_masks(sampling, way, 1)
    assert at(sampling, way, 5, 395 - 40) == 0
    assert at(sampling, way, -20, 340) == 1
    assert at(mask, way, -20, 340) == 0  # nothing to stitch beyond the picture
    assert at(mask, way, 1, 200) == 1


def test_a_wide_feather_leaves_the_middle_of_a_mask_whole():
    sampling = torch.zeros(1, 320, 320)
    sampling[:, 100:160, 50:250] = 1  # 60 px wide: at most 20 px of feather
    mask = stitch_masks(sampling, plan(), 1, feather=2.0)[0]
    assert mask[120:140, 150].min() > 0.999
    assert mask[110, 150] == pytest.approx(0.54, abs=0.03)


def test_no_feather_is_a_hard_border():
    sampling = sampling_masks(plan(), 1)
    assert torch.equal(stitch_masks(sampling, plan(), 1, feather=0), sampling)


def test_masks_come_in_the_order_of_the_crops():
    second = Face(((290.0, 250.0), (320.0, 250.0)))
    boxes = (Box(0, 0, 320, 320), Box(80, 80, 320, 320))
    way = plan(*boxes, faces=(FACE, second), picture_of=(0, 0))
    sampling = sampling_masks(way, 3)
    stitched = stitch_masks(sampling, way, 3)
    assert len(sampling) == len(stitched) == len(cut(torch.rand(3, 400, 400, 3), way)) == 6
    for number in range(6):
        assert torch.equal(sampling[number], sampling[number % 2])
        assert ((stitched[number] > 0) <= (sampling[number] > 0)).all()
    assert not torch.equal(sampling[0], sampling[1])
    own = torch.zeros(3, 400, 400)
    own[0, 100:200, 100:200] = own[1, 150:300, 150:250] = own[2, 200:300, 200:300] = 1
    cut_own = stitch_masks(sampling_masks(way, 3, mask=own), way, 3)
    assert not torch.equal(cut_own[0], cut_own[2])


@pytest.mark.parametrize("own", [None, torch.ones(400, 400)], ids=["drawn", "the user's"])
def test_a_stop_is_felt_at_every_crop_and_within_its_masks(own):
    second = Face(((290.0, 250.0), (320.0, 250.0)))
    boxes = (Box(0, 0, 320, 320), Box(80, 80, 320, 320))
    way = plan(*boxes, faces=(FACE, second), picture_of=(0, 0))
    seen = []
    sampling = sampling_masks(way, 1, mask=own, tick=lambda: seen.append("sampling"))
    stitch_masks(sampling, way, 1, tick=lambda: seen.append("stitch"))
    cut(torch.rand(1, 400, 400, 3), way, lambda: seen.append("cut"))
    assert seen.count("sampling") >= 2
    assert seen.count("stitch") >= 4
    assert seen.count("cut") == 2
