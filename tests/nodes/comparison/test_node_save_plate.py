"""Save Plate as a host runs it: the stand-in, or ComfyUI's own classes where they are on the path."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes import host
from portrait_loupe.nodes.comparison.node_save_plate import SavePlate
from portrait_loupe.nodes.host import runner, saving_into

PROMPT = {"3": {"class_type": "LoupeSavePlate", "inputs": {"text": "na\u00efve"}}}
WORKFLOW = {"nodes": [{"id": 3}], "links": []}
SETTINGS = {"filename_prefix": "loupe/plate", "format": "PNG 8-bit", "quality": 95, "share_clean": False}  # fmt: skip
STANDIN = pytest.mark.skipif(host.IN_COMFYUI, reason="the door is open on ComfyUI")
COMFYUI = pytest.mark.skipif(not host.IN_COMFYUI, reason="no ComfyUI on the path")


@pytest.fixture
def output(tmp_path, monkeypatch):
    """The host's output folder."""
    if host.IN_COMFYUI:
        import folder_paths

        monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    else:
        monkeypatch.setenv("LOUPE_OUTPUT", str(tmp_path))
    return tmp_path


def run(image, *, prompt=PROMPT, workflow=WORKFLOW, **settings):
    """Run the node knowing its graph, as its host makes it know."""
    hidden = {"PROMPT": prompt, "EXTRA_PNGINFO": {"workflow": workflow} if workflow else None}
    if host.IN_COMFYUI:
        SavePlate.GET_SCHEMA()
        node = SavePlate.PREPARE_CLASS_CLONE({"hidden_inputs": hidden})
    else:
        from portrait_loupe.nodes.host.standin.graph import _knowing

        asked = SavePlate.define_schema().hidden
        node = _knowing(SavePlate, asked, {"UNIQUE_ID": "3", **hidden})
    return node.execute(image, **{**SETTINGS, **settings})


def test_the_picture_goes_through_and_its_file_is_told(output):
    image = torch.rand(1, 5, 7, 3)
    made = run(image)
    assert made.args[0] is image
    assert made.args[1] == "loupe/plate_00001_.png"
    with Image.open(output / made.args[1]) as picture:
        assert picture.size == (7, 5)
        assert json.loads(picture.text["prompt"]) == PROMPT
        assert json.loads(picture.text["workflow"]) == WORKFLOW
    assert set(made.ui) == {"images"}


def test_the_browser_is_shown_what_was_saved(output):
    single, slides = run(torch.rand(1, 4, 4, 3)), run(torch.rand(2, 4, 4, 3), filename_prefix="set")
    if host.IN_COMFYUI:
        assert single.ui["images"] == [{"filename": "plate_00001_.png", "subfolder": "loupe", "type": "output"}]  # fmt: skip
        assert slides.ui["images"][1] == {"filename": "01.png", "subfolder": "set_00001_", "type": "output"}  # fmt: skip
    else:
        assert single.ui["images"] == [{"path": str(output / "loupe" / "plate_00001_.png")}]
        assert slides.ui["images"][1] == {"path": str(output / "set_00001_" / "01.png")}


def test_the_number_goes_on_from_the_highest(output):
    (output / "loupe").mkdir()
    (output / "loupe" / "plate_00041_.jpg").write_text("old")
    assert run(torch.rand(1, 4, 4, 3)).args[1] == "loupe/plate_00042_.png"


def test_the_hosts_tokens_are_filled_in(output):
    made = run(torch.rand(1, 4, 6, 3), filename_prefix="%year%/%width%x%height%_%batch_num%")
    year, name = made.args[1].split("/")
    assert len(year) == 4
    assert year.isdigit()
    assert name == "6x4_0_00001_.png"


def test_a_shared_file_knows_no_graph(output):
    run(torch.rand(1, 4, 4, 3), share_clean=True, manifest='{"kernel": "area", "seed": 4711}')
    with Image.open(output / "loupe" / "plate_00001_.png") as picture:
        assert set(picture.text) == {"loupe.compare"}
    assert "4711" not in (output / "loupe" / "plate_00001_.json").read_text("utf-8")


def test_the_node_called_by_hand_saves_pixels_and_manifest(output):
    assert SavePlate.hidden is None
    made = SavePlate.execute(torch.rand(1, 4, 4, 3), manifest='{"a": 1}', **SETTINGS)
    with Image.open(output / made.args[1].split("\n")[0]) as picture:
        assert set(picture.text) == {"loupe.compare"}


def test_what_the_format_cannot_hold_stands_in_the_log(output, caplog):
    run(torch.rand(1, 4, 4, 3), format="JPEG 4:4:4")
    assert caplog.messages == []
    run(torch.zeros(1, 4, 4, 4), format="JPEG 4:4:4")
    (message,) = caplog.messages
    assert message.startswith("Save Plate: a JPEG holds no transparency")


