"""A cast in words and as plain values."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from portrait_loupe.nodes.casting.ranking import ranked
from portrait_loupe.nodes.casting.words import Likeness, as_json, cost_words, write_report

TOLD = {"corridor": "shipped 1a2b", "region": "left cheek", "faces_backend": "typed eyes"}


def evidence(distance, **other):
    given = {"distance": distance, "figures": {"mid": 0.412, "cv": float("nan")}, "out": (("mid", -2.6),),
             "reason": "mid band low: reads smoothed", "gate": None, "face_px": 712.4}  # fmt: skip
    return SimpleNamespace(**{**given, **other})


@pytest.fixture
def takes(make_take):
    gated = evidence(
        None, gate="the face is 200 px tall, 440 are needed", reason="not ranked: small"
    )
    made = [
        replace(make_take(1, model="Recraft V4", seed=None), evidence=evidence(3.0)),
        replace(make_take(2, model="Recraft V4", seed=None), evidence=evidence(1.0, out=(), reason="within the corridor")),
        make_take(3, model="local", rejected="duplicate of 2"),
        replace(make_take(4, model="local", seed=12), evidence=gated),
        replace(make_take(5, model="local", seed=13), evidence=evidence(1.6, out=())),
    ]  # fmt: skip
    return ranked(made)


def test_the_cost_line_counts_every_take_by_model(takes):
    assert cost_words(takes) == "5 takes = 2 Recraft V4 + 3 local; locked: 0"
    assert cost_words(takes[:1]) == "1 take = 1 Recraft V4; locked: 0"


def test_the_report_goes_by_rank_then_the_unranked_then_the_rejected(takes):
    lines = write_report(takes, **TOLD).splitlines()
    assert lines[0] == cost_words(takes)
    order = [int(line.split()[1]) for line in lines if line.startswith("take ")]
    assert order == [2, 5, 1, 4, 3]
    assert "take 2 (Recraft V4, seed n/a): rank 1, distance 1.00: within the corridor" in "\n".join(lines)  # fmt: skip
    assert "take 4 (local, seed 12): not ranked: the face is 200 px tall, 440 are needed" in "\n".join(lines)  # fmt: skip
    assert "take 3 (local, seed 7) rejected: duplicate of 2" in lines


def test_what_is_outside_is_named_with_its_side_and_no_percent_is_given(takes):
    report = write_report(takes, **TOLD)
    assert "outside: mid -2.6 sigma" in report
    assert "mid 0.412" in report
    assert "%" not in report
    assert "nan" not in report
    assert "no verdict" in report


def test_ties_are_said_to_be_ties(takes):
    report = write_report(takes, **TOLD)
    assert "Too close to call: takes 2, 5 are less than one sigma" in report
    apart = ranked([takes[0], takes[1]])
    assert "Too close" not in write_report(apart, **TOLD)


def test_likeness_is_a_figure_beside_the_rank(takes):
    likeness = {2: Likeness(0.6123, "w600k_r50"), 5: Likeness(None, "", "no encoder")}
    report = write_report(takes, **TOLD, likeness=likeness)
    assert "cosine 0.612 to the identity (w600k_r50), not part of the rank" in report
    assert "likeness cannot be told: no encoder" in report


def test_a_cast_without_scores_without_seeds_or_without_offers_says_so(make_take):
    plain = [make_take(1, seed=None)]
    report = write_report(plain, **TOLD)
    assert "take 1 (Recraft V4, seed n/a): not scored" in report
    assert "No take has a seed" in report
    assert "Ranked by" not in report
    assert "every take was rejected" in write_report([make_take(1, rejected="blank")], **TOLD)
    assert write_report(plain, **TOLD, notes=["last words"]).endswith("\nlast words")


def test_json_holds_all_of_it_in_plain_values(takes):
    likeness = {2: Likeness(0.5, "w600k_r50")}
    told = as_json(takes, **TOLD, prompt="a portrait", likeness=likeness, notes=("one",))
    back = json.loads(json.dumps(told, allow_nan=False))
    assert back == told
    assert [one["rank"] for one in back["takes"]] == [3, 1, None, None, 2]
    assert [one["score"] for one in back["takes"]] == [3.0, 1.0, None, None, 1.6]
    assert back["too_close_to_call"] == [[2, 5]]
    first = back["takes"][0]
    assert first["evidence"]["figures"] == {"mid": 0.412, "cv": None}
    assert first["evidence"]["out"] == [["mid", -2.6]]
    assert (first["width"], first["height"]) == (48, 40)
    assert first["eyes"] == [[10.25, 12.0], [30.5, 13.5]]
    assert back["takes"][1]["likeness"] == {"cosine": 0.5, "encoder": "w600k_r50", "objection": ""}
    assert back["takes"][3]["evidence"]["gate"].startswith("the face is 200 px")
    assert back["takes"][2]["evidence"] is None
    assert back["cost"] == cost_words(takes)
