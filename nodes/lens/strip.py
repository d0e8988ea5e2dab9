"""Several renderings of one picture side by side, named: to choose from, not to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...kernels.resample import resample_area
from ..labels import shorten, size_for
from ..typography import font

GROUND, INK, QUIET = (22, 22, 24), (242, 242, 242), (176, 176, 180)
GAP_SHARE, TEXT_SHARE = 0.025, 0.045  # of a tile's longer side
LEAST_TEXT = 11  # px
MOST_PX = 8192  # a side of the strip

Box = tuple[int, int, int, int]  # x, y, width, height, px


def tile_of(picture: Tensor, box: Box, longest: int) -> Tensor:
    """A part of a picture as a tile.

    Parameters
    ----------
    picture : Tensor, (H, W, 3), sRGB 0..1
    box : x, y, width, height, pixels, inside the picture
    longest : int, pixels
        The tile's longer side at most; a smaller part keeps its own pixels.

    Returns
    -------
    Tensor, (h, w, 3), sRGB 0..1
        Exact area means in linear light where it shrinks: nothing is sharpened.
    """
    x, y, width, height = box
    shrink = min(1.0, longest / max(width, height))
    if shrink == 1:
        return picture[y : y + height, x : x + width].float().cpu()
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    panel, _ = resample_area(picture.float().permute(2, 0, 1)[None], box, size)
    return panel[0].permute(1, 2, 0)


def make_strip(
    tiles: Sequence[Tensor], names: Sequence[str], figures: Sequence[str], columns: int = 0
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Tiles in rows, each with its name and a figure below.

    Parameters
    ----------
    tiles : N tensors of one size, (h, w, 3), sRGB 0..1
    names, figures : N texts
    columns : int
        0 chooses what comes nearest to a page of 3:2.

    Returns
    -------
    strip : Tensor, (1, H, W, 3), sRGB 0..1
    origins : where each tile's top left pixel is, (x, y)

    Raises
    ------
    ValueError
        The strip would be wider or higher than ``MOST_PX``.
    """
    height, width = tiles[0].shape[:2]
    gap = max(4, round(GAP_SHARE * max(width, height)))
    text = max(LEAST_TEXT, round(TEXT_SHARE * max(width, height)))
    cell = (width + gap, height + gap + 3 * text)
    columns = columns or _columns(len(tiles), cell)
    rows = ceil(len(tiles) / columns)
    page = (columns * cell[0] + gap, rows * cell[1] + gap)
    if max(page) > MOST_PX:
        raise ValueError(
            f"the strip would be {page[0]}x{page[1]} px, at most {MOST_PX} a side are made. "
            "Choose a smaller tile_px, or fewer entries."
        )
    canvas = Image.new("RGB", page, GROUND)
    pen = ImageDraw.Draw(canvas)
    origins = [
        (gap + number % columns * cell[0], gap + number // columns * cell[1])
        for number in range(len(tiles))
    ]
    for words, line, colour, bold in ((names, 1.2, INK, True), (figures, 2.4, QUIET, False)):
        size = size_for(words, width, text, LEAST_TEXT, bold=bold)
        letters = font(size, bold=bold)
        for (x, y), one in zip(origins, words, strict=True):
            place = (x, y + height + round(line * text))
            pen.text(
                place, shorten(one, width, size, bold=bold), font=letters, fill=colour, anchor="ls"
            )
    strip = torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)
    for tile, (x, y) in zip(tiles, origins, strict=True):
        strip[y : y + height, x : x + width] = tile
    return strip[None], origins


def _columns(count: int, cell: tuple[int, int]) -> int:
    """How many columns make a page near 3:2 with few places left empty."""

    def miss(columns: int) -> float:
        rows = ceil(count / columns)
        shape = abs(float(np.log(columns * cell[0] / (rows * cell[1]) / 1.5)))
        return shape + 2 * (1 - count / (rows * columns))

    return min(range(count, 0, -1), key=miss)
