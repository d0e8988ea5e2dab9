"""Which face encoders this machine has.

Every ArcFace network answers with 512 numbers, and no two mean the same by them: an embedding is worth
something only beside others of the same encoder, the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...framing.detect.kept import Kept
from ...framing.detect.network import Unavailable, first_line
from .files import PackFile, encoder_files

ALL, NONE = "all found", "none"
ENCODERS = (ALL, "w600k_r50", "glintr100", "w600k_mbf", "auraface", NONE)
AUTO, ONNXRUNTIME, INSIGHTFACE = "auto", "onnxruntime", "insightface"
BACKENDS = (AUTO, ONNXRUNTIME, INSIGHTFACE)

WHERE = {
    "w600k_r50": "models/buffalo_l/w600k_r50.onnx",
    "glintr100": "models/antelopev2/glintr100.onnx",
    "w600k_mbf": "models/buffalo_s/w600k_mbf.onnx",
    "auraface": "models/auraface/glintr100.onnx",
}
CAVEATS = {
    "w600k_r50": "ResNet-50 on WebFace600K, of buffalo_l and buffalo_m: what IP-Adapter FaceID takes",
    "glintr100": "ResNet-100 on Glint360K, of antelopev2: what InstantID, PuLID and Kolors FaceID take",
    "w600k_mbf": "MobileFaceNet on WebFace600K, of buffalo_s: small and less exact; no adapter takes it",
    "auraface": "AuraFace, free for trade, a space of its own: for measuring; no adapter takes it",
}
_KEPT: Kept[Encoder] = Kept()
UNKNOWN = (
    "an encoder that Loupe does not know: its embeddings say something only beside their own kind"
)


class Encoder(Protocol):
    """A recognition network with its weights loaded."""

    id: str
    """``w600k_r50``, ``glintr100``, ``w600k_mbf``, ``auraface``, else the file's own name."""
    sha256: str
    """Of the file's bytes, hex."""
    licence: str
    """What is known of the licence of the file's pack, one line."""
    name: str
    """For reports: ``w600k_r50 (buffalo_l, onnxruntime)``."""

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings, (N, 512), not normalised, of aligned crops, (N, 112, 112, 3) RGB."""
        ...


@dataclass(frozen=True)
class Opened:
    """The encoders that were asked for, as far as they are here."""

    encoders: tuple[Encoder, ...]
    """No two of the same id and file."""
    remarks: tuple[str, ...]
    """What is missing or odd, in words."""


def known_encoder(id: str) -> str:
    """What an encoder was trained on, and what takes its embeddings, in one line."""
    return CAVEATS.get(id, UNKNOWN)


def open_encoders(folders: Sequence[Path], which: str = ALL, backend: str = AUTO) -> Opened:
    """The face encoders of the model packs.

    Parameters
    ----------
    folders : where packs lie, as ComfyUI's ``models/insightface``
    which : one of ``ENCODERS``
        ``all found`` takes what works and remarks on the rest.
    backend : one of ``BACKENDS``
        ``auto`` is onnxruntime, which insightface needs as well.

    Returns
    -------
    Opened

    Raises
    ------
    ValueError
        Another word for ``which`` or ``backend``.
    Unavailable
        The encoder or the backend that was asked for by name is not here, or does not work.
    """
    for name, value, choices in (("encoder", which, ENCODERS), ("backend", backend, BACKENDS)):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    if which == NONE:
        return Opened((), ())
    every, remarks = encoder_files(folders)
    # "the first encoder" must not hang on what lies beside it: the order of the list, then the name
    order = {id: place for place, id in enumerate(ENCODERS)}
    every = sorted(every, key=lambda file: (order.get(file.id, len(order)), file.id))
    files = [file for file in every if which in (ALL, file.id)]
    objection = _why_none(files, folders, which) or _why_not_run(backend, files)
    if objection and (which != ALL or (files and backend != AUTO)):
        raise Unavailable(objection)
    if objection:
        return Opened((), (*remarks, objection))
    encoders, failed = _opened(files, backend)
    if failed and not encoders and which != ALL:
        raise Unavailable("; ".join(failed), nearly=True)
    return Opened(tuple(encoders), (*remarks, *failed, *_namesakes(encoders)))


def _opened(files: Sequence[PackFile], backend: str) -> tuple[list[Encoder], list[str]]:
    """Each encoder once, and why a file is none."""
    encoders: list[Encoder] = []
    failed: list[str] = []
    for file in files:
        try:
            kind = (file.id, backend == INSIGHTFACE)
            encoder = _KEPT.get(file.path, lambda file=file: _open(file, backend), kind)
        except Exception as error:  # whatever a broken file makes onnxruntime or insightface raise
            failed.append(
                f"encoder '{file.id}' failed with {file.path}: {first_line(error)}. Replace the file, or choose "
                "another encoder"
            )
            continue
        if all((encoder.id, encoder.sha256) != (one.id, one.sha256) for one in encoders):
            encoders.append(encoder)
    return encoders, failed


def _open(file: PackFile, backend: str) -> Encoder:
    if backend == INSIGHTFACE:
        from .insightface_pack import InsightFaceArcFace

        return InsightFaceArcFace(file)
    from .onnx_arcface import OnnxArcFace

    return OnnxArcFace(file)


def _why_none(files: Sequence[PackFile], folders: Sequence[Path], which: str) -> str | None:
    if files:
        return None
    where = " or ".join(map(str, folders)) or "any folder (this host names none: set LOUPE_MODELS)"
    wanted = " or ".join(
        [WHERE["w600k_r50"], WHERE["glintr100"]] if which == ALL else [WHERE[which]]
    )
    return (
        f"no face encoder{'' if which == ALL else f' {which!r}'} is here: it would be {wanted} in {where}. Unpack "
        "one there yourself: Loupe fetches none, and insightface's packs are for research only"
    )


def _why_not_run(backend: str, files: Sequence[PackFile]) -> str | None:
    package = INSIGHTFACE if backend == INSIGHTFACE else ONNXRUNTIME
    if find_spec(package) is not None:
        return None
    return (
        f"the face encoder {files[0].path.name} is here, but {package} is not in this Python to run it. Other packs "
        "may bring it along"
    )


def _namesakes(encoders: Sequence[Encoder]) -> list[str]:
    """Two files of one name that are not the same."""
    ids = [encoder.id for encoder in encoders]
    return [
        f"{ids.count(one)} different files are called {one}: their embeddings are kept apart"
        for one in sorted(set(ids))
        if ids.count(one) > 1
    ]
