"""The comparer's viewer in a real browser, without ComfyUI: what it draws, asks for and tells.

The page ``comparer.html`` mounts it; the server here stands in for ComfyUI's ``/view``.
"""

import base64
import hashlib
import io
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TILE = 2048  # px, as web/comparer/constants.js has it
BUDGET = 512 * 2**20
DOCUMENTS = {".html": "text/html", ".js": "text/javascript"}


class Host:
    """What ComfyUI does for the viewer: it serves files, and remembers what was asked for."""

    def __init__(self):
        self.files, self.asked, self.alive = {}, [], True
        self.gate = threading.Event()  # closed, it answers nothing
        self.gate.set()

    def picture(self, pixels, most=TILE, least=1024):
        """Levels of a picture (H, W, 3) uint8 as files, as the node writes them."""
        levels, scale, image = [], 1.0, Image.fromarray(pixels)
        while True:
            levels.append(self.level(image, scale, most))
            if max(image.size) <= least:
                return levels
            scale /= 2
            image = image.resize([(side + 1) // 2 for side in image.size], Image.Resampling.BOX)

    def level(self, image, scale, most):
        tiles = []
        for y in range(0, image.height, most):
            for x in range(0, image.width, most):
                part = image.crop((x, y, min(x + most, image.width), min(y + most, image.height)))
                body = io.BytesIO()
                part.save(body, "PNG", compress_level=1)
                name = f"{hashlib.sha256(body.getvalue()).hexdigest()[:16]}.png"
                self.files[name] = body.getvalue()
                tiles.append(
                    {"x": x, "y": y, "w": part.width, "h": part.height}
                    | {"filename": name, "subfolder": "loupe", "type": "temp"}
                )
        return {"scale": scale, "size": list(image.size), "tiles": tiles}

    def panel(self, label, levels, **place):
        size = levels[0]["size"]
        given = {
            "label": label, "subline": "", "name": label, "size": size, "turn": 0, "px_per_mm": None,
            "centre": [size[0] / 2, size[1] / 2], "unit": size[0] / 4, "levels": levels,
        }  # fmt: skip
        return given | place

    def payload(self, *panels, **other):
        given = {
            "version": 1, "sha": "s1", "region": "eyes", "shape": [2, 1.6], "mm_measured": False,
            "panels": list(panels), "blind": False,
            "registered": [None, *[{"ncc": 0.98, "reason": None}] * (len(panels) - 1)],
        }  # fmt: skip
        return given | other


class Server(ThreadingHTTPServer):
    host: Host  # of the test that is running


def serve():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            address = urlsplit(self.path)
            if address.path == "/view":
                host = server.host
                host.gate.wait(10)
                host.asked.append(self.path)
                name = parse_qs(address.query).get("filename", [""])[0]
                body, kind = host.files.get(name) if host.alive else None, "image/png"
            else:
                file = ROOT / (
                    "tests/browser/comparer.html" if address.path == "/" else address.path[1:]
                )
                known = file.suffix in DOCUMENTS and file.is_file()
                body, kind = file.read_bytes() if known else None, DOCUMENTS.get(file.suffix, "")
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "max-age=600" if kind != "image/png" else "no-store")
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
    """The harness page with a viewer on it. Numbers are device px of the canvas unless they say otherwise."""

    def __init__(self, page, host):
        self.page, self.host = page, host

    def show(self, *panels, view=None, **other):
        payload = self.host.payload(*panels, **other)
        self.page.evaluate("([payload, view]) => harness.show(payload, view)", [payload, view])
        return payload

    def run(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def idle(self):
        self.run("harness.idle()")

    def view(self):
        return self.run("harness.viewer.view()")

    def said(self):
        return self.page.inner_text("#root [aria-live]", timeout=1000)

    def pixels(self, x, y, w, h):
        self.idle()
        file = base64.b64decode(self.run("(box) => harness.pixels(...box)", [x, y, w, h]))
        return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))

    def canvas(self):
        box = self.page.locator("canvas.view").bounding_box()
        return box["x"], box["y"]

    def move(self, x, y):
        """To this CSS px of the stage."""
        left, top = self.canvas()
        self.page.mouse.move(left + x, top + y)

    def click(self, x, y):
        self.move(x, y)
        self.page.mouse.down()
        self.page.mouse.up()

    def drag(self, start, end):
        self.move(*start)
        self.page.mouse.down()
        self.move(*end)
        self.page.mouse.up()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.idle()

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, name, value):
        self.page.get_by_label(name, exact=True).select_option(value)
        self.idle()


