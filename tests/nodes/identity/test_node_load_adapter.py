import os

import pytest

from portrait_loupe.nodes.identity import node_load_adapter
from portrait_loupe.nodes.identity.node_load_adapter import NONE_YET, LoadIdentityAdapter

PLUS = "ip-adapter-faceid-plusv2_sdxl.bin"


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(node_load_adapter, "model_folders", lambda kind: [tmp_path / kind])
    return tmp_path


def put(identity_adapters, models, name, kind="faceid", base="SD1.5"):
    path = models / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return identity_adapters.save(identity_adapters.build(kind, base), path)


def options():
    return list(LoadIdentityAdapter.define_schema().inputs[0].options)


def test_an_adapter_is_loaded_and_told_of(identity_adapters, models):
    assert options() == [NONE_YET]
    put(identity_adapters, models, f"ipadapter/{PLUS}", "plusv2", "SDXL")
    put(identity_adapters, models, "instantid/ip-adapter.bin", "instantid", "SDXL")
    put(identity_adapters, models, "pulid/pulid_flux_v0.9.1.safetensors", "pulid_flux", "Flux")
    assert options() == [
        f"ipadapter/{PLUS}", "instantid/ip-adapter.bin", "pulid/pulid_flux_v0.9.1.safetensors"
    ]  # fmt: skip
    told = LoadIdentityAdapter.execute(f"ipadapter/{PLUS}")
    adapter, report = told.args
    assert adapter.format == "FaceID Plus V2"
    assert told.ui == {"loupe_report": [report]}
    assert report.startswith(f"{PLUS}: FaceID Plus V2 for SDXL, told by the name {PLUS}\n")
    assert "70 layers, and a LoRA of 560 weights" in report
    assert (
        "embeddings of w600k_r50 alone: the direction of the embedding, CLIP-ViT-H's look" in report
    )
    assert f"sha256 {adapter.sha256}" in report
    _, instant = LoadIdentityAdapter.execute("instantid/ip-adapter.bin").args
    assert "glintr100 alone: the embedding with its length" in instant
    assert "Identity ControlNet shows it the five points" in instant
    _, flux = LoadIdentityAdapter.execute("pulid/pulid_flux_v0.9.1.safetensors").args
    assert "20 layers" in flux
    assert "EVA02-CLIP-L-336's look at the aligned face (eva_clip)" in flux


def test_the_version_is_the_users_word(identity_adapters, models):
    put(identity_adapters, models, f"ipadapter/{PLUS}", "plusv2", "SDXL")
    adapter, report = LoadIdentityAdapter.execute(f"ipadapter/{PLUS}", "v1").args
    assert adapter.format == "FaceID Plus"
    assert "told by the version that was set, v1" in report


def test_a_file_is_checked_when_the_graph_is_not_when_the_page_was_made(identity_adapters, models):
    name = "ipadapter/a.bin"
    check = LoadIdentityAdapter.validate_inputs
    assert f"there is no '{name}'" in check(file=name)
    assert "put one there" in check(file=NONE_YET)
    assert "file must be the name of a file" in check(file=7)
    assert check(file=None) is True  # linked
    put(identity_adapters, models, name)
    assert check(file=name) is True
    assert "file must name" in check(file="ipadapter/../ipadapter/a.bin")


def test_a_file_that_changes_is_read_again(identity_adapters, models):
    name = "ipadapter/a.bin"
    state = LoadIdentityAdapter.fingerprint_inputs
    assert state(file=name) == "no file"
    path = put(identity_adapters, models, name)
    before = state(file=name)
    assert before == state(file=name)
    os.utime(path, ns=(1, 1))
    assert state(file=name) != before
    assert state(file=name, version="v1") != state(file=name)


def test_bad_input_is_named(identity_adapters, models):
    for file, told in [
        (NONE_YET, "there is no adapter in models/ipadapter, .*put one there"),
        ("ipadapter/no.bin", "There is none yet"),
        ("../x.bin", "file must name an adapter"),
    ]:
        with pytest.raises(ValueError, match=told):
            LoadIdentityAdapter.execute(file)
    put(identity_adapters, models, "ipadapter/kolors.bin", "kolors")
    with pytest.raises(ValueError, match="which Loupe knows by sight but does not yet support"):
        LoadIdentityAdapter.execute("ipadapter/kolors.bin")


def test_it_is_called_what_saved_workflows_call_it(models):
    schema = LoadIdentityAdapter.define_schema()
    assert schema.node_id == "LoupeLoadIdentityAdapter"
    assert [each.id for each in schema.inputs] == ["file", "version"]
    assert next(iter(schema.inputs[1].options)) == "auto"
    assert [each.display_name or each.id for each in schema.outputs] == ["adapter", "report"]
    assert schema.outputs[0].get_io_type() == "LOUPE_IDENTITY_ADAPTER"
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
