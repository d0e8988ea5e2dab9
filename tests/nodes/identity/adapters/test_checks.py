from dataclasses import replace

import pytest
import torch

from portrait_loupe.nodes.identity.adapters.checks import checked
from portrait_loupe.nodes.identity.adapters.inputs import Inputs

NORMED = ("an adapter", ("normed",), {"embedding": 512})
RAW = ("an adapter", ("raw",), {"embedding": 512})
PLUS = ("an adapter", ("normed", "clip_h"), {"embedding": 512, "clip": 6})
PULID = ("an adapter", ("raw", "eva"), {"face": 520, "scales": 2, "eva": 4})


def ones(*shape):
    return torch.ones(shape)


GOOD = Inputs(
    ones(2, 512),
    clip=ones(2, 3, 6),
    clip_negative=ones(1, 3, 6),
    eva_pooled=ones(2, 8),
    eva_hidden=(ones(2, 5, 4), ones(2, 5, 4)),
)


@pytest.mark.parametrize("kind", [NORMED, RAW, PLUS, PULID])
def test_what_fits_passes(kind):
    assert checked(GOOD, *kind).embedding.dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (NORMED, {"embedding": ones(2, 256)}, r"embedding must be .*\(B, 512\).* got \(2, 256\)"),
        (PULID, {"embedding": ones(2, 256)}, r"embedding must be .*\(B, 512\).* got \(2, 256\)"),
        (NORMED, {"embedding": ones(512)}, r"got \(512,\)"),
        (NORMED, {"embedding": ones(0, 512)}, r"got \(0, 512\)"),
        (NORMED, {"embedding": ones(1, 512) * torch.nan}, "embedding holds values that are not"),
        (RAW, {"embedding": ones(1, 512) / 512**0.5}, "needs the raw embedding.* is 1 long"),
        (PLUS, {"clip": None}, "needs clip: the hidden states of CLIP-ViT-H before its last"),
        (PLUS, {"clip_negative": None}, "needs clip_negative: .* black picture of 224 px"),
        (PLUS, {"clip": ones(2, 3, 7)}, r"clip must be .*\(2, tokens, 6\).* got \(2, 3, 7\)"),
        (PLUS, {"clip": ones(3, 3, 6)}, "clip is of 3 faces, the embedding of 2 faces"),
        (PLUS, {"clip": ones(2, 3, 6) * torch.inf}, "clip holds values that are not numbers"),
        (PULID, {"eva_pooled": None}, "needs eva_pooled: the pooled output of EVA02-CLIP"),
        (PULID, {"eva_pooled": ones(2, 9)}, r"eva_pooled must be .*\(B, 8\)"),
        (PULID, {"eva_pooled": ones(1, 8)}, "eva_pooled is of 1 face, the embedding of 2 faces"),
        (PULID, {"eva_hidden": None}, "needs eva_hidden, 2 tensors: .* Got none"),
        (PULID, {"eva_hidden": (ones(2, 5, 4),)}, "needs eva_hidden, 2 tensors: .* Got 1"),
        (PULID, {"eva_hidden": ones(2, 2, 5, 4)}, "needs eva_hidden, 2 tensors"),
        (PULID, {"eva_hidden": (ones(2, 5, 4), ones(2, 5, 3))}, r"eva_hidden\[1\] must be"),
        (PULID, {"eva_hidden": (ones(2, 5, 4), None)}, r"needs eva_hidden\[1\]"),
    ],
)
def test_what_does_not_is_refused_by_name_with_what_would(kind, change, said):
    with pytest.raises(ValueError, match=f"^an adapter: .*{said}"):
        checked(replace(GOOD, **change), *kind)


def test_what_is_not_needed_is_not_looked_at():
    checked(replace(GOOD, clip=ones(9), eva_hidden=None), *NORMED)


def test_nobody_may_be_an_embedding_of_zeros():
    assert not checked(Inputs(torch.zeros(1, 512)), *RAW).embedding.any()
    assert not checked(Inputs(torch.zeros(1, 512)), *NORMED).embedding.any()


def test_halves_become_floats():
    halves = checked(replace(GOOD, embedding=ones(1, 512).half(), clip=ones(1, 3, 6).half()), *PLUS)
    assert halves.embedding.dtype == halves.clip.dtype == torch.float32


def test_photos_are_in_the_batch_or_for_eva_in_the_sequence():
    many = Inputs(
        ones(2, 3, 512),
        clip=ones(2, 3, 4, 6),
        clip_negative=ones(1, 4, 6),
        eva_pooled=ones(2, 3, 8),
        eva_hidden=(ones(2, 3, 5, 4),) * 2,
    )
    plus, pulid = checked(many, *PLUS), checked(many, *PULID)
    assert plus.embedding.shape == (6, 512)
    assert plus.clip.shape == plus.clip_negative.shape == (6, 4, 6)
    assert pulid.embedding.shape == (2, 3, 512)
    assert [state.shape for state in pulid.eva_hidden] == [(2, 15, 4)] * 2
