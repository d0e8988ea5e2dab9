"""A line of text as runs of one font each: how wide it is, and drawn."""

from __future__ import annotations

from itertools import groupby
from math import ceil, floor
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from . import choice, fonts
from .bidi import levels, plain, visual
from .clusters import clusters, one_line
from .user_font import usable

Anchor = Literal["ls", "ms", "rs"]

_ASCENT, _DESCENT = 1.25, 0.45
# Of the letter size. DejaVu Sans has 1.07 above the line (two accents on a capital) and 0.39 below
# (Arabic); stacked vowel signs of other scripts need more. Ink beyond (piled-up marks) is cut off.
_MOST_LETTERS = 4096  # of one line: no plate is wide enough for more at a legible size


class _Piece(NamedTuple):
    """What is drawn in one go, in the order of reading."""

    text: str
    path: str
    """Where its font lies."""
    leftward: bool


def runs(
    text: str, size: int, bold: bool = False, user_font: str | Path | None = None
) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """A text as runs of one font each, from left to right as they are drawn.

    Letters stay with their marks, emoji with what they are joined to. What no font has is a
    :data:`BOX` in its run; emoji that no font has are left out. :func:`missing` names both.

    Parameters
    ----------
    text : str
        Drawn as one line: see :func:`one_line`.
    size : int
        Letter size, pixels. A font of bitmaps alone (colour emoji) has its own ``size`` and is
        drawn scaled.
    user_font : path of a font file, optional
        Goes before all others; :func:`find_font` finds it by name.

    Raises
    ------
    ValueError
        ``user_font`` is no font that can be read.
    """
    return [
        (piece.text, fonts.open_font(piece.path, size, bold, fonts.can_shape()))
        for piece in _pieces(text, bold, user_font)
    ]


def length(
    text: str, size: int, *, bold: bool = False, user_font: str | Path | None = None
) -> float:
    """Width of a text written as one line by :func:`draw_line`, pixels."""
    return sum(_advance(piece, size, bold) for piece in _pieces(text, bold, user_font))


def draw_line(
    pen: ImageDraw.ImageDraw,
    xy: tuple[float, float],
    text: str,
    size: int,
    fill: tuple[int, ...] | str | int,
    *,
    bold: bool = False,
    anchor: Anchor = "ls",
    user_font: str | Path | None = None,
) -> float:
    """Write one line, every letter in a font that has it.

    Parameters
    ----------
    xy : pixels
        A point on the baseline, rounded to a whole pixel.
    anchor : "ls", "ms" or "rs"
        Whether the line begins there, is centred there, or ends there.

    Returns
    -------
    float
        The width of the line, pixels.

    Notes
    -----
    Nothing is drawn outside the band of :func:`band`, however many marks a letter has.
    """
    pieces = _pieces(text, bold, user_font)
    widths = [_advance(piece, size, bold) for piece in pieces]
    total = sum(widths)
    begin = round(xy[0] - {"ls": 0.0, "ms": 0.5, "rs": 1.0}[anchor] * total)
    above, below = band(size)
    base = round(xy[1])
    # letters may lean out by less than their size; what is off the canvas needs no mask
    left = max(begin - size, 0)
    right = min(begin + ceil(total) + size, pen.im.size[0])
    if right <= left:
        return total
    mask = Image.new("L", (right - left, above + below))
    over = ImageDraw.Draw(mask)
    x = float(begin)
    coloured = []
    for piece, width in zip(pieces, widths, strict=True):
        letters = fonts.open_font(piece.path, size, bold, fonts.can_shape())
        if x + width + size > left and x - size < right:
            if fonts.is_coloured(piece.path):
                coloured.append((piece, letters, round(x)))
            else:
                over.text(
                    (round(x) - left, above), piece.text, 255, letters, "ls",
                    direction=_direction(piece),
                )  # fmt: skip
        x += width
    pen.bitmap((left, base - above), mask, fill)
    for piece, letters, place in coloured:
        _draw_coloured(pen, (place, base), piece, letters, size, fill)
    return total


def _draw_coloured(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    piece: _Piece,
    letters: ImageFont.FreeTypeFont,
    size: int,
    fill: tuple[int, ...] | str | int,
) -> None:
    """Emoji in their own colours, scaled where the font has one size alone; a grey pen draws their outline."""
    in_colour = pen.mode in ("RGB", "RGBA")
    direction = _direction(piece)
    left, top, right, bottom = letters.getbbox(
        piece.text, mode="RGBA", direction=direction, anchor="ls"
    )
    left, top = floor(left), floor(top)
    extent = (max(ceil(right) - left, 1), max(ceil(bottom) - top, 1))
    tile = Image.new("RGBA", extent)
    ImageDraw.Draw(tile).text(
        (-left, -top), piece.text, fill if in_colour else "white", letters, "ls",
        direction=direction, embedded_color=True,
    )  # fmt: skip
    # what was blended into nothing is premultiplied by its alpha
    tile = Image.frombytes("RGBa", extent, tile.tobytes())
    scale = size / letters.size
    if scale != 1:
        extent = (max(round(extent[0] * scale), 1), max(round(extent[1] * scale), 1))
        tile = tile.resize(extent, Image.Resampling.BOX)
    tile = tile.convert("RGBA")
    above, below = band(size)
    upper = round(top * scale)
    tile = tile.crop((0, max(-above - upper, 0), extent[0], max(min(below - upper, extent[1]), 0)))
    corner = (place[0] + round(left * scale), place[1] + max(upper, -above))
    if not tile.height:
        return
    if in_colour:
        where = (*corner, corner[0] + tile.width, corner[1] + tile.height)
        pen.im.paste(tile.convert(pen.mode).im, where, tile.getchannel("A").im)
    else:
        pen.bitmap(corner, tile.getchannel("A"), fill)


def band(size: int) -> tuple[int, int]:
    """Rows that a line of a letter size may fill above and below its baseline, pixels."""
    return ceil(_ASCENT * size), ceil(_DESCENT * size)


def _pieces(text: str, bold: bool, user_font: str | Path | None) -> list[_Piece]:
    """The line as it is drawn from left to right."""
    user = usable(user_font)
    folders = choice.font_folders()
    units: list[tuple[str, str]] = []
    for cluster in clusters(one_line(text)[:_MOST_LETTERS]):
        if cluster != " ":
            units.extend(choice.pick(cluster, bold, user, folders).parts)
        elif units and units[-1][0] != " ":  # what was left out leaves no second blank
            before = units[-1][1]  # a blank belongs to the word before it
            units += (
                [(" ", before)]
                if fonts.has(before, " ")
                else choice.pick(" ", bold, user, folders).parts
            )
    if units and units[-1][0] == " ":
        units.pop()
    numbered = zip(units, levels([unit for unit, _ in units]), strict=True)
    found = [
        (level, _piece([unit for (unit, _), _ in group], path, level))
        for (path, level), group in groupby(numbered, key=lambda one: (one[0][1], one[1]))
    ]
    return visual(found)


def _piece(units: list[str], path: str, level: int) -> _Piece:
    if fonts.can_shape():
        return _Piece("".join(units), path, level % 2 == 1)
    return _Piece(plain(units, path, level), path, False)


def _direction(piece: _Piece) -> str | None:
    if not fonts.can_shape():
        return None
    return "rtl" if piece.leftward else "ltr"


def _advance(piece: _Piece, size: int, bold: bool) -> float:
    letters = fonts.open_font(piece.path, size, bold, fonts.can_shape())
    return letters.getlength(piece.text, direction=_direction(piece)) * size / letters.size
