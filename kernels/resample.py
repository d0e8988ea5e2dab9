"""One separable pass from a box of the source to a panel.

Every output pixel is the mean light of exactly the source area that it covers. At a whole zoom
that is the source's own pixels, repeated; at a fractional one, pixels with anti-aliased borders;
when shrinking, a box average. No weight is negative, so no edge overshoots and nothing is sharpened.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .color import linear_to_srgb, srgb_to_linear


def resample_area(
    image: Tensor, box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """A box of a picture at another size: exact area coverage, in linear light.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), sRGB 0..1
    box : (x, y, width, height), pixels
        In pixel edges: pixel ``i`` covers ``[i, i + 1)``. May lie between pixels, and beyond the
        picture.
    size : (width, height) of the result, pixels

    Returns
    -------
    panel : Tensor, (B, C, height, width), sRGB 0..1, float32
        0 where nothing of the source is covered; a pixel half covered holds the mean of that half.
    coverage : Tensor, (height, width), 0..1, float32
        The share of each pixel that lies in the picture.

    Raises
    ------
    ValueError
        The box or the size has no area.
    """
    x, y, width, height = box
    columns, rows = size
    if width <= 0 or height <= 0 or columns < 1 or rows < 1:
        raise ValueError(
            f"a box of {width:g}x{height:g} px cannot become a panel of {columns}x{rows} px; both need an area"
        )
    across = area_taps(x, width, columns, image.shape[-1])
    down = area_taps(y, height, rows, image.shape[-2])
    top, bottom = int(down.index.min()), int(down.index.max()) + 1
    left, right = int(across.index.min()), int(across.index.max()) + 1
    source = image[..., top:bottom, left:right]
    down, across = down.after(top), across.after(left)
    coverage = down.weight.sum(1)[:, None] * across.weight.sum(1)
    panel = torch.empty((*image.shape[:2], rows, columns), dtype=torch.float32)
    for index in range(image.shape[0]):  # plane by plane: float64 of one is all that is held
        for channel in range(image.shape[1]):
            light = srgb_to_linear(source[index, channel].double().cpu())
            light = across.gather(down.gather(light.T))  # (columns, rows)
            panel[index, channel] = linear_to_srgb(light.T / coverage.clamp(min=1e-12))
    return panel, coverage.float()


@dataclass(frozen=True)
class Taps:
    """Which source pixels each output pixel is made of, along one axis, and how much of each."""

    index: Tensor
    """(count, T), int64: the source pixels; where an output has fewer than T, some with weight 0."""
    weight: Tensor
    """(count, T), float64, 0..1: the share of the output pixel that each covers."""

    def after(self, first: int) -> Taps:
        """The same for a source that begins at pixel ``first``."""
        return Taps(self.index - first, self.weight)

    def gather(self, lines: Tensor) -> Tensor:
        """Resample the columns of ``lines`` (L, source) -> (count, L)."""
        out = lines.new_zeros(len(self.index), len(lines))
        for tap in range(self.index.shape[1]):
            out += lines.T[self.index[:, tap]] * self.weight[:, tap, None]
        return out


def area_taps(start: float, length: float, count: int, available: int) -> Taps:
    """How much of each source pixel every output pixel covers, along one axis.

    Parameters
    ----------
    start, length : float, source pixels
        The interval that the output spans.
    count : int
        Output pixels.
    available : int
        Source pixels there are.

    Returns
    -------
    Taps
        The weights of an output pixel sum to the share of it that lies in the source.
    """
    # rounded to 1e-9 px: a third of a pixel times three must land on the border again
    edges = start + length / count * torch.arange(count + 1, dtype=torch.float64)
    edges = (edges * 1e9).round() / 1e9
    low, high = edges[:-1, None], edges[1:, None]  # (count, 1)
    taps = int((high.ceil() - low.floor()).max())
    pixel = low.floor() + torch.arange(max(1, taps), dtype=torch.float64)  # (count, T)
    share = (torch.minimum(high, pixel + 1) - torch.maximum(low, pixel)).clamp(min=0) / (high - low)
    inside = (pixel >= 0) & (pixel < available)
    return Taps(pixel.clamp(0, available - 1).long(), torch.where(inside, share, 0.0))
