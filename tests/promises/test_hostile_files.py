"""A file that anybody gives is read or refused in words, with little memory and in bounded time.

Each reader of the pack gets copies of a good file that are damaged at random, the same ones every time,
and files that were made to harm it.
"""

import json
import re
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.casting.lock import read_lock
from portrait_loupe.nodes.casting.members import list_members
from portrait_loupe.nodes.casting.png import read_png16
from portrait_loupe.nodes.casting.realism.store import load_corridor
from portrait_loupe.nodes.casting.records import face_from
from portrait_loupe.nodes.casting.routing import load_routing
from portrait_loupe.nodes.casting.store import filled, hold, read_offer
from portrait_loupe.nodes.casting.vote_log import read_votes
from portrait_loupe.nodes.casting.votes import bradley_terry, choices_of, standing_lines, trust
from portrait_loupe.nodes.comparison.captions import caption_of_saved, read_graph_of
from portrait_loupe.nodes.comparison.encode import write_png
from portrait_loupe.nodes.comparison.manifest import read_manifest, source_sha256
from portrait_loupe.nodes.comparison.rebuild import rebuild
from portrait_loupe.nodes.comparison.save import cleaned, slide_names
from portrait_loupe.nodes.comparison.save import read_manifest as read_saved_manifest
from portrait_loupe.nodes.comparison.sources import unpack
from portrait_loupe.nodes.host.pictures import read_picture
from portrait_loupe.nodes.identity import form
from portrait_loupe.nodes.identity.adapter_files import loaded, naming, read_adapter
from portrait_loupe.nodes.identity.audit.spoken import read_spoken
from portrait_loupe.nodes.identity.audit.terms import read_lexicon
from portrait_loupe.nodes.identity.encode.onnx_file import read_graph
from portrait_loupe.nodes.identity.eva.tower import find_tower
from portrait_loupe.nodes.identity.prompt.read_phrases import shipped, with_own
from portrait_loupe.nodes.identity.store import read_identity, save_identity
from portrait_loupe.nodes.lens.catalogue import find_lens, write_lens
from portrait_loupe.nodes.lens.files import load_lens
from portrait_loupe.nodes.typography.user_font import find_font

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = 200
# s, for one file: the slowest takes 0.2 on a quiet core. Beyond, something goes round in circles.
SECONDS = 20.0
# MB that reading a file of some kB may take. What the libraries bring when they are first used is 40.
ROOM_MB = 150
SHA = "a" * 64


def good_png(path, bits=8):
    with path.open("wb") as file:
        write_png(
            file,
            torch.rand(9, 11, 3, generator=torch.manual_seed(0)),
            bits,
            [(b"tEXt", b"prompt\0{}")],
        )
    return path.read_bytes()


def good_jpeg(path):
    exif = Image.Exif()
    exif[0x0110] = 'prompt:{"1": {"class_type": "SaveImage", "inputs": {}}}'
    exif[0x0112] = 6
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path, "JPEG", exif=exif)
    return path.read_bytes()


def good_webp(path):
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(
        path, "WEBP", lossless=True
    )
    return path.read_bytes()


def good_sources(path):
    from safetensors.torch import save_file

    codes = torch.arange(60, dtype=torch.uint8).reshape(4, 5, 3)
    save_file({source_sha256((codes.float() / 255)[None]): codes}, path)
    return path.read_bytes()


def wanted_in(path):
    """All that the head of the file says it holds, whatever stands there."""
    found = re.findall(rb'"([^"]{1,80})":\{', path.read_bytes()[:2000])
    return [one.decode("utf-8", "replace") for one in found]


def good_font(path):
    import matplotlib

    data = Path(matplotlib.get_data_path(), "fonts/ttf/STIXSizOneSymReg.ttf").read_bytes()
    path.write_bytes(data)
    return data


