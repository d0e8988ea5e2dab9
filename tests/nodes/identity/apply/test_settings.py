import math

import pytest

from portrait_loupe.nodes.identity.apply.settings import Settings


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"weight": -0.1}, "weight must be 0 to 3; got -0.1"),
        ({"weight": math.nan}, "weight must be 0 to 3; got nan"),
        ({"weight": 3.5}, "weight must be"),
        ({"lora_weight": 2.5}, "lora_weight must be 0 to 2"),
        ({"noise": 1.5}, "noise must be 0 to 1"),
        ({"shortcut": -0.5}, "shortcut must be 0 to 6, or -1: twice the weight"),
        (
            {"layers": "composition"},
            "layers must be a list of layers and their factors, such as 0:1",
        ),
    ],
)
def test_what_is_out_of_range_is_named(chosen, told):
    with pytest.raises(ValueError, match=told):
        Settings(**chosen)


def test_a_typed_list_comes_before_the_curve():
    assert Settings(curve="ease in").spread == "ease in"
    assert Settings(curve="ease in", layers=" 0:1 ").spread == "0:1"
