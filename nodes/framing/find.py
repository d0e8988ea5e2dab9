"""Which of the things that can find a face is asked, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...kernels.picture import check_picture, luma, split_alpha
from . import linked
from .choose import ALL, IN_MASK, LIKE, Ranking, choose_faces
from .faces import Box, Face, Faces
from .prominence import measure_face

if TYPE_CHECKING:
    from .detect.network import Network

AUTO, EMBEDDED = "auto", "embedded"
INSIGHTFACE, KORNIA, ONNX = "insightface", "kornia YuNet", "YuNet ONNX"
SCRFD_ONNX = "SCRFD ONNX"
BACKENDS = (AUTO, EMBEDDED, INSIGHTFACE, KORNIA, ONNX, SCRFD_ONNX)
# In the order in which auto asks them: SCRFD needs onnxruntime alone, not the whole of insightface.
BEFORE_EMBEDDED = (SCRFD_ONNX, INSIGHTFACE, KORNIA, ONNX)
EMBEDDED_NAME, TYPED_NAME = "embedded detector", "typed eyes"
# From which score a face is called sure and fairly sure: votes of the embedded detector, where 30
# is what a face beside another must have; else 0..1.
EMBEDDED_WORDS, SCORE_WORDS = (30.0, 15.0), (0.85, 0.7)
FOLDER_KINDS = ("insightface", "detection")  # where models of these lie, by ComfyUI's names

Progress = Callable[[int], Callable[[int], None]]


def within(still: Callable[[], None]) -> Progress:
    """Progress of work that is part of other work: its bar stands still, and a stop is felt."""
    return lambda total: lambda done: still()


Folders = Mapping[str, Sequence[Path]]


class Known(Protocol):
    """Somebody whom faces can be held against: the value of a LOUPE_IDENTITY socket."""

    def likeness(self, image: Tensor, folders: Sequence[Path]) -> Ranking:
        """How like them a face of these pictures is; RuntimeError where nothing here can tell."""
        ...


@dataclass(frozen=True)
class Found:
    """The faces of a batch, and what the user should know about them."""

    faces: Faces
    report: str
    face_landmarks: dict[str, Any]
    """ComfyUI's FACE_LANDMARKS of the kept faces that came from there; else of the right structure,
    and empty."""


def find_faces(
    image: Tensor,
    *,
    backend: str = AUTO,
    eyes: str = "",
    face_landmarks: Any = None,
    bounding_box: Any = None,
    mask: Any = None,
    folders: Folders | None = None,
    allow_download: bool = False,
    keep: str = ALL,
    point: str = "",
    index: int = 0,
    identity: Known | None = None,
    progress: Progress | None = None,
) -> Found:
    """The faces of every picture, largest first.

    What is linked or typed counts before the detectors, in this order: ``face_landmarks``, ``eyes``,
    ``bounding_box``, ``mask``. Then come SCRFD in onnxruntime, insightface, kornia's YuNet and a YuNet
    ONNX file, each where its package and its file are there, and last the embedded detector. A
    backend asked for by name looks at the pixels whatever is linked.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
    backend : one of ``BACKENDS``
    eyes : str
        Two pupil centres, ``x,y x,y``, pixels; one pair serves the whole batch.
    face_landmarks, bounding_box, mask : values of ComfyUI's sockets, or None
        With ``keep="in mask"`` the mask chooses among the faces and finds none.
    folders : mapping of ``FOLDER_KINDS`` to folders, or None
        Where model files may lie. None: no file is looked for, so auto is the embedded detector.
    allow_download : bool
        Whether kornia's YuNet may fetch its weights. Nothing else ever goes online.
    keep, point, index
        Which faces are kept: see ``choose.choose_faces``. The most prominent face is the one that the
        score of ``prominence.measure`` puts first.
    identity : Known, optional
        Whose face ``keep="like identity"`` keeps.
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each, with the
        number done.

    Raises
    ------
    ValueError
        An input is not what its name says, no picture of the batch shows a face, or none is kept.
    RuntimeError
        The backend asked for by name cannot be used on this machine.
    """
    check_picture(image)
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    batch, height, width, _ = image.shape
    size = (width, height)
    remarks: list[str] = []
    meshes: list[linked.Meshes] = [{} for _ in range(batch)]
    if backend == AUTO and face_landmarks is not None:
        name = "linked face landmarks"
        meshes, remarks = linked.landmark_faces(face_landmarks, size, batch)
        frames = [list(mesh) for mesh in meshes]
    elif backend == AUTO and eyes.strip():
        name = TYPED_NAME
        frames = [[linked.typed_eyes(eyes, size)] for _ in range(batch)]
    elif backend == AUTO and bounding_box is not None:
        name = "linked bounding box"
        frames = _in_boxes(image, linked.boxes(bounding_box, size, batch), remarks, progress)
    elif backend == AUTO and mask is not None and keep != IN_MASK:
        name = "linked mask"
        frames = _in_boxes(image, linked.mask_boxes(mask, size, batch), remarks, progress)
    else:
        network = _network(backend, folders, allow_download, remarks)
        name = network.name if network else EMBEDDED_NAME
        frames = _look(image, network, remarks, progress)
    faces = Faces(size, tuple(tuple(sorted(f, key=lambda face: -face.iod)) for f in frames), name)
    if not any(faces.frames):
        raise ValueError(_no_face(name, remarks))

    def prominence(number: int, face: Face) -> float:
        colours, _ = split_alpha(image[number : number + 1])
        return measure_face(colours[0], face, name).score

    packs = (folders or {}).get("insightface", ())
    chosen = choose_faces(
        faces,
        keep,
        point=point,
        index=index,
        mask=mask,
        ranking=prominence,
        likeness=identity.likeness(image, packs) if identity and keep == LIKE else None,
    )
    if chosen.remark:
        remarks.insert(0, chosen.remark)
    source = face_landmarks if any(meshes) else None
    return Found(
        chosen.faces,
        _report(chosen.faces, remarks),
        linked.kept_landmarks(source, meshes, chosen.faces.frames, size),
    )


def _network(
    backend: str, folders: Folders | None, allow_download: bool, remarks: list[str]
) -> Network | None:
    """The network that is to look, or None for the embedded detector."""
    from .detect.network import Unavailable

    if backend == EMBEDDED or (backend == AUTO and folders is None):
        return None
    if backend != AUTO:
        return _opened(backend, folders or {}, allow_download)
    for name in BEFORE_EMBEDDED:
        try:
            return _opened(name, folders or {}, allow_download)
        except Unavailable as objection:
            if objection.nearly:
                remarks.append(f"passed over a backend: {objection}")
    return None


def _opened(name: str, folders: Folders, allow_download: bool) -> Network:
    from .detect import onnx_scrfd, scrfd, yunet

    if name == SCRFD_ONNX:
        return onnx_scrfd.open_scrfd(folders.get("insightface", ()))
    if name == INSIGHTFACE:
        return scrfd.open_insightface(folders.get("insightface", ()))
    if name == KORNIA:
        return yunet.open_kornia(folders.get("detection", ()), allow_download=allow_download)
    return yunet.open_onnx(folders.get("detection", ()))


def _look(
    image: Tensor, network: Network | None, remarks: list[str], progress: Progress | None
) -> list[list[Face]]:
    from .detect import embedded
    from .detect import network as networks

    frames = []
    tick = progress(len(image)) if progress else None
    colours, _ = split_alpha(image)
    for index, one in enumerate(colours):

        def still(done: int = index) -> None:  # within a picture a stop is felt
            if tick:
                tick(done)

        pixels = one.float().cpu()
        if network is None:
            detection = embedded.find_faces(luma(pixels).numpy(), still)
        else:
            low, high = torch.aminmax(pixels)
            if low < 0 or high > 1:
                pixels = pixels.clamp(0, 1)
            detection = networks.find_faces(pixels.numpy(), network, still)
        frames.append(list(detection.faces))
        remarks += [f"picture {index + 1}: {remark}" for remark in detection.remarks]
        if tick:
            tick(index + 1)
    return frames


def _in_boxes(
    image: Tensor, boxes: list[list[Box]], remarks: list[str], progress: Progress | None
) -> list[list[Face]]:
    frames = []
    tick = progress(len(image)) if progress else None
    for one, mine in zip(_lumas(image), boxes, strict=True):
        frames.append([])
        for box in mine:
            face, objection = _in_box(one, box)
            frames[-1].append(face)
            if objection:
                remarks.append(
                    f"picture {len(frames)}: no pupils seen in the box at ({box.x:g}, {box.y:g}), {objection}; "
                    "they stand where an average face has them. Check the overlay, or type the eyes."
                )
        if tick:
            tick(len(frames))
    return frames


def _in_box(one: np.ndarray, box: Box) -> tuple[Face, str | None]:
    """The face that a box holds, and why its pupils are a guess or None.

    A box tells how large a face is only as well as its maker's habits are known, so the detector
    looks for itself first, around the box; then the pupils are sought where a face of that box has them.
    """
    from .detect import embedded, eyes

    margin = 0.25 * max(box.width, box.height)
    left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
    part = one[top : round(box.bottom + margin), left : round(box.right + margin)]
    if find_spec("skimage") is not None:
        inside = [
            moved
            for face in embedded.find_faces(part).faces
            if box.holds((moved := _shifted(face, left, top)).centre)
        ]
        if inside:
            return max(inside, key=lambda face: face.score), None
    return eyes.face_in_box(one, box)


def _shifted(face: Face, dx: float, dy: float) -> Face:
    (x1, y1), (x2, y2) = face.eyes
    return Face(((x1 + dx, y1 + dy), (x2 + dx, y2 + dy)), face.score)


def _lumas(image: Tensor) -> Iterator[np.ndarray]:
    """Coded brightness of one picture after the other: a batch is never held twice."""
    colours, _ = split_alpha(image)
    for one in colours:
        yield luma(one.float()).cpu().numpy()


def _no_face(name: str, remarks: list[str]) -> str:
    lines = [f"no face found ({name})."]
    if name == EMBEDDED_NAME:
        lines.append("It sees faces up to the frame's height; a larger one it does not guess.")
    if remarks:
        lines.append(f"{'; '.join(remarks[:3])}.")
    lines.append(
        "Help it with one of Find Faces' inputs: type the two pupils into eyes ('x,y x,y' in pixels), or link "
        "a bounding_box, a mask of the face, or the face_landmarks of MediaPipe Face Landmarker."
    )
    return " ".join(lines)


def _report(faces: Faces, remarks: list[str]) -> str:
    lines = [f"{faces.backend}, {faces.image_size[0]}x{faces.image_size[1]} px"]
    for index, frame in enumerate(faces.frames):
        where = f"picture {index + 1}, " if len(faces.frames) > 1 else ""
        if not frame:
            lines.append(f"{where}no face")
        for number, face in enumerate(frame, 1):
            left, right = (f"{x:.1f},{y:.1f}" for x, y in face.eyes)
            lines.append(
                f"{where}face {number}: {face.iod:.1f} px between the eyes ({left} {right}), "
                f"turned {face.roll_deg:+.1f} deg, {confidence(face, faces.backend)}"
            )
    return "\n".join([*lines, *remarks])


def confidence(face: Face, backend: str) -> str:
    """How far a face is to be believed, in words, and its score.

    Parameters
    ----------
    face : Face
    backend : str
        As in ``Faces.backend``: the embedded detector counts votes, everything else 0..1.
    """
    if face.score == 0:
        return "pupils guessed (score 0)"
    if backend == TYPED_NAME:
        return "as typed (score 1)"
    sure, fair = EMBEDDED_WORDS if backend == EMBEDDED_NAME else SCORE_WORDS
    word = "sure" if face.score >= sure else "fairly sure" if face.score >= fair else "doubtful"
    return f"{word} (score {face.score:.3g})"
