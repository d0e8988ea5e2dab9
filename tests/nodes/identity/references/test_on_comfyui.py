"""The whole node on tiny models of a real ComfyUI, sampled by it.

They skip where none can be imported: PYTHONPATH=<ComfyUI> <its python> -m pytest <this file>.
"""

import logging
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.eva.network import EvaStates
from portrait_loupe.nodes.identity.injection import counter
from portrait_loupe.nodes.identity.node_apply import ApplyIdentity
from portrait_loupe.nodes.identity.node_reference_weight import ReferenceWeight
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

STEPS = 2
# Of a latent's largest value: float32 sums over other numbers of keys, through all layers and steps.
NEAR = 1e-5
FLUX = {"depth": 2, "depth_single_blocks": 4}  # what is not as in comfy.tiny.FLUX
FLUX_2 = {
    **FLUX,
    "image_model": "flux2",
    "in_channels": 128,
    "out_channels": 128,
    "vec_in_dim": None,
    "axes_dim": [8, 8, 8, 8],
    "theta": 2000,
    "patch_size": 1,
    "qkv_bias": False,
    "txt_ids_dims": [3],
    "global_modulation": True,
    "mlp_silu_act": True,
    "ops_bias": False,
    "default_ref_method": "index",
    "ref_index_scale": 10.0,
}
QWEN = {
    "image_model": "qwen_image",
    "num_layers": 3,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 48,
    "axes_dims_rope": (8, 12, 12),
}
Z_IMAGE = {
    "image_model": "lumina2",
    "patch_size": 2,
    "in_channels": 16,
    "dim": 256,
    "n_layers": 3,
    "n_refiner_layers": 1,
    "n_heads": 8,
    "n_kv_heads": 8,
    "multiple_of": 32,
    "ffn_dim_multiplier": 1.0,
    "norm_eps": 1e-5,
    "qk_norm": True,
    "cap_feat_dim": 48,
    "axes_dims": [8, 12, 12],
    "axes_lens": [64, 64, 64],
    "z_image_modulation": True,
    "time_scale": 1000.0,
    "pad_tokens_multiple": 8,
    "siglip_feat_dim": 20,
}
KREA = {
    "image_model": "krea2",
    "features": 128,
    "tdim": 32,
    "txtdim": 16,
    "heads": 4,
    "kvheads": 2,
    "layers": 3,
    "txtlayers": 3,
    "txtheads": 2,
    "txtkvheads": 2,
    "channels": 16,
    "default_ref_method": "index",
}
MAGE = {
    "image_model": "mage_flow",
    "in_channels": 128,
    "out_channels": 128,
    "num_layers": 2,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 48,
    "axes_dims_rope": (8, 12, 12),
}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def check_near(ours, expected):
    assert (ours - expected).abs().max() <= NEAR * expected.abs().max()


class Tiny:
    """A tiny model with what it is sampled with."""

    def __init__(self, comfy, kind, config, channels=16, frames=False, text=48, extra=None):
        self.comfy = comfy
        self.model = comfy.tiny.built(getattr(comfy.models, kind), config)
        self.channels, self.frames, self.text, self.extra = channels, frames, text, extra or {}

    def latent(self, height, width, seed):
        shape = (1, self.channels, *([1] if self.frames else []), height, width)
        return random(*shape, seed=seed)

    def reference(self, height=6, width=8, seed=9):
        return self.latent(height, width, seed)

    def conditioning(self, references, seed=4, **more):
        extra = {**self.extra, **more}
        if references:
            extra["reference_latents"] = references
        return [[random(1, 6, self.text, seed=seed), extra]]

    def sampled(
        self, model, references=(), size=(8, 10), cfg=1.0, negative=(), steps=STEPS, **more
    ):
        noise = self.latent(*size, seed=3)
        return self.comfy.sample(
            model, noise, steps, cfg, "euler", "simple", self.conditioning(references, **more),
            self.conditioning(negative, seed=5), torch.zeros_like(noise), denoise=1.0, seed=0,
            disable_pbar=True,
        )  # fmt: skip

    def weighed(self, references, weight=1.0, model=None, linked=None, **chosen):
        linked = {} if linked is None else linked
        told = ReferenceWeight.execute(
            model=self.model if model is None else model,
            conditioning=self.conditioning(references),
            **{**CHOSEN, "weight": weight, **chosen},
            **linked,
        )
        return told.args[0]


