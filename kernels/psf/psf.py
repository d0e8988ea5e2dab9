"""From the pupil to the light on the sensor's pixels, by matrix Fourier transform.

One wavelength at a time: the pupil's field is transformed straight onto the output grid, which is
the same for every wavelength, fine enough for the shortest of them; its squared magnitude is then
summed over each pixel. A pupil that is the same left and right and up and down needs a quarter of
the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, isfinite, pi, radians, sin, sqrt

import torch
from torch import Tensor

from .pupil import (
    full_axis,
    is_mirrored,
    opening,
    pupil_axis,
    pupil_field,
    rim_ratio,
    transmission,
)
from .wavefront import Lens, steepest_um

MAX_SUPPORT_PX = (
    511  # 8K at 3.5 mm: the catalogue's widest at 0.45 um per pixel, 0.3 s on two cores
)
MAX_PUPIL = 2048  # samples; a quarter of the field takes 16 MB
ENERGY = 0.996  # of the light that a PSF must hold; without the rest MTF is up to 0.005 too high


@dataclass(frozen=True)
class Spectrum:
    """Wavelengths, and how much each colour channel sees of them."""

    wavelengths_um: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    """One row per channel, one entry per wavelength; each row sums to 1."""


def monochromatic(wavelength_um: float) -> Spectrum:
    """One wavelength in all three channels: what textbooks calculate with."""
    return Spectrum((wavelength_um,), ((1.0,),) * 3)


def _camera(waves: int) -> Spectrum:
    wavelengths = torch.linspace(0.40, 0.70, waves, dtype=torch.float64)
    peaks = torch.tensor([[0.600], [0.537], [0.460]], dtype=torch.float64)
    sigmas = torch.tensor([[0.032], [0.038], [0.028]], dtype=torch.float64)
    weights = torch.exp(-(((wavelengths - peaks) / sigmas) ** 2) / 2)
    weights = weights / weights.sum(1, keepdim=True)
    return Spectrum(tuple(wavelengths.tolist()), tuple(tuple(row) for row in weights.tolist()))


CAMERA = _camera(13)
"""A camera's red, green and blue: Gaussians at 600, 537 and 460 nm, sigma 32, 38 and 28 nm."""
CAMERA_COARSE = _camera(7)
"""The same in half the waves, for many PSFs across a frame: MTF within 0.01 of :data:`CAMERA`'s."""


@dataclass(frozen=True)
class Sampling:
    """How finely a PSF is calculated."""

    oversampling: int
    """Fine samples along a pixel's side."""
    window_samples: int
    """Fine samples along the side of the square that is calculated."""
    pupil_samples: int
    """Samples along the pupil's side."""

    @property
    def support_px(self) -> int:
        """Side of the odd square of whole pixels around the window."""
        pixels = ceil(self.window_samples / self.oversampling)
        return pixels + 1 - pixels % 2


def plan_sampling(
    lens: Lens,
    pitch_um: float,
    window_um: float,
    spectrum: Spectrum = CAMERA,
    *,
    field: float = 0.0,
) -> Sampling:
    """A sampling that keeps all three rules of :func:`check_sampling`, with little to spare.

    Parameters
    ----------
    lens : Lens
    pitch_um : float, um per pixel
    window_um : float, um
        Side of the square to calculate.
    spectrum : Spectrum
    field : float, 0..1

    Returns
    -------
    Sampling
    """
    shortest = min(spectrum.wavelengths_um)
    oversampling = ceil(pitch_um / (shortest * lens.f_number / 2) - 1e-9)
    if lens.residual_sigma_um < pitch_um / oversampling:
        # Summed samples stand for the pixel's area to (pi f dx)^2 / 6: 0.4 % at f = 0.25 cycles/px.
        # A residual blur wider than dx makes the same sum exact to 1e-8.
        oversampling = max(oversampling, 5)
    window = ceil(window_um / pitch_um * oversampling - 1e-9)
    window += (window - oversampling) % 2  # pixels' edges fall between samples
    # 1.15 windows is where copies of the PSF stay out. At 3 the rim's cells are small enough for the
    # light in a window to come out within 4e-4 of Airy's; at 1.15 it was 1e-3 off.
    periods = window * pitch_um / oversampling / (shortest * lens.f_number)
    # A whole pupil is four times the work, so there it is 1.6: 1e-3 off.
    finer = 3 if is_mirrored(lens, field) else 1.6
    copies = max(1.15 * periods, min(finer * periods, MAX_PUPIL))
    # 0.4 of a wave per sample, where 0.5 is the limit
    phase = max(5 * steepest_um(lens, w, field) / w for w in spectrum.wavelengths_um)
    samples = max(192, ceil(copies), ceil(phase))
    return Sampling(oversampling, window, samples + samples % 2)


