import sys

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing import find
from portrait_loupe.nodes.framing.detect import onnx_scrfd, scrfd, yunet
from portrait_loupe.nodes.framing.detect.network import Sightings, Unavailable
from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.framing.find import confidence, find_faces

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
    assert list(dict.fromkeys(seen)) == ["of 2", 0, 1, 2]
    assert seen.count(0) > 2  # within a picture, so that a stop is felt
    assert seen[-1] == 2


class Fixed:
    """A network that sees one face in the middle of whatever it looks at."""

    threshold, believed, square = 0.7, 0.7, True

    def __init__(self, name="fixed", score=0.9):
        self.name, self.score, self.calls = name, score, 0

    def __call__(self, canvas):
        """Once in the three sizes; in the second looks as high as it should be, 160 and 320 px."""
        self.calls += 1
        if self.calls in (2, 3):
            return Sightings(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))
        size = 0.5 if self.calls in (4, 5) else 1.0
        eyes = np.array([(-64, -51), (64, -51), (0, 35), (-51, 90), (51, 90)], float)
        box = np.array([[-128.0, -160, 128, 160]])
        return Sightings(320 + size * box, 320 + size * eyes[None], np.array([self.score]))


@pytest.fixture
def machine(monkeypatch):
    """Which backends this machine is said to have: names, or why they fail."""

    def has(**what):
        def opener(name):
            def opened(*_, **__):
                answer = what.get(name, Unavailable(f"no {name} here"))
                if isinstance(answer, Exception):
                    raise answer
                return Fixed(answer)

            return opened

        monkeypatch.setattr(onnx_scrfd, "open_scrfd", opener("scrfd"))
        monkeypatch.setattr(scrfd, "open_insightface", opener("insightface"))
        monkeypatch.setattr(yunet, "open_kornia", opener("kornia"))
        monkeypatch.setattr(yunet, "open_onnx", opener("onnx"))

    return has


PLAIN = torch.full((1, 640, 640, 3), 0.5)
FOLDERS = {"insightface": [], "detection": []}


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"scrfd": "S", "insightface": "I", "kornia": "K", "onnx": "O"}, "S"),
        ({"insightface": "I", "kornia": "K", "onnx": "O"}, "I"),
        ({"kornia": "K", "onnx": "O"}, "K"),
        ({"onnx": "O"}, "O"),
    ],
)
def test_auto_takes_the_first_backend_that_is_there(machine, has, expected):
    machine(**has)
    assert find_faces(PLAIN, folders=FOLDERS).faces.backend == expected


def test_scrfd_is_asked_for_the_packs_of_insightface(monkeypatch):
    asked = []
    monkeypatch.setattr(
        onnx_scrfd, "open_scrfd", lambda folders: asked.append(folders) or Fixed("S")
    )
    folders = {"insightface": ["packs"], "detection": ["others"]}
    assert find_faces(PLAIN, backend="SCRFD ONNX", folders=folders).faces.backend == "S"
    assert asked == [["packs"]]


@pytest.mark.parametrize(("low", "high"), [(0.0, 3.0), (-2.0, 1.0), (-2.0, 3.0)])
def test_values_out_of_range_count_as_black_and_white(monkeypatch, low, high):
    """Before they are averaged: at half the size stripes of 0 and 3 are gray, not white."""
    seen = []

    class Watching(Fixed):
        def __call__(self, canvas):
            seen.append(canvas)
            return super().__call__(canvas)

    monkeypatch.setattr(onnx_scrfd, "open_scrfd", lambda folders: Watching("W"))
    picture = torch.full((1, 1280, 1280, 3), low)
    picture[:, ::2] = high
    find_faces(picture, backend="SCRFD ONNX", folders=FOLDERS)
    assert np.unique(seen[0]).tolist() == [128]


def test_auto_without_any_is_the_embedded_detector_and_says_nothing_of_the_others(machine, hopper):
    machine()
    found = find_faces(hopper, folders=FOLDERS)
    assert found.faces.backend == "embedded detector"
    assert "here" not in found.report


def test_auto_says_in_one_line_what_was_nearly_there(machine):
    machine(insightface=Unavailable("the pack is broken", nearly=True), onnx="O")
    found = find_faces(PLAIN, folders=FOLDERS)
    assert found.faces.backend == "O"
    assert found.report.count("passed over a backend: the pack is broken") == 1