@pytest.fixture(scope="module")
def made(ours, hopper, identity_adapters, eva_clips, tmp_path_factory):
    """Good files of the kinds that it takes the pack to make."""
    folder = tmp_path_factory.mktemp("good")
    picture = torch.nn.functional.interpolate(
        hopper.movedim(-1, 1), (300, 256), mode="area"
    ).movedim(1, -1)
    identity = (
        ours["LoupeIdentityProfile"]
        .execute(photos={"photo0": [picture]}, name=["a"], encoder=["none"])
        .args[0]
    )
    plate = ours["LoupeCompare"].execute(
        panels={"panel0": picture, "panel1": picture}, region="eyes", plate="free", width=640, height=400,
        title="t", labels="a, b",
    )  # fmt: skip
    torch.save(identity_adapters.build("faceid"), folder / "adapter.bin")
    torch.save(eva_clips.build(), folder / "eva.pt")
    from safetensors.torch import save_file

    save_file(
        identity_adapters.flat(identity_adapters.build("faceid")), folder / "adapter.safetensors"
    )
    return {
        "identity": save_identity(identity, "a", folder)[0].read_bytes(), "manifest": plate.args[5],
        **{path.name: path.read_bytes() for path in folder.iterdir()},
    }  # fmt: skip


def harmless(read):
    """Of a reader that leaves out what it cannot use."""
    return lambda path: read([path.parent])


def eva_of(path):
    """As far as a file of EVA-CLIP is read before timm builds the network."""
    with naming(path, f"clip/{path.name}"):
        return find_tower(loaded(path))


def log_of(path):
    lines = read_votes(path.parents[1])
    trust(lines)
    return standing_lines(bradley_terry(choices_of(lines)))


# Readers of files: the file's name, a good one, and what reads it. Whether what is refused is a silent None.
READERS = {
    "picture as PNG": ("a.png", good_png, read_picture),
    "picture as JPEG": ("a.jpg", good_jpeg, read_picture),
    "picture as WebP": ("a.webp", good_webp, read_picture),
    "take": ("a.png", lambda path: good_png(path, 16), read_png16),
    "graph in a PNG": ("a.png", good_png, lambda path: caption_of_saved(read_graph_of(path))),
    "graph in a JPEG": ("a.jpg", good_jpeg, lambda path: caption_of_saved(read_graph_of(path))),
    "sources": ("a.sources.safetensors", good_sources, lambda path: unpack(path, wanted_in(path))),
    "identity": ("a.safetensors", "identity", read_identity),
    "adapter": ("a.safetensors", "adapter.safetensors", lambda path: read_adapter(path, f"ipadapter/{path.name}")),
    "adapter as pickle": ("a.bin", "adapter.bin", lambda path: read_adapter(path, f"ipadapter/{path.name}")),
    "EVA-CLIP": ("eva.pt", "eva.pt", eva_of),
    "font": ("a.ttf", good_font, lambda path: find_font(path.name, [path.parent])),
}  # fmt: skip
HEAVY = {
    "EVA-CLIP": 40,
    "adapter as pickle": 60,
    "adapter": 100,
    "font": 100,
}  # mutants of large files


def own(name):
    return json.loads((ROOT / name).read_text("utf-8"))


def lens_file(path):
    return load_lens(path.name, [path.parent])


def votes(path):
    one = {
        "schema": 1, "at": "2026", "cast": "a", "by": "blind pick", "picked": SHA,
        "offered": [{"sha256": SHA, "model": "m", "score": 1.5, "rank": 1}, {"sha256": "b" * 64, "model": "n",
                     "score": 2.5, "rank": 2}],
    }  # fmt: skip
    return one


def members_of(path):
    """Without a picture beside it a record is not opened."""
    path.with_suffix(".png").write_bytes(b"a picture")
    return list_members(path.parents[2])