def check_sampling(
    lens: Lens,
    pitch_um: float,
    sampling: Sampling,
    spectrum: Spectrum = CAMERA,
    *,
    field: float = 0.0,
) -> None:
    """Refuse a sampling that would make a wrong PSF which looks right.

    Parameters
    ----------
    lens : Lens
    pitch_um : float, um per pixel
    sampling : Sampling
    spectrum : Spectrum
    field : float, 0..1

    Raises
    ------
    ValueError
        The fine samples are wider than lambda N / 2; the pupil has so few samples that copies of
        the PSF (they lie lambda N n apart) fall into its window; the phase turns by half a wave or
        more from one pupil sample to the next; the fine samples straddle pixels' edges; or the
        calculation would be too large.
    """
    support, samples = sampling.support_px, sampling.pupil_samples
    if min(sampling.oversampling, sampling.window_samples, samples) < 1:
        raise ValueError(f"a sampling must be positive, got {sampling}")
    if (sampling.window_samples - sampling.oversampling) % 2 or samples % 2:
        raise ValueError(
            "window_samples and oversampling must both be odd or both be even, pupil_samples even, "
            f"got {sampling}"
        )
    way_out = "Choose a larger format_mm, a smaller picture or a lens that blurs less."
    if support > MAX_SUPPORT_PX:
        raise ValueError(
            f"the PSF of {lens.name!r} at {pitch_um:.3g} um per pixel must be at most "
            f"{MAX_SUPPORT_PX} px wide, it is wider. {way_out}"
        )
    if samples > MAX_PUPIL:
        raise ValueError(
            f"the pupil of {lens.name!r} at {pitch_um:.3g} um per pixel must have at most "
            f"{MAX_PUPIL} samples, it needs {samples}. {way_out}"
        )
    shortest = min(spectrum.wavelengths_um)
    spacing, widest = pitch_um / sampling.oversampling, shortest * lens.f_number / 2
    if spacing > widest * (1 + 1e-9):
        raise ValueError(
            f"samples {spacing:.3g} um apart are too coarse for f/{lens.f_number:g} at {shortest:g} um, "
            f"at most {widest:.3g} um is allowed. Raise oversampling from {sampling.oversampling}."
        )
    window_um = sampling.window_samples * spacing
    copies = 1.15 * window_um / (shortest * lens.f_number)
    if samples < copies - 1e-9:
        raise ValueError(
            f"{samples} pupil samples let copies of the PSF into its {window_um:.4g} um, "
            f"at least {ceil(copies)} are needed. Raise pupil_samples."
        )
    for wavelength in spectrum.wavelengths_um:
        step = steepest_um(lens, wavelength, field) * (2 / samples) / wavelength
        if step >= 0.5:
            raise ValueError(
                f"the wavefront of {lens.name!r} turns by {step:.2f} waves between two of {samples} "
                f"pupil samples at {wavelength:g} um, it must stay below 0.5. Raise pupil_samples."
            )


