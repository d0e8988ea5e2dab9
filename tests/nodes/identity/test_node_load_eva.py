import os

import pytest
import torch

from portrait_loupe.nodes.host import IN_COMFYUI
from portrait_loupe.nodes.identity import node_load_eva
from portrait_loupe.nodes.identity.node_load_eva import NONE_YET, LoadEvaClip

NAME = "EVA02_CLIP_L_336_psz14_s6B.pt"


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(node_load_eva, "model_folders", lambda kind: [tmp_path / kind])
    return tmp_path


def options():
    return list(LoadEvaClip.define_schema().inputs[0].options)


def test_an_eva_clip_is_loaded_and_told_of(eva_clips, timm, models):
    assert options() == [NONE_YET]
    eva_clips.save(eva_clips.build(width=64), models / "clip" / NAME)
    eva_clips.save(eva_clips.build("open_clip", width=64), models / "eva_clip/eva.safetensors")
    assert options() == [f"clip/{NAME}", "eva_clip/eva.safetensors"]
    told = LoadEvaClip.execute(f"clip/{NAME}")
    eva, report = told.args
    assert told.ui == {"loupe_report": [report]}
    assert report.startswith(f"{NAME}: an EVA02 tower, 64 wide, 21 blocks")
    assert f"sha256 {eva.sha256}" in report
    assert "PuLID was not trained with it" in report
    assert (eva.patcher is not None) == IN_COMFYUI
    if IN_COMFYUI:
        assert eva.patcher.model is eva.module
    other, _ = LoadEvaClip.execute("eva_clip/eva.safetensors").args
    pictures = torch.rand(1, 30, 30, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(eva.see(pictures).pooled, other.see(pictures).pooled)


def test_a_file_is_checked_when_the_graph_is_not_when_the_page_was_made(eva_clips, models):
    name = "clip/eva.pt"
    check = LoadEvaClip.validate_inputs
    assert f"there is no '{name}'" in check(file=name)
    assert "put EVA02_CLIP_L_336_psz14_s6B.pt there" in check(file=NONE_YET)
    assert "file must be the name of a file" in check(file=7)
    assert check(file=None) is True  # linked
    eva_clips.save({"x": torch.ones(1)}, models / name)
    assert check(file=name) is True
    assert "file must name" in check(file="clip/../clip/eva.pt")


def test_a_file_that_changes_is_read_again(eva_clips, models):
    name = "clip/eva.pt"
    state = LoadEvaClip.fingerprint_inputs
    assert state(file=name) == "no file"
    path = eva_clips.save({"x": torch.ones(1)}, models / name)
    before = state(file=name)
    assert before == state(file=name)
    os.utime(path, ns=(1, 1))
    assert state(file=name) != before


def test_bad_input_is_named(eva_clips, models):
    for file, told in [
        (NONE_YET, "there is no EVA-CLIP file in models/clip, .*put EVA02"),
        ("clip/eva.pt", "There is none yet"),
        ("../eva.pt", "file must name an EVA-CLIP file"),
    ]:
        with pytest.raises(ValueError, match=told):
            LoadEvaClip.execute(file)
    eva_clips.save({"logit_scale": torch.ones(1)}, models / "clip/eva.pt")
    with pytest.raises(ValueError, match=r"clip/eva.pt is not used: it holds no picture tower"):
        LoadEvaClip.execute("clip/eva.pt")


def test_it_is_called_what_saved_workflows_call_it(models):
    schema = LoadEvaClip.define_schema()
    assert schema.node_id == "LoupeLoadEvaClip"
    assert [each.id for each in schema.inputs] == ["file"]
    assert [each.display_name or each.id for each in schema.outputs] == ["eva_clip", "report"]
    assert schema.outputs[0].get_io_type() == "LOUPE_EVA_CLIP"
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
