"""The crop, among all sizes that a model takes, that comes closest to what is wished.

A crop is whole pixels, and both its axes are scaled by exactly the same fraction: sizes are
searched as ``(k p, k q)`` for a model size of ratio ``p : q``. Scaling down is as good as up.

Where the wish does not fit the picture, the crop is slid; another shape of the same budget is tried;
it is made smaller, down to what must be seen; and only where the user allows it, it sticks out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, cos, floor, gcd, log, log2, radians, sin

from .faces import Box, Point

INSIDE, OUTPAINT = "inside", "outpaint"
PADS = (INSIDE, OUTPAINT)
MAX_STEP = 40  # source px: coarser steps of the crop than this are not tried
MOST_ASKED = 24  # crops of a long batch that are asked which size suits them


@dataclass(frozen=True)
class Wish:
    """What a crop shall show, pixels.

    Parameters
    ----------
    want : Box
        The crop that would be ideal.
    need : Box
        What must be inside wherever the picture can hold it.
    angle_deg : float
        How far the crop is turned clockwise as seen. Both boxes are then given in axes that are
        turned so about ``pivot``.
    pivot : Point
    """

    want: Box
    need: Box
    angle_deg: float = 0.0
    pivot: Point = (0.0, 0.0)


@dataclass(frozen=True)
class Solved:
    """A crop, pixels, and how far it is from the wish; a turned one is given upright about its centre."""

    crop: Box
    cost: float
    step: int
    """Its size in steps of its ratio."""


def best_size(
    wishes: Sequence[Wish],
    image_size: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    pad: str = INSIDE,
) -> tuple[int, int]:
    """The model size that suits all wishes best together.

    Raises
    ------
    ValueError
        The picture is smaller than the smallest step of every size.
    """
    asked = wishes[:: 1 + len(wishes) // MOST_ASKED]
    best: tuple[float, tuple[int, int]] | None = None
    for size in sizes:
        solved = [solve(wish, image_size, size, pad) for wish in asked]
        if any(one is None for one in solved):
            continue
        cost = sum(one.cost for one in solved if one)
        if best is None or cost < best[0] - 1e-9:
            best = (cost, size)
    if best is None:
        raise ValueError(
            f"the picture of {image_size[0]}x{image_size[1]} px is too small to crop in whole pixels for this model: "
            "enlarge it first, or choose custom with multiple_of 64"
        )
    return best[1]


def solve(
    wish: Wish,
    image_size: tuple[int, int],
    size: tuple[int, int],
    pad: str = INSIDE,
    step: int | None = None,
) -> Solved | None:
    """The crop for one model size, or None where the picture is smaller than its smallest step.

    ``step`` asks for a size of the crop, in steps of its ratio, instead of the one that suits the
    wish; it is still made to fit the picture.
    """
    p, q = size[0] // gcd(*size), size[1] // gcd(*size)
    if max(p, q) > MAX_STEP:
        return None
    frame = Box(0, 0, *image_size)
    need = wish.need if wish.angle_deg else _outward(wish.need, frame)
    if step is None:
        step = max(
            ceil(max(need.width / p, need.height / q) - 1e-9),
            round(max(wish.want.width / p, wish.want.height / q)),
            1,
        )
    if pad == INSIDE:
        most = _most_steps(p, q, frame, wish.angle_deg)
        if most < 1:
            return None
        step = min(step, most)
    wish = replace(wish, need=need)
    place = _place_turned if wish.angle_deg else _place
    crop = place(p * step, q * step, wish, frame, pad)
    return Solved(crop, _cost(crop, wish, frame, size), step)


def _most_steps(p: int, q: int, frame: Box, angle_deg: float) -> int:
    """How many steps of the ratio fit into the picture."""
    cosine, sine = abs(cos(radians(angle_deg))), abs(sin(radians(angle_deg)))
    across, down = p * cosine + q * sine, p * sine + q * cosine
    return floor(min(frame.width / across, frame.height / down) + 1e-9)


def _place(width: int, height: int, wish: Wish, frame: Box, pad: str) -> Box:
    """A crop of this size centred on what is wanted, slid around what is needed, then into the frame."""

    def slide(size: int, wanted: float, need_from: float, need_to: float, available: float) -> int:
        start = wanted - size / 2
        if need_to - need_from <= size:
            start = min(max(start, need_to - size), need_from)
        if size > available:  # it sticks out on both sides, and all of the picture is seen
            return _nearest(min(max(start, available - size), 0.0), size, available)
        return min(max(_nearest(start, size, available), 0), int(available) - size)

    (cx, cy) = wish.want.centre
    need = wish.need
    x = slide(width, cx, need.x, need.right, frame.width)
    y = slide(height, cy, need.y, need.bottom, frame.height)
    return Box(x, y, width, height)


def _nearest(start: float, size: int, available: float) -> int:
    """The nearest whole pixel; of two equally near ones the more central, so that a mirrored picture
    gets the mirrored crop."""
    start = round(start, 6)
    below = floor(start)
    if start - below != 0.5:
        return floor(start + 0.5)
    return below if abs(2 * below + size - available) < abs(2 * below + 2 + size - available) else below + 1  # fmt: skip


def _place_turned(width: int, height: int, wish: Wish, frame: Box, pad: str) -> Box:
    """A turned crop of this size, given upright about its centre; its corners lie in the frame."""
    x, y = turned(wish.want.centre, wish.pivot, wish.angle_deg)
    cosine, sine = abs(cos(radians(wish.angle_deg))), abs(sin(radians(wish.angle_deg)))
    reach = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    centre = []
    for wanted, half, available in zip((x, y), reach, (frame.width, frame.height), strict=True):
        if 2 * half > available:
            centre.append(min(max(wanted, available - half), half) if pad == OUTPAINT else available / 2)  # fmt: skip
        else:
            centre.append(min(max(wanted, half), available - half))
    return Box(centre[0] - width / 2, centre[1] - height / 2, width, height)


def turned(point: Point, pivot: Point, angle_deg: float) -> Point:
    """A point turned clockwise as seen about a pivot."""
    cosine, sine = cos(radians(angle_deg)), sin(radians(angle_deg))
    dx, dy = point[0] - pivot[0], point[1] - pivot[1]
    return (pivot[0] + dx * cosine - dy * sine, pivot[1] + dx * sine + dy * cosine)


def _outward(box: Box, frame: Box) -> Box:
    """The smallest box of whole pixels that holds what of a box lies in the frame."""
    x, y = min(max(floor(box.x), 0), int(frame.width)), min(max(floor(box.y), 0), int(frame.height))
    right = min(max(ceil(box.right), x), int(frame.width))
    bottom = min(max(ceil(box.bottom), y), int(frame.height))
    return Box(x, y, right - x, bottom - y)


def _cost(crop: Box, wish: Wish, frame: Box, size: tuple[int, int]) -> float:
    """How far a crop is from the wish: its shape and place, what is missed, padding, and scaling."""
    want, need = wish.want, wish.need
    seen = crop
    if wish.angle_deg:  # back into the axes of the wish
        x, y = turned(crop.centre, wish.pivot, -wish.angle_deg)
        seen = Box(x - crop.width / 2, y - crop.height / 2, crop.width, crop.height)
    area = need.width * need.height
    missed = 1 - _overlap(seen, need) / area if area > 0 else 0.0
    shift = (
        abs(seen.centre[0] - want.centre[0]) / want.width
        + abs(seen.centre[1] - want.centre[1]) / want.height
    )
    padded = sum(pads(crop, frame)) if not wish.angle_deg else 0.0
    enlarged = log2(size[0] / crop.width)
    return (
        4 * abs(log(crop.width / want.width))
        + 4 * abs(log(crop.height / want.height))
        + 6 * missed
        + 2 * shift
        + 1.5 * padded / (crop.width + crop.height)
        + 0.5 * max(0.0, enlarged - 2)  # beyond 4x the detail is invented
        + 0.3 * max(0.0, -enlarged)
    )


def pads(crop: Box, frame: Box) -> tuple[float, float, float, float]:
    """How far an upright crop sticks out of the picture: left, top, right, bottom, pixels."""
    return (
        max(0.0, frame.x - crop.x),
        max(0.0, frame.y - crop.y),
        max(0.0, crop.right - frame.right),
        max(0.0, crop.bottom - frame.bottom),
    )


def _overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.x, b.x)
    height = min(a.bottom, b.bottom) - max(a.y, b.y)
    return max(width, 0.0) * max(height, 0.0)
