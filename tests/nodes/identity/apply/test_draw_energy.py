import json

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity.apply.draw_energy import (
    RAMP,
    as_json,
    colour_of,
    draw_energy,
    energy_words,
    table,
)
from portrait_loupe.nodes.identity.injection.energy import Reading

READINGS = [
    Reading(layer, sigma, ratio)
    for sigma, ratios in ((10.0, (0.4, 0.1)), (5.0, (0.2, 0.05)), (1.0, (0.1, 0.0)))
    for layer, ratio in zip((("input", 1, 0), ("middle", 0, 0)), ratios, strict=True)
]


def test_readings_become_layers_by_steps():
    told = table("Ada", [*READINGS[:-1], Reading(("middle", 0, 0), 10.0, 0.1)])
    assert told.layers == (("input", 1, 0), ("middle", 0, 0))
    assert told.sigmas == (10.0, 5.0, 1.0)
    assert np.array_equal(told.ratios, [[0.4, 0.2, 0.1], [0.1, 0.05, 0.0]])
    assert told.by_step == pytest.approx([0.25, 0.125, 0.05])
    assert told.by_layer == pytest.approx([0.7 / 3, 0.05])


def test_the_strongest_cell_is_the_brightest_and_no_cell_lies():
    told = table("Ada", READINGS)
    picture = (draw_energy([told])[0] * 255).round().to(torch.uint8).numpy()
    for ratio in (0.4, 0.2, 0.1, 0.05):
        colour = colour_of(np.array(ratio / 0.4))
        assert (picture == colour).all(-1).sum() > 500
    assert np.array_equal(colour_of(np.array([0.0, 1.0, 2.0])), RAMP[[0, -1, -1]].astype(np.uint8))


def test_two_identities_are_drawn_below_one_another_on_one_scale():
    one = draw_energy([table("Ada", READINGS)])
    weak = [Reading(each.layer, each.sigma, each.ratio / 100) for each in READINGS]
    both = draw_energy([table("Ada", READINGS), table("Bob", weak)])
    assert both.shape[1] == 2 * one.shape[1]
    assert torch.equal(both[:, : one.shape[1]], one)
    bright = torch.tensor([255.0, 214.0, 120.0]) / 255
    below = both[:, one.shape[1] :]
    cells = below[:, :, 150:780]  # beside the scale of colours
    assert not ((cells - bright).abs().amax(-1) < 0.02).any()


def test_a_single_step_and_70_layers_can_be_drawn():
    many = [Reading(("input", i, 0), 1.0, 0.1) for i in range(70)]
    assert draw_energy([table("Ada", many)]).isfinite().all()


def test_words_and_json_tell_the_same():
    told = table("The identity 'Ada'", READINGS)
    words = energy_words([told])
    assert "The identity 'Ada': 0.142 of what it is added to, mean of 2 layers and 3 steps" in words
    assert "first step 0.25, last 0.05, most in step 1 (0.25)" in words
    assert "strongest in input 1 0 (0.233), middle 0 0 (0.05)" in words
    (plain,) = json.loads(json.dumps(as_json([told])))
    assert plain["layers"]["middle 0 0"] == [0.1, 0.05, 0.0]
    assert plain["sigmas"] == [10.0, 5.0, 1.0]


def test_nothing_measured_is_said_with_the_way_out():
    with pytest.raises(
        ValueError, match=r"nothing was measured of Ada: it acted in no step\. Link"
    ):
        table("Ada", [])
