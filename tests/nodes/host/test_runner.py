"""Reading a workflow, setting its values, finding its pictures, running it on the stand-in."""

import contextlib
import copy
import json
from pathlib import Path

import pytest
import torch

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host import IN_COMFYUI, runner
from portrait_loupe.nodes.host.outcome import Refusal, Watch, free_name
from portrait_loupe.nodes.host.pictures import read_picture, save_pictures
from portrait_loupe.nodes.host.standin.graph import GraphError

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "workflows" / "extreme_close_up_comparison.json"
OURS = {node.define_schema().node_id: node for node in NODES}


@pytest.fixture
def host():
    return runner.StandIn(OURS)


@pytest.fixture
def saved():
    return json.loads(SHIPPED.read_text("utf-8"))


@pytest.fixture
def grey(tmp_path):
    """Two small grey pictures in two folders, both called the same."""
    files = []
    for folder, value in (("a", 0.25), ("b", 0.75)):
        (path,) = save_pictures(torch.full((1, 8, 8, 3), value), tmp_path / folder, "grey")
        files.append(path.rename(path.with_name("grey.png")))
    return files


COPY = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "one.png"}},
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "copy"},
        "_meta": {"title": "Keep it"},
    },
    "10": {"class_type": "LoadImage", "inputs": {"image": "two.png"}},
    "11": {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}},
}


def workflow_of(graph, tmp_path) -> runner.Workflow:
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph), "utf-8")
    return runner.read_workflow(path)


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "must be an object with nodes"),
        ("{}", "must be an object with nodes"),
        ("7", "must be an object with nodes"),
        ('{"a": 1}', "neither a list of nodes nor a class_type"),
        ('{"1": {"class_type": "SaveImage"}}', "nor a class_type"),
        ('{"nodes": [1]}', "a node has no id and type"),
        ('{"nodes": [{"id": 1, "type": 2}]}', "a node has no id and type"),
        ('{"nodes": [{"id": 1, "type": "A", "inputs": 5}]}', "not sockets"),
        ('{"nodes": [{"id": 1, "type": "A", "inputs": [{"link": 1}]}]}', "not sockets"),
        ('{"nodes": [{"id": 1, "type": "A", "inputs": [{"name": "a", "link": {}}]}]}', "not sock"),
        ('{"nodes": [{"id": 1, "type": "A", "widgets_values": 5}]}', "neither a list nor named"),
        ('{"nodes": [], "links": 5}', "links"),
        ('{"nodes": [], "links": [5]}', "links"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "broken.json"
    path.write_text(text, "utf-8")
    with pytest.raises(Refusal, match=words) as refused:
        runner.read_workflow(path)
    assert "\n" not in str(refused.value)
    assert "broken.json" in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Refusal, match=r"nowhere\.json does not exist"):
        runner.read_workflow(tmp_path / "nowhere.json")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "picture.json"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(Refusal, match="cannot be read"):
        runner.read_workflow(path)


@pytest.mark.parametrize("change", range(40))
def test_a_mangled_workflow_is_refused_or_runs_but_never_a_bare_traceback(
    saved, host, tmp_path, change
):
    """One value of the saved file after another replaced by something of another kind."""
    strange = (None, 7, "x", [], {}, [[]], -1, True)
    mangled = copy.deepcopy(saved)
    spots = [
        (node, key)
        for node in mangled["nodes"]
        for key in ("id", "type", "inputs", "widgets_values", "mode")
    ]
    node, key = spots[(change * 7) % len(spots)]
    node[key] = strange[change % len(strange)]
    with contextlib.suppress(Refusal, GraphError):
        workflow_of(mangled, tmp_path).prompt(host)


# --- values ----------------------------------------------------------------------------------------


def prompt_of(saved, host, tmp_path):
    return workflow_of(saved, tmp_path).prompt(host)


def by_type(prompt, name):
    return [node for node in prompt.values() if node["class_type"] == name]


