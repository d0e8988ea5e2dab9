"""The house stands: who may import whom, what the wheel carries, what importing costs."""

import ast
import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*ROOT.glob("kernels/**/*.py"), *ROOT.glob("nodes/**/*.py")]
EVERYWHERE = set(sys.stdlib_module_names) | {"torch", "numpy"}
DECIDING = EVERYWHERE | {
    "PIL",
    "safetensors",
    "kornia",
    "scipy",
    "skimage",
    "matplotlib",
    "fontTools",
}

# What a file may reach into; the first pattern that fits decides. "the host" is what only nodes,
# the extension and the door itself may touch.
RULES = {
    "kernels/*": EVERYWHERE | {"kernels", "triton"},
    "nodes/host/standin/*": DECIDING | {"nodes/host"},
    "nodes/host/*": DECIDING
    | {
        "nodes/host",
        "comfy_api",
        "comfy",
        "comfy_execution",
        "folder_paths",
        "aiohttp",
        "tqdm",
        "the host",
    },
    "nodes/extension.py": EVERYWHERE | {"nodes", "the host", "*"},
    "nodes/*/node*.py": DECIDING | {"nodes", "kernels", "the host", "*"},
    # what a user may have, never what the pack asks for
    "nodes/framing/detect/*": DECIDING
    | {"nodes", "kernels", "*", "cv2", "onnxruntime", "insightface"},
    "nodes/identity/encode/*": DECIDING | {"nodes", "kernels", "*", "onnxruntime", "insightface"},
    "nodes/identity/eva/*": DECIDING | {"nodes", "kernels", "*", "timm", "facexlib"},
    "nodes/*": DECIDING | {"nodes", "kernels", "*"},
}

# Loaded before any pack is; their smaller parts (numpy.typing) come at no cost.
COMFYUIS_OWN = {"torch", "numpy", "PIL", "comfy_api", "comfy_execution"}

# A room may use its own floor and those below it.
FLOORS = {
    "framing": 1,
    "lens": 2,  # a level for skin, eyes and hair needs to know where they are
    "identity": 3,
    "comparison": 3,
    "casting": 4,
}


def reached(path: str, source: str):
    """Each import of a file as (line, what it reaches into, the room of ours or None)."""
    package = Path(path).parts[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, absolute(alias.name), None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, absolute(node.module or ""), None
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1]
            for alias in node.names:
                target = [
                    part for part in (*up, *(node.module or "").split("."), alias.name) if part
                ]
                room = target[1] if target[0] == "nodes" and len(target) > 2 else None
                if room == "host" and path.startswith("nodes/host/"):
                    yield node.lineno, "nodes/host", None
                elif room == "host" or any(part.startswith("node_") for part in target[1:]):
                    yield node.lineno, "the host", room if room != "host" else None
                else:
                    yield node.lineno, target[0], room


def absolute(module: str) -> str:
    """The package of an absolute import; ours have none: under ComfyUI ``nodes`` is its own nodes.py."""
    package = module.split(".")[0]
    return (
        f"{package} by its absolute name"
        if package in {"nodes", "kernels", "portrait_loupe"}
        else package
    )


