"""What picks say: intervals against closed forms and simulations."""

from math import exp, log, sqrt

import numpy as np
import pytest

from portrait_loupe.nodes.casting.votes import (
    FEWEST_PICKS,
    MOST_LETTERS,
    MOST_MODELS,
    MOST_OFFERED,
    Choice,
    Z,
    bradley_terry,
    choices_of,
    standing_lines,
    trust,
    wilson,
)

ALMOST_NONE = 1e-7  # a prior so weak that the maximum likelihood stays, to 1e-6


def line(picked, scores, *, by="blind pick", models=None, tag=""):
    """A pick among takes that are called by their numbers."""
    offered = [
        {
            "sha256": f"{tag}{number}",
            "model": (models or {}).get(number, f"model {number}"),
            "score": score,
            "rank": None if score is None else 1,
        }
        for number, score in enumerate(scores)
    ]
    return {"by": by, "picked": f"{tag}{picked}", "offered": offered}


# --- Wilson --------------------------------------------------------------------------------------


def test_the_spec_example_is_31_of_40_from_63_to_88_percent():
    low, high = wilson(31, 40)
    assert (round(low, 3), round(high, 3)) == (0.625, 0.877)


def test_the_ends_of_the_interval_are_where_the_score_test_just_rejects():
    """By definition: |p_seen - p| = z * sqrt(p (1 - p) / n)."""
    for agree, n in [(0, 7), (3, 9), (20, 20), (31, 40)]:
        for end in wilson(agree, n):
            assert abs(agree / n - end) == pytest.approx(Z * sqrt(end * (1 - end) / n), abs=1e-12)


def test_the_interval_mirrors_and_stays_within_0_and_1():
    for agree in range(11):
        low, high = wilson(agree, 10)
        other_low, other_high = wilson(10 - agree, 10)
        assert 0 <= low < high <= 1
        assert (low, high) == pytest.approx((1 - other_high, 1 - other_low))
    assert wilson(0, 0) == (0.0, 1.0)


def test_it_holds_the_true_share_about_as_often_as_it_says():
    """Exact binomial sums: Wilson's cover varies around 95 %, and is never far below (Brown et al. 2001)."""
    n, cover = 40, []
    for share in np.linspace(0.05, 0.95, 91):
        chance = (1 - share) ** n
        total = 0.0
        for k in range(n + 1):
            low, high = wilson(k, n)
            total += chance * (low <= share <= high)
            chance *= (n - k) / (k + 1) * share / (1 - share)
        cover.append(total)
    assert np.mean(cover) == pytest.approx(0.95, abs=0.01)
    assert min(cover) > 0.88


@pytest.mark.parametrize(("agree", "n"), [(-1, 3), (4, 3), (1, -1)])
def test_more_agreements_than_picks_are_refused(agree, n):
    with pytest.raises(ValueError, match="from 0 to n"):
        wilson(agree, n)


# --- trust ---------------------------------------------------------------------------------------


def test_a_pick_agrees_where_it_has_the_smallest_distance():
    lines = [line(1, [3.0, 1.0, 2.0], tag="a"), line(0, [3.0, 1.0, 2.0], tag="b")]
    found = trust(lines)
    assert (found.agrees, found.of) == (1, 2)
    assert (found.low, found.high) == wilson(1, 2)


def test_only_blind_picks_count():
    lines = [line(0, [1.0, 2.0], by=by, tag=by) for by in ("pick", "auto-best", "first", "api", "")]
    assert trust(lines).of == 0


def test_an_unranked_take_that_is_picked_disagrees_and_does_not_count_as_the_best():
    assert trust([line(0, [None, 2.0, 3.0])]) == trust([line(2, [None, 2.0, 3.0])])
    assert trust([line(0, [None, 2.0, 3.0])]).of == 1
    rejected = line(1, [1.0, 2.0, 3.0])
    rejected["offered"][0]["rejected"] = "blank"
    assert trust([rejected]).agrees == 1
    unranked = line(1, [1.0, 2.0, 3.0])
    unranked["offered"][0]["rank"] = None
    assert trust([unranked]).agrees == 1


def test_offers_with_one_ranked_take_say_nothing():
    assert trust([line(0, [1.0, None])]).of == 0


def test_of_two_picks_from_one_offer_the_last_counts():
    lines = [line(0, [1.0, 2.0]), line(1, [1.0, 2.0])]
    assert (trust(lines).agrees, trust(lines).of) == (0, 1)
    assert trust(lines[::-1]).agrees == 1


def test_trust_is_earned_by_enough_picks_that_agree_more_than_half():
    def earned(agree, n):
        lines = [line(0 if i < agree else 1, [1.0, 2.0], tag=f"{i} ") for i in range(n)]
        return trust(lines).earned

    assert not earned(FEWEST_PICKS - 1, FEWEST_PICKS - 1)
    assert earned(FEWEST_PICKS, FEWEST_PICKS)
    # of 20 the interval's end passes one half between 14 (0.481) and 15 (0.531)
    assert not earned(14, 20)
    assert earned(15, 20)


