import json
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host.standin.graph import GraphError
from portrait_loupe.nodes.host.standin.images import image_nodes
from portrait_loupe.nodes.host.workflow import is_ui_format, ui_to_api

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def saved():
    return json.loads((ROOT / "workflows/extreme_close_up_comparison.json").read_text("utf-8"))


@pytest.fixture
def nodes(tmp_path):
    return {
        **{node.define_schema().node_id: node for node in NODES},
        **image_nodes(tmp_path, tmp_path),
    }


def by_type(saved, name):
    return next(node for node in saved["nodes"] if node["type"] == name)


def test_widgets_links_and_autogrow_are_named(saved, nodes):
    prompt = ui_to_api(saved, nodes)
    compare = next(node for node in prompt.values() if node["class_type"] == "LoupeCompare")
    panels = [value for name, value in compare["inputs"].items() if name.startswith("panels.panel")]
    assert [prompt[source]["class_type"] for source, _ in panels] == ["LoupeComparePanel"] * 2
    assert compare["inputs"]["region"] == "upper face"
    assert "panels.panel2" not in compare["inputs"]
    load = next(node for node in prompt.values() if node["class_type"] == "LoadImage")
    assert load["inputs"] == {"image": "portrait_a.png"}


def test_words_on_the_canvas_are_not_part_of_the_graph(saved, nodes):
    assert "MarkdownNote" in {node["type"] for node in saved["nodes"]}
    assert "MarkdownNote" not in {node["class_type"] for node in ui_to_api(saved, nodes).values()}


def test_a_linked_widget_takes_the_link(saved, nodes):
    lens, find = by_type(saved, "LoupeLens"), by_type(saved, "LoupeFindFaces")
    socket = next(socket for socket in lens["inputs"] if socket["name"] == "level")
    socket["link"] = 999
    saved["links"].append([999, find["id"], 3, lens["id"], 1, "FLOAT"])
    assert ui_to_api(saved, nodes)[str(lens["id"])]["inputs"]["level"] == [str(find["id"]), 3]


def test_a_workflow_older_than_a_widget_gets_its_default(saved, nodes):
    lens = by_type(saved, "LoupeLens")
    lens["widgets_values"] = lens["widgets_values"][:1]
    inputs = ui_to_api(saved, nodes)[str(lens["id"])]["inputs"]
    assert inputs["level"] == -1.0
    assert inputs["format_mm"] == 36.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda saved: by_type(saved, "LoupeLens").update(type="Reroute"),
            "reroutes and primitives are not converted",
        ),
        (
            lambda saved: by_type(saved, "LoupeLens").update(type="PrimitiveNode"),
            "reroutes and primitives",
        ),
        (lambda saved: by_type(saved, "LoupeLens").update(mode=4), "muted or bypassed"),
        (lambda saved: by_type(saved, "LoupeLens").update(mode=2), "muted or bypassed"),
        (
            lambda saved: by_type(saved, "LoupeLens").update(type="KSampler"),
            "this graph needs KSampler: the stand-in host",
        ),
        (
            lambda saved: saved["links"].clear(),
            "hangs on link 1., which the file lacks",
        ),
        (
            lambda saved: by_type(saved, "LoupeLens")["widgets_values"].extend([1] * 40),
            "52 widget values for 12 widgets",
        ),
        (
            lambda saved: (
                by_type(saved, "LoupeLens").update(type="3f2a"),
                saved.update(definitions={"subgraphs": [{"id": "3f2a"}]}),
            ),
            "subgraphs are not converted",
        ),
    ],
    ids=["reroute", "primitive", "bypassed", "muted", "unknown", "dangling", "surplus", "subgraph"],
)
def test_what_cannot_be_converted_is_refused_by_name(saved, nodes, change, words):
    change(saved)
    with pytest.raises(GraphError, match=words):
        ui_to_api(saved, nodes)


def test_links_may_be_objects_and_widget_values_named(saved, nodes):
    """As newer files have them."""
    want = ui_to_api(saved, nodes)
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    saved["links"] = [dict(zip(keys, link, strict=True)) for link in saved["links"]]
    lens = by_type(saved, "LoupeLens")
    lens["widgets_values"] = dict(
        zip(("character", "level", "format_mm"), lens["widgets_values"], strict=False)
    )
    assert ui_to_api(saved, nodes) == want


