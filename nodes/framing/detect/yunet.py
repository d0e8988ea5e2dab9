"""YuNet, a face detector of 0.3 MB: in kornia's torch form, or as an ONNX file.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 20,
2023. The two files hold different networks: kornia's an earlier one with prior boxes, the ONNX
files of libfacedetection.train and of OpenCV's zoo the later one without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...torch_files import check_stored, check_whole
from .kept import Kept
from .network import CANVAS, GRID, Sightings, Unavailable, first_line

THRESHOLD = 0.7  # OpenCV's and libfacedetection's advice lies between 0.6 and 0.9
# kornia's scores are near 1 for whatever it takes for a face: at least 0.94 on 16 portraits in close-ups
# up to twice the frame, at most 0.89 on what is none.
KORNIA_BELIEVED = 0.85
FLOOR = 0.3  # what scores less is not even reported to the second look
KEPT = 200  # sightings a canvas, the surest: overlapping ones are sorted out later

# Where kornia takes its weights from. Fetched here all the same: the sum is checked, and older
# kornia unpickles what it fetched.
SOURCES = (
    "https://huggingface.co/kornia/yunet/resolve/main/yunet_final.pth",
    "https://github.com/kornia/data/raw/main/yunet_final.pth",
)
SHA256 = "ee0a3035c5cbfc9484a31332223c9fd9c0ddcdb7c46b6a19e558ed393b6f2c67"

# kornia's prior boxes, px, and the strides of the maps they sit on.
PRIORS = (((10, 16, 24), 8), ((32, 48), 16), ((64, 96), 32), ((128, 192, 256), 64))
PLACE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2

STRIDES = (8, 16, 32)  # of the ONNX file's maps
HEADS = ("cls", "obj", "bbox", "kps")
_KEPT_KORNIA: Kept[KorniaYuNet] = Kept()
_KEPT_ONNX: Kept[OnnxYuNet] = Kept()


def open_kornia(folders: Sequence[Path], *, allow_download: bool = False) -> KorniaYuNet:
    """kornia's YuNet with its weights.

    Parameters
    ----------
    folders : where ``yunet_final*.pth`` may lie; torch.hub's own folder is looked into as well
    allow_download : bool
        Whether the file, 0.4 MB, may be fetched where there is none: into the first of the folders,
        or to where torch keeps downloads if there is no folder.

    Raises
    ------
    Unavailable
        kornia is missing, or the file is missing, broken or cannot be fetched.
    """
    if find_spec("kornia") is None:
        raise Unavailable(
            "backend 'kornia YuNet' needs the package kornia, which ComfyUI brings along and this Python lacks. "
            "'embedded' does without"
        )
    hub = Path(torch.hub.get_dir(), "checkpoints")
    files = _files([*folders, hub], "yunet_final*.pth")
    if not files and not allow_download:
        raise Unavailable(
            "backend 'kornia YuNet' needs its weights, yunet_final.pth (0.4 MB): none in "
            f"{_in_words([*folders, hub])}. Put the file there (from huggingface.co/kornia/yunet), "
            "or turn on allow_download once"
        )
    file = files[0] if files else _downloaded(Path([*folders, hub][0], "yunet_final.pth"))

    def opened() -> KorniaYuNet:
        found = KorniaYuNet(_kornia_network(file), file.name)
        found(np.zeros((GRID, GRID, 3), np.uint8))
        return found

    try:
        return _KEPT_KORNIA.get(file, opened)
    except Exception as error:  # whatever a broken file or another kornia raises
        raise Unavailable(
            f"backend 'kornia YuNet' failed with {file}: {first_line(error)}. "
            "Remove that file, or replace it by a good one",
            nearly=True,
        ) from error


def _downloaded(file: Path) -> Path:
    """kornia's weights, fetched to this place."""
    failed = []
    for source in SOURCES:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(source, str(file), hash_prefix=SHA256, progress=False)
        except Exception as error:  # no network, no such page, another file, a full disk
            failed.append(f"{source}: {first_line(error)}")
        else:
            return file
    raise Unavailable(
        f"backend 'kornia YuNet' could not fetch its weights: {'; '.join(failed)}. Try again online, or put "
        f"the file at {file} by hand",
        nearly=True,
    )


