import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Box
from portrait_loupe.nodes.framing.linked import (
    boxes,
    head_pose,
    kept_landmarks,
    landmark_faces,
    mask_boxes,
    typed_eyes,
)

SIZE = (640, 480)


@pytest.mark.parametrize(
    "text",
    [
        "100,200 180,210",
        "100, 200, 180, 210",
        " 100 200 180 210 ",
        "100,200;180,210",
        "180,210 100,200",
        "100.0,200.0 180,210",
    ],
)
def test_two_typed_points_are_the_pupils_whatever_parts_them(text):
    assert typed_eyes(text, SIZE).eyes == ((100, 200), (180, 210))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100,200", "two points in pixels"),
        ("left right", "two points in pixels"),
        ("1,2 3,4 5,6", "two points in pixels"),
        ("nan,1 2,3", "two points in pixels"),
        ("100,200 700,200", "700,200, outside the picture of 640x480"),
        ("-5,200 100,200", "outside the picture"),
        ("100,200 102,200", "2.0 px apart, at least 4"),
    ],
)
def test_what_is_not_two_points_is_refused_with_an_example(text, words):
    with pytest.raises(ValueError, match=words):
        typed_eyes(text, SIZE)


def mesh(points: int, left=(100.0, 200.0), right=(180.0, 210.0)):
    """A face of core's landmarker: image-left iris last, as the model's own numbering has it."""
    landmarks = np.zeros((points, 2), np.float32)
    landmarks[[33, 133]] = left
    landmarks[[362, 263]] = right
    if points > 468:
        landmarks[468], landmarks[473] = left, right
    return {"bbox_xyxy": np.array([80, 150, 220, 320]), "landmarks_xy": landmarks, "score": 0.9}


@pytest.mark.parametrize("points", [468, 478])
def test_core_landmarks_give_irises_or_eye_corners(points):
    landmarks = {"frames": [[mesh(points)]], "image_size": (480, 640)}
    ((face,),), remarks = landmark_faces(landmarks, SIZE, 1)
    assert remarks == []
    assert face.eyes == ((100, 200), (180, 210))
    assert face.score == pytest.approx(0.9)


def test_a_frame_without_a_face_stays_empty():
    landmarks = {"frames": [[mesh(478)], []], "image_size": (480, 640)}
    assert [len(frame) for frame in landmark_faces(landmarks, SIZE, 2)[0]] == [1, 0]


@pytest.mark.parametrize(
    ("landmarks", "batch", "words"),
    [
        ("no landmarks", 1, "must be FACE_LANDMARKS of a face landmarker node, .* got str"),
        (
            {"frames": [[mesh(478)]], "image_size": (512, 512)},
            1,
            "found in pictures of 512x512 px, this picture has 640x480",
        ),
        (
            {"frames": [[mesh(478)]] * 2, "image_size": (480, 640)},
            3,
            "speaks of 2 pictures, the batch holds 3",
        ),
        (
            {"frames": [[{"landmarks_xy": np.zeros((68, 2))}]], "image_size": (480, 640)},
            1,
            r"got the shape \(68, 2\)",
        ),
    ],
)
def test_landmarks_of_another_picture_or_kind_are_refused(landmarks, batch, words):
    with pytest.raises(ValueError, match=words):
        landmark_faces(landmarks, SIZE, batch)


@pytest.mark.parametrize(
    "entry",
    [{}, None, 5, {"landmarks_xy": None}, {"landmarks_xy": [1, 2, 3]}, {"landmarks_xy": "points"}, {"landmarks_xy": np.zeros((478, 1))}],
    ids=str,
)  # fmt: skip
def test_a_face_without_a_mesh_is_refused_in_words(entry):
    with pytest.raises(ValueError, match="468 or 478 points a face"):
        landmark_faces({"frames": [[entry]], "image_size": (480, 640)}, SIZE, 1)


