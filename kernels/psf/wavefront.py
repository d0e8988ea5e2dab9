"""A lens in numbers, and the wavefront it leaves in its pupil."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lens:
    """A lens on its axis, as its wavefront describes it.

    Every field but the name is a number with its unit, so ``dataclasses.asdict`` gives JSON and
    ``Lens(**values)`` takes it back. Wavefront coefficients are optical path differences at the
    rim of the pupil, in micrometres.
    """

    name: str
    f_number: float
    focus_um: float = 0.0
    """How far the sensor stands from the paraxial focus; 0 is paraxial, where spherical aberration
    glows most, and negative approaches the best focus of a positive ``w040_um``."""
    w040_um: float = 0.0
    """Primary spherical aberration."""
    w060_um: float = 0.0
    """Secondary spherical aberration."""
    loca_um: float = 0.0
    """Longitudinal colour: how far focus moves 100 nm away from 550 nm, to either side."""
    residual_sigma_um: float = 0.0
    """What making, centring and film add: the sigma of a Gaussian blur."""

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{field.name} must be a number, got {value!r}")
            if not isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name must be a text that is not empty, got {self.name!r}")
        if not 0.5 <= self.f_number <= 128:
            raise ValueError(f"f_number must be from 0.5 to 128, got {self.f_number:g}")
        if self.residual_sigma_um < 0:
            raise ValueError(f"residual_sigma_um must be 0 or more, got {self.residual_sigma_um:g}")

    def w020_um(self, wavelength_um: float) -> float:
        """Defocus at the rim of the pupil: the focus setting and longitudinal colour, micrometres.

        W020 = dz / (8 N^2), dz = focus + loca ((lambda - 0.55) / 0.1)^2.
        """
        dz = self.focus_um + self.loca_um * ((wavelength_um - 0.55) / 0.1) ** 2
        return dz / (8 * self.f_number**2)


def wavefront_um(lens: Lens, rho: Tensor, wavelength_um: float) -> Tensor:
    """Optical path difference over the pupil.

    Parameters
    ----------
    lens : Lens
    rho : Tensor, any shape
        Radius in the pupil, 1 at its rim.
    wavelength_um : float, um

    Returns
    -------
    Tensor, same shape, um
        W020 rho^2 + W040 rho^4 + W060 rho^6 [1]_.

    References
    ----------
    .. [1] Born & Wolf, Principles of Optics, 7th ed., section 5.3.
    """
    squared = rho**2
    return squared * (
        lens.w020_um(wavelength_um) + squared * (lens.w040_um + squared * lens.w060_um)
    )


def steepest_um(lens: Lens, wavelength_um: float) -> float:
    """The largest slope ``|dW / drho|`` in the pupil, um; times 2 N it is the farthest ray's miss."""
    rho = torch.linspace(0, 1, 1001, dtype=torch.float64)
    slope = (
        2 * lens.w020_um(wavelength_um) * rho
        + 4 * lens.w040_um * rho**3
        + 6 * lens.w060_um * rho**5
    )
    return float(slope.abs().max())