def test_without_folders_no_file_is_looked_for(machine, hopper):
    machine(kornia="K")
    assert find_faces(hopper).faces.backend == "embedded detector"


@pytest.mark.parametrize("name", ["SCRFD ONNX", "insightface", "kornia YuNet", "YuNet ONNX"])
def test_a_backend_asked_for_by_name_that_is_missing_is_an_error(machine, name):
    machine()
    with pytest.raises(RuntimeError, match=r"no (scrfd|insightface|kornia|onnx) here"):
        find_faces(PLAIN, backend=name, folders=FOLDERS)


def test_a_backend_asked_for_by_name_looks_whatever_is_linked(machine):
    machine(kornia="K", insightface="I")
    found = find_faces(PLAIN, backend="kornia YuNet", eyes="100,100 150,100", folders=FOLDERS)
    assert found.faces.backend == "K"


def test_what_is_linked_or_typed_counts_before_any_network(machine):
    machine(insightface="I")
    assert find_faces(PLAIN, eyes="9,9 99,9", folders=FOLDERS).faces.backend == "typed eyes"
    box = {"x": 170, "y": 120, "width": 190, "height": 225}
    assert "box" in find_faces(PLAIN, bounding_box=box, folders=FOLDERS).faces.backend


def test_only_kornia_hears_of_downloads(monkeypatch):
    heard = []

    def opened(folders, **how):
        heard.append(how)
        raise Unavailable("none")

    monkeypatch.setattr(onnx_scrfd, "open_scrfd", opened)
    monkeypatch.setattr(scrfd, "open_insightface", opened)
    monkeypatch.setattr(yunet, "open_kornia", opened)
    monkeypatch.setattr(yunet, "open_onnx", opened)
    monkeypatch.setitem(sys.modules, "skimage", None)
    for allowed in (False, True):
        with pytest.raises(RuntimeError, match="scikit-image"):
            find_faces(PLAIN, folders=FOLDERS, allow_download=allowed)
    assert heard == [{}, {}, {"allow_download": False}, {}, {}, {}, {"allow_download": True}, {}]


def test_a_networks_faces_have_five_points_a_yaw_and_words(machine):
    machine(onnx="O")
    found = find_faces(PLAIN, folders=FOLDERS)
    ((face,),) = found.faces.frames
    assert len(face.points) == 5
    assert face.yaw_deg == pytest.approx(0, abs=0.5)
    assert face.pitch_deg is None
    assert "sure (score 0.9)" in found.report
    told = found.faces.as_json()["frames"][0][0]
    assert len(told["points"]) == 5
    assert told["yaw_deg"] == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    ("score", "backend", "words"),
    [
        (45.0, "embedded detector", "sure"),
        (20.0, "embedded detector", "fairly sure"),
        (12.5, "embedded detector", "doubtful"),
        (0.93, "kornia YuNet (x.pth)", "sure"),
        (0.75, "YuNet ONNX (x.onnx)", "fairly sure"),
        (0.55, "insightface (x)", "doubtful"),
        (0.0, "linked mask", "pupils guessed"),
        (1.0, "typed eyes", "as typed"),
    ],
)
def test_confidence_is_told_in_words(score, backend, words):
    face = Face(((1, 1), (9, 1)), score)
    assert confidence(face, backend) == f"{words} (score {score:.3g})"


def test_no_face_of_the_embedded_detector_tells_its_limit():
    with pytest.raises(
        ValueError, match="up to the frame's height; a larger one it does not guess"
    ):
        find_faces(torch.full((1, 64, 64, 3), 0.5))


def hopper_filling(hopper, half):
    """A square crop around her face, 225 px from forehead to chin."""
    return hopper[:, 229 - half : 229 + half, 264 - half : 264 + half]


def test_a_face_a_little_higher_than_the_frame_is_found_and_a_look_at_the_overlay_advised(hopper):
    found = find_faces(hopper_filling(hopper, 80))
    ((face,),) = found.faces.frames
    assert face.box.height / 160 == pytest.approx(1.4, abs=0.15)
    assert "times as high as the picture" in found.report
    assert "type the two pupils" in found.report


