"""What a lens, or a level above 0, does to pictures of a size: decided before a pixel is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import atan2, ceil, degrees, hypot, pi, sqrt

import torch
from torch import Tensor

from ...kernels.convolve.terms import Terms, terms_of_gaussians, terms_of_psf
from ...kernels.convolve.wide import wide_factor
from ...kernels.presence import halo_rows
from ...kernels.psf import (
    CAMERA,
    CAMERA_COARSE,
    MAX_SUPPORT_PX,
    Lens,
    compute_psf,
    core_share,
    encircled_radius_px,
    tail_otf,
    tail_psf,
    wide_tails,
)
from .relens import Relens, design

LEVELS = (-1.0, 2.0)
FORMATS_MM = (1.0, 300.0)
FOCUS_UM = (-2000.0, 2000.0)
SOURCES_PX = (0.0, 6.0)
GAIN_LIMITS = (1.0, 4.0)
HIGHLIGHTS = (0.0, 0.95)
CHART_LP_MM = (10, 20, 40)  # where lens makers draw their curves
VISIBLE_PX = 0.5  # a blur below half a pixel does not show
RANK_ERROR = 1e-6  # of the transfer function: signed terms then are the lens, to float32's rounding
# Places in half a picture's longer side where the PSF is calculated; between them it is blended.
FIELD_NODES = 4
TAIL_REACH = {"gaussian": 4.5, "exponential": 12.0, "glare": 40.0}  # scales that a tail is followed
WIDEST_TAIL = 255  # samples to each side, of the smaller picture that a tail is made on


@dataclass(frozen=True)
class Settings:
    """What the user asks for, whatever the picture; checked."""

    lens: Lens
    level: float
    format_mm: float = 36.0
    focus_um: float = 0.0
    """Moves the sensor from where the lens has it."""
    highlights: float = 0.0
    """How much light is given back to what the display clipped, 0 none."""
    across_frame: bool = False
    """Whether the lens is drawn with its field: corners as corners."""
    source_px: float = 0.0
    """Blur of the source, sigma; 0 measures it."""
    gain_limit: float = 2.0
    """Most gain at any frequency between level 0 and 1."""

    def __post_init__(self) -> None:
        for name, (low, high), unit in (
            ("level", LEVELS, ""),
            ("format_mm", FORMATS_MM, " mm"),
            ("focus_um", FOCUS_UM, " um"),
            ("highlights", HIGHLIGHTS, ""),
            ("source_px", SOURCES_PX, " px"),
            ("gain_limit", GAIN_LIMITS, ""),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(
                    f"{name} must be from {low:g} to {high:g}{unit}, got {value:g}. {_HELP.get(name, '')}".rstrip()
                )


_HELP = {
    "level": "-1 is the lens in full, 0 the picture as it is, 1 the most contrast that a lens can give back.",
    "format_mm": "36 is full frame.",
    "source_px": "0 measures it.",
}


def check_lens(value: object) -> Lens:
    """A LOUPE_LENS, or a refusal."""
    if not isinstance(value, Lens):
        raise ValueError(
            f"lens must come from Lens Profile (LOUPE_LENS), got {type(value).__name__}"
        )
    return value


@dataclass(frozen=True, eq=False)
class WideTail:
    """One tail of a lens, on a picture made ``factor`` times smaller."""

    psf: Tensor
    """(K, K), float64, sum 1."""
    shares: tuple[float, float, float]
    """Of red, green and blue light, the level included."""
    factor: int


@dataclass(frozen=True, eq=False)
class Rendering:
    """What a lens or a level does to a picture of a given size."""

    lens: Lens
    level: float
    format_mm: float
    pitch_um: float
    """Film or sensor that one pixel stands for."""
    psf: Tensor
    """(3, K, K), float64: the lens's core, mixed with the untouched picture as the level says; what
    its tails take is missing from the sum."""
    tails: tuple[WideTail, ...] = ()
    field: Tensor | None = None
    """(rows, columns, 3, K, K): the same at places of the picture, where it changes with them."""
    highlights: float = 0.0
    relens: Relens | None = None
    """Above level 0: the passive filter, at its level."""
    presence_gain: float = 1.0
    """Above level 1."""
    source_px: float | None = None
    """Blur of the source that the level above 0 counts on."""
    declined: str = ""
    """Why a level above 0 is not applied."""

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        return not self.declined and self.level != 0

    @property
    def support_px(self) -> int:
        """The PSF's side, tails apart."""
        return self.psf.shape[-1]

    @property
    def halo_px(self) -> int:
        """How far from a pixel the picture is looked at, a multiple of 4; tails apart."""
        if self.relens is None:
            return 4 * ceil(self.support_px // 2 / 4)
        return 4 * ceil(self.terms.reach / 4) + halo_rows()

    @property
    def terms(self) -> Terms:
        """Of a level above 0."""
        assert self.relens is not None
        return terms_of_gaussians(self.relens.delta, self.relens.weights, self.relens.sigmas_px)

    def kernel(self) -> Tensor | Terms:
        """What the picture is convolved with: separable terms where few are enough."""
        return _terms(self.psf) or self.psf

    @property
    def ee80_px(self) -> float:
        """Diameter of the circle that holds 80 % of a point's green light, a pixel's own area included.

        Of the core alone: tails are veils.
        """
        green = self.psf[1] / self.psf[1].sum()
        return 2 * float(encircled_radius_px(green, 0.8))

    @property
    def blur_px(self) -> float:
        """The part of ``ee80_px`` that the lens adds to a pixel's own 1.01, in quadrature."""
        pixel = 2 * float(encircled_radius_px(self.psf.new_ones(1, 1), 0.8))
        return sqrt(max(0.0, self.ee80_px**2 - pixel**2))

    def contrast(self, cycles_px: float) -> float:
        """Contrast left in green lines that stand upright, so many to the pixel; tails included."""
        x = torch.arange(self.support_px, dtype=torch.float64) - self.support_px // 2
        line = self.psf[1].sum(0)
        real = float(line @ torch.cos(2 * pi * cycles_px * x))
        imaginary = float(line @ torch.sin(2 * pi * cycles_px * x))
        frequency = torch.tensor(cycles_px / self.pitch_um, dtype=torch.float64)
        for tail, wide in zip(wide_tails(self.lens), self.tails, strict=True):
            real += wide.shares[1] * float(tail_otf(tail, frequency))
        return hypot(real, imaginary)

    def contrast_at(self, lp_mm: float) -> float | None:
        """Contrast left in green at so many line pairs per millimetre; None from Nyquist on."""
        cycles = lp_mm * self.pitch_um / 1000
        return self.contrast(cycles) if cycles < 0.5 else None

    def report(self) -> str:
        """The figures, and advice where they call for it, in plain words."""
        if self.declined:
            return f"Level {self.level:g} is not applied: {self.declined}"
        if self.level == 0:
            return f"Level 0: the picture is unchanged. {self.lens.name} waits at levels below 0."
        return "\n".join(self._lens_lines() if self.level < 0 else self._level_lines())

    def _lens_lines(self) -> list[str]:
        kept = [(lp_mm, self.contrast_at(lp_mm)) for lp_mm in CHART_LP_MM]
        curve = ", ".join(
            f"{lp_mm} lp/mm {'n/a' if value is None else f'{value:.2f}'}" for lp_mm, value in kept
        )
        place = ", in the centre" if self.field is not None else ""
        lines = [
            f"{self.lens.name} at level {self.level:g}; {self.format_mm:g} mm format, "
            f"{self.pitch_um:.3g} um per pixel.",
            f"A point of light spreads over {self.support_px} px, 80 % of it within {self.ee80_px:.1f} px{place}.",
            f"Contrast kept (MTF): {curve}; line pairs 4 px wide {self.contrast(0.25):.2f}.",
        ]
        if self.tails:
            thrown = sum(wide.shares[1] for wide in self.tails)
            lines.append(
                f"{thrown:.1%} of the green light is thrown far: glare, diffusion, halation."
            )
        if any(value is None for _, value in kept):
            lines.append(
                f"n/a: finer than these pixels can show ({500 / self.pitch_um:.3g} lp/mm)."
            )
        if self.blur_px < VISIBLE_PX and not self.tails:
            nearer = "a level nearer to -1, " if self.level > LEVELS[0] else ""
            lines.append(
                f"The lens is invisible at this size: it blurs by {self.blur_px:.2f} px. To see it, "
                f"choose {nearer}a smaller format_mm or a picture with more pixels."
            )
        return lines

    def _level_lines(self) -> list[str]:
        assert self.relens is not None
        passive = self.relens.mid_gain
        lines = [
            f"Level {self.level:g}: the source is blurred by {self.source_px:.2f} px (sigma). "
            f"Passive: {passive - 1:+.0%} of mid-band contrast, noise x{self.relens.noise_gain:.2f}; no edge gets a halo."
        ]
        if self.level < 1:
            lines.append(f"Passive headroom of this source, at level 1: {self._headroom - 1:+.0%}.")
        else:
            lines[0] += " This is all the headroom that a lens has here."
        if self.presence_gain > 1:
            lines.append(
                f"Above level 1 this is presence, beyond what a lens can do: faint texture x{self.presence_gain:.2f} "
                "more, strong edges as they were."
            )
        if passive < 1.02:
            lines.append(
                "The source is as sharp as its pixels: a lens can give next to nothing back. A picture enlarged from a "
                "smaller one has more to gain."
            )
        return lines

    @property
    def _headroom(self) -> float:
        assert self.relens is not None
        return 1 + (self.relens.mid_gain - 1) / max(min(self.level, 1.0), 1e-9)


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
    settings: Settings,
    *,
    width: int,
    height: int,
    source_px: float | None = None,
    declined: str = "",
    tick: Callable[[], None] = lambda: None,
) -> Rendering:
    """What the settings do to pictures of a size.

    Parameters
    ----------
    settings : Settings
    width, height : int, pixels
    source_px : float, pixels, optional
        Blur of the source, as measured; ``settings.source_px`` counts before it.
    declined : str
        Why a level above 0 shall not be applied.
    tick : callable
        Called as work goes on, which a lens that changes across the frame makes long; it may raise to stop.

    Returns
    -------
    Rendering
        Below level 0 the lens in full, mixed with the picture: a mixture of two PSFs is a PSF, so
        no light is lost and no edge overshoots.

    Raises
    ------
    ValueError
        A level above 0 without a source blur, or a PSF that would be too wide.
    """
    lens, level = settings.lens, settings.level
    if settings.focus_um:
        lens = replace(lens, focus_um=lens.focus_um + settings.focus_um)
    pitch_um = pixel_pitch_um(settings.format_mm, width, height)
    point = torch.ones(3, 1, 1, dtype=torch.float64)
    plain = Rendering(lens, level, settings.format_mm, pitch_um, point)
    if level > 0:
        return _above(plain, settings, source_px, declined)
    if level == 0:
        return plain
    psf = _mixed(_psf(lens, pitch_um), lens, -level)
    return replace(
        plain,
        psf=psf,
        tails=_wide(lens, pitch_um, -level, max(width, height)),
        field=_field(lens, pitch_um, -level, (width, height), tick)
        if settings.across_frame
        else None,
        highlights=settings.highlights,
    )


