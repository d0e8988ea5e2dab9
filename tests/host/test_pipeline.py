"""The workflows that join the rooms, end to end in a real ComfyUI.

The models are tiny and random (tests/host/tiny_models), the adapter too (tests/identity_adapters.py), and
the faces are drawn ones that tiny packs know (tests/onnx_packs.py). A random model draws no face: so that
there is one, what it draws is laid thinly over a drawn face.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from portrait_loupe.nodes.casting.png import read_png16
from portrait_loupe.nodes.host.runner import read_workflow

ROOT = Path(__file__).resolve().parents[2]
THIN = 0.08  # of a random picture over a drawn face, which stays one that the tiny packs know
STEPS = 1
STAND_INS = {"CheckpointLoaderSimple": "TinySDXL", "CLIPVisionLoader": "TinyClipVision"}


@pytest.fixture
def upscaler(weights, put_models, tmp_path_factory):
    """One alone: faces are found without a file."""
    folder = tmp_path_factory.mktemp("models") / "upscale_models"
    folder.mkdir()
    save_file(weights.upscaler(), folder / "RealESRGAN_x4plus.safetensors")
    return put_models(folder.parent)


def node(class_type, /, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def ids(prompt, kind):
    found = [key for key, one in prompt.items() if one["class_type"] == kind]
    return sorted(found, key=lambda key: (len(key), key))


def shipped(host, name, drawn):
    """A shipped workflow as a prompt with Ada's photos, stand-ins for large files, and few steps."""
    prompt = read_workflow(ROOT / f"workflows/{name}.json").prompt(host.server)
    for one in prompt.values():
        kind, inputs = one["class_type"], one["inputs"]
        if kind in STAND_INS:
            one["class_type"], one["inputs"] = STAND_INS[kind], {}
        elif kind == "EmptyLatentImage":
            inputs["width"], inputs["height"] = 256, 320
        elif kind == "KSampler":
            inputs["steps"] = STEPS
        elif kind == "LoupePlanCrop":
            inputs.update(model="custom", megapixels=0.06, multiple_of=16)
    for key, photo in zip(ids(prompt, "LoadImage"), ("a", "b"), strict=False):
        prompt[key]["inputs"]["image"] = host.server.place(drawn[photo], f"pipeline-{photo}.png")
    return prompt


def laid_over(prompt, decoded, face):
    """What a VAE decoded, thinly over a face."""
    behind = f"thinly {decoded}"
    for one in prompt.values():
        for name, value in one["inputs"].items():
            if value == [decoded, 0]:
                one["inputs"][name] = [behind, 0]
    prompt[behind] = node("ImageBlend", image1=[face, 0], image2=[decoded, 0], blend_factor=THIN, blend_mode="normal")  # fmt: skip


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture)


def lock_of(told, number):
    take = next(one for one in told["takes"] if one["number"] == number)
    return json.dumps({"schema": 1, "by": "pick", "take_sha256": take["sha256"], "label": "x"})


def test_the_whole_pipeline_from_a_brief_to_a_plate(host, face_id, drawn, tmp_path):
    prompt = shipped(host, "full_pipeline", drawn)
    prompt["face"] = node("LoadImage", image=host.server.place(drawn["picture"], "pipeline.png"))
    (lock,), (crop,) = ids(prompt, "LoupeCastLock"), ids(prompt, "LoupeCrop")
    cast, again = ids(prompt, "VAEDecode")[:1], ids(prompt, "VAEDecode")[1:]
    assert len(again) == 2
    order = dict.fromkeys((*cast, *again), "face")
    (second,) = [key for key in order if follows(prompt, key, lock)]
    order[second] = crop
    for key, face in order.items():
        laid_over(prompt, key, face)
    prompt[lock]["inputs"]["cast_name"] = f"pipeline {host.folder}"

    outcome = host.server.run(prompt, tmp_path / "offer")
    (told,) = outcome.nodes[lock].ui["loupe_cast"]
    offered = [one for one in told["takes"] if not one["rejected"]]
    assert len(told["takes"]) == 8  # four seeds, two checkpoints
    assert sorted(Counter(one["model"] for one in told["takes"]).values()) == [4, 4]
    assert {one["seed"] for one in told["takes"]} == {0, 1, 2, 3}
    assert offered
    assert not [path for path in outcome.files if "full_pipeline" in path.name]

    said = len(host.started.words())
    prompt[lock]["inputs"]["lock"] = lock_of(told, offered[0]["number"])
    (brief,) = ids(prompt, "LoupeCastBrief")
    prompt[brief]["inputs"]["base_seed"] = 50  # which nobody asks for any more
    outcome = host.server.run(prompt, tmp_path / "made")
    nodes = outcome.nodes
    assert not [key for key in ids(prompt, "LoupeCastSheet") if key in nodes]  # nothing above runs
    assert nodes[lock].outputs["seed"] == offered[0]["seed"]
    (apply,) = ids(prompt, "LoupeApplyIdentity")
    assert "by FaceID Plus V2" in nodes[apply].ui["loupe_report"][0]
    log = host.started.words()[said:]
    assert not [words for words in ("never ran", " of 70 layers") if words in log]
    (drift,) = ids(prompt, "LoupeIdentityDrift")
    assert nodes[drift].outputs["can_tell"] == [True]
    assert nodes[drift].outputs["similarity"][0] > 0.5  # Ada's drawn face shows through
    saved = {path.name: path for path in outcome.files}
    (plate,) = [path for name, path in saved.items() if name.startswith("full_pipeline_plate") and name.endswith(".png")]  # fmt: skip
    assert pixels(plate).std() > 5
    (final,) = [path for name, path in saved.items() if name.startswith("full_pipeline_0") and name.endswith(".png")]  # fmt: skip
    finished = read_png16(final)
    assert finished.shape == (1, 320, 256, 3)
    assert 0.02 < float(finished.mean()) < 0.98
    (compare,) = ids(prompt, "LoupeCompare")
    labels = [one["label"] for one in json.loads(nodes[compare].outputs["figures"])]
    assert labels == ["As it was cast", "With the identity", "Through the lens"]


