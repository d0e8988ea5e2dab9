"""The face that a picture is planned to show: how large it will be, and in which light it stands."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....kernels.color import srgb_to_linear
from ....kernels.picture import luma, split_alpha
from ...framing.faces import OVAL, Face, Faces
from ...framing.plan import CropPlan
from ...framing.prominence import Prominence, measure, rank, straight_iod
from ...framing.regions import CHIN, SHOTS
from .perspective import View

NO_SHOT = "not planned"
SIDES = (64, 16384)  # px of the picture to be generated

# The ring around a head and its hair, IOD: an ellipse about the point between the eyes whose inner
# border clears the crown at 1.82 and the ears at 1.3 by a good third, and the outer half as large again.
INNER = (2.0, 2.5)
OUTER = (3.0, 3.5)
RING_POINTS = 141  # across: 5,000 in the ring; its luminance is right to 1 %
RING_ENOUGH = 0.4  # share of the ring that the picture must show: the room on one side of a head
DARKEST = 1e-4  # linear light: 1/30 of the first step of 8 bits, so that black has a logarithm


@dataclass(frozen=True)
class Planned:
    """How large a face is planned to be in the picture that the model makes."""

    face_px: float
    """Upper forehead to chin, pixels."""
    frame: tuple[int, int]
    """Width and height of what the model makes, pixels."""
    source: str
    """What says so, in words."""
    view: View
    """The same face in the camera's own frame."""
    others_px: tuple[float, ...] = ()
    """The further faces, the largest first."""

    @property
    def people(self) -> int:
        return 1 + len(self.others_px)


@dataclass(frozen=True)
class Seen:
    """The face of the linked picture that is audited."""

    picture: int
    """Counted from 0."""
    face: Face
    others: tuple[Face, ...]
    prominence: Prominence | None
    """What was measured of it; None where no picture is linked."""
    backlight_stops: float | None
    """How much lighter the ring around the head is; None where too little of it is seen."""


def look(faces: Faces | None, image: Tensor | None) -> Seen | None:
    """The face to audit: the most prominent of the first picture that shows one.

    Parameters
    ----------
    faces : Faces, or None where none are linked
    image : Tensor (B, H, W, C), sRGB 0..1, in which they were found, or None
        Without it the largest face is taken, and nothing is measured.
    """
    for index, frame in enumerate(faces.frames if faces else ()):
        if not frame or faces is None:
            continue
        if image is None:
            ordered = sorted(frame, key=straight_iod, reverse=True)
            return Seen(index, ordered[0], tuple(ordered[1:]), None, None)
        alone = Faces(faces.image_size, (frame,), faces.backend)
        best, *others = rank(measure(image[index : index + 1], alone)[0])
        stops = backlight(image[index], best)
        return Seen(index, best.face, tuple(one.face for one in others), best, stops)
    return None


def planned_face(
    plan: CropPlan | None,
    seen: Seen | None,
    image_size: tuple[int, int] | None,
    shot: str,
    size: tuple[int, int],
) -> Planned | None:
    """How large the face will be inside the model, by the first of these that knows it.

    Parameters
    ----------
    plan : CropPlan or None
        The smallest face of its crops, at their size.
    seen : Seen or None
        At the size of its picture when that goes into the model with as many pixels as ``size``.
    image_size : width and height of the picture with the face, pixels, or None
    shot : a name of ``regions.SHOTS``, or anything else where none is planned
        Fitted into ``size``.
    size : width and height of the picture to be generated, pixels
    """
    if plan is not None and plan.faces:
        return _of_plan(plan)
    if seen is not None and image_size is not None:
        scale = (size[0] * size[1] / (image_size[0] * image_size[1])) ** 0.5
        iod = straight_iod(seen.face)
        others = tuple(straight_iod(face) * scale * OVAL[1] for face in seen.others)
        view = View(iod, image_size, "the face of the picture")
        return Planned(iod * scale * OVAL[1], size, "the linked face", view, others)
    if shot in SHOTS:
        region = SHOTS[shot]
        iod = min(size[0] / region.width, size[1] / region.height)
        return Planned(iod * OVAL[1], size, f"the shot {shot}", View(iod, size, f"the shot {shot}"))
    return None


def _of_plan(plan: CropPlan) -> Planned:
    iods = [
        straight_iod(face) * scale for face, scale in zip(plan.faces, plan.scales, strict=False)
    ]
    worst = min(range(len(iods)), key=iods.__getitem__)
    source = straight_iod(plan.faces[worst])
    others = sorted(
        (straight_iod(face) * plan.scales[worst] * OVAL[1] for face in plan.faces_in(worst)[1:]),
        reverse=True,
    )
    return Planned(
        iods[worst] * OVAL[1],
        plan.output_size,
        f"the crop plan ({plan.preset})",
        View(source, plan.source_size, "the face of the crop plan's picture"),
        tuple(others),
    )


def backlight(picture: Tensor, one: Prominence) -> float | None:
    """How many stops lighter the surroundings of a head are than its face.

    Parameters
    ----------
    picture : Tensor, (H, W, C), sRGB 0..1
    one : Prominence
        Of the face in this picture.

    Returns
    -------
    float, stops, or None
        log2 of the mean luminance of a ring around head and hair, above the chin, over the median
        luminance of the face; negative where the face is the lighter. None where the picture shows
        less than ``RING_ENOUGH`` of the ring, or nothing of the face.

    Notes
    -----
    Read at points of the face's own grid, so that it does not change when a picture is enlarged or
    turned with its face. Burnt-out light is lighter than the picture can say.
    """
    steps = (np.arange(RING_POINTS) + 0.5) / RING_POINTS * 2 - 1
    u, v = np.meshgrid(steps * OUTER[0], steps * OUTER[1])
    ring = ((u / INNER[0]) ** 2 + (v / INNER[1]) ** 2 > 1) & (
        (u / OUTER[0]) ** 2 + (v / OUTER[1]) ** 2 <= 1
    )
    ring &= v < CHIN
    iod, (x1, y1), (x2, y2) = straight_iod(one.face), *one.face.eyes
    along = (x2 - x1) / one.face.iod, (y2 - y1) / one.face.iod
    cx, cy = one.face.centre
    x = cx + iod * (u[ring] * along[0] - v[ring] * along[1])
    y = cy + iod * (u[ring] * along[1] + v[ring] * along[0])
    height, width = picture.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if one.visible_share == 0 or inside.mean() < RING_ENOUGH:
        return None
    rows, columns = (torch.from_numpy(axis[inside].astype(np.int64)) for axis in (y, x))
    colours, _ = split_alpha(picture[rows, columns][None, None])
    light = float(luma(srgb_to_linear(colours.float())).mean())
    return log2(max(light, DARKEST) / max(one.median_luma, DARKEST))


def check_size(width: Any, height: Any) -> tuple[int, int]:
    """The size of the picture to be generated; ValueError where it is none."""
    for name, side in (("width", width), ("height", height)):
        if not SIDES[0] <= side <= SIDES[1]:
            raise ValueError(f"{name} must be from {SIDES[0]} to {SIDES[1]} px, got {side}")
    return int(width), int(height)
