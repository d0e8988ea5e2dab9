"""Five points of a face as InstantID's ControlNet is shown them.

Figures of the published drawing (InstantID, Apache-2.0, the drawing beside its pipeline): a disc for each
point, and from the nose a lean ellipse to each of the other four in their colours at 0.6. Hard edges, and
pixels that do not grow with the picture, whose shorter side was 1024 px or so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...framing.faces import Face, Faces
from ...framing.plan import CropPlan
from ..encode.align import five_points

# Pupils, nose tip, corners of the mouth, image-left first; sRGB 0..1.
COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1))
NOSE = 2
LIMBS = (0, 1, 3, 4)  # to the nose, later ones on top
DIM = 0.6
DISC = 10  # px, radius about the centre of the pixel that holds the point
# Of the ellipses: published as 4 px and half the distance, and drawn by OpenCV as a polygon with its border,
# which covers as much as this much more does (measured at 30 to 120 px, three angles).
HALF_WIDTH, LONGER = 4.65, 0.5
MOST_SIDE = 16384  # px

Points = NDArray[np.float64]
"""(5, 2), pixels of the new picture from its edges."""


def points_of(
    faces: Faces, plan: CropPlan | None, size: tuple[int, int] | None
) -> tuple[list[Points], tuple[int, int]]:
    """The five points of a face in every new picture, and the size of those.

    Parameters
    ----------
    faces : Faces
        The largest of each picture; with a plan the one that its crop frames.
    plan : CropPlan, optional
        The new pictures are its crops.
    size : (width, height), pixels, optional
        Of the new pictures, else the plan's or that of ``faces``. In another shape the middle is kept, as
        where ComfyUI scales a picture with crop "center".

    Raises
    ------
    ValueError
        A picture has no face, it tells no five points, or it does not stand in the new picture.
    """
    _check(faces, plan)
    from_size = plan.output_size if plan else faces.image_size
    to_size = size or from_size
    pairs = plan.assigned(len(faces.frames)) if plan else [(i, -1) for i in range(len(faces.frames))]  # fmt: skip
    found = []
    for picture, crop in pairs:
        face = _face_of(faces, picture, plan, crop)
        points = five_points(face)
        if len(points) != len(COLOURS):
            raise ValueError(
                f"these faces ({faces.backend}) tell the pupils alone, and InstantID is shown five points: choose SCRFD "
                "ONNX, insightface, kornia YuNet or YuNet ONNX as backend of Find Faces, or link face_landmarks there"
            )
        if plan:
            points = np.array([plan.to_output(crop, (x, y)) for x, y in points])
        points = scaled(points, from_size, to_size)
        inside = (points >= 0) & (points < to_size)
        if not inside.all(1).any():
            raise ValueError(
                f"the face of picture {picture + 1} lies outside the {'crop' if plan else 'new picture'} of "
                f"{to_size[0]}x{to_size[1]} px: plan the crop by these faces, or set another width and height"
            )
        found.append(points)
    return found, to_size


def _check(faces: object, plan: object) -> None:
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}"
        )
    if plan is None:
        return
    if not isinstance(plan, CropPlan):
        raise ValueError(
            f"plan must come from Plan Crop (LOUPE_CROP_PLAN), got {type(plan).__name__}"
        )
    if plan.source_size != faces.image_size:
        (width, height), (w, h) = plan.source_size, faces.image_size
        raise ValueError(
            f"this plan was made for pictures of {width}x{height} px, the faces were found in {w}x{h}: link both to the "
            "same picture"
        )
    pictures = 1 + max(plan.picture_of) if plan.picture_of else len(plan.crops)
    if pictures not in (1, len(faces.frames)):
        raise ValueError(
            f"this plan holds crops of {pictures} pictures, the faces were found in {len(faces.frames)}: link both to the "
            "same pictures"
        )


def _face_of(faces: Faces, picture: int, plan: CropPlan | None, crop: int) -> Face:
    """The largest face of a picture, or that which a plan's crop frames: the nearest to the largest of those."""
    frame = faces.frames[picture]
    if not frame:
        raise ValueError(
            f"picture {picture + 1} of {len(faces.frames)} has no face: InstantID needs to be shown where it stands"
        )
    framed = plan.faces_in(crop) if plan else ()
    if framed:
        x, y = max(framed, key=lambda face: face.iod).centre
        return min(frame, key=lambda face: hypot(face.centre[0] - x, face.centre[1] - y))
    return max(frame, key=lambda face: face.iod)


def scaled(points: Points, size: tuple[int, int], to_size: tuple[int, int]) -> Points:
    """Points in a picture that is scaled to fill another size, its middle kept."""
    here, there = np.array(size, np.float64), np.array(to_size, np.float64)
    return (points - here / 2) * (there / here).max() + there / 2


def draw_points(faces: Sequence[Points], size: tuple[int, int]) -> Tensor:
    """The drawings, (B, height, width, 3), sRGB 0..1.

    Parameters
    ----------
    faces : sequence of (5, 2), pixels of the drawing
        One a picture. What lies outside is cut off.
    size : (width, height), pixels
    """
    width, height = size
    drawn = np.zeros((len(faces), height, width, 3), np.float32)
    for picture, points in zip(drawn, faces, strict=True):
        for limb in LIMBS:
            ends = points[[limb, NOSE]]
            part, x, y = _part(picture, ends)
            part[_ellipse(x, y, *ends)] = np.multiply(COLOURS[limb], DIM)
        for point, colour in zip(points, COLOURS, strict=True):
            part, x, y = _part(picture, point[None])
            cx, cy = np.floor(point) + 0.5
            part[(x - cx) ** 2 + (y - cy) ** 2 <= DISC**2] = colour
    return torch.from_numpy(drawn)


def _part(picture: NDArray[Any], points: Points) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """What of a picture lies around these points, and the centres of its pixels, across and down."""
    most = np.array(picture.shape[1::-1])
    left, top = np.clip(np.floor(points.min(0)) - DISC - 1, 0, most).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0)) + DISC + 1, 0, most).astype(int)
    x, y = np.arange(left, right) + 0.5, np.arange(top, bottom)[:, None] + 0.5
    return picture[top:bottom, left:right], x, y


def _ellipse(x: NDArray[Any], y: NDArray[Any], one: Points, other: Points) -> NDArray[np.bool_]:
    """The pixels of the ellipse from one point to another."""
    middle, along = (one + other) / 2, other - one
    length = float(np.hypot(*along))
    u, v = along / length if length else np.array((1.0, 0.0))
    dx, dy = x - middle[0], y - middle[1]
    across = (dy * u - dx * v) / HALF_WIDTH
    return ((dx * u + dy * v) / (length / 2 + LONGER)) ** 2 + across**2 <= 1


def size_of(width: int, height: int) -> tuple[int, int] | None:
    """What the user set, or None where both are 0.

    Raises
    ------
    ValueError
        One alone is 0, or they are out of range.
    """
    if not width and not height:
        return None
    if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE):
        raise ValueError(
            f"width and height must both be 0, or both 1 to {MOST_SIDE} px: those of the new picture; got {width} and "
            f"{height}"
        )
    return width, height


def apart(points: Points) -> float:
    """Between the pupils, pixels."""
    first, second = points[0], points[1]
    return float(np.hypot(*(second - first)))
