"""Faces and plans drawn over their picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..typography import font
from .faces import Box, Face, Point
from .find import Progress
from .plan import CropPlan

_MARK = (255, 196, 0)
_DIM = 0.45  # what lies outside a crop keeps this share of its brightness
_STRIP = 256  # rows that are looked at at once


def draw_faces(
    pictures: Tensor, frames: Sequence[Sequence[Face]], progress: Progress | None = None
) -> Tensor:
    """Every face's oval box and pupils over its picture.

    Parameters
    ----------
    pictures : Tensor, (B, H, W, 3), sRGB 0..1
    frames : the faces of each picture
    progress : callable, optional
        Called once with the rows in all, there and back; what it returns is called with the rows done, and
        may raise to stop.

    Returns
    -------
    Tensor, (B, H, W, 3), sRGB 0..1
    """

    def draw(pen: ImageDraw.ImageDraw, index: int, line: int) -> None:
        for number, face in enumerate(frames[index], 1):
            _box(pen, face.box, line)
            _pupils(pen, face, line)
            _caption(pen, face.box, f"{number}: {face.iod:.0f} px", line)

    return _over(pictures, draw, progress)


def draw_plan(pictures: Tensor, plan: CropPlan, progress: Progress | None = None) -> Tensor:
    """The crops bright over the dimmed picture, with what they frame.

    Same shapes as :func:`draw_faces`. Of a crop that sticks out the part in the picture is drawn.
    """
    crops_of: dict[int, list[int]] = {}
    for picture, crop in plan.assigned(len(pictures)):
        crops_of.setdefault(picture, []).append(crop)
    outlines = {
        crop: [plan.to_source(crop, corner) for corner in _corners(*plan.output_size)]
        for crop in range(len(plan.crops))
    }

    def dimmed(strip: Tensor, index: int, top: int) -> Tensor:
        inside = torch.zeros(strip.shape[:2], dtype=torch.bool)
        for crop in crops_of.get(index, []):
            inside |= _inside(outlines[crop], strip.shape[1], top, strip.shape[0])
        return torch.where(inside.to(strip.device)[..., None], strip, strip * _DIM)

    def draw(pen: ImageDraw.ImageDraw, index: int, line: int) -> None:
        for crop in crops_of.get(index, []):
            outline = outlines[crop]
            # the last pixel is inside: Pillow's lines run through the middle of pixels
            pen.polygon([(x - 0.5, y - 0.5) for x, y in outline], outline=_MARK, width=line)
            for face in plan.faces_in(crop):
                _pupils(pen, face, line)
            if plan.subjects:
                _box(pen, plan.subjects[crop], line)
            text = f"{plan.preset} -> {plan.output_size[0]}x{plan.output_size[1]}"
            _caption(pen, plan.crops[crop], text, line)

    return _over(pictures, draw, progress, dimmed)


def _corners(width: float, height: float) -> list[Point]:
    return [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]


def _inside(outline: Sequence[Point], width: int, top: int, rows: int) -> Tensor:
    """(rows, width), bool: the pixels whose centre lies in a convex outline, clockwise as seen."""
    x = torch.arange(width, dtype=torch.float64) + 0.5
    y = torch.arange(top, top + rows, dtype=torch.float64)[:, None] + 0.5
    inside = torch.ones(rows, width, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return inside


def _over(
    pictures: Tensor,
    draw: Callable[[ImageDraw.ImageDraw, int, int], None],
    progress: Progress | None,
    shown: Callable[[Tensor, int, int], Tensor] = lambda strip, index, top: strip,
) -> Tensor:
    """What is drawn over every picture, or over what is shown of it (strip, picture, its first row).

    In strips there and back: no copy of a picture in floats is made, and a stop is felt.
    """
    batch, height, width, _ = pictures.shape
    tick = progress(2 * batch * height) if progress else lambda done: None
    drawn = torch.empty(pictures.shape, dtype=torch.float32)
    for index, picture in enumerate(pictures):
        before = 2 * index * height
        canvas = Image.new("RGB", (width, height))
        for top in range(0, height, _STRIP):
            strip = shown(picture[top : top + _STRIP], index, top).float()
            codes = strip.mul(255).round_().clamp_(0, 255).to(torch.uint8)
            canvas.paste(Image.fromarray(codes.cpu().numpy()), (0, top))
            tick(before + top)
        draw(ImageDraw.Draw(canvas), index, max(1, round(min(canvas.size) / 300)))
        for top in range(0, height, _STRIP):
            strip = canvas.crop((0, top, width, min(height, top + _STRIP)))
            drawn[index, top : top + _STRIP] = torch.from_numpy(np.array(strip)).float() / 255
            tick(before + height + top)
    return drawn


def _box(pen: ImageDraw.ImageDraw, box: Box, line: int) -> None:
    # the last pixel is inside: Pillow's rectangles include their far border
    pen.rectangle(
        (box.x, box.y, max(box.x, box.right - 1), max(box.y, box.bottom - 1)),
        outline=_MARK,
        width=line,
    )


def _pupils(pen: ImageDraw.ImageDraw, face: Face, line: int) -> None:
    arm = 0.08 * face.iod
    for x, y in face.eyes:
        # a pixel's centre is half a pixel inside its edge
        pen.line((x - 0.5 - arm, y - 0.5, x - 0.5 + arm, y - 0.5), fill=_MARK, width=line)
        pen.line((x - 0.5, y - 0.5 - arm, x - 0.5, y - 0.5 + arm), fill=_MARK, width=line)


def _caption(pen: ImageDraw.ImageDraw, box: Box, text: str, line: int) -> None:
    letters = font(max(10, 7 * line))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=letters)
    x, y = max(0.0, box.x), max(0.0, box.y - (bottom - top) - 3 * line)
    pen.rectangle((x, y, x + right - left + 4 * line, y + bottom - top + 3 * line), fill=(0, 0, 0))
    pen.text((x + 2 * line - left, y + line - top), text, font=letters, fill=_MARK)
