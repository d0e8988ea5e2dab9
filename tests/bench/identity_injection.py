"""What an identity costs while sampling, and what clones of its model cost. Needs ComfyUI and what it requires.

COMFYUI_PATH=<ComfyUI> python tests/bench/identity_injection.py [--threads 1] [--rounds 7] [--full-rounds 3] [--only tiny]

Models of random weights sampled by ComfyUI's own sampler with cfg, two rows a step, on the CPU: tiny
ones with all the layers of SD1.5, SDXL and Flux.1, and SD1.5 as wide as it is at 512 px (3.4 GB). Steps
are timed from one callback of the sampler to the next, so that loading and merging a LoRA are not
among them; those have a row of their own. On one thread the clock is the processor's time of this
process: on a machine that others share, a step of a minute by the wall says nothing.
"""

import argparse
import copy
import os
import statistics
import sys
import time
from itertools import pairwise
from types import MethodType, SimpleNamespace

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--full-rounds", type=int, default=3, help="of the full-width model")
parser.add_argument("--only", choices=("tiny", "full"), help="models of one kind alone")
asked = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(asked.threads)
if "COMFYUI_PATH" not in os.environ:
    parser.error("COMFYUI_PATH must name a ComfyUI checkout")
sys.path.insert(0, os.environ["COMFYUI_PATH"])

from comfy.cli_args import args as host_args  # noqa: E402

host_args.cpu = True

import comfy.model_management as host_memory  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.supported_models as kinds  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import torch  # noqa: E402
from comfy.model_patcher import ModelPatcher  # noqa: E402
from comfy.patcher_extension import CallbacksMP, WrappersMP  # noqa: E402
from harness import helper, load_package, machine  # noqa: E402

torch.set_num_threads(asked.threads)
clock = time.process_time if asked.threads == 1 else time.perf_counter
load_package()
from portrait_loupe.nodes.identity.adapters.flatten import flatten  # noqa: E402
from portrait_loupe.nodes.identity.adapters.recognise import recognise  # noqa: E402
from portrait_loupe.nodes.identity.injection.counter import Calls  # noqa: E402
from portrait_loupe.nodes.identity.injection.dit import (  # noqa: E402
    FluxLayers,
    flux_patches,
    flux_places,
)
from portrait_loupe.nodes.identity.injection.shared import Injection  # noqa: E402
from portrait_loupe.nodes.identity.injection.weight import Weight  # noqa: E402
from portrait_loupe.nodes.identity.node_apply import ApplyIdentity  # noqa: E402
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference  # noqa: E402

MB = 1e6
TEXT = 77  # tokens of a prompt
CLONES = 5
PLAIN, ONE, NONE, LATE, MASKED, TWO = (
    "plain", "one identity at 0.8", "weight 0", "before its start", "with a mask", "two identities",
)  # fmt: skip
tiny = helper("tiny_diffusion")
SD15 = {**tiny.SD15, "num_heads": 4}
FLUX = {**tiny.FLUX, "context_in_dim": 64}
CHOSEN = {
    "weight": 0.8, "prominence": "off", "start": 0.0, "end": 1.0, "fade_in": 0.0, "fade_out": 0.0,
    "curve": "uniform", "layers": "", "lora": True, "lora_weight": 0.6, "shortcut": -1.0, "noise": 0.0,
}  # fmt: skip


