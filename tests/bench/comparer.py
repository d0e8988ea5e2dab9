"""The comparer in the browser beside two rivals, on the same four pictures of 8K.

    python tests/bench/comparer.py [--slider FOLDER] [--rounds 3] [--size 7680 4320]

Frame time while a gesture goes on for three seconds (intervals of requestAnimationFrame, as short as the browser can
make them), and the time until all four pictures are seen. Chromium without a graphics card: read the ratios.

The rivals are ``<img>`` elements with whole PNG files. "core" is a plain stand-in for ComfyUI's ImageCompare, written
here: two pictures on each other, ``object-fit: contain``, the upper one cut by ``clip-path``. ``img-comparison-slider``
is the npm package (``npm i img-comparison-slider@8``, then ``--slider node_modules/img-comparison-slider``); without it
that row is left out. Neither can pan or zoom, so their gesture is the slider's; "img moved" is what a pan of plain
pictures at 1:1 costs the browser.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import statistics
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TILE, SMALLEST = 2048, 1024
SECONDS = 3.0
UNCAPPED = ["--disable-frame-rate-limit", "--disable-gpu-vsync"]  # else every row says 16.7 ms
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
STYLE = """
body { margin: 0; background: #222 }
main { position: absolute; left: 0; top: 0; width: 1200px; height: 800px; display: grid; gap: 2px; grid-template: 1fr 1fr / 1fr 1fr }
main.pairs { grid-template: 1fr 1fr / 1fr } main.one { display: block }
.pair, .cell { position: relative; overflow: hidden } img { display: block }
.pair img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain }
img-comparison-slider { width: 100%; height: 100%; overflow: hidden } img-comparison-slider img { width: 100%; height: 100%; object-fit: contain }
"""
TIMED = """
const seen = async (images) => {
  await Promise.all(images.map((image) => image.decode()));
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
};
// the pointer is moved once for each frame, as far as the browser comes
globalThis.gesture = (seconds) => new Promise((resolve) => {
  const times = [];
  const target = document.elementFromPoint(500, 300);
  const tick = (now) => {
    times.push(now);
    const at = (now - times[0]) / 1000;
    if (at > seconds) return resolve(times.slice(1).map((one, index) => one - times[index]));
    const place = { clientX: 500 + 90 * Math.sin(3 * at), clientY: 300 + 60 * Math.sin(4 * at), buttons: 1, pointerId: 1, bubbles: true, composed: true };
    target.dispatchEvent(new PointerEvent("pointermove", place));
    target.dispatchEvent(new MouseEvent("mousemove", place));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
});
"""
OURS = """
import { viewUrl } from "/web/comparer/bridge.js";
import { mount } from "/web/comparer/draw.js";
import { shared } from "/web/comparer/loader.js";
globalThis.start = async () => {
  const payload = await (await fetch("/payload")).json();
  const began = performance.now();
  const viewer = mount(document.querySelector("main"), { url: (tile, sha) => viewUrl((route) => route, tile, sha) });
  viewer.set(payload);
  const coarse = payload.panels.map(({ levels }) => levels.at(-1).tiles[0].filename);
  const shown = () => coarse.every((name) => [...shared.cache.kept.keys()].some((key) => key.includes(name)));
  while (!shown()) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const first = performance.now() - began;
  while (shared.jobs.size > 0) await new Promise(requestAnimationFrame);
  return [first, shared.peak / 2 ** 20];
};
globalThis.decoded = () => shared.peak / 2 ** 20;
globalThis.trueSize = async () => {
  document.querySelector('[aria-label="1 to 1"]').click();
  await new Promise((resolve) => setTimeout(resolve, 200));
  while (shared.jobs.size > 0) await new Promise(requestAnimationFrame);
};
"""
CORE = """
const main = document.querySelector("main");
globalThis.start = async () => {
  const began = performance.now();
  const images = [];
  for (const pair of [[0, 1], [2, 3]]) {
    const box = Object.assign(document.createElement("div"), { className: "pair" });
    for (const index of pair) images.push(box.appendChild(Object.assign(new Image(), { src: `/whole?index=${index}` })));
    const upper = box.lastChild;
    upper.style.clipPath = "inset(0 0 0 50%)";
    main.append(box);
    main.addEventListener("pointermove", (event) => {
      const rect = box.getBoundingClientRect();
      upper.style.clipPath = `inset(0 0 0 ${((event.clientX - rect.left) / rect.width) * 100}%)`;
    });
  }
  await seen(images);
  return [performance.now() - began, images.reduce((sum, one) => sum + one.naturalWidth * one.naturalHeight * 4, 0) / 2 ** 20];
};
"""
SLIDER = """
import "/slider/dist/index.js";
const main = document.querySelector("main");
globalThis.start = async () => {
  const began = performance.now();
  const images = [];
  for (const pair of [[0, 1], [2, 3]]) {
    const box = document.createElement("img-comparison-slider");
    pair.forEach((index, at) => images.push(box.appendChild(Object.assign(new Image(), { src: `/whole?index=${index}`, slot: ["first", "second"][at] }))));
    main.append(box);
  }
  await seen(images);
  return [performance.now() - began, images.reduce((sum, one) => sum + one.naturalWidth * one.naturalHeight * 4, 0) / 2 ** 20];
};
"""
MOVED = """
const main = document.querySelector("main");
globalThis.start = async () => {
  const began = performance.now();
  const images = [0, 1, 2, 3].map((index) => {
    const cell = main.appendChild(Object.assign(document.createElement("div"), { className: "cell" }));
    return cell.appendChild(Object.assign(new Image(), { src: `/whole?index=${index}` }));
  });
  await seen(images);
  let [x, y, was] = [-3000, -1800, null];
  const put = () => images.forEach((image) => (image.style.transform = `translate(${x}px, ${y}px)`));
  put();
  main.addEventListener("pointermove", (event) => {
    if (was && event.buttons) { x += event.clientX - was[0]; y += event.clientY - was[1]; put(); }
    was = [event.clientX, event.clientY];
  });
  main.addEventListener("pointerdown", (event) => event.preventDefault());
  return [performance.now() - began, images.reduce((sum, one) => sum + one.naturalWidth * one.naturalHeight * 4, 0) / 2 ** 20];
};
"""
CONTESTANTS = {
    "ours, whole region": ("one", OURS, False),
    "ours, 1:1": ("one", OURS, True),
    "core's ImageCompare (stand-in)": ("pairs", CORE, False),
    "img-comparison-slider": ("pairs", SLIDER, False),
    "plain img moved at 1:1": ("", MOVED, False),
}


def photo(width: int, height: int, seed: int) -> Image.Image:
    """Shapes of a photo with the grain of a sensor."""
    random = np.random.default_rng(seed)
    small = random.integers(30, 226, (height // 120, width // 120, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    grain = random.integers(-6, 7, (height, width, 1), np.int8)
    return Image.fromarray((smooth.astype(np.int16) + grain).clip(0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    body = io.BytesIO()
    image.save(body, "PNG", compress_level=1)
    return body.getvalue()


def levels_of(image: Image.Image, files: dict[str, bytes]) -> list[dict]:
    levels, scale = [], 1.0
    while True:
        tiles = []
        for y in range(0, image.height, TILE):
            for x in range(0, image.width, TILE):
                part = image.crop((x, y, min(x + TILE, image.width), min(y + TILE, image.height)))
                body = png(part)
                name = f"{hashlib.sha256(body).hexdigest()[:16]}.png"
                files[name] = body
                tiles.append({"x": x, "y": y, "w": part.width, "h": part.height, "filename": name, "subfolder": "loupe", "type": "temp"})  # fmt: skip
        levels.append({"scale": scale, "size": list(image.size), "tiles": tiles})
        if max(image.size) <= SMALLEST:
            return levels
        scale /= 2
        image = image.resize([(side + 1) // 2 for side in image.size], Image.Resampling.BOX)


def payload_of(pictures: list[Image.Image], files: dict[str, bytes]) -> dict:
    panels = []
    for index, picture in enumerate(pictures):
        w, h = picture.size
        place = {
            "size": [w, h],
            "centre": [w / 2, h / 2],
            "unit": h / 4,
            "turn": 0,
            "px_per_mm": None,
        }
        label = f"picture {index + 1}"
        panels.append(
            {"label": label, "subline": "", "name": label, "levels": levels_of(picture, files)}
            | place
        )
    shape = [4 * pictures[0].width / pictures[0].height, 4]
    return {"version": 1, "sha": "bench", "region": "face", "shape": shape, "mm_measured": False, "panels": panels, "blind": False, "registered": [None] * len(panels)}  # fmt: skip


def serve(whole: list[bytes], files: dict[str, bytes], payload: dict, slider: Path | None):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> tuple[bytes | None, str]:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            if address.path == "/":
                kind, script, _ = CONTESTANTS[query["name"][0]]
                return (
                    f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><main class='{kind}'></main><script type=module>{TIMED}{script}</script>".encode(),
                    "text/html",
                )
            if address.path == "/payload":
                return json.dumps(payload).encode(), "application/json"
            if address.path == "/view":
                return files.get(query["filename"][0]), "image/png"
            if address.path == "/whole":
                return whole[int(query["index"][0])], "image/png"
            base = slider if address.path.startswith("/slider/") else ROOT / "web"
            file = (
                base / address.path.split("/", 2)[2]
                if base and address.path.count("/") > 1
                else None
            )
            return (file.read_bytes(), "text/javascript") if file and file.is_file() else (None, "")

        def do_GET(self):
            body, kind = self.body()
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body or b"")

        def log_message(self, format, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def measured(browser, address: str, name: str) -> dict[str, float]:
    """One fresh page: until the pictures are seen, then the gesture."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    try:
        page.goto(f"{address}?name={name.replace(' ', '+')}")
        page.wait_for_function("Boolean(globalThis.start)")
        first, decoded = page.evaluate("start()")
        if CONTESTANTS[name][2]:
            page.evaluate("trueSize()")
        page.mouse.move(500, 300)
        page.mouse.down()
        frames = sorted(page.evaluate("(seconds) => gesture(seconds)", SECONDS))
        page.mouse.up()
        if "ours" in name:
            decoded = page.evaluate("decoded()")
    finally:
        page.close()
    return {
        "first": first,
        "decoded": decoded,
        "median": statistics.median(frames),
        "p95": frames[int(0.95 * (len(frames) - 1))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--slider", type=Path, help="folder of the npm package img-comparison-slider"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--size", type=int, nargs=2, default=(7680, 4320), metavar=("WIDTH", "HEIGHT")
    )
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    names = list(CONTESTANTS)
    if arguments.slider is None or not (arguments.slider / "dist/index.js").is_file():
        names.remove("img-comparison-slider")
        print(
            f"img-comparison-slider is left out: --slider is {arguments.slider}, and there is no dist/index.js in it"
        )
    path = next(
        (
            found
            for one in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(one))
        ),
        None,
    )
    if path is None:
        raise SystemExit("No browser: install chromium.")
    pictures = [photo(*arguments.size, seed) for seed in range(4)]
    files: dict[str, bytes] = {}
    payload = payload_of(pictures, files)
    server = serve([png(picture) for picture in pictures], files, payload, arguments.slider)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with sync_playwright() as started:
        for _ in range(arguments.rounds):
            for name in names:
                # a browser of its own: another one's decoded pictures must not be in the way
                browser = started.chromium.launch(executable_path=path, args=[*FLAGS, *UNCAPPED])
                rounds[name].append(
                    measured(browser, f"http://127.0.0.1:{server.server_port}/", name)
                )
                browser.close()
    server.shutdown()
    server.server_close()
    middle = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        for name, runs in rounds.items()
    }
    ours = middle[names[0]]
    print(
        f"\n### Four pictures of {arguments.size[0]}x{arguments.size[1]}, medians of {arguments.rounds} rounds\n"
    )
    print(
        "|  | all four seen, ms | x ours | frame, median ms | x ours | p95 ms | x ours | decoded, MB |\n|---|---|---|---|---|---|---|---|"
    )
    for name, one in middle.items():
        print(
            f"| {name} | {one['first']:.0f} | {one['first'] / ours['first']:.1f} | {one['median']:.1f} "
            f"| {one['median'] / ours['median']:.2f} | {one['p95']:.1f} "
            f"| {one['p95'] / ours['p95']:.2f} | {one['decoded']:.0f} |"
        )


if __name__ == "__main__":
    main()
