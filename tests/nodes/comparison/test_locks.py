import math

import pytest
import torch

from portrait_loupe.nodes.comparison.locks import PUPILS_MM, lock
from portrait_loupe.nodes.comparison.panels import Panel, marked_face, panel_of
from portrait_loupe.nodes.comparison.regions import CUSTOM, PLATE_REGIONS
from portrait_loupe.nodes.framing.faces import Box, Face, Faces

BLANK = torch.full((1, 600, 500, 3), 0.5)


def panel(iod=100.0, centre=(250.0, 200.0), roll=0.0, **how):
    c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    (x, y), half = centre, iod / 2
    points = how.pop("points", False)
    eyes = ((x - half * c, y - half * s), (x + half * c, y + half * s))
    face = Face(eyes)
    if points:
        marks = [(-0.5, 0), (0.5, 0), (0, 0.6), (-0.41, 1.12), (0.41, 1.12)]
        face = Face(eyes, points=tuple(face.to_image(u, v) for u, v in marks))
    return Panel(BLANK, face, **how)


def test_the_distance_between_the_eyes_is_the_unit():
    found = lock([panel(100), panel(173.0, (240, 210))], "lips")
    assert [entry.unit for entry in found.entries] == pytest.approx([100, 173])
    assert found.entries[1].centre == pytest.approx((240, 210 + 1.1 * 173))
    assert found.entries[0].px_per_mm == pytest.approx(100 / PUPILS_MM)


def test_the_head_is_turned_back_only_where_it_is_asked():
    tilted = [panel(), panel(roll=12.0)]
    kept, level = (lock(tilted, "eyes", roll=how) for how in ("keep", "level"))
    assert [entry.turn_deg for entry in kept.entries] == [0, 0]
    assert [entry.turn_deg for entry in level.entries] == pytest.approx([0, 12])
    assert kept.entries[1].centre == level.entries[1].centre


def test_five_points_find_the_similarity_that_a_wrong_pupil_hides():
    first, other = panel(points=True), panel(160.0, (260, 220), 5.0, points=True)
    face = other.face
    eyes = (face.eyes[0], (face.eyes[1][0] + 8, face.eyes[1][1]))  # 0.05 IOD off
    wrong = Panel(BLANK, Face(eyes, points=(eyes[0], eyes[1], *face.points[2:])))
    by_eyes, by_points = (
        lock([first, wrong], "lips", by=how).entries[1] for how in ("eyes", "five points")
    )
    true = lock([first, other], "lips", by="five points").entries[1]
    assert abs(by_points.unit - true.unit) < 0.6 * abs(by_eyes.unit - true.unit)
    assert true.unit == pytest.approx(160, abs=1e-6)


def test_what_cannot_be_locked_so_is_locked_on_the_eyes_and_said():
    for by, words in (
        ("five points", "five points or a face mesh"),
        ("iris", "cannot be measured in panel 1, 2"),
    ):
        found = lock([panel(), panel()], "eyes", by=by)
        assert found.how == "scale locked on the eyes"
        assert words in found.notes[0]
        assert not found.measured


def mesh(iod, iris_radius):
    """A face mesh that is nothing but its irises."""
    eyes = ((250 - iod / 2, 200.0), (250 + iod / 2, 200.0))
    points = [(0.0, 0.0)] * 468
    for x, y in eyes:
        points += [
            (x, y),
            (x + iris_radius, y),
            (x, y - iris_radius),
            (x - iris_radius, y),
            (x, y + iris_radius),
        ]
    return Panel(BLANK, Face(eyes, points=tuple(points)))


def test_an_iris_of_the_mesh_is_a_ruler():
    found = lock([mesh(100, 9.0), mesh(100, 12.0)], "left eye", by="iris")
    assert found.measured
    assert found.entries[0].px_per_mm == pytest.approx(18 / 11.7)
    assert found.entries[1].unit / found.entries[0].unit == pytest.approx(12 / 9)
    assert found.entries[0].centre == pytest.approx((200, 195))


def test_an_iris_is_measured_in_the_pixels():
    """Drawn eyes: dark discs on white."""
    image = torch.full((1, 400, 500, 3), 0.7)
    y, x = torch.meshgrid(torch.arange(400) + 0.5, torch.arange(500) + 0.5, indexing="ij")
    for centre in (150.0, 350.0):
        away = ((x - centre) ** 2 + (y - 200) ** 2).sqrt()
        image[0] = torch.lerp(
            image[0], torch.full((3,), 0.25), (19.0 - away + 0.5).clamp(0, 1)[..., None]
        )
    entry = Panel(image, Face(((150.0, 200.0), (350.0, 200.0))))
    found = lock([entry, entry], "left eye", by="iris")
    assert found.measured
    assert found.entries[0].px_per_mm == pytest.approx(38 / 11.7, rel=0.02)


