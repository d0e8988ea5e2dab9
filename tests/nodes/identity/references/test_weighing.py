"""Wrapper and patch on a stand-in for a model's call; the real ones are in test_on_comfyui."""

import copy

import pytest
import torch

from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.references.counter import ReferenceCalls
from portrait_loupe.nodes.identity.references.family import FAMILIES, Found
from portrait_loupe.nodes.identity.references.override import SLOT, Override
from portrait_loupe.nodes.identity.references.weighing import MINE, Weighing
from portrait_loupe.nodes.identity.references.weights import Weights

TEXT, COUNTS = 5, [12, 6]
MAIN = 20
ALL = TEXT + MAIN + sum(COUNTS)
X = torch.zeros(1, 16, 8, 10)
LATENTS = [torch.zeros(1, 16, 6, 8), torch.zeros(1, 16, 4, 6)]


def attention(*args, **kwargs):
    raise AssertionError("nothing is computed here")


def weighing(schedule=None, family="Flux", own=attention, **chosen):
    made = Weighing(
        Weights(0.5, {1: 3.0}),
        (schedule or Schedule()).window(lambda share: 1 - share),
        Found(FAMILIES[family], patch=2, multiple=1, refiners=0, own_forward=""),
        attention=own,
        masked=attention,
        calls=ReferenceCalls(lambda told: None),
        **chosen,
    )
    made.begin()
    return made


def called(one, options=None, latents=LATENTS):
    """The options that the model is called with."""
    seen = {}

    def executor(x, *args, **kwargs):
        seen["options"] = args[-1]
        return "out"

    options = {"wrappers": {}, "sigmas": torch.tensor([0.6])} if options is None else options
    before = dict(options)
    assert one.around(executor, X, None, latents, {"input": []}, options) == "out"
    assert options == before  # the host's own are not changed
    return seen["options"], options


def test_the_patch_gives_one_row_of_logs():
    one = weighing()
    own, host = called(one)
    assert own is not host
    assert SLOT not in own  # nothing needs it
    extra = {**own, "reference_image_num_tokens": COUNTS, "img_slice": [TEXT, ALL]}
    k = torch.zeros(1, 2, ALL, 8, dtype=torch.bfloat16)
    mask = one.patch(k, k, k, attn_mask=None, extra_options=extra)["attn_mask"]
    assert mask.shape == (1, 1, 1, ALL)
    assert mask.dtype == torch.bfloat16
    assert not mask[..., : TEXT + MAIN].any()
    first, second = mask[0, 0, 0, TEXT + MAIN :].split(COUNTS)
    logs = torch.tensor([0.5, 3.0]).log().bfloat16()
    assert torch.equal(first, logs[0].expand(12))
    assert torch.equal(second, logs[1].expand(6))
    again = one.patch(k, k, k, attn_mask=None, extra_options=extra)["attn_mask"]
    assert again is mask  # made once a sampling
    one.end()
    assert not one._kept


def test_the_row_is_the_same_before_and_after_a_cache_has_appended_keys():
    one = weighing()
    own, _ = called(one)
    queries = TEXT + MAIN
    extra = {**own, "reference_image_num_tokens": COUNTS, "img_slice": [TEXT, queries]}
    short, long = torch.zeros(1, 2, queries, 8), torch.zeros(1, 2, ALL, 8)
    rows = [one.patch(short, k, k, extra_options=extra)["attn_mask"] for k in (short, long)]
    assert torch.equal(*rows)
    assert rows[0].shape[-1] == ALL


def test_without_references_or_outside_the_schedule_the_hosts_options_go_on_as_they_are():
    own, host = called(weighing(), latents=None)
    assert own is host
    late = weighing(Schedule(0.5, 1.0))
    own, host = called(late)
    assert own is host
    own, host = called(late, {"wrappers": {}, "sigmas": torch.tensor([0.3])})
    assert own is not host
    k = torch.zeros(1, 2, ALL, 8)
    extra = {**host, "reference_image_num_tokens": COUNTS, "img_slice": [TEXT, ALL]}
    assert late.patch(k, k, k, extra_options=extra) == {}
    assert weighing().patch(k, k, k, extra_options={**called(weighing())[0]}) == {}


def test_a_block_of_an_earlier_call_is_forgotten():
    # what runs before the first block, as a text refiner, would be taken for it
    own, _ = called(weighing(), {"wrappers": {}, "block_index": 3})
    assert "block_index" not in own


def test_a_schedule_needs_to_know_the_noise_level():
    with pytest.raises(RuntimeError, match="set start to 0, end to 1 and both fades to 0"):
        called(weighing(Schedule(0.5, 1.0)), {"wrappers": {}})


def test_the_override_is_there_where_it_must_be_and_on_top_of_what_was():
    def foreign(func, *args, **kwargs):
        return func(*args, **kwargs)

    options = {"wrappers": {}, SLOT: foreign}
    for one in (weighing(), weighing(family="QwenImageTransformer2DModel")):
        own, _ = called(one, options)
        assert isinstance(own[SLOT], Override)
        assert own[SLOT].previous is foreign
    region = {"region": torch.ones(1, 4, 5)}
    for one in (
        weighing(family="QwenImageTransformer2DModel"),
        weighing(**region),
        weighing(own=lambda *args: None),  # the user's backend is another
    ):
        assert called(one)[0][SLOT].previous is None
    own, _ = called(weighing(**region), called(weighing(**region))[0])
    assert len(own[SLOT].calls) == len(own[MINE]) == 2


def test_two_nodes_see_their_own_call_alone():
    first, second = weighing(), weighing()
    own, _ = called(second, called(first)[0])
    extra = {**own, "reference_image_num_tokens": COUNTS, "img_slice": [TEXT, ALL]}
    k = torch.zeros(1, 2, ALL, 8)
    row = first.patch(k, k, k, extra_options=extra)["attn_mask"]
    both = second.patch(k, k, k, attn_mask=row, extra_options=extra)["attn_mask"]
    torch.testing.assert_close(both, 2 * row)


def test_more_references_than_were_known_get_the_weight_of_the_rest():
    one = weighing()
    own, _ = called(one)
    counts = [*COUNTS, 4]
    extra = {**own, "reference_image_num_tokens": counts, "img_slice": [TEXT, ALL + 4]}
    k = torch.zeros(1, 2, ALL + 4, 8)
    row = one.patch(k, k, k, extra_options=extra)["attn_mask"]
    torch.testing.assert_close(row[..., -4:], torch.full((1, 1, 1, 4), 0.5).log())


def test_a_clone_shares_it():
    one = weighing()
    assert copy.deepcopy(one) is one
    assert copy.deepcopy(one.patch).__self__ is one
