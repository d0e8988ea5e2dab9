"""The skin of forehead and cheeks, cut out for measuring: at one size whatever the picture's.

A face that is larger than ``COMMON_PX`` is made smaller first, by exact area in linear light, so that a
face has the same figures in a picture of any size. Which pixels are skin is told from a blurred picture:
neither noise nor smoothing then changes what is measured, only how it measures. How much of the face is
skin, which decides whether it is ranked, is told from a softer one still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, ceil, degrees, floor

import torch
from torch import Tensor
from torch.nn import functional as F

from ....kernels.color import srgb_to_linear
from ....kernels.picture import check_picture, flatten_alpha, luma
from ....kernels.resample import resample_area
from ....kernels.texture import lab
from ...comparison.figures import SKIN
from ...framing.faces import OVAL, Face
from ...framing.prominence import straight_iod
from .bands import on_mask

COMMON_PX = 440.0
"""Height of the face oval, px, to which larger faces are reduced, and the least that is measured: smaller
ones were not tried."""
REDUCED_FROM = 1.02  # times it: below, pixels would hardly be mixed, but here and there
COMMON_WIDTH_PX = COMMON_PX * OVAL[0] / OVAL[1]

# Of the blurred picture, CIELAB: further from its patch's median are hair, glasses, brows and cast shadows.
NEAR_L, NEAR_AB = 20.0, 12.0
ALIKE_L, ALIKE_AB = (
    25.0,
    15.0,
)  # of the median patch: further away is a patch of hair, or in the shade
SLIVER = 0.008  # of the face's width: narrower than twice this is no patch of skin
BLURRED = 0.012  # of the face's width: sigma, a few pores wide
# The same for ``seen``. Through ``BLURRED`` wrinkles are borders until somebody smooths them: in 857 damaged
# versions of 53 portraits the share rose by up to 0.19, and 16 passed where their original had not. Through
# this it rises by 0.05 at most, and none does.
SOFTER = 0.036
STEEP = 220.0  # L per face width in the blurred picture: above it is the border of something
PIXEL = 1 / 12  # variance of the square that a pixel averages, px2
# Coded value from which a channel is burnt out; luminance below which skin is black.
BURNT, BLACK = 253.5 / 255, 0.002


@dataclass(frozen=True, eq=False)
class Skin:
    """Forehead and cheeks of a face, as they are measured."""

    lab: Tensor
    """(3, h, w), CIELAB."""
    mask: Tensor
    """(h, w), 1 where there is skin."""
    width_px: float
    """Of the face oval in ``lab``, pixels."""
    blur_px2: float
    """Variance of the Gaussian that makes it as soft as any other face's, px: see ``_still_sharp``."""
    clipped: float
    """Share of it that is burnt out or black in the picture's own pixels, 0..1."""
    measured: float
    """Area of the mask over that of the ellipses that it was looked for in, 0..1."""
    seen: float
    """The same as a softer picture shows it, 0..1: wrinkles are skin there, hair and shadows are not."""

    @property
    def ita_deg(self) -> float:
        """Individual typology angle: above 55 very light skin, 41 light, 28 intermediate, 10 tan, -30 brown."""
        where = self.mask > 0
        light, _, yellow = (float(plane[where].median()) for plane in self.lab)
        return degrees(atan2(light - 50.0, yellow))


def face_px(face: Face) -> float:
    """Height of the face oval, pixels, as if the head faced the camera."""
    return OVAL[1] * straight_iod(face)


