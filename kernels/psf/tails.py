"""The light that a lens, a filter or film throws far: glare, diffusion, halation.

A tail is hundreds of times wider than the core of a PSF and carries a few per cent of the light, so
it is no part of :func:`~portrait_loupe.kernels.psf.compute_psf`: a picture is blurred by it at a
lower resolution, and the whole lens is ``core_share * core + sum(share * tail)`` in each channel.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, pi, sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from .wavefront import Lens

PROFILES = ("gaussian", "exponential", "glare")
GLARE_UM = 2000.0  # a lens's own glare: half of it falls within 3.5 mm, a tenth of full frame
LEAST_CORE = 0.05  # of the light; with less there is no picture left
_MAX_NODES = 24  # where a pixel is ten scales wide; there the pixel in the middle holds 0.999


def check_number(name: str, value: object) -> None:
    """Refuse what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if isinstance(value, int) and abs(value) > 10**12:  # float() of some would overflow
        raise ValueError(f"{name} must be a sensible number, it has {len(str(value))} digits")
    if not isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")


@dataclass(frozen=True)
class Tail:
    """A wide spread of a share of the light."""

    profile: str
    """``gaussian`` exp(-r^2 / 2 s^2), ``exponential`` exp(-r / s) or ``glare`` (1 + (r / s)^2)^-1.5."""
    share_r: float
    share_g: float
    share_b: float
    """Of a channel's light, 0..1."""
    scale_um: float
    """s, on film or sensor."""

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(
                f"a tail's profile must be one of {', '.join(PROFILES)}, got {self.profile!r}"
            )
        for field in fields(self)[1:]:
            check_number(f"a tail's {field.name}", getattr(self, field.name))
        if min(self.shares) < 0 or max(self.shares) > 1:
            raise ValueError(
                f"a tail's shares must be from 0 to 1, got {', '.join(f'{s:g}' for s in self.shares)}"
            )
        if not 0.1 <= self.scale_um <= 100_000:
            raise ValueError(f"a tail's scale_um must be from 0.1 to 100000, got {self.scale_um:g}")

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of red, green and blue light."""
        return (self.share_r, self.share_g, self.share_b)


def wide_tails(lens: Lens) -> tuple[Tail, ...]:
    """All that spreads a lens's light far: its tails, and its glare as one of them."""
    if lens.glare == 0:
        return lens.tails
    return (*lens.tails, Tail("glare", lens.glare, lens.glare, lens.glare, GLARE_UM))


def core_share(lens: Lens) -> tuple[float, float, float]:
    """What the tails leave to the core, ``1 - sum(tail shares) - glare``, of red, green and blue."""
    tails = wide_tails(lens)
    red, green, blue = (1 - sum(tail.shares[channel] for tail in tails) for channel in range(3))
    return red, green, blue


def tail_otf(tail: Tail, cycles_um: Tensor) -> Tensor:
    """What a tail leaves of contrast, on its own; 1 at frequency 0.

    Parameters
    ----------
    tail : Tail
    cycles_um : Tensor, any shape, cycles per um
        lp/mm divided by 1000.

    Returns
    -------
    Tensor, same shape, 0..1
        The Hankel transforms exp(-2 (pi s f)^2), (1 + (2 pi s f)^2)^-1.5 and exp(-2 pi s f) [1]_.

    References
    ----------
    .. [1] Bracewell, The Fourier Transform and Its Applications, 3rd ed., table 13.4.
    """
    turns = 2 * pi * tail.scale_um * cycles_um.abs()
    if tail.profile == "gaussian":
        return torch.exp(-(turns**2) / 2)
    if tail.profile == "exponential":
        return (1 + turns**2) ** -1.5
    return torch.exp(-turns)


def tail_psf(tail: Tail, pitch_um: float, support_px: int) -> Tensor:
    """A tail on pixels, whatever its share.

    Parameters
    ----------
    tail : Tail
    pitch_um : float, um per pixel
        For a picture made ``factor`` times smaller, ``factor`` times as much.
    support_px : int, odd
        The side. What falls outside is added to what is inside, in proportion.

    Returns
    -------
    Tensor, (K, K), float64, K = support_px
        Non-negative with the sum 1, integrated over the pixel's area.

    Raises
    ------
    ValueError
        A pitch that is not positive, or an even support.
    """
    if not (isfinite(pitch_um) and pitch_um > 0):
        raise ValueError(f"pitch_um must be above 0 um per pixel, got {pitch_um:g}")
    if support_px < 1 or support_px % 2 == 0:
        raise ValueError(f"support_px must be odd and positive, got {support_px}")
    size = pitch_um / tail.scale_um  # of a pixel, in scales
    reach = support_px // 2
    if tail.profile == "gaussian":
        # left of the middle, where differences of small numbers keep their digits
        edges = (torch.arange(-reach, 1, dtype=torch.float64) - 0.5) * size
        half = torch.special.erfc(-edges / sqrt(2)).diff() / 2
        middle = torch.special.erf(torch.tensor([size / 2 / sqrt(2)], dtype=torch.float64))
        line = torch.cat([half, middle, half.flip(0)])
        light = line[:, None] * line
    elif tail.profile == "glare":
        light = _mirrored(_glare_quarter(size, reach))
    else:
        light = _mirrored(_exponential_quarter(size, reach))
    light = light.clamp(min=0)  # differences of nearly equal numbers end at -1e-17
    return light / light.sum()


def _mirrored(quarter: Tensor) -> Tensor:
    """(n + 1, n + 1), the pixel in the middle first -> (2 n + 1, 2 n + 1)."""
    half = torch.cat([quarter.flip(0)[:-1], quarter])
    return torch.cat([half.flip(1)[:, :-1], half], 1)


def _glare_quarter(size: float, reach: int) -> Tensor:
    """Exact: the profile is how large a square looks from a point that is one scale above it."""
    edge = (torch.arange(-1, reach + 1, dtype=torch.float64) + 0.5) * size
    x, y = edge[None, :], edge[:, None]
    corner = torch.atan(x * y / torch.sqrt(1 + x**2 + y**2))
    return corner.diff(dim=0).diff(dim=1)


def _exponential_quarter(size: float, reach: int) -> Tensor:
    """Gauss-Legendre in every pixel; the one in the middle, where there is a cusp, in polar form."""
    nodes = min(_MAX_NODES, 4 + int(2 * size))
    points, weights = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(nodes))
    centre = torch.arange(reach + 1, dtype=torch.float64) * size
    light = torch.zeros(reach + 1, reach + 1, dtype=torch.float64)
    for dy, wy in zip(points.tolist(), weights.tolist(), strict=True):
        y = centre[:, None, None] + dy * size / 2
        x = centre[None, :, None] + points * size / 2
        light += wy * (torch.exp(-torch.hypot(x, y)) @ weights)
    light *= size**2 / 4
    angle, weight = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(32))
    rim = size / 2 / torch.cos((angle + 1) * pi / 8)  # an eighth of a turn, from side to corner
    light[0, 0] = float(((1 - torch.exp(-rim) * (1 + rim)) * weight).sum()) * pi
    return light
