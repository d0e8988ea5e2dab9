import math

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.crop import cut
from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops
from portrait_loupe.nodes.identity.control.points import (
    apart,
    draw_points,
    points_of,
    scaled,
    size_of,
)

# as published: red, green, blue, yellow, magenta; limbs at 0.6, discs of 10 px
COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1))
DIM, DISC = 0.6, 10
SIZE = (900, 1200)
SHOT = "CU close-up"
# of an upright face, in distances between its pupils from the middle between these
UPRIGHT = ((-0.5, 0), (0.5, 0), (0, 0.58), (-0.4, 1.1), (0.4, 1.1))


def face_at(x=430.0, y=500.0, iod=150.0, roll_deg=0.0):
    turn = math.radians(roll_deg)
    points = tuple(
        (
            x + iod * (u * math.cos(turn) - v * math.sin(turn)),
            y + iod * (u * math.sin(turn) + v * math.cos(turn)),
        )
        for u, v in UPRIGHT
    )
    return Face(points[:2], points=points)


def faces_of(*frames, size=SIZE, backend="SCRFD ONNX"):
    return Faces(size, tuple(tuple(frame) for frame in frames), backend)


def at(drawing, point):
    return tuple(drawing[int(point[1]), int(point[0])].tolist())


@pytest.mark.parametrize("roll_deg", [0, 25, -80, 180])
def test_each_point_has_its_colour_and_each_limb_is_dim(roll_deg):
    face = face_at(roll_deg=roll_deg)
    (points,), size = points_of(faces_of([face]), None, None)
    drawing = draw_points([points], size)[0]
    assert drawing.shape == (SIZE[1], SIZE[0], 3)
    for point, colour in zip(face.points, COLOURS, strict=True):
        assert at(drawing, point) == colour
    nose = np.array(face.points[2])
    for index in (0, 1, 3, 4):
        middle = (np.array(face.points[index]) + nose) / 2
        assert at(drawing, middle) == pytest.approx([DIM * one for one in COLOURS[index]])
    lit = drawing.amax(-1) > 0
    assert drawing.unique().tolist() == pytest.approx([0.0, DIM, 1.0])  # hard edges
    assert lit.float().mean() < 0.01


def test_the_picture_left_eye_is_red():
    (points,), size = points_of(faces_of([face_at()]), None, None)
    drawing = draw_points([points], size)[0]
    red = (drawing == torch.tensor([1.0, 0, 0])).all(-1).nonzero()[:, 1].float().mean()
    green = (drawing == torch.tensor([0, 1.0, 0])).all(-1).nonzero()[:, 1].float().mean()
    assert red < green


@pytest.mark.parametrize(("roll_deg", "iod"), [(0, 150.0), (33, 90.0), (-61, 220.7)])
def test_it_is_what_opencv_draws_of_the_published_figures(roll_deg, iod):
    """Discs to the pixel; ellipses but for their borders, where OpenCV draws a polygon of whole pixels."""
    cv2 = pytest.importorskip("cv2")
    points = np.array(face_at(roll_deg=roll_deg, iod=iod).points)
    ours = (draw_points([points], SIZE)[0].numpy() * 255).round().astype(np.uint8)
    theirs = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    nose = points[2]
    for index in (0, 1, 3, 4):
        away = points[index] - nose
        middle = [int(one) for one in (points[index] + nose) / 2]
        half, angle = int(np.hypot(*away) / 2), int(math.degrees(math.atan2(away[1], away[0])))
        outline = cv2.ellipse2Poly(middle, (half, 4), angle, 0, 360, 1)
        cv2.fillConvexPoly(theirs, outline, [int(255 * 0.6) * one for one in COLOURS[index]])
    for point, colour in zip(points, COLOURS, strict=True):
        cv2.circle(theirs, [int(one) for one in point], 10, [255 * one for one in colour], -1)
    assert ((ours == 255).any(-1) == (theirs == 255).any(-1)).all()
    off = (ours != theirs).any(-1).sum()
    drawn = (theirs > 0).any(-1)
    assert off < 0.15 * drawn.sum()
    assert abs(int((ours > 0).any(-1).sum()) - int(drawn.sum())) < 0.02 * drawn.sum()
    inner = cv2.erode(drawn.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert ((ours > 0).any(-1) >= inner).all()


def test_discs_do_not_grow_with_the_picture():
    def blue(size):
        (points,), size = points_of(faces_of([face_at(300, 300, 100)], size=(600, 800)), None, size)
        drawing = draw_points([points], size)[0]
        return int((drawing == torch.tensor([0, 0, 1.0])).all(-1).sum()), apart(points)

    small, wide = blue((600, 800)), blue((1800, 2400))
    assert small[0] == wide[0] == pytest.approx(math.pi * DISC**2, rel=0.02)
    assert wide[1] == pytest.approx(3 * small[1])


def test_another_shape_keeps_the_middle_and_the_face_round():
    points = np.array([(300.0, 400.0), (310.0, 400.0), (300.0, 420.0)])
    told = scaled(points, (600, 800), (800, 800))
    assert told[0] == pytest.approx((400, 400))
    assert told[1] - told[0] == pytest.approx((40 / 3, 0))
    assert told[2] - told[0] == pytest.approx((0, 80 / 3))


@pytest.mark.parametrize("level_eyes", [False, True])
def test_points_fall_where_the_crop_shows_them(level_eyes):
    face = face_at(roll_deg=20)
    plan = plan_crops(faces_of([face]), SHOT, "SDXL", level_eyes=level_eyes)
    picture = torch.zeros(5, SIZE[1], SIZE[0], 1)
    x, y = np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1])[:, None] + 0.5
    for plane, (px, py) in zip(picture, face.points, strict=True):
        plane[..., 0] = torch.from_numpy(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18))
    crops = cut(picture, plan)[..., 0]
    (points,), size = points_of(faces_of([face]), plan, None)
    assert size == plan.output_size
    for crop, point in zip(crops, points, strict=True):
        mass = crop / crop.sum()
        rows, columns = (torch.arange(n) + 0.5 for n in crop.shape)
        seen = float((mass.sum(0) * columns).sum()), float((mass.sum(1) * rows).sum())
        assert point == pytest.approx(seen, abs=0.3)  # px, of a blob cut by whole pixels
    if level_eyes:
        assert points[0][1] == pytest.approx(points[1][1], abs=1e-6)


