import socket
import subprocess
import sys
import warnings

import numpy as np
import pytest

from portrait_loupe.kernels.picture import luma
from portrait_loupe.nodes.framing.detect import embedded
from portrait_loupe.nodes.framing.detect.embedded import find_faces
from portrait_loupe.nodes.framing.detect.eyes import View

# Iris centres, marked by hand on crops enlarged 14 and 21 times: within half a pixel.
HOPPER = np.array([(222.0, 189.6), (305.5, 186.8)])
ASTRONAUT = np.array([(203.4, 101.1), (247.0, 103.2)])


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the detector went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def grace(hopper):
    return luma(hopper[0]).numpy()


@pytest.fixture(scope="module")
def eileen(astronaut):
    return luma(astronaut[0]).numpy()


def worst_eye(face, eyes):
    """The larger error of the two pupils, inter-ocular distances."""
    eyes = np.asarray(eyes)
    return np.hypot(*(np.array(face.eyes) - eyes).T).max() / np.hypot(*(eyes[1] - eyes[0]))


def test_hopper_is_found_with_her_pupils(grace):
    faces = find_faces(grace).faces
    assert len(faces) == 1
    assert faces[0].score > embedded.SURE
    assert worst_eye(faces[0], HOPPER) < 0.05


def test_the_astronaut_is_found_with_her_pupils(eileen):
    faces = find_faces(eileen).faces
    assert len(faces) == 1
    assert worst_eye(faces[0], ASTRONAUT) < 0.05


def test_the_same_picture_gives_the_same_answer(grace):
    assert find_faces(grace) == find_faces(grace.copy())


def test_a_mirrored_picture_gives_the_mirrored_face(grace):
    (face,) = find_faces(np.ascontiguousarray(grace[:, ::-1])).faces
    width = grace.shape[1]
    (straight,) = find_faces(grace).faces
    mirrored = [(width - x, y) for x, y in reversed(straight.eyes)]
    assert worst_eye(face, mirrored) < 0.02


def test_a_wider_border_shifts_the_face(grace):
    (face,) = find_faces(np.pad(grace, ((40, 10), (70, 20)), mode="edge")).faces
    assert worst_eye(face, HOPPER + np.array((70, 40))) < 0.05


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_resized_picture_resizes_the_face(grace, factor):
    height, width = (round(side * factor) for side in grace.shape)
    view = View((grace.shape[1] / 2, grace.shape[0] / 2), 1 / factor, 0.0, width, height)
    (face,) = find_faces(view.of(grace)).faces
    assert worst_eye(face, HOPPER * factor) < 0.05


@pytest.mark.parametrize("turn", [-20.0, 20.0])
def test_a_tilted_head_is_found_and_its_roll_told(grace, turn):
    upright = find_faces(grace).faces[0]
    view = View((256.0, 300.0), 1.3, turn, 512, 600)
    face = max(find_faces(view.of(grace)).faces, key=lambda face: face.score)
    assert face.roll_deg == pytest.approx(upright.roll_deg - turn, abs=3)
    back = [view.to_picture(*eye) for eye in face.eyes]
    assert np.hypot(*(np.array(back) - HOPPER).T).max() / np.hypot(*(HOPPER[1] - HOPPER[0])) < 0.06


@pytest.mark.parametrize("share", [0.5, 1.0, 1.25])
def test_a_face_as_tall_as_the_frame_is_found(grace, share):
    iod = np.hypot(*(HOPPER[1] - HOPPER[0]))
    middle = HOPPER.mean(0) + np.array((0, 0.485 * iod))
    view = View(tuple(middle), 2.69 * iod / share / 256, 0.0, 256, 256)
    (face,) = find_faces(view.of(grace)).faces
    assert worst_eye(face, (HOPPER - middle) / view.scale + 128) < 0.05


def test_two_people_side_by_side_are_both_found(grace):
    faces = find_faces(np.hstack([grace, grace])).faces
    assert len(faces) == 2
    left, right = sorted(faces, key=lambda face: face.centre[0])
    assert worst_eye(left, HOPPER) < 0.05
    assert worst_eye(right, HOPPER + np.array((512, 0))) < 0.05


def test_the_largest_face_comes_first(grace):
    beside = np.pad(grace[::2, ::2], ((150, 150), (0, 0)), mode="edge")
    faces = find_faces(np.hstack([beside, grace])).faces
    assert len(faces) == 2
    assert faces[0].iod > 1.5 * faces[1].iod


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "coffee"])
def test_pictures_without_a_face_have_none(name):
    from skimage import data

    pixels = getattr(data, name)().astype(np.float32) / 255
    assert find_faces(pixels if pixels.ndim == 2 else pixels.mean(-1)).faces == ()


def test_what_is_turned_down_is_told():
    from skimage import data

    found = find_faces(data.gravel().astype(np.float32) / 255)
    assert found.remarks
    assert "passed over a face-like spot of" in found.remarks[0]
    assert "needed" in found.remarks[0]


def test_pupils_that_are_a_guess_are_said_to_be(grace):
    """Grace Hopper with a patch over one eye: the face is still found."""
    patched = grace.copy()
    patched[165:215, 270:340] = 0.05
    found = find_faces(patched)
    assert len(found.faces) == 1
    assert "not seen" in found.remarks[0]
    assert worst_eye(found.faces[0], HOPPER) < 0.2  # where a face usually has them


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 700), (4096, 1), (1, 16384), (3, 5), (40, 400)], ids=str
)
def test_flat_pictures_and_noise_hold_no_face_and_no_surprise(shape):
    noise = np.random.default_rng(0).random(shape, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for picture in (np.zeros(shape, np.float32), np.full(shape, 0.5, np.float32), noise):
            assert find_faces(picture).faces == ()


def test_without_scikit_image_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(RuntimeError, match=r"pip install scikit-image.*bounding_box"):
        find_faces(np.zeros((8, 8), np.float32))


def test_importing_it_loads_neither_scipy_nor_scikit_image():
    from portrait_loupe.nodes.framing.detect import __path__ as folders

    package = folders[0]
    root = package[: -len("/nodes/framing/detect")]
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("pack", {root!r} + "/__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules["pack"] = module
spec.loader.exec_module(module)
import pack.nodes.framing.detect.embedded
sys.exit(any(name in sys.modules for name in ("skimage", "scipy")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def portrait(path):
    import torch
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return luma(torch.from_numpy(pixels)).numpy()


def found_as_portrait(path):
    """Whether the surest face has the size and place that a portrait's has."""
    picture = portrait(path)
    faces = find_faces(picture).faces
    if not faces:
        return False
    face = max(faces, key=lambda face: face.score)
    width = picture.shape[1]
    return 0.1 < face.iod / width < 0.3 and abs(face.centre[0] / width - 0.5) < 0.2


def test_portraits_are_found(test_data):
    paths = sorted((test_data / "photos" / "corridor").glob("*.jpg"))[::11]
    assert all(found_as_portrait(path) for path in paths)


@pytest.mark.slow
def test_of_all_portraits_at_least_95_percent_are_found(test_data):
    paths = sorted((test_data / "photos").rglob("*.jpg"))
    assert np.mean([found_as_portrait(path) for path in paths]) >= 0.95
