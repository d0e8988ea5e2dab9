"""What a crop frames when it is no face: the outline of a mask, or a box."""

from __future__ import annotations

from typing import Any

from . import linked
from .faces import Box


def subject_boxes(mask: Any, bounding_box: Any, shape: tuple[int, ...]) -> list[Box]:
    """The subject of each picture, pixels; several boxes of one picture are one subject.

    Parameters
    ----------
    mask, bounding_box : values of ComfyUI's sockets, or None; the box counts first
    shape : (B, H, W, C) of the pictures

    Raises
    ------
    ValueError
        Neither is linked, a picture has none, or one is not what its name says.
    """
    batch, height, width, _ = shape
    if bounding_box is not None:
        frames = linked.boxes(bounding_box, (width, height), batch)
    elif mask is not None:
        frames = linked.mask_boxes(mask, (width, height), batch)
    else:
        raise ValueError("the preset mask or box needs a mask or a bounding_box: link one")
    empty = [index + 1 for index, boxes in enumerate(frames) if not boxes]
    if empty:
        raise ValueError(f"bounding_box holds no box for picture {', '.join(map(str, empty))}")
    return [_around(boxes) for boxes in frames]


def _around(boxes: list[Box]) -> Box:
    x, y = min(box.x for box in boxes), min(box.y for box in boxes)
    return Box(x, y, max(box.right for box in boxes) - x, max(box.bottom for box in boxes) - y)
