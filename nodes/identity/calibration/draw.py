"""A calibration as a curve: every picture a dot, their means, the fit, and the suggested weight."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...labels import shorten
from ...typography import font
from .falling import means_of
from .fit import curve_at
from .suggestion import Levels, Suggestion
from .value import Fitted, Point

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 200, 92, 66  # px around the curve
DOT, MEAN = 4, 7  # px
TEXT, SMALL = 18, 14
FINER = 2  # drawn so many times larger: Pillow's lines have steps
GROUND, INK, QUIET, LINE, MARK, COLD = (
    (22, 22, 24),
    (242, 242, 242),
    (176, 176, 180),
    (46, 46, 50),
    (255, 196, 0),
    (86, 180, 233),
)
APART = 18  # px between names of levels


class _Axes:
    """Where weights and cosines stand, pixels."""

    def __init__(self, weights: Sequence[float], cosines: Sequence[float]):
        self.most = max([*weights, 0.1]) * 1.04
        self.low = floor(min([*cosines, 0.0]) * 10) / 10
        self.high = ceil(max([*cosines, 0.1]) * 10 + 0.2) / 10

    def x(self, weight: float) -> float:
        return LEFT + weight / self.most * (WIDTH - RIGHT - LEFT)

    def y(self, cosine: float) -> float:
        share = (cosine - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def draw_curve(
    title: str,
    points: Sequence[Point],
    fitted: Fitted | None,
    suggestion: Suggestion | None,
    levels: Levels | None,
    factor: float = 1.0,
) -> Tensor:
    """The points over their effective weights, and the curve where there is one.

    Parameters
    ----------
    title : str
    points : sequence of Point
        One without a cosine is a cross on the axis.
    fitted, suggestion, levels : optional
    factor : float
        Of prominence; where it is not 1 the axis says that it is in the weight.

    Returns
    -------
    Tensor, (1, 520, 900, 3), sRGB 0..1
    """
    told = [one for one in points if one.cosine is not None]
    cosines = [one.cosine for one in told if one.cosine is not None]
    shown = [] if levels is None else [levels.lowest, levels.median]
    axes = _Axes([one.weight for one in points], [*cosines, *shown])
    page = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), GROUND)
    pen = ImageDraw.Draw(page)
    _grid(pen, axes)
    for level in shown:
        _dashes(pen, axes.y(level))
    if fitted is not None:
        _curve(pen, axes, fitted)
    for one in points:
        _point(pen, axes, one, fitted)
    _means(pen, axes, told)
    if suggestion is not None and suggestion.effective is not None:
        _suggested(pen, axes, suggestion)
    small = page.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    _words(ImageDraw.Draw(small), axes, title, points, suggestion, levels, factor)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)[None]


def _fine(*at: float) -> tuple[float, ...]:
    return tuple(FINER * value for value in at)


def _weights(points: Sequence[Point]) -> list[float]:
    return sorted({one.weight for one in points})


def _grid(pen: ImageDraw.ImageDraw, axes: _Axes) -> None:
    for tenth in range(round(axes.low * 10), round(axes.high * 10) + 1):
        y = axes.y(tenth / 10)
        colour = QUIET if tenth == 0 else LINE
        pen.line(_fine(LEFT, y, WIDTH - RIGHT, y), fill=colour, width=FINER)


def _dashes(pen: ImageDraw.ImageDraw, y: float) -> None:
    for x in range(LEFT, WIDTH - RIGHT, 12):
        pen.line(_fine(x, y, min(x + 6, WIDTH - RIGHT), y), fill=COLD, width=2 * FINER)


def _curve(pen: ImageDraw.ImageDraw, axes: _Axes, fitted: Fitted) -> None:
    weights = np.linspace(fitted.first, fitted.last, 200)
    line = [_fine(axes.x(w), axes.y(c)) for w, c in zip(weights, curve_at(fitted, weights), strict=True)]  # fmt: skip
    pen.line([value for pair in line for value in pair], fill=INK, width=3 * FINER, joint="curve")


def _point(pen: ImageDraw.ImageDraw, axes: _Axes, one: Point, fitted: Fitted | None) -> None:
    x = axes.x(one.weight)
    if one.cosine is None:
        y = HEIGHT - BOTTOM - 8
        pen.line(_fine(x - DOT, y - DOT, x + DOT, y + DOT), fill=QUIET, width=2 * FINER)
        pen.line(_fine(x - DOT, y + DOT, x + DOT, y - DOT), fill=QUIET, width=2 * FINER)
        return
    y = axes.y(one.cosine)
    left_out = fitted is not None and one.weight > fitted.last
    colour = LINE if left_out else QUIET
    pen.ellipse(_fine(x - DOT, y - DOT, x + DOT, y + DOT), fill=colour, outline=QUIET, width=FINER)


def _means(pen: ImageDraw.ImageDraw, axes: _Axes, told: list[Point]) -> None:
    weights, means, _ = means_of(told)
    for weight, mean in zip(weights, means, strict=True):
        x, y = axes.x(weight), axes.y(mean)
        pen.line(_fine(x - 2 * MEAN, y, x + 2 * MEAN, y), fill=INK, width=2 * FINER)


def _suggested(pen: ImageDraw.ImageDraw, axes: _Axes, suggestion: Suggestion) -> None:
    x, y = axes.x(suggestion.effective or 0.0), axes.y(suggestion.cosine)
    pen.line(_fine(x, y, x, HEIGHT - BOTTOM), fill=MARK, width=2 * FINER)
    pen.ellipse(_fine(x - MEAN, y - MEAN, x + MEAN, y + MEAN), fill=MARK)


def _words(
    pen: ImageDraw.ImageDraw,
    axes: _Axes,
    title: str,
    points: Sequence[Point],
    suggestion: Suggestion | None,
    levels: Levels | None,
    factor: float,
) -> None:
    small = font(SMALL)
    room = WIDTH - 2 * 24
    pen.text((24, 16), shorten(title, room, TEXT, bold=True), font=font(TEXT, bold=True), fill=INK, anchor="lt")  # fmt: skip
    pen.text((24, 40), _subtitle(suggestion), font=small, fill=MARK, anchor="lt")
    for tenth in range(round(axes.low * 10), round(axes.high * 10) + 1):
        y = axes.y(tenth / 10)
        pen.text((LEFT - 10, y), f"{tenth / 10:.1f}", font=small, fill=QUIET, anchor="rm")
    before = -1e9
    for weight in _weights(points):
        x, words = axes.x(weight), f"{weight:.3g}"
        if x - before > 12 + small.getlength(words):
            pen.text((x, HEIGHT - BOTTOM + 10), words, font=small, fill=QUIET, anchor="mt")
            before = x
    below = "weight" if factor == 1 else f"effective weight: weight x {factor:.2f} (prominence)"
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12), below, font=small, fill=QUIET, anchor="mb")
    pen.text((24, TOP - 10), "cosine", font=small, fill=QUIET, anchor="lb")
    if levels is not None:
        upper = axes.y(levels.median)
        lower = max(axes.y(levels.lowest), upper + APART)
        for y, words in ((upper, "own photos, median"), (lower, "own photos, least")):
            pen.text((WIDTH - RIGHT + 10, y), words, font=small, fill=COLD, anchor="lm")


def _subtitle(suggestion: Suggestion | None) -> str:
    if suggestion is None:
        return "no curve yet: see the report"
    if suggestion.weight is None:
        return "no weight brings anything"
    told = f"suggested weight {suggestion.weight:.2f}: cosine {suggestion.cosine:.3f}"
    return f"{told}; no more than noise between seeds" if suggestion.is_noise else told
