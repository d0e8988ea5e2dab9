import os
import pickle
import zipfile

import pytest
import torch

from portrait_loupe.nodes.identity.adapter_files import find_adapter, list_adapters, read_adapter


@pytest.fixture
def folders(tmp_path):
    """Two folders of one kind and one of another, not all of which exist."""
    return {
        "ipadapter": [tmp_path / "a" / "ipadapter", tmp_path / "b" / "ipadapter"],
        "instantid": [tmp_path / "a" / "instantid"],
        "pulid": [tmp_path / "nowhere"],
    }


def put(identity_adapters, folder, name, kind="faceid", base="SD1.5", **sizes):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return identity_adapters.save(identity_adapters.build(kind, base, **sizes), path)


def test_files_are_listed_by_kind_with_the_folders_they_lie_in(tmp_path, folders):
    assert list_adapters(folders) == []
    first, second = folders["ipadapter"]
    for path in (
        first / "b.bin", first / "sdxl" / "c.SAFETENSORS", second / "a.pt", second / "b.bin",
        first / "readme.md", first / ".cache" / "d.bin", first / ".e.bin", first / "1/2/3/f.bin", first / "1/2/3/4/g.bin",
        folders["instantid"][0] / "ip-adapter.bin",
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert list_adapters(folders) == [
        "ipadapter/1/2/3/f.bin", "ipadapter/a.pt", "ipadapter/b.bin", "ipadapter/sdxl/c.SAFETENSORS",
        "instantid/ip-adapter.bin",
    ]  # fmt: skip
    assert find_adapter("ipadapter/b.bin", folders) == first / "b.bin"
    assert find_adapter("ipadapter/a.pt", folders) == second / "a.pt"


def test_a_folder_that_links_to_itself_ends(folders):
    first = folders["ipadapter"][0]
    first.mkdir(parents=True)
    (first / "a.bin").write_bytes(b"x")
    try:
        (first / "loop").symlink_to(first, target_is_directory=True)
    except OSError:
        pytest.skip("this machine makes no links")
    assert find_adapter("ipadapter/a.bin", folders) == first / "a.bin"
    assert len(list_adapters(folders)) == 4


@pytest.mark.parametrize(
    "name",
    [
        "ipadapter/../secret.bin", "ipadapter/../ipadapter/a.bin", "../secret.bin", "secret.bin", "", "ipadapter",
        "ipadapter/", "ipadapter//a.bin", "ipadapter/./a.bin", "a.bin", "checkpoints/a.bin", "ipadapter\\a.bin",
        "ipadapter/a.bin\0",
    ],
)  # fmt: skip
def test_a_name_that_is_not_listed_leads_nowhere(folders, name):
    first = folders["ipadapter"][0]
    first.mkdir(parents=True)
    for path in (first / "a.bin", first.parent / "secret.bin"):
        path.write_bytes(b"x")
    assert find_adapter("ipadapter/a.bin", folders)
    with pytest.raises(
        ValueError, match=r"file must name an adapter in models/ipadapter or .*a.bin"
    ):
        find_adapter(name, folders)
    with pytest.raises(ValueError, match="file must name"):
        find_adapter(str(first / "a.bin"), folders)


def test_both_ways_of_saving_give_the_same_adapter(identity_adapters, folders):
    first = folders["ipadapter"][0]
    for name in ("ip-adapter-faceid-plusv2_sd15.bin", "ip-adapter-faceid-plusv2_sd15.safetensors"):
        path = put(identity_adapters, first, name, "plusv2")
        adapter = read_adapter(path, f"ipadapter/{name}")
        assert (adapter.format, adapter.base, adapter.file) == ("FaceID Plus V2", "SD1.5", name)
        assert len(adapter.sha256) == 64
    other = path.with_name("unknown.safetensors")
    path.rename(other)
    assert read_adapter(other, "ipadapter/unknown.safetensors", "v1").format == "FaceID Plus"
    with pytest.raises(ValueError, match="its name does not tell which"):
        read_adapter(other, "ipadapter/unknown.safetensors")


def test_the_folder_tells_instantid(identity_adapters, folders):
    path = put(identity_adapters, folders["instantid"][0], "ip-adapter.bin", "instantid", "SDXL")
    assert read_adapter(path, "instantid/ip-adapter.bin").format == "InstantID"


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["LOUPE_EVIL"],)


def test_a_pickle_with_a_program_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_EVIL", str(tmp_path / "ran"))
    path = tmp_path / "evil.bin"
    torch.save({"image_proj": Evil()}, path)
    plain = tmp_path / "plain.bin"
    plain.write_bytes(pickle.dumps(Evil()))
    for file in (path, plain):
        with pytest.raises(ValueError, match="is not used: it holds more than tensors") as told:
            read_adapter(file, f"ipadapter/{file.name}")
        assert "weights_only" not in str(told.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_a_damaged_file_is_named_and_left_alone(identity_adapters, tmp_path, suffix):
    path = put(identity_adapters, tmp_path, f"a{suffix}")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"<!DOCTYPE html>", bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=rf"ipadapter/a\{suffix} is not used: .*[Dd]ownload it again"
        ):
            read_adapter(path, f"ipadapter/a{suffix}")
        assert path.read_bytes() == damaged
    path.unlink()
    with pytest.raises(ValueError, match=rf"a\{suffix}"):
        read_adapter(path, f"ipadapter/a{suffix}")


def test_what_is_no_adapter_is_told_by_what_it_holds(tmp_path):
    path = tmp_path / "lora.bin"
    torch.save({"lora_up": torch.ones(2, 2)}, path)
    with pytest.raises(
        ValueError,
        match=r"lora.bin is no identity adapter that Loupe knows. It holds 1 tensors: lora_up",
    ):
        read_adapter(path, "ipadapter/lora.bin")
    torch.save({"step": 3}, path)
    with pytest.raises(ValueError, match=r"ipadapter/lora.bin is not used: step is a int"):
        read_adapter(path, "ipadapter/lora.bin")


def test_a_weight_that_is_stretched_is_refused_at_once(identity_adapters, tmp_path):
    """Few bytes on the disk, a million million values to look at."""
    checkpoint = identity_adapters.build("faceid")
    key = next(key for key in checkpoint["ip_adapter"] if "to_k" in key)
    checkpoint["ip_adapter"][key] = torch.zeros(1, 1).expand(10**6, 10**6)
    torch.save(checkpoint, tmp_path / "a.bin")
    with pytest.raises(
        ValueError, match=r"ipadapter/a.bin is not used: .*to_k.* is stretched over 4000000000000"
    ):
        read_adapter(tmp_path / "a.bin", "ipadapter/a.bin")


def test_a_packed_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    torch.save({"image_proj": torch.zeros(1000, 1000)}, tmp_path / "good.bin")
    with (
        zipfile.ZipFile(tmp_path / "good.bin") as good,
        zipfile.ZipFile(tmp_path / "a.bin", "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for one in good.infolist():
            bad.writestr(one.filename, good.read(one))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"ipadapter/a.bin is not used: its part .* is packed"):
        read_adapter(tmp_path / "a.bin", "ipadapter/a.bin")
