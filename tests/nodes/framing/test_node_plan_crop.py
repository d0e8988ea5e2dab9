"""Plan Crop as a graph runs it."""

import json
from itertools import pairwise

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.node_plan_crop import PlanCrop

LEFT = Face(eyes=((100.0, 200.0), (160.0, 203.0)))
RIGHT = Face(eyes=((340.0, 210.0), (390.0, 209.0)))
FACES = Faces((512, 600), ((LEFT, RIGHT),), "test")
NOW = {"preset": "CU close-up", "model": "SDXL", "megapixels": 1.0, "multiple_of": 16}


def planned(image=None, faces=FACES, **given):
    image = torch.rand(1, 600, 512, 3) if image is None else image
    return PlanCrop.execute(image=image, faces=faces, **{**NOW, **given})


def test_an_older_graph_without_the_newer_widgets_plans_as_before():
    plan, picture, iod, latents, words, text = planned().args
    assert plan.faces == (LEFT,)
    assert picture.shape == (1, 600, 512, 3)
    assert latents == pytest.approx(0.46 * iod / 8)
    assert "CU close-up" in words
    assert json.loads(text)["output_size"] == list(plan.output_size)


@pytest.mark.parametrize(("several", "count"), [("largest", 1), ("joint", 1), ("split", 2)])
def test_several_faces_are_drawn_with_their_crops(several, count):
    plan, picture, *_ = planned(several=several, preset="BCU big close-up").args
    assert len(plan.crops) == count
    assert torch.isfinite(picture).all()


def test_a_hand_needs_no_faces():
    mask = torch.zeros(1, 600, 512)
    mask[:, 300:400, 50:120] = 1
    plan, *_ = planned(faces=None, preset="mask or box", mask=mask, margin=0.1).args
    assert plan.crops[0].x <= 50
    assert plan.crops[0].right >= 120


def test_a_face_preset_without_faces_says_where_they_come_from():
    with pytest.raises(ValueError, match="faces must come from Find Faces"):
        planned(faces=None)


def test_a_shot_of_ones_own_takes_its_four_sides():
    plan, *_ = planned(preset="custom", left=-1.0, right=1.0, top=-1.0, bottom=1.0, model="Flux").args  # fmt: skip
    assert plan.crops[0].width == pytest.approx(2 * LEFT.iod, rel=0.2)  # the oval is wider: need
    assert plan.preset == "custom"


def test_a_turned_crop_is_drawn_turned():
    tilted = Faces((512, 600), ((Face(eyes=((200.0, 250.0), (260.0, 280.0))),),), "test")
    bright = torch.ones(1, 600, 512, 3)
    plan, picture, *_ = planned(bright, tilted, level_eyes=True).args
    lit = (picture[0] > 0.99).all(-1).sum().item()
    crop = plan.crops[0]
    assert lit == pytest.approx(crop.width * crop.height, rel=0.05)  # less the lines over it
    assert plan.angle_deg(0) == pytest.approx(26.57, abs=0.01)


def test_a_crop_that_sticks_out_is_drawn_as_far_as_there_is_a_picture():
    close = Faces((512, 600), ((Face(eyes=((150.0, 250.0), (350.0, 250.0))),),), "test")
    plan, picture, *_ = planned(faces=close, preset="headshot", pad="outpaint").args
    assert max(plan.pads(0)) > 0
    assert picture.shape == (1, 600, 512, 3)


def test_a_shot_of_a_video_keeps_the_size_of_its_crop():
    torch.manual_seed(0)
    frames = []
    for index in range(24):
        x, y = (torch.randn(2) * 0.6).tolist()
        frames.append((Face(eyes=((200 + x + index, 250 + y), (260 + y + index, 250 + x))),))
    plan, *_ = planned(
        torch.rand(24, 600, 512, 3), Faces((512, 600), tuple(frames), "test"), video=True, fps=24.0
    ).args
    assert len({(crop.width, crop.height) for crop in plan.crops}) == 1
    steps = [b.centre[0] - a.centre[0] for a, b in pairwise(plan.crops)]
    assert max(map(abs, steps)) <= 3  # the face drifts by 1 px and jitters by 0.6
