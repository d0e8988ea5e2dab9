"""A PSF that changes across the picture: known at the nodes of a grid, blended in between."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .border import fill, roomy
from .fft import plan_tiles, spectrum_of

_TILE_SAMPLES = 2**18 + 2**17  # see fft


@torch.no_grad()
def convolve_field(
    image: Tensor, psfs: Tensor, tick: Callable[[int], None] = lambda rows: None
) -> Tensor:
    """Blur a picture with PSFs that change across it.

    Every pixel sees the blend of the four nodes around it, by its distances to them (bilinear):
    the weights sum to 1 at the pixel, so that a flat field stays flat, and pass from cell to cell
    without a seam. Each cell is convolved with its four PSFs by Fourier transform.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), floating point, linear light
        Edges are mirrored.
    psfs : Tensor, (rows, columns, C, K, K), floating point, K odd
        Node (0, 0) is the top left corner of the picture, the last node its bottom right one,
        the others evenly between. One row, or one column, serves the whole height, or width.
        A ``C`` of 1 serves all channels.
    tick : callable (rows done)
        Called as work goes on, with the rows above the cell that is worked on; it may raise to stop.

    Returns
    -------
    Tensor, (B, C, H, W), same dtype and device as ``image``
        Half precision is calculated in float32.

    Raises
    ------
    ValueError
        ``psfs`` has another shape, or holds NaN or infinite values.
    """
    _check(image, psfs)
    out = roomy(image, image.shape)
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    # dtype before device: some devices have no float64
    height, width = image.shape[-2:]
    nodes = psfs.to(dtype).to(image.device).expand(-1, -1, image.shape[1], -1, -1)
    for row, (top, bottom) in enumerate(_cells(height, nodes.shape[0])):
        for column, (left, right) in enumerate(_cells(width, nodes.shape[1])):
            if top < bottom and left < right:
                corners = nodes[row : row + 2, column : column + 2]
                down = _shares(top, bottom, height, row, nodes.shape[0], nodes)
                across = _shares(left, right, width, column, nodes.shape[1], nodes)
                _blur_cell(image, corners, (top, left), (down, across), out, tick)
    return out


def _cells(side: int, nodes: int) -> list[tuple[int, int]]:
    """Which pixels lie between two nodes, for each pair of neighbours; all of them for one node."""
    count = max(nodes - 1, 1)
    # pixel x, whose middle is x + 0.5, belongs to cell floor((x + 0.5) * count / side)
    edges = [-(-(2 * cell * side - count) // (2 * count)) for cell in range(count + 1)]
    return [(max(edges[cell], 0), min(edges[cell + 1], side)) for cell in range(count)]


def _shares(start: int, stop: int, side: int, cell: int, nodes: int, like: Tensor) -> Tensor:
    """How much pixels from ``start`` to ``stop - 1`` see of the node before and the one after: (2, n) or (1, n)."""
    if nodes == 1:
        return like.new_ones(1, stop - start)
    middle = torch.arange(start, stop, dtype=torch.float64) + 0.5
    after = (middle * (nodes - 1) / side - cell).clamp(0, 1)
    return torch.stack([1 - after, after]).to(like.dtype).to(like.device)


def _blur_cell(
    image: Tensor,
    corners: Tensor,
    start: tuple[int, int],
    shares: tuple[Tensor, Tensor],
    out: Tensor,
    tick: Callable[[int], None],
) -> None:
    """The pixels from ``start`` (top, left) on, as many as there are shares, into ``out``.

    ``corners`` is (1 or 2, 1 or 2, C, K, K), the shares (1 or 2, rows) and (1 or 2, columns).
    """
    down, across = shares
    rim = corners.shape[-1] - 1
    height, width = down.shape[1], across.shape[1]
    size = plan_tiles(height, width, rim, _TILE_SAMPLES)
    rows, columns = size[0] - rim, size[1] - rim
    window = corners.new_zeros(size)
    for channel in range(image.shape[1]):
        spectra = spectrum_of(corners[:, :, channel], size)
        gains = corners[:, :, channel].sum((-2, -1))[..., None, None]
        for index in range(image.shape[0]):
            plane = image[index, channel]
            for y in range(0, height, rows):
                tick(start[0])
                for x in range(0, width, columns):
                    v, u = down[:, y : y + rows], across[:, x : x + columns]
                    top, left = start[0] + y, start[1] + x
                    inner = window[: v.shape[1] + rim, : u.shape[1] + rim]
                    mean = fill(plane, top - rim // 2, left - rim // 2, inner)
                    waves = torch.fft.rfft2(window) * spectra
                    # the transform wraps round, into the first K - 1 rows and columns
                    seen = torch.fft.irfft2(waves, s=size)
                    seen = seen[..., rim : rim + v.shape[1], rim : rim + u.shape[1]] + mean * gains
                    blend = ((seen * u[:, None]).sum(1) * v[..., None]).sum(0)
                    out[index, channel, top : top + v.shape[1], left : left + u.shape[1]] = blend


def _check(image: Tensor, psfs: Tensor) -> None:
    shape = "x".join(map(str, image.shape)) or "a single number"
    if image.ndim != 4 or image.numel() == 0 or not image.is_floating_point():
        raise ValueError(
            "image must be (pictures, channels, height, width), floating point and not empty, "
            f"got {shape} of {image.dtype}"
        )
    shape = "x".join(map(str, psfs.shape)) or "a single number"
    side = psfs.shape[-1] if psfs.ndim == 5 else 0
    if side == 0 or psfs.shape[-2] != side or side % 2 == 0 or psfs.numel() == 0:
        raise ValueError(
            f"psfs must be (rows, columns, channels, K, K) with K odd and at least one node, got {shape}"
        )
    if psfs.shape[2] not in (1, image.shape[1]):
        raise ValueError(
            f"psfs must have 1 channel or the picture's {image.shape[1]}, got {psfs.shape[2]}"
        )
    if not psfs.is_floating_point() or not torch.isfinite(psfs).all():
        raise ValueError("psfs must be floating point and finite, they are not")
