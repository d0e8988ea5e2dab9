"""A picture as a file, nothing lost on the way: PNG of 8 and 16 bits, lossless WebP, JPEG 4:4:4.

Values are rounded to the nearest code; ComfyUI's Save Image cuts them, which darkens by half a code.
PNG is written here, strip by strip, because Pillow holds no 16-bit RGB.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from ...kernels.picture import flatten_alpha


@dataclass(frozen=True)
class Format:
    ending: str
    most_px: int
    """Of a side, as the format's header can say it."""
    bits: int = 8


FORMATS = {
    "PNG 8-bit": Format(".png", 2**31 - 1),
    "PNG 16-bit": Format(".png", 2**31 - 1, bits=16),
    "WebP lossless": Format(".webp", 16383),
    "JPEG 4:4:4": Format(".jpg", 65535),
}
KEYWORD = "loupe.compare"  # of the PNG text that holds the manifest
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 4  # of zlib, as the host saves
_STRIP = 2**20  # bytes of pixels filtered and compressed at once
_MOST_EXTRA = 5  # of the host's additions: a tag each from Make downwards, and the next one holds numbers alone
_LOOK_SECONDS = 0.1  # between two looks at whether Pillow is done
_EXIF_MOST = 65533  # bytes: a JPEG segment counts its length, itself included, in 16 bits
_MAKE, _MODEL, _EXIF_IFD, _USER_COMMENT = 0x010F, 0x0110, 0x8769, 0x9286
_JPEG_LEFT_OUT = "a JPEG holds 64 kB of metadata, too little for {}; PNG and WebP hold it all"

Tick = Callable[[int], None]


@dataclass(frozen=True)
class Metadata:
    """What a file tells beside its pixels.

    Parameters
    ----------
    prompt : value of JSON or None
        The graph as it ran.
    extra : mapping of name to value of JSON
        What the host adds, ``workflow`` above all.
    manifest : dict or None
        How the plate was made.
    """

    prompt: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None


def why_not(name: str, width: int, height: int) -> str | None:
    """The reason why a format cannot hold a picture of this size, or None."""
    most = FORMATS[name].most_px
    if max(width, height) <= most:
        return None
    return (
        f"{name} holds at most {most} px on a side, the picture is {width}x{height}. "
        "Choose PNG as the format, or a smaller picture."
    )


def write_picture(
    file: BinaryIO,
    picture: Tensor,
    name: str,
    quality: int = 95,
    metadata: Metadata | None = None,
    tick: Tick = lambda rows: None,
) -> list[str]:
    """Write one picture into an open file.

    Parameters
    ----------
    file : binary file, open for writing
    picture : (H, W, C), C in {1, 3, 4}, sRGB 0..1
        Gray becomes RGB. Values beyond 0..1 are clipped.
    name : a name of ``FORMATS``
    quality : int in [1, 100]
        Of a JPEG.
    metadata : Metadata
    tick : callable (rows so far)
        Called as work goes on; it may raise to stop.

    Returns
    -------
    list of str
        What the format could not hold.
    """
    metadata = metadata or Metadata()
    if FORMATS[name].ending == ".png":
        write_png(file, picture, FORMATS[name].bits, texts_of(metadata), tick)
        return []
    if name == "WebP lossless":
        codes = _all_codes(picture, tick)
        # exact: colours under full transparency are kept. quality is effort here: Pillow's 80 takes
        # twice the time for 0.2 % less room (4.9 megapixels of a photo)
        options = {"lossless": True, "exact": True, "quality": 50, "exif": _exif(metadata)}
        _save(file, codes, "WEBP", tick, **options)
        return []
    return _write_jpeg(file, picture, quality, metadata, tick)


