"""Pictures of the casting nodes."""

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from portrait_loupe.nodes.casting import sheet as drawn_sheet
from portrait_loupe.nodes.casting.node_cast_sheet import CastSheet
from portrait_loupe.nodes.casting.realism import plot
from portrait_loupe.nodes.casting.realism.corridor import build_corridor
from portrait_loupe.nodes.casting.realism.figures import SCORED
from portrait_loupe.nodes.casting.realism.store import SHIPPED, load_corridor
from portrait_loupe.nodes.typography import draw_line

from .page import (
    COLD,
    GROUND,
    INK,
    MARK,
    QUIET,
    WIDTH,
    image_of,
    larger,
    photo,
    tensor_of,
    to_width,
)

SEED, FACES = 5, 40
SMALL = """() => {
  Object.assign(document.querySelector("#root").style, { width: "520px", height: "600px" });
  harness.node.widgets[0].value = "Grace";
}"""
TESTS = Path(__file__).resolve().parents[1]


def takes() -> list[tuple[str, Image.Image]]:
    """The photo, and what models do to a face at their worst."""
    whole = image_of(photo())
    grain = np.random.default_rng(SEED).normal(0, 8, (*whole.size[::-1], 1))
    noisy = (np.asarray(whole, float) + grain).clip(0, 255).astype(np.uint8)
    return [
        ("the photo", whole),
        ("smoothed", whole.filter(ImageFilter.GaussianBlur(1.6))),
        ("sharpened", whole.filter(ImageFilter.UnsharpMask(1.5, 100, 2))),
        ("grain", Image.fromarray(noisy)),
    ]


def cast():
    given = {"take0": [tensor_of(take) for _, take in takes()]}
    with larger(drawn_sheet, LEAST_WIDE=540, MOST_WIDE=580, TITLE=22, LETTERS=18):
        return CastSheet.execute(
            [given], ["One photo and three edits"], region=["face"], corridor=[SHIPPED]
        ).args


def sheet() -> Image.Image:
    return to_width(image_of(cast()[1]), 500)


def lock() -> Image.Image:
    """The panel in a page of its own, as tests/browser/test_casting.py opens it."""
    from playwright.sync_api import sync_playwright

    panel, setup = helper("browser/test_casting.py"), helper("conftest.py")
    browser = next((path for name in setup.BROWSERS if (path := shutil.which(name))), None)
    assert browser, "Cast Lock's panel is a picture of chromium: install it"
    server = panel.serve()
    try:
        server.host = panel.Host()
        told = payload(server.host)
        with sync_playwright() as started:
            opened = started.chromium.launch(executable_path=browser, args=setup.FLAGS)
            page = opened.new_page(viewport={"width": 600, "height": 660})
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_function("Boolean(globalThis.harness)")
            page.evaluate(SMALL)
            page.evaluate("(told) => harness.show(told, null)", told)
            page.wait_for_timeout(500)
            shot = page.locator("#root").screenshot()
            opened.close()
    finally:
        server.shutdown()
        server.server_close()
    return Image.open(BytesIO(shot)).convert("RGB")


def payload(host):
    """What Cast Lock sends of four takes, here unranked as their face is too small."""
    made = []
    untold = {
        "seed": None,
        "rank": None,
        "score": None,
        "reason": "the face is too small to be ranked",
    }
    one, smooth, sharp, grain = (np.asarray(picture) for _, picture in takes())
    shown = (("Photo", one), ("Photo", grain), ("Edits", smooth), ("Edits", sharp))
    for number, (name, picture) in enumerate(shown, 1):
        take, panel = host.take(number, name, picture, **untold)
        made.append((take, panel | {"subline": ""}))
    told = host.payload(made, cast_name="Grace", region="face")
    told["compare"]["region"] = "face"
    told["compare"]["panels"] = [
        panel | {"centre": [264, 190], "unit": 85} for panel in told["compare"]["panels"]
    ]
    return told | {"trust": {"agrees": 0, "of": 0, "low": 0.0, "high": 1.0, "earned": False}}


def helper(name: str):
    """A module of the tests, which are no package."""
    path = TESTS / name
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def brief() -> Image.Image:
    """What runs before a take is locked, and what after."""
    page = Image.new("RGB", (WIDTH, 430), GROUND)
    pen = ImageDraw.Draw(page)
    steps = ("Cast Brief", "models", "Cast Sheet", "Cast Lock", "the rest")
    for left, title, ran in ((8, "nothing locked", 4), (372, "a take is locked", 0)):
        draw_line(pen, (left, 32), title, 28, INK, bold=True)
        for number, name in enumerate(steps):
            y = 56 + number * 74
            runs = (number < ran) if not left > 300 else number >= 3
            ink = GROUND if runs else QUIET
            fill = (MARK if left < 300 else COLD) if runs else None
            pen.rounded_rectangle((left, y, left + 336, y + 52), 8, fill, QUIET, 2)
            told = f"{name}{'' if runs else ': does not run'}"
            draw_line(pen, (left + 168, y + 36), told, 25, ink, bold=runs, anchor="ms")
            if number < len(steps) - 1:
                pen.line((left + 168, y + 54, left + 168, y + 72), fill=QUIET, width=3)
    return page


def calibrate() -> Image.Image:
    """Simulated faces that are spread as those of the shipped corridor are."""
    real = load_corridor(SHIPPED, [])
    rng = np.random.default_rng(SEED)
    table = rng.multivariate_normal(real.mean, real.covariance, FACES)
    rows = [
        dict(zip(SCORED, map(float, one), strict=True)) | {"face_px": 700.0, "ita_deg": 20.0}
        for one in table
    ]
    with larger(plot, WIDTH=720, LEFT=250, RIGHT=700, MARGIN=16):
        drawn = image_of(plot.draw_corridor(build_corridor(rows, name="simulated"), rows))
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, 46, WIDTH, 74), fill=plot.GROUND)  # where it says that they are photographs
    draw_line(pen, (16, 66), f"{FACES} simulated faces, no photographs", 18, MARK)
    return drawn


PICTURES = {
    "LoupeCastBrief.png": brief,
    "LoupeCastSheet.jpg": sheet,
    "LoupeCastLock.jpg": lock,
    "LoupeRealismCalibrate.png": calibrate,
}
