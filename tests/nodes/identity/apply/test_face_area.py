import math

import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL, OVAL_V, Face, Faces
from portrait_loupe.nodes.framing.masks import GROW
from portrait_loupe.nodes.framing.plan import plan_crops
from portrait_loupe.nodes.identity.apply.face_area import SOFT, face_area

HALF = OVAL[0] / 2 + GROW, OVAL[1] / 2 + GROW


def face_at(x, y, iod, roll=0.0):
    dx, dy = iod / 2 * math.cos(roll), iod / 2 * math.sin(roll)
    return Face(((x - dx, y - dy), (x + dx, y + dy)))


def test_its_area_is_the_ovals_and_it_is_soft_at_the_border():
    iod = 100.0
    (plane,) = face_area("face", None, Faces((1000, 800), ((face_at(500, 300, iod),),), "test"))
    assert plane.shape == (205, 256)
    share = math.pi * HALF[0] * HALF[1] * iod**2 / 800_000
    assert float(plane.mean()) == pytest.approx(share, rel=0.01)
    centre = int((300 + OVAL_V * iod) / 800 * 205)
    assert plane[centre, 128] == 1
    row = plane[centre]
    assert row[0] == 0
    soft = int(((row > 0) & (row < 1)).sum())
    assert soft / 2 == pytest.approx(SOFT * iod * 256 / 1000, abs=1.5)  # to either side


@pytest.mark.parametrize("roll", [0.4, -0.7])
def test_it_turns_with_the_head(roll):
    (plane,) = face_area("face", None, Faces((600, 600), ((face_at(300, 300, 80, roll),),), "test"))
    y, x = torch.nonzero(plane > 0.5, as_tuple=True)
    scale = 600 / 256
    below = math.atan2(
        float(x.float().mean() + 0.5) * scale - 300, float(y.float().mean() + 0.5) * scale - 300
    )
    assert -below == pytest.approx(roll, abs=0.02)  # the oval's middle hangs below the eyes


def test_every_picture_has_its_own_and_one_without_a_face_has_none():
    faces = Faces(
        (400, 400),
        ((face_at(100, 200, 40),), (), (face_at(300, 200, 40), face_at(80, 90, 20))),
        "test",
    )
    first, none, both = face_area("face", None, faces)
    assert not none.any()
    left = slice(0, 128)
    assert first[:, left].sum() > 0.99 * first.sum()
    assert both[:, left].any()
    assert both[:, 128:].any()


def test_a_plan_shows_the_face_inside_its_crop():
    faces = Faces((4000, 3000), ((face_at(2000, 1500, 60),),), "test")
    plan = plan_crops(faces, "CU close-up", "SDXL")
    (plane,) = face_area("face", plan, faces)
    iod = 60 * plan.scales[0]
    share = math.pi * HALF[0] * HALF[1] * iod**2 / math.prod(plan.output_size)
    assert float(plane.mean()) == pytest.approx(share, rel=0.02)


def test_everywhere_is_no_mask_and_an_unknown_face_is_said():
    assert face_area("everywhere", None, None) is None
    for faces in (None, Faces((10, 10), ((),), "test")):
        with pytest.raises(
            ValueError, match="area face goes by where the face is, and none is known: link"
        ):
            face_area("face", None, faces)
    with pytest.raises(ValueError, match="area must be one of everywhere, face, got 'hair'"):
        face_area("hair", None, None)
