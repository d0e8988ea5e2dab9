"""Separable convolution as matrix products: what a CPU does best.

A row of taps slid over B outputs is a banded (Toeplitz) matrix of B x (B + 2 p). With B near the
support, half of the products are with zeros, and still the whole is quicker than any loop over
taps: 200 GFLOP/s of SGEMM against 20 on two cores. Per strip of rows, and per term:

- down: A (B x (B + 2 p)) @ the strip's rows, B of them at a time
- across: the strip seen as overlapping windows of B + 2 p columns, each @ the band of the row taps
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .border import fill, roomy
from .terms import Terms, reach_of

# A strip and its intermediate results: 4 x 8 MB at 8K.
STRIP_ROWS = 256
# Quickest B by the reach of the taps, in px: measured at 8K on two cores with AVX-512, 3 terms.
# At 10 px 16 takes 0.75 of what 64 takes, at 63 px 32 takes 0.88 of 16, at 100 px 64 takes 0.9 of 16.
_WIDTHS = ((20, 16), (80, 32))
_WIDEST = 64


def convolve(image: Tensor, terms: Terms) -> Tensor:
    """Blur a picture with separable terms; edges are mirrored.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), any strides, floating point
    terms : Terms of C channels, or of one for all

    Returns
    -------
    Tensor, (B, C, H, W), contiguous, same dtype and device
        Calculated in float32, or in float64 for float64. The memory used besides is a few strips.
    """
    return _convolve(image, terms, roomy(image, image.shape), hang=terms.reach)


def convolve_padded(image: Tensor, terms: Terms) -> Tensor:
    """The same for a picture that already has ``terms.reach`` px more on each side.

    Parameters
    ----------
    image : Tensor, (B, C, H + 2 * reach, W + 2 * reach)

    Returns
    -------
    Tensor, (B, C, H, W)
    """
    rim = 2 * terms.reach
    batch, channels, height, width = image.shape
    out = roomy(image, (batch, channels, height - rim, width - rim))
    return _convolve(image, terms, out, hang=0)


def flops_per_sample(terms: Terms) -> float:
    """Operations for each sample of the picture, the zeros of the bands included."""
    return (
        sum(
            flops_of_term(reach_of(columns), reach_of(rows))
            for column, row in zip(terms.columns, terms.rows, strict=True)
            for columns, rows in zip(column, row, strict=True)
        )
        / terms.channels
    )


def flops_of_term(*reaches: int) -> int:
    """Operations a sample for one term, from the reach of its column and of its row."""
    return sum(2 * (band_width(reach) + 2 * reach) for reach in reaches)


def band_width(reach: int) -> int:
    """B, how many outputs one product makes from B + 2 * reach inputs."""
    return next((width for most, width in _WIDTHS if reach <= most), _WIDEST)


def toeplitz(taps: Tensor, width: int) -> Tensor:
    """The matrix (B, B + 2 p) that convolves B + 2 p samples with centred taps (K,), leaving B."""
    reach, centre = reach_of(taps), taps.shape[0] // 2
    used = taps[centre - reach : centre + reach + 1].flip(0)  # convolution, not correlation
    matrix = taps.new_zeros(width, width + 2 * reach)
    for row in range(width):
        matrix[row, row : row + 2 * reach + 1] = used
    return matrix


@dataclass(frozen=True)
class _Band:
    """One term's two matrices: down (B, B + 2 p), across (B + 2 p, B)."""

    down: Tensor
    across: Tensor

    @property
    def down_reach(self) -> int:
        return (self.down.shape[1] - self.down.shape[0]) // 2

    @property
    def across_reach(self) -> int:
        return (self.across.shape[0] - self.across.shape[1]) // 2


def _bands(terms: Terms, channel: int, like: Tensor) -> list[list[_Band]]:
    """The matrices of one channel, those of one width across together; terms of nothing left out."""
    groups: dict[int, list[_Band]] = {}
    for columns, rows in zip(terms.columns[channel], terms.rows[channel], strict=True):
        if columns.any() and rows.any():
            down, across = (
                # dtype before device: some devices have no float64
                toeplitz(taps, band_width(reach_of(taps))).to(like.dtype).to(like.device)
                for taps in (columns, rows)
            )
            groups.setdefault(len(across), []).append(_Band(down, across.T.contiguous()))
    return list(groups.values())


