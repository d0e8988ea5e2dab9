"""The patches in tiny models of a real ComfyUI, sampled by it.

They skip where none can be imported: PYTHONPATH=<ComfyUI> <its python> -m pytest <this file>.
"""

import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.counter import Calls
from portrait_loupe.nodes.identity.injection.curve import layer_curve
from portrait_loupe.nodes.identity.injection.dit import FluxLayers, flux_patches, flux_places
from portrait_loupe.nodes.identity.injection.mask import check_mask
from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.injection.shared import Injection
from portrait_loupe.nodes.identity.injection.unet import LayerTokens, cross_patches
from portrait_loupe.nodes.identity.injection.weight import Weight

SD15 = [("input", i, 0) for i in (1, 2, 4, 5, 7, 8)] + [("output", i, 0) for i in range(3, 12)]
SD15 += [("middle", 0, 0)]
TOKENS = 4
STEPS = 3
# float32 sums in another order through all layers and 3 steps: 1e-3 measured where results reach 600
NEAR = {"atol": 2e-3, "rtol": 1e-5}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sampled(comfy, model, size, width, channels=4, cfg=4.0, **conditions):
    noise = random(2, channels, *size, seed=3)
    positive, negative = random(2, 1, 6, width, seed=4)
    conditions.setdefault("pooled_output", random(1, 24, seed=5))
    return comfy.sample(
        model, noise, STEPS, cfg, "euler", "normal", [[positive, conditions]], [[negative, conditions]],
        torch.zeros_like(noise), denoise=1.0, seed=0, disable_pbar=True,
    )  # fmt: skip


# ---- SD1.5


def attn2_of(model, key):
    unet = model.model.diffusion_model
    part = {"input": unet.input_blocks, "output": unet.output_blocks}
    block = unet.middle_block if key[0] == "middle" else part[key[0]][key[1]]
    transformer = next(one for one in block if hasattr(one, "transformer_blocks"))
    return transformer.transformer_blocks[key[2]].attn2


def unet_tokens(model, seed=0):
    return {
        key: LayerTokens(*random(4, 1, TOKENS, attn2_of(model, key).to_q.weight.shape[0], seed=seed + i))
        for i, key in enumerate(SD15)
    }  # fmt: skip


def given(comfy, model, tokens, weight, told=None):
    """As the node will do it."""
    shared = Injection(weight, Calls(SD15, warn=(told if told is not None else []).append))
    clone = model.clone()
    slots = clone.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for key, patch in cross_patches(tokens, slots, shared, comfy.attention).items():
        clone.set_model_attn2_replace(patch, *key)
    clone.add_callback_with_key(comfy.callbacks.ON_PRE_RUN, "loupe", shared.begin)
    clone.add_callback_with_key(comfy.callbacks.ON_CLEANUP, "loupe", shared.end)
    return clone, shared


