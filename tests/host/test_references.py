"""Weights of references, calibration and injected energy, end to end in a real ComfyUI.

The models are tiny and random (tests/host/tiny_models), the adapter too (tests/identity_adapters.py), and
the faces are drawn ones that tiny packs know (tests/onnx_packs.py). A random model draws no face: so that
there is one to compare and to measure, what it draws is laid thinly over a drawn face.
"""

import copy
import json
import shutil
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.outcome import HostError
from portrait_loupe.nodes.host.runner import read_workflow
from portrait_loupe.nodes.host.server import Server
from portrait_loupe.nodes.host.standin.graph import GraphError, NodeError
from portrait_loupe.nodes.host.workflow import slots_of
from portrait_loupe.nodes.identity.store import load_identity

ROOT = Path(__file__).resolve().parents[2]
SIZE = (256, 320)  # as drawn["picture"] is
SMALL = (192, 256)  # of the second reference, so that one is not taken for the other
STEPS = 2
THIN = 0.08  # of a random picture over a drawn face, which stays one that the tiny packs know
WEIGHED, PLAIN = "18", "19"  # the workflow's samplers
SEEN = 0.01  # of the largest result: less is no effect
# Another length of softmax, through 57 blocks and two steps: 4e-7 of the largest measured
NO_REFERENCE = 1e-5
NEVER = "never acted"
ADAPTER = "ip-adapter-faceid_sdxl.bin"
SEEDS = (3, 4)


# What lies where


@pytest.fixture(scope="session")
def made_models(weights, identity_adapters, face_pack, tmp_path_factory):
    """A models folder: the workflow's files that are small enough to be one, and an adapter."""
    folder = tmp_path_factory.mktemp("models")
    face_pack(folder / "insightface", "buffalo_l")
    sizes = {"unit": 32, "width": weights.TEXT, "text": weights.TEXT}
    adapter = identity_adapters.build("faceid", "SDXL", **sizes)
    for name, found in (
        (f"ipadapter/{ADAPTER}", adapter),
        ("diffusion_models/flux1-dev-kontext_fp8_scaled.safetensors", weights.flux()),
        ("vae/ae.safetensors", weights.taesd(16)),
    ):
        (folder / name).parent.mkdir()
        identity_adapters.save(found, folder / name)
    return folder


@pytest.fixture
def models(runs_onnx, made_models, put_models):
    """The same where the host looks for them; gone afterwards, with what was saved there."""
    return put_models(made_models, "identity_profiles")


def node(class_type, /, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def ids(prompt, kind):
    """Of the nodes of a type, in the order of their numbers."""
    found = [key for key, one in prompt.items() if one["class_type"] == kind]
    return sorted(found, key=lambda key: (len(key), key))


def photo(host, drawn, name):
    return node("LoadImage", image=host.server.place(drawn[name], f"references-{name}.png"))


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture)


# The shipped edit, made small


@pytest.fixture
def edit(host, models, drawn):
    """The shipped workflow as a prompt with small pictures, few steps and a stand-in for text."""
    prompt = read_workflow(ROOT / "workflows/reference_weight_edit.json").prompt(host.server)
    sizes = iter((SIZE, SMALL))
    for key in sorted(prompt, key=int):
        one = prompt[key]
        kind, inputs = one["class_type"], one["inputs"]
        if kind == "DualCLIPLoader":
            prompt[key] = node("TinyText")
        elif kind == "KSampler":
            inputs["steps"] = STEPS
        elif kind == "FluxKontextImageScale":  # to a megapixel
            width, height = next(sizes)
            prompt[key] = node("ImageScale", **inputs, upscale_method="lanczos", width=width, height=height, crop="center")  # fmt: skip
    for key, name in zip(ids(prompt, "LoadImage"), ("a", "b"), strict=True):
        prompt[key] = photo(host, drawn, name)
    prompt["face"] = photo(host, drawn, "picture")
    for key in ids(prompt, "VAEDecode"):
        behind = f"thinly {key}"
        for one in prompt.values():
            for name, value in one["inputs"].items():
                if value == [key, 0]:
                    one["inputs"][name] = [behind, 0]
        prompt[behind] = node("ImageBlend", image1=["face", 0], image2=[key, 0], blend_factor=THIN, blend_mode="normal")  # fmt: skip
    for sampler in ids(prompt, "KSampler"):
        prompt[f"latent {sampler}"] = node("SaveLatent", samples=[sampler, 0], filename_prefix="references")  # fmt: skip
    return prompt


def samplings(prompt):
    """What makes the latents, alone."""
    shown = {"SaveImage", "PreviewImage", "LoupeCompare", "LoupeIdentityDrift"}
    return {
        key: copy.deepcopy(one) for key, one in prompt.items() if one["class_type"] not in shown
    }


