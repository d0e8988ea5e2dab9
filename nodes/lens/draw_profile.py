"""A lens drawn: its point of light in focus and out of it, and its contrast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...kernels.color import linear_to_srgb
from ...kernels.psf import CAMERA_COARSE, Lens, compute_psf, mtf_lp_mm
from ...kernels.psf.wavefront import steepest_um
from ..typography import font
from .profile import CHART_LP_MM, CORNER_DEG, Profile

SIZE = (1024, 680)
GROUND = (22, 22, 24)
WELL = (12, 12, 13)
INK = (242, 242, 242)
QUIET = (176, 176, 180)
GRID = (62, 62, 66)
CENTRE, TANGENTIAL, SAGITTAL = (242, 242, 242), (255, 183, 40), (86, 180, 233)
TILE = 240  # side of a point's picture
GAP = 12
SAMPLES = 81  # pixels that a point is calculated on; the drawing enlarges them
SUPPORTS = (SAMPLES, 121, 181, 271, 407)  # tried in turn until most of the light is in: px
DECADES = 4.0  # of light that the logarithmic picture shows
BLUR_UM = 40.0  # radius of the defocused point, per f-number: then every lens shows as many rings
CURVE_LP_MM = (0, 1, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 25, 30, 40, 50, 60)
FINER = 3  # curves are drawn so many times larger: Pillow's lines have steps


def draw_profile(profile: Profile) -> Tensor:
    """A lens's points of light and its MTF.

    Parameters
    ----------
    profile : Profile

    Returns
    -------
    Tensor, (1, 680, 1024, 3), sRGB 0..1

    Raises
    ------
    ValueError
        A PSF is too wide to calculate.
    """
    lens = profile.lens
    canvas = Image.new("RGB", SIZE, GROUND)
    pen = ImageDraw.Draw(canvas)
    left = (SIZE[0] - 4 * TILE - 3 * GAP) // 2
    x = [left + column * (TILE + GAP) for column in range(4)]
    rows = (62, 62 + TILE + 50)
    pen.text(
        (left, 38), _fitted(lens.name, 26, 820), font=font(26, bold=True), fill=INK, anchor="ls"
    )
    stop = f"f/{lens.f_number:g}"
    if not lens.name.endswith(stop):
        pen.text((SIZE[0] - left, 38), stop, font=font(26), fill=QUIET, anchor="rs")

    sharp_um = max(2.2 * profile.ee80_um / 2, 5 * 0.55 * lens.f_number)
    centre = _point(lens, sharp_um)
    # the corner's light may spread further: it is drawn at its own scale
    corner_um = max(sharp_um, 0.7 * _reach_um(lens, 1.0))
    behind, before = (_defocused(lens, sign * BLUR_UM * lens.f_number) for sign in (1, -1))
    tiles: Sequence[tuple[str, float, Tensor, Callable[[Tensor], Tensor]]] = (
        ("Point in focus", sharp_um, centre, _linear),
        ("The same, logarithmic", sharp_um, centre, _logarithmic),
        ("Corner, logarithmic", corner_um, _point(lens, corner_um, 1.0), _logarithmic),
        ("Light before the focus", *_blurred(before), _linear),
        ("Light behind the focus", *_blurred(behind), _linear),
        ("The same in the corner", *_blurred(behind, 1.0), _linear),
    )
    for index, (title, half_um, light, tone) in enumerate(tiles):
        at = (x[index % 4], rows[index // 4])
        canvas.paste(_picture(tone(light)), at)
        below = at[1] + TILE + 18
        pen.text((at[0], below), title, font=font(15), fill=INK, anchor="ls")
        width = f"{2 * half_um:.0f} um"
        pen.text((at[0] + TILE, below), width, font=font(13), fill=QUIET, anchor="rs")
    _chart(canvas, profile, (x[2], rows[1], 2 * TILE + GAP, TILE))
    shares = profile.wide_share
    if max(shares) > 0:
        said = " / ".join(f"{each:.1%}" for each in shares)
        foot = f"Thrown far by glare, diffusion and halation (red / green / blue): {said}; in the curves, not in the points."
    else:
        foot = "No glare, diffusion or halation."
    pen.text((left, SIZE[1] - 22), foot, font=font(14), fill=QUIET, anchor="ls")
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)[None]


def _fitted(text: str, size: int, room: int) -> str:
    letters = font(size, bold=True)
    while letters.getlength(text) > room and len(text) > 4:
        text = text[:-2].rstrip(" .") + "\N{HORIZONTAL ELLIPSIS}"
    return text


def _reach_um(lens: Lens, field: float) -> float:
    """How far the farthest ray of green light misses."""
    return 2 * lens.f_number * steepest_um(lens, 0.55, field) + 2 * lens.residual_sigma_um


def _defocused(lens: Lens, radius_um: float) -> Lens:
    """A lens with its sensor so far off that a point becomes a disc of a radius."""
    return replace(lens, focus_um=lens.focus_um + 2 * lens.f_number * radius_um)


def _blurred(lens: Lens, field: float = 0.0) -> tuple[float, Tensor]:
    half_um = 1.12 * _reach_um(lens, field)
    return half_um, _point(lens, half_um, field)


def _point(lens: Lens, half_um: float, field: float = 0.0) -> Tensor:
    """(3, SAMPLES, SAMPLES): a point's light within so many um of its place."""
    pitch_um = 2 * half_um / SAMPLES
    *narrow, widest = SUPPORTS
    ask = partial(
        compute_psf, lens, pitch_um, spectrum=CAMERA_COARSE, field=field, azimuth_deg=CORNER_DEG
    )
    for support in narrow:
        try:
            return _middle(ask(support_px=support))
        except ValueError:
            continue  # it holds too little of the light
    return _middle(ask(support_px=widest))