@pytest.mark.parametrize("name", ["8", "Compare", "LoupeCompare"])
def test_a_node_is_named_by_id_title_or_type(saved, host, tmp_path, name):
    prompt = prompt_of(saved, host, tmp_path)
    runner.apply(prompt, [f"{name}.region=eyes"], host.nodes, {})
    (compare,) = by_type(prompt, "LoupeCompare")
    assert compare["inputs"]["region"] == "eyes"


def test_a_title_that_the_user_gave_counts(host, tmp_path):
    flow = workflow_of(COPY, tmp_path)
    prompt = flow.prompt(host)
    runner.apply(prompt, ["Keep it.filename_prefix=a=b.c"], host.nodes, flow.titles)
    assert prompt["2"]["inputs"]["filename_prefix"] == "a=b.c"


def test_a_type_sets_every_node_of_it(saved, host, tmp_path):
    prompt = prompt_of(saved, host, tmp_path)
    runner.apply(prompt, ["LoupeFindFaces.eyes=1,2 3,4"], host.nodes, {})
    assert [node["inputs"]["eyes"] for node in by_type(prompt, "LoupeFindFaces")] == ["1,2 3,4"] * 2


def test_a_value_takes_the_kind_of_its_widget(saved, host, tmp_path):
    prompt = prompt_of(saved, host, tmp_path)
    runner.apply(prompt, ["Lens.level=-0.5", "Compare.width=900"], host.nodes, {})
    assert by_type(prompt, "LoupeLens")[0]["inputs"]["level"] == -0.5
    assert by_type(prompt, "LoupeCompare")[0]["inputs"]["width"] == 900


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("level", "takes NODE.INPUT=VALUE"),
        ("Lens.level", "takes NODE.INPUT=VALUE"),
        (".level=1", "takes NODE.INPUT=VALUE"),
        ("Lens=1", "takes NODE.INPUT=VALUE"),
        ("99.level=1", "no node '99'; the workflow has"),
        ("Lens.colour=1", "no widget 'colour'; it has character, level, format_mm"),
        ("Lens.image=1", "no widget 'image'"),
        ("Lens.level=much", "level takes FLOAT, got 'much'"),
        ("Compare.width=1.5", "width takes INT, got '1.5'"),
        ("Compare.region=ear", "region must be one of face, upper face"),
    ],
)
def test_a_setting_that_fits_nothing_is_refused(saved, host, tmp_path, setting, words):
    prompt = prompt_of(saved, host, tmp_path)
    with pytest.raises(Refusal, match=words):
        runner.apply(prompt, [setting], host.nodes, {})


def test_choosing_another_option_brings_the_widgets_that_come_with_it():
    told = {
        "input": {
            "required": {
                "size": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "none", "inputs": {"required": {}}},
                            {
                                "key": "by width",
                                "inputs": {"required": {"width": ["INT", {"default": 512}]}},
                            },
                        ]
                    },
                ],
                "on": ["BOOLEAN", {"default": False}],
            }
        }
    }
    prompt = {"1": {"class_type": "Resize", "inputs": {"size": "none", "on": False}}}
    runner.apply(prompt, ["1.size=by width", "1.on=yes"], {"Resize": told}, {})
    assert prompt["1"]["inputs"] == {"size": "by width", "size.width": 512, "on": True}
    runner.apply(prompt, ["1.size.width=64"], {"Resize": told}, {})
    assert prompt["1"]["inputs"]["size.width"] == 64
    with pytest.raises(Refusal, match="must be one of none, by width"):
        runner.apply(prompt, ["1.size=by height"], {"Resize": told}, {})


# --- pictures --------------------------------------------------------------------------------------


def test_pictures_are_bound_in_the_order_of_the_numbers(host, tmp_path, grey):
    flow = workflow_of(COPY, tmp_path)
    found = runner.pictures_for(flow.prompt(host), grey, host, flow.path)
    assert found == {"1": grey[0], "10": grey[1]}