def test_all_unknown_nodes_are_named_in_one_line(saved, nodes):
    by_type(saved, "LoupeLens").update(type="KSampler")
    by_type(saved, "LoupeFindFaces").update(type="VAEDecode")
    with pytest.raises(GraphError, match="KSampler, VAEDecode") as refused:
        ui_to_api(saved, nodes)
    assert len(refused.value.problems) == 1


def test_the_two_formats_are_told_apart(saved, nodes):
    assert is_ui_format(saved)
    assert not is_ui_format(ui_to_api(saved, nodes))


# --- what a node declares, told by /object_info -------------------------------------------------------

SIZES = [
    "COMFY_DYNAMICCOMBO_V3",
    {
        "options": [
            {"key": "none", "inputs": {"required": {}}},
            {
                "key": "by width",
                "inputs": {
                    "required": {"width": ["INT", {"default": 512}], "like": ["IMAGE", {}]},
                    "optional": {"crop": ["COMBO", {"options": ["centre", "off"]}]},
                },
            },
        ]
    },
]
TOLD = {
    "Resize": {"input": {"required": {"size": SIZES, "name": ["STRING", {}]}}},
    "Sample": {
        "input": {
            "required": {
                "image": [["a.png"], {"image_upload": True}],
                "seed": ["INT", {"default": 0}],
                "box": ["BOUNDING_BOX", {}],
                "boxes": ["BOUNDING_BOX", {"forceInput": True}],
                "either": ["BOUNDING_BOX,STRING", {}],
                "rate": ["FLOAT,INT", {"default": 24.0}],
                "model": ["MODEL"],
            },
            "optional": {"noise": ["INT", {"control_after_generate": True}]},
        },
        "input_order": {"required": ["seed", "image", "box", "boxes", "either", "rate", "model"]},
    },
    "PreviewAny": {"input": {"required": {"source": ["*", {}]}}},
}


def converted(kind, values, links=(), sockets=()):
    node = {"id": 1, "type": kind, "widgets_values": values, "inputs": list(sockets)}
    return ui_to_api({"nodes": [node], "links": list(links)}, TOLD)["1"]["inputs"]


def test_an_option_brings_its_widgets_right_behind_it():
    assert converted("Resize", ["none", "a"]) == {"size": "none", "name": "a"}
    assert converted("Resize", ["by width", 64, "off", "a"]) == {
        "size": "by width", "size.width": 64, "size.crop": "off", "name": "a",
    }  # fmt: skip


def test_a_socket_of_an_option_takes_a_link():
    socket = {"name": "size.like", "link": 5}
    inputs = converted("Resize", ["by width", 64, "off", "a"], [[5, 3, 0, 1, 1, "IMAGE"]], [socket])
    assert inputs["size.like"] == ["3", 0]


def test_values_saved_by_name_follow_the_option_as_well():
    assert converted("Resize", {"size": "by width", "size.width": 9}) == {
        "size": "by width", "size.width": 9, "size.crop": "centre",
    }  # fmt: skip


def test_an_option_that_is_not_there_is_refused():
    with pytest.raises(GraphError, match="size must be one of none, by width; got 'by height'"):
        converted("Resize", ["by height", "a"])


def test_widgets_that_the_frontend_adds_are_no_inputs():
    """Seed control behind the seed, four numbers behind a box, the upload button at the end."""
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    inputs = converted("Sample", [7, "randomize", "a.png", box, 1, 2, 3, 4, 25.0, 3, "fixed", "image"])  # fmt: skip
    assert inputs == {"seed": 7, "image": "a.png", "box": box, "rate": 25.0, "noise": 3}


def test_a_display_keeps_what_it_showed_to_itself():
    assert converted("PreviewAny", [None, "text", False]) == {}


def test_a_list_is_written_so_that_nobody_takes_it_for_a_link():
    assert converted("Resize", ["none", ["1", 0]])["name"] == {"__value__": ["1", 0]}


def test_the_words_about_unknown_nodes_are_the_hosts():
    with pytest.raises(GraphError, match="no Mystery here"):
        ui_to_api(
            {"nodes": [{"id": 1, "type": "Mystery"}]}, {}, lambda names: f"no {names[0]} here"
        )
