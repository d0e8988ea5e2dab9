"""The whole node on tiny models of a real ComfyUI, sampled by it.

They skip where none can be imported: PYTHONPATH=<ComfyUI> <its python> -m pytest <this file>.
"""

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.calibration.base import base_of
from portrait_loupe.nodes.identity.calibration.value import Calibration, Fitted, Point
from portrait_loupe.nodes.identity.eva.network import EvaStates
from portrait_loupe.nodes.identity.injection.shared import Chained
from portrait_loupe.nodes.identity.node_apply import ApplyIdentity
from portrait_loupe.nodes.identity.node_energy import InjectedEnergy
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

STEPS = 2
CONTEXT = 64  # of the tiny UNets
# float32 sums in another order through all layers and 2 steps, as in injection/test_on_comfyui.py
NEAR = {"atol": 2e-3, "rtol": 1e-5}


@pytest.fixture(scope="module")
def sdxl(comfy):
    return comfy.tiny.built(comfy.models.SDXL, comfy.tiny.SDXL)


@pytest.fixture(scope="module")
def adapters(identity_adapters):
    """``adapters(kind, base)``: a tiny one that fits the tiny UNets."""

    def made(kind, base="SD1.5", **sizes):
        sizes = {"unit": 32, "width": CONTEXT, "text": CONTEXT, **sizes}
        checkpoint = identity_adapters.build(kind, base, **sizes)
        return recognise(flatten(checkpoint), identity_adapters.file_name(kind, base))

    return made


def somebody(name="Ada", seed=0, encoder="w600k_r50", crops=True):
    random = np.random.default_rng(seed)
    shared = random.normal(size=512)
    raw = (shared + 0.3 * random.normal(size=(3, 512))).astype(np.float32)
    references = tuple(
        Reference(
            quality=quality, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
            image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
            crop512=random.integers(0, 256, (512, 512, 3), np.uint8) if crops else None,
        )
        for quality in (0.5, 0.9, 0.7)
    )  # fmt: skip
    return Identity(name, references, (Embedded(encoder, "a" * 64, "none", raw),))


CHOSEN = {
    "weight": 0.8, "prominence": "off", "start": 0.0, "end": 1.0, "fade_in": 0.0, "fade_out": 0.0,
    "curve": "uniform", "layers": "", "lora": True, "lora_weight": 0.6, "shortcut": -1.0, "noise": 0.0,
}  # fmt: skip


def applied(model, adapter, identity=None, **chosen):
    identity = identity or somebody(encoder=adapter.encoder)
    told = ApplyIdentity.execute(
        model=model, adapter=adapter, identity=identity, **{**CHOSEN, **chosen}
    )
    return told.args


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sampled(comfy, model, size=(16, 8), steps=STEPS):
    noise = random(1, 4, *size, seed=3)
    positive, negative = random(2, 1, 6, CONTEXT, seed=4)
    extra = {"pooled_output": random(1, 16, seed=5)}
    return comfy.sample(
        model, noise, steps, 4.0, "euler", "normal", [[positive, extra]], [[negative, extra]],
        torch.zeros_like(noise), denoise=1.0, seed=0, disable_pbar=True,
    )  # fmt: skip


def slots_of(model):
    return model.model_options["transformer_options"]["patches_replace"]["attn2"]


def calls_of(model):
    (shared,) = {id(slot.shared): slot.shared for slot in slots_of(model).values()}.values()
    return shared.calls


def weights_of(model):
    return {key: weight.clone() for key, weight in model.model.state_dict().items()}


@pytest.mark.parametrize(
    ("kind", "base", "count"),
    [("portrait", "SD1.5", 16), ("faceid", "SDXL", 70), ("instantid", "SDXL", 70)],
)
def test_every_layer_fires_and_the_picture_changes(comfy, request, adapters, kind, base, count):
    model = request.getfixturevalue("sd15" if base == "SD1.5" else "sdxl")
    told = applied(model, adapters(kind, base))
    plain, ours = sampled(comfy, model), sampled(comfy, told[0])
    calls = calls_of(told[0])
    assert len(calls.layers) == count
    assert set(calls.added) == set(calls.layers)
    assert len(set(calls.added.values())) == 1
    assert sum(key[0] == "middle" for key in calls.added) == (1 if count == 16 else 10)
    assert (ours - plain).abs().max() > 0.01 * plain.abs().max()
    counts = dict(calls.added)
    assert torch.equal(sampled(comfy, told[0].clone()), ours)  # run to run, and after a clone
    assert calls.added == counts  # each sampling counts anew
    assert not calls.running
    assert not next(iter(slots_of(told[0]).values())).shared._kept  # nothing stays on the device
    assert f"it acts in {count} of {count} cross-attention layers" in told[1]


