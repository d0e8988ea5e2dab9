import zipfile

import pytest
import torch

from portrait_loupe.nodes.torch_files import check_stored, check_whole


def packed(path, compression=zipfile.ZIP_DEFLATED):
    """The same zip, its members compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def saved(value, path, **how):
    torch.save(value, path, **how)
    return path


@pytest.mark.parametrize("new", [True, False])
def test_what_torch_saves_passes(tmp_path, new):
    value = {"a": torch.rand(3, 4), "b": {"c": torch.rand(3, 4).T, "d": torch.rand(9)[::2]}}
    path = saved(value, tmp_path / "a.bin", _use_new_zipfile_serialization=new)
    check_stored(path)
    check_whole(torch.load(path, weights_only=True))


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_file_is_refused_before_it_is_unpacked(tmp_path, way):
    path = packed(saved({"a": torch.zeros(1000, 1000)}, tmp_path / "a.bin"), way)
    assert path.stat().st_size < 40_000
    with pytest.raises(
        ValueError, match=r"must be stored as it is, .* but is packed: \d+ bytes stand for \d+"
    ):
        check_stored(path)


def test_members_that_overlap_are_refused(tmp_path):
    """A listing may name the same bytes many times."""
    path = tmp_path / "a.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data/0", bytes(10_000))
        (one,) = archive.filelist
        archive.filelist.extend([one] * 20)
    with pytest.raises(
        ValueError, match="parts must fit in it, but say that they hold 210000 bytes"
    ):
        check_stored(path)


def test_a_zip_that_cannot_be_listed_is_refused(tmp_path):
    path = saved({"a": torch.zeros(10)}, tmp_path / "a.bin")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="is damaged"):
        check_stored(path)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            torch.zeros(1, 1).expand(10**6, 10**6),
            "the tensor is stretched over 4000000000000 bytes",
        ),
        (
            {"a": {"b": torch.zeros(1).expand(9)}},
            "b is stretched over 36 bytes, of which the file holds 4",
        ),
        ([torch.zeros(2), (torch.zeros(1).expand(9),)], "is stretched over"),
        (
            {"a": torch.zeros(3, 3).to_sparse()},
            "a must be a plain tensor, got one that is sparse_coo",
        ),
        ({"a": torch.zeros(3, device="meta")}, "a must be a plain tensor, got one that is on meta"),
    ],
    ids=["alone", "in dictionaries", "in a list", "sparse", "meta"],
)
def test_what_is_more_than_was_read_is_refused(value, words):
    with pytest.raises(ValueError, match=words):
        check_whole(value)


def test_what_holds_itself_has_an_end():
    value = {"a": torch.zeros(2)}
    value["self"] = value
    check_whole(value)
