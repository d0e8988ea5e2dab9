"""What the panel in the browser is told."""

import json

import pytest
import torch

from portrait_loupe.nodes.casting.lock import TakeLock
from portrait_loupe.nodes.casting.offer import comparison_of, payload_of, stored, trust_words
from portrait_loupe.nodes.casting.records import offer_of, record_of
from portrait_loupe.nodes.casting.votes import trust


def told(records, **more):
    given = {"locked": None, "region": "face", "cost": "", "trust": trust([]), "warnings": []}
    return payload_of(records, "Marta", "ask", **(given | more))


def test_it_names_every_take_and_where_its_picture_is(make_take, make_cast):
    cast = make_cast([make_take(1, distance=1.0), make_take(2, rejected="blank")])
    payload = told([record_of(take, "") for take in cast.takes])
    first, second = json.loads(json.dumps(payload, allow_nan=False))["takes"]
    assert first["view"] == {
        "filename": f"{cast.takes[0].sha256}.png", "subfolder": "loupe_cast/Marta/takes", "type": "output",
    }  # fmt: skip
    assert (first["rank"], first["rejected"]) == (1, None)
    assert (second["rank"], second["rejected"]) == (None, "blank")
    assert payload["trust"] == {"agrees": 0, "of": 0, "low": 0.0, "high": 1.0, "earned": False}


@pytest.mark.parametrize(("seed", "given"), [(7, 7), (None, None), (2**53 - 1, 2**53 - 1), (2**53, str(2**53)), (2**64 - 1, str(2**64 - 1))])  # fmt: skip
def test_a_seed_that_javascript_cannot_count_to_is_text(make_take, seed, given):
    payload = told([record_of(make_take(1, seed=seed), "")], locked=TakeLock("ab" * 32, seed=seed))
    assert payload["takes"][0]["seed"] == given
    assert payload["locked"]["seed"] == given


def test_the_comparer_gets_what_is_offered_and_has_a_face(hopper, make_take, make_cast, tmp_path):
    from dataclasses import replace

    from portrait_loupe.nodes.framing.find import find_faces

    face = find_faces(hopper).faces.frames[0][0]
    takes = [replace(make_take(n), picture=hopper * (1 - n / 50), face=face) for n in (1, 2, 3, 4)]
    takes[1] = replace(takes[1], rejected="a twin")
    takes[2] = replace(takes[2], face=None)
    cast = make_cast(takes, region="left cheek")
    payload, numbers, note = comparison_of(cast, tmp_path)
    assert (numbers, note) == ([1, 4], "")
    assert [panel["label"] for panel in payload["panels"]] == ["Recraft V4 #1", "Recraft V4 #4"]
    assert payload["region"] == "left cheek"
    assert payload["registered"][0] is None
    assert "different pictures" in payload["registered"][1]["reason"]
    for panel in payload["panels"]:
        for tile in panel["levels"][0]["tiles"]:
            assert (tmp_path / "loupe" / tile["filename"]).is_file()


def test_a_cast_larger_than_the_comparer_is_given_whole(hopper, make_take, make_cast, tmp_path):
    from dataclasses import replace

    small = torch.nn.functional.avg_pool2d(hopper.movedim(-1, 1), 4).movedim(1, -1)
    takes = [replace(make_take(n), picture=small) for n in range(1, 21)]
    payload, numbers, _ = comparison_of(make_cast(takes), tmp_path)
    assert numbers == list(range(1, 21))
    assert len(payload["panels"]) == 20


def test_without_a_folder_or_a_face_there_is_no_comparer(make_take, make_cast, tmp_path):
    assert comparison_of(make_cast([make_take(1)]), None) == (None, [], "")
    assert comparison_of(make_cast([make_take(1, face=False)]), tmp_path) == (None, [], "")


def test_a_folder_that_cannot_be_written_costs_the_loupe_alone(make_take, make_cast, tmp_path):
    (tmp_path / "loupe").write_text("in the way")
    payload, numbers, note = comparison_of(make_cast([make_take(1)]), tmp_path)
    assert (payload, numbers) == (None, [])
    assert "no pictures" in note


def test_a_kept_offer_is_told_of_the_take_that_it_holds_alone(make_take, make_cast):
    cast = make_cast([make_take(1), make_take(2)])
    offer = offer_of(cast, "Marta", "now")
    records, region, cost = stored(offer, cast.takes[1].sha256)
    assert ([one["number"] for one in records], region) == ([1, 2], "face")
    assert cost == "2 takes = 2 Recraft V4; locked: 0"
    assert stored(offer, "ab" * 32) == ([], "", "locked: 0")
    assert stored(None, "ab" * 32) == ([], "", "locked: 0")


def test_trust_in_words():
    assert trust_words(trust([])) == "no blind pick has been counted yet"
    offered = [{"sha256": one, "score": score, "rank": 1} for one, score in (("x", 1), ("y", 2))]
    lines = [
        {"by": "blind pick", "picked": f"{n}x", "offered": [{**one, "sha256": f"{n}{one['sha256']}"} for one in offered]}
        for n in range(4)
    ]  # fmt: skip
    assert (
        trust_words(trust(lines)) == "the ranking agrees with 4 of 4 of your blind picks (51-100 %)"
    )