def test_a_log_that_anybody_wrote_breaks_nothing():
    good = line(0, [1.0, 2.0])
    bad = [
        None, 3, [], {}, {"by": "blind pick"}, {"by": "blind pick", "offered": "x", "picked": "y"},
        {**good, "picked": None}, {**good, "picked": "elsewhere"}, {**good, "offered": [1, 2]},
        {"by": "blind pick", "picked": "0", "offered": [{"sha256": "0", "score": "best", "rank": 1}, {"sha256": "1", "score": float("nan"), "rank": 1}]},
        {"by": "blind pick", "picked": "0", "offered": [{"sha256": "0", "score": True, "rank": 1}, {"sha256": "1", "score": True, "rank": 1}]},
    ]  # fmt: skip
    assert trust([*bad, good]).of == 1
    assert len(choices_of([*bad, good])) == 1


# --- Bradley-Terry -------------------------------------------------------------------------------


def votes(*counts):
    return [pair for pair, count in counts for _ in range(count)]


def test_of_two_models_the_odds_are_those_of_the_wins():
    found = bradley_terry(votes((("a", "b"), 7), (("b", "a"), 3)), prior=ALMOST_NONE)
    one, other = found.strengths
    assert (one.name, other.name) == ("a", "b")
    assert one.strength - other.strength == pytest.approx(log(7 / 3), abs=1e-5)
    assert found.chance("a", "b") == pytest.approx(0.7, abs=1e-5)
    # the information of n picks at chance p is n p (1 - p)
    low, high = found.differences["a", "b"]
    assert (high - low) / 2 == pytest.approx(Z / sqrt(10 * 0.7 * 0.3), abs=1e-4)
    assert found.too_close("a", "b")
    assert found.too_close("b", "a")


def test_a_perfect_table_gives_back_the_strengths_that_made_it():
    worth = {"a": 4.0, "b": 2.0, "c": 1.0}
    counts = [
        ((one, other), round(60 * worth[one] / (worth[one] + worth[other])))
        for one in worth
        for other in worth
        if one != other
    ]
    found = bradley_terry(votes(*counts), prior=ALMOST_NONE)
    strength = {one.name: one.strength for one in found.strengths}
    assert strength["a"] - strength["b"] == pytest.approx(log(2), abs=1e-4)
    assert strength["b"] - strength["c"] == pytest.approx(log(2), abs=1e-4)
    assert sum(strength.values()) == pytest.approx(0, abs=1e-12)


def test_it_agrees_with_the_fixed_point_of_minorisation():
    """Hunter 2004, eq. 10 (MM): another way to the same maximum."""
    random = np.random.default_rng(5)
    names = list("abcd")
    pairs = [tuple(random.choice(names, 2, replace=False)) for _ in range(80)]
    wins = np.zeros((4, 4))
    for winner, loser in pairs:
        wins[names.index(winner), names.index(loser)] += 1
    worth, games = np.ones(4), wins + wins.T
    for _ in range(4000):
        worth = wins.sum(1) / (games / (worth[:, None] + worth[None, :])).sum(1)
        worth /= np.exp(np.log(worth).mean())
    found = {one.name: one.strength for one in bradley_terry(pairs, prior=ALMOST_NONE).strengths}
    assert [found[name] for name in names] == pytest.approx(np.log(worth).tolist(), abs=1e-5)


def test_one_choice_among_four_is_not_three_comparisons():
    """At equal strengths the difference of two has the variance 2 k / n (Luce's information)."""
    offered = dict.fromkeys("abcd", 1)
    found = bradley_terry([Choice(name, offered) for name in "abcd" * 25], prior=ALMOST_NONE)
    low, high = found.differences["a", "b"]
    assert (high - low) / 2 == pytest.approx(Z * sqrt(2 * 4 / 100), abs=1e-4)


def test_a_model_with_more_takes_wins_more_often_by_chance_alone():
    choices = votes((Choice("a", {"a": 3, "b": 1}), 30), (Choice("b", {"a": 3, "b": 1}), 10))
    found = bradley_terry(choices, prior=ALMOST_NONE)
    assert found.strengths[0].strength == pytest.approx(0, abs=1e-6)


def test_who_picks_by_a_coin_gets_too_close_in_95_of_100():
    random = np.random.default_rng(21)
    for models in ("ab", "abcd"):
        offered, close = dict.fromkeys(models, 1), 0
        for _ in range(200):
            found = bradley_terry(
                [Choice(str(random.choice(list(models))), offered) for _ in range(40)]
            )
            close += found.too_close("a", "b")
        # 200 trials at 95 %: three standard deviations are 4.6 %
        assert close / 200 > 0.95 - 0.046


def test_the_intervals_hold_the_true_difference_as_often_as_they_say():
    random = np.random.default_rng(22)
    worth = np.array([3.0, 1.5, 1.0])
    held = 0
    for _ in range(300):
        picked = random.choice(3, 60, p=worth / worth.sum())
        found = bradley_terry([Choice("abc"[one], dict.fromkeys("abc", 1)) for one in picked])
        low, high = found.differences["a", "c"]
        held += low <= log(3) <= high
    assert 0.95 - 0.038 < held / 300 < 0.995


