import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.detect import onnx_scrfd
from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.identity.encode.align import aligned_crop
from portrait_loupe.nodes.identity.encode.files import PackFile
from portrait_loupe.nodes.identity.encode.insightface_pack import InsightFaceArcFace
from portrait_loupe.nodes.identity.encode.onnx_arcface import OnnxArcFace

pytest.importorskip("insightface.model_zoo", reason="insightface is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

VARIANTS = [{}, {"subtracts": True}, {"subtracts": True, "before": 7}, {"batch": 1}, {"batch": 4}]
NAMES = ("w600k_r50", "glintr100")


def unit(raw):
    return raw / np.linalg.norm(raw, axis=-1, keepdims=True)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("name", ["buffalo_l", "antelopev2"])
def test_both_backends_embed_a_crop_alike(face_pack, tmp_path, name, variant):
    folder = face_pack(tmp_path, name, **variant) / "models" / name
    path = next(path for path in folder.iterdir() if path.stem in NAMES)
    crops = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)
    ours, theirs = (
        backend(PackFile(path, path.stem)) for backend in (OnnxArcFace, InsightFaceArcFace)
    )
    # float32: 2e-7 of a unit vector in the scaling, which OpenCV does in another order
    np.testing.assert_allclose(unit(ours(crops)), unit(theirs(crops)), atol=1e-6)
    assert np.linalg.norm(ours(crops), axis=1) == pytest.approx(
        np.linalg.norm(theirs(crops), axis=1), rel=1e-5
    )
    assert (ours.id, ours.sha256, ours.licence) == (theirs.id, theirs.sha256, theirs.licence)
    assert theirs.name == f"{path.stem} ({name}, insightface)"


@pytest.mark.parametrize("name", ["buffalo_l", "antelopev2"])
@pytest.mark.parametrize("variant", [{}, {"subtracts": True, "side": 640}], ids=str)
def test_of_a_whole_picture_faceanalysis_makes_the_same_embeddings(
    face_pack, marker_face, tmp_path, name, variant
):
    """One look at 640 px on both sides: detector, alignment, crop and network in a chain."""
    from insightface.app import FaceAnalysis

    faces = [
        {"x": 170, "y": 180, "iod": 60, "identity": 1},
        {"x": 440, "y": 300, "iod": 104.5, "identity": 2, "roll_deg": 12},
    ]
    picture, _ = marker_face((640, 640), faces)
    codes = (picture * 255).round().astype(np.uint8)
    folder = face_pack(tmp_path, name, **variant) / "models" / name
    analysis = FaceAnalysis(name=str(folder), providers=["CPUExecutionProvider"])
    analysis.prepare(-1, det_size=(640, 640))
    theirs = analysis.get(np.ascontiguousarray(codes[..., ::-1]))

    seen = onnx_scrfd.open_scrfd([tmp_path])(codes)
    path = next(path for path in folder.iterdir() if path.stem in NAMES)
    encoder = OnnxArcFace(PackFile(path, path.stem))
    assert len(theirs) == len(seen.scores) == 2
    for points, face in zip(seen.points, theirs, strict=True):
        corners = tuple((float(x), float(y)) for x, y in points)
        crop = aligned_crop(
            torch.from_numpy(codes / np.float32(255)), Face((corners[0], corners[1]), 1.0, corners)
        )
        ours = unit(encoder(crop[None])[0])
        assert abs(ours - face.normed_embedding).max() < chain()


def chain():
    """By how much a number of a unit embedding may differ.

    With OpenCV 5 some 5 pixels of a crop lie so near to half a gray level that float32 rounds them the
    other way; one level in one pixel moves this network by up to 6e-6. OpenCV 4 samples at 1/32 px.
    """
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    return 5e-5 if int(cv2.__version__.split(".")[0]) >= 5 else 2e-3


def test_a_detector_under_an_encoders_name_is_refused(onnx_packs, tmp_path):
    onnx_packs.scrfd(tmp_path / "glintr100.onnx")
    with pytest.raises(ValueError, match="takes it for detection"):
        InsightFaceArcFace(PackFile(tmp_path / "glintr100.onnx", "glintr100"))
