"""What a lens does to contrast, and how far it spreads light."""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from functools import lru_cache
from math import ceil, cos, pi, radians, sin

import torch
from torch import Tensor

from .psf import CAMERA, MAX_PUPIL, Spectrum, check_place
from .pupil import full_axis, is_mirrored, opening, pupil_field, transmission
from .tails import core_share, tail_otf, wide_tails
from .wavefront import Lens, bend_um, steepest_um, wavefront_um

LEAST_OVERLAP = 160  # samples of the pupil: diffraction's MTF to 3e-4


def mtf(psf: Tensor, cycles_per_px: Sequence[float], angle_deg: float = 0.0) -> Tensor:
    """The contrast that a PSF leaves in fine lines.

    Parameters
    ----------
    psf : Tensor, (..., K, K)
        Each plane sums to 1.
    cycles_per_px : sequence of F floats
        Lines per pixel; lp/mm times the pitch in mm. From 0.5 (Nyquist) on pixels cannot show them.
    angle_deg : float, degrees
        The direction in which the lines follow one another: 0 across the picture, so that they
        stand upright; 90 down it.

    Returns
    -------
    Tensor, (..., F), float64, 0..1
    """
    light = psf.double()
    x = torch.arange(light.shape[-1], dtype=torch.float64, device=psf.device) - psf.shape[-1] // 2
    frequency = torch.as_tensor(cycles_per_px, dtype=torch.float64, device=psf.device)
    turn = radians(angle_deg)
    one = torch.ones((), dtype=torch.float64, device=psf.device)
    across = torch.polar(one, 2 * pi * x[:, None] * frequency * cos(turn))  # (K, F)
    down = torch.polar(one, 2 * pi * x[:, None] * frequency * sin(turn))
    return (down * (light.to(across.dtype) @ across)).sum(-2).abs()


