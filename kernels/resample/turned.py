"""A turned box: every footprint on its own, in tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, sin

import numpy as np
import torch
from torch import Tensor

from .light import codes_of, light_of
from .taps import around

_TILE_PX = 160  # side of what a panel is made of: 200 kB in float64
_TILE_SOURCE_PX = 1024  # and of what it sees of the source, where that is more
_LEVEL = 1e-7  # rise over run of an edge that passes for level

Box = tuple[float, float, float, float]


def turned(
    image: Tensor, box: Box, size: tuple[int, int], kernel: str, turn: float
) -> tuple[Tensor, Tensor]:
    """:func:`resample` of a box turned by ``turn`` radians."""
    step = (box[2] / size[0], box[3] / size[1])
    foot = _Footprint(step, turn)
    height, width = image.shape[-2:]
    panel = torch.empty((*image.shape[:2], size[1], size[0]), dtype=torch.float32)
    coverage = torch.empty(size[1], size[0], dtype=torch.float64)
    for rows, columns in _tiles(size, step):
        x, y = _centres(box, size, turn, rows, columns)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        coverage[rows, columns] = foot.share_within(x, y, width, height).view(shape)
        for source, out in zip(image, panel, strict=True):
            if kernel == "area":
                codes = _footprints(source, x, y, foot)
            else:
                codes = _points(source, x, y, kernel, foot.wide)
            out[:, rows, columns] = codes.view(-1, *shape)
    if float(coverage.min()) == 0:
        panel[..., coverage == 0] = 0
    return panel, coverage.float()


def _tiles(size: tuple[int, int], step: tuple[float, float]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of parts of the panel: squares, since what one sees of the source is compact."""
    side = max(1, min(_TILE_PX, int(_TILE_SOURCE_PX / max(step))))
    for top in range(0, size[1], side):
        for left in range(0, size[0], side):
            yield slice(top, min(top + side, size[1])), slice(left, min(left + side, size[0]))


def _centres(
    box: Box, size: tuple[int, int], turn: float, rows: slice, columns: slice
) -> tuple[Tensor, Tensor]:
    """Where the centres of output pixels lie in the source, x and y, (n,), in pixel edges."""
    along, down = (
        ((torch.arange(part.start, part.stop, dtype=torch.float64) + 0.5) / count - 0.5) * length
        for part, count, length in ((columns, size[0], box[2]), (rows, size[1], box[3]))
    )
    down = down[:, None]
    x = box[0] + box[2] / 2 + along * cos(turn) - down * sin(turn)
    y = box[1] + box[3] / 2 + along * sin(turn) + down * cos(turn)
    return x.flatten(), y.flatten()


def _footprints(source: Tensor, x: Tensor, y: Tensor, foot: _Footprint) -> Tensor:
    """The mean of (C, H, W) over the footprint around each place (n,) -> (C, n), coded."""
    height, width = source.shape[-2:]
    left, top = (x - foot.reach[0]).floor_(), (y - foot.reach[1]).floor_()
    right, bottom = (x + foot.reach[0]).floor_(), (y + foot.reach[1]).floor_()
    crop = _Crop.around(source, (left, right), (top, bottom))
    codes = crop.take(crop.codes, crop.at(left, top)).float().clamp_(0, 1)  # what lies in one pixel
    mixed = _where((left != right) | (top != bottom))
    if not len(mixed):
        return codes
    light = light_of(crop.codes)
    x, y, left, top, right, bottom = (
        place.index_select(0, mixed) for place in (x, y, left, top, right, bottom)
    )
    columns, rows = int((right - left).max()) + 1, int((bottom - top).max()) + 1
    first, inside = crop.at(left, top), crop.holds(left, top, right, bottom)
    mean, total = light.new_zeros(len(light), len(mixed)), torch.zeros_like(x)
    for column, row, weight in foot.overlaps(left - x, top - y, columns, rows):
        if inside:  # whatever lies beyond the crop has no weight
            pixel = (first + (row * crop.width + column)).clamp_(max=crop.last)
        else:
            i, j = left + column, top + row
            weight.mul_((i >= 0) & (i < width) & (j >= 0) & (j < height))
            pixel = crop.at(i, j)
        for plane, sum_ in zip(light, mean, strict=True):
            sum_.addcmul_(plane.index_select(0, pixel), weight)
        total += weight
    mean.div_(total.clamp_(min=torch.finfo(torch.float64).tiny))
    return codes.scatter_(1, mixed.expand(len(codes), -1), codes_of(mean))


