"""sRGB <-> linear light (IEC 61966-2-1)."""

from __future__ import annotations

import torch
from torch import Tensor

_CODED_KNEE = 0.04045
# The standard prints 0.0031308; with the quotient, decoding and encoding take the same branch,
# so that every coded value comes back (the printed figure is off by 3e-8 just above the knee).
_LINEAR_KNEE = _CODED_KNEE / 12.92


def srgb_to_linear(coded: Tensor) -> Tensor:
    """Light that a display makes of coded values.

    Parameters
    ----------
    coded : Tensor, any shape, sRGB
        Clamped to [0, 1] first: the code says nothing outside.

    Returns
    -------
    Tensor, same shape and dtype, linear light in [0, 1]
    """
    light = coded.clamp(0, 1)
    dark = light <= _CODED_KNEE
    straight = light / 12.92
    # in place: half of the time goes into fresh memory
    light.add_(0.055).div_(1.055).pow_(2.4)
    return torch.where(dark, straight, light, out=light)


def linear_to_srgb(light: Tensor) -> Tensor:
    """Coded values that make a display emit this light.

    Parameters
    ----------
    light : Tensor, any shape, linear light
        Clamped to [0, 1] first.

    Returns
    -------
    Tensor, same shape and dtype, sRGB in [0, 1]
    """
    coded = light.clamp(0, 1)
    dark = coded <= _LINEAR_KNEE
    straight = coded * 12.92
    coded.pow_(1 / 2.4).mul_(1.055).sub_(0.055)
    return torch.where(dark, straight, coded, out=coded)
