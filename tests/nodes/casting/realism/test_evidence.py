import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.realism import SHIPPED, evidence_of, load_corridor
from portrait_loupe.nodes.casting.realism.figures import SCORED
from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.framing.find import EMBEDDED, find_faces


@pytest.fixture(scope="module")
def shipped():
    return load_corridor(SHIPPED, [])


@pytest.fixture(scope="module")
def skin(painted, spectrum, shipped):
    """Texture of about a real face's spectrum, light and colour."""
    patches = np.exp(0.55 * spectrum(4.0, 4))
    light = 6.0 * patches * spectrum(2.3, 1)
    return painted(light, 1.5 * spectrum(2.8, 2), 1.5 * spectrum(2.8, 3))


def test_a_face_that_can_be_measured_has_a_distance_and_a_reason(skin, face, shipped):
    found = evidence_of(skin, face, shipped)
    assert found.gate is None
    assert found.reason == "within the corridor"
    assert set(SCORED) <= set(found.figures)
    assert found.distance == pytest.approx(shipped.distance(found.figures))
    sigmas = shipped.sigmas(found.figures)
    assert dict(found.out) == {name: s for name, s in sigmas.items() if abs(s) > 2}
    assert found.face_px == pytest.approx(440, abs=0.01)


@pytest.mark.parametrize("name", ["gaussian", "noise", "sharpen"])
def test_what_is_done_to_skin_moves_the_distance_and_says_how(skin, face, shipped, series, name):
    strength = {"gaussian": 2.2, "noise": 0.05, "sharpen": 2.5}[name]
    changed = getattr(series, name)(skin[0].numpy(), strength).clip(0, 1)
    plain = evidence_of(skin, face, shipped)
    found = evidence_of(torch.from_numpy(changed)[None], face, shipped)
    assert found.distance > plain.distance + 1
    expected = {"gaussian": "smoothed", "noise": "noisy", "sharpen": ""}[name]
    assert expected in found.reason
    assert dict(found.out) == {
        key: value for key, value in shipped.sigmas(found.figures).items() if abs(value) > 2
    }
    away = [abs(value) for _, value in found.out]
    assert len(away) >= 2
    assert away == sorted(away, reverse=True)


def test_distance_is_the_same_for_the_same_pixels_wherever_they_lie(skin, face, shipped):
    wide = torch.nn.functional.pad(skin, (0, 0, 100, 30, 60, 0), value=0.3)
    moved = Face(tuple((x + 100, y + 60) for x, y in face.eyes))
    assert evidence_of(wide, moved, shipped).distance == pytest.approx(
        evidence_of(skin, face, shipped).distance, rel=1e-4
    )


def test_without_a_face_or_with_a_small_one_nothing_is_measured(
    skin, face, shipped, hopper, astronaut
):
    found = evidence_of(skin, None, shipped)
    assert (found.distance, found.figures, found.out, found.face_px) == (None, {}, (), 0.0)
    assert found.reason == "not ranked: no face was found"
    for picture in (hopper, astronaut):
        (small, *_) = find_faces(picture, backend=EMBEDDED).faces.frames[0]
        found = evidence_of(picture, small, shipped)
        assert found.distance is None
        assert found.gate.endswith("px tall, 440 are needed")
        assert 100 < found.face_px < 300


def test_a_gate_shows_figures_but_no_rank(skin, face, shipped):
    turned = Face(face.eyes, yaw_deg=35.0)
    found = evidence_of(skin, turned, shipped)
    assert found.distance is None
    assert set(SCORED) <= set(found.figures)
    assert found.reason == "not ranked: the head is turned by 35.0 degrees, at most 30 are compared"
    burnt = skin.clone()
    burnt[:, 262:268] = 1.0
    assert "burnt out" in evidence_of(burnt, face, shipped).reason
    blank = evidence_of(torch.full_like(skin, 0.5), face, shipped)
    assert blank.distance is None
    assert blank.gate.startswith("the skin shows no texture")
    outside = Face(tuple((x + 5000, y) for x, y in face.eyes))
    assert evidence_of(skin, outside, shipped).gate.startswith("only 0% of forehead")


def test_nothing_is_changed_in_the_picture(skin, face, shipped):
    before = skin.clone()
    evidence_of(skin, face, shipped)
    assert torch.equal(skin, before)


def test_broken_pixels_on_the_skin_are_refused(skin, face, shipped):
    broken = skin.clone()
    x, y = (round(value) for value in face.to_image(0.0, -0.62))
    broken[:, y, x] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        evidence_of(broken, face, shipped)


def test_mirrored_pictures_are_as_far(skin, face, shipped):
    (x1, y1), (x2, y2) = face.eyes
    mirrored = Face(((540 - x2, y2), (540 - x1, y1)))
    one, other = (
        evidence_of(picture, where, shipped).distance
        for picture, where in ((skin, face), (skin.flip(2), mirrored))
    )
    # whole pixels are cut out, so the ellipses lie a little otherwise on them
    assert other == pytest.approx(one, abs=0.05)