def codes_of(picture: Tensor, bits: int) -> np.ndarray:
    """The nearest codes of sRGB values, (H, W, C) of uint8, or of big-endian uint16.

    float32 holds 65535 x value to 1/256 code, so that 16-bit codes survive the way there and back.
    """
    top = 2**bits - 1
    values = picture.detach().float().clamp(0, 1).mul(top).round()
    # of one piece whatever its channels lay like: a VAE gives them apart, and writers take bytes
    return values.cpu().numpy().astype(np.uint8 if bits == 8 else ">u2", order="C")


# --- PNG -----------------------------------------------------------------------------------------


def write_png(
    file: BinaryIO,
    picture: Tensor,
    bits: int = 8,
    texts: list[tuple[bytes, bytes]] | None = None,
    tick: Tick = lambda rows: None,
) -> None:
    """Write a PNG of RGB or RGBA, a strip of rows at a time.

    Parameters
    ----------
    file : binary file, open for writing
    picture : (H, W, C), C in {1, 3, 4}, sRGB 0..1
    bits : 8 or 16
    texts : list of (type, data)
        Chunks that stand before the pixels.
    tick : callable (rows so far)

    Notes
    -----
    PNG (Third Edition), W3C 2025, sections 5 and 9. The colour space is declared as sRGB.
    """
    if picture.shape[-1] == 1:
        picture = picture.expand(-1, -1, 3)
    height, width, channels = picture.shape
    pixel = channels * bits // 8
    file.write(_SIGNATURE)
    kind = {3: 2, 4: 6}[channels]
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    _chunk(file, b"sRGB", b"\0")
    for name, data in texts or []:
        _chunk(file, name, data)
    # 16-bit rows seldom repeat: looking for it takes three times as long for 0 to 9 % less room in
    # photos, 20 % in enlarged pixels
    strategy = zlib.Z_DEFAULT_STRATEGY if bits == 8 else zlib.Z_RLE
    deflate = zlib.compressobj(_LEVEL, strategy=strategy)
    above = np.zeros((1, width * pixel), np.uint8)
    rows = max(1, _STRIP // (width * pixel))
    for top in range(0, height, rows):
        codes = codes_of(picture[top : top + rows], bits)
        lines = np.concatenate([above, codes.view(np.uint8).reshape(len(codes), -1)])
        above = lines[-1:]
        _chunk(file, b"IDAT", deflate.compress(_filtered(lines, pixel).data))
        tick(top + len(codes))
    _chunk(file, b"IDAT", deflate.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    if not data and name == b"IDAT":  # zlib keeps small strips back
        return
    file.write(struct.pack(">I", len(data)) + name)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _filtered(lines: np.ndarray, pixel: int) -> np.ndarray:
    """Rows as differences from their neighbours, each with the number of its filter before it.

    ``lines`` begins with the row above the first. Of Sub, Up and Paeth a row takes the one with
    the smallest sum of differences, as section 12.7 of the specification advises.
    """
    raw, up = lines[1:], lines[:-1]
    left, corner = np.zeros_like(raw), np.zeros_like(raw)
    left[:, pixel:], corner[:, pixel:] = raw[:, :-pixel], up[:, :-pixel]
    tried = {1: raw - left, 2: raw - up, 4: raw - _paeth(left, up, corner)}
    cost = np.stack([np.abs(one.view(np.int8).astype(np.int16)).sum(1) for one in tried.values()])
    best = np.array(list(tried))[cost.argmin(0)]
    out = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
    out[:, 0] = best
    for number, one in tried.items():
        out[best == number, 1:] = one[best == number]
    return out


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of left, up and corner the one nearest to left + up - corner (section 9.4)."""
    a, b, c = (one.astype(np.int16) for one in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))


def texts_of(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Metadata as PNG chunks: the graph as the host's Save Image writes it, then our manifest."""
    given = {} if metadata.prompt is None else {"prompt": metadata.prompt}
    texts = []
    for key, value in (given | dict(metadata.extra)).items():
        word = str(key).encode("latin-1", "ignore").replace(b"\0", b"")[:79]  # the longest allowed
        if word:
            texts.append((b"tEXt", word + b"\0" + json.dumps(value).encode("ascii")))
    if metadata.manifest is not None:
        # keyword, not compressed, no language, no translated keyword
        head = KEYWORD.encode() + b"\0\0\0\0\0"
        texts.append((b"iTXt", head + json_bytes(metadata.manifest)))
    return texts


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8, letters as they are; half a surrogate pair stays the escape that it was."""
    return json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")


# --- WebP and JPEG -------------------------------------------------------------------------------


def _all_codes(picture: Tensor, tick: Tick, *, flat: bool = False) -> np.ndarray:
    """8-bit codes of a picture, in strips: no copy of it in floats is made."""
    height, width, channels = picture.shape
    codes = np.empty((height, width, 3 if flat or channels == 1 else channels), np.uint8)
    rows = max(1, _STRIP // (width * channels))
    for top in range(0, height, rows):
        strip = picture[None, top : top + rows]
        codes[top : top + rows] = codes_of((flatten_alpha(strip) if flat else strip)[0], 8)
        tick(min(height, top + rows))
    return codes


def _write_jpeg(
    file: BinaryIO, picture: Tensor, quality: int, metadata: Metadata, tick: Tick
) -> list[str]:
    notes = []
    if picture.shape[-1] == 4 and bool((picture[..., 3] < 1).any()):
        notes.append("a JPEG holds no transparency: the picture was laid over mid-gray")
    exif, left_out = _fitting_exif(metadata)
    if left_out:
        notes.append(_JPEG_LEFT_OUT.format(left_out))
    codes = _all_codes(picture, tick, flat=True)
    _save(file, codes, "JPEG", tick, quality=quality, subsampling=0, exif=exif)
    return notes


def _save(file: BinaryIO, codes: np.ndarray, name: str, tick: Tick, **options: Any) -> None:
    """Encode in memory, then write: Pillow reports a full disk as an error of its encoder.

    Pillow encodes a picture in one call, of 24 megapixels in 9 s. A thread does it, so that a stop is
    felt meanwhile; what it is at then is thrown away.
    """
    from PIL import Image

    encoded = BytesIO()
    pool = ThreadPoolExecutor(1)
    encoding = pool.submit(Image.fromarray(codes).save, encoded, name, **options)
    pool.shutdown(wait=False)
    while not wait([encoding], _LOOK_SECONDS).done:
        tick(len(codes))
    encoding.result()
    file.write(encoded.getbuffer())


def _fitting_exif(metadata: Metadata) -> tuple[bytes, str]:
    """As much as a JPEG can hold, the manifest first, and what is left out."""
    for kept, left_out in (
        (metadata, ""),
        (Metadata(metadata.prompt, {}, metadata.manifest), "the workflow"),
        (Metadata(None, {}, metadata.manifest), "the graph"),
    ):
        exif = _exif(kept)
        if len(exif) <= _EXIF_MOST:
            return exif, left_out
    has_graph = metadata.prompt is not None or metadata.extra
    return b"", "the graph and the manifest" if has_graph else "the manifest"


def _exif(metadata: Metadata) -> bytes:
    """Metadata as the host puts it into WebP, which keeps a graph readable by ComfyUI's page.

    ``prompt:`` in Model, the host's additions from Make downwards; the manifest is UserComment,
    ASCII with JSON's escapes.
    """
    from PIL import Image

    exif = Image.Exif()
    if metadata.prompt is not None:
        exif[_MODEL] = f"prompt:{json.dumps(metadata.prompt)}"
    for back, (key, value) in enumerate(list(metadata.extra.items())[:_MOST_EXTRA]):
        exif[_MAKE - back] = f"{key}:{json.dumps(value)}"
    if metadata.manifest is not None:
        comment = b"ASCII\0\0\0" + json.dumps(metadata.manifest).encode("ascii")
        exif[_EXIF_IFD] = {_USER_COMMENT: comment}
    return exif.tobytes() if len(exif) else b""
