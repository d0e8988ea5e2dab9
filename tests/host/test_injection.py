"""Both workflows with an identity, end to end in a real ComfyUI, and an identity among other packs there.

The models are tiny and random (tests/host/tiny_models), the adapters too (tests/identity_adapters.py), and
the faces are drawn ones that tiny packs know (tests/onnx_packs.py). A random model draws no face: so that
the second half has one to find, the first picture is laid thinly over a drawn face, and the second
pass thinly over the crop that it was made of. Both are left in the graph with all that follows.
"""

import copy
import hashlib
import json
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from torch.testing import assert_close

from portrait_loupe.nodes.host import launch
from portrait_loupe.nodes.host.runner import read_workflow

ROOT = Path(__file__).resolve().parents[2]
SIZE = (256, 320)  # as drawn["picture"] is
CROP_MEGAPIXELS = 0.05
STEPS = 2
THIN = 0.08  # of a random picture over a drawn face, which stays one that the tiny packs know
LAYERS = {"sdxl": 70, "flux": 20}
SHARE = {"sdxl": 1.0, "flux": 0.5}  # of two steps: PuLID begins at 0.2, in the second
STAND_INS = {
    "CheckpointLoaderSimple": "TinySDXL",
    "DualCLIPLoader": "TinyText",
    "CLIPVisionLoader": "TinyClipVision",
    "LoupeLoadEvaClip": "TinyEva",  # of 400 MB, and read through timm
}
EVA_FILE = "clip/EVA02_CLIP_L_336_psz14_s6B.pt"
AMISS = ("never ran", " of 70 layers", " of 20 layers")  # in the log, of the counter of layers
# The same sums in another order through 70 layers and 2 steps: 3e-3 measured where results reach 977
NEAR = {"atol": 3e-2, "rtol": 0}
SEEN = 0.01  # of the largest result: less is no effect