@pytest.fixture(scope="module")
def server():
    started = serve()
    yield started
    started.shutdown()
    started.server_close()


@pytest.fixture(scope="module")
def contexts(browser):
    """Contexts by their options; kept, so that the modules are read once."""
    made = {}
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def host(server):
    server.host = Host()
    yield server.host
    server.host.gate.set()


@pytest.fixture
def open_page(browser, contexts, host, server):
    """Opens the page; an error on its console fails the test."""
    pages, errors, asked = [], [], []

    def opened(**options):
        key = tuple(options.items())
        if key not in contexts:
            given = {"viewport": {"width": 1000, "height": 640}} | options
            contexts[key] = browser.new_context(**given)
        page = contexts[key].new_page()
        pages.append(page)
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("Boolean(globalThis.harness)")
        return Page(page, host)

    yield opened
    for page in pages:
        page.close()
    home = f"http://127.0.0.1:{server.server_port}/"
    assert [url for url in asked if not url.startswith((home, f"blob:{home}"))] == []
    assert [error for error in errors if "404" not in error] == []


@pytest.fixture
def page(open_page):
    return open_page()


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def places_picture(side=256, blue=128):
    """A picture whose pixels say where they are: red is x, green is y."""
    y, x = np.mgrid[:side, :side]
    return np.stack([x, y, np.full_like(x, blue)], -1).astype(np.uint8)


def plain(color, width=256, height=256):
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


def close_to(one, other, most):
    assert np.abs(np.asarray(one, float) - np.asarray(other, float)).max() <= most


# ---- what is drawn


@pytest.mark.parametrize("dpr", [1, 2])
@pytest.mark.parametrize("ratio", [1, 4])
def test_source_pixels_are_shown_as_they_are(open_page, host, ratio, dpr):
    page, source = open_page(device_scale_factor=dpr), noise(700, 600)
    page.show(host.panel("A", host.picture(source, most=256), centre=[350, 300]))
    page.button(f"{ratio} to 1").click()
    # one panel of 800x430 CSS px: its middle shows the region's
    shown = page.pixels(400 * dpr - 80, 215 * dpr - 60, 160, 120)
    near = source[300 - 60 // ratio : 300 + 60 // ratio, 350 - 80 // ratio : 350 + 80 // ratio]
    assert np.array_equal(shown, near.repeat(ratio, 0).repeat(ratio, 1))
    assert f"{ratio}.00 device px per source px" in page.page.inner_text("#root .caption")


def test_every_source_pixel_is_a_whole_block_also_in_a_panel_of_odd_width(page, host):
    source = noise(300, 300)
    page.show(*[host.panel(name, host.picture(source)) for name in "AB"])  # 399 px wide each
    page.button("4 to 1").click()
    page.idle()
    shown = page.pixels(401, 0, 399, 428)
    changes = [
        np.flatnonzero(np.diff(shown[100].astype(int), axis=0).any(-1)),
        np.flatnonzero(np.diff(shown[:, 100].astype(int), axis=0).any(-1)),
    ]
    for places in changes:
        assert np.unique(np.diff(places) % 4).tolist() == [0]
        assert len(places) > 90


def test_the_screen_shows_the_canvas_as_it_is(page, host):
    source = noise(700, 600)
    page.show(host.panel("A", host.picture(source), centre=[350, 300]))
    page.button("1 to 1").click()
    page.idle()
    left, top = page.canvas()
    clip = {"x": left + 100, "y": top + 100, "width": 90, "height": 70}
    seen = np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=clip))).convert("RGB"))
    assert np.array_equal(seen, source[185:255, 50:140])


@pytest.mark.parametrize("scale", [0.5, 1.6])
def test_one_to_one_means_device_pixels_in_a_graph_that_is_zoomed(page, host, scale):
    source = noise(900, 600)
    page.run(f"document.querySelector('#root').style.transform = 'scale({scale})'")
    page.show(host.panel("A", host.picture(source), centre=[450, 300]))
    page.button("1 to 1").click()
    x, y = round(400 * scale), round(215 * scale)
    assert np.array_equal(page.pixels(x - 50, y - 40, 100, 80), source[260:340, 400:500])


