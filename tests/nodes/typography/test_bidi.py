import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from portrait_loupe.nodes.typography import font, fonts, missing, runs

needs_raqm = pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no raqm here")

HEART = "\u2764\ufe0f"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
ARABIC = "\u0633\u0644\u0627\u0645"  # seen, lam, alef, meem
KA = "\u0915"
MIXED = [
    f"Flux {HEBREW} v2",
    f"{HEBREW} Flux v2",
    f"{HEBREW} 123 abc 456",
    f"{ARABIC} 12.5% (x)",
    f"abc {HEBREW} {ARABIC} def, 50%!",
    f"{HEBREW}-{ARABIC}: 3+4=7",
    f"a ({HEBREW}) b",
    f"{ARABIC} 2026/11/21",
    f"$5 {HEBREW} 5$",
    f"({HEBREW})",
]


@needs_raqm
@pytest.mark.parametrize("text", MIXED)
def test_mixed_directions_lie_where_raqm_lays_them(text, drawn):
    """FriBiDi is the reference; whole pixels between runs move letters by at most one."""
    picture = Image.new("L", (1200, 200))
    ImageDraw.Draw(picture).text((20, 100), text, 255, font(40), "ls")
    ours, theirs = drawn(text) > 127, np.asarray(picture) > 127
    near = np.zeros_like(theirs)
    for shift in (-2, -1, 0, 1, 2):
        near |= np.roll(theirs, shift, 1)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.05)
    assert not (ours & ~near).any()


def test_runs_of_several_fonts_keep_the_order_of_reading(system, names_of, make_font):
    make_font(system / "Ours.ttf", "\u0780\u0781")  # Thaana, from right to left
    parts = [name for _, name in names_of(f"\u0780{HEBREW}\u0781")]
    assert parts == ["Ours", "DejaVuSans", "Ours"]
    parts = [name for _, name in names_of(f"\u0780{HEBREW}")]
    assert parts == ["DejaVuSans", "Ours"]


# --- without raqm -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Flux {HEBREW} v2", f"Flux {HEBREW[::-1]} v2"),
        (f"{HEBREW} Flux v2", f"Flux v2 {HEBREW[::-1]}"),
        (f"{HEBREW} 12.5", f"12.5 {HEBREW[::-1]}"),
        (f"a ({HEBREW}) b", f"a ({HEBREW[::-1]}) b"),
        (f"({HEBREW})", f"({HEBREW[::-1]})"),
        (f"{HEBREW[:2]} (x)", f"(x) {HEBREW[1::-1]}"),
        (f"{HEBREW} 1 2", f"2 1 {HEBREW[::-1]}"),
        ("\u05d0\u0301\u05d1", "\u05d1\u05d0\u0301"),
    ],
)
def test_without_raqm_letters_are_put_in_their_order(text, expected, monkeypatch):
    monkeypatch.setattr(fonts, "can_shape", lambda: False)
    assert "".join(part for part, _ in runs(text, 20)) == expected


def test_without_raqm_arabic_is_joined_by_its_forms(monkeypatch):
    monkeypatch.setattr(fonts, "can_shape", lambda: False)
    # seen begins, lam with alef ends, meem stands alone; then read from the left
    assert "".join(part for part, _ in runs(ARABIC, 20)) == "\ufee1\ufefc\ufeb3"
    # beh between two of its kind, and a joiner that forbids
    assert "".join(part for part, _ in runs("\u0628" * 3, 20)) == "\ufe90\ufe92\ufe91"
    assert "".join(part for part, _ in runs("\u0628\u200c\u0628", 20)) == "\ufe8f\ufe8f"
    assert missing(ARABIC) == []


@needs_raqm
def test_forms_look_like_what_raqm_joins(monkeypatch, drawn):
    joined = drawn(ARABIC) > 127
    monkeypatch.setattr(fonts, "can_shape", lambda: False)
    forms = drawn(ARABIC) > 127
    # hinting moves an edge by a pixel
    assert (joined ^ forms).sum() < 0.1 * joined.sum()


def test_without_raqm_letters_that_need_it_are_named(system, monkeypatch, make_font):
    make_font(system / "Ours.ttf", KA)
    monkeypatch.setattr(fonts, "can_shape", lambda: False)
    (sentence,) = missing(f"a{KA}")
    assert KA in sentence
    assert "FriBiDi" in sentence


def test_without_raqm_no_selector_is_drawn(monkeypatch):
    monkeypatch.setattr(fonts, "can_shape", lambda: False)
    assert "".join(part for part, _ in runs(f"{HEART}a\u200d", 20)) == "\u2764a"
