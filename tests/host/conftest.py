"""A real ComfyUI with the pack installed as users install it, twice.

``COMFYUI_PATH`` names a checkout and ``COMFYUI_PYTHON`` an interpreter with its requirements; without
the first, all tests here skip. Two hosts run, each on loopback with a throw-away base directory:

- ``clone``: what git clone gives, in a folder with hyphens
- ``zip``: what the registry's zip holds, in a folder with a dot

Each has another frontend where the checkout is one of those we support by name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.runner import SAMPLES
from portrait_loupe.nodes.host.server import Server

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "artefacts"
FRONTENDS = {"0.23.0": ("1.44.19",), "0.33.0": ("1.49.6", "1.58.1")}  # else the one it asks for
ADA = 5  # who is drawn
FOLDERS = {"clone": "ComfyUI-Portrait-Loupe", "zip": "portrait.loupe-0.1"}
OURS = re.compile("loupe", re.IGNORECASE)  # in the words, the address or the stack of an error
TRANSLATION = re.compile(
    r"404.*/docs/\w+/\w+\.md"
)  # of a help page: asked for before the page itself
BROKEN = "broken.on-purpose"  # shows that the search of the log finds what it looks for


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.comfyui)


@dataclass(frozen=True)
class Host:
    """A ComfyUI that runs for the tests."""

    started: launch.Started
    server: Server
    folder: str  # of the pack in custom_nodes
    version: str
    frontend: str

    @property
    def pack(self) -> Path:
        return self.started.base / "custom_nodes" / self.folder

    @property
    def name(self) -> str:
        return f"comfyui-{self.version}-frontend-{self.frontend}"


@pytest.fixture(scope="session")
def checkout() -> Path:
    path = os.environ.get("COMFYUI_PATH")
    if not path:
        pytest.skip("COMFYUI_PATH names no ComfyUI: nothing to run the pack in")
    why_not = launch.why_no_checkout(Path(path))
    if why_not:
        pytest.fail(why_not)
    return Path(path)


@pytest.fixture(scope="session")
def version(checkout) -> str:
    """As ComfyUI's ``comfyui_version.py`` has it."""
    found = re.search(r'"(\d+\.\d+\.\d+)"', (checkout / "comfyui_version.py").read_text("utf-8"))
    assert found, "comfyui_version.py names no version"
    return found[1]


@pytest.fixture(scope="session", params=["clone", "zip"])
def host(request, checkout, version, tmp_path_factory):
    """ComfyUI with the pack, and with a pack that is broken on purpose."""
    base = tmp_path_factory.mktemp(f"comfyui-{request.param}")
    packs, folder = base / "custom_nodes", FOLDERS[request.param]
    copy_files(tracked(shipped_only=request.param == "zip"), packs / folder)
    (packs / BROKEN).mkdir()
    (packs / BROKEN / "__init__.py").write_text(
        "async def comfy_entrypoint():\n    raise RuntimeError('on purpose')\n", "utf-8"
    )
    (packs / f"{BROKEN}-too").mkdir()
    (packs / f"{BROKEN}-too" / "__init__.py").write_text("import nothing_of_this_name\n", "utf-8")
    # stand for core nodes, for files too large, and for what costs money
    for name in ("recorded", "tiny_models", "casting_nodes"):
        shutil.copytree(Path(__file__).parent / name, packs / name)
    frontends = FRONTENDS.get(version, ())
    frontend = frontends[-1 if request.param == "zip" else 0] if frontends else "of its own"
    arguments = ["--cpu"]
    if frontends:
        arguments += ["--front-end-root", str(frontend_files(frontend, request.config.cache))]
    settings = base / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '{"Comfy.TutorialCompleted": true, "Comfy.Minimap.Visible": false}', "utf-8"
    )
    python = launch.python_of(checkout)
    with launch.comfyui(checkout, python, base, arguments=arguments) as started:
        yield Host(started, Server(started.url), folder, version, frontend)


@pytest.fixture(scope="session")
def runs_onnx(checkout):
    """Whether ComfyUI's Python can run a face encoder."""
    python = launch.python_of(checkout)
    if subprocess.run([python, "-c", "import onnxruntime"], capture_output=True).returncode:
        pytest.skip(f"{python} has no onnxruntime: nothing in that ComfyUI to run a face encoder")
    pytest.importorskip("onnxruntime", reason="no onnxruntime here to compare with")


@pytest.fixture(scope="session")
def weights(module_of):
    """tests/host/tiny_models/weights.py, which needs no ComfyUI."""
    return module_of(Path(__file__).parent / "tiny_models" / "weights.py")


@pytest.fixture
def put_models(host):
    """``put_models(made, *kinds)``: a folder's models where the host looks for them, which it returns.

    They are gone afterwards, as is what was saved among them and among these kinds.
    """
    folder, placed = host.started.base / "models", []

    def put(made, *kinds):
        placed.extend([*(one.name for one in made.iterdir()), *kinds])
        for kind in placed:
            shutil.rmtree(folder / kind, ignore_errors=True)
        return Path(shutil.copytree(made, folder, dirs_exist_ok=True))

    yield put
    for kind in placed:
        shutil.rmtree(folder / kind, ignore_errors=True)
        (folder / kind).mkdir()  # ComfyUI asks the folders of its lists for their age