def _above(
    plain: Rendering, settings: Settings, source_px: float | None, declined: str
) -> Rendering:
    source = settings.source_px or source_px
    if source is None and not declined:
        raise ValueError(
            "a level above 0 needs the blur of the source: measure it, or set source_px"
        )
    if declined and not settings.source_px:
        return replace(plain, declined=declined)
    assert source is not None
    full = design(source, settings.gain_limit)
    return replace(
        plain,
        relens=full.passive_at(min(settings.level, 1.0)),
        presence_gain=max(settings.level, 1.0),
        source_px=source,
    )


def _mixed(core: Tensor, lens: Lens, share: float) -> Tensor:
    """The core as far as the level goes, and the picture itself for the rest: (3, K, K)."""
    psf = core * (torch.tensor(core_share(lens), dtype=torch.float64) * share)[:, None, None]
    middle = psf.shape[-1] // 2
    psf[:, middle, middle] += 1 - share
    return psf


def _wide(lens: Lens, pitch_um: float, share: float, longest: int) -> tuple[WideTail, ...]:
    found = []
    for tail in wide_tails(lens):
        factor = wide_factor(tail.scale_um / pitch_um)
        reach = ceil(TAIL_REACH[tail.profile] * tail.scale_um / (pitch_um * factor))
        reach = max(1, min(reach, WIDEST_TAIL, longest // factor + 1))
        psf = tail_psf(tail, pitch_um * factor, 2 * reach + 1)
        red, green, blue = (share * part for part in tail.shares)
        found.append(WideTail(psf, (red, green, blue), factor))
    return tuple(found)


def changes_across(lens: Lens) -> bool:
    """Whether a lens draws the corners otherwise than the centre."""
    return any((lens.w131_um, lens.w222_um, lens.w220_um, lens.lca_um_per_100nm, lens.cat_eye))


def _field(
    lens: Lens, pitch_um: float, share: float, size: tuple[int, int], tick: Callable[[], None]
) -> Tensor | None:
    """PSFs at the nodes of a grid from border to border, (rows, columns, 3, K, K)."""
    if not changes_across(lens):
        return None
    width, height = size
    spacing = max(size) / (2 * FIELD_NODES)
    columns, rows = (2 * max(1, round(side / (2 * spacing))) + 1 for side in size)
    diagonal = hypot(width, height) / 2
    places = [
        [
            ((2 * column / (columns - 1) - 1) * width / 2, (2 * row / (rows - 1) - 1) * height / 2)
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    support = max(_psf(lens, pitch_um, field).shape[-1] for field in (0.0, 0.5, 1.0))

    def at(x: float, y: float) -> Tensor:
        tick()
        field, azimuth = min(1.0, hypot(x, y) / diagonal), degrees(atan2(y, x))
        psf = _psf(lens, pitch_um, round(field, 6), round(azimuth, 4), support)
        return _mixed(psf, lens, share)

    return torch.stack([torch.stack([at(x, y) for x, y in row]) for row in places])


@lru_cache(maxsize=256)
def _psf(
    lens: Lens,
    pitch_um: float,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
    support_px: int | None = None,
) -> Tensor:
    """The core of a lens; kept, for a level is moved more often than a lens is changed."""
    if field == 0.0:
        azimuth_deg = 0.0
    # a grid takes dozens: seven wavelengths are within 0.009 of thirteen, in half the time
    spectrum = CAMERA if support_px is None else CAMERA_COARSE
    return compute_psf(
        lens,
        pitch_um,
        support_px=support_px,
        spectrum=spectrum,
        field=field,
        azimuth_deg=azimuth_deg,
    )


def _terms(psf: Tensor) -> Terms | None:
    """Separable terms of a PSF, where few enough stand for it."""
    if psf.shape[-1] > MAX_SUPPORT_PX // 4:
        return None
    return terms_of_psf(psf, tolerance=RANK_ERROR, most=8)
