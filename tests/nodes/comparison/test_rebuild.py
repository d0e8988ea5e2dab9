import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.comparison import rebuild as module
from portrait_loupe.nodes.comparison.design import Settings
from portrait_loupe.nodes.comparison.manifest import ManifestError, read_manifest, write_manifest
from portrait_loupe.nodes.comparison.panels import Panel
from portrait_loupe.nodes.comparison.plate import make_plate
from portrait_loupe.nodes.comparison.rebuild import read_source, rebuild, save_slides
from portrait_loupe.nodes.framing.faces import Face

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def manifest(tmp_path):
    """Of a plate of two sources that lie in the folder, one of them on its side."""
    panels = []
    for number in range(2):
        codes = np.random.default_rng(number).integers(0, 256, (300, 320, 3), np.uint8)
        path = tmp_path / f"take {number}.png"
        exif = Image.Exif()
        exif[0x0112] = 6 if number else 1
        Image.fromarray(codes).save(path, exif=exif)
        face = Face(((120.3, 120.1), (190.7, 118.9)))
        panels.append(Panel(read_source(path), face, f"model {number}"))
    made = make_plate(panels, "eyes", (640, 560))
    return write_manifest(made, panels, Settings("eyes", (640, 560)), version="1")


def one_bit(side):
    """A black PNG of some kB, however large."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def dds():
    """One of a pixel format that Pillow does not know."""
    head = struct.pack("<7I", 124, 0x1007, 64, 64, 0, 0, 0) + bytes(44)
    head += struct.pack("<8I", 32, 4, 0x58585858, 0, 0, 0, 0, 0) + struct.pack(
        "<5I", 0x1000, 0, 0, 0, 0
    )
    return b"DDS " + head + bytes(100)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("folder/a.png [input]", "folder/a.png"),
        ("folder\\a.png   [output]", "folder/a.png"),
        ("a.png[temp]", "a.png"),
        ("a [input].png", "a [input].png"),
        ("", ""),
        (["a.png"], ""),
    ],
)
def test_a_sources_file_is_its_name_without_the_folders_kind(told, name):
    assert module._file({"caption": {"file": told}}) == name


@pytest.mark.parametrize("end", ["x", "[input]", "[input] "])
def test_a_name_of_four_million_blanks_is_cut(end):
    """Its search took time by the square of them: it would not end here."""
    cut = module._file({"caption": {"file": "a" + " " * 4_000_000 + end}})
    assert len(cut) <= module.MOST_LETTERS
    assert cut == "a" or cut.endswith(end)


def test_a_picture_of_another_size_is_not_decoded(manifest, tmp_path, monkeypatch):
    for number in range(3):
        (tmp_path / f"a{number}.png").write_bytes(one_bit(9000))
    read, real = [], Image.Image.convert
    monkeypatch.setattr(
        Image.Image, "convert", lambda self, *how: read.append(self.size) or real(self, *how)
    )
    assert rebuild(manifest, [tmp_path]).same
    assert set(read) == {(320, 300), (300, 320)}


def test_a_source_of_another_size_says_both(tmp_path):
    (tmp_path / "a.png").write_bytes(one_bit(50))
    with pytest.raises(ValueError, match=r"a\.png cannot be read: it is 50x50 px, no source is"):
        read_source(tmp_path / "a.png", [(50, 51)])
    assert read_source(tmp_path / "a.png", [(50, 50)]).shape == (1, 50, 50, 3)


@pytest.mark.parametrize("ending", sorted(module.PICTURES))
def test_damaged_pictures_and_other_formats_are_passed_over(manifest, tmp_path, ending):
    gray = Image.new("L", (320, 300))
    gray.save(tmp_path / "a.ppm")
    for number, data in enumerate((dds(), b"", b"\x89PNG", (tmp_path / "a.ppm").read_bytes())):
        (tmp_path / f"a{number}{ending}").write_bytes(data)
        with pytest.raises(ValueError, match=f"a{number}{ending} cannot be read"):
            read_source(tmp_path / f"a{number}{ending}")
    assert rebuild(manifest, [tmp_path]).same


@pytest.mark.parametrize(
    "error",
    [NotImplementedError("Unimplemented"), MemoryError(), RuntimeError("a"), SyntaxError("b"),
     Image.DecompressionBombError("c"), struct.error("d"), KeyError("e"), OSError("f")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_pillow_says_of_a_file_it_is_no_source(manifest, tmp_path, monkeypatch, error):
    Image.new("RGB", (320, 300)).save(tmp_path / "a.png")
    real = Image.open

    def opened(path, **how):
        if Path(path).name == "a.png":
            raise error
        return real(path, **how)

    monkeypatch.setattr(Image, "open", opened)
    assert rebuild(manifest, [tmp_path]).same


def test_a_manifest_that_asks_for_gigabytes_is_refused(manifest, tmp_path):
    told = json.loads(manifest)
    first = told["design"]["slides"][0]
    for slide in (first, told["design"]["key"]):
        slide["layout"]["size"] = [8192, 8192]
    told["design"]["slides"] = [first] * 11
    with pytest.raises(ManifestError, match=r"11 picture\(s\) of 8192x8192 px, 738 megapixels; at"):
        rebuild(json.dumps(told), [tmp_path])
    told["design"]["slides"] = [first] * 4
    read_manifest(json.dumps(told))
    first["layout"]["panel"] = [8192, 8192]
    first["layout"]["origins"] = [[0, 0], [0, 0]]
    with pytest.raises(ManifestError, match=r"2 panels of \(8192, 8192\) do not fit the plate"):
        rebuild(json.dumps(told), [tmp_path])


def test_a_key_that_shows_panels_is_refused_in_words(manifest):
    told = json.loads(manifest)
    told["design"]["key"] = told["design"]["slides"][0]
    with pytest.raises(ManifestError, match="its key shows panels"):
        read_manifest(json.dumps(told))


@pytest.mark.parametrize("size", [None, [320], [0, 300], [320, 10**9], "320x300", [True, 300]])
def test_a_source_without_a_size_is_refused(manifest, size):
    told = json.loads(manifest)
    told["sources"][1]["size"] = size
    with pytest.raises(ManifestError, match="cannot be drawn"):
        read_manifest(json.dumps(told))


def test_slides_are_saved_all_or_none_and_over_no_file(tmp_path):
    places = [tmp_path / "a.png", tmp_path / "a_01.png"]
    places[1].write_bytes(b"mine")
    pictures = torch.rand(2, 4, 5, 3)
    with pytest.raises(FileExistsError, match=r"a_01\.png exists already .* --output"):
        save_slides(pictures, places)
    assert sorted(tmp_path.iterdir()) == [places[1]]
    assert places[1].read_bytes() == b"mine"
    places[1].unlink()
    save_slides(pictures, places)
    for path, picture in zip(places, pictures, strict=True):
        codes = np.asarray(Image.open(path))
        assert np.array_equal(codes, (picture * 255).round().byte().numpy())


def test_the_command_leaves_nothing_where_it_cannot_write(manifest, tmp_path):
    (tmp_path / "plate.json").write_text(manifest, "utf-8")
    place = tmp_path / "none" / "b.png"
    called = [
        sys.executable,
        str(ROOT),
        "plate",
        str(tmp_path / "plate.json"),
        "--output",
        str(place),
    ]
    told = subprocess.run(called, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert told.returncode == 1
    assert "the plate could not be saved in" in told.stdout
    assert "Traceback" not in told.stderr
    assert not place.parent.exists()
