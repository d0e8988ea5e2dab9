import pytest
import torch

from portrait_loupe.nodes.identity.adapters.layout import (
    Format,
    Refused,
    linear,
    norm,
    objections,
    perceiver_layers,
    sizes_of,
)

NET = Format(
    name="a net",
    published="net.bin",
    must=("in.*",),
    must_not=("out.*",),
    telling={"in.weight": ("?", "!5")},
    rows=linear("in", "tokens*width", "taken") | norm("norm", "width"),
)
STACK = Format(
    name="a stack",
    published="stack.bin",
    must=("layers.*",),
    rows=linear("layers.*.one", "wide", "wide") | linear("fixed_*", "wide", 3, bias=False),
    counts={"layers.": "depth", "fixed_": 2},
    quotients={"heads": ("wide", 4)},
)


def net(columns=7):
    return {
        "in.weight": torch.zeros(12, columns),
        "in.bias": torch.zeros(12),
        "norm.weight": torch.zeros(4),
        "norm.bias": torch.zeros(4),
    }


def stack(depth=3, wide=8):
    layers = {f"layers.{i}.one.weight": torch.zeros(wide, wide) for i in range(depth)}
    layers |= {f"layers.{i}.one.bias": torch.zeros(wide) for i in range(depth)}
    return layers | {f"fixed_{i}.weight": torch.zeros(wide, 3) for i in range(2)}


def test_sizes_are_read_from_the_tensors_products_too():
    assert sizes_of(NET, net()) == {"tokens": 3, "width": 4, "taken": 7}
    assert sizes_of(STACK, stack()) == {"depth": 3, "wide": 8, "heads": 2}
    assert sizes_of(STACK, stack(11, 4)) == {"depth": 11, "wide": 4, "heads": 1}


def test_each_thing_that_does_not_fit_is_a_reason():
    assert objections(NET, net()) == []
    assert objections(NET, {"a": torch.zeros(1)}) == ["no key in.*", "no key in.weight"]
    assert objections(NET, net() | {"out.bias": torch.zeros(1)}) == ["it has out.bias"]
    assert objections(NET, net(5)) == ["in.weight is (12, 5), not (any, !5)"]
    flat = net() | {"in.weight": torch.zeros(84)}
    assert objections(NET, flat) == ["in.weight is (84,), not (any, !5)"]


@pytest.mark.parametrize("key", ["in.bias", "norm.weight", "norm.bias"])
def test_a_missing_tensor_is_named(key):
    lacking = net()
    del lacking[key]
    with pytest.raises(Refused, match=rf"a net, but it is not whole: it lacks {key} \(1 of the 4"):
        sizes_of(NET, lacking)


@pytest.mark.parametrize("key", ["layers.1.one.bias", "layers.0.one.weight", "fixed_1.weight"])
def test_a_hole_in_a_stack_is_named(key):
    lacking = stack()
    del lacking[key]
    with pytest.raises(Refused, match=f"it lacks {key}"):
        sizes_of(STACK, lacking)


def test_many_missing_tensors_are_counted():
    lacking = stack(9) | {"layers.7.one.bias": torch.zeros(8)}
    for i in range(6):
        del lacking[f"layers.{i}.one.weight"]
    with pytest.raises(Refused, match=r"and 3 more \(6 of the 20"):
        sizes_of(STACK, lacking)


@pytest.mark.parametrize(
    ("key", "shape", "said"),
    [
        ("norm.bias", (5,), r"norm.bias is \(5,\), expected \(width\), where width is 4 by norm"),
        ("in.bias", (8,), r"in.bias is \(8,\), expected \(tokens\*width\)"),
        ("in.weight", (12, 7, 1), r"in.weight is \(12, 7, 1\), expected \(tokens\*width, taken\)"),
        ("in.weight", (13, 7), r"in.(weight|bias) is"),
        ("norm.weight", (0,), r"norm.weight is \(0,\)"),
    ],
)
def test_shapes_that_contradict_each_other_are_named_with_what_they_contradict(key, shape, said):
    with pytest.raises(Refused, match=f"contradict each other: {said}"):
        sizes_of(NET, net() | {key: torch.zeros(shape)})


def test_heads_come_out_whole_or_not_at_all():
    with pytest.raises(Refused, match="its wide is 6, not a multiple of 4, the width of one head"):
        sizes_of(STACK, stack(1, 6))


def test_a_number_far_too_large_does_not_fill_the_memory():
    with pytest.raises(Refused, match=r"it lacks layers\.3\.one\.weight"):
        sizes_of(STACK, stack() | {"layers.99999999999.one.bias": torch.zeros(8)})


def test_a_perceivers_layer_has_eleven_tensors():
    assert len(perceiver_layers("a.", "wide")) == 11
