import pickle
import sys

import numpy as np
import pytest

from portrait_loupe.nodes.framing.detect import network as networks
from portrait_loupe.nodes.framing.detect import onnx_scrfd, scrfd
from portrait_loupe.nodes.framing.detect.network import Unavailable

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to run a net with")

FACES = [
    {"x": 160, "y": 180, "iod": 60, "identity": 1},
    {"x": 450, "y": 300, "iod": 110, "identity": 2, "roll_deg": 12},
    {"x": 120, "y": 500, "iod": 34, "identity": 3, "roll_deg": -8},
]


@pytest.fixture
def opened(face_pack, tmp_path):
    def opener(name="buffalo_l", **variant):
        return onnx_scrfd.open_scrfd([face_pack(tmp_path, name, **variant)])

    return opener


def canvas_of(marker_face, size=(640, 640), faces=FACES):
    picture, points = marker_face(size, faces)
    return (picture * 255).round().astype(np.uint8), points


@pytest.mark.parametrize("variant", [{}, {"side": 640}, {"batched": True}], ids=str)
def test_the_marks_of_three_faces_are_seen_where_they_were_drawn(opened, marker_face, variant):
    canvas, points = canvas_of(marker_face)
    seen = opened(**variant)(canvas)
    assert len(seen.scores) == 3
    for drawn in points:
        miss = np.abs(seen.points - drawn).max((1, 2))
        # px: the net weighs pixels by their colour; half a pixel would be a wrong corner
        assert miss.min() < 0.2
        box = seen.boxes[miss.argmin()]
        assert (box[:2] < drawn.min(0)).all()
        assert (box[2:] > drawn.max(0)).all()


@pytest.mark.parametrize("size", [(640, 640), (320, 256)], ids=str)
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_insightface_sees_the_same_on_the_same_canvas(
    face_pack, marker_face, tmp_path, size, batched
):
    zoo = pytest.importorskip("insightface.model_zoo", reason="insightface is not installed")
    face_pack(tmp_path, batched=batched)
    canvas, _ = canvas_of(marker_face, size)
    seen = onnx_scrfd.open_scrfd([tmp_path])(canvas)
    theirs = zoo.get_model(
        str(tmp_path / "models/buffalo_l/det_10g.onnx"), providers=["CPUExecutionProvider"]
    )
    theirs.prepare(-1)
    boxes, points = theirs.detect(np.ascontiguousarray(canvas[..., ::-1]), input_size=size)
    assert len(boxes) == len(seen.scores) >= 1
    # px: float32 near 640 is spaced by 6e-5, and they add in float32 where we add in float64
    np.testing.assert_allclose(seen.boxes - 0.5, boxes[:, :4], atol=1e-4, rtol=0)
    np.testing.assert_allclose(seen.points - 0.5, points, atol=1e-4, rtol=0)
    np.testing.assert_allclose(seen.scores, boxes[:, 4], atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_of_a_whole_picture_both_backends_find_the_same_faces(face_pack, marker_face, tmp_path):
    """A detector for 640 px alone, so that both look at the same canvases, turned and mirrored too."""
    pytest.importorskip("insightface.model_zoo", reason="insightface is not installed")
    face_pack(tmp_path, side=640)
    picture, points = marker_face((800, 640), FACES)
    found = [
        networks.find_faces(picture, opener([tmp_path])).faces
        for opener in (onnx_scrfd.open_scrfd, scrfd.open_insightface)
    ]
    assert [len(faces) for faces in found] == [3, 3]
    for ours, theirs in zip(*found, strict=True):
        # px: their float32 points steer where the second looks are sampled
        np.testing.assert_allclose(ours.points, theirs.points, atol=2e-3)
        # IOD: the detector's error at 34 px, and the vote of the pupils
        miss = min(np.abs(np.array(ours.points) - drawn).max() for drawn in points)
        assert miss < 0.01 * ours.iod


def test_a_dynamic_detector_takes_small_canvases_and_finds_faces_larger_than_640(
    opened, marker_face
):
    network = opened()
    assert not network.square
    picture, points = marker_face((1600, 1200), [{"x": 800, "y": 500, "iod": 430, "identity": 4}])
    (face,) = networks.find_faces(picture, network).faces
    assert np.abs(np.array(face.points) - points[0]).max() < 0.02 * 430


def test_red_is_not_taken_for_blue(opened, marker_face):
    canvas, _ = canvas_of(marker_face)
    network = opened()
    assert len(network(canvas).scores) == 3
    assert len(network(np.ascontiguousarray(canvas[..., ::-1])).scores) == 0


def test_where_there_is_no_face_there_is_none(opened):
    seen = opened()(np.full((320, 256, 3), 128, np.uint8))
    assert seen.boxes.shape == (0, 4)
    assert seen.points.shape == (0, 5, 2)


def test_two_anchors_that_saw_one_face_are_one_and_the_surest(opened):
    boxes = np.array([[0, 0, 100, 100], [2, 0, 100, 100], [80, 80, 180, 180.0]])
    kept = onnx_scrfd._distinct(boxes, np.array([0.6, 0.9, 0.7]))
    assert kept == [1, 2]


@pytest.mark.parametrize(("shift", "count"), [(2, 1), (3, 2)])
def test_of_small_boxes_the_pixels_at_both_ends_count(shift, count):
    """5 px wide: shifted by 2 they share 15 of 35 px, 0.43; by 3 10 of 40, 0.25. Limits: 0.4."""
    boxes = np.array([[0, 0, 4, 4], [shift, 0, 4 + shift, 4.0]])
    assert len(onnx_scrfd._distinct(boxes, np.array([0.9, 0.8]))) == count
    wide = np.array(
        [[0, 0, 9, 9], [5, 0, 14, 9.0]]
    )  # 50 of 150 px, 0.33; 0.45 of what lies between
    assert onnx_scrfd._distinct(wide, np.array([0.9, 0.8])) == [0, 1]


def test_the_report_names_the_file(opened):
    assert opened("antelopev2").name == "SCRFD ONNX (antelopev2/scrfd_10g_bnkps.onnx)"


def test_a_pack_one_folder_too_deep_is_found(face_pack, tmp_path):
    face_pack(tmp_path, "antelopev2", nested=True)
    assert "scrfd_10g_bnkps" in onnx_scrfd.open_scrfd([tmp_path]).name


def test_the_largest_detector_is_taken_and_a_broken_one_passed_over(face_pack, tmp_path):
    face_pack(tmp_path)
    broken = tmp_path / "models" / "other" / "det_34g.onnx"
    broken.parent.mkdir()
    broken.write_bytes(b"x" * 10**6)
    assert "det_10g" in onnx_scrfd.open_scrfd([tmp_path]).name


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"points": False}, "boxes but no eyes"),
        ({"side": 320}, "made for 320x320 px, it should be 640x640"),
    ],
    ids=str,
)
def test_a_detector_that_is_of_no_use_is_refused_in_words(opened, variant, words):
    with pytest.raises(Unavailable, match=words) as refused:
        opened(**variant)
    assert refused.value.nearly
    assert "det_10g.onnx" in str(refused.value)


