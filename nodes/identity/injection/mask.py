"""Where an identity acts: a mask of the picture on a layer's grid of tokens."""

from __future__ import annotations

from functools import lru_cache
from math import log

import torch
from torch import Tensor

Grid = tuple[int, int]  # rows, columns

HALVINGS = 6  # of a latent that a UNet makes; SD1.5 and SDXL make 3 and 2
SAME_SHAPE = 1.5  # a grid whose aspect is further off than this factor is not the picture's


def check_mask(mask: Tensor) -> Tensor:
    """A MASK as (B, H, W) float32 0..1 on the CPU.

    Raises
    ------
    ValueError
        Another shape, or values that are no numbers.
    """
    planes = mask[None] if mask.ndim == 2 else mask
    if planes.ndim != 3 or not planes.numel():
        raise ValueError(f"the identity's mask must be (B, H, W), got {tuple(mask.shape)}")
    planes = planes.detach().to("cpu", torch.float32)
    if not planes.isfinite().all():
        raise ValueError("the identity's mask has values that are no numbers (NaN or infinite)")
    return planes.clamp(0, 1)


def area_resize(mask: Tensor, grid: Grid) -> Tensor:
    """A mask on another grid: each cell the mean of what it covers, parts of pixels by their area.

    Parameters
    ----------
    mask : Tensor, (B, H, W)
    grid : rows, columns
        The mask is stretched over it, whatever its own aspect.

    Returns
    -------
    Tensor, (B, rows, columns)
        Its mean is the mask's.
    """
    down = _covered(mask.shape[1], grid[0])
    across = _covered(mask.shape[2], grid[1])
    return (down @ mask.double() @ across.T).to(mask.dtype)


def _covered(pixels: int, cells: int) -> Tensor:
    """(cells, pixels): the share of each cell that each pixel covers; rows sum to 1."""
    edges = torch.arange(cells + 1, dtype=torch.float64) * (pixels / cells)
    left = torch.arange(pixels, dtype=torch.float64)
    common = torch.minimum(edges[1:, None], left + 1) - torch.maximum(edges[:-1, None], left)
    common = common.clamp_min(0)
    return common / common.sum(1, keepdim=True)


def unet_grid(tokens: int, options: dict, mask: Tensor) -> Grid:
    """The grid of a UNet layer.

    Parameters
    ----------
    tokens : int
        How many the layer has.
    options : dict
        The host's extra options: ``activations_shape`` (B, C, h, w) says the grid; where it does not
        fit, ``original_shape``, the latent's, or else the mask, tells the aspect.
    mask : Tensor, (B, H, W)
    """
    shape = options.get("activations_shape")
    if shape is not None and len(shape) == 4 and shape[2] * shape[3] == tokens:
        return int(shape[2]), int(shape[3])
    latent = options.get("original_shape")
    height, width = latent[-2:] if latent is not None else mask.shape[-2:]
    return solve_grid(tokens, int(height), int(width))


@lru_cache(maxsize=64)
def solve_grid(tokens: int, height: int, width: int) -> Grid:
    """The grid of so many tokens over a latent or picture of that size.

    First the latent halved as often as it takes, rounded up, as UNets do; else the two factors of
    ``tokens`` whose ratio is nearest to the aspect.

    Raises
    ------
    ValueError
        No grid of so many tokens has about this aspect.
    """
    rows, columns = height, width
    for _ in range(HALVINGS + 1):
        if rows * columns == tokens:
            return rows, columns
        rows, columns = -(-rows // 2), -(-columns // 2)
    pairs = [(r, tokens // r) for r in range(1, tokens + 1) if tokens % r == 0]
    off, rows, columns = min((abs(log(r * width / (c * height))), r, c) for r, c in pairs)
    if off > log(SAME_SHAPE):
        raise ValueError(
            f"a layer has {tokens} tokens, which make no grid of the aspect {width} x {height}; the "
            "identity's mask cannot be laid on it: take the mask out, or the pack that merges tokens"
        )
    return rows, columns
