import errno
import json
import os
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.comparison import save
from portrait_loupe.nodes.comparison.encode import FORMATS, Metadata
from portrait_loupe.nodes.comparison.save import (
    MAX_MANIFEST,
    check_prefix,
    cleaned,
    read_manifest,
    save_plate,
    slide_names,
)

MANIFEST = {
    "schema": 1,
    "kernel": "area",
    "method": "Exact area sampling in linear light, one pass, unsharpened.",
    "fonts": ["C:\\Windows\\Fonts\\me.ttf", "DejaVu Sans"],
    "panels": [
        {
            "label": "Zo\u00eb \u5149",
            "detail": "v4, seed 4711",
            "box": [1.5, 2.0, 30.25, 40.0],
            "figures": {"px_per_mm": 9.8, "flat_skin": 0.02},
            "source": {"file": "secret.png", "folder": "/home/me/pictures", "url": 1},
            "source_sha256": "aa" * 32,
            "caption": {"model": "recraft", "prompt_sha256": "bb" * 32, "seed": 815},
            "landmarks": {"src": "mediapipe", "pts": [[1, 2]]},
            "note": "loaded from /home/me/secret.png by hand",
        }
    ],
    "blind": {"seed": 99, "order": [1, 0]},
    "plate_sha256": "cc" * 32,
}
SECRETS = ("secret", "/home", "4711", "815", "99", "aaaa", "bbbb", "recraft", "Windows", "prompt")


class Stopped(Exception):
    """As the host stops a run."""


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def saver(base, number=1):
    """Save into a folder as the simplest of hosts would."""

    def resolve(prefix, width, height):
        path = base / prefix.replace("%width%", str(width))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.parent, path.name, number

    def saved(image=None, name="PNG 8-bit", prefix="loupe/plate", **options):
        image = torch.full((1, 4, 6, 3), 0.5) if image is None else image
        options.setdefault("metadata", Metadata({"1": "secret prompt"}, {"workflow": {}}))
        return save_plate(image, name, prefix, base, resolve, **options)

    return saved


