import json

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.node_align import AlignFaces

NOW = {"region": "ECU eyes", "size": 256, "max_yaw_deg": 15.0}
FACE = Face(eyes=((222.3, 192.2), (307.1, 188.2)))


def test_two_sockets_of_two_sizes_are_searched_and_aligned(hopper, astronaut):
    aligned, report, text = AlignFaces.execute(
        images={"image0": hopper, "image1": astronaut}, **NOW
    ).args
    assert aligned.shape[0] == 2
    assert max(aligned.shape[1:3]) == 256
    assert "picture 2" in report
    told = json.loads(text)["pictures"]
    # the astronaut's eyes are 42 px apart, Grace Hopper's 84
    assert told[1]["scale_ratio"] == pytest.approx(42 / 84, rel=0.06)


def test_a_batch_counts_as_several_and_takes_its_linked_faces(hopper):
    batch = torch.cat([hopper, hopper.flip(1)])
    faces = Faces((512, 600), ((FACE,), (FACE,)), "test")
    aligned, *_ = AlignFaces.execute(images={"image0": batch}, faces=faces, **NOW).args
    assert aligned.shape[0] == 2


def test_one_picture_is_refused(hopper):
    with pytest.raises(ValueError, match="2"):
        AlignFaces.execute(images={"image0": hopper}, **NOW)


def test_a_picture_without_a_face_is_named(hopper):
    with pytest.raises(ValueError, match="no face"):
        AlignFaces.execute(images={"image0": hopper, "image1": torch.rand(1, 200, 200, 3)}, **NOW)


def test_nan_is_refused(hopper):
    bad = hopper.clone()
    bad[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        AlignFaces.execute(images={"image0": hopper, "image1": bad}, **NOW)
