import inspect

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.identity.node_reference_weight import ReferenceWeight
from portrait_loupe.nodes.identity.references.settings import Settings


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI has diffusion models")
def test_without_comfyui_it_says_in_a_line_that_only_comfyui_has_models():
    with pytest.raises(RuntimeError, match="only ComfyUI has: run the graph there") as told:
        ReferenceWeight.execute(model=None, conditioning=[])
    assert "\n" not in str(told.value)


def test_bad_settings_are_named_first():
    with pytest.raises(ValueError, match="weight must be a number from 0 to 8"):
        ReferenceWeight.execute(model=None, conditioning=[], weight=9.0)


def test_its_widgets_are_the_settings_with_their_defaults():
    schema = ReferenceWeight.define_schema()
    widgets = {each.id: each.default for each in schema.inputs if hasattr(each, "default")}
    fields = inspect.signature(Settings).parameters
    assert {name: field.default for name, field in fields.items()} == widgets


def test_it_is_called_what_saved_workflows_call_it():
    schema = ReferenceWeight.define_schema()
    assert schema.node_id == "LoupeReferenceWeight"
    assert [each.id for each in schema.inputs] == [
        "model", "conditioning", "weight", "weights", "start", "end", "fade_in", "fade_out",
        "size_invariant", "region", "plan", "reference_region", "reference_faces",
    ]  # fmt: skip
    assert [each.get_io_type() for each in schema.inputs[:2]] == ["MODEL", "CONDITIONING"]
    optional = [each.id for each in schema.inputs if each.optional]
    assert optional == ["region", "plan", "reference_region", "reference_faces"]
    assert [each.display_name or each.id for each in schema.outputs] == ["model", "report"]
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
