"""Convolution on CUDA in one pass: a tile is read, decoded, blurred, encoded and written, once.

A program owns one output tile. It reads the tile and what surrounds it as a square ``D`` whose
side is a power of two, and blurs it by two small matrix products per term,
``columns_r * D * rows_r``, where each factor is the Toeplitz band of the term's taps. Tensor cores
do that work, so a picture costs little more than reading and writing it.

They multiply half-precision numbers. Every factor is therefore split in two, ``x = body + rest``
with 11 bits each, and ``body * body + rest * body + body * rest`` is as accurate as "tf32x3" in
half the registers. (Triton's tf32x3 spills up to 10 kB a thread here, this at most 0.1 kB.) A result is
off by some 7e-8 of the tile's range for each unit of the terms' absolute sum: 1.2e-7 for a lens,
1.3e-6 for a re-lens of three large Gaussians that cancel.

Without a GPU the same code runs in Triton's interpreter (``TRITON_INTERPRET=1``), slowly: it shows
that indices, borders, sums and the splitting are right, and nothing about speed.
"""

# What Triton's compiler makes of a kernel, its type hints do not tell.
# pyright: reportOperatorIssue=false, reportAssignmentType=false, reportCallIssue=false

from __future__ import annotations

import contextlib
from functools import lru_cache
from math import floor, log2
from typing import TYPE_CHECKING, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..presence import BLOCK_PX, GUARD_RANGE, GUARD_SHARE
from .choice import MAX_REACH

if TYPE_CHECKING:
    from ..presence import Limits
    from .terms import Terms

# A square of 32 leaves 20x20 of output at a reach of 6, one of 64 leaves 40x40 at 12. The products
# cost 4 * side**3 per term whatever is left: 328 and 655 flops a sample there; a square of 64 costs
# 388 at 6 and 328 at 3. Not yet timed on a GPU.
_SMALL, _LARGE = 32, 64
_SMALL_REACH = 6
_STEP = 4  # px: tiles begin at multiples, so that their rows begin near those of memory sectors
_WARPGROUPS = (9, 10)
_ROWS_SUM, _SWING, _LARGEST_TAP = 1024.0, 32.0, 4096.0
_MAX_PLANE = 2**31  # samples between a picture's first and last: offsets inside are int32


def convolve(image: Tensor, terms: Terms, *, full: bool = True) -> Tensor:
    """Blur a picture with a PSF that is a short sum of separable terms.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), float32, float16 or bfloat16, linear light
        On CUDA; on the CPU under ``TRITON_INTERPRET=1``. Any strides.
    terms : Terms
        With one channel for all of the picture's, or one for each; ``reach`` at most
        :data:`~portrait_loupe.kernels.convolve.choice.MAX_REACH`.
    full : bool
        False multiplies in half precision alone: a third of the work. A soft lens then errs by a
        quarter of an 8-bit step, a strong re-lens by several.

    Returns
    -------
    Tensor, (B, C, H, W), same dtype and device as ``image``, contiguous
        Mirrored at the borders as :func:`~.border.mirror` does; flat fields come back exactly.

    Raises
    ------
    ValueError
        The shape, the dtype, or the terms' channels or reach do not fit.
    """
    _check(image, 1, terms, "image")
    out = torch.empty_like(image, memory_format=torch.contiguous_format)
    _launch(image, out, terms, None, coded=False, full=full)
    return out


def render(
    picture: Tensor, terms: Terms, *, limits: Limits | None = None, full: bool = True
) -> Tensor:
    """Decode a node's picture, blur it in linear light, encode and guard it, in one pass.

    Parameters
    ----------
    picture : Tensor, (B, H, W, C), float32, float16 or bfloat16, sRGB, clamped to 0..1
        Alpha is no light: leave it out.
    terms, full
        See :func:`convolve`.
    limits : Limits, optional
        Of the picture, or of another of its size: the result is held near them as
        :func:`~portrait_loupe.kernels.presence.guard` does. None: it is left as it is.

    Returns
    -------
    Tensor, (B, H, W, C), same dtype and device as ``picture``, sRGB 0..1, contiguous

    Raises
    ------
    ValueError
        See :func:`convolve`.
    """
    _check(picture, -1, terms, "picture")
    source = picture.movedim(-1, 1)
    _check_limits(limits, source)
    out = torch.empty_like(picture, memory_format=torch.contiguous_format)
    _launch(source, out.movedim(-1, 1), terms, limits, coded=True, full=full)
    return out