def test_a_level_stands_in_below_one_to_one(page, host):
    bright, dark = plain((250, 0, 0), 2000, 1600), plain((0, 0, 250), 1000, 800)
    levels = host.picture(bright)
    levels[1] = host.level(Image.fromarray(dark), 0.5, TILE)
    page.show(host.panel("A", levels, unit=1000))
    page.run("harness.viewer.set(null)")
    page.show(host.panel("A", levels, unit=1000), view={"lock": "pixel", "zoom": 0.45})
    assert page.pixels(400, 200, 1, 1).tolist() == [[[0, 0, 250]]]
    assert "reduced view" in page.page.inner_text("#root .caption")
    page.button("1 to 1").click()
    assert page.pixels(400, 200, 1, 1).tolist() == [[[250, 0, 0]]]
    assert "reduced view" not in page.page.inner_text("#root .caption")


@pytest.mark.parametrize("kind", ["larger and moved", "turned"])
def test_panels_locked_to_the_face_show_the_same_point(page, host, kind):
    source = plain((20, 20, 20), 300, 300)
    source[140:146, 170:176] = 250  # its middle lies 23 right of the region's and 7 above it
    other, place = source, {"centre": [150, 150], "unit": 60}
    if kind == "turned":
        other, moved = np.rot90(source, -1), {"centre": [150, 150], "unit": 60, "turn": 90}
    else:
        other = np.pad(source.repeat(3, 0).repeat(3, 1), ((40, 0), (110, 0), (0, 0)))
        moved = {"centre": [110 + 450, 40 + 450], "unit": 180}
    page.show(
        host.panel("A", host.picture(source), **place),
        host.panel("B", host.picture(other), **moved),
    )
    for key in ["0", "+", "ArrowRight", "ArrowUp", "+"]:
        page.click(100, 100)
        page.press(key)
        shown = page.pixels(0, 0, 800, 430)[..., 1].astype(float)
        spots = [np.argwhere(shown[:, start : start + 399] > 128) for start in (0, 401)]
        close_to(spots[0].mean(0), spots[1].mean(0), 1)  # device px
        close_to(np.ptp(spots[0], 0), np.ptp(spots[1], 0), 1)


def test_locked_to_the_poorest_a_panel_has_no_more_detail_than_it(page, host):
    # stripes of one pixel, which half the resolution cannot hold
    stripes = plain((0, 0, 0), 400, 400)
    stripes[:, ::2] = 255
    poor = plain((0, 0, 0), 200, 200)
    page.show(
        host.panel("A", host.picture(stripes), unit=100),
        host.panel("B", host.picture(poor), unit=50),
    )
    assert np.ptp(page.pixels(100, 100, 80, 80)) > 200
    page.choose("Lock", "level")
    assert np.ptp(page.pixels(100, 100, 80, 80)) < 10
    assert "reduced to the poorest" in page.page.inner_text("#root .caption >> nth=0")


def test_the_difference_is_four_times_what_two_panels_are_apart(page, host):
    first, second = noise(500, 400, 1), noise(500, 400, 2)
    second = (first.astype(int) + second % 120 - 60).clip(0, 255).astype(np.uint8)
    page.show(
        *[
            host.panel(name, host.picture(one, most=128, least=200))
            for name, one in [("A", first), ("B", second)]
        ]
    )
    page.choose("Mode", "difference")
    page.button("1 to 1").click()
    apart = np.abs(first.astype(int) - second)[140:260, 170:330]
    assert np.array_equal(page.pixels(320, 155, 160, 120), (4 * apart).clip(0, 255))


def test_panels_that_are_not_registered_have_no_difference(page, host):
    panels = [host.panel(name, host.picture(noise(200, 200))) for name in "AB"]
    page.show(*panels, registered=[None, {"ncc": None, "reason": "the faces look elsewhere"}])
    option = page.page.locator("option[value=difference]")
    assert option.is_disabled()
    assert option.get_attribute("title") == "the faces look elsewhere"
    page.click(100, 100)
    page.press("d")
    assert page.view()["mode"] == "grid"
    assert page.said() == "the faces look elsewhere"
    assert page.page.locator("#root .toast").is_visible()


def test_a_divider_parts_two_panels(page, host):
    page.show(*[host.panel(c, host.picture(plain(c))) for c in [(250, 0, 0), (0, 0, 250)]])
    page.choose("Mode", "divider")
    handle = page.page.get_by_role("slider")
    assert handle.get_attribute("aria-valuenow") == "50"
    page.drag((400, 100), (200, 100))
    assert [handle.get_attribute(f"aria-value{name}") for name in ("min", "now", "max")] == [
        "0",
        "25",
        "100",
    ]
    row = page.pixels(190, 100, 20, 1)[0]
    assert [pixel.tolist() for pixel in row] == [[250, 0, 0]] * 10 + [[0, 0, 250]] * 10
    for key, now in [
        ("ArrowRight", "26"),
        ("Shift+ArrowLeft", "16"),
        ("Home", "0"),
        ("End", "100"),
    ]:
        handle.press(key)
        page.idle()
        assert handle.get_attribute("aria-valuenow") == now
    assert page.view()["centre"] == [0, 0]  # its arrows are not the viewer's
    assert page.run("harness.told.keys") == ["Shift"]


