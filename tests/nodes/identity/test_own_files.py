"""The files that users put beside the models."""

import pytest

from portrait_loupe.nodes.identity.own_files import (
    MAX_BYTES,
    MOST_FILES,
    own_files,
    parsed,
    state_of,
    text_of,
)


def test_files_are_read_by_name_whatever_their_folder(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one / "b.json", two / "a.json", two / "c.txt", one / "d.json" / "e.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    found, remarks = own_files([one, two, tmp_path / "missing", one])
    assert [path.name for path in found] == ["a.json", "b.json"]
    assert remarks == []


def test_too_many_files_are_not_read_in_silence(tmp_path):
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number:03}.json").write_text("{}")
    found, (remark,) = own_files([tmp_path])
    assert len(found) == MOST_FILES
    assert f"first {MOST_FILES} of {MOST_FILES + 1}" in remark


def test_the_state_changes_when_a_file_comes_is_written_and_goes(tmp_path):
    states = [state_of([tmp_path])]
    path = tmp_path / "mine.json"
    for text in ("{}", '{"terms": []}'):
        path.write_text(text)
        states.append(state_of([tmp_path]))
        assert state_of([tmp_path]) == states[-1]
    assert len(set(states)) == 3
    path.unlink()
    assert state_of([tmp_path]) == states[0]


def test_a_file_with_the_mark_of_windows_is_read(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert parsed(text_of(path), path.name) == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\xff\xfe", "must be text in UTF-8"), (b" " * (MAX_BYTES + 1), "must be at most 256 kB")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, data, words):
    path = tmp_path / "mine.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"mine\.json {words}"):
        text_of(path)
    path.unlink()
    with pytest.raises(ValueError, match=r"mine\.json cannot be read"):
        text_of(path)


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[" * 100_000, "nested")])
def test_what_is_no_json_is_named(text, words):
    with pytest.raises(ValueError, match=rf"mine\.json is {words}"):
        parsed(text, "mine.json")