CHOSEN = {
    "weight": 1.0, "weights": "", "start": 0.0, "end": 1.0, "fade_in": 0.0, "fade_out": 0.0,
    "size_invariant": False,
}  # fmt: skip
KINDS = {
    "kontext": ("Flux", FLUX, {"extra": {"pooled_output": random(1, 24, seed=5)}}),
    "flux2": ("Flux2", FLUX_2, {"channels": 128}),
    "qwen": ("QwenImage", QWEN, {"frames": True}),
    "z_image": ("ZImage", Z_IMAGE, {}),
    "krea2": ("Krea2", KREA, {"frames": True}),
    "mage": ("MageFlow", MAGE, {"channels": 128}),
}
PUBLISHED = ("kontext", "flux2", "qwen", "krea2", "mage")
ALL = (*PUBLISHED, "z_image")


@pytest.fixture(scope="module")
def tiny(comfy):
    """``tiny(name)``: made once."""
    made = {}

    def one(name):
        kind, config, more = KINDS[name]
        if not hasattr(comfy.models, kind):
            pytest.skip(f"this ComfyUI has no {kind}")
        if name not in made:
            base = comfy.tiny.FLUX if kind.startswith("Flux") else {}
            made[name] = Tiny(comfy, kind, base | config, **more)
        return made[name]

    return one


@pytest.fixture
def warned():
    """What the log says of the weights."""
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    log = logging.getLogger(counter.__name__)
    log.addHandler(handler)
    yield told
    log.removeHandler(handler)


TEXT = 6
MAIN = 20  # of 8 x 10 latent cells, 2 x 2 a token
FILLED = 8  # Z-Image's multiple of tokens


def sizes(one, name):
    """Main size and reference size that give 20 and 12 tokens in every model."""
    return ((4, 5), (3, 4)) if name in ("flux2", "mage") else ((8, 10), (6, 8))


def attended(q, k, v, mask=None):
    return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def by_hand(model, name, references, change):
    """The model with ``change(k, v, first, count)`` -> keys, values, mask for all attention that holds references."""

    def override(func, q, k, v, heads, mask=None, **named):
        total, keys = 12 * references, k.shape[2]
        if name == "z_image":  # 12 tokens are filled up to 16, 20 to 24
            total = 16 * references
            held, first = (
                keys in (24 + total, 24 + total + 16 * (references + 1)),
                keys - 24 - total,
            )
        else:
            held, first = "block_index" in named["transformer_options"], keys - total
        if not held:
            return func(q, k, v, heads, mask=mask, **named)
        override.calls += 1
        return attended(q, *change(k, v, first, total))

    override.calls = 0
    clone = model.clone()
    clone.model_options["transformer_options"]["optimized_attention_override"] = override
    return clone, override


def left_out(k, v, first, count):
    keep = [i for i in range(k.shape[2]) if not first <= i < first + count]
    return k[:, :, keep], v[:, :, keep]


def twice(k, v, first, count):
    keep = [*range(k.shape[2]), *range(first, first + count)]
    return k[:, :, keep], v[:, :, keep]


