"""Casts as files: nothing lost, nothing half-written, nothing believed that the pixels do not confirm."""

import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from portrait_loupe.nodes.casting.lock import TakeLock, lock_of
from portrait_loupe.nodes.casting.store import (
    FOLDER,
    check_cast_name,
    file_of,
    hold,
    places_of,
    read_offer,
    save_offer,
    state_of,
)
from portrait_loupe.nodes.casting.take import take_sha256
from portrait_loupe.nodes.comparison.encode import write_png

AT = "2026-11-21T15:00:00.000+00:00"


@pytest.fixture
def cast(make_take, make_cast):
    return make_cast([make_take(1, distance=2.0), make_take(2, distance=1.0, size=(31, 57))])


@pytest.fixture
def kept(cast, tmp_path):
    """An output folder in which the cast was offered."""
    save_offer(cast, "Marta", tmp_path, AT)
    return tmp_path


def lock_to(take, name="Marta"):
    return lock_of(take, file_of(name, take.sha256), "pick", AT)


def listing(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def test_every_take_is_kept_with_its_size_and_what_is_known_of_it(kept, cast):
    files = {f"{FOLDER}/Marta/offer.json"}
    for take in cast.takes:
        files |= {f"{FOLDER}/Marta/takes/{take.sha256}{end}" for end in (".png", ".json")}
    assert listing(kept) == files
    offer = read_offer("Marta", kept)
    assert (offer["region"], offer["prompt"], offer["at"]) == ("face", "a portrait", AT)
    told = [(one["number"], one["width"], one["height"], one["rank"]) for one in offer["takes"]]
    assert told == [(1, 48, 40, 2), (2, 31, 57, 1)]


def test_a_locked_take_comes_back_to_the_bit_with_its_face_and_its_name(kept, cast):
    for take in cast.takes:
        held = hold(lock_to(take), "Marta", kept)
        assert take_sha256(held.picture) == take.sha256
        assert (held.picture - take.picture).abs().max() <= 0.5 / 65535 + 1e-7  # half a code
        assert held.faces.frames == ((take.face,),)
        assert held.faces.image_size == (take.picture.shape[2], take.picture.shape[1])
        assert (held.lock.label, held.lock.seed) == (f"Recraft V4 #{take.number}", 7)
        assert held.lock.rank == take.rank
        assert held.remarks == ()


def test_a_locked_take_becomes_a_member_and_needs_the_offer_no_more(kept, cast):
    take = cast.takes[0]
    first = hold(lock_to(take), "Marta", kept)
    shutil.rmtree(kept / FOLDER / "Marta" / "takes")
    (kept / FOLDER / "Marta" / "offer.json").unlink()
    assert listing(kept) == {f"{FOLDER}/Marta/{take.sha256}{end}" for end in (".png", ".json")}
    again = hold(lock_to(take), "Marta", kept)
    assert torch.equal(again.picture, first.picture)
    assert (again.lock, again.faces) == (first.lock, first.faces)
    assert again.lock.file == f"{FOLDER}/Marta/{take.sha256}.png"


def test_the_hash_alone_brings_back_what_is_known_of_a_take(kept, cast):
    take = cast.takes[1]
    lock = hold(TakeLock(take.sha256), "Marta", kept, at=AT).lock
    assert (lock.model, lock.label, lock.seed) == ("Recraft V4", "Recraft V4 #2", 7)
    assert (lock.score, lock.rank, lock.by, lock.at) == (1.0, 1, "api", AT)
    assert hold(TakeLock(take.sha256), "Marta", kept, at="later").lock == lock


def test_a_lock_follows_its_file_when_the_cast_is_renamed(kept, cast):
    take = cast.takes[0]
    held = hold(lock_to(take), "Another name", kept)
    assert take_sha256(held.picture) == take.sha256
    assert (kept / FOLDER / "Another name" / f"{take.sha256}.png").is_file()


# --- missing and altered -------------------------------------------------------------------------


def test_a_missing_take_is_named_with_the_way_out(kept, cast):
    take = cast.takes[0]
    hold(lock_to(take), "Marta", kept)
    for member in (True, False):
        (kept / file_of("Marta", take.sha256, member)).unlink()
    with pytest.raises(RuntimeError, match="is missing") as refused:
        hold(lock_to(take), "Marta", kept)
    assert file_of("Marta", take.sha256) in str(refused.value)
    assert "press Unlock" in str(refused.value)
    assert "Nothing above was run" in str(refused.value)


def rewritten(path: Path, take) -> None:
    """The same picture with one code changed, as a whole PNG."""
    picture = take.picture[0].clone()
    picture[3, 3, 1] = 1 - picture[3, 3, 1]
    with path.open("wb") as file:
        write_png(file, picture, 16)


ALTERED = {
    "one pixel": rewritten,
    "another take": lambda path, take: path.write_bytes(
        next(one for one in path.parent.glob("*.png") if one != path).read_bytes()
    ),
    "cut short": lambda path, take: path.write_bytes(path.read_bytes()[:-30]),
    "a bit": lambda path, take: path.write_bytes(
        path.read_bytes()[:90] + bytes([path.read_bytes()[90] ^ 4]) + path.read_bytes()[91:]
    ),
    "no picture": lambda path, take: path.write_bytes(b"hello"),
    "empty": lambda path, take: path.write_bytes(b""),
    "a folder": lambda path, take: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", ALTERED)
@pytest.mark.parametrize("member", [False, True], ids=["take", "member"])
def test_an_altered_take_is_named_with_the_way_out(kept, cast, how, member):
    if member:
        for take in cast.takes:
            hold(lock_to(take), "Marta", kept)
    take = cast.takes[0]
    place = file_of("Marta", take.sha256, member)
    ALTERED[how](kept / place, take)
    with pytest.raises(RuntimeError, match=r"was altered|cannot be read") as refused:
        hold(lock_to(take), "Marta", kept)
    assert place in str(refused.value)
    assert "press Unlock" in str(refused.value)


def test_an_8_bit_copy_is_an_altered_take(kept, cast):
    from PIL import Image

    take = cast.takes[0]
    path = kept / file_of("Marta", take.sha256)
    Image.fromarray((take.picture[0] * 255).byte().numpy()).save(path)
    with pytest.raises(RuntimeError, match="another program has written it anew"):
        hold(lock_to(take), "Marta", kept)


def test_offering_again_mends_a_file_and_leaves_a_good_one_alone(kept, cast):
    paths = [kept / file_of("Marta", take.sha256) for take in cast.takes]
    rewritten(paths[0], cast.takes[0])
    before = paths[1].stat().st_mtime_ns
    save_offer(cast, "Marta", kept, AT)
    assert take_sha256(hold(lock_to(cast.takes[0]), "Marta", kept).picture) == cast.takes[0].sha256
    assert paths[1].stat().st_mtime_ns == before


def test_a_rejected_take_cannot_be_locked(make_take, make_cast, tmp_path):
    cast = make_cast([make_take(1, rejected="no face found")])
    save_offer(cast, "Marta", tmp_path, AT)
    with pytest.raises(ValueError, match="not offered: no face found"):
        hold(lock_to(cast.takes[0]), "Marta", tmp_path)


def test_a_duplicate_does_not_hide_the_take_that_it_repeats(make_take, make_cast, tmp_path):
    take = make_take(1)
    twin = replace(take, number=2, rejected="duplicate of 1")
    save_offer(make_cast([take, twin]), "Marta", tmp_path, AT)
    assert hold(lock_to(take), "Marta", tmp_path).lock.label == "Recraft V4 #1"


BESIDE = {
    "gone": None,
    "no JSON": b"{",
    "a list": b"[]",
    "points that are none": b'{"face": {"eyes": [[1, 2], [3, "x"]]}}',
    "eyes at one place": b'{"face": {"eyes": [[1, 2], [1, 2]]}}',
    "endless numbers": b'{"face": {"eyes": [[1, 2], [1e999, 2]]}}',
    "three eyes": b'{"face": {"eyes": [[1, 2], [3, 4], [5, 6]]}}',
    "nested without end": b'{"face": ' + b"[" * 100000,
    "a seed of another kind": b'{"seed": [], "label": {}, "number": "x", "model": 3}',
}


@pytest.mark.parametrize("how", BESIDE)
def test_what_stands_beside_a_take_is_not_believed(kept, cast, how):
    """The picture is what was locked; what else is not known stays unknown."""
    take = cast.takes[0]
    beside = (kept / file_of("Marta", take.sha256)).with_suffix(".json")
    beside.unlink() if BESIDE[how] is None else beside.write_bytes(BESIDE[how])
    held = hold(TakeLock(take.sha256), "Marta", kept)
    assert take_sha256(held.picture) == take.sha256
    assert held.faces is None
    assert held.lock.label == ""


# --- names and links -----------------------------------------------------------------------------

BAD_NAMES = ["", "  ", "..", "../up", "a/b", "a\\b", "C:", "nul", "a.", ".hidden", "x" * 81, "votes.jsonl", "a\nb", 7]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=str)
def test_a_name_that_is_no_folders_is_refused_before_anything_is_written(cast, tmp_path, name):
    with pytest.raises(ValueError, match="cast_name must be a bare name"):
        save_offer(cast, name, tmp_path, AT)
    assert listing(tmp_path) == set()


def test_a_name_is_stripped():
    assert check_cast_name(" Marta ") == "Marta"


@pytest.mark.parametrize(
    "file",
    ["../../etc/passwd", "/etc/passwd", "loupe_cast/../../x/y.png", "loupe_cast/..", "loupe_cast/nul/x.png",
     "C:\\x\\y.png", "loupe_cast\\..\\x.png", "x" * 300, "other/Marta/x.png"],
)  # fmt: skip
def test_the_path_in_a_lock_leads_nowhere(file):
    """Workflows come from strangers: of the path only a cast's safe name is used."""
    places = places_of(TakeLock("ab" * 32, file), "Marta")
    assert places == [f"{FOLDER}/Marta/{'ab' * 32}.png", f"{FOLDER}/Marta/takes/{'ab' * 32}.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_that_leads_out_is_refused_for_reading_and_writing(kept, cast, tmp_path_factory):
    take = cast.takes[0]
    outside = tmp_path_factory.mktemp("outside")
    path = kept / file_of("Marta", take.sha256)
    shutil.move(path, outside / "x.png")
    path.symlink_to(outside / "x.png")
    with pytest.raises(ValueError, match="link that leads out"):
        hold(lock_to(take), "Marta", kept)
    shutil.rmtree(kept / FOLDER)
    (kept / FOLDER).symlink_to(outside)
    before = listing(outside)
    with pytest.raises(ValueError, match="link that leads out"):
        save_offer(cast, "Marta", kept, AT)
    assert listing(outside) == before


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_an_offer_writes_over_a_link_and_not_through_it(kept, cast, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "precious.txt"
    outside.write_text("precious")
    path = kept / file_of("Marta", cast.takes[0].sha256)
    path.unlink()
    path.symlink_to(outside)
    save_offer(cast, "Marta", kept, AT)
    assert outside.read_text() == "precious"
    assert not path.is_symlink()


# --- stopped, full, at once ----------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 40, 41, 97])
def test_an_offer_that_is_stopped_leaves_nothing_half_written(kept, make_take, make_cast, rows):
    """Takes that are whole stay; the offer before it is as it was."""

    class Stopped(BaseException):
        pass

    def progress(total):
        def tick(done):
            if done >= rows:
                raise Stopped

        return tick

    before = read_offer("Marta", kept)
    new = make_cast([make_take(11), make_take(12, size=(31, 57)), make_take(13)])
    with pytest.raises(Stopped):
        save_offer(new, "Marta", kept, "later", progress)
    assert read_offer("Marta", kept) == before
    assert not [name for name in listing(kept) if name.endswith(".tmp")]
    for take in new.takes:
        path = kept / file_of("Marta", take.sha256)
        assert (
            not path.exists()
            or take_sha256(hold(lock_to(take), "Marta", kept).picture) == take.sha256
        )
    save_offer(new, "Marta", kept, "later")
    assert [one["number"] for one in read_offer("Marta", kept)["takes"]] == [11, 12, 13]


def test_a_disk_that_refuses_says_what_to_do_and_leaves_nothing_half_written(kept, cast, monkeypatch, make_take, make_cast):  # fmt: skip
    from portrait_loupe.nodes import whole_files

    def full(file):
        raise OSError(28, "No space left on device")

    before = listing(kept)
    monkeypatch.setattr("portrait_loupe.nodes.casting.store.to_disk", full)
    monkeypatch.setattr(whole_files, "to_disk", full)
    with pytest.raises(RuntimeError, match=r"No space left on device. Make room"):
        save_offer(make_cast([make_take(11)]), "Marta", kept, AT)
    assert listing(kept) == before
    held = hold(lock_to(cast.takes[0]), "Marta", kept)  # the picture is given all the same
    assert take_sha256(held.picture) == cast.takes[0].sha256
    assert "Not kept as a member" in held.remarks[0]
    assert listing(kept) == before


def test_many_at_once_give_whole_files(make_take, make_cast, tmp_path):
    casts = [make_cast([make_take(n) for n in range(k, k + 4)]) for k in (1, 3)]
    failed = []

    def work(cast):
        try:
            for _ in range(5):
                save_offer(cast, "Marta", tmp_path, AT)
                for take in cast.takes:
                    assert (
                        take_sha256(hold(lock_to(take), "Marta", tmp_path).picture) == take.sha256
                    )
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=[casts[n % 2]]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert not [name for name in listing(tmp_path) if name.endswith(".tmp")]
    assert json.loads((tmp_path / FOLDER / "Marta" / "offer.json").read_text("utf-8"))


def test_the_state_of_a_lock_changes_with_its_files(kept, cast):
    lock = lock_to(cast.takes[0])
    seen = [state_of(lock, "Marta", kept)]
    path = kept / file_of("Marta", lock.take_sha256)
    rewritten(path, cast.takes[0])
    seen.append(state_of(lock, "Marta", kept))
    path.unlink()
    seen.append(state_of(lock, "Marta", kept))
    assert len(set(seen)) == 3
    assert seen[2] == ""


def test_a_picture_as_a_vae_decodes_it_is_kept(make_cast, make_take, tmp_path):
    """Its channels lie apart in memory."""
    apart = torch.rand(1, 3, 20, 30).movedim(1, -1)
    take = replace(make_take(1), picture=apart, sha256=take_sha256(apart))
    save_offer(make_cast([take]), "Marta", tmp_path, AT)
    assert take_sha256(hold(lock_to(take), "Marta", tmp_path).picture) == take.sha256
