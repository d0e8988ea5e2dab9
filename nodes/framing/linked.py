"""Faces from what the user links or types: landmarks, boxes, a mask, two eye points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import atan2, degrees, hypot, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .faces import Box, Face, Point

MIN_IOD = 4.0  # px: closer eyes leave nothing to frame or compare
MIN_BOX = 10.0  # px: the oval of a face is 2.29 times as wide as the distance between its eyes

# The face mesh of MediaPipe: iris centres where the refined mesh has them, else eye corners.
_IRISES = ((468,), (473,))
_EYE_CORNERS = ((33, 133), (362, 263))

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_TWO_POINTS = re.compile(
    rf"\s*{_NUMBER}\s*[,\s]\s*{_NUMBER}\s*[;,\s]\s*{_NUMBER}\s*[,\s]\s*{_NUMBER}\s*"
)


def typed_eyes(text: str, image_size: tuple[int, int]) -> Face:
    """Two pupil centres typed as ``x,y x,y``, in pixels of the picture. Raises as :func:`typed_points`."""
    return Face(typed_points(text, image_size, "eyes"))


def typed_points(text: str, image_size: tuple[int, int], name: str) -> tuple[Point, Point]:
    """Two points typed as ``x,y x,y``, in pixels of the picture, the left one first.

    Raises
    ------
    ValueError
        The text is not two points, a point lies outside the picture, or they are closer than
        ``MIN_IOD`` px.
    """
    match = _TWO_POINTS.fullmatch(text)
    if not match:
        raise ValueError(
            f"{name} must be two points in pixels, like '233,245 313,243', got {text[:200]!r}. "
            "Empty lets the detector look."
        )
    x1, y1, x2, y2 = map(float, match.groups())
    width, height = image_size
    for x, y in ((x1, y1), (x2, y2)):
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"{name} names the point {x:g},{y:g}, outside the picture of {width}x{height} px"
            )
    first, second = sorted([(x1, y1), (x2, y2)])
    if hypot(x2 - x1, y2 - y1) < MIN_IOD:
        raise ValueError(
            f"{name} names two points {hypot(x2 - x1, y2 - y1):.1f} px apart, at least {MIN_IOD:g} are needed. "
            "Correct them, or use a larger picture."
        )
    return first, second


Meshes = dict[Face, Any]
"""A face of a picture, and the entry of FACE_LANDMARKS that it was made of."""

# The sets of edges that ComfyUI's own landmarker sends along, by which its drawing nodes look them up.
CONNECTION_SETS = (
    "face_oval", "left_eye", "right_eye", "left_eyebrow", "right_eyebrow", "lips", "irises", "nose",
    "tesselation", "contours", "all",
)  # fmt: skip


def landmark_faces(
    landmarks: Any, image_size: tuple[int, int], batch: int
) -> tuple[list[Meshes], list[str]]:
    """Faces of ComfyUI's FACE_LANDMARKS, for each picture, and remarks on those left out.

    A face whose eyes are closer than ``MIN_IOD`` px or lie outside the picture is left out.

    Returns
    -------
    list of Meshes
        For each picture its faces, in the order of the value, each with its entry.
    list of str

    Raises
    ------
    ValueError
        It is no such value, or it was found in pictures of another size or number.
    """
    frames = landmarks.get("frames") if isinstance(landmarks, Mapping) else None
    if frames is None or not _is_list(frames) or not all(_is_list(frame) for frame in frames):
        raise ValueError(
            "face_landmarks must be FACE_LANDMARKS of a face landmarker node, a list of faces for each "
            f"picture; got {type(landmarks).__name__}"
        )
    size = landmarks.get("image_size")  # height, width
    if size is not None and (not _is_list(size) or tuple(size[::-1]) != tuple(image_size)):
        found_in = "x".join(map(str, size[::-1])) if _is_list(size) else repr(size)
        raise ValueError(
            f"face_landmarks was found in pictures of {found_in} px, this picture has "
            f"{image_size[0]}x{image_size[1]}. Link the landmarker to the same image."
        )
    found: list[Meshes] = []
    remarks: list[str] = []
    for index, frame in enumerate(_per_picture(frames, batch, "face_landmarks")):
        found.append({})
        for entry in frame:
            face = _mesh_face(entry)
            if face.iod < MIN_IOD or not Box(0, 0, *image_size).holds(face.centre):
                x, y = face.centre
                remarks.append(
                    f"picture {index + 1}: left out a face at ({x:.0f}, {y:.0f}) with {face.iod:.1f} px between "
                    "the eyes: too small, or outside the picture"
                )
            else:
                found[-1][face] = entry
    return found, remarks


def kept_landmarks(
    landmarks: Any,
    meshes: Sequence[Meshes],
    frames: Sequence[Sequence[Face]],
    image_size: tuple[int, int],
) -> dict[str, Any]:
    """FACE_LANDMARKS of the faces that were kept, as ComfyUI's own nodes take it.

    Parameters
    ----------
    landmarks : the linked value, or None
    meshes : for each picture the faces that have a mesh
    frames : for each picture the faces that were kept
    image_size : width and height, pixels

    Returns
    -------
    dict
        ``frames``: for each picture the entries of its kept faces, in their order, unchanged;
        a face without a mesh has none. ``image_size``: height and width. ``connection_sets``:
        those of the linked value, else every name with no edge.
    """
    sets = landmarks.get("connection_sets") if isinstance(landmarks, Mapping) else None
    return {
        "frames": [
            [mesh[face] for face in frame if face in mesh]
            for mesh, frame in zip(meshes, frames, strict=True)
        ],
        "image_size": (image_size[1], image_size[0]),
        "connection_sets": {name: frozenset() for name in CONNECTION_SETS}
        if sets is None
        else sets,
    }


def _mesh_face(entry: Any) -> Face:
    """The mesh knows which eye is which, so its order holds however far the head is turned."""
    try:
        points: NDArray[Any] = np.asarray(entry["landmarks_xy"], dtype=np.float64)
    except (TypeError, KeyError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[0] < 468 or points.shape[1] < 2:
        raise ValueError(
            f"face_landmarks must hold landmarks_xy of 468 or 478 points a face, got the shape {points.shape}"
        )
    groups = _IRISES if len(points) > max(max(_IRISES)) else _EYE_CORNERS
    first, second = (points[list(group), :2].mean(0) for group in groups)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("face_landmarks holds eye points that are NaN or infinite: detect again")
    try:
        score = float(entry.get("score", 1.0))
    except (TypeError, ValueError):
        score = 1.0
    yaw, pitch = head_pose(entry.get("transformation_matrix")) or (None, None)
    whole = np.isfinite(points[:, :2]).all()
    return Face(
        ((float(first[0]), float(first[1])), (float(second[0]), float(second[1]))),
        score=min(max(score, 0.0), 1.0) if isfinite(score) else 1.0,
        points=tuple((float(x), float(y)) for x, y in points[:, :2]) if whole else (),
        yaw_deg=yaw,
        pitch_deg=pitch,
    )


def head_pose(matrix: Any) -> tuple[float, float] | None:
    """Yaw and pitch of a head from the ``transformation_matrix`` of FACE_LANDMARKS.

    Parameters
    ----------
    matrix : (4, 4) or (3, 3), from MediaPipe's canonical face to the camera
        Both count x to the right of the picture, y up and z towards the viewer; the canonical
        face looks along its z. A column vector is multiplied from the left; scale does not matter.

    Returns
    -------
    (yaw, pitch) or None
        Degrees. Yaw is positive where the face looks to the right of the picture, pitch where it
        is raised. None where there is no matrix, or one that turns nothing.

    Notes
    -----
    The rotation is read as roll after yaw after pitch, R = Rz Ry Rx, so that turning the picture
    changes neither figure. Against the line of sight of a camera that looks straight ahead: a face
    at the border of a wide picture that looks at the lens has a yaw of its own.
    """
    try:
        turn: NDArray[Any] = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if turn.shape not in ((4, 4), (3, 3)) or not np.isfinite(turn).all():
        return None
    turn = turn[:3, :3]
    scale = np.linalg.norm(turn, axis=0)
    if min(scale) <= 1e-9:
        return None
    turn = turn / scale
    yaw = degrees(atan2(-turn[2, 0], hypot(turn[0, 0], turn[1, 0])))
    return yaw, degrees(atan2(-turn[2, 1], turn[2, 2]))


def boxes(linked: Any, image_size: tuple[int, int], batch: int) -> list[list[Box]]:
    """Boxes of any of the three shapes in which BOUNDING_BOX travels, for each picture.

    One box, a list of boxes for one picture, or a list of such lists, one a picture. One
    picture's boxes serve every picture of a batch.

    Raises
    ------
    ValueError
        It has none of these shapes, or a box is smaller than ``MIN_BOX`` px or has its centre
        outside the picture.
    """
    if isinstance(linked, Mapping):
        linked = [linked]
    if not _is_list(linked):
        raise ValueError(f"bounding_box must be a BOUNDING_BOX, got {type(linked).__name__}")
    frames = linked if len(linked) and _is_list(linked[0]) else [linked]
    if not all(_is_list(frame) for frame in frames):
        raise ValueError(
            "bounding_box mixes boxes and lists of boxes: give a list for each picture"
        )
    return [
        [_box(entry, image_size) for entry in frame]
        for frame in _per_picture(frames, batch, "bounding_box")
    ]


def _box(entry: Any, image_size: tuple[int, int]) -> Box:
    try:
        box = Box(*(float(entry[key]) for key in ("x", "y", "width", "height")))
    except (TypeError, KeyError, ValueError):
        raise ValueError(
            f"bounding_box must give x, y, width and height in pixels, got {entry!r}"
        ) from None
    return _usable(box, image_size, "bounding_box")


def _usable(box: Box, image_size: tuple[int, int], what: str) -> Box:
    """The box, refused where no face can be framed by it."""
    if not all(map(isfinite, (box.x, box.y, box.width, box.height))):
        raise ValueError(f"{what} must be finite, got {box}")
    if min(box.width, box.height) < MIN_BOX:
        raise ValueError(
            f"{what} is {box.width:g}x{box.height:g} px, a face needs at least {MIN_BOX:g} on each side"
        )
    if not Box(0, 0, *image_size).holds(box.centre):
        raise ValueError(
            f"{what} has its centre at ({box.centre[0]:g}, {box.centre[1]:g}), outside the picture of "
            f"{image_size[0]}x{image_size[1]} px"
        )
    return box


def mask_planes(mask: Any, image_size: tuple[int, int], batch: int) -> list[NDArray[Any]]:
    """A mask's values for each picture, (H, W); one mask serves every picture of a batch.

    Raises
    ------
    ValueError
        It is no mask, has another size than the picture, or covers nothing (values above 0.5).
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
    for index, one in enumerate(masks):
        if not bool((one > 0.5).any()):
            raise ValueError(f"mask {index + 1} covers nothing: paint the face, or unlink the mask")
    return _per_picture([one.float().cpu().numpy() for one in masks], batch, "mask")


def mask_boxes(mask: Any, image_size: tuple[int, int], batch: int) -> list[list[Box]]:
    """The box around what a mask covers (values above 0.5), for each picture.

    Raises
    ------
    ValueError
        It is no mask, has another size than the picture, or covers less than ``MIN_BOX`` px.
    """
    found = []
    for one in mask_planes(mask, image_size, batch):
        rows, columns = (one > 0.5).nonzero()
        left, top = int(columns.min()), int(rows.min())
        box = Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
        found.append([_usable(box, image_size, "mask")])
    return found


def _per_picture(frames: Sequence[Any], batch: int, name: str) -> list[Any]:
    if len(frames) == 1:
        return list(frames) * batch
    if len(frames) != batch:
        raise ValueError(
            f"{name} speaks of {len(frames)} pictures, the batch holds {batch}. "
            "Give one for all, or one for each."
        )
    return list(frames)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