def _where(condition: Tensor) -> Tensor:
    """The places where it holds: a seventh of the time of ``nonzero``."""
    return torch.from_numpy(np.flatnonzero(condition.numpy()))


def _points(source: Tensor, x: Tensor, y: Tensor, kernel: str, wide: tuple[float, float]) -> Tensor:
    """The light of (C, H, W) around each place (n,) -> (C, n), coded."""
    columns, across = around(kernel, x, wide[0])
    rows, down = around(kernel, y, wide[1])
    crop = _Crop.around(source, (columns[:, 0], columns[:, -1]), (rows[:, 0], rows[:, -1]))
    if kernel == "nearest":
        return crop.take(crop.codes, crop.at(columns[:, 0], rows[:, 0])).float().clamp_(0, 1)
    light = light_of(crop.codes)
    across, down = ((weight.T / weight.sum(1)).contiguous() for weight in (across, down))
    seen = light.new_zeros(len(light), len(x))
    for j, share in zip(rows.T, down, strict=True):
        line = torch.zeros_like(seen)
        for i, weight in zip(columns.T, across, strict=True):
            pixel = crop.at(i, j)
            for plane, sum_ in zip(light, line, strict=True):
                sum_.addcmul_(plane.index_select(0, pixel), weight)
        seen.addcmul_(line, share)
    return codes_of(seen)