@pytest.mark.parametrize("name", ALL)
def test_w_1_is_the_model_as_it_was_to_the_bit(tiny, name):
    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small)]
    plain = one.sampled(one.model, references, size)
    model = one.weighed(references)
    assert model is not one.model
    assert torch.equal(one.sampled(model, references, size), plain)
    assert (one.sampled(one.weighed(references, 3.0), references, size) - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("odd", [False, True])
def test_w_0_is_no_reference(tiny, warned, name, odd):
    one = tiny(name)
    size, small = ((7, 9), (5, 11)) if odd else sizes(one, name)
    references = [one.reference(*small), one.reference(*small[::-1], seed=10)]
    none = one.sampled(one.model, (), size)
    assert (one.sampled(one.model, references, size) - none).abs().max() > 1e-2
    check_near(one.sampled(one.weighed(references, 0.0), references, size), none)
    assert not warned


@pytest.mark.parametrize("name", PUBLISHED)
def test_1_and_0_of_two_is_the_first_alone(tiny, name):
    # the first keeps its place in every reference method: the second comes after it
    one = tiny(name)
    references = [one.reference(), one.reference(4, 6, seed=10)]
    model = one.weighed(references, weights="2:0")
    first = one.sampled(one.model, references[:1])
    assert (one.sampled(one.model, references) - first).abs().max() > 1e-2
    check_near(one.sampled(model, references), first)


@pytest.mark.parametrize("name", ALL)
def test_w_0_and_w_2_are_its_keys_left_out_and_given_twice(tiny, name):
    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small)]
    plain = one.sampled(one.model, references, size)
    for weight, change in ((0.0, left_out), (2.0, twice)):
        other, override = by_hand(one.model, name, 1, change)
        expected = one.sampled(other, references, size)
        assert override.calls >= 2 * STEPS
        assert (expected - plain).abs().max() > 1e-3
        ours = one.sampled(one.weighed(references, weight), references, size)
        check_near(ours, expected)


def biased(*spans):
    """A change that adds numbers to the logits of spans of the references, as one dense mask."""

    def change(k, v, first, count):
        mask = torch.zeros(1, 1, 1, k.shape[2])
        for begin, end, value in spans:
            mask[..., first + begin : first + end] = value
        return k, v, mask

    return change


@pytest.mark.parametrize("name", ALL)
def test_each_of_several_references_has_its_own_odds(tiny, name):
    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small), one.reference(*small, seed=10)]
    model = one.weighed(references, weights="1:0.4, 2:2.5")
    step = 16 if name == "z_image" else 12
    logs = torch.tensor([0.4, 2.5]).log()
    other, _ = by_hand(one.model, name, 2, biased((0, step, logs[0]), (step, 2 * step, logs[1])))
    expected = one.sampled(other, references, size)
    check_near(one.sampled(model, references, size), expected)


def test_a_second_node_multiplies_the_first(tiny):
    for name in ("kontext", "qwen"):
        one = tiny(name)
        references = [one.reference()]
        both = one.weighed(references, 0.5, model=one.weighed(references, 3.0))
        once = one.weighed(references, 1.5)
        check_near(one.sampled(both, references), one.sampled(once, references))


def test_size_invariance_is_4096_tokens_over_the_references_own(tiny):
    one = tiny("kontext")
    references = [one.reference(), one.reference(5, 5, seed=10)]  # 12 and 9 tokens
    model = one.weighed(references, 0.01, size_invariant=True)
    other = one.weighed(references, weights=f"1:{0.01 * 4096 / 12}, 2:{0.01 * 4096 / 9}")
    check_near(one.sampled(model, references), one.sampled(other, references))


@pytest.mark.parametrize("name", ["kontext", "qwen", "z_image"])
def test_steps_outside_the_schedule_are_the_models_own_to_the_bit(tiny, name):
    one = tiny(name)
    references = [one.reference()]
    plain = one.sampled(one.model, references, steps=4)
    never = one.weighed(references, 4.0, start=0.999, end=0.999)
    assert torch.equal(one.sampled(never, references, steps=4), plain)
    late = one.weighed(references, 4.0, start=0.5)
    seen = {}

    def keep(which, step, denoised, *_):
        seen[which, step] = denoised.clone()

    for which, model in (("plain", one.model), ("late", late)):
        noise = one.latent(8, 10, 3)
        one.comfy.sample(
            model, noise, 4, 1.0, "euler", "simple", one.conditioning(references),
            one.conditioning((), seed=5), torch.zeros_like(noise), denoise=1.0, seed=0,
            callback=partial(keep, which), disable_pbar=True,
        )  # fmt: skip
    same = [torch.equal(seen["plain", step], seen["late", step]) for step in range(4)]
    assert same == sorted(same, reverse=True)
    assert 1 <= sum(same) <= 3
    faded = one.weighed(references, 4.0, start=0.5, fade_in=0.5)
    assert not torch.equal(
        one.sampled(faded, references, steps=4), one.sampled(late, references, steps=4)
    )