def follows(prompt, key, other) -> bool:
    """Whether a node is made of what another gives."""
    todo, seen = [key], set()
    while todo:
        one = todo.pop()
        for value in prompt[one]["inputs"].values():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt:
                if str(value[0]) == other:
                    return True
                if str(value[0]) not in seen:
                    seen.add(str(value[0]))
                    todo.append(str(value[0]))
    return False


def test_a_set_of_twenty_portraits_in_one_run(host, face_id, drawn, tmp_path):
    prompt = shipped(host, "portrait_set_20", drawn)
    prompt["face"] = node("LoadImage", image=host.server.place(drawn["picture"], "pipeline.png"))
    for key in ids(prompt, "VAEDecode"):
        laid_over(prompt, key, "face")
    outcome = host.server.run(prompt, tmp_path)
    saved = [path.name for path in outcome.files if path.suffix == ".png"]
    assert sum(name.startswith("portrait_set_portrait") for name in saved) == 12
    assert sum(name.startswith("portrait_set_close_up") for name in saved) == 8
    assert sum(name.startswith("portrait_set_sheet") for name in saved) == 1
    (sheet,) = ids(prompt, "LoupeCastSheet")
    report = outcome.nodes[sheet].ui["loupe_report"][0]
    assert "20 takes = 12 Close-up + 8 Big close-up" in report
    prompts = [one for key in ids(prompt, "LoupeCloseUpPrompt") for one in outcome.nodes[key].outputs["prompt"]]  # fmt: skip
    assert len(set(prompts)) == 20


def test_a_portrait_is_enlarged_seen_through_a_lens_and_saved_with_16_bits(
    host, upscaler, portraits, tmp_path
):
    prompt = shipped(host, "portrait_8k", {"a": portraits / "portrait_a.png"})
    (scale,), (lens,) = ids(prompt, "ImageScale"), ids(prompt, "LoupeLens")
    assert (prompt[scale]["inputs"]["width"], prompt[scale]["inputs"]["height"]) == (0, 7680)
    prompt[scale]["inputs"]["height"] = 900
    # a random upscaler draws no face: the photo shows through
    (upscale,) = ids(prompt, "ImageUpscaleWithModel")
    photo = prompt[upscale]["inputs"]["image"][0]
    prompt["large"] = node("ImageScaleBy", image=[photo, 0], upscale_method="lanczos", scale_by=4.0)
    laid_over(prompt, upscale, "large")
    outcome = host.server.run(prompt, tmp_path)
    (final,) = [path for path in outcome.files if path.name.startswith("portrait_8k_0") and path.suffix == ".png"]  # fmt: skip
    made = read_png16(final)
    assert made.shape == (1, 900, 768, 3)
    codes = (made * 65535).round().long()
    assert len((codes % 257).unique()) > 100  # more than 8 bits
    assert "classic double Gauss" in outcome.nodes[lens].ui["loupe_report"][0]
    assert ids(prompt, "LoupeMicroContrastMeter")[0] in outcome.nodes
    (plate,) = [path for path in outcome.files if path.name.startswith("portrait_8k_eye") and path.suffix == ".png"]  # fmt: skip
    assert pixels(plate).shape == (2160, 3840, 3)
