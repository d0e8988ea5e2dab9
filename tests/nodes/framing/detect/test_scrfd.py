"""insightface itself is not installed where these run: a small package of its shape stands in.

The shape is that of insightface 2.1: ``model_zoo.get_model(name, **kwargs)``, and an ``SCRFD`` with
``prepare(ctx_id, **kwargs)`` and ``detect(img, input_size=None, max_num=0, metric='default',
det_thresh=None)`` that answers boxes (N, 5) and points (N, 5, 2), or None for the points.
"""

import sys

import numpy as np
import pytest

from portrait_loupe.nodes.framing.detect import scrfd
from portrait_loupe.nodes.framing.detect.network import Unavailable

STANDIN = """
import numpy as np

calls = []

class SCRFD:
    taskname = "detection"

    def __init__(self, file):
        self.file = file

    def prepare(self, ctx_id, **kwargs):
        calls.append(("prepare", ctx_id, kwargs))

    def detect(self, img, input_size=None, max_num=0, metric="default", det_thresh=None):
        calls.append(("detect", img.shape, img.dtype, tuple(img[0, 0]), input_size))
        points = None if "boxes" in self.file else np.arange(10, dtype=np.float32).reshape(1, 5, 2)
        return np.array([[10, 20, 50, 70, 0.8]], np.float32), points

def get_model(name, **kwargs):
    calls.append(("get_model", name, kwargs))
    if open(name, "rb").read() != b"weights":
        raise RuntimeError("INVALID_PROTOBUF")
    return SCRFD(name)
"""


@pytest.fixture
def insightface(monkeypatch, tmp_path):
    package = tmp_path / "site" / "insightface"
    (package / "model_zoo").mkdir(parents=True)
    (package / "__init__.py").write_text("class FaceAnalysis: pass\n")
    (package / "model_zoo" / "__init__.py").write_text(STANDIN)
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(package.parent))
    import insightface.model_zoo as standin  # pyright: ignore

    yield standin
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        del sys.modules[name]


def pack(folder, name="buffalo_l", file="det_10g.onnx", content=b"weights"):
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / file).write_bytes(content)
    return folder / name / file


@pytest.mark.parametrize("inner", ["models", "."])
def test_the_file_is_opened_by_its_path_and_nothing_by_name(insightface, tmp_path, inner):
    file = pack(tmp_path / "insightface" / inner)
    network = scrfd.open_insightface([tmp_path / "insightface"])
    opened = [call for call in insightface.calls if call[0] == "get_model"]
    assert len(opened) == 1
    assert opened[0][1] == str(file.resolve()) or opened[0][1] == str(file)
    assert not opened[0][2].get("download")
    assert network.name == "insightface (buffalo_l/det_10g.onnx)"


def test_it_gets_blue_first_bytes_and_its_points_gain_half_a_pixel(insightface, tmp_path):
    pack(tmp_path)
    network = scrfd.open_insightface([tmp_path])
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[:] = (1, 2, 3)
    seen = network(canvas)
    assert insightface.calls[-1] == ("detect", (640, 640, 3), np.uint8, (3, 2, 1), (640, 640))
    assert seen.boxes.tolist() == [[10.5, 20.5, 50.5, 70.5]]
    assert seen.points[0, 1].tolist() == [2.5, 3.5]
    assert seen.scores == pytest.approx([0.8])
    assert network.square


def test_of_several_packs_the_largest_detector_is_taken(insightface, tmp_path):
    pack(tmp_path, "buffalo_s", "det_500m.onnx", b"w")
    pack(tmp_path, "buffalo_l", "det_10g.onnx")
    assert "det_10g" in scrfd.open_insightface([tmp_path]).name


def test_antelopev2s_detector_is_found_too_even_one_folder_too_deep(insightface, tmp_path):
    pack(tmp_path / "models" / "antelopev2", "antelopev2", "scrfd_10g_bnkps.onnx")
    assert "scrfd_10g_bnkps" in scrfd.open_insightface([tmp_path]).name


def test_every_detector_is_listed_once_the_largest_first(tmp_path):
    small = pack(tmp_path / "models", "buffalo_s", "det_500m.onnx", b"w")
    large = pack(tmp_path / "models", "antelopev2", "scrfd_10g_bnkps.onnx", b"weights")
    pack(tmp_path / "models", "buffalo_s", "w600k_mbf.onnx")
    loose = tmp_path / "det_2.5g.onnx"
    loose.write_bytes(b"wei")
    assert scrfd.detector_files([tmp_path]) == [large, loose, small]


def test_without_the_package_nobody_is_sent_to_install_over_theirs(monkeypatch, tmp_path):
    monkeypatch.setattr(scrfd, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="needs the package insightface") as refused:
        scrfd.open_insightface([tmp_path])
    assert "pip install" not in str(refused.value)
    assert not refused.value.nearly


def test_without_a_pack_nothing_is_opened_or_fetched(insightface, tmp_path):
    pack(tmp_path, file="w600k_r50.onnx")
    with pytest.raises(Unavailable, match="needs a model pack") as refused:
        scrfd.open_insightface([tmp_path])
    assert str(tmp_path) in str(refused.value)
    assert not refused.value.nearly
    assert insightface.calls == []


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("det_10g.onnx", b"broken", "INVALID_PROTOBUF"),
        ("det_boxes.onnx", b"weights", "boxes but no eyes"),
    ],
)
def test_a_pack_that_does_not_work_is_named(insightface, tmp_path, file, content, words):
    pack(tmp_path, file=file, content=content)
    with pytest.raises(Unavailable, match=words) as refused:
        scrfd.open_insightface([tmp_path])
    assert file in str(refused.value)
    assert refused.value.nearly


def test_a_package_that_cannot_be_imported_is_said_to_be_and_no_file_blamed(
    insightface, monkeypatch, tmp_path
):
    pack(tmp_path)
    monkeypatch.setitem(sys.modules, "insightface.model_zoo", None)
    with pytest.raises(Unavailable, match="cannot be imported") as refused:
        scrfd.open_insightface([tmp_path])
    assert refused.value.nearly
    assert "det_10g" not in str(refused.value)
