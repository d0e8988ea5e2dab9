"""16-bit PNG: what is written comes back to the bit, whoever wrote it, and damage is named."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting import png
from portrait_loupe.nodes.casting.png import read_png16
from portrait_loupe.nodes.casting.take import take_sha256
from portrait_loupe.nodes.comparison.encode import codes_of, write_png

SIZES = [(1, 1), (1, 300), (300, 1), (5, 7), (257, 33), (600, 3)]  # rows, columns; a band has 256


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(codes, filters, *, bits=16, kind=2, interlaced=0, rows=None):
    """A PNG written filter by filter, straight from section 9 of the specification."""
    height, width, _ = codes.shape
    raw = codes.astype(">u2").tobytes()
    stride = width * 6
    lines = [b"\0" * stride] + [raw[y * stride : (y + 1) * stride] for y in range(height)]
    packed = b""
    for y, number in enumerate(filters, 1):
        line, above = lines[y], lines[y - 1]
        out = bytearray([number])
        for x in range(stride):
            a = line[x - 6] if x >= 6 else 0
            b = above[x]
            c = above[x - 6] if x >= 6 else 0
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            guess = (0, a, b, (a + b) // 2, near)[number]
            out.append((line[x] - guess) % 256)
        packed += bytes(out)
    header = struct.pack(">IIBBBBB", width, rows or height, bits, kind, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (height, width, 3), np.uint16)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture_comes_back_to_the_bit(tmp_path, size):
    picture = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(1))
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, picture[0], 16)
    back = read_png16(tmp_path / "a.png")
    assert back.shape == picture.shape
    assert back.dtype == torch.float32
    assert np.array_equal(codes_of(back, 16), codes_of(picture, 16))
    assert take_sha256(back) == take_sha256(picture)


def test_a_photo_of_8_bits_comes_back_to_the_same_floats(tmp_path, hopper):
    """v / 255 and 257 v / 65535 are the same number, and the nearest float of it."""
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, hopper[0], 16)
    assert torch.equal(read_png16(tmp_path / "a.png"), hopper)


@pytest.mark.parametrize("number", range(5), ids=["none", "sub", "up", "average", "paeth"])
def test_every_filter_of_the_specification_is_undone(tmp_path, number):
    codes = noise(9, 11, number)
    (tmp_path / "a.png").write_bytes(png_of(codes, [number] * 9))
    assert np.array_equal(codes_of(read_png16(tmp_path / "a.png")[0], 16), codes)


def test_rows_of_all_filters_follow_each_other_across_bands(tmp_path, monkeypatch):
    monkeypatch.setattr(png, "_BAND", 4)
    codes = noise(23, 6)
    filters = [y * 7 % 5 for y in range(23)]
    (tmp_path / "a.png").write_bytes(png_of(codes, filters))
    assert np.array_equal(codes_of(read_png16(tmp_path / "a.png")[0], 16), codes)


def test_cv2_reads_the_same_pixels(tmp_path):
    """A second decoder, as a witness that both ends are not wrong together."""
    cv2 = pytest.importorskip("cv2", reason="no OpenCV here to compare with")
    codes = noise(40, 31)
    (tmp_path / "a.png").write_bytes(png_of(codes, [4] * 40))
    theirs = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert np.array_equal(codes_of(read_png16(tmp_path / "a.png")[0], 16), theirs)


def good() -> bytes:
    return png_of(noise(6, 5), [4] * 6)


DAMAGE = {
    "no PNG": (lambda data: b"GIF89a" + data, "no PNG"),
    "empty": (lambda data: b"", "no PNG"),
    "cut short": (lambda data: data[:-20], "ends too early"),
    "a bit of the pixels": (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "checksum"),
    "a length beyond the file": (lambda data: data[:33] + b"\x7f" + data[34:], "ends too early"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path, name):
    spoil, words = DAMAGE[name]
    (tmp_path / "a.png").write_bytes(spoil(good()))
    with pytest.raises(ValueError, match=words):
        read_png16(tmp_path / "a.png")


@pytest.mark.parametrize(
    "other",
    [
        {"bits": 8},
        {"kind": 6},
        {"interlaced": 1},
    ],
    ids=str,
)
def test_another_kind_of_png_is_refused(tmp_path, other):
    (tmp_path / "a.png").write_bytes(png_of(noise(6, 5), [0] * 6, **other))
    with pytest.raises(ValueError, match="16-bit RGB"):
        read_png16(tmp_path / "a.png")


@pytest.mark.parametrize("rows", [5, 7])
def test_a_header_that_does_not_fit_the_pixels_is_refused(tmp_path, rows):
    (tmp_path / "a.png").write_bytes(png_of(noise(6, 5), [0] * 6, rows=rows))
    with pytest.raises(ValueError, match="another number of pixels"):
        read_png16(tmp_path / "a.png")


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(noise(6, 5), [0] * 6, rows=2**31 - 1))
    with pytest.raises(ValueError, match="at most 16384"):
        read_png16(tmp_path / "a.png")


def test_an_unknown_filter_is_refused(tmp_path):
    data = io.BytesIO()
    data.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)))
    data.write(chunk(b"IDAT", zlib.compress(bytes([5] + [0] * 6))) + chunk(b"IEND", b""))
    (tmp_path / "a.png").write_bytes(data.getvalue())
    with pytest.raises(ValueError, match="unknown filter"):
        read_png16(tmp_path / "a.png")


def test_reading_can_be_stopped(tmp_path):
    class Stopped(Exception):
        pass

    def stop(rows):
        raise Stopped

    (tmp_path / "a.png").write_bytes(good())
    with pytest.raises(Stopped):
        read_png16(tmp_path / "a.png", stop)
