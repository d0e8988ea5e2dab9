"""Where a face will stand, as a mask: its identity need not act anywhere else."""

from __future__ import annotations

import torch
from torch import Tensor

from ...framing.faces import OVAL, OVAL_V, Faces
from ...framing.masks import GROW
from ...framing.plan import CropPlan

AREAS = ("everywhere", "face")
SIDE = 256  # px of the mask's longer side: four cells of the finest layer's grid at 1024 px
SOFT = 0.25  # IOD from nothing to all: a border in the skin would show


def face_area(area: str, plan: CropPlan | None, faces: Faces | None) -> Tensor | None:
    """The ovals of the faces that are planned or linked, a quarter of an eye distance wider, soft.

    Parameters
    ----------
    area : 'everywhere' or 'face'
    plan, faces : optional
        The plan first, one mask for each of its crops; of ``faces`` one for each picture.

    Returns
    -------
    Tensor, (B, H, W), 0..1, or None
        None everywhere.

    Raises
    ------
    ValueError
        Another area, or no face is known.
    """
    if area not in AREAS:
        raise ValueError(f"area must be one of {', '.join(AREAS)}, got {area!r}")
    if area == AREAS[0]:
        return None
    if plan is not None and plan.faces:
        eyes = [
            [tuple(plan.to_output(crop, eye) for eye in face.eyes) for face in plan.faces_in(crop)]
            for crop in range(len(plan.crops))
        ]
        return _ovals(eyes, plan.output_size)
    if faces is not None and any(faces.frames):
        return _ovals([[one.eyes for one in found] for found in faces.frames], faces.image_size)
    raise ValueError(
        "area face goes by where the face is, and none is known: link a crop plan that frames a face, or faces, or "
        "choose area everywhere, and link a mask of your own"
    )


def _ovals(pictures: list, size: tuple[int, int]) -> Tensor:
    """(B, H, W) of the eyes of each picture's faces, in pixels of ``size``."""
    shrink = min(SIDE / max(size), 1.0)
    width, height = (max(round(side * shrink), 1) for side in size)
    x = (torch.arange(width) + 0.5) * size[0] / width
    y = ((torch.arange(height) + 0.5) * size[1] / height)[:, None]
    planes = torch.zeros(len(pictures), height, width)
    for plane, faces in zip(planes, pictures, strict=True):
        for (x1, y1), (x2, y2) in faces:
            iod2 = (x2 - x1) ** 2 + (y2 - y1) ** 2
            dx, dy = x - (x1 + x2) / 2, y - (y1 + y2) / 2
            u = (dx * (x2 - x1) + dy * (y2 - y1)) / iod2
            v = (dy * (x2 - x1) - dx * (y2 - y1)) / iod2
            half_u, half_v = OVAL[0] / 2 + GROW, OVAL[1] / 2 + GROW
            radius = ((u / half_u).square() + ((v - OVAL_V) / half_v).square()).sqrt()
            inside = ((1 - radius) * min(half_u, half_v) / SOFT + 0.5).clamp(0, 1)
            torch.maximum(plane, inside, out=plane)
    return planes
