"""The contact sheet of an identity: every reference as the encoders see it, its figures, its fate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ..labels import shorten
from ..typography import draw_line
from .profile import Embedded, Identity

GROUND, WELL = (22, 22, 24), (46, 46, 50)
INK, QUIET = (242, 242, 242), (184, 184, 188)
KEPT, REJECTED = (120, 200, 255), (255, 150, 60)  # apart for the colour-blind too
TILE, GAP, MARGIN = 200, 16, 24
MOST_A_ROW, LEAST_COLUMNS = 8, 3  # the head's lines need the room of three
LETTERS, HEAD, NUMBER = 17, 26, 22
LINE = 24
ALIGNED_PX = 512


def draw_sheet(identity: Identity) -> Tensor:
    """Every reference with its number, quality, cosine to the centre and fate.

    Parameters
    ----------
    identity : Identity
        With its crops; a face without one is a tile that says so.

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
        At most 8 faces a row, to be read at 1:1. The figures are those of the first encoder; a face
        that any encoder rejects is crossed out.
    """
    columns = min(MOST_A_ROW, max(LEAST_COLUMNS, len(identity.references)))
    rows = -(-len(identity.references) // columns)
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    head = _head(identity)
    top = MARGIN + HEAD + 22 + LINE * len(head)
    tall = TILE + 3 * LINE + 14
    canvas = Image.new("RGB", (width, top + rows * (tall + GAP) + MARGIN - GAP), GROUND)
    pen = ImageDraw.Draw(canvas)
    room = width - 2 * MARGIN
    draw_line(
        pen, (MARGIN, MARGIN + HEAD - 4), shorten(identity.name, room, HEAD, bold=True), HEAD, INK, bold=True
    )  # fmt: skip
    for line, text in enumerate(head):
        y = MARGIN + HEAD + LINE * (line + 1)
        draw_line(pen, (MARGIN, y), shorten(text, room, LETTERS), LETTERS, QUIET)
    kept = identity.kept()
    for place, one in enumerate(identity.references):
        x = MARGIN + place % columns * (TILE + GAP)
        y = top + place // columns * (tall + GAP)
        _draw_crop(canvas, (x, y), one.crop512 if one.crop512 is not None else one.crop112)
        if not kept[place]:
            _cross_out(pen, (x, y))
        _draw_number(pen, (x, y), place + 1)
        for line, (text, fill) in enumerate(_lines(identity, place, bool(kept[place]))):
            base = y + TILE + LINE * (line + 1)
            said = shorten(text, TILE, LETTERS)
            draw_line(pen, (x, base), said, LETTERS, fill)
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)[None]


def aligned_faces(identity: Identity) -> Tensor:
    """The kept faces that have a crop, best first, (K, 512, 512, 3), sRGB 0..1; one black picture of none.

    Best is what counts most in the centre of the first encoder; without one the best quality.
    """
    order = identity.quality
    first = _first(identity)
    if first is not None:
        order = identity.weights(first)
    kept = identity.kept()
    crops = [
        identity.references[place].crop512
        for place in sorted(range(len(order)), key=lambda place: -order[place])
        if kept[place]
    ]
    found = [crop for crop in crops if crop is not None]
    if not found:
        return torch.zeros(1, ALIGNED_PX, ALIGNED_PX, 3)
    return torch.from_numpy(np.stack(found).astype(np.float32) / 255)


def _first(identity: Identity) -> Embedded | None:
    """The first encoder that has seen a kept face."""
    return next((each for each in identity.embedded if identity.keep(each).any()), None)


def _head(identity: Identity) -> list[str]:
    count, kept = len(identity.references), int(identity.kept().sum())
    first = _first(identity)
    lines = [f"{kept} of {count} face{'' if count == 1 else 's'} kept"]
    if first is None:
        return [f"{lines[0]}; no encoder: nothing is compared"]
    lines[0] += f"; cosines to the centre, scores: {first.label}"
    lines.append(
        f"score: median cosine to the others / that of all; below {identity.limit:.2f} rejected"
    )
    return lines


def _lines(identity: Identity, place: int, kept: bool) -> list[tuple[str, tuple[int, ...]]]:
    """Quality, likeness and fate of a face, each with its colour."""
    one = identity.references[place]
    decided, score = _score(identity, place, kept)
    first = _first(identity)
    if first is None:
        likeness = "not compared"
    elif decided is not None and decided is not first:
        likeness = f"by {decided.encoder}"
    elif first.has[place]:
        likeness = f"cosine {_figure(identity.cosines(first)[place])}"
    else:
        likeness = f"not seen by {first.encoder}"
    fate = "kept" if kept else "REJECTED"
    if one.forced is not None:
        fate = f"{fate} by you"
    said = fate if score is None else f"{fate}, score {_figure(score)}"
    return [
        (f"quality {one.quality:.2f}", QUIET),
        (likeness, QUIET),
        (said, KEPT if kept else REJECTED),
    ]


def _score(identity: Identity, place: int, kept: bool) -> tuple[Embedded | None, float | None]:
    """The encoder that decided on a face and its score: the first one that rejects it, else the first."""
    first = _first(identity)
    if first is None or identity.references[place].forced is False:
        return first, None
    judged = [(each, identity.judge(each)) for each in identity.embedded]
    rejecting = [
        (each, one) for each, one in judged if one.asked[place] and not one.keep[place] and not kept
    ]
    each, judgement = rejecting[0] if rejecting else (first, identity.judge(first))
    if not judgement.asked[place] or judgement.median <= 0 or judgement.asked.sum() < 2:
        return each, None
    return each, float(judgement.score[place])


def _figure(value: float) -> str:
    """Two digits, without a minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"


def _draw_crop(canvas: Image.Image, at: tuple[int, int], crop: NDArray[np.uint8] | None) -> None:
    if crop is None:
        pen = ImageDraw.Draw(canvas)
        pen.rectangle((*at, at[0] + TILE - 1, at[1] + TILE - 1), fill=WELL)
        middle = (at[0] + TILE // 2, at[1] + TILE // 2 + 6)
        draw_line(pen, middle, "no crop stored", LETTERS, QUIET, anchor="ms")
        return
    shrinks = crop.shape[0] > TILE
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    picture = Image.fromarray(crop)
    canvas.paste(picture.resize((TILE, TILE), how), at)


def _draw_number(pen: ImageDraw.ImageDraw, at: tuple[int, int], number: int) -> None:
    wide = 14 + 14 * len(str(number))
    pen.rectangle((*at, at[0] + wide, at[1] + 30), fill=GROUND)
    draw_line(
        pen, (at[0] + wide // 2, at[1] + 23), str(number), NUMBER, INK, bold=True, anchor="ms"
    )


def _cross_out(pen: ImageDraw.ImageDraw, at: tuple[int, int]) -> None:
    """A frame and a cross, each in light on dark, so that they are seen on any face."""
    (left, top), (right, bottom) = at, (at[0] + TILE - 1, at[1] + TILE - 1)
    strokes: Sequence[tuple[tuple[int, ...], int]] = ((GROUND, 9), (REJECTED, 4))
    for colour, width in strokes:
        pen.line((left, top, right, bottom), fill=colour, width=width)
        pen.line((left, bottom, right, top), fill=colour, width=width)
    pen.rectangle((left, top, right, bottom), outline=REJECTED, width=4)


__all__ = ["aligned_faces", "draw_sheet"]
