import inspect

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.identity.apply.settings import Settings
from portrait_loupe.nodes.identity.injection.curve import CURVES
from portrait_loupe.nodes.identity.node_apply import ApplyIdentity


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI has diffusion models")
def test_without_comfyui_it_says_in_a_line_that_only_comfyui_has_models():
    with pytest.raises(RuntimeError, match="only ComfyUI has: run the graph there") as told:
        ApplyIdentity.execute(model=None, adapter=None, identity=None)
    assert "\n" not in str(told.value)


def test_bad_settings_are_named_first():
    with pytest.raises(ValueError, match="weight must be 0 to 3"):
        ApplyIdentity.execute(model=None, adapter=None, identity=None, weight=9.0)


def test_its_widgets_are_the_settings_with_their_defaults():
    schema = ApplyIdentity.define_schema()
    widgets = {each.id: each.default for each in schema.inputs if hasattr(each, "default")}
    fields = inspect.signature(Settings).parameters
    assert {name: field.default for name, field in fields.items()} == widgets


def test_it_is_called_what_saved_workflows_call_it():
    schema = ApplyIdentity.define_schema()
    assert schema.node_id == "LoupeApplyIdentity"
    assert [each.id for each in schema.inputs] == [
        "model", "adapter", "identity", "weight", "prominence", "start", "end", "fade_in", "fade_out", "curve",
        "layers", "lora", "lora_weight", "shortcut", "noise", "mask", "plan", "faces", "clip_vision", "eva_clip", "area", "energy",
    ]  # fmt: skip
    assert [each.get_io_type() for each in schema.inputs[:3]] == [
        "MODEL", "LOUPE_IDENTITY_ADAPTER", "LOUPE_IDENTITY",
    ]  # fmt: skip
    optional = [each.id for each in schema.inputs if each.optional]
    assert optional == ["mask", "plan", "faces", "clip_vision", "eva_clip"]
    combos = {each.id: list(each.options) for each in schema.inputs if hasattr(each, "options")}
    assert combos == {
        "prominence": ["off", "follow", "compensate"],
        "curve": list(CURVES),
        "area": ["everywhere", "face"],
    }
    assert [each.display_name or each.id for each in schema.outputs] == ["model", "report", "curve"]
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