def test_weight_0_is_the_model_as_it_was_to_the_bit(comfy, sd15, adapters):
    plain = sampled(comfy, sd15)
    adapter = adapters("faceid")
    empty = {"mask": torch.zeros(1, 8, 8)}
    for chosen in ({"weight": 0.0}, {"layers": "*:0"}, empty):
        model, report, _ = applied(sd15, adapter, **chosen)
        assert model is not sd15
        assert torch.equal(sampled(comfy, model), plain)
        assert "it acts nowhere" in report


def test_the_lora_is_in_the_weights_and_gone_when_the_model_is_unloaded(comfy, sd15, adapters):
    comfy.unload()
    before = weights_of(sd15)
    adapter = adapters("faceid")
    with_lora, report, _ = applied(sd15, adapter, lora_weight=0.5)
    without, other, _ = applied(sd15, adapter, lora=False)
    assert "the file's LoRA (128 weights) at 0.5" in report
    assert "LoRA is off" in other
    plain = sampled(comfy, without)
    ours = sampled(comfy, with_lora)
    assert not torch.equal(ours, plain)
    during = weights_of(sd15)
    for part in adapter.lora:
        expected = before[part.key] + 0.5 * part.up @ part.down
        assert_close(during[part.key], expected, atol=1e-5, rtol=1e-5)
    changed = {key for key in before if not torch.equal(before[key], during[key])}
    assert changed == {part.key for part in adapter.lora}
    comfy.unload()
    after = weights_of(sd15)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.equal(sampled(comfy, without), plain)


def test_two_identities_of_one_file_add_up_and_share_its_lora(comfy, sd15, adapters):
    adapter = adapters("faceid")
    half, _, _ = applied(sd15, adapter, weight=0.4)
    twice, report, _ = applied(half, adapter, weight=0.4)
    once, _, _ = applied(sd15, adapter, weight=0.8)
    assert "on the model already" in report
    assert_close(sampled(comfy, twice), sampled(comfy, once), **NEAR)
    key = adapter.lora[0].key
    assert len(twice.patches[key]) == 1
    other, _, _ = applied(half, adapter, somebody("Bob", seed=9), weight=0.4)
    assert (sampled(comfy, other) - sampled(comfy, once)).abs().max() > 0.01


def test_two_identities_with_masks_that_make_the_whole_are_one_without(comfy, sd15, adapters):
    adapter = adapters("portrait")
    left = torch.zeros(1, 16, 8)
    left[..., :4] = 1
    first, report, _ = applied(sd15, adapter, mask=left)
    both, _, _ = applied(first, adapter, mask=1 - left)
    whole, _, _ = applied(sd15, adapter)
    assert "within the mask, 50.0 % of the picture" in report
    full = sampled(comfy, whole)
    assert_close(sampled(comfy, both), full, **NEAR)
    assert (sampled(comfy, first) - full).abs().max() > 0.01


def test_a_window_leaves_the_other_steps_as_they_were(comfy, sd15, adapters):
    adapter = adapters("portrait")
    late, report, _ = applied(sd15, adapter, start=0.5)
    never, _, _ = applied(sd15, adapter, start=0.999, end=0.999)
    plain = sampled(comfy, sd15, steps=4)
    assert torch.equal(sampled(comfy, never, steps=4), plain)
    ours = sampled(comfy, late, steps=4)
    calls = calls_of(late)
    assert {calls.added[key] / calls.reached[key] for key in calls.layers} == {0.5}
    assert not torch.equal(ours, plain)
    assert "when: from 50 % to 100 % of sampling" in report
    faded, _, _ = applied(sd15, adapter, fade_in=0.6)
    assert not torch.equal(sampled(comfy, faded, steps=4), ours)


