"""Nothing that a user opens is ever run: what in the code could do that, and what happens to a file that tries."""

import ast
import os
import pickle
from pathlib import Path

import pytest
import torch

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.framing.detect import yunet
from portrait_loupe.nodes.framing.detect.network import Unavailable
from portrait_loupe.nodes.identity import node_load, node_load_adapter, node_load_eva

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("kernels/**/*.py"), *ROOT.glob("nodes/**/*.py"), ROOT / "__init__.py"])
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "subprocess",
           "runpy", "code", "codeop", "pty", "ctypes"}  # fmt: skip
BUILT_IN = {"eval", "exec", "compile", "__import__"}  # network.eval() and re.compile() are others
CALLS = {
    "system",
    "popen",
    "fork",
    "forkpty",
    "startfile",
    "create_subprocess_exec",
    "create_subprocess_shell",
}
FAMILIES = ("exec", "spawn", "posix_spawn")  # of os: execvp, spawnle ...
LOADERS = {"torch.jit.load", "torch.hub.load"}  # run what they read
READERS = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False),
           "numpy.load": ("allow_pickle", False)}  # fmt: skip
# Where one of these is needed, and why it can do no harm.
ALLOWED = {
    ("nodes/host/launch.py", "subprocess"): "starts the user's own ComfyUI, which COMFYUI_PATH names, from the command line",
    ("nodes/identity/adapter_files.py", "pickle"): "for the name of its error alone",
}  # fmt: skip


def suspects(source: str):
    """What in a file could run something that came from outside."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            )
            named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            yield from (name.split(".")[0] for name in named if name.split(".")[0] in MODULES)
            if isinstance(
                node, ast.ImportFrom
            ):  # under a name of its own nobody would see the call
                taken = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (one for one in taken if one in READERS or one in LOADERS)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            last = called.split(".")[-1]
            if called in READERS:
                keyword, wanted = READERS[called]
                given = {one.arg: one.value for one in node.keywords}.get(keyword)
                if not (isinstance(given, ast.Constant) and given.value is wanted):
                    yield called
            elif called in BUILT_IN | LOADERS or called.startswith("builtins.") or last in CALLS:
                yield called
            yield from [called] if called.startswith("os.") and last.startswith(FAMILIES) else []
        elif isinstance(node, ast.Assign) and ast.unparse(node.value) in READERS:
            yield ast.unparse(node.value)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_can_run_what_came_from_outside(path):
    place = path.relative_to(ROOT).as_posix()
    found = {one for one in suspects(path.read_text("utf-8")) if (place, one) not in ALLOWED}
    assert found == set()


def test_what_is_allowed_is_still_there():
    for place, what in ALLOWED:
        assert what in suspects((ROOT / place).read_text("utf-8")), (
            f"{place} has no {what} any more"
        )


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "import subprocess", "eval('1')", "exec(x)", "os.system('ls')",
        "torch.load(path)", "torch.load(path, weights_only=False)", "torch.load(path, weights_only=flag)",
        "np.load(path)", "np.load(path, allow_pickle=True)", "import yaml", "compile(a, b, 'exec')", "__import__('os')",
        "from torch import load", "l = torch.load", "torch.jit.load(p)", "torch.hub.load(p)", "os.execvp('a', b)",
        "os.posix_spawn('a', b, c)", "os.startfile(p)", "asyncio.create_subprocess_shell(x)", "from numpy import load",
        "import marshal", "import shelve", "from subprocess import run",
    ],
)  # fmt: skip
def test_what_is_planted_is_found(line):
    assert list(suspects(line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "re.compile('a')",
        "network.eval()",
        "np.load(path, allow_pickle=False)",
    ],
)
def test_what_is_harmless_is_not(line):
    assert list(suspects(line)) == []


def test_pickles_error_is_all_that_is_used_of_it():
    tree = ast.parse((ROOT / "nodes/identity/adapter_files.py").read_text("utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"}  # fmt: skip
    assert used == {"pickle.UnpicklingError"}


# --- files that try -----------------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["LOUPE_EVIL"],)


def as_torch(path, payload):
    torch.save(payload, path)


def as_old_torch(path, payload):
    torch.save(payload, path, _use_new_zipfile_serialization=False)


def as_pickle(path, payload):
    path.write_bytes(pickle.dumps(payload))


def as_protocol_0(path, payload):
    path.write_bytes(pickle.dumps(payload, protocol=0))


WAYS = (as_torch, as_old_torch, as_pickle, as_protocol_0)
# Where files lie that a node reads: the node, the input, the file. Every node with such an input is here.
READS = {
    "LoupeLoadIdentityAdapter": "ipadapter/evil.bin",
    "LoupeLoadEvaClip": "clip/eva_evil.pt",
    "LoupeLoadIdentity": "evil.safetensors",
}


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Where a payload would leave its mark; the folders of models are in ``models``."""
    monkeypatch.setenv("LOUPE_EVIL", str(tmp_path / "ran"))
    models = tmp_path / "models"

    def folders(kinds):
        return lambda: {kind: [models / kind] for kind in kinds}

    monkeypatch.setattr(node_load_adapter, "adapter_folders", folders(node_load_adapter.KINDS))
    monkeypatch.setattr(node_load_eva, "eva_folders", folders(node_load_eva.KINDS))
    monkeypatch.setattr(node_load, "loading_folders", lambda: [models / node_load.FOLDER])
    return tmp_path / "ran"


def test_the_payload_is_a_real_one(evil, tmp_path):
    as_pickle(tmp_path / "file", Evil())
    pickle.loads((tmp_path / "file").read_bytes())
    assert evil.exists()


@pytest.mark.parametrize("write", WAYS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("node_id", READS)
@pytest.mark.parametrize("payload", [Evil(), {"image_proj": Evil()}, {"ip_adapter": {"a": [Evil()]}}], ids=["bare", "in", "deep"])  # fmt: skip
def test_a_node_that_is_given_a_program_refuses_it_unrun(
    evil, tmp_path, ours, node_id, write, payload
):
    name = READS[node_id]
    folder = tmp_path / "models" / ("identity_profiles" if node_id == "LoupeLoadIdentity" else "")
    path = folder / name
    path.parent.mkdir(parents=True)
    write(path, payload)
    before = path.read_bytes()
    node = ours[node_id]
    assert node.validate_inputs(name) is True  # so that it is the reading that refuses
    more = {"version": "auto"} if node_id == "LoupeLoadIdentityAdapter" else {}
    with pytest.raises(ValueError, match="evil") as told:
        node.execute(file=name, **more)
    assert "weights_only" not in str(told.value)  # torch's advice how to run it all the same
    assert not evil.exists()
    assert path.read_bytes() == before


@pytest.mark.parametrize("write", WAYS, ids=lambda one: one.__name__)
def test_face_weights_that_hold_a_program_are_refused_unrun(evil, tmp_path, write):
    pytest.importorskip("kornia", reason="kornia is not installed: nothing would read its weights")
    write(tmp_path / "yunet_final.pth", {"state": Evil()})
    with pytest.raises(Unavailable, match="Remove that file"):
        yunet.open_kornia([tmp_path])
    assert not evil.exists()


def test_every_node_that_offers_files_of_models_is_tried_here():
    """A Combo whose node judges its own values has files behind it."""
    judged = {node.define_schema().node_id for node in NODES if hasattr(node, "validate_inputs")
              and any(one.id == "file" for one in node.define_schema().inputs)}  # fmt: skip
    assert judged == set(READS)
