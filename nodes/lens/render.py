"""A picture seen through a lens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor

from ...kernels.color import linear_to_srgb, srgb_to_linear
from ...kernels.convolve import convolve
from ...kernels.picture import check_picture, split_alpha
from ...kernels.psf import Lens, compute_psf, encircled_radius_px, mtf

LEVELS = (-1.0, 0.0)
FORMATS_MM = (1.0, 300.0)
CHART_LP_MM = (10, 20, 40)  # where lens makers draw their curves
VISIBLE_PX = 0.5  # a blur below half a pixel does not show
_TRANSPARENT = 1e-4  # an alpha that no 8-bit picture can hold; colours below it are not seen


@dataclass(frozen=True, eq=False)
class Rendering:
    """What a lens does to a picture of a given size."""

    lens: Lens
    level: float
    format_mm: float
    pitch_um: float
    """Film or sensor that one pixel stands for."""
    psf: Tensor
    """(3, K, K), float64: the lens in full, mixed with the untouched picture as the level says."""

    @property
    def support_px(self) -> int:
        """The PSF's side."""
        return self.psf.shape[-1]

    @property
    def ee80_px(self) -> float:
        """Diameter of the circle that holds 80 % of a point's green light, a pixel's own area included."""
        return 2 * float(encircled_radius_px(self.psf[1], 0.8))

    @property
    def blur_px(self) -> float:
        """The part of ``ee80_px`` that the lens adds to a pixel's own 1.01, in quadrature."""
        pixel = 2 * float(encircled_radius_px(self.psf.new_ones(1, 1), 0.8))
        return sqrt(max(0.0, self.ee80_px**2 - pixel**2))

    def contrast_at(self, lp_mm: float) -> float | None:
        """Contrast left in green at so many line pairs per millimetre; None from Nyquist on."""
        cycles = lp_mm * self.pitch_um / 1000
        return float(mtf(self.psf[1], [cycles])[0]) if cycles < 0.5 else None

    def report(self) -> str:
        """The figures, and advice where they call for it, in plain words."""
        if self.level == 0:
            return f"Level 0: the picture is unchanged. {self.lens.name} waits at levels below 0."
        kept = [(lp_mm, self.contrast_at(lp_mm)) for lp_mm in CHART_LP_MM]
        curve = ", ".join(
            f"{lp_mm} lp/mm {'n/a' if value is None else f'{value:.2f}'}" for lp_mm, value in kept
        )
        quarter = float(mtf(self.psf[1], [0.25])[0])
        lines = [
            f"{self.lens.name} at level {self.level:g}; {self.format_mm:g} mm format, "
            f"{self.pitch_um:.3g} um per pixel.",
            f"A point of light spreads over {self.support_px} px, 80 % of it within {self.ee80_px:.1f} px.",
            f"Contrast kept (MTF): {curve}; line pairs 4 px wide {quarter:.2f}.",
        ]
        if any(value is None for _, value in kept):
            lines.append(
                f"n/a: finer than these pixels can show ({500 / self.pitch_um:.3g} lp/mm)."
            )
        if self.blur_px < VISIBLE_PX:
            nearer = "a level nearer to -1, " if self.level > LEVELS[0] else ""
            lines.append(
                f"The lens is invisible at this size: it blurs by {self.blur_px:.2f} px. To see it, "
                f"choose {nearer}a smaller format_mm or a picture with more pixels."
            )
        return "\n".join(lines)


def pixel_pitch_um(format_mm: float, width: int, height: int) -> float:
    """Film or sensor that one pixel stands for, micrometres.

    Parameters
    ----------
    format_mm : float, mm
        What the picture's long side stands for: 36 for full frame.
    width, height : int, pixels

    Returns
    -------
    float, um per pixel

    Raises
    ------
    ValueError
        ``format_mm`` is outside ``FORMATS_MM``.
    """
    if not FORMATS_MM[0] <= format_mm <= FORMATS_MM[1]:
        raise ValueError(
            f"format_mm must be from {FORMATS_MM[0]:g} to {FORMATS_MM[1]:g} mm, got {format_mm:g}. "
            "36 is full frame."
        )
    return format_mm * 1000 / max(width, height)