def _check(image: Tensor, axis: int, terms: Terms, name: str) -> None:
    if image.ndim != 4 or image.numel() == 0:
        raise ValueError(
            f"{name} must have four dimensions and not be empty, got {tuple(image.shape)}"
        )
    if image.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"{name} must be float32, float16 or bfloat16, got {image.dtype}")
    channels, own = image.shape[axis], terms.delta.shape[0]
    if own not in (1, channels):
        raise ValueError(
            f"terms must have 1 channel or the {channels} of the {name}, got {own} channels"
        )
    if terms.reach > MAX_REACH:
        raise ValueError(
            f"terms must reach at most {MAX_REACH} px, got {terms.reach}. "
            "Split the wide part off and convolve it at a lower resolution, or use backend='fft'."
        )
    sides = (2, 3) if axis == 1 else (1, 2)
    if sum((image.shape[side] - 1) * image.stride(side) for side in sides) >= _MAX_PLANE:
        raise ValueError(
            f"one picture of {name} must span fewer than 2**31 samples in memory, "
            f"got shape {tuple(image.shape)} with strides {image.stride()}. Cut it into strips."
        )


def _check_limits(limits: Limits | None, source: Tensor) -> None:
    if limits is None:
        return
    rows, columns = (-(-side // BLOCK_PX) for side in source.shape[-2:])
    if limits.low.shape != (*source.shape[:2], rows, columns):
        raise ValueError(
            f"limits must be those of a picture of {source.shape[3]}x{source.shape[2]} px with "
            f"{source.shape[1]} channels, got {'x'.join(map(str, limits.low.shape))} blocks"
        )
    if limits.low.device != source.device:
        raise ValueError(f"limits must be on {source.device}, got {limits.low.device}")


def _launch(
    source: Tensor, target: Tensor, terms: Terms, limits: Limits | None, *, coded: bool, full: bool
) -> None:
    """Blur ``source`` into ``target``, both (B, C, H, W) with any strides."""
    batch, channels, height, width = source.shape
    reach = terms.reach
    side, step = tile_of(reach)
    bands = _bands(terms, side, source.device)
    own = 0 if terms.delta.shape[0] == 1 else 1  # one set of terms for all channels: step over none
    grid = (triton.cdiv(width, step), triton.cdiv(height, step), batch)
    generation = torch.cuda.get_device_capability(source.device)[0] if source.is_cuda else 0
    low, high = (limits.low.contiguous(), limits.high.contiguous()) if limits else (source, source)
    here = torch.cuda.device(source.device) if source.is_cuda else contextlib.nullcontext()
    with here:
        _tile[grid](
            source, target, *bands, low, high,
            height, width, *source.stride(), *target.stride(), reach, step, own,
            CHANNELS=channels, TERMS=bands.down.shape[1], SIDE=side, CODED=coded, FULL=full, SWING=_SWING,
            GUARDED=limits is not None, BLOCK=BLOCK_PX, OPEN=GUARD_RANGE[0], SHUT=GUARD_RANGE[1],
            TEXTURE=GUARD_SHARE[0], EDGE=GUARD_SHARE[1], num_stages=1,
            num_warps=warps_of(side, generation, guarded=limits is not None),
        )  # fmt: skip


def tile_of(reach: int) -> tuple[int, int]:
    """Side of the square that a program reads, and of the tile that it writes, in pixels."""
    side = _SMALL if reach <= _SMALL_REACH else _LARGE
    return side, (side - 2 * reach) // _STEP * _STEP


def warps_of(side: int, generation: int, *, guarded: bool) -> int:
    """How many warps work on a tile, on a GPU whose compute capability begins with ``generation``.

    Four warps are what multiplies 64x64 at once on Hopper and Blackwell's server chips, and two
    programs then fit on a multiprocessor. On others, or with the guard, they spill registers where
    eight do hardly (found by compiling for each, not yet timed).
    """
    return 4 if side == _SMALL or (generation in _WARPGROUPS and not guarded) else 8


class _Bands(NamedTuple):
    """What the kernel multiplies with."""

    down: Tensor
    """(C, R, 2, side, side), half precision: body and rest of each band."""
    across: Tensor
    """The same, to be multiplied from the right."""
    delta: Tensor
    """(C,), in the units of the bands' products."""
    gain: Tensor
    """(C,), as it is."""
    back: Tensor
    """(1,): from the units of the products to shares of the tile's range."""


@lru_cache(maxsize=16)
def _bands(terms: Terms, side: int, device: torch.device) -> _Bands:
    reach, middle = terms.reach, terms.columns.shape[-1] // 2
    inner = slice(middle - reach, middle + reach + 1)
    columns, rows = terms.columns[..., inner], terms.rows[..., inner]
    # Half precision has 11 bits from 6e-5 to 65504, fewer below. Rows with an absolute sum of 1024
    # and contrast up to 32 give half-way results up to 32768; columns carry what the terms weigh.
    weight = rows.abs().sum(-1, keepdim=True).clamp(min=1e-300)
    rows, columns = rows / weight * _ROWS_SUM, columns * weight
    largest = float(columns.abs().amax()) if columns.numel() else 0.0
    unit = 2.0 ** floor(log2(_LARGEST_TAP / largest)) if largest else 1.0
    down = _split(toeplitz(columns * unit, side))
    across = _split(toeplitz(rows, side).mT)  # to the right of D
    delta = terms.delta * unit * _ROWS_SUM
    back = torch.tensor([1 / (unit * _ROWS_SUM * _SWING)])
    parts = (delta.float(), terms.gain.float(), back.float())
    return _Bands(*(part.to(device) for part in (down, across, *parts)))


def _split(values: Tensor) -> Tensor:
    """(..., side, side) as (..., 2, side, side) in half precision: the numbers and what rounding left."""
    body = values.half()
    return torch.stack([body, (values - body).half()], -3).contiguous()


def toeplitz(taps: Tensor, side: int) -> Tensor:
    """The matrix that convolves a column of ``side`` samples with taps; nothing lies beyond its ends.

    Parameters
    ----------
    taps : Tensor, (..., K), K odd
    side : int

    Returns
    -------
    Tensor, (..., side, side)
        Element (i, j) is the tap that carries sample j to sample i.
    """
    place = torch.arange(side, device=taps.device)
    lag = place[:, None] - place + taps.shape[-1] // 2
    inside = (lag >= 0) & (lag < taps.shape[-1])
    return taps[..., lag.clamp(0, taps.shape[-1] - 1)] * inside


@triton.jit
def _tile(
    source, target, down, across, delta, gain, back, limit_low, limit_high,
    height, width,
    source_picture, source_channel, source_row, source_column,
    target_picture, target_channel, target_row, target_column,
    reach, step, own,
    CHANNELS: tl.constexpr, TERMS: tl.constexpr, SIDE: tl.constexpr,
    CODED: tl.constexpr, FULL: tl.constexpr, SWING: tl.constexpr, GUARDED: tl.constexpr, BLOCK: tl.constexpr,
    OPEN: tl.constexpr, SHUT: tl.constexpr, TEXTURE: tl.constexpr, EDGE: tl.constexpr,
):  # fmt: skip
    index = tl.arange(0, SIDE)
    rows = tl.program_id(1) * step - reach + index
    columns = tl.program_id(0) * step - reach + index
    picture = tl.program_id(2).to(tl.int64)  # int64: a batch of 8K frames passes 2**31 samples
    inner = (index >= reach) & (index < reach + step)
    keep = (inner & (rows < height))[:, None] & (inner & (columns < width))[None, :]
    read = _mirrored(rows, height)[:, None] * source_row
    read += _mirrored(columns, width)[None, :] * source_column
    write = rows[:, None] * target_row + columns[None, :] * target_column
    square = index[:, None] * SIDE + index[None, :]

    # Channels in turn: with channels last they share the lines of memory that the first one fetched.
    for channel in range(CHANNELS):
        plane = source + picture * source_picture + channel * source_channel
        light = tl.load(plane + read).to(tl.float32)
        if CODED:
            light = _decode(light)
        # Only what differs from the tile's mid level is multiplied, as a share of the tile's range:
        # rounding is in proportion to it, and a flat tile has none. The middle of equal values is
        # exact where their mean would round.
        low, high = tl.min(light), tl.max(light)
        level, swing = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
        contrast = (light - level) * (SWING / tl.where(swing > 1e-30, swing, 1.0))
        mine = channel * own
        seen = contrast * tl.load(delta + mine)
        body = contrast.to(tl.float16)
        rest = (contrast - body).to(tl.float16)
        for term in range(TERMS):
            band = (mine * TERMS + term) * 2 * SIDE * SIDE + square
            weights = tl.load(across + band)
            half = tl.dot(body, weights)
            if FULL:
                finer = tl.load(across + band + SIDE * SIDE)
                half = tl.dot(rest, weights, acc=half)
                half = tl.dot(body, finer, acc=half)
            half_body = half.to(tl.float16)
            weights = tl.load(down + band)
            seen = tl.dot(weights, half_body, acc=seen)
            if FULL:
                half_rest = (half - half_body).to(tl.float16)
                finer = tl.load(down + band + SIDE * SIDE)
                seen = tl.dot(weights, half_rest, acc=seen)
                seen = tl.dot(finer, half_body, acc=seen)
        seen = seen * (swing * tl.load(back)) + level * tl.load(gain + mine)
        if CODED:
            seen = _encode(seen)
        if GUARDED:
            down_blocks, across_blocks = tl.cdiv(height, BLOCK), tl.cdiv(width, BLOCK)
            block = (picture * CHANNELS + channel) * down_blocks * across_blocks
            block += (rows // BLOCK)[:, None] * across_blocks + (columns // BLOCK)[None, :]
            bottom = tl.load(limit_low + block, mask=keep, other=0.0)
            top = tl.load(limit_high + block, mask=keep, other=1.0)
            seen = _guarded(seen, bottom, top, OPEN, SHUT, TEXTURE, EDGE)
        place = target + picture * target_picture + channel * target_channel
        tl.store(place + write, seen.to(target.dtype.element_ty), mask=keep)


@triton.jit
def _mirrored(position, side):
    """Where a position beyond the picture's edges lies, mirrored as often as it takes."""
    period = tl.maximum(2 * side - 2, 1)
    folded = (position % period + period) % period  # the remainder of a negative has its sign
    return tl.minimum(tl.minimum(folded, period - folded), side - 1)


@triton.jit
def _decode(coded):
    """kernels.color.srgb_to_linear"""
    coded = tl.minimum(tl.maximum(coded, 0.0), 1.0)
    curve = tl.exp2(2.4 * tl.log2((coded + 0.055) * (1 / 1.055)))
    return tl.where(coded <= 0.04045, coded * (1 / 12.92), curve)


@triton.jit
def _encode(light):
    """kernels.color.linear_to_srgb"""
    light = tl.minimum(tl.maximum(light, 0.0), 1.0)
    knee: tl.constexpr = 0.04045 / 12.92
    curve = 1.055 * tl.exp2(tl.log2(tl.maximum(light, knee)) * (1 / 2.4)) - 0.055
    return tl.where(light <= knee, light * 12.92, curve)


@triton.jit
def _guarded(coded, low, high, OPEN, SHUT, TEXTURE, EDGE):
    """kernels.presence.guard"""
    extent = high - low
    shut = tl.minimum(tl.maximum((extent - OPEN) / (SHUT - OPEN), 0.0), 1.0)
    shut = shut * shut * (3 - 2 * shut)
    half = 0.5 * extent * tl.exp2(shut * tl.log2(EDGE / TEXTURE)) * TEXTURE
    held = tl.minimum(tl.maximum(coded, low), high)
    excess = coded - held
    size = tl.abs(excess)
    bent = half * (2 - half / tl.maximum(size, 1e-30))
    return held + tl.where(size <= half, excess, tl.where(excess < 0, -bent, bent))
