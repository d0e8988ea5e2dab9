import hashlib
import os
import pickle
from dataclasses import replace

import pytest
import torch

from portrait_loupe.nodes.identity.eva import files
from portrait_loupe.nodes.identity.eva.files import eva_words, find_eva, list_eva, read_eva
from portrait_loupe.nodes.identity.eva.network import Eva

NAME = "EVA02_CLIP_L_336_psz14_s6B.pt"


@pytest.fixture
def folders(tmp_path):
    """As ComfyUI has them: one folder is of two kinds."""
    return {
        "clip": [tmp_path / "clip"],
        "text_encoders": [tmp_path / "text_encoders", tmp_path / "clip"],
        "clip_vision": [tmp_path / "clip_vision"],
        "eva_clip": [tmp_path / "nowhere"],
    }


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_with_eva_in_their_names_are_listed_once(tmp_path, folders):
    assert list_eva(folders) == []
    for name in (
        f"clip/{NAME}", "clip/clip_l.safetensors", "clip/eva/readme.md", "clip/eva/clip_g.pt", "clip/sub/my_Eva.SAFETENSORS",
        "text_encoders/t5xxl.safetensors", "text_encoders/eva02.bin", f"text_encoders/{NAME}", "clip_vision/EVA.pth",
        "clip/.cache/eva.pt", "clip/eva.onnx",
    ):  # fmt: skip
        put(tmp_path / name)
    assert list_eva(folders) == [
        f"clip/{NAME}", "clip/sub/my_Eva.SAFETENSORS", f"text_encoders/{NAME}", "text_encoders/eva02.bin",
        "clip_vision/EVA.pth",
    ]  # fmt: skip
    assert find_eva(f"clip/{NAME}", folders) == tmp_path / "clip" / NAME
    assert find_eva(f"text_encoders/{NAME}", folders) == tmp_path / "text_encoders" / NAME


@pytest.mark.parametrize(
    "name",
    [
        "clip/../eva.pt", "clip/../clip/eva.pt", "../eva.pt", "eva.pt", "", "clip", "clip/", "clip//eva.pt",
        "clip/./eva.pt", "checkpoints/eva.pt", "clip\\eva.pt", "clip/eva.pt\0", "clip/other.pt",
        "text_encoders/eva.pt",
    ],
)  # fmt: skip
def test_a_name_that_is_not_listed_leads_nowhere(tmp_path, folders, name):
    for there in ("clip/eva.pt", "eva.pt", "clip/other.pt", "checkpoints/eva.pt"):
        put(tmp_path / there)
    assert find_eva("clip/eva.pt", folders)
    for asked in (name, str(tmp_path / "clip" / "eva.pt")):
        with pytest.raises(
            ValueError, match=r"file must name an EVA-CLIP file .*There are clip/eva.pt\."
        ):
            find_eva(asked, folders)


@pytest.mark.parametrize("layout", ["baai", "open_clip", "timm"])
def test_both_ways_of_saving_give_the_same_network(eva_clips, timm, tmp_path, layout):
    tensors = eva_clips.build(layout, width=64)
    pictures = torch.rand(1, 12, 12, 3, generator=torch.Generator().manual_seed(1))
    seen = []
    for suffix in (".pt", ".safetensors"):
        path = eva_clips.save(tensors, tmp_path / f"eva{suffix}")
        eva = read_eva(path, f"clip/eva{suffix}")
        assert (eva.file, eva.side, eva.patcher) == (path.name, 12, None)
        assert eva.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        seen.append(eva.see(pictures).pooled)
    assert torch.equal(*seen)


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["LOUPE_EVIL"],)


def test_a_pickle_with_a_program_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_EVIL", str(tmp_path / "ran"))
    path = tmp_path / "eva.pt"
    torch.save({"visual.cls_token": Evil()}, path)
    plain = put(tmp_path / "plain_eva.pt", pickle.dumps(Evil()))
    for file in (path, plain):
        with pytest.raises(
            ValueError, match=r"eva.pt is not used: it holds more than tensors"
        ) as told:
            read_eva(file, f"clip/{file.name}")
        assert "weights_only" not in str(told.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_damaged_file_is_named_and_left_alone(eva_clips, tmp_path, suffix):
    path = eva_clips.save(eva_clips.build(width=64), tmp_path / f"eva{suffix}")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"<!DOCTYPE html>", bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=rf"clip/eva\{suffix} is not used: .*[Dd]ownload it again"
        ):
            read_eva(path, f"clip/eva{suffix}")
        assert path.read_bytes() == damaged
    path.unlink()
    with pytest.raises(ValueError, match=rf"eva\{suffix}"):
        read_eva(path, f"clip/eva{suffix}")


def test_a_text_encoder_named_eva_is_told_by_what_it_holds(tmp_path, eva_clips):
    text = {"text_model.embeddings.token_embedding.weight": torch.ones(3, 4)}
    path = eva_clips.save(text, tmp_path / "eva_text.safetensors")
    with pytest.raises(
        ValueError,
        match=r"clip/eva_text.safetensors is not used: it holds no picture tower .*text_model.emb.*PuLID needs",
    ):
        read_eva(path, "clip/eva_text.safetensors")


def test_what_is_known_of_a_file_is_told(eva_clips):
    large = {
        "width": 1024,
        "blocks": 24,
        "heads": 16,
        "patch": 14,
        "grid": 24,
        "inner": 2730,
        "pooled": 768,
    }
    eva = Eva(
        "eva.pt", "a" * 64, torch.nn.Linear(1, 1), 336, what="EVA02-CLIP-L/14-336", sizes=large
    )
    again = eva_words(eva)
    assert again.startswith("eva.pt: EVA02-CLIP-L/14-336, read through timm ")
    assert (
        "1024 wide, 24 blocks of 16 heads; it sees pictures of 336 px in 24 x 24 patches and says 768 numbers"
        in again
    )
    assert f"sha256 {'a' * 64}\nnot the authors' own file" in again
    assert "PuLID was not trained with it" not in again
    own = eva_words(replace(eva, sha256=files.PUBLISHED_SHA256))
    assert own.endswith(
        "the file that its authors published, QuanSun/EVA-CLIP: MIT, as its card says"
    )
    other = eva_words(replace(eva, what="EVA02-CLIP-L/14", side=224, sizes={**large, "grid": 16}))
    assert "PuLID was not trained with it. PuLID needs EVA02-CLIP-L/14-336" in other
    assert "pictures of 224 px" in other
    assert "MIT" not in other
