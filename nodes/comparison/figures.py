"""What is measured of each panel, on its source's own pixels: figures to read beside each other.

None of them is a verdict. Texture differs more between two real photographs than between a model
and a photograph; read a figure against the other panels of the same plate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...kernels.color import linear_to_srgb, srgb_to_linear
from ...kernels.edges import EdgeResponse, find_edge, slanted_edge
from ...kernels.iris import IRIS_MM, PUPILS_MM
from ...kernels.meter import FEWEST_PIXELS, micro_contrast
from ...kernels.picture import check_picture, flatten_alpha, luma
from ...kernels.texture import MID, band_rms, flat_share, lightness
from ..framing.faces import OVAL, Box, Face
from ..framing.prominence import straight_iod

# Width of the face oval, px. Texture was tried on faces from here on; a larger face is made smaller
# by a whole number, in linear light, so that it is measured like one of 440 to 880 px.
LEAST_FACE_PX = 440.0
LEAST_SCALE = 0.5  # of that face: below, the meter's finer Gaussian (0.9 px) is under half a pixel

GRADES = ((12.0, "lash-grade"), (6.0, "pore-grade"), (3.0, "line-grade"), (0.0, "shape only"))
"""Least source pixels per millimetre of each grade: a proposal."""

# Ellipses of skin, IOD: centre and radii. Mesh medians of 74 portraits: brows at v -0.35, forehead's
# end at -0.86, wings of the nose at u 0.27.
SKIN = (
    (0.0, -0.62, 0.45, 0.16),  # forehead
    (-0.62, 0.62, 0.24, 0.26),  # cheeks
    (0.62, 0.62, 0.24, 0.26),
)
SKIN_L = 15.0  # from its patch's median L; further away are hair, glasses and cast shadows
CLIPPED = (0.005, 0.97)  # linear light: beyond, flat is the exposure and not the skin
LEAST_SKIN = 0.02  # of the face's width squared; the three ellipses are 0.12 of it

HALO_PX = 1536  # the middle of a larger region is searched for an edge
HALO_SIDES_PX = (48, 32, 24)  # squares that are tried, the largest first
# Of the edge's height, on its plateaus: more is texture, which looks like a halo. On 28 portraits blurred
# by 2 px, which takes halos off, 0.2 % is left in the median, 0.7 % at most in nine of ten (eyes: 1.2 %).
MOST_RIPPLE = 0.04
STRIP_PIXELS = 2**21  # made light at once: 25 MB


@dataclass(frozen=True)
class Figures:
    """The figures of one panel; None where something can't be told, with the reason in words."""

    micro_contrast: float | None
    """RMS contrast of faint texture in the region, periods of 0.9 to 4.5 % of the face's width."""
    mid: float | None
    """RMS of CIELAB L of the skin of forehead and cheeks, periods of 0.8 to 1.6 % of the face's
    width."""
    flat_share: float | None
    """Share of that skin which shows next to none of it, 0..1."""
    px_per_mm: float | None
    """Source pixels per millimetre at the eyes."""
    px_per_mm_from: str | None
    """What that was told from: the iris (11.7 mm across) or the pupils (63 mm apart)."""
    halo_percent: float | None
    """How far the clearest straight edge of the region passes its plateaus, percent of its height. The
    smaller of both sides: sharpening leaves its mark on both, a shadow beside the edge on one."""
    grade: str | None
    """What so many pixels per millimetre can show."""
    face_width_px: float | None
    """Of the face oval, source pixels."""
    reasons: tuple[str, ...] = field(default=())
    """Why each missing figure is missing."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs, units in the names; null where nothing is known."""
        return {
            "micro_contrast": _rounded(self.micro_contrast, 4),
            "mid_band_l": _rounded(self.mid, 3),
            "flat_skin_share": _rounded(self.flat_share, 3),
            "px_per_mm": _rounded(self.px_per_mm, 2),
            "px_per_mm_from": self.px_per_mm_from,
            "halo_percent": _rounded(self.halo_percent, 2),
            "grade": self.grade,
            "face_width_px": _rounded(self.face_width_px, 1),
            "reasons": list(self.reasons),
        }

    @property
    def short(self) -> dict[str, str]:
        """What is known, in short, for below a panel."""
        words = {}
        if self.mid is not None:
            words["mid"] = f"mid {self.mid:.2f}"
        if self.micro_contrast is not None:
            words["micro"] = f"micro {self.micro_contrast:.3f}"
        if self.flat_share is not None:
            words["flat"] = f"flat {100 * self.flat_share:.0f} %"
        if self.halo_percent is not None:
            words["halo"] = f"halo {self.halo_percent:.1f} %"
        return words


