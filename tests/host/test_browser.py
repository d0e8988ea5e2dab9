"""What a user sees: the shipped workflows in ComfyUI's own page, in both renderers.

Screenshots lie in ``artefacts/``; look at them.
"""

import json
import re
from pathlib import Path

import pytest

from portrait_loupe.nodes.host.workflow import ui_to_api

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(ROOT.glob("workflows/*.json"))

# ids of output nodes, and whether each shows a picture that has pixels
SHOWN = """
() => app.graph._nodes.filter((node) => ['SaveImage', 'PreviewImage', 'LoupeSavePlate'].includes(node.type)).map((node) => {
  const drawn = (node.imgs ?? []).map((image) => image.naturalWidth);
  const element = document.querySelector(`[data-node-id="${node.id}"]`);
  const elements = [...(element?.querySelectorAll('img') ?? [])].map((image) => image.naturalWidth);
  return [...drawn, ...elements].some((width) => width > 0);
})
"""

LOCK_AND_QUEUE = """
() => new Promise((resolve) => {
  app.api.addEventListener('execution_success', () => resolve('success'), { once: true });
  app.api.addEventListener('execution_error', (event) => resolve(event.detail.exception_message), { once: true });
  document.querySelector('.portraitloupe-casting .actions').children[1].click();
})
"""


def missing(page) -> list[str]:
    """Types of nodes on the canvas that the page does not know."""
    return page.evaluate(
        "() => app.graph._nodes.map((node) => node.type).filter((type) => !(type in LiteGraph.registered_node_types))"
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_opens_from_the_template_dialog_runs_and_shows_its_pictures(
    host, page, picture, queue, path
):
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(host.folder).first.click()
    card = dialog.get_by_text(path.stem, exact=True).first
    card.wait_for()
    page.wait_for_timeout(1000)
    picture(f"{path.stem}-dialog")
    card.click()
    wanted = sorted(str(node["id"]) for node in json.loads(path.read_text("utf-8"))["nodes"])
    page.wait_for_function("(count) => app.graph._nodes.length === count", arg=len(wanted))
    page.wait_for_timeout(1000)
    assert sorted(page.evaluate("() => app.graph._nodes.map((node) => String(node.id))")) == wanted
    assert missing(page) == []
    if {"KSampler", "UpscaleModelLoader"} & set(path.read_text("utf-8").split('"')):
        picture(path.stem)
        return  # its models are not here: test_injection, _references, _casting and _pipeline run it
    assert queue() == "success"
    if "LoupeCastLock" in path.read_text("utf-8"):  # what follows it waits for a choice
        picture(f"{path.stem}-offered")
        assert page.evaluate(LOCK_AND_QUEUE) == "success"
    page.wait_for_timeout(1500)
    page.keyboard.press(".")  # fit the graph into the view
    page.wait_for_timeout(1000)
    picture(path.stem)
    shown = page.evaluate(SHOWN)
    assert shown
    assert all(shown)
    reports = page.locator(".portraitloupe-report").all_inner_texts()
    assert any("px between the eyes" in report for report in reports)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_our_converter_asks_for_what_the_page_asks_for(host, page, opens, path):
    saved = json.loads(path.read_text("utf-8"))
    opens(saved, path.stem)
    assert page.evaluate(PROMPT_BARE) == ui_to_api(saved, host.server.nodes)


PROMPT_BARE = """
async () => Object.fromEntries(Object.entries((await app.graphToPrompt()).output)
  .map(([id, node]) => [id, { class_type: node.class_type, inputs: node.inputs }]))
"""
# Core nodes with every kind of widget: seeds, uploads, combos in combos, sockets that grow
WIDGETS = (
    "LoadImage", "LoadImageMask", "KSampler", "KSamplerAdvanced", "EmptyImage", "CLIPTextEncode",
    "ImageScale", "BatchImagesNode", "PreviewAny", "SaveImage", "ImageBlend", "ImageCropV2",
    "PrimitiveBoolean", "PrimitiveBoundingBox", "LTXVEmptyLatentAudio", "DrawBBoxes",
    "LoupeFindFaces", "LoupePlanCrop", "LoupeCompare",
)  # fmt: skip
ADD = """
async (types) => {
  app.graph.clear();
  for (const type of types) app.graph.add(LiteGraph.createNode(type));
  await new Promise((resolve) => setTimeout(resolve, 500));
  return app.graph.serialize();
}
"""


def test_our_converter_knows_every_kind_of_widget(host, page):
    """New nodes as the page makes and saves them, converted by both."""
    saved = page.evaluate(ADD, [name for name in WIDGETS if name in host.server.nodes])
    assert page.evaluate(PROMPT_BARE) == ui_to_api(saved, host.server.nodes)


def test_our_converter_knows_every_option_of_a_dynamic_combo(host, page):
    options = host.server.nodes["ResizeImageMaskNode"]["input"]["required"]["resize_type"][1]
    keys = [option["key"] for option in options["options"]]
    page.evaluate("() => { app.graph.clear(); }")
    saved = page.evaluate(
        """
        async (keys) => {
          for (const key of keys) {
            const node = LiteGraph.createNode('ResizeImageMaskNode');
            app.graph.add(node);
            node.widgets.find((widget) => widget.name === 'resize_type').value = key;
          }
          await new Promise((resolve) => setTimeout(resolve, 500));
          return app.graph.serialize();
        }
        """,
        keys,
    )
    asked = page.evaluate(PROMPT_BARE)
    assert sorted(node["inputs"]["resize_type"] for node in asked.values()) == sorted(keys)
    assert asked == ui_to_api(saved, host.server.nodes)


def test_sockets_that_grow_are_linked_by_name(host, page):
    """Made from a prompt as the page makes it, saved, and converted back."""
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "portrait_a.png"}},
        "2": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["1", 0], "images.image1": ["1", 0], "images.image2": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }  # fmt: skip
    page.evaluate("async (prompt) => { await app.loadApiJson(prompt, 'grows'); }", prompt)
    page.wait_for_timeout(1000)
    saved = page.evaluate("() => app.graph.serialize()")
    asked = page.evaluate(PROMPT_BARE)
    batch = next(node for node in asked.values() if node["class_type"] == "BatchImagesNode")
    assert {f"images.image{index}" for index in range(3)} <= set(batch["inputs"])
    assert asked == ui_to_api(saved, host.server.nodes)