def compute_psf(
    lens: Lens,
    pitch_um: float,
    *,
    support_px: int | None = None,
    sampling: Sampling | None = None,
    spectrum: Spectrum = CAMERA,
    energy: float = ENERGY,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
) -> Tensor:
    """The light of a point on the sensor's pixels: the core of a lens's point spread function.

    Its tails and glare are apart, see :func:`~portrait_loupe.kernels.psf.tail_psf`.

    Parameters
    ----------
    lens : Lens
    pitch_um : float, um per pixel
    support_px : int, odd, optional
        The PSF's side. Without it the smallest that holds ``energy`` of every channel.
    sampling : Sampling, optional
        Overrides ``support_px`` and the planned sampling; still checked.
    spectrum : Spectrum
        :data:`CAMERA`, or :func:`monochromatic`.
    energy : float in (0, 1)
        How much of the light a PSF must hold whose support is not given.
    field : float, 0..1
        How far from the picture's centre the point lies, 1 in the corner.
    azimuth_deg : float, degrees
        In which direction from the centre: 0 right, 90 down.

    Returns
    -------
    Tensor, (3, K, K), float64, K odd
        Red, green, blue, each non-negative with the sum 1, centred on sample ``K // 2`` and
        integrated over the pixel's area. Rows run down, as in the picture.

    Raises
    ------
    ValueError
        A number out of range, a sampling that :func:`check_sampling` refuses, or a PSF that holds
        less than 0.95 or more than 1.005 of the light before it is normalised.

    References
    ----------
    .. [1] Goodman, Introduction to Fourier Optics, 4th ed., sections 6.2 and 6.4.
    .. [2] Soummer et al., Fast computation of Lyot-style coronagraph propagation,
       Optics Express 15 (2007), eq. 8: the matrix Fourier transform.
    """
    if not pitch_um > 0:
        raise ValueError(f"pitch_um must be above 0 um per pixel, got {pitch_um:g}")
    if not 0 < energy < 1:
        raise ValueError(f"energy must be between 0 and 1, got {energy:g}")
    check_place(field, azimuth_deg)
    place = (field, azimuth_deg)
    if sampling is None and support_px is not None:
        if support_px < 1 or support_px % 2 == 0:
            raise ValueError(f"support_px must be odd and positive, got {support_px}")
        sampling = plan_sampling(lens, pitch_um, support_px * pitch_um, spectrum, field=field)
    if sampling is not None:
        light = _light_on_pixels(lens, pitch_um, sampling, spectrum, place)
    else:
        light = _light_in_smallest_support(lens, pitch_um, spectrum, energy, place)
    sums = light.sum((1, 2))
    if not (float(sums.min()) >= 0.95 and float(sums.max()) <= 1.005):
        raise ValueError(
            f"the PSF of {lens.name!r} on {light.shape[-1]} px of {pitch_um:.3g} um holds "
            f"{float(sums.min()):.3f} to {float(sums.max()):.3f} of the light, it must be within "
            "0.95 and 1.005. Give it more pixels (support_px)."
        )
    return light / sums[:, None, None]


def check_place(field: float, azimuth_deg: float) -> None:
    """Refuse what is no place in the picture."""
    if not 0 <= field <= 1:
        raise ValueError(
            f"field must be from 0 (the picture's centre) to 1 (its corner), got {field:g}"
        )
    if not isfinite(azimuth_deg):
        raise ValueError(f"azimuth_deg must be finite, got {azimuth_deg}")


def _light_in_smallest_support(
    lens: Lens, pitch_um: float, spectrum: Spectrum, energy: float, place: tuple[float, float]
) -> Tensor:
    """Grow the window until it holds the energy, then trim it to the fewest pixels that still do."""
    longest = max(spectrum.wavelengths_um)
    # Beyond a square of half side r lies 0.182 lambda N / r of the light that diffraction spreads.
    tail_um = 0.182 * longest * lens.f_number / (1 - energy) * rim_ratio(lens)
    field = place[0]
    rays_um = 2 * lens.f_number * max(steepest_um(lens, w, field) for w in spectrum.wavelengths_um)
    rays_um += max(abs(lens.lateral_um(w, field)) for w in spectrum.wavelengths_um)
    window_um = 2 * max(rays_um + 4 * lens.residual_sigma_um + 2 * longest * lens.f_number, tail_um)
    largest_um = MAX_SUPPORT_PX * pitch_um
    if window_um > largest_um:
        window_um = max(largest_um, 2 * rays_um)  # what is less than the rays cannot do
    while True:
        sampling = plan_sampling(lens, pitch_um, window_um, spectrum, field=field)
        light = _light_on_pixels(lens, pitch_um, sampling, spectrum, place)
        missing = 1 - float(light.sum((1, 2)).min())
        if missing <= 1 - energy:
            break
        # what diffraction spreads beyond a window is inverse to its side
        wider = min(max(1.05 * missing / (1 - energy), 1.15), 2.0) * window_um
        window_um = min(wider, largest_um) if window_um < largest_um else 2 * window_um
    reach = light.shape[-1] // 2
    for trimmed in range(reach + 1):
        inner = light[
            :, reach - trimmed : reach + trimmed + 1, reach - trimmed : reach + trimmed + 1
        ]
        if float(inner.sum((1, 2)).min()) >= energy:
            return inner
    return light