@pytest.fixture(scope="session")
def made_models(weights, identity_adapters, eva_clips, face_pack, tmp_path_factory):
    """A models folder with all that both workflows name and is small enough to be a file."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("buffalo_l", "antelopev2"):
        face_pack(folder / "insightface", name)
    plus = identity_adapters.build("plusv2", "SDXL", unit=32, width=weights.TEXT, text=weights.TEXT)
    put(
        identity_adapters,
        plus,
        folder / "ipadapter" / identity_adapters.file_name("plusv2", "SDXL"),
    )
    pulid = identity_adapters.build(
        "pulid_flux", image=weights.WIDTH, eva=weights.EVA, pooled=weights.EVA_POOLED
    )
    for kind, name, found in (
        ("pulid", "pulid_flux_v0.9.1", pulid),
        ("diffusion_models", "flux1-dev", weights.flux()),
        ("vae", "ae", weights.taesd(16)),
    ):
        put(identity_adapters, found, folder / kind / f"{name}.safetensors")
    put_eva(eva_clips, weights, folder)
    return folder


def put_eva(eva_clips, weights, folder, seed=0):
    """A file as its authors publish it, but for its sizes."""
    tensors = eva_clips.build(seed=seed, width=weights.EVA, pooled=weights.EVA_POOLED)
    return eva_clips.save(tensors, folder / EVA_FILE)


def put(identity_adapters, checkpoint, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    identity_adapters.save(checkpoint, file)


@pytest.fixture
def models(host, runs_onnx, made_models, put_models):
    """The same where the host looks for them, and the host with no model in memory; gone afterwards."""
    folder = put_models(made_models)
    free(host, forget=True)
    return folder


# The shipped graph, made small


def node(class_type, /, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def ids(prompt, kind):
    """Of the nodes of a type, in the order of their numbers."""
    found = [key for key, one in prompt.items() if one["class_type"] == kind]
    return sorted(found, key=lambda key: (len(key), key))


def shipped(host, base, drawn):
    """A shipped workflow as a prompt with small pictures, few steps and stand-ins for large files."""
    prompt = read_workflow(ROOT / f"workflows/close_up_identity_{base}.json").prompt(host.server)
    for one in prompt.values():
        kind, inputs = one["class_type"], one["inputs"]
        if kind in STAND_INS:
            one["class_type"], one["inputs"] = STAND_INS[kind], {}
        elif kind.startswith("Empty"):
            inputs["width"], inputs["height"] = SIZE
        elif kind == "KSampler":
            inputs["steps"] = STEPS
        elif kind == "LoupePlanCrop":
            inputs.update(model="custom", megapixels=CROP_MEGAPIXELS, multiple_of=16)
    photos = ids(prompt, "LoadImage")
    for key, name in zip(photos, ("a", "b"), strict=True):
        prompt[key]["inputs"]["image"] = host.server.place(drawn[name], f"injection-{name}.png")
    picture = host.server.place(drawn["picture"], "injection-picture.png")
    (crop,) = ids(prompt, "LoupeCrop")
    prompt["face"] = node("LoadImage", image=picture)
    for key, over in zip(ids(prompt, "VAEDecode"), ("face", crop), strict=True):
        behind = f"thinly {key}"
        for one in prompt.values():
            for name, value in one["inputs"].items():
                if value == [key, 0]:
                    one["inputs"][name] = [behind, 0]
        prompt[behind] = node("ImageBlend", image1=[over, 0], image2=[key, 0], blend_factor=THIN, blend_mode="normal")  # fmt: skip
    for index, sampler in enumerate(ids(prompt, "KSampler")):
        prompt |= looking_on(prompt, sampler, f"of pass {index + 1}")
    return prompt


def looking_on(prompt, sampler, name):
    """Nodes that keep what a sampler made, to the bit, and tell who ran in its model."""
    return {
        f"latent {name}": node("SaveLatent", samples=[sampler, 0], filename_prefix="injection"),
        f"calls {name}": node("TinyCalls", latent=[sampler, 0], model=prompt[sampler]["inputs"]["model"]),
    }  # fmt: skip


def first_pass(prompt):
    """The prompt that makes the first latent alone."""
    kept = {"SaveLatent", "TinyCalls"}
    outputs = {"SaveImage", "PreviewImage", "PreviewAny"} | kept
    return {
        key: copy.deepcopy(one)
        for key, one in prompt.items()
        if one["class_type"] not in outputs or (one["class_type"] in kept and key.endswith("1"))
    }


def without_identity(prompt):
    """Every sampler on the plain model."""
    plain = copy.deepcopy(prompt)
    for apply in ids(prompt, "LoupeApplyIdentity"):
        model = prompt[apply]["inputs"]["model"]
        for one in plain.values():
            if one["inputs"].get("model") == [apply, 0]:
                one["inputs"]["model"] = model
        del plain[apply]
    return plain


def with_weight(prompt, weight):
    changed = copy.deepcopy(prompt)
    for key in ids(prompt, "LoupeApplyIdentity"):
        changed[key]["inputs"]["weight"] = weight
    return changed


def made(host, prompt, output):
    """What a prompt made: latents and calls by name, everything else by node, and the new log."""
    before = len(host.started.words())
    outcome = host.server.run(prompt, output)
    result = {"nodes": outcome.nodes, "log": host.started.words()[before:]}
    for key, one in outcome.nodes.items():
        if one.type == "SaveLatent":
            (file,) = one.ui["latents"]
            result[key] = load_file(file)["latent_tensor"]
        elif one.type == "TinyCalls":
            result[key] = json.loads(one.ui["text"][0])
    assert any(key.startswith("latent") for key in result)
    return result


def free(host, *, forget):
    """As the button that unloads models; ``forget`` drops what is cached of graphs too."""
    body = json.dumps({"unload_models": True, "free_memory": forget}).encode()
    kind = {"Content-Type": "application/json"}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        # Asked again: ComfyUI sleeps through what it is asked just before it falls asleep
        asked = urllib.request.Request(f"{host.started.url}/free", body, kind)
        urllib.request.urlopen(asked, timeout=30).close()
        time.sleep(0.2)
        with urllib.request.urlopen(f"{host.started.url}/tiny/loaded", timeout=30) as answer:
            if json.load(answer) == 0:
                return
    pytest.fail("ComfyUI still holds models a minute after it was asked to unload them")


def again(prompt, number):
    """The same prompt, which ComfyUI samples again."""
    changed = copy.deepcopy(prompt)
    for sampler in ids(prompt, "KSampler"):
        latent = prompt[sampler]["inputs"]["latent_image"]
        changed[f"again {sampler}"] = node("TinyAgain", latent=latent, number=number)
        changed[sampler]["inputs"]["latent_image"] = [f"again {sampler}", 0]
    return changed


def same(one, other):
    """Whether two results are alike to the bit: latents, and all that is saved and previewed."""
    names = [name for name in one if name.startswith("latent")]
    assert names
    assert all(one[name].isfinite().all() for name in names)
    mine, others = (pictures(result) for result in (one, other))
    assert mine.keys() == others.keys()
    return all(one[name].equal(other[name]) for name in names) and all(
        np.array_equal(pixels(mine[key]), pixels(others[key])) for key in mine
    )


def pictures(result):
    """Files by the node that shows them, of ComfyUI's own nodes."""
    return {
        (key, index): file
        for key, one in result["nodes"].items()
        if one.type in ("SaveImage", "PreviewImage")
        for index, file in enumerate(one.ui["images"])
    }


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture)