def test_space_shows_the_other_panel_while_it_is_held(page, host):
    panels = [host.panel(c, host.picture(plain(c))) for c in [(250, 0, 0), (0, 0, 250)]]
    page.show(*panels, view={"mode": "flicker"})
    page.click(100, 100)
    colors = [page.pixels(300, 100, 1, 1)[0, 0].tolist()]
    assert len(host.asked) == 2  # the other one is there already
    page.page.keyboard.down(" ")
    colors.append(page.pixels(300, 100, 1, 1)[0, 0].tolist())
    page.page.keyboard.up(" ")
    colors.append(page.pixels(300, 100, 1, 1)[0, 0].tolist())
    assert colors == [[250, 0, 0], [0, 0, 250], [250, 0, 0]]


# ---- pointer, wheel, keys


def coded(page, x, y):
    """Where in the picture of places this pixel of the canvas comes from."""
    return page.pixels(x, y, 1, 1)[0, 0, :2].astype(int)


@pytest.mark.parametrize("scale", [1, 0.6])
def test_the_wheel_zooms_at_the_pointer(page, host, scale):
    page.run(f"document.querySelector('#root').style.transform = 'scale({scale})'")
    page.show(host.panel("A", host.picture(places_picture())))
    x, y = round(530 * scale), round(120 * scale)
    page.click(x, y)
    page.run(
        """() => { harness.wheels = [];
          addEventListener('wheel', (event) => harness.wheels.push(event), true);
          document.body.addEventListener('wheel', () => harness.wheels.push('the host')); }"""
    )
    before, zoom = coded(page, x, y), page.view()["zoom"]
    for turn in (-200, -150, 90):
        page.page.mouse.wheel(0, turn)
        page.idle()
        close_to(coded(page, x, y), before, 1)
    assert page.view()["zoom"] > 1.3 * zoom
    assert page.run("harness.told.wheels") == 0
    prevented = page.run("harness.wheels.map((event) => event.defaultPrevented)")
    assert prevented == [True] * 3  # no page scrolls, and the host has heard nothing


def test_without_the_focus_the_wheel_is_the_canvas_s(page, host):
    page.show(host.panel("A", host.picture(places_picture())))
    before = page.view()
    page.run(
        "document.addEventListener('wheel', (event) => (harness.kept = !event.defaultPrevented))"
    )
    page.move(300, 100)
    page.page.mouse.wheel(0, -200)
    page.page.wait_for_function("harness.told.wheels === 1")
    page.idle()
    assert page.view() == before
    assert page.run("harness.kept") is True


def test_a_drag_takes_the_picture_along_and_not_the_node(page, host):
    page.show(
        host.panel("A", host.picture(places_picture())),
        host.panel("B", host.picture(places_picture())),
    )
    before = [coded(page, 150, 200), coded(page, 151 + 401, 200)]
    page.run(
        """() => addEventListener('pointerup', () => setTimeout(() => {
          harness.early = harness.told.views.length; }, 0), true)"""
    )
    page.drag((150, 200), (180, 170))
    page.page.wait_for_function("harness.early !== undefined")
    assert page.run("harness.early") == 1  # told when it ends, and no moment later
    close_to(coded(page, 180, 170), before[0], 1)
    close_to(coded(page, 181 + 401, 170), before[1], 1)
    assert page.run("harness.told.pointers") == 0
    assert page.run("document.activeElement.getAttribute('role')") == "group"
    assert len(page.run("harness.told.views")) == 1


def test_free_panels_move_alone(page, host):
    page.show(
        host.panel("A", host.picture(places_picture())),
        host.panel("B", host.picture(places_picture())),
    )
    page.choose("Lock", "free")
    before = [coded(page, 150, 200), coded(page, 551, 200)]
    page.drag((551, 200), (571, 230))
    assert np.array_equal(coded(page, 150, 200), before[0])
    close_to(coded(page, 571, 230), before[1], 1)
    unit = 256 / 4
    offset = page.view()["offsets"][1]
    page.press("ArrowRight")
    close_to(page.view()["offsets"][1], [offset[0] - 1 / unit, offset[1]], 1e-9)  # one source px


