"""The comparer on its node in ComfyUI's own page, in both renderers: what is done there stays there."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = json.loads((ROOT / "workflows/extreme_close_up_comparison.json").read_text("utf-8"))
STATE = """
() => {
  const node = app.graph._nodes.find((node) => node.type === 'LoupeCompare');
  return node?.properties.loupe_compare?.view ?? null;
}
"""
# how many different colours the viewer's canvas shows
COLOURS = """
() => {
  const canvas = document.querySelector('.portraitloupe-comparer canvas.view');
  if (!canvas?.width || !canvas.height) return 0;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 97) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
  return seen.size;
}
"""
CENTRE_ON = """
() => {
  const node = app.graph._nodes.find((node) => node.type === 'LoupeCompare');
  app.canvas.ds.scale = 1;
  const widget = node.widgets.find((widget) => widget.name === 'loupe_comparer');
  const y = node.pos[1] + (widget.y ?? widget.last_y ?? 600);
  app.canvas.ds.offset[0] = -node.pos[0] + 500;
  app.canvas.ds.offset[1] = -y + 300;
  app.canvas.setDirty(true, true);
}
"""


@pytest.fixture
def compared(page, opens, queue):
    """The shipped comparison, run, with its comparer in view; and the requests that it made."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    opens(WORKFLOW, "comparer")
    page.wait_for_timeout(1000)
    assert queue() == "success"
    page.evaluate(CENTRE_ON)
    page.wait_for_function(f"() => ({COLOURS})() > 500", timeout=20000)
    page.wait_for_timeout(500)
    page.asked = asked
    return page


def stage(page):
    return page.locator(".portraitloupe-comparer").first


def test_it_shows_true_pixels_of_the_panels(compared, picture):
    picture("comparer")
    words = stage(compared).inner_text()
    assert "Original photo" in words
    assert "The same photo through a soft-focus lens" in words
    tiles = [url for url in compared.asked if "/view?" in url and "subfolder=loupe" in url]
    assert tiles
    assert not [url for url in tiles if "preview" in url]
    last = "() => app.graph._nodes.find((node) => node.type === 'LoupeCompare').widgets.at(-1).name"
    assert compared.evaluate(last) == "loupe_comparer"
    origin = compared.url.split("/")[2]
    assert {url.split("/")[2] for url in tiles} == {origin}


def test_keys_and_wheel_move_the_view_and_nothing_is_queued_for_it(compared, picture):
    before = compared.evaluate(STATE)
    prompt = "async () => JSON.stringify((await app.graphToPrompt()).output)"
    asked = compared.evaluate(prompt)
    box = stage(compared).bounding_box()
    compared.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    compared.mouse.wheel(0, -300)
    compared.wait_for_timeout(400)
    zoomed = compared.evaluate(STATE)
    assert zoomed["zoom"] > before["zoom"]
    scale = compared.evaluate("() => app.canvas.ds.scale")
    assert scale == 1  # the graph stays where it is
    compared.keyboard.press("ArrowRight")
    compared.wait_for_timeout(400)
    panned = compared.evaluate(STATE)
    assert panned["centre"][0] > zoomed["centre"][0]
    compared.keyboard.press("2")
    compared.wait_for_timeout(400)
    assert compared.evaluate(STATE)["solo"] == 1
    picture("comparer-solo")
    assert compared.evaluate(prompt) == asked


def test_the_view_comes_back_after_a_tab_switch_an_undo_and_a_reload(compared, picture):
    box = stage(compared).bounding_box()
    compared.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    compared.keyboard.press("+")
    compared.keyboard.press("+")
    compared.wait_for_timeout(600)
    before = compared.evaluate(STATE)

    def still_there():
        compared.evaluate(CENTRE_ON)
        compared.wait_for_function(f"() => ({COLOURS})() > 500", timeout=20000)
        after = compared.evaluate(STATE)
        assert after["zoom"] == pytest.approx(before["zoom"])
        assert after["centre"] == pytest.approx(before["centre"])

    tabs = "() => app.extensionManager.workflow.openWorkflows.length"
    opened = compared.evaluate(tabs)
    compared.evaluate("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    compared.wait_for_function(f"() => ({tabs})() > {opened}")
    compared.wait_for_timeout(800)
    compared.evaluate(
        "() => app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')"
    )
    compared.wait_for_function(
        "() => app.graph._nodes.some((node) => node.type === 'LoupeCompare')"
    )
    compared.wait_for_timeout(800)
    still_there()

    compared.evaluate(
        "() => { const node = app.graph._nodes.find((node) => node.type === 'LoupeSavePlate');"
        " node.pos = [node.pos[0] + 40, node.pos[1]]; app.extensionManager.workflow.activeWorkflow.changeTracker.checkState(); }"
    )
    compared.wait_for_timeout(300)
    compared.evaluate("() => app.extensionManager.workflow.activeWorkflow.changeTracker.undo()")
    compared.wait_for_timeout(1000)
    still_there()

    compared.wait_for_timeout(1500)  # the page stores its drafts after a while
    compared.reload()
    compared.wait_for_function("() => window.app?.extensionManager && window.app?.canvas?.graph")
    compared.wait_for_function(
        "() => app.graph._nodes.some((node) => node.type === 'LoupeCompare')", timeout=20000
    )
    compared.wait_for_timeout(2000)
    still_there()
    picture("comparer-reloaded")


def test_the_full_screen_shows_the_same_view_and_gives_the_focus_back(compared, picture):
    stage(compared).get_by_role("button", name="Full screen").click()
    dialog = compared.locator("dialog[open]")
    dialog.wait_for()
    compared.wait_for_timeout(800)
    picture("comparer-full")
    box = dialog.bounding_box()
    assert box["width"] > 1500
    compared.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert compared.evaluate(f"() => ({COLOURS})() > 500")
