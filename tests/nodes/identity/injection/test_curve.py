import pytest

from portrait_loupe.nodes.identity.injection.curve import CURVES, layer_curve, part_of


def curve(name, count=11):
    return [layer_curve(name, index, count) for index in range(count)]


@pytest.mark.parametrize("count", [11, 16, 57])
def test_every_curve_stays_between_0_and_1(count):
    for name in CURVES:
        if count == 11 or name not in ("style", "composition"):
            assert all(0 <= factor <= 1 for factor in curve(name, count)), name
            assert max(curve(name, count)) > 0.9, name


def test_easing_follows_the_published_line():
    """ease in: w * (.05 + .95 * (1 - t / L))."""
    assert curve("ease in") == pytest.approx([0.05 + 0.95 * (1 - t / 11) for t in range(11)])
    assert curve("ease out") == pytest.approx([0.05 + 0.95 * t / 11 for t in range(11)])
    both = curve("ease in-out", 16)
    assert both[0] == pytest.approx(0.05)
    assert both[8] == pytest.approx(1)
    assert both[1:8] == pytest.approx(both[:8:-1])


def test_the_parts_of_a_model_are_its_blocks():
    sdxl = [part_of(t, 11) for t in range(11)]  # input 4, 5, 7, 8; middle; output 0 to 5
    assert sdxl == ["input"] * 4 + ["middle"] + ["output"] * 6
    sd15 = [part_of(t, 16) for t in range(16)]
    assert sd15 == ["input"] * 6 + ["middle"] + ["output"] * 9
    flux = [part_of(t, 57) for t in range(57)]
    assert flux == ["input"] * 19 + ["middle"] * 19 + ["output"] * 19


@pytest.mark.parametrize("count", [11, 16, 57])
def test_weak_and_strong_parts(count):
    parts = [part_of(t, count) for t in range(count)]
    for part in ("input", "middle", "output"):
        assert curve(f"weak {part}", count) == [0.2 if p == part else 1 for p in parts]
    assert curve("strong middle", count) == [1 if p == "middle" else 0.2 for p in parts]


def test_style_and_composition_are_one_transformer_of_sdxl():
    assert [t for t, factor in enumerate(curve("style")) if factor] == [6]
    assert [t for t, factor in enumerate(curve("composition")) if factor] == [3]
    with pytest.raises(ValueError, match="SDXL's 11 transformers, this model has 16"):
        layer_curve("style", 6, 16)


def test_a_typed_list_gives_the_named_layers_their_factors():
    assert curve("0:1, 3:0.2, 4-6:0.5") == [1, 0, 0, 0.2, 0.5, 0.5, 0.5, 0, 0, 0, 0]
    assert curve(" 2 : 0,*:1 , 9 - 10:-0.5,", 11) == [1, 1, 0, 1, 1, 1, 1, 1, 1, -0.5, -0.5]
    assert curve("56:2", 57)[56] == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("11:1", "layers are 0 to 10"),
        ("6-4:1", "layers are 0 to 10"),
        ("1:1, 0-2:1", "layer 1 twice"),
        ("a:1", "no layer and its factor"),
        ("1:", "no layer and its factor"),
        ("1:nan", "no layer and its factor"),
        ("1:0.5 2:1", "no layer and its factor"),
        ("-1:0.5", "no layer and its factor"),
        ("strong style", "must be one of uniform"),
        ("", "must be one of uniform"),
    ],
)
def test_a_curve_that_is_none_is_refused_by_name(text, words):
    with pytest.raises(ValueError, match=words):
        layer_curve(text, 0, 11)


def test_a_layer_outside_the_model_is_refused():
    with pytest.raises(ValueError, match="layer 11 is not one of 11"):
        layer_curve("uniform", 11, 11)
