"""Every pick is one line, written once."""

import json
from dataclasses import replace

import pytest

from portrait_loupe.nodes.casting.lock import lock_of
from portrait_loupe.nodes.casting.store import FOLDER, VOTES, file_of, save_offer
from portrait_loupe.nodes.casting.vote_log import add_vote, read_votes, votes_state
from portrait_loupe.nodes.casting.votes import choices_of, trust

AT = "2026-11-21T15:00:00.000+00:00"


def blind(take, at=AT, by="blind pick"):
    return lock_of(take, file_of("Marta", take.sha256), by, at)


@pytest.fixture
def offered(make_take, make_cast, tmp_path):
    cast = make_cast(
        [
            make_take(1, distance=2.0),
            make_take(2, distance=1.0, model="GPT Image 2"),
            make_take(3, rejected="blank"),
        ]
    )
    save_offer(cast, "Marta", tmp_path, AT)
    return cast, tmp_path


def lines(folder):
    return (folder / FOLDER / VOTES).read_text("utf-8").splitlines()


def test_a_pick_tells_what_was_offered_and_agrees_where_it_was_the_best(offered):
    cast, folder = offered
    assert add_vote(blind(cast.takes[1]), "Marta", folder) == ""
    (line,) = map(json.loads, lines(folder))
    assert line["picked"] == cast.takes[1].sha256
    assert [one["sha256"] for one in line["offered"]] == [take.sha256 for take in cast.takes[:2]]
    found = trust(read_votes(folder))
    assert (found.agrees, found.of) == (1, 1)
    (choice,) = choices_of(read_votes(folder))
    assert choice.winner == "GPT Image 2"


def test_the_same_pick_is_written_once_however_often_the_lock_runs(offered):
    cast, folder = offered
    for _ in range(3):
        add_vote(blind(cast.takes[1]), "Marta", folder)
    assert len(lines(folder)) == 1


def test_who_picks_again_from_the_same_takes_has_changed_their_mind(offered):
    """Twenty clicks on one offer are no twenty votes."""
    cast, folder = offered
    for n in range(20):
        add_vote(blind(cast.takes[n % 2], f"{AT}{n}"), "Marta", folder)
    assert len(lines(folder)) == 20
    found = trust(read_votes(folder))
    assert (found.agrees, found.of, found.earned) == (1, 1, False)


def test_a_pick_with_names_in_sight_is_kept_and_earns_nothing(offered):
    cast, folder = offered
    add_vote(blind(cast.takes[1], by="pick"), "Marta", folder)
    assert len(lines(folder)) == 1
    assert trust(read_votes(folder)).of == 0


def test_a_pick_from_other_takes_says_nothing(offered, make_take):
    _, folder = offered
    assert add_vote(blind(make_take(9)), "Marta", folder) == ""
    assert not (folder / FOLDER / VOTES).exists()


def test_lines_that_cannot_be_read_are_passed_over(offered):
    cast, folder = offered
    add_vote(blind(cast.takes[1]), "Marta", folder)
    with (folder / FOLDER / VOTES).open("ab") as file:
        file.write(b'{"half a li\n\xff\xfe\n[1]\n{"offered": 3}\n' + b"[" * 20000 + b"\n")
    add_vote(replace(blind(cast.takes[0]), at="later"), "Marta", folder)
    found = trust(read_votes(folder))
    assert (found.agrees, found.of) == (0, 1)  # the later pick of the same offer


def test_twenty_offers_picked_blind_earn_trust(make_take, make_cast, tmp_path):
    for n in range(20):
        takes = [make_take(2 * n + 1, distance=1.0), make_take(2 * n + 2, distance=3.0)]
        save_offer(make_cast(takes), "Marta", tmp_path, AT)
        picked = takes[0] if n < 16 else takes[1]
        add_vote(blind(picked, f"{AT}{n}"), "Marta", tmp_path)
    found = trust(read_votes(tmp_path))
    assert (found.agrees, found.of, found.earned) == (16, 20, True)


def test_a_disk_that_refuses_is_remarked_upon(offered):
    cast, folder = offered
    (folder / FOLDER / VOTES).mkdir()
    assert "not counted" in add_vote(blind(cast.takes[0]), "Marta", folder)
    assert read_votes(folder) == []


def test_the_state_of_the_log_changes_with_a_vote(offered):
    cast, folder = offered
    before = votes_state(folder)
    add_vote(blind(cast.takes[0]), "Marta", folder)
    assert votes_state(folder) != before
