import json

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Faces
from portrait_loupe.nodes.framing.find import find_faces
from portrait_loupe.nodes.identity.encode.arcface import BACKENDS, ENCODERS
from portrait_loupe.nodes.identity.node_drift import IdentityDrift
from portrait_loupe.nodes.identity.node_profile import IdentityProfile
from portrait_loupe.nodes.identity.profile import Identity


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    """A machine without face models."""
    monkeypatch.setenv("LOUPE_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def inputs():
    return {each.id: each for each in IdentityProfile.define_schema().inputs}


@pytest.fixture(scope="module")
def faces(hopper):
    return find_faces(hopper).faces


def widgets(inputs, **other):
    """Every widget's default as this node gets it: in a list."""
    given = {
        name: [each.default]
        for name, each in inputs.items()
        if getattr(each, "default", None) is not None
    }
    return {**given, **{name: [value] for name, value in other.items()}}


def test_photos_of_several_sizes_come_as_lists_and_through_several_sockets(
    inputs, hopper, faces, astronaut
):
    smaller = hopper[:, :560]
    cut = Faces((512, 560), faces.frames, faces.backend)
    result = IdentityProfile.execute(
        photos={"photo0": [hopper, smaller], "photo1": None, "photo3": [astronaut], "photo7": []},
        faces={"faces0": [faces, cut], "faces5": None},
        **widgets(inputs, name="Grace", consent="public domain"),
    )
    identity, sheet, aligned, report, text = result.args
    assert isinstance(identity, Identity)
    assert [one.image_size for one in identity.references] == [(512, 600), (512, 560), (512, 512)]
    assert identity.tool.startswith("portrait-loupe ")
    assert sheet.shape[0] == 1
    assert sheet.dtype == aligned.dtype == torch.float32
    assert aligned.shape == (3, 512, 512, 3)
    assert report.startswith("Grace: 3 faces from 3 photos\n")
    assert "no face encoder is here" in report
    assert result.ui == {"loupe_report": [report]}
    assert [face["number"] for face in json.loads(text)["faces"]] == [1, 2, 3]


def test_the_widgets_reach_what_they_name(inputs, hopper, faces):
    given = {"photos": {"photo0": [hopper, hopper * 0.9]}, "faces": {"faces0": [faces, faces]}}
    result = IdentityProfile.execute(
        **given, **widgets(inputs, overrides="-1", store_crops=False, impostor_limit=0.25)
    )
    identity, _, aligned, report, _ = result.args
    assert identity.limit == 0.25
    assert identity.kept().tolist() == [False, True]
    assert identity.references[0].crop112 is None
    assert aligned.shape == (1, 512, 512, 3)
    assert aligned.max() > 0.5  # shown even where it is not stored
    assert "without a stored crop" in report
    with pytest.raises(ValueError, match="several must be one of"):
        IdentityProfile.execute(**given, **widgets(inputs, several="none"))


def test_photos_are_added_to_an_identity(inputs, hopper, faces):
    base = IdentityProfile.execute(
        photos={"photo0": [hopper]}, faces={"faces0": [faces]}, **widgets(inputs, name="Grace")
    ).args[0]
    more = IdentityProfile.execute(
        photos={"photo0": [hopper * 0.8]},
        faces={"faces0": [faces]},
        identity=[base],
        **widgets(inputs),
    ).args[0]
    assert more.name == "Grace"
    assert len(more.references) == 2
    assert np.array_equal(more.references[0].crop512, base.references[0].crop512)
    alone = IdentityProfile.execute(identity=[base], **widgets(inputs)).args[0]
    assert len(alone.references) == 1
    bare = IdentityProfile.execute(photos={}, faces={}, identity=[base]).args[0]  # no widget at all
    assert len(bare.references) == 1


def test_links_that_do_not_fit_are_refused_by_their_sockets(inputs, hopper, faces):
    with pytest.raises(ValueError, match="faces2 holds 1 entries, photo2 holds 2"):
        IdentityProfile.execute(
            photos={"photo2": [hopper, hopper]}, faces={"faces2": [faces]}, **widgets(inputs)
        )
    with pytest.raises(ValueError, match="faces1 belongs to photo1, which is not linked"):
        IdentityProfile.execute(
            photos={"photo0": [hopper]}, faces={"faces1": [faces]}, **widgets(inputs)
        )
    with pytest.raises(ValueError, match="link a photo, or an identity"):
        IdentityProfile.execute(photos={}, faces={}, identity=None, **widgets(inputs))


def test_an_encoder_that_is_not_here_is_refused_when_it_is_asked_for(inputs, hopper):
    with pytest.raises(RuntimeError, match="no face encoder 'glintr100' is here"):
        IdentityProfile.execute(photos={"photo0": [hopper]}, **widgets(inputs, encoder="glintr100"))


@pytest.mark.parametrize("node", [IdentityProfile, IdentityDrift])
def test_an_encoder_that_was_put_there_since_makes_it_run_again(node, tmp_path):
    before = node.fingerprint_inputs(photos={}, image=None)
    assert node.fingerprint_inputs() == before
    pack = tmp_path / "models" / "insightface" / "models" / "buffalo_l"
    pack.mkdir(parents=True)
    (pack / "w600k_r50.onnx").write_bytes(b"some net")
    assert node.fingerprint_inputs() != before


def test_it_is_called_what_saved_workflows_call_it(inputs):
    schema = IdentityProfile.define_schema()
    assert schema.node_id == "LoupeIdentityProfile"
    assert schema.category == "Loupe/identity"
    assert schema.is_input_list
    assert list(inputs) == [
        "photos", "faces", "identity", "name", "encoder", "overrides", "several", "consent", "backend",
        "impostor_limit", "store_crops",
    ]  # fmt: skip
    assert [name for name, each in inputs.items() if each.advanced] == [
        "consent", "backend", "impostor_limit", "store_crops",
    ]  # fmt: skip
    assert list(inputs["encoder"].options) == list(ENCODERS)
    assert list(inputs["backend"].options) == list(BACKENDS)
    assert inputs["impostor_limit"].default == 0.55
    for group, prefix in (("photos", "photo"), ("faces", "faces")):
        template = inputs[group].template
        assert (template.prefix, template.min, template.max) == (prefix, 0, 32)
    assert [each.display_name or each.id for each in schema.outputs] == [
        "identity", "sheet", "aligned", "report", "json",
    ]  # fmt: skip
    assert [each.get_io_type() for each in schema.outputs] == [
        "LOUPE_IDENTITY", "IMAGE", "IMAGE", "STRING", "STRING",
    ]  # fmt: skip
    assert all(each.tooltip for each in inputs.values())
