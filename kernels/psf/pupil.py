"""The opening that light passes, and the field in it.

A pupil is a grid of square cells that spans the rim's circle, u to the right and v down, so that a
defocused point of light looks like it in the picture. Where both its halves are mirror images, left
and right and up and down, a quarter stands for the whole: the one where both coordinates are
positive.
"""

from __future__ import annotations

from functools import lru_cache
from math import acos, cos, pi, radians, sin, sqrt

import torch
from torch import Tensor

from .wavefront import Lens, varies, wavefront_um


def pupil_axis(samples: int) -> Tensor:
    """(samples // 2,), float64: the middles of a pupil's cells, from its centre out to its rim at 1."""
    return (torch.arange(samples // 2, dtype=torch.float64) + 0.5) * (2 / samples)


def full_axis(samples: int) -> Tensor:
    """(samples,), float64: the middles of a pupil's cells, from rim to rim."""
    half = pupil_axis(samples)
    return torch.cat([-half.flip(0), half])


def is_mirrored(lens: Lens, field: float) -> bool:
    """Whether a quarter of the pupil stands for the whole."""
    straight = lens.blades == 0 or lens.roundness == 1
    hidden = lens.cat_eye and field
    return (
        not varies(lens, field)
        and not hidden
        and (lens.lca_um_per_100nm == 0 or field == 0)
        and (straight or (lens.blades % 2 == 0 and lens.rotation_deg == 0))
        and lens.sieve_holes % 2 == 0
    )


def opening(
    lens: Lens,
    u: Tensor,
    v: Tensor,
    cell: float,
    *,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
) -> Tensor:
    """How much of each cell of the pupil is open.

    Parameters
    ----------
    lens : Lens
    u, v : Tensors that broadcast, float64
        The middles of cells, right and down; the rim is at 1.
    cell : float
        A cell's side.
    field, azimuth_deg : float
        See :func:`~portrait_loupe.kernels.psf.wavefront.wavefront_um`.

    Returns
    -------
    Tensor, float64, 0..1
        Steps instead of shades would scatter light of their own. A hard opening's share of a cell is
        its share of the light too; apodisation is left to :func:`pupil_field`.
    """
    wide = u * lens.squeeze
    rho = torch.hypot(wide, v)

    def inside(distance: Tensor) -> Tensor:
        return (distance / cell + 0.5).clamp(0, 1)

    if lens.blades and lens.roundness < 1:
        open_ = inside(_to_blades(lens, wide, v, rho))
    else:
        open_ = inside(1 - rho)
    if lens.annulus:
        open_ = open_ * inside(rho - lens.annulus)
    if lens.sieve_holes:
        sieve = inside(lens.sieve_disc - rho) if lens.sieve_disc else torch.zeros_like(rho)
        for hole in range(lens.sieve_holes):
            turn = 2 * pi * hole / lens.sieve_holes
            away = torch.hypot(wide - lens.sieve_at * cos(turn), v - lens.sieve_at * sin(turn))
            sieve = sieve + inside(lens.sieve_hole - away)
        open_ = open_ * sieve.clamp(max=1)
    if lens.cat_eye and field:
        shift, turn = cat_eye_shift(lens.cat_eye) * field / 2, radians(azimuth_deg)
        for sign in (-1, 1):
            away = torch.hypot(wide - sign * shift * cos(turn), v - sign * shift * sin(turn))
            open_ = torch.minimum(open_, inside(1 - away))
    return open_


def _to_blades(lens: Lens, u: Tensor, v: Tensor, rho: Tensor) -> Tensor:
    """How far each place lies inside the blades; negative outside."""
    step = 2 * pi / lens.blades
    angle = torch.atan2(v, u) - radians(lens.rotation_deg)
    off = torch.remainder(angle, step) - step / 2  # from the middle of a blade
    straight = cos(step / 2) / torch.cos(off)
    edge = lens.roundness + (1 - lens.roundness) * straight
    tilt = (1 - lens.roundness) * straight * torch.tan(off) / edge  # of the edge to the circle
    return (edge - rho) / torch.sqrt(1 + tilt**2)


@lru_cache(maxsize=64)
def cat_eye_shift(hidden: float) -> float:
    """How far apart two circles of radius 1 stand that have ``1 - hidden`` of their area in common."""
    near, far = 0.0, 2.0
    for _ in range(60):
        middle = (near + far) / 2
        half = middle / 2
        common = 2 / pi * (acos(half) - half * sqrt(1 - half * half))
        near, far = (middle, far) if common > 1 - hidden else (near, middle)
    return (near + far) / 2


def transmission(lens: Lens, u: Tensor, v: Tensor) -> Tensor:
    """The amplitude that an apodising filter passes, 0..1."""
    return torch.exp(-lens.apodisation * ((u * lens.squeeze) ** 2 + v**2))


def pupil_field(
    lens: Lens,
    wavelength_um: float,
    u: Tensor,
    v: Tensor,
    open_: Tensor,
    *,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
) -> Tensor:
    """The complex field in the exit pupil.

    Parameters
    ----------
    lens : Lens
    wavelength_um : float, um
    u, v : Tensors that broadcast, float64
        The middles of cells.
    open_ : Tensor, float64
        As from :func:`opening`, times :func:`transmission`.
    field, azimuth_deg : float

    Returns
    -------
    Tensor, complex128
        A exp(i 2 pi W / lambda).
    """
    path = wavefront_um(lens, u, v, wavelength_um, field=field, azimuth_deg=azimuth_deg)
    return torch.polar(open_, (path * (2 * pi / wavelength_um)).expand(open_.shape))


def rim_ratio(lens: Lens) -> float:
    """Rim by area of the opening, that of a full circle being 1: how far diffraction spreads light."""
    rim, area = 1.0, 1.0
    if lens.sieve_holes:
        rim = lens.sieve_disc + lens.sieve_holes * lens.sieve_hole
        area = lens.sieve_disc**2 + lens.sieve_holes * lens.sieve_hole**2
    elif lens.annulus:
        rim, area = 1 + lens.annulus, 1 - lens.annulus**2
    return rim / area * (1 + lens.squeeze) / 2
