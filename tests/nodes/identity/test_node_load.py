import json
import os

import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.host import saving_into
from portrait_loupe.nodes.identity import node_load
from portrait_loupe.nodes.identity.node_load import NONE_YET, LoadIdentity
from portrait_loupe.nodes.identity.profile import Identity, Reference
from portrait_loupe.nodes.identity.store import save_identity


@pytest.fixture
def ada():
    one = Reference(
        quality=0.5, parts={"size": 0.5}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=2.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    return Identity(
        "Ada", (one,), consent="my own face", created="2026-11-21", tool="portrait-loupe 0.1.0"
    )


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """With the models, and in the output folder."""
    models, output = tmp_path / "models" / "identity_profiles", tmp_path / "output"
    monkeypatch.setattr(node_load, "model_folders", lambda kind: [models])
    monkeypatch.setattr(node_load, "save_folder", lambda: output)
    return models, output / "identity_profiles"


def options():
    return list(LoadIdentity.define_schema().inputs[0].options)


def test_a_saved_identity_comes_back_with_its_sheet_and_report(ada, folders):
    save_identity(ada, "ada", folders[0])
    identity, sheet, report, text = LoadIdentity.execute("ada.safetensors").args
    assert identity.as_json() == ada.as_json() == json.loads(text)
    assert sheet.shape[0] == 1
    assert report.startswith(
        "ada.safetensors, made 2026-11-21 by portrait-loupe 0.1.0\nAda: 1 face\n"
    )
    assert report.endswith("consent note: my own face")
    assert LoadIdentity.execute("ada.safetensors").ui == {"loupe_report": [report]}


def test_both_folders_are_offered(ada, folders):
    assert options() == [NONE_YET]
    save_identity(ada, "ada", folders[0])
    save_identity(ada, "bob", folders[1])
    assert options() == ["ada.safetensors", "bob.safetensors"]
    assert LoadIdentity.execute("bob.safetensors").args[0].name == "Ada"


def test_a_file_is_checked_when_the_graph_is_not_when_the_page_was_made(ada, folders):
    told = LoadIdentity.validate_inputs(file="ada.safetensors")
    assert isinstance(told, str)
    assert "there is no ada.safetensors" in told
    assert "save one with Save Identity" in LoadIdentity.validate_inputs(file=NONE_YET)
    assert "must be a bare file name" in LoadIdentity.validate_inputs(file="../../ada.safetensors")
    assert "file must be the name of a file" in LoadIdentity.validate_inputs(file=7)
    save_identity(ada, "ada", folders[0])
    assert LoadIdentity.validate_inputs(file="ada.safetensors") is True
    assert LoadIdentity.validate_inputs(file=None) is True  # linked


def test_a_file_that_changes_is_read_again(ada, folders):
    assert LoadIdentity.fingerprint_inputs(file="ada.safetensors") == "no file"
    path, _ = save_identity(ada, "ada", folders[0])
    before = LoadIdentity.fingerprint_inputs(file="ada.safetensors")
    assert before == LoadIdentity.fingerprint_inputs(file="ada.safetensors")
    os.utime(path, ns=(1, 1))
    touched = LoadIdentity.fingerprint_inputs(file="ada.safetensors")
    assert touched != before
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, ns=(1, 1))
    assert LoadIdentity.fingerprint_inputs(file="ada.safetensors") != touched


def test_a_bad_file_is_named(ada, folders):
    path, _ = save_identity(ada, "ada", folders[0])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"ada\.safetensors is not used: .* left alone"):
        LoadIdentity.execute("ada.safetensors")
    for file, told in [
        (NONE_YET, "save one with"),
        ("../x", "bare file name"),
        ("x", "there is no x"),
    ]:
        with pytest.raises(ValueError, match=told):
            LoadIdentity.execute(file)


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI always names its folders")
def test_a_host_without_folders_offers_nothing_and_an_output_folder_is_enough(
    ada, tmp_path, monkeypatch
):
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    monkeypatch.delenv("LOUPE_OUTPUT", raising=False)
    assert options() == [NONE_YET]
    with saving_into(tmp_path):
        save_identity(ada, "ada", tmp_path / "identity_profiles")
        assert options() == ["ada.safetensors"]


def test_it_is_called_what_saved_workflows_call_it(folders):
    schema = LoadIdentity.define_schema()
    assert schema.node_id == "LoupeLoadIdentity"
    assert [each.id for each in schema.inputs] == ["file"]
    assert [each.display_name or each.id for each in schema.outputs] == [
        "identity", "sheet", "report", "json",
    ]  # fmt: skip
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