def test_prominence_multiplies_the_weight(comfy, sd15, adapters):
    adapter = adapters("portrait")
    small = Faces((1000, 1000), ((Face(((450.0, 500.0), (550.0, 500.0))),),), "test")
    model, report, curve = applied(sd15, adapter, weight=0.5, prominence="compensate", faces=small)
    share = math.pi / 4 * 2.29 * 2.69 * 100**2 / 1e6
    factor = (share / 0.12) ** -0.35
    assert f"weight 0.5 x {factor:.2f} (compensate)" in report
    plainly, _, _ = applied(sd15, adapter, weight=0.5 * factor)
    assert_close(sampled(comfy, model), sampled(comfy, plainly), **NEAR)
    assert curve.shape[0] == 1


def test_faceid_plus_sees_the_aligned_crop_and_black(comfy, sd15, adapters):
    seen = []

    class Clip:
        """What a host's CLIP vision model gives, from the picture's mean."""

        def encode_image(self, pictures):
            seen.append(pictures)
            states = random(1, 257, 80, seed=2) * (1 + pictures.mean())
            return {"penultimate_hidden_states": states}

    adapter, who = adapters("plusv2"), somebody()
    model, report, _ = applied(sd15, adapter, who, clip_vision=Clip(), lora=False)
    assert [picture.shape for picture in seen] == [(1, 224, 224, 3)] * 2
    assert not seen[1].any()
    crop = torch.from_numpy(who.references[1].crop512).float() / 255
    around = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
    cut = crop[6 - 1 : 6 + 2, 32 + 10 - 1 : 32 + 10 + 2]
    assert_close(seen[0][0, 3, 5], torch.einsum("ijc,ij->c", cut, around))
    assert "CLIP saw face 2" in report
    default = sampled(comfy, model)
    twice, _, _ = applied(sd15, adapter, who, clip_vision=Clip(), lora=False, shortcut=1.6)
    assert torch.equal(sampled(comfy, twice), default)
    none, _, _ = applied(sd15, adapter, who, clip_vision=Clip(), lora=False, shortcut=0.0)
    assert not torch.equal(sampled(comfy, none), default)


def test_a_clone_shares_every_patch_and_keeps_what_was_there(comfy, sd15, adapters):
    seen = []

    def foreign(q, k, v, options):
        seen.append(q.shape)
        return q

    below = sd15.clone()
    below.set_model_attn2_replace(foreign, "middle", 0, 0)
    model, _, _ = applied(below, adapters("portrait"))
    clone = model.clone()
    assert all(isinstance(slot, Chained) for slot in slots_of(model).values())
    assert all(slots_of(clone)[key] is slot for key, slot in slots_of(model).items())
    sampled(comfy, clone)
    assert seen
    assert slots_of(below)["middle", 0, 0] is foreign


def test_a_model_that_the_adapter_is_not_made_for_is_refused(sd15, sdxl, adapters):
    with pytest.raises(
        ValueError, match=r"is for SDXL; the model .SD15. has no cross-attention input 4 1"
    ):
        applied(sd15, adapters("faceid", "SDXL"))
    with pytest.raises(
        ValueError, match=r"is for SD1.5; the model .SDXL. has no cross-attention input 1 0"
    ):
        applied(sdxl, adapters("faceid"))
    with pytest.raises(ValueError, match=r"is 64 wide on a text of 64, the model's .* is 32 on 64"):
        applied(sd15, adapters("faceid", unit=64))
    with pytest.raises(ValueError, match=r"on a text of 48, the model's .* on 64"):
        applied(sd15, adapters("faceid", width=48, text=48))


