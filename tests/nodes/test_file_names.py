import pytest

from portrait_loupe.nodes.file_names import MAX_LETTERS, check_file_name, why_not_a_name


def checked(name):
    return check_file_name(
        name,
        "file_name",
        ending=".thing",
        example="my thing",
        place="Things lie in the folder things.",
    )


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("Ada", "Ada.thing"),
        ("  Ada.thing ", "Ada.thing"),
        ("Ada.THING", "Ada.thing"),
        ("Ada.other", "Ada.other.thing"),
        ("Zoë 2.1", "Zoë 2.1.thing"),
        ("愛", "愛.thing"),
        ("console", "console.thing"),
        ("x" * MAX_LETTERS, "x" * MAX_LETTERS + ".thing"),
    ],
)
def test_a_plain_name_gets_the_ending_once(given, want):
    assert checked(given) == want


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".thing", "..", "../up", "a/b", "a\\b", "/etc/passwd", "C:x", "a\0b", "a\nb", "\u202eb", "NUL",
        "con.thing", "Com1.x", "lpt9", "CONIN$", "com\u00b9", "\u611b" * 70, "a*", "what?", '"', "<a>", "a|b", ".hidden", "dot.", "x" * (MAX_LETTERS + 1),
    ],
)  # fmt: skip
def test_a_name_that_some_system_would_not_take_is_refused_with_the_way_out(name):
    with pytest.raises(
        ValueError, match="file_name must be a bare file name such as 'my thing': "
    ) as told:
        checked(name)
    assert str(told.value).endswith("Things lie in the folder things.")
    assert len(str(told.value)) < 400


def test_the_reason_is_half_a_sentence():
    assert why_not_a_name("a/b") == "it may not hold /"
    assert why_not_a_name("fine") is None
