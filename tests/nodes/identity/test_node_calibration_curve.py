import json
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity import node_calibration_curve
from portrait_loupe.nodes.identity.encode.arcface import open_encoders
from portrait_loupe.nodes.identity.gather import build_identity
from portrait_loupe.nodes.identity.node_calibration_curve import CalibrationCurve

ADAPTER = SimpleNamespace(file="faceid.bin", sha256="aa", encoder="w600k_r50", lora=())


def drawn(marker_face, share=1.0, iod=80):
    """Person 1 to a share, the rest of the texture person 2's."""
    one, two = (
        marker_face((480, 480), [{"x": 240, "y": 200, "iod": iod, "identity": n}])[0]
        for n in (1, 2)
    )
    return torch.from_numpy(share * one + (1 - share) * two)[None]


@pytest.fixture
def model():
    torch.manual_seed(0)
    inner = SimpleNamespace(diffusion_model=torch.nn.Linear(4, 4), model_config=object())
    return SimpleNamespace(model=inner)


@pytest.fixture
def machine(face_pack, marker_face, tmp_path, monkeypatch):
    """With both encoders; a profile that was made on it, of faces where they were drawn."""
    root = tmp_path / "models"
    monkeypatch.setattr(node_calibration_curve, "model_folders", lambda kind: [root / kind])
    for name in ("buffalo_l", "antelopev2"):
        face_pack(root / "insightface", name)
    photos, faces = [], []
    for iod in (60, 70, 80):
        picture, (points,) = marker_face(
            (480, 480), [{"x": 240, "y": 200, "iod": iod, "identity": 1}]
        )
        five = tuple((float(x), float(y)) for x, y in points)
        photos.append(torch.from_numpy(picture)[None])
        faces.append(Faces((480, 480), ((Face(five[:2], points=five),),), "a test"))
    encoders = open_encoders([root / "insightface"]).encoders
    return build_identity(photos, faces, encoders=encoders, name="One").identity


def test_rendered_pictures_become_a_curve_in_the_profile(machine, marker_face, model):
    shares = {0.0: 0.3, 0.5: 0.6, 1.2: 0.7}
    images = {
        f"image{number}": [drawn(marker_face, share, iod) for iod in (75, 85)]
        for number, share in enumerate(shares.values())
    }
    images = {"image9": None, **dict(reversed(images.items()))}  # whatever was linked first
    result = CalibrationCurve.execute(
        images=images, weights=["0 0 .5 .5 1.2 1.2"], seeds=["1 2 1 2 1 2"], identity=[machine], adapter=[ADAPTER],
        model=[model], prominence=["off"], encoder=["all found"], backend=["auto"], how=["by hand"],
    )  # fmt: skip
    identity, weight, plot, grid, report, text = result.args
    (kept,) = identity.calibrations
    assert kept.encoder == "glintr100"  # not the adapter's own
    assert [(one.weight, one.seed) for one in kept.points] == [
        (w, s) for w in shares for s in (1, 2)
    ]
    assert 0.2 < weight <= 1.2
    assert plot.shape[0] == grid.shape[0] == 1
    assert "measured by glintr100" in report
    assert "suggested weight" in report
    assert result.ui == {"loupe_report": [report]}
    assert json.loads(text)["calibration"]["how"] == "by hand"


def test_a_list_of_numbers_goes_before_the_typed_weights(machine, marker_face, model):
    images = {"image0": [drawn(marker_face, one) for one in (0.3, 0.6)]}
    result = CalibrationCurve.execute(
        images=images, weights=["9"], weight_list=[0.0, 1.0], identity=[machine], adapter=[ADAPTER], model=[model]
    )  # fmt: skip
    identity, weight, *_, report, _ = result.args
    assert identity is machine
    assert weight == 0.8
    assert "a curve needs 3 different weights with 2 or more" in report


def test_prominence_without_a_face_to_go_by_is_refused_before_anything_is_measured(model):
    with pytest.raises(ValueError, match="prominence follow goes by the size of the face"):
        CalibrationCurve.execute(
            images={"image0": [torch.zeros(1, 64, 64, 3)]}, weights=["0.5"], identity=[None], adapter=[ADAPTER],
            model=[model], prominence=["follow"],
        )  # fmt: skip


def test_it_is_called_what_saved_workflows_call_it():
    schema = CalibrationCurve.define_schema()
    assert schema.node_id == "LoupeCalibrationCurve"
    assert schema.is_input_list
    assert [each.id for each in schema.inputs] == [
        "images", "weights", "seeds", "identity", "adapter", "model", "prominence", "plan", "faces", "weight_list", "encoder",
        "backend", "how",
    ]  # fmt: skip
    assert [each.display_name or each.id for each in schema.outputs] == ["identity", "weight", "plot", "grid", "report", "json"]  # fmt: skip
    assert all(each.tooltip for each in [*schema.inputs, *schema.outputs])
