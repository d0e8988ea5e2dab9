"""Faces from what the user links or types: landmarks, boxes, a mask, two eye points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from .faces import Box, Face, Point

MIN_IOD = 4.0  # px: closer eyes leave nothing to frame or compare

# The face mesh of MediaPipe: iris centres where the refined mesh has them, else eye corners.
_IRISES = ((468,), (473,))
_EYE_CORNERS = ((33, 133), (362, 263))

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_TWO_POINTS = re.compile(
    rf"\s*{_NUMBER}\s*[,\s]\s*{_NUMBER}\s*[;,\s]\s*{_NUMBER}\s*[,\s]\s*{_NUMBER}\s*"
)


def typed_eyes(text: str, image_size: tuple[int, int]) -> Face:
    """Two pupil centres typed as ``x,y x,y``, in pixels of the picture.

    Raises
    ------
    ValueError
        The text is not two points, a point lies outside the picture, or they are closer than
        ``MIN_IOD`` px.
    """
    match = _TWO_POINTS.fullmatch(text)
    if not match:
        raise ValueError(
            f"eyes must be two points in pixels, like '233,245 313,243', got {text!r}. "
            "Empty lets the detector look."
        )
    x1, y1, x2, y2 = map(float, match.groups())
    width, height = image_size
    for x, y in ((x1, y1), (x2, y2)):
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"eyes names the point {x:g},{y:g}, outside the picture of {width}x{height} px"
            )
    return face_of_eyes((x1, y1), (x2, y2), what="eyes")


def face_of_eyes(first: Point, second: Point, *, what: str, score: float = 1.0) -> Face:
    """A face of two pupils in any order, refused where they are too close."""
    face = Face(eyes=(min(first, second), max(first, second)), score=score)
    if face.iod < MIN_IOD:
        raise ValueError(
            f"{what}: the two eyes are {face.iod:.1f} px apart, at least {MIN_IOD:g} are needed. "
            "Use a larger picture, or correct the points."
        )
    return face


def landmark_faces(landmarks: Any, image_size: tuple[int, int], batch: int) -> list[list[Face]]:
    """Faces of ComfyUI's FACE_LANDMARKS, for each picture.

    Raises
    ------
    ValueError
        It is no such value, or it was found in pictures of another size or number.
    """
    frames = landmarks.get("frames") if isinstance(landmarks, Mapping) else None
    if frames is None:
        raise ValueError(
            f"face_landmarks must be FACE_LANDMARKS of a face landmarker node, got {type(landmarks).__name__}"
        )
    height, width = landmarks.get("image_size", (image_size[1], image_size[0]))
    if (width, height) != tuple(image_size):
        raise ValueError(
            f"face_landmarks was found in pictures of {width}x{height} px, this picture has "
            f"{image_size[0]}x{image_size[1]}. Link the landmarker to the same image."
        )
    return [
        [_mesh_face(entry) for entry in frame]
        for frame in _per_picture(frames, batch, "face_landmarks")
    ]


def _mesh_face(entry: Mapping[str, Any]) -> Face:
    points = np.asarray(entry["landmarks_xy"], dtype=np.float64)
    groups = _IRISES if len(points) > max(max(group) for group in _IRISES) else _EYE_CORNERS
    if len(points) <= max(max(group) for group in groups):
        raise ValueError(
            f"face_landmarks holds {len(points)} points a face; 468 or 478 of a face mesh are needed"
        )
    first, second = (tuple(points[list(group)].mean(0)) for group in groups)
    score = float(np.clip(entry.get("score", 1.0), 0, 1))
    return face_of_eyes(_plain(first), _plain(second), what="face_landmarks", score=score)


def _plain(point: Sequence[float]) -> Point:
    return (float(point[0]), float(point[1]))


def boxes(linked: Any, batch: int) -> list[list[Box]]:
    """Boxes of any of the three shapes in which BOUNDING_BOX travels, for each picture.

    One box, a list of boxes for one picture, or a list of such lists, one a picture. One
    picture's boxes serve every picture of a batch.

    Raises
    ------
    ValueError
        It has none of these shapes, or a box has no area.
    """
    if isinstance(linked, Mapping):
        linked = [linked]
    if not isinstance(linked, Sequence) or isinstance(linked, str):
        raise ValueError(f"bounding_box must be a BOUNDING_BOX, got {type(linked).__name__}")
    frames = linked if linked and isinstance(linked[0], Sequence) else [linked]
    return [
        [_box(entry) for entry in frame] for frame in _per_picture(frames, batch, "bounding_box")
    ]


def _box(entry: Any) -> Box:
    try:
        box = Box(*(float(entry[key]) for key in ("x", "y", "width", "height")))
    except (TypeError, KeyError, ValueError):
        raise ValueError(
            f"bounding_box must give x, y, width and height in pixels, got {entry!r}"
        ) from None
    if not (box.width > 0 and box.height > 0):
        raise ValueError(f"bounding_box has no area: {box.width:g}x{box.height:g} px")
    return box


def mask_boxes(mask: Any, image_size: tuple[int, int], batch: int) -> list[list[Box]]:
    """The box around what a mask covers (values above 0.5), for each picture.

    Raises
    ------
    ValueError
        It is no mask, has another size than the picture, or covers nothing.
    """
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3):
        raise ValueError(f"mask must be a MASK, got {type(mask).__name__}")
    masks = mask[None] if mask.ndim == 2 else mask
    height, width = masks.shape[-2:]
    if (width, height) != tuple(image_size):
        raise ValueError(
            f"mask has {width}x{height} px, the picture {image_size[0]}x{image_size[1]}. "
            "Make the mask for this picture, or scale it."
        )
    found = []
    for index, one in enumerate(_per_picture(list(masks), batch, "mask")):
        rows, columns = (one > 0.5).cpu().numpy().nonzero()
        if rows.size == 0:
            raise ValueError(f"mask {index + 1} covers nothing: paint the face, or unlink the mask")
        left, top = int(columns.min()), int(rows.min())
        found.append([Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)])
    return found


def _per_picture(frames: Sequence[Any], batch: int, name: str) -> Sequence[Any]:
    if len(frames) == 1:
        return list(frames) * batch
    if len(frames) != batch:
        raise ValueError(
            f"{name} speaks of {len(frames)} pictures, the batch holds {batch}. "
            "Give one for all, or one for each."
        )
    return frames
