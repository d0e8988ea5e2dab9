"""Identities of attention with weights, without a host, in float64 where nothing else is said."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as attention
from torch.testing import assert_close

from portrait_loupe.nodes.identity.references.bias import bias_row, odds, with_mask
from portrait_loupe.nodes.identity.references.scene import Picture
from portrait_loupe.nodes.identity.references.settings import REFERENCE_TOKENS
from portrait_loupe.nodes.identity.references.spans import Spans, last_spans

TEXT, MAIN = 5, 12
EXACT = {"atol": 1e-7, "rtol": 1e-7}  # the row is float32: log(w) to 6e-8 of itself


def qkv(keys, seed=0, queries=None, dtype=torch.float64):
    made = torch.Generator().manual_seed(seed)
    shape = (2, 3, 64)
    q = torch.randn(*shape[:2], queries or keys, shape[2], generator=made, dtype=torch.float64)
    k, v = torch.randn(2, *shape[:2], keys, shape[2], generator=made, dtype=torch.float64)
    return q.to(dtype), k.to(dtype), v.to(dtype)


def row_of(weights, counts, *, invariant=False, factor=1.0, dtype=torch.float64):
    total = TEXT + MAIN + sum(counts)
    spans = last_spans(total, total, counts, MAIN)
    each = [odds(w, None, n, None, invariant) for w, n in zip(weights, counts, strict=True)]
    return bias_row(each, spans, factor).to(dtype)


def picked(k, v, index):
    return k[:, :, index], v[:, :, index]


def test_w_1_adds_exactly_nothing():
    q, k, _ = qkv(TEXT + MAIN + 8, dtype=torch.float32)
    row = row_of([1.0], [8], dtype=torch.float32)
    assert not row.any()
    assert row.shape == (1, 1, 1, TEXT + MAIN + 8)
    assert torch.equal(q @ k.mT + row, q @ k.mT)


def test_w_0_is_its_keys_left_out():
    counts = [8, 6]
    q, k, v = qkv(TEXT + MAIN + sum(counts))
    first = TEXT + MAIN
    rest = [*range(first), *range(first + 8, first + 14)]
    ours = attention(q, k, v, attn_mask=row_of([0.0, 1.0], counts))
    assert_close(ours, attention(q, *picked(k, v, rest)), **EXACT)
    none = attention(q, k, v, attn_mask=row_of([0.0, 0.0], counts))
    assert_close(none, attention(q, *picked(k, v, range(first))), **EXACT)
    assert none.isfinite().all()


@pytest.mark.parametrize("times", [2, 3, 8])
def test_w_n_is_its_keys_n_times(times):
    counts = [8, 6]
    q, k, v = qkv(TEXT + MAIN + sum(counts))
    first = TEXT + MAIN
    more = [*range(first + 14), *(list(range(first, first + 8)) * (times - 1))]
    ours = attention(q, k, v, attn_mask=row_of([times, 1.0], counts))
    assert_close(ours, attention(q, *picked(k, v, more)), **EXACT)


@pytest.mark.parametrize("weight", [0.01, 0.37, 1.0, 2.5, 8.0])
def test_w_multiplies_the_odds_of_reading_the_reference(weight):
    q, k, _ = qkv(TEXT + MAIN + 8)
    first = TEXT + MAIN

    def odds_of(row):
        share = torch.softmax(q @ k.mT / 8 + row, -1)[..., first:].sum(-1)
        return share / (1 - share)

    plain = odds_of(torch.zeros(1, 1, 1, first + 8, dtype=torch.float64))
    assert_close(odds_of(row_of([weight], [8])) / plain, torch.full_like(plain, weight), **EXACT)


def test_a_reference_of_more_tokens_pulls_as_one_of_fewer():
    # twice the side, four tokens where there was one: what a scale that adds no detail makes
    q, k, v = qkv(TEXT + MAIN + 16)
    first = TEXT + MAIN
    more = [*range(first), *(list(range(first, first + 16)) * 4)]
    invariant = {"invariant": True}
    w = 16 * 1.5 / REFERENCE_TOKENS  # so that the small one is at 1.5
    small = attention(q, k, v, attn_mask=row_of([w], [16], **invariant))
    large = attention(q, *picked(k, v, more), attn_mask=row_of([w], [64], **invariant))
    assert_close(large, small, **EXACT)
    assert_close(small, attention(q, k, v, attn_mask=row_of([1.5], [16])), **EXACT)
    without = attention(q, *picked(k, v, more), attn_mask=row_of([1.5], [64]))
    assert (without - small).abs().max() > 0.01


def test_a_reference_of_1024_px_is_the_one_that_size_invariance_leaves_alone():
    picture = Picture(1, (64, 64))
    assert torch.equal(odds(0.7, picture, 4096, None, True), odds(0.7, picture, 4096, None, False))
    # tokens that only fill it up do not count as size
    assert odds(1.0, Picture(1, (1, 30)), 32, None, True)[0] == pytest.approx(4096 / 30)


def test_a_fade_is_a_power_of_the_weight():
    half = row_of([0.25], [8], factor=0.5)
    assert_close(half, row_of([0.5], [8]), **EXACT)
    assert torch.equal(row_of([0.0], [8], factor=0.01), row_of([0.0], [8]))


def test_a_region_weighs_the_share_of_each_key_that_it_covers():
    region = torch.zeros(1, 4, 6)
    region[0, :2, :2] = 1  # a column of keys is 1.5 columns of it
    each = odds(3.0, Picture(1, (2, 4)), 10, region, False)  # two keys fill it up
    expected = [3, 1 + 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1]
    assert_close(each, torch.tensor(expected, dtype=torch.float64))
    whole = odds(0.0, Picture(1, (2, 4)), 8, torch.ones(1, 3, 5), False)
    assert_close(whole, torch.zeros(8, dtype=torch.float64), atol=1e-12, rtol=0)
    frames = odds(3.0, Picture(2, (1, 2)), 4, torch.tensor([[[1.0, 0.0]]]), False)
    assert frames.tolist() == [3, 1, 3, 1]
    scaled = odds(3.0, Picture(1, (2, 4)), 8, region, True)
    assert_close(scaled, each[:8] * 4096 / 8)


def test_a_region_on_tokens_of_another_size_is_refused():
    with pytest.raises(
        RuntimeError, match="the model made 6 tokens of a reference whose size says"
    ):
        odds(2.0, Picture(1, (2, 4)), 6, torch.ones(1, 2, 2), False)


def test_a_row_on_top_of_a_mask_is_both():
    q, k, v = qkv(TEXT + MAIN + 8)
    total = k.shape[2]
    row = row_of([0.3], [8])
    allowed = torch.rand(total, total, generator=torch.Generator().manual_seed(1)) > 0.3
    allowed[:, 0] = True
    logits = torch.zeros(total, total, dtype=torch.float64).masked_fill(~allowed, float("-inf"))
    dense = attention(q, k, v, attn_mask=logits + row)
    for mask in (allowed, logits, logits[None].expand(2, -1, -1), allowed[None, None]):
        assert_close(attention(q, k, v, attn_mask=with_mask(mask, row)), dense, **EXACT)
    text = torch.zeros(2, 1, total, dtype=torch.float64)  # as Qwen-Image gives one
    text[1, 0, :2] = torch.finfo(torch.float32).min
    ours = attention(q, k, v, attn_mask=with_mask(text, row))
    assert_close(ours, attention(q, k, v, attn_mask=text[:, None] + row), **EXACT)
    assert with_mask(None, row) is row


def test_a_mask_of_other_keys_is_refused():
    with pytest.raises(RuntimeError, match="an attention mask of 17 tokens came with 25"):
        with_mask(torch.zeros(1, 1, 17), torch.zeros(1, 1, 1, 25))


def test_the_row_is_one_row_however_many_queries():
    spans = last_spans(8704, 8704, [4096], 4096)
    row = bias_row([odds(0.5, None, 4096, None, False)], spans).bfloat16()
    assert row.untyped_storage().nbytes() == 2 * 8704  # 17 KiB
    wide = row.expand(1, 24, 8704, 8704)
    assert wide.untyped_storage().data_ptr() == row.untyped_storage().data_ptr()
    assert row[0, 0, 0, -1].item() == pytest.approx(math.log(0.5), rel=2**-8)


def test_references_may_stand_anywhere():
    q, k, v = qkv(20)
    spans = Spans(20, 3, (4,), (10, 20))
    row = bias_row([odds(0.0, None, 4, None, False)], spans).double()
    rest = [*range(3), *range(7, 20)]
    assert_close(attention(q, k, v, attn_mask=row), attention(q, *picked(k, v, rest)), **EXACT)
