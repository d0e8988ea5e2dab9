import os

import pytest

from portrait_loupe.nodes.whole_files import draft_of, saving, write_whole


def test_a_file_is_written_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "one.bin"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["one.bin"]


def test_a_file_that_came_meanwhile_is_left_alone_where_it_may_not_be_replaced(tmp_path):
    path = tmp_path / "one.bin"
    write_whole(path, b"theirs", over=False)
    with pytest.raises(FileExistsError):
        write_whole(path, b"ours", over=False)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["one.bin"]


def test_until_all_is_written_the_old_file_stands_and_after_a_failure_too(tmp_path):
    path = tmp_path / "one.bin"
    path.write_bytes(b"old")

    def interrupted():
        with draft_of(path) as (draft, file):
            file.write(b"new")
            file.flush()
            assert draft.read_bytes() == b"new"
            assert path.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["one.bin"]


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "one.bin"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for over in (True, False):
        with pytest.raises(OSError, match="No space"):
            write_whole(path, b"new", over=over)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["one.bin"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileExistsError(17, "File exists"), r"a\.bin was saved by another program .* Save again\."),
        (OSError(28, "No space left"), r"the thing could not be saved in .*: No space left\. Free"),
        (PermissionError("no"), r"the thing could not be saved in .*: no\. .* allow writing there\."),
    ],
)  # fmt: skip
def test_what_the_disk_says_becomes_what_to_do(tmp_path, error, told):
    with pytest.raises(RuntimeError, match=told), saving("the thing", "a.bin", tmp_path):
        raise error


def test_what_the_user_set_is_said_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="a name"), saving("the thing", "a.bin", tmp_path):
        raise ValueError("a name is needed")