def test_two_fingers_zoom(open_page, host):
    page = open_page(has_touch=True)
    page.show(host.panel("A", host.picture(places_picture())))
    left, top = page.canvas()
    touch = page.page.context.new_cdp_session(page.page)

    def fingers(kind, *points):
        spots = [{"x": left + x, "y": top + y, "id": at} for at, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    before, zoom = coded(page, 400, 200), page.view()["zoom"]
    fingers("touchStart", (350, 200))
    fingers("touchStart", (350, 200), (450, 200))
    fingers("touchMove", (300, 200), (500, 200))
    fingers("touchEnd")
    page.idle()
    assert abs(page.view()["zoom"] / zoom - 2) < 0.02
    close_to(coded(page, 400, 200), before, 1)


def test_keys_do_what_the_help_says_and_stay_here(page, host):
    page.show(
        *[host.panel(name, host.picture(noise(300, 300, at))) for at, name in enumerate("ABC")]
    )
    page.click(100, 100)
    fitted = page.view()
    page.press("l")
    assert page.view()["lock"] == "pixel"
    ratios = []
    for _ in range(4):
        page.press("z")
        ratios.append(round(page.view()["zoom"], 9))
    assert ratios == [1, 2, 4, 1]
    page.press("+")
    assert page.view()["zoom"] > 1
    page.press("-", "ArrowRight", "ArrowDown")
    assert min(page.view()["centre"]) > 0
    page.press("0", "l", "l", "l")
    assert page.view()["lock"] == "face"
    close_to(page.view()["zoom"], fitted["zoom"], 1e-9)
    page.press("2")
    assert page.view()["solo"] == 1
    assert page.page.locator("#root .caption:visible").count() == 1
    page.press("2")
    assert page.view()["solo"] is None
    page.press("d")
    assert page.view()["mode"] == "difference"
    page.press("?")
    assert page.page.get_by_role("region", name="Keys").is_visible()
    page.press("Escape")
    assert not page.page.get_by_role("region", name="Keys").is_visible()
    assert page.run("harness.told.keys") == []
    page.press("x", "Control+s", "Escape")
    assert page.run("harness.told.keys") == ["x", "Control", "s", "Escape"]


def test_a_list_in_the_toolbar_keeps_its_own_keys(page, host):
    page.show(*[host.panel(name, host.picture(noise(300, 300))) for name in "AB"])
    before = page.view()
    page.page.get_by_label("Lock", exact=True).focus()
    page.press("d", "0", "2")
    assert page.view() == before
    assert page.run("harness.told.keys") == []


# ---- what it says


def test_labels_are_text(page, host):
    evil = '<img src=x onerror="harness.hacked = true">'
    panels = [host.panel(evil, host.picture(noise(200, 200)), subline=evil) for _ in range(3)]
    page.show(*panels)
    page.choose("Mode", "divider")
    assert page.page.inner_text("#root .title >> nth=0") == evil
    assert page.page.locator("#root img").count() == 0
    assert page.run("harness.hacked") is None


def test_blind_names_are_nowhere_until_they_are_revealed(page, host):
    panels = [
        host.panel(label, host.picture(noise(200, 200)), name=f"model-{label}") for label in "AB"
    ]
    page.show(*panels, blind=True)
    assert "model-" not in page.run("document.querySelector('#root').outerHTML")
    page.button("Reveal names").click()
    page.idle()
    assert page.page.inner_text("#root .title >> nth=1") == "B: model-B"
    page.click(100, 100)
    page.press("b")
    assert "model-" not in page.run("document.querySelector('#root').outerHTML")


def test_the_bar_of_millimetres_follows_the_zoom(page, host):
    page.show(host.panel("A", host.picture(noise(400, 400)), px_per_mm=12.5), mm_measured=True)
    for ratio in (1, 4):
        page.button(f"{ratio} to 1").click()
        page.idle()
        width = page.page.locator("#root .ruler").bounding_box()["width"]
        length = float(page.page.inner_text("#root .scale").removesuffix(" mm"))
        assert abs(width - length * 12.5 * ratio) <= 0.5


def test_zoom_and_lock_are_announced(page, host):
    page.show(*[host.panel(name, host.picture(noise(300, 300))) for name in "AB"])
    page.choose("Lock", "pixel")
    assert page.said().startswith("Lock Pixel")
    page.button("4 to 1").click()
    page.page.wait_for_function("harness.told.said.at(-1) === '4.00 device px per source px.'")
    assert page.said() == "4.00 device px per source px."


def test_roles_and_names(page, host):
    page.show(*[host.panel(name, host.picture(noise(300, 300))) for name in ("one", "two")])
    page.choose("Mode", "divider")
    group = page.page.get_by_role("group", name="Comparer", exact=True)
    assert group.get_attribute("aria-roledescription") == "image comparer"
    assert group.get_attribute("tabindex") == "0"
    assert group.get_attribute("data-capture-wheel") == "true"
    assert not page.page.get_by_label("Reveal names").is_visible()  # nothing is hidden
    tree = group.aria_snapshot()
    for line in [
        "toolbar", "combobox \"Lock\"", "combobox \"Mode\"", "button \"Fit\"", "button \"1 to 1\"", "button \"Save\"",
        "button \"Full screen\"", "button \"Help\"", "slider \"Divider\"", "img \"one, two\"", "status",
    ]:  # fmt: skip
        assert line in tree
    for button in page.page.locator("#root button:visible").all():
        assert button.get_attribute("aria-label")
        assert button.get_attribute("title")


def luminance(color):
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in color]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_every_text_has_enough_contrast(page, host):
    small = host.picture(noise(300, 300))
    page.show(*[host.panel(name, small, px_per_mm=9, unit=900) for name in "AB"])
    page.button("Help").click()
    page.idle()
    colors = page.run(
        """() => [...document.querySelectorAll('#root *')].filter((one) => one.checkVisibility()
          && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())).map((one) => {
          let ground = one;
          while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
          return [getComputedStyle(one).color, getComputedStyle(ground).backgroundColor, one.textContent]; })"""
    )
    assert len(colors) > 20
    for ink, ground, text in colors:
        pair = [
            luminance([float(one) / 255 for one in color[color.index("(") + 1 : -1].split(",")[:3]])
            for color in (ink, ground)
        ]
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5, (text, ink, ground)


