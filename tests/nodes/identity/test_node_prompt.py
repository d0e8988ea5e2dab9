import json

import pytest

from portrait_loupe.nodes.identity.node_prompt import CloseUpPrompt
from portrait_loupe.nodes.identity.prompt.phrases import FIELDS, FROM_PRESET, NOT_SAID
from portrait_loupe.nodes.identity.prompt.read_phrases import FOLDER, shipped


@pytest.fixture
def inputs():
    return {each.id: each for each in CloseUpPrompt.define_schema().inputs}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the user's own words."""
    monkeypatch.setattr(
        "portrait_loupe.nodes.identity.node_prompt.model_folders", lambda kind: [tmp_path / kind]
    )
    (tmp_path / FOLDER).mkdir()
    return tmp_path / FOLDER


def test_its_defaults_make_one_prompt(inputs, folder):
    settings = {name: each.default for name, each in inputs.items()}
    result = CloseUpPrompt.execute(**settings)
    prompts, negatives, terms, labels, count, report = result.args
    assert len(prompts) == len(negatives) == len(terms) == len(labels) == count == 1
    assert prompts[0].startswith("A very tight close-up photograph of the face of a person")
    assert json.loads(terms[0])["shot"] == "BCU big close-up"
    assert result.ui == {"loupe_report": [report]}
    assert report.endswith("words at most.")


def test_its_choices_are_the_packs(inputs):
    phrases = shipped()
    assert inputs["preset"].options == list(phrases.presets)
    for name in FIELDS:
        ends = [] if name == "region" else [NOT_SAID]
        assert inputs[name].options == [FROM_PRESET, *phrases.fields[name].options, *ends]
        assert inputs[name].default == ("absent" if name == "background" else FROM_PRESET)


def test_sets_come_as_lists_of_one_length(folder):
    result = CloseUpPrompt.execute(
        "spectacles", subject="a man", vary_ages="25, 45, 70", vary_light="window, over",
        format="tags",
    )  # fmt: skip
    prompts, negatives, terms, labels, count, _ = result.args
    assert len(prompts) == len(negatives) == len(terms) == len(labels) == count == 6
    assert labels[-1] == "age 70, overcast"
    assert [json.loads(text)["age"] for text in terms] == [25, 25, 45, 45, 70, 70]


def test_four_outputs_are_lists():
    listed = [each.is_output_list for each in CloseUpPrompt.define_schema().outputs]
    assert listed == [True, True, True, True, False, False]


def test_own_presets_are_found_by_name_and_damage_is_told(folder):
    assert CloseUpPrompt.fingerprint_inputs() == ""
    (folder / "mine.json").write_text(
        json.dumps(
            {"presets": [{"name": "my skin", "skin_detail": "freckles", "light": "overcast"}]}
        )
    )
    (folder / "broken.json").write_text("{")
    first = CloseUpPrompt.fingerprint_inputs(preset="blank")
    prompts, *_, report = CloseUpPrompt.execute("My Skin").args
    assert "freckles" in prompts[0]
    assert "window" not in prompts[0]
    assert "Preset 'my skin'" in report
    assert f"Left out {folder / 'broken.json'}: broken.json is not JSON" in report
    (folder / "broken.json").unlink()
    assert CloseUpPrompt.fingerprint_inputs(preset="blank") != first
    assert CloseUpPrompt.define_schema().inputs[0].options[-1] == "my skin"
    assert CloseUpPrompt.validate_inputs(preset="my skin") is True
    refusal = CloseUpPrompt.validate_inputs(preset="other")
    assert refusal.startswith("preset must be one of natural window")
    assert "my skin; got 'other'" in refusal
    with pytest.raises(ValueError, match="my skin; got 'other'"):
        CloseUpPrompt.execute("other")


def test_without_a_folder_of_own_words_it_works(tmp_path, monkeypatch):
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    assert CloseUpPrompt.execute("blank").args[4] == 1


def test_every_input_has_a_tooltip_and_the_ids_are_those_that_workflows_hold(inputs):
    assert all(each.tooltip for each in inputs.values())
    assert list(inputs) == [
        "preset", "subject", "region", "age", "skin_type", "skin_detail", "make_up", "glasses", "iris", "lashes",
        "brows", "light", "palette", "lens", "background", "extra", "format", "vary_ages", "vary_skin_types",
        "vary_make_up", "vary_light", "combine",
    ]  # fmt: skip
    outputs = [each.display_name or each.id for each in CloseUpPrompt.define_schema().outputs]
    assert outputs == ["prompt", "negative", "terms", "label", "count", "report"]
