"""Locked takes by name."""

import pytest

from portrait_loupe.nodes.casting.lock import lock_of
from portrait_loupe.nodes.casting.members import find_member, list_members
from portrait_loupe.nodes.casting.store import FOLDER, file_of, hold, save_offer

AT = "2026-11-21T15:00:00.000+00:00"


@pytest.fixture
def locked(make_take, make_cast, tmp_path):
    """Takes 1 and 2 of Marta and take 1 of Jo are locked, take 3 of Marta is not."""
    takes = [make_take(n) for n in (1, 2, 3)]
    for name, wanted in (("Marta", takes[:2]), ("Jo", takes[:1])):
        save_offer(make_cast(takes), name, tmp_path, AT)
        for take in wanted:
            hold(lock_of(take, file_of(name, take.sha256), "pick", AT), name, tmp_path)
    return tmp_path, takes


def test_members_are_those_that_were_locked(locked):
    folder, takes = locked
    assert list_members(folder) == {
        f"Jo/Recraft V4 #1 [{takes[0].sha256[:8]}]": ("Jo", takes[0].sha256),
        f"Marta/Recraft V4 #1 [{takes[0].sha256[:8]}]": ("Marta", takes[0].sha256),
        f"Marta/Recraft V4 #2 [{takes[1].sha256[:8]}]": ("Marta", takes[1].sha256),
    }


def test_there_are_none_where_nothing_was_locked(tmp_path):
    assert list_members(tmp_path) == {}
    with pytest.raises(ValueError, match="lock a take with Cast Lock"):
        find_member("Marta/x", tmp_path)


@pytest.mark.parametrize(
    "name", ["Marta/Recraft V4 #2 [{}]", "Marta/Recraft V4 #2", "Marta/an old label [{}]"]
)
def test_a_member_is_found_by_its_name_or_its_digits(locked, name):
    folder, takes = locked
    cast, lock = find_member(name.format(takes[1].sha256[:8]), folder)
    assert (cast, lock.take_sha256) == ("Marta", takes[1].sha256)
    assert hold(lock, cast, folder).lock.by == "pick"  # who chose it then


def test_a_label_of_several_needs_its_digits(locked, make_take, make_cast):
    folder, _ = locked
    other = make_take(1, seed=9, size=(20, 20))
    save_offer(make_cast([other]), "Marta", folder, AT)
    hold(lock_of(other, "", "pick", AT), "Marta", folder)
    with pytest.raises(ValueError, match="several are called so"):
        find_member("Marta/Recraft V4 #1", folder)
    found = find_member(f"Marta/Recraft V4 #1 [{other.sha256[:8]}]", folder)
    assert found[1].take_sha256 == other.sha256


@pytest.mark.parametrize(
    "name", ["", "Marta", "Marta/", "../x/y [00000000]", "Marta/x [00000000]", None, 3]
)
def test_what_names_no_member_is_refused_and_those_there_are_named(locked, name):
    with pytest.raises(ValueError, match="Jo/Recraft V4 #1"):
        find_member(name, locked[0])


def test_strange_files_in_the_folder_are_no_members(locked):
    folder, _ = locked
    before = list_members(folder)
    marta = folder / FOLDER / "Marta"
    (marta / "notes.json").write_text("{}")
    (marta / f"{'0' * 64}.json").write_text("{}")  # its picture is missing
    (folder / FOLDER / "nul").mkdir()
    (folder / FOLDER / "a file").write_text("x")
    assert list_members(folder) == before


def test_a_label_with_slashes_stays_one_name(make_take, make_cast, tmp_path):
    take = make_take(1, model="black-forest/flux\\dev")
    save_offer(make_cast([take]), "Marta", tmp_path, AT)
    hold(lock_of(take, "", "pick", AT), "Marta", tmp_path)
    (name,) = list_members(tmp_path)
    assert name.startswith("Marta/black-forest-flux-dev #1 [")
    assert find_member(name, tmp_path)[1].take_sha256 == take.sha256