@pytest.mark.parametrize("name", ["kontext", "qwen"])
def test_prompt_and_negative_prompt_in_one_batch(tiny, warned, name):
    one = tiny(name)
    references = [one.reference()]
    none = one.weighed(references, 0.0)
    bare = one.sampled(one.model, (), cfg=4.0)
    rows = []

    def spy(executor, x, *args, **kwargs):
        rows.append(len(x))
        return executor(x, *args, **kwargs)

    none.add_wrapper_with_key(one.comfy.wrappers.DIFFUSION_MODEL, "spy", spy)
    check_near(one.sampled(none, references, cfg=4.0, negative=references), bare)
    assert set(rows) == {2}
    check_near(one.sampled(none, references, cfg=4.0), bare)
    two = [*references, one.reference(4, 4, seed=10)]
    first = one.weighed(two, weights="1:1, 2:0")
    expected = one.sampled(one.model, references, cfg=4.0, negative=references)
    check_near(one.sampled(first, two, cfg=4.0, negative=references), expected)
    assert not warned


def test_a_clone_weighs_the_same_and_copies_nothing(tiny):
    one = tiny("kontext")
    references = [one.reference()]
    model = one.weighed(references, 0.3)
    clone = model.clone()
    own, other = (
        m.model_options["transformer_options"]["patches"]["attn1_patch"][0] for m in (model, clone)
    )
    assert own.__self__ is other.__self__
    ours = one.sampled(model, references)
    assert torch.equal(one.sampled(clone, references), ours)
    assert torch.equal(one.sampled(model, references), ours)  # run to run
    assert not own.__self__._kept  # nothing stays when sampling has ended
    assert not torch.equal(one.sampled(one.model, references), ours)


# ---- regions


def test_a_region_of_the_new_picture_is_one_dense_mask(tiny):
    for name in ("kontext", "flux2", "qwen", "z_image"):
        one = tiny(name)
        size, small = sizes(one, name)
        references = [one.reference(*small)]
        region = torch.zeros(1, 4, 5)
        region[:, 1:3, :2] = 1
        inside = region.flatten().nonzero().flatten()

        def change(k, v, first, count, name=name, inside=inside):
            mask = torch.zeros(1, 1, k.shape[2], k.shape[2])
            begin = k.shape[2] - 24 if name == "z_image" else first - MAIN
            mask[0, 0, begin + inside, first : first + count] = torch.tensor(0.2).log()
            return k, v, mask

        other, _ = by_hand(one.model, name, 1, change)
        expected = one.sampled(other, references, size)
        model = one.weighed(references, 0.2, linked={"region": region})
        ours = one.sampled(model, references, size)
        assert (
            one.sampled(one.weighed(references, 0.2), references, size) - expected
        ).abs().max() > 1e-3
        check_near(ours, expected)


def test_two_nodes_with_regions_of_their_own_are_one_dense_mask(tiny):
    one = tiny("kontext")
    references = [one.reference(), one.reference(seed=10)]
    left = torch.zeros(1, 4, 5)
    left[..., :3] = 1
    right = 1 - left
    right[..., 2] = 1  # both in the middle column
    model = one.weighed(references, weights="1:0.2", linked={"region": left})
    model = one.weighed(references, weights="2:4", model=model, linked={"region": right})

    def change(k, v, first, count):
        mask = torch.zeros(1, 1, k.shape[2], k.shape[2])
        for i, (where, weight) in enumerate(((left, 0.2), (right, 4.0))):
            rows = first - MAIN + where.flatten().nonzero().flatten()
            mask[0, 0, rows, first + 12 * i : first + 12 * (i + 1)] = torch.tensor(weight).log()
        return k, v, mask

    other, _ = by_hand(one.model, "kontext", 2, change)
    check_near(one.sampled(model, references), one.sampled(other, references))


def test_a_region_of_the_reference_weighs_those_keys_alone(tiny):
    for name in ("kontext", "qwen", "z_image"):
        one = tiny(name)
        references = [one.reference()]  # 3 x 4 tokens
        part = torch.zeros(1, 3, 4)
        part[0, 0] = 1
        part[0, 1, 0] = 0.5  # half of it at 3, half at 1
        model = one.weighed(references, 3.0, linked={"reference_region": part})
        spans = biased((0, 4, torch.tensor(3.0).log()), (4, 5, torch.tensor(2.0).log()))
        other, _ = by_hand(one.model, name, 1, spans)
        check_near(one.sampled(model, references), one.sampled(other, references))


