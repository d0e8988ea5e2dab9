"""No node asks the network for anything unless its user switched that on."""

import ast
import http.client
import json
import re
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from portrait_loupe.nodes.framing import find
from portrait_loupe.nodes.framing.detect.network import Unavailable
from portrait_loupe.nodes.host import IN_COMFYUI
from portrait_loupe.nodes.host.standin.graph import run
from portrait_loupe.nodes.host.workflow import ui_to_api

ROOT = Path(__file__).resolve().parents[2]

STANDIN = pytest.mark.skipif(IN_COMFYUI, reason="it would look among the checkout's models")
# Model-free workflows, which the stand-in host runs.
RUN = ("extreme_close_up_comparison", "identity_profile_and_audit", "lens_micro_contrast")
# What these nodes do begins with a model of ComfyUI's: tests/nodes/identity runs them, without a network too.
NEED_COMFYUI = {
    "LoupeApplyIdentity", "LoupeIdentityControlNet", "LoupeInjectedEnergy", "LoupeIdentityCalibrate",
    "LoupeCalibrationCurve", "LoupeReferenceWeight",
}  # fmt: skip
# Where the code can reach the network at all, and who switches it on.
DOORS = {
    "nodes/framing/detect/yunet.py": "Find Faces, allow_download",
    "nodes/host/launch.py": "the command line, to the ComfyUI that it started on this machine",
    "nodes/host/server.py": "the command line, --server",
}  # fmt: skip
REACHING = {"socket", "http", "urllib", "requests", "aiohttp", "httpx", "ftplib", "smtplib", "telnetlib", "websocket",
            "websockets", "huggingface_hub", "gdown", "wget", "urllib3", "xmlrpc"}  # fmt: skip
HARMLESS = {"urllib.parse"}  # takes addresses apart


class Tried(OSError):
    """Raised where something reaches for the network."""


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What was asked of the network; every such thing fails at once, as it does on a machine without one."""
    found = []

    def refuse(name):
        def refused(*given, **_):
            found.append(f"{name} {given[1:] or given}")
            raise Tried(f"{name}: there is no network here")

        return refused

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, refuse(f"socket.{name}"))
    for name in (
        "create_connection",
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostbyaddr",
    ):
        monkeypatch.setattr(socket, name, refuse(name))
    monkeypatch.setattr(http.client.HTTPConnection, "connect", refuse("http.client"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse("urlopen"))
    monkeypatch.setattr(torch.hub, "urlopen", refuse("torch.hub"), raising=False)
    if find_spec("requests"):
        import requests

        monkeypatch.setattr(requests.sessions.Session, "request", refuse("requests"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))  # nobody's downloads are found
    monkeypatch.setenv("LOUPE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("LOUPE_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("LOUPE_TEMP", str(tmp_path / "temp"))
    return found


def reaches(source: str) -> set[str]:
    """What a file imports or calls that can reach the network."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
        elif isinstance(node, ast.Attribute) and node.attr in ("download_url_to_file", "load_state_dict_from_url", "hf_hub_download", "from_pretrained"):  # fmt: skip
            found.add(node.attr)
    calls = {one for one in found if "download" in one or "from_" in one}
    return calls | {one for one in found - HARMLESS if one.split(".")[0] in REACHING}


def test_only_the_known_doors_can_reach_the_network():
    found = {
        path.relative_to(ROOT).as_posix()
        for path in [
            *ROOT.glob("kernels/**/*.py"),
            *ROOT.glob("nodes/**/*.py"),
            ROOT / "__init__.py",
        ]
        if reaches(path.read_text("utf-8"))
    }
    assert found == set(DOORS)


def test_a_connection_would_be_seen(asked):
    with pytest.raises(OSError, match="no network"):
        urllib.request.urlopen("http://example.com")
    with pytest.raises(OSError, match="no network"), socket.socket() as one:
        one.connect(("127.0.0.1", 9))
    assert len(asked) == 2


