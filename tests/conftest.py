"""Import this clone as ``portrait_loupe``, whatever folder it was cloned into."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

spec = importlib.util.spec_from_file_location("portrait_loupe", ROOT / "__init__.py")
assert spec is not None
assert spec.loader is not None
package = importlib.util.module_from_spec(spec)
sys.modules["portrait_loupe"] = package
spec.loader.exec_module(package)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# the last four keep it from calling home
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

IN_COMFYUI = importlib.util.find_spec("comfy_api") is not None  # its classes stand in for ours

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton kernels run on the CPU, slowly
    if IN_COMFYUI:
        from comfy.cli_args import args

        args.cpu = True  # as --cpu, without which it looks for a GPU


def pytest_addoption(parser):
    parser.addoption(
        "--write-schemas",
        action="store_true",
        help="write tests/nodes/schemas.json and locales/ anew",
    )


@pytest.fixture(autouse=IN_COMFYUI)
def own_folders(tmp_path, monkeypatch):
    """Nothing that a test saves lands in the checkout."""
    import folder_paths

    for kind in ("output", "temp"):
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))


@pytest.fixture
def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The photos and small models outside the repository; CONTRIBUTING says which."""
    folder = os.environ.get("LOUPE_TEST_DATA")
    if not folder:
        pytest.skip("LOUPE_TEST_DATA is not set: no outside photos to measure on")
    if not Path(folder).is_dir():
        pytest.fail(f"LOUPE_TEST_DATA names {folder}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def hopper() -> torch.Tensor:
    """Grace Hopper from matplotlib's sample data (US Navy, public domain), (1, 600, 512, 3), sRGB 0..1."""
    import numpy as np
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"))
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]


@pytest.fixture(scope="session")
def astronaut() -> torch.Tensor:
    """Eileen Collins from scikit-image (NASA, public domain), (1, 512, 512, 3), sRGB 0..1."""
    import numpy as np
    from skimage import data

    return torch.from_numpy(data.astronaut().astype(np.float32) / 255)[None]


@pytest.fixture(scope="session")
def browser():
    """Chromium; ``new_page`` opens a page with nothing stored."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def module_of():
    """``module_of(file)``: a helper of the tests, which are no package."""

    def load(file: Path):
        place = importlib.util.spec_from_file_location(file.stem, file)
        assert place is not None
        assert place.loader is not None
        module = importlib.util.module_from_spec(place)
        place.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def onnx_packs(module_of):
    """The module that builds tiny face packs: tests/onnx_packs.py."""
    pytest.importorskip("onnx", reason="onnx is not installed: nothing to build a tiny pack with")
    return module_of(ROOT / "tests" / "onnx_packs.py")


@pytest.fixture(scope="session")
def face_pack(onnx_packs):
    """``face_pack(folder, name="buffalo_l", ...)`` writes a tiny pack and returns the folder."""
    return onnx_packs.face_pack


@pytest.fixture(scope="session")
def marker_face(onnx_packs):
    """``marker_face(size, faces)`` draws faces that the tiny packs know: see its docstring."""
    return onnx_packs.marker_face


@pytest.fixture(scope="session")
def identity_adapters(module_of):
    """The module that builds tiny identity adapters: tests/identity_adapters.py."""
    return module_of(ROOT / "tests" / "identity_adapters.py")


@pytest.fixture(scope="session")
def eva_clips(module_of):
    """The module that builds tiny EVA-CLIP files: tests/eva_clips.py."""
    return module_of(ROOT / "tests" / "eva_clips.py")
