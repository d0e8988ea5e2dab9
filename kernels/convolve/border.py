"""What lies beyond the edge of a picture: the picture, mirrored as often as it takes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_NUMPYS = {torch.float16: np.float16, torch.float32: np.float32, torch.float64: np.float64}


def mirror(image: Tensor, reach: int) -> Tensor:
    """Continue a picture beyond its edges by reflection about its outermost pixels.

    Parameters
    ----------
    image : Tensor, (..., H, W)
    reach : int, pixels
        May exceed the picture's sides, where ``F.pad`` refuses; one pixel repeats itself.

    Returns
    -------
    Tensor, (..., H + 2 * reach, W + 2 * reach)
    """
    height, width = image.shape[-2:]
    rows = mirrored(-reach, height + reach, height, image.device)
    columns = mirrored(-reach, width + reach, width, image.device)
    return image.index_select(-2, rows).index_select(-1, columns)


def mirrored(start: int, stop: int, side: int, device: torch.device | None = None) -> Tensor:
    """Where each position from ``start`` to ``stop - 1`` lies in a side: 3 2 1 0 1 2 3 2 1 0 ...

    Parameters
    ----------
    start, stop : int, pixels
        May lie outside, however far.
    side : int, pixels, at least 1

    Returns
    -------
    Tensor, (stop - start,), int64, from 0 to ``side - 1``
    """
    position = torch.arange(start, stop, device=device)
    period = max(2 * side - 2, 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded) if side > 1 else torch.zeros_like(position)


def copy_mirrored(plane: Tensor, top: int, left: int, out: Tensor) -> None:
    """Fill ``out`` with the window of a plane that begins at (top, left), mirrored where it hangs over.

    Parameters
    ----------
    plane : Tensor, (H, W), any strides and floating dtype
    top, left : int, pixels
        May be negative.
    out : Tensor, (h, w)
        Written; converts the dtype.
    """
    width, columns = plane.shape[1], out.shape[1]
    first, last = max(left, 0), min(left + columns, width)
    if last <= first:  # the window touches no column of the plane
        wanted = mirrored(left, left + columns, width, plane.device)
        _copy_rows(plane.index_select(1, wanted), top, out)
        return
    _copy_rows(plane[:, first:last], top, out[:, first - left : last - left])
    for start, stop in ((left, first), (last, left + columns)):
        if stop > start:
            wanted = mirrored(start, stop, width, plane.device)
            side = out[:, start - left : stop - left]
            if int(wanted.min()) >= first and int(wanted.max()) < last:
                side.copy_(out.index_select(1, wanted - left))
            else:
                _copy_rows(plane.index_select(1, wanted), top, side)


def _copy_rows(plane: Tensor, top: int, out: Tensor) -> None:
    """The rows from ``top`` on, as many as ``out`` has; whole where they need no mirror."""
    height, rows = len(plane), len(out)
    first, last = max(top, 0), min(top + rows, height)
    if last <= first:
        out.copy_(plane.index_select(0, mirrored(top, top + rows, height, plane.device)))
        return
    out[first - top : last - top].copy_(plane[first:last])
    for start, stop in ((top, first), (last, top + rows)):
        if stop > start:
            wanted = mirrored(start, stop, height, plane.device)
            out[start - top : stop - top].copy_(plane.index_select(0, wanted))


def roomy(like: Tensor, shape: Sequence[int]) -> Tensor:
    """An empty tensor of the same dtype and device, from NumPy where that can be.

    NumPy asks Linux for huge pages, torch does not: the first touch of 8K RGB float32 then
    takes 25 ms instead of 110.
    """
    if like.device.type == "cpu" and like.dtype in _NUMPYS:
        return torch.from_numpy(np.empty(tuple(shape), _NUMPYS[like.dtype]))
    return like.new_empty(tuple(shape))


def fill(plane: Tensor, top: int, left: int, out: Tensor) -> Tensor:
    """:func:`copy_mirrored`, less its mean, which is returned.

    Without its mean a window has small values, so small rounding; flat fields have none.
    """
    copy_mirrored(plane, top, left, out)
    mean = out.mean()
    out -= mean
    return mean
