"""The casting panel on its node in ComfyUI's own page, in both renderers: offer, pick, lock, and all of it comes back."""

import json

import pytest

# generators of tests/host/casting_nodes: three models, of which the first gives two takes; 2 is the best
PROMPT = {
    "1": {"class_type": "CastingSeeds", "inputs": {"first": 1, "count": 2}},
    "2": {"class_type": "CountingGenerator", "inputs": {"seed": ["1", 0]}},
    "3": {"class_type": "CountingGenerator", "inputs": {"seed": 7, "scale": 0.75}},
    "4": {"class_type": "CountingGenerator", "inputs": {"seed": 9}},
    "5": {
        "class_type": "ScoredCast",
        "inputs": {
            "distances": "1.5 0.4 2",
            "take0": ["2", 0],
            "take1": ["3", 0],
            "take2": ["4", 0],
        },
    },
    "6": {
        "class_type": "LoupeCastLock",
        "inputs": {"cast": ["5", 0], "cast_name": "panel", "mode": "ask", "lock": ""},
    },
    "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
}
for key in "234":
    shared = {"name": "a", "what": "portrait", "scale": 1.0, "photo": "portrait_a.png"}
    PROMPT[key]["inputs"] = shared | PROMPT[key]["inputs"]
NODE = "app.graph._nodes.find((node) => node.type === 'LoupeCastLock')"
VALUE = f"(name) => {NODE}.widgets.find((widget) => widget.name === name).value"
STATE = f"() => {NODE}?.properties.loupe_cast?.state ?? null"
INPUTS = f"""async () => (await app.graphToPrompt()).output[String({NODE}.id)].inputs"""
# how many different colours the loupe's canvas shows
COLOURS = """
() => {
  const canvas = document.querySelector('.portraitloupe-casting canvas.view');
  if (!canvas?.width || !canvas.height) return 0;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}
"""
CENTRE = f"""
() => {{
  const node = {NODE};
  app.canvas.ds.scale = 1;
  app.canvas.ds.offset[0] = -node.pos[0] + 700;
  app.canvas.ds.offset[1] = -node.pos[1] + 80;
  app.canvas.setDirty(true, true);
}}
"""


@pytest.fixture
def offered(page, queue):
    """A cast that has run once, with its panel in view; and the requests that the page made."""
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.evaluate("async (prompt) => { await app.loadApiJson(prompt, 'casting'); }", PROMPT)
    page.wait_for_timeout(1000)
    page.evaluate(f"() => {{ {NODE}.setSize([640, 860]); }}")
    assert queue() == "success"
    show(page)
    return page


def show(page):
    page.evaluate(CENTRE)
    page.wait_for_function(f"() => ({COLOURS})() > 300", timeout=60000)
    page.wait_for_timeout(500)


def panel(page):
    return page.locator(".portraitloupe-casting").first


def lock(page):
    return json.loads(page.evaluate(VALUE, "lock") or "null")


def test_takes_are_offered_with_their_loupe_and_the_lock_is_hidden(offered, picture):
    picture("casting")
    words = panel(offered).inner_text()
    assert [name in words for name in ("model 0", "model 1", "model 2")] == [True] * 3
    assert "2 · model 0 · rank 1 of 3 · distance 0.4" in words
    assert offered.locator(".take img").count() == 4
    last = f"() => {NODE}.widgets.at(-1).name"
    assert offered.evaluate(last) == "loupe_casting"
    seen = [url for url in offered.asked if "/view?" in url]
    assert any("subfolder=loupe&" in url for url in seen)
    assert not [url for url in seen if "preview=" in url and "loupe" in url]
    assert {url.split("/")[2] for url in seen} == {offered.url.split("/")[2]}
    assert offered.evaluate(INPUTS)["lock"] == ""
    assert offered.evaluate(f"() => {NODE}.widgets.find(({{ name }}) => name === 'lock').hidden")
    if offered.renderer == "nodes2":
        row = offered.locator(f"[data-node-id='{offered.evaluate(f'() => {NODE}.id')}']")
        assert row.get_by_text("cast_name").count() >= 1
        assert row.locator("input[aria-label=lock], textarea[placeholder=lock]").count() == 0


def test_keys_choose_and_looking_around_queues_nothing(offered):
    before = offered.evaluate(INPUTS)
    panel(offered).focus()
    for key in ("3", " ", "+"):
        offered.keyboard.press(key)
    offered.wait_for_timeout(300)
    state = offered.evaluate(STATE)
    assert (state["chosen"], state["before"], state["alone"]) == (2, 3, True)
    assert offered.evaluate(INPUTS) == before
    assert offered.evaluate("() => app.canvas.ds.scale") == 1