def _kornia_network(file: Path) -> Any:
    try:
        from kornia.models.yunet import YuNet
    except ImportError:  # kornia 0.7
        from kornia.contrib.face_detection import (
            YuFaceDetectNet as YuNet,  # pyright: ignore[reportAttributeAccessIssue]
        )
    network = YuNet("test", pretrained=False)
    # weights_only: nothing in the file is run; map_location: it was saved on a GPU.
    check_stored(file)
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    check_whole(loaded)
    network.load_state_dict(loaded)
    return network.eval()


class KorniaYuNet:
    """kornia's network, its outputs decoded here: kornia's own loop over prior boxes is slow."""

    threshold = THRESHOLD
    believed = KORNIA_BELIEVED
    square = False

    def __init__(self, network: Any, file: str):
        self.name = f"kornia YuNet ({file})"
        self._network = network
        self._priors: dict[tuple[int, int], NDArray[np.float64]] = {}

    def __call__(self, canvas: NDArray[np.uint8]) -> Sightings:
        # Taught on OpenCV's pictures: blue first, 0..255.
        blue_first = torch.from_numpy(np.ascontiguousarray(canvas[..., ::-1]))
        with torch.inference_mode():
            told = self._network(blue_first.permute(2, 0, 1)[None].float())
        where, sure, overlap = (told[key][0].double().numpy() for key in ("loc", "conf", "iou"))
        scores = np.sqrt(sure[:, 1] * np.clip(overlap[:, 0], 0, 1))
        priors = self._priors_of(canvas.shape[0], canvas.shape[1])
        kept = _surest(scores)
        priors, where = priors[kept], where[kept]
        middle = priors[:, :2] + PLACE_VARIANCE * where[:, :2] * priors[:, 2:]
        half = priors[:, 2:] * np.exp(SIZE_VARIANCE * where[:, 2:4]) / 2
        points = where[:, 4:14].reshape(-1, 5, 2)
        points = priors[:, None, :2] + PLACE_VARIANCE * points * priors[:, None, 2:]
        return Sightings(np.concatenate([middle - half, middle + half], 1), points, scores[kept])

    def _priors_of(self, height: int, width: int) -> NDArray[np.float64]:
        """Prior boxes of a canvas, (N, 4): centre and size."""
        size = (height, width)
        if size not in self._priors:
            self._priors[size] = np.concatenate(
                [_cells(height, width, stride, sides) for sides, stride in PRIORS]
            )
        return self._priors[size]


