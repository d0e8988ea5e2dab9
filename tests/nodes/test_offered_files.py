import os

import pytest

from portrait_loupe.nodes.offered_files import check_choice, state_of_choice


@pytest.fixture
def find(tmp_path):
    """Looks for a file in a folder that holds one.txt."""
    (tmp_path / "one.txt").write_text("1", "utf-8")

    def found(name):
        if name == "broken":
            raise RuntimeError("there is no such folder")
        path = tmp_path / name
        if not path.is_file():
            raise ValueError(f"there is no {name}: put one there")
        return path

    return found


def test_what_is_there_is_taken_and_what_is_not_is_answered_with_the_way_out(find):
    assert check_choice("one.txt", find) is True
    assert check_choice("two.txt", find) == "there is no two.txt: put one there"
    assert check_choice("broken", find) == "there is no such folder"


def test_a_linked_name_is_not_known_before_the_run(find):
    assert check_choice(None, find, "models/things") is True


def test_a_number_is_no_name(find):
    assert (
        check_choice(7, find, "models/things")
        == "file must be the name of a file in models/things, got 7"
    )


def test_a_number_is_the_finders_to_refuse_where_no_folder_is_named():
    def refuse(name):
        raise ValueError(f"no {name}")

    assert check_choice(7, refuse) == "no 7"


def test_the_state_changes_with_the_file_and_with_what_else_is_told(find, tmp_path):
    before = state_of_choice("one.txt", find)
    assert state_of_choice("one.txt", find) == before
    assert state_of_choice("one.txt", find, "v1") != before
    path = tmp_path / "one.txt"
    os.utime(path, ns=(1, 1))
    touched = state_of_choice("one.txt", find)
    assert touched != before
    path.write_text("12", "utf-8")
    os.utime(path, ns=(1, 1))
    assert state_of_choice("one.txt", find) != touched
    os.link(path, tmp_path / "same.txt")  # the same bytes and time
    assert state_of_choice("same.txt", find) != state_of_choice("one.txt", find)


@pytest.mark.parametrize("chosen", [None, "", "two.txt", "broken"])
def test_where_there_is_no_file_the_state_stays(find, chosen):
    assert state_of_choice(chosen, find, "v1") == "no file"
