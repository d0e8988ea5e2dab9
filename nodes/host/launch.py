"""Start a ComfyUI of our own from a checkout, apart from whatever the user runs.

It gets a base directory that is thrown away: nothing is written into the checkout or into the
user's folders. The checkout's models are found, its other packs are not loaded.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .outcome import HostError, Refusal

ROOT = Path(__file__).resolve().parents[2]
_PARTS = (
    "__init__.py", "pyproject.toml", "requirements.txt",
    "kernels", "locales", "nodes", "subgraphs", "web", "workflows",
)  # fmt: skip
_START_SECONDS = 300  # 8 s warm, 40 s cold on two cores; a slow disk takes its time
_HAS_GPU = """
import sys, torch
found = torch.cuda.is_available() or torch.backends.mps.is_available()
sys.exit(0 if found or (hasattr(torch, "xpu") and torch.xpu.is_available()) else 1)
"""


@dataclass(frozen=True)
class Started:
    """A ComfyUI that runs: its address, its throw-away base directory, and what it logs."""

    url: str
    base: Path
    log: Path

    def words(self) -> str:
        """All that it has logged so far."""
        return self.log.read_text("utf-8", errors="replace")


def python_of(checkout: Path) -> str:
    """The interpreter for a checkout: ``COMFYUI_PYTHON``, else the one beside it, else this one."""
    asked = os.environ.get("COMFYUI_PYTHON")
    if asked:
        if shutil.which(asked) is None:
            raise Refusal(f"COMFYUI_PYTHON names {asked}, which is no program")
        return asked
    beside = (
        checkout / ".venv/bin/python", checkout / "venv/bin/python",
        checkout / ".venv/Scripts/python.exe", checkout / "venv/Scripts/python.exe",
        checkout.parent / "python_embeded/python.exe",  # the Windows portable build spells it so
    )  # fmt: skip
    return next((str(path) for path in beside if path.exists()), sys.executable)


def why_no_checkout(path: Path) -> str | None:
    """The reason a folder is no ComfyUI, or None."""
    if not path.is_dir():
        return f"COMFYUI_PATH names {path}, which is no folder"
    if not (path / "main.py").is_file() or not (path / "comfy_api").is_dir():
        return f"COMFYUI_PATH names {path}, which holds no ComfyUI of 0.23 or newer"
    return None


def install_pack(custom_nodes: Path, folder: str = "ComfyUI-Portrait-Loupe") -> Path:
    """Copy what ComfyUI needs of this pack."""
    target = custom_nodes / folder
    target.mkdir(parents=True)
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, target / name)
    return target


@contextmanager
def comfyui(
    checkout: Path, python: str, base: Path, *, arguments: Sequence[str] = ()
) -> Iterator[Started]:
    """ComfyUI on a free loopback port for as long as the context lasts.

    Parameters
    ----------
    checkout : Path
    python : str
        An interpreter that has ComfyUI's requirements.
    base : Path
        Its base directory: custom_nodes, input, output, user. Packs are put there before.
    arguments : sequence of str
        Further command-line arguments of ComfyUI.

    Raises
    ------
    HostError
        It does not start; the end of its log is in the message.
    """
    for name in ("custom_nodes", "input", "output", "models", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    port = _free_port()
    log = base / "comfyui.log"
    command = [
        python, "main.py", "--listen", "127.0.0.1", "--port", str(port), "--disable-api-nodes",
        "--base-directory", str(base), *_models(checkout, base), *arguments,
    ]  # fmt: skip
    with log.open("wb") as words:
        process = subprocess.Popen(
            command, cwd=checkout, stdout=words, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    started = Started(f"http://127.0.0.1:{port}", base, log)
    try:
        _wait(process, started)
        yield started
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def own_comfyui(checkout: Path) -> Iterator[Started]:
    """ComfyUI with this pack, on the GPU where its torch has one."""
    why_not = why_no_checkout(checkout)
    if why_not:
        raise Refusal(why_not)
    python = python_of(checkout)
    has_gpu = subprocess.call([python, "-c", _HAS_GPU], stderr=subprocess.DEVNULL) == 0
    with tempfile.TemporaryDirectory(prefix="portrait-loupe-", ignore_cleanup_errors=True) as base:
        install_pack(Path(base, "custom_nodes"))
        arguments = [] if has_gpu else ["--cpu"]
        with comfyui(checkout, python, Path(base), arguments=arguments) as started:
            yield started


def _models(checkout: Path, base: Path) -> list[str]:
    """Arguments that let it find the checkout's models."""
    folders = [path.name for path in (checkout / "models").glob("*") if path.is_dir()]
    if not folders:
        return []
    settings = base / "models.yaml"  # JSON is YAML
    paths = {"base_path": str(checkout / "models"), **{name: name for name in folders}}
    settings.write_text(json.dumps({"checkout": paths}), "utf-8")
    return ["--extra-model-paths-config", str(settings)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(process: subprocess.Popen[bytes], started: Started) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: no proxy
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with opener.open(f"{started.url}/system_stats", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    why = (
        f"did not answer within {_START_SECONDS} s"
        if process.poll() is None
        else f"ended with code {process.returncode}"
    )
    tail = "\n".join(started.words().splitlines()[-12:])
    raise HostError(f"ComfyUI {why}. Its last words:\n{tail}")
