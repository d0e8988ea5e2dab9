"""The recognition networks of insightface's packs, run by the package itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .files import SIDE, PackFile, sha256_of
from .licence import licence_of
from .onnx_arcface import embedded, probed_batch


class InsightFaceArcFace:
    """An ``Encoder`` of a file, run by insightface on the CPU.

    Parameters
    ----------
    file : PackFile

    Raises
    ------
    ValueError
        insightface takes the file for another kind of network.
    """

    def __init__(self, file: PackFile):
        from insightface.model_zoo import get_model

        # A path that exists is never looked for online. The CPU: see ``onnx_arcface``.
        found: Any = get_model(str(file.path), providers=["CPUExecutionProvider"])
        task = getattr(found, "taskname", None)
        if task != "recognition" or tuple(found.input_size) != (SIDE, SIDE):
            raise ValueError(
                f"insightface takes it for {task or 'nothing that it knows'}, not for recognition at {SIDE} px"
            )
        self.id = file.id
        self.sha256 = sha256_of(file.path)
        self.licence = licence_of(file.path.parent, file.id)
        self.name = f"{file.id} ({file.pack}, insightface)"
        self._network = found
        batch = found.input_shape[0]
        self._batch = batch if isinstance(batch, int) else probed_batch(self._run)
        self(np.zeros((1, SIDE, SIDE, 3), np.uint8))

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings, (N, 512), of aligned crops, (N, 112, 112, 3) RGB."""
        return embedded(crops, self._run, self._batch, self.name)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray:
        blue_first = np.ascontiguousarray(crops[..., ::-1])
        return self._network.get_feat(list(blue_first))
