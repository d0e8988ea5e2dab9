"""Where skin, eyes and hair are, estimated from the pupils: a level each.

An estimate in inter-ocular distances (IOD), not a segmentation: its borders are soft, so that a
difference of levels fades over ``FADE`` and no seam shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import torch
from torch import Tensor

from ..framing.faces import OVAL, OVAL_V, Face

SKIN, EYES, HAIR = "skin", "eyes", "hair"
AREAS = (SKIN, EYES, HAIR)

FADE = 0.12  # IOD from nothing to all of an area; 0.12 is the width of an iris's ring
# Half width and half height, and the centre (u, v) of ellipses, IOD. Eyes: lids and lashes; the
# slit is 0.45 wide. Mouth: corners at 0.39 to either side, 0.99 below the eyes. Head: from the
# crown, 1.83 above the eyes, with room for hair, down to the jaw.
EYE = (0.34, 0.20)
MOUTH, MOUTH_V = (0.50, 0.24), 1.0
HEAD, HEAD_V = (1.75, 2.05), -0.15


def area_masks(faces: Sequence[Face], size: tuple[int, int]) -> dict[str, Tensor]:
    """How far every pixel belongs to the skin, the eyes and the hair of any face.

    Parameters
    ----------
    faces : sequence of Face
    size : width and height of the picture, pixels

    Returns
    -------
    dict of area to Tensor, (H, W), float32, 0..1
        For any pixel the three sum to at most 1.
    """
    width, height = size
    whole = {area: torch.zeros(height, width) for area in AREAS}
    for face in faces:
        reach = (max(HEAD) + FADE + abs(HEAD_V)) * face.iod
        x, y = face.centre
        left, top = max(0, floor(x - reach)), max(0, floor(y - reach))
        right, bottom = min(width, ceil(x + reach)), min(height, ceil(y + reach))
        if right <= left or bottom <= top:
            continue
        here = _of_face(face, (left, top, right, bottom))
        for area in AREAS:
            part = whole[area][top:bottom, left:right]
            torch.maximum(part, here[area], out=part)
    # two faces side by side: what is an eye of one is no hair of the other
    eyes = whole[EYES]
    whole[SKIN] = torch.minimum(whole[SKIN], 1 - eyes)
    whole[HAIR] = torch.minimum(whole[HAIR], 1 - eyes - whole[SKIN])
    return whole


def _of_face(face: Face, part: tuple[int, int, int, int]) -> dict[str, Tensor]:
    left, top, right, bottom = part
    x = torch.arange(left, right, dtype=torch.float32) + 0.5 - face.centre[0]
    y = torch.arange(top, bottom, dtype=torch.float32)[:, None] + 0.5 - face.centre[1]
    (x1, y1), (x2, y2) = face.eyes
    ux, uy = (x2 - x1) / face.iod**2, (y2 - y1) / face.iod**2
    u, v = x * ux + y * uy, y * ux - x * uy
    eyes = torch.maximum(_ellipse(u + 0.5, v, EYE), _ellipse(u - 0.5, v, EYE))
    mouth = _ellipse(u, v - MOUTH_V, MOUTH)
    oval = _ellipse(u, v - OVAL_V, (OVAL[0] / 2, OVAL[1] / 2))
    return {
        EYES: eyes,
        SKIN: oval * (1 - eyes) * (1 - mouth),
        HAIR: _ellipse(u, v - HEAD_V, HEAD) * (1 - oval),
    }


def _ellipse(u: Tensor, v: Tensor, half: tuple[float, float]) -> Tensor:
    """1 inside, 0 outside, a smooth step of ``FADE`` around the border."""
    radius = torch.sqrt((u / half[0]) ** 2 + (v / half[1]) ** 2)
    t = ((1 - radius) * min(half) / FADE + 0.5).clamp(0, 1)
    return t * t * (3 - 2 * t)
