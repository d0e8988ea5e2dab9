"""InstantID's ControlNet, tiny and of random weights, beside a tiny SDXL of a real ComfyUI and sampled by it.

They skip where none can be imported: PYTHONPATH=<ComfyUI> <its python> -m pytest <this file>.
"""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.node_control import IdentityControlNet
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

STEPS, CONTEXT, TOKENS = 4, 64, 16
LATENT = (12, 16)  # rows, columns
# float32 sums in another order through all layers and all steps, as in injection/test_on_comfyui.py
NEAR = {"atol": 2e-3, "rtol": 1e-5}
UNET = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "use_spatial_transformer": True,
    "context_dim": CONTEXT, "use_temporal_attention": False, "legacy": False, "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4), "transformer_depth": [0, 0, 1, 1, 1, 1], "transformer_depth_middle": 1,
    "use_linear_in_transformer": True, "num_head_channels": 32, "num_classes": "sequential", "adm_in_channels": 16,
}  # fmt: skip
POINTS = ((40, 30), (80, 34), (58, 52), (44, 72), (76, 74))
FACES = Faces((128, 96), ((Face(POINTS[:2], points=POINTS),),), "SCRFD ONNX")


@pytest.fixture(scope="module")
def sdxl(comfy):
    depths = {"transformer_depth_output": [0, 0, 0, 1, 1, 1, 1, 1, 1]}
    return comfy.tiny.built(comfy.models.SDXL, UNET | depths)


@pytest.fixture
def controlnet(comfy):
    """``controlnet(seed)``: one of the host's; what its network is told comes into ``.told``."""
    return made_controlnet


