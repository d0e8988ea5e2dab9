import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_loupe.nodes.framing.faces import Box, Face, Faces
from portrait_loupe.nodes.framing.regions import FACE_OVAL, SHOTS

LEVEL = Face(eyes=((100.0, 200.0), (180.0, 200.0)))
TURNED = Face(eyes=((100.0, 200.0), (160.0, 280.0)))  # 100 px apart, 53.13 degrees


def test_the_pupils_are_half_a_distance_from_the_origin():
    for face in (LEVEL, TURNED):
        assert face.to_image(-0.5, 0) == pytest.approx(face.eyes[0])
        assert face.to_image(0.5, 0) == pytest.approx(face.eyes[1])


def test_v_runs_down_the_face_at_a_right_angle_to_the_eyes():
    assert LEVEL.to_image(0, 1) == pytest.approx((140, 280))
    assert TURNED.to_image(0, 1) == pytest.approx((130 - 80, 240 + 60))


def test_distance_and_roll_of_a_turned_face():
    assert TURNED.iod == pytest.approx(100)
    assert TURNED.roll_deg == pytest.approx(53.130, abs=1e-3)
    assert LEVEL.roll_deg == 0


def test_the_box_of_a_level_face_is_the_oval():
    box = LEVEL.box
    assert box.width == pytest.approx(80 * FACE_OVAL.width)
    assert box.height == pytest.approx(80 * FACE_OVAL.height)
    assert box.y == pytest.approx(200 + 80 * FACE_OVAL.top)


@given(angle=st.floats(-3.1, 3.1))
def test_the_box_touches_the_turned_oval_on_all_sides(angle):
    from math import cos, pi, sin

    face = Face(eyes=((-50 * cos(angle), -50 * sin(angle)), (50 * cos(angle), 50 * sin(angle))))
    steps = [2 * pi * step / 720 for step in range(720)]
    oval = [face.to_image(1.145 * cos(t), 0.485 + 1.345 * sin(t)) for t in steps]
    box = face.box
    # 720 steps miss an extreme by at most a quarter of a step squared: 1.345 * 100 * (pi / 720)^2 / 2
    assert min(x for x, _ in oval) == pytest.approx(box.x, abs=0.01)
    assert max(x for x, _ in oval) == pytest.approx(box.right, abs=0.01)
    assert min(y for _, y in oval) == pytest.approx(box.y, abs=0.01)
    assert max(y for _, y in oval) == pytest.approx(box.bottom, abs=0.01)


def test_a_box_contains_itself_and_no_larger_one():
    assert Box(0, 0, 4, 4).contains(Box(0, 0, 4, 4))
    assert not Box(0, 0, 4, 4).contains(Box(0, 0, 4, 5))


def test_faces_as_json_are_plain_values():
    faces = Faces((640, 480), ((LEVEL,), ()), "typed eyes")
    plain = json.loads(json.dumps(faces.as_json()))
    assert plain["image_size"] == [640, 480]
    assert plain["frames"][0][0]["eyes"] == [[100, 200], [180, 200]]
    assert plain["frames"][0][0]["iod_px"] == 80
    assert set(plain["frames"][0][0]["box"]) == {"x", "y", "width", "height"}
    assert plain["frames"][1] == []


@pytest.mark.parametrize("name", SHOTS)
def test_a_shot_lies_upright_on_the_face_at_its_own_size(name):
    box = SHOTS[name].on(TURNED)
    assert box.width == pytest.approx(SHOTS[name].width * 100)
    assert box.centre == pytest.approx(TURNED.to_image(*SHOTS[name].centre))


def test_left_and_right_are_the_pictures():
    assert SHOTS["ECU eye left"].on(LEVEL).centre[0] < SHOTS["ECU eye right"].on(LEVEL).centre[0]


def test_closer_shots_are_smaller():
    shots = [
        "BCU big close-up",
        "CU close-up",
        "headshot",
        "MCU chest",
        "half body",
        "cowboy",
        "full",
    ]
    heights = [SHOTS[name].height for name in shots]
    assert heights == sorted(heights)


@pytest.mark.parametrize(
    "eyes",
    [
        ((1.0, 2.0), (1.0, 2.0)),
        ((1.0, 2.0), (float("nan"), 2.0)),
        ((1.0, float("inf")), (3.0, 2.0)),
    ],
)
def test_eyes_that_are_no_two_points_make_no_face(eyes):
    with pytest.raises(ValueError, match=r"eyes of a face (are one point|must be finite)"):
        Face(eyes=eyes)


# Median box of each feature on 74 near-frontal portraits, IOD: left, top, right, bottom.
FEATURES = {
    "ECU eye left": (-0.77, -0.07, -0.31, 0.06),
    "ECU eye right": (0.31, -0.07, 0.77, 0.06),
    "ECU eyes": (-0.77, -0.07, 0.77, 0.06),
    "ECU nose": (-0.38, -0.06, 0.34, 0.75),
    "ECU lips": (-0.51, 0.92, 0.51, 1.28),
    "BCU big close-up": (-1.14, -0.86, 1.15, 1.83),
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_shot_holds_the_feature_it_is_named_after_in_its_middle(name):
    left, top, right, bottom = FEATURES[name]
    shot = SHOTS[name]
    assert shot.left <= left
    assert right <= shot.right
    assert shot.top <= top
    assert bottom <= shot.bottom
    assert shot.centre == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=0.1)