def test_two_pictures_of_one_name_stay_two(host, tmp_path, grey):
    flow = workflow_of(COPY, tmp_path)
    prompt = flow.prompt(host)
    runner.place(prompt, {"1": grey[0], "10": grey[1]}, host)
    made = host.run(prompt, tmp_path / "out")
    values = {file.name: float(read_picture(file)[0].mean()) for file in made.files}
    assert values == pytest.approx({"copy_00001_.png": 0.25, "preview_00001_.png": 0.75}, abs=1 / 255)  # fmt: skip


def test_a_picture_beside_the_workflow_is_found(host, tmp_path, grey):
    flow = workflow_of(COPY, tmp_path)
    grey[1].rename(tmp_path / "two.png")
    assert runner.pictures_for(flow.prompt(host), grey[:1], host, flow.path)["10"] == (
        tmp_path / "two.png"
    )


def test_a_picture_that_nobody_has_is_refused_with_the_way_out(host, tmp_path):
    flow = workflow_of(COPY, tmp_path)
    with pytest.raises(Refusal, match=r"node 1 \(Load Image\) asks for one.png.*--input"):
        runner.pictures_for(flow.prompt(host), [], host, flow.path)


@pytest.mark.parametrize("name", ["../secret.png", "sub/../../secret.png", "{absolute}"])
def test_a_name_that_leads_elsewhere_is_not_followed(host, tmp_path, grey, name):
    secret = grey[0].rename(tmp_path / "secret.png")
    graph = copy.deepcopy(COPY)
    graph["1"]["inputs"]["image"] = name.format(absolute=secret)
    inner = tmp_path / "inner"
    inner.mkdir()
    flow = workflow_of(graph, inner)
    with pytest.raises(Refusal, match="asks for"):
        runner.pictures_for(flow.prompt(host), [], host, flow.path)


def test_more_pictures_than_nodes_are_refused(host, tmp_path, grey):
    flow = workflow_of(COPY, tmp_path)
    with pytest.raises(Refusal, match="3 pictures for 2 Load Image nodes"):
        runner.pictures_for(flow.prompt(host), [*grey, grey[0]], host, flow.path)


@pytest.mark.parametrize(("name", "words"), [("nix.png", "does not exist"), ("a", "is no file")])
def test_a_missing_picture_is_named(host, tmp_path, grey, name, words):
    flow = workflow_of(COPY, tmp_path)
    with pytest.raises(Refusal, match=f"{name} {words}"):
        runner.pictures_for(flow.prompt(host), [tmp_path / name], host, flow.path)


# --- running ---------------------------------------------------------------------------------------


@pytest.mark.skipif(
    IN_COMFYUI, reason="on ComfyUI's own classes Save Plate saves into ComfyUI's folder"
)
def test_the_shipped_workflow_runs_on_the_sample_photo_and_tells_what_it_made(
    saved, host, tmp_path
):
    flow = workflow_of(saved, tmp_path)
    prompt = flow.prompt(host)
    runner.place(prompt, runner.pictures_for(prompt, [], host, flow.path), host)
    seen = []
    made = host.run(prompt, tmp_path / "out", watch=Watch(node=lambda _, title: seen.append(title)))
    assert {"Compare", "Save Plate", "Preview Image"} <= set(seen)
    plate, preview = sorted(made.files)
    assert plate.parent == tmp_path / "out" / "loupe"
    assert preview.parent == tmp_path / "out"
    find = next(node for node in made.nodes.values() if node.type == "LoupeFindFaces")
    assert json.loads(find.outputs["json"])
    assert find.ui["loupe_report"] == [find.outputs["report"]]
    save = next(node for node in made.nodes.values() if node.type == "LoupeSavePlate")
    assert save.ui["images"] == [str(plate)]
    assert save.outputs["files"].splitlines()[0] == f"loupe/{plate.name}"


def test_a_free_name_counts_up_and_overwrites_nothing(tmp_path):
    for _ in range(3):
        free_name(tmp_path, Path("plate_00001_.png")).touch()
        free_name(tmp_path, Path("notes.txt")).touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt", "notes_00002.txt", "notes_00003.txt",
        "plate_00001_.png", "plate_00002_.png", "plate_00003_.png",
    ]  # fmt: skip
