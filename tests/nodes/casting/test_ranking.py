"""Ranks, and where they are too close to call."""

from dataclasses import replace

import pytest

from portrait_loupe.nodes.casting.ranking import TIE, best_of, distance_of, ranked, ties, too_close


def ranks(takes):
    return [take.rank for take in ranked(takes)]


def test_the_smallest_distance_is_first_whatever_the_order(make_take):
    takes = [make_take(n, distance=d) for n, d in enumerate([3.0, 1.0, 2.0], 1)]
    assert ranks(takes) == [3, 1, 2]
    assert ranks(takes[::-1]) == [2, 1, 3]


def test_equal_distances_are_ranked_by_number(make_take):
    assert ranks([make_take(2, distance=1.0), make_take(1, distance=1.0)]) == [2, 1]


def test_what_is_rejected_gated_or_not_scored_has_no_rank(make_take):
    gated = make_take(4, distance=0.1)
    gated.evidence.gate, gated.evidence.distance = "turned", None
    odd = make_take(5, distance=float("nan"))
    takes = [make_take(1, distance=0.5, rejected="blank"), make_take(2), make_take(3, distance=9.0), gated, odd]  # fmt: skip
    assert ranks(takes) == [None, None, 1, None, None]
    assert [distance_of(take) for take in takes] == [None, None, 9.0, None, None]


def test_a_gate_counts_even_with_a_distance(make_take):
    gated = make_take(1, distance=0.1)
    gated.evidence.gate = "turned"
    assert ranks([gated]) == [None]


def test_old_ranks_are_forgotten(make_take):
    assert ranks([replace(make_take(1), rank=1)]) == [None]


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([1.0, 1.99, 2.5, 5.0], ((1, 2),)),
        ([1.0, 2.0], ()),  # a whole sigma apart
        ([1.0, 1.5, 1.9, 2.1, 2.6], ((1, 2, 3), (4, 5))),
        ([4.0], ()),
        ([], ()),
    ],
)
def test_ties_are_what_lies_within_a_sigma_of_a_runs_best(make_take, distances, expected):
    takes = ranked([make_take(n, distance=d) for n, d in enumerate(distances, 1)])
    assert ties(takes) == expected
    assert TIE == 1.0


def test_the_best_are_the_first_and_what_is_too_close_to_it(make_take):
    takes = ranked([make_take(n, distance=d) for n, d in enumerate([2.6, 1.0, 1.9, 2.1], 1)])
    assert [take.number for take in best_of(takes)] == [2, 3]
    assert best_of([make_take(1)]) == ()
    assert not too_close(takes[0], make_take(9))
