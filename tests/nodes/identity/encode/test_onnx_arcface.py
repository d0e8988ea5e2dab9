import numpy as np
import pytest

from portrait_loupe.nodes.identity.encode import onnx_arcface
from portrait_loupe.nodes.identity.encode.files import PackFile
from portrait_loupe.nodes.identity.encode.onnx_arcface import OnnxArcFace, embedded

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing to run a net with")

# Where the network finds the pixels scaled: itself or outside, by the names of its nodes.
SCALINGS = [
    {},
    {"subtracts": True},
    {"subtracts": True, "names": ("_minusscalar", "_mulscalar")},
    {"subtracts": True, "before": 6},
]


@pytest.fixture
def opened(onnx_packs, tmp_path):
    def opener(**variant):
        file = tmp_path / "w600k_r50.onnx"
        onnx_packs.arcface(file, **variant)
        return OnnxArcFace(PackFile(file, "w600k_r50"))

    return opener


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


def test_the_scaling_is_read_from_the_file_and_changes_no_embedding(opened):
    crops = noise(3)
    plain, *others = [opened(**variant)(crops) for variant in SCALINGS]
    for other in others:
        # of a norm of 20 or so: the same sums in another order
        np.testing.assert_allclose(other, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "itself"),
    [
        (("Conv_0", "Relu_1"), False),
        (("Sub_0", "Mul_1"), True),
        (("Mul_3", "_minusscalar0"), True),
        (("Sub_0", "Conv_1"), False),
        (("a", "b", "c", "d", "e", "f", "Sub_6", "Mul_7"), True),
        (("a", "b", "c", "d", "e", "f", "g", "Sub_7", "Mul_8"), False),
        (("n0_Sub", "n1_Mul"), False),
    ],
)
def test_the_rule_is_insightfaces(names, itself):
    assert onnx_arcface.scales_itself(names) is itself


@pytest.mark.parametrize("batch", [None, 1, 4, 20])
def test_any_number_of_crops_is_embedded_each_as_alone(opened, batch):
    encoder = opened(batch=batch)
    crops = noise(21)
    together = encoder(crops)
    assert together.shape == (21, 512)
    assert together.dtype == np.float32
    for i in (0, 15, 16, 20):
        np.testing.assert_allclose(together[i : i + 1], encoder(crops[i : i + 1]), atol=1e-4)
    assert encoder(crops[:0]).shape == (0, 512)


def test_at_most_16_are_run_at_once():
    seen = []

    def run(crops):
        seen.append(len(crops))
        return np.zeros((len(crops), 512), np.float32)

    embedded(noise(35), run, None, "net")
    assert seen == [16, 16, 3]
    seen.clear()
    embedded(noise(3), run, 1, "net")
    assert seen == [1, 1, 1]
    seen.clear()
    embedded(noise(5), run, 4, "net")
    assert seen == [4, 4]


def test_a_network_that_froze_its_batch_inside_is_run_one_by_one():
    def frozen(crops):
        return np.zeros((1, 512 * len(crops)), np.float32)

    def failing(crops):
        if len(crops) > 1:
            raise RuntimeError("Got invalid dimensions")
        return np.zeros((1, 512), np.float32)

    assert onnx_arcface.probed_batch(frozen) == 1
    assert onnx_arcface.probed_batch(failing) == 1
    assert onnx_arcface.probed_batch(lambda crops: np.zeros((len(crops), 512))) is None


def test_faces_of_one_person_are_alike_and_of_two_are_not(opened, marker_face):
    """What the other tests of identity stand on: the tiny network tells textures apart."""
    import torch

    from portrait_loupe.nodes.framing.faces import Face
    from portrait_loupe.nodes.identity.encode.align import aligned_crop

    crops = []
    for identity in (1, 2):
        for x, iod, roll in ((300, 90, 0), (310.3, 61.7, 11), (280.4, 140.2, -7)):
            face = {"x": x, "y": 250, "iod": iod, "identity": identity, "roll_deg": roll}
            picture, (points,) = marker_face((600, 600), [face])
            points = [(x, y) for x, y in points.tolist()]
            there = Face((points[0], points[1]), 1.0, tuple(points))
            crops.append(aligned_crop(torch.from_numpy(picture), there))
    raw = opened()(np.stack(crops))
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[:3, :3].min() > 0.95
    assert alike[3:, 3:].min() > 0.95
    assert abs(alike[:3, 3:]).max() < 0.3
    assert (np.linalg.norm(raw, axis=1) > 10).all()
    assert (np.linalg.norm(raw, axis=1) < 40).all()


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 112, 112, 3), np.float32),
        np.zeros((112, 112, 3), np.uint8),
        np.zeros((1, 128, 128, 3), np.uint8),
        np.zeros((1, 3, 112, 112), np.uint8),
    ],
    ids=lambda crops: f"{crops.dtype} {crops.shape}",
)
def test_what_is_no_aligned_crop_is_refused(opened, crops):
    with pytest.raises(ValueError, match=r"w600k_r50 .*takes aligned crops, uint8"):
        opened()(crops)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda crops: np.full((len(crops), 512), np.nan), "not finite"),
        (lambda crops: np.full((len(crops), 512), np.inf), "not finite"),
        (lambda crops: np.zeros((len(crops), 128)), r"shape \(2, 128\), expected \(2, 512\)"),
        (lambda crops: np.zeros((1, 512)), r"shape \(1, 512\), expected \(2, 512\)"),
        (lambda crops: 1 / 0, "failed on 2 crops: ZeroDivisionError"),
    ],
)
def test_a_wrong_answer_is_refused_by_the_encoders_name(run, words):
    with pytest.raises(RuntimeError, match=words) as refused:
        embedded(noise(2), run, None, "w600k_r50 (pack, onnxruntime)")
    assert "w600k_r50 (pack" in str(refused.value)


def test_a_detector_is_no_encoder(onnx_packs, tmp_path):
    onnx_packs.scrfd(tmp_path / "w600k_r50.onnx")
    with pytest.raises(ValueError, match=r"takes \(any, 3, 112, 112\), this one \[\[1, 3"):
        OnnxArcFace(PackFile(tmp_path / "w600k_r50.onnx", "w600k_r50"))
