import pytest

from portrait_loupe.nodes.labels import shorten, size_for, width_of

LONG = "a model with a name that is much longer than any panel is wide, version 2"


def test_the_largest_size_that_fits_all_is_taken():
    size = size_for(["short", "a little longer"], 200, 40, 12)
    assert width_of("a little longer", size) <= 200 < width_of("a little longer", size + 1)


def test_a_text_that_fits_is_left_as_it_is():
    assert shorten("Original", 400, 20) == "Original"


@pytest.mark.parametrize("width", [300, 120, 60])
def test_a_long_text_keeps_its_beginning_and_its_end(width):
    short = shorten(LONG, width, 20)
    assert width_of(short, 20) <= width
    assert short[0] == "a"
    assert short[-1] == "2"
    assert "…" in short


def test_what_cannot_be_written_at_all_is_an_ellipsis():
    assert shorten("W" * 9, 5, 20) == "…"


def test_line_breaks_and_runs_of_blanks_become_one_blank():
    assert shorten("two\n  lines", 400, 20) == "two lines"


def test_no_size_is_below_the_smallest():
    assert size_for([LONG * 3], 50, 40, 17) == 17


@pytest.mark.parametrize(
    "text",
    [
        "é ß × – — µ \u2265 \u2192",
        "\u25b2 · …",
        "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u041a\u0438\u0440\u0438\u043b\u043b\u0438\u0446\u0430",
    ],
)
def test_the_signs_of_the_field_have_letters(text):
    from portrait_loupe.nodes.typography import font

    letters = font(24)
    missing = bytes(letters.getmask("\U0010ffff"))
    for sign in text.replace(" ", ""):
        assert bytes(letters.getmask(sign)) != missing, sign