def lines_of(figures: Sequence[Figures]) -> list[str]:
    """A short line for each panel: the figures that all of them have, so that each can be compared."""
    told = [one.short for one in figures]
    common = [
        key for key in ("mid", "micro", "flat", "halo") if all(key in words for words in told)
    ]
    if "mid" in common and "micro" in common:
        common.remove("micro")  # the coarser of the two
    return ["  ".join(words[key] for key in common) for words in told]


def figures_of(
    image: Tensor, face: Face | None, box: Box, *, iris_px: float | None = None
) -> Figures:
    """What can be measured of a panel.

    Parameters
    ----------
    image : Tensor, (1, H, W, C), C in {1, 3, 4}, sRGB 0..1
        The panel's source, not the panel.
    face : Face or None
    box : Box, pixels
        What the panel shows; what lies beyond the picture is left out.
    iris_px : float, optional
        Radius of an iris, where it was measured.

    Returns
    -------
    Figures

    Raises
    ------
    ValueError
        The image is no picture, or holds NaN where it is measured.
    """
    reasons: list[str] = []
    width = None if face is None else OVAL[0] * straight_iod(face)
    micro = _told(_micro(image, box, width), reasons)
    mid, flat = _skin(image, face, width, reasons)
    per_mm, source = _scale(face, iris_px, reasons)
    return Figures(
        micro_contrast=micro,
        mid=mid,
        flat_share=flat,
        px_per_mm=per_mm,
        px_per_mm_from=source,
        halo_percent=_told(_halo(image, box), reasons),
        grade=None if per_mm is None else grade_of(per_mm),
        face_width_px=width,
        reasons=tuple(reasons),
    )


def grade_of(px_per_mm: float) -> str:
    """What so many source pixels per millimetre can show at best.

    Raises ValueError where ``px_per_mm`` is not above 0.
    """
    if not (isfinite(px_per_mm) and px_per_mm > 0):
        raise ValueError(f"px_per_mm must be above 0, got {px_per_mm:g}")
    return next(words for least, words in GRADES if px_per_mm >= least)


Told = tuple[float | None, str]


def _told(answer: Told, reasons: list[str]) -> float | None:
    value, reason = answer
    if value is not None and isfinite(value):
        return value
    reasons.append(reason)
    return None


def _micro(image: Tensor, box: Box, face_width: float | None) -> Told:
    """Micro-contrast of the region at the scale of the face; of the pixels where there is none."""
    if face_width is not None and face_width < LEAST_SCALE * LEAST_FACE_PX:
        return None, (
            f"micro-contrast: the face is {face_width:.0f} px wide, {LEAST_SCALE * LEAST_FACE_PX:.0f} are needed"
        )
    shrink = _shrink(face_width)
    found = _light(image, box, shrink)
    if found is None or found[0].numel() < FEWEST_PIXELS:
        return None, "micro-contrast: too little of the region lies in the picture"
    light, _ = found
    scale = 1.0 if face_width is None else face_width / shrink / LEAST_FACE_PX
    value = micro_contrast(linear_to_srgb(light), scale=scale)
    if value == 0 and float(light.std()) > 1e-3:
        return None, "micro-contrast: the region shows strong edges only"
    return value, ""


def _skin(
    image: Tensor, face: Face | None, width: float | None, reasons: list[str]
) -> tuple[float | None, float | None]:
    """Middle band and flat share of forehead and cheeks."""
    if face is None or width is None:
        reasons.append("skin: there is no face")
        return None, None
    if width < LEAST_FACE_PX:
        reasons.append(f"skin: the face is {width:.0f} px wide, {LEAST_FACE_PX:.0f} are needed")
        return None, None
    shrink = _shrink(width)
    found = _light(image, _skin_box(face), shrink)
    if found is None:
        reasons.append("skin: forehead and cheeks lie outside the picture")
        return None, None
    light, (left, top) = found
    plane = lightness(linear_to_srgb(light)[None, None])[0, 0]
    mask = _skin_mask(light, plane, face, left, top, shrink)
    small = width / shrink
    if float(mask.sum()) < LEAST_SKIN * small**2:
        reasons.append("skin: too little of forehead and cheeks is in the picture, or evenly lit")
        return None, None
    return band_rms(plane, mask, small, (MID,))[0], flat_share(plane, mask, small)


