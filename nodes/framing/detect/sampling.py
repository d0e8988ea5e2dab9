"""A picture at other places: linear between its pixels, or between means of blocks where it shrinks.

Detectors look at every picture seven times and more, so this counts: level views are taken axis by
axis, turned ones by torch, all channels at once. The canvases of twelve photos of 1 to 8 megapixels took
3.9 s channel by channel with scipy, and take 1.2 s. Pupils follow the canvases to the last code, so
the arithmetic is that of before: float32 places, float64 shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Axis:
    """Places along one axis of a picture, and what of the picture they need."""

    first: int
    last: int
    """The pixels that are needed: from the first to before the last."""
    block: int
    """So many pixels are averaged before."""
    before: NDArray[np.intp]
    """Of each place the block before it, counted from ``first``."""
    after: NDArray[np.intp]
    share: NDArray[np.float64]
    """How much the block after it counts, 0..1."""

    @classmethod
    def along(cls, places: NDArray[np.floating[Any]], size: int, block: int) -> Axis:
        """Places in pixels from the picture's edge; beyond the picture its edge goes on."""
        first, last = covered(places, size)
        count = -(-(last - first) // block)
        at = np.clip((places - first) / block - 0.5, 0, count - 1)
        before = at.astype(np.intp)
        return cls(
            first,
            last,
            block,
            before,
            np.minimum(before + 1, count - 1),
            (at - before).astype(np.float64),
        )

    def part(self, which: slice) -> Axis:
        """Some of the places, seen in the same blocks."""
        return Axis(
            self.first,
            self.last,
            self.block,
            self.before[which],
            self.after[which],
            self.share[which],
        )


def covered(places: NDArray[np.floating[Any]], size: int) -> tuple[int, int]:
    """The pixels of an axis that the places need, never none: the first, and one after the last."""
    first = min(max(int(places.min()) - 1, 0), size - 1)
    return first, max(min(int(places.max()) + 2, size), first + 1)


def inside(places: NDArray[np.floating[Any]], size: int) -> slice:
    """Which of the rising places lie in the picture."""
    first, last = np.searchsorted(places, (0, size))
    return slice(int(first), int(last))


def level(picture: Plane, across: Axis, down: Axis) -> Plane:
    """A picture where rows and columns of places cross.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    across, down : Axis
        Of n and of m places.

    Returns
    -------
    float32, (m, n) or (m, n, C)
    """
    part = picture[down.first : down.last, across.first : across.last]
    pixels = block_means(part, down.block)
    for dimension, axis in enumerate((down, across)):
        share = axis.share.reshape(-1, *[1] * (pixels.ndim - 1 - dimension))
        start = pixels.take(axis.before, dimension)
        rise = pixels.take(axis.after, dimension) - start.astype(np.float64)
        rise *= share
        rise += start
        pixels = rise
    return pixels.astype(np.float32)


def scattered(picture: Plane, x: Plane, y: Plane, block: int) -> Plane:
    """A picture at places anywhere.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    x, y : (m, n)
        Pixels from the picture's edges; beyond the picture its edge goes on.
    block : int
        So many pixels a side are averaged before.

    Returns
    -------
    float32, (m, n) or (m, n, C)
    """
    import torch
    from torch.nn.functional import grid_sample

    left, right = covered(x, picture.shape[1])
    top, bottom = covered(y, picture.shape[0])
    small = block_means(picture[top:bottom, left:right], block)
    height, width = small.shape[:2]
    planes = small[None] if small.ndim == 2 else np.moveaxis(small, -1, 0)
    places = np.empty((*x.shape, 2))  # torch counts from -1 to 1 between the edges
    places[..., 0], places[..., 1] = (x - left) / block, (y - top) / block
    places *= (2 / width, 2 / height)
    places -= 1
    seen = grid_sample(
        torch.from_numpy(np.array(planes, np.float64, order="C"))[None],
        torch.from_numpy(places)[None],
        padding_mode="border",
        align_corners=False,
    )[0]
    seen = seen[0] if small.ndim == 2 else seen.permute(1, 2, 0)
    return seen.numpy().astype(np.float32, order="C")


def block_means(picture: Plane, block: int) -> NDArray[np.float32]:
    """Means over square blocks of a picture (H, W) or (H, W, C); the last ones may be cut."""
    picture = picture.astype(np.float32, copy=False)
    if block > 1:
        for axis in (0, 1):
            picture = _means_along(picture, block, axis)
    return picture


def _means_along(picture: NDArray[np.float32], block: int, axis: int) -> NDArray[np.float32]:
    """Means over blocks of one axis, the last over what is left."""

    def taken(source: NDArray, *which: int | None) -> NDArray:
        return source[(slice(None),) * axis + (slice(*which),)]

    size = picture.shape[axis]
    whole = size // block
    shape = [*picture.shape]
    shape[axis] = -(-size // block)
    means = np.empty(shape, np.float32)
    sums = taken(means, whole)
    if whole:
        # The first of each block, then the second: whole rows at a time, several times as fast as
        # a sum over each block.
        np.copyto(sums, taken(picture, 0, whole * block, block))
        for place in range(1, block):
            sums += taken(picture, place, whole * block, block)
        sums /= np.float32(block)
    if size % block:
        taken(means, whole, None)[...] = taken(picture, whole * block, None).mean(
            axis, keepdims=True
        )
    return means