def _middle(psf: Tensor) -> Tensor:
    reach, middle = SAMPLES // 2, psf.shape[-1] // 2
    return psf[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]


def _linear(light: Tensor) -> Tensor:
    """The brightest white, sRGB."""
    return linear_to_srgb((light / light.max())[None])[0]


def _logarithmic(light: Tensor) -> Tensor:
    level = torch.log10((light / light.max()).clamp(min=1e-12)) / DECADES + 1
    return level.clamp(0, 1)


def _picture(light: Tensor) -> Image.Image:
    pixels = (light.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BICUBIC)


def _chart(canvas: Image.Image, profile: Profile, box: tuple[int, int, int, int]) -> None:
    """MTF over line pairs per millimetre."""
    pen = ImageDraw.Draw(canvas)
    x0, y0, width, height = box[0] + 34, box[1], box[2] - 34, box[3] - 18
    most = CURVE_LP_MM[-1]

    def at(lp_mm: float, contrast: float) -> tuple[float, float]:
        return x0 + width * lp_mm / most, y0 + height * (1 - contrast)

    well = Image.new("RGB", (FINER * width, FINER * height), WELL)
    fine = ImageDraw.Draw(well)

    def within(lp_mm: float, contrast: float) -> tuple[float, float]:
        return FINER * width * lp_mm / most, FINER * height * (1 - contrast)

    for tenth in range(0, 11, 2):
        fine.line((within(0, tenth / 10), within(most, tenth / 10)), fill=GRID, width=FINER)
        y = at(0, tenth / 10)[1]
        pen.text((x0 - 6, y), f"{tenth / 10:.1f}", font=font(13), fill=QUIET, anchor="rm")
    for lp_mm in CHART_LP_MM:
        fine.line((within(lp_mm, 0), within(lp_mm, 1)), fill=GRID, width=FINER)
        x = at(lp_mm, 0)[0]
        pen.text((x, y0 + height + 16), str(lp_mm), font=font(13), fill=QUIET, anchor="ms")
    pen.text((x0 + width, y0 + height + 16), "lp/mm", font=font(13), fill=QUIET, anchor="rs")

    lens = profile.lens
    corner = mtf_lp_mm(lens, CURVE_LP_MM, field=1.0, azimuth_deg=CORNER_DEG, spectrum=CAMERA_COARSE)
    centre = mtf_lp_mm(lens, CURVE_LP_MM, spectrum=CAMERA_COARSE)[0]
    for curve, colour in ((corner[1], SAGITTAL), (corner[0], TANGENTIAL), (centre, CENTRE)):
        points = [within(f, float(c)) for f, c in zip(CURVE_LP_MM, curve[1], strict=True)]
        fine.line(points, fill=colour, width=2 * FINER + 1, joint="curve")
    canvas.paste(well.resize((width, height), Image.Resampling.BOX), (x0, y0))
    for lp_mm, value in zip(CHART_LP_MM, profile.centre, strict=True):
        px, py = at(lp_mm, value)
        pen.ellipse((px - 4, py - 4, px + 4, py + 4), fill=CENTRE)
        pen.text((px + 7, py - 6), f"{value:.2f}", font=font(14, bold=True), fill=INK, anchor="ls")
    x = x0
    for text, colour in (
        ("MTF, green: centre", CENTRE),
        ("corner tangential", TANGENTIAL),
        ("sagittal", SAGITTAL),
    ):
        pen.text((x, box[1] + box[3] + 18), text, font=font(15), fill=colour, anchor="ls")
        x += round(font(15).getlength(text)) + 18
