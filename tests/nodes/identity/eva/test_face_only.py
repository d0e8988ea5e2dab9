import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity.encode.align import TEMPLATE
from portrait_loupe.nodes.identity.eva import parsing
from portrait_loupe.nodes.identity.eva.face_only import (
    TRAINED,
    as_trained,
    face_only,
    template_mask,
)

EYES = TRAINED[:2].mean(0)
IOD = TRAINED[1, 0] - TRAINED[0, 0]


def plain(red, green, blue):
    return np.full((512, 512, 3), (red, green, blue), np.uint8)


def at(mask, x, y):
    return float(mask[round(y), round(x)])


def test_a_face_is_grey_on_white():
    """Rec. 601: what a plain colour weighs, in its gamma-coded values."""
    shown = face_only(plain(200, 100, 50), []).picture
    assert (shown.shape, shown.dtype) == ((1, 512, 512, 3), torch.float32)
    assert torch.equal(shown[..., 0], shown[..., 1])
    assert torch.equal(shown[..., 0], shown[..., 2])
    grey = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    for x, y in TRAINED:
        assert at(shown[0, ..., 1], x, y) == pytest.approx(grey, abs=1e-6)
    corners = shown[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert torch.equal(corners, torch.ones(4, 3))
    # a picture of white: nothing anywhere but white
    assert torch.allclose(face_only(plain(255, 255, 255), []).picture, torch.ones(1), atol=1e-6)


def test_the_face_lies_where_training_had_it():
    """Colours that tell where in the crop they were: a similarity, and the template's five points by it."""
    ramp = np.broadcast_to(np.arange(512) // 2, (512, 512)).astype(np.uint8)
    picture, inside = as_trained(np.stack([ramp, ramp.T, ramp], -1))
    x, y = (
        picture[0, one] * 255 * 2 + 0.5 + 0.5 for one in range(2)
    )  # px of the crop, from its edge
    arcface = (TEMPLATE + np.array([8, 0])) * 4 + 0.5
    found = np.array([(at(x, *point), at(y, *point)) for point in TRAINED])
    # the two templates are of faces with mouths 10 px apart; 8-bit steps are 2 px wide
    assert np.abs(found - arcface).max() < 12
    assert np.abs(found.mean(0) - arcface.mean(0)).max() < 1.5
    # no turn, and larger by what least squares gives: 1.168
    assert at(x, 400, 256) - at(x, 100, 256) == pytest.approx(300 * 1.168, abs=2)
    assert at(y, 256, 400) - at(y, 256, 100) == pytest.approx(300 * 1.168, abs=2)
    assert at(y, 100, 256) == pytest.approx(at(y, 400, 256), abs=2)
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    assert (int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])) == (61, 499, 37, 475)
    # a square, but for its turn of 0.05 degrees
    assert int(inside.sum()) == pytest.approx(len(rows) * len(columns), rel=3e-3)


def test_beyond_the_crop_the_parser_sees_grey_and_eva_white():
    picture, inside = as_trained(plain(0, 0, 0))
    assert torch.allclose(picture[0, :, 0, 0] * 255, torch.tensor([132.0, 133.0, 135.0]))
    assert picture[0, :, 256, 256].sum() == 0
    shown = face_only(plain(0, 0, 0), []).picture[0, ..., 0]
    assert (shown[inside == 0] == 1).all()
    assert at(shown, 256, 62) == 0  # hair, at the crop's upper edge
    assert at(shown, 256, 60) == 1


def test_the_ovals_hold_face_and_hair_and_no_ears_or_neck():
    mask = template_mask()
    assert mask.shape == (512, 512)
    assert (mask.min(), mask.max()) == (0, 1)
    for x, y in TRAINED:
        assert at(mask, x, y) == 1
    below = TRAINED[3:].mean(0)[1] - EYES[1]  # from the eyes to the mouth
    for across, down, kept in [
        (0, 1.5 * below, 1),  # the chin
        (0, 1.9 * below, 0),  # the neck
        (-1.28 * IOD, 0.25 * IOD, 0),  # ears
        (1.28 * IOD, 0.25 * IOD, 0),
        (-0.95 * IOD, 0.25 * IOD, 1),  # cheeks
        (0.95 * IOD, 0.25 * IOD, 1),
        (0, -1.6 * IOD, 1),  # the crown
        (-1.1 * IOD, -0.7 * IOD, 1),  # hair at the temples
        (-1.6 * IOD, -0.7 * IOD, 0),  # beside it
    ]:
        assert at(mask, EYES[0] + across, EYES[1] + down) == kept, (across, down)
    # even about the middle of the face, 256.6, within a pixel of its fading edge
    assert (mask[:, 1:] - mask.flip(1)[:, :-1]).abs().max() < 0.11
    assert ((mask > 0) & (mask < 1)).any()


@pytest.mark.parametrize(
    "crop",
    [np.zeros((512, 512), np.uint8), np.zeros((112, 112, 3), np.uint8), np.zeros((512, 512, 3)), np.zeros((512, 512, 4), np.uint8)],
    ids=str,
)  # fmt: skip
def test_what_is_no_crop_is_refused(crop):
    with pytest.raises(ValueError, match=r"must be \(512, 512, 3\) in 8 bits, got"):
        face_only(crop, [])


def test_without_a_parser_it_says_so_and_what_that_costs(tmp_path):
    told = face_only(plain(9, 9, 9), [tmp_path / "nowhere", tmp_path]).how
    assert told.startswith("no face parser: parsing_bisenet.pth is not in models/facexlib. Ovals")
    assert "long hair is cut off" in told
    assert "\n" not in told


def test_the_parser_decides_where_it_is_there(tmp_path, monkeypatch):
    """Whatever it finds: here the left half."""
    half = torch.zeros(512, 512, dtype=torch.bool)
    half[:, :256] = True
    seen = []

    def parse(picture, folders):
        seen.append((picture, folders))
        return half

    monkeypatch.setattr("portrait_loupe.nodes.identity.eva.face_only.parse_face", parse)
    found = face_only(plain(0, 0, 0), [tmp_path])
    assert (
        found.how
        == f"face and hair were told from the rest by {parsing.PARSER} ({parsing.FILE}), as PuLID was trained"
    )
    _, inside = as_trained(plain(0, 0, 0))
    assert torch.equal(found.picture[0, ..., 0], 1 - half * inside)
    assert torch.equal(seen[0][0], as_trained(plain(0, 0, 0))[0])
    assert seen[0][1] == [tmp_path]
