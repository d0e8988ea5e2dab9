"""The blueprints of ``subgraphs/`` in ComfyUI's own page: found, opened, and run with tiny models."""

import json
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINTS = sorted(ROOT.glob("subgraphs/*.json"))
# node: its widgets; and output of it -> input of the blueprint. Names with a dot come out as they are
PHOTO = ("LoadImage", {"image": "portrait_a.png"})
OTHER = ("LoadImage", {"image": "portrait_b.png"})
FEEDS = {
    "Lens Finish": ([PHOTO], [[0, 0, "image"]], {}),
    "Compare Two Portraits": ([PHOTO, OTHER], [[0, 0, "image"], [1, 0, "image_1"]], {}),
    "Close-Up Pass": (
        [PHOTO, ("TinySDXL", {}), ("CLIPTextEncode", {"text": "a face"}), ("CLIPTextEncode", {})],
        [
            [0, 0, "image"], [1, 0, "model"], [1, 1, (2, "clip")], [1, 1, (3, "clip")],
            [1, 2, "vae"], [2, 0, "positive"], [3, 0, "negative"],
        ],
        {"steps": 1},
    ),
}  # fmt: skip
BUILD = """
async ([blueprint, nodes, links, widgets, name]) => {
  await app.loadGraphData(blueprint, true, true, name);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const own = app.graph._nodes[0];
  own.pos = [500, 0];
  for (const [key, value] of Object.entries(widgets)) own.widgets.find((one) => one.name === key).value = value;
  const made = nodes.map(([type, values], index) => {
    const node = LiteGraph.createNode(type);
    app.graph.add(node);
    node.pos = [0, 420 * index];
    for (const [key, value] of Object.entries(values)) node.widgets.find((one) => one.name === key).value = value;
    return node;
  });
  const slot = (node, name) => node.inputs.findIndex((one) => one.name === name);
  for (const [from, output, to] of links) {
    const [node, socket] = Array.isArray(to) ? [made[to[0]], to[1]] : [own, to];
    made[from].connect(output, node, slot(node, socket));
  }
  own.outputs.forEach((output, index) => {
    const shown = LiteGraph.createNode(output.type === 'IMAGE' ? 'PreviewImage' : 'PreviewAny');
    app.graph.add(shown);
    shown.pos = [1100, 420 * index];
    own.connect(index, shown, 0);
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { inputs: own.inputs.map((one) => one.name), widgets: (own.widgets ?? []).map((one) => one.name) };
}
"""
SHOWN = """
() => app.graph._nodes.filter((node) => node.type === 'PreviewImage').map((node) => {
  const drawn = (node.imgs ?? []).map((image) => image.naturalWidth);
  const element = document.querySelector(`[data-node-id="${node.id}"]`);
  const elements = [...(element?.querySelectorAll('img') ?? [])].map((image) => image.naturalWidth);
  return [...drawn, ...elements].some((width) => width > 0);
})
"""
WHOLE = """
() => {
  app.canvas.ds.scale = 0.5;
  app.canvas.ds.offset = [100, 150];
  app.canvas.setDirty(true, true);
}
"""
# what is sampled inside, so that a CPU can
SMALL = """
() => {
  const plan = app.graph._nodes[0].subgraph._nodes.find((node) => node.type === 'LoupePlanCrop');
  for (const [name, value] of plan ? [['model', 'custom'], ['megapixels', 0.06]] : [])
    plan.widgets.find((widget) => widget.name === name).value = value;
}
"""


def test_comfyui_lists_them_under_our_name(host):
    with urllib.request.urlopen(f"{host.started.url}/global_subgraphs", timeout=30) as answer:
        told = json.load(answer)
    ours = {
        one["name"]: one for one in told.values() if host.folder in one["info"].get("node_pack", "")
    }
    assert sorted(ours) == [path.stem for path in BLUEPRINTS]
    assert {one["source"] for one in ours.values()} == {"custom_node"}


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_it_opens_with_its_widgets_outside_and_all_of_its_nodes(page, path, picture):
    told = json.loads(path.read_text("utf-8"))
    nodes, links, widgets = [], [], {}
    found = page.evaluate(BUILD, [told, nodes, links, widgets, path.stem])
    wanted = [name for _, name in told["nodes"][0]["properties"]["proxyWidgets"]]
    assert set(wanted) <= set(found["widgets"])
    unknown = "() => app.graph._nodes.flatMap((node) => node.subgraph?._nodes ?? []).filter((node) => !(node.type in LiteGraph.registered_node_types)).map((node) => node.type)"
    assert page.evaluate(unknown) == []
    picture(f"blueprint-{path.stem.replace(' ', '-')}")


@pytest.mark.parametrize("name", FEEDS)
def test_it_runs(page, queue, picture, name):
    told = json.loads((ROOT / f"subgraphs/{name}.json").read_text("utf-8"))
    page.evaluate(BUILD, [told, *FEEDS[name], name])
    page.evaluate(SMALL)
    assert queue() == "success"
    page.evaluate(WHOLE)  # what is not seen is not drawn
    page.wait_for_timeout(2500)
    picture(f"blueprint-{name.replace(' ', '-')}-run")
    shown = page.evaluate(SHOWN)
    assert shown
    assert all(shown)


def test_an_identity_from_photos_reaches_the_model(host, page, queue, face_id, drawn):
    """Drawn faces that a tiny encoder knows, a tiny adapter and a tiny SDXL."""
    photos = [host.server.place(drawn[name], f"blueprint-{name}.png") for name in ("a", "b")]
    nodes = [("LoadImage", {}), ("LoadImage", {}), ("TinySDXL", {}), ("TinyClipVision", {})]
    links = [
        [0, 0, "photos.photo0"], [1, 0, "photos.photo1"], [2, 0, "model"], [3, 0, "clip_vision"],
    ]  # fmt: skip
    told = json.loads((ROOT / "subgraphs/Identity from Photos.json").read_text("utf-8"))
    page.evaluate(BUILD, [told, nodes, links, {}, "identity"])
    page.evaluate(
        """(photos) => app.graph._nodes.filter((node) => node.type === 'LoadImage').forEach((node, index) => {
          node.widgets.find((widget) => widget.name === 'image').value = photos[index];
        })""",
        photos,
    )
    before = len(host.started.words())
    assert queue() == "success"
    page.wait_for_timeout(1000)
    shown = page.evaluate(
        "() => app.graph._nodes.filter((node) => node.type === 'PreviewAny').length"
    )
    assert shown == 2  # the identity and the model
    assert "Traceback" not in host.started.words()[before:]


def test_the_node_search_finds_them(page, picture):
    page.evaluate("() => app.graph.clear()")
    page.mouse.dblclick(900, 600)
    box = page.get_by_role("combobox").or_(page.locator("input[placeholder*=earch]")).last
    box.fill("Lens Finish")
    page.wait_for_timeout(1500)
    picture("blueprint-search")
    assert page.get_by_text("Lens Finish").count() >= 1