def test_the_face_of_the_reference_is_its_region(tiny):
    one = tiny("kontext")
    references = [one.reference(16, 16), one.reference(16, 16, seed=10)]
    faces = Faces((128, 128), ((Face(((40.0, 30.0), (60.0, 30.0))),), ()), "test")
    model = one.weighed(references, 0.0, linked={"reference_faces": faces})
    ours = one.sampled(model, references)
    plain = one.sampled(one.model, references)
    assert not torch.equal(ours, plain)
    second = one.weighed(references, weights="1:1, 2:0", linked={"reference_faces": faces})
    check_near(one.sampled(second, references), plain)  # it has no face


# ---- with others


class Look:
    """What Load EVA CLIP gives."""

    file = "tiny"
    patcher = None

    def __init__(self, width, pooled):
        self.sizes = (width, pooled)

    def see(self, pictures):
        width, pooled = self.sizes
        hidden = tuple(random(1, 9, width, seed=seed) for seed in range(5))
        return EvaStates(random(1, pooled, seed=8), hidden)


APPLIED = {
    "weight": 1.0, "prominence": "off", "start": 0.0, "end": 1.0, "fade_in": 0.0, "fade_out": 0.0,
    "curve": "uniform", "layers": "", "lora": True, "lora_weight": 0.6, "shortcut": -1.0, "noise": 0.0,
}  # fmt: skip


def test_pulid_before_or_after_is_the_same_to_the_bit(comfy, identity_adapters):
    one = Tiny(comfy, "Flux", comfy.tiny.FLUX, **KINDS["kontext"][2])
    made = identity_adapters.build("pulid_flux", "Flux", width=40, image=64, image_attention=128)
    pulid = recognise(flatten(made), identity_adapters.file_name("pulid_flux", "Flux"))
    crop = torch.randint(0, 256, (512, 512, 3), generator=torch.Generator().manual_seed(0))
    face = Reference(
        quality=0.9, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
        crop512=crop.to(torch.uint8).numpy(),
    )  # fmt: skip
    raw = random(1, 512, seed=1).numpy()
    ada = Identity("Ada", (face,), (Embedded(pulid.encoder, "a" * 64, "none", raw),))

    def with_pulid(model):
        look = Look(pulid.sizes["eva"], pulid.sizes["face"] - 512)
        return ApplyIdentity.execute(
            model=model, adapter=pulid, identity=ada, eva_clip=look, **APPLIED
        ).args[0]

    references = [one.reference()]
    before = one.weighed(references, 2.5, model=with_pulid(one.model))
    after = with_pulid(one.weighed(references, 2.5))
    ours = one.sampled(before, references)
    assert torch.equal(one.sampled(after, references), ours)
    alone = one.sampled(with_pulid(one.model), references)
    assert (alone - ours).abs().max() > 1e-3
    assert (one.sampled(one.weighed(references, 2.5), references) - ours).abs().max() > 1e-3
    same = one.weighed(references, 1.0, model=with_pulid(one.model))
    assert torch.equal(one.sampled(same, references), alone)
    none = one.weighed(references, 0.0, model=with_pulid(one.model))
    check_near(one.sampled(none, references), one.sampled(with_pulid(one.model)))


@pytest.mark.parametrize("name", ["flux2", "qwen"])  # Flux.1 does not run with it
def test_cores_kv_cache_before_or_after(tiny, name):
    cache = pytest.importorskip("comfy_extras.nodes_flux").FluxKVCache

    def cached(model):
        return cache.execute(model).args[0]

    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small), one.reference(*small[::-1], seed=10)]
    chosen = {"weights": "1:3, 2:0.2"}
    before = one.sampled(
        one.weighed(references, model=cached(one.model), **chosen), references, size
    )
    after = one.sampled(cached(one.weighed(references, **chosen)), references, size)
    assert torch.equal(before, after)
    plain = one.sampled(cached(one.model), references, size)
    assert (before - plain).abs().max() > 1e-3
    assert torch.equal(one.sampled(cached(one.weighed(references)), references, size), plain)
    none = one.sampled(one.model, (), size)
    for model in (
        one.weighed(references, 0.0, model=cached(one.model)),
        cached(one.weighed(references, 0.0)),
    ):
        check_near(one.sampled(model, references, size), none)
    logs = torch.tensor([3.0, 0.2]).log()
    other, override = by_hand(
        cached(one.model), name, 2, biased((0, 12, logs[0]), (12, 24, logs[1]))
    )
    check_near(before, one.sampled(other, references, size))
    assert override.calls >= 2 * STEPS


