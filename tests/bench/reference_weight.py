"""What weighing references costs. Needs ComfyUI and what it requires.

COMFYUI_PATH=<ComfyUI> python tests/bench/reference_weight.py [--threads 1] [--rounds 7] [--heads 2] [--steps-only]

Attention alone at the size of an edit of 1024 px (512 text + 4096 + 4096 tokens, heads of 128), and steps of a
tiny Kontext and Qwen-Image by ComfyUI's own sampler. On the GPU as well where there is one, there with 24
heads in bfloat16. On the CPU times are those that the process has computed. Ratios are within a round, and then
their median.
"""

import argparse
import itertools
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--steps-only", action="store_true", help="without attention alone")
parser.add_argument("--heads", type=int, default=2, help="of the attention on the CPU")
asked = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(asked.threads)
if "COMFYUI_PATH" not in os.environ:
    parser.error("COMFYUI_PATH must name a ComfyUI checkout")
sys.path.insert(0, os.environ["COMFYUI_PATH"])

import torch  # noqa: E402
from comfy.cli_args import args as host_args  # noqa: E402

GPU = torch.cuda.is_available()
host_args.cpu = not GPU

import comfy.sample  # noqa: E402
import comfy.supported_models as kinds  # noqa: E402
from comfy.ldm.modules.attention import attention_pytorch, optimized_attention  # noqa: E402
from comfy.model_management import get_torch_device  # noqa: E402
from comfy.patcher_extension import CallbacksMP, WrappersMP  # noqa: E402
from harness import helper, load_package, machine  # noqa: E402

torch.set_num_threads(asked.threads)
load_package()
from portrait_loupe.nodes.identity.references.apply import weigh_references  # noqa: E402
from portrait_loupe.nodes.identity.references.bias import bias_row, odds  # noqa: E402
from portrait_loupe.nodes.identity.references.settings import Settings  # noqa: E402
from portrait_loupe.nodes.identity.references.spans import last_spans  # noqa: E402

tiny = helper("tiny_diffusion")
TEXT, MAIN, REFERENCE, HEAD = 512, 4096, 4096, 128
N = TEXT + MAIN + REFERENCE
MB = 1e6
PLAIN = "plain"


class Hooks:
    attention, masked_attention = staticmethod(optimized_attention), staticmethod(attention_pytorch)
    around_model = WrappersMP.DIFFUSION_MODEL
    before_sampling, after_sampling = CallbacksMP.ON_PRE_RUN, CallbacksMP.ON_CLEANUP


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def now(device):
    """Seconds: on the CPU those that this process has computed, so that others on the machine do not count."""
    wait(device)
    return time.perf_counter() if device.type == "cuda" else time.process_time()


def timed(run, device):
    started = now(device)
    run()
    return now(device) - started


def peak(run, device):
    """Bytes that a call takes at most above what was there, as torch counts them."""
    if device.type == "cuda":
        wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:  # fmt: skip
        run()
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    events.sort(key=lambda one: one.start_ns())
    return max(itertools.accumulate((one.nbytes() for one in events), initial=0))


def raced(contestants, rounds, measure):
    times = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, one in contestants.items():
            seconds = measure(one)
            if number:
                times[name].append(seconds)
    return times


def table(title, times, more=None):
    print(f"\n### {title}\n\n|  | median ms | x plain |{' peak MB |' if more else ''}")
    print(f"|---|---|---|{'---|' if more else ''}")
    for name, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, times[PLAIN], strict=True))
        last = f" {more[name] / MB:.1f} |" if more else ""
        print(
            f"| {name} | {statistics.median(seconds) * 1000:.2f} | {ratio:.3f} |{last}", flush=True
        )


