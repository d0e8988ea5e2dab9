"""Gaussians and bands on a mask: what lies outside of it does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, pi, sqrt

import torch
from torch import Tensor

HALF_POWER = 0.1325
"""sqrt(ln 2) / 2 pi: a Gaussian of so many periods passes half of their power."""
_REACH = 4.0  # sigmas: beyond a Gaussian is below 1e-4 of its height
_ROUND = 32  # sides of a transform are multiples of it, which is faster


def on_mask(planes: Tensor, mask: Tensor, sigmas: Sequence[float]) -> list[Tensor]:
    """G(m planes) / G(m) [1]_ for each sigma, (N, H, W); 0 where the mask (H, W) is far away.

    The Gaussians are those of their spectra, so that they are right below a pixel too.

    References
    ----------
    .. [1] Knutsson and Westin, Normalized and differential convolution, CVPR 1993, eq. 4.
    """
    rows, columns = mask.shape
    reach = ceil(_REACH * max(sigmas))  # of zeros, so that nothing comes round from the other side
    tall, wide = (-(-(side + reach) // _ROUND) * _ROUND for side in (rows, columns))
    # about 0, where single precision is finest; the quotient gives the mean back
    mean = (planes * mask).sum((1, 2), keepdim=True) / mask.sum().clamp(min=1e-6)
    spectrum = torch.fft.rfft2(torch.cat([(planes - mean) * mask, mask[None]]), s=(tall, wide))
    down, across = torch.fft.fftfreq(tall)[:, None], torch.fft.rfftfreq(wide)
    squared = down**2 + across**2
    found = []
    for sigma in sigmas:
        passed = torch.exp(-2 * (pi * sigma) ** 2 * squared)
        smooth = torch.fft.irfft2(spectrum * passed, s=(tall, wide))[:, :rows, :columns]
        weight = smooth[-1:]
        found.append((smooth[:-1] / weight.clamp(min=1e-5) + mean) * (weight > 1e-5))
    return found


def split_bands(
    planes: Tensor, mask: Tensor, edges_px: Sequence[float], blur_px2: float = 0.0
) -> list[Tensor]:
    """Planes (N, H, W) in bands between periods, the finest first, each 0 off the mask.

    Parameters
    ----------
    edges_px : periods, pixels
        The finest band begins at the pixel itself, the others at these: one band for each.
    blur_px2 : float
        Variance of a Gaussian that the planes are blurred with first.
    """
    sigmas = [sqrt(blur_px2 + (HALF_POWER * edge) ** 2) for edge in (0.0, *edges_px)]
    lows = on_mask(planes, mask, sigmas)
    return [(fine - coarse) * mask for fine, coarse in pairwise(lows)]
