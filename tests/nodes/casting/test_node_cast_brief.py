"""Cast Brief, as ComfyUI sees it."""

import json

import pytest

from portrait_loupe.nodes.casting import node_cast_brief
from portrait_loupe.nodes.casting.node_cast_brief import CastBrief
from portrait_loupe.nodes.casting.routing import NEEDS


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(node_cast_brief, "model_folders", lambda kind: [tmp_path / kind])
    return tmp_path / "loupe_routing"


def test_the_outputs_are_what_a_generator_is_linked_to():
    result = CastBrief.execute("Marta, 48", "plastic", takes=3, base_seed=9, aspect="9:16")
    prompt, negative, seeds, width, height, takes, report = result.args
    assert (prompt, negative, seeds, width, height, takes) == ("Marta, 48", "plastic", [9, 10, 11], 768, 1344, 3)  # fmt: skip
    assert result.ui == {"loupe_report": [report]}
    told = {
        output.id or output.display_name: output for output in CastBrief.define_schema().outputs
    }
    assert list(told) == ["prompt", "negative", "seeds", "width", "height", "takes", "report"]
    assert [name for name, output in told.items() if output.is_output_list] == ["seeds"]


def test_the_widgets_are_what_saved_workflows_hold():
    inputs = {one.id: one for one in CastBrief.define_schema().inputs}
    assert list(inputs) == [
        "prompt", "negative", "takes", "base_seed", "aspect", "megapixels", "multiple_of", "need",
    ]  # fmt: skip
    assert tuple(inputs["need"].options) == NEEDS
    assert (inputs["takes"].default, inputs["takes"].min, inputs["takes"].max) == (4, 1, 16)
    given = {name: one.default for name, one in inputs.items() if one.default is not None}
    assert len(CastBrief.execute(**{**given, "prompt": "x"}).args[2]) == 4


def test_a_users_hints_are_read_and_a_change_runs_the_node_again(models):
    before = CastBrief.fingerprint_inputs(prompt="x")
    models.mkdir()
    hint = {"model": "my own", "reason": "pores on my portraits"}
    (models / "mine.json").write_text(json.dumps({"needs": {"skin texture": [hint]}}))
    assert CastBrief.fingerprint_inputs(prompt="x") != before
    report = CastBrief.execute("x", need="skin texture").args[-1]
    assert "1. my own: pores on my portraits (mine.json)" in report


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="prompt must say"):
        CastBrief.execute("")