def test_the_switch_against_metadata_is_honoured(output, monkeypatch, caplog):
    if host.IN_COMFYUI:
        from comfy.cli_args import args

        monkeypatch.setattr(args, "disable_metadata", True)
        assert not host.wants_metadata()
    else:
        module = __import__(SavePlate.__module__, fromlist=["wants_metadata"])
        monkeypatch.setattr(module, "wants_metadata", lambda: False)
    run(torch.rand(1, 4, 4, 3), manifest='{"a": 1}')
    with Image.open(output / "loupe" / "plate_00001_.png") as picture:
        assert picture.text == {}
    assert "--disable-metadata" in caplog.text
    assert len(list((output / "loupe").iterdir())) == 1


def test_it_is_an_output_node_that_asks_for_its_graph():
    schema = SavePlate.define_schema()
    assert schema.is_output_node
    assert [one.value for one in schema.hidden] == ["PROMPT", "EXTRA_PNGINFO"]
    assert [one.id for one in schema.inputs if one.optional] == ["manifest", "sources"]


@COMFYUI
@pytest.mark.parametrize("name", ["WebP lossless", "PNG 8-bit"])
def test_the_graph_stands_where_the_hosts_own_writers_put_it(output, name):
    """Compared with ComfyUI's own PNG and WebP writers on the same graph."""
    from comfy_api.latest._ui import ImageSaveHelper

    class Told:
        hidden = type("Hidden", (), {"prompt": PROMPT, "extra_pnginfo": {"workflow": WORKFLOW}})()

    made = run(torch.rand(1, 4, 4, 3), format=name)
    with Image.open(output / made.args[1]) as picture:
        if name == "PNG 8-bit":
            theirs = ImageSaveHelper._create_png_metadata(Told).chunks
            assert [(key, f"{word}\0{text}".encode()) for word, text in picture.text.items() for key in [b"tEXt"]] == [chunk[:2] for chunk in theirs]  # fmt: skip
        else:
            theirs = ImageSaveHelper._create_webp_metadata(Image.new("RGB", (1, 1)), Told)
            assert dict(picture.getexif()) == dict(theirs)


@STANDIN
def test_without_any_output_folder_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("LOUPE_OUTPUT", raising=False)
    with pytest.raises(RuntimeError, match="set LOUPE_OUTPUT"):
        SavePlate.execute(torch.rand(1, 4, 4, 3), **SETTINGS)


@STANDIN
def test_a_run_saves_into_its_own_folder_not_into_the_usual_one(output, tmp_path):
    own = tmp_path / "run"
    with saving_into(own):
        run(torch.rand(1, 4, 4, 3))
    assert (own / "loupe" / "plate_00001_.png").is_file()
    assert not (output / "loupe").exists()
    run(torch.rand(1, 4, 4, 3))
    assert (output / "loupe" / "plate_00001_.png").is_file()


@STANDIN
def test_a_workflow_run_from_the_command_line_is_in_the_file(tmp_path):
    values = np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "in.png")
    standin = runner.StandIn({"LoupeSavePlate": SavePlate})
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": standin.place(tmp_path / "in.png", "in.png")}},
        "3": {"class_type": "LoupeSavePlate", "inputs": {"image": ["1", 0], **SETTINGS}},
    }  # fmt: skip
    outcome = standin.run(prompt, tmp_path / "out", workflow=WORKFLOW)
    (path,) = outcome.files
    assert path == tmp_path / "out" / "loupe" / "plate_00001_.png"
    assert outcome.nodes["3"].outputs["files"] == "loupe/plate_00001_.png"
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), values)
        assert json.loads(picture.text["prompt"]) == prompt
        assert json.loads(picture.text["workflow"]) == WORKFLOW
    (path,) = standin.run(prompt, tmp_path / "out").files
    with Image.open(path) as picture:
        assert set(picture.text) == {"prompt"}


def test_the_sources_lie_beside_the_plate_unless_it_is_to_be_shared(output):
    from portrait_loupe.nodes.comparison.panels import Panel
    from portrait_loupe.nodes.comparison.sources import ENDING

    panels = [Panel(torch.rand(1, 8, 8, 3), None)]
    for clean, count in ((False, 1), (True, 0)):
        saved = SavePlate.execute(
            torch.rand(1, 8, 8, 3), f"clean {clean}", "PNG 8-bit", 95, clean, '{"a": 1}', panels
        )
        files = saved.args[1].splitlines()
        assert sum(file.endswith(ENDING) for file in files) == count
        assert all((output / file).is_file() for file in files)
