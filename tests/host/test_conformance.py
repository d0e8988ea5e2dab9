"""The stand-in host and ComfyUI do the same with the same graph: pixels, words, refusals.

RGB and RGBA PNG is what both decode alike. ComfyUI decodes with PyAV, the stand-in with Pillow: JPEG
and others may differ by a few steps, grey PNG by one.
"""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_loupe.nodes.comparison.viewer import UI_KEY
from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host.runner import StandIn, pictures_for, place, read_workflow
from portrait_loupe.nodes.host.standin.graph import GraphError, NodeError

ROOT = Path(__file__).resolve().parents[2]
# The stand-in has no diffusion models; workflows with one run in test_injection.py and test_references.py
SHIPPED = [
    path
    for path in sorted(ROOT.glob("workflows/*.json"))
    # those that need models, and one whose takes wait for a choice: test_casting_workflows.py
    if not {"KSampler", "UpscaleModelLoader", "LoupeCastLock"}
    & set(path.read_text("utf-8").split('"'))
]
OURS = {node.define_schema().node_id: node for node in NODES}


@pytest.fixture(scope="module")
def standin():
    return StandIn(OURS)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_workflow_gives_the_same_pixels_and_words(
    host, standin, path, portraits, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOUPE_MODELS", str(host.started.base / "models"))
    made = []
    for name, one in (("standin", standin), ("comfyui", host.server)):
        workflow = read_workflow(path)
        prompt = workflow.prompt(one)
        files = [portraits / prompt[node]["inputs"]["image"] for node in load_nodes(prompt)]
        place(prompt, pictures_for(prompt, files, one, path), one)
        made.append(one.run(prompt, tmp_path / name, workflow=workflow.saved))
    ours, theirs = made
    assert ours.nodes.keys() == theirs.nodes.keys()
    for node_id, node in ours.nodes.items():
        assert node.title == theirs.nodes[node_id].title
        assert alike(node.outputs) == alike(theirs.nodes[node_id].outputs)
        if "images" not in node.ui:
            # the viewer's files lie in ComfyUI's temporary folder; the stand-in has none
            shown = {k: v for k, v in theirs.nodes[node_id].ui.items() if k != UI_KEY}
            assert alike(node.ui) == alike(shown)
    # nodes that do not wait for each other run in an order of the host's own
    mine, others = (sorted(one.files, key=kind) for one in made)
    assert [kind(file) for file in mine] == [kind(file) for file in others]
    assert mine
    for one, other in zip(mine, others, strict=True):
        assert np.array_equal(pixels(one), pixels(other))
        if "preview" not in one.name:
            assert graph_in(one) == graph_in(other)


def alike(told):
    """Without numbers that count on from run to run, and which programs of which version ran."""
    text = re.sub(r"_\d{5}_", "_", json.dumps(told))
    text = text.replace("Already saved as", "Saved as")  # by another test, in the same host
    told = json.loads(text)
    if isinstance(told, dict) and "manifest" in told:
        manifest = json.loads(told["manifest"])
        del manifest["software"]
        for source in manifest["sources"]:
            source["caption"].pop("file", None)  # uploads are renamed where there is another file
        told["manifest"] = manifest
    return told


def prefix(file: Path) -> str:
    """The name without its number, which counts on from run to run."""
    return file.name.rsplit("_", 2)[0]


def kind(file: Path) -> tuple[str, tuple[int, ...]]:
    return prefix(file), pixels(file).shape


def load_nodes(prompt):
    return sorted((key for key in prompt if prompt[key]["class_type"] == "LoadImage"), key=int)


def graph_in(path: Path):
    """The workflow that a saved picture carries: dropped into ComfyUI it opens again."""
    with Image.open(path) as picture:
        return json.loads(picture.text["workflow"])


def test_the_pixels_could_differ(host, standin, portraits, tmp_path):
    """The comparison above sees a change of one step in one of them."""
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "portrait_a.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    source = pixels(portraits / "portrait_a.png").copy()
    source[0, 0, 0] ^= 1
    Image.fromarray(source).save(portraits / "portrait_b.png")
    files = []
    for one, name in ((standin, "portrait_a.png"), (host.server, "portrait_b.png")):
        asked = copy.deepcopy(prompt)
        place(asked, {"1": portraits / name}, one)
        files += one.run(asked, tmp_path / one.label.split()[0]).files
    assert np.count_nonzero(pixels(files[0]) != pixels(files[1])) == 1


KINDS = {
    "RGB": lambda rgb, alpha: Image.fromarray(rgb),
    "RGBA": lambda rgb, alpha: Image.fromarray(np.dstack([rgb, alpha])),
    "grey": lambda rgb, alpha: Image.fromarray(rgb[..., 1]),
    "grey and alpha": lambda rgb, alpha: Image.merge(
        "LA", [Image.fromarray(rgb[..., 1]), Image.fromarray(alpha)]
    ),
    "palette": lambda rgb, alpha: Image.fromarray(rgb).quantize(64),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_png_is_read_alike_with_its_mask(host, standin, tmp_path, astronaut, kind):
    """Saved again, and its mask used to find the face: the overlay shows where."""
    rgb = (astronaut[0].numpy() * 255).round().astype(np.uint8)
    height, width = rgb.shape[:2]
    alpha = np.full((height, width), 255, np.uint8)
    alpha[70:220, 160:290] = 0  # transparent over the face: the mask is 1 there
    KINDS[kind](rgb, alpha).save(tmp_path / "picture.png")
    find = {"image": ["1", 0], "mask": ["1", 1], "backend": "auto", "eyes": ""}
    if "A" not in kind and "alpha" not in kind:
        del find["mask"]
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": ""}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
        "3": {"class_type": "LoupeFindFaces", "inputs": find},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 2], "filename_prefix": "found"}},
    }  # fmt: skip
    made = []
    for one in (standin, host.server):
        asked = copy.deepcopy(prompt)
        place(asked, {"1": tmp_path / "picture.png"}, one)
        made.append(one.run(asked, tmp_path / one.label.split()[0]))
    files = [{prefix(file): pixels(file) for file in outcome.files} for outcome in made]
    assert files[0].keys() == files[1].keys() == {"copy", "found"}
    steps = np.abs(files[0]["copy"].astype(int) - files[1]["copy"])
    assert steps.max() <= ("grey" in kind)  # grey is rounded to the other side
    if "grey" not in kind:
        assert np.array_equal(files[0]["found"], files[1]["found"])
        assert made[0].nodes["3"].outputs == made[1].nodes["3"].outputs


