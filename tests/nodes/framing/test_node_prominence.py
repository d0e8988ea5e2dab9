"""Prominence as a host calls it."""

import json

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.node_prominence import Prominence
from portrait_loupe.nodes.framing.plan import MODELS

HOPPER = Face(((223.0, 193.5), (305.0, 189.5)))
SMALL = Face(((100.0, 100.0), (110.0, 100.0)))


def faces(*frames):
    return Faces((512, 600), frames, "typed eyes")


def test_the_outputs_are_the_figures_of_the_most_prominent_face(hopper):
    out = Prominence.execute(hopper, faces((SMALL, HOPPER)), "SDXL")
    score, iod, eff, area, ofiq, report, text = out.args
    figures = json.loads(text)["frames"][0]
    assert [face["iod_px"] for face in figures] == [10, pytest.approx(82.098)]
    assert iod == pytest.approx(82.098, abs=0.001)
    assert 0 < eff <= iod
    assert (score, area, ofiq) == pytest.approx(
        (figures[1]["score"], figures[1]["area_share"], figures[1]["ofiq_iod"]), abs=0.01
    )
    assert report.startswith("face 1: ")
    assert out.ui == {"loupe_report": [report]}
    names = [slot.id for slot in Prominence.define_schema().outputs]
    assert names == ["score", "iod_px", "iod_eff_px", "area_share", "ofiq_iod", "report", "json"]
    assert len(out.args) == len(names)


def test_pictures_without_a_face_are_passed_over_and_named(hopper):
    batch = torch.cat([hopper, hopper])
    out = Prominence.execute(batch, faces((), (HOPPER,)), "SDXL").args
    assert out[1] == pytest.approx(82.098, abs=0.001)
    assert "picture 1, no face" in out[5]
    assert "picture 2, face 1" in out[5]


def test_no_face_at_all_is_an_error_that_helps(hopper):
    with pytest.raises(ValueError, match="no face to measure"):
        Prominence.execute(hopper, faces(()), "SDXL")


@pytest.mark.parametrize("model", list(MODELS))
def test_every_model_that_is_offered_is_advised_for(hopper, model):
    report = Prominence.execute(hopper, faces((SMALL,)), model).args[5]
    assert "CU close-up gives" in report


def test_faces_of_another_image_are_refused(hopper):
    with pytest.raises(ValueError, match="Link both to the same image"):
        Prominence.execute(hopper[:, :100], faces((HOPPER,)), "SDXL")
    with pytest.raises(ValueError, match="LOUPE_FACES"):
        Prominence.execute(hopper, "faces", "SDXL")
