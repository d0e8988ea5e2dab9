import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.detect import yunet
from portrait_loupe.nodes.framing.detect.eyes import View
from portrait_loupe.nodes.framing.detect.network import Unavailable, find_faces

# Iris centres, marked by hand on crops enlarged 14 and 21 times: within half a pixel.
HOPPER = np.array([(222.0, 189.6), (305.5, 186.8)])
ASTRONAUT = np.array([(203.4, 101.1), (247.0, 103.2)])
FACE_HEIGHT = 2.69  # IOD
BACKENDS = ("kornia", "onnx")


@pytest.fixture(autouse=True)
def one_thread():
    """A small network gains nothing from more, and waits for them where others compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def offline_and_alone(monkeypatch, tmp_path):
    """No network, and no weights that this machine may have fetched before."""

    def refuse(*_):
        raise AssertionError("the detector went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture
def opened(test_data):
    def open_(name):
        if name == "kornia":
            pytest.importorskip("kornia", reason="kornia is not installed: no YuNet of its")
            return yunet.open_kornia([test_data / "models"])
        pytest.importorskip("cv2", reason="OpenCV is not installed: nothing to run ONNX with")
        return yunet.open_onnx([test_data / "models"])

    return open_


def worst_eye(face, eyes):
    return np.hypot(*(np.array(face.eyes) - eyes).T).max() / np.hypot(*(eyes[1] - eyes[0]))


@pytest.mark.parametrize("name", BACKENDS)
def test_two_known_faces_are_found_with_their_pupils(opened, hopper, astronaut, name):
    network = opened(name)
    for picture, eyes in ((hopper, HOPPER), (astronaut, ASTRONAUT)):
        (face,) = find_faces(picture[0].numpy(), network).faces
        assert worst_eye(face, eyes) < 0.08  # 0.02 to 0.07 measured
        assert 0.7 <= face.score <= 1
        # nose between the eyes and the mouth, mouth corners in order
        points = [face.from_image(point) for point in face.points]
        assert 0.4 < points[2][1] < points[3][1] - 0.2
        assert points[3][0] < -0.2 < 0.2 < points[4][0]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("share", [0.3, 1.0, 1.6, 2.0])
def test_a_face_up_to_twice_the_frames_height_is_found(opened, hopper, name, share):
    iod = np.hypot(*(HOPPER[1] - HOPPER[0]))
    middle = HOPPER.mean(0) + np.array((0, 0.485 * iod))
    view = View(tuple(middle), FACE_HEIGHT * iod / share / 300, 0.0, 300, 300)
    crop = np.stack([view.of(hopper[0, ..., c].numpy()) for c in range(3)], -1)
    (face,) = find_faces(crop, opened(name)).faces
    # 0.02 to 0.11 measured, the last with 33 px between the eyes
    assert worst_eye(face, (HOPPER - middle) / view.scale + 150) < 0.13


@pytest.mark.parametrize("name", BACKENDS)
def test_a_tilted_head_is_straightened(opened, hopper, name):
    view = View((256.0, 300.0), 1.3, 30.0, 512, 600)
    turned = np.stack([view.of(hopper[0, ..., c].numpy()) for c in range(3)], -1)
    (face,) = find_faces(turned, opened(name)).faces
    back = np.array([view.to_picture(*eye) for eye in face.eyes])
    assert np.hypot(*(back - HOPPER).T).max() / 83.5 < 0.12  # 0.10 measured
    assert face.roll_deg == pytest.approx(-30 - 1.9, abs=3)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_mirrored_picture_gives_the_mirrored_face(opened, hopper, name):
    network = opened(name)
    (face,) = find_faces(np.ascontiguousarray(hopper[0].numpy()[:, ::-1]), network).faces
    (straight,) = find_faces(hopper[0].numpy(), network).faces
    mirrored = np.array([(512 - x, y) for x, y in reversed(straight.eyes)])
    assert worst_eye(face, mirrored) < 0.03
    assert face.yaw_deg == pytest.approx(-straight.yaw_deg, abs=5)


@pytest.mark.parametrize("name", BACKENDS)
def test_pictures_without_a_face_have_none(opened, name):
    from skimage import data

    network = opened(name)
    for sample in (data.brick(), data.coffee(), data.gravel()):
        pixels = np.float32(sample) / 255
        colours = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, -1)
        assert find_faces(colours, network).faces == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("share", [0.3, 0.85, 2.0])
def test_recall_is_at_least_95_percent_up_to_twice_the_frame(opened, test_data, name, share):
    from PIL import Image

    network = opened(name)
    found = []
    for path in sorted((test_data / "photos" / "corridor").glob("*.jpg")):
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        whole = find_faces(pixels, network).faces
        if len(whole) != 1:
            found.append(False)
            continue
        middle = whole[0].to_image(0, 0.485)
        view = View(middle, FACE_HEIGHT * whole[0].iod / share / 512, 0.0, 512, 512)
        crop = np.stack([view.of(pixels[..., c]) for c in range(3)], -1)
        expected = (np.array(whole[0].eyes) - middle) / view.scale + 256
        found.append(
            any(worst_eye(face, expected) < 0.25 for face in find_faces(crop, network).faces)
        )
    assert np.mean(found) >= 0.95


def test_kornias_numbers_are_its_own(test_data, hopper):
    """Our decoding against FaceDetector.postprocess on the same outputs."""
    pytest.importorskip("kornia", reason="kornia is not installed: nothing to compare with")
    from kornia.contrib import FaceDetector

    network = yunet.open_kornia([test_data / "models"])
    canvas = (hopper[0, 10:586, :512].numpy() * 255).astype(np.uint8)
    theirs = FaceDetector.__new__(FaceDetector)
    torch.nn.Module.__init__(theirs)
    theirs.min_sizes, theirs.steps = (
        [[10, 16, 24], [32, 48], [64, 96], [128, 192, 256]],
        [8, 16, 32, 64],
    )
    theirs.variance, theirs.clip = [0.1, 0.2], False
    theirs.confidence_threshold, theirs.nms_threshold = 0.3, 0.3
    theirs.top_k, theirs.keep_top_k = 5000, 750
    from kornia.geometry.bbox import nms

    theirs.nms = nms
    blue_first = torch.from_numpy(canvas[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        (rows,) = theirs.postprocess(network._network(blue_first), *canvas.shape[:2])
    seen = network(canvas)
    best, row = seen.scores.argmax(), rows[rows[:, 14].argmax()].numpy()
    np.testing.assert_allclose(seen.boxes[best], row[:4], atol=0.01)
    np.testing.assert_allclose(seen.points[best].ravel(), row[4:14], atol=0.01)


def test_opencvs_numbers_are_its_own(test_data, hopper):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: nothing to compare with")
    canvas = (hopper[0, 10:586, :512].numpy() * 255).astype(np.uint8)
    file = str(test_data / "models" / "yunet_n_dynamic.onnx")
    _, rows = cv2.FaceDetectorYN.create(file, "", (512, 576), 0.3).detect(canvas[..., ::-1].copy())
    seen = yunet.open_onnx([test_data / "models"])(canvas)
    best, row = seen.scores.argmax(), rows[rows[:, 14].argmax()]
    np.testing.assert_allclose(seen.points[best].ravel(), row[4:14], atol=0.01)
    np.testing.assert_allclose(seen.boxes[best][:2], row[:2], atol=0.01)
    assert seen.scores[best] == pytest.approx(row[14], abs=1e-4)


class OneCell:
    """A network that sees one face, at row 3 and column 5 of the map of stride 16."""

    square = False

    def __call__(self, pixels):
        assert pixels.shape == (1, 3, 128, 192)
        assert pixels[0, :, 0, 0].tolist() == [3, 2, 1]  # blue first
        told = {}
        for stride in (8, 16, 32):
            cells = (128 // stride) * (192 // stride)
            for head, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
                told[f"{head}_{stride}"] = np.zeros((1, cells, size), np.float32)
        cell = 3 * (192 // 16) + 5
        told["cls_16"][0, cell], told["obj_16"][0, cell] = 0.81, 1.0
        told["bbox_16"][0, cell] = (0.5, -0.25, np.log(2), np.log(3))
        told["kps_16"][0, cell] = np.arange(10) / 4
        return told


def test_a_cell_of_a_map_is_a_place_of_the_canvas():
    canvas = np.empty((128, 192, 3), np.uint8)
    canvas[:] = (1, 2, 3)
    seen = yunet.OnnxYuNet(OneCell(), "one cell")(canvas)
    assert seen.scores == pytest.approx([0.9])
    # centre (5.5, 2.75) cells of 16 px, 2 x 3 cells large
    assert seen.boxes[0] == pytest.approx([88 - 16, 44 - 24, 88 + 16, 44 + 24])
    assert seen.points[0, 0] == pytest.approx((80, 52))
    assert seen.points[0, 4] == pytest.approx((80 + 32, 48 + 36))


def test_prior_boxes_stand_on_the_middles_of_their_cells():
    cells = yunet._cells(128, 192, 64, (128, 192))
    assert cells.shape == (2 * 3 * 2, 4)
    assert cells[:3].tolist() == [[32, 32, 128, 128], [32, 32, 192, 192], [96, 32, 128, 128]]


def test_without_kornia_it_says_so(monkeypatch):
    monkeypatch.setattr(yunet, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="needs the package kornia") as refused:
        yunet.open_kornia([])
    assert not refused.value.nearly


def test_without_weights_it_says_where_they_go(monkeypatch, tmp_path):
    monkeypatch.setattr(yunet, "find_spec", lambda name: object())
    with pytest.raises(Unavailable, match="allow_download") as refused:
        yunet.open_kornia([tmp_path / "detection"])
    assert str(tmp_path / "detection") in str(refused.value)
    assert not refused.value.nearly


@pytest.mark.parametrize("open_", [lambda f: yunet.open_kornia(f), lambda f: yunet.open_onnx(f)])
def test_a_broken_file_is_named(monkeypatch, tmp_path, open_):
    for package in ("kornia", "cv2"):
        pytest.importorskip(
            package, reason=f"{package} is not installed: nothing to load a file with"
        )
    for name in ("yunet_final.pth", "face_detection_YuNet_2023mar.onnx"):
        (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(Unavailable, match=r"failed with .*(yunet_final|2023mar)") as refused:
        open_([tmp_path])
    assert refused.value.nearly


def test_nothing_in_a_weights_file_is_run(tmp_path):
    pytest.importorskip("kornia", reason="kornia is not installed: nothing to load a file with")
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "yunet_final.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Unavailable):
        yunet.open_kornia([tmp_path])
    assert not (tmp_path / "sprung").exists()


def test_the_file_may_lie_in_torchs_own_folder_or_one_deeper(test_data, tmp_path):
    pytest.importorskip("kornia", reason="kornia is not installed: nothing to load a file with")
    for folder in (tmp_path / "hub" / "checkpoints", tmp_path / "detection" / "faces"):
        folder.mkdir(parents=True)
        shutil.copy(test_data / "models" / "yunet_final_kornia.pth", folder / "YuNet_Final.pth")
        assert "YuNet_Final.pth" in yunet.open_kornia([tmp_path / "detection"]).name
        shutil.rmtree(folder)


@pytest.mark.parametrize("folders", [[], ["detection", "other"]])
def test_a_download_is_asked_for_by_sum_and_kept_in_the_first_folder(
    monkeypatch, test_data, tmp_path, folders
):
    pytest.importorskip("kornia", reason="kornia is not installed: nothing to load a file with")
    asked = []

    def fetch(url, target, hash_prefix, progress):
        asked.append((url, hash_prefix))
        if len(asked) == 1:
            raise OSError("no such page")
        shutil.copy(test_data / "models" / "yunet_final_kornia.pth", target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    network = yunet.open_kornia([tmp_path / one for one in folders], allow_download=True)
    assert "yunet_final.pth" in network.name
    kept = "detection" if folders else "hub/checkpoints"  # without folders, where kornia looks
    assert [one.relative_to(tmp_path) for one in tmp_path.rglob("*.pth")] == [
        Path(kept, "yunet_final.pth")
    ]
    assert len(asked) == 2
    import hashlib

    file = test_data / "models" / "yunet_final_kornia.pth"
    assert {sum_ for _, sum_ in asked} == {hashlib.sha256(file.read_bytes()).hexdigest()}


def test_a_download_that_fails_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(yunet, "find_spec", lambda name: object())

    def fetch(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(Unavailable, match=r"could not fetch .*Network is unreachable") as refused:
        yunet.open_kornia([tmp_path], allow_download=True)
    assert refused.value.nearly


def test_an_onnx_file_without_anything_to_run_it_harms_nobody(monkeypatch, tmp_path):
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"")
    monkeypatch.setattr(yunet, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="neither OpenCV nor onnxruntime") as refused:
        yunet.open_onnx([tmp_path])
    assert "pip" not in str(refused.value)
    assert not refused.value.nearly


def test_no_onnx_file_names_the_folder(tmp_path):
    (tmp_path / "yolo.onnx").write_bytes(b"")
    with pytest.raises(Unavailable, match="its name holds 'yunet'") as refused:
        yunet.open_onnx([tmp_path])
    assert str(tmp_path) in str(refused.value)