def test_every_crop_of_a_split_plan_shows_its_own_face():
    first, second = face_at(220, 400, 120), face_at(660, 700, 70, roll_deg=10)
    faces = faces_of([first, second])
    plan = plan_crops(faces, SHOT, "SDXL", several="split")
    points, _ = points_of(faces, plan, None)
    assert len(points) == 2
    for index, face in enumerate((first, second)):
        expected = [plan.to_output(index, point) for point in face.points]
        assert points[index] == pytest.approx(np.array(expected))


def test_without_a_plan_the_largest_face_of_every_picture():
    small, large = face_at(200, 300, 60), face_at(600, 700, 200)
    points, size = points_of(faces_of([small, large], [small]), None, None)
    assert size == SIZE
    assert points[0] == pytest.approx(np.array(large.points))
    assert points[1] == pytest.approx(np.array(small.points))


def test_a_face_that_leaves_the_picture_is_cut_off():
    points = np.array(face_at(5, 300, 150).points)
    drawing = draw_points([points], (400, 600))[0]
    assert at(drawing, points[1]) == COLOURS[1]
    assert not (drawing == torch.tensor([1.0, 0, 0])).all(-1).any()


def test_points_that_fall_together_are_drawn():
    points = np.full((5, 2), 40.0)
    drawing = draw_points([points], (80, 80))
    assert at(drawing[0], points[0]) == COLOURS[4]
    assert drawing.isfinite().all()


def test_a_size_is_both_or_none():
    assert size_of(0, 0) is None
    assert size_of(1024, 768) == (1024, 768)
    for wrong in ((0, 8), (8, 0), (-8, 8), (8, 20000)):
        with pytest.raises(ValueError, match="width and height must both be 0"):
            size_of(*wrong)


def test_what_cannot_be_drawn_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\(embedded detector\) tell the pupils alone.*SCRFD"):
        points_of(faces_of([Face(((1, 2), (30, 2)))], backend="embedded detector"), None, None)
    with pytest.raises(ValueError, match="picture 2 of 2 has no face"):
        points_of(faces_of([face_at()], []), None, None)
    with pytest.raises(ValueError, match="picture 1 lies outside the new picture of 8x800 px"):
        points_of(faces_of([face_at(100)]), None, (8, 800))
    with pytest.raises(ValueError, match="faces must come from Find Faces"):
        points_of("somebody", None, None)
    plan = plan_crops(faces_of([face_at()]), SHOT, "SDXL")
    with pytest.raises(ValueError, match="of 900x1200 px, the faces were found in 800x900"):
        points_of(faces_of([face_at()], size=(800, 900)), plan, None)
    with pytest.raises(ValueError, match="plan must come from Plan Crop"):
        points_of(faces_of([face_at()]), "plan", None)
    two = plan_crops(faces_of([face_at()], [face_at()]), SHOT, "SDXL")
    with pytest.raises(ValueError, match="crops of 2 pictures, the faces were found in 1"):
        points_of(faces_of([face_at()]), two, None)
    with pytest.raises(ValueError, match="outside the crop"):
        points_of(faces_of([face_at(850, 1150, 40)]), plan_crops(faces_of([face_at(100, 100, 40)]), SHOT, "SDXL"), None)  # fmt: skip