def _convolve(image: Tensor, terms: Terms, out: Tensor, hang: int) -> Tensor:
    """Every plane of ``out`` (B, C, H, W); ``hang`` px of the reach lie outside ``image``."""
    batch, channels, height, _ = out.shape
    room = _Strip(out, terms, torch.float64 if out.dtype == torch.float64 else torch.float32)
    gains = terms.gain.tolist()
    for channel in range(channels):
        own = channel if terms.channels > 1 else 0
        bands = _bands(terms, own, room.padded)
        for index in range(batch):
            for top in range(0, height, STRIP_ROWS):
                strip = out[index, channel, top : top + STRIP_ROWS]
                room.fill(image[index, channel], top - hang, -hang, len(strip))
                room.blur(bands, float(terms.delta[own]), gains[own], strip)
    return out


class _Strip:
    """Some rows of a plane with what surrounds them, and the buffers to blur them, used again and again."""

    def __init__(self, out: Tensor, terms: Terms, dtype: torch.dtype) -> None:
        self.rows, self.width = min(STRIP_ROWS, out.shape[2]), out.shape[3]
        self.reach = terms.reach
        widths = [band_width(reach_of(taps)) for taps in terms.rows.flatten(0, 1)]
        across = max((-(-self.width // width) * width for width in widths), default=self.width)
        widths = [band_width(reach_of(taps)) for taps in terms.columns.flatten(0, 1)]
        down = max((-(-self.rows // width) * width for width in widths), default=self.rows)
        like = out.new_empty(0, dtype=dtype)
        # zeros beyond the right and lower edges: what they make is cut off, but must be finite
        self.padded = like.new_zeros(down + 2 * self.reach, across + 2 * self.reach)
        self.down = like.new_empty(down * self.padded.shape[1])
        self.sum = like.new_empty(self.rows * across)
        # where the result is of half precision, terms are added up before they are rounded
        self.total = None if out.dtype == dtype else like.new_empty(self.rows, self.width)
        self.mean = like.new_zeros(())

    def fill(self, plane: Tensor, top: int, left: int, rows: int) -> None:
        """The rows from ``top`` on with their surroundings, less their mean."""
        self.rows = rows
        window = self.padded[: rows + 2 * self.reach, : self.width + 2 * self.reach]
        self.mean = fill(plane, top, left, window)

    def blur(self, bands: list[list[_Band]], delta: float, gain: float, out: Tensor) -> None:
        """Into (rows, W)."""
        if self.total is None:
            self._blur(bands, delta, gain, out)
        else:
            self._blur(bands, delta, gain, self.total[: self.rows])
            out.copy_(self.total[: self.rows])

    def _blur(self, bands: list[list[_Band]], delta: float, gain: float, out: Tensor) -> None:
        reach = self.reach
        centre = self.padded[reach : reach + self.rows, reach : reach + self.width]
        if not bands:
            out.copy_(centre * delta + self.mean * gain)
        for count, group in enumerate(bands):
            width = group[0].across.shape[1]
            tiles = -(-self.width // width)
            blurred = self.sum[: tiles * self.rows * width].view(tiles, self.rows, width)
            blurred.fill_(self.mean * gain if count == 0 else 0.0)
            for band in group:
                windows = self._windows(band, tiles)
                taps = band.across.expand(tiles, -1, -1)
                torch.baddbmm(blurred, windows, taps, out=blurred)
            for tiled, behind, place in zip(
                _tiled(blurred), _cut(centre, width), _cut(out, width), strict=True
            ):
                # what is there already is the picture's own share, or the groups before
                tiled = tiled[..., : place.shape[-1]]
                if count == 0:
                    torch.add(tiled, behind, alpha=delta, out=place)
                else:
                    place += tiled

    def _windows(self, band: _Band, tiles: int) -> Tensor:
        """The strip blurred downwards, as overlapping windows (tiles, rows, B + 2 p)."""
        block, taken = band.down.shape
        window, width = band.across.shape
        columns = tiles * width + window - width
        left = self.reach - band.across_reach
        top = self.reach - band.down_reach
        blocks = -(-self.rows // block)
        blurred = self.down[: blocks * block * columns].view(blocks, block, columns)
        step = self.padded.stride(0)
        sources = self.padded[top:, left:].as_strided(
            (blocks, taken, columns), (block * step, step, 1)
        )
        # one call for all blocks: threads meet once, not sixteen times
        torch.bmm(band.down.expand(blocks, -1, -1), sources, out=blurred)
        return blurred.as_strided((tiles, self.rows, window), (width, columns, 1))


def _tiled(blurred: Tensor) -> tuple[Tensor, Tensor]:
    """Tiles (tiles, rows, B) as :func:`_cut` cuts a strip; the last one has columns to spare."""
    return blurred[:-1].transpose(0, 1), blurred[-1:].transpose(0, 1)


def _cut(strip: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """A strip (rows, W) as (rows, tiles - 1, B) and what is left of it (rows, 1, 1..B)."""
    whole = (strip.shape[1] - 1) // width * width
    return strip[:, :whole].unflatten(1, (-1, width)), strip[:, None, whole:]
