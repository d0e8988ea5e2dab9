from dataclasses import replace

import pytest

from portrait_loupe.nodes.casting.realism.gates import (
    MESH,
    MESH_EYES,
    eyes_open,
    gate_of_face,
    gate_of_skin,
)
from portrait_loupe.nodes.casting.realism.skin import COMMON_PX, Skin
from portrait_loupe.nodes.framing.faces import OVAL, Face


def face_of(height_px, **about):
    iod = height_px / OVAL[1]
    return Face(((100.0, 100.0), (100.0 + iod, 100.0)), **about)


def meshed(openness):
    """A face whose eyelids are so far apart, of each eye's width."""
    points = [(0.0, 0.0)] * MESH
    for one, other, upper, lower in MESH_EYES:
        points[one], points[other] = (0.0, 0.0), (50.0, 0.0)
        points[upper], points[lower] = (25.0, -25.0 * openness), (25.0, 25.0 * openness)
    points[1] = (200.0, 150.0)  # the nose's tip, midway between the pupils
    face = face_of(500.0)
    middle = face.centre[0]
    points[1] = (middle, 150.0)
    return replace(face, points=tuple(points))


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (None, "no face was found"),
        (face_of(COMMON_PX - 1), "the face is 439 px tall, 440 are needed"),
        (
            face_of(500.0, yaw_deg=-31.0),
            "the head is turned by 31.0 degrees, at most 30 are compared",
        ),
        (
            face_of(500.0, pitch_deg=26.0),
            "the head is tilted by 26.0 degrees, at most 25 are compared",
        ),
        (meshed(0.05), "the eyes are closed"),
    ],
)
def test_what_cannot_be_compared_says_why(face, words):
    assert gate_of_face(face) == words


@pytest.mark.parametrize(
    "face",
    [
        face_of(COMMON_PX + 0.01),
        face_of(500.0, yaw_deg=29.0, pitch_deg=-24.0),
        face_of(3000.0),
        meshed(0.3),
    ],
)
def test_an_open_face_towards_the_camera_passes(face):
    assert gate_of_face(face) is None


def test_a_turned_face_is_as_tall_as_it_would_be_from_the_front():
    """Turned by 25 degrees, the pupils are a tenth closer; the face is not smaller for that."""
    assert gate_of_face(face_of(COMMON_PX * 0.95, yaw_deg=25.0)) is None


def test_a_nose_that_points_aside_is_a_turned_head_where_no_yaw_is_given():
    face = face_of(500.0)
    (x, _), iod = face.centre, face.iod
    points = (*face.eyes, (x + 0.57 * iod, 160.0), (0.0, 0.0), (0.0, 0.0))  # tan 45 degrees
    assert gate_of_face(replace(face, points=points)).startswith("the head is turned by 45.0")


def test_how_far_eyes_are_open():
    assert eyes_open(meshed(0.3)) == pytest.approx(0.3)
    assert eyes_open(face_of(500.0)) is None
    wink = list(meshed(0.3).points)
    wink[MESH_EYES[0][2]] = wink[MESH_EYES[0][3]]
    assert eyes_open(replace(meshed(0.3), points=tuple(wink))) == pytest.approx(0.3)


def test_too_little_skin_or_burnt_skin_is_not_ranked():
    import torch

    skin = Skin(
        torch.zeros(3, 4, 4),
        torch.ones(4, 4),
        374.0,
        blur_px2=0.0,
        clipped=0.0,
        measured=0.5,
        seen=0.6,
    )
    assert gate_of_skin(skin) is None
    assert gate_of_skin(None).startswith("only 0% of forehead and cheeks show skin, 35% are needed")
    assert gate_of_skin(replace(skin, seen=0.2)).startswith("only 20% of forehead")
    assert gate_of_skin(replace(skin, measured=0.13)) is None
    assert gate_of_skin(replace(skin, measured=0.11)).startswith(
        "only 11% of forehead and cheeks are even enough to be measured, 12% are needed"
    )
    assert (
        gate_of_skin(replace(skin, clipped=0.03))
        == "3% of the skin is burnt out or black, at most 2% may be"
    )
    assert gate_of_skin(replace(skin, clipped=0.02)) is None