def listing(folder):
    """Every file below a folder with its content; folders too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


# --- files -----------------------------------------------------------------------------------------


def test_a_plate_lies_under_the_next_free_number_and_nothing_else_is_touched(base):
    (base / "loupe").mkdir()
    (base / "loupe" / "plate_00001_.png").write_bytes(b"an older picture")
    saved = saver(base)()
    assert saved.listing == "loupe/plate_00002_.png"
    assert saved.pictures == (base / "loupe" / "plate_00002_.png",)
    assert saved.notes == ()
    assert sorted(listing(base)) == ["loupe", "loupe/plate_00001_.png", "loupe/plate_00002_.png"]
    assert (base / "loupe" / "plate_00001_.png").read_bytes() == b"an older picture"


@pytest.mark.parametrize("taken", ["plate_00001_.jpg", "plate_00001_.json", "plate_00001_", "plate_00001_.part"])  # fmt: skip
def test_a_number_is_taken_by_any_file_or_folder_of_that_name(base, taken):
    if "." in taken and not taken.endswith("part"):
        (base / taken).write_text("old")
    else:
        (base / taken).mkdir()
    assert saver(base)(prefix="plate").listing == "plate_00002_.png"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_ending_and_opens(base, name):
    (path,) = saver(base)(name=name).pictures
    assert path.suffix == FORMATS[name].ending
    if "16" not in name:
        with Image.open(path) as picture:
            assert picture.size == (6, 4)
            assert np.abs(np.asarray(picture).astype(int) - 128).max() <= 1


def test_a_manifest_lies_beside_its_plate(base):
    saved = saver(base)(manifest=json.dumps(MANIFEST))
    assert saved.listing == "loupe/plate_00001_.png\nloupe/plate_00001_.json"
    assert json.loads(saved.others[0].read_text("utf-8")) == MANIFEST
    with Image.open(saved.pictures[0]) as picture:
        assert json.loads(picture.text["loupe.compare"]) == MANIFEST
        assert "secret prompt" in picture.text["prompt"]


def test_several_pictures_are_a_folder_of_slides(base):
    batch = torch.stack([torch.full((4, 6, 3), level / 4) for level in range(4)])
    saved = saver(base)(batch, manifest="{}")
    assert saved.listing.split("\n") == [
        "loupe/plate_00001_/00_cover.png",
        "loupe/plate_00001_/01.png",
        "loupe/plate_00001_/02.png",
        "loupe/plate_00001_/03.png",
        "loupe/plate_00001_/manifest.json",
    ]
    for level, path in enumerate(saved.pictures):
        with Image.open(path) as picture:
            assert abs(int(np.asarray(picture)[0, 0, 0]) - 255 * level / 4) <= 0.5
    assert saver(base)(batch).pictures[0].parent.name == "plate_00002_"
    assert not list(base.rglob("*.part"))


def test_slides_are_named_by_the_manifest_safely():
    told = {"slides": ["Cover", {"name": "left eye"}, "../../etc/passwd", "\u5149 \u00e9", 7, "con", "a" * 500]}  # fmt: skip
    names = slide_names(9, told)
    assert names[:7] == ["00_Cover", "01_left-eye", "02_etc-passwd", "03_\u5149-\u00e9", "04", "05_con", "06_" + "a" * 60]  # fmt: skip
    assert names[7:] == ["07", "08"]
    assert slide_names(2, {"slides": 5}) == ["00_cover", "01"]
    assert slide_names(101, None)[::100] == ["000_cover", "100"]


def test_of_many_runs_at_once_each_has_its_own_number(base):
    """All are told the same free number by the host."""
    saved, start = [], threading.Barrier(8)

    def one(level):
        start.wait()
        for _ in range(4):
            made = saver(base)(
                torch.full((1, 8, 8, 3), level / 8), manifest=f'{{"level": {level}}}'
            )
            saved.append((level, made.pictures[0], made.others[0]))

    threads = [threading.Thread(target=one, args=(level,)) for level in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path for _, path, _ in saved}) == 32
    assert len(list((base / "loupe").iterdir())) == 64
    for level, path, manifest in saved:
        assert json.loads(manifest.read_text())["level"] == level
        with Image.open(path) as picture:
            assert abs(int(np.asarray(picture)[0, 0, 0]) - 255 * level / 8) <= 0.5


def test_where_the_disk_has_no_links_files_are_still_named(base, monkeypatch):
    def no_links(*_):
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    assert saver(base)(manifest="{}").listing.split() == ["loupe/plate_00001_.png", "loupe/plate_00001_.json"]  # fmt: skip
    assert len(list((base / "loupe").iterdir())) == 2


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_another_program_puts_there_meanwhile_is_not_overwritten(base, links, monkeypatch):  # fmt: skip
    if not links:
        monkeypatch.setattr(
            os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no"))
        )

    def stranger(total):
        return lambda rows: (base / "plate_00001_.png").write_bytes(b"theirs")

    with pytest.raises(RuntimeError, match=r"another program|exists.*queue again"):
        saver(base)(prefix="plate", manifest="{}", progress=stranger)
    assert listing(base) == {"plate_00001_.png": b"theirs"}


def test_progress_counts_the_rows_of_all_slides(base):
    seen = []
    saver(base)(torch.rand(3, 4, 6, 3), progress=lambda total: seen.append(total) or seen.append)
    assert seen == [12, 4, 8, 12]


# --- what goes wrong -------------------------------------------------------------------------------


def full(left):
    """A way to open files on a disk that has room for so many more bytes."""
    room = [left]

    def open_new(path):
        file = path.open("xb")
        write = file.write

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def __getattr__(self, name):
                return getattr(file, name)

            def write(self, data):
                room[0] -= len(data)
                if room[0] < 0:
                    write(data[: len(data) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                return write(data)

        return Full()

    return open_new


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("left", [0, 20, 60, "all but the manifest"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_full_disk_loses_nothing_and_leaves_nothing(base, name, left, count, monkeypatch):
    batch = torch.rand(count, 9, 9, 3)
    options = {"image": batch, "name": name, "manifest": '{"a": 1}'}
    saver(base)(**options)
    before = listing(base)
    if left == "all but the manifest":
        left = sum(len(data) for path, data in before.items() if data and "json" not in path)
    monkeypatch.setattr(save, "open_new", full(left))
    with pytest.raises(
        RuntimeError, match=r"No space left.*still in the graph: make room"
    ) as failed:
        saver(base)(**options)
    assert isinstance(failed.value.__cause__, OSError)
    assert listing(base) == before
    monkeypatch.undo()
    assert "plate_00002_" in saver(base)(**options).listing


@pytest.mark.parametrize("call", ["fsync", "mkdir", "rename", "link"])
def test_a_disk_that_refuses_at_any_step_leaves_nothing(base, call, monkeypatch):
    saver(base)(torch.rand(2, 4, 4, 3), prefix="plate")
    before = listing(base)

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, refuse)
    if call == "link":
        monkeypatch.setattr(os, "rename", refuse)
    count = 2 if call == "rename" else 1
    with pytest.raises(RuntimeError, match="make room"):
        saver(base)(torch.rand(count, 4, 4, 3), prefix="plate", manifest="{}")
    monkeypatch.undo()
    assert listing(base) == before


def test_when_the_second_file_cannot_be_moved_the_first_goes_too(base, monkeypatch):
    links, link = [], os.link

    def only_one(*paths):
        links.append(paths)
        if len(links) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        link(*paths)

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", only_one)
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(RuntimeError, match="make room"):
        saver(base)(prefix="plate", manifest="{}")
    assert len(links) == 2
    assert listing(base) == {}


@pytest.mark.parametrize("stop", [Stopped, KeyboardInterrupt])
@pytest.mark.parametrize("after", [4, 8])
def test_a_run_that_is_stopped_leaves_nothing_and_stays_a_stop(base, stop, after):
    def progress(total):
        def tick(rows):
            if rows >= after:
                raise stop

        return tick

    with pytest.raises(stop):
        saver(base)(torch.rand(2, 4, 4, 3), prefix="plate", progress=progress)
    assert listing(base) == {}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "allow writing"),
        (errno.EROFS, "allow writing"),
        (errno.ENAMETOOLONG, "shorter filename_prefix"),
        (errno.EIO, "see to the disk"),
    ],
)
def test_what_the_disk_says_becomes_advice(base, number, words, monkeypatch):
    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(save, "open_new", refuse)
    with pytest.raises(RuntimeError, match=f"{os.strerror(number)}.*{words}.*queue again"):
        saver(base)()


def test_a_file_where_a_folder_is_wanted_is_named(base):
    (base / "loupe").write_text("a file")
    with pytest.raises(RuntimeError, match=r"loupe.*take another filename_prefix"):
        saver(base)()
    assert listing(base) == {"loupe": b"a file"}


# --- refusals, before anything is written ----------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("../plate", "leads out"),
        ("loupe/../../plate", "leads out"),
        ("loupe\\..\\plate", "leads out"),
        ("/etc/plate", "begins with a slash"),
        ("\\\\server\\share\\plate", "begins with a slash"),
        ("C:\\plate", "may not hold :"),
        ("C:plate", "may not hold :"),
        ("file://plate", "may not hold :"),
        ("plate\0", "cannot be seen"),
        ("pl\nate", "cannot be seen"),
        ("pl\ud800ate", "cannot be seen"),
        ("pl\N{RIGHT-TO-LEFT OVERRIDE}ate", "cannot be seen"),
        ('a"b', 'may not hold "'),
        ("what?", r"may not hold \?"),
        ("con", "for a device"),
        ("loupe/NUL.txt", "for a device"),
        ("lpt1 .a/plate", "for a device"),
        ("COM\N{SUPERSCRIPT ONE}/plate", "for a device"),
        ("loupe./plate", "ends with a point"),
        ("loupe /plate", "a space"),
        ("loupe/", "ends in a folder"),
        ("loupe/.", "ends in a folder"),
        (".", "ends in a folder"),
        ("n" * 151, "151 bytes long; at most 150"),
        ("\u5149" * 51, "153 bytes long"),
        ("a/" * 400 + "plate", "at most 600 bytes"),
        ("%date:hh:mm%", "may not hold :"),
    ],
)
def test_a_name_that_is_not_safe_everywhere_is_refused_with_the_reason(base, prefix, words):
    with pytest.raises(ValueError, match=f"filename_prefix must name a file inside .*{words}"):
        saver(base)(prefix=prefix)
    assert listing(base) == {}


@pytest.mark.parametrize(
    ("prefix", "parts"),
    [
        ("plate", "plate"),
        ("./a//b/plate", "a/b/plate"),
        ("a\\b", "a/b"),
        ("\u5149/Zo\u00eb 1.2", "\u5149/Zo\u00eb 1.2"),
        ("n" * 150, "n" * 150),
        ("%year%-%width%", "%year%-%width%"),
        ("%date:yyyy-MM-dd%/p", "2026-03-07/p"),
        ("%date:yy-M-d_hhmmss%", "26-3-7_040509"),
        ("100%", "100%"),
    ],
)
def test_what_a_name_becomes(prefix, parts):
    now = time.struct_time((2026, 3, 7, 4, 5, 9, 0, 0, 0))
    assert check_prefix(prefix, now) == parts


def test_the_longest_allowed_name_can_be_written(base):
    assert saver(base)(torch.rand(2, 4, 4, 3), prefix="\u5149" * 50, manifest="{}").pictures


def test_a_link_that_leads_out_of_the_output_folder_is_not_followed(base, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (base / "link").symlink_to(outside)
    for prefix in ("link/plate", "link/deep/plate"):
        with pytest.raises(ValueError, match="leads out of the output folder"):
            saver(base)(prefix=prefix)
    assert list(outside.iterdir()) == []


def test_a_link_within_the_output_folder_and_one_to_it_are_followed(base, tmp_path):
    (base / "real").mkdir()
    (base / "link").symlink_to(base / "real")
    (tmp_path / "alias").symlink_to(base)
    assert saver(base)(prefix="link/plate").listing == "link/plate_00001_.png"
    assert saver(tmp_path / "alias")(prefix="plate").listing == "plate_00001_.png"


def test_a_dangling_link_at_the_name_is_not_written_through(base, tmp_path):
    (base / "plate_00001_.png").symlink_to(tmp_path / "elsewhere.png")
    assert saver(base)(prefix="plate").listing == "plate_00002_.png"
    assert not (tmp_path / "elsewhere.png").exists()


@pytest.mark.parametrize("answer", ["../x", "a/b", "con", "x:y", ""])
def test_the_hosts_answer_is_looked_at_again(base, answer):
    with pytest.raises(ValueError, match="filename_prefix becomes"):
        save_plate(torch.rand(1, 4, 4, 3), "PNG 8-bit", "p", base, lambda *_: (base, answer, 1))
    with pytest.raises(ValueError, match="leads out of the output folder"):
        save_plate(torch.rand(1, 4, 4, 3), "PNG 8-bit", "p", base, lambda *_: (base.parent, "p", 1))
    assert listing(base) == {}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("no json", "manifest must be JSON: .*Link the manifest output of Compare"),
        ("[1]", "must be a JSON object, got list"),
        ("null", "must be a JSON object, got NoneType"),
        ("[" * 100000, "manifest must be JSON"),
        ('{"a":' + "[" * 50 + "]" * 50 + "}", "may be nested 50 deep"),
        ('{"a":"' + "x" * MAX_MANIFEST + '"}', "at most 4 million letters"),
    ],
    ids=["text", "list", "null", "broken", "deep", "long"],
)
def test_a_bad_manifest_is_refused_before_anything_is_written(base, manifest, words):
    with pytest.raises(ValueError, match=words):
        saver(base)(manifest=manifest)
    assert listing(base) == {}


@pytest.mark.parametrize("manifest", [None, "", " \n"])
def test_an_empty_manifest_is_none(manifest):
    assert read_manifest(manifest) is None


def test_a_manifest_is_written_as_json_that_others_can_read(base):
    saved = saver(base)(manifest='{"a": NaN, "b": [Infinity, 1e999], "c": "\\ud83d"}')

    def refuse(word):
        raise AssertionError(word)

    told = json.loads(saved.others[0].read_text("utf-8"), parse_constant=refuse)
    assert told == {"a": None, "b": [None, None], "c": "\ud83d"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": torch.full((1, 4, 4, 3), float("nan"))}, "NaN or infinite"),
        ({"image": torch.full((2, 4, 4, 3), float("inf"))}, "NaN or infinite"),
        ({"image": "a picture"}, "image must be a picture"),
        ({"image": torch.zeros(1, 1, 16384, 3), "name": "WebP lossless"}, "format: WebP lossless holds at most 16383 px"),
        ({"quality": 101, "name": "JPEG 4:4:4"}, "quality must be between 50 and 100, got 101"),
        ({"quality": 49}, "quality must be between"),
    ],
)  # fmt: skip
def test_a_picture_that_cannot_be_saved_is_refused_before_anything_is_written(base, options, words):
    with pytest.raises(ValueError, match=words):
        saver(base)(**options)
    assert listing(base) == {}


# --- what a file tells -----------------------------------------------------------------------------


def test_a_clean_manifest_names_no_file_prompt_or_seed_and_keeps_the_measurements():
    clean = cleaned(MANIFEST)
    text = json.dumps(clean)
    assert not [secret for secret in SECRETS if secret in text]
    panel = clean["panels"][0]
    assert panel["label"] == "Zo\u00eb \u5149"
    assert panel["box"] == MANIFEST["panels"][0]["box"]
    assert panel["figures"] == MANIFEST["panels"][0]["figures"]
    assert panel["landmarks"] == MANIFEST["panels"][0]["landmarks"]
    assert panel["detail"] == "v4, seed"
    assert clean["blind"] is True  # the order would tell whose is whose
    assert clean["fonts"] == [None, "DejaVu Sans"]
    assert {key: clean[key] for key in ("schema", "kernel", "method", "plate_sha256")} == {
        key: MANIFEST[key] for key in ("schema", "kernel", "method", "plate_sha256")
    }
    assert clean["share_clean"] is True


def test_what_is_known_of_a_source_is_kept_without_its_name():
    """As Compare writes it: sources by number, each with its measures and its caption."""
    told = {
        "sources": [
            {
                "sha256": "aa" * 32,
                "size": [6000, 4000],
                "label": "A",
                "caption": {"file": "secret.png"},
                "face": {"eyes": [[1.5, 2.0], [3.0, 4.0]], "points": 5},
            }
        ],
        "design": {"slides": [{"panels": [{"source": 0, "box": [0, 1, 2, 3]}]}]},
    }
    clean = cleaned(told)
    face = {"eyes": [[1.5, 2.0], [3.0, 4.0]], "points": 5}
    assert clean["sources"] == [{"size": [6000, 4000], "label": "A", "face": face}]
    assert clean["design"] == told["design"]
    named = {"source": "secret", "sources": ["secret"], "source_sha": [1], "source_hash": {"a": 1}}
    assert cleaned(named) == {"share_clean": True}


@pytest.mark.parametrize(
    "value",
    ["~/a", "C:\\x", "../up", "see /mnt/x/y", "https://me", "data:image/png", "a.PNG", "m.safetensors", "(\\\\nas\\x)"],
)  # fmt: skip
def test_texts_that_name_a_file_are_left_out_whatever_their_key(value):
    assert cleaned({"label": value, "list": ["a", value]}) == {"list": ["a", None], "share_clean": True}  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["Flux.1 [dev]", "~9 px/mm", "n/a", "a/b", "3.4x", "PNG", "Seedream 4", "1 / 2", "png, webp", ".5"],
)  # fmt: skip
def test_plain_words_are_kept(value):
    assert cleaned({"label": value}) == {"label": value, "share_clean": True}


@pytest.mark.parametrize("key", ["promptSha", "SEED", "base_seed", "sourceFile", "workflow", "negative_prompt", "sha256"])  # fmt: skip
def test_keys_are_read_word_by_word(key):
    assert cleaned({key: 1, "seedling": 2}) == {"seedling": 2, "share_clean": True}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [1, 2])
def test_a_shared_picture_leaks_nothing(base, name, count):
    saver(base)(
        torch.rand(count, 4, 4, 3), name, manifest=json.dumps(MANIFEST), share_clean=True,
        metadata=Metadata({"1": "secret prompt"}, {"workflow": "secret graph"}),
    )  # fmt: skip
    written = {path: data for path, data in listing(base).items() if data}
    assert len(written) == count + 1
    for data in written.values():
        assert b"plate_sha256" in data
        assert not [secret for secret in SECRETS[:-1] if len(secret) > 3 and secret.encode() in data]  # fmt: skip
        assert b"prompt" not in data


@pytest.mark.parametrize("name", FORMATS)
def test_where_the_host_wants_no_metadata_pixels_alone_are_written(base, name):
    saved = saver(base)(name=name, manifest=json.dumps(MANIFEST), metadata=None)
    assert saved.listing == f"loupe/plate_00001_{FORMATS[name].ending}"
    assert saved.notes == (
        "ComfyUI runs with --disable-metadata: neither the graph nor the manifest was saved",
    )
    data = saved.pictures[0].read_bytes()
    assert not [word for word in (b"tEXt", b"iTXt", b"Exif", b"EXIF", b"secret") if word in data]
    assert saver(base)(metadata=None).notes == ()


def test_a_note_is_told_once_for_all_slides(base):
    clear = torch.zeros(3, 4, 4, 4)
    (note,) = saver(base)(clear, "JPEG 4:4:4").notes
    assert "mid-gray" in note
