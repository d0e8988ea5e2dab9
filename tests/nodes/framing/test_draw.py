import pytest
import torch

from portrait_loupe.nodes.framing import draw
from portrait_loupe.nodes.framing.draw import draw_faces, draw_plan
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.plan import CropPlan

FACE = Face(eyes=((80.5, 100.5), (160.5, 100.5)))
BLACK = torch.zeros(1, 280, 240, 3)


def test_the_crosses_stand_on_the_pupils():
    drawn = draw_faces(BLACK, [[FACE]])[0].sum(-1) > 0
    for x, y in ((80, 100), (160, 100)):  # the pixels whose centres the pupils are
        assert drawn[y, x - 6 : x + 7].all()  # 0.08 of 80 px to each side
        assert drawn[y - 6 : y + 7, x].all()
        assert not drawn[y - 5, x - 5]


def test_the_box_is_the_faces():
    drawn = draw_faces(BLACK, [[FACE]])[0].sum(-1) > 0
    box = FACE.box
    middle = round(box.centre[0])
    assert drawn[round(box.bottom) - 2 : round(box.bottom) + 2, middle].any()
    assert not drawn[round(box.bottom) + 2 :, middle].any()


def test_the_crop_keeps_its_light_and_the_rest_is_dimmed():
    plan = CropPlan((240, 280), (Box(40, 60, 100, 120),), (500, 600), (FACE,), "test", "custom")
    drawn = draw_plan(torch.full((2, 280, 240, 3), 0.8), plan)
    assert drawn.shape == (2, 280, 240, 3)
    assert abs(float(drawn[0, 170, 120].mean()) - 0.8) < 0.01
    assert float(drawn[0, 230, 20].mean()) < 0.5


def test_a_picture_without_a_face_is_left_as_it_is():
    assert torch.equal(draw_faces(BLACK, [[]]), BLACK)


def test_a_face_beyond_the_border_does_no_harm():
    outside = Face(eyes=((-60.0, 10.0), (20.0, 10.0)))
    assert torch.isfinite(draw_faces(BLACK, [[outside]])).all()


def test_the_picture_itself_is_not_drawn_on():
    picture = BLACK.clone()
    draw_faces(picture, [[FACE]])
    assert torch.equal(picture, BLACK)


@pytest.mark.parametrize("angle", [0.0, 20.0])
def test_strips_leave_no_seam(angle, monkeypatch):
    crop = Box(40, 60, 100, 120)
    plan = CropPlan((240, 280), (crop,), (500, 600), (FACE,), "test", "custom", angles_deg=(angle,))
    picture = torch.rand(2, 280, 240, 3)

    def all_drawn():
        return draw_plan(picture, plan), draw_faces(picture, [[FACE], []])

    whole = all_drawn()
    monkeypatch.setattr(draw, "_STRIP", 33)
    assert all(map(torch.equal, whole, all_drawn()))


def test_progress_goes_on_within_a_picture_and_may_stop_the_work(monkeypatch):
    monkeypatch.setattr(draw, "_STRIP", 100)
    seen = []

    def progress(total):
        seen.append(total)
        return seen.append

    draw_faces(BLACK.expand(2, -1, -1, -1), [[FACE], []], progress)
    total, *done = seen
    assert len(done) == 12  # two pictures of three strips, there and back
    assert done == sorted(done)
    assert done[-1] < total == 2 * 2 * 280

    def stopped(total):
        def stop(done):
            raise KeyboardInterrupt

        return stop

    with pytest.raises(KeyboardInterrupt):
        draw_faces(BLACK, [[FACE]], stopped)