def test_a_saved_plate_dropped_on_the_page_opens_its_graph(host, page, picture, portraits):
    """Made by the stand-in, opened by ComfyUI."""
    import base64

    from portrait_loupe.nodes.extension import NODES
    from portrait_loupe.nodes.host.runner import StandIn, pictures_for, place, read_workflow

    standin = StandIn({node.define_schema().node_id: node for node in NODES})
    workflow = read_workflow(ROOT / "workflows/extreme_close_up_comparison.json")
    prompt = workflow.prompt(standin)
    place(prompt, pictures_for(prompt, [], standin, portraits / "x.json"), standin)
    files = standin.run(prompt, portraits / "out", workflow=workflow.saved).files
    plate = next(file for file in files if file.parent.name == "loupe")
    page.evaluate(
        """
        async (content) => {
          const blob = await (await fetch(`data:image/png;base64,${content}`)).blob();
          await app.handleFile(new File([blob], 'plate.png', { type: 'image/png' }));
        }
        """,
        base64.b64encode(plate.read_bytes()).decode(),
    )
    count = len(workflow.saved["nodes"])
    page.wait_for_function("(count) => app.graph._nodes.length === count", arg=count)
    assert missing(page) == []


def test_what_a_node_refuses_is_shown_in_its_own_words(host, page, queue, picture):
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 256, "height": 256, "batch_size": 1, "color": 8421504}},
        "2": {"class_type": "LoupeFindFaces", "inputs": {"image": ["1", 0], "backend": "auto", "eyes": ""}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 3]}},
    }  # fmt: skip
    page.evaluate("async (prompt) => { await app.loadApiJson(prompt, 'refused'); }", prompt)
    page.wait_for_timeout(1000)
    words = queue()
    page.wait_for_timeout(1000)
    picture("refused")
    assert "eyes" in words  # the way out that the node names
    assert "Traceback" not in words


def test_the_help_page_opens_beside_the_node(host, page, picture):
    """Words of the page that the schema, of which a page is made where there is none, does not hold."""
    if "." in host.folder:
        pytest.skip("frontends look for the help of a folder with a dot at another address")
    name = "LoupeLens"
    page.evaluate(
        """
        (type) => {
          app.graph.clear();
          const node = LiteGraph.createNode(type);
          node.pos = [900, 200];
          app.graph.add(node);
          app.canvas.selectNode(node);
        }
        """,
        name,
    )
    page.wait_for_timeout(600)
    page.locator('[data-testid="info-button"], button[aria-label*="nfo"]').first.click()
    sentences = re.findall(r"[\w ,]{25,}", (ROOT / f"web/docs/{name}.md").read_text("utf-8"))
    known = json.dumps(host.server.nodes[name])
    words = next(words.strip() for words in sentences if words.strip() not in known)
    page.get_by_text(words).first.wait_for()
    picture("help")
