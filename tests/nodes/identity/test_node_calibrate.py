import inspect
from types import SimpleNamespace

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.identity.calibration.weights import EXAMPLE
from portrait_loupe.nodes.identity.node_calibrate import IdentityCalibrate
from portrait_loupe.nodes.identity.node_calibration_curve import CalibrationCurve

LINKED = ("model", "adapter", "identity", "positive", "negative", "vae", "latent", "plan", "faces", "clip_vision", "eva_clip")  # fmt: skip


@pytest.fixture(scope="module")
def inputs():
    return {each.id: each for each in IdentityCalibrate.define_schema().inputs}


def given(inputs, **other):
    widgets = {name: each.default for name, each in inputs.items() if hasattr(each, "default")}
    links = {name: [name, 0] for name in LINKED if not inputs[name].optional}
    return {**links, **widgets, **other}


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI has samplers")
def test_without_comfyui_it_says_in_a_line_that_only_comfyui_can_run_it(inputs):
    with pytest.raises(
        RuntimeError, match="graph of samplers, which only ComfyUI can run: run it there"
    ) as told:
        IdentityCalibrate.execute(**given(inputs))  # fmt: skip
    assert "\n" not in str(told.value)


def test_bad_weights_are_named_first(inputs):
    with pytest.raises(ValueError, match="3 or more different"):
        IdentityCalibrate.execute(**given(inputs, weights="0, 1"))


@pytest.mark.skipif(not host.IN_COMFYUI, reason="the stand-in host expands nothing")
def test_in_comfyui_it_expands_into_a_graph_whose_last_node_gives_its_outputs(inputs, monkeypatch):
    monkeypatch.setattr(IdentityCalibrate, "hidden", SimpleNamespace(unique_id="12"))
    result = IdentityCalibrate.execute(**given(inputs, weights="0, 0.5, 1", seeds=2, first_seed=5))
    kinds = [node["class_type"] for node in result.expand.values()]
    assert kinds.count("KSampler") == kinds.count("VAEDecode") == 6
    assert all(key.startswith("12.calibrate.") for key in result.expand)
    seeds = {node["inputs"]["seed"] for node in result.expand.values() if node["class_type"] == "KSampler"}  # fmt: skip
    assert seeds == {5, 6}
    (curve,) = (key for key, node in result.expand.items() if node["class_type"] == "LoupeCalibrationCurve")  # fmt: skip
    assert [list(link) for link in result.args] == [[curve, number] for number in range(6)]


def test_models_and_pictures_come_as_links_and_everything_else_as_values(inputs):
    raw = {name for name, each in inputs.items() if getattr(each, "raw_link", None) or getattr(each, "rawLink", None)}  # fmt: skip
    assert raw == set(LINKED)


def test_it_gives_what_the_curve_gives(inputs):
    own, other = (node.define_schema().outputs for node in (IdentityCalibrate, CalibrationCurve))
    assert [(one.display_name or one.id, one.get_io_type()) for one in own] == [(one.display_name or one.id, one.get_io_type()) for one in other]  # fmt: skip


def test_it_is_called_what_saved_workflows_call_it(inputs):
    schema = IdentityCalibrate.define_schema()
    assert schema.node_id == "LoupeIdentityCalibrate"
    assert schema.enable_expand
    assert list(inputs) == [
        "model", "adapter", "identity", "positive", "negative", "vae", "latent", "weights", "seeds", "first_seed", "steps",
        "cfg", "sampler_name", "scheduler", "denoise", "prominence", "start", "end", "curve", "lora_weight", "plan", "faces",
        "clip_vision", "eva_clip", "encoder", "backend",
    ]  # fmt: skip
    assert [each.id for each in schema.inputs if each.optional] == ["plan", "faces", "clip_vision", "eva_clip"]  # fmt: skip
    assert [each.display_name or each.id for each in schema.outputs] == ["identity", "weight", "plot", "grid", "report", "json"]  # fmt: skip
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
    defaults = {name: one.default for name, one in inspect.signature(IdentityCalibrate.execute).parameters.items() if one.default is not one.empty}  # fmt: skip
    assert defaults == {"weights": EXAMPLE, "seeds": 3, "first_seed": 0}
    assert {name: inputs[name].default for name in defaults} == defaults
