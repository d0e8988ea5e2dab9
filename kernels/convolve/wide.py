"""A wide, smooth PSF: convolved where the picture is small, and brought back up."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from . import fft
from .border import copy_mirrored, roomy

# Coarse pixels that the finest scale of a PSF must span: a step is then off by 6e-5 of itself for a
# Gaussian, by 7e-4 for an exponential, and a tail has a tenth of the light. At 2 it is 2e-4 and 2e-3.
ENOUGH = 3
MAX_FACTOR = 32
_SHARPENINGS = 8  # of the PSF
_SPLINE_REACH = 2  # coarse pixels that the enlargement looks at to each side
_CELLS = 16  # coarse rows and columns that one product makes or takes


@torch.no_grad()
def convolve_wide(image: Tensor, psf: Tensor, factor: int) -> Tensor:
    """Blur a picture with a PSF that is sampled at a coarser pitch than the picture's.

    The picture is reduced with cubic B-splines, convolved, and enlarged with them again. These
    are nowhere negative and neither is the result, where picture and PSF are not. What they
    blur besides is taken off the PSF beforehand.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), floating point, linear light
        Edges are mirrored; the sides need not be multiples of ``factor``.
    psf : Tensor, (K, K) for all channels or (C, K, K) for each, floating point, K odd
        Samples ``factor`` px apart, centred on ``K // 2``. Its sum is the DC gain, kept to
        rounding. Smooth: the largest errors against direct convolution, for a step from 0 to 1
        and for a point of light (in parts of its blurred peak) are

        ======================= ============= ============= =============
        scale_px / factor       2             4             8
        ======================= ============= ============= =============
        Gaussian, sigma         2e-4, 2e-3    3e-5, 3e-4    2e-5, 2e-4
        exponential, to 1/e     2e-3, 0.12    3e-4, 0.06    9e-5, 0.03
        ======================= ============= ============= =============

        The exponential's are at its tip, and shrink with the weight that such a tail has.
    factor : int, at least 1
        1 is plain convolution. :func:`wide_factor` chooses.

    Returns
    -------
    Tensor, (B, C, H, W), same dtype and device as ``image``
        A flat field stays flat. Half precision is calculated in float32.

    Raises
    ------
    ValueError
        ``factor`` is below 1, or ``psf`` is not square with an odd side.
    """
    if factor < 1:
        raise ValueError(f"factor must be at least 1, got {factor}")
    if psf.ndim not in (2, 3) or psf.shape[-1] != psf.shape[-2] or psf.shape[-1] % 2 == 0:
        shape = "x".join(map(str, psf.shape))
        raise ValueError(f"psf must be square with an odd side, (K, K) or (C, K, K), got {shape}")
    weights = psf.detach().to("cpu", torch.float64).expand(image.shape[1], -1, -1)
    if factor == 1:
        return fft.convolve(image, weights)
    weights = _sharpened(weights)
    rim = weights.shape[-1] // 2 + _SPLINE_REACH
    coarse = _reduced(image, factor, rim)
    blurred = fft.convolve_padded(coarse, weights)
    if (weights >= 0).all():
        # light has no lower place to come from; the transform's rounding would say 1e-8 less
        floor = coarse.amin((-2, -1), keepdim=True)
        blurred = blurred.maximum(floor * weights.sum((-2, -1))[:, None, None].to(floor))
    out = roomy(image, image.shape)
    band = _band(factor).to(blurred)
    for source, target in zip(blurred.flatten(0, 1), out.flatten(0, 1), strict=True):
        _enlarge(source, band, target)
    return out


def wide_factor(scale_px: float) -> int:
    """How much coarser the pitch may be for a PSF whose finest scale is ``scale_px``.

    Parameters
    ----------
    scale_px : float, pixels
        Sigma of a Gaussian, or the length over which light falls to 1/e.

    Returns
    -------
    int, from 1 to ``MAX_FACTOR``
        The scale spans at least ``ENOUGH`` coarse pixels, or the factor is 1.
    """
    if scale_px != scale_px:
        raise ValueError("scale_px must be a number, got NaN")
    return max(1, int(min(scale_px / ENOUGH, MAX_FACTOR)))


def _sharpened(psf: Tensor) -> Tensor:
    """A PSF (C, K, K) less what the splines blur on the way down and up; nowhere negative where it was not.

    Van Cittert's iteration, held at 0, against the two splines' own samples.
    """
    spline = psf.new_tensor([1.0, 4.0, 1.0]) / 6
    blur = (spline[:, None] * spline).expand(len(psf), 1, 3, 3)
    held = bool((psf >= 0).all())
    found = psf
    for _ in range(_SHARPENINGS):
        seen = found[None]
        for _ in range(2):
            seen = F.conv2d(seen, blur, padding=1, groups=len(psf))
        found = found + psf - seen[0]
        if held:
            found = found.clamp(min=0)
    have, want = found.sum((-2, -1), keepdim=True), psf.sum((-2, -1), keepdim=True)
    if held:  # what was won at the zeros goes back where there is light
        return found * (want / have.clamp(min=torch.finfo(psf.dtype).tiny))
    return found + (want - have) / psf[0].numel()


def _band(factor: int) -> Tensor:
    """The matrix (cells * factor, cells + 4) that makes fine samples of coarse ones."""
    place = (torch.arange(_CELLS * factor, dtype=torch.float64) + 0.5) / factor - 0.5
    nodes = torch.arange(-_SPLINE_REACH, _CELLS + _SPLINE_REACH, dtype=torch.float64)
    return _spline(place[:, None] - nodes)


def _spline(distance: Tensor) -> Tensor:
    """The cubic B-spline, nowhere negative; those at all whole distances sum to 1.

    Centre and spread of these are the same wherever between coarse samples one stands, and so
    are those of a point of light that goes down and up through them. A mean over squares would
    move it by up to half a coarse pixel: 5 % of the peak at a sigma of 4 of these, against 0.03 %.
    """
    distance = distance.abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, near, far)


def _reduced(image: Tensor, factor: int, rim: int) -> Tensor:
    """Every ``factor``-th sample, spline-weighted, and ``rim`` more on each side, mirrored."""
    batch, channels, height, width = image.shape
    rows, columns = (-(-side // factor) + 2 * rim for side in (height, width))
    tiles = -(-columns // _CELLS)
    out = image.new_empty(batch, channels, rows, columns, dtype=_working(image))
    window = out.new_empty(
        (_CELLS + 2 * _SPLINE_REACH) * factor, (tiles * _CELLS + 2 * _SPLINE_REACH) * factor
    )
    # the enlargement's transpose: coarse sample j takes of x what it would give to x
    place = torch.arange(-_SPLINE_REACH * factor, (_CELLS + _SPLINE_REACH) * factor).double()
    band = _spline(((place + 0.5) / factor - 0.5) - torch.arange(_CELLS)[:, None].double())
    band = (band / factor).to(out)
    outside = (rim + _SPLINE_REACH) * factor
    for plane, target in zip(image.flatten(0, 1), out.flatten(0, 1), strict=True):
        for row in range(0, rows, _CELLS):
            copy_mirrored(plane, row * factor - outside, -outside, window)
            down = band @ window
            across = down.unfold(1, band.shape[1], _CELLS * factor) @ band.T
            place = target[row : row + _CELLS]
            place.copy_(across.flatten(1)[: len(place), :columns])
    return out


def _enlarge(coarse: Tensor, band: Tensor, out: Tensor) -> None:
    """Coarse rows and columns, ``_SPLINE_REACH`` too many on each side, into (H, W)."""
    height, width = out.shape
    step = band.shape[0]  # fine pixels of one product
    tiles = -(-width // step)
    wide = coarse.new_zeros(len(coarse), (tiles * _CELLS) + 2 * _SPLINE_REACH)
    wide[:, : coarse.shape[1]] = coarse
    across = (wide.unfold(1, band.shape[1], _CELLS) @ band.T).flatten(1)[:, :width]
    for top in range(0, height, step):
        rows = min(step, height - top)
        first = top // step * _CELLS
        source = across[first : first + band.shape[1]]
        target = out[top : top + rows]
        if target.dtype == source.dtype:
            torch.mm(band[:rows, : len(source)], source, out=target)
        else:
            target.copy_(band[:rows, : len(source)] @ source)


def _working(image: Tensor) -> torch.dtype:
    return torch.float64 if image.dtype == torch.float64 else torch.float32