@dataclass(frozen=True)
class _Crop:
    """The part of a picture that some pixels are taken from."""

    codes: Tensor
    """(C, h * w)"""
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(
        cls, source: Tensor, columns: tuple[Tensor, Tensor], rows: tuple[Tensor, Tensor]
    ) -> _Crop:
        """All between the first and the last of ``columns`` and ``rows``, or the nearest inside."""
        (left, right), (top, bottom) = (
            (int(first.min().clamp(0, size - 1)), int(last.max().clamp(0, size - 1)) + 1)
            for (first, last), size in ((columns, source.shape[2]), (rows, source.shape[1]))
        )
        codes = source[:, top:bottom, left:right].cpu().flatten(1)
        return cls(codes, left, top, right - left, bottom - top)

    @property
    def last(self) -> int:
        """The place of the last pixel."""
        return self.width * self.height - 1

    def holds(self, left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> bool:
        """Whether all these pixels are in here."""
        return (
            float(left.min()) >= self.left
            and float(top.min()) >= self.top
            and float(right.max()) < self.left + self.width
            and float(bottom.max()) < self.top + self.height
        )

    def at(self, column: Tensor, row: Tensor) -> Tensor:
        """Where in ``codes`` the pixels of the source are, or the nearest inside."""
        column = (column - self.left).clamp_(0, self.width - 1)
        row = (row - self.top).clamp_(0, self.height - 1)
        return row.mul_(self.width).add_(column).long()

    @staticmethod
    def take(planes: Tensor, pixel: Tensor) -> Tensor:
        """Pixels of (C, h * w); plane by plane, which takes a third of the time."""
        return torch.stack([plane.index_select(0, pixel) for plane in planes])


class _Footprint:
    """What an output pixel covers of the source: a rectangle turned around its centre.

    The area of a polygon to the left of ``a`` and above ``b`` is the sum over its edges of the
    integral of min(y, b) over x < a; the overlap with a source pixel is a second difference of that.
    """

    def __init__(self, step: tuple[float, float], turn: float):
        c, s = cos(turn), sin(turn)
        along, down = (step[0] / 2 * c, step[0] / 2 * s), (-step[1] / 2 * s, step[1] / 2 * c)
        self.reach = tuple(abs(p) + abs(q) for p, q in zip(along, down, strict=True))
        self.wide = (hypot(step[0] * c, step[1] * s), hypot(step[0] * s, step[1] * c))
        self.area = step[0] * step[1]
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        corners = [(p * along[0] + q * down[0], p * along[1] + q * down[1]) for p, q in signs]
        # each from its left end: x, y, length along x, slope, and + on the lower side of the rectangle
        self._edges = []
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            run, sign = end[0] - start[0], -1.0
            if run < 0:
                start, end, run, sign = end, start, -run, 1.0
            if run > _LEVEL**2 * max(step):
                self._edges.append((*start, run, (end[1] - start[1]) / run, sign))

    def before(self, a: Tensor, rows: Sequence[Tensor]) -> list[Tensor]:
        """The area left of ``a`` and above each of ``rows``, then all that is left of ``a``.

        Seen from the centre, (n,), and no further out than ``reach``; ``a`` may be (1,).
        """
        areas = [torch.zeros_like(b) for b in rows]
        net, all_ = torch.zeros_like(a), torch.zeros_like(a)
        for x, y, length, slope, sign in self._edges:
            run = (a - x).clamp_(0, length)
            low = run * slope + y  # where the edge is at the end of its run
            net.add_(run, alpha=sign)
            all_.addcmul_(run, low + y, value=sign / 2)
            for b, area in zip(rows, areas, strict=True):
                # the integral of max(b - y, 0), which min(y, b) falls short of b by
                if abs(slope) < _LEVEL:
                    area.addcmul_(run, (b - (y + slope * length / 2)).clamp_(min=0), value=-sign)
                    continue
                start, end = (b - y).clamp_(min=0).square_(), (b - low).clamp_(min=0).square_()
                area.add_(end.sub_(start), alpha=sign / 2 / slope)
        for b, area in zip(rows, areas, strict=True):
            area.addcmul_(b, net)
        return [*areas, all_]

    def overlaps(
        self, left: Tensor, top: Tensor, columns: int, rows: int
    ) -> Iterator[tuple[int, int, Tensor]]:
        """What of the area lies in each of ``columns`` x ``rows`` pixels: column, row, area (n,).

        ``left`` and ``top`` are where the first begins, seen from the centre: not inside the
        footprint; nor is the end of the last.
        """
        across, down = self.reach
        borders = [(top + row).clamp_(-down, down) for row in range(1, rows)]
        past = [torch.zeros_like(left)] * rows
        for column in range(columns):
            last = column == columns - 1
            end = left.new_tensor([across]) if last else left + (column + 1)
            areas = self.before(end.clamp_(-across, across), borders)
            above = torch.zeros_like(left)
            for row, (area, old) in enumerate(zip(areas, past, strict=True)):
                strip = area - old
                yield column, row, (strip - above).clamp_(min=0)
                above = strip
            past = areas

    def share_within(self, x: Tensor, y: Tensor, width: int, height: int) -> Tensor:
        """How much of the footprint around each place lies in a picture, (n,), 0..1."""
        across, down = self.reach
        if (
            float(x.min()) >= across
            and float(y.min()) >= down
            and float(x.max()) <= width - across
            and float(y.max()) <= height - down
        ):
            return torch.ones_like(x)
        rows = [border.clamp_(-down, down) for border in (-y, height - y)]
        starts, ends = (
            self.before(border.clamp_(-across, across), rows) for border in (-x, width - x)
        )
        return ((ends[1] - starts[1] - ends[0] + starts[0]) / self.area).clamp_(0, 1)
