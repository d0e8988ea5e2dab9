"""Cut a planned crop out of a picture at the model's size, and bring what was made of it back.

Both ways use one geometry: pixel ``i`` covers ``[i, i + 1)``, so nothing moves by half a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, hypot

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.picture import check_result
from .faces import Box
from .plan import CropPlan

Affine = tuple[tuple[float, float, float], tuple[float, float, float]]
TAPS = 3  # source px beyond a turned crop that its bicubic kernel reaches


def cut(image: Tensor, plan: CropPlan, tick: Callable[[], None] = lambda: None) -> Tensor:
    """Every crop of a plan, at the plan's output size.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
        Of the plan's source size.
    plan : CropPlan
        For one picture, or for as many as the batch holds.
    tick : callable
        Called before each crop; it may raise to stop.

    Returns
    -------
    Tensor, (N, height, width, C), sRGB 0..1, dtype of ``image``
        In the order of ``plan.assigned(B)``. Bicubic, anti-aliased where it shrinks, in coded
        values: what the models were trained on. A crop that keeps its size is the source's own
        pixels, also where they leave 0..1. Beyond the picture its border pixels are repeated.

    Raises
    ------
    ValueError
        The crops together would be absurdly large.
    """
    width, height = plan.output_size
    assigned = plan.assigned(len(image))
    check_result(len(assigned), width, height, "the crop")
    out = image.new_empty((len(assigned), height, width, image.shape[-1]))
    for number, (picture, index) in enumerate(assigned):
        tick()
        out[number] = Place.of(plan, index).read(image[picture])
    return out


@dataclass(frozen=True)
class Place:
    """Where one crop lies in its picture, and the way there and back."""

    box: Box
    """Before it is turned about its centre, source pixels; whole ones where it is not turned."""
    output_size: tuple[int, int]
    source_size: tuple[int, int]
    to_output: Affine
    """From source pixels to those of the scaled crop."""
    turned: bool

    @classmethod
    def of(cls, plan: CropPlan, index: int) -> Place:
        """The place of a plan's crop, by its index among ``plan.crops``."""
        turned = plan.angle_deg(index) != 0
        return cls(
            plan.crops[index], plan.output_size, plan.source_size, plan.affine(index), turned
        )

    @property
    def scale(self) -> float:
        """Output pixels per source pixel."""
        return self.output_size[0] / self.box.width

    @property
    def exact(self) -> bool:
        """Whether the crop is the source's own pixels, unscaled and not turned."""
        return not self.turned and (self.box.width, self.box.height) == self.output_size

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the whole source pixels that the crop touches, also beyond the picture."""
        width, height = self.output_size
        to_source = inverse(self.to_output)
        corners = [
            apply(to_source, x, y)
            for x, y in ((0, 0), (width, 0), (0, height), (width, height))
        ]  # fmt: skip
        xs, ys = [round(x, 6) for x, _ in corners], [round(y, 6) for _, y in corners]
        return floor(min(xs)), floor(min(ys)), ceil(max(xs)), ceil(max(ys))

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the picture that the crop touches."""
        left, top, right, bottom = self.bounds
        width, height = self.source_size
        return (
            slice(min(max(top, 0), height), min(max(bottom, 0), height)),
            slice(min(max(left, 0), width), min(max(right, 0), width)),
        )

    def read(self, picture: Tensor, mode: str = "bicubic") -> Tensor:
        """The crop of a picture (H, W, C) at its output size, (height, width, C), of the same dtype.

        ``mode`` "bilinear" is for masks: no kernel lobe draws a line around them.
        """
        left, top, right, bottom = self.bounds
        if not self.turned:
            pixels = _replicated(picture, left, top, right, bottom)
            if self.exact:
                return pixels
            scaled = resize(pixels.permute(2, 0, 1).float(), self.output_size, mode)
        else:
            left, top, right, bottom = left - TAPS, top - TAPS, right + TAPS, bottom + TAPS
            pixels = _replicated(picture, left, top, right, bottom).permute(2, 0, 1).float()
            (a, b, c), (d, e, f) = inverse(self.to_output)
            scaled = warp(pixels, ((a, b, c - left), (d, e, f - top)), self.output_size, mode)
        return scaled.permute(1, 2, 0).clamp(0, 1).to(picture.dtype)

    def bring_back(self, planes: Tensor) -> Tensor:
        """What was made in the crop, (C, height, width), at the source's scale.

        Returns
        -------
        Tensor, (C, rows, columns) of :attr:`window`
            Bicubic, anti-aliased where it shrinks, and not clamped.
        """
        return self._back(planes, "bicubic")

    def bring_back_mask(self, mask: Tensor) -> Tensor:
        """A mask (height, width) of the crop at the source's scale: (rows, columns) of :attr:`window`.

        Bilinear, whose weights are never negative: 0 stays 0, and outside a turned crop it is 0.
        """
        return self._back(mask[None], "bilinear")[0].clamp(0, 1)

    def _back(self, planes: Tensor, mode: str) -> Tensor:
        rows, columns = self.window
        if self.turned:
            (a, b, c), (d, e, f) = self.to_output
            x, y = columns.start, rows.start
            moved = ((a, b, c + a * x + b * y), (d, e, f + d * x + e * y))
            return warp(planes, moved, (columns.stop - x, rows.stop - y), mode)
        left, top, right, bottom = self.bounds
        if not self.exact:
            planes = resize(planes, (right - left, bottom - top), mode)
        return planes[
            :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]

    def source_points(self, border: int = 0) -> tuple[Tensor, Tensor]:
        """Where the centres of the crop's pixels lie in the source: x and y, float64.

        Each (height, width), or of a shape that broadcasts to it; ``border`` asks for so many
        further pixels on every side.
        """
        width, height = self.output_size
        (a, b, c), (d, e, f) = inverse(self.to_output)
        x = torch.arange(-border, width + border, dtype=torch.float64) + 0.5
        y = torch.arange(-border, height + border, dtype=torch.float64)[:, None] + 0.5
        if not self.turned:
            return (a * x + c)[None], e * y + f
        return a * x + b * y + c, d * x + e * y + f

    def inside(self, border: int = 0) -> Tensor:
        """Which pixels of the crop show the picture rather than its repeated border, bool, (height, width)."""
        x, y = self.source_points(border)
        width, height = self.source_size
        return (x > 0) & (x < width) & (y > 0) & (y < height)