@pytest.mark.parametrize("name", ["kontext", "flux2", "qwen", "krea2"])
def test_a_foreign_attention_patch_before_or_after_still_acts(tiny, name):
    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small)]
    calls = []

    def foreign(q, k, v, pe=None, attn_mask=None, extra_options=None):
        calls.append(k.shape)
        return {"q": q * 0.5}

    def with_foreign(model):
        model = model.clone()
        model.set_model_attn1_patch(foreign)
        return model

    alone = one.sampled(with_foreign(one.model), references, size)
    expected = len(calls)
    outcomes = []
    for model in (
        with_foreign(one.weighed(references, 0.1)),
        one.weighed(references, 0.1, model=with_foreign(one.model)),
    ):
        calls.clear()
        outcomes.append(one.sampled(model, references, size))
        assert len(calls) == expected
    assert torch.equal(*outcomes)
    assert (outcomes[0] - alone).abs().max() > 1e-3
    none = with_foreign(one.weighed(references, 0.0))
    check_near(
        one.sampled(none, references, size),
        one.sampled(with_foreign(one.model), (), size),
    )


def overridden(model, override):
    clone = model.clone()
    clone.model_options["transformer_options"]["optimized_attention_override"] = override
    return clone


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("regional", [False, True])
def test_a_foreign_override_before_or_after_is_called_as_the_base(tiny, warned, name, regional):
    one = tiny(name)
    size, small = sizes(one, name)
    references = [one.reference(*small)]
    linked = {"region": torch.eye(4)[None]} if regional else {}
    seen = []

    def foreign(func, q, k, v, heads, *args, **kwargs):
        seen.append(q.shape[2])
        return func(q * 0.5, k, v, heads, *args, **kwargs)

    alone = one.sampled(overridden(one.model, foreign), references, size)
    calls, whole = len(seen), set(seen)
    outcomes = []
    for model in (
        overridden(one.weighed(references, 0.1, linked=linked), foreign),
        one.weighed(references, 0.1, model=overridden(one.model, foreign), linked=linked),
    ):
        seen.clear()
        outcomes.append(one.sampled(model, references, size))
        assert len(seen) > calls if regional else len(seen) == calls
        assert set(seen) == whole  # it never sees a part of the queries
    assert torch.equal(*outcomes)
    assert (outcomes[0] - alone).abs().max() > 1e-4
    if name in PUBLISHED and not regional:
        none = overridden(one.weighed(references, 0.0), foreign)
        bare = one.sampled(overridden(one.model, foreign), (), size)
        check_near(one.sampled(none, references, size), bare)
    assert not warned


def deaf(func, q, k, v, heads, mask=None, **kwargs):
    """A backend that takes no masks, as some packs put into the slot."""
    return attended(q, k, v)


def hearing(func, q, k, v, heads, mask=None, **kwargs):
    """One that computes by itself, and honours them."""
    return attended(q, k, v, mask)


@pytest.mark.parametrize("name", ["kontext", "qwen"])
def test_an_override_that_takes_no_masks_is_named_and_weighed_calls_go_around_it(
    tiny, warned, name
):
    one = tiny(name)
    references = [one.reference()]
    none = one.sampled(one.model)
    for model in (
        overridden(one.weighed(references, 0.0), deaf),
        one.weighed(references, 0.0, model=overridden(one.model, deaf)),
    ):
        warned.clear()
        check_near(one.sampled(model, references), none)
        assert len(warned) == 1
        assert ".deaf takes no masks" in warned[0]
    warned.clear()
    model = overridden(one.weighed(references, 0.0), hearing)
    check_near(one.sampled(model, references), none)
    assert not warned


