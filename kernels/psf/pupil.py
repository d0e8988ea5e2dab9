"""The opening that light passes, and the field in it.

On the axis a lens is the same on all sides, so a quarter of its pupil stands for the whole: the
one where both coordinates are positive.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from .wavefront import Lens, wavefront_um


def pupil_axis(samples: int) -> Tensor:
    """(samples // 2,), float64: the middles of a pupil's cells, from its centre out to its rim at 1."""
    return (torch.arange(samples // 2, dtype=torch.float64) + 0.5) * (2 / samples)


def circle(samples: int) -> Tensor:
    """A quarter of a round opening that fills its square.

    Parameters
    ----------
    samples : int, even
        Along the side of the whole square.

    Returns
    -------
    Tensor, (samples // 2, samples // 2), float64, 0..1
        How much of each cell is open. Steps instead of shades would scatter light of their own.
    """
    axis = pupil_axis(samples)
    rho = torch.hypot(axis[:, None], axis[None, :])
    return ((1 - rho) * (samples / 2) + 0.5).clamp(0, 1)


def pupil_field(lens: Lens, wavelength_um: float, opening: Tensor) -> Tensor:
    """A quarter of the complex field in the exit pupil.

    Parameters
    ----------
    lens : Lens
    wavelength_um : float, um
    opening : Tensor, (n, n), float64
        A quarter, as from :func:`circle`.

    Returns
    -------
    Tensor, (n, n), complex128
        A exp(i 2 pi W / lambda).
    """
    axis = pupil_axis(2 * opening.shape[-1])
    rho = torch.hypot(axis[:, None], axis[None, :])
    phase = wavefront_um(lens, rho, wavelength_um) * (2 * pi / wavelength_um)
    return torch.polar(opening, phase)
