"""A locked take as a node gives it."""

from portrait_loupe.nodes.casting.given import given_take
from portrait_loupe.nodes.casting.lock import TakeLock
from portrait_loupe.nodes.casting.store import Held
from portrait_loupe.nodes.framing.find import find_faces


def test_a_face_that_no_file_tells_of_is_searched_for(hopper):
    held = Held(hopper, TakeLock("ab" * 32), None)
    _, faces, label, seed, words = given_take(held, "Marta")
    assert faces.frames == find_faces(hopper).faces.frames
    assert (label, seed) == ("take abababab", 0)
    assert "512x600 px, seed n/a (provider), by a program" in words


def test_the_words_tell_who_chose_and_what_it_costs(hopper):
    lock = TakeLock("ab" * 32, label="Recraft V4 #3", seed=5, rank=1, by="blind pick")
    held = Held(hopper, lock, find_faces(hopper).faces)
    _, _, label, seed, words = given_take(held, "Marta")
    assert (label, seed) == ("Recraft V4 #3", 5)
    assert words == (
        "Recraft V4 #3 of 'Marta' is locked: 512x600 px, seed 5, picked blind by you, rank 1. "
        "Nothing above runs; this take costs 0."
    )
