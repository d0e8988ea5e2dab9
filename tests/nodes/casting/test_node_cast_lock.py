"""The node: when it asks for its cast, what it refuses, what it gives. Lists and blockers: tests/host."""

import json

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.casting import node_cast_lock
from portrait_loupe.nodes.casting.lock import lock_of
from portrait_loupe.nodes.casting.node_cast_lock import CastLock
from portrait_loupe.nodes.casting.store import file_of, read_offer
from portrait_loupe.nodes.casting.take import take_sha256

SHA = "ab" * 32


@pytest.fixture
def output(tmp_path, monkeypatch):
    """Where the node saves, in both hosts."""
    folder = tmp_path / "output"
    folder.mkdir()
    monkeypatch.setattr(node_cast_lock, "save_folder", lambda: folder)
    monkeypatch.setattr(node_cast_lock, "temp_folder", lambda: tmp_path / "temp")
    monkeypatch.setattr(node_cast_lock, "execution_blocker", lambda: "blocked")
    return folder


@pytest.fixture
def cast(make_take, make_cast):
    return make_cast([make_take(1, distance=4.0), make_take(2, distance=1.0)])


def locked(cast, number, by="pick"):
    take = cast.takes[number - 1]
    return lock_of(take, file_of("Marta", take.sha256), by, "2026-11-21T15:00:00Z").text


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"cast": None}, True),
        ({"cast": None, "lock": "  "}, True),
        ({"cast": None, "mode": "first"}, True),
        ({"cast": None, "mode": "auto-best"}, True),
        ({"cast": "here"}, False),
        ({}, False),  # not linked
        ({"cast": None, "lock": SHA}, False),
        ({"cast": None, "lock": "no lock at all"}, False),
        ({"cast": None, "mode": "locked"}, False),
        ({"cast": None, "lock": SHA, "mode": "first"}, False),
    ],
    ids=str,
)
def test_the_cast_is_asked_for_only_where_it_is_needed(given, asked):
    given = {"cast_name": "Marta", "mode": "ask", "lock": "", **given}
    assert CastLock.check_lazy_status(**given) == (["cast"] if asked else [])


def test_its_link_is_lazy():
    (cast,) = [one for one in CastLock.define_schema().inputs if one.id == "cast"]
    assert cast.lazy
    assert cast.optional


def test_asking_blocks_every_output_and_keeps_the_takes(output, cast):
    made = CastLock.execute("Marta", "ask", "", cast)
    assert made.args == ("blocked",) * len(CastLock.define_schema().outputs)
    (payload,) = made.ui["loupe_cast"]
    assert (payload["cast_name"], payload["mode"], payload["locked"]) == ("Marta", "ask", None)
    assert len(read_offer("Marta", output)["takes"]) == 2
    assert "2 of 2 takes are offered" in made.ui["loupe_report"][0]


def test_a_lock_gives_the_take_and_itself(output, cast):
    CastLock.execute("Marta", "ask", "", cast)
    made = CastLock.execute("Marta", "ask", locked(cast, 2))
    image, faces, label, seed, lock, report = made.args
    take = cast.takes[1]
    assert take_sha256(image) == take.sha256
    assert faces.frames == ((take.face,),)
    assert (label, seed, json.loads(lock)["take_sha256"]) == ("Recraft V4 #2", 7, take.sha256)
    assert "costs 0" in report
    (payload,) = made.ui["loupe_cast"]
    assert payload["locked"]["take_sha256"] == take.sha256
    assert [one["number"] for one in payload["takes"]] == [1, 2]
    assert payload["cost"] == "2 takes = 2 Recraft V4; locked: 0"


def test_a_provider_without_seeds_gives_zero_and_says_so(output, make_take, make_cast):
    cast = make_cast([make_take(1, seed=None)])
    made = CastLock.execute("Marta", "first", "", cast)
    assert made.args[3] == 0
    assert json.loads(made.args[4])["seed"] is None
    assert "seed n/a (provider)" in made.args[5]


def test_first_gives_a_take_and_a_lock_that_holds(output, cast):
    made = CastLock.execute("Marta", "first", "", cast)
    assert made.args[2] == "Recraft V4 #1"
    again = CastLock.execute("Marta", "first", made.args[4])
    assert (again.args[0] == made.args[0]).all()
    assert again.args[4] == made.args[4]


def test_auto_best_asks_until_it_has_been_earned(output, cast):
    made = CastLock.execute("Marta", "auto-best", "", cast)
    assert made.args[0] == "blocked"
    assert (
        "auto-best stays closed: your blind picks have not earned it" in made.ui["loupe_report"][0]
    )


def test_a_blind_pick_is_counted_once(output, cast):
    CastLock.execute("Marta", "ask", "", cast)
    for _ in range(3):
        made = CastLock.execute("Marta", "ask", locked(cast, 2, "blind pick"))
    (payload,) = made.ui["loupe_cast"]
    assert (payload["trust"]["agrees"], payload["trust"]["of"]) == (1, 1)


REFUSED = {
    "nothing linked": (("Marta", "ask", "", None), "cast must be linked to Cast Sheet"),
    "another value": (("Marta", "ask", "", 3), "got int"),
    "locked without a lock": (("Marta", "locked", "", None), "mode is locked, but no take is"),
    "no lock": (("Marta", "ask", "three", None), "lock must be the JSON"),
    "a take that is not there": (("Marta", "ask", SHA, None), "is missing"),
    "a name that leads out": (("../x", "ask", "", None), "cast_name must be a bare name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_in_words(output, name):
    given, words = REFUSED[name]
    with pytest.raises((ValueError, RuntimeError), match=words):
        CastLock.execute(*given)
    assert list(output.iterdir()) == []


def test_its_fingerprint_follows_the_file_of_a_lock_and_else_stays(output, cast):
    CastLock.execute("Marta", "ask", "", cast)
    lock = locked(cast, 1)
    open_before = CastLock.fingerprint_inputs("Marta", "ask", "")
    before = CastLock.fingerprint_inputs("Marta", "ask", lock)
    assert CastLock.fingerprint_inputs("Marta", "ask", lock) == before
    (output / file_of("Marta", cast.takes[0].sha256)).unlink()
    assert CastLock.fingerprint_inputs("Marta", "ask", lock) != before
    assert CastLock.fingerprint_inputs("Marta", "ask", "") == open_before
    assert CastLock.fingerprint_inputs("Marta", "ask", "no lock") == "to be refused"


def test_the_fingerprint_of_auto_best_follows_the_votes(output, cast):
    CastLock.execute("Marta", "ask", "", cast)
    before = CastLock.fingerprint_inputs("Marta", "auto-best", "")
    CastLock.execute("Marta", "ask", locked(cast, 2, "blind pick"))
    assert CastLock.fingerprint_inputs("Marta", "auto-best", "") != before


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI has blockers")
def test_without_comfyui_nothing_can_be_left_out():
    with pytest.raises(RuntimeError, match="only ComfyUI can do that"):
        host.execution_blocker()
    assert not host.is_output_node("PreviewImage")
