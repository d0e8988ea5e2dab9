"""ComfyUI takes the pack in: loads it, lists its nodes, serves its pages."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES

ROOT = Path(__file__).resolve().parents[2]
IDS = {node.define_schema().node_id for node in NODES}


def failures(log: str, folder: str) -> list[str]:
    """Lines of ComfyUI's log that say that a pack did not load."""
    signs = "IMPORT FAILED|Error while calling comfy_entrypoint|Cannot import"
    wanted = re.compile(rf"(?:{signs}).*[/\\]{re.escape(folder)}(?![\w.-])")
    return [line for line in log.splitlines() if wanted.search(line)]


def get(host, path: str) -> bytes:
    with urllib.request.urlopen(host.started.url + urllib.parse.quote(path), timeout=30) as answer:
        return answer.read()


def test_it_loads_without_a_complaint(host):
    assert failures(host.started.words(), host.folder) == []


@pytest.mark.parametrize("folder", ["broken.on-purpose", "broken.on-purpose-too"])
def test_a_pack_that_does_not_load_would_be_seen(host, folder):
    assert failures(host.started.words(), folder)


def test_comfyui_lists_every_node_and_says_it_is_ours(host):
    modules = {
        name: host.server.nodes[name]["python_module"] for name in IDS & set(host.server.nodes)
    }
    assert set(modules) == IDS
    assert set(modules.values()) == {f"custom_nodes.{host.folder}"}


def test_what_comfyui_lists_is_what_was_committed(host):
    """Inputs and outputs as the browser gets them."""
    for node in json.loads((ROOT / "tests/nodes/schemas.json").read_text("utf-8")):
        told = host.server.nodes[node["id"]]
        inputs = {**told["input"].get("required", {}), **told["input"].get("optional", {})}
        assert set(inputs) == {slot["id"] for slot in node["inputs"]}
        assert told["output_name"] == [slot["name"] for slot in node["outputs"]]
        assert told["output"] == [slot["type"] for slot in node["outputs"]]
        for slot in node["inputs"]:
            if "default" in slot:
                assert inputs[slot["id"]][1]["default"] == slot["default"]


def test_the_template_dialog_is_told_of_every_workflow_and_gets_its_picture(host):
    listed = json.loads(get(host, "/api/workflow_templates"))[host.folder]
    shipped = {path.stem for path in ROOT.glob("workflows/*.json")}
    assert set(listed) == shipped
    for name in shipped:
        saved = json.loads(get(host, f"/api/workflow_templates/{host.folder}/{name}.json"))
        assert saved["nodes"]
        picture = get(host, f"/api/workflow_templates/{host.folder}/{name}.jpg")
        assert picture == (ROOT / f"workflows/{name}.jpg").read_bytes()


def test_the_browser_gets_our_scripts_once(host):
    scripts = [path for path in json.loads(get(host, "/extensions")) if f"/{host.folder}/" in path]
    assert sorted(scripts) == sorted(
        f"/extensions/{host.folder}/{path.relative_to(ROOT / 'web').as_posix()}"
        for path in ROOT.glob("web/**/*.js")
    )
    for path in scripts:
        assert get(host, path)


def test_every_node_has_its_help_page(host):
    for name in IDS:
        page = get(host, f"/extensions/{host.folder}/docs/{name}.md").decode()
        assert page == (ROOT / f"web/docs/{name}.md").read_text("utf-8")


def test_a_page_that_is_not_there_is_not_served(host):
    """So that the tests above could fail."""
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(host, f"/extensions/{host.folder}/docs/LoupeNothing.md")


def test_the_zip_leaves_the_workshop_at_home(host):
    files = {path.name for path in host.pack.iterdir()}
    assert {"__init__.py", "nodes", "kernels", "web", "workflows", "pyproject.toml"} <= files
    assert ("tests" in files) == (host.folder == "ComfyUI-Portrait-Loupe")


def test_loading_writes_nothing_into_the_pack(host):
    written = [
        path
        for path in host.pack.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not (ROOT / path.relative_to(host.pack)).is_file()
    ]
    assert written == []