def test_boxes_are_shown_at_the_scale_of_the_faces():
    boxes = [Panel(BLANK, panel(iod).face, box=Box(50, 300, 80, 60)) for iod in (100, 50)]
    found = lock(boxes, CUSTOM)
    assert [entry.unit for entry in found.entries] == [100, 50]
    assert (found.shape.width, found.shape.height) == pytest.approx((1.6, 1.2))


def test_without_faces_each_box_is_as_tall_as_the_others():
    boxes = [
        Panel(BLANK, None, box=Box(50, 300, 80, 40)),
        Panel(BLANK, None, box=Box(0, 0, 80, 80)),
    ]
    found = lock(boxes, CUSTOM)
    assert [entry.unit for entry in found.entries] == [40, 80]
    assert (found.shape.width, found.shape.height) == (2.0, 1.0)
    assert found.entries[0].px_per_mm is None


def test_heads_turned_differently_are_said():
    turned = Panel(BLANK, Face(((200.0, 200.0), (300.0, 200.0)), yaw_deg=20.0))
    ahead = Panel(BLANK, Face(((200.0, 200.0), (300.0, 200.0)), yaw_deg=1.0))
    assert "Heads differ by 19° sideways" in lock([ahead, turned], "eyes").notes[0]
    assert lock([ahead, ahead], "eyes").notes == ()


@pytest.mark.parametrize(
    ("panels", "region", "how", "words"),
    [
        ([panel(), panel()], "elbow", {}, "region must be one of face"),
        ([panel(), panel()], "eyes", {"by": "nose"}, "lock_scale must be one of eyes"),
        ([panel(), panel()], "eyes", {"roll": "up"}, "roll must be one of keep"),
        ([panel(), panel()], CUSTOM, {}, "panel 1, 2 has none. Link bounding_box"),
        ([panel(), Panel(BLANK, None, "hand", box=Box(0, 0, 50, 50))], "eyes", {}, r"panel 2 \(hand\) has a box and no face"),
    ],
)  # fmt: skip
def test_what_a_region_lacks_is_named(panels, region, how, words):
    with pytest.raises(ValueError, match=words):
        lock(panels, region, **how)


@pytest.mark.parametrize("which", ["left", "right"])
def test_the_corners_of_one_eye_place_the_same_eye(which):
    """For pictures that show nothing but an eye."""
    face = marked_face("100,210 148,200", f"corners of the {which} eye", (500, 600))
    u = -0.5 if which == "left" else 0.5
    assert face.to_image(u, 0) == pytest.approx((124, 205))
    assert face.iod == pytest.approx(math.hypot(48, 10) / 0.48)
    assert face.roll_deg == pytest.approx(math.degrees(math.atan2(-10, 48)))
    entry = panel_of(
        BLANK, "", None, points="100,210 148,200", points_are=f"corners of the {which} eye"
    )
    assert lock([entry, entry], f"{which} eye").entries[0].centre == pytest.approx(
        face.to_image(*PLATE_REGIONS[f"{which} eye"].centre)
    )


@pytest.mark.parametrize(
    ("points", "are", "words"),
    [
        ("1,2", "corners of the left eye", "must be two points"),
        ("1,2 x 30,40", "corners of the left eye", "must be two points"),
        ("1,2 900,40", "corners of the left eye", "outside the picture of 500x600"),
        ("1,2 3,2", "corners of the left eye", "2.0 px apart"),
        ("1,2 30,40", "ears", "points_are must be one of"),
        ("1,2 3", "both pupils", "must be two points"),
    ],
)
def test_points_that_are_none_are_refused(points, are, words):
    with pytest.raises(ValueError, match=words):
        panel_of(BLANK, "", None, points=points, points_are=are)


def test_typed_points_count_before_landmarks_and_faces():
    faces = Faces((500, 600), ((panel(60).face,),), "test")
    assert panel_of(BLANK, "", faces, points="100,100 200,100").face.iod == 100
    assert panel_of(BLANK, "", faces).face.iod == 60


def test_a_box_alone_needs_no_face():
    entry = panel_of(BLANK, "", None, bounding_box={"x": 5, "y": 6, "width": 70, "height": 80})
    assert entry.face is None
    assert entry.box == Box(5, 6, 70, 80)
