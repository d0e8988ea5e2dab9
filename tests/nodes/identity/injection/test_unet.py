import copy
import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.counter import Calls
from portrait_loupe.nodes.identity.injection.mask import check_mask
from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.injection.shared import Injection
from portrait_loupe.nodes.identity.injection.unet import LayerTokens, cross_patches, places
from portrait_loupe.nodes.identity.injection.weight import Weight

HEADS, WIDTH = 3, 21  # of a layer: heads of 7 channels
TOKENS, TEXT = 5, 11
GRID = (5, 7)
KEY = ("middle", 0, 3)
SDXL = [("input", b, i) for b, n in ((4, 2), (5, 2), (7, 10), (8, 10)) for i in range(n)]
SDXL += [("output", b, i) for b, n in ((0, 10), (1, 10), (2, 10), (3, 2), (4, 2), (5, 2)) for i in range(n)]  # fmt: skip
SDXL += [("middle", 0, i) for i in range(10)]
NEAR = {"atol": 2e-5, "rtol": 1e-5}  # float32 sums of a few dozen products of numbers around 1


def written_out(q, k, v):
    """Attention in float64, by loops: the oracle."""
    out = torch.zeros(q.shape, dtype=torch.float64)
    size = WIDTH // HEADS
    for b in range(len(q)):
        for h in range(HEADS):
            for n in range(q.shape[1]):
                mine = q[b, n, h * size : (h + 1) * size].double()
                logits = [float(mine @ key.double()) / math.sqrt(size) for key in k[b, :, h * size : (h + 1) * size]]  # fmt: skip
                total = sum(math.exp(logit) for logit in logits)
                for logit, value in zip(logits, v[b, :, h * size : (h + 1) * size], strict=True):
                    out[b, n, h * size : (h + 1) * size] += math.exp(logit) / total * value.double()
    return out


class HostAttention:
    """What the host hands in: any function of these arguments will do, and it counts."""

    def __init__(self):
        self.calls = []

    def __call__(self, q, k, v, heads, attn_precision=None, transformer_options=None):
        self.calls.append((heads, attn_precision, transformer_options))
        return (q * 0.3 + k.mean(1, keepdim=True) + v.amax(1, keepdim=True)).to(q.dtype)


class Foreign:
    """Another pack's patch, with all that the host may ask of one."""

    def __init__(self):
        self.seen, self.moved, self.cleaned = [], [], 0

    def __call__(self, q, k, v, extra_options):
        self.seen.append(extra_options)
        return torch.sin(q) - v.mean(1, keepdim=True)

    def to(self, where):
        self.moved.append(where)
        return self

    def models(self):
        return ["foreign model"]

    def cleanup(self):
        self.cleaned += 1


def tokens_of(seed=0, batch=1, width=WIDTH):
    made = torch.Generator().manual_seed(seed)
    return LayerTokens(*torch.randn(4, batch, TOKENS, width, generator=made))


def extra(chunks=(0,), **more):
    return {
        "n_heads": HEADS,
        "dim_head": WIDTH // HEADS,
        "attn_precision": None,
        "cond_or_uncond": list(chunks),
        "block": KEY[:2],
        "block_index": KEY[2],
        "transformer_index": 4,
        "sigmas": torch.tensor([0.6]),
        "activations_shape": [2, 8, *GRID],
        "original_shape": [2, 4, 20, 28],
        **more,
    }


def asked(rows=2, tokens=GRID[0] * GRID[1], dtype=torch.float32):
    made = torch.Generator().manual_seed(rows)
    q = torch.randn(rows, tokens, WIDTH, generator=made)
    k, v = torch.randn(2, rows, TEXT, WIDTH, generator=made)
    return q.to(dtype), k.to(dtype), v.to(dtype)


def patch_of(weight=None, slots=None, tokens=None, host=None, **options):
    weight = Weight(0.8) if weight is None else weight
    shared = Injection(weight, Calls([KEY]), **options)
    host = host or HostAttention()
    return cross_patches({KEY: tokens or tokens_of()}, slots or {}, shared, host)[KEY]