@pytest.mark.parametrize("frames", [None, 5, "faces", [None], [5], [{}]], ids=str)
def test_frames_that_are_no_lists_are_refused_in_words(frames):
    with pytest.raises(ValueError, match="a list of faces for each picture"):
        landmark_faces({"frames": frames, "image_size": (480, 640)}, SIZE, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_mesh_that_holds_no_numbers_is_refused(value):
    with pytest.raises(ValueError, match="NaN or infinite: detect again"):
        landmark_faces(
            {"frames": [[mesh(478, left=(value, 3.0))]], "image_size": (480, 640)}, SIZE, 1
        )


def test_a_tiny_face_or_one_outside_is_left_out_with_a_remark():
    frames = [[mesh(478), mesh(478, (100, 100), (102, 100)), mesh(478, (900, 100), (990, 100))]]
    found, remarks = landmark_faces({"frames": frames, "image_size": (480, 640)}, SIZE, 1)
    assert len(found[0]) == 1
    assert "2.0 px between the eyes" in remarks[0]
    assert "(945, 100)" in remarks[1]


def test_the_mesh_knows_which_eye_is_which_however_the_head_is_turned():
    upside_down = mesh(478, left=(180, 200), right=(100, 202))
    ((face,),), _ = landmark_faces({"frames": [[upside_down]], "image_size": (480, 640)}, SIZE, 1)
    assert abs(face.roll_deg) > 178
    assert face.to_image(0, 1)[1] < 200  # the chin is up


@pytest.mark.parametrize("size", [5, "480x640", (480,), (480, 640, 3)], ids=str)
def test_a_size_that_is_none_is_refused_in_words(size):
    with pytest.raises(ValueError, match="this picture has 640x480"):
        landmark_faces({"frames": [[mesh(478)]], "image_size": size}, SIZE, 1)


def test_a_score_of_any_number_type_is_kept():
    ((face,),), _ = landmark_faces(
        {"frames": [[{**mesh(478), "score": np.float32(0.25)}]]}, SIZE, 1
    )
    assert face.score == 0.25


@pytest.mark.parametrize("score", [None, "high", float("nan")])
def test_a_mesh_without_a_score_counts_as_sure(score):
    ((face,),), _ = landmark_faces({"frames": [[{**mesh(478), "score": score}]]}, SIZE, 1)
    assert face.score == 1


def turn(yaw=0.0, pitch=0.0, roll=0.0, scale=1.0):
    """MediaPipe's matrix of a head that looks right (yaw), up (pitch) and is turned clockwise (roll).

    x to the right, y up, z to the viewer: a positive turn about y brings z to x; looking up brings
    z to y, which is a negative turn about x; clockwise as seen is a negative turn about z.
    """
    a, b, c = np.radians([yaw, -pitch, -roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = scale * about_z @ about_y @ about_x
    matrix[:3, 3] = (3, -5, -40)
    return matrix


@pytest.mark.parametrize("roll", [0.0, 35.0, -90.0])
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-40, 0), (0, 15), (30, -20)])
def test_the_matrix_tells_yaw_and_pitch_however_the_picture_is_turned(yaw, pitch, roll):
    assert head_pose(turn(yaw, pitch, roll, scale=1.7)) == pytest.approx((yaw, pitch), abs=1e-9)


def test_a_face_that_looks_to_the_right_of_the_picture_has_a_positive_yaw():
    """By the face's own forward axis, without the angles: z of the face, seen in the picture."""
    for yaw, pitch in [(20, 0), (0, 20), (-20, -20)]:
        x, y, z = turn(yaw, pitch)[:3, 2]
        assert z > 0
        told = head_pose(turn(yaw, pitch))
        assert np.sign(np.round(x, 9)) == np.sign(np.round(told[0], 9))
        assert np.sign(np.round(y, 9)) == np.sign(np.round(told[1], 9))


@pytest.mark.parametrize(
    "matrix", [None, "matrix", np.zeros((4, 4)), np.eye(2), np.full((4, 4), np.nan), {}], ids=str
)
def test_a_matrix_that_turns_nothing_tells_nothing(matrix):
    assert head_pose(matrix) is None
    ((face,),), _ = landmark_faces(
        {"frames": [[{**mesh(478), "transformation_matrix": matrix}]]}, SIZE, 1
    )
    assert face.yaw_deg is None
    assert face.pitch_deg is None


