import pytest
import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.inputs import Inputs
from portrait_loupe.nodes.identity.adapters.recognise import recognise


@pytest.fixture(scope="module")
def adapters(identity_adapters):
    """Every supported adapter by (kind, base)."""
    return {
        (kind, base): recognise(
            flatten(identity_adapters.build(kind, base)), identity_adapters.file_name(kind, base)
        )
        for kind, base in identity_adapters.PAIRS
    }


def random(*shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(*lead):
    """Everything that any adapter may need."""
    hidden = tuple(random(*lead, 7, 72, seed=20 + i) for i in range(5))
    return Inputs(
        random(*lead, 512),
        clip=random(*lead, 9, 80, seed=5),
        clip_negative=random(1, 9, 80, seed=6),
        eva_pooled=random(*lead, 40, seed=7),
        eva_hidden=hidden,
    )


def part(all_of, row):
    """The inputs of one face of a batch."""
    return Inputs(
        all_of.embedding[row],
        clip=all_of.clip[row],
        clip_negative=all_of.clip_negative,
        eva_pooled=all_of.eva_pooled[row],
        eva_hidden=tuple(state[row] for state in all_of.eva_hidden),
    )


def test_a_batch_is_every_face_by_itself(adapters):
    both = inputs(2)
    for adapter in adapters.values():
        told = adapter.project(both)
        assert told.positive.shape == told.negative.shape == (2, adapter.tokens, adapter.width)
        for row in (slice(0, 1), slice(1, 2)):
            alone = adapter.project(part(both, row))
            assert torch.allclose(told.positive[row], alone.positive, atol=1e-5)
            assert torch.allclose(told.negative[row], alone.negative, atol=1e-5)
        assert not torch.allclose(told.positive[0], told.positive[1], atol=0.01)
        assert torch.equal(told.negative[0], told.negative[1])


def test_several_photos_of_a_face_join_their_tokens(adapters):
    several = inputs(2, 3)
    for adapter in adapters.values():
        told = adapter.project(several)
        if "eva" in adapter.needs:  # asks all of them at once
            assert told.positive.shape == (2, adapter.tokens, adapter.width)
            continue
        assert told.positive.shape == told.negative.shape == (2, 3 * adapter.tokens, adapter.width)
        for face in range(2):
            apart = adapter.project(
                Inputs(
                    several.embedding[face],
                    clip=several.clip[face],
                    clip_negative=several.clip_negative,
                )
            )
            joined = apart.positive.reshape(1, -1, adapter.width)
            assert torch.allclose(told.positive[face : face + 1], joined, atol=1e-5)


def test_length_counts_only_where_the_raw_embedding_is_needed(adapters):
    once = inputs(1)
    twice = Inputs(
        2 * once.embedding, once.clip, once.clip_negative, 2 * once.eva_pooled, once.eva_hidden
    )
    for adapter in adapters.values():
        first, second = (adapter.project(each).positive for each in (once, twice))
        assert torch.allclose(first, second, atol=1e-5) == ("normed" in adapter.needs)


def test_projecting_leaves_no_graph_and_the_weights_as_they_were(identity_adapters):
    made = flatten(identity_adapters.build("faceid", dtype=torch.float16))
    before = {key: value.clone() for key, value in made.items()}
    embedding = random(1, 512).requires_grad_()
    told = recognise(made, "faceid.bin").project(Inputs(embedding))
    assert not told.positive.requires_grad
    assert all(torch.equal(made[key], before[key]) for key in before)


def test_tokens_that_are_not_numbers_are_an_error(identity_adapters):
    made = flatten(identity_adapters.build("faceid"))
    made["image_proj.proj.0.weight"] = made["image_proj.proj.0.weight"] * 1e38
    made["image_proj.proj.2.weight"] = made["image_proj.proj.2.weight"] * 1e38
    with pytest.raises(ValueError, match=r"FaceID \(faceid.bin\) makes tokens .* not numbers"):
        recognise(made, "faceid.bin").project(Inputs(random(1, 512)))
