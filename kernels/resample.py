"""One separable pass from a box of the source to a panel.

Every output pixel is the mean light of exactly the source area that it covers. At a whole zoom
that is the source's own pixels, repeated; at a fractional one, pixels with anti-aliased borders;
when shrinking, a box average. No weight is negative, so no edge overshoots and nothing is sharpened.
"""

from __future__ import annotations

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
    across, left = area_weights(x, width, columns, image.shape[-1])
    down, top = area_weights(y, height, rows, image.shape[-2])
    source = image[..., top : top + down.shape[1], left : left + across.shape[1]]
    coverage = down.sum(1, keepdim=True) * across.sum(1)
    panel = torch.empty((*image.shape[:2], rows, columns), dtype=torch.float32)
    for index in range(image.shape[0]):  # plane by plane: float64 of one is all that is held
        for channel in range(image.shape[1]):
            light = srgb_to_linear(source[index, channel].double().cpu())
            mean = down @ light @ across.T / coverage.clamp(min=1e-12)
            panel[index, channel] = linear_to_srgb(mean)
    return panel, coverage.float()


def area_weights(start: float, length: float, count: int, available: int) -> tuple[Tensor, int]:
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
    weights : Tensor, (count, N), float64
        Row ``j`` sums to the share of output pixel ``j`` that lies in the source.
    first : int
        The source pixel of column 0.
    """
    first = min(max(int(start), 0), available - 1)
    last = min(max(int(start + length) + 1, first + 1), available)
    # rounded to 1e-9 px: a third of a pixel times three must land on the border again
    edges = start + length / count * torch.arange(count + 1, dtype=torch.float64)
    edges = (edges * 1e9).round() / 1e9
    pixel = torch.arange(first, last, dtype=torch.float64)
    low = torch.maximum(edges[:-1, None], pixel)
    high = torch.minimum(edges[1:, None], pixel + 1)
    return (high - low).clamp(min=0) / (edges[1:, None] - edges[:-1, None]), first