def _light_on_pixels(
    lens: Lens, pitch_um: float, sampling: Sampling, spectrum: Spectrum, place: tuple[float, float]
) -> Tensor:
    """(3, K, K): the fraction of each channel's light on every pixel."""
    check_sampling(lens, pitch_um, sampling, spectrum, field=place[0])
    mirrored = is_mirrored(lens, place[0])
    support, samples = sampling.support_px, sampling.pupil_samples
    spacing = pitch_um / sampling.oversampling
    x = (_half_axis if mirrored else _axis)(sampling.window_samples) * spacing  # (M,) um
    gather = _pixel_weights(x, support, pitch_um, lens.residual_sigma_um, mirrored)  # (K, M)
    axis = (pupil_axis if mirrored else full_axis)(samples)
    u, v = axis[None, :], axis[:, None]
    hard = opening(lens, u, v, 2 / samples, field=place[0], azimuth_deg=place[1])
    passed = transmission(lens, u, v)
    # Parseval: over one period, lambda N n, the field gives this sum. The opening itself, not its
    # square, is the energy of a hard rim: a cell half open passes half the light.
    energy = float((hard * passed**2).sum()) / (4 if mirrored else 1)
    transform = _transform_quarter if mirrored else _transform_whole

    light = torch.zeros(len(spectrum.weights), support, support, dtype=torch.float64)
    for index, wavelength in enumerate(spectrum.wavelengths_um):
        waves = pupil_field(
            lens, wavelength, u, v, hard * passed, field=place[0], azimuth_deg=place[1]
        )
        outward = lens.lateral_um(wavelength, place[0])
        turn = radians(place[1])
        intensity = transform(
            waves,
            (x - outward * sin(turn)) / (2 * wavelength * lens.f_number),
            (x - outward * cos(turn)) / (2 * wavelength * lens.f_number),
            axis,
        )
        total = (wavelength * lens.f_number * samples / spacing) ** 2 * energy
        on_pixels = gather @ intensity @ gather.T / total
        for channel, weights in enumerate(spectrum.weights):
            light[channel] += on_pixels * weights[index]
    return light


def _transform_quarter(waves: Tensor, y: Tensor, x: Tensor, axis: Tensor) -> Tensor:
    """(M, M): a quarter of the intensity; what symmetry leaves of exp(-i ...) is a cosine."""
    kernel = torch.cos(2 * pi * x[:, None] * axis)  # (M, n); y is x
    intensity = (kernel @ waves.real @ kernel.T).square()
    return intensity + (kernel @ waves.imag @ kernel.T).square()


def _transform_whole(waves: Tensor, y: Tensor, x: Tensor, axis: Tensor) -> Tensor:
    """(M, M): the intensity; y runs down the rows, x along them."""
    # single precision, half the time: 1e-6 of the peak
    field = _kernel(y, axis) @ waves.to(torch.complex64) @ _kernel(x, axis).T
    return (field.real.square() + field.imag.square()).double()


def _kernel(turns: Tensor, axis: Tensor) -> Tensor:
    """(M, n): exp(-i 2 pi turns axis), the whole turns taken off while numbers have their digits."""
    product = turns[:, None] * axis
    phase = (-2 * pi * (product - product.round())).float()
    return torch.complex(torch.cos(phase), torch.sin(phase))


def _axis(samples: int) -> Tensor:
    """Where samples 1 apart and centred on 0 lie."""
    return torch.arange(samples, dtype=torch.float64) - (samples - 1) / 2


def _half_axis(samples: int) -> Tensor:
    """Where samples 1 apart and centred on 0 lie, those at 0 and above."""
    return _axis(samples)[samples // 2 :]


def _pixel_weights(
    x: Tensor, support: int, pitch_um: float, sigma_um: float, mirrored: bool
) -> Tensor:
    """(K, M): the share of each fine sample's light that falls on each pixel; with its mirror image's."""
    centres = (torch.arange(support, dtype=torch.float64) - support // 2) * pitch_um
    away = x[None, :] - centres[:, None]
    if sigma_um == 0:
        share = (away.abs() < pitch_um / 2).double()  # samples never lie on a pixel's edge
    else:
        scale = sqrt(2) * sigma_um
        share = torch.special.erf((away + pitch_um / 2) / scale)
        share = (share - torch.special.erf((away - pitch_um / 2) / scale)) / 2
    if not mirrored:
        return share
    return share + torch.where(
        x == 0, 0.0, share.flip(0)
    )  # the sample on the axis is its own image
