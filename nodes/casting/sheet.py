"""The contact sheet of a cast: a block a model, every take at the same region and scale.

Each tile is one resample of its take, by the machinery of the plate: exact area, linear light,
nothing sharpened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..comparison.design import BEYOND, DOT, ENLARGED, MARK, MUCH, Shown
from ..comparison.locks import Lock, box_of, lock
from ..comparison.panels import Panel
from ..comparison.plate import cut_panel
from ..framing.faces import Box
from ..labels import fit, shorten
from ..typography import draw_line
from .ranking import best_of, distance_of, ties
from .take import Cast, Take
from .words import seed_words

GROUND, WELL = (22, 22, 24), (46, 46, 50)
INK, QUIET = (242, 242, 242), (184, 184, 188)  # 16:1 and 9:1 on the ground
BEST, REJECTED, AMBER = (120, 200, 255), (255, 150, 60), (255, 183, 40)
SIDE = 240  # px of a square tile; others have its area
NARROWEST, WIDEST = 168, 400  # px of a tile
SMALL = 96  # px, the longer side of a rejected take
GAP, MARGIN, MOST_WIDE = 18, 28, 2000
LEAST_WIDE = 900  # px, for the lines at head and foot
TITLE, NAME, NUMBER, LETTERS, LINE = 28, 22, 19, 16, 23
REASON_LINES, REJECTED_LINES, FOOT_LINES = 6, 7, 3
METHOD = "Exact area sampling in linear light, one pass, unsharpened."
EVIDENCE = "Rank is evidence within this cast, not a verdict: distance from real photographs, small reads real."


@dataclass(frozen=True)
class _Tile:
    """One take as it is drawn."""

    take: Take
    cut: Tensor | None
    """(h, w, 3); None of a rejected take."""
    caption: str
    marks: tuple[str, ...] = ()


def draw_sheet(cast: Cast) -> Tensor:
    """The contact sheet.

    Parameters
    ----------
    cast : Cast

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
        To be read at 1:1. What a region shows beyond its picture is hatched.
    """
    tiles, size, locked = _tiles(cast)
    width = _width(cast, size[0])
    columns = max(1, (width - 2 * MARGIN + GAP) // (size[0] + GAP))
    blocks = _blocks(cast, tiles)
    first = {take.number for take in best_of(cast.takes)}
    foot = _foot(cast, tiles, locked, width - 2 * MARGIN)
    height = 2 * MARGIN + TITLE + 2 * GAP + LINE * len(foot)
    for block in blocks.values():
        height += NAME + GAP + ceil(len(block) / columns) * (_height(block, size) + GAP)
    canvas = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(canvas)
    title = (
        f"{cast.region.upper()}{DOT}{_count(len(cast.takes), 'take')}{DOT}same region, same scale"
    )
    base = MARGIN + TITLE
    draw_line(pen, (MARGIN, base), shorten(title, width - 2 * MARGIN, TITLE, bold=True), TITLE, INK, bold=True)  # fmt: skip
    top = base + 2 * GAP
    for model, block in blocks.items():
        _heading(pen, model, block, (MARGIN, top + NAME), width - 2 * MARGIN)
        top, tall = top + NAME + GAP, _height(block, size)
        for place, tile in enumerate(block):
            row, column = divmod(place, columns)
            at = (MARGIN + column * (size[0] + GAP), top + row * (tall + GAP))
            _draw_tile(canvas, pen, tile, at, size, first)
        top += ceil(len(block) / columns) * (tall + GAP)
    for number, (line, fill) in enumerate(foot):
        y = height - MARGIN - LINE * (len(foot) - 1 - number)
        draw_line(pen, (MARGIN, y), line, LETTERS, fill)
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)[None]


def offered_panels(takes: Sequence[Take]) -> list[Panel]:
    """The takes that are offered, as entries of a comparison."""
    return [
        Panel(take.picture, take.face, f"{take.number}{DOT}{take.model}", seed_words(take))
        for take in takes
        if take.rejected is None and take.face is not None
    ]


def _tiles(cast: Cast) -> tuple[dict[int, _Tile], tuple[int, int], Lock | None]:
    """Every take as a tile by its number, the size of a whole tile, and what locks them."""
    offered = [take for take in cast.takes if take.rejected is None and take.face is not None]
    tiles = {take.number: _Tile(take, None, "") for take in cast.takes}
    if not offered:
        return tiles, (SIDE, SMALL), None
    locked = lock(offered_panels(offered), cast.region)
    aspect = locked.shape.width / locked.shape.height
    width = round(min(WIDEST, max(NARROWEST, SIDE * sqrt(aspect))))
    size = (width, round(width / aspect))
    for take, entry in zip(offered, locked.entries, strict=True):
        zoom = size[0] / (locked.shape.width * entry.unit)
        # one zoom for both axes: rounding to whole pixels moves the border, not the scale
        box = box_of(entry, locked.shape.width, size[1] / zoom / entry.unit)
        cut = cut_panel(take.picture, Shown(0, "", "", box, zoom), size)
        per_mm = "" if entry.px_per_mm is None else f"{DOT}{entry.px_per_mm:.1f} px/mm"
        marks = _marks(take, box, zoom)
        tiles[take.number] = _Tile(take, cut, f"{zoom:.2f}x{per_mm}", marks)
    return tiles, size, locked


def _marks(take: Take, box: Box, zoom: float) -> tuple[str, ...]:
    """What must be known before a tile is judged, in the words of the plate."""
    frame = Box(0, 0, take.picture.shape[2], take.picture.shape[1])
    return (
        *([ENLARGED] if zoom > MUCH else []),
        *([] if frame.contains(box) else [BEYOND]),
    )


def _blocks(cast: Cast, tiles: Mapping[int, _Tile]) -> dict[str, list[_Tile]]:
    """The tiles of each model, those offered first."""
    blocks: dict[str, list[_Tile]] = {}
    for take in cast.takes:
        blocks.setdefault(take.model, []).append(tiles[take.number])
    return {
        model: sorted(block, key=lambda tile: tile.take.rejected is not None)
        for model, block in blocks.items()
    }


def _width(cast: Cast, tile: int) -> int:
    models = [take.model for take in cast.takes]
    most = max(models.count(model) for model in set(models))
    wanted = 2 * MARGIN + most * (tile + GAP) - GAP
    return max(LEAST_WIDE, min(MOST_WIDE, wanted))


def _foot(
    cast: Cast, tiles: Mapping[int, _Tile], locked: Lock | None, room: int
) -> list[tuple[str, tuple[int, ...]]]:
    """The lines at the foot, each with its colour."""
    lines: list[tuple[str, tuple[int, ...]]] = []
    if locked is not None:
        lines.append((f"{locked.how[0].upper()}{locked.how[1:]}; roll kept. {METHOD}", QUIET))
        lines += [(note, AMBER) for note in locked.notes]
    marks = dict.fromkeys(mark for tile in tiles.values() for mark in tile.marks)
    if marks:
        lines.append((f"{MARK} {DOT.join(marks)}", AMBER))
    if any(take.rank is not None for take in cast.takes):
        lines.append((f"{EVIDENCE} Corridor: {cast.corridor}.", QUIET))
    for group in ties(cast.takes):
        lines.append((f"Too close to call: takes {', '.join(map(str, group))}.", INK))
    return [
        (one, fill)
        for line, fill in lines
        for one in fit([line], room, LETTERS, LETTERS, lines=FOOT_LINES).lines[0]
    ]


def _heading(
    pen: ImageDraw.ImageDraw, model: str, block: Sequence[_Tile], at: tuple[int, int], room: int
) -> None:
    offered = sum(tile.take.rejected is None for tile in block)
    told = f"{_count(len(block), 'take')}, {offered} offered" if offered < len(block) else _count(len(block), "take")  # fmt: skip
    name = shorten(model, round(0.7 * room), NAME, bold=True)
    wide = draw_line(pen, at, name, NAME, INK, bold=True)
    draw_line(pen, (at[0] + round(wide) + 14, at[1]), told, LETTERS, QUIET)


def _lines(tile: _Tile, width: int) -> list[tuple[str, tuple[int, ...]]]:
    """What stands below a tile's first line, each with its colour."""
    take = tile.take
    if take.rejected is not None:
        told = fit([take.rejected], width, LETTERS, LETTERS, lines=REJECTED_LINES).lines[0]
        return [(seed_words(take), QUIET), *((line, REJECTED) for line in told)]
    reason = "not scored"
    if take.evidence is not None:
        reason = take.evidence.gate or take.evidence.reason
    distance = distance_of(take)
    lines = [] if distance is None else [(f"distance {distance:.2f}", INK)]
    lines.append((seed_words(take), QUIET))
    if tile.caption:
        said = f"{tile.caption} {MARK}" if tile.marks else tile.caption
        lines.append((shorten(said, width, LETTERS), AMBER if tile.marks else QUIET))
    told = fit([reason], width, LETTERS, LETTERS, lines=REASON_LINES).lines[0]
    return [*lines, *((line, QUIET) for line in told)]


