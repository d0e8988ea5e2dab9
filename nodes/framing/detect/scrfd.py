"""SCRFD, the detector of insightface's model packs, run by insightface where the user has both.

The package is MIT; its packs are for research, not for trade, unless licensed. Nothing is fetched
here: ``FaceAnalysis`` goes online for a pack that it only knows by name, so the detector's own
file is opened instead.
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

THRESHOLD = 0.5  # insightface's own; no false face on 17 faceless pictures
# The third: antelopev2's zip unpacks into antelopev2/antelopev2.
PLACES = ("models/*", "*", "models/*/*", "*/*", "")
NAMES = ("det_*.onnx", "scrfd_*.onnx")  # the second in antelopev2
HALF = 0.5  # px: its anchors count from pixel centres, at multiples of the stride
_KEPT: Kept[InsightFace] = Kept()


def detector_files(folders: Sequence[Path]) -> list[Path]:
    """The detectors of the model packs, the largest first, which is the most exact.

    Parameters
    ----------
    folders : where packs lie
        ``<folder>/models/<pack>/``, ``<folder>/<pack>/`` or the folder itself, or one deeper.

    Returns
    -------
    list of Path
        Every file once: ``det_*.onnx`` and ``scrfd_*.onnx``.
    """
    found = {
        file: file.stat().st_size
        for folder in folders
        for place in PLACES
        for name in NAMES
        for file in sorted(Path(folder).glob(f"{place}/{name}" if place else name))
        if file.is_file()
    }
    return sorted(found, key=lambda file: -found[file])


def no_detector(backend: str, folders: Sequence[Path]) -> str:
    """Why a backend has no file, and where one would lie."""
    where = " or ".join(map(str, folders)) or "any folder (this host names none)"
    return (
        f"backend '{backend}' needs a model pack: no models/<pack>/det_*.onnx (such as buffalo_l's "
        f"det_10g.onnx) and no scrfd_*.onnx in {where}. Unpack one there yourself: Loupe fetches none, and their "
        "licence is for research only"
    )


def open_insightface(folders: Sequence[Path]) -> InsightFace:
    """The detector of a model pack, run by insightface.

    Parameters
    ----------
    folders : where packs lie, ``<folder>/models/<pack>/det_*.onnx`` or ``<folder>/<pack>/det_*.onnx``

    Raises
    ------
    Unavailable
        The package or a pack is missing, or the two do not work together.
    """
    if find_spec("insightface") is None:
        raise Unavailable(
            "backend 'insightface' needs the package insightface, which this Python lacks. It brings OpenCV and "
            "onnxruntime of its own, which may displace yours: 'kornia YuNet' and 'embedded' do without"
        )
    files = detector_files(folders)
    if not files:
        raise Unavailable(no_detector("insightface", folders))
    file = files[0]
    try:
        from insightface.model_zoo import get_model
    except Exception as error:  # it imports half a dozen others, of which any may be broken
        raise Unavailable(
            f"backend 'insightface' is installed but cannot be imported: {first_line(error)}",
            nearly=True,
        ) from error

    def opened() -> InsightFace:
        # A path that exists is never looked for online.
        detector: Any = get_model(str(file), providers=["CPUExecutionProvider"])
        detector.prepare(ctx_id=-1, det_thresh=THRESHOLD, input_size=(CANVAS, CANVAS))
        found = InsightFace(detector, f"{file.parent.name}/{file.name}")
        found(np.zeros((CANVAS, CANVAS, 3), np.uint8))
        return found

    try:
        return _KEPT.get(file, opened)
    except Exception as error:  # whatever a broken file or another insightface raises
        raise Unavailable(
            f"backend 'insightface' failed with {file}: {first_line(error)}. "
            "Replace the file, or choose another backend",
            nearly=True,
        ) from error


class InsightFace:
    """SCRFD on a canvas that is already as large as it wants it."""

    threshold = THRESHOLD
    believed = THRESHOLD
    square = True

    def __init__(self, detector: Any, file: str):
        self.name = f"insightface ({file})"
        self._detector = detector

    def __call__(self, canvas: NDArray[np.uint8]) -> Sightings:
        boxes, points = self._detector.detect(
            np.ascontiguousarray(canvas[..., ::-1]), input_size=(CANVAS, CANVAS)
        )
        if points is None:
            raise ValueError("this detector tells boxes but no eyes")
        boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
        points = np.asarray(points, np.float64).reshape(-1, 5, 2)
        return Sightings(boxes[:, :4] + HALF, points + HALF, boxes[:, 4])
