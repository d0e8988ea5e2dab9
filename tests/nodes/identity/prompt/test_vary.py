import pytest

from portrait_loupe.nodes.identity.prompt.read_phrases import shipped
from portrait_loupe.nodes.identity.prompt.vary import read_ages, read_names, rows_of

FIELDS = shipped().fields


@pytest.mark.parametrize(
    ("field", "text", "names"),
    [
        ("light", "window light, ring light", ["window light", "ring light"]),
        ("light", " WINDOW   Light ;\nringlight,", ["window light", "ring light"]),
        ("light", "rembrandt light, remb", ["Rembrandt", "Rembrandt"]),
        ("light", "over", ["overcast"]),
        ("light", "cross polarised", ["cross-polarised"]),
        ("light", "not said", ["not said"]),
        ("skin_type", "I, v, Iv, vi deep", ["I very fair", "V brown", "IV olive", "VI deep brown"]),
        ("make_up", "no make-up, none", ["none", "none"]),
        ("light", "*", list(FIELDS["light"].options)),
        ("light", "ALL", list(FIELDS["light"].options)),
        ("light", "candlelight, *", ["candlelight", *FIELDS["light"].options]),
        ("light", "", []),
        ("light", " , ;\n", []),
    ],
)
def test_a_list_is_read_as_people_type_it(field, text, names):
    assert read_names(text, FIELDS[field], "vary") == names


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("light", "moon", r"vary must name any of window light.*rim light, not said, or \* for all; got 'moon'"),
        ("light", "c", "'c' could be clamshell or cross-polarised or coloured gels or candlelight"),
        ("make_up", "s", "'s' could be skin tint or smoky eyes"),
        ("light", "window light ring light", "got 'window light ring light'"),
        ("light", "-", "got '-'"),
    ],
)  # fmt: skip
def test_what_is_unknown_or_could_be_several_is_refused(field, text, message):
    with pytest.raises(ValueError, match=message):
        read_names(text, FIELDS[field], "vary")


def test_ages_are_years():
    assert read_ages("25, 045;70\n1,100") == ["25", "45", "70", "1", "100"]
    assert read_ages("") == []
    for text in ("0", "101", "-5", "2.5", "old", "*", "20-30", "\u0662\u0665", "25 45", "1e1"):
        with pytest.raises(ValueError, match="vary_ages must list ages from 1 to 100"):
            read_ages(f"30, {text}")


def test_sets_are_counted_before_they_are_made():
    huge = {name: ["x"] * 10_000 for name in ("age", "skin_type", "make_up", "light")}
    with pytest.raises(ValueError, match="= 10000000000000000 prompts"):
        rows_of(huge, "grid")
    assert rows_of({}, "grid") == rows_of({}, "row by row") == [{}]