@pytest.mark.parametrize(("base", "count"), [("SD1.5", 16), ("SDXL", 70)])
def test_energy_is_measured_in_every_layer_and_step_and_changes_nothing(
    comfy, request, adapters, base, count
):
    model = request.getfixturevalue("sd15" if base == "SD1.5" else "sdxl")
    adapter = adapters("portrait", base)
    plainly, _, _ = applied(model, adapter, weight=0.4)
    half, _, _ = applied(model, adapter, weight=0.4, energy=True)
    whole, _, _ = applied(model, adapter, weight=0.8, energy=True)
    assert torch.equal(sampled(comfy, half), sampled(comfy, plainly))
    sampled(comfy, whole)
    picture, report, told = InjectedEnergy.execute(model=half, samples={}).args
    (figures,) = json.loads(told)
    assert len(figures["layers"]) == count
    assert len(figures["sigmas"]) == STEPS
    assert f"mean of {count} layers and {STEPS} steps" in report
    assert picture.shape[0] == 1
    # the first layer of the first step sees the same picture and text whatever the weight
    (double,) = json.loads(InjectedEnergy.execute(model=whole, samples={}).args[2])
    first = next(iter(figures["layers"]))
    ratio = double["layers"][first][0] / figures["layers"][first][0]
    assert ratio == pytest.approx(2, rel=1e-3)
    with pytest.raises(ValueError, match="its identities do not measure: switch energy on"):
        InjectedEnergy.execute(model=plainly, samples={})
    with pytest.raises(ValueError, match="it has no identity"):
        InjectedEnergy.execute(model=model, samples={})


def test_a_calibration_of_this_adapter_and_model_is_told_and_another_is_not(comfy, sd15, adapters):
    adapter = adapters("portrait")
    curve = Fitted(0.1, 0.6, 0.4, 0.01, 0.01, 0.05, 0.02, 0.0, 1.2, False)
    points = tuple(
        Point(weight, 0.1 + 0.5 * (1 - math.exp(-weight / 0.4)), seed)
        for weight in (0.0, 0.4, 0.8, 1.2)
        for seed in (1, 2, 3)
    )
    who = somebody()
    encoder = who.embedded[0]
    one = Calibration(
        "a.bin", adapter.sha256, "SD15", base_of(sd15)[1], encoder.encoder, encoder.sha256, points, curve
    )  # fmt: skip
    told = applied(sd15, adapter, replace(who, calibrations=(one,)))[1]
    assert "12 pictures by w600k_r50: suggested weight " in told
    other = replace(one, base_id="0" * 64)
    assert "suggested" not in applied(sd15, adapter, replace(who, calibrations=(other,)))[1]


# ---- PuLID-Flux


class Look:
    """What Load EVA CLIP gives, made of the picture's mean."""

    file = "tiny"
    patcher = None

    def __init__(self, width=20, pooled=40):
        self.sizes, self.seen = (width, pooled), []

    def see(self, pictures):
        self.seen.append(pictures)
        width, pooled = self.sizes
        mean = 1 + pictures.mean()
        hidden = tuple(random(1, 9, width, seed=seed) * mean for seed in range(5))
        return EvaStates(random(1, pooled, seed=8), hidden)


@pytest.fixture(scope="module")
def pulid(adapters):
    return adapters("pulid_flux", "Flux", width=40, image=64, image_attention=128)


def flux_sampled(comfy, model, size=(8, 12), cfg=1.0, **extra):
    noise = random(1, 16, *size, seed=3)
    positive, negative = random(2, 1, 6, 48, seed=4)
    extra = {"pooled_output": random(1, 24, seed=5), **extra}
    return comfy.sample(
        model, noise, STEPS, cfg, "euler", "normal", [[positive, extra]], [[negative, extra]],
        torch.zeros_like(noise), denoise=1.0, seed=0, disable_pbar=True,
    )  # fmt: skip


def dit_slots(model):
    return model.model_options["transformer_options"]["patches_replace"]["dit"]


def test_pulid_acts_after_its_20_blocks_and_weight_0_is_the_model(comfy, flux, pulid):
    look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
    model, report, _ = applied(flux, pulid, eva_clip=look, weight=1.0)
    plain, ours = flux_sampled(comfy, flux), flux_sampled(comfy, model)
    calls = next(iter(dit_slots(model).values())).shared.calls
    assert set(calls.added) == {("double_block", i) for i in range(0, 19, 2)} | {
        ("single_block", i) for i in range(0, 38, 4)
    }
    assert (ours - plain).abs().max() > 0.01 * plain.abs().max()
    assert torch.equal(flux_sampled(comfy, model.clone()), ours)
    assert "acts in 20 of 20 cross-attention layers of its own" in report
    assert "EVA saw face 2" in report
    assert look.seen[0].shape == (1, 512, 512, 3)
    none, _, _ = applied(flux, pulid, eva_clip=look, weight=0.0)
    assert torch.equal(flux_sampled(comfy, none), plain)
    comfy.unload()
    assert torch.equal(flux_sampled(comfy, flux), plain)
    assert torch.equal(flux_sampled(comfy, model), ours)