BASES = pytest.mark.parametrize("base", LAYERS)


@BASES
def test_a_shipped_workflow_runs_to_its_end_with_the_identity_in_every_layer(
    host, models, drawn, tmp_path, base
):
    prompt = shipped(host, base, drawn)
    result = made(host, prompt, tmp_path)
    nodes, layers = result["nodes"], LAYERS[base]

    def told(kind):
        return [nodes[key].outputs for key in ids(prompt, kind)]

    assert not [words for words in AMISS if words in result["log"]]
    for name, share in (("calls of pass 1", SHARE[base]), ("calls of pass 2", 1.0)):
        (one,) = result[name]["identities"]
        assert one["layers"] == layers
        (reached,), (added,) = set(one["reached"]), set(one["added"])  # of all layers alike
        assert reached >= STEPS
        assert added == share * reached
        assert one["kept"] == 0  # nothing stays on the device
    first, second = (one["report"] for one in told("LoupeApplyIdentity"))
    for report in (first, second):
        assert f"it acts in {layers} of {layers} " in report
    assert "x 1.00 (follow)" in second  # a close-up has the identity in full
    (profile,), (drift,) = told("LoupeIdentityProfile"), told("LoupeIdentityDrift")
    assert "2 faces from 2 photos" in profile["report"]
    assert drift["can_tell"] == [True]
    assert drift["similarity"][0] > 0.8  # the drawn face, of which little was painted over
    (saved,) = (nodes[key] for key in ids(prompt, "SaveImage"))
    (file,) = saved.ui["images"]
    assert pixels(file).shape == (SIZE[1], SIZE[0], 3)
    assert Path(file).name.startswith(f"close_up_identity_{base}")
    assert same(result, made(host, again(prompt, 1), tmp_path))  # run to run


@BASES
def test_weight_0_is_the_workflow_without_an_identity_to_the_bit(
    host, models, drawn, tmp_path, base
):
    prompt = shipped(host, base, drawn)
    plain = made(host, without_identity(prompt), tmp_path)
    assert plain["calls of pass 1"]["identities"] == []
    none = made(host, with_weight(prompt, 0.0), tmp_path)
    assert same(none, plain)
    ours = made(host, prompt, tmp_path)
    for name in ("latent of pass 1", "latent of pass 2"):
        assert (ours[name] - plain[name]).abs().max() > SEEN * plain[name].abs().max()


@BASES
def test_a_model_that_was_unloaded_is_as_it_was(host, models, drawn, tmp_path, base):
    """FaceID's LoRA changes the model's own weights: they must be whole again."""
    prompt = first_pass(shipped(host, base, drawn))
    plain = made(host, without_identity(prompt), tmp_path)
    ours = made(host, prompt, tmp_path)
    assert not same(ours, plain)
    assert same(made(host, again(without_identity(prompt), 1), tmp_path), plain)
    assert same(made(host, again(prompt, 1), tmp_path), ours)
    free(host, forget=False)
    assert same(made(host, again(without_identity(prompt), 2), tmp_path), plain)
    assert same(made(host, again(prompt, 2), tmp_path), ours)


def among(prompt, kind, label, *, before):
    """Another pack's addition to the first pass's model, before or after ours; TinyCalls sees both."""
    changed = copy.deepcopy(prompt)
    (sampler,) = ids(prompt, "KSampler")[:1]
    if before:
        apply, _ = changed[sampler]["inputs"]["model"]
        at = changed[apply]["inputs"]
        at["model"], model = [label, 0], at["model"]
    else:
        model = changed[sampler]["inputs"]["model"]
        for key in (sampler, "calls of pass 1"):
            changed[key]["inputs"]["model"] = [label, 0]
    changed[label] = node("TinyForeign", model=model, kind=kind, label=label)
    return changed


