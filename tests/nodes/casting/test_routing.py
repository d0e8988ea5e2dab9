"""Hints: the pack's own, the users', and files that are none."""

import json

import pytest

from portrait_loupe.nodes.casting.routing import (
    FILE,
    LONGEST,
    NEEDS,
    SEEDS,
    RoutingError,
    load_routing,
    own_routing,
    read_routing,
)


@pytest.fixture
def write(tmp_path):
    def written(name, data):
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return tmp_path

    return written


def named(routing, need):
    return [hint.model for hint in routing.needs[need]]


def test_every_need_has_several_models_each_known_and_with_a_reason():
    routing = own_routing()
    assert tuple(routing.needs) == NEEDS
    for need in NEEDS:
        hints = routing.needs[need]
        assert len(hints) >= 3
        assert len({hint.model for hint in hints}) == len(hints)
        for hint in hints:
            offer = routing.offer(hint.model)
            assert hint.reason
            assert hint.file == ""
            assert offer.nodes
            assert offer.offers
            assert offer.seeds in SEEDS


def test_what_users_say_has_its_source():
    for hints in own_routing().needs.values():
        for hint in hints:
            if "user" in hint.reason or "provider" in hint.reason.split("third provider")[0]:
                assert hint.source.startswith("https://"), hint


def test_the_classes_named_are_those_that_the_captions_know():
    captions = json.loads((FILE.parents[1] / "comparison" / "captions.json").read_text("utf-8"))
    known = set(captions["generators"]) | set(captions["loaders"])
    for offer in own_routing().models.values():
        assert set(offer.nodes) <= known


def test_without_files_the_pack_stands_alone(tmp_path):
    routing = load_routing([tmp_path, tmp_path / "missing"])
    assert routing.needs == own_routing().needs
    assert routing.remarks == ()


def test_a_users_hints_come_first_in_their_order_and_replace_those_of_the_same_model(write):
    folder = write("mine.json", {"needs": {"skin texture": [
        {"model": "my model", "reason": "pores on my own portraits"},
        {"model": "RECRAFT  v4", "reason": "good for me", "source": "my notes"},
    ]}})  # fmt: skip
    before, after = named(own_routing(), "skin texture"), load_routing([folder])
    assert named(after, "skin texture") == [
        "my model",
        "RECRAFT  v4".replace("  ", " "),
        *(model for model in before if model != "Recraft V4"),
    ]
    first, second = after.needs["skin texture"][:2]
    assert (first.file, first.source, second.source) == ("mine.json", "", "my notes")
    assert after.needs["balanced"] == own_routing().needs["balanced"]
    assert after.offer("recraft v4").seeds == "none"  # what is known of it stays known


def test_a_users_file_can_leave_a_model_out_and_say_what_a_model_offers(write):
    folder = write("mine.json", {
        "models": [{"model": "Recraft V4", "seeds": "used"}, {"model": "new", "offers": "8 pictures a call"}],
        "needs": {"balanced": [{"model": "gpt image 2", "leave_out": True}]},
    })  # fmt: skip
    routing = load_routing([folder])
    assert "GPT Image 2" not in named(routing, "balanced")
    assert "GPT Image 2" in named(routing, "literal prompt adherence")
    changed = routing.offer("Recraft V4")
    assert changed.seeds == "used"
    assert changed.offers == own_routing().offer("Recraft V4").offers
    assert routing.offer("new").negative is True


def test_later_files_go_before_earlier_ones(write):
    write("a.json", {"needs": {"balanced": [{"model": "one", "reason": "a"}]}})
    folder = write("b.json", {"needs": {"balanced": [{"model": "two", "reason": "b"}]}})
    assert named(load_routing([folder]), "balanced")[:2] == ["two", "one"]


def test_a_damaged_file_is_named_and_the_others_are_read(write):
    write("a broken.json", '{"needs": ')
    folder = write("b.json", {"needs": {"balanced": [{"model": "mine", "reason": "b"}]}})
    before = (folder / "a broken.json").read_bytes()
    routing = load_routing([folder])
    assert named(routing, "balanced")[0] == "mine"
    (remark,) = routing.remarks
    assert remark.startswith("a broken.json is not JSON")
    assert remark.endswith("The file is left out")
    assert (folder / "a broken.json").read_bytes() == before


def test_a_file_that_fails_in_its_last_row_changes_nothing(write):
    folder = write("mine.json", {"needs": {"balanced": [{"model": "mine", "reason": "b"}, {"model": "x"}]}})  # fmt: skip
    assert load_routing([folder]).needs == own_routing().needs


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], 'an object with "models", "needs"'),
        ({}, 'an object with "models", "needs"'),
        ({"need": {}}, 'an object with "models", "needs"'),
        ({"needs": []}, "needs must be an object"),
        ({"needs": {"speed": []}}, "has a need 'speed'; known are 'balanced', 'skin texture'"),
        ({"needs": {"balanced": {}}}, "balanced must be a list of at most 50"),
        ({"needs": {"balanced": [3]}}, "entry 1 must be an object, got '3'"),
        ({"needs": {"balanced": [{"model": "x"}]}}, "entry 1: reason must be a text"),
        ({"needs": {"balanced": [{"reason": "x"}]}}, "entry 1: model must be a text"),
        (
            {"needs": {"balanced": [{"model": "x", "reason": "y" * (LONGEST + 1)}]}},
            "reason must be a text of 1 to 300",
        ),
        (
            {"needs": {"balanced": [{"model": "x", "why": "y"}]}},
            "has a field 'why'; known are leave_out, model",
        ),
        (
            {"needs": {"balanced": [{"model": "x", "leave_out": 1}]}},
            "leave_out must be true or false",
        ),
        ({"models": {}}, "models must be a list"),
        (
            {"models": [{"model": "x", "seeds": "many"}]},
            "seeds must be one of used, best effort, none",
        ),
        ({"models": [{"model": "x", "nodes": "y"}]}, "nodes must be a list of classes"),
        ({"models": [{"model": "x", "negative": "no"}]}, "negative must be true or false"),
        ({"models": [{"model": "x", "offers": ""}]}, "offers must be a text"),
    ],
)
def test_a_row_that_is_wrong_is_named(data, words):
    with pytest.raises(RoutingError) as refusal:
        read_routing(json.dumps(data), "mine.json", own_routing())
    assert "mine.json" in str(refusal.value)
    assert words in str(refusal.value)