def plan_rendering(
    lens: Lens, level: float, format_mm: float, *, width: int, height: int
) -> Rendering:
    """The blur that a lens at a level brings to pictures of a size.

    Parameters
    ----------
    lens : Lens
    level : float in [-1, 0]
        0 leaves the picture as it is, -1 is the lens in full, between them both are mixed. A
        mixture of two PSFs is a PSF: no light is lost and no edge overshoots.
    format_mm : float, mm
        What the long side stands for.
    width, height : int, pixels

    Returns
    -------
    Rendering

    Raises
    ------
    ValueError
        ``level`` or ``format_mm`` is out of range, or the PSF would be too wide.
    """
    if not LEVELS[0] <= level <= LEVELS[1]:
        raise ValueError(
            f"level must be from {LEVELS[0]:g} (the lens in full) to {LEVELS[1]:g} "
            f"(the picture as it is), got {level:g}"
        )
    pitch_um = pixel_pitch_um(format_mm, width, height)
    if level == 0:
        point = torch.ones(3, 1, 1, dtype=torch.float64)
        return Rendering(lens, level, format_mm, pitch_um, point)
    psf = _psf(lens, pitch_um) * -level
    middle = psf.shape[-1] // 2
    psf[:, middle, middle] += 1 + level
    return Rendering(lens, level, format_mm, pitch_um, psf)


def render(
    image: Tensor,
    lens: Lens,
    level: float,
    format_mm: float,
    *,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> tuple[Tensor, Rendering]:
    """A batch of pictures seen through a lens.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), C in {1, 3, 4}, floating point, sRGB 0..1
        Gray becomes RGB. Alpha is blurred too, and colours weigh as much as they are opaque.
    lens : Lens
    level : float in [-1, 0]
        See :func:`plan_rendering`.
    format_mm : float, mm
        What the long side stands for: smaller makes the lens's character larger.
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each, with the
        number done.

    Returns
    -------
    picture : Tensor, (B, H, W, 3 or 4), float32, sRGB 0..1
        At level 0 ``image`` itself, whatever its values and dtype are; gray becomes RGB.
    rendering : Rendering

    Raises
    ------
    ValueError
        See :func:`~portrait_loupe.kernels.picture.check_picture` and :func:`plan_rendering`.
    """
    batch, height, width, channels = check_picture(image).shape
    rendering = plan_rendering(lens, level, format_mm, width=width, height=height)
    if rendering.level == 0:
        return (image.repeat(1, 1, 1, 3) if channels == 1 else image), rendering
    shape = (batch, height, width, max(3, channels))
    out = torch.empty(shape, dtype=torch.float32, device=image.device)
    tick = progress(batch) if progress else None
    for index in range(batch):  # one at a time: the memory of one picture, whatever the batch
        out[index] = _render_one(image[index : index + 1].float(), rendering.psf)[0]
        if tick:
            tick(index + 1)
    return out, rendering


def _render_one(picture: Tensor, psf: Tensor) -> Tensor:
    """(1, H, W, C) sRGB through (3, K, K) -> (1, H, W, 3 or 4) sRGB."""
    colours, alpha = split_alpha(picture)
    light = srgb_to_linear(colours.movedim(-1, 1))  # (1, 3, H, W)
    if alpha is None:
        return linear_to_srgb(convolve(light, psf)).movedim(1, -1)
    cover = alpha.movedim(-1, 1).clamp(0, 1).expand(-1, 3, -1, -1)
    # Each colour is divided by the cover its own PSF blurred, so the rim of a white cut-out stays white.
    blurred_cover = convolve(cover, psf)
    blurred = convolve(light * cover, psf) / blurred_cover.clamp(min=_TRANSPARENT)
    seen = torch.where(blurred_cover > _TRANSPARENT, blurred, light)
    return torch.cat([linear_to_srgb(seen), blurred_cover[:, 1:2].clamp(0, 1)], 1).movedim(1, -1)


@lru_cache(maxsize=8)
def _psf(lens: Lens, pitch_um: float) -> Tensor:
    """The PSF of the lens in full; kept, for a level is moved more often than a lens is changed."""
    return compute_psf(lens, pitch_um)