def test_a_model_that_never_lost_has_a_finite_strength_that_grows():
    few = bradley_terry([("a", "b")] * 3)
    many = bradley_terry([("a", "b")] * 30)
    assert 0 < few.strengths[0].strength < many.strengths[0].strength < 10
    assert not many.too_close("a", "b")
    assert few.too_close("a", "b")


def test_between_models_that_no_vote_joins_nothing_can_be_said():
    found = bradley_terry([("a", "b")] * 40 + [("c", "d")] * 40)
    assert not found.too_close("a", "b")
    assert found.too_close("a", "d")
    assert set(found.differences) == {("a", "b"), ("c", "d")}


def test_a_chain_of_votes_joins():
    found = bradley_terry([("c", "d"), ("a", "b"), ("b", "c")])
    assert len(found.differences) == 6


def test_along_a_chain_of_votes_the_uncertainty_adds_up():
    """a-b and b-c were voted on by different picks: the variance of a-c is the sum of theirs."""
    counts = ((("a", "b"), 30), (("b", "a"), 20), (("b", "c"), 8), (("c", "b"), 12))
    found = bradley_terry(votes(*counts), prior=ALMOST_NONE)

    def half(one, other):
        low, high = found.differences[one, other]
        return (high - low) / 2

    assert half("a", "b") == pytest.approx(Z / sqrt(50 * 0.6 * 0.4), abs=1e-4)
    assert half("b", "c") == pytest.approx(Z / sqrt(20 * 0.4 * 0.6), abs=1e-4)
    assert half("a", "c") == pytest.approx(
        sqrt(half("a", "b") ** 2 + half("b", "c") ** 2), abs=1e-4
    )


def test_a_log_becomes_choices_and_words():
    models = {0: "Recraft", 1: "Recraft", 2: "local"}
    lines = [line(0, [1.0, 2.0, None], models=models, tag=f"{i} ") for i in range(30)]
    lines.append(line(0, [1.0, 2.0], models=models, tag="alone"))  # one model: no choice
    choices = choices_of(lines)
    assert choices == [Choice("Recraft", {"Recraft": 2, "local": 1})] * 30
    first, second = standing_lines(bradley_terry(choices))
    assert first.startswith("Recraft: picked 30 of 30, strength +")
    assert "too close" not in second
    assert standing_lines(bradley_terry([("a", "b")]))[1].endswith("too close to call with a")


def test_no_votes_no_standing():
    assert bradley_terry([]).strengths == ()
    with pytest.raises(ValueError, match="prior must be above 0"):
        bradley_terry([("a", "b")], prior=0)


def test_large_logs_do_not_overflow():
    found = bradley_terry([("a", "b")] * 200_0 + [("b", "c")] * 2000)
    assert all(abs(one.strength) < 30 for one in found.strengths)
    assert exp(found.strengths[0].strength - found.strengths[1].strength) > 100


# --- logs that are out of all proportion ----------------------------------------------------------


def test_a_line_with_more_takes_than_any_offer_has_is_passed_over():
    good = line(0, [1.0, 2.0])
    assert len(choices_of([line(0, [None] * MOST_OFFERED, tag="a"), good])) == 2
    assert len(choices_of([line(0, [None] * 2000, tag="b"), good])) == 1
    assert trust([line(0, [1.0] * 2000, tag="b"), good]).of == 1


def test_a_models_name_is_one_short_line():
    models = {0: "one\nline\u202e" + "x" * 10**6, 1: "two", 2: "\n"}
    (choice,) = choices_of([line(0, [1.0, 2.0, 3.0], models=models)])
    assert choice.winner == "one line" + "x" * (MOST_LETTERS - 8)
    assert list(choice.offered) == [choice.winner, "two"]


def test_the_models_that_were_offered_most_often_are_ranked_and_the_others_counted():
    many = [f"model {number:03}" for number in range(200)]
    often = bradley_terry(
        [("often", "seldom")] * 3 + [Choice("often", dict.fromkeys([*many, "often"], 1))]
    )
    names = [one.name for one in often.strengths]
    assert len(names) == MOST_MODELS
    assert names[0] == "often"
    assert "seldom" in names
    assert often.left_out == 202 - MOST_MODELS
    lines = standing_lines(often)
    assert (
        lines[-1]
        == f"138 more models are not ranked: only the {MOST_MODELS} that were offered most often are"
    )
    assert max(map(len, lines)) < 300
    assert standing_lines(bradley_terry([("a", "b")]))[-1].startswith("b: ")


def test_what_else_was_offered_leaves_the_odds_as_they_are():
    """Luce's choice: with and without a crowd that was never picked a won 7 of 10 against b."""
    crowd = [f"model {number:03}" for number in range(100)]
    picks = votes((("a", "b"), 7), (("b", "a"), 3))
    few = bradley_terry(picks, prior=ALMOST_NONE)
    ranked = bradley_terry([*picks, Choice(crowd[-1], dict.fromkeys(crowd, 1))], prior=ALMOST_NONE)
    assert ranked.left_out > 0
    assert ranked.chance("a", "b") == pytest.approx(few.chance("a", "b"), abs=1e-6)
