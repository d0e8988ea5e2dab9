"""SCRFD, the detector of insightface's model packs, run by onnxruntime alone.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022. Three
strides, two anchors on each cell's first pixel; a box is four distances from its anchor and a point
is two, in strides. Nothing is fetched. The packs are for research, not for trade, unless licensed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kept import Kept
from .network import CANVAS, Sightings, Unavailable, first_line
from .scrfd import HALF, THRESHOLD, detector_files, no_detector

STRIDES = (8, 16, 32)
ANCHORS = 2  # on every cell
KINDS = (
    ("scores", 1),
    ("boxes", 4),
    ("points", 10),
)  # nine outputs: each kind in the three strides
MEAN, SPREAD = 127.5, 128.0  # what the network was taught to expect subtracted, and divided by
SAME_OVERLAP = 0.4  # intersection over union, insightface's own
QUIET = 3  # errors only: the packs declare the shapes of one canvas, and others would be warned of
_KEPT: Kept[OnnxScrfd] = Kept()


def open_scrfd(folders: Sequence[Path]) -> OnnxScrfd:
    """The detector of a model pack, run by onnxruntime on the CPU.

    Parameters
    ----------
    folders : where packs lie, as ComfyUI's ``models/insightface``
        See ``scrfd.detector_files``. The largest file that works is taken; it stays open as long as
        it does not change.

    Raises
    ------
    Unavailable
        There is no such file, nothing to run it, or none of the files works.
    """
    files = detector_files(folders)
    if not files:
        raise Unavailable(no_detector("SCRFD ONNX", folders))
    if find_spec("onnxruntime") is None:
        raise Unavailable(
            f"backend 'SCRFD ONNX' has its file, {files[0].name}, but onnxruntime is not in this Python to run it. "
            "Other packs may bring it along; 'kornia YuNet' and 'embedded' do without"
        )
    failed = []
    for file in files:
        try:
            return _KEPT.get(file, lambda file=file: OnnxScrfd(file))
        except Exception as error:  # whatever a broken file makes onnxruntime raise
            failed.append(f"{file}: {first_line(error)}")
    raise Unavailable(
        f"backend 'SCRFD ONNX' failed with {'; '.join(failed)}. Replace the file, or choose another backend",
        nearly=True,
    )


class OnnxScrfd:
    """SCRFD on a canvas of any size, or of the one that its file is made for.

    Parameters
    ----------
    file : Path

    Raises
    ------
    ValueError
        It is a network of another kind, or one that tells no points.
    """

    threshold = THRESHOLD
    believed = THRESHOLD

    def __init__(self, file: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        # The CPU: the same answers on every machine, and no video memory taken from diffusion.
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.name = f"SCRFD ONNX ({file.parent.name}/{file.name})"
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._input = _only_input(self._session)
        _check_outputs(len(self._outputs))
        sides = self._input.shape[2:]
        self.square = any(isinstance(side, int) for side in sides)
        if self.square and any(side != CANVAS for side in sides if isinstance(side, int)):
            raise ValueError(
                f"this detector is made for {'x'.join(map(str, sides))} px, it should be {CANVAS}x{CANVAS} or any size"
            )
        self(np.zeros((CANVAS, CANVAS, 3), np.uint8))

    def __call__(self, canvas: NDArray[np.uint8]) -> Sightings:
        """What it sees, surest first; of boxes that overlap only the surest."""
        height, width = canvas.shape[:2]
        pixels = (canvas.astype(np.float32) - MEAN) * np.float32(1 / SPREAD)
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        told = self._session.run(self._outputs, {self._input.name: pixels})
        found = [
            _decoded(told[level :: len(STRIDES)], stride, height, width)
            for level, stride in enumerate(STRIDES)
        ]
        boxes, points, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        kept = _distinct(boxes, scores)
        return Sightings(boxes[kept] + HALF, points[kept] + HALF, scores[kept])


def _only_input(session: Any) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        shapes = ", ".join(str(one.shape) for one in inputs)
        raise ValueError(
            f"a detector takes one picture of four dimensions, this network takes {shapes}"
        )
    return inputs[0]


def _check_outputs(count: int) -> None:
    if count == len(KINDS) * len(STRIDES):
        return
    if count == 2 * len(STRIDES):
        raise ValueError(
            "this detector tells boxes but no eyes (6 outputs): take one with points, such as det_10g.onnx or "
            "scrfd_10g_bnkps.onnx"
        )
    raise ValueError(f"an SCRFD with points has 9 outputs, this network has {count}")


def _decoded(told: Sequence[Any], stride: int, height: int, width: int) -> tuple[NDArray, ...]:
    """Boxes, points and scores of one stride that reach the threshold, pixel centres of the canvas."""
    rows, columns = -(-height // stride), -(-width // stride)
    cells = ANCHORS * rows * columns
    values = []
    for (kind, size), one in zip(KINDS, told, strict=True):
        one = np.asarray(one)
        if one.size != cells * size or one.shape[-1] != size:
            raise ValueError(
                f"the {kind} of stride {stride} have the shape {one.shape}, expected {cells} rows of {size}"
            )
        values.append(one.reshape(cells, size).astype(np.float64))
    scores, boxes, points = values
    kept = np.flatnonzero(scores[:, 0] >= THRESHOLD)
    kept = kept[np.isfinite(boxes[kept]).all(1) & np.isfinite(points[kept]).all(1)]
    cell = kept // ANCHORS
    anchors = np.stack([cell % columns, cell // columns], 1) * float(stride)
    boxes, points = boxes[kept] * stride, points[kept].reshape(-1, 5, 2) * stride
    boxes = np.concatenate([anchors - boxes[:, :2], anchors + boxes[:, 2:]], 1)
    return boxes, anchors[:, None] + points, scores[kept, 0]


def _distinct(boxes: NDArray, scores: NDArray) -> list[int]:
    """Non-maximum suppression, surest first."""
    # A side counts the pixels at both its ends, as where these networks were tuned.
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        common = np.prod(np.maximum(0, high - low + 1), axis=1)
        order = rest[common / (areas[first] + areas[rest] - common) <= SAME_OVERLAP]
    return kept
