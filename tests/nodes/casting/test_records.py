"""What is written of a take, and what is taken back of it."""

import json

import pytest

from portrait_loupe.nodes.casting.records import (
    face_from,
    faces_from,
    offer_of,
    offered_in,
    reason_of,
    record_of,
    vote_of,
)


def test_a_record_is_plain_and_gives_the_face_back(make_take, make_cast):
    take = make_cast([make_take(1, distance=1.5)]).takes[0]
    told = json.loads(json.dumps(record_of(take, "the embedded detector"), allow_nan=False))
    assert (told["width"], told["height"], told["score"], told["rank"]) == (48, 40, 1.5, 1)
    assert told["figures"] == {"mid": 0.4}
    found = faces_from(told, (48, 40))
    assert found.frames == ((take.face,),)
    assert found.backend == "the embedded detector"


def test_figures_that_are_no_numbers_are_left_out(make_take, make_cast):
    take = make_take(1, distance=1.5)
    take.evidence.figures.update(slope=float("nan"), noise=float("inf"))
    assert record_of(take, "")["figures"] == {"mid": 0.4}


def test_a_take_without_a_face_has_none(make_take):
    told = record_of(make_take(1, face=False), "")
    assert told["face"] is None
    assert faces_from(told, (48, 40)) is None


def test_the_reason_is_the_rejection_then_the_gate_then_the_evidence(make_take):
    assert reason_of(make_take(1, rejected="blank", distance=1.0)) == "blank"
    assert reason_of(make_take(1)) == "not scored"
    take = make_take(1, distance=1.0)
    assert reason_of(take) == "within the corridor"
    take.evidence.gate = "too small"
    assert reason_of(take) == "too small"


@pytest.mark.parametrize(
    "told",
    [
        None, 3, [], {}, {"eyes": []}, {"eyes": "ab"}, {"eyes": [[1, 2]]}, {"eyes": [[1, 2], [3, True]]},
        {"eyes": [[1, 2], [3, float("nan")]]}, {"eyes": [[1, 2], [3, 1e300]]}, {"eyes": [[1, 2], "34"]},
        {"eyes": [[1, 2], [3, 4]], "points": 7}, {"eyes": [[1, 2], [3, 4]], "points": [[1]]},
        {"eyes": [[1, 2], [3, 4]], "points": [[0, 0]] * 479},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_face_is_none(told):
    assert face_from(told) is None


def test_what_is_wrong_beside_the_points_is_left_out():
    face = face_from({"eyes": [[1, 2], [3, 4]], "score": "x", "yaw_deg": [], "pitch_deg": 3})
    assert (face.score, face.yaw_deg, face.pitch_deg) == (1.0, None, 3.0)


@pytest.mark.parametrize("offer", [None, [], {}, {"takes": 3}, {"takes": [1, {}, {"sha256": 3}]}])
def test_what_is_no_offer_offers_nothing(offer):
    assert offered_in(offer) == []
    assert vote_of(offer, "Marta", "ab", "pick", "") is None


def test_a_vote_is_of_an_offered_take_alone(make_take, make_cast):
    cast = make_cast([make_take(1, distance=1.0), make_take(2, rejected="blank"), make_take(3)])
    offer = offer_of(cast, "Marta", "now")
    first, blank, third = (take.sha256 for take in cast.takes)
    assert vote_of(offer, "Marta", blank, "pick", "now") is None
    vote = vote_of(offer, "Marta", third, "blind pick", "now")
    assert [one["sha256"] for one in vote["offered"]] == [first, third]
    assert (vote["cast"], vote["by"], vote["picked"]) == ("Marta", "blind pick", third)