def wrapped(monkeypatch, model, tokens, factor):
    """The oracle: each attn2's own forward, with an explicit softmax beside it in float64."""
    for key in SD15:
        layer = attn2_of(model, key)

        def forward(
            x, context=None, value=None, mask=None, transformer_options=None, layer=layer, key=key
        ):
            heads, q = layer.heads, layer.to_q(x)
            text = explicit(q, layer.to_k(context), layer.to_v(context), heads)
            mine = tokens[key]
            kinds = transformer_options["cond_or_uncond"]
            for row in range(len(x)):
                chunk = kinds[row // (len(x) // len(kinds))]
                k, v = (mine.negative_key, mine.negative_value) if chunk else (mine.key, mine.value)
                term = explicit(q[row : row + 1], k, v, heads)[0]
                text[row] += term * factor(transformer_options, key, len(term))
            return layer.to_out(text.float())

        monkeypatch.setattr(layer, "forward", forward)


def explicit(q, k, v, heads):
    q, k, v = (x.double().reshape(len(x), x.shape[1], heads, -1) for x in (q, k, v))
    logits = torch.einsum("bnhd,bthd->bhnt", q, k) / math.sqrt(q.shape[-1])
    power = torch.exp(logits - logits.amax(-1, keepdim=True))
    out = torch.einsum("bhnt,bthd->bnhd", power / power.sum(-1, keepdim=True), v)
    return out.reshape(*out.shape[:2], -1)


def test_a_unet_runs_every_layer_once_a_call_the_middle_block_too(comfy, sd15):
    told, forwards = [], []
    model, shared = given(comfy, sd15, unet_tokens(sd15), Weight(0.8), told)

    def count(executor, *args, **kwargs):
        forwards.append(dict(shared.calls.reached))
        return executor(*args, **kwargs)

    model.add_wrapper_with_key(comfy.wrappers.DIFFUSION_MODEL, "test", count)
    sampled(comfy, model, (16, 24), 64)
    assert len(forwards) >= STEPS
    assert forwards[1] == dict.fromkeys(SD15, 1)
    assert shared.calls.reached == shared.calls.added == dict.fromkeys(SD15, len(forwards))
    assert told == []
    assert not shared._kept


MASK = torch.zeros(1, 128, 200)
MASK[:, 20:90, 50:130] = 1


@pytest.mark.parametrize(
    ("size", "mask", "curve"),
    [((16, 24), None, "uniform"), ((13, 21), MASK, "uniform"), ((16, 8), None, "0:0.5, 6:2, 7-15:0.1")],
    ids=["plain", "mask and odd size", "curve"],
)  # fmt: skip
def test_a_unet_is_the_model_whose_cross_attention_is_wrapped(
    comfy, sd15, monkeypatch, size, mask, curve
):
    tokens = unet_tokens(sd15)
    weight = Weight(0.8, curve=curve, mask=None if mask is None else check_mask(mask))
    model, _ = given(comfy, sd15, tokens, weight)
    plain = sampled(comfy, sd15, size, 64)
    ours = sampled(comfy, model, size, 64)

    def factor(options, key, count):
        gain = layer_curve(curve, options["transformer_index"], 16)  # as the host counts
        if mask is None:
            return 0.8 * gain
        level = next(n for n in range(4) if math.prod(-(-s // 2**n) for s in size) == count)
        return 0.8 * gain * weight.on_grid(tuple(-(-s // 2**level) for s in size))[0, :, None]

    wrapped(monkeypatch, sd15, tokens, factor)
    oracle = sampled(comfy, sd15, size, 64)
    assert_close(ours, oracle, **NEAR)
    assert (ours - plain).abs().max() > 100 * (ours - oracle).abs().max()


def test_a_unets_steps_outside_the_window_and_weight_0_are_the_plain_model(
    comfy, sd15, monkeypatch
):
    tokens = unet_tokens(sd15)
    plain = sampled(comfy, sd15, (16, 8), 64)
    told = []
    none, shared = given(comfy, sd15, tokens, Weight(0.0), told)
    assert torch.equal(sampled(comfy, none, (16, 8), 64), plain)
    assert shared.calls.reached
    sampling = sd15.get_model_object("model_sampling")
    window = Schedule(0.3, 0.8).window(sampling.percent_to_sigma)
    model, shared = given(comfy, sd15, tokens, Weight(0.8, schedule=window), told)
    ours = sampled(comfy, model, (16, 8), 64)
    assert 0 < shared.calls.added[SD15[0]] < shared.calls.reached[SD15[0]]

    def factor(options, key, count):
        now = options["sigmas"][0]
        return 0.8 * float(sampling.percent_to_sigma(0.8) <= now <= sampling.percent_to_sigma(0.3))

    wrapped(monkeypatch, sd15, tokens, factor)
    assert_close(ours, sampled(comfy, sd15, (16, 8), 64), **NEAR)
    assert told == []


def test_two_identities_on_a_unet_stack_and_a_clone_costs_nothing(comfy, sd15):
    tokens = unet_tokens(sd15)
    half, first = given(comfy, sd15, tokens, Weight(0.4))
    twice, second = given(comfy, half, tokens, Weight(0.4))
    once, _ = given(comfy, sd15, tokens, Weight(0.8))
    result = sampled(comfy, twice, (16, 8), 64)
    assert_close(result, sampled(comfy, once, (16, 8), 64), **NEAR)
    assert first.calls.added == second.calls.added
    slots = twice.clone().model_options["transformer_options"]["patches_replace"]["attn2"]
    assert all(
        slots[key] is twice.model_options["transformer_options"]["patches_replace"]["attn2"][key]
        for key in SD15
    )
    assert torch.equal(sampled(comfy, twice.clone(), (16, 8), 64), result)  # run to run, to the bit


def test_a_foreign_attention_override_is_still_asked_for_every_layer(comfy, sd15):
    seen = []

    def override(attention, *args, **kwargs):
        seen.append(args[1].shape)
        return attention(*args, **kwargs)

    def counted(model):
        clone = model.clone()
        clone.model_options["transformer_options"]["optimized_attention_override"] = override
        seen.clear()
        result = sampled(comfy, clone, (16, 8), 64)
        return result, list(seen)

    model, _ = given(comfy, sd15, unet_tokens(sd15), Weight(0.8))
    result, with_us = counted(model)
    assert with_us == counted(sd15)[1]
    assert torch.equal(result, sampled(comfy, model, (16, 8), 64))


def test_a_replaced_middle_block_is_warned_of(comfy, sd15):
    told = []
    model, _ = given(comfy, sd15, unet_tokens(sd15), Weight(0.8), told)
    model.set_model_attn2_replace(lambda q, k, v, options: q, "middle", 0, 0)
    sampled(comfy, model, (16, 8), 64)
    assert len(told) == 1
    assert "ran in 15 of 16 layers; not reached: middle 0 0" in told[0]


# ---- Flux

INNER, IDENTITY, HIDDEN, TEXT = 128, 24, 64, 6
KEYS = [key for key, _ in flux_places(20, 19, 38)]


def flux_tensors():
    return [
        {
            "norm1.weight": 1 + 0.2 * random(IDENTITY, seed=i),
            "norm1.bias": 0.2 * random(IDENTITY, seed=i + 20),
            "norm2.weight": 1 + 0.2 * random(HIDDEN, seed=i + 40),
            "norm2.bias": 0.2 * random(HIDDEN, seed=i + 60),
            "to_q.weight": random(INNER, HIDDEN, seed=i + 80) / HIDDEN**0.5,
            "to_kv.weight": random(2 * INNER, IDENTITY, seed=i + 100) / IDENTITY**0.5,
            "to_out.weight": random(HIDDEN, INNER, seed=i + 120) / INNER**0.5,
        }
        for i in range(20)
    ]


def flux_given(comfy, model, tensors, tokens, weight, told=None, watch=True):
    layers = FluxLayers(tensors)
    patcher = comfy.patcher(layers, torch.device("cpu"), torch.device("cpu"))
    calls = Calls(KEYS, warn=(told if told is not None else []).append)
    shared = Injection(weight, calls, patcher=patcher)
    clone = model.clone()
    slots = clone.model_options["transformer_options"].get("patches_replace", {}).get("dit", {})
    for key, patch in flux_patches(layers, *tokens, (19, 38), slots, shared).items():
        clone.set_model_patch_replace(patch, "dit", *key)
    clone.add_callback_with_key(comfy.callbacks.ON_PRE_RUN, "loupe", shared.begin)
    clone.add_callback_with_key(comfy.callbacks.ON_CLEANUP, "loupe", shared.end)
    if watch:
        clone.add_wrapper_with_key(comfy.wrappers.DIFFUSION_MODEL, "loupe", shared.watch)
    return clone, shared


def flux_wrapped(monkeypatch, model, tensors, tokens, factor, main):
    """The oracle: each block's own forward, with the identity's equation after it in float64."""
    net = model.model.diffusion_model
    for key, t in zip(KEYS, tensors, strict=True):
        double = key[0] == "double_block"
        block = (net.double_blocks if double else net.single_blocks)[key[1]]

        def forward(*args, plain=block.forward, t=t, double=double, **kwargs):
            out = plain(*args, **kwargs)
            image = (out[0] if double else out).clone()
            part = image[:, :main] if double else image[:, TEXT : TEXT + main]
            kinds = kwargs["transformer_options"]["cond_or_uncond"]
            for row in range(len(part)):
                e = tokens[kinds[row // (len(part) // len(kinds))]]
                part[row] += (factor * flux_term(part[row], e[0], t)).float()
            return (image, out[1]) if double else image

        monkeypatch.setattr(block, "forward", forward)


def flux_term(x, e, t):
    def standard(x, norm):
        x = x.double() - x.double().mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * t[f"{norm}.weight"].double() + t[f"{norm}.bias"].double()

    q = standard(x, "norm2") @ t["to_q.weight"].double().T
    k, v = (standard(e, "norm1") @ t["to_kv.weight"].double().T).chunk(2, -1)
    return explicit(q[None], k[None], v[None], 1)[0] @ t["to_out.weight"].double().T


@pytest.mark.parametrize("watch", [True, False], ids=["watched", "published"])
@pytest.mark.parametrize("references", [False, True], ids=["alone", "references"])
def test_flux_is_the_model_whose_blocks_are_wrapped(comfy, flux, monkeypatch, references, watch):
    size = (13, 18)  # 7 x 9 tokens
    conditions = {"guidance": 3.5}
    if references:
        conditions["reference_latents"] = [random(1, 16, 8, 6, seed=8), random(1, 16, 5, 4, seed=9)]
    tensors, tokens = flux_tensors(), random(2, 1, TOKENS, IDENTITY, seed=7)
    mask = torch.rand(1, 50, 70, generator=torch.Generator().manual_seed(2))
    weight = Weight(0.7, mask=mask)
    told = []
    model, shared = flux_given(comfy, flux, tensors, tokens, weight, told, watch)
    plain = sampled(comfy, flux, size, 48, 16, **conditions)
    ours = sampled(comfy, model, size, 48, 16, **conditions)
    assert set(shared.calls.reached) == set(KEYS)
    assert len(set(shared.calls.reached.values())) == 1
    assert shared.calls.added == shared.calls.reached
    assert told == []
    assert not shared._kept
    factor = 0.7 * weight.on_grid((7, 9))[0, :, None].double()
    flux_wrapped(monkeypatch, flux, tensors, tokens, factor, 63)
    oracle = sampled(comfy, flux, size, 48, 16, **conditions)
    assert_close(ours, oracle, **NEAR)
    assert (ours - plain).abs().max() > 100 * (ours - oracle).abs().max()


def test_flux_at_weight_0_is_the_plain_model_and_runs_alike_each_time(comfy, flux):
    tokens = random(2, 1, TOKENS, IDENTITY, seed=7)
    none, _ = flux_given(comfy, flux, flux_tensors(), tokens, Weight(0.0))
    plain = sampled(comfy, flux, (8, 12), 48, 16, cfg=1.0)
    assert torch.equal(sampled(comfy, none, (8, 12), 48, 16, cfg=1.0), plain)
    model, shared = flux_given(comfy, flux, flux_tensors(), tokens, Weight(1.0))
    result = sampled(comfy, model, (8, 12), 48, 16, cfg=1.0)
    assert torch.equal(sampled(comfy, model.clone(), (8, 12), 48, 16, cfg=1.0), result)
    assert not torch.equal(result, plain)
    assert shared.patcher in model.model_patches_models()


def test_a_foreign_dit_patch_stays_below_ours(comfy, flux):
    def foreign(args, extra):
        out = extra["original_block"](args)
        return {**out, "img": out["img"] * 1.1}

    below = flux.clone()
    below.set_model_patch_replace(foreign, "dit", "double_block", 0)
    below.set_model_patch_replace(foreign, "dit", "double_block", 1)
    tokens = random(2, 1, TOKENS, IDENTITY, seed=7)
    none, _ = flux_given(comfy, below, flux_tensors(), tokens, Weight(0.0))
    told = []
    some, _ = flux_given(comfy, below, flux_tensors(), tokens, Weight(0.5), told)
    theirs = sampled(comfy, below, (8, 12), 48, 16)
    assert torch.equal(sampled(comfy, none, (8, 12), 48, 16), theirs)
    assert not torch.equal(theirs, sampled(comfy, flux, (8, 12), 48, 16))
    assert not torch.equal(sampled(comfy, some, (8, 12), 48, 16), theirs)
    assert told == []
