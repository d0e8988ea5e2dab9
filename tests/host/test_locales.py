"""The pack's words in the language of ComfyUI's page; what is saved and run stays as it is."""

import json
import re
import urllib.request
from pathlib import Path

import pytest

LOCALES = Path(__file__).resolve().parents[2] / "locales"
ZH = json.loads((LOCALES / "zh" / "nodeDefs.json").read_text("utf-8"))


@pytest.fixture
def in_chinese(host):
    """The page's language, until the test is over; ask for it before ``page``."""
    yield set_language(host, "zh")
    set_language(host, "en")


def set_language(host, language: str) -> None:
    address = f"{host.started.url}/settings/Comfy.Locale"
    body = json.dumps(language).encode()
    urllib.request.urlopen(urllib.request.Request(address, body, method="POST"), timeout=30).close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_host_serves_the_words_of_our_nodes(host, language):
    with urllib.request.urlopen(f"{host.started.url}/i18n", timeout=30) as answer:
        served = json.loads(answer.read())[language]
    ours = json.loads((LOCALES / language / "nodeDefs.json").read_text("utf-8"))
    assert {node: served["nodeDefs"][node] for node in ours} == ours
    assert set(ours) == {node for node in host.server.nodes if node.startswith("Loupe")}


SHOWN = """
async () => {
  app.graph.clear();
  const node = LiteGraph.createNode('LoupeCompare');
  node.pos = [500, 200];
  app.graph.add(node);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const prompt = (await app.graphToPrompt()).output;
  return {
    title: node.title,
    category: LiteGraph.registered_node_types.LoupeCompare.category,
    widgets: Object.fromEntries(node.widgets.map((widget) => [widget.name, widget.label])),
    outputs: node.outputs.map((slot) => slot.label ?? slot.localized_name),
    ids: Object.keys(Object.values(prompt)[0].inputs),
    values: node.widgets.map((widget) => widget.value),
  };
}
"""


def test_the_page_shows_chinese_names_and_keeps_ids_and_values(host, in_chinese, page, picture):
    shown = page.evaluate(SHOWN)
    picture("chinese")
    compare = ZH["LoupeCompare"]
    assert shown["title"] == compare["display_name"]
    categories = json.loads((LOCALES / "zh" / "main.json").read_text("utf-8"))["nodeCategories"]
    assert shown["category"] == f"Loupe/{categories['comparison']}"
    declared = host.server.nodes["LoupeCompare"]["input"]
    ids = [*declared["required"], *declared["optional"]]
    ours = {name: label for name, label in shown["widgets"].items() if name in ids}
    assert ours == {name: compare["inputs"][name]["name"] for name in ours}
    assert shown["outputs"] == [slot["name"] for slot in compare["outputs"].values()]
    assert len(ours) > 15
    assert set(shown["ids"]) <= set(ids)
    assert "eyes" in shown["values"]
    assert not re.search("[\u4e00-\u9fff]", json.dumps(shown["values"], ensure_ascii=False))


SOCKET = """
() => {
  const node = app.graph._nodes[0];
  const index = node.inputs.findIndex((slot) => slot.name === 'panels.panel0');
  const dot = document.querySelectorAll(`[data-node-id="${node.id}"] .lg-slot--input`)[index]?.getBoundingClientRect();
  if (dot) return [dot.x + 6, dot.y + dot.height / 2];
  return app.canvasPosToClientPos(node.getConnectionPos(true, index));
}
"""


def test_a_socket_that_grows_tells_what_it_is_for(host, in_chinese, page, picture):
    page.evaluate(SHOWN)
    x, y = page.evaluate(SOCKET)
    page.mouse.move(x - 200, y)
    page.mouse.move(x + 2, y, steps=5)
    page.wait_for_timeout(2000)
    picture("chinese-socket")
    assert page.get_by_text(ZH["LoupeCompare"]["inputs"]["panels_panel0"]["tooltip"]).count()
