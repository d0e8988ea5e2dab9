"""``python . run`` on a real ComfyUI: one that runs, and one that it starts itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "workflows" / "extreme_close_up_comparison.json"


def ask(folder: Path, *arguments: str, **environment: str):
    """The command line as a user has it, in a folder of its own."""
    kept = {key: value for key, value in os.environ.items() if key != "COMFYUI_PATH"}
    return subprocess.run(
        [sys.executable, str(ROOT), *map(str, arguments)],
        cwd=folder, env={**kept, **environment}, capture_output=True, text=True, timeout=400,
    )  # fmt: skip


def test_a_running_server_is_asked_and_its_files_are_fetched(host, portraits):
    done = ask(portraits, "run", SHIPPED, "--server", host.started.url, "--json", "--output", "out")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["host"] == f"ComfyUI {host.version} at {host.started.url}"
    files = [Path(file) for file in told["files"]]
    assert any(file.name.startswith("extreme_close_up_comparison") for file in files)
    assert len(files) == 2  # the plate, and the preview of the difference
    for file in files:
        assert file.is_relative_to(portraits / "out")
        assert file.read_bytes().startswith(b"\x89PNG")
    by_type = {node["type"]: node for node in told["nodes"].values()}
    assert "px between the eyes" in by_type["LoupeFindFaces"]["outputs"]["report"]
    assert json.loads(by_type["LoupeFindFaces"]["outputs"]["json"])


def test_a_batch_on_a_server_goes_on_where_it_was_stopped(host, portraits, tmp_path):
    (portraits / "portrait_b.png").unlink()
    (portraits / "broken.png").write_bytes(b"no picture")
    copy = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "one.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
    }
    (tmp_path / "copy.json").write_text(json.dumps(copy))
    arguments = ("run", tmp_path / "copy.json", "--server", host.started.url, "--batch", portraits)
    done = ask(tmp_path, *arguments)
    assert done.returncode == 1
    assert "broken.png: node 1" in done.stdout
    assert "1 done, 0 done before, 1 failed" in done.stdout
    assert "0 done, 1 done before, 1 failed" in ask(tmp_path, *arguments).stdout


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [("Lens.level=5", 2, "level"), ("Find Faces.eyes=1,2", 1, "Find Faces")],
    ids=["refused", "failed"],
)
def test_what_goes_wrong_there_is_said_here(host, portraits, setting, code, words):
    done = ask(portraits, "run", SHIPPED, "--server", host.started.url, "--set", setting)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_core_nodes_run_as_well(host, portraits, tmp_path):
    """On a server every node that it has: here one with a DynamicCombo, in API format."""
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "portrait_a.png"}},
        "2": {"class_type": "ResizeImageMaskNode", "inputs": {"input": ["1", 0], "scale_method": "area", "resize_type": "scale dimensions", "resize_type.width": 99, "resize_type.height": 66, "resize_type.crop": "disabled"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }  # fmt: skip
    (tmp_path / "resize.json").write_text(json.dumps(graph))
    done = ask(tmp_path, "run", "resize.json", "--server", host.started.url, "--json", "--set",
               "2.resize_type=scale width", "2.resize_type.width=64")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    from PIL import Image

    with Image.open(file) as picture:
        assert picture.width == 64


def test_a_checkout_is_started_for_the_run_and_left_as_it_was(checkout, portraits):
    before = listing(checkout)
    done = ask(portraits, "run", SHIPPED, COMFYUI_PATH=str(checkout))
    assert done.returncode == 0, done.stderr
    assert "on ComfyUI" in done.stdout
    assert list((portraits / "output").rglob("extreme_close_up_comparison_00001_.png"))
    assert listing(checkout) == before


def listing(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def test_a_comfyui_that_does_not_start_shows_its_last_words(checkout, portraits):
    done = ask(portraits, "run", SHIPPED, COMFYUI_PATH=str(checkout), COMFYUI_PYTHON=python_without_torch(portraits))  # fmt: skip
    assert done.returncode == 1
    assert "ComfyUI ended with code 1. Its last words:" in done.stderr
    assert "ModuleNotFoundError" in done.stderr


def python_without_torch(folder: Path) -> str:
    """A Python that has nothing installed."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "bare")], check=True
    )
    bare = folder / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    assert bare.exists()
    return str(bare)
