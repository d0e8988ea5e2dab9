"""Core's face landmarks go into Find Faces and come out of it as core's own nodes take them."""

import json

import numpy as np
import pytest
from PIL import Image

EYES = ((200.0, 200.0), (280.0, 210.0))


@pytest.fixture
def prompt(host, portraits):
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": host.server.place(portraits / "portrait_a.png", "a.png")}},
        "2": {"class_type": "RecordedLandmarks", "inputs": {"image": ["1", 0], "eyes": "200,200 280,210"}},
        "3": {"class_type": "LoupeFindFaces", "inputs": {"image": ["1", 0], "face_landmarks": ["2", 0], "backend": "auto", "eyes": ""}},
    }  # fmt: skip


def output_index(host, node: str, kind: str) -> int:
    return host.server.nodes[node]["output"].index(kind)


def test_core_gives_the_type_that_we_take(host):
    core = host.server.nodes["MediaPipeFaceLandmarker"]
    assert "FACE_LANDMARKS" in core["output"]
    ours = host.server.nodes["LoupeFindFaces"]["input"]["optional"]
    assert ours["face_landmarks"][0] == "FACE_LANDMARKS"


def test_the_pupils_are_the_irises(host, prompt, tmp_path):
    prompt["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 4]}}
    told = json.loads(host.server.run(prompt, tmp_path).nodes["3"].outputs["json"])
    assert told["backend"] == "linked face landmarks"
    assert told["frames"][0][0]["eyes"] == [list(eye) for eye in EYES]


def test_what_comes_out_is_drawn_by_cores_own_node(host, prompt, tmp_path):
    """The silhouette of the face, filled by core from our output: half of it lies around the irises."""
    index = output_index(host, "LoupeFindFaces", "FACE_LANDMARKS")
    prompt["4"] = {
        "class_type": "MediaPipeFaceMeshVisualize",
        "inputs": {"face_landmarks": ["3", index], "image": ["1", 0], "connections": "fill", "color": "#00ff00", "thickness": 0, "point_size": 0},
    }  # fmt: skip
    prompt["5"] = {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "drawn"}}  # fmt: skip
    (file,) = host.server.run(prompt, tmp_path).files
    with Image.open(file) as picture:
        green = (np.asarray(picture) == (0, 255, 0)).all(-1)
    assert green[200, 200]
    assert green[210, 280]
    area = np.pi * 1.145 * 1.345 * np.hypot(80, 10) ** 2
    assert green.sum() == pytest.approx(area, rel=0.05)