# --- what is accepted and what is refused ------------------------------------------------------------

GOOD = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "portrait_a.png"}},
    "2": {
        "class_type": "LoupeFindFaces",
        "inputs": {"image": ["1", 0], "backend": "auto", "eyes": "222,192 307,188"},
    },
    "3": {
        "class_type": "LoupeLens",
        "inputs": {"image": ["1", 0], "character": "soft focus 90 mm f/2.2", "level": -0.5, "format_mm": 36.0},
    },
    "4": {
        "class_type": "LoupeCompare",
        "inputs": {
            "panels.panel0": ["1", 0], "panels.panel1": ["3", 0], "faces": ["2", 0], "region": "eyes",
            "plate": "free", "width": 512, "height": 512, "title": "", "labels": "",
        },
    },
    "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "x"}},
    "6": {"class_type": "PreviewAny", "inputs": {"source": ["2", 3]}},
}  # fmt: skip
GONE = object()

# (node, input, value): as it is found in graphs that were written by hand or by other programs
CHANGES = {
    "nothing": ("3", "level", -0.5),
    "at the lower end": ("3", "level", -1),
    "at the upper end": ("3", "level", 0),
    "below the range": ("3", "level", -1.01),
    "above the range": ("3", "level", 0.01),
    "above the range of a whole number": ("4", "width", 100000),
    "below the range of a whole number": ("4", "width", 1),
    "a number as text": ("3", "level", "-0.5"),
    "a whole number as text": ("4", "width", "512"),
    "a fraction for a whole number": ("4", "width", 512.7),
    "words for a number": ("3", "level", "much"),
    "nothing for a number": ("3", "level", None),
    "true for a number": ("4", "width", True),
    "a list for a number": ("3", "level", [1, 2, 3]),
    "a wrapped list for a number": ("3", "level", {"__value__": [1]}),
    "an object for a number": ("3", "level", {"a": 1}),
    "a number for text": ("4", "title", 7),
    "nothing for text": ("4", "title", None),
    "an unknown option": ("4", "region", "ear"),
    "an option in capitals": ("4", "region", "Eyes"),
    "a number for an option": ("4", "region", 1),
    "nothing for an option": ("4", "region", None),
    "an option missing": ("4", "region", GONE),
    "a number missing": ("3", "level", GONE),
    "text missing": ("2", "eyes", GONE),
    "a picture missing": ("3", "image", GONE),
    "an optional input missing": ("4", "faces", GONE),
    "the first of many missing": ("4", "panels.panel0", GONE),
    "a later one of many missing": ("4", "panels.panel1", GONE),
    "one too many": ("4", "panels.panel16", ["1", 0]),
    "a picture for faces": ("4", "faces", ["1", 0]),
    "text for a picture": ("3", "image", ["2", 3]),
    "text linked to text": ("4", "title", ["2", 3]),
    "a mask for one of many": ("4", "panels.panel1", ["1", 1]),
    "a link to nowhere": ("3", "image", ["99", 0]),
    "a link to an output that is not there": ("3", "image", ["1", 7]),
    "a link to output minus one": ("3", "image", ["1", -1]),
    "a link with a fraction": ("3", "image", ["1", 0.5]),
    "a circle": ("3", "image", ["4", 0]),
    "an input that the node does not have": ("3", "turbo", 1),
    "a file that is not there": ("1", "image", "nowhere.png"),
}  # fmt: skip