def with_weights(prompt, *texts):
    """The samplings with these in place of the two weights, and no face that they are for."""
    changed = samplings(prompt)
    for key, text in zip(ids(changed, "LoupeReferenceWeight"), texts, strict=True):
        changed[key]["inputs"]["weights"] = text
        changed[key]["inputs"].pop("reference_faces", None)
    return changed


def without_references(prompt, sampler):
    """The samplings with one sampler that is given none."""
    changed = copy.deepcopy(prompt)
    (guided,) = ids(changed, "FluxGuidance")
    words = ids(changed, "CLIPTextEncode")[0]
    changed["guided"] = node("FluxGuidance", conditioning=[words, 0], guidance=prompt[guided]["inputs"]["guidance"])  # fmt: skip
    changed[sampler]["inputs"]["positive"] = ["guided", 0]
    return changed


def made(host, prompt, output):
    """The nodes' outcomes, the latents by their sampler, and the new log."""
    before = len(host.started.words())
    nodes = host.server.run(prompt, output).nodes
    latents = {
        key.removeprefix("latent "): load_file(one.ui["latents"][0])["latent_tensor"]
        for key, one in nodes.items()
        if one.type == "SaveLatent"
    }
    assert set(latents) == {WEIGHED, PLAIN}
    assert all(one.isfinite().all() for one in latents.values())
    return nodes, latents, host.started.words()[before:]


def apart(latents, others=None):
    """The largest difference of two results, in parts of the largest value."""
    one, other = latents[WEIGHED], (others or latents)[PLAIN]
    return float((one - other).abs().max() / other.abs().max())


def test_the_shipped_edit_runs_to_its_end_with_both_references_weighed(host, edit, tmp_path):
    nodes, latents, log = made(host, edit, tmp_path)
    assert NEVER not in log
    assert apart(latents) > SEEN

    def told(kind):
        return [nodes[key].outputs for key in ids(edit, kind)]

    face, look = (one["report"].splitlines() for one in told("LoupeReferenceWeight"))
    assert face[0] == "Flux: 2 references"
    assert face[1].startswith("reference 1: 16 x 20 tokens, weight 1.5, within its region, ")
    share = float(face[1].split()[-4])  # % of the reference that its face is
    assert 5 < share < 40
    assert face[2].startswith("reference 2: 12 x 16 tokens, weight 1,")
    assert look[1:3] == [
        "reference 1: 16 x 20 tokens, weight 1",
        "reference 2: 12 x 16 tokens, weight 0.5",
    ]
    (drift,) = told("LoupeIdentityDrift")
    assert drift["can_tell"] == [True, True]
    assert min(drift["similarity"]) > 0.8  # the drawn face, of which little was painted over
    (compare,) = told("LoupeCompare")
    panels = json.loads(compare["figures"])
    assert len(panels) == 2
    (saved,) = (nodes[key] for key in ids(edit, "SaveImage"))
    (file,) = saved.ui["images"]
    assert Path(file).name.startswith("reference_weight_edit")
    assert pixels(file).shape == (SIZE[1], SIZE[0], 3)


def test_weight_1_is_the_model_as_it_is_to_the_bit(host, edit, tmp_path):
    """The workflow's second branch has no Reference Weight."""
    _, latents, _ = made(host, with_weights(edit, "1:1", "*:1"), tmp_path)
    assert latents[WEIGHED].equal(latents[PLAIN])


def test_weight_0_is_a_prompt_without_the_references(host, edit, tmp_path):
    nothing = with_weights(edit, "1:0", "2:0")
    _, latents, log = made(host, without_references(nothing, PLAIN), tmp_path)
    assert NEVER not in log
    assert apart(latents) < NO_REFERENCE
    _, with_them, _ = made(host, nothing, tmp_path)
    assert apart(with_them) > SEEN


def test_each_weight_is_for_its_own_reference(host, edit, tmp_path):
    """Weight 0 for the second is a prompt with the first alone; for the first it is another thing."""
    alone = with_weights(edit, "", "2:0")
    first, _ = ids(alone, "ReferenceLatent")
    (guided,) = ids(alone, "FluxGuidance")
    alone["guided"] = copy.deepcopy(alone[guided])
    alone["guided"]["inputs"]["conditioning"] = [first, 0]
    alone[PLAIN]["inputs"]["positive"] = ["guided", 0]
    _, latents, _ = made(host, alone, tmp_path)
    assert apart(latents) < NO_REFERENCE
    _, others, _ = made(host, with_weights(edit, "1:0", ""), tmp_path)
    assert apart(others, latents) > SEEN


def test_the_log_says_that_weights_never_acted_where_the_sampler_has_no_reference(
    host, edit, tmp_path
):
    """Without this the tests above could not see that it says nothing."""
    unlinked = without_references(samplings(edit), WEIGHED)
    _, _, log = made(host, unlinked, tmp_path)
    assert NEVER in log
    assert "given no reference while sampling" in log


