"""Which take a cast gives, and what a lock may be."""

import json

import pytest

from portrait_loupe.nodes.casting.lock import (
    ASK,
    AUTO_BEST,
    FIRST,
    LOCKED,
    TakeLock,
    decide,
    is_locked,
    lock_of,
    read_lock,
)
from portrait_loupe.nodes.casting.ranking import TIE

SHA = "ab" * 32


def decided(mode, cast, earned=True):
    return decide(mode, cast, earned=earned, trust="31 of 40")


@pytest.fixture
def clear(make_take, make_cast):
    """Take 2 is the best by far, take 1 the first."""
    return make_cast([make_take(n, distance=d) for n, d in ((1, 4.0), (2, 1.0), (3, 2.5))])


def test_ask_gives_nothing_and_says_how_many_are_offered(clear):
    made = decided(ASK, clear)
    assert made.take is None
    assert "3 of 3 takes are offered" in made.words


def test_first_gives_the_first_that_is_offered(make_take, make_cast):
    cast = make_cast([make_take(1, rejected="blank"), make_take(2), make_take(3)])
    assert decided(FIRST, cast).take.number == 2


def test_auto_best_gives_the_take_nearest_to_the_corridor(clear):
    made = decided(AUTO_BEST, clear)
    assert (made.take.number, made.by) == (2, AUTO_BEST)


def test_auto_best_stays_closed_until_blind_picks_have_earned_it(clear):
    made = decided(AUTO_BEST, clear, earned=False)
    assert made.take is None
    assert "not earned it yet (31 of 40)" in made.words


@pytest.mark.parametrize(("gap", "given"), [(TIE, True), (TIE - 0.01, False), (0.0, False)])
def test_auto_best_asks_where_two_are_within_a_sigma(make_take, make_cast, gap, given):
    cast = make_cast([make_take(1, distance=1.0), make_take(2, distance=1.0 + gap)])
    made = decided(AUTO_BEST, cast)
    assert (made.take is not None) == given
    assert given or "takes 1, 2 are too close to call" in made.words


def test_auto_best_looks_at_what_is_offered_and_scored_alone(make_take, make_cast):
    cast = make_cast(
        [
            make_take(1, distance=0.1, rejected="duplicate of 2"),
            make_take(2, distance=3.0),
            make_take(3),
        ]
    )
    assert decided(AUTO_BEST, cast).take.number == 2


def test_auto_best_asks_where_nothing_could_be_scored(make_take, make_cast):
    made = decided(AUTO_BEST, make_cast([make_take(1), make_take(2)]))
    assert made.take is None
    assert "no take could be scored" in made.words


@pytest.mark.parametrize("mode", [ASK, AUTO_BEST, FIRST])
def test_a_cast_without_a_take_to_offer_gives_none_and_names_each_reason(
    make_take, make_cast, mode
):
    cast = make_cast([make_take(1, rejected="blank"), make_take(2, rejected="no face found")])
    made = decided(mode, cast)
    assert made.take is None
    assert "1: blank" in made.words
    assert "2: no face found" in made.words


def test_locked_without_a_lock_is_refused_with_the_way_out(clear):
    with pytest.raises(ValueError, match="set mode to ask"):
        decided(LOCKED, clear)


def test_an_unknown_mode_is_refused(clear):
    with pytest.raises(ValueError, match="got 'best'"):
        decided("best", clear)


# --- what stands in a lock -----------------------------------------------------------------------


def test_a_lock_comes_back_as_it_was_written(make_take, make_cast):
    take = make_cast([make_take(3, distance=1.25)]).takes[0]
    lock = lock_of(take, "loupe_cast/Marta/takes/x.png", "blind pick", "2026-11-21T15:00:00+00:00")
    assert read_lock(lock.text) == lock
    assert json.loads(lock.text)["schema"] == 1
    assert (lock.label, lock.score, lock.rank, lock.seed) == ("Recraft V4 #3", 1.25, 1, 7)


@pytest.mark.parametrize("text", [SHA, SHA.upper(), f'"{SHA}"', json.dumps({"take_sha256": SHA})])
def test_the_hash_alone_is_a_lock(text):
    assert read_lock(text) == TakeLock(SHA)


@pytest.mark.parametrize("text", ["", " \n", "\t"])
def test_an_empty_text_is_none(text):
    assert read_lock(text) is None
    assert not is_locked(text)


WRONG = {
    "words": "take three",
    "half a JSON": '{"take_sha256": ',
    "a list": "[1]",
    "a number": "3",
    "no hash": "{}",
    "a short hash": json.dumps({"take_sha256": SHA[:-1]}),
    "a hash that is a path": json.dumps({"take_sha256": "../" * 21 + "a"}),
    "a hash that is a number": json.dumps({"take_sha256": 7}),
    "nested without end": "[" * 15000,
    "endless": json.dumps({"take_sha256": SHA, "label": "x" * 30000}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_lock_is_refused_with_the_way_out_and_is_still_a_lock_to_the_generators(name):
    """Nothing above may run because a lock has been damaged."""
    with pytest.raises(ValueError, match="Unlock"):
        read_lock(WRONG[name])
    assert is_locked(WRONG[name])


def test_a_lock_of_a_later_version_says_so():
    with pytest.raises(ValueError, match="schema 2"):
        read_lock(json.dumps({"schema": 2, "take_sha256": SHA}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1), ("seed", 2**64), ("seed", True), ("seed", 1.5), ("seed", "seven"), ("rank", -1),
        ("score", float("nan")), ("score", "1"), ("label", 7), ("file", {}), ("by", "a friend"), ("at", 1),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_beside_the_hash_is_left_out(key, value):
    lock = read_lock(json.dumps({"take_sha256": SHA, key: value}))
    assert lock == TakeLock(SHA)


def test_a_name_in_a_lock_is_one_line_and_not_endless():
    lock = read_lock(json.dumps({"take_sha256": SHA, "label": "a\nb" + "c" * 400}))
    assert "\n" not in lock.label
    assert len(lock.label) <= 120


def test_seeds_of_64_bits_survive_as_numbers_and_as_the_text_that_browsers_keep():
    lock = TakeLock(SHA, seed=2**64 - 1)
    assert read_lock(lock.text) == lock
    assert read_lock(json.dumps(lock.as_json() | {"seed": str(2**64 - 1)})) == lock
