import math

import pytest
import torch

from portrait_loupe.nodes.identity.injection.energy import Energy


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_ratio_is_that_of_the_norms():
    energy, base = Energy(), random(2, 9, 6)
    energy.read("layer", torch.tensor([3.0]), -0.25 * base, base, None, None)
    (one,) = energy.readings()
    assert (one.layer, one.sigma) == ("layer", 3.0)
    assert one.ratio == pytest.approx(0.25, rel=1e-6)


def test_only_the_prompts_rows_and_what_is_within_the_mask_count():
    energy = Energy()
    base = random(4, 5, 3)
    term = base.clone()
    term[:2] *= 100  # the negative prompt's
    term[2:, 3:] *= 50  # outside the mask
    mask = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0])[None, :, None].expand(4, -1, -1)
    energy.read("layer", None, term, base, mask, [1, 0])
    (one,) = energy.readings()
    assert one.ratio == pytest.approx(1, rel=1e-6)
    energy.begin()
    energy.read("layer", None, term, base, None, [1])
    assert energy.readings() == []


def test_calls_of_one_layer_at_one_step_are_one_reading_and_steps_are_apart():
    energy = Energy()
    first, second = random(1, 4, 3, seed=1), random(1, 8, 3, seed=2)
    energy.read("a", torch.tensor([2.0]), 0.1 * first, first, None, [0])
    energy.read("a", torch.tensor([2.0]), 0.3 * second, second, None, [0])
    energy.read("a", torch.tensor([1.0]), 0.5 * first, first, None, [0])
    both, later = energy.readings()
    squares = [float(one.square().sum()) for one in (first, second)]
    expected = math.sqrt((0.01 * squares[0] + 0.09 * squares[1]) / sum(squares))
    assert both.ratio == pytest.approx(expected, rel=1e-5)
    assert (later.sigma, later.ratio) == (1.0, pytest.approx(0.5, rel=1e-5))
    energy.begin()
    assert energy.readings() == []


def test_where_there_is_nothing_to_be_held_against_nothing_is_read():
    energy = Energy()
    energy.read("a", None, random(1, 4, 3), torch.zeros(1, 4, 3), None, None)
    assert energy.readings() == []