# ---- where pictures come from


def test_pictures_are_asked_for_losslessly_and_here(page, host):
    page.show(
        *[
            host.panel(name, host.picture(noise(900, 700, at), most=256, least=300))
            for at, name in enumerate("AB")
        ]
    )
    page.button("1 to 1").click()
    page.idle()
    assert len(host.asked) > 10
    for asked in host.asked:
        query = parse_qs(urlsplit(asked).query)
        assert query.keys() == {"filename", "subfolder", "type", "sha"}
        assert query["filename"][0] in host.files
        assert (query["subfolder"], query["type"]) == (["loupe"], ["temp"])
    assert len(host.asked) == len(set(host.asked))  # each once


def test_without_a_run_it_says_what_to_do(page):
    page.run("harness.show(null)")
    assert page.page.inner_text("#root .message") == "Queue to compare."
    assert page.view() is None
    assert page.page.locator("#root button:visible").count() == 0


def test_pictures_that_are_gone_are_spoken_of_and_can_come_back(page, host):
    panels = [host.panel(name, host.picture(noise(300, 300, at))) for at, name in enumerate("AB")]
    host.alive = False
    page.show(*panels)
    assert (
        page.page.locator("#root .message").all_inner_texts()
        == ["The pictures are gone: queue again."] * 2
    )
    asked = len(host.asked)
    page.click(100, 100)
    page.press("+", "-")
    assert len(host.asked) == asked  # not asked for again and again
    host.alive = True
    page.show(*panels)
    assert page.page.locator("#root .message").count() == 0
    assert np.ptp(page.pixels(100, 100, 50, 50)) > 200