TAKE = {
    "schema": 1, "sha256": SHA, "number": 1, "model": "m", "seed": 3, "prompt_sha": "x", "score": 1.5, "rank": 1,
    "reason": "r", "rejected": None, "width": 9, "height": 9, "face": {"eyes": [[1, 2], [3, 4]], "points": [[1, 2]],
    "score": 1.0, "yaw_deg": 1.0, "pitch_deg": None}, "faces_backend": "b", "take_sha256": SHA, "label": "m #1",
    "by": "pick", "at": "2026", "file": f"loupe_cast/a/{SHA}.png",
}  # fmt: skip
# Values of JSON: a good one, where its file lies, and what reads it.
VALUES = {
    "lens": (lambda: json.loads(write_lens(find_lens("soft focus 90 mm f/2.2"))), "a.json", lens_file),
    "corridor": (lambda: own("nodes/casting/realism/corridor.json"), "a.json", lambda path: load_corridor("a", [path.parent])),
    "routing": (lambda: {"models": [{"model": "m", "nodes": ["X"], "seeds": "used", "negative": True, "offers": "o"}],
                         "needs": {"skin texture": [{"model": "m", "reason": "r", "source": "s"}, {"model": "Recraft V4", "leave_out": True}]}},
                "a.json", harmless(load_routing)),
    "lexicon": (lambda: {"terms": [{"class": "style", "weight": 0.6, "terms": [["zzanime", "zzanimes"], "zzmanga"], "advice": "x y",
                                    "ages": [1, 20], "needs_age": True, "alone": False, "followed_by": ["a"]},
                                   {"class": "occlusion", "weight": 0.6, "terms": ["zz"], "ages": "number"}]}, "a.json", harmless(read_lexicon)),
    "phrases": (lambda: {"options": {"light": [{"name": "neon", "words": [{"say": "neon light from [the eye|each eye]", "tag": "neon", "weight": 1.2,
                                                "part": "iris"}], "against": ["x"], "hides": ["iris"], "style": ["a"], "conflict": ["b"],
                                                "occlusion": ["c"], "label": "n"}],
                                     "region": [{"name": "zz", "shot": "ECU eyes", "parts": ["iris"],
                                                 "words": [{"say": "macro of {subject}", "tag": "macro"}], "one_eye": True}]},
                         "presets": [{"name": "mine", "about": "x", "region": "zz", "light": "neon", "age": 30}]},
                "a.json", harmless(lambda folders: with_own(shipped(), folders))),
    "offer": (lambda: {"schema": 1, "cast": "a", "at": "2026", "takes": [TAKE]}, "loupe_cast/a/offer.json",
              lambda path: (read_offer("a", path.parents[2]))),
    "member": (lambda: TAKE, f"loupe_cast/a/{SHA}.json", members_of),
    "vote": (lambda: votes(None), "loupe_cast/votes.jsonl", log_of),
    "lock": (lambda: TAKE, "a.json", lambda path: read_lock(path.read_text("utf-8"))),
    "record": (lambda: TAKE, "a.json", lambda path: face_from((json.loads(path.read_text("utf-8")) or {}).get("face"))
               if isinstance(json.loads(path.read_text("utf-8")), dict) else None),
    "terms": (lambda: {"style": ["a"], "conflict": ["b"], "occlusion": [], "shot": "ECU eyes", "age": 30}, "a.json",
              lambda path: read_spoken(path.read_text("utf-8"))),
    "graph": (lambda: own("workflows/lens_micro_contrast.json"), "a.json",
              lambda path: caption_of_saved(json.loads(path.read_text("utf-8")))),
}  # fmt: skip


def tried(read, path):
    """Read a file; what was said against it. Anything but the pack's own words is the caller's to see."""
    started, refused = time.monotonic(), None
    try:
        read(path)
    except (ValueError, RuntimeError) as objection:
        refused = objection
    assert time.monotonic() - started < SECONDS
    if refused is None:
        return ""
    assert not isinstance(refused, (UnicodeError, json.JSONDecodeError))
    words = str(refused)
    assert words.strip()
    assert len(words) < 5000, words[:300]  # why a file is none of twenty adapters takes 3000
    return words


