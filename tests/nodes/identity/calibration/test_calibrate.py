import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity.calibration.calibrate import calibrate
from portrait_loupe.nodes.identity.calibration.measure import Measured, Render
from portrait_loupe.nodes.identity.calibration.value import Point
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)
ADAPTER = SimpleNamespace(file="faceid.bin", sha256="aa", encoder="w600k_r50", lora=(1,))


def person():
    return Identity("Ada", (Reference(
        quality=1.0, parts={}, photo_sha256="", eyes=((1.0, 1.0), (5.0, 1.0)), points=(), image_size=(9, 9),
        iod_px=4.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.2,
    ),))  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    inner = SimpleNamespace(diffusion_model=torch.nn.Linear(4, 4), model_config=object())
    return SimpleNamespace(model=inner)


def measured(cosine, steered=False):
    pairs = [(w, k) for w in WEIGHTS for k in range(3)]
    renders = tuple(Render(torch.zeros(1, 8, 8, 3), w, k, 0) for w, k in pairs)
    points = tuple(Point(w, cosine(w, k), k) for w, k in pairs)
    return Measured(renders, points, "glintr100", "cc", steered, ("a remark",))


def test_a_curve_goes_with_the_identity_and_a_weight_comes_out(model):
    one = person()
    done = calibrate(
        measured(lambda w, k: 0.1 + 0.5 * (1 - np.exp(-w / 0.4)) + 0.01 * k, True), one, ADAPTER, model,
        how="20 steps", created="2026-11-21", remarks=("another",),
    )  # fmt: skip
    (kept,) = done.identity.calibrations
    assert one.calibrations == ()
    assert (kept.adapter, kept.adapter_sha256, kept.base, kept.how) == ("faceid.bin", "aa", "object", "20 steps")  # fmt: skip
    assert len(kept.base_id) == 64
    assert 0.7 < done.weight < 0.9
    assert done.weight == round(done.weight, 2)
    told = json.loads(done.json)
    assert told["suggestion"]["weight"] == pytest.approx(done.weight, abs=0.006)
    assert len(told["calibration"]["points"]) == len(told["points"]) == 15
    for words in ("faceid.bin on object: 15 pictures at 5 weights, 0 to 1.2", "it flatters", "LoRA does not act", "a remark", "another", "20 steps"):  # fmt: skip
        assert words in done.report
    assert done.plot.shape[0] == done.grid.shape[0] == 1


def test_without_a_curve_the_identity_is_as_it_was_and_the_pictures_are_shown(model):
    one = person()
    done = calibrate(measured(lambda w, k: None), one, ADAPTER, model)
    assert done.identity is one
    assert done.weight == 0.8
    assert "no curve: no picture tells a cosine" in done.report
    assert "15 of them tell no cosine" in done.report
    assert json.loads(done.json)["calibration"] is None
    assert done.grid.shape[1] > 100


def test_a_flat_curve_is_kept_but_suggests_nothing(model):
    done = calibrate(measured(lambda w, k: 0.3 + 0.01 * k), person(), ADAPTER, model)
    assert len(done.identity.calibrations) == 1
    assert done.weight == 0.8
    assert "none brings anything" in done.report


def test_it_is_held_against_the_own_photos_by_the_encoder_that_measured(model):
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal(512) + 0.5 * rng.standard_normal((3, 512))).astype(np.float32)
    one = person()
    three = replace(one, references=one.references * 3)
    curve = measured(lambda w, k: 0.1 + 0.85 * (1 - np.exp(-w / 0.2)) + 0.001 * k)
    for encoder, known in (("glintr100", True), ("w600k_r50", False)):
        held = replace(three, embedded=(Embedded(encoder, "cc", "", rows),))
        report = calibrate(curve, held, ADAPTER, model).report
        assert ("of the profile's own photos (0." in report) is known
        assert ("embedded with glintr100" in report) is not known