def test_eight_thousand_pixels_four_times_stay_within_the_memory(open_page, host, monkeypatch):
    page = open_page()
    page.run(
        """() => {
        const made = createImageBitmap;
        const { close } = ImageBitmap.prototype;
        harness.held = harness.most = 0;
        createImageBitmap = async (...given) => {
          const bitmap = await made(...given);
          harness.held += bitmap.width * bitmap.height * 4;
          harness.most = Math.max(harness.most, harness.held);
          return bitmap;
        };
        ImageBitmap.prototype.close = function () {
          harness.held -= this.width * this.height * 4;
          close.call(this);
        }; }"""
    )
    panels = []
    for index in range(4):
        levels = []
        for scale, side in [(1, 8192), (0.5, 4096), (0.25, 2048), (0.125, 1024)]:
            tiles = []
            for at in range(max(1, side // TILE) ** 2):
                name, body = f"{index}-{side}-{at}.png", io.BytesIO()
                Image.new("L", [min(side, TILE)] * 2, 40 * index + at).save(
                    body, "PNG", compress_level=1
                )
                host.files[name] = body.getvalue()
                x, y = at % (side // TILE or 1), at // (side // TILE or 1)
                tiles.append(
                    {"x": x * TILE, "y": y * TILE, "w": min(side, TILE), "h": min(side, TILE)}
                    | {"filename": name, "subfolder": "loupe", "type": "temp"}
                )
            levels.append({"scale": scale, "size": [side, side], "tiles": tiles})
        panels.append(host.panel("ABCD"[index], levels, unit=2048))
    for row in (-1.5, -0.5, 0.5, 1.5):
        for column in (-1.5, 0.5):
            page.show(*panels, view={"lock": "pixel", "zoom": 1, "centre": [column, row]})
    at = 3 * 4 + 2  # the tile that the last view shows: fourth row, third column
    assert page.pixels(100, 60, 1, 1).tolist() == [[[at] * 3]]
    assert page.pixels(601, 400, 1, 1).tolist() == [[[120 + at] * 3]]
    held, most = page.run("[harness.held, harness.most]")
    assert 0.5 * BUDGET < most <= BUDGET
    assert page.run("[harness.shared.decoded, harness.shared.peak <= 512 * 2 ** 20]") == [
        held,
        True,
    ]
    page.run("harness.remove()")
    assert page.run("harness.held") == 0


@pytest.mark.parametrize("end", ["harness.viewer.set(null)", "harness.remove()"])
def test_what_is_not_wanted_any_more_is_not_loaded(page, host, end):
    payload = host.payload(
        host.panel("A", host.picture(noise(900, 700), most=256, least=300)),
    )
    stopped = []
    page.page.on("requestfailed", lambda request: stopped.append(request.url))
    host.gate.clear()
    page.run("(payload) => { harness.mount(); harness.viewer.set(payload); }", payload)
    page.page.wait_for_function("harness.shared.jobs.size > 0")
    page.run(end)
    page.run("harness.frames(4)")
    assert page.run("[harness.shared.jobs.size, harness.shared.decoded]") == [0, 0]
    assert len(stopped) > 0


def test_what_comes_too_late_is_freed(page):
    freed = page.run(
        """async () => {
        const { Loader } = await import('/web/comparer/loader.js');
        let come, closed = 0;
        const late = new Promise((resolve) => { come = resolve; });
        const loader = new Loader({ read: () => late });
        const client = loader.client(() => {});
        client.want([{ key: 'a', priority: 0, bytes: 16, w: 2, h: 2 }]);
        client.release();
        come({ width: 2, height: 2, close: () => { closed += 1; } });
        await harness.frames(2);
        return [closed, loader.decoded]; }"""
    )
    assert freed == [1, 0]


# ---- life


def test_the_view_survives_a_tab_switch(page, host):
    panels = [host.panel(name, host.picture(noise(500, 400, at))) for at, name in enumerate("AB")]
    page.show(*panels)
    page.click(100, 100)
    page.press("l", "z", "+", "ArrowRight")
    page.choose("Mode", "divider")
    before, pixels = page.view(), page.pixels(0, 0, 800, 430)
    page.page.wait_for_function("harness.told.views.at(-1)?.mode === 'divider'")
    told = page.run("harness.told.views.at(-1)")
    assert told == before
    page.run("harness.remove()")
    assert page.run("document.querySelector('#root').childElementCount") == 0
    page.show(*panels, view=told)
    assert page.view() == before
    assert np.array_equal(page.pixels(0, 0, 800, 430), pixels)


def test_a_view_that_fits_goes_on_fitting_and_another_stays(page, host):
    page.show(host.panel("A", host.picture(noise(500, 400))))
    fitted = page.view()["zoom"]
    page.run("document.querySelector('#root').style.height = '300px'")
    page.idle()
    assert page.view()["zoom"] < 0.8 * fitted
    page.button("4 to 1").click()
    chosen = page.view()["zoom"]
    page.run("document.querySelector('#root').style.height = '500px'")
    page.idle()
    assert page.view()["zoom"] == chosen


def test_nothing_is_drawn_while_nothing_happens(page, host):
    page.show(*[host.panel(name, host.picture(noise(500, 400))) for name in "AB"])
    page.press("+")
    count = """async () => {
      const asked = requestAnimationFrame;
      let calls = 0;
      requestAnimationFrame = (callback) => { calls += 1; return asked(callback); };
      await new Promise((resolve) => setTimeout(resolve, 300));
      requestAnimationFrame = asked;
      return calls; }"""
    assert page.run(count) == 0


FLICKERS = """async () => {
  const shown = () => document.querySelector('#root .title').textContent;
  const changes = [];
  const seer = new MutationObserver(() => changes.push(shown()));
  seer.observe(document.querySelector('#root .stage'), { subtree: true, characterData: true, childList: true });
  await new Promise((resolve) => setTimeout(resolve, 1300));
  seer.disconnect();
  return changes; }"""


def test_the_flicker_is_slow_and_stops_where_less_motion_is_asked_for(page, host):
    page.show(*[host.panel(name, host.picture(noise(200, 200))) for name in "AB"])
    page.choose("Mode", "flicker")
    play = page.button("Flicker by itself")
    assert play.get_attribute("aria-pressed") == "true"
    assert 1 <= len(page.run(FLICKERS)) <= 3 * 1.3
    page.page.emulate_media(reduced_motion="reduce")
    page.idle()
    assert play.get_attribute("aria-pressed") == "false"
    assert play.get_attribute("aria-disabled") == "true"
    play.click(force=True)
    page.choose("Mode", "grid")
    page.choose("Mode", "flicker")
    assert page.run(FLICKERS) == []


def test_full_screen_has_true_pixels_and_gives_the_focus_back(page, host):
    source = noise(1200, 900)
    page.run("document.querySelector('#root').style.transform = 'scale(0.7)'")
    page.show(host.panel("A", host.picture(source), centre=[600, 450]))
    before = page.view()
    page.button("Full screen").click()
    page.idle()
    dialog = page.page.get_by_role("dialog")
    assert page.run("document.querySelector('dialog[open]').parentElement === document.body")
    assert dialog.bounding_box() == {"x": 0, "y": 0, "width": 1000, "height": 640}
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Close full screen"
    page.move(500, 200)
    page.press("z")
    left, top = page.canvas()
    clip = {"x": left + 450, "y": top + 245, "width": 100, "height": 80}
    seen = np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=clip))).convert("RGB"))
    assert np.array_equal(
        seen, source[410:490, 550:650]
    )  # the stage is 1000x608, the panel 1000x570
    page.press("0", "Escape")
    assert dialog.count() == 0
    assert page.run("document.activeElement.getAttribute('aria-label')") == "Full screen"
    assert page.page.locator("#root canvas.view").count() == 1
    close_to(
        [page.view()["zoom"], *page.view()["centre"]], [before["zoom"], *before["centre"]], 1e-9
    )


