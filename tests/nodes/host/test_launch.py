"""Starting a ComfyUI: what can be tried without one. tests/host starts real ones."""

import subprocess
import sys

import pytest

from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.outcome import HostError, Refusal

# as much of ComfyUI as waiting for it needs: it listens, and answers when asked how it is
LISTENS = """
import http.server, json, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"system": {}}).encode())
print("it runs", flush=True)
http.server.HTTPServer((arguments["--listen"], int(arguments["--port"])), Answer).serve_forever()
"""


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a checkout, and listens."""
    folder = tmp_path / "ComfyUI"
    (folder / "comfy_api").mkdir(parents=True)
    (folder / "main.py").write_text(LISTENS, "utf-8")
    return folder


def test_it_is_started_and_stopped(checkout, tmp_path):
    with launch.comfyui(checkout, sys.executable, tmp_path / "base") as started:
        assert started.url.startswith("http://127.0.0.1:")
        assert started.base == tmp_path / "base"
        assert (started.base / "custom_nodes").is_dir()
        assert "it runs" in started.words()
    again = launch.Started(started.url, started.base, started.log)
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    with pytest.raises(HostError):  # nobody listens there any more
        launch._wait(process, again)


def test_one_that_ends_at_once_shows_its_last_words(checkout, tmp_path):
    (checkout / "main.py").write_text("raise SystemExit('no torch here')", "utf-8")
    with (
        pytest.raises(HostError, match=r"ended with code 1\. Its last words:\nno torch here"),
        launch.comfyui(checkout, sys.executable, tmp_path / "base"),
    ):
        pass


def test_one_that_never_answers_is_given_up_and_stopped(checkout, tmp_path, monkeypatch):
    (checkout / "main.py").write_text("import time; print('hm', flush=True); time.sleep(60)")
    monkeypatch.setattr(launch, "_START_SECONDS", 2)
    with (
        pytest.raises(HostError, match="did not answer within 2 s"),
        launch.comfyui(checkout, sys.executable, tmp_path / "base"),
    ):
        pass


def test_the_models_of_the_checkout_are_found(checkout, tmp_path):
    import json

    (checkout / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "base").mkdir()
    option, settings = launch._models(checkout, tmp_path / "base")
    assert option == "--extra-model-paths-config"
    with open(settings, encoding="utf-8") as file:
        told = json.load(file)
    assert told == {
        "checkout": {"base_path": str(checkout / "models"), "checkpoints": "checkpoints"}
    }


def test_a_folder_that_is_no_comfyui_is_told_so(checkout, tmp_path):
    assert launch.why_no_checkout(checkout) is None
    assert "holds no ComfyUI" in launch.why_no_checkout(tmp_path)
    assert "is no folder" in launch.why_no_checkout(tmp_path / "nowhere")


def test_the_interpreter_is_the_one_asked_for_or_the_one_beside(checkout, monkeypatch):
    monkeypatch.delenv("COMFYUI_PYTHON", raising=False)
    assert launch.python_of(checkout) == sys.executable
    (checkout / "venv" / "bin").mkdir(parents=True)
    (checkout / "venv" / "bin" / "python").touch()
    assert launch.python_of(checkout) == str(checkout / "venv" / "bin" / "python")
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    assert launch.python_of(checkout) == sys.executable
    monkeypatch.setenv("COMFYUI_PYTHON", "/no/such/python")
    with pytest.raises(Refusal, match="COMFYUI_PYTHON names /no/such/python"):
        launch.python_of(checkout)


def test_the_pack_that_is_installed_is_whole(tmp_path):
    """It loads from there and has what the browser asks for; the workshop stays at home."""
    target = launch.install_pack(tmp_path, "some.pack-1")
    probe = f"""
import asyncio, importlib.util, sys
spec = importlib.util.spec_from_file_location("pack", r"{target / "__init__.py"}")
pack = importlib.util.module_from_spec(spec); sys.modules["pack"] = pack; spec.loader.exec_module(pack)
async def ids():
    return [node.define_schema().node_id for node in await (await pack.comfy_entrypoint()).get_node_list()]
print(len(asyncio.run(ids())))
"""
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=120
    )
    assert int(done.stdout) >= 6, done.stderr
    assert (target / "web" / "docs" / "LoupeCompare.md").is_file()
    assert list((target / "workflows").glob("*.json"))
    assert (target / "locales" / "zh" / "nodeDefs.json").is_file()
    assert not (target / "tests").exists()
    assert not [path for path in (target / ".git", target / ".venv") if path.exists()]
