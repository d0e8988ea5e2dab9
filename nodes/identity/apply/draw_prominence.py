"""The prominence factor as a curve over the face's share of the canvas, with a plan's own point on it."""

from __future__ import annotations

from math import log

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...typography import font
from ..injection.weight import MODES, PORTRAIT, prominence_factor

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 30, 56, 58  # px around the curves
SHARES = (0.003, 1.0)  # of the canvas: a face 70 px tall in 1024 px, and one that fills it
MOST = 1.75  # the highest factor is 1.6
TICKS = (0.003, 0.01, 0.03, 0.12, 0.3, 1.0)
TEXT, SMALL = 18, 14
DOT = 9  # px
GROUND, INK, QUIET, LINE, MARK = (
    (22, 22, 24),
    (242, 242, 242),
    (176, 176, 180),
    (70, 70, 74),
    (255, 196, 0),
)


def draw_prominence(mode: str, share: float | None) -> Tensor:
    """The curves of all modes, the one in use bright, and the face's point on it.

    Parameters
    ----------
    mode : 'off', 'follow' or 'compensate'
    share : float, above 0, at most 1, or None
        Of the canvas that the face takes; None: no point is drawn. One below the axis is drawn at its
        beginning; what is written beside it is its own.

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
    """
    page = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    pen = ImageDraw.Draw(page)
    _axes(pen)
    columns = range(LEFT, WIDTH - RIGHT + 1)
    for one in (*(other for other in MODES if other != mode), mode):
        line = [(x, y_of(prominence_factor(_share_at(x), one))) for x in columns]
        pen.line(line, fill=MARK if one == mode else LINE, width=3 if one == mode else 2)
        _name(pen, one, MARK if one == mode else QUIET)
    title = f"prominence {mode}"
    if share is not None:
        factor = prominence_factor(share, mode)
        x, y = x_of(share), y_of(factor)
        pen.line((x, y, x, HEIGHT - BOTTOM), fill=QUIET)
        pen.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=MARK, outline=GROUND, width=2)
        title += f": {100 * share:.3g} % of the canvas, weight x {factor:.2f}"
    pen.text((LEFT, 18), title, font=font(TEXT, bold=True), fill=INK, anchor="lt")
    return torch.from_numpy(np.asarray(page, np.float32) / 255)[None]


def x_of(share: float) -> float:
    """Where a share stands, pixels from the left; logarithmic."""
    first, last = SHARES
    along = log(min(max(share, first), last) / first) / log(last / first)
    return LEFT + along * (WIDTH - RIGHT - LEFT)


def y_of(factor: float) -> float:
    """Where a factor stands, pixels from the top."""
    return HEIGHT - BOTTOM - min(max(factor, 0.0), MOST) / MOST * (HEIGHT - BOTTOM - TOP)


def _share_at(x: float) -> float:
    first, last = SHARES
    share = first * (last / first) ** ((x - LEFT) / (WIDTH - RIGHT - LEFT))
    return min(share, last)


def _axes(pen: ImageDraw.ImageDraw) -> None:
    small = font(SMALL)
    floor = HEIGHT - BOTTOM
    for share in TICKS:
        x = x_of(share)
        dark = LINE if share == PORTRAIT else (40, 40, 44)
        pen.line((x, TOP, x, floor), fill=dark)
        pen.text((x, floor + 8), f"{100 * share:g} %", font=small, fill=QUIET, anchor="mt")
    for factor in (0.0, 0.5, 1.0, 1.5):
        y = y_of(factor)
        pen.line((LEFT, y, WIDTH - RIGHT, y), fill=(40, 40, 44))
        pen.text((LEFT - 8, y), f"{factor:g}", font=small, fill=QUIET, anchor="rm")
    words = "the face's share of the canvas (12 %: a portrait)"
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12), words, font=small, fill=QUIET, anchor="mb")


def _name(pen: ImageDraw.ImageDraw, mode: str, colour: tuple[int, int, int]) -> None:
    """Beside the curve, where the three are apart."""
    if mode == "off":
        at, anchor = (WIDTH - RIGHT - 4, y_of(1.0) - 6), "rb"
    else:
        share = 0.02
        at, anchor = (x_of(share) + 8, y_of(prominence_factor(share, mode)) + (8 if mode == "follow" else -8)), (
            "lt" if mode == "follow" else "lb"
        )  # fmt: skip
    pen.text(at, mode, font=font(SMALL), fill=colour, anchor=anchor)
