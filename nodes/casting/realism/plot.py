"""A corridor drawn: where its faces lie in each figure, and how far each is from all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...typography import font
from .corridor import ENOUGH, Corridor, leave_one_out
from .figures import SCORED
from .words import NAMES, OUT

WIDTH, MARGIN, HEAD, ROW = 1000, 32, 76, 68
LEFT, RIGHT = 300, 960  # px, the ends of every scale
REACH = 4.0  # standard deviations to each side
DOT = 3.5
GROUND, INK, QUIET = (22, 22, 24), (242, 242, 242), (176, 176, 180)
BAND, MARK = (52, 58, 66), (86, 180, 233)
FARTHEST = 8.0  # of the scale of distances
FINER = 2


def draw_corridor(corridor: Corridor, rows: Sequence[dict[str, float]]) -> Tensor:
    """Every face a dot in every figure; the band is two standard deviations wide to each side.

    Parameters
    ----------
    corridor : Corridor
    rows : sequence of dict
        The figures of its faces.

    Returns
    -------
    Tensor, (1, 640, 1000, 3), sRGB 0..1
    """
    height = HEAD + ROW * (len(SCORED) + 1) + 88
    page = Image.new("RGB", (WIDTH * FINER, height * FINER), GROUND)
    pen = ImageDraw.Draw(page)
    _text(pen, (MARGIN, 34), f"Corridor {corridor.name}", 24, INK, bold=True)
    rough = "" if corridor.n >= ENOUGH else f": a rough one, {ENOUGH} are needed"
    _text(pen, (MARGIN, 60), f"{corridor.n} faces of real photographs{rough}", 15, QUIET)
    table = [corridor.sigmas(row) for row in rows]
    top = HEAD + ROW // 2
    for name in SCORED:
        low, high = NAMES[name]
        _scale(pen, top, -OUT / REACH, OUT / REACH)
        _text(pen, (MARGIN, top), name.replace("_", " "), 17, INK)
        _text(pen, (LEFT, top + 26), low, 13, QUIET)
        _text(pen, (RIGHT, top + 26), high, 13, QUIET, anchor="rm")
        _dots(pen, top, [one[name] / REACH for one in table])
        top += ROW
    own = leave_one_out(np.array([[row[key] for key in SCORED] for row in rows]))
    _scale(pen, top, -1.0, 2 * corridor.far / FARTHEST - 1)
    _text(pen, (MARGIN, top), "distance to the others", 17, INK)
    _text(pen, (LEFT, top + 26), "0", 13, QUIET)
    _text(pen, (RIGHT, top + 26), f"{FARTHEST:g} or more", 13, QUIET, anchor="rm")
    _dots(pen, top, [2 * float(one) / FARTHEST - 1 for one in own])
    foot = "Band: two standard deviations to each side; of the distance, nine of ten faces."
    _text(pen, (MARGIN, height - 26), foot, 14, QUIET)
    page = page.resize((WIDTH, height), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(page).astype(np.float32) / 255)[None]


def _text(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    words: str,
    size: int,
    ink: tuple[int, int, int],
    *,
    bold: bool = False,
    anchor: str = "lm",
) -> None:
    place = (at[0] * FINER, at[1] * FINER)
    pen.text(place, words, font=font(size * FINER, bold=bold), fill=ink, anchor=anchor)


def _x(share: float) -> float:
    """Of -1..1 along the scale; further away stands at its end."""
    return LEFT + (min(max(share, -1.0), 1.0) + 1) / 2 * (RIGHT - LEFT)


def _scale(pen: ImageDraw.ImageDraw, y: float, low: float, high: float) -> None:
    box = [value * FINER for value in (_x(low), y - 13, _x(high), y + 13)]
    pen.rectangle(box, fill=BAND)
    pen.line([LEFT * FINER, y * FINER, RIGHT * FINER, y * FINER], fill=QUIET, width=FINER)


def _dots(pen: ImageDraw.ImageDraw, y: float, shares: Sequence[float]) -> None:
    for share in shares:
        x = _x(share)
        box = [value * FINER for value in (x - DOT, y - DOT, x + DOT, y + DOT)]
        pen.ellipse(box, fill=MARK)