def test_a_look_at_full_screen_changes_nothing(page, host):
    page.show(*[host.panel(name, host.picture(noise(500, 400))) for name in "AB"])
    page.click(100, 100)
    page.press("+", "+", "ArrowLeft")
    before = page.view()
    page.button("Full screen").click()
    page.idle()
    assert page.view()["zoom"] > before["zoom"]  # what was seen is seen larger
    page.button("Close full screen").click()
    page.idle()
    assert page.view() == before


def test_true_pixels_stay_true_in_full_screen_and_back(page, host):
    page.run("document.querySelector('#root').style.transform = 'scale(0.7)'")
    page.show(host.panel("A", host.picture(noise(900, 700))))
    page.button("2 to 1").click()
    for name in ("Full screen", "Close full screen"):
        page.button(name).click()
        page.idle()
        assert "2.00 device px per source px" in page.page.inner_text(".caption")


def test_what_is_shown_can_be_saved(page, host):
    source = noise(700, 600)
    page.show(host.panel("A", host.picture(source), centre=[350, 300]))
    page.button("1 to 1").click()
    with page.page.expect_download() as waiting:
        page.button("Save").click()
    assert waiting.value.suggested_filename == "two_faces.png"
    saved = np.asarray(Image.open(waiting.value.path()).convert("RGB"))
    assert saved.shape == (468, 800, 3)
    assert np.array_equal(saved[155:275, 320:480], source[240:360, 270:430])
    assert saved[432:466, :200].max() > 200  # the label


def test_it_works_at_320_by_240(page, host):
    page.run("document.querySelector('#root').style.cssText = 'width: 320px; height: 240px'")
    page.show(
        *[host.panel(name * 30, host.picture(noise(300, 300)), px_per_mm=9) for name in "ABCD"],
        blind=True,
    )
    for name in ("Lock", "Mode", "Fit", "Reveal names", "Save", "Full screen", "Help"):
        box = page.page.get_by_label(name, exact=True).bounding_box()
        assert box["x"] >= 20  # where the harness puts it
        assert box["x"] + box["width"] <= 20 + 320
    for caption in page.page.locator("#root .caption").all():
        box = caption.bounding_box()
        assert box["width"] >= 140
        assert box["y"] + box["height"] <= 20 + 240
    assert np.ptp(page.pixels(20, 20, 40, 30)) > 200