def attention_alone(device, heads, dtype):
    q, k, v = torch.randn(3, 1, heads, N, HEAD, device=device, dtype=dtype)
    spans = last_spans(N, N, [REFERENCE], MAIN)
    row = bias_row([odds(0.5, None, REFERENCE, None, False)], spans).to(device, dtype)
    dense = row.expand(1, 1, N, N).contiguous()
    face = torch.arange(TEXT, TEXT + 600, device=device)
    rest = torch.cat(
        [torch.arange(TEXT, device=device), torch.arange(TEXT + 600, N, device=device)]
    )

    def attend(q, mask=None):
        return attention_pytorch(q, k, v, heads, mask=mask, skip_reshape=True)

    def split():
        out = torch.empty(1, N, heads * HEAD, device=device, dtype=dtype)
        for some, mask in ((face, row), (rest, None)):
            out.index_copy_(1, some, attend(q.index_select(2, some), mask))
        return out

    contestants = {
        PLAIN: lambda: attend(q),
        "weighed: one row": lambda: attend(q, row),
        "weighed in a region: 600 queries apart": split,
        "an N x N mask, for comparison": lambda: attend(q, dense),
    }
    times = raced(contestants, asked.rounds, lambda run: timed(run, device))
    extra = {name: peak(run, device) for name, run in contestants.items()}
    name = f"{device.type}, {heads} heads of {HEAD}, N = {N}, {str(dtype).removeprefix('torch.')}"
    table(f"Attention alone: {name}", times, extra)
    print(
        f"\nThe row holds {row.untyped_storage().nbytes() / 1024:.1f} KiB, an N x N mask "
        f"{dense.untyped_storage().nbytes() / 2**20:.0f} MiB; its memory is not in the last row's peak.",
        flush=True,
    )


QWEN = {
    "image_model": "qwen_image", "num_layers": 20, "attention_head_dim": 32, "num_attention_heads": 2,
    "joint_attention_dim": 48, "axes_dims_rope": (8, 12, 12),
}  # fmt: skip


def steps_of(model, frames, size, device):
    """Seconds of the quickest step, the first left out."""
    made = torch.Generator().manual_seed(3)
    shape = (1, 16, *([1] if frames else []), size, size)
    noise, reference = torch.randn(2, *shape, generator=made)
    prompt = torch.randn(1, 77, 48, generator=made)
    extra = {"pooled_output": torch.randn(1, 24, generator=made), "reference_latents": [reference]}
    at = []

    def callback(*_):
        at.append(now(device))

    comfy.sample.sample(
        model, noise, 4, 1.0, "euler", "simple", [[prompt, extra]], [[prompt, extra]], torch.zeros_like(noise),
        denoise=1.0, seed=0, disable_pbar=True, callback=callback,
    )  # fmt: skip
    return min(after - before for before, after in itertools.pairwise(at))


def weighed(model, region=None, **chosen):
    conditioning = [[None, {"reference_latents": [torch.zeros(1, 16, 8, 8)]}]]
    return weigh_references(model, conditioning, Settings(**chosen), Hooks, region=region).model


def overridden(model):
    clone = model.clone()
    options = clone.model_options["transformer_options"]
    options["optimized_attention_override"] = lambda func, *args, **kwargs: func(*args, **kwargs)
    return clone


def steps(name, kind, config, frames, size, device):
    model = tiny.built(kind, config, device)
    face = torch.zeros(1, 32, 32)
    face[:, 8:20, 10:22] = 1
    contestants = {
        PLAIN: model,
        "weight 1": weighed(model),
        "outside its schedule": weighed(model, weight=0.5, start=1.0),
        "weight 0.5": weighed(model, weight=0.5),
        "two nodes": weighed(weighed(model, weight=0.5), weight=1.5),
        "in a region, 14 % of the picture": weighed(model, region=face, weight=0.5),
        "weight 0.5 on another pack's override": weighed(overridden(model), weight=0.5),
    }
    times = raced(contestants, asked.rounds, lambda one: steps_of(one, frames, size, device))
    table(
        f"A step of a tiny {name}, {size} x {size} latents with a reference as large, {device.type}",
        times,
    )


@torch.inference_mode()
def main():
    print(f"{machine()}; medians of {asked.rounds} rounds")
    if not asked.steps_only:
        attention_alone(torch.device("cpu"), asked.heads, torch.float32)
    if GPU and not asked.steps_only:
        print(torch.cuda.get_device_name())
        attention_alone(get_torch_device(), 24, torch.bfloat16)
    device = get_torch_device()
    steps("Kontext", kinds.Flux, tiny.FLUX, False, 32, device)
    steps("Qwen-Image", kinds.QwenImage, QWEN, True, 32, device)


main()
