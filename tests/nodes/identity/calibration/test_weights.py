import pytest

from portrait_loupe.nodes.identity.calibration.weights import EXAMPLE, weights_to_render


def test_weights_are_sorted_and_each_is_there_once():
    assert weights_to_render("0.6 0, 0.3;0.3\n1.2", 3) == (0, 0.3, 0.6, 1.2)
    assert weights_to_render(EXAMPLE, 16) == (0, 0.3, 0.6, 0.9, 1.2)


@pytest.mark.parametrize(
    ("text", "seeds", "told"),
    [
        ("", 3, "3 or more different"),
        ("0, 0.5, 0.5", 3, "3 or more different"),
        ("0, half, 1", 3, "'half' is none"),
        ("0, 0.5, 3.1", 3, "0 to 3, got 3.1"),
        ("-0.1, 0.5, 1", 3, "0 to 3, got -0.1"),
        ("nan, 0.5, 1", 3, "0 to 3, got nan"),
        (EXAMPLE, 1, "seeds must be 2 to 16, got 1"),
        (EXAMPLE, 17, "seeds must be 2 to 16, got 17"),
        ("0 .1 .2 .3 .4 .5 .6", 16, "7 weights x 16 seeds are 112 pictures, and 100 is the most"),
    ],
)
def test_what_cannot_be_rendered_is_refused_before_anything_is(text, seeds, told):
    with pytest.raises(ValueError, match=told):
        weights_to_render(text, seeds)
