"""Micro-contrast and sharpness of a picture, measured: two axes that move on their own.

- micro_contrast   RMS of the band-limited contrast of faint texture (rms_low)
- sharpness        mean MTF over the band that the picture's own edges show
- compare          both, against a reference
- overlay          where the micro-contrast is

A figure depends on what is in the picture (0.09 to 0.14 among four portraits), and on the crop by a
fifth: read it against the untouched picture or between parts of one picture, never as a score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import atan, ceil, degrees, isfinite, pi

import torch
from torch import Tensor
from torch.nn import functional as F

from .color import srgb_to_linear
from .edges import SIGMAS_PX, Box, Estimate, source_sigma

CPD = (3.0, 12.0)
"""Cycles per degree in which a picture's brilliance is seen (Granger and Cupery's SQF band)."""
DISTANCE_HEIGHTS = 1.5
BAND_CY_PX = (0.05, 0.25)
"""The band at scale 1: 4K from 1.5 picture heights."""

_FINE_PX, _COARSE_PX, _AROUND_PX = 0.9, 3.2, 10.0  # at scale 1
_DARK = 0.01  # of white: below, contrast is noise over nearly nothing
_FAINT = 0.15  # contrast beside which texture is an edge's flank
_STRIP = 256  # rows that are worked on at once; between two strips a stop is felt
_LEAST = 1e-3  # contrast that cannot be told from 8-bit rounding
FEWEST_PIXELS = 64

_LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Comparison:
    """A picture beside its reference, over the same pixels."""

    micro_contrast: float
    """Ratio: 1.4 is 40 % more contrast in faint texture."""
    sharpness: float | None
    """Ratio of the mean MTF over the band at the typical edge, or None where either shows too few."""
    own: float
    reference: float
    """Micro-contrast of each."""


def band_of(
    height_px: int, distance_heights: float = DISTANCE_HEIGHTS, cpd: tuple[float, float] = CPD
) -> tuple[float, float]:
    """The band that is seen as micro-contrast, in cycles per pixel.

    Parameters
    ----------
    height_px : int
        Of the picture as it is shown in full.
    distance_heights : float
        Viewing distance over the picture's height.
    cpd : (low, high), cycles per degree

    Returns
    -------
    (low, high), cycles per pixel
        (0.051, 0.205) for 2160 px at 1.5 heights, (0.021, 0.085) for 7680 px at 1.
    """
    if height_px < 1 or not (isfinite(distance_heights) and distance_heights > 0):
        raise ValueError(
            f"height_px and distance_heights must be above 0, got {height_px} and {distance_heights:g}"
        )
    per_degree = height_px / degrees(2 * atan(0.5 / distance_heights))
    return cpd[0] / per_degree, cpd[1] / per_degree


def scale_of(band: tuple[float, float]) -> float:
    """How much larger the structures of a band are than those of ``BAND_CY_PX``."""
    low, high = band
    if not 0 < low < high:
        raise ValueError(f"band must be two rising frequencies above 0, got {low:g} to {high:g}")
    return BAND_CY_PX[0] / low


def micro_contrast(
    picture: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float = 1.0,
    tick: Callable[[], None] = lambda: None,
) -> float:
    """RMS of the local band-limited contrast where there is no strong edge (rms_low).

    Parameters
    ----------
    picture : Tensor, (B, C, H, W), C in {1, 3}, or (H, W), floating point, sRGB 0..1
    mask : Tensor, (H, W) or (B, H, W), optional
        Weight of each pixel, 0..1.
    scale : float
        See :func:`scale_of`.
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    float, 0 and above
        Contrast; 0.02 to 0.15 in photos. 0 where fewer than 64 pixels are left to measure.

    Notes
    -----
    c = (G0.9 - G3.2) Y / (G10 Y + 0.01) where ``|(G3.2 - G10) Y| / (G10 Y + 0.01) < 0.15``, Y luminance.

    References
    ----------
    .. [1] Peli, Contrast in complex images, J. Opt. Soc. Am. A 7 (1990), eq. 4.
    """
    contrast, faint = _contrast(_luminance(picture, tick), scale, tick)
    return _rms(contrast, faint * _weights(mask, contrast), tick)


def sharpness(
    plane: Tensor,
    band: tuple[float, float] = BAND_CY_PX,
    tick: Callable[[], None] = lambda: None,
) -> tuple[float | None, Estimate]:
    """Mean MTF over the band at the picture's typical edge.

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        Coded luma 0..1.
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    sharpness : float in (0, 1), or None where the picture has too few edges
    estimate : Estimate
    """
    estimate = source_sigma(plane, tick)
    if estimate.typical_px <= SIGMAS_PX[0] and estimate.reason and not estimate.haloed:
        return None, estimate
    at = torch.linspace(*band, 41, dtype=torch.float64)
    return float(torch.exp(-2 * (pi * estimate.typical_px * at) ** 2).mean()), estimate


def compare(
    picture: Tensor,
    reference: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float = 1.0,
    tick: Callable[[], None] = lambda: None,
) -> Comparison:
    """A picture against its reference, where the reference has faint texture.

    Parameters
    ----------
    picture, reference : Tensor, (B, C, H, W), C in {1, 3}, or (H, W), sRGB 0..1
        Of the same height and width.
    mask : Tensor, (H, W) or (B, H, W), optional
        For both; sharpness is measured in its bounding box.
    tick : callable
        Called as work goes on; it may raise to stop.

    Raises
    ------
    ValueError
        The sizes differ, or there is too little faint texture to compare.
    """
    if picture.shape[-2:] != reference.shape[-2:]:
        sizes = [f"{side.shape[-1]}x{side.shape[-2]}" for side in (picture, reference)]
        raise ValueError(
            f"picture and reference must have one size, got {sizes[0]} and {sizes[1]}. Scale one to the other."
        )
    before, faint = _contrast(_luminance(reference, tick), scale, tick)
    after, _ = _contrast(_luminance(picture, tick), scale, tick)
    weights = faint * _weights(mask, before)
    base = _rms(before, weights, tick)
    if base == 0:
        raise ValueError(
            "the reference has no faint texture there to compare with: choose a larger region"
        )
    low, high = BAND_CY_PX
    box = box_of(mask) if mask is not None else None
    crisp = []
    for side in (picture, reference):
        tick()
        plane = cut(_coded_luma(side)[0, 0], box)
        crisp.append(sharpness(plane, (low / scale, high / scale), tick)[0])
    own = _rms(after, weights, tick)
    ratio = crisp[0] / crisp[1] if crisp[0] is not None and crisp[1] is not None else None
    return Comparison(own / base, ratio, own, base)


def overlay(
    picture: Tensor,
    reference: Tensor | None = None,
    *,
    scale: float = 1.0,
    tick: Callable[[], None] = lambda: None,
) -> Tensor:
    """Where the micro-contrast is.

    Parameters
    ----------
    picture, reference : Tensor, (B, C, H, W), C in {1, 3}, or (H, W), sRGB 0..1
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Tensor, (B, 1, H, W), float32
        Local rms_low over the reference's at the same place; without a reference over the whole
        picture's. 1 is as much; 0 where nothing can be measured: strong edges, black, flat fields.
    """
    local, faint = _local(_luminance(picture, tick), scale, tick)
    if reference is None:
        whole = max(micro_contrast(picture, scale=scale, tick=tick), _LEAST)
        return _in_strips(
            lambda own, told: torch.where(told & (own > _LEAST), own / whole, 0.0),
            (local, faint), tick,
        )  # fmt: skip
    base, faint = _local(_luminance(reference, tick), scale, tick)
    return _in_strips(
        lambda own, its, told: torch.where(told & (its > _LEAST), own / its.clamp(min=_LEAST), 0.0),
        (local, base, faint), tick,
    )  # fmt: skip


def box_of(mask: Tensor) -> Box:
    """(x, y, width, height) around what a mask (..., H, W) holds."""
    rows, columns = (
        torch.nonzero(mask.flatten(0, -3).amax((0, side)) if mask.ndim > 2 else mask.amax(side))[
            :, 0
        ]
        for side in (-1, -2)
    )
    if not len(rows):
        raise ValueError("mask must hold something, it is empty")
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def mask_of(box: Box, height: int, width: int) -> Tensor:
    """(H, W) float32: 1 in a box, 0 around it."""
    x, y, wide, high = box
    mask = torch.zeros(height, width)
    mask[max(0, y) : max(0, y + high), max(0, x) : max(0, x + wide)] = 1
    return mask


def cut(plane: Tensor, box: Box | None) -> Tensor:
    """The part of a plane (H, W) in a box; all of it for None."""
    if box is None:
        return plane
    x, y, wide, high = box
    return plane[max(0, y) : y + high, max(0, x) : x + wide]


def _contrast(
    light: Tensor, scale: float, tick: Callable[[], None] = lambda: None
) -> tuple[Tensor, Tensor]:
    """Band-limited contrast, and 1 where it is faint texture, both (B, 1, H, W)."""
    if not (isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be above 0, got {scale:g}")
    around = _blur(light, _AROUND_PX * scale, tick) + _DARK
    coarse = _blur(light, _COARSE_PX * scale, tick)
    faint = _in_strips(
        lambda low, wide: ((low + _DARK - wide).abs() < _FAINT * wide).float(),
        (coarse, around),
        tick,
    )
    fine = _blur(light, _FINE_PX * scale, tick)
    contrast = _in_strips(lambda high, low, wide: (high - low) / wide, (fine, coarse, around), tick)
    return contrast, faint


def _local(light: Tensor, scale: float, tick: Callable[[], None]) -> tuple[Tensor, Tensor]:
    contrast, faint = _contrast(light, scale, tick)
    share = _blur(faint, _AROUND_PX * scale, tick)
    energy = _in_strips(lambda told, own: told * own**2, (faint, contrast), tick)
    energy = _blur(energy, _AROUND_PX * scale, tick)
    local = _in_strips(
        lambda own, told: (own / told.clamp(min=1e-3)).clamp(min=0).sqrt(), (energy, share), tick
    )
    return local, share > 0.1


def _rms(contrast: Tensor, weights: Tensor, tick: Callable[[], None] = lambda: None) -> float:
    total = energy = 0.0
    for top in range(0, contrast.shape[-2], _STRIP):
        tick()
        own = weights[..., top : top + _STRIP, :].double()
        total += float(own.sum())
        energy += float((contrast[..., top : top + _STRIP, :].double() ** 2 * own).sum())
    return (energy / total) ** 0.5 if total >= FEWEST_PIXELS else 0.0


def _in_strips(
    work: Callable[..., Tensor], planes: Sequence[Tensor], tick: Callable[[], None]
) -> Tensor:
    """What is done to every pixel alone, strip by strip of planes (..., H, W)."""
    strips = []
    for top in range(0, planes[0].shape[-2], _STRIP):
        tick()
        strips.append(work(*(plane[..., top : top + _STRIP, :] for plane in planes)))
    return torch.cat(strips, -2)


def _weights(mask: Tensor | None, like: Tensor) -> Tensor:
    if mask is None:
        return torch.ones_like(like)
    if mask.shape[-2:] != like.shape[-2:] or mask.ndim not in (2, 3):
        raise ValueError(
            f"mask must be (H, W) or (B, H, W) of {like.shape[-1]}x{like.shape[-2]} px, got {'x'.join(map(str, mask.shape))}"
        )
    weights = mask.float().clamp(0, 1)
    return (weights if mask.ndim == 2 else weights[:, None]).expand_as(like)


def _picture(picture: Tensor) -> Tensor:
    if picture.ndim == 2:
        picture = picture[None, None]
    if (
        picture.ndim != 4
        or picture.shape[1] not in (1, 3)
        or picture.numel() == 0
        or not picture.is_floating_point()
    ):
        shape = "x".join(map(str, picture.shape)) or "a single number"
        raise ValueError(
            f"picture must be (pictures, 1 or 3, height, width) or (height, width), floating point and not empty, "
            f"got {shape} of {picture.dtype}. A node's picture has its channels last: movedim(-1, 1)."
        )
    return picture.float()


def _luma(planes: Tensor) -> Tensor:
    if planes.shape[1] == 1:
        return planes
    return (planes * torch.tensor(_LUMA, device=planes.device).view(1, 3, 1, 1)).sum(
        1, keepdim=True
    )


def _luminance(picture: Tensor, tick: Callable[[], None] = lambda: None) -> Tensor:
    return _in_strips(lambda part: _luma(srgb_to_linear(part)), [_picture(picture)], tick)


def _coded_luma(picture: Tensor) -> Tensor:
    return _luma(_picture(picture))


def _blur(plane: Tensor, sigma: float, tick: Callable[[], None] = lambda: None) -> Tensor:
    """A Gaussian; wide ones on a smaller picture, whose boxes' own blur is taken off."""
    shrink = 2 ** max(0, int(sigma / 5).bit_length() - 1)  # 1 below 10 px, 2 below 20
    if shrink == 1 or min(plane.shape[-2:]) < 2 * shrink:
        return _blur_direct(plane, sigma, tick)
    height, width = plane.shape[-2:]
    rows, columns = -height % shrink, -width % shrink
    small = F.avg_pool2d(F.pad(plane, (0, columns, 0, rows), mode="replicate"), shrink)
    # a box of n px and the linear way back up have the variances n^2 / 12 and n^2 / 6
    small = _blur_direct(small, ((sigma / shrink) ** 2 - 0.25) ** 0.5, tick)
    grown = F.interpolate(small, scale_factor=shrink, mode="bilinear", align_corners=False)
    return grown[..., :height, :width]


def _blur_direct(plane: Tensor, sigma: float, tick: Callable[[], None] = lambda: None) -> Tensor:
    reach = ceil(4 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.exp(-(place**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).to(plane)
    tall = F.pad(plane, (0, 0, reach, reach), mode="replicate")
    strips = []
    for top in range(0, plane.shape[-2], _STRIP):  # in between a stop is felt
        tick()
        lines = F.conv2d(tall[..., top : top + _STRIP + 2 * reach, :], taps.view(1, 1, -1, 1))
        wide = F.pad(lines, (reach, reach, 0, 0), mode="replicate")
        strips.append(F.conv2d(wide, taps.view(1, 1, 1, -1)))
    return torch.cat(strips, -2)
