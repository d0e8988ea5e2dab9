"""The blueprints of ``subgraphs/``: what they hold is what our nodes and ComfyUI's are."""

import json
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINTS = sorted(ROOT.glob("subgraphs/*.json"))
OURS = {node.define_schema().node_id: node.define_schema() for node in NODES}
CORE = {"VAEEncode", "VAEDecode", "SetLatentNoiseMask", "KSampler"}
INPUT_NODE, OUTPUT_NODE = -10, -20


@pytest.fixture(params=BLUEPRINTS, ids=lambda path: path.stem)
def blueprint(request):
    return json.loads(request.param.read_text("utf-8"))


def inside(blueprint):
    (one,) = blueprint["definitions"]["subgraphs"]
    return one


def test_there_are_some_and_the_file_is_called_as_the_node():
    assert len(BLUEPRINTS) >= 4
    for path in BLUEPRINTS:
        told = json.loads(path.read_text("utf-8"))
        (node,) = told["nodes"]
        assert path.stem == node["title"] == inside(told)["name"]


def test_it_is_one_node_of_its_own_definition_with_words_and_other_names(blueprint):
    (node,) = blueprint["nodes"]
    assert node["type"] == inside(blueprint)["id"]
    told = blueprint["extra"]
    assert told["BlueprintDescription"] == inside(blueprint)["description"]
    assert len(told["BlueprintDescription"]) > 40
    assert "portrait loupe" in told["BlueprintSearchAliases"]


def test_ids_are_no_other_blueprints():
    ids = [inside(json.loads(path.read_text("utf-8")))["id"] for path in BLUEPRINTS]
    assert len(set(ids)) == len(ids)


def test_its_sockets_are_those_of_the_definition_and_lead_somewhere(blueprint):
    (node,) = blueprint["nodes"]
    one = inside(blueprint)
    links = {link["id"]: link for link in one["links"]}
    for side, end in (("inputs", "origin_id"), ("outputs", "target_id")):
        sockets = {slot["name"]: slot["type"] for slot in node[side]}
        assert sockets == {slot["name"]: slot["type"] for slot in one[side]}
        for slot in one[side]:
            assert slot["linkIds"], slot["name"]
            wanted = INPUT_NODE if side == "inputs" else OUTPUT_NODE
            assert {links[link][end] for link in slot["linkIds"]} == {wanted}


def test_its_links_join_sockets_that_are_there(blueprint):
    one = inside(blueprint)
    nodes = {node["id"]: node for node in one["nodes"]}
    for link in one["links"]:
        if link["origin_id"] != INPUT_NODE:
            slot = nodes[link["origin_id"]]["outputs"][link["origin_slot"]]
            assert link["id"] in slot["links"]
        if link["target_id"] != OUTPUT_NODE:
            slot = nodes[link["target_id"]]["inputs"][link["target_slot"]]
            assert slot["link"] == link["id"]


def test_its_nodes_are_known_and_their_sockets_are_those_of_today(blueprint):
    for node in inside(blueprint)["nodes"]:
        if node["type"] in CORE:
            continue
        schema = OURS[node["type"]]
        known = {one.id for one in schema.inputs}
        named = {slot["name"].partition(".")[0] for slot in node["inputs"]}
        assert named <= known
        assert [slot["name"] for slot in node["outputs"]] == [
            one.display_name or one.id for one in schema.outputs
        ]


def test_the_widgets_on_its_outside_are_those_of_nodes_inside(blueprint):
    (node,) = blueprint["nodes"]
    nodes = {str(one["id"]): one for one in inside(blueprint)["nodes"]}
    assert node["properties"]["proxyWidgets"]
    for key, name in node["properties"]["proxyWidgets"]:
        widgets = {slot["name"] for slot in nodes[key]["inputs"] if "widget" in slot}
        assert name in widgets


def test_it_names_no_file_of_any_machine(blueprint):
    text = json.dumps(blueprint)
    assert "portrait_a.png" not in text
    assert ":\\" not in text