def expected(base, q, tokens, chunks, weights):
    """base + w * attention, row by row; weights (rows, N)."""
    out = base.double().clone()
    each = len(q) // len(chunks)
    for row in range(len(q)):
        negative, mine = chunks[row // each] == 1, row % each % len(tokens.key)
        k = (tokens.negative_key if negative else tokens.key)[mine : mine + 1]
        v = (tokens.negative_value if negative else tokens.value)[mine : mine + 1]
        out[row] += weights[row][:, None] * written_out(q[row : row + 1], k, v)[0]
    return out.float()


@pytest.mark.parametrize("chunks", [(0,), (1,), (0, 1), (1, 0), (0, 0, 1)], ids=str)
@pytest.mark.parametrize("each", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_identitys_attention_is_added_to_the_texts(chunks, each, batch):
    q, k, v = asked(each * len(chunks))
    tokens = tokens_of(batch=batch)
    host = HostAttention()
    patch = patch_of(tokens=tokens, host=host)
    out = patch(q, k, v, extra(chunks))
    weights = torch.full(q.shape[:2], 0.8, dtype=torch.float64)
    base = HostAttention()(q, k, v, HEADS)
    assert_close(out, expected(base, q, tokens, chunks, weights), **NEAR)
    assert len(host.calls) == 1


def test_the_host_is_asked_as_it_would_ask_itself():
    host = HostAttention()
    options = extra(attn_precision=torch.float32, optimized_attention_override="another pack's")
    patch_of(host=host)(*asked(), options)
    assert host.calls == [(HEADS, torch.float32, options)]


@pytest.mark.parametrize("size", [(40, 56), (13, 9), (3, 100)], ids=str)
@pytest.mark.parametrize("frames", [1, 2])
def test_a_mask_weighs_each_token_of_its_own_picture(size, frames):
    made = torch.Generator().manual_seed(5)
    mask = torch.rand(frames, *size, generator=made)
    weight = Weight(0.7, mask=check_mask(mask))
    tokens, chunks = tokens_of(), (1, 0)
    q, k, v = asked(6)
    out = patch_of(weight, tokens=tokens)(q, k, v, extra(chunks))
    on_grid = weight.on_grid(GRID).double()
    weights = torch.stack([0.7 * on_grid[row % 3 % frames] for row in range(6)])
    base = HostAttention()(q, k, v, HEADS)
    assert_close(out, expected(base, q, tokens, chunks, weights), **NEAR)


def test_tokens_outside_the_mask_are_the_base_to_the_bit():
    mask = torch.zeros(1, 40, 56)
    mask[:, :16, :] = 1  # the upper two of five rows
    q, k, v = asked()
    out = patch_of(Weight(0.7, mask=mask))(q, k, v, extra())
    base = HostAttention()(q, k, v, HEADS)
    assert torch.equal(out[:, 14:], base[:, 14:])
    assert (out[:, :14] != base[:, :14]).any(2).all()


WINDOW = Schedule(0.5, 0.8).window(lambda share: 1 - share)  # noise levels 0.5 to 0.2


@pytest.mark.parametrize(
    "weight",
    [
        Weight(0.0),
        Weight(1.0, prominence=0.0),
        Weight(1.0, schedule=WINDOW),
        Weight(1.0, curve="0:0"),
        Weight(1.0, mask=torch.zeros(1, 40, 56)),
    ],
    ids=["weight", "prominence", "schedule", "curve", "mask"],
)
def test_where_it_counts_nothing_the_base_itself_comes_back_and_nothing_is_made(weight):
    given = object()
    patch = patch_of(weight, slots={KEY: lambda *_: given}, tokens=tokens_of(width=WIDTH + 1))
    assert patch(*asked(), extra()) is given  # tokens of another width: they are never touched
    assert patch.shared.calls.reached[KEY] == 1
    assert patch.shared.calls.added[KEY] == 0


def test_inside_the_window_it_acts_by_the_noise_level_of_the_call():
    patch = patch_of(Weight(1.0, schedule=WINDOW))
    q, k, v = asked()
    full = patch_of(Weight(1.0))(q, k, v, extra())
    base = HostAttention()(q, k, v, HEADS)
    for sigma, out in ((0.6, base), (0.5, full), (0.3, full), (0.2, full), (0.1, base)):
        assert torch.equal(patch(q, k, v, extra(sigmas=torch.tensor([sigma, sigma]))), out), sigma


def test_a_schedule_without_a_noise_level_is_refused_with_the_way_out():
    patch = patch_of(Weight(1.0, schedule=WINDOW))
    options = extra()
    del options["sigmas"]
    with pytest.raises(RuntimeError, match="set start to 0, end to 1"):
        patch(*asked(), options)
    assert patch_of(Weight(1.0))(*asked(), options).shape == (2, 35, WIDTH)


def test_what_held_the_slot_is_the_base():
    foreign = Foreign()
    q, k, v = asked()
    options, tokens = extra((0, 1)), tokens_of()
    host = HostAttention()
    out = patch_of(slots={KEY: foreign}, tokens=tokens, host=host)(q, k, v, options)
    weights = torch.full(q.shape[:2], 0.8, dtype=torch.float64)
    base = torch.sin(q) - v.mean(1, keepdim=True)
    assert_close(out, expected(base, q, tokens, (0, 1), weights), **NEAR)
    assert foreign.seen == [options]
    assert foreign.seen[0] is options
    assert not host.calls


def test_a_foreign_patch_of_the_whole_block_stays_the_base():
    """The host looks for the layer first: a patch of the block would no longer be found."""
    block, layer = Foreign(), Foreign()
    assert patch_of(slots={KEY[:2]: block}).previous is block
    assert patch_of(slots={KEY[:2]: block, KEY: layer}).previous is layer


def test_two_identities_add_up_each_with_its_own_mask():
    left, right = torch.zeros(2, 1, 40, 56)
    left[:, :, :24], right[:, :, 24:] = 1, 1  # three and four of seven columns
    host, q = HostAttention(), asked()
    anna, bert = tokens_of(1), tokens_of(2)
    first = patch_of(Weight(0.8, mask=left), tokens=anna, host=host)
    both = patch_of(Weight(0.5, mask=right), slots={KEY: first}, tokens=bert, host=host)
    alone = patch_of(Weight(0.5, mask=right), tokens=bert)
    out = both(*q, extra()).unflatten(1, GRID)
    assert torch.equal(out[:, :, :3], first(*q, extra()).unflatten(1, GRID)[:, :, :3])
    assert torch.equal(out[:, :, 3:], alone(*q, extra()).unflatten(1, GRID)[:, :, 3:])
    assert len(host.calls) == 2


def test_two_halves_of_an_identity_are_one_whole():
    tokens = tokens_of()
    first = patch_of(Weight(0.4), tokens=tokens)
    twice = patch_of(Weight(0.4), slots={KEY: first}, tokens=tokens)
    once = patch_of(Weight(0.8), tokens=tokens)
    # the two sums round differently: a few units in the last place of numbers up to 8
    assert_close(twice(*asked(), extra()), once(*asked(), extra()), atol=2e-6, rtol=0)


def test_the_weight_is_linear_in_v_only_and_not_in_k_and_v():
    q, k, v = asked()
    tokens = tokens_of()
    base = HostAttention()(q, k, v, HEADS)
    for scaling, scaled in (("V only", 1.0), ("K+V", 0.8)):
        out = patch_of(tokens=tokens, scaling=scaling)(q, k, v, extra())
        term = written_out(q, tokens.key.expand(2, -1, -1) * scaled, tokens.value.expand(2, -1, -1) * 0.8)  # fmt: skip
        assert_close(out, (base.double() + term).float(), **NEAR)
    with pytest.raises(ValueError, match="one of V only, K"):
        patch_of(scaling="K only")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_models_precision_is_kept(dtype):
    q, k, v = asked(dtype=dtype)
    weight = Weight(0.8, mask=torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(1)))
    out = patch_of(weight)(q, k, v, extra())
    assert out.dtype == dtype
    exact = patch_of(weight)(q.float(), k.float(), v.float(), extra())
    step = {torch.float16: 2**-7, torch.bfloat16: 2**-4, torch.float64: 1e-4}[dtype]  # near 4
    assert_close(out.float(), exact, atol=step, rtol=0)


def test_a_noise_level_on_a_gpu_is_read_once_a_call_not_once_a_layer():
    """Each reading makes the CPU wait; a stand-in counts them, for there may be no GPU here."""

    class OnGpu:
        device = torch.device("cuda")
        read = 0

        def flatten(self):
            self.read += 1
            return [0.4]

    shared = Injection(Weight(1.0, schedule=WINDOW), Calls(SDXL))
    every = cross_patches(dict.fromkeys(SDXL, tokens_of()), {}, shared, HostAttention())
    calls = OnGpu(), OnGpu()
    for sigmas in calls:
        for patch in every.values():
            patch(*asked(), extra(sigmas=sigmas))
    assert [sigmas.read for sigmas in calls] == [1, 1]
    assert shared.calls.added[SDXL[0]] == 2
    shared.drop()
    assert shared._sigma is None


def test_tokens_stay_on_the_cpu_and_the_result_is_where_the_query_is(device):
    patch = patch_of(Weight(0.8, mask=torch.ones(1, 8, 8)))
    q, k, v = (x.to(device) for x in asked())
    out = patch(q, k, v, extra())
    assert out.device == q.device
    assert_close(out.cpu(), patch(*asked(), extra()), **NEAR)
    assert patch.tokens.key.device.type == patch.shared.weight.mask.device.type == "cpu"
    patch.cleanup()
    assert not patch.shared._kept


def test_nothing_that_was_moved_stays_after_sampling():
    patch = patch_of(Weight(0.8, mask=torch.ones(1, 8, 8)), slots={KEY: Foreign()})
    patch(*asked(dtype=torch.float16), extra())
    kept = patch.shared._kept
    assert kept[(KEY, torch.device("cpu"), torch.float16)][0].dtype == torch.float16
    moved = kept[(KEY, torch.device("cpu"), torch.float16)]
    patch(*asked(dtype=torch.float16), extra())
    assert kept[(KEY, torch.device("cpu"), torch.float16)] is moved
    patch.cleanup()
    assert not kept
    assert patch.previous.cleaned == 1
    assert patch.tokens.key.dtype == torch.float32


def test_the_hosts_end_of_sampling_drops_all_and_warns():
    told = []
    shared = Injection(Weight(), Calls([KEY, ("input", 1, 0)], "Anna", told.append))
    patch = cross_patches({KEY: tokens_of()}, {}, shared, HostAttention())[KEY]
    shared.begin("the host's patcher")
    patch(*asked(dtype=torch.float16), extra())
    shared.end("the host's patcher")
    assert not shared._kept
    assert "ran in 1 of 2 layers; not reached: input 1 0" in told[0]


def test_a_clone_of_the_model_copies_no_patch_and_a_move_moves_none():
    foreign = Foreign()
    patch = patch_of(slots={KEY: foreign}, patcher="our model")
    assert copy.deepcopy({"patches_replace": {KEY: patch}})["patches_replace"][KEY] is patch
    assert copy.deepcopy(patch.shared) is patch.shared
    assert patch.to("cuda") is patch
    assert patch.to(torch.float16) is patch
    assert foreign.moved == ["cuda", torch.float16]
    assert patch.tokens.key.dtype == torch.float32
    assert patch.models() == ["our model", "foreign model"]
    assert patch_of().models() == []
    patch_of(slots={KEY: lambda *_: None}).to("cpu").cleanup()  # a plain function has none of these


def test_an_adapter_of_another_model_is_refused_by_layer_and_width():
    patch = patch_of(tokens=tokens_of(width=40))
    with pytest.raises(RuntimeError, match="layer middle 0 3 is 21 wide, the adapter's is 40"):
        patch(*asked(), extra())


def test_places_follow_the_order_in_which_the_model_runs():
    found = places(dict.fromkeys(SDXL))
    assert {place.count for place in found.values()} == {11}
    assert found["input", 4, 1].index == 0
    assert found["input", 8, 9].index == 3  # composition
    assert found["middle", 0, 9].index == 4
    assert found["output", 1, 0].index == 6  # style
    assert found["output", 5, 1].index == 10
    sd15 = [("input", i, 0) for i in (1, 2, 4, 5, 7, 8)] + [("output", i, 0) for i in range(3, 12)]
    found = places(dict.fromkeys([*sd15, ("middle", 0, 0)]))
    assert found["middle", 0, 0].index == 6
    assert found["output", 11, 0].index == 15


def test_layers_outside_the_curve_are_left_alone():
    shared = Injection(Weight(curve="style"), Calls(SDXL))
    every = cross_patches(dict.fromkeys(SDXL, tokens_of()), {}, shared, HostAttention())
    for patch in every.values():
        patch(*asked(), extra())
    assert len(shared.calls.reached) == 70
    assert sorted(shared.calls.added) == [("output", 1, i) for i in range(10)]


def test_tokens_go_through_the_layers_own_projections():
    positive, negative = torch.randn(2, 1, TOKENS, 9)
    key_weight, value_weight = torch.randn(2, WIDTH, 9)
    tokens = LayerTokens.of(positive, negative, key_weight.double(), value_weight)
    for got, source, weight in (
        (tokens.key, positive, key_weight),
        (tokens.value, positive, value_weight),
        (tokens.negative_key, negative, key_weight),
        (tokens.negative_value, negative, value_weight),
    ):
        assert_close(got, torch.einsum("btd,hd->bth", source, weight))