def trespasses(path: str, source: str) -> list[str]:
    """What a file imports against the rules of its place."""
    allowed = next(rule for pattern, rule in RULES.items() if fnmatch(path, pattern))
    mine = Path(path).parts[1] if len(Path(path).parts) > 2 else None
    found = []
    for line, what, room in reached(path, source):
        if what not in allowed:
            found.append(f"{path}:{line} reaches into {what}")
        if mine in FLOORS and room in FLOORS and room != mine and FLOORS[room] >= FLOORS[mine]:
            found.append(f"{path}:{line} climbs from {mine} to {room}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_file_imports_only_what_its_place_allows(path):
    assert trespasses(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kernels/psf/pupil.py", "from ...nodes.framing import faces"),
        ("kernels/color.py", "import scipy"),
        ("kernels/color.py", "from ..nodes import host"),
        ("nodes/framing/plan.py", "from ..host import io"),
        ("nodes/framing/plan.py", "import comfy.utils"),
        ("nodes/framing/plan.py", "from .node_crop import Crop"),
        ("nodes/framing/plan.py", "from ..comparison import layout"),
        ("nodes/comparison/layout.py", "from ..identity import profile"),
        ("nodes/lens/render.py", "import cv2"),
        ("nodes/host/standin/graph.py", "from ...framing import plan"),
        ("nodes/host/standin/graph.py", "import comfy_api"),
        ("nodes/framing/node_crop.py", "import nodes"),
        ("nodes/framing/node_crop.py", "from comfy_api.latest import io"),
    ],
)
def test_a_planted_trespass_is_caught(path, line):
    assert trespasses(path, line) != []


def test_the_wheel_lists_every_package():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no TOML reader")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {path.parent.relative_to(ROOT) for path in ROOT.glob("[kn]*/**/*.py")}
    assert listed == {"portrait_loupe"} | {
        ".".join(("portrait_loupe", *folder.parts)) for folder in found
    }


def test_requirements_name_nothing_that_comfyui_owns_and_no_second_opencv():
    listed = {
        re.split(r"[\s<>=!~\[;]", line)[0].lower()
        for line in (ROOT / "requirements.txt").read_text("utf-8").split("\n")
    }
    assert listed - {""} == {"scikit-image", "matplotlib"}


def test_importing_the_pack_costs_comfyui_almost_nothing():
    """What ComfyUI has loaded anyway (torch, numpy, Pillow) aside, only our own files are imported."""
    probe = f"""
import asyncio, importlib.util, json, sys
import torch, numpy, PIL.Image, PIL.ImageDraw, PIL.ImageFont
if importlib.util.find_spec("comfy_api"):
    import comfy_api.v0_0_2
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("pack", {str(ROOT / "__init__.py")!r})
pack = importlib.util.module_from_spec(spec); sys.modules["pack"] = pack; spec.loader.exec_module(pack)
async def schemas():
    return [node.define_schema().node_id for node in await (await pack.comfy_entrypoint()).get_node_list()]
ids = asyncio.run(schemas())
print(json.dumps([ids, sorted({{name.split(".")[0] for name in set(sys.modules) - before}})]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=120
    )
    ids, loaded = json.loads(answer.stdout)
    assert len(ids) >= 6
    strangers = set(loaded) - set(sys.stdlib_module_names) - COMFYUIS_OWN - {"pack"}
    assert strangers == set(), f"imported with the pack: {sorted(strangers)}"


@pytest.mark.skipif(sys.platform != "linux", reason="Triton is published for Linux alone")
def test_triton_is_there_on_linux():
    """Its absence would turn every kernel test into a silent skip."""
    assert find_spec("triton") is not None, "pip install triton: the test extra lists it for Linux"


def test_the_nodes_are_what_comfyui_manager_can_read():
    """Manager's scanner finds V3 nodes by their literal ``node_id`` in a subclass of ``ComfyNode``."""
    ids = []
    for path in ROOT.glob("nodes/*/node*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Schema"):
                (value,) = [keyword.value for keyword in node.keywords if keyword.arg == "node_id"]
                assert isinstance(value, ast.Constant), (
                    f"{path.name}:{value.lineno} computes its node_id"
                )
                ids.append(value.value)
    assert len(ids) == len(set(ids)) >= 6
    assert all(name.startswith("Loupe") for name in ids)


def test_every_node_has_a_help_page():
    from portrait_loupe.nodes.extension import NODES

    pages = {path.stem for path in ROOT.glob("web/docs/*.md")}
    assert pages == {node.define_schema().node_id for node in NODES}


def test_the_standin_host_stays_small():
    lines = sum(
        len(path.read_text("utf-8").splitlines()) for path in ROOT.glob("nodes/host/standin/*.py")
    )
    assert lines <= 600