def inverse(affine: Affine) -> Affine:
    """The way back of a 2 x 3 matrix."""
    (a, b, c), (d, e, f) = affine
    det = a * e - b * d
    return (
        (e / det, -b / det, (b * f - c * e) / det),
        (-d / det, a / det, (c * d - a * f) / det),
    )


def apply(affine: Affine, x: float, y: float) -> tuple[float, float]:
    """A point through a 2 x 3 matrix."""
    (a, b, c), (d, e, f) = affine
    return a * x + b * y + c, d * x + e * y + f


def resize(planes: Tensor, size: Sequence[int], mode: str = "bicubic") -> Tensor:
    """Planes (C, h, w) at another size (width, height): anti-aliased, in float32, not clamped."""
    width, height = size
    if planes.shape[-2:] == (height, width):
        return planes
    return F.interpolate(
        planes[None], (height, width), mode=mode, antialias=True, align_corners=False
    )[0]


def warp(planes: Tensor, affine: Affine, size: tuple[int, int], mode: str = "bicubic") -> Tensor:
    """Planes seen through a similarity: one interpolation, anti-aliased where it shrinks.

    Parameters
    ----------
    planes : Tensor, (C, h, w), float32
    affine : from a pixel of the result to one of ``planes``, both in pixel edges
    size : (width, height) of the result
    mode : "bicubic" or "bilinear"
        Bicubic repeats the border of ``planes`` beyond it; bilinear, for masks, is 0 there.

    Returns
    -------
    Tensor, (C, height, width), float32

    The kernel is torch's (Keys 1981, a = -0.75): waves of 8 px gain at most 2.5 %.
    Where it shrinks, twice as many pixels each way are sampled and then averaged by the
    anti-aliased kernel; below half the size ``planes`` are first reduced by a whole number.
    """
    height, width = planes.shape[-2:]
    zoom = 1 / hypot(affine[0][0], affine[1][0])
    if zoom <= 0.5:
        step = floor(1 / zoom)
        planes = resize(planes, (max(1, round(width / step)), max(1, round(height / step))), mode)
        zoom *= step
    fine = 1 if zoom > 1 - 1e-6 else 2
    (a, b, c), (d, e, f) = affine
    x = (torch.arange(size[0] * fine, dtype=torch.float64) + 0.5) / fine
    y = (torch.arange(size[1] * fine, dtype=torch.float64)[:, None] + 0.5) / fine
    # -1..1 from border to border; made in float64: float32 would lose 0.0005 px at 8K
    across = 2 * (a * x + b * y + c) / width - 1
    down = 2 * (d * x + e * y + f) / height - 1
    grid = torch.stack([across, down], -1).float().to(planes.device)
    seen = F.grid_sample(
        planes[None],
        grid[None],
        mode=mode,
        padding_mode="border" if mode == "bicubic" else "zeros",
        align_corners=False,
    )[0]
    return resize(seen, size, mode)


def _replicated(picture: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """A rectangle of a picture (H, W, C); beyond the picture its border pixels, never black."""
    height, width = picture.shape[:2]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return picture[top:bottom, left:right]
    rows = torch.arange(top, bottom, device=picture.device).clamp(0, height - 1)
    columns = torch.arange(left, right, device=picture.device).clamp(0, width - 1)
    return picture[rows][:, columns]
