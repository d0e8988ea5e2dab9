"""The attention override without a host: against one dense N x N mask, in float64."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from portrait_loupe.nodes.identity.references.bias import bias_row, odds
from portrait_loupe.nodes.identity.references.counter import BIASED, ReferenceCalls
from portrait_loupe.nodes.identity.references.override import Override
from portrait_loupe.nodes.identity.references.spans import last_spans

TEXT, MAIN, REFERENCE = 5, 12, 8
TOTAL = TEXT + MAIN + REFERENCE
HEADS, DIM = 3, 16
EXACT = {"atol": 1e-7, "rtol": 1e-7}  # the row is float32: log(w) to 6e-8 of itself


class Call:
    """What a node wants: one weight on the reference, for all queries or for some of the picture's."""

    def __init__(self, weight, some=None, handed=False, references=True):
        self.weight, self.some, self.handed, self.references = weight, some, handed, references
        self.told = []
        self.kept = {}
        self.weighing = SimpleNamespace(calls=ReferenceCalls(self.told.append), kept=self._keep)

    def _keep(self, key, make):
        return self.kept[key] if key in self.kept else self.kept.setdefault(key, make())

    def take_handed(self):
        handed, self.handed = self.handed, False
        return handed

    def spans(self, queries, keys, options):
        return last_spans(queries, keys, (REFERENCE,), MAIN) if self.references else None

    def row(self, spans, like):
        return bias_row([odds(self.weight, None, REFERENCE, None, False)], spans).to(like)

    def queries(self, spans, queries):
        if self.some is None:
            return None
        told = torch.zeros(queries, dtype=torch.bool)
        told[[spans.main[0] + i for i in self.some]] = True
        return told


def attended(
    q,
    k,
    v,
    heads,
    mask=None,
    attn_precision=None,
    skip_reshape=False,
    skip_output_reshape=False,
    **_,
):
    if not skip_reshape:
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]
    out = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)


def users_own(*args, **kwargs):
    raise AssertionError("a weighed call must not run on it")


@pytest.fixture
def qkv():
    made = torch.Generator().manual_seed(0)
    return tuple(torch.randn(3, 2, HEADS, TOTAL, DIM, generator=made, dtype=torch.float64))


def dense(*told):
    """The N x N mask of several (weight, some queries of the picture)."""
    mask = torch.zeros(TOTAL, TOTAL, dtype=torch.float64)
    for weight, some in told:
        rows = range(TOTAL) if some is None else [TEXT + i for i in some]
        mask[list(rows), TEXT + MAIN :] += torch.tensor(weight, dtype=torch.float64).log()
    return mask


LEFT, RIGHT = [0, 1, 2, 5], [2, 5, 11]


