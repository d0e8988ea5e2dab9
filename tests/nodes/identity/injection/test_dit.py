import copy

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.counter import Calls
from portrait_loupe.nodes.identity.injection.dit import (
    FluxLayer,
    FluxLayers,
    flux_patches,
    flux_places,
)
from portrait_loupe.nodes.identity.injection.mask import check_mask
from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.injection.shared import Injection
from portrait_loupe.nodes.identity.injection.weight import Weight

WIDTH, IDENTITY, INNER, TOKENS = 20, 12, 256, 5  # two heads of 128
BLOCKS = (3, 5)  # double 0, 2 and single 0, 4
GRID = (3, 5)
MAIN, TEXT, REFERENCES = 15, 4, (6, 2)
NEAR = {"atol": 2e-5, "rtol": 1e-5}  # float32 sums of some 256 products, of numbers up to 5


def tensors_of(seed):
    made = torch.Generator().manual_seed(seed)

    def random(*shape, scale=1.0, offset=0.0):
        return torch.randn(*shape, generator=made) * scale + offset

    return {
        "norm1.weight": random(IDENTITY, scale=0.2, offset=1),
        "norm1.bias": random(IDENTITY, scale=0.2),
        "norm2.weight": random(WIDTH, scale=0.2, offset=1),
        "norm2.bias": random(WIDTH, scale=0.2),
        "to_q.weight": random(INNER, WIDTH, scale=WIDTH**-0.5),
        "to_kv.weight": random(2 * INNER, IDENTITY, scale=IDENTITY**-0.5),
        "to_out.weight": random(WIDTH, INNER, scale=INNER**-0.5),
    }


