"""The rendered pictures side by side: weights across, seeds down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ....kernels.picture import split_alpha
from ...labels import shorten
from ...typography import font
from .measure import Render
from .value import Point

TILE = 320  # px of a picture's longer side
WIDEST = 6000  # px of the page: pictures are made smaller
LEAST_TILE = 96
GAP, MARGIN, HEAD, SIDE, FOOT = 8, 16, 34, 132, 24
TEXT, SMALL = 18, 15
GROUND, WELL, INK, QUIET = (22, 22, 24), (46, 46, 50), (242, 242, 242), (176, 176, 180)


def draw_grid(renders: Sequence[Render], points: Sequence[Point]) -> Tensor:
    """All pictures with their weights, seeds and cosines.

    Parameters
    ----------
    renders : sequence of Render, 1 or more
    points : sequence of Point, as many

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
        A pair of weight and seed without a picture is an empty tile.
    """
    weights = sorted({one.weight for one in renders})
    noises = sorted({(one.seed, one.number) for one in renders})
    tile = max(
        min(TILE, (WIDEST - SIDE) // max(len(weights), len(noises)) - GAP - FOOT), LEAST_TILE
    )
    wide, tall = _size(renders[0].picture, tile)
    size = (
        MARGIN + SIDE + len(weights) * (wide + GAP) - GAP + MARGIN,
        MARGIN + HEAD + len(noises) * (tall + FOOT + GAP) - GAP + MARGIN,
    )
    page = Image.new("RGB", size, GROUND)
    pen = ImageDraw.Draw(page)
    left, top = MARGIN + SIDE, MARGIN + HEAD
    for column, weight in enumerate(weights):
        words = shorten(f"weight {weight:.3g}", wide, TEXT, bold=True)
        middle = left + column * (wide + GAP) + wide // 2
        pen.text((middle, MARGIN), words, font=font(TEXT, bold=True), fill=INK, anchor="mt")
    for row, (seed, number) in enumerate(noises):
        y = top + row * (tall + FOOT + GAP)
        lines = ["seed", str(seed)]
        if any(other for _, other in noises):
            lines.append(f"picture {number + 1}")
        for line, words in enumerate(lines):
            told = shorten(words, SIDE - GAP, SMALL)
            pen.text((MARGIN, y + 20 * line), told, font=font(SMALL), fill=QUIET, anchor="lt")
        for column in range(len(weights)):
            x = left + column * (wide + GAP)
            pen.rectangle((x, y, x + wide - 1, y + tall - 1), fill=WELL)
    for one, point in zip(renders, points, strict=True):
        x = left + weights.index(one.weight) * (wide + GAP)
        y = top + noises.index((one.seed, one.number)) * (tall + FOOT + GAP)
        shown = _picture(one.picture, (wide, tall))
        page.paste(shown, (x + (wide - shown.width) // 2, y + (tall - shown.height) // 2))
        words = "not told" if point.cosine is None else f"{point.cosine:.3f}"
        pen.text((x, y + tall + 4), words, font=font(SMALL), fill=QUIET, anchor="lt")
    return torch.from_numpy(np.asarray(page, np.float32) / 255)[None]


def _size(picture: Tensor, tile: int) -> tuple[int, int]:
    """Width and height of a tile with the shape of the first picture."""
    _, height, width, _ = picture.shape
    scale = tile / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _picture(picture: Tensor, room: tuple[int, int]) -> Image.Image:
    """As large as it can be within a tile."""
    colours, _ = split_alpha(picture.float().nan_to_num(0, 1, 0))
    numbers = (colours[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    shown = Image.fromarray(np.ascontiguousarray(np.broadcast_to(numbers, (*numbers.shape[:2], 3))))
    scale = min(room[0] / shown.width, room[1] / shown.height)
    size = (max(round(shown.width * scale), 1), max(round(shown.height * scale), 1))
    return shown.resize(size, Image.Resampling.LANCZOS)