def called(result, label):
    return result["calls of pass 1"]["called"].get(label, 0)


def everywhere(result):
    (one,) = result["calls of pass 1"]["identities"]
    return min(one["added"]) > 0


@BASES
def test_another_packs_attention_override_is_asked_as_often_as_without_us(
    host, models, drawn, tmp_path, base
):
    prompt = first_pass(shipped(host, base, drawn))
    ours = made(host, prompt, tmp_path)
    alone = among(without_identity(prompt), "override", "alone", before=False)
    wanted = called(made(host, alone, tmp_path), "alone")
    assert wanted >= LAYERS[base] * STEPS
    for label, before in (("below", True), ("above", False)):
        result = made(host, among(prompt, "override", label, before=before), tmp_path)
        assert called(result, label) == wanted
        assert everywhere(result)
        assert same(result, ours)


@BASES
def test_another_packs_patch_in_one_of_our_slots_runs_and_counts_in_either_order(
    host, models, drawn, tmp_path, base
):
    kind = {"sdxl": "attn2", "flux": "dit"}[base]
    prompt = first_pass(shipped(host, base, drawn))
    name = "latent of pass 1"
    ours = made(host, prompt, tmp_path)[name]
    alone = made(host, among(without_identity(prompt), kind, "only", before=False), tmp_path)
    wanted = called(alone, "only")
    assert wanted >= STEPS
    both = []
    for label, before in (("under", True), ("over", False)):
        result = made(host, among(prompt, kind, label, before=before), tmp_path)
        assert called(result, label) == wanted
        assert everywhere(result)
        both.append(result[name])
        assert not [words for words in AMISS if words in result["log"]]
    for single in (ours, alone[name]):
        assert all((one - single).abs().max() > SEEN * single.abs().max() for one in both)
    if base == "sdxl":  # both add to the same attention: the order is nothing
        assert_close(*both, **NEAR)
    nothing = with_weight(among(prompt, kind, "zero", before=True), 0.0)
    assert made(host, nothing, tmp_path)[name].equal(alone[name])


@pytest.fixture(scope="session")
def reads_eva(checkout):
    """Whether ComfyUI's Python can read an EVA-CLIP file."""
    python = launch.python_of(checkout)
    if subprocess.run([python, "-c", "import timm.models.eva"], capture_output=True).returncode:
        pytest.skip(f"{python} has no timm: nothing in that ComfyUI to read an EVA-CLIP file with")


def test_pulid_looks_at_the_face_through_an_eva_clip_file(
    host, reads_eva, models, drawn, weights, eva_clips, tmp_path
):
    prompt = first_pass(shipped(host, "flux", drawn))
    (loader,) = ids(prompt, "TinyEva")
    prompt[loader] = node("LoupeLoadEvaClip", file=EVA_FILE)
    result = made(host, prompt, tmp_path)
    report = result["nodes"][loader].outputs["report"]
    name, width, pooled = Path(EVA_FILE).name, weights.EVA, weights.EVA_POOLED
    assert report.startswith(f"{name}: an EVA02 tower, {width} wide, 21 blocks, ")
    assert "read through timm " in report
    assert f"3 x 3 patches and says {pooled} numbers of each" in report
    assert f"sha256 {hashlib.sha256((models / EVA_FILE).read_bytes()).hexdigest()}" in report
    assert everywhere(result)
    assert not [words for words in AMISS if words in result["log"]]
    ours = result["latent of pass 1"]
    plain = made(host, without_identity(prompt), tmp_path)["latent of pass 1"]
    assert (ours - plain).abs().max() > SEEN * plain.abs().max()
    put_eva(eva_clips, weights, models, seed=1)  # another file of the same name is read again
    other = made(host, prompt, tmp_path)
    assert other["nodes"][loader].outputs["report"] != report
    assert not other["latent of pass 1"].equal(ours)


def test_a_pack_that_throws_ours_out_of_a_layer_is_told_of_in_the_log(
    host, models, drawn, tmp_path
):
    prompt = first_pass(shipped(host, "sdxl", drawn))
    result = made(host, among(prompt, "rude", "rude", before=False), tmp_path)
    assert "ran in 69 of 70 layers; not reached: middle 0 0" in result["log"]
