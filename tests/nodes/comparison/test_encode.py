import io
import json
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, JpegImagePlugin, PngImagePlugin

from portrait_loupe.nodes.comparison import encode
from portrait_loupe.nodes.comparison.encode import FORMATS, Metadata, why_not, write_picture

LOSSLESS = ("PNG 8-bit", "PNG 16-bit", "WebP lossless")
GRAPH = {"1": {"class_type": "Text", "inputs": {"text": "na\u00efve \u5149 \U0001f469"}}}
WORKFLOW = {"nodes": [{"id": 1, "title": "\u00dcber"}], "links": []}
MANIFEST = {
    "panels": [{"label": "Zo\u00eb \u5149"}, {"label": "half a pair \ud83d"}],
    "zoom": 1 / 3,
}


def written(picture, name, quality=95, metadata=None, tick=lambda rows: None):
    file = io.BytesIO()
    notes = write_picture(file, picture, name, quality, metadata, tick)
    return file.getvalue(), notes


def opened(data) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def chunks(data):
    """The chunks of a PNG as (type, data), their checksums verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert data[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(body))
        found.append((body[:4], body[4:]))
        at += 12 + length
    return found


def decoded16(data):
    cv2 = pytest.importorskip("cv2", reason="the second decoder")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return picture[..., [2, 1, 0, 3][: picture.shape[-1]]]


def codes(shape, top=255, seed=5):
    return np.random.default_rng(seed).integers(0, top + 1, shape)


def as_picture(values, top=255):
    return torch.from_numpy(values.astype(np.float32) / top)


# --- pixels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["PNG 8-bit", "WebP lossless"])
def test_eight_bit_codes_survive(name, channels):
    values = codes((37, 53, channels))
    if channels == 4:
        values[:9, :, 3] = 0  # the colours of what cannot be seen are kept as well
    picture = opened(written(as_picture(values), name)[0])
    assert np.array_equal(np.asarray(picture), values)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_codes_survive_a_second_decoder(channels):
    values = codes((41, 29, channels), 65535)
    data, _ = written(as_picture(values, 65535), "PNG 16-bit")
    read = decoded16(data)
    assert read.dtype == np.uint16
    assert np.array_equal(read, values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (64, 3), (65, 64)], ids=str)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("strip", [1, 500, 2**20])
def test_a_png_is_the_same_picture_whatever_the_strips(shape, bits, strip, monkeypatch):
    monkeypatch.setattr(encode, "_STRIP", strip)
    values = codes((*shape, 3), 2**bits - 1)
    data, _ = written(as_picture(values, 2**bits - 1), f"PNG {bits}-bit")
    assert np.array_equal(decoded16(data), values)


def test_every_filter_is_undone(hopper):
    """Rows that vary along, across, both ways, and not at all, so that each filter is chosen."""
    y, x = np.mgrid[:96, :96]
    waves = 127 + 60 * np.sin(y / 3) + 60 * np.sin(x / 5)
    along, across = np.tile(codes((1, 96), seed=1), (96, 1)), np.tile(codes((96, 1)), (1, 96))
    values = np.concatenate([waves.round().astype(int), along, across])[..., None].repeat(3, 2)
    values = np.concatenate([values, (hopper[0, :96, :96].numpy() * 255).round().astype(int)])
    data, _ = written(as_picture(values), "PNG 8-bit")
    assert np.array_equal(np.asarray(opened(data)), values)
    raw = zlib.decompress(b"".join(body for name, body in chunks(data) if name == b"IDAT"))
    assert set(raw[:: 96 * 3 + 1]) == {1, 2, 4}


def test_a_photo_takes_no_more_room_than_in_pillows_png(hopper):
    """Within 5 %: the choice of filters works."""
    values = (hopper[0].numpy() * 255).round().astype(np.uint8)
    theirs = io.BytesIO()
    Image.fromarray(values).save(theirs, "PNG", compress_level=4)
    assert len(written(hopper[0], "PNG 8-bit")[0]) < 1.05 * len(theirs.getvalue())


@pytest.mark.parametrize("name", ["PNG 8-bit", "PNG 16-bit"])
def test_channels_may_lie_apart_as_a_vae_gives_them(name):
    planes = torch.rand(3, 17, 23, generator=torch.Generator().manual_seed(1))
    apart = planes.permute(1, 2, 0)
    assert not apart.is_contiguous()
    assert written(apart, name)[0] == written(apart.contiguous(), name)[0]


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (16, 65535)])
def test_rounding_has_no_bias(bits, top):
    """Below 0.01 code; cutting, as the host does, darkens by 0.5."""
    values = torch.rand(400, 400, 3, dtype=torch.float64, generator=torch.manual_seed(2))
    found = encode.codes_of(values, bits).astype(np.float64)
    # the mean of 480000 errors, uniform within half a code, scatters by 0.0004
    assert abs((found - values.numpy() * top).mean()) < 0.01
    assert np.abs(found - values.numpy() * top).max() < 0.51


def test_a_little_beyond_the_range_is_clipped_not_wrapped():
    picture = torch.tensor([-0.2, 0.0, 1.0, 1.3]).reshape(1, 4, 1).expand(1, 4, 3)
    for name in FORMATS:
        data, _ = written(picture, name)
        read = decoded16(data) if "16" in name else np.asarray(opened(data).convert("RGB"))
        top = 65535 if "16" in name else 255
        assert np.abs(read[0, :, 0] / top - [0, 0, 1, 1]).max() < 0.02  # a JPEG rings


@pytest.mark.parametrize("name", FORMATS)
def test_gray_becomes_rgb(name):
    data, _ = written(as_picture(codes((16, 16, 1)) // 64 * 64), name)
    read = decoded16(data) if "16" in name else np.asarray(opened(data))
    assert read.shape == (16, 16, 3)
    assert (read == read[..., :1]).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_any_precision_is_rounded_once(dtype):
    values = torch.rand(8, 8, 3, generator=torch.manual_seed(1)).to(dtype)
    expected = (values.double() * 65535).round().numpy()
    assert np.abs(decoded16(written(values, "PNG 16-bit")[0]) - expected).max() <= 1


def test_a_png_is_written_without_a_copy_of_the_picture(monkeypatch):
    monkeypatch.setattr(encode, "_STRIP", 2**13)

    class Nowhere(io.RawIOBase):
        def write(self, data):
            return len(data)

    picture = torch.rand(512, 512, 3)
    tracemalloc.start()
    write_picture(Nowhere(), picture, "PNG 16-bit")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 512 * 512 * 6 / 2  # bytes: half of the codes alone


def test_a_png_says_that_it_is_srgb_before_its_pixels():
    names = [name for name, _ in chunks(written(torch.rand(4, 4, 3), "PNG 16-bit")[0])]
    assert list(dict.fromkeys(names)) == [b"IHDR", b"sRGB", b"IDAT", b"IEND"]
    assert opened(written(torch.rand(4, 4, 3), "PNG 8-bit")[0]).info["srgb"] == 0


def test_a_jpeg_keeps_colour_at_full_resolution():
    """Red and blue stripes of one pixel have no colour left at 4:2:0."""
    values = np.zeros((32, 32, 3), int)
    values[:, ::2, 0], values[:, 1::2, 2] = 200, 200
    picture = opened(written(as_picture(values), "JPEG 4:4:4")[0])
    assert JpegImagePlugin.get_sampling(picture) == 0
    # a step of the table at quality 95 is at most 12 codes
    assert np.abs(np.asarray(picture).astype(int) - values).mean() < 6


def test_quality_is_a_jpegs(hopper):
    error = [
        np.abs(
            np.asarray(opened(written(hopper[0], "JPEG 4:4:4", quality)[0])) / 255
            - hopper[0].numpy()
        ).mean()
        for quality in (50, 95)
    ]
    assert error[1] < error[0] / 1.5


def test_what_is_transparent_lies_over_gray_in_a_jpeg_and_the_user_is_told():
    picture = torch.ones(16, 16, 4)
    picture[..., 3] = 0
    data, notes = written(picture, "JPEG 4:4:4")
    assert np.abs(np.asarray(opened(data)).astype(int) - 128).max() <= 1
    assert "mid-gray" in notes[0]
    assert written(torch.ones(16, 16, 4), "JPEG 4:4:4")[1] == []


def test_a_side_that_the_format_cannot_hold_is_refused_with_the_way_out():
    assert why_not("WebP lossless", 16383, 16383) is None
    assert "at most 16383 px" in (why_not("WebP lossless", 100, 16384) or "")
    assert "Choose PNG" in (why_not("JPEG 4:4:4", 65536, 100) or "")
    assert why_not("PNG 16-bit", 16384, 16384) is None


@pytest.mark.parametrize("name", FORMATS)
def test_progress_ends_at_the_last_row_and_may_stop_the_work(name, monkeypatch):
    monkeypatch.setattr(encode, "_STRIP", 200)
    seen = []
    written(torch.rand(20, 20, 3), name, tick=seen.append)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == 20

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(torch.rand(20, 20, 3), name, tick=stop)


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("PNG")])
def test_a_stop_is_felt_while_pillow_encodes(name, monkeypatch):
    going, over = threading.Event(), threading.Event()

    def endless(*_, **__):
        going.set()
        over.wait(60)

    def stop(rows):
        if going.is_set():
            raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", endless)
    file = io.BytesIO()
    try:
        with pytest.raises(KeyboardInterrupt):
            write_picture(file, torch.rand(20, 20, 3), name, tick=stop)
        assert not over.is_set()
    finally:
        over.set()
    assert file.getvalue() == b""


def test_what_pillow_objects_to_is_said(monkeypatch):
    def broken(*_, **__):
        raise OSError("encoder error -2")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="encoder error -2"):
        written(torch.rand(20, 20, 3), "WebP lossless")


# --- metadata --------------------------------------------------------------------------------------


def test_a_png_carries_the_graph_byte_for_byte_as_the_hosts_save_image_does():
    told = Metadata(GRAPH, {"workflow": WORKFLOW})
    ours = [body for name, body in chunks(written(torch.rand(4, 4, 3), "PNG 8-bit", metadata=told)[0]) if name == b"tEXt"]  # fmt: skip
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", json.dumps(GRAPH))
    info.add_text("workflow", json.dumps(WORKFLOW))
    theirs = io.BytesIO()
    Image.new("RGB", (4, 4)).save(theirs, "PNG", pnginfo=info)
    assert ours == [body for name, body in chunks(theirs.getvalue()) if name == b"tEXt"]


@pytest.mark.parametrize("name", ["PNG 8-bit", "PNG 16-bit"])
def test_a_png_carries_the_manifest_letters_as_they_are(name):
    data, _ = written(torch.rand(4, 4, 3), name, metadata=Metadata(manifest=MANIFEST))
    (body,) = [body for kind, body in chunks(data) if kind == b"iTXt"]
    keyword, text = body.split(b"\0\0\0\0\0", 1)
    assert keyword == b"loupe.compare"
    assert json.loads(text.decode("utf-8")) == MANIFEST
    assert "Zo\u00eb \u5149" in text.decode("utf-8")


def test_a_pngs_manifest_is_read_by_pillow():
    data, _ = written(torch.rand(4, 4, 3), "PNG 8-bit", metadata=Metadata(GRAPH, {}, MANIFEST))
    picture = opened(data)
    assert json.loads(picture.text["loupe.compare"]) == MANIFEST
    assert json.loads(picture.text["prompt"]) == GRAPH


@pytest.mark.parametrize("name", ["WebP lossless", "JPEG 4:4:4"])
def test_exif_carries_the_graph_where_the_hosts_webp_has_it_and_the_manifest(name):
    told = Metadata(GRAPH, {"workflow": WORKFLOW, "more": 1}, MANIFEST)
    data, notes = written(torch.rand(4, 4, 3), name, metadata=told)
    exif = opened(data).getexif()
    assert exif[0x0110] == "prompt:" + json.dumps(GRAPH)
    assert exif[0x010F] == "workflow:" + json.dumps(WORKFLOW)
    assert exif[0x010E] == "more:1"
    comment = exif.get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"ASCII\0\0\0"
    assert json.loads(comment[8:]) == MANIFEST
    assert notes == []


@pytest.mark.parametrize("name", FORMATS)
def test_without_metadata_a_file_has_none(name):
    data, _ = written(torch.rand(4, 4, 3), name)
    assert not opened(data).getexif()
    assert b"Exif" not in data
    assert b"EXIF" not in data
    assert b"tEXt" not in data
    assert b"iTXt" not in data


def test_a_jpeg_keeps_what_fits_and_says_what_does_not():
    large = {"nodes": ["x" * 70000]}
    data, (note,) = written(
        torch.rand(4, 4, 3), "JPEG 4:4:4", metadata=Metadata(GRAPH, {"workflow": large}, MANIFEST)
    )
    exif = opened(data).getexif()
    assert "too little for the workflow;" in note
    assert exif[0x0110] == "prompt:" + json.dumps(GRAPH)
    assert json.loads(exif.get_ifd(0x8769)[0x9286][8:]) == MANIFEST
    _, (note,) = written(
        torch.rand(4, 4, 3), "JPEG 4:4:4", metadata=Metadata(large, {"workflow": large}, MANIFEST)
    )
    assert "too little for the graph;" in note
    data, (note,) = written(torch.rand(4, 4, 3), "JPEG 4:4:4", metadata=Metadata(manifest=large))
    assert "too little for the manifest;" in note
    assert not opened(data).getexif()


def test_a_webp_holds_a_large_graph():
    large = {"nodes": ["x" * 200000]}
    data, notes = written(torch.rand(4, 4, 3), "WebP lossless", metadata=Metadata(large))
    assert opened(data).getexif()[0x0110] == "prompt:" + json.dumps(large)
    assert notes == []


@pytest.mark.parametrize("name", ["WebP lossless", "JPEG 4:4:4"])
def test_additions_beyond_the_tags_are_left_out(name):
    extra = {f"k{number}": number for number in range(400)}
    file, _ = written(torch.rand(8, 8, 3), name, metadata=Metadata({}, extra, None))
    assert opened(file).getexif()


def test_a_name_that_no_png_text_can_have_is_made_one():
    told = Metadata(None, {"\u5149": 1, "a\0b": 2, "c" * 100: 3})
    data, _ = written(torch.rand(4, 4, 3), "PNG 8-bit", metadata=told)
    assert opened(data).text == {"ab": "2", "c" * 79: "3"}
