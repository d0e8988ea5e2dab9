"""ArcFace and its relatives, run by onnxruntime alone.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...framing.detect.network import first_line
from .files import SIDE, SIDES, PackFile, sha256_of
from .licence import licence_of
from .onnx_file import read_graph

MOST = 16  # crops in one run: more gain nothing on a CPU, and ResNet-100 takes 20 MB for each
QUIET = 3  # errors only: the packs declare a batch of one, and others would be warned of
MIDDLE = 127.5  # what these networks were taught to expect subtracted, and divided by
# A network that begins so among its first nodes scales its pixels itself, by insightface's rule.
SUBTRACTS, MULTIPLIES = ("Sub", "_minus"), ("Mul", "_mul")
Run = Callable[[NDArray[np.uint8]], Any]


def scales_itself(names: tuple[str, ...]) -> bool:
    """Whether a network takes 0..255, by the names of its first eight nodes."""
    first = names[:8]
    return all(any(name.startswith(begin) for name in first) for begin in (SUBTRACTS, MULTIPLIES))


class OnnxArcFace:
    """An ``Encoder`` of a file, on the CPU.

    Parameters
    ----------
    file : PackFile

    Raises
    ------
    ValueError
        It is no ONNX file, or a network of another kind.
    """

    def __init__(self, file: PackFile):
        import onnxruntime

        graph = read_graph(file.path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        # The CPU: the same embedding on every machine, and no video memory taken from diffusion.
        self._session = onnxruntime.InferenceSession(
            str(file.path), options, providers=["CPUExecutionProvider"]
        )
        self.id = file.id
        self.sha256 = sha256_of(file.path)
        self.licence = licence_of(file.path.parent, file.id)
        self.name = f"{file.id} ({file.pack}, onnxruntime)"
        self._scales = scales_itself(graph.nodes)
        self._inputs = self._session.get_inputs()
        shapes = [list(one.shape) for one in self._inputs]
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1:] != [3, SIDE, SIDE]:
            raise ValueError(
                f"an ArcFace network takes (any, 3, {SIDE}, {SIDE}), this one {shapes}"
            )
        if len(self._session.get_outputs()) != 1:
            raise ValueError("an ArcFace network has one output, this one more")
        batch = shapes[0][0]
        self._batch = batch if isinstance(batch, int) else probed_batch(self._run)
        self(np.zeros((1, SIDE, SIDE, 3), np.uint8))

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings, (N, 512), of aligned crops, (N, 112, 112, 3) RGB."""
        return embedded(crops, self._run, self._batch, self.name)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray:
        pixels = crops.astype(np.float32)
        if not self._scales:
            pixels = (pixels - MIDDLE) * np.float32(1 / MIDDLE)
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return np.asarray(self._session.run(None, {self._inputs[0].name: pixels})[0])


def probed_batch(run: Run) -> int | None:
    """How many crops a network takes at once: 1, or None for any number.

    A file may leave the number open and still answer for one alone: some exporters freeze it inside.
    """
    try:
        told = np.asarray(run(np.zeros((2, SIDE, SIDE, 3), np.uint8)))
    except Exception:  # onnxruntime's own kinds of error, for a shape that does not fit
        return 1
    return None if told.shape == (2, SIDES) else 1


def embedded(
    crops: NDArray[np.uint8], run: Run, batch: int | None, name: str
) -> NDArray[np.float32]:
    """Raw embeddings of any number of crops.

    Parameters
    ----------
    crops : uint8, (N, 112, 112, 3), RGB
    run : callable
        One run of the network.
    batch : int or None
        The only number of crops that it takes; None: any, and at most ``MOST`` are given.
    name : str
        The encoder's, for messages.

    Returns
    -------
    float32, (N, 512)

    Raises
    ------
    ValueError
        The crops have another shape or type.
    RuntimeError
        The network fails, or its answer has another shape or is not finite.
    """
    crops = np.asarray(crops)
    if crops.shape[1:] != (SIDE, SIDE, 3) or crops.dtype != np.uint8:
        raise ValueError(
            f"{name} takes aligned crops, uint8 of the shape (N, {SIDE}, {SIDE}, 3); got {crops.dtype} "
            f"of {crops.shape}"
        )
    step = batch or MOST
    told = np.empty((len(crops), SIDES), np.float32)
    for start in range(0, len(crops), step):
        some = crops[start : start + step]
        missing = (batch or 0) - len(some)
        shown = (
            some
            if missing <= 0
            else np.concatenate([some, np.zeros_like(some[:1]).repeat(missing, 0)])
        )
        told[start : start + len(some)] = _answer(run, shown, name)[: len(some)]
    return told


def _answer(run: Run, crops: NDArray[np.uint8], name: str) -> NDArray:
    try:
        told = np.asarray(run(crops))
    except Exception as error:  # onnxruntime has its own kinds
        raise RuntimeError(f"{name} failed on {len(crops)} crops: {first_line(error)}") from error
    if told.shape != (len(crops), SIDES):
        raise RuntimeError(
            f"{name} answered with the shape {told.shape}, expected ({len(crops)}, {SIDES}): it is no ArcFace "
            "network of this family. Choose another encoder"
        )
    if not np.isfinite(told).all():
        raise RuntimeError(
            f"{name} answered with numbers that are not finite: its file is damaged, or saved in too few bits. "
            "Replace it, or choose another encoder"
        )
    return told