def made_controlnet(seed):
    import comfy.ops
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet

    network = Network(
        **{key: value for key, value in UNET.items() if key != "out_channels"}, hint_channels=3, dtype=torch.float32,
        device="cpu", operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    made = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data = torch.randn(weight.shape, generator=made) * spread
        if weight.ndim == 1 and name.endswith("weight"):
            weight.data += 1
    network.requires_grad_(False)
    told, forward = [], network.forward

    def recorded(x, hint, timesteps, context, **more):
        told.append((hint.clone(), context.clone(), float(timesteps[0])))
        return forward(x, hint, timesteps, context, **more)

    network.forward = recorded
    control = ControlNet(network, load_device=torch.device("cpu"))
    control.told = told
    return control


@pytest.fixture(scope="module")
def adapter(identity_adapters):
    checkpoint = identity_adapters.build("instantid", "SDXL", width=CONTEXT, unit=32)
    return recognise(flatten(checkpoint), identity_adapters.file_name("instantid"))


def somebody(seed=0):
    raw = np.random.default_rng(seed).normal(size=(2, 512)).astype(np.float32)
    reference = Reference(
        quality=0.9, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    return Identity("Ada", (reference,) * 2, (Embedded("glintr100", "a" * 64, "none", raw),))


def prompts():
    made = torch.Generator().manual_seed(4)
    texts = torch.randn(2, 1, 6, CONTEXT, generator=made)
    extra = {"pooled_output": torch.randn(1, 16, generator=made)}
    return tuple([[text, dict(extra)]] for text in texts)


def given(both, control, adapter, who=None, faces=FACES, **more):
    return IdentityControlNet.execute(
        *both, control, adapter, who or somebody(), faces, **{"strength": 0.8, **more}
    ).args[:2]


def stock(both, control, hint, strength=0.8, start=0.0, end=1.0):
    """As ComfyUI's own Apply ControlNet; its ``nodes`` is hidden by the folder in which these tests run."""
    (positive, told), (negative, other) = both[0][0], both[1][0]
    before = told.get("control")
    assert before is other.get("control")
    link = control.copy().set_cond_hint(hint.movedim(-1, 1), strength, (start, end))
    link.set_previous_controlnet(before)
    more = {"control": link, "control_apply_to_uncond": False}
    return [[positive, {**told, **more}]], [[negative, {**other, **more}]]


def sampled(comfy, model, both, rows=1):
    noise = torch.randn(rows, 4, *LATENT, generator=torch.Generator().manual_seed(3))
    return comfy.sample(
        model, noise, STEPS, 4.0, "euler", "normal", *both, torch.zeros_like(noise), denoise=1.0, seed=0,
        disable_pbar=True,
    )  # fmt: skip


def tokens_in(both):
    return both[0][0][1]["control"].tokens


@pytest.mark.parametrize("rows", [1, 2])
def test_it_is_shown_the_drawing_and_told_the_tokens(comfy, sdxl, controlnet, adapter, rows):
    control = controlnet(5)
    both = given(prompts(), control, adapter)
    result = sampled(comfy, sdxl, both, rows)
    assert len(control.told) == STEPS  # positive and negative in one batch
    hint, context, _ = control.told[0]
    drawing = both[0][0][1]["control"].cond_hint_original
    assert hint.shape == (1, 3, 8 * LATENT[0], 8 * LATENT[1])
    assert torch.equal(hint, drawing)
    told = context.reshape(2, rows, TOKENS, CONTEXT)
    mine = tokens_in(both)
    found = {name: [torch.equal(part, side.expand_as(part)) for part in told] for name, side in vars(mine).items()}  # fmt: skip
    assert sorted(map(tuple, found.values())) == [(False, True), (True, False)]
    assert not torch.equal(result, sampled(comfy, sdxl, prompts(), rows))


def test_it_is_the_stock_node_whose_conditioning_holds_the_tokens_to_the_bit(
    comfy, sdxl, controlnet, adapter
):
    control = controlnet(5)
    both = given(prompts(), control, adapter, start=0.2, end=0.8)
    hint = both[0][0][1]["control"].cond_hint_original.movedim(1, -1)
    ours = sampled(comfy, sdxl, both)
    mine = tokens_in(both)
    positive, negative = stock(prompts(), control, hint, 0.8, 0.2, 0.8)
    positive[0][1]["cross_attn_controlnet"] = mine.positive
    negative[0][1]["cross_attn_controlnet"] = mine.negative
    assert torch.equal(ours, sampled(comfy, sdxl, (positive, negative)))
    assert torch.equal(ours, sampled(comfy, sdxl, both))  # run to run
    assert not torch.equal(ours, sampled(comfy, sdxl, stock(prompts(), control, hint, 0.8, 0.2, 0.8)))  # fmt: skip


def test_the_window_and_strength_0(comfy, sdxl, controlnet, adapter):
    control = controlnet(5)
    plain = sampled(comfy, sdxl, prompts())
    late = sampled(comfy, sdxl, given(prompts(), control, adapter, start=0.5))
    assert 0 < len(control.told) < STEPS
    assert not torch.equal(late, plain)
    for more in ({"strength": 0.0}, {"mask": torch.zeros(1, 8, 8)}, {"start": 0.999, "end": 0.999}):
        control.told.clear()
        assert torch.equal(sampled(comfy, sdxl, given(prompts(), control, adapter, **more)), plain)
        assert not control.told


@pytest.mark.parametrize("ours_first", [True, False])
def test_another_controlnet_keeps_the_prompt(comfy, sdxl, controlnet, adapter, ours_first):
    mine, depth = controlnet(5), controlnet(6)
    picture = torch.rand(1, 96, 128, 3, generator=torch.Generator().manual_seed(1))
    both = prompts()
    texts = [one[0][0] for one in both]
    if ours_first:
        both = stock(given(both, mine, adapter), depth, picture)
    else:
        both = given(stock(both, depth, picture), mine, adapter)
    sampled(comfy, sdxl, both)
    assert len(mine.told) == len(depth.told) == STEPS
    assert all(context.shape[1] == TOKENS for _, context, _ in mine.told)
    for _, context, _ in depth.told:
        assert {any(torch.equal(row, text[0]) for text in texts) for row in context} == {True}


def test_the_order_of_a_chain_does_not_matter_and_controlnets_add_up(
    comfy, sdxl, controlnet, adapter
):
    mine, depth = controlnet(5), controlnet(6)
    picture = torch.rand(1, 96, 128, 3, generator=torch.Generator().manual_seed(1))
    one = sampled(comfy, sdxl, stock(given(prompts(), mine, adapter), depth, picture))
    other = sampled(comfy, sdxl, given(stock(prompts(), depth, picture), mine, adapter))
    assert_close(one, other, **NEAR)
    half = given(given(prompts(), mine, adapter, strength=0.4), mine, adapter, strength=0.4)
    whole = given(prompts(), mine, adapter, strength=0.8)
    assert_close(sampled(comfy, sdxl, half), sampled(comfy, sdxl, whole), **NEAR)


def test_two_identities_are_each_told_their_own_within_their_masks(
    comfy, sdxl, controlnet, adapter
):
    control = controlnet(5)
    left = torch.zeros(1, 12, 16)
    left[..., :8] = 1
    first = given(prompts(), control, adapter, somebody(0), mask=left)
    both = given(first, control, adapter, somebody(1), mask=1 - left)
    result = sampled(comfy, sdxl, both)
    contexts = {tuple(context[:, 0, 0].tolist()) for _, context, _ in control.told}
    assert len(contexts) == 2
    assert not torch.equal(result, sampled(comfy, sdxl, first))
    same = given(given(prompts(), control, adapter, mask=left), control, adapter, mask=1 - left)
    assert_close(sampled(comfy, sdxl, same), sampled(comfy, sdxl, given(prompts(), control, adapter)), **NEAR)  # fmt: skip


def test_the_host_loads_its_weights_and_nothing_stays(comfy, sdxl, controlnet, adapter):
    control = controlnet(5)
    both = given(prompts(), control, adapter, mask=torch.ones(1, 8, 8))
    link = both[0][0][1]["control"]
    assert link.get_models() == [control.control_model_wrapped]
    sampled(comfy, sdxl, both)
    assert link.control.cond_hint is None
    assert not link._planes
    assert control.cond_hint_original is None  # what was linked is as it was


def test_a_controlnet_of_another_width_is_refused(controlnet, identity_adapters):
    checkpoint = identity_adapters.build("instantid", "SDXL", width=48)
    other = recognise(flatten(checkpoint), identity_adapters.file_name("instantid"))
    with pytest.raises(ValueError, match=r"takes tokens of 64 numbers, InstantID .* of 48"):
        given(prompts(), controlnet(5), other)
