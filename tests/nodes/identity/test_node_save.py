import pytest

from portrait_loupe.nodes import host
from portrait_loupe.nodes.host import saving_into
from portrait_loupe.nodes.identity import node_save
from portrait_loupe.nodes.identity.node_save import SaveIdentity
from portrait_loupe.nodes.identity.profile import Identity, Reference
from portrait_loupe.nodes.identity.report import NO_CONSENT
from portrait_loupe.nodes.identity.store import load_identity


@pytest.fixture
def ada():
    one = Reference(
        quality=0.5, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=2.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    return Identity("Ada", (one,))


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "identity_profiles"
    monkeypatch.setattr(
        node_save, "model_folders", lambda kind: [folder.parent / kind, tmp_path / "second"]
    )
    return folder


def test_an_identity_is_saved_with_the_models(ada, models):
    identity, file, report = SaveIdentity.execute(ada, "ada").args
    assert identity is ada
    assert file == "ada.safetensors"
    assert report == f"Saved as identity_profiles/{file}.\n{NO_CONSENT}"
    assert (models / file).is_file()
    assert load_identity("ada", [models]).name == "Ada"


def test_both_are_kept_unless_the_user_replaces(ada, models):
    bob = Identity("Bob", ada.references, consent="he agrees")
    SaveIdentity.execute(ada, "x")
    result = SaveIdentity.execute(bob, "x", "keep both")
    assert result.args[1].endswith("x_2.safetensors")
    assert NO_CONSENT not in result.args[2]
    assert result.ui == {"loupe_report": [result.args[2]]}
    SaveIdentity.execute(bob, "x", "replace")
    assert load_identity("x", [models]).name == "Bob"


@pytest.mark.skipif(host.IN_COMFYUI, reason="ComfyUI always names a models folder")
def test_where_no_models_folder_is_named_it_lies_with_the_results(ada, tmp_path, monkeypatch):
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    with saving_into(tmp_path):
        file = SaveIdentity.execute(ada, "ada").args[1]
    assert (tmp_path / "identity_profiles" / file).is_file()
    monkeypatch.delenv("LOUPE_OUTPUT", raising=False)
    with pytest.raises(RuntimeError, match="no output folder to save into"):
        SaveIdentity.execute(ada, "ada")


def test_what_is_no_identity_or_no_name_is_refused(ada, models):
    with pytest.raises(ValueError, match="identity must come from Identity Profile"):
        SaveIdentity.execute("Ada", "ada")
    with pytest.raises(ValueError, match="file_name must be a bare file name"):
        SaveIdentity.execute(ada, "../ada")
    assert not models.exists()


def test_it_is_called_what_saved_workflows_call_it():
    schema = SaveIdentity.define_schema()
    assert schema.node_id == "LoupeSaveIdentity"
    assert schema.is_output_node
    inputs = {each.id: each for each in schema.inputs}
    assert list(inputs) == ["identity", "file_name", "existing"]
    assert inputs["file_name"].default == "my identity"
    assert list(inputs["existing"].options) == ["keep both", "replace"]
    assert [each.display_name or each.id for each in schema.outputs] == [
        "identity",
        "file",
        "report",
    ]
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
