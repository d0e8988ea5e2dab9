"""Texture gain beyond what a lens can do, and the guard that keeps edges free of halos.

Presence lifts the mid band of coded luma where the picture is texture, and leaves strong edges
alone. The guard then holds every value near the range that the source had around it. Both look at
the range around a pixel, on a lattice of 4x4 blocks that starts at row and column 0.

A strip of a picture gives what the whole gives where it starts at a multiple of 4 rows and has
:func:`halo_rows` rows more on each side (fewer at the picture's own edges).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, erf, isfinite, pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from .convolve import convolve
from .convolve.terms import REACH_SIGMAS, Terms, terms_of_gaussians

FINE_PX, COARSE_PX = 1.0, 3.5
"""Sigmas of the difference of Gaussians at scale 1: its gain peaks at 0.11 cycles per pixel."""
BAND_CY_PX = (0.05, 0.25)
"""The band at scale 1 over which the gain is promised: 4K at 1.5 picture heights."""
GAINS = (1.0, 2.0)
SCALES = (0.25, 8.0)

BLOCK_PX = 4
HALO = 20
"""``halo_rows()`` at scale 1."""
GUARD_REACH_PX = 8.0
"""How far the guard looks for the source's extremes, at scale 1; up to 11 px, as the block lies."""
PRESENCE_REACH_PX = 8.7
"""2.2 x 3.5 + 1 px: how far an edge keeps presence off. With 8 px 1.2 % of an edge leaked at gain 2,
with 4 px 18 %, a ghost line. Whole blocks make it 12 to 15 px."""

EDGE_RANGE = (0.15, 0.50)
"""Coded range over which presence fades out: texture of skin and cloth, to a lit edge."""
GUARD_RANGE = (0.10, 0.25)
"""Coded range over which the guard closes."""
GUARD_SHARE = (1.0, 0.01)
"""Excess it allows beyond the source's range, as a share of that range: texture, edge."""
RATIOS = (0.3, 3.0)
"""Most that a pixel is darkened or brightened."""
DARKEST = 1 / 255
"""Luma below which a ratio says nothing."""

_LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, eq=False)
class Limits:
    """What the source held around each block."""

    low: Tensor
    """(B, C, ceil(H / 4), ceil(W / 4)), float32: smallest coded value within reach."""
    high: Tensor
    """The same, largest."""


def halo_rows(scale: float = 1.0) -> int:
    """Rows beyond a strip that its result depends on: a multiple of 4.

    Enough for :func:`presence` or for :func:`limits_of`. For presence on a filtered picture the
    filter's own reach comes on top.
    """
    # one block for the expansion between blocks, one for where in its block a row lies
    spread = BLOCK_PX * (_blocks(PRESENCE_REACH_PX * scale) + 2)
    taps = BLOCK_PX * ceil(ceil(REACH_SIGMAS * COARSE_PX * scale) / BLOCK_PX)
    return max(spread, taps)


def gain_of_beta(beta: float) -> float:
    """Mean small-signal gain over the band, for presence of strength ``beta``."""
    low, high = BAND_CY_PX
    passed = _mean_gaussian(FINE_PX, low, high) - _mean_gaussian(COARSE_PX, low, high)
    return 1 + beta * passed


def beta_for_gain(gain: float) -> float:
    """The strength that lifts faint mid-band texture by a factor, on average over the band.

    Parameters
    ----------
    gain : float in [1, 2]

    Returns
    -------
    float, 0 and above

    Raises
    ------
    ValueError
        ``gain`` is out of range.
    """
    if not GAINS[0] <= gain <= GAINS[1]:
        raise ValueError(
            f"gain must be from {GAINS[0]:g} (no change) to {GAINS[1]:g}, got {gain:g}"
        )
    return (gain - 1) / (gain_of_beta(1.0) - 1)


