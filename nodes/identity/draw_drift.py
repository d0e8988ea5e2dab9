"""A picture's face beside the profile's, and where its cosine falls among those of the profile's photos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ...kernels.picture import split_alpha
from ..labels import shorten
from ..typography import font
from .drift import Compared, Drift, Likeness
from .encode.align import aligned_crop
from .profile import Identity

MOST_ROWS = 16  # pictures that are drawn; the report tells of all
WIDTH, MARGIN = 1000, 24
CROP = 192  # px
CROP_FROM = 512  # px: the aligned crop that is made smaller
TEXT, SMALL = 18, 15
LINE = 74  # px of an encoder's scale
LEAST_ROW = CROP + 34
GROUND, INK, QUIET, MARK = (22, 22, 24), (242, 242, 242), (176, 176, 180), (255, 196, 0)
LOWEST = -0.2  # where the scale begins; a cosine below is drawn at its edge


def draw_drift(drift: Drift, identity: Identity, image: Tensor) -> Tensor:
    """Rows of: the face, the profile's best one, and a scale for each encoder.

    On a scale every stroke is a photo of the profile, held against the others, and the triangle is
    the picture, held against the same.

    Parameters
    ----------
    drift : Drift
    identity : Identity
    image : Tensor, (B, H, W, C), sRGB 0..1
        The pictures that were measured.

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
    """
    colours, _ = split_alpha(image)
    rows = list(drift.best[:MOST_ROWS])
    heights = [_height(one) for one in rows]
    page = Image.new("RGB", (WIDTH, sum(heights) + 2 * MARGIN), GROUND)
    pen = ImageDraw.Draw(page)
    own = _best_reference(identity)
    top = MARGIN
    for index, (one, height) in enumerate(zip(rows, heights, strict=True)):
        title = f"picture {index + 1}" if len(drift.best) > 1 else "picture"
        seen = None if one is None else aligned_crop(colours[index], one.face, CROP_FROM)
        _crop(page, pen, (MARGIN, top), seen, title)
        _crop(page, pen, (2 * MARGIN + CROP, top), own, drift.name or "profile")
        _figures(pen, (3 * MARGIN + 2 * CROP, top), one)
        top += height
    return torch.from_numpy(np.asarray(page).astype(np.float32) / 255)[None]


def _height(one: Compared | None) -> int:
    return max(LEAST_ROW, (0 if one is None else len(one.likeness)) * LINE + 34) + MARGIN // 2


def _best_reference(identity: Identity) -> NDArray[np.uint8] | None:
    """The crop of the kept face of highest quality."""
    there = [
        (one.quality, index)
        for index, (one, kept) in enumerate(zip(identity.references, identity.kept(), strict=True))
        if kept and (one.crop512 is not None or one.crop112 is not None)
    ]
    if not there:
        return None
    best = identity.references[max(there, key=lambda pair: (pair[0], -pair[1]))[1]]
    return best.crop512 if best.crop512 is not None else best.crop112


def _crop(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    crop: NDArray[np.uint8] | None,
    title: str,
) -> None:
    x, y = place
    if crop is None:
        pen.rectangle((x, y, x + CROP - 1, y + CROP - 1), outline=QUIET)
        words = "no crop"
        pen.text((x + CROP // 2, y + CROP // 2), words, font=font(SMALL), fill=QUIET, anchor="mm")
    else:
        page.paste(Image.fromarray(crop).resize((CROP, CROP), Image.Resampling.BICUBIC), (x, y))
    words = shorten(title, CROP, SMALL)
    pen.text((x, y + CROP + 6), words, font=font(SMALL), fill=QUIET, anchor="lt")


def _figures(pen: ImageDraw.ImageDraw, place: tuple[int, int], one: Compared | None) -> None:
    x, y = place
    width = WIDTH - x - MARGIN
    if one is None or not one.likeness:
        why = "no face" if one is None or not one.objection else one.objection
        pen.text((x, y), "cannot be told", font=font(TEXT, bold=True), fill=INK, anchor="lt")
        for number, words in enumerate(_wrapped(why, width)):
            pen.text((x, y + 30 + 22 * number), words, font=font(SMALL), fill=QUIET, anchor="lt")
        return
    for number, likeness in enumerate(one.likeness):
        _scale(pen, (x, y + number * LINE), width, likeness)


def _wrapped(words: str, width: int) -> Sequence[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(SMALL).getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _scale(pen: ImageDraw.ImageDraw, place: tuple[int, int], width: int, one: Likeness) -> None:
    x, y = place

    def at(cosine: float) -> float:
        return x + width * (min(max(cosine, LOWEST), 1.0) - LOWEST) / (1 - LOWEST)

    words = f"{one.encoder}: {one.cosine:.3f}"
    if one.control is not None:
        words += f", own photos {one.control.lowest:.2f} to {one.control.highest:.2f}"
    pen.text(
        (x, y), shorten(words, width, SMALL), font=font(SMALL, bold=True), fill=INK, anchor="lt"
    )
    line = y + 36
    pen.line((x, line, x + width, line), fill=QUIET)
    for tick in (0.0, 0.5, 1.0):
        pen.line((at(tick), line, at(tick), line + 4), fill=QUIET)
        anchor = "rt" if tick == 1 else "mt"
        pen.text(
            (at(tick), line + 15), f"{tick:g}", font=font(SMALL - 2), fill=QUIET, anchor=anchor
        )
    for cosine in one.control.cosines if one.control is not None else ():
        pen.line((at(cosine), line - 9, at(cosine), line - 1), fill=INK, width=2)
    here = at(one.cosine if one.as_new is None else one.as_new)
    pen.polygon([(here, line + 1), (here - 7, line + 13), (here + 7, line + 13)], fill=MARK)
