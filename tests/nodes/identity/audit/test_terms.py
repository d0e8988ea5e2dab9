"""The lists of terms: the pack's own, and the users'."""

import json
import re
from pathlib import Path

import pytest

from portrait_loupe.nodes.identity.audit.terms import (
    CLASSES,
    TermsError,
    own_terms,
    read_lexicon,
    read_terms,
)
from portrait_loupe.nodes.identity.own_files import MAX_BYTES


def write(folder, name, *rows):
    (folder / name).write_text(json.dumps({"terms": rows}), encoding="utf-8")


def test_the_packs_own_list_is_large_and_complete():
    terms = own_terms().values()
    assert len(terms) >= 150
    for kind in CLASSES:
        assert sum(term.kind == kind for term in terms) >= 25
    assert all(term.weight <= 0.95 and len(term.advice) > 20 for term in terms)


def test_no_word_of_the_packs_list_is_there_twice():
    from portrait_loupe.nodes.identity.audit.terms import key_of

    forms = [
        (key_of(form), term.followed_by)
        for term in own_terms().values()
        for form in (term.text, *term.forms)
    ]
    assert len(forms) == len(set(forms))


def test_a_users_file_adds_weighs_and_switches_off(tmp_path):
    write(
        tmp_path, "mine.json",
        {"terms": [["gyotaku", "fish print"]], "class": "style", "weight": 0.8, "advice": "print the fish alone"},
        {"terms": ["anime"], "weight": 0},
        {"terms": ["Oil-Painting"], "weight": 0.9},
    )  # fmt: skip
    lexicon = read_lexicon([tmp_path])
    assert lexicon.remarks == ()
    by_text = {term.text: term for term in lexicon.terms}
    assert by_text["gyotaku"].forms == ("fish print",)
    assert by_text["gyotaku"].advice == "print the fish alone"
    assert by_text["anime"].weight == 0
    assert by_text["anime"].kind == "style"
    assert by_text["oil painting"].weight == 0.9
    assert by_text["oil painting"].advice == own_terms()["oil painting"].advice
    assert own_terms()["anime"].weight > 0  # the pack's own stay as they are


def test_later_files_win(tmp_path):
    write(tmp_path, "a.json", {"terms": ["anime"], "weight": 0.1})
    write(tmp_path, "b.json", {"terms": ["anime"], "weight": 0.2})
    (found,) = [t for t in read_lexicon([tmp_path]).terms if t.text == "anime"]
    assert found.weight == 0.2


DAMAGED = [
    ("not json", "is not JSON"),
    ("[]", 'list "terms"'),
    ('{"terms": 5}', 'list "terms"'),
    ('{"terms": [7]}', "entry 1 must be an object"),
    ('{"terms": [{"class": "style"}]}', "entry 1 needs a list"),
    ('{"terms": [{"terms": []}]}', "entry 1 needs a list"),
    ('{"terms": [{"terms": [[]]}]}', "empty list"),
    ('{"terms": [{"terms": ["brandnewword"], "weight": 0.5}]}', "needs a class"),
    ('{"terms": [{"terms": ["brandnewword"], "class": "style"}]}', "needs a weight"),
    ('{"terms": [{"terms": ["x"], "class": "cubism", "weight": 1}]}', "class must be one of"),
    ('{"terms": [{"terms": ["anime"], "weight": 2}]}', "weight must be"),
    ('{"terms": [{"terms": ["anime"], "weight": NaN}]}', "weight must be"),
    ('{"terms": [{"terms": ["anime"], "weight": true}]}', "weight must be"),
    ('{"terms": [{"terms": ["anime"], "wieght": 0.2}]}', "field 'wieght'"),
    ('{"terms": [{"terms": ["anime"], "weight": 0.1}, {"terms": ["..."], "class": "style", "weight": 0.1}]}', "entry 2"),
    ('{"terms": [{"terms": ["anime"], "advice": ""}]}', "advice must be"),
    ('{"terms": [{"terms": ["anime"], "ages": [9, 3]}]}', "ages must be"),
    ('{"terms": [{"terms": ["anime"], "needs_age": 1}]}', "needs_age"),
    ('{"terms": [{"terms": ["anime"], "alone": "yes"}]}', "alone must be true or false"),
    ('{"terms": [{"terms": ["anime"], "followed_by": "x"}]}', "followed_by"),
    ("[" * 100000, "JSON|nested"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), DAMAGED)
def test_a_damaged_file_is_named_with_its_entry(text, words):
    with pytest.raises(TermsError, match=words) as refusal:
        read_terms(text, "mine.json", own_terms())
    assert "mine.json" in str(refusal.value)


def test_a_damaged_file_is_left_out_whole_and_the_others_count(tmp_path):
    (tmp_path / "a.json").write_text('{"terms": [{"terms": ["anime"], "weight": 0}, 7]}')
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "c.json").write_bytes(b" " * (MAX_BYTES + 1))
    write(tmp_path, "d.json", {"terms": ["manga"], "weight": 0})
    lexicon = read_lexicon([tmp_path, tmp_path / "missing"])
    by_text = {term.text: term for term in lexicon.terms}
    assert by_text["anime"].weight > 0
    assert by_text["manga"].weight == 0
    assert [remark.split()[0].rstrip(",") for remark in lexicon.remarks] == [
        "a.json", "b.json", "c.json",
    ]  # fmt: skip
    assert all("left out" in remark for remark in lexicon.remarks)


def test_the_example_on_the_help_page_is_a_file_of_terms():
    page = Path(__file__).parents[4] / "web" / "docs" / "LoupeIdentityAudit.md"
    (example,) = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    found = read_terms(example, "example", own_terms())
    assert found["gyotaku"].forms == ("fish print",)
    assert found["anime"].weight == 0
    assert found["linocut"].advice == "print the fish, not the face"