# A small SDXL with an identity


@pytest.fixture
def with_identity(host, models, drawn):
    return identified(host, drawn)


@pytest.fixture(scope="module")
def keeping(checkout, runs_onnx, made_models, tmp_path_factory):
    """A ComfyUI that keeps what it has made from one prompt to the next.

    As it starts by default it drops that wherever less than 128 GB of memory are free (96 in 0.23).
    """
    base = tmp_path_factory.mktemp("comfyui-keeping")
    launch.install_pack(base / "custom_nodes")
    shutil.copytree(Path(__file__).parent / "tiny_models", base / "custom_nodes" / "tiny_models")
    shutil.copytree(made_models, base / "models")
    arguments = ["--cpu", "--cache-lru", "500"]
    with launch.comfyui(checkout, launch.python_of(checkout), base, arguments=arguments) as started:
        yield SimpleNamespace(started=started, server=Server(started.url))


def identified(host, drawn):
    """All that Identity Calibrate and Apply Identity are linked to."""
    return {
        "photo a": photo(host, drawn, "a"),
        "photo b": photo(host, drawn, "b"),
        "face": photo(host, drawn, "picture"),
        "profile": ours(host, "LoupeIdentityProfile", **{"photos.photo0": ["photo a", 0], "photos.photo1": ["photo b", 0]}, name="Ada", consent="she is drawn"),
        "adapter": ours(host, "LoupeLoadIdentityAdapter", file=f"ipadapter/{ADAPTER}"),
        "model": node("TinySDXL"),
        "positive": node("CLIPTextEncode", text="a portrait", clip=["model", 1]),
        "negative": node("CLIPTextEncode", text="blurred", clip=["model", 1]),
        "empty": node("EmptyLatentImage", width=SIZE[0], height=SIZE[1], batch_size=1),
        "vae": node("TinyThinVae", vae=["model", 2], image=["face", 0], share=THIN),
    }  # fmt: skip


def ours(host, kind, **inputs):
    """A node of ours with its widgets as a page has them at first."""
    slots = slots_of(host.server.nodes[kind])
    widgets = {
        slot.name: slot.default for slot in slots if slot.has_widget and slot.default is not None
    }
    return node(kind, **{**widgets, **inputs})


