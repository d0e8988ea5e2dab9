"""PNG of 16-bit RGB read back to the bit, which Pillow cannot: it keeps 8 of the 16 bits.

``comparison/encode.py`` writes them. What any other program writes of the same kind is read as well.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

LARGEST = 16384  # px of a side: four times what any provider gives
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_PIXEL = 6  # bytes
_BAND = 256  # rows undone at once: fewer make more steps, more leave the cache
_MOST_BYTES = 2**31 - 1  # of a file; 16384 x 16384 px of noise are 1.6 GB

Tick = Callable[[int], None]


def read_png16(path: Path, tick: Tick = lambda rows: None) -> Tensor:
    """The picture of a 16-bit RGB PNG, (1, H, W, 3) float32, sRGB 0..1.

    Parameters
    ----------
    path : Path
    tick : callable (rows so far)
        Called as work goes on; it may raise to stop.

    Raises
    ------
    ValueError
        It is no such PNG, or damaged; in words without the file's name.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES)
    width, height, packed = _parts(data)
    del data
    whole = height * (1 + width * _PIXEL)
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(packed, whole)
        if not inflate.eof and not inflate.decompress(inflate.unconsumed_tail, 1):
            inflate.flush(1)
    except zlib.error as error:
        raise ValueError(f"its pixels are damaged ({error})") from None
    if len(raw) != whole or not inflate.eof:
        raise ValueError("it holds another number of pixels than it says")
    lines = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * _PIXEL)
    picture = torch.empty(1, height, width, 3)
    above = np.zeros(width * _PIXEL, np.uint8)
    for top in range(0, height, _BAND):
        band = lines[top : top + _BAND]
        undone = _undone(band[:, 0], band[:, 1:], above)
        above = undone[-1]
        codes = undone.view(">u2").reshape(len(band), width, 3).astype(np.float32)
        picture[0, top : top + len(band)] = torch.from_numpy(codes / np.float32(65535))
        tick(top + len(band))
    return picture


def _parts(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and the packed pixels of a PNG, its chunks checked."""
    if data[:8] != _SIGNATURE:
        raise ValueError("it is no PNG")
    at, header, packed = 8, None, []
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], memoryview(data)[at + 8 : at + 8 + size]
        at += 12 + size
        if at > len(data):
            break
        (check,) = struct.unpack_from(">I", data, at - 4)
        if zlib.crc32(body, zlib.crc32(name)) != check:
            raise ValueError("it is damaged: a checksum is wrong")
        if name == b"IHDR" and size == 13 and header is None:
            header = struct.unpack(">IIBBBBB", body)
        elif name == b"IDAT":
            packed.append(body)
        elif name == b"IEND":
            return (*_size(header), b"".join(packed))
    raise ValueError("it ends too early")


def _size(header: tuple[int, ...] | None) -> tuple[int, int]:
    if header is None:
        raise ValueError("it has no header")
    width, height, bits, kind, packing, filtering, interlaced = header
    if (bits, kind, packing, filtering, interlaced) != (16, _RGB, 0, 0, 0):
        raise ValueError("it is no PNG of 16-bit RGB: another program has written it anew")
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise ValueError(f"it says that it has {width}x{height} px, at most {LARGEST} are read")
    return width, height


def _undone(filters: np.ndarray, lines: np.ndarray, above: np.ndarray) -> np.ndarray:
    """The rows of a band without their filters, (R, W * 6) of uint8.

    A pixel needs its left, upper and upper left neighbour, so that all pixels of a diagonal can be
    had at once: step ``t`` does pixel ``t - r`` of every row ``r``. Before its first pixel a row
    is zero, as the specification has it; what is done after its last is not looked at.

    Parameters
    ----------
    filters : (R,) of uint8, the number of each row's filter
    lines : (R, W * 6) of uint8
    above : (W * 6) of uint8, the row before the first

    Notes
    -----
    PNG (Third Edition), W3C 2025, section 9.
    """
    if filters.max(initial=0) > 4:
        raise ValueError("its pixels are damaged (an unknown filter)")
    rows, width = len(lines), lines.shape[1] // _PIXEL
    steps = rows + width - 1
    slanted = np.zeros((rows, steps + 1, _PIXEL), np.uint8)
    straight = as_strided(slanted, (rows, width * _PIXEL), ((steps + 2) * _PIXEL, 1))
    straight[:] = lines  # row r begins r pixels later
    todo = np.ascontiguousarray(slanted[:, :steps].swapaxes(0, 1)).reshape(steps, -1)
    done = np.empty((steps, rows, _PIXEL), np.uint8)
    first = np.zeros((steps + 1, _PIXEL), np.int16)
    first[:width] = above.reshape(width, _PIXEL)
    sub, up, mean, paeth = (np.repeat(filters == number, _PIXEL) for number in (1, 2, 3, 4))
    has_mean = bool(mean.any())
    last, current = np.zeros((2, (rows + 1) * _PIXEL), np.int16)  # the row above, then ours
    current[:_PIXEL] = first[0]
    for t in range(steps):
        corner, last = last[:-_PIXEL], current
        left, upper = last[_PIXEL:], last[:-_PIXEL]
        to_left, to_upper = upper - corner, left - corner
        to_corner = np.abs(to_left + to_upper)
        to_left, to_upper = np.abs(to_left), np.abs(to_upper)
        guess = np.where(to_upper <= to_corner, upper, corner)
        np.copyto(guess, left, where=to_left <= np.minimum(to_upper, to_corner))
        guess *= paeth
        np.copyto(guess, left, where=sub)
        np.copyto(guess, upper, where=up)
        if has_mean:
            np.copyto(guess, (left + upper) >> 1, where=mean)
        current = np.empty_like(last)
        current[:_PIXEL] = first[t + 1]
        np.add(guess, todo[t], out=current[_PIXEL:])
        current &= 255
        done[t] = current[_PIXEL:].reshape(rows, _PIXEL)
    slanted[:, :steps] = done.swapaxes(0, 1)
    return np.ascontiguousarray(straight)
