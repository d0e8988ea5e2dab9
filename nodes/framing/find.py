"""Which of the things that can find a face is asked, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from torch import Tensor

from ...kernels.picture import check_picture, luma, split_alpha
from . import linked
from .faces import Box, Face, Faces

AUTO, EMBEDDED = "auto", "embedded"
BACKENDS = (AUTO, EMBEDDED)
Progress = Callable[[int], Callable[[int], None]]


@dataclass(frozen=True)
class Found:
    """The faces of a batch, and what the user should know about them."""

    faces: Faces
    report: str


def find_faces(
    image: Tensor,
    *,
    backend: str = AUTO,
    eyes: str = "",
    face_landmarks: Any = None,
    bounding_box: Any = None,
    mask: Any = None,
    progress: Progress | None = None,
) -> Found:
    """The faces of every picture, largest first.

    What is linked or typed counts before the detector, in this order: ``face_landmarks``, ``eyes``,
    ``bounding_box``, ``mask``. ``backend="embedded"`` looks at the pixels whatever is linked.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
    backend : one of ``BACKENDS``
    eyes : str
        Two pupil centres, ``x,y x,y``, pixels; one pair serves the whole batch.
    face_landmarks, bounding_box, mask : values of ComfyUI's sockets, or None
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each, with the
        number done.

    Raises
    ------
    ValueError
        An input is not what its name says, or no picture of the batch shows a face.
    """
    check_picture(image)
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    batch, height, width, _ = image.shape
    size = (width, height)
    remarks: list[str] = []
    if backend == AUTO and face_landmarks is not None:
        name = "linked face landmarks"
        frames, remarks = linked.landmark_faces(face_landmarks, size, batch)
    elif backend == AUTO and eyes.strip():
        name = "typed eyes"
        frames = [[linked.typed_eyes(eyes, size)] for _ in range(batch)]
    elif backend == AUTO and bounding_box is not None:
        name = "linked bounding box"
        frames = _in_boxes(image, linked.boxes(bounding_box, size, batch), remarks, progress)
    elif backend == AUTO and mask is not None:
        name = "linked mask"
        frames = _in_boxes(image, linked.mask_boxes(mask, size, batch), remarks, progress)
    else:
        name = "embedded detector"
        frames = _look(image, remarks, progress)
    faces = Faces(size, tuple(tuple(sorted(f, key=lambda face: -face.iod)) for f in frames), name)
    if not any(faces.frames):
        raise ValueError(_no_face(name, remarks))
    return Found(faces, _report(faces, remarks))


def _look(image: Tensor, remarks: list[str], progress: Progress | None) -> list[list[Face]]:
    from .detect import embedded

    frames = []
    tick = progress(len(image)) if progress else None
    for index, one in enumerate(_lumas(image)):
        detection = embedded.find_faces(one)
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
                f"turned {face.roll_deg:+.1f} deg, score {face.score:.3g}"
            )
    return "\n".join([*lines, *remarks])
