"""The casting panel in a real browser, without ComfyUI: what it shows, asks for, hides and locks.

The page ``casting.html`` mounts it; the server here stands in for ComfyUI's ``/view``.
"""

import hashlib
import io
import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {".html": "text/html", ".js": "text/javascript"}
MODELS = ("Recraft V4", "GPT Image 2", "Nano Banana Pro")


class Host:
    """What ComfyUI does for the panel: it serves files, and remembers what was asked for."""

    def __init__(self):
        self.files, self.asked = {}, []

    def file(self, name, pixels):
        body = io.BytesIO()
        Image.fromarray(pixels).save(body, "PNG", compress_level=1)
        self.files[name] = body.getvalue()

    def take(self, number, model, pixels, **other):
        """A take as Cast Lock sends it, and its panel of the comparer."""
        sha = hashlib.sha256(f"{number}".encode()).hexdigest()
        height, width = pixels.shape[:2]
        self.file(f"{sha}.png", pixels)
        self.file(f"loupe_{sha[:16]}_0_0_0.png", pixels)
        given = {
            "number": number, "model": model, "sha256": sha, "seed": 100 + number, "rank": None,
            "score": 1.25, "reason": "within the corridor", "rejected": None, "width": width, "height": height,
            "view": {"filename": f"{sha}.png", "subfolder": "loupe_cast/Marta/takes", "type": "output"},
        } | other  # fmt: skip
        tile = {"x": 0, "y": 0, "w": width, "h": height, "filename": f"loupe_{sha[:16]}_0_0_0.png"}
        panel = {
            "label": model, "subline": f"seed {100 + number}", "name": model, "size": [width, height],
            "centre": [width * 0.44, height * 0.24], "unit": width / 10, "turn": 0, "px_per_mm": None,
            "levels": [{"scale": 1, "size": [width, height], "tiles": [tile | {"subfolder": "loupe", "type": "temp"}]}],
        }  # fmt: skip
        return given, panel

    def payload(self, made, **other):
        takes = [take for take, _ in made]
        panels = [panel for take, panel in made if take["rejected"] is None]
        counts = {
            m: sum(t["model"] == m for t in takes) for m in dict.fromkeys(t["model"] for t in takes)
        }
        calls = " + ".join(f"{count} {model}" for model, count in counts.items())
        return {
            "schema": 1, "cast_name": "Marta", "mode": "ask", "locked": None, "region": "cheek", "takes": takes,
            "compare": {
                "version": 1, "sha": "s1", "region": "cheek", "shape": [2, 1.6], "mm_measured": False,
                "panels": panels, "blind": False, "registered": [None] * len(panels),
            },
            "cost": f"{len(takes)} takes = {calls}; locked: 0",
            "trust": {"agrees": 31, "of": 40, "low": 0.63, "high": 0.88, "earned": True},
        } | other  # fmt: skip

    def cast(self, picture, **other):
        """Twelve takes of three models: 3 is the best, 8 and 11 are not offered."""
        made = []
        ranks = {3: 1, 5: 2, 9: 3, 1: 4}
        for number in range(1, 13):
            shade = np.roll(picture, number * 3, axis=1) // 2 + 8 * number
            more = {"rank": ranks.get(number), "score": 0.5 + 0.1 * number}
            if number == 8:
                more = {"rejected": "duplicate of 5"}
            if number == 11:
                more = {"rejected": "the provider sent no image", "reason": ""}
            if number == 5:
                more["reason"] = "mid band low: reads smoothed"
            model = MODELS[(number - 1) // 4]
            made.append(self.take(number, model, shade.astype(np.uint8), **more))
        return self.payload(made, **other)


class Server(ThreadingHTTPServer):
    host: Host  # of the test that is running


def serve():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            address = urlsplit(self.path)
            if address.path == "/view":
                server.host.asked.append(self.path)
                name = parse_qs(address.query).get("filename", [""])[0]
                body, kind = server.host.files.get(name), "image/png"
            else:
                page = "tests/browser/casting.html"
                file = ROOT / (page if address.path == "/" else address.path[1:])
                known = file.suffix in DOCUMENTS and file.is_file()
                body, kind = file.read_bytes() if known else None, DOCUMENTS.get(file.suffix, "")
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            with suppress(ConnectionError):  # asked for, and not wanted any more
                self.wfile.write(body or b"")

        def log_message(self, format, *arguments):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Page:
    """The harness page with a panel on it."""

    def __init__(self, page):
        self.page = page

    def run(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def show(self, payload, properties=None):
        return self.run("([one, two]) => harness.show(one, two)", [payload, properties])

    def state(self):
        return self.run("harness.panel.state()")

    def lock(self):
        return json.loads(self.run("harness.value('lock')") or "null")

    def mode(self):
        return self.run("harness.value('mode')")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.run("harness.idle()")

    def focus(self):
        self.page.locator(".portraitloupe-casting").focus()

    def text(self, part=""):
        return self.page.inner_text(f".portraitloupe-casting {part}", timeout=1000)

    def said(self):
        return self.page.inner_text(".portraitloupe-casting > .told", timeout=1000)

    def take(self, name):
        return self.page.locator(".take").filter(
            has=self.page.locator(".name", has_text=re.compile(f"^{name}$"))
        )

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def captions(self):
        return [
            one.inner_text()
            for one in self.page.locator(".loupe .caption .title").all()
            if one.is_visible()
        ]

    def blind(self):
        self.page.get_by_label("blind").check()
        self.run("harness.idle()")


@pytest.fixture(scope="module")
def server():
    started = serve()
    yield started
    started.shutdown()
    started.server_close()


@pytest.fixture
def host(server):
    server.host = Host()
    return server.host


@pytest.fixture
def page(browser, host, server):
    """The page; an error on its console, or a request that leaves it, fails the test."""
    errors, asked = [], []
    opened = browser.new_page(viewport={"width": 1000, "height": 700})
    opened.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    home = f"http://127.0.0.1:{server.server_port}/"
    opened.set_default_timeout(10000)
    opened.goto(home)
    opened.wait_for_function("Boolean(globalThis.harness)")
    yield Page(opened)
    opened.close()
    assert [url for url in asked if not url.startswith((home, f"blob:{home}"))] == []
    assert [url for url in asked if "preview" in url] == []
    assert [error for error in errors if "404" not in error] == []


@pytest.fixture
def picture(astronaut):
    return (astronaut[0, 20:276, 100:356] * 255).round().byte().numpy()


@pytest.fixture
def cast(page, host, picture):
    """The page with twelve takes on it, and the focus in the panel."""
    assert page.show(host.cast(picture))
    page.focus()
    return page


# ---- what is shown


def test_before_the_first_run_it_says_what_to_do(page):
    assert page.show(None) is False
    assert "Queue to cast" in page.text()
    for name in ("Lock", "Lock and queue", "Unlock"):
        assert page.button(name).get_attribute("aria-disabled") == "true"
    page.button("Lock").click(force=True)
    assert page.lock() is None


def test_takes_are_grouped_by_model_with_number_star_and_reason(cast):
    rows = cast.page.get_by_role("radiogroup").get_by_role("group")
    assert [row.get_attribute("aria-label") for row in rows.all()] == list(MODELS)
    assert cast.page.get_by_role("radio").count() == 12
    assert cast.take("3").locator(".mark").inner_text() == "★"
    assert cast.take("8").locator(".mark").inner_text() == "✕"
    assert "8: duplicate of 5" in rows.nth(1).inner_text()
    assert "11: the provider sent no image" in rows.nth(2).inner_text()
    shown = "[...document.querySelectorAll('.take img')].every((one) => one.naturalWidth > 0)"
    cast.page.wait_for_function(shown)


def test_rank_reason_trust_and_cost_stand_under_the_loupe(cast):
    cast.press("5")
    words = cast.text()
    assert "5 · GPT Image 2 · rank 2 of 4 · distance 1 · 256 × 256 px · seed 105" in words
    assert "mid band low: reads smoothed" in words
    assert "score agrees with your blind picks 31/40 (63-88 %)" in words
    assert "12 takes = 4 Recraft V4 + 4 GPT Image 2 + 4 Nano Banana Pro; locked: 0" in words


def test_warnings_of_the_node_stand_on_the_panel(page, host, picture):
    words = "Warning: Preview Image still runs the generators of this cast"
    page.show(host.cast(picture, warnings=[words]))
    assert words in page.text(".warnings")


def test_a_picture_that_is_gone_leaves_its_number(page, host, picture):
    payload = host.cast(picture)
    gone = payload["takes"][0]["sha256"]
    del host.files[f"loupe_{gone[:16]}_0_0_0.png"]
    page.show(payload)
    source = page.take("1").locator("img")
    page.page.wait_for_function("document.querySelector('.take img').naturalWidth > 0")
    assert f"filename={gone}.png" in source.get_attribute("src")  # the take itself stands in
    other = host.payload([host.take(41, "Recraft V4", picture)])
    host.files.clear()
    page.show(other)
    page.page.wait_for_function("document.querySelectorAll('.take img').length === 0")
    assert page.take("41").is_visible()


def test_markup_in_any_name_is_shown_as_it_is_written(page, host, picture):
    evil = "<img src=x onerror=\"document.title='hacked'\"><b>x</b>"
    made = [host.take(number, evil + str(number % 2), picture, reason=evil) for number in (1, 2)]
    made.append(host.take(3, evil, picture, rejected=evil))
    page.show(host.payload(made, cost=evil, region=evil, cast_name=evil))
    page.focus()
    page.press("2", "Enter", "b", "r")
    assert page.page.locator(".portraitloupe-casting b").count() == 0
    assert page.page.title() != "hacked"
    assert "<b>x</b>" in page.text()


def test_a_cast_without_any_take_to_offer_says_so(page, host, picture):
    page.show(host.payload([host.take(1, "Recraft V4", picture, rejected="blank")]))
    assert "No take can be offered" in page.text()
    assert "1: blank" in page.text()
    assert page.button("Lock").get_attribute("aria-disabled") == "true"


def test_sixteen_takes_of_sixteen_models_are_shown_and_reached(page, host, picture):
    made = [host.take(n + 1, f"model {n // 16}", picture[:64, :64]) for n in range(256)]
    page.show(host.payload(made))
    page.focus()
    page.press("2", "5", "6")
    assert page.state()["chosen"] == 256
    box, inside = page.take("256").bounding_box(), page.page.locator(".takes").bounding_box()
    assert inside["y"] <= box["y"] <= inside["y"] + inside["height"] - box["height"] + 1
    assert page.page.locator(".loupe").bounding_box()["height"] >= 160
    assert len(page.captions()) == 5


def test_takes_without_a_loupe_can_be_locked_all_the_same(page, host, picture):
    page.show(host.cast(picture) | {"compare": None})
    page.focus()
    assert "Nothing to compare here" in page.text()
    page.press("4", "Enter")
    assert page.lock()["label"] == "Recraft V4 #4"


# ---- choosing


def test_the_loupe_is_the_comparer_and_shows_the_best_of_each_model(cast):
    assert cast.captions() == ["▸ 3 ★ Recraft V4", "5 GPT Image 2", "9 Nano Banana Pro"]
    assert cast.page.locator(".loupe .portraitloupe-comparer").count() == 1
    colours = """() => {
      const canvas = document.querySelector('.loupe canvas.view');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    }"""
    assert cast.run(colours) > 300


def test_digits_and_arrows_choose(cast):
    cast.press("7")
    assert cast.state()["chosen"] == 7
    assert "▸ 7 GPT Image 2" in cast.captions()
    cast.press("ArrowRight")  # 8 is not offered
    assert cast.state()["chosen"] == 9
    cast.press("ArrowUp")
    assert cast.state()["chosen"] == 5
    assert cast.run("harness.told.keys") == []
    cast.page.wait_for_timeout(1000)
    cast.press("1", "2")
    assert (cast.state()["chosen"], cast.state()["before"]) == (12, 5)  # not by way of 1
    assert "1 Recraft V4" not in cast.captions()
    cast.page.wait_for_timeout(1000)
    cast.press("8")
    assert cast.state()["chosen"] == 12
    assert cast.said() == "Take 8 is not offered: duplicate of 5."


def test_a_click_on_a_picture_or_in_the_loupe_chooses(cast):
    cast.take("6").click()
    assert cast.state()["chosen"] == 6
    cast.take("8").click(force=True)
    assert cast.state()["chosen"] == 6
    box = cast.page.locator(".loupe canvas.view").bounding_box()
    names = cast.captions()
    cast.page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.6)
    assert cast.state()["chosen"] == int(names[-1].split()[0])
    before = cast.state()
    cast.page.mouse.move(box["x"] + 30, box["y"] + 60)
    cast.page.mouse.down()
    cast.page.mouse.move(box["x"] + 90, box["y"] + 60)
    cast.page.mouse.up()
    assert cast.state() == before  # a drag pans
    assert cast.run("harness.told.pointers") == 0


def test_space_flips_between_the_last_two_in_the_same_place(cast):
    cast.press("7", " ")
    assert cast.captions() == ["▸ 3 ★ Recraft V4"]
    cast.press(" ")
    assert cast.captions() == ["▸ 7 GPT Image 2"]
    cast.press("Escape")
    assert len(cast.captions()) == 4


def test_the_zoom_stays_while_takes_come_and_go(cast):
    cast.press("+", "+")
    cast.page.wait_for_timeout(300)
    zoom = cast.run("harness.stored.look.zoom")
    cast.press("1", "0", " ", "Escape", "7")
    cast.page.wait_for_timeout(300)
    assert cast.run("harness.stored.look.zoom") == pytest.approx(zoom)


def test_arrows_in_the_loupe_pan_it(cast):
    cast.press("+", "+", "+")
    cast.page.locator(".loupe .portraitloupe-comparer").focus()
    cast.press("ArrowRight")
    cast.page.wait_for_timeout(300)
    assert cast.run("harness.stored.look.centre")[0] > 0
    assert cast.state()["chosen"] == 3


def test_a_chip_takes_its_take_out_of_the_loupe(cast):
    cast.button("Take 5 out of the loupe").click()
    assert cast.captions() == ["▸ 3 ★ Recraft V4", "9 Nano Banana Pro"]
    cast.button("show one").click()
    assert cast.captions() == ["▸ 3 ★ Recraft V4"]
    cast.button("show all").click()
    assert len(cast.captions()) == 2


# ---- locking


def test_enter_locks_the_chosen_take_for_the_next_run(cast):
    cast.press("5", "Enter")
    lock = cast.lock()
    sha = hashlib.sha256(b"5").hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", lock.pop("at"))
    assert lock == {
        "schema": 1, "take_sha256": sha, "file": f"loupe_cast/Marta/takes/{sha}.png", "model": "GPT Image 2",
        "label": "GPT Image 2 #5", "seed": 105, "prompt_sha": "", "score": 1.0, "rank": 2, "by": "pick",
    }  # fmt: skip
    assert cast.mode() == "locked"
    assert "Locked for the next run: #5 GPT Image 2" in cast.text()
    assert cast.take("5").locator(".kept").inner_text() == "locked"
    assert cast.run("harness.told.queued") == 0


def test_lock_and_queue_queues_and_unlock_empties(cast):
    cast.press("4")
    cast.button("Lock and queue").click()
    assert (cast.lock()["label"], cast.run("harness.told.queued")) == ("Recraft V4 #4", 1)
    cast.button("Unlock").click()
    assert cast.lock() is None
    assert cast.mode() == "ask"
    assert cast.button("Unlock").get_attribute("aria-disabled") == "true"


def test_a_take_that_is_locked_already_keeps_how_it_was_picked(cast):
    cast.blind()
    cast.press("1", "Enter")
    first = cast.lock()
    assert first["by"] == "blind pick"
    cast.page.wait_for_timeout(10)
    cast.button("Lock and queue").click()
    assert cast.lock() == first


def test_enter_on_a_button_presses_it_and_nothing_else(cast):
    cast.button("Unlock").focus()
    cast.press("Enter", " ")
    assert cast.lock() is None
    cast.page.get_by_label("blind").focus()
    cast.press(" ")
    assert cast.state()["blind"] is True
    assert cast.run("harness.told.keys") == []


def test_after_a_locked_run_the_locked_take_is_shown_with_its_offer(cast, host, picture):
    cast.press("7", "Enter")
    ran = host.payload([], mode="locked", locked=cast.lock(), compare=None, cost="locked: 0")
    cast.run(
        "async (ran) => { await harness.show(ran, { loupe_cast: { cast: harness.cast, ...harness.stored } }); }",
        ran,
    )
    assert cast.page.get_by_role("radio").count() == 12
    assert "Locked: #7 GPT Image 2" in cast.text()
    assert "locked: 0" in cast.text()
    assert cast.state()["chosen"] == 7


def test_a_lock_that_cannot_be_read_is_told_and_can_be_emptied(cast):
    cast.run("harness.node.widgets[2].value = '{'; harness.panel.refresh()")
    assert "The lock cannot be read. Unlock empties it." in cast.text()
    cast.button("Unlock").click()
    assert cast.run("harness.value('lock')") == ""


# ---- blind


def everything_said(page):
    """Each word that a reader of the page or a screen reader gets."""
    return page.run(
        """() => [...document.querySelectorAll('#root, #root *')].flatMap((one) => [
          ...[...one.attributes].filter(({ name }) => /title|aria|alt|label/.test(name)).map(({ value }) => value),
          ...[...one.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data),
        ]).join('\\n')"""
    )


def test_a_blind_panel_tells_no_model_rank_seed_or_figure(cast):
    assert "Recraft" in everything_said(cast)
    cast.press("b", "2", " ")
    words = everything_said(cast)
    for word in ("Recraft", "GPT", "Banana", "rank 1", "seed 1", "distance", "corridor", "★"):
        assert word not in words
    assert not any(one.is_visible() for one in cast.page.locator(".take .mark, .take .kept").all())
    assert cast.run("harness.told.hidden.at(-1)") is True
    names = [one.inner_text() for one in cast.page.locator(".take .name").all()]
    assert names == list("ABCDEFGHIJ")
    assert cast.button("Lock B").is_visible()


def test_a_blind_pick_is_locked_as_one_and_then_reveals(cast):
    cast.blind()
    cast.focus()
    cast.press("3", "Enter")
    lock = cast.lock()
    assert lock["by"] == "blind pick"
    assert f"rank {lock['rank']} of 4" in cast.text() or "not ranked" in cast.text()
    assert lock["model"] in cast.text()
    assert cast.state()["revealed"] is True


def test_after_a_reveal_a_pick_is_not_blind(cast):
    cast.blind()
    cast.focus()
    cast.press("3", "r", "Enter")
    assert cast.lock()["by"] == "pick"
    assert any(name in cast.text() for name in MODELS)


def test_every_time_that_blind_is_switched_on_the_order_is_new(cast):
    orders = []
    for seed in (1, 2):
        cast.run(f"harness.seed = {seed}")
        cast.press("b")
        sources = [
            one.get_attribute("src").split("filename=")[1]
            for one in cast.page.locator(".take img").all()
        ]
        orders.append(sources)
        cast.press("b")
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


# ---- the host's


def test_without_the_focus_the_wheel_is_the_canvas_s(cast):
    cast.run("document.activeElement.blur()")
    for part in (".takes", ".actions", ".loupe canvas.view"):
        before = cast.run("harness.told.wheels")
        box = cast.page.locator(part).bounding_box()
        cast.page.mouse.move(box["x"] + 20, box["y"] + 20)
        cast.page.mouse.wheel(0, 100)
        cast.page.wait_for_function(f"harness.told.wheels === {before + 1}")


def test_with_the_focus_the_wheel_scrolls_a_long_list(page, host, picture):
    made = [host.take(n + 1, f"model {n // 4}", picture[:64, :64]) for n in range(64)]
    page.show(host.payload(made))
    page.focus()
    box = page.page.locator(".takes").bounding_box()
    page.page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.page.mouse.wheel(0, 200)
    page.page.wait_for_function("document.querySelector('.takes').scrollTop > 0")
    assert page.run("harness.told.wheels") == 0


def test_keys_that_are_not_ours_reach_the_host(cast):
    cast.press("Delete", "Control+Enter")
    assert cast.run("harness.told.keys") == ["Delete", "Control", "Enter"]
    assert cast.lock() is None


def test_keys_work_in_full_screen(cast):
    cast.page.locator(".loupe").get_by_role("button", name="Full screen").click()
    dialog = cast.page.locator("dialog[open]")
    dialog.locator(".portraitloupe-comparer").focus()
    cast.press("7", " ")
    assert cast.state()["chosen"] == 3
    cast.press("5", "Enter")
    assert cast.lock()["label"] == "GPT Image 2 #5"
    cast.press("Escape")
    dialog.wait_for(state="detached")


def test_what_is_left_comes_back_from_what_was_stored(cast):
    cast.press("b", "4", "2", " ", "+")
    cast.page.wait_for_timeout(300)
    before, look = cast.state(), cast.run("harness.stored.look")
    cast.run(
        """async () => {
          const properties = JSON.parse(JSON.stringify({ loupe_cast: { cast: harness.cast, ...harness.stored } }));
          harness.remove();
          harness.seed = 77;
          await harness.show(null, properties);
        }"""
    )
    cast.page.wait_for_timeout(300)
    assert cast.state() == before
    assert cast.run("harness.stored.look.zoom") == pytest.approx(look["zoom"])


def test_every_part_has_a_name_and_one_stop_for_tab_leads_to_the_takes(cast):
    shell = cast.page.locator(".portraitloupe-casting")
    assert shell.get_attribute("role") == "group"
    assert shell.get_attribute("aria-roledescription") == "casting panel"
    checked = cast.page.locator("[role=radio][aria-checked=true]")
    assert checked.get_attribute("aria-label") == "Take 3, Recraft V4, rank 1, within the corridor"
    assert cast.page.locator("[role=radio][tabindex='0']").count() == 1
    assert cast.take("8").get_attribute("aria-disabled") == "true"
    for button in cast.page.locator(".portraitloupe-casting button").all():
        assert button.get_attribute("aria-label") or button.inner_text()
    cast.press("7")
    assert cast.said() == "Take 7, GPT Image 2, not ranked, within the corridor."
    checked.focus()
    cast.press("ArrowLeft")
    assert cast.run("document.activeElement.getAttribute('aria-label')").startswith("Take 6")


CONTRAST = """
() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const under = (element) => {
    let color = [0, 0, 0, 0];
    for (let one = element; one && color[3] < 1; one = one.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(one).backgroundColor);
      color = color.map((v, at) => at < 3 ? v * 1 + (1 - color[3]) * a * [r, g, b][at] : color[3] + (1 - color[3]) * a);
    }
    return color;
  };
  return [...document.querySelectorAll('.portraitloupe-casting *')].filter((one) => one.offsetParent && !one.closest('.told, .loupe')
    && [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim())).map((one) => {
    const [ink, back] = [light(numbers(getComputedStyle(one).color)), light(under(one))];
    return [one.textContent, (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05)];
  });
}
"""


def test_every_text_has_a_contrast_of_four_and_a_half(cast):
    cast.press("5", "Enter")
    found = cast.run(CONTRAST)
    assert len(found) > 25
    assert [(text, ratio) for text, ratio in found if ratio < 4.5] == []