@pytest.mark.parametrize("half", [45, 51, 56])
def test_a_face_twice_as_high_as_the_frame_is_not_guessed_without_files(hopper, half):
    with pytest.raises(ValueError, match="type the two pupils"):
        find_faces(hopper_filling(hopper, half))


def two_meshes():
    def mesh(left, right):
        points = np.zeros((478, 2))
        points[468], points[473] = left, right
        return {"landmarks_xy": points, "score": 1.0}

    return [mesh((50, 50), (80, 50)), mesh((200, 190), (300, 190))]


def test_landmarks_go_on_filtered_to_the_kept_faces_and_in_their_order(hopper):
    small, large = two_meshes()
    linked = {"frames": [[small, large]], "image_size": (600, 512), "connection_sets": {"lips": ()}}
    every = find_faces(hopper, face_landmarks=linked)
    assert [
        entry is wanted
        for entry, wanted in zip(every.face_landmarks["frames"][0], (large, small), strict=True)
    ] == [True, True]
    one = find_faces(hopper, face_landmarks=linked, keep="index left to right", index=0)
    assert one.face_landmarks["frames"][0][0] is small
    assert one.face_landmarks["connection_sets"] == {"lips": ()}
    assert "kept 1 of 2 faces: index left to right 0" in one.report


def test_faces_from_elsewhere_leave_the_landmarks_empty(hopper):
    linked = {"frames": [two_meshes()], "image_size": (600, 512)}
    found = find_faces(hopper, backend="embedded", face_landmarks=linked)
    assert found.face_landmarks["frames"] == [[]]
    assert found.face_landmarks["image_size"] == (600, 512)


def test_a_mask_that_chooses_finds_nothing_itself(hopper):
    mask = torch.zeros(1, 600, 512)
    mask[:, 100:300, 180:400] = 1
    linked = {"frames": [two_meshes()], "image_size": (600, 512)}
    found = find_faces(hopper, face_landmarks=linked, mask=mask, keep="in mask")
    assert [face.iod for face in found.faces.frames[0]] == [100]
    assert find_faces(hopper, mask=mask, keep="in mask").faces.backend == "embedded detector"


def test_a_choice_that_leaves_nothing_names_what_was_there(hopper):
    with pytest.raises(ValueError, match=r"leaves no face 4\. There was 1 face, left to right at"):
        find_faces(hopper, keep="index left to right", index=4)


def test_the_order_of_the_backends_is_the_published_one():
    networks = ["insightface", "kornia YuNet", "YuNet ONNX"]
    assert list(find.BACKENDS) == ["auto", "embedded", *networks, "SCRFD ONNX"]
    assert list(find.BEFORE_EMBEDDED) == ["SCRFD ONNX", *networks]


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("size", [(1, 1), (20, 200), (200, 20)], ids=str)
def test_a_network_bears_every_kind_of_picture(channels, size):
    class Blind(Fixed):
        def __call__(self, canvas):
            return Sightings(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yunet, "open_onnx", lambda folders: Blind("blind"))
        with pytest.raises(ValueError, match=r"no face found \(blind\)"):
            find_faces(torch.rand(1, *size, channels), backend="YuNet ONNX", folders=FOLDERS)


def test_the_most_prominent_face_is_the_one_with_detail_not_the_larger_blurred_one(hopper):
    height, width = hopper.shape[1:3]
    planes = hopper.movedim(-1, 1)
    blurred = torch.nn.functional.avg_pool2d(planes, 15, 1, 7, count_include_pad=False)
    blurred = torch.nn.functional.interpolate(blurred, scale_factor=1.5, mode="bilinear")
    both = torch.zeros(1, round(1.5 * height), width + round(1.5 * width), 3)
    both[:, :height, :width] = hopper
    both[:, :, width:] = blurred.movedim(1, -1)
    box = {"x": 168, "y": 117, "width": 191, "height": 225}
    larger = {key: round(1.5 * value) for key, value in box.items()}
    larger["x"] += width
    how = {"bounding_box": [[box, larger]]}
    (largest,) = find_faces(both, keep="largest", **how).faces.frames[0]
    (most,) = find_faces(both, keep="most prominent", **how).faces.frames[0]
    assert largest.centre[0] > width > most.centre[0]
