"""What a lens does to contrast, and how far it spreads light."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, pi

import torch
from torch import Tensor

from .pupil import circle, pupil_field
from .wavefront import Lens


def mtf(psf: Tensor, cycles_per_px: Sequence[float]) -> Tensor:
    """The contrast that a PSF leaves in fine lines.

    Parameters
    ----------
    psf : Tensor, (..., K, K)
        Each plane sums to 1.
    cycles_per_px : sequence of F floats
        Lines per pixel, across the picture; lp/mm times the pitch in mm. From 0.5 (Nyquist) on
        pixels cannot show them.

    Returns
    -------
    Tensor, (..., F), float64, 0..1
        For lines that stand upright: a round pupil treats all directions alike.
    """
    lsf = psf.double().sum(-2)  # (..., K)
    x = torch.arange(lsf.shape[-1], dtype=torch.float64, device=psf.device) - lsf.shape[-1] // 2
    frequency = torch.as_tensor(cycles_per_px, dtype=torch.float64, device=psf.device)
    turns = x[:, None] * frequency[None, :]  # (K, F)
    return torch.hypot(lsf @ torch.cos(2 * pi * turns), lsf @ torch.sin(2 * pi * turns))


def encircled_radius_px(psf: Tensor, energy: float) -> Tensor:
    """The radius around the centre within which a share of the light falls.

    Parameters
    ----------
    psf : Tensor, (..., K, K)
        Each plane sums to 1; a pixel's light is spread evenly over its area.
    energy : float in (0, 1)

    Returns
    -------
    Tensor, (...), float64, pixels
        Half the EE80 diameter for ``energy=0.8``. One bright pixel alone has 0.505.
    """
    side = psf.shape[-1]
    cuts = (
        max(1, ceil(128 / side)) | 1
    )  # odd; then a cell is at most 1/128 of the PSF, or one pixel
    axis = (torch.arange(side * cuts, dtype=torch.float64) - (side * cuts - 1) / 2) / cuts
    radius, order = torch.hypot(axis[:, None], axis[None, :]).flatten().sort()
    light = psf.double().cpu().repeat_interleave(cuts, -1).repeat_interleave(cuts, -2) / cuts**2
    inside = light.flatten(-2)[..., order].cumsum(-1)
    first = (inside < energy).sum(-1).clamp(max=radius.numel() - 1)
    return radius[first].to(psf.device)


def strehl(lens: Lens, wavelength_um: float, pupil_samples: int = 512) -> float:
    """The PSF's peak in one wavelength, as a share of the peak without aberrations.

    Parameters
    ----------
    lens : Lens
        Its residual blur is left out: Strehl's ratio speaks of the wavefront.
    wavelength_um : float, um
    pupil_samples : int

    Returns
    -------
    float, 0..1
    """
    opening = circle(pupil_samples)
    return float((pupil_field(lens, wavelength_um, opening).sum().abs() / opening.sum()) ** 2)
