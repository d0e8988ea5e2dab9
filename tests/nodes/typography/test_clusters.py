import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_loupe.nodes.typography import clusters, one_line

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"
THUMB = "\U0001f44d\U0001f3fd"
HEART = "\u2764\ufe0f"
KEYCAP = "1\ufe0f\u20e3"
DEVANAGARI = "\u0915\u094d\u0937\u093f"
KA = "\u0915"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        (FLAG * 2 + "\U0001f1eb", [FLAG, FLAG, "\U0001f1eb"]),
        (THUMB + HEART + KEYCAP, [THUMB, HEART, KEYCAP]),
        ("e\u0301\u0323x", ["e\u0301\u0323", "x"]),
        (DEVANAGARI + KA, [DEVANAGARI, KA]),
        ("\u1112\u1161\u11ab\u1100\u1173", ["\u1112\u1161\u11ab", "\u1100\u1173"]),
        ("\ud55c\uae00", ["\ud55c", "\uae00"]),
        ("\u0e01\u0e33\u0e01", ["\u0e01\u0e33", "\u0e01"]),
        ("\u845b\U000e0100\u845b", ["\u845b\U000e0100", "\u845b"]),
        ("\u0645\u200c\u06cc", ["\u0645\u200c", "\u06cc"]),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e007f!",
            ["\U0001f3f4\U000e0067\U000e0062\U000e007f", "!"],
        ),
        ("a\u200db", ["a\u200d", "b"]),
    ],
)
def test_what_is_read_as_one_letter_stays_one(text, expected):
    assert list(clusters(text)) == expected


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_clusters_make_up_the_text(text):
    assert "".join(clusters(text)) == text


def test_a_cluster_has_an_end():
    assert max(map(len, clusters("a" + "\u0301" * 10_000))) <= 64


# --- one line ---------------------------------------------------------------------------------


def test_a_direction_override_cannot_make_a_name_read_as_another():
    assert one_line("photo\u202egnp.exe") == "photognp.exe"


def test_joiners_are_kept_and_controls_are_not():
    assert one_line(f"{FAMILY}\x00\r\n\ud800 x\xa0y") == f"{FAMILY} x y"
