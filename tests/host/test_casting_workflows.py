"""The workflows that cast, in a real ComfyUI: each model is asked once, and never again for a locked take."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_loupe.nodes.casting.png import read_png16
from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.runner import read_workflow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def name(request):
    """A cast of this test's own."""
    return "".join(letter for letter in request.node.name if letter.isalnum())[:60]


def shipped(server, name):
    return read_workflow(ROOT / f"workflows/{name}.json").prompt(server)


def only(prompt, kind):
    """The id of the one node of a type."""
    (found,) = [key for key, one in prompt.items() if one["class_type"] == kind]
    return found


def crop_of(outcome, prompt):
    """The close-up that the preview behind the lock shows."""
    (file,) = outcome.nodes[only(prompt, "PreviewImage")].ui["images"]
    with Image.open(file) as picture:
        return np.asarray(picture)


def test_the_casting_workflow_asks_four_models_once_and_goes_on_with_the_locked_take(studio, name):
    prompt = shipped(studio.server, "casting")
    lock = only(prompt, "LoupeCastLock")
    brief = prompt[only(prompt, "LoupeCastBrief")]["inputs"]
    brief["megapixels"] = 0.25
    prompt[only(prompt, "CheckpointLoaderSimple")] = {"class_type": "TinySDXL", "inputs": {}}
    prompt[only(prompt, "KSampler")]["inputs"]["steps"] = 1
    prompt[lock]["inputs"]["cast_name"] = name
    before = len(studio.calls)
    outcome, calls = studio.run(prompt)
    # n for those that give several, a run for each seed where they do not
    asked = [line.removesuffix(f" {brief['prompt']}") for line in studio.calls[before:]]
    assert sorted(asked) == [
        *(f"banana 1 {seed}" for seed in range(4)), "gpt 4 0", "recraft 4 0",
    ]  # fmt: skip
    assert calls == 6
    told = studio.payload(outcome, lock)
    offered = [one for one in told["takes"] if not one["rejected"]]
    assert Counter(one["model"] for one in offered) == dict.fromkeys(
        ("Recraft V4", "GPT Image", "Nano Banana Pro"), 4
    )
    assert {(one["width"], one["height"]) for one in offered} == {
        (896, 1152), (1024, 1280), (928, 1152),
    }  # fmt: skip
    # what a random model draws has no face; its takes are named after their checkpoint's loader
    rejected = [one for one in told["takes"] if one["rejected"]]
    assert len(rejected) == 4
    assert all("no face" in one["rejected"] for one in rejected)
    assert only(prompt, "SaveImage") not in outcome.nodes

    prompt[lock]["inputs"]["lock"] = studio.pick(told, 6)
    brief.update(base_seed=99, prompt="another brief altogether", takes=2)
    outcome, calls = studio.run(prompt)
    assert calls == 0
    (file,) = [path for path in outcome.files if path.name.startswith("casting")]
    sha = told["takes"][5]["sha256"]
    with Image.open(file) as picture:
        assert np.array_equal(np.asarray(picture), studio.cut(read_png16(studio.take(name, sha))))
    assert outcome.nodes[lock].outputs["label"] == "GPT Image #6"
    height, width = crop_of(outcome, prompt).shape[:2]
    assert height > 1.2 * width > 600  # 4:5 at about a megapixel


def test_its_api_nodes_are_those_that_comfyui_has(checkout, studio):
    """The stand-ins have the sockets of the real ones, as a ComfyUI that loads them tells it."""
    code = (
        "import json, sys; sys.argv = ['main.py', '--cpu']; import comfy.options; comfy.options.enable_args_parsing()\n"
        "import utils.install_util  # as main.py: before another package's utils is found\n"
        "from comfy_api_nodes import nodes_gemini, nodes_openai, nodes_recraft\n"
        "from comfy_api.v0_0_2 import io\n"
        "found = [one for module in (nodes_gemini, nodes_openai, nodes_recraft) for one in vars(module).values()]\n"
        "nodes = [one for one in found if isinstance(one, type) and issubclass(one, io.ComfyNode) and one is not io.ComfyNode]\n"
        "print('TOLD' + json.dumps({one.GET_SCHEMA().node_id: one.GET_NODE_INFO_V1() for one in nodes}))\n"
    )
    done = subprocess.run(
        [launch.python_of(checkout), "-c", code], cwd=checkout, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    real = json.loads(done.stdout.partition("TOLD")[2])
    prompt = shipped(studio.server, "casting")
    asked = {one["class_type"] for one in prompt.values()} & set(real)
    assert len(asked) == 3
    for kind in asked:
        told = studio.server.nodes[kind]
        assert told["output"] == real[kind]["output"]
        for group in ("required", "optional"):  # hidden is the account
            assert told["input"].get(group) == real[kind]["input"].get(group)


def test_the_workflow_of_files_casts_what_is_loaded(studio, name, portraits):
    prompt = shipped(studio.server, "casting_from_files")
    lock = only(prompt, "LoupeCastLock")
    prompt[lock]["inputs"]["cast_name"] = name
    photo = np.asarray(Image.open(portraits / "portrait_a.png").convert("RGB"))
    loads = [key for key, one in prompt.items() if one["class_type"] == "LoadImage"]
    assert len(loads) == 4
    for number, key in enumerate(loads[:3]):  # the fourth is the first once more
        file = portraits / f"take-{number}.png"
        Image.fromarray((photo * (1 - 0.05 * number)).astype(np.uint8)).save(file)
        prompt[key]["inputs"]["image"] = studio.server.place(file, file.name)
    prompt[loads[3]]["inputs"]["image"] = prompt[loads[0]]["inputs"]["image"]
    outcome, _ = studio.run(prompt)
    told = studio.payload(outcome, lock)
    assert [one["model"] for one in told["takes"]] == ["take-0", "take-1", "take-2", "take-0 (2)"]
    assert [bool(one["rejected"]) for one in told["takes"]] == [False] * 3 + [True]
    assert "duplicate of 1" in told["takes"][3]["rejected"]
    assert only(prompt, "SaveImage") not in outcome.nodes
    prompt[lock]["inputs"]["lock"] = studio.pick(told, 2)
    outcome, _ = studio.run(prompt)
    (file,) = [path for path in outcome.files if path.name.startswith("casting")]
    with Image.open(file) as picture:
        assert np.array_equal(np.asarray(picture), (photo * 0.95).astype(np.uint8))
    assert crop_of(outcome, prompt).shape[0] > 600
