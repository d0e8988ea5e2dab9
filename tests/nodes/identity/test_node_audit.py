"""Identity Audit as a host calls it."""

import json

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.plan import MODELS, CropPlan
from portrait_loupe.nodes.framing.regions import SHOTS
from portrait_loupe.nodes.identity import node_audit
from portrait_loupe.nodes.identity.node_audit import IdentityAudit

HOPPERS = Faces((512, 600), ((Face(((223.0, 193.5), (305.0, 189.5))),),), "typed eyes")


@pytest.fixture(autouse=True)
def terms_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(node_audit, "model_folders", lambda kind: [tmp_path / kind])
    (tmp_path / "loupe_terms").mkdir()
    return tmp_path / "loupe_terms"


def run(prompt="", shot="not planned", **more):
    plain = {
        "width": 1024, "height": 1024, "model": "SDXL", "focal_mm": 0.0, "distance_m": 0.0,
        "cfg": 0.0, "denoise": 1.0,
    }  # fmt: skip
    return IdentityAudit.execute(prompt, shot, **{**plain, **more})


def test_the_outputs_stand_in_their_order(hopper):
    out = run("anime", image=hopper, faces=HOPPERS, width=256, height=256)
    risk, report, second, plan, text = out.args
    names = [slot.id for slot in IdentityAudit.define_schema().outputs]
    assert names == ["risk", "report", "second_pass", "plan", "json"]
    plain = json.loads(text)
    assert risk == pytest.approx(plain["risk"], abs=0.005)
    assert second is True
    assert isinstance(plan, CropPlan)
    assert plan.output_size == tuple(plain["crop_plan"]["output_size"])
    assert out.ui == {"loupe_report": [report]}
    assert report.startswith("risk ")


def test_the_inputs_stand_in_their_order():
    schema = IdentityAudit.define_schema()
    assert [slot.id for slot in schema.inputs] == [
        "prompt", "shot", "width", "height", "model", "focal_mm", "distance_m", "cfg", "denoise",
        "image", "faces", "plan", "identity", "terms",
    ]  # fmt: skip
    assert schema.node_id == "LoupeIdentityAudit"


def test_nothing_linked_is_no_error():
    out = run()
    assert out.args[:1] == (0.0,)
    assert out.args[1].startswith("nothing to audit")
    assert out.args[2:4] == (False, None)


@pytest.mark.parametrize("shot", list(SHOTS))
def test_every_shot_that_is_offered_is_audited(shot):
    assert json.loads(run(shot=shot).args[4])["face_source"] == f"the shot {shot}"


@pytest.mark.parametrize("model", list(MODELS))
def test_every_model_that_is_offered_plans_a_second_pass(model):
    assert run(faces=HOPPERS, width=128, height=128, model=model).args[3].model == model


def test_the_users_terms_count_and_a_damaged_file_is_named(terms_folder):
    before = IdentityAudit.fingerprint_inputs(prompt="x")
    (terms_folder / "mine.json").write_text(
        '{"terms": [{"terms": ["gyotaku"], "class": "style", "weight": 0.8}, {"terms": ["anime"], "weight": 0}]}'
    )
    (terms_folder / "bad.json").write_text("{")
    out = run("gyotaku, anime")
    assert [hit["term"] for hit in json.loads(out.args[4])["terms"]] == ["gyotaku"]
    assert "bad.json is not JSON" in out.args[1]
    assert IdentityAudit.fingerprint_inputs(prompt="x") != before  # the node runs again


def test_a_missing_folder_is_none(terms_folder):
    terms_folder.rmdir()
    assert "anime" in run("anime").args[1]


def test_faces_of_another_picture_are_refused():
    with pytest.raises(ValueError, match="Link both to the same image"):
        run(image=torch.rand(1, 9, 9, 3), faces=HOPPERS)