def test_a_recogniser_under_a_detectors_name_is_refused(onnx_packs, tmp_path):
    onnx_packs.arcface(tmp_path / "det_wrong.onnx")
    with pytest.raises(Unavailable, match=r"det_wrong.onnx.*9 outputs, this network has 1"):
        onnx_scrfd.open_scrfd([tmp_path])


@pytest.mark.parametrize("content", ["empty", "pickle", "truncated", "text"])
def test_a_broken_file_is_named(face_pack, tmp_path, content):
    file = face_pack(tmp_path) / "models/buffalo_l/det_10g.onnx"
    whole = file.read_bytes()
    file.write_bytes(
        {
            "empty": b"",
            "pickle": pickle.dumps({"a": 1}),
            "truncated": whole[: len(whole) // 2],
            "text": b"<html>not found</html>",
        }[content]
    )
    with pytest.raises(Unavailable, match=r"det_10g\.onnx") as refused:
        onnx_scrfd.open_scrfd([tmp_path])
    assert refused.value.nearly
    assert "Replace the file" in str(refused.value)


def test_maps_of_another_stride_are_refused():
    told = [np.zeros((99, size), np.float32) for size in (1, 4, 10)]
    with pytest.raises(ValueError, match=r"scores of stride 8 .*\(99, 1\), expected 12800 rows"):
        onnx_scrfd._decoded(told, 8, 640, 640)


def test_numbers_that_are_not_finite_are_no_faces():
    scores, boxes, points = (np.zeros((32, size), np.float32) for size in (1, 4, 10))
    scores[[3, 7, 9, 11], 0] = 0.9, 0.8, 0.7, np.nan
    boxes[3, 1], points[7, 4] = np.inf, np.nan
    kept = onnx_scrfd._decoded([scores, boxes, points], 8, 32, 32)[2]
    assert kept == pytest.approx([0.7])


def test_nothing_there_and_nothing_to_run_it_are_told_apart(face_pack, monkeypatch, tmp_path):
    with pytest.raises(Unavailable, match="needs a model pack") as refused:
        onnx_scrfd.open_scrfd([tmp_path])
    assert str(tmp_path) in str(refused.value)
    assert not refused.value.nearly
    face_pack(tmp_path)
    monkeypatch.setattr(onnx_scrfd, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="onnxruntime is not in this Python") as refused:
        onnx_scrfd.open_scrfd([tmp_path])
    assert not refused.value.nearly


def test_insightface_is_not_needed(face_pack, marker_face, monkeypatch, tmp_path):
    face_pack(tmp_path)
    canvas, _ = canvas_of(marker_face)
    for package in ("insightface", "onnx", "cv2"):
        monkeypatch.setitem(sys.modules, package, None)
    assert len(onnx_scrfd.open_scrfd([tmp_path])(canvas).scores) == 3


def test_the_detector_stays_open_until_its_file_changes(face_pack, onnx_packs, tmp_path):
    first = onnx_scrfd.open_scrfd([face_pack(tmp_path)])
    assert onnx_scrfd.open_scrfd([tmp_path]) is first
    onnx_packs.scrfd(tmp_path / "models/buffalo_l/det_10g.onnx", side=640)
    second = onnx_scrfd.open_scrfd([tmp_path])
    assert (first.square, second.square) == (False, True)