class Peak:
    """How much the process grew at most since it was asked; Linux alone tells, and can be told to forget."""

    def __init__(self):
        self.place = Path("/proc/self/clear_refs")

    def __enter__(self):
        self.now = self._told("VmRSS")
        if self.place.exists():
            self.place.write_text("5")
        return self

    def __exit__(self, *_):
        self.mb = self._told("VmHWM") - self.now

    @staticmethod
    def _told(name):
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return 0.0
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def test_the_peak_would_be_seen():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell the peak of a process")
    with Peak() as peak:
        bytearray(b"\1") * (300 * 2**20)
    assert peak.mb > 250


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_words(name, made, damaged, tmp_path):
    file_name, make, read = READERS[name]
    path = tmp_path / file_name
    good = made[make] if isinstance(make, str) else make(path)
    path.write_bytes(good)
    assert tried(read, path) == ""
    refused = 0
    with Peak() as peak:
        for one in damaged(good, HEAVY.get(name, MUTANTS), seed=len(name)):
            path.write_bytes(one)
            words = tried(read, path)
            refused += bool(words)
            if words:
                assert path.name in words or name == "take", words  # hold() says which take
    assert peak.mb < ROOM_MB
    assert refused >= 6 or name.startswith("graph")  # half of it, nothing at all, ...


@pytest.mark.parametrize("name", ["routing", "lexicon", "phrases", "member"])
def test_the_good_one_is_taken_whole(tmp_path, name):
    """Or nothing of what follows would be read as far as its numbers."""
    value, place, read = VALUES[name]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value()), "utf-8")
    found = read(path)
    remarks = {"phrases": lambda: found[1], "member": lambda: ()}.get(name, lambda: found.remarks)()
    assert tuple(remarks) == ()
    assert found


@pytest.mark.parametrize("name", VALUES)
def test_strange_json_is_read_or_refused_in_words(name, mutated, damaged, tmp_path):
    value, place, read = VALUES[name]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    good = value()
    path.write_text(json.dumps(good), "utf-8")
    assert tried(read, path) == ""
    with Peak() as peak:
        for one in mutated(good, MUTANTS, seed=len(name)):
            path.write_text(json.dumps(one), "utf-8")
            tried(read, path)
        if name not in (
            "lock",
            "record",
            "terms",
            "graph",
        ):  # those are texts before they are files
            for one in damaged(json.dumps(good).encode(), MUTANTS, seed=len(name)):
                path.write_bytes(one)
                tried(read, path)
    assert peak.mb < ROOM_MB


def test_a_strange_manifest_is_drawn_or_refused_in_words(made, mutated, hopper, tmp_path):
    """By both who read it: the one that draws a plate again, the one that saves it."""
    from safetensors.torch import save_file

    good = json.loads(made["manifest"])
    picture = torch.nn.functional.interpolate(
        hopper.movedim(-1, 1), (300, 256), mode="area"
    ).movedim(1, -1)  # as made() compares it
    kept = {source_sha256(picture): picture[0].contiguous()}
    save_file(kept, tmp_path / "a.sources.safetensors")
    assert rebuild(json.dumps(good), [tmp_path]).same
    drawn = 0
    with Peak() as peak:
        for one in mutated(good, MUTANTS, seed=1):
            (tmp_path / "a.json").write_text(json.dumps(one), "utf-8")
            tried(
                lambda path: read_manifest(path.read_text("utf-8"), path.name), tmp_path / "a.json"
            )
            drawn += not tried(
                lambda path: rebuild(path.read_text("utf-8"), [path.parent]), tmp_path / "a.json"
            )
            tried(
                lambda path: slide_names(
                    3, cleaned(read_saved_manifest(path.read_text("utf-8")) or {})
                ),
                tmp_path / "a.json",
            )
    assert MUTANTS / 5 < drawn < MUTANTS
    assert peak.mb < ROOM_MB