def _cells(height: int, width: int, stride: int, sides: Sequence[int]) -> NDArray[np.float64]:
    """Square boxes of the given sides around every cell of a map, row by row, (N, 4)."""
    y, x = (np.mgrid[: height // stride, : width // stride] + 0.5) * stride
    boxes = [np.stack([x, y, np.full(x.shape, side), np.full(x.shape, side)], -1) for side in sides]
    return np.stack(boxes, 2).reshape(-1, 4).astype(np.float64)


def open_onnx(folders: Sequence[Path]) -> OnnxYuNet:
    """A YuNet ONNX file, run by OpenCV or onnxruntime, whichever can be imported.

    Parameters
    ----------
    folders : where a file whose name holds "yunet" and ends in .onnx may lie

    Raises
    ------
    Unavailable
        There is no such file, nothing to run it, or none of the files works.
    """
    files = _files(folders, "*yunet*.onnx")
    if not files:
        raise Unavailable(
            "backend 'YuNet ONNX' needs a YuNet file (its name holds 'yunet' and ends in .onnx, such as "
            f"face_detection_yunet_2023mar.onnx of OpenCV's model zoo, 0.2 MB): none in {_in_words(folders)}"
        )
    runners = [
        runner
        for package, runner in (("cv2", _OpenCv), ("onnxruntime", _OnnxRuntime))
        if find_spec(package) is not None
    ]
    if not runners:
        raise Unavailable(
            f"backend 'YuNet ONNX' has its file, {files[0].name}, but neither OpenCV nor onnxruntime is in this "
            "Python to run it. Other packs may bring one along; 'kornia YuNet' and 'embedded' need neither"
        )
    failed = []
    for file in files:
        for runner in runners:
            try:
                return _KEPT_ONNX.get(file, partial(_tried, file, runner), runner.title)
            except Exception as error:  # whatever a broken file makes the two raise
                failed.append(f"{file.name} in {runner.title}: {first_line(error)}")
    raise Unavailable(
        f"backend 'YuNet ONNX' failed with {'; '.join(failed)}. Remove or replace the file",
        nearly=True,
    )


def _tried(file: Path, runner: Any) -> OnnxYuNet:
    found = OnnxYuNet(runner(file), f"{file.name}, {runner.title}")
    found(np.zeros((CANVAS, CANVAS, 3), np.uint8))
    return found


class OnnxYuNet:
    """The later network; its twelve maps are decoded here."""

    threshold = THRESHOLD
    believed = THRESHOLD

    def __init__(self, runner: Any, what: str):
        self.name = f"YuNet ONNX ({what})"
        self.square = runner.square
        self._run = runner

    def __call__(self, canvas: NDArray[np.uint8]) -> Sightings:
        blue_first = np.ascontiguousarray(canvas[..., ::-1]).transpose(2, 0, 1)[None]
        told = self._run(np.ascontiguousarray(blue_first, np.float32))
        found = [
            self._decoded(told, stride, canvas.shape[0], canvas.shape[1]) for stride in STRIDES
        ]
        boxes, points, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        kept = _surest(scores)
        return Sightings(boxes[kept], points[kept], scores[kept])

    @staticmethod
    def _decoded(told: dict[str, NDArray], stride: int, height: int, width: int):
        sure, there, box, points = (
            np.asarray(told[f"{head}_{stride}"], np.float64).reshape(-1, size)
            for head, size in zip(HEADS, (1, 1, 4, 10), strict=True)
        )
        y, x = np.mgrid[: height // stride, : width // stride]
        cells = np.stack([x, y], -1).reshape(-1, 2)
        scores = np.sqrt(np.clip(sure[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        middle = (cells + box[:, :2]) * stride
        half = np.exp(np.minimum(box[:, 2:], 8)) * stride / 2
        points = (cells[:, None] + points.reshape(-1, 5, 2)) * stride
        return np.concatenate([middle - half, middle + half], 1), points, scores


class _OpenCv:
    """The file in OpenCV's dnn module, which every flavour of OpenCV holds."""

    title = "OpenCV"

    def __init__(self, file: Path):
        import cv2

        self._network = cv2.dnn.readNet(str(file))
        self._names = [f"{head}_{stride}" for head in HEADS for stride in STRIDES]
        self._alone = Lock()  # its input and its answer are two calls
        self.square = False
        try:  # a file made for 640 x 640 alone may or may not take others, by OpenCV's version
            self(np.zeros((1, 3, GRID, 2 * GRID), np.float32))
        except cv2.error:
            self.square = True
            self._network = cv2.dnn.readNet(str(file))

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, NDArray]:
        with self._alone:
            self._network.setInput(pixels)
            told = [one.copy() for one in self._network.forward(self._names)]
        return dict(zip(self._names, told, strict=True))


class _OnnxRuntime:
    """The file in onnxruntime, on the CPU: it takes milliseconds and no video memory."""

    title = "onnxruntime"

    def __init__(self, file: Path):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._names = [output.name for output in self._session.get_outputs()]
        self.square = any(isinstance(side, int) for side in self._input.shape[2:])

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, NDArray]:
        told: list[Any] = list(self._session.run(self._names, {self._input.name: pixels}))
        return dict(zip(self._names, told, strict=True))


def _surest(scores: NDArray) -> NDArray[np.int_]:
    """Which sightings are worth a thought, surest first."""
    order = np.argsort(-scores, kind="stable")[:KEPT]
    return order[scores[order] > FLOOR]


def _files(folders: Sequence[Path], pattern: str) -> list[Path]:
    """The files of that name in the folders and one folder deeper, whatever the case of letters."""
    from fnmatch import fnmatch

    return [
        file
        for folder in folders
        for file in sorted([*Path(folder).glob("*"), *Path(folder).glob("*/*")])
        if fnmatch(file.name.lower(), pattern) and file.is_file()
    ]


def _in_words(folders: Sequence[Path]) -> str:
    return " or ".join(map(str, folders)) or "any folder (this host names none: set LOUPE_MODELS)"
