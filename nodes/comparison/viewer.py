"""What the comparer in the browser is given: where each panel's region lies, and its source as tiles.

A source is written once, whatever it is called and however often it is compared: its files are named
after its content. Level 0 is the source itself, rounded to 8 bits; every further level has half the
pixels on a side, each the mean light of what it covers. All are lossless PNG, so that what is seen in
the browser is what the plate was made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from ...kernels.color import linear_to_srgb, srgb_to_linear
from ...kernels.picture import flatten_alpha
from ..labels import one_line
from .design import Shown, Slide
from .difference import Difference
from .encode import Tick, codes_of
from .locks import Lock, Locked
from .manifest import source_sha256
from .panels import Panel

VERSION = 1
UI_KEY = "loupe_compare"  # of the node's ui, and of its properties in the browser
TILE = 2048  # px: 16 MB where it is decoded, so that a screen needs few and a budget holds many
SMALLEST_LEVEL = 1024  # px: a level this small shows the whole picture at once, none follows it
SUBFOLDER = "loupe"
_STRIP = 2**17  # pixels worked on at once; larger ones leave the cache and take a third longer
_MOST_WORKERS = 8
# The filter Up and the fastest zlib: a photo of 2048x2048 px takes 0.15 s on one core and 0.48 of its
# bytes; Pillow at its fastest 0.31 s and 0.52, write_png, which chooses each row's filter, 0.55 s.
_LEVEL, _UP = 1, 2
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_NO_PICTURES = (
    "The comparer in the browser has no pictures: {} {}. Free space on that disk, or start ComfyUI with "
    "--temp-directory naming another. The plate is not affected."
)


def view_payload(
    panels: Sequence[Panel],
    slide: Slide,
    lock: Lock,
    names: Sequence[str],
    registered: Sequence[Difference | None],
    region: str,
    blind: bool,
    folder: Path | None,
    *,
    progress: Callable[[int], Tick] = lambda total: lambda done: None,
) -> tuple[dict[str, Any] | None, str]:
    """What the browser needs to show a comparison; the pictures that it names are written.

    Parameters
    ----------
    panels, names, registered : as many as the slide shows, in the order of the plate
        ``names`` are the true ones, also where the plate is blind. ``registered`` are the
        differences from the first panel; its own is None.
    slide : Slide
        The plate, for what is written under its panels.
    lock : Lock
        Of ``panels`` in this order, as :func:`.locks.lock` gives it.
    region : str
    blind : bool
    folder : Path or None
        The host's folder for files that need not last.
    progress : callable (rows in all) -> callable (rows so far)
        Called as work goes on; it may raise to stop.

    Returns
    -------
    payload : dict of plain values, or None
        None where there is no folder, or it cannot be written.
    note : str
        Why there is none, for the report; empty where all is well or nothing was asked for.
    """
    if folder is None:
        return None, ""
    hashes = _hashes([panel.image for panel in panels])
    sizes = [(panel.image.shape[2], panel.image.shape[1]) for panel in panels]
    levels = {sha: _levels(sha, size) for sha, size in zip(hashes, sizes, strict=True)}
    sources = {sha: panel.image for sha, panel in zip(hashes, panels, strict=True)}
    told = zip(slide.panels, names, lock.entries, hashes, sizes, strict=True)
    payload = {
        "version": VERSION,
        "sha": _places_sha256(region, lock, hashes),
        "region": region,
        "shape": [lock.shape.width, lock.shape.height],
        "mm_measured": lock.measured,
        "panels": [
            _panel(shown, one_line(name) if blind else shown.label, entry, size, levels[sha])
            for shown, name, entry, sha, size in told
        ],
        "blind": blind,
        "registered": [
            None if one is None else {"ncc": one.ncc, "reason": one.reason}
            for _, one in zip(panels, registered, strict=True)
        ],
    }
    folder = folder / SUBFOLDER
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_sources(sources, levels, folder, made, progress)
    except (OSError, MemoryError) as error:
        for path in made:  # a full disk gets its room back
            with suppress(OSError):
                path.unlink()
        return None, _NO_PICTURES.format(folder, _reason(error))
    return payload, ""


def _panel(
    shown: Shown, name: str, entry: Locked, size: tuple[int, int], levels: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "label": shown.label,
        "subline": shown.subline,
        "name": name,
        "size": list(size),
        "centre": list(entry.centre),
        "unit": entry.unit,
        "turn": entry.turn_deg,
        "px_per_mm": entry.px_per_mm,
        "levels": levels,
    }


def _hashes(images: Sequence[Tensor]) -> list[str]:
    """Of each picture; one that stands in several panels is read once."""
    known: dict[Any, str] = {}
    found = []
    for image in images:
        place = (image.device, image.data_ptr(), image.dtype, image.shape, image.stride())
        if place not in known:
            known[place] = source_sha256(image)
        found.append(known[place])
    return found


def _places_sha256(region: str, lock: Lock, hashes: Sequence[str]) -> str:
    """Of all that decides what is seen where; names are not part of it."""
    places = [
        [sha, *entry.centre, entry.unit, entry.turn_deg]
        for sha, entry in zip(hashes, lock.entries, strict=True)
    ]
    told = [VERSION, region, lock.shape.width, lock.shape.height, places]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _levels(sha: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The levels of a source and the tiles of each, by the names that they will have."""
    levels = []
    while True:
        number = len(levels)
        levels.append(
            {"scale": 0.5**number, "size": list(size), "tiles": list(_tiles(sha, number, size))}
        )
        if max(size) <= SMALLEST_LEVEL:
            return levels
        size = (-(-size[0] // 2), -(-size[1] // 2))


def _tiles(sha: str, level: int, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    for y in range(0, size[1], TILE):
        for x in range(0, size[0], TILE):
            yield {
                "x": x,
                "y": y,
                "w": min(TILE, size[0] - x),
                "h": min(TILE, size[1] - y),
                "filename": f"loupe_{sha[:16]}_{level}_{x}_{y}.png",
                "subfolder": SUBFOLDER,
                "type": "temp",
            }


def _reason(error: BaseException) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be written ({words or type(error).__name__})"


# --- levels --------------------------------------------------------------------------------------


def _write_sources(
    sources: dict[str, Tensor],
    levels: dict[str, list[dict[str, Any]]],
    folder: Path,
    made: list[Path],
    progress: Callable[[int], Tick],
) -> None:
    """Write what is missing of every source; ``made`` gets the paths of new files."""
    tick = progress(sum(image.shape[1] for image in sources.values()))
    before = 0
    with ThreadPoolExecutor(min(_MOST_WORKERS, os.cpu_count() or 1)) as pool:
        for sha, image in sources.items():
            tiles = [
                [_Tile(folder, tile, made) for tile in level["tiles"] if not _lies(folder, tile)]
                for level in levels[sha]
            ]
            if any(tiles):
                _write_source(image, tiles, pool, lambda rows, start=before: tick(start + rows))
            before += image.shape[1]
            tick(before)


def _write_source(
    image: Tensor, tiles: Sequence[Sequence[_Tile]], pool: ThreadPoolExecutor, tick: Tick
) -> None:
    """One pass over a picture, a strip at a time; its tiles grow on other threads meanwhile."""
    pending: list[Future[None]] = []
    try:
        for top, rows, strips in _strips(image, len(tiles)):
            jobs = [
                (tile, part)
                for level, strip, mine in zip(range(len(tiles)), strips, tiles, strict=True)
                for tile in mine
                if len(part := tile.cut(strip, top >> level))
            ]
            _wait_for(pending)
            pending = [pool.submit(tile.add, part) for tile, part in jobs]
            tick(top + rows)
        _wait_for(pending)
    finally:
        for future in pending:
            future.exception()  # wait: no tile may be dropped while it grows
        for tile in (tile for mine in tiles for tile in mine):
            tile.drop()


def _wait_for(futures: Sequence[Future[None]]) -> None:
    for future in futures:
        future.result()


def _strips(image: Tensor, levels: int) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """A picture (1, H, W, C) in strips: first row, rows, and each level's codes (h, w, 3)."""
    _, height, width, _ = image.shape
    whole = 2 ** (levels - 1)  # a strip begins on a pixel of every level
    step = max(1, _STRIP // width // whole) * whole
    for top in range(0, height, step):
        strip = flatten_alpha(image[:, top : top + step].detach().cpu().float())[0]
        codes, rows = [codes_of(strip, 8)], len(strip)
        light = srgb_to_linear(strip) if levels > 1 else strip
        down = across = 1.0  # of a pixel: what the last row and column cover
        for _ in range(levels - 1):
            light, down = _halved(light, down, 0)
            light, across = _halved(light, across, 1)
            codes.append(codes_of(linear_to_srgb(light), 8))
        yield top, rows, codes


def _halved(light: Tensor, last: float, axis: int) -> tuple[Tensor, float]:
    """Means of two neighbours along an axis, and what share of a pixel the last one covers.

    ``last`` is that share before: at the border a pixel is the mean of what the picture has there.
    """
    count = light.shape[axis]
    pairs = light.narrow(axis, 0, count // 2 * 2).unflatten(axis, (count // 2, 2))
    first, second = pairs.unbind(axis + 1)
    means = (first + second).mul_(0.5)
    if count % 2:
        return torch.cat([means, light.narrow(axis, count - 1, 1)], axis), last / 2
    if last < 1:
        means.select(axis, -1).copy_(
            (first.select(axis, -1) + last * second.select(axis, -1)) / (1 + last)
        )
    return means, (1 + last) / 2


# --- tiles ---------------------------------------------------------------------------------------


def _lies(folder: Path, tile: dict[str, Any]) -> bool:
    """Whether a tile's file is there, of its size and to its end."""
    try:
        with (folder / tile["filename"]).open("rb") as file:
            head = file.read(24)
            file.seek(-len(_END), os.SEEK_END)
            end = file.read()
    except OSError:
        return False
    size = struct.pack(">II", tile["w"], tile["h"])
    return head[:8] == _SIGNATURE and head[16:] == size and end == _END


class _Tile:
    """A PNG that grows from above and gets its name when it is whole."""

    def __init__(self, folder: Path, tile: dict[str, Any], made: list[Path]) -> None:
        self.path, self.made = folder / tile["filename"], made
        self.part = self.path.with_name(f"{self.path.name}.{uuid4().hex}.part")
        self.x, self.y, self.width, self.height = (tile[name] for name in ("x", "y", "w", "h"))
        self.rows = 0
        self.file: BinaryIO | None = None

    def cut(self, strip: np.ndarray, top: int) -> np.ndarray:
        """What a strip of this tile's level holds of it; the strip begins with the row ``top``."""
        first, last = self.y - top, self.y + self.height - top
        return strip[max(0, first) : max(0, last), self.x : self.x + self.width]

    def add(self, codes: np.ndarray) -> None:
        """The next rows, (h, w, 3) of uint8."""
        file = self.file or self._begin()
        raw = codes.reshape(len(codes), -1)
        lines = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
        lines[:, 0] = _UP
        np.subtract(raw[:1], self.above, out=lines[:1, 1:])
        np.subtract(raw[1:], raw[:-1], out=lines[1:, 1:])
        self.above = raw[-1:].copy()
        _chunk(file, b"IDAT", self.deflate.compress(lines.data))
        self.rows += len(raw)
        if self.rows == self.height:
            self._finish(file)

    def drop(self) -> None:
        """Leave nothing of a tile that is not whole."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            with suppress(OSError):
                self.part.unlink()
            self.file = None

    def _begin(self) -> BinaryIO:
        self.file = file = self.part.open("xb")
        self.deflate = zlib.compressobj(_LEVEL)
        self.above = np.zeros((1, 3 * self.width), np.uint8)
        file.write(_SIGNATURE)
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
        _chunk(file, b"sRGB", b"\0")
        return file

    def _finish(self, file: BinaryIO) -> None:
        _chunk(file, b"IDAT", self.deflate.flush())
        file.write(_END)
        file.close()
        try:
            self.part.replace(self.path)
        except PermissionError:
            # Windows, while the browser is being sent the same file, which another run has made
            # complete: it stays, and drop() takes ours away
            tile = {"filename": self.path.name, "w": self.width, "h": self.height}
            if not _lies(self.path.parent, tile):
                raise
            return
        self.file = None
        self.made.append(self.path)


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    if data or name != b"IDAT":  # zlib keeps small strips back
        file.write(struct.pack(">I", len(data)) + name)
        file.write(data)
        file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