@pytest.fixture(scope="session")
def made_face_id(weights, identity_adapters, face_pack, tmp_path_factory):
    """A models folder: a face encoder, and FaceID Plus V2."""
    folder = tmp_path_factory.mktemp("models")
    face_pack(folder / "insightface", "buffalo_l")
    plus = identity_adapters.build("plusv2", "SDXL", unit=32, width=weights.TEXT, text=weights.TEXT)
    file = folder / "ipadapter" / identity_adapters.file_name("plusv2", "SDXL")
    file.parent.mkdir()
    identity_adapters.save(plus, file)
    return folder


@pytest.fixture
def face_id(runs_onnx, made_face_id, put_models):
    """The same where the host looks for them."""
    return put_models(made_face_id)


@pytest.fixture(scope="session")
def drawn(marker_face, tmp_path_factory):
    """Two photos of Ada, and a picture of 256 x 320 with the face that random models cannot draw."""
    folder, files = tmp_path_factory.mktemp("drawn"), {}
    for name, size, iod in (
        ("a", (480, 560), 80),
        ("b", (640, 512), 96),
        ("picture", (256, 320), 62),
    ):
        face = {"x": size[0] / 2, "y": 0.42 * size[1], "iod": iod, "identity": ADA}
        pixels, _ = marker_face(size, [face])
        files[name] = folder / f"{name}.png"
        Image.fromarray((pixels * 255).round().astype(np.uint8)).save(files[name])
    return files


@pytest.fixture
def portraits(hopper, tmp_path) -> Path:
    """A folder with the pictures that the shipped workflows load."""
    picture = Image.fromarray((hopper[0] * 255).round().byte().numpy())
    for name in SAMPLES:
        picture.save(tmp_path / name)
    return tmp_path


@pytest.fixture(scope="session")
def casting_studio(module_of):
    """The module that counts the calls of generators: casting_studio.py."""
    return module_of(Path(__file__).with_name("casting_studio.py"))


@pytest.fixture
def studio(host, casting_studio, portraits, tmp_path):
    """A ComfyUI in which calls of generators are counted, with a photo to cast."""
    shutil.copyfile(portraits / "portrait_a.png", host.started.base / "input" / "portrait_a.png")
    return casting_studio.Studio(host.server, host.started.base / "output", tmp_path)


@pytest.fixture(params=["classic", "nodes2"])
def page(request, host, browser, hopper):
    """ComfyUI's page in one of its renderers; an error of ours on its console fails the test."""
    for name in SAMPLES:
        Image.fromarray((hopper[0] * 255).round().byte().numpy()).save(
            host.started.base / "input" / name
        )
    setting = f"{host.started.url}/settings/Comfy.VueNodes.Enabled"
    body = json.dumps(request.param == "nodes2").encode()
    urllib.request.urlopen(urllib.request.Request(setting, body, method="POST"), timeout=30).close()
    opened, errors = browser.new_page(viewport={"width": 1900, "height": 1000}), []
    opened.on("console", lambda line: errors.append(told(line)) if line.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
    opened.goto(host.started.url)
    opened.wait_for_function("() => window.app?.extensionManager && window.app?.canvas?.graph")
    opened.wait_for_timeout(2500)  # its start-up goes on for a while
    opened.renderer = request.param
    yield opened
    opened.close()
    assert [error for error in errors if OURS.search(error) and not TRANSLATION.search(error)] == []


def told(line) -> str:
    """A line of the console with where it comes from."""
    return f"{line.text} {line.location.get('url', '')}"


QUEUE = """
async () => {
  const done = new Promise((resolve) => {
    app.api.addEventListener('execution_success', () => resolve('success'), { once: true });
    app.api.addEventListener('execution_error', (event) => resolve(event.detail.exception_message), { once: true });
    setTimeout(() => resolve('nothing for two minutes'), 120000);
  });
  await app.queuePrompt(0, 1);
  return await done;
}
"""


@pytest.fixture
def opens(page):
    """Load a workflow into the page."""

    def load(graph, name: str) -> None:
        page.evaluate(
            "async ([graph, name]) => { await app.loadGraphData(graph, true, true, name); }",
            [graph, name],
        )

    return load


@pytest.fixture
def queue(page):
    """Run what is on the canvas: 'success', or the words of the node that failed."""
    return lambda: page.evaluate(QUEUE)


@pytest.fixture
def picture(page, host, request):
    """Save what the page shows as an artefact."""

    def save(name: str):
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"{host.name}-{page.renderer}-{name}.png")

    return save


def tracked(*, shipped_only: bool) -> list[str]:
    """The files that git tracks; less those of .comfyignore where the registry would leave them out."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git repository here: what would be installed is not known")
    listed = git("ls-files", "-z").split("\0")
    files = {name for name in listed if name and (ROOT / name).is_file()}
    if shipped_only:  # .comfyignore is written as .gitignore is
        ignored = git(
            "-c", "core.excludesFile=.comfyignore", "check-ignore", "--no-index", "-z", "--stdin",
            words="\0".join(files),
        )  # fmt: skip
        files -= set(ignored.split("\0"))
    return sorted(files)


def git(*arguments: str, words: str | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, input=words, capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr  # 1: nothing is ignored
    return done.stdout


def copy_files(names: list[str], target: Path) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)


def frontend_files(frontend: str, cache: pytest.Cache) -> Path:
    """The files of a frontend, from PyPI the first time."""
    folder = cache.mkdir("comfyui-frontends") / frontend
    static = folder / "comfyui_frontend_package" / "static"
    if not (static / "index.html").exists():
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target",
             str(folder), f"comfyui-frontend-package=={frontend}"],
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"frontend {frontend} is not to be had: {done.stderr.strip()[-300:]}")
    return static