def test_importing_every_module_asks_for_nothing():
    """In a Python of its own: here they are all imported already."""
    probe = f"""
import importlib, importlib.util, json, pkgutil, socket, sys
asked = []
def refuse(*given, **_):
    asked.append(repr(given)[:200])
    raise OSError("no network")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
spec = importlib.util.spec_from_file_location("pack", {str(ROOT / "__init__.py")!r})
pack = importlib.util.module_from_spec(spec); sys.modules["pack"] = pack; spec.loader.exec_module(pack)
done = 0
for found in pkgutil.walk_packages([{str(ROOT)!r}], "pack."):
    if found.name.split(".")[1] not in ("nodes", "kernels"):
        continue
    try:
        importlib.import_module(found.name)
        done += 1
    except ImportError as error:  # Triton where there is none
        assert "triton" in str(error), error
print(json.dumps([done, asked]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=300
    )
    assert answer.returncode == 0, answer.stderr
    done, asked = json.loads(answer.stdout.splitlines()[-1])
    assert asked == []
    assert done > 150  # of 200 and more


@pytest.mark.parametrize("name", RUN)
def test_a_workflow_asks_for_nothing(asked, workflows, nodes, name):
    run(ui_to_api(workflows[name], nodes), nodes)
    assert asked == []


def test_every_node_is_tried(workflows, ours):
    """With those workflows, with what follows, or on a real ComfyUI."""
    run_here = {one["type"] for name in RUN for one in workflows[name]["nodes"]}
    assert set(ours) == (run_here & set(ours)) | set(ALONE) | NEED_COMFYUI


PLAN = {
    "preset": "CU close-up", "model": "custom", "megapixels": 0.1, "multiple_of": 16, "pad": "inside",
    "level_eyes": False, "several": "largest", "min_iod_px": 16.0, "video": False, "fps": 24.0, "left": -1.8,
    "right": 1.8, "top": -2.0, "bottom": 2.6, "margin": 0.25,
}  # fmt: skip
LENS = {"character": "soft focus 90 mm f/2.2", "level": -1.0, "format_mm": 36.0}
PICTURE = "a picture"
FACES, CAST, CROP_PLAN, CROP, MEMBER = "its faces", "a cast", "a plan", "its crop", "a member"
# Nodes that no workflow of RUN has, with the least that they run on; the rest of their inputs have defaults.
ALONE = {
    "LoupeProminence": {"image": PICTURE, "faces": FACES, "model": "SDXL"},
    "LoupeStitch": {"image": PICTURE, "crop": CROP, "plan": CROP_PLAN, "mode": "plain", "feather": 0.25},
    "LoupeAlignFaces": {"images": {"image0": PICTURE, "image1": PICTURE}, "region": "CU close-up", "size": 256,
                        "max_yaw_deg": 15.0},
    "LoupeLensProfile": {"save_as": "mine"},
    "LoupeComparePanel": {"image": PICTURE, "label": "a"},
    "LoupeCastBrief": {"prompt": "a portrait"},
    "LoupeCastSheet": {"takes": {"take0": [PICTURE]}, "labels": ["a"], "region": ["left cheek"],
                       "corridor": ["shipped"]},
    "LoupeCastLock": {"cast": CAST, "cast_name": "mine", "mode": "first"},
    "LoupeCastLoad": {"member": MEMBER},
    "LoupeRealismCalibrate": {"photos": {"photo0": [PICTURE]}, "name": ["mine"]},
    "LoupeLoadIdentity": {"file": "mine.safetensors"},
    "LoupeLoadIdentityAdapter": {"file": "ipadapter/ip-adapter-faceid_sd15.bin"},
    "LoupeLoadEvaClip": {"file": "clip/eva.pt"},
}  # fmt: skip
# What those may say that need more than they are given here; they have come as far as that. EVA-CLIP is read
# where timm and a torchvision that goes with torch are.
SAY = {
    "LoupeRealismCalibrate": "faces",
    "LoupeLoadEvaClip": "only ComfyUI has|timm",
}


@pytest.fixture
def given(ours, hopper, identity_adapters, eva_clips, tmp_path):
    """``given(node id)``: what ``ALONE`` says it runs on, made by the nodes that make such things."""
    picture = torch.nn.functional.interpolate(
        hopper.movedim(-1, 1), (360, 307), mode="area"
    ).movedim(1, -1)

    def call(name, /, **inputs):
        return ours[name].execute(**inputs).args

    def faces():
        return call(
            "LoupeFindFaces", image=picture, backend="embedded", eyes="", allow_download=False
        )[0]

    def cast():
        return call("LoupeCastSheet", **filled(ALONE["LoupeCastSheet"]))[0]

    def member():
        call("LoupeCastLock", cast=cast(), cast_name="mine", mode="first")
        return ours["LoupeCastLoad"].define_schema().inputs[0].options[0]

    def crop_plan():
        return call("LoupePlanCrop", image=picture, faces=faces(), **PLAN)[0]

    makers = {
        PICTURE: lambda: picture, FACES: faces, CAST: cast, MEMBER: member, CROP_PLAN: crop_plan,
        CROP: lambda: call("LoupeCrop", image=picture, plan=crop_plan())[0],
    }  # fmt: skip

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return makers[value]() if isinstance(value, str) and value in makers else value

    def files(name):
        folder = tmp_path / "models"
        if name == "LoupeLoadIdentity":
            identity = call(
                "LoupeIdentityProfile", photos={"photo0": [picture]}, name=["a"], encoder=["none"]
            )[0]
            call("LoupeSaveIdentity", identity=identity, file_name="mine", existing="keep both")
        if name == "LoupeLoadIdentityAdapter":
            (folder / "ipadapter").mkdir(parents=True)
            torch.save(identity_adapters.build("faceid"), folder / ALONE[name]["file"])
        if name == "LoupeLoadEvaClip":
            (folder / "clip").mkdir(parents=True)
            torch.save(eva_clips.build(), folder / ALONE[name]["file"])

    def of(name):
        files(name)
        return filled(ALONE[name])

    return of


@STANDIN
@pytest.mark.parametrize("name", ALONE)
def test_a_node_asks_for_nothing(asked, ours, given, name):
    inputs = given(name)
    said = ""
    try:
        done = bool(ours[name].execute(**inputs).args)
    except (ValueError, RuntimeError) as refused:
        done, said = name in SAY, str(refused)
    assert done
    assert not said or re.search(SAY[name], said)
    assert asked == []


@STANDIN
@pytest.mark.parametrize("backend", find.BACKENDS)
def test_find_faces_asks_for_nothing_while_the_switch_is_off(asked, ours, hopper, backend):
    """Whatever it is asked to use: what is not there is said, not fetched."""
    picture = torch.nn.functional.interpolate(
        hopper.movedim(-1, 1), (240, 205), mode="area"
    ).movedim(1, -1)
    with suppress(Unavailable, ValueError):
        ours["LoupeFindFaces"].execute(
            image=picture, backend=backend, eyes="", allow_download=False
        )
    assert asked == []


def test_with_the_switch_on_the_same_node_would_ask(asked, ours, hopper):
    """The promise is kept by the switch, not by luck."""
    pytest.importorskip("kornia", reason="kornia is not installed: nothing to fetch weights for")
    with pytest.raises(Unavailable, match="could not fetch its weights"):
        ours["LoupeFindFaces"].execute(
            image=hopper[:, :64, :64], backend="kornia YuNet", eyes="", allow_download=True
        )
    assert asked
    asked.clear()
    with pytest.raises(Unavailable, match="turn on allow_download"):
        ours["LoupeFindFaces"].execute(image=hopper[:, :64, :64], backend="kornia YuNet", eyes="")
    assert asked == []


def test_the_switch_is_off_where_nobody_touched_it(ours):
    switches = {
        (name, one.id): one.default
        for name, node in ours.items()
        for one in node.define_schema().inputs
        if any(word in one.id for word in ("download", "online", "fetch", "url", "network"))
    }
    assert switches == {("LoupeFindFaces", "allow_download"): False}
