import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL_V, Face
from portrait_loupe.nodes.lens.areas import AREAS, EYES, HAIR, MOUTH_V, SKIN, area_masks

SIZE = (400, 500)
FACE = Face(((160.0, 200.0), (240.0, 200.0)))
TURNED = Face(((200.0, 160.0), (200.0, 240.0)))  # the picture's right is down the face's eye line


def at(masks, area, face, u, v):
    x, y = face.to_image(u, v)
    return float(masks[area][int(y), int(x)])


@pytest.mark.parametrize("face", [FACE, TURNED])
def test_each_part_of_a_face_belongs_to_its_area(face):
    masks = area_masks([face], SIZE)
    for area, u, v in [
        (EYES, -0.5, 0.0), (EYES, 0.5, 0.0), (SKIN, 0.0, 0.4), (SKIN, -0.75, 0.7), (SKIN, 0.0, -0.5), (HAIR, 0.0, -1.4),
    ]:  # fmt: skip
        assert at(masks, area, face, u, v) == pytest.approx(1, abs=0.01)
        assert all(at(masks, other, face, u, v) < 0.01 for other in AREAS if other != area)
    assert all(at(masks, area, face, 0.0, MOUTH_V) < 0.01 for area in AREAS)


def test_no_pixel_counts_twice_and_none_outside_the_head_counts():
    neighbours = [FACE, Face(((250.0, 210.0), (330.0, 205.0)))]
    masks = area_masks(neighbours, SIZE)
    total = sum(masks.values())
    assert float(total.max()) <= 1 + 1e-6
    assert float(total[:15].max()) == 0  # the head ends at y = 24, its fade at 19
    assert all(float(mask.min()) >= 0 for mask in masks.values())


def test_borders_fade_so_that_no_seam_can_show():
    for mask in area_masks([FACE], SIZE).values():
        steepest = max(float(mask.diff(dim=0).abs().max()), float(mask.diff(dim=1).abs().max()))
        # the smooth step rises by 1.5 of its width, 0.12 of 80 px, along the ellipse's short axis
        assert steepest < 1.1 * 1.5 / (0.12 * 80)


def test_a_face_beside_the_picture_leaves_it_alone():
    masks = area_masks([Face(((-900.0, 100.0), (-850.0, 100.0)))], SIZE)
    assert all(float(mask.max()) == 0 for mask in masks.values())


def test_the_middle_of_a_face_is_skin_at_any_size():
    for iod in (3.0, 30.0, 300.0):
        face = Face(((200 - iod / 2, 250.0), (200 + iod / 2, 250.0)))
        assert at(area_masks([face], SIZE), SKIN, face, 0.0, OVAL_V) > 0.9


def test_without_a_face_there_is_no_area():
    assert all(torch.equal(mask, torch.zeros(500, 400)) for mask in area_masks([], SIZE).values())