def test_lock_and_queue_runs_what_follows_and_the_panel_shows_the_locked_take(offered, picture):
    done = """() => new Promise((resolve) => {
      app.api.addEventListener('execution_success', () => resolve('success'), { once: true });
      app.api.addEventListener('execution_error', (event) => resolve(event.detail.exception_message), { once: true });
      document.querySelector('.portraitloupe-casting .actions').children[1].click();
    })"""
    assert offered.evaluate(done) == "success"
    offered.wait_for_timeout(1500)
    held = lock(offered)
    assert (held["label"], held["by"]) == ("model 0 #2", "pick")
    assert offered.evaluate(VALUE, "mode") == "locked"
    show(offered)  # the loupe has its pictures still
    picture("casting-locked")
    words = panel(offered).inner_text()
    assert "Locked: #2 model 0" in words
    assert offered.locator(".take").count() == 4
    assert json.loads(offered.evaluate(INPUTS)["lock"]) == held
    panel(offered).get_by_role("button", name="Unlock", exact=True).click()
    assert offered.evaluate(VALUE, "lock") == ""
    assert offered.evaluate(VALUE, "mode") == "ask"


def test_choice_and_lock_come_back_after_a_tab_switch_an_undo_and_a_reload(offered, picture):
    panel(offered).focus()
    for key in ("b", "2", "Enter"):
        offered.keyboard.press(key)
    offered.wait_for_timeout(500)
    before, held = offered.evaluate(STATE), lock(offered)
    assert held["by"] == "blind pick"
    is_there = f"() => Boolean({NODE})"

    def still_there():
        show(offered)
        assert offered.evaluate(STATE) == before
        assert lock(offered) == held
        assert offered.evaluate(VALUE, "mode") == "locked"
        assert f"{held['model']} (blind pick" in panel(offered).inner_text()

    tabs = "() => app.extensionManager.workflow.openWorkflows.length"
    opened = offered.evaluate(tabs)
    offered.evaluate("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    offered.wait_for_function(f"() => ({tabs})() > {opened}")
    offered.wait_for_timeout(800)
    offered.evaluate(
        "() => app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')"
    )
    offered.wait_for_function(is_there)
    offered.wait_for_timeout(800)
    still_there()

    checked = "app.extensionManager.workflow.activeWorkflow.changeTracker"
    offered.evaluate(f"() => {{ {checked}.checkState(); }}")
    offered.evaluate(
        f"() => {{ const node = app.graph._nodes.find((node) => node.type === 'PreviewImage');"
        f" node.pos = [node.pos[0] + 40, node.pos[1]]; {checked}.checkState(); }}"
    )
    offered.wait_for_timeout(300)
    offered.evaluate(f"() => {checked}.undo()")
    offered.wait_for_timeout(1000)
    still_there()

    offered.wait_for_timeout(1500)  # the page stores its drafts after a while
    offered.reload()
    loaded = "() => window.app?.extensionManager && window.app?.canvas?.graph"
    offered.wait_for_function(loaded, timeout=120000)  # a busy machine takes its time
    offered.wait_for_function(is_there, timeout=60000)
    offered.wait_for_timeout(2000)
    still_there()
    picture("casting-reloaded")


def test_a_saved_workflow_opens_with_its_cast_and_its_lock(offered, opens):
    panel(offered).focus()
    for key in ("3", "Enter"):
        offered.keyboard.press(key)
    offered.wait_for_timeout(500)
    held = lock(offered)
    saved = offered.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    offered.evaluate("() => { app.graph.clear(); sessionStorage.clear(); }")
    opens(saved, "again")
    offered.wait_for_timeout(1000)
    show(offered)
    assert lock(offered) == held
    assert "Locked for the next run: #3 model 1" in panel(offered).inner_text()


def test_before_the_first_run_the_panel_says_what_to_do(page, picture):
    page.evaluate(
        """() => {
          app.graph.clear();
          const node = LiteGraph.createNode('LoupeCastLock');
          node.pos = [100, 100];
          app.graph.add(node);
        }"""
    )
    page.wait_for_timeout(1000)
    page.evaluate(CENTRE)
    page.wait_for_timeout(500)
    picture("casting-empty")
    assert "Queue to cast" in panel(page).inner_text()
    box = panel(page).bounding_box()
    assert box["height"] >= 500
    assert box["width"] >= 400
