"""Which words of a prompt count."""

import pytest

from portrait_loupe.nodes.identity.emphasis import Segment, read_emphasis
from portrait_loupe.nodes.identity.terms import Lexicon, Term, own_terms
from portrait_loupe.nodes.identity.wording import ages_said, find_terms, listed_terms

OWN = Lexicon(tuple(own_terms().values()))


def said(prompt, lexicon=OWN, **keywords):
    return {h.term.text: h for h in find_terms(read_emphasis(prompt), lexicon, **keywords)}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("anime girl", {"anime"}),
        ("animation studio", set()),
        ("ANIME", {"anime"}),
        ("an oil_painting of a cat", {"oil painting"}),
        ("oil-painting", {"oil painting"}),
        ("oil, painting", set()),
        ("two sunglasses, two masks, cities", {"sunglasses", "mask"}),
        ("caricatures", {"caricature"}),
        ("unmasked", set()),
        ("old women", {"old woman"}),
        ("full body shot", {"full body shot"}),
        ("beautiful detailed face", {"beautiful detailed face"}),
        ("a mask on the face, face mask", {"mask", "face mask"}),
        ("a Korean woman in a Japanese garden", {"korean"}),
        ("hair over one eye", {"hair over one eye"}),
        ("from behind, looking back", {"from behind", "looking back"}),
        ("", set()),
        ("a plain portrait photo, 85 mm, soft window light, detailed skin pores", set()),
    ],
)
def test_whole_words_plurals_and_the_longest_match(prompt, expected):
    assert set(said(prompt)) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "no glasses",
        "without a hat",
        "not anime",
        "without any sunglasses or hat",
        "not wearing a mask",
        "no tie or hat",
        "mask-free",
        "(no sunglasses:1.4)",
        "no visible beard",
    ],
)
def test_what_is_negated_does_not_count(prompt):
    assert said(prompt) == {}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("no light, sunglasses", {"sunglasses"}),
        ("no glasses, hat", {"hat"}),
        ("not only anime", {"anime"}),
        ("no glasses. sunglasses", {"sunglasses"}),
        ("no glasses and a beard", {"beard"}),
        ("free sunglasses", {"sunglasses"}),
    ],
)
def test_a_negation_ends_with_its_clause(prompt, expected):
    assert set(said(prompt)) == expected


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("she looks like Taylor Swift in rain", "looks like Taylor Swift"),
        ("as Cleopatra", "as Cleopatra"),
        ("in the style of Van Gogh", "in the style of Van Gogh"),
    ],
)
def test_a_name_is_found_whole(prompt, found):
    assert [hit.found for hit in said(prompt).values()] == [found]


def test_like_somebody_without_a_name_is_nobody():
    assert said("looks like a painting, as A matter of fact") == {}


def test_emphasis_of_a_term_is_that_of_its_strongest_letters():
    assert said("(anime:1.5), anime")["anime"].emphasis == 1.5
    assert said("(oil:1.2) painting")["oil painting"].emphasis == 1.2
    assert said("((anime))")["anime"].emphasis == pytest.approx(1.21)
    assert said("(anime:-2)")["anime"].emphasis == 0
    assert said("(anime:nan)")["anime"].emphasis == 1
    assert said("(anime:inf)")["anime"].emphasis == 1


def test_a_term_said_twice_counts_once():
    assert len(find_terms(read_emphasis("anime, anime, animes"), OWN)) == 1


@pytest.mark.parametrize(
    ("prompt", "age", "counts"),
    [
        ("as a child", None, True),
        ("aged", None, True),
        ("old woman", None, True),
        ("70 year old woman", None, True),
        ("70-year-old", None, True),
        ("12yo", None, True),
        ("25 year old woman", None, False),
        ("young woman", None, False),
        ("young woman", 70, True),
        ("young woman", 30, False),
        ("70 year old", 72, False),
        ("old woman", 70, False),
        ("old woman", 25, True),
        ("in her 70s", 74, False),
        ("in her 70s", 30, True),
        ("25 year old", 60, True),
    ],
)
def test_ages_conflict_when_they_contradict(prompt, age, counts):
    assert bool(said(prompt, age=age)) is counts


def test_a_wider_gap_of_years_weighs_more():
    weights = [said("70 year old", age=age)["<number> year old"].weight for age in (60, 50, 30, 10)]
    assert weights == sorted(weights)
    assert weights[0] > 0


def test_the_ages_of_a_prompt_are_read():
    assert ages_said(read_emphasis("a 25 year old and a 70yo in 1980")) == (25, 70)


def test_a_switched_off_term_is_silent_and_hides_what_lies_in_it():
    off = Lexicon((*(t for t in OWN.terms if t.text != "face mask"), Term("face mask", "style", 0.0, "-")))  # fmt: skip
    assert said("face mask", off) == {}
    assert set(said("mask", off)) == {"mask"}


def test_words_of_another_node_count_though_no_list_holds_them():
    hits = listed_terms(["anime", "fuzzy felt", "", "no glasses"], "style", OWN)
    assert {hit.term.text: hit.weight for hit in hits} == {"anime": 0.6, "fuzzy felt": 0.3}
    off = Lexicon((Term("fuzzy felt", "style", 0.0, "-"),))
    assert listed_terms(["fuzzy felt"], "style", off) == ()


def test_stretches_join_to_one_text():
    assert set(said("an(im)e")) == {"anime"}
    assert find_terms([Segment("pro", 1.0), Segment("file view", 2.0)], OWN)[0].emphasis == 2


def test_a_long_prompt_is_read_in_part():
    assert said("x, " * 40_000 + "anime") == {}