def cut_skin(image: Tensor, face: Face) -> Skin | None:
    """The skin of a face.

    Parameters
    ----------
    image : Tensor, (1, H, W, C), C in {1, 3, 4}, sRGB 0..1
    face : Face
        In this picture.

    Returns
    -------
    Skin, or None where forehead and cheeks lie outside of the picture or show no even skin.
    """
    height, width = image.shape[1:3]
    box = _box(face)
    left, top = max(0, floor(box[0])), max(0, floor(box[1]))
    right, bottom = min(width, ceil(box[2])), min(height, ceil(box[3]))
    if right - left < 8 or bottom - top < 8:
        return None
    own = flatten_alpha(check_picture(image[:, top:bottom, left:right])).float().cpu().clamp(0, 1)
    if own.shape[-1] == 1:
        own = own.expand(-1, -1, -1, 3)
    picture = own.movedim(-1, 1)
    scale = face_px(face) / COMMON_PX
    if scale < REDUCED_FROM:
        scale = 1.0
    if scale > 1:
        columns, rows = int((right - left) / scale), int((bottom - top) / scale)
        if columns < 8 or rows < 8:
            return None
        picture, _ = resample_area(
            picture, (0.0, 0.0, columns * scale, rows * scale), (columns, rows)
        )
    planes = lab(picture)[0]
    face_width = OVAL[0] * straight_iod(face) / scale
    ellipses = _ellipses(face, left, top, scale, planes.shape[1:])
    smooth, softer = on_mask(
        planes, torch.ones_like(planes[0]), (BLURRED * face_width, SOFTER * face_width)
    )
    mask = _mask(smooth, ellipses, face_width)
    if not mask.any():
        return None
    hard = _ellipses(face, left, top, 1.0, own.shape[1:3])
    whole = max(1.0, _whole(face, scale))
    return Skin(
        planes,
        mask,
        face_width,
        _still_sharp(scale),
        _clipped(own[0], torch.stack(hard).any(0)),
        float(mask.sum()) / whole,
        float(_mask(softer, ellipses, face_width).sum()) / whole,
    )


def _box(face: Face) -> tuple[float, float, float, float]:
    corners = [
        face.to_image(u + a * ru, v + b * rv)
        for u, v, ru, rv in SKIN
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _still_sharp(scale: float) -> float:
    """By how much less than the softest a face reduced by ``scale`` is blurred, variance in its pixels.

    Each of its pixels is the mean of a square, 1/12 px2; where it was reduced, the pixels that it was made
    of add theirs, smaller by the scale: as much again just above 1. All are blurred to that.
    """
    return PIXEL if scale == 1 else PIXEL * (1 - 1 / scale**2)


def _whole(face: Face, scale: float) -> float:
    """Pixels in all ellipses, inside the picture or not."""
    return sum(torch.pi * ru * rv for _, _, ru, rv in SKIN) * (face.iod / scale) ** 2


def _ellipses(face: Face, left: int, top: int, scale: float, size: Sequence[int]) -> list[Tensor]:
    rows, columns = size
    x = left + (torch.arange(columns).double() + 0.5) * scale - face.centre[0]
    y = top + (torch.arange(rows).double() + 0.5)[:, None] * scale - face.centre[1]
    (x1, y1), (x2, y2) = face.eyes
    ex, ey = (x2 - x1) / face.iod**2, (y2 - y1) / face.iod**2
    across, down = x * ex + y * ey, y * ex - x * ey
    return [((across - u) / ru) ** 2 + ((down - v) / rv) ** 2 <= 1 for u, v, ru, rv in SKIN]


def _mask(smooth: Tensor, ellipses: list[Tensor], width: float) -> Tensor:
    """1 where a blurred picture is even, and about as light and as coloured as its ellipse."""
    down, across = torch.gradient(smooth[0])
    even = torch.hypot(down, across) * width < STEEP
    there = [ellipse for ellipse in ellipses if ellipse.any()]
    mask = torch.zeros_like(smooth[0])
    if not there:
        return mask
    tones = torch.stack([torch.stack([plane[one].median() for plane in smooth]) for one in there])
    face = tones.median(0).values
    for ellipse, tone in zip(there, tones, strict=True):
        if (tone[0] - face[0]).abs() > ALIKE_L or torch.hypot(*(tone - face)[1:]) > ALIKE_AB:
            continue  # hair on the forehead
        away = smooth - tone[:, None, None]
        near = (away[0].abs() < NEAR_L) & (torch.hypot(away[1], away[2]) < NEAR_AB)
        mask[ellipse & near & even] = 1
    return _opened(mask, round(SLIVER * width))


def _opened(mask: Tensor, reach: int) -> Tensor:
    """Without what is narrower than twice the reach: the skin between two folds or two strands."""
    side = 2 * reach + 1
    eroded = 1 - F.max_pool2d(1 - F.pad(mask[None, None], [reach] * 4), side, 1)
    return F.max_pool2d(eroded, side, 1, reach)[0, 0]


def _clipped(picture: Tensor, where: Tensor) -> float:
    """Share of the pixels of (H, W, 3) whose value was cut off."""
    burnt = picture[..., 1] >= BURNT
    black = luma(srgb_to_linear(picture)) <= BLACK
    return float((burnt | black)[where].float().mean()) if where.any() else 0.0
