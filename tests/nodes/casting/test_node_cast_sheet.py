"""Cast Sheet, as ComfyUI sees it."""

import json
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.casting import node_cast_sheet
from portrait_loupe.nodes.casting.node_cast_sheet import CastSheet
from portrait_loupe.nodes.casting.take import Cast
from portrait_loupe.nodes.comparison.regions import PLATE_REGIONS

GRAPH = {
    "1": {"class_type": "RecraftV4TextToImageNode", "inputs": {"prompt": "a portrait", "model": "recraftv4_1"}},
    "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "realX.safetensors"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["2", 0], "seed": 12}},
    "4": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
    "9": {"class_type": "LoupeCastSheet", "inputs": {"takes.take0": ["1", 0], "takes.take1": ["4", 0]}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    """A machine without face models."""
    monkeypatch.setattr(node_cast_sheet, "model_folders", lambda kind: [tmp_path / "models" / kind])


@pytest.fixture(scope="module")
def made(hopper):
    """Two models as the host hands them over: lists of pictures of several sizes, widgets as lists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_cast_sheet, "model_folders", lambda kind: [])
        patch.setattr(CastSheet, "hidden", SimpleNamespace(prompt=GRAPH, unique_id="9"))
        return CastSheet.execute(
            takes={"take0": [hopper, torch.zeros(1, 1024, 1024, 4)], "take1": [hopper.clone()]},
            labels=[""],
            seeds=[5, 6],
            prompt=["a portrait"],
            region=["eyes"],
            corridor=["shipped"],
        )


def test_a_cast_a_sheet_a_report_and_all_of_it_as_json(made):
    cast, sheet, report, text = made.args
    assert isinstance(cast, Cast)
    assert (cast.region, cast.prompt, cast.report) == ("eyes", "a portrait", report)
    assert cast.corridor.startswith("shipped")
    assert sheet.shape[0] == 1
    assert sheet.shape[-1] == 3
    assert made.ui == {"loupe_report": [report]}
    told = json.loads(text)
    assert [one["sha256"] for one in told["takes"]] == [take.sha256 for take in cast.takes]
    assert told["corridor"] == cast.corridor


def test_models_are_named_by_the_graph_and_rejections_by_their_reason(made):
    takes = made.args[0].takes
    assert [take.model for take in takes] == ["Recraft V4", "Recraft V4", "realX"]
    assert takes[1].rejected.startswith("blank")
    assert takes[2].rejected == "duplicate of 1"
    assert takes[0].rejected is None
    assert "3 takes = 2 Recraft V4 + 1 realX; locked: 0" in made.args[2]


def test_a_provider_has_no_seed_and_a_sampler_its_own(made):
    assert [take.seed for take in made.args[0].takes] == [None, None, 12]


def test_a_face_too_small_to_measure_is_offered_and_not_ranked(made):
    """Hopper's face is 230 px tall."""
    take = made.args[0].takes[0]
    assert take.face is not None
    assert take.rank is None
    assert take.evidence.gate is not None
    assert "not ranked: the face is 2" in made.args[2]


def test_a_label_belongs_to_the_socket_of_its_number():
    result = CastSheet.execute(
        takes={"take0": [], "take1": [torch.zeros(1, 8, 8, 3)], "take2": [torch.ones(1, 8, 8, 3)]},
        labels=["first\nsecond"],
        region=["eyes"],
        corridor=["shipped"],
    )
    assert [take.model for take in result.args[0].takes] == ["second", "model 2"]


def test_nothing_linked_is_said():
    with pytest.raises(ValueError, match="takes holds no picture"):
        CastSheet.execute(takes={}, region=["eyes"], corridor=["shipped"])


def test_a_corridor_that_is_not_there_is_named_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(node_cast_sheet, "model_folders", lambda kind: [tmp_path / kind])
    assert CastSheet.validate_inputs(corridor="shipped") is True
    assert CastSheet.validate_inputs() is True
    assert (
        CastSheet.validate_inputs(corridor=["shipped"], takes={"take0": None}) is True
    )  # as ComfyUI asks
    refusal = CastSheet.validate_inputs(corridor="mine")
    assert "'mine'" in refusal
    assert "models/loupe_corridors" in refusal
    before = CastSheet.fingerprint_inputs()
    (tmp_path / "loupe_corridors").mkdir()
    (tmp_path / "loupe_corridors" / "mine.json").write_text("{}")
    assert CastSheet.fingerprint_inputs() != before
    assert CastSheet.validate_inputs(corridor="mine") is True


def test_the_inputs_are_what_saved_workflows_hold():
    schema = CastSheet.define_schema()
    inputs = {one.id: one for one in schema.inputs}
    assert list(inputs) == ["takes", "labels", "seeds", "prompt", "region", "identity", "corridor"]
    assert list(inputs["region"].options) == list(PLATE_REGIONS)
    assert schema.is_input_list
    assert not schema.is_output_node
    assert inputs["seeds"].force_input
    assert inputs["seeds"].optional
