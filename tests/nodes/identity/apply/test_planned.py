import math

import pytest

from portrait_loupe.nodes.framing.faces import OVAL, Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops
from portrait_loupe.nodes.identity.apply.planned import planned_size, too_small


def face_at(x, y, iod):
    return Face(((x - iod / 2, y), (x + iod / 2, y)))


def test_the_share_is_the_faces_oval_in_the_canvas():
    iod = 100.0
    faces = Faces(
        (1000, 800),
        ((), (face_at(300, 300, iod), face_at(700, 300, 50)), (face_at(500, 300, 200),)),
        "test",
    )
    planned = planned_size(None, faces)
    assert planned.share == pytest.approx(math.pi / 4 * OVAL[0] * OVAL[1] * iod**2 / 800_000)
    assert planned.face_px == pytest.approx(OVAL[1] * iod)
    assert planned_size(None, None) is None
    assert planned_size(None, Faces((10, 10), ((),), "test")) is None


def test_a_plan_tells_the_size_inside_the_model_and_comes_before_faces():
    faces = Faces((4000, 3000), ((face_at(2000, 1500, 60),),), "test")
    plan = plan_crops(faces, "CU close-up", "SDXL")
    planned, apart = planned_size(plan, faces), planned_size(None, faces)
    assert planned == planned_size(plan, None)
    iod = 60 * plan.scales[0]
    width, height = plan.output_size
    assert planned.share == pytest.approx(
        math.pi / 4 * OVAL[0] * OVAL[1] * iod**2 / (width * height)
    )
    assert planned.share > 20 * apart.share
    assert "CU close-up" in planned.source


def test_a_face_that_fills_more_than_the_canvas_fills_it():
    assert planned_size(None, Faces((100, 100), ((face_at(50, 50, 90),),), "test")).share == 1


def test_below_64_px_no_weight_helps():
    for height, small in ((63.0, True), (65.0, False)):
        faces = Faces((1000, 1000), ((face_at(500, 500, height / OVAL[1]),),), "test")
        assert too_small(planned_size(None, faces)) is small
    assert not too_small(None)
