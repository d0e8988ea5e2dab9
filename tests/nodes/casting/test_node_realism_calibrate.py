import json

import pytest
import torch

from portrait_loupe.nodes import host
from portrait_loupe.nodes.casting import node_realism_calibrate
from portrait_loupe.nodes.casting.node_realism_calibrate import RealismCalibrate
from portrait_loupe.nodes.casting.realism import calibrate as calibrating
from portrait_loupe.nodes.casting.realism import list_corridors, load_corridor
from portrait_loupe.nodes.casting.realism.calibrate import Seen
from portrait_loupe.nodes.casting.realism.figures import SCORED


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "loupe_corridors"
    monkeypatch.setattr(
        node_realism_calibrate, "model_folders", lambda kind: [folder.parent / kind]
    )
    return folder


@pytest.fixture
def told(monkeypatch):
    """Figures are read off the picture's first pixel: no photos of thirteen people lie in the repository."""

    def look_at(picture, folders=None, sha="", progress=None):
        value = float(picture[0, 0, 0, 0])
        torch.manual_seed(round(value * 1000))
        figures = dict(zip(SCORED, torch.randn(len(SCORED)).tolist(), strict=True))
        return Seen({**figures, "face_px": 500.0, "ita_deg": 100 * value}, None, sha, "by hand")

    monkeypatch.setattr(calibrating, "look_at", look_at)


def photos(count):
    return [torch.full((1, 8, 8, 3), (number + 1) / 64) for number in range(count)]


def test_photos_become_a_corridor_that_cast_sheet_can_take(models, told):
    group = {
        "photo0": photos(10),
        "photo10": photos(14)[12:],
        "photo2": [torch.cat(photos(12)[10:])],
    }
    result = RealismCalibrate.execute([group], ["my own"], ["keep both"])
    name, plot, report, text = result.args
    assert name == "my own"
    corridor = load_corridor(name, [models])
    assert corridor.n == 14
    assert json.loads(json.dumps(corridor.as_json())) == json.loads(text)
    assert corridor.sources[0].pictures == 14
    assert list_corridors([models]) == ["shipped", "my own"]
    assert plot.ndim == 4
    assert report.startswith("Saved as loupe_corridors/my own.json.\nCorridor my own ")
    assert "a rough one" in report
    assert result.ui == {"loupe_report": [report]}


def test_a_second_one_gets_a_number_and_a_name_to_take_it_by(models, told):
    group = {"photo0": photos(13)}
    RealismCalibrate.execute([group], ["x"])
    name = RealismCalibrate.execute([{"photo0": photos(14)}], ["x"]).args[0]
    assert name == "x_2"
    assert load_corridor(name, [models]).n == 14
    assert load_corridor("x", [models]).n == 13
    assert RealismCalibrate.execute([group], ["x_2"], ["replace"]).args[0] == "x_2"
    assert load_corridor("x_2", [models]).n == 13


def test_too_few_photos_and_a_bad_name_save_nothing(models, hopper):
    with pytest.raises(ValueError, match="at least 12 faces"):
        RealismCalibrate.execute([{"photo0": [hopper]}], ["x"])
    with pytest.raises(ValueError, match="name must be a bare file name"):
        RealismCalibrate.execute([{"photo0": [hopper]}], ["../x"])
    with pytest.raises(ValueError, match="there are 0"):
        RealismCalibrate.execute([{}])
    assert not models.exists()


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI always names a models folder")
def test_where_no_models_folder_is_named_it_lies_with_the_results(told, tmp_path, monkeypatch):
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    with host.saving_into(tmp_path):
        RealismCalibrate.execute([{"photo0": photos(12)}], ["x"])
    assert (tmp_path / "loupe_corridors" / "x.json").is_file()


def test_it_is_called_what_saved_workflows_call_it():
    schema = RealismCalibrate.define_schema()
    assert schema.node_id == "LoupeRealismCalibrate"
    assert schema.is_output_node
    assert schema.is_input_list
    inputs = {each.id: each for each in schema.inputs}
    assert list(inputs) == ["photos", "name", "existing"]
    assert inputs["name"].default == "my corridor"
    assert list(inputs["existing"].options) == ["keep both", "replace"]
    outputs = [each.display_name or each.id for each in schema.outputs]
    assert outputs == ["corridor", "plot", "report", "json"]
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