def _height(block: Sequence[_Tile], size: tuple[int, int]) -> int:
    """Of a row of a model's tiles with what stands below them."""
    tall = [
        (size[1] if tile.cut is not None else SMALL) + LINE * (1 + len(_lines(tile, size[0])))
        for tile in block
    ]
    return max(tall) + 8


def _draw_tile(
    canvas: Image.Image,
    pen: ImageDraw.ImageDraw,
    tile: _Tile,
    at: tuple[int, int],
    size: tuple[int, int],
    first: set[int],
) -> None:
    take, (x, y) = tile.take, at
    if tile.cut is not None:
        canvas.paste(_picture(tile.cut), at)
        base = y + size[1] + LINE
    else:
        small = _small(take.picture)
        canvas.paste(small, at)
        pen.rectangle((x, y, x + small.width - 1, y + small.height - 1), outline=REJECTED, width=2)
        base = y + small.height + LINE
    best = take.number in first
    if best:
        pen.rectangle((x - 3, y - 3, x + size[0] + 2, y + size[1] + 2), outline=BEST, width=3)
    words, fill = _standing(take, best)
    draw_line(pen, (x, base), shorten(words, size[0], NUMBER, bold=True), NUMBER, fill, bold=True)
    for number, (line, colour) in enumerate(_lines(tile, size[0]), 1):
        draw_line(pen, (x, base + LINE * number), shorten(line, size[0], LETTERS), LETTERS, colour)


def _standing(take: Take, best: bool) -> tuple[str, tuple[int, ...]]:
    """A tile's first line: its number and its rank."""
    if take.rejected is not None:
        return f"{take.number}{DOT}rejected", REJECTED
    if take.rank is None:
        return f"{take.number}{DOT}not ranked", AMBER
    return f"{take.number}{DOT}rank {take.rank}", BEST if best else INK


def _small(picture: Tensor) -> Image.Image:
    """A rejected take as a whole, small."""
    whole = _picture(picture[0])
    scale = SMALL / max(whole.size)
    size = (max(4, round(whole.width * scale)), max(4, round(whole.height * scale)))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    return whole.resize(size, how)


def _picture(values: Tensor) -> Image.Image:
    codes = (values.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(codes.numpy())


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