def otf(psf: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """The transfer function of a PSF at the frequencies of a picture.

    Parameters
    ----------
    psf : Tensor, (..., K, K), K odd
    size : (height, width), each at least K, optional
        Of the picture; without it K and K.

    Returns
    -------
    Tensor, (..., height, width // 2 + 1), complex128
        As ``torch.fft.rfft2`` orders it: frequency 0 first. A PSF that is the same on opposite sides
        has a real one.
    """
    side = psf.shape[-1]
    height, width = size or (side, side)
    if min(height, width) < side:
        raise ValueError(f"size must be at least the PSF's {side} px, got {height}x{width}")
    room = torch.zeros(*psf.shape[:-2], height, width, dtype=torch.float64, device=psf.device)
    room[..., :side, :side] = psf.double()
    return torch.fft.rfft2(room.roll((-(side // 2), -(side // 2)), (-2, -1)))


def centroid_px(psf: Tensor) -> Tensor:
    """Where a PSF's light is on average, from its centre.

    Parameters
    ----------
    psf : Tensor, (..., K, K)
        Each plane sums to 1.

    Returns
    -------
    Tensor, (..., 2), float64, pixels
        Right and down.
    """
    light = psf.double()
    x = torch.arange(psf.shape[-1], dtype=torch.float64, device=psf.device) - psf.shape[-1] // 2
    return torch.stack([(light.sum(-2) * x).sum(-1), (light.sum(-1) * x).sum(-1)], -1)


def mtf_lp_mm(
    lens: Lens,
    lp_mm: Sequence[float],
    *,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
    spectrum: Spectrum = CAMERA,
) -> Tensor:
    """The contrast that a whole lens leaves on film, tails and glare included.

    Calculated from the pupil's overlap with itself, so nothing is cut off by a window, and from the
    tails' transfer functions. Pixels are not in it.

    Parameters
    ----------
    lens : Lens
    lp_mm : sequence of F floats, line pairs per mm
    field, azimuth_deg : float
        The place in the picture, see :func:`~portrait_loupe.kernels.psf.compute_psf`.
    spectrum : Spectrum

    Returns
    -------
    Tensor, (2, 3, F), float64, 0..1
        Tangential (lines that circle the picture's centre), then sagittal (lines that point to it);
        of red, green and blue.

    Raises
    ------
    ValueError
        No place in the picture, or aberrations beyond what can be calculated.

    References
    ----------
    .. [1] Goodman, Introduction to Fourier Optics, 4th ed., eq. 7-24 and 7-28.
    """
    check_place(field, azimuth_deg)
    place = (field, azimuth_deg)
    frequencies = [float(each) / 1000 for each in lp_mm]  # cycles per um
    weights = torch.tensor(spectrum.weights, dtype=torch.complex128)
    core = torch.zeros(2, len(weights), len(frequencies), dtype=torch.complex128)
    for axis in range(1 if _is_round(lens, field) else 2):
        for at, cycles_um in enumerate(frequencies):
            per_wave = [
                _overlap(lens, wave, cycles_um, azimuth_deg + 90 * axis, place)
                for wave in spectrum.wavelengths_um
            ]
            core[axis, :, at] = weights @ torch.tensor(per_wave, dtype=weights.dtype)
    if _is_round(lens, field):
        core[1] = core[0]
    cycles = torch.tensor(frequencies, dtype=torch.float64)
    blur = torch.exp(-2 * (pi * lens.residual_sigma_um * cycles) ** 2)
    whole = core * blur * torch.tensor(core_share(lens), dtype=torch.float64)[:, None]
    for tail in wide_tails(lens):
        whole = whole + torch.tensor(tail.shares, dtype=torch.float64)[:, None] * tail_otf(
            tail, cycles
        )
    return whole.abs()


def _is_round(lens: Lens, field: float) -> bool:
    """Whether all directions are alike."""
    blades = lens.blades and lens.roundness < 1
    return is_mirrored(lens, field) and not (blades or lens.sieve_holes) and lens.squeeze == 1


def _overlap(
    lens: Lens, wavelength_um: float, cycles_um: float, angle_deg: float, place: tuple[float, float]
) -> complex:
    """One wavelength's transfer function at one frequency."""
    half = wavelength_um * lens.f_number * cycles_um  # half the shift, in radii of the pupil
    if half >= 1:
        return 0j
    samples = _overlap_samples(lens, wavelength_um, half, place[0])
    axis, turn = full_axis(samples), radians(angle_deg)
    sides = []
    for sign in (-1, 1):
        u = axis[None, :] + sign * half * cos(turn)
        v = axis[:, None] + sign * half * sin(turn)
        hard = opening(lens, u, v, 2 / samples, field=place[0], azimuth_deg=place[1])
        path = wavefront_um(lens, u, v, wavelength_um, field=place[0], azimuth_deg=place[1])
        sides.append((hard, transmission(lens, u, v), path))
    (hard, passed, path), (other_hard, other_passed, other_path) = sides
    # the lesser of two shades: at frequency 0 a cell half open counts half, not a quarter
    common = torch.minimum(hard, other_hard) * passed * other_passed
    turns = (path - other_path) / wavelength_um
    seen = complex(torch.polar(common, 2 * pi * turns).sum()) / _energy(lens, samples, place)
    outward = lens.lateral_um(wavelength_um, place[0]) * cos(turn - radians(place[1]))
    return seen * cmath.exp(-2j * pi * cycles_um * outward)


def _overlap_samples(lens: Lens, wavelength_um: float, half: float, field: float) -> int:
    """So many that the phase between the sides turns by 0.4 of a wave per sample at most."""
    slope = 2 * half * bend_um(lens, wavelength_um, field)
    slope = min(slope, 2 * steepest_um(lens, wavelength_um, field))
    samples = max(LEAST_OVERLAP, 2 * ceil(2.5 * slope / wavelength_um))
    if samples > MAX_PUPIL:
        raise ValueError(
            f"the pupil of {lens.name!r} must have at most {MAX_PUPIL} samples for its contrast, it "
            f"needs {samples}. Lower its aberrations, its focus_um or its f_number."
        )
    return samples


@lru_cache(maxsize=256)
def _energy(lens: Lens, samples: int, place: tuple[float, float]) -> float:
    """The light that passes a pupil, in cells."""
    axis = full_axis(samples)
    u, v = axis[None, :], axis[:, None]
    hard = opening(lens, u, v, 2 / samples, field=place[0], azimuth_deg=place[1])
    return float((hard * transmission(lens, u, v) ** 2).sum())


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


def strehl(
    lens: Lens,
    wavelength_um: float,
    pupil_samples: int = 512,
    *,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
) -> float:
    """The PSF's peak in one wavelength, as a share of the peak without aberrations.

    Parameters
    ----------
    lens : Lens
        Its residual blur and tails are left out: Strehl's ratio speaks of the wavefront.
    wavelength_um : float, um
    pupil_samples : int
    field, azimuth_deg : float
        The place in the picture.

    Returns
    -------
    float, 0..1
    """
    axis = full_axis(pupil_samples)
    u, v = axis[None, :], axis[:, None]
    place = {"field": field, "azimuth_deg": azimuth_deg}
    light = opening(lens, u, v, 2 / pupil_samples, **place) * transmission(lens, u, v)
    waves = pupil_field(lens, wavelength_um, u, v, light, **place)
    return float((waves.sum().abs() / light.sum()) ** 2)
