"""What an output pixel is made of, along one axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

SNAP_PX = 1e-9  # a third of a pixel times three must land on the border again


@dataclass(frozen=True)
class Taps:
    """Which source pixels each output pixel is made of, along one axis, and how much of each."""

    index: Tensor
    """(count, T), int64: the source pixels; where an output has fewer than T, some with weight 0."""
    weight: Tensor
    """(count, T), float64: the part that each has; they sum to 1 where anything is covered."""
    share: Tensor
    """(count,), float64, 0..1: how much of the output pixel lies in the source."""

    def span(self) -> tuple[int, int]:
        """The first source pixel, and the one after the last."""
        return int(self.index.min()), int(self.index.max()) + 1

    def part(self, rows: slice, first: int = 0) -> Taps:
        """Some of the output pixels, of a source that begins at pixel ``first``."""
        return Taps(self.index[rows] - first, self.weight[rows], self.share[rows])

    def distinct(self) -> tuple[Taps, Tensor]:
        """Without the output pixels that equal the one before; and which of the rest each is, (count,)."""
        equal = (self.index[1:] == self.index[:-1]) & (self.weight[1:] == self.weight[:-1])
        new = torch.cat([torch.ones(1, dtype=torch.bool), ~equal.all(1)])
        return Taps(self.index[new], self.weight[new], self.share[new]), new.cumsum(0) - 1

    def gather(self, lines: Tensor, axis: int) -> Tensor:
        """Resample one of the two axes of ``lines``; with a single tap each, a copy."""
        if self.index.shape[1] == 1:
            return lines.index_select(axis, self.index[:, 0])
        weight = self.weight if axis else self.weight[:, None]  # (count, T) or (count, 1, T)
        out = lines.index_select(axis, self.index[:, 0]).mul_(weight[..., 0])
        for tap in range(1, self.index.shape[1]):
            out.addcmul_(lines.index_select(axis, self.index[:, tap]), weight[..., tap])
        return out


def taps_of(kernel: str, start: float, length: float, count: int, available: int) -> Taps:
    """What every output pixel is made of, along one axis.

    Parameters
    ----------
    kernel : one of ``KERNELS``
    start, length : float, source pixels
        The interval that the output spans.
    count : int
        Output pixels.
    available : int
        Source pixels there are.

    Returns
    -------
    Taps
    """
    edges = start + length / count * torch.arange(count + 1, dtype=torch.float64)
    edges = _snapped(edges, length / count)
    low, high = edges[:-1], edges[1:]
    size = (high - low).clamp(min=torch.finfo(torch.float64).tiny)
    share = (high.clamp(0, available) - low.clamp(0, available)) / size
    if kernel == "area":
        pixel, weight = _area(low[:, None], high[:, None])
        weight = torch.where((pixel >= 0) & (pixel < available), weight, 0.0)
    else:
        centre = start + length / count * (torch.arange(count, dtype=torch.float64) + 0.5)
        pixel, weight = around(kernel, _snapped(centre, length / count), length / count)
    total = weight.sum(1, keepdim=True)
    weight = torch.where(total > 0, weight / total, 0.0)
    return Taps(pixel.clamp(0, available - 1).long(), weight, share)


def _snapped(place: Tensor, step: float) -> Tensor:
    """On the pixel border where it is all but there; what lies apart stays apart."""
    border = place.round()
    return torch.where((place - border).abs() < min(SNAP_PX, step / 4), border, place)


def _area(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The pixels between two edges, and the length of each in there."""
    taps = max(1, int((high.ceil() - low.floor()).max()))
    pixel = low.floor() + torch.arange(taps, dtype=torch.float64)
    return pixel, (torch.minimum(high, pixel + 1) - torch.maximum(low, pixel)).clamp(min=0)


def around(kernel: str, centre: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """The pixels that a kernel sees around each centre (n,): which, and how strongly, (n, T)."""
    if kernel == "nearest":
        return centre.floor()[:, None], torch.ones(len(centre), 1, dtype=torch.float64)
    shape, reach = _SHAPES[kernel]
    wide = max(1.0, step)
    first = (centre - reach * wide - 0.5).floor() + 1
    pixel = first[:, None] + torch.arange(ceil(2 * reach * wide), dtype=torch.float64)
    return pixel, shape((pixel + 0.5 - centre[:, None]).abs() / wide)


def _tent(x: Tensor) -> Tensor:
    return (1 - x).clamp(min=0)


def _mitchell(x: Tensor) -> Tensor:
    """Mitchell and Netravali, Reconstruction filters in computer graphics (1988), eq. 8, B = C = 1/3."""
    near = ((7 * x - 12) * x * x + 16 / 3) / 6
    far = (((-7 / 3 * x + 12) * x - 20) * x + 32 / 3) / 6
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


_SHAPES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "bilinear": (_tent, 1),
    "mitchell": (_mitchell, 2),
    "lanczos3": (_lanczos, 3),
}