def somebody(seed=0):
    random = np.random.default_rng(seed)
    raw = (random.normal(size=512) + 0.3 * random.normal(size=(3, 512))).astype(np.float32)
    reference = Reference(
        quality=0.9, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    return Identity("Ada", (reference,) * 3, (Embedded("w600k_r50", "a" * 64, "none", raw),))


def applied(model, adapter, seed=0, **chosen):
    told = ApplyIdentity.execute(
        model=model, adapter=adapter, identity=somebody(seed), **{**CHOSEN, **chosen}
    )
    return told.args[0]


def flux_applied(model, layers, seed=0, mask=None, weight=0.8, start=0.0):
    """PuLID-Flux's hooks with tokens of random numbers: EVA-CLIP, which makes them, runs before sampling."""
    from portrait_loupe.nodes.identity.injection.schedule import Schedule

    window = Schedule(start, 1.0).window(model.get_model_object("model_sampling").percent_to_sigma)
    calls = Calls([key for key, _ in flux_places(20, 19, 38)])
    cpu = torch.device("cpu")
    shared = Injection(Weight(weight, 1.0, window, mask=mask), calls, patcher=ModelPatcher(layers, cpu, cpu))  # fmt: skip
    clone = model.clone()
    slots = clone.model_options["transformer_options"].get("patches_replace", {}).get("dit", {})
    tokens = torch.randn(2, 1, 32, 40, generator=torch.Generator().manual_seed(seed))
    for key, patch in flux_patches(layers, *tokens, (19, 38), slots, shared).items():
        clone.set_model_patch_replace(patch, "dit", *key)
    clone.add_callback_with_key(CallbacksMP.ON_PRE_RUN, f"loupe{seed}", shared.begin)
    clone.add_callback_with_key(CallbacksMP.ON_CLEANUP, f"loupe{seed}", shared.end)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, f"loupe{seed}", shared.watch)
    return clone


def steps_of(model, size, channels, width, steps):
    """Seconds of each step of one sampling, but for the first."""
    made = torch.Generator().manual_seed(3)
    noise = torch.randn(1, channels, *size, generator=made)
    positive, negative = torch.randn(2, 1, TEXT, width, generator=made)
    extra = {"pooled_output": torch.randn(1, 24, generator=made)}
    at = []
    comfy.sample.sample(
        model, noise, steps, 4.0, "euler", "normal", [[positive, extra]], [[negative, extra]],
        torch.zeros_like(noise), denoise=1.0, seed=0, disable_pbar=True,
        callback=lambda *_: at.append(clock()),
    )  # fmt: skip
    return [after - before for before, after in pairwise(at)]


def raced(contestants, rounds, *scene):
    """Of each model, for every round: the median seconds a step."""
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, model in contestants.items():
            times[name].append(statistics.median(steps_of(model, *scene)))
    return times


def table(title, times):
    """Ratios are within a round, and then their median: what else runs on the machine slows a whole round."""
    print(f"\n### {title}\n\n|  | median ms a step | x plain |\n|---|---|---|")
    for name, seconds in times.items():
        ratio = statistics.median(
            one / plain for one, plain in zip(seconds, times[PLAIN], strict=True)
        )
        print(f"| {name} | {statistics.median(seconds) * 1000:.1f} | {ratio:.3f} |", flush=True)


def tiny_unet(title, kind, config, base, made):
    model = tiny.built(kind, config)
    checkpoint = made.build("faceid", base, unit=32, width=64, text=64)
    adapter = recognise(flatten(checkpoint), made.file_name("faceid", base))
    half = torch.zeros(1, 64, 64)
    half[..., :32] = 1
    one = applied(model, adapter)
    contestants = {
        PLAIN: model,
        ONE: one,
        NONE: applied(model, adapter, weight=0.0),
        LATE: applied(model, adapter, start=1.0),
        MASKED: applied(model, adapter, mask=half),
        TWO: applied(one, adapter, seed=1),
    }
    table(title, raced(contestants, asked.rounds, (32, 32), 4, 64, 5))


def tiny_flux(made):
    model = tiny.built(kinds.Flux, FLUX)
    checkpoint = made.build("pulid_flux", image=64)
    layers = FluxLayers([
        {key.split(".", 2)[2]: value for key, value in checkpoint.items() if key.startswith(f"pulid_ca.{i}.")}
        for i in range(20)
    ])  # fmt: skip
    half = torch.zeros(1, 64, 64)
    half[..., :32] = 1
    one = flux_applied(model, layers)
    contestants = {
        PLAIN: model,
        ONE: one,
        NONE: flux_applied(model, layers, weight=0.0),
        LATE: flux_applied(model, layers, start=1.0),
        MASKED: flux_applied(model, layers, mask=half),
        TWO: flux_applied(one, layers, seed=1),
    }
    table("Tiny Flux.1, 32x32 latents", raced(contestants, asked.rounds, (32, 32), 16, 64, 5))