def _skin_box(face: Face) -> Box:
    """Upright, around all ellipses turned with the face."""
    corners = [
        face.to_image(u + a * ru, v + b * rv)
        for u, v, ru, rv in SKIN
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def _skin_mask(
    light: Tensor, plane: Tensor, face: Face, left: int, top: int, shrink: int
) -> Tensor:
    """(h, w), 1 on skin: in an ellipse, about as light as the rest of it, not clipped."""
    height, width = light.shape
    x = left + (torch.arange(width).double() + 0.5) * shrink - face.centre[0]
    y = top + (torch.arange(height).double() + 0.5)[:, None] * shrink - face.centre[1]
    (x1, y1), (x2, y2) = face.eyes
    ex, ey = (x2 - x1) / face.iod**2, (y2 - y1) / face.iod**2
    across, down = x * ex + y * ey, y * ex - x * ey
    usable = (light > CLIPPED[0]) & (light < CLIPPED[1])
    mask = torch.zeros_like(plane)
    for u, v, ru, rv in SKIN:
        patch = (((across - u) / ru) ** 2 + ((down - v) / rv) ** 2 <= 1) & usable
        if patch.any():
            mask[patch & ((plane - plane[patch].median()).abs() < SKIN_L)] = 1
    return mask


def _scale(
    face: Face | None, iris_px: float | None, reasons: list[str]
) -> tuple[float | None, str | None]:
    if iris_px is not None and isfinite(iris_px) and iris_px > 0:
        return 2 * iris_px / IRIS_MM, "iris"
    if face is not None:
        return straight_iod(face) / PUPILS_MM, "pupils"
    reasons.append("px/mm: there is neither a face nor an iris")
    return None, None


def _halo(image: Tensor, box: Box) -> Told:
    """Overshoot at the clearest edge of the region, percent, as it is seen: in coded values."""
    cut = _inside(image, box)
    if cut is not None:
        x, y, right, bottom = _middle_of(cut, HALO_PX)
        part = check_picture(image[:, y:bottom, x:right])
        plane = luma(flatten_alpha(part)[0].float().clamp(0, 1))
        for side in HALO_SIDES_PX:
            square, _ = find_edge(plane, side_px=side)
            if square is not None:
                left, top, _, _ = square
                # as find_edge took it, so it is not refused here
                edge = slanted_edge(
                    plane[top : top + side, left : left + side].double(), window_px=12
                )
                if _ripple(edge) < MOST_RIPPLE:
                    return 100 * min(edge.overshoot, edge.undershoot), ""
    return None, "halo: the region shows no straight edge with calm on both sides"


def _ripple(edge: EdgeResponse) -> float:
    """What the plateaus hold away from the edge, of its height."""
    away = edge.positions_px.abs()
    far = edge.esf[away > 0.65 * away.max()]
    level = torch.where(far > (edge.high + edge.low) / 2, edge.high, edge.low)
    return float((far - level).abs().max()) / (edge.high - edge.low)


def _middle_of(cut: tuple[int, int, int, int], most: int) -> tuple[int, int, int, int]:
    """Of whole pixels, those at most so far across."""
    left, top, right, bottom = cut
    width, height = min(right - left, most), min(bottom - top, most)
    x, y = (left + right - width) // 2, (top + bottom - height) // 2
    return x, y, x + width, y + height


def _shrink(face_width: float | None) -> int:
    return 1 if face_width is None else max(1, int(face_width / LEAST_FACE_PX))


def _inside(image: Tensor, box: Box) -> tuple[int, int, int, int] | None:
    """Whole pixels of the picture that a box touches: left, top, right, bottom."""
    if not all(isfinite(value) for value in (box.x, box.y, box.width, box.height)):
        return None
    height, width = image.shape[1:3]
    left, top = max(0, floor(box.x)), max(0, floor(box.y))
    right, bottom = min(width, ceil(box.right)), min(height, ceil(box.bottom))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _light(image: Tensor, box: Box, shrink: int) -> tuple[Tensor, tuple[int, int]] | None:
    """Luminance of a box, (h, w), smaller by a whole number, and its corner in the source."""
    cut = _inside(image, box)
    if cut is None:
        return None
    left, top, right, bottom = cut
    columns, rows = (right - left) // shrink, (bottom - top) // shrink
    if not columns or not rows:
        return None
    part = image[:, top : top + rows * shrink, left : left + columns * shrink]
    return torch.cat(list(_strips(check_picture(part), shrink))), (left, top)


def _strips(part: Tensor, shrink: int) -> Iterator[Tensor]:
    rows = max(1, STRIP_PIXELS // (part.shape[2] * shrink)) * shrink
    for first in range(0, part.shape[1], rows):
        strip = flatten_alpha(part[:1, first : first + rows])
        light = luma(srgb_to_linear(strip.float())).cpu()  # Rec. 709 weights on light: luminance
        yield F.avg_pool2d(light[:, None], shrink)[0, 0] if shrink > 1 else light[0]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not isfinite(value) else round(value, digits)