def presence(coded: Tensor, gain: float, *, scale: float = 1.0) -> Tensor:
    """Lift faint mid-band texture; leave strong edges and colours as they are.

    Parameters
    ----------
    coded : Tensor, (B, C, H, W), C in {1, 3}, floating point, sRGB 0..1
    gain : float in [1, 2]
        Small-signal gain of luma, mean over the band 0.05 to 0.25 cycles per pixel at scale 1.
    scale : float in [0.25, 8]
        1 for 4K from 1.5 picture heights; 2 lifts structures twice as large.

    Returns
    -------
    Tensor, the same shape, float32
        Not yet guarded: see :func:`guard`. The three channels of a pixel are multiplied by one
        ratio, so gray stays gray and hue stays; it is held at 1 where a channel would pass white.

    Raises
    ------
    ValueError
        A value is out of range, or ``coded`` is no picture.

    Notes
    -----
    luma' = luma + beta (1 - t(R)) (G(1.0 px) - G(3.5 px)) luma, t a smoothstep of the coded range R
    around the pixel from 0.15 to 0.50.
    """
    _check(coded, "coded")
    if coded.shape[1] not in (1, 3):
        raise ValueError(
            f"coded must have 1 or 3 channels, got {coded.shape[1]}. Split alpha off first."
        )
    beta = beta_for_gain(gain)
    coded = coded.float()
    if beta == 0:
        return coded
    luma = luma_of(coded)
    detail = convolve(luma, _band_pass(_checked(scale)))
    around = _limits(luma, _blocks(PRESENCE_REACH_PX * scale))
    faint = 1 - _smoothstep(around.high - around.low, *EDGE_RANGE)
    detail *= _expand_smoothly(faint, luma.shape) * beta
    ratio = detail.div_(luma.clamp(min=DARKEST)).add_(1).clamp_(*RATIOS)
    brightest = coded.amax(1, keepdim=True)
    room = (1 / brightest.clamp(min=DARKEST)).clamp_(min=1.0)
    return coded * torch.minimum(ratio, room)


def limits_of(coded: Tensor, *, scale: float = 1.0) -> Limits:
    """The range that a picture has around each of its 4x4 blocks.

    Parameters
    ----------
    coded : Tensor, (B, C, H, W), floating point, sRGB
        The source, before anything was done to it.
    scale : float in [0.25, 8]
        As in :func:`presence`: the reach grows with it.

    Returns
    -------
    Limits

    Notes
    -----
    Extremes of blocks first, then dilated at 1/16 of the area: a full-size maximum filter of 19 px
    takes 2.7 s for one channel of an 8K picture.
    """
    _check(coded, "coded")
    return _limits(coded, _blocks(GUARD_REACH_PX * _checked(scale)))


def guard(coded: Tensor, limits: Limits) -> Tensor:
    """Hold a result near the range that its source had around each pixel.

    Parameters
    ----------
    coded : Tensor, (B, C, H, W), floating point, sRGB
        The result; each channel is held on its own.
    limits : Limits
        :func:`limits_of` the source, of the same size.

    Returns
    -------
    Tensor, the same shape, float32
        Values within the source's range are untouched. An excess e over it is kept up to c / 2 and
        bent above, c (1 - c / (4 e)), so that it stays below c = eps(R) R: the whole range for
        texture, 1 % of it beside an edge. Where the source is flat the result is the source.

    Raises
    ------
    ValueError
        ``limits`` are those of a picture of another size.
    """
    _check(coded, "coded")
    batch, channels, height, width = coded.shape
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    if limits.low.shape != (batch, channels, rows, columns):
        raise ValueError(
            f"limits must be those of a picture of {width}x{height} px with {channels} channels, "
            f"got {'x'.join(map(str, limits.low.shape))} blocks. Use limits_of on the source, at its own size."
        )
    coded = coded.float()
    extent = limits.high - limits.low
    open_ = 1 - _smoothstep(extent, *GUARD_RANGE)
    # log between the two shares: at a range of 0.175 it is 10 %, not 50 %
    share = GUARD_SHARE[1] * (GUARD_SHARE[0] / GUARD_SHARE[1]) ** open_
    # whole blocks, so that their limits need no copy at every pixel
    whole = F.pad(coded, (0, 4 * columns - width, 0, 4 * rows - height), mode="replicate")
    tiled = whole.view(batch, channels, rows, BLOCK_PX, columns, BLOCK_PX)
    low, high = (part[:, :, :, None, :, None] for part in (limits.low, limits.high))
    held = torch.clamp(tiled, low, high).view(whole.shape)[..., :height, :width].contiguous()
    excess = (coded - held).flatten()
    passing = excess.nonzero()[:, 0]  # few: what a passive filter adds lies within the range
    if len(passing):
        row, column = passing // width, passing % width
        plane, row = row // height, row % height
        block = (plane * rows + row // BLOCK_PX) * columns + column // BLOCK_PX
        most = (share * extent / 2).flatten()[block]
        over = excess[passing]
        size = over.abs()
        bent = torch.where(size <= most, over, torch.copysign(most * (2 - most / size), over))
        held.view(-1)[passing] += bent
    return held


def luma_of(coded: Tensor) -> Tensor:
    """Coded luma, Rec. 709 weights on sRGB values: (B, 3, H, W) or (B, 1, H, W) -> (B, 1, H, W)."""
    if coded.shape[1] == 1:
        return coded
    red, green, blue = coded.split(1, 1)
    return (_LUMA[0] * red).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])