@pytest.mark.parametrize(
    "told",
    [
        [(0.3, None)],
        [(0.0, LEFT)],
        [(0.3, LEFT), (4.0, RIGHT)],
        [(0.3, LEFT), (4.0, None)],
        [(0.3, LEFT), (0.0, RIGHT), (2.0, None)],
        [(0.3, [])],
    ],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_it_is_one_dense_mask(qkv, told, foreign):
    q, k, v = qkv
    previous = (lambda func, *args, **kwargs: func(*args, **kwargs)) if foreign else None
    override = Override([Call(*one) for one in told], previous, attended)
    out = override(attended, q, k, v, HEADS, skip_reshape=True)
    assert_close(out, attended(q, k, v, HEADS, dense(*told), skip_reshape=True), **EXACT)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("skip_output", [False, True])
@pytest.mark.parametrize("by_place", [False, True])
def test_it_answers_in_the_form_that_it_was_asked(qkv, skip, skip_output, by_place):
    q, k, v = (x if skip else x.transpose(1, 2).flatten(2) for x in qkv)
    given = torch.linspace(0, 1, TOTAL * TOTAL, dtype=torch.float64).view(1, TOTAL, TOTAL)
    named = {"skip_reshape": skip, "skip_output_reshape": skip_output}
    args = (q, k, v, HEADS, given, None) if by_place else (q, k, v, HEADS)
    asked = named if by_place else {**named, "mask": given}
    override = Override([Call(0.3, LEFT), Call(2.0)], None, attended)
    out = override(users_own, *args, **asked)
    mask = given + dense((0.3, LEFT), (2.0, None))
    assert_close(out, attended(q, k, v, HEADS, mask, **named), **EXACT)


def test_a_call_without_references_passes_as_it_came(qkv):
    seen = []

    def func(*args, **kwargs):
        seen.append((args, kwargs))
        return "out"

    call = Call(0.3, references=False)
    args, kwargs = (*qkv, HEADS, None), {"transformer_options": {}, "skip_reshape": True}
    assert Override([call], None, users_own)(func, *args, **kwargs) == "out"
    assert seen == [(args, kwargs)]
    asked = []

    def previous(base, *given, **named):
        asked.append(base)
        return base(*given, **named)

    assert Override([call], previous, users_own)(func, *args, **kwargs) == "out"
    assert asked == [func]
    assert seen[1] == seen[0]
    assert not call.weighing.calls.reached[BIASED]


def test_what_the_patch_put_into_the_mask_runs_on_the_backend_that_honours_it(qkv):
    q, k, v = qkv
    call = Call(0.3, references=False, handed=True)
    override = Override([call], None, attended)
    mask = dense((0.3, None))
    out = override(users_own, q, k, v, HEADS, mask=mask, skip_reshape=True)
    assert_close(out, attended(q, k, v, HEADS, mask, skip_reshape=True))
    with pytest.raises(AssertionError, match="must not run on it"):  # once only
        override(users_own, q, k, v, HEADS, skip_reshape=True)


def test_unweighed_queries_stay_on_the_users_own_attention(qkv):
    q, k, v = qkv
    seen = []

    def own(q, *args, **kwargs):
        seen.append(q.shape[2])
        return attended(q, *args, **kwargs)

    Override([Call(0.3, LEFT)], None, attended)(own, q, k, v, HEADS, skip_reshape=True)
    assert seen == [TOTAL - len(LEFT)]


def test_two_of_ours_are_one_and_what_was_below_stays(qkv):
    def foreign(func, *args, **kwargs):
        return func(*args, **kwargs)

    first, second = Call(0.3), Call(2.0)
    both = Override.on(Override.on(foreign, first, attended), second, attended)
    assert both.calls == (first, second)
    assert both.previous is foreign
    assert copy.deepcopy(both) is both


def test_an_override_that_takes_no_masks_is_found_out_once_a_sampling(qkv):
    q, k, v = qkv
    calls = []

    def deaf(func, q, k, v, heads, mask=None, **kwargs):
        calls.append(mask)
        return attended(q, k, v, heads, **kwargs)

    call = Call(0.0)
    override = Override([call], deaf, attended)
    expected = attended(q, k, v, HEADS, dense((0.0, None)), skip_reshape=True)
    for _ in range(3):
        out = override(users_own, q, k, v, HEADS, skip_reshape=True)
        assert_close(out, expected, **EXACT)
    assert len(call.told) == 1
    assert "deaf takes no masks" in call.told[0]
    assert len(calls) == 4  # three times, and once without the mask


def test_an_override_that_computes_by_itself_and_honours_masks_is_kept(qkv):
    q, k, v = qkv

    def hearing(func, q, k, v, heads, mask=None, **kwargs):
        return -attended(q, k, v, heads, mask, **kwargs)

    call = Call(0.4)
    out = Override([call], hearing, users_own)(users_own, q, k, v, HEADS, skip_reshape=True)
    assert_close(out, -attended(q, k, v, HEADS, dense((0.4, None)), skip_reshape=True), **EXACT)
    assert not call.told


def test_a_function_that_another_pack_calls_does_not_come_back_through_the_slot(qkv):
    seen = []

    def masked(*args, _inside_attn_wrapper=False, **kwargs):
        seen.append(_inside_attn_wrapper)
        return attended(*args, **kwargs)

    def forgets(func, q, k, v, heads, mask=None, **kwargs):
        return func(q, k, v, heads, mask=mask, skip_reshape=True)

    Override([Call(0.4)], forgets, masked)(users_own, *qkv, HEADS, skip_reshape=True)
    assert seen == [True]
