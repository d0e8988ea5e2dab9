"""Convolution by Fourier transform, tile by tile: any PSF, in nearly the same time.

Tiles that stay in a core's cache are transformed three to five times as fast as a whole 8K plane,
which more than pays for their overlap (overlap-save), and need next to no memory.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .border import fill, roomy

# Samples of a tile. 8K RGB, 31 taps, two cores with 2 MB of cache each: 2.3 ns per sample with tiles of
# 512x384, 8 to 9 in one piece; above 2**19 the C library fetches new pages for each, 6 to 8 ns.
_TILE_SAMPLES = {"cpu": 2**18 + 2**17}
_TILE_SAMPLES_ELSEWHERE = 2**24  # a GPU wants work; 64 MB of float32, four such are in use
_BATCH_SAMPLES = 2**22  # tiles transformed at once, one for each thread
_CALLS = 2**14  # samples that could be transformed while Python prepares one tile


def convolve(image: Tensor, psf: Tensor) -> Tensor:
    """Blur a picture with a dense PSF; edges are mirrored.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), any strides, floating point
    psf : Tensor, (C, K, K), floating point, K odd

    Returns
    -------
    Tensor, (B, C, H, W), contiguous, same dtype and device
        Calculated in float32, or in float64 for float64. The memory used besides is a strip of tiles.
    """
    return _convolve(image, psf, roomy(image, image.shape), hang=psf.shape[-1] // 2)


def convolve_padded(image: Tensor, psf: Tensor) -> Tensor:
    """The same for a picture (B, C, H + K - 1, W + K - 1) that has its surroundings -> (B, C, H, W)."""
    rim = psf.shape[-1] - 1
    batch, channels, height, width = image.shape
    out = roomy(image, (batch, channels, height - rim, width - rim))
    return _convolve(image, psf, out, hang=0)


def overlap(height: int, width: int, rim: int) -> float:
    """How many samples a CPU transforms for each sample of a picture."""
    rows, columns = plan_tiles(height, width, rim, _TILE_SAMPLES["cpu"])
    down, across = -(-height // (rows - rim)), -(-width // (columns - rim))
    return down * rows * across * columns / (height * width)


def _convolve(image: Tensor, psf: Tensor, out: Tensor, hang: int) -> Tensor:
    """Every plane of ``out`` (B, C, H, W); ``hang`` px of the PSF's reach lie outside ``image``."""
    batch, channels, height, width = out.shape
    dtype = torch.float64 if out.dtype == torch.float64 else torch.float32
    weights = psf.to(dtype).to(out.device)  # dtype before device: some devices have no float64
    rim = psf.shape[-1] - 1
    size = plan_tiles(
        height, width, rim, _TILE_SAMPLES.get(out.device.type, _TILE_SAMPLES_ELSEWHERE)
    )
    rows, columns = size[0] - rim, size[1] - rim  # what a tile yields
    tiles = -(-width // columns)
    at_once = max(1, min(tiles, torch.get_num_threads(), _BATCH_SAMPLES // (size[0] * size[1])))
    # zeros beyond the right and lower edges: what they make is cut off, but must be finite
    strip = weights.new_zeros(size[0], tiles * columns + rim)
    overlapping = strip.as_strided((tiles, *size), (columns, strip.stride(0), 1))
    for channel in range(channels):
        spectrum = spectrum_of(weights[channel], size)
        gain = weights[channel].sum()
        for index in range(batch):
            for top in range(0, height, rows):
                place = out[index, channel, top : top + rows]
                window = strip[: len(place) + rim, : width + rim]
                light = fill(image[index, channel], top - hang, -hang, window) * gain
                for first in range(0, tiles, at_once):
                    blurred = _blur(overlapping[first : first + at_once], spectrum)
                    _lay(blurred[:, rim : rim + len(place), rim:], light, place, first * columns)
    return out


def _blur(tiles: Tensor, spectrum: Tensor) -> Tensor:
    """Each of (n, S, N) convolved; the transform wraps round, into the first K - 1 rows and columns."""
    waves = torch.fft.rfft2(tiles)
    waves *= spectrum
    return torch.fft.irfft2(waves, s=tiles.shape[-2:])


def _lay(tiles: Tensor, light: Tensor, out: Tensor, left: int) -> None:
    """Tiles (n, rows, columns) side by side into (rows, W) from a column on, ``light`` added."""
    columns = tiles.shape[-1]
    for count, tile in enumerate(tiles):
        place = out[:, left + count * columns : left + (count + 1) * columns]
        torch.add(tile[:, : place.shape[1]], light, out=place)


def spectrum_of(psf: Tensor, size: tuple[int, int]) -> Tensor:
    """Transform of a (K, K) PSF that lies at the top left corner of a tile."""
    return torch.fft.rfft2(psf, s=size)


@lru_cache(maxsize=64)
def plan_tiles(height: int, width: int, rim: int, most: int) -> tuple[int, int]:
    """The tile that covers a picture with the least work.

    Parameters
    ----------
    height, width : int, pixels
    rim : int, pixels
        What the tile loses on each axis, K - 1.
    most : int, samples
        Of a tile, except where a wide PSF asks for more.

    Returns
    -------
    (rows, columns)
        Lengths with small factors. A tile yields ``rows - rim`` by ``columns - rim`` pixels.
    """
    most = max(most, good_size(3 * rim) ** 2)
    best, least = (good_size(height + rim), good_size(width + rim)), float("inf")
    across = _lengths(width, rim)
    for rows, down_count in _lengths(height, rim):
        for columns, across_count in across:
            samples = rows * columns
            work = down_count * across_count * (samples + _CALLS)
            if samples <= most and work < least:
                best, least = (rows, columns), work
    return best


def _lengths(side: int, rim: int) -> list[tuple[int, int]]:
    """Lengths of tile and how many of them a side takes, from one tile to many."""
    found: dict[int, int] = {}
    count = 1
    while count <= max(1, side // 32):
        found.setdefault(good_size(-(-side // count) + rim), count)
        count += 1
    return list(found.items())


@lru_cache(maxsize=4096)
def good_size(least: int) -> int:
    """The smallest length from ``least`` on with no prime factor above 5, which transforms are quick at.

    7710 = 2 * 3 * 5 * 257 takes 1.4 to 2.1 times as long as 7776.
    """
    best = 1 << (least - 1).bit_length() if least > 1 else 1
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three << max(0, (-(-least // three) - 1).bit_length())
            if least <= two < best:
                best = two
            three *= 3
        five *= 5
    return best