def test_identities_of_one_file_share_its_layers_and_add_up(comfy, flux, pulid):
    look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
    half, _, _ = applied(flux, pulid, eva_clip=look, weight=0.01)
    twice, _, _ = applied(half, pulid, eva_clip=look, weight=0.01)
    once, _, _ = applied(flux, pulid, eva_clip=look, weight=0.02)
    patchers = [id(one) for one in twice.model_patches_models()]
    assert len(set(patchers)) == 1
    plain = flux_sampled(comfy, flux)
    effect = (flux_sampled(comfy, once) - plain).abs().max()
    # the second sees what the first did: the same to first order in a small weight
    assert (flux_sampled(comfy, twice) - flux_sampled(comfy, once)).abs().max() < 0.05 * effect


def test_pulids_energy_is_beside_what_its_block_adds(comfy, flux, pulid):
    look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
    plainly, _, _ = applied(flux, pulid, eva_clip=look)
    model, _, _ = applied(flux, pulid, eva_clip=look, energy=True)
    assert torch.equal(flux_sampled(comfy, model), flux_sampled(comfy, plainly))
    (figures,) = json.loads(InjectedEnergy.execute(model=model, samples={}).args[2])
    assert len(figures["layers"]) == 20
    assert all(ratio > 0 for row in figures["layers"].values() for ratio in row)


def test_pulids_mask_and_window_hold_on_flux(comfy, flux, pulid):
    look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
    plain = flux_sampled(comfy, flux)
    empty, report, _ = applied(flux, pulid, eva_clip=look, mask=torch.zeros(1, 8, 8))
    assert "acts nowhere" in report
    assert torch.equal(flux_sampled(comfy, empty), plain)
    ones, _, _ = applied(flux, pulid, eva_clip=look, mask=torch.ones(1, 30, 50))
    whole, _, _ = applied(flux, pulid, eva_clip=look)
    assert torch.equal(flux_sampled(comfy, ones), flux_sampled(comfy, whole))
    never, _, _ = applied(flux, pulid, eva_clip=look, start=0.999, end=0.999)
    assert torch.equal(flux_sampled(comfy, never), plain)


def test_pulid_leaves_kontexts_references_alone(comfy, flux, pulid):
    look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
    seen = {}

    def spy(args, extra):
        out = extra["original_block"](args)
        seen.setdefault("before", out["img"].clone())
        return out

    def after(args, extra, below=None):
        out = below(args, extra)
        seen.setdefault("after", out["img"].clone())
        return out

    below = flux.clone()
    below.set_model_patch_replace(spy, "dit", "double_block", 0)
    model, _, _ = applied(below, pulid, eva_clip=look)
    patch = dit_slots(model)["double_block", 0]
    model.set_model_patch_replace(partial(after, below=patch), "dit", "double_block", 0)
    flux_sampled(comfy, model, reference_latents=[random(1, 16, 6, 6, seed=9)])
    main = 4 * 6
    assert seen["after"].shape[1] == main + 9
    assert torch.equal(seen["after"][:, main:], seen["before"][:, main:])
    assert not torch.equal(seen["after"][:, :main], seen["before"][:, :main])


def test_pulid_asks_for_eva_and_for_a_model_of_flux_1(flux, sd15, pulid, adapters):
    with pytest.raises(ValueError, match="link eva_clip, from Load EVA CLIP"):
        applied(flux, pulid)
    with pytest.raises(ValueError, match=r"takes EVA-CLIP states of \d+ numbers, .* gives 21"):
        applied(flux, pulid, eva_clip=Look(21))
    with pytest.raises(ValueError, match=r"is for FLUX.1; the model .SD15. has no double"):
        applied(sd15, pulid)
    with pytest.raises(ValueError, match=r"is for SD1.5; the model .Flux. has no cross-attention"):
        applied(flux, adapters("faceid"))