def full_width(made):
    """SD1.5 as it is, FaceID as it is, and what clones cost there."""
    whole = {**tiny.SD15, "model_channels": 320, "context_dim": 768, "num_heads": 8}
    model = tiny.built(kinds.SD15, whole)
    checkpoint = made.build("faceid", "SD1.5", unit=320, width=768, text=768, hidden=1024, rank=128)
    adapter = recognise(flatten(checkpoint), made.file_name("faceid"))
    with_lora, without = applied(model, adapter), applied(model, adapter, lora=False)
    memory(model, without, with_lora, adapter)
    loading = {}
    for name, one in ((PLAIN, model), ("with the LoRA merged", with_lora)):
        seconds = []
        for _ in range(asked.full_rounds):
            host_memory.unload_all_models()
            started = clock()
            host_memory.load_models_gpu([one])
            seconds.append(clock() - started)
        loading[name] = statistics.median(seconds)
    contestants = {PLAIN: model, "FaceID at 0.8, LoRA off": without, "FaceID at 0.8, LoRA on": with_lora}  # fmt: skip
    times = raced(contestants, asked.full_rounds, (64, 64), 4, 768, 2)
    table("SD1.5 at its width, 64x64 latents, FaceID of T = 4, D = 768", times)
    print("\n### Loading SD1.5 at its width, before the first step\n\n|  | median s |\n|---|---|")
    for name, seconds in loading.items():
        print(f"| {name} | {seconds:.2f} |", flush=True)


def memory(model, without, with_lora, adapter):
    """Of clones, on SD1.5 at its width."""
    print(
        f"\n### Memory of {CLONES} clones, SD1.5 at its width\n\n"
        "|  | MB of tensors on one, model aside | more with the clones, MB of tensors | of RSS | ms a clone |"
        "\n|---|---|---|---|---|"
    )
    for name, one in {PLAIN: model, "FaceID, LoRA off": without, "FaceID, LoRA on": with_lora}.items():  # fmt: skip
        aside = tensors_of(one.model)
        grown = kept(lambda one=one: one.clone())
        alone = tensors_of(hooks_of(one), aside)
        every = tensors_of([hooks_of(one), *(hooks_of(clone) for clone in grown.made)], aside)
        _row(name, sum(alone.values()), sum(every.values()) - sum(alone.values()), grown)
    weights = [(layer.key, layer.value) for layer in adapter.cross_layers]
    grown = kept(lambda: copy.deepcopy(weights))
    alone = sum(tensors_of(weights).values())
    _row("the file's keys and values, copied", alone, sum(tensors_of(grown.made).values()), grown)


def _row(name, alone, more, grown):
    print(
        f"| {name} | {alone / MB:.1f} | {more / MB:.2f} | {grown.rss / MB:.1f} | {grown.seconds * 1000:.2f} |",
        flush=True,
    )


def kept(make):
    """What ``make`` gives so many times, how many bytes the process has grown by it, and seconds each."""
    process = psutil.Process()
    make()
    before, started = process.memory_info().rss, clock()
    made = [make() for _ in range(CLONES)]
    seconds = (clock() - started) / CLONES
    return SimpleNamespace(made=made, rss=process.memory_info().rss - before, seconds=seconds)


def hooks_of(model):
    """What a node may have put on a model."""
    return [model.model_options, model.patches, model.callbacks, model.wrappers]


def tensors_of(root, aside=()):
    """Bytes of every tensor that can be reached, by its storage; those of ``aside`` left out."""
    found, seen, left = {}, set(), [root]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        elif isinstance(one, dict):
            left += one.values()
        elif isinstance(one, (list, tuple, set)):
            left += one
        elif isinstance(one, ModelPatcher):
            continue
        elif isinstance(one, MethodType):
            left.append(one.__self__)
        elif hasattr(one, "__dict__"):
            left += vars(one).values()
    return {pointer: size for pointer, size in found.items() if pointer not in aside}


@torch.inference_mode()
def main():
    made = helper("identity_adapters")
    print(f"{machine()}; medians of {asked.rounds} rounds, of the full width {asked.full_rounds}")
    if asked.only != "full":
        tiny_unet("Tiny SD1.5, 32x32 latents", kinds.SD15, SD15, "SD1.5", made)
        tiny_unet("Tiny SDXL, 32x32 latents", kinds.SDXL, tiny.SDXL, "SDXL", made)
        tiny_flux(made)
        host_memory.unload_all_models()
    if asked.only != "tiny":
        full_width(made)


main()