@pytest.mark.parametrize("name", ["kontext", "qwen"])
def test_a_backend_that_takes_no_masks_keeps_what_is_not_weighed(tiny, monkeypatch, name):
    from comfy.ldm.modules.attention import wrap_attn

    from portrait_loupe.nodes.identity import node_reference_weight as node

    calls = []

    @wrap_attn
    def own(q, k, v, heads, mask=None, **kwargs):
        calls.append(k.shape[2])
        return attended(q, k, v)

    hooks = node.model_hooks()
    told = {field: getattr(hooks, field) for field in vars(hooks)} | {"attention": own}
    monkeypatch.setattr(node, "model_hooks", lambda: SimpleNamespace(**told))
    where = "comfy.ldm.flux.math.optimized_attention"
    if name == "qwen":
        where = "comfy.ldm.qwen_image.model.optimized_attention_masked"
    monkeypatch.setattr(where, own)
    one = tiny(name)
    references = [one.reference()]
    none = one.sampled(one.model)
    assert calls
    calls.clear()
    check_near(one.sampled(one.weighed(references, 0.0), references), none)
    assert not calls  # every call was weighed
    late = one.weighed(references, 0.0, start=0.5)
    one.sampled(late, references, steps=4)
    assert set(calls) == {TEXT + MAIN + 12}


# ---- what cannot be weighed


def test_a_model_that_is_given_no_reference_says_so(tiny, warned):
    one = tiny("kontext")
    model = one.weighed([one.reference()], 0.5)
    assert torch.equal(one.sampled(model), one.sampled(one.model))
    assert len(warned) == 1
    assert "was given no reference while sampling" in warned[0]


def test_a_forward_that_drops_the_hosts_options_says_so(tiny, warned):
    for name in ("kontext", "qwen"):
        one = tiny(name)
        references = [one.reference()]
        model = one.weighed(references, 0.5)

        def drops(executor, x, *args, **kwargs):
            args = tuple({"wrappers": {}} if isinstance(one, dict) else one for one in args)
            return executor(x, *args, **kwargs)

        model.add_wrapper_with_key(one.comfy.wrappers.DIFFUSION_MODEL, "drops", drops)
        warned.clear()
        assert torch.equal(one.sampled(model, references), one.sampled(one.model, references))
        assert len(warned) == 1
        assert "none of its attention was reached" in warned[0]


def test_models_without_reference_tokens_are_refused_by_name(comfy, tiny):
    class Nunchaku(torch.nn.Module):
        pass

    one = tiny("kontext")
    references = [one.reference()]
    model = one.model.clone()
    model.add_object_patch("diffusion_model", Nunchaku())
    with pytest.raises(ValueError, match=r"references of this model .Nunchaku. cannot be weighed"):
        one.weighed(references, 0.5, model=model)
    with pytest.raises(ValueError, match="the conditioning has no reference latents to weigh"):
        one.weighed([], 0.5)
    with pytest.raises(ValueError, match=r"weights says '2:0.5', but there is 1 reference"):
        one.weighed(references, weights="2:0.5")
    with pytest.raises(ValueError, match="weight must be a number from 0 to 8, got 9"):
        one.weighed(references, 9.0)


def test_the_report_says_which_where_and_when(tiny):
    def told(name, references, **chosen):
        one = tiny(name)
        node = ReferenceWeight.execute(
            model=one.model, conditioning=one.conditioning(references), **{**CHOSEN, **chosen}
        )
        return node.args[1]

    kontext = [tiny("kontext").reference(), tiny("kontext").reference(5, 9, seed=10)]
    report = told("kontext", kontext, weights="2:0.5", size_invariant=True, start=0.2)
    assert report.splitlines() == [
        "Flux: 2 references",
        "reference 1: 4 x 3 tokens, weight 1 x 4096 / 12 = 341",
        "reference 2: 5 x 3 tokens, weight 0.5 x 4096 / 15 = 137",
        "when: from 20 % to 100 % of sampling",
    ]
    assert "nothing is weighed: the model is as it was" in told("kontext", kontext)
    assert "the text encoder has seen the references too" in told(
        "qwen", [tiny("qwen").reference()], weight=0.0
    )
