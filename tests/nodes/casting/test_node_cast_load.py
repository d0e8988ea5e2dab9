"""The node: a locked take by its name."""

import pytest

from portrait_loupe.nodes.casting import node_cast_load
from portrait_loupe.nodes.casting.lock import TakeLock
from portrait_loupe.nodes.casting.node_cast_load import NONE_YET, CastLoad
from portrait_loupe.nodes.casting.store import file_of, hold, save_offer
from portrait_loupe.nodes.casting.take import take_sha256


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.setattr(node_cast_load, "save_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def take(output, make_take, make_cast):
    take = make_take(1)
    save_offer(make_cast([take]), "Marta", output, "now")
    hold(TakeLock(take.sha256), "Marta", output, at="now")
    return take


def options():
    return CastLoad.define_schema().inputs[0].options


def test_without_members_it_says_what_to_do(output):
    assert options() == [NONE_YET]
    assert "lock one with Cast Lock" in CastLoad.validate_inputs(NONE_YET)
    with pytest.raises(ValueError, match="lock one with Cast Lock"):
        CastLoad.execute(NONE_YET)


def test_a_member_is_listed_and_given_to_the_bit(take):
    (name,) = options()
    assert CastLoad.validate_inputs(name) is True
    image, faces, label, seed, lock, report = CastLoad.execute(name).args
    assert take_sha256(image) == take.sha256
    assert faces.frames == ((take.face,),)
    assert (label, seed) == ("Recraft V4 #1", 7)
    assert take.sha256 in lock
    assert "Recraft V4 #1" in report


def test_one_that_was_locked_since_the_page_was_opened_is_taken(take):
    assert CastLoad.validate_inputs("Marta/Recraft V4 #1") is True


@pytest.mark.parametrize("name", ["", "Jo/x", "../x", 3, "Marta/Recraft V4 #2"])
def test_one_that_is_not_there_is_refused_with_those_that_are(take, name):
    assert "Marta/Recraft V4 #1" in CastLoad.validate_inputs(name)
    with pytest.raises(ValueError, match="none is called so"):
        CastLoad.execute(name)


def test_a_linked_name_is_not_known_before_the_run():
    assert CastLoad.validate_inputs() is True


def test_an_altered_file_is_named(take, output):
    (name,) = options()
    before = CastLoad.fingerprint_inputs(name)
    (output / file_of("Marta", take.sha256, member=True)).write_bytes(b"x")
    assert CastLoad.fingerprint_inputs(name) != before
    with pytest.raises(RuntimeError, match="was altered"):
        CastLoad.execute(name)


def test_where_no_folder_is_named_there_are_none(monkeypatch):
    def no_folder():
        raise RuntimeError("there is no output folder to save into")

    monkeypatch.setattr(node_cast_load, "save_folder", no_folder)
    assert options() == [NONE_YET]
    assert CastLoad.fingerprint_inputs("Marta/x") == "no file"
