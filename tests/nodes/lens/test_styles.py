import json

import pytest

from portrait_loupe.kernels.psf import core_share
from portrait_loupe.nodes.lens.catalogue import CatalogueError, find_lens
from portrait_loupe.nodes.lens.styles import NO_STYLE, find_style, read_styles, styles

ROW = {"name": "a", "about": "b", "character": "ideal f/4", "level": -1}
GLOW = {"profile": "exponential", "share_r": 0.1, "share_g": 0.1, "share_b": 0.1, "scale_um": 300}


def text(*rows: object) -> str:
    return json.dumps({"styles": rows})


def test_saved_workflows_find_their_style():
    # Kept for ever: a name may be added here, never changed or dropped.
    assert {
        "studio crisp", "editorial", "beauty", "classic", "glamour soft", "dreamy", "mist",
        "heavy mist", "film halation", "portrait 1930s", "swirl", "pictorial", "toy camera",
    } <= set(styles())  # fmt: skip
    assert NO_STYLE not in styles()


@pytest.mark.parametrize("name", list(styles()))
def test_a_style_is_a_lens_at_a_level(name):
    style = find_style(name)
    assert style.name == name
    assert style.lens.f_number == find_lens(style.character).f_number
    assert -1 <= style.level <= 2
    assert style.level != 0
    assert 10 < len(style.about) < 120
    assert min(core_share(style.lens)) > 0.4


def test_a_dream_is_mistier_than_its_lens():
    style = find_style("dreamy")
    assert style.lens.tails[:-1] == find_lens(style.character).tails
    assert core_share(style.lens) == pytest.approx((0.92,) * 3)
    assert core_share(find_style("heavy mist").lens)[1] == pytest.approx(1 - 0.1 - 0.12 - 0.006)


def test_what_is_left_out_is_plain():
    style = read_styles(text(ROW), "test.json")["a"]
    assert style.format_factor == 1
    assert style.lens == find_lens("ideal f/4")


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match=r"style must be one of studio crisp, .* got 'ugly'"):
        find_style("ugly")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "test.json is not JSON"),
        ("[]", 'an object with a list "styles"'),
        (text("a"), "style 1 must be an object, got 'a'"),
        (text({"name": "a"}), r"style 1 \(a\) has no about"),
        (text({**ROW, "amount": 1}), r"style 1 \(a\) has a field amount; known are"),
        (text(ROW, ROW), "style 2: there is already a style 'a'"),
        (text({**ROW, "level": 3}), r"\(a\): level must be a number from -1 to 2, got 3"),
        (text({**ROW, "level": "1"}), "level must be a number"),
        (text({**ROW, "level": True}), "level must be a number"),
        (text({**ROW, "format": 0}), "format must be a number from 0.1 to 10, got 0"),
        (text({**ROW, "character": "kit zoom"}), r"\(a\): character must be one of"),
        (text({**ROW, "character": []}), "character must be a text"),
        (text({**ROW, "about": ""}), "about must be a text of 1 to 300 letters"),
        (text({**ROW, "name": "a, b"}), "name must hold no comma"),
        (text({**ROW, "name": "none"}), "not be 'none'"),
        (text({**ROW, "tails": [GLOW] * 9}), "tails must be at most 8, got 9"),
        (text({**ROW, "tails": [{**GLOW, "share_g": 0.99}]}), "of the green light"),
    ],
    ids=lambda value: value[:40],
)
def test_a_broken_style_names_the_row(given, message):
    with pytest.raises(CatalogueError, match=message):
        read_styles(given, "test.json")