def accepts(one, prompt, output) -> bool:
    try:
        one.run(prompt, output)
    except GraphError:
        return False
    except RuntimeError:  # it was taken, and a node failed
        return True
    return True


@pytest.mark.parametrize("change", CHANGES)
def test_both_accept_or_both_refuse(host, standin, portraits, tmp_path, change):
    node, name, value = CHANGES[change]
    said = []
    for one in (standin, host.server):
        prompt = copy.deepcopy(GOOD)
        place(prompt, {"1": portraits / "portrait_a.png"}, one)
        if value is GONE:
            del prompt[node]["inputs"][name]
        else:
            prompt[node]["inputs"][name] = value
        said.append(accepts(one, prompt, tmp_path / one.label.split()[0]))
    assert said[0] == said[1], f"stand-in accepts: {said[0]}, ComfyUI: {said[1]}"


def test_a_value_where_only_a_link_can_be_is_refused_before_anything_runs(
    host, standin, portraits, tmp_path
):
    """ComfyUI takes it, and the node fails when its turn comes: here the stand-in is stricter."""
    for one, error in ((standin, GraphError), (host.server, NodeError)):
        prompt = copy.deepcopy(GOOD)
        place(prompt, {"1": portraits / "portrait_a.png"}, one)
        prompt["3"]["inputs"]["image"] = "portrait_a.png"
        with pytest.raises(error):
            one.run(prompt, tmp_path)


GRAPHS = {
    "empty": {},
    "no output node": {"1": GOOD["1"]},
    "an unknown node": {**GOOD, "7": {"class_type": "Nobody", "inputs": {}}},
    "no class_type": {**GOOD, "7": {"inputs": {}}},
}


@pytest.mark.parametrize("name", GRAPHS)
def test_both_refuse_a_graph_that_cannot_run(host, standin, tmp_path, name):
    for one in (standin, host.server):
        with pytest.raises(GraphError):
            one.run(GRAPHS[name], tmp_path)


def test_a_node_that_nothing_needs_keeps_neither_from_running(host, standin, portraits, tmp_path):
    for one in (standin, host.server):
        prompt = copy.deepcopy(GOOD)
        place(prompt, {"1": portraits / "portrait_a.png"}, one)
        prompt["9"] = {"class_type": "LoupeLens", "inputs": {"level": 99}}
        assert one.run(prompt, tmp_path / one.label.split()[0]).files


def test_a_refusal_by_a_node_reads_alike(host, standin, tmp_path):
    """The node's own words, whoever ran it."""
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey.png")
    words = []
    for one in (standin, host.server):
        prompt = {key: copy.deepcopy(GOOD[key]) for key in "126"}
        prompt["2"]["inputs"]["eyes"] = "1,2"
        place(prompt, {"1": tmp_path / "grey.png"}, one)
        with pytest.raises(RuntimeError) as refused:
            one.run(prompt, tmp_path)
        words.append(str(refused.value))
    assert words[0] == words[1]