@pytest.mark.parametrize("points", [468, 478])
def test_a_mesh_keeps_its_points_and_its_pose(points):
    entry = {**mesh(points), "transformation_matrix": turn(12, -7).astype(np.float32)}
    ((face,),), _ = landmark_faces({"frames": [[entry]]}, SIZE, 1)
    assert len(face.points) == points
    assert face.points[33] == (100, 200)
    assert face.yaw_deg == pytest.approx(12, abs=1e-4)
    assert face.pitch_deg == pytest.approx(-7, abs=1e-4)


def test_kept_faces_get_their_own_entries_back_untouched():
    first, second = mesh(478), mesh(478, (300, 200), (360, 200))
    linked = {
        "frames": [[first, second], []],
        "image_size": (480, 640),
        "connection_sets": {"lips": 1},
    }
    meshes, _ = landmark_faces(linked, SIZE, 2)
    small = list(meshes[0])[1]
    kept = kept_landmarks(linked, meshes, [(small,), ()], SIZE)
    assert kept["frames"][0][0] is second
    assert kept["frames"] == [[second], []]
    assert kept["image_size"] == (480, 640)
    assert kept["connection_sets"] == {"lips": 1}


def test_without_landmarks_the_structure_holds_and_core_finds_its_names():
    kept = kept_landmarks(None, [{}, {}], [(), ()], SIZE)
    assert kept["frames"] == [[], []]
    assert kept["image_size"] == (480, 640)
    assert {"face_oval", "irises", "nose", "lips"} <= set(kept["connection_sets"])
    assert not any(kept["connection_sets"].values())


BOX = {"x": 10, "y": 20, "width": 30, "height": 40}


@pytest.mark.parametrize(
    "linked", [BOX, [BOX], [[BOX]], [[{**BOX, "label": "face", "score": 0.7}]]]
)
def test_boxes_are_taken_in_all_their_shapes(linked):
    assert boxes(linked, SIZE, 2) == [[Box(10, 20, 30, 40)]] * 2


def test_each_picture_may_have_its_own_boxes():
    assert [len(frame) for frame in boxes([[BOX], [], [BOX, BOX]], SIZE, 3)] == [1, 0, 2]


@pytest.mark.parametrize(
    ("linked", "batch", "words"),
    [
        ("face", 1, "must be a BOUNDING_BOX, got str"),
        ([[BOX], [BOX]], 3, "speaks of 2 pictures, the batch holds 3"),
        ({"x": 1, "y": 2}, 1, "must give x, y, width and height"),
        ({**BOX, "width": 0}, 1, "is 0x40 px, a face needs at least 10"),
        ({**BOX, "height": 9}, 1, "is 30x9 px"),
        ({**BOX, "width": float("nan")}, 1, "must be finite"),
        ({**BOX, "x": float("inf")}, 1, "must be finite"),
        ({**BOX, "x": 5000}, 1, r"centre at \(5015, 40\), outside the picture of 640x480"),
        ([[BOX], BOX], 2, "mixes boxes and lists of boxes"),
        ([7], 1, "must give x, y, width and height"),
    ],
)
def test_what_is_no_box_is_refused(linked, batch, words):
    with pytest.raises(ValueError, match=words):
        boxes(linked, SIZE, batch)


def test_a_masks_box_holds_exactly_what_it_covers():
    mask = torch.zeros(2, 480, 640)
    mask[0, 20:60, 10:40] = 1
    mask[1, 465:, 620:] = 0.6
    assert mask_boxes(mask, SIZE, 2) == [[Box(10, 20, 30, 40)], [Box(620, 465, 20, 15)]]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(1, 480, 640), "mask 1 covers nothing"),
        (torch.eye(640)[:480][None] * (torch.arange(640) < 5), "mask is 5x5 px, a face needs"),
        (torch.ones(1, 64, 64), "mask has 64x64 px, the picture 640x480"),
        (torch.ones(1, 480, 640, 3), "must be a MASK"),
        ("mask", "must be a MASK, got str"),
        (torch.full((1, 480, 640), float("nan")), "covers nothing"),
    ],
)
def test_a_mask_that_names_no_face_is_refused(mask, words):
    with pytest.raises(ValueError, match=words):
        mask_boxes(mask, SIZE, 1)
