import json

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.lens.catalogue import DEFAULT, find_lens
from portrait_loupe.nodes.lens.measure import PLACES, measure
from portrait_loupe.nodes.lens.node_meter import MicroContrastMeter
from portrait_loupe.nodes.lens.plan import Settings
from portrait_loupe.nodes.lens.render import render

HOPPER = Face(((222.0, 189.6), (305.5, 186.8)))


@pytest.fixture
def faces(hopper):
    return Faces((hopper.shape[2], hopper.shape[1]), ((HOPPER,),), "by hand")


def softened(picture, level=-1.0):
    return render(picture, Settings(find_lens(DEFAULT), level, 8.0)).picture


def test_without_a_reference_the_ratios_are_1_and_the_report_says_to_link_one(hopper):
    found = measure(hopper)
    assert (found.micro_contrast, found.sharpness) == (1, 1)
    assert found.whole[0].micro_contrast > 0
    assert "link a reference" in found.report


def test_a_soft_lens_lowers_both(hopper):
    found = measure(softened(hopper), hopper)
    assert found.micro_contrast < 0.8
    assert found.sharpness < 0.95


def test_the_same_picture_is_1_everywhere(hopper, faces):
    found = measure(hopper, hopper, faces=faces)
    assert found.micro_contrast == pytest.approx(1)
    assert found.sharpness == pytest.approx(1)
    for reading in found.places[0].values():
        assert reading.micro_contrast_ratio in (None, pytest.approx(1))
    assert float((found.overlay.amax(-1) - found.overlay.amin(-1)).max()) < 1e-3  # gray: no tint


def test_the_places_of_a_face_are_read_each_for_itself(hopper, faces):
    after = hopper.clone()
    x, y = (round(one) for one in HOPPER.to_image(0.0, 1.05))
    part = (slice(None), slice(y - 30, y + 30), slice(x - 50, x + 50))
    after[part] = softened(hopper)[part]
    found = measure(after, hopper, faces=faces).places[0]
    assert set(found) == set(PLACES)
    assert found["lip border"].micro_contrast_ratio < 0.9
    assert found["brow line"].micro_contrast_ratio == pytest.approx(1, abs=1e-3)


def test_the_overlay_is_blue_where_texture_went_and_gray_elsewhere(hopper):
    after = hopper.clone()
    after[:, :200] = softened(hopper)[:, :200]
    overlay = measure(after, hopper).overlay
    assert overlay.shape == hopper.shape
    tint = overlay[..., 2] - overlay[..., 0]
    assert float(tint[:, 40:160].mean()) > 10 * float(tint[:, 300:].abs().mean())


def test_outside_the_mask_nothing_counts(hopper):
    after = hopper.clone()
    after[:, :200] = softened(hopper)[:, :200]
    mask = torch.zeros(1, *hopper.shape[1:3])
    mask[:, 260:] = 1
    found = measure(after, hopper, mask=mask)
    assert found.micro_contrast == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 64)])
def test_what_holds_nothing_to_measure_is_told_as_none(size):
    found = measure(torch.full((2, *size, 3), 0.5), torch.full((1, *size, 3), 0.5))
    assert found.micro_contrast == 1
    assert found.whole[0].sharpness is None
    assert "n/a" in found.report
    json.dumps(found.as_json(), allow_nan=False)


def test_a_straight_slanted_edge_is_measured():
    y, x = torch.arange(96)[:, None], torch.arange(96)
    plane = 0.2 + 0.6 * ((x - 40 - 0.1 * y) / 2 + 0.5).clamp(0, 1)
    found = measure(plane[None, ..., None].expand(-1, -1, -1, 3))
    edge = found.as_json()["pictures"][0]["edge"]
    # tan 5.71 deg = 0.1; the line the edge leans from may be rows or columns
    assert abs(edge["angle_deg"]) == pytest.approx(5.71, abs=0.1)
    assert edge["overshoot"] < 0.01
    # a ramp 2 px wide: sinc(2 f) = 1/2 at f = 0.302, and the pixels' own blur is in the ramp
    assert edge["mtf50_cycles_px"] == pytest.approx(0.30, abs=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": torch.zeros(1, 9, 9, 3)}, "reference must be one picture or 1"),
        ({"reference": torch.full((1, 64, 64, 3), torch.nan)}, "reference, picture 1"),
        ({"mask": torch.zeros(1, 64, 64)}, "mask is empty"),
        ({"mask": torch.ones(1, 9, 9)}, "mask has 9x9 px"),
        ({"faces": Faces((9, 9), ((HOPPER,),), "x")}, "9x9"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        measure(torch.rand(1, 64, 64, 3), **change)


def test_a_face_beside_the_picture_has_no_places(hopper):
    away = Faces(
        (hopper.shape[2], hopper.shape[1]), ((Face(((-900.0, 5.0), (-850.0, 5.0))),),), "x"
    )
    assert measure(hopper, faces=away).places == ({},)


def test_the_node_gives_numbers_overlay_report_and_json(hopper, faces):
    result = MicroContrastMeter.execute(softened(hopper), hopper, None, faces)
    contrast, sharpness, overlay, report, text = result.args
    told = json.loads(text)
    assert told["micro_contrast"] == pytest.approx(contrast, abs=1e-4)
    assert told["sharpness"] == pytest.approx(sharpness, abs=1e-4)
    assert set(told["pictures"][0]["places"]) == set(PLACES)
    assert overlay.shape == hopper.shape
    assert result.ui == {"loupe_report": [report]}
    assert all(place in report for place in PLACES)