def standardised(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def written_out(image, identity, tensors, scale_keys=1.0):
    """to_out(Attn(to_q(norm2 img), to_kv(norm1 E))) in float64, head by head: the oracle."""
    t = {name: tensor.double() for name, tensor in tensors.items()}
    x = standardised(image.double(), t["norm2.weight"], t["norm2.bias"])
    e = standardised(identity.double(), t["norm1.weight"], t["norm1.bias"])
    q = torch.einsum("nd,id->ni", x, t["to_q.weight"])
    k = torch.einsum("td,id->ti", e, t["to_kv.weight"][:INNER]) * scale_keys
    v = torch.einsum("td,id->ti", e, t["to_kv.weight"][INNER:])
    out = torch.zeros(len(image), INNER, dtype=torch.float64)
    for head in range(INNER // 128):
        part = slice(head * 128, head * 128 + 128)
        logits = torch.einsum("ni,ti->nt", q[:, part], k[:, part]) / 128**0.5
        power = torch.exp(logits)
        out[:, part] = torch.einsum("nt,ti->ni", power / power.sum(1, keepdim=True), v[:, part])
    return torch.einsum("ni,di->nd", out, t["to_out.weight"])


class Block:
    """A host's block: changes every token, and the text with it."""

    def __init__(self, double):
        self.double, self.seen = double, []

    def __call__(self, args):
        self.seen.append(args)
        self.given = torch.cos(args["img"])
        return {"img": self.given, **({"txt": args["txt"] * 2} if self.double else {})}


class Foreign:
    """Another pack's patch of a block."""

    def __call__(self, args, extra):
        self.extra = extra
        out = extra["original_block"]({**args, "img": args["img"] + 1})
        return {**out, "theirs": 7}


def options_of(single, chunks=(0,), references=REFERENCES, sigma=0.6):
    total = MAIN + sum(references)
    return {
        "cond_or_uncond": list(chunks),
        "sigmas": torch.tensor([sigma]),
        **({"reference_image_num_tokens": list(references)} if references else {}),
        **({"img_slice": [TEXT, TEXT + total]} if single else {}),
    }


def asked(single, rows=2, dtype=torch.float32, **options):
    references = options.get("references", REFERENCES)
    made = torch.Generator().manual_seed(rows)
    total = MAIN + sum(references) + (TEXT if single else 0)
    args = {"img": torch.randn(rows, total, WIDTH, generator=made).to(dtype), "pe": None}
    if not single:
        args["txt"] = torch.randn(rows, TEXT, WIDTH, generator=made).to(dtype)
    return {**args, "transformer_options": options_of(single, **options)}


TENSORS = [tensors_of(seed) for seed in range(4)]
POSITIVE, NEGATIVE = torch.randn(2, 1, TOKENS, IDENTITY, generator=torch.Generator().manual_seed(9))
KEYS = pytest.mark.parametrize(
    ("key", "layer"), [(("double_block", 2), 1), (("single_block", 4), 3)], ids=["double", "single"]
)


def patches_of(weight=None, slots=None, positive=POSITIVE, **options):
    weight = Weight(0.9) if weight is None else weight
    keys = [key for key, _ in flux_places(4, *BLOCKS)]
    shared = Injection(weight, Calls(keys), **options)
    return flux_patches(FluxLayers(TENSORS), positive, NEGATIVE, BLOCKS, slots or {}, shared)


def expected(base, single, layer, weights, chunks, positive=POSITIVE):
    out = base.double().clone()
    first, each = TEXT if single else 0, len(base) // len(chunks)
    for row in range(len(base)):
        source = NEGATIVE if chunks[row // each] == 1 else positive
        image = base[row, first : first + MAIN]
        term = written_out(image, source[row % each % len(source)], TENSORS[layer])
        out[row, first : first + MAIN] += weights[row][:, None] * term
    return out.float()


@KEYS
@pytest.mark.parametrize("references", [(), REFERENCES], ids=["alone", "references"])
@pytest.mark.parametrize("chunks", [(0,), (0, 1), (1, 0)], ids=str)
@pytest.mark.parametrize("each", [1, 3])
def test_the_identity_is_added_to_the_main_images_tokens(key, layer, references, chunks, each):
    single = key[0] == "single_block"
    positive = torch.cat((POSITIVE, POSITIVE.flip(1) * 2)) if each == 3 else POSITIVE
    patch, block = patches_of(positive=positive)[key], Block(not single)
    args = asked(single, each * len(chunks), chunks=chunks, references=references)
    out = patch(args, {"original_block": block})
    base = torch.cos(args["img"])
    weights = torch.full((len(base), MAIN), 0.9, dtype=torch.float64)
    assert_close(out["img"], expected(base, single, layer, weights, chunks, positive), **NEAR)
    assert len(block.seen) == 1
    assert torch.equal(block.given, base)  # what the block gave is not written to
    if not single:
        assert torch.equal(out["txt"], args["txt"] * 2)


@KEYS
def test_text_and_references_stay_to_the_bit(key, layer):
    single = key[0] == "single_block"
    args = asked(single)
    out = patches_of()[key](args, {"original_block": Block(not single)})["img"]
    base, first = torch.cos(args["img"]), TEXT if single else 0
    assert torch.equal(out[:, :first], base[:, :first])
    assert torch.equal(out[:, first + MAIN :], base[:, first + MAIN :])
    assert (out[:, first : first + MAIN] != base[:, first : first + MAIN]).any(2).all()


def watched(patch, height=6, width=9, patch_size=2):
    """As the host calls a wrapper around its forward: a latent of 6 x 9 has 3 x 5 tokens."""

    class Executor:
        class_obj = type("Flux", (), {"patch_size": patch_size})()

        def __call__(self, *args, **kwargs):
            return args, kwargs

    latent = torch.zeros(2, 16, height, width)
    told = patch.shared.watch(Executor(), latent, "timestep", control=None)
    assert told[0][0] is latent
    assert told == ((latent, "timestep"), {"control": None})


@KEYS
def test_the_watched_grid_says_which_tokens_are_the_image(key, layer):
    """Where the host does not publish the references, or another pack adds tokens at the end."""
    single = key[0] == "single_block"
    patch = patches_of()[key]
    args = asked(single)
    whole = patch(args, {"original_block": Block(not single)})["img"]
    del args["transformer_options"]["reference_image_num_tokens"]
    watched(patch)
    assert patch.shared.grid == GRID
    assert torch.equal(patch(args, {"original_block": Block(not single)})["img"], whole)
    watched(patch, 5, 7, patch_size=1)
    assert patch.shared.grid == (5, 7)


@KEYS
@pytest.mark.parametrize("known", [True, False], ids=["watched", "solved"])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_mask_weighs_the_main_images_tokens(key, layer, known, frames):
    single = key[0] == "single_block"
    mask = torch.rand(frames, 30, 50, generator=torch.Generator().manual_seed(3))
    weight = Weight(1.1, mask=check_mask(mask))
    patch = patches_of(weight)[key]
    if known:
        watched(patch)
    chunks = (1, 0)
    args = asked(single, 4, chunks=chunks)
    out = patch(args, {"original_block": Block(not single)})["img"]
    on_grid = weight.on_grid(GRID).double()
    weights = torch.stack([1.1 * on_grid[row % 2 % frames] for row in range(4)])
    assert_close(out, expected(torch.cos(args["img"]), single, layer, weights, chunks), **NEAR)


WINDOW = Schedule(0.5, 0.8).window(lambda share: 1 - share)


@KEYS
@pytest.mark.parametrize(
    "weight",
    [Weight(0.0), Weight(1.0, schedule=WINDOW), Weight(1.0, curve="1:1"), Weight(1.0, mask=torch.zeros(1, 3, 5))],
    ids=["weight", "schedule", "curve", "mask"],
)  # fmt: skip
def test_where_it_counts_nothing_the_blocks_output_itself_comes_back(key, layer, weight):
    single = key[0] == "single_block"
    patch = patches_of(weight)[key]
    out = {"img": torch.randn(2, TEXT + MAIN, WIDTH), "txt": object()}
    assert patch(asked(single, references=()), {"original_block": lambda args: out}) is out
    assert patch.shared.calls.reached[key] == 1
    assert not patch.shared.calls.added
    assert not patch.shared._kept


def test_inside_the_window_it_acts():
    patch = patches_of(Weight(0.9, schedule=WINDOW))["double_block", 0]
    full = patches_of()["double_block", 0]
    for sigma, acts in ((0.6, False), (0.5, True), (0.2, True), (0.1, False)):
        args = asked(False, sigma=sigma)
        out = patch(args, {"original_block": Block(True)})["img"]
        base = (
            full(args, {"original_block": Block(True)})["img"] if acts else torch.cos(args["img"])
        )
        assert torch.equal(out, base), sigma


@KEYS
def test_what_held_the_slot_is_the_base_and_its_other_outputs_stay(key, layer):
    single = key[0] == "single_block"
    foreign = Foreign()
    patch = patches_of(slots={key: foreign})[key]
    args, extra = asked(single), {"original_block": Block(not single)}
    out = patch(args, extra)
    base = torch.cos(args["img"] + 1)
    weights = torch.full((2, MAIN), 0.9, dtype=torch.float64)
    assert_close(out["img"], expected(base, single, layer, weights, (0,)), **NEAR)
    assert out["theirs"] == 7
    assert foreign.extra is extra


def test_a_foreign_cache_may_keep_the_blocks_output():
    """Packs that skip blocks hold on to what a block gave: it must not change behind their back."""
    given = torch.randn(1, MAIN, WIDTH)
    before = given.clone()
    args = asked(False, 1, references=())
    patches_of()["double_block", 0](args, {"original_block": lambda args: {"img": given}})
    assert torch.equal(given, before)


@KEYS
def test_two_halves_of_an_identity_are_nearly_one_whole(key, layer):
    """Not quite: the second asks with what the first has added. With a small weight that is little."""
    single = key[0] == "single_block"
    first = patches_of(Weight(0.004))
    twice = patches_of(Weight(0.004), slots={key: first[key]})[key]
    args, extra = asked(single), {"original_block": Block(not single)}
    once = patches_of(Weight(0.008))[key](args, extra)["img"]
    base = torch.cos(args["img"])
    change = (once - base).abs().max()
    assert (twice(args, extra)["img"] - once).abs().max() < 0.01 * change
    assert change > 0.005


@KEYS
def test_k_and_v_scales_the_keys_too(key, layer):
    single = key[0] == "single_block"
    args = asked(single, 1)
    out = patches_of(Weight(0.5), scaling="K+V")[key](args, {"original_block": Block(not single)})
    first = TEXT if single else 0
    image = torch.cos(args["img"])[0, first : first + MAIN]
    term = 0.5 * written_out(image, POSITIVE[0], TENSORS[layer], scale_keys=0.5)
    assert_close(out["img"][0, first : first + MAIN], (image + term).float(), **NEAR)


@KEYS
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_models_precision_is_kept_and_the_weights_stay_as_they_are(key, layer, dtype):
    single = key[0] == "single_block"
    patch = patches_of()[key]
    args = asked(single, dtype=dtype)
    out = patch(args, {"original_block": Block(not single)})["img"]
    assert out.dtype == dtype
    exact = {**args, "img": args["img"].float()}
    step = {torch.float16: 2**-7, torch.bfloat16: 2**-4}[dtype]
    assert_close(out.float(), patch(exact, {"original_block": Block(not single)})["img"], atol=step, rtol=0)  # fmt: skip
    assert patch.layer.to_kv.weight.dtype == torch.float32


def test_the_identitys_keys_are_made_once_a_sampling_and_dropped_after_it(monkeypatch):
    made = []
    plain = FluxLayer.keys_and_values
    monkeypatch.setattr(
        FluxLayer, "keys_and_values", lambda self, e: made.append(e) or plain(self, e)
    )
    patches = patches_of()
    for _ in range(3):
        for key, patch in patches.items():
            single = key[0] == "single_block"
            patch(asked(single, chunks=(0, 1)), {"original_block": Block(not single)})
    assert len(made) == 8  # four layers, with and without identity
    patch = patches["double_block", 0]
    patch.cleanup()
    assert not patch.shared._kept
    assert patch.shared.grid is None
    patch(asked(False), {"original_block": Block(True)})
    assert len(made) == 10


def test_flux_1_has_twenty_places_and_other_models_are_refused():
    at = flux_places(20, 19, 38)
    assert [key for key, _ in at[:10]] == [("double_block", i) for i in range(0, 19, 2)]
    assert [key for key, _ in at[10:]] == [("single_block", i) for i in range(0, 38, 4)]
    assert {place.count for _, place in at} == {57}
    assert [place.index for _, place in at[9:12]] == [18, 19, 23]
    with pytest.raises(
        ValueError, match="20 layers, a model of 5 double and 20 single blocks needs 8"
    ):
        flux_places(20, 5, 20)


def test_a_model_of_another_width_is_refused():
    patch = patches_of()["double_block", 0]
    args = {"img": torch.zeros(1, 4, 8), "transformer_options": {}}
    with pytest.raises(RuntimeError, match="8 wide, the adapter's are 20"):
        patch(args, {"original_block": lambda args: {"img": args["img"]}})


def test_a_forward_that_hides_where_the_image_begins_is_refused():
    args = asked(True)
    del args["transformer_options"]["img_slice"]
    with pytest.raises(RuntimeError, match="img_slice"):
        patches_of()["single_block", 0](args, {"original_block": Block(False)})


def test_the_host_keeps_the_memory_of_the_weights():
    patch = patches_of(patcher="our patcher")["double_block", 0]
    assert patch.models() == ["our patcher"]
    assert patch.to("cuda") is patch
    assert copy.deepcopy(patch) is patch
    layers = FluxLayers(TENSORS)
    assert sum(p.numel() for p in layers.parameters()) == sum(t.numel() for one in TENSORS for t in one.values())  # fmt: skip
    assert not any(p.requires_grad for p in layers.parameters())
    assert layers[0].to_q.weight.data_ptr() == TENSORS[0]["to_q.weight"].data_ptr()  # no copy
    layers.to(torch.float16)
    assert TENSORS[0]["to_q.weight"].dtype == torch.float32  # a move leaves the adapter's own alone
