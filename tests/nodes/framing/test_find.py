import pytest
import torch

from portrait_loupe.nodes.framing.find import find_faces

# Pupils of Grace Hopper in matplotlib's photo, marked on crops enlarged 14 times, px.
HOPPER = ((222.0, 189.6), (305.5, 186.8))
TOLERANCE = 0.05 * 83.5  # of her inter-ocular distance


def close(face, eyes=HOPPER, shift=(0.0, 0.0)):
    return all(
        abs(x - (wx + shift[0])) < TOLERANCE and abs(y - (wy + shift[1])) < TOLERANCE
        for (x, y), (wx, wy) in zip(face.eyes, eyes, strict=True)
    )


def test_the_embedded_detector_finds_a_real_face_with_no_help(hopper):
    found = find_faces(hopper)
    ((face,),) = found.faces.frames
    assert close(face)
    assert found.faces.backend == "embedded detector"
    assert f"{face.iod:.1f} px between the eyes" in found.report


def test_what_is_typed_counts_before_the_detector(hopper):
    found = find_faces(hopper, eyes="100,100 150,100")
    assert found.faces.frames[0][0].eyes == ((100, 100), (150, 100))
    assert found.faces.backend == "typed eyes"


def test_embedded_looks_at_the_pixels_whatever_is_typed(hopper):
    assert close(find_faces(hopper, backend="embedded", eyes="100,100 150,100").faces.frames[0][0])


def test_the_pupils_are_found_inside_a_linked_box(hopper):
    box = {"x": 170, "y": 120, "width": 190, "height": 225}
    found = find_faces(hopper, bounding_box=box)
    assert close(found.faces.frames[0][0])
    assert found.faces.backend == "linked bounding box"


@pytest.mark.parametrize(
    "box",
    [(168, 117, 191, 225), (140, 60, 250, 300), (184, 110, 160, 240), (130, 20, 270, 360)],
    ids=["oval", "head and cap", "narrow", "loose"],
)
def test_boxes_of_all_habits_lead_to_the_same_pupils(hopper, box):
    found = find_faces(
        hopper, bounding_box=dict(zip(("x", "y", "width", "height"), box, strict=True))
    )
    assert close(found.faces.frames[0][0])


def test_a_box_where_nothing_looks_like_a_face_still_holds_one(hopper):
    """The user knows better: on the flag the eyes are put where a face of that box has them."""
    found = find_faces(hopper, bounding_box={"x": 10, "y": 320, "width": 90, "height": 110})
    ((face,),) = found.faces.frames
    assert 10 < face.centre[0] < 100
    assert 320 < face.centre[1] < 430
    assert face.score == 0 or "no pupils seen" not in found.report


def test_pupils_that_nobody_saw_are_said_to_be_a_guess():
    found = find_faces(
        torch.full((1, 300, 300, 3), 0.5),
        bounding_box={"x": 50, "y": 40, "width": 180, "height": 210},
    )
    assert found.faces.frames[0][0].score == 0
    assert "no pupils seen in the box at (50, 40)" in found.report
    assert "Check the overlay, or type the eyes" in found.report


def test_of_two_faces_the_larger_comes_first(hopper):
    import numpy as np

    def mesh(left, right):
        points = np.zeros((478, 2))
        points[468], points[473] = left, right
        return {"landmarks_xy": points, "score": 1.0}

    small, large = mesh((50, 50), (80, 50)), mesh((200, 190), (300, 190))
    landmarks = {"frames": [[small, large]], "image_size": (600, 512)}
    frame = find_faces(hopper, face_landmarks=landmarks).faces.frames[0]
    assert [face.iod for face in frame] == [100, 30]


def test_a_face_beside_the_box_is_not_the_boxs(hopper):
    """The detector looks a little around the box, and may see somebody else there."""
    image = torch.full((1, 600, 600, 3), 0.5)
    image[:, 200:293, 20:97] = hopper[:, 80:359:3, 150:381:3]
    assert find_faces(image).faces.frames[0][0].centre[0] < 97
    found = find_faces(image, bounding_box={"x": 105, "y": 50, "width": 400, "height": 400})
    ((face,),) = found.faces.frames
    assert face.centre[0] > 105


def test_codes_a_little_out_of_range_change_nothing(hopper):
    """VAEs overshoot."""
    stretched = hopper.clone()
    stretched[0, :40] = 1.7
    stretched[0, 560:] = -0.6
    clamped = stretched.clamp(0, 1)
    assert find_faces(stretched).faces == find_faces(clamped).faces


def test_the_pupils_are_found_inside_a_linked_mask(hopper):
    mask = torch.zeros(1, 600, 512)
    mask[:, 120:345, 170:360] = 1
    found = find_faces(hopper, mask=mask)
    assert close(found.faces.frames[0][0])
    assert found.faces.backend == "linked mask"


def test_a_box_counts_before_a_mask_and_typed_eyes_before_both(hopper):
    box = {"x": 170, "y": 120, "width": 190, "height": 225}
    mask = torch.ones(1, 600, 512)
    assert find_faces(hopper, bounding_box=box, mask=mask).faces.backend == "linked bounding box"
    assert (
        find_faces(hopper, bounding_box=box, mask=mask, eyes="9,9 99,9").faces.backend
        == "typed eyes"
    )


def test_landmarks_count_before_everything(hopper):
    import numpy as np

    points = np.zeros((478, 2))
    points[468], points[473] = HOPPER
    landmarks = {"frames": [[{"landmarks_xy": points, "score": 1.0}]], "image_size": (600, 512)}
    found = find_faces(hopper, face_landmarks=landmarks, eyes="9,9 99,9")
    assert found.faces.frames[0][0].eyes == HOPPER


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_transparent_pictures_are_searched_too(hopper, channels):
    image = (
        hopper.mean(-1, keepdim=True)
        if channels == 1
        else torch.cat([hopper, torch.ones(1, 600, 512, 1)], -1)
    )
    assert close(find_faces(image).faces.frames[0][0])


def test_a_batch_may_hold_a_picture_without_a_face(hopper):
    found = find_faces(torch.cat([hopper, torch.full_like(hopper, 0.5)]))
    assert [len(frame) for frame in found.faces.frames] == [1, 0]
    assert "picture 2, no face" in found.report


@pytest.mark.parametrize(
    "picture", [torch.full((1, 64, 64, 3), 0.5), torch.rand(1, 1, 1, 3), torch.rand(1, 3, 300, 3)]
)
def test_no_face_names_every_way_to_help(picture):
    with pytest.raises(ValueError, match="no face found") as refused:
        find_faces(picture)
    for help_input in ("eyes", "bounding_box", "mask", "face_landmarks"):
        assert help_input in str(refused.value)


def test_an_unknown_backend_is_refused(hopper):
    with pytest.raises(ValueError, match="backend must be one of auto, embedded"):
        find_faces(hopper, backend="dlib")


def test_a_picture_with_nan_is_refused(hopper):
    broken = hopper.clone()
    broken[0, 5, 5, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        find_faces(broken)


def test_progress_counts_the_pictures(hopper):
    seen = []

    def progress(total):
        seen.append(f"of {total}")
        return seen.append

    find_faces(torch.cat([hopper, hopper]), progress=progress)
    assert seen == ["of 2", 1, 2]