@lru_cache(maxsize=8)
def _band_pass(scale: float) -> Terms:
    """The fine Gaussian less the coarse one."""
    return terms_of_gaussians(0.0, (1.0, -1.0), (FINE_PX * scale, COARSE_PX * scale))


def _limits(coded: Tensor, reach: int) -> Limits:
    """Extremes within so many blocks."""
    rows, columns = (-side % BLOCK_PX for side in coded.shape[-2:])
    if rows or columns:
        coded = F.pad(coded, (0, columns, 0, rows), mode="replicate")
    batch, channels, height, width = coded.shape
    blocks = coded.view(batch, channels, height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX)
    high = _dilate(blocks.amax(3).amax(-1).float(), reach)
    low = -_dilate(-blocks.amin(3).amin(-1).float(), reach)
    return Limits(low, high)


def _dilate(blocks: Tensor, reach: int) -> Tensor:
    """The largest within so many blocks, along both axes; ``max_pool2d`` takes 14 times as long."""
    padded = F.pad(blocks, (reach,) * 4, value=-torch.inf)
    for axis in (-2, -1):
        count = blocks.shape[axis]
        out = padded.narrow(axis, 0, count).clone()
        for shift in range(1, 2 * reach + 1):
            torch.maximum(out, padded.narrow(axis, shift, count), out=out)
        padded = out
    return padded


def _expand_smoothly(blocks: Tensor, shape: torch.Size) -> Tensor:
    """Between the blocks' centres, linear."""
    height, width = shape[-2:]
    grown = F.interpolate(blocks, scale_factor=BLOCK_PX, mode="bilinear", align_corners=False)
    return grown[..., :height, :width]


def _smoothstep(value: Tensor, start: float, end: float) -> Tensor:
    share = ((value - start) / (end - start)).clamp_(0, 1)
    return share * share * (3 - 2 * share)


def _blocks(reach_px: float) -> int:
    return ceil(reach_px / BLOCK_PX)


def _mean_gaussian(sigma: float, low: float, high: float) -> float:
    """Mean over a band of the transfer function exp(-2 (pi sigma f)^2)."""
    slope = sqrt(2) * pi * sigma
    return sqrt(pi) / 2 * (erf(slope * high) - erf(slope * low)) / slope / (high - low)


def _checked(scale: float) -> float:
    if not (isfinite(scale) and SCALES[0] <= scale <= SCALES[1]):
        raise ValueError(f"scale must be from {SCALES[0]:g} to {SCALES[1]:g}, got {scale:g}")
    return scale


def _check(picture: Tensor, name: str) -> None:
    if picture.ndim != 4 or picture.numel() == 0 or not picture.is_floating_point():
        shape = "x".join(map(str, picture.shape)) or "a single number"
        raise ValueError(
            f"{name} must be (pictures, channels, height, width), floating point and not empty, "
            f"got {shape} of {picture.dtype}. A node's picture has its channels last: movedim(-1, 1)."
        )