LINKS = {
    "model": ["model", 0],
    "adapter": ["adapter", 0],
    "identity": ["profile", 0],
}
SAMPLING = {"steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


def calibrated(host, with_identity, weights, *, steps=1):
    """A prompt that calibrates and keeps all that comes out."""
    linked = {**LINKS, "positive": ["positive", 0], "negative": ["negative", 0], "vae": ["vae", 0]}
    settings = {**SAMPLING, "steps": steps, "seeds": len(SEEDS), "first_seed": SEEDS[0]}
    return {
        **with_identity,
        "calibrate": ours(host, "LoupeIdentityCalibrate", **linked, latent=["empty", 0], weights=weights, **settings),
        "save": ours(host, "LoupeSaveIdentity", identity=["calibrate", 0], file_name="calibrated", existing="replace"),
        "plot": node("PreviewImage", images=["calibrate", 2]),
        "grid": node("PreviewImage", images=["calibrate", 3]),
    }  # fmt: skip


def by_hand(host, with_identity, weight, seed, *, energy=False):
    """One picture of a calibration, without it."""
    return {
        **with_identity,
        "applied": ours(host, "LoupeApplyIdentity", **LINKS, weight=weight, energy=energy),
        "sampled": node("KSampler", model=["applied", 0], positive=["positive", 0], negative=["negative", 0], latent_image=["empty", 0], seed=seed, **SAMPLING),
        "decoded": node("VAEDecode", samples=["sampled", 0], vae=["vae", 0]),
        "drift": ours(host, "LoupeIdentityDrift", image=["decoded", 0], identity=["profile", 0]),
        "sheet": node("PreviewImage", images=["drift", 2]),
    }  # fmt: skip


class Listening(Server):
    """Remembers what the host tells while it runs."""

    def __init__(self, url):
        super().__init__(url)
        self.told = []

    def _heard(self, what, data, prompt, watch):
        self.told.append((what, data))
        return super()._heard(what, data, prompt, watch)

    def events(self, what):
        """The nodes of all events of a kind, each with the node on the page that shows it."""
        return [
            (str(data["node"]), str(data.get("display_node")))
            for kind, data in self.told
            if kind == what and data.get("node")
        ]

    def sampled(self):
        """The samplers that a calibration ran, not those whose pictures it still had."""
        return [name for name, _ in self.events("executing") if ".sample " in name]


def test_a_calibration_renders_measures_and_goes_with_the_identity(
    host, with_identity, models, tmp_path
):
    prompt = calibrated(host, with_identity, "0.8, 0, 0.4")
    server = Listening(host.started.url)
    nodes = server.run(prompt, tmp_path).nodes
    assert len(server.sampled()) == len(set(server.sampled())) == 3 * len(SEEDS)
    assert {shown for name, shown in server.events("executing") if ".sample " in name} == {"calibrate"}  # fmt: skip
    steps = [name for name, _ in server.events("progress") if ".sample " in name]
    assert set(steps) == set(server.sampled())

    outputs = nodes["calibrate"].outputs
    told = json.loads(outputs["json"])
    assert [(one["weight"], one["seed"]) for one in told["points"]] == [
        (weight, seed) for weight in (0, 0.4, 0.8) for seed in SEEDS
    ]
    cosines = [one["cosine"] for one in told["points"]]
    assert all(cosine > 0.8 for cosine in cosines)
    assert len(set(cosines)) == len(cosines)  # each is of a picture of its own
    assert "6 pictures at 3 weights, 0 to 0.8" in outputs["report"]
    assert "1 steps, cfg 1, euler, normal, denoise 1" in outputs["report"]
    shown = [data for what, data in server.told if what == "executed" and ".curve" in data["node"]]
    assert [one["display_node"] for one in shown] == ["calibrate"]  # the page shows it there
    assert shown[0]["output"]["loupe_report"] == [outputs["report"]]
    for key in ("plot", "grid"):
        (file,) = nodes[key].ui["images"]
        assert pixels(file).std() > 5

    assert nodes["save"].outputs["file"] == "calibrated.safetensors"
    (kept,) = load_identity("calibrated.safetensors", [models / "identity_profiles"]).calibrations
    assert kept.adapter_sha256 == told["calibration"]["adapter_sha256"]
    assert [one.cosine for one in kept.points] == cosines
    assert kept.base_id == told["base_id"]

    hand = host.server.run(by_hand(host, with_identity, 0.8, SEEDS[1]), tmp_path).nodes
    assert hand["drift"].outputs["similarity"] == pytest.approx([cosines[-1]], abs=1e-6)


def test_another_weight_renders_its_own_pictures_alone(keeping, drawn, tmp_path):
    with_identity = identified(keeping, drawn)
    keeping.server.run(calibrated(keeping, with_identity, "0, 0.5, 0.9"), tmp_path)
    server = Listening(keeping.started.url)
    told = server.run(calibrated(keeping, with_identity, "0, 0.5, 0.9, 1.3"), tmp_path).nodes
    assert len(server.sampled()) == len(SEEDS)
    assert all(".sample 1.3 " in name for name in server.sampled())
    points = json.loads(told["calibrate"].outputs["json"])["points"]
    assert len(points) == 4 * len(SEEDS)


def test_a_calibration_that_was_stopped_goes_on_where_it_was(keeping, drawn, tmp_path):
    prompt = calibrated(keeping, identified(keeping, drawn), "0, 0.7, 1.1", steps=6)
    server, ended = Listening(keeping.started.url), []

    def run():
        try:
            server.run(prompt, tmp_path)
        except (HostError, GraphError, NodeError) as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 120
    while len(server.sampled()) < 2 and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    kind = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{keeping.started.url}/interrupt", b"{}", kind)
    urllib.request.urlopen(asked, timeout=30).close()
    thread.join(120)
    assert ended == [f"the run was stopped on {keeping.started.url}"]
    stopped, every = len(server.sampled()), 3 * len(SEEDS)
    assert 2 <= stopped < every
    server = Listening(keeping.started.url)
    told = server.run(prompt, tmp_path).nodes["calibrate"].outputs
    assert len(json.loads(told["json"])["points"]) == every
    assert len(server.sampled()) == every - stopped + 1  # the one that was broken off, too


def test_injected_energy_tells_every_layer_at_every_step(host, with_identity, tmp_path):
    prompt = by_hand(host, with_identity, 0.8, SEEDS[0], energy=True)
    prompt["sampled"]["inputs"]["steps"] = STEPS
    prompt["energy"] = node("LoupeInjectedEnergy", model=["applied", 0], samples=["sampled", 0])
    prompt["map"] = node("PreviewImage", images=["energy", 0])
    nodes = host.server.run(prompt, tmp_path).nodes
    told = nodes["energy"].outputs
    (file,) = nodes["map"].ui["images"]
    assert pixels(file).std() > 5
    assert nodes["energy"].ui["loupe_report"] == [told["report"]]
    (one,) = json.loads(told["json"])
    assert "Ada" in one["identity"]
    assert len(one["layers"]) == 70  # of SDXL
    assert len(one["sigmas"]) == STEPS
    assert all(len(row) == STEPS and min(row) > 0 for row in one["layers"].values())
    assert f"mean of 70 layers and {STEPS} steps" in told["report"]