def test_a_strange_record_does_not_keep_a_locked_take_from_being_read(tmp_path, mutated, made):
    """What stands beside it is not believed; the pixels are what was locked."""
    from portrait_loupe.nodes.casting.take import take_sha256

    folder = tmp_path / "loupe_cast" / "a" / "takes"
    folder.mkdir(parents=True)
    good_png(tmp_path / "b.png", 16)
    picture = read_png16(tmp_path / "b.png")
    sha = take_sha256(picture)
    (tmp_path / "b.png").rename(folder / f"{sha}.png")
    lock = read_lock(sha)
    for one in mutated({**TAKE, "sha256": sha, "take_sha256": sha, "rejected": None}, 60, seed=5):
        (folder / f"{sha}.json").write_text(json.dumps(one), "utf-8")
        for path in folder.parent.glob("*.*"):
            path.unlink()  # the member of the run before
        if isinstance(one, dict) and isinstance(one.get("rejected"), str) and one["rejected"]:
            continue  # a take that was rejected is not given
        held = hold(lock, "a", tmp_path)
        assert torch.equal(held.picture, picture)
        assert json.loads(held.lock.text)["take_sha256"] == sha
        filled(lock, one if isinstance(one, dict) else {})


def test_an_identity_with_a_good_seal_and_strange_texts_is_read_or_refused(made, mutated, tmp_path):
    """The digest only tells that a file is whole: who writes one can seal it."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    path.write_bytes(made["identity"])
    with safe_open(path, framework="np") as file:
        texts = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del texts["digest"]
    plain = {
        key: json.loads(text) if key in ("references", "encoders", "calibrations") else text
        for key, text in texts.items()
    }
    refused = 0
    for one in mutated(plain, MUTANTS, seed=11):
        if not isinstance(one, dict):
            continue
        told = {
            str(key).encode("utf-8", "replace").decode(): value if isinstance(value, str) and value.isprintable() else json.dumps(value)
            for key, value in one.items()
        }  # fmt: skip
        save_file(tensors, path, {**told, "digest": form._digest(tensors, told)})
        words = tried(read_identity, path)
        refused += bool(words)
        assert not words or words.startswith("a.safetensors is not used: ")
    assert refused > MUTANTS / 4


# --- made to harm --------------------------------------------------------------------------------


def header(length, told=b"{}", rest=b""):
    return struct.pack("<Q", length) + told + rest


def tensors(**told):
    """A safetensors file that says of its tensors what it likes."""
    text = json.dumps(told).encode()
    return header(len(text), text, bytes(64))


HEADERS = {
    "2^62 letters": header(2**62), "2^64 - 1 letters": header(2**64 - 1), "2^31 letters": header(2**31),
    "a hundred million letters": header(100_000_000, b"{" + b" " * 1000), "none": header(0), "no file": b"",
    "deep": header(200_000, b"[" * 100_000 + b"]" * 100_000),
    "no JSON": header(4, b"\xff\xfe{}"), "a list": header(2, b"[]"), "a number": header(4, b"1e99"),
    "a shape beyond all": tensors(a={"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 64]}),
    "a negative shape": tensors(a={"dtype": "F32", "shape": [-1], "data_offsets": [0, 64]}),
    "another type": tensors(a={"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}),
    "a type that is wider": tensors(a={"dtype": "F64", "shape": [16], "data_offsets": [0, 64]}),
    "backward": tensors(a={"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}),
    "beyond the end": tensors(a={"dtype": "F32", "shape": [2**20], "data_offsets": [0, 2**22]}),
    "one on another": tensors(a={"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, b={"dtype": "F32", "shape": [4], "data_offsets": [8, 24]}),
    "texts that are none": tensors(__metadata__={"format": 1, "schema": None}),
    "an identity of nothing": tensors(__metadata__={"format": "portrait-loupe identity", "schema": "1"}),
    "a name of a path": tensors(**{"../../../tmp/x": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}),
    "a name of a program": tensors(**{"__reduce__": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("reader", ["identity", "adapter", "EVA-CLIP", "sources"])
def test_a_header_that_lies_is_refused_with_little_memory(name, reader, tmp_path):
    file_name, _, read = READERS[reader]
    path = (tmp_path / file_name).with_suffix(".safetensors")
    path.write_bytes(HEADERS[name])
    with Peak() as peak:
        words = tried(read, path)
    assert (
        path.name in words or reader == "sources"
    )  # without the wanted names there is nothing in it to refuse
    assert peak.mb < ROOM_MB


def png(chunk, *parts, size=(8, 8), bits=8):
    head = struct.pack(">IIBBBBB", *size, bits, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunk(*one) for one in parts)
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def bombs(chunk):
    """PNGs of some hundred kB that become hundreds of MB where somebody believes them."""
    zeros = zlib.compressobj(9)
    packed = b"".join(zeros.compress(bytes(2**20)) for _ in range(400)) + zeros.flush()
    rows = zlib.compress(bytes(8 * 25))
    return {
        "pixels": png(chunk, (b"IDAT", packed)),
        "pixels of 16 bits": png(chunk, (b"IDAT", packed), bits=16),
        "zTXt": png(chunk, (b"zTXt", b"prompt\0\0" + packed), (b"IDAT", rows)),
        "iTXt": png(chunk, (b"iTXt", b"prompt\0\1\0\0\0" + packed), (b"IDAT", rows)),
        "many zTXt": png(chunk, *[(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(10**6))) for n in range(400)], (b"IDAT", rows)),
        "iCCP": png(chunk, (b"iCCP", b"a\0\0" + packed), (b"IDAT", rows)),
        "a header of a billion": png(chunk, (b"IDAT", rows), size=(2**31 - 1, 2**31 - 1)),
        "a header of 16 bits that is large": png(chunk, (b"IDAT", rows), size=(16384, 16384), bits=16),
        "a header of nothing": png(chunk, (b"IDAT", rows), size=(0, 0)),
        "a chunk of 4 GB": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)) + b"\xff\xff\xff\xffIDAT",
        "a thousand headers": png(chunk, *[(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))] * 1000, (b"IDAT", rows)),
        "a JPEG that says PNG": b"\x89PNG\r\n\x1a\n\xff\xd8\xff\xe0" + bytes(100),
    }  # fmt: skip


BOMBS = ("pixels", "pixels of 16 bits", "zTXt", "iTXt", "many zTXt", "iCCP", "a header of a billion",
         "a header of 16 bits that is large", "a header of nothing", "a chunk of 4 GB", "a thousand headers",
         "a JPEG that says PNG")  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("reader", ["picture as PNG", "take", "graph in a PNG"])
def test_a_bomb_does_not_go_off(name, reader, bombs, tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(bombs[name])
    with Peak() as peak:
        words = tried(READERS[reader][2], path)
    assert peak.mb < ROOM_MB
    if reader == "picture as PNG" and words:
        assert "bomb.png" in words


JSONS = {
    "deep lists": "[" * 100_000 + "]" * 100_000, "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "digits": '{"schema": ' + "9" * 100_000 + "}", "no number": '{"schema": NaN, "a": Infinity}',
    "beyond all": '{"schema": 1e999}', "half a pair": '{"schema": "\\ud800", "name": "\\udfff"}',
    "a mark first": "\ufeff{}", "nothing": "", "null": "null", "a word": "true", "twice": '{"a": 1, "a": 2}',
    "nul": '{"name": "a\\u0000b"}', "prototype": '{"__proto__": {"polluted": true}, "constructor": 1}',
    "a megabyte": json.dumps({"name": "x" * 2**20}), "two of them": "{}{}",
}  # fmt: skip


@pytest.mark.parametrize("name", JSONS)
@pytest.mark.parametrize("reader", [one for one in VALUES if one not in ("record", "graph")])
def test_json_that_was_made_to_harm_is_read_or_refused(name, reader, tmp_path):
    _, place, read = VALUES[reader]
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JSONS[name], "utf-8")
    with Peak() as peak:
        tried(read, path)
    assert peak.mb < ROOM_MB


def test_damaged_onnx_files_are_refused(face_pack, damaged, tmp_path):
    face_pack(tmp_path / "pack")
    files = sorted((tmp_path / "pack").rglob("*.onnx"))
    assert files
    for file in files:
        good = file.read_bytes()
        read_graph(file)
        with Peak() as peak:
            for one in damaged(good, 100, seed=2):
                file.write_bytes(one)
                tried(read_graph, file)
        assert peak.mb < ROOM_MB
