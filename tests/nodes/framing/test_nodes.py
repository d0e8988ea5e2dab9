"""The room's nodes as a host calls them."""

import json

import pytest
import torch

from portrait_loupe.nodes.framing.node_crop import Crop
from portrait_loupe.nodes.framing.node_find_faces import FindFaces
from portrait_loupe.nodes.framing.node_plan_crop import PlanCrop

EYES = "223,193.5 305,189.5"


@pytest.fixture(scope="module")
def found(hopper):
    return FindFaces.execute(hopper, "auto", EYES).args


def test_find_faces_gives_all_its_outputs(hopper, found):
    faces, boxes, overlay, report, text, landmarks = found
    assert landmarks["frames"] == [[]]
    assert landmarks["image_size"] == (600, 512)
    assert faces.image_size == (512, 600)
    assert overlay.shape == hopper.shape
    assert not torch.equal(overlay, hopper)
    assert "82.1 px between the eyes" in report
    assert json.loads(text)["frames"][0][0]["eyes"] == [[223, 193.5], [305, 189.5]]
    box = boxes[0][0]
    assert set(box) == {"x", "y", "width", "height", "label", "score"}
    assert box["x"] < 223 < 305 < box["x"] + box["width"]


def test_find_faces_asks_the_host_where_models_lie(hopper, monkeypatch, tmp_path):
    """A pack in the host's folder is seen, and being broken it is said; by name it is an error."""
    from portrait_loupe.nodes.framing import node_find_faces
    from portrait_loupe.nodes.framing.detect import scrfd, yunet

    asked = []
    monkeypatch.setattr(node_find_faces, "model_folders", lambda kind: [tmp_path / kind])

    def refuse(folders, **how):
        asked.append((folders, how))
        raise scrfd.Unavailable("not here")

    monkeypatch.setattr(scrfd, "open_insightface", refuse)
    monkeypatch.setattr(yunet, "open_kornia", refuse)
    monkeypatch.setattr(yunet, "open_onnx", refuse)
    FindFaces.execute(hopper, "auto", "")
    assert asked == [
        ([tmp_path / "insightface"], {}),
        ([tmp_path / "detection"], {"allow_download": False}),
        ([tmp_path / "detection"], {}),
    ]
    with pytest.raises(RuntimeError, match="not here"):
        FindFaces.execute(hopper, "insightface", "")


def test_find_faces_keeps_the_face_that_was_asked_for(hopper):
    with pytest.raises(ValueError, match="outside the picture of 512x600"):
        FindFaces.execute(hopper, "auto", EYES, keep="nearest point", point="900,10")
    faces = FindFaces.execute(hopper, "auto", EYES, keep="nearest point", point="10,10").args[0]
    assert len(faces.frames[0]) == 1


def test_find_faces_widgets_of_old_come_first():
    """Saved workflows hold widget values by their place."""
    inputs = FindFaces.define_schema().inputs
    widgets = [
        one.id for one in inputs if one.get_io_type() in {"COMBO", "STRING", "BOOLEAN", "INT"}
    ]
    assert widgets == ["backend", "eyes", "allow_download", "keep", "point", "index"]
    assert all(one.optional for one in inputs if one.id in widgets[2:])
    outputs = [one.id or one.display_name for one in FindFaces.define_schema().outputs]
    assert outputs == ["faces", "bounding_boxes", "overlay", "report", "json", "face_landmarks"]


def test_a_found_box_finds_the_same_face_again(hopper, found):
    """What we emit as BOUNDING_BOX is what we take as BOUNDING_BOX."""
    faces = FindFaces.execute(hopper, "auto", "", bounding_box=found[1]).args[0]
    for (x, y), (wx, wy) in zip(faces.frames[0][0].eyes, found[0].frames[0][0].eyes, strict=True):
        assert abs(x - wx) < 4  # 0.05 of the inter-ocular distance
        assert abs(y - wy) < 4


def test_plan_and_crop_bring_the_face_to_the_models_size(hopper, found):
    plan, picture, iod, latents, report, text = PlanCrop.execute(
        hopper, found[0], "CU close-up", "SDXL", 1.0, 16
    ).args
    crop, sampling, stitching = Crop.execute(hopper, plan).args
    assert crop.shape == (1, plan.output_size[1], plan.output_size[0], 3)
    assert sampling.shape == stitching.shape == crop.shape[:3]
    assert picture.shape == hopper.shape
    assert iod == pytest.approx(82.1 * plan.scales[0], rel=0.01)
    assert latents == pytest.approx(0.46 * iod / 8)
    assert "CU close-up" in report
    assert json.loads(text)["output_size"] == list(plan.output_size)


def test_one_plan_crops_any_picture_of_its_size(hopper, found):
    plan = PlanCrop.execute(hopper, found[0], "headshot", "SD1.5", 1.0, 16).args[0]
    crop, *_ = Crop.execute(torch.rand(5, 600, 512, 3), plan).args
    assert crop.shape[0] == 5


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_transparent_pictures_pass(found, channels):
    image = torch.rand(1, 600, 512, channels)
    plan, picture, *_ = PlanCrop.execute(image, found[0], "headshot", "SD1.5", 1.0, 16).args
    assert picture.shape == (1, 600, 512, 3)
    assert Crop.execute(image, plan).args[0].shape[-1] == channels


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(0, 600, 512, 3), "the batch is empty"),
        (torch.full((1, 600, 512, 3), float("nan")), "NaN"),
        (torch.rand(1, 1, 1, 3), "1x1"),
        ("picture", "must be a picture"),
    ],
    ids=["empty", "nan", "one pixel", "text"],
)
def test_bad_pictures_are_refused_by_every_node(hopper, found, image, words):
    plan = PlanCrop.execute(hopper, found[0], "headshot", "SD1.5", 1.0, 16).args[0]
    with pytest.raises(ValueError, match=words):
        PlanCrop.execute(image, found[0], "headshot", "SD1.5", 1.0, 16)
    with pytest.raises(ValueError, match=words):
        Crop.execute(image, plan)


def test_find_faces_refuses_points_outside_a_picture_of_one_pixel():
    with pytest.raises(ValueError, match="outside the picture of 1x1"):
        FindFaces.execute(torch.rand(1, 1, 1, 3), "auto", EYES)
