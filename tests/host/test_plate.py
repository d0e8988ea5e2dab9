"""Compare and Save Plate in a real ComfyUI: names from files, files on its disk, and the way back."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from portrait_loupe.nodes.comparison.rebuild import rebuild
from portrait_loupe.nodes.host.runner import place

MADE_BY = {
    "1": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "realvis_v5.safetensors"},
    },
    "2": {"class_type": "KSampler", "inputs": {"seed": 77, "model": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
}


@pytest.fixture
def takes(portraits):
    """Two portraits, the first with the graph that made it."""
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", json.dumps(MADE_BY))
    with Image.open(portraits / "portrait_a.png") as picture:
        pixels = picture.convert("RGB")
    pixels.save(portraits / "portrait_a.png", pnginfo=text)
    return portraits


def graph(**compare):
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "portrait_a.png"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "portrait_b.png"}},
        "3": {"class_type": "LoupeComparePanel", "inputs": {"image": ["1", 0], "label": ""}},
        "4": {
            "class_type": "LoupeCompare",
            "inputs": {
                "panels.panel0": ["3", 0], "panels.panel1": ["2", 0], "region": "eyes", "plate": "free", "width": 800,
                "height": 700, "title": "", "labels": "", **compare,
            },
        },
        "5": {
            "class_type": "LoupeSavePlate",
            "inputs": {
                "image": ["4", 0], "manifest": ["4", 5], "filename_prefix": "plates/%width%/plate", "format": "PNG 8-bit",
                "quality": 95, "share_clean": False,
            },
        },
        "6": {"class_type": "PreviewAny", "inputs": {"source": ["4", 5]}},
        "7": {"class_type": "PreviewAny", "inputs": {"source": ["4", 2]}},
    }  # fmt: skip


def run(host, prompt, takes, output):
    files = {"1": takes / "portrait_a.png", "2": takes / "portrait_b.png"}
    place(prompt, {key: path for key, path in files.items() if key in prompt}, host.server)
    return host.server.run(prompt, output)


def test_a_panel_is_named_after_the_model_in_its_file(host, takes, tmp_path):
    made = run(host, graph(), takes, tmp_path / "out")
    report = made.nodes["7"].ui["text"][0]
    assert "realvis_v5: " in report
    told = json.loads(made.nodes["6"].ui["text"][0])
    assert told["sources"][0]["caption"]["seed"] == 77
    assert told["sources"][0]["caption"]["file"].endswith(".png")


def test_a_plate_of_comfyui_is_drawn_again_without_it(host, takes, tmp_path):
    prompt = graph(roll="level", show_figures=True)
    prompt["5"]["inputs"]["filename_prefix"] = "again/%width%/plate"
    made = run(host, prompt, takes, tmp_path / "out")
    manifest = made.nodes["6"].ui["text"][0]
    again = rebuild(manifest, [takes])
    (saved,) = (host.started.base / "output" / "again" / "800").glob("plate_*_.png")
    with Image.open(saved) as picture:
        there = np.asarray(picture)
        assert {"prompt", "loupe.compare"} <= set(picture.text)
        assert json.loads(picture.text["loupe.compare"]) == json.loads(manifest)
    if json.loads(manifest)["software"]["pillow"] == again_software()["pillow"]:
        assert again.same
    # another Pillow may draw letters otherwise; the panels are ours
    ours = (again.picture[0] * 255).round().byte().numpy()
    layout = json.loads(manifest)["design"]["slides"][0]["layout"]
    for x, y in layout["origins"]:
        w, h = layout["panel"]
        part = (slice(y, y + h), slice(x, x + w))
        assert np.abs(there[part].astype(int) - ours[part]).max() <= 1


def again_software():
    from portrait_loupe.nodes.comparison.manifest import software

    return software()


@pytest.mark.parametrize("prefix", ["../out", "/tmp/out", "a/../../out", "a\0b"])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(host, takes, tmp_path, prefix):
    prompt = graph()
    prompt["5"]["inputs"]["filename_prefix"] = prefix
    before = {path for path in Path(host.started.base).rglob("*") if path.is_file()}
    with pytest.raises(Exception, match="filename_prefix"):
        run(host, prompt, takes, tmp_path / "out")
    after = {path for path in Path(host.started.base).rglob("*") if path.suffix == ".png"}
    assert not {
        path for path in after - before if "input" not in path.parts and "temp" not in path.parts
    }
