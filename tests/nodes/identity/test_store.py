import json
import os
import pickle
import struct
import sys
from dataclasses import replace

import numpy as np
import pytest

from portrait_loupe.nodes.identity import form, store
from portrait_loupe.nodes.identity.aggregate import unit_rows
from portrait_loupe.nodes.identity.calibration.plain import to_text
from portrait_loupe.nodes.identity.calibration.value import Calibration, Fitted, Point
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference
from portrait_loupe.nodes.identity.store import (
    KEEP_BOTH,
    REPLACE,
    find_identity,
    list_identities,
    load_identity,
    save_identity,
)

SHA = "1234abcd" * 8
RNG = np.random.default_rng(0)


def reference(number, *, crops=True, **other):
    rng = np.random.default_rng(number)
    values = {
        "quality": 1 / 3 + number / 100,
        "parts": {"size": 1 / 3, "exposure": 0.9},
        "photo_sha256": f"{number:064x}",
        "eyes": ((40.1, 50.2), (80.3, 52.4)),
        "points": ((40.1, 50.2), (80.3, 52.4), (60.0, 70.0), (45.0, 90.0), (75.0, 91.0)),
        "image_size": (1200, 1600),
        "iod_px": 40.2 / 3,
        "yaw_deg": -12.5,
        "pitch_deg": None,
        "blur_px": 0.61,
        "median_luma": 0.25,
        "crop112": rng.integers(0, 256, (112, 112, 3), np.uint8) if crops else None,
        "crop512": rng.integers(0, 256, (512, 512, 3), np.uint8) if crops else None,
    }
    return Reference(**{**values, **other})


def embeddings(count, seed=0):
    rng = np.random.default_rng(seed)
    truth = unit_rows(rng.standard_normal((1, 512)))[0]
    rows = 0.8 * truth + 0.6 * unit_rows(rng.standard_normal((count, 512)))
    return (21 * rows).astype(np.float32)


@pytest.fixture
def ada():
    partly = embeddings(3, 2)
    partly[1] = 0
    return Identity(
        "Ada \N{SNOWMAN}",
        (
            reference(0),
            reference(1, forced=False, blur_px=None, points=((40.1, 50.2), (80.3, 52.4))),
            reference(2, crops=False, forced=True),
        ),
        (
            Embedded("w600k_r50", SHA, "non-commercial research only", embeddings(3)),
            Embedded("w600k_r50", "00" * 32, "unknown", embeddings(3, 1)),
            Embedded("glintr100", "11" * 32, "unknown", partly),
        ),
        "my own face\nI agree",
        "2026-11-21",
        "portrait-loupe 0.1.0",
        0.5,
    )


def same(one, other):
    """Everything that an identity holds."""
    for a, b in zip(one.references, other.references, strict=True):
        for crop in ("crop112", "crop512"):
            mine, theirs = getattr(a, crop), getattr(b, crop)
            assert (mine is None) == (theirs is None)
            assert mine is None or np.array_equal(mine, theirs)
        bare = [replace(each, crop112=None, crop512=None) for each in (a, b)]
        assert vars(bare[0]) == vars(bare[1])
    for a, b in zip(one.embedded, other.embedded, strict=True):
        assert (a.encoder, a.sha256, a.licence) == (b.encoder, b.sha256, b.licence)
        assert a.raw.dtype == b.raw.dtype == np.float32
        assert np.array_equal(a.raw, b.raw)
    told = ("name", "consent", "created", "tool", "limit", "calibrations")
    assert [getattr(one, name) for name in told] == [getattr(other, name) for name in told]
    return True


def test_what_is_saved_comes_back_to_the_bit(ada, tmp_path):
    path, note = save_identity(ada, "ada", tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "ada.safetensors"
    assert note == "Saved as folder/ada.safetensors."
    assert same(load_identity("ada", [path.parent]), ada)
    assert os.listdir(path.parent) == ["ada.safetensors"]  # no draft is left


FITTED = Fitted(0.1, 0.6, 1 / 3, 0.02, None, 0.1, 0.03, 0.0, 1.2, False)
POINTS = (Point(0.0, 0.1, 2**53, 1, 0.12), Point(1.2, None, 1), Point(0.6, 1 / 3, 2))
CALIBRATION = Calibration("a.bin", "aa", "SDXL", "bb", "glintr100", "cc", POINTS, FITTED, "2026-11-21", "x")  # fmt: skip


def test_calibrations_come_back_with_it_and_a_file_without_any_is_as_before(ada, tmp_path):
    from safetensors import safe_open

    other = replace(CALIBRATION, base_id="other")
    calibrated = replace(ada, calibrations=(CALIBRATION, other))
    path, _ = save_identity(calibrated, "with", tmp_path)
    assert same(load_identity("with", [tmp_path]), calibrated)
    bare, _ = save_identity(ada, "ada", tmp_path)
    with safe_open(bare, framework="np") as file:
        assert "calibrations" not in file.metadata()
    assert form.content_digest(calibrated) != form.content_digest(ada)
    # a calibration that is new makes the identity another one to save
    _, note = save_identity(replace(ada, calibrations=(CALIBRATION,)), "with", tmp_path)
    assert "is another file and was left alone" in note
    assert path.exists()


def test_other_programs_find_the_keys_of_the_specification(ada, tmp_path):
    from safetensors import safe_open

    path, _ = save_identity(ada, "ada", tmp_path)
    with safe_open(path, framework="np") as file:
        texts = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    first = ada.embedded[0]
    assert tensors["arcface.w600k_r50.center"] == pytest.approx(ada.center(first), abs=1e-7)
    assert tensors["arcface.w600k_r50.norm"][0] == pytest.approx(ada.norm(first))
    assert tensors["arcface.w600k_r50.weight"] == pytest.approx(ada.weights(first), abs=1e-7)
    assert tensors["keep"].tolist() == [1, 0, 1]
    assert tensors["face.aligned112"].dtype == np.uint8
    assert tensors["face.aligned112"].shape == (3, 112, 112, 3)
    assert tensors["face.aligned512"].shape == (3, 512, 512, 3)
    assert tensors["kps5"].shape == (3, 5, 2)
    assert np.isnan(tensors["kps5"][1, 2:]).all()
    assert tensors["pose"][0].tolist()[0] == -12.5
    assert np.isnan(tensors["blur"]).tolist() == [False, True, False]
    # two files of one encoder id do not lie over each other
    assert np.array_equal(tensors["arcface.w600k_r50.raw"], ada.embedded[0].raw)
    assert np.array_equal(tensors[f"arcface.w600k_r50.{'00' * 8}.raw"], ada.embedded[1].raw)
    assert texts["schema"] == "1"
    assert json.loads(texts["encoders"])[0]["sha256"] == SHA


def test_no_path_is_in_the_file(ada, tmp_path):
    path, _ = save_identity(ada, "ada", tmp_path)
    assert str(tmp_path).encode() not in path.read_bytes()


def test_keep_both_never_writes_over_a_file(ada, tmp_path):
    first, _ = save_identity(ada, "ada", tmp_path)
    before = first.read_bytes()
    other = replace(ada, name="Bob")
    second, note = save_identity(other, "ada", tmp_path, KEEP_BOTH)
    assert second.name == "ada_2.safetensors"
    assert "ada.safetensors is another file and was left alone" in note
    assert first.read_bytes() == before
    assert load_identity("ada_2", [tmp_path]).name == "Bob"
    third, _ = save_identity(replace(ada, name="Cy"), "ada", tmp_path, KEEP_BOTH)
    assert third.name == "ada_3.safetensors"


@pytest.mark.parametrize("existing", [KEEP_BOTH, REPLACE])
def test_the_same_identity_is_saved_once_whatever_the_day(ada, tmp_path, existing):
    first, _ = save_identity(ada, "ada", tmp_path)
    before = first.stat()
    path, note = save_identity(replace(ada, created="2031-01-01"), "ada", tmp_path, existing)
    assert (path, note) == (first, f"Already saved as {tmp_path.name}/ada.safetensors.")
    assert first.stat().st_mtime_ns == before.st_mtime_ns
    changed = replace(ada, consent="another note")
    assert "Already" not in save_identity(changed, "ada", tmp_path, existing)[1]


def test_a_twin_under_a_number_is_found_too(ada, tmp_path):
    save_identity(ada, "ada", tmp_path)
    other = replace(ada, name="Bob")
    save_identity(other, "ada", tmp_path)
    path, note = save_identity(other, "ada", tmp_path)
    assert note == f"Already saved as {tmp_path.name}/ada_2.safetensors."
    assert path.name == "ada_2.safetensors"


def test_replace_writes_over_an_identity(ada, tmp_path):
    path, _ = save_identity(ada, "ada", tmp_path)
    again, note = save_identity(replace(ada, name="Bob"), "ada", tmp_path, REPLACE)
    assert again == path
    assert "is replaced" in note
    assert load_identity("ada", [tmp_path]).name == "Bob"
    assert os.listdir(tmp_path) == ["ada.safetensors"]


@pytest.mark.parametrize("what", ["text", "other tensors", "damaged", "folder", "link"])
def test_replace_leaves_alone_what_is_no_identity(ada, tmp_path, what):
    from safetensors.numpy import save_file

    folder = tmp_path / "profiles"
    folder.mkdir()
    path = folder / "ada.safetensors"
    elsewhere = tmp_path / "elsewhere.safetensors"
    if what == "text":
        path.write_text("my thesis, the only copy")
    elif what == "other tensors":
        save_file({"weight": np.ones(3, np.float32)}, path)
    elif what == "damaged":
        save_identity(ada, "ada", folder)
        path.write_bytes(path.read_bytes()[:-7])
    elif what == "folder":
        path.mkdir()
    else:
        save_identity(ada, "elsewhere", tmp_path)
        try:
            path.symlink_to(elsewhere)
        except OSError:
            pytest.skip("this system makes no links")
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ValueError, match=r"existing = keep both"):
        save_identity(replace(ada, name="Bob"), "ada", folder, REPLACE)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert os.listdir(folder) == ["ada.safetensors"]
    # and keep both goes around it
    assert save_identity(replace(ada, name="Bob"), "ada", folder)[0].name == "ada_2.safetensors"


def test_a_disk_that_fails_leaves_the_old_file_and_no_draft(ada, tmp_path, monkeypatch):
    path, _ = save_identity(ada, "ada", tmp_path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for existing in (KEEP_BOTH, REPLACE):
        with pytest.raises(RuntimeError, match=r"No space left on device\. Free some room"):
            save_identity(replace(ada, name="Bob"), "ada", tmp_path, existing)
        assert os.listdir(tmp_path) == ["ada.safetensors"]
        assert path.read_bytes() == before


def rewritten(path, *, change=None, seal=True, **texts):
    """The file with other texts or tensors, its digest made good where ``seal``."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="np") as file:
        told = {**file.metadata(), **texts}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if change:
        change(tensors, told)
    del told["digest"]
    save_file(tensors, path, {**told, "digest": form._digest(tensors, told) if seal else "0" * 64})


def unpickled():
    raise AssertionError("a pickle was run")


class Bomb:
    def __reduce__(self):
        return (unpickled, ())


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def cut_in_the_header(path):
    path.write_bytes(path.read_bytes()[:200])


def emptied(path):
    path.write_bytes(b"")


def pickled(path):
    path.write_bytes(pickle.dumps(Bomb()))


def one_bit_flipped(path):
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)


def huge_header(path):
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")


def another_name(path):
    rewritten(path, seal=False, name="Mallory")


def a_tensor_more(path):
    def change(tensors, _):
        tensors["extra"] = np.zeros(1, np.float32)

    rewritten(path, change=change, seal=False)


def newer(path):
    rewritten(path, schema="2")


def odd_schema(path):
    rewritten(path, schema="one")


def other_tensors(path):
    from safetensors.numpy import save_file

    save_file({"weight": np.ones(3, np.float32)}, path)


def changed_tensor(name, how):
    def damage(path):
        def change(tensors, _):
            tensors[name] = how(tensors[name])

        rewritten(path, change=change)

    damage.__name__ = f"{name} {how.__name__}"
    return damage


def with_nan(raw):
    raw = raw.copy()
    raw[1, 7] = np.nan
    return raw


def with_infinity(raw):
    raw = raw.copy()
    raw[0, 0] = -np.inf
    return raw


def all_zero(raw):
    return np.zeros_like(raw)


def narrow(raw):
    return np.ascontiguousarray(raw[:, :-1])


def short(raw):
    return np.ascontiguousarray(raw[:-1])


def double(raw):
    return raw.astype(np.float64)


def without(name):
    def damage(path):
        rewritten(path, change=lambda tensors, _: tensors.pop(name))

    damage.__name__ = f"without {name}"
    return damage


def with_reference(**values):
    def damage(path):
        def change(_, texts):
            plain = json.loads(texts["references"])
            plain[0].update(values)
            texts["references"] = json.dumps(plain)

        rewritten(path, change=change)

    damage.__name__ = f"reference {next(iter(values))}={str(next(iter(values.values())))[:8]}"
    return damage


def texts_of(**texts):
    def damage(path):
        rewritten(path, **texts)

    damage.__name__ = f"text {next(iter(texts))}={next(iter(texts.values()))[:8]}"
    return damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncated, "damaged or no safetensors"),
        (cut_in_the_header, "damaged or no safetensors"),
        (emptied, "damaged or no safetensors"),
        (pickled, "damaged or no safetensors"),
        (huge_header, "damaged or no safetensors"),
        (one_bit_flipped, "does not fit its digest"),
        (another_name, "does not fit its digest"),
        (a_tensor_more, "does not fit its digest"),
        (newer, "saved by a newer Portrait Loupe .schema 2, this one reads 1.: update the pack"),
        (odd_schema, "its schema is 'one'"),
        (other_tensors, "no identity of Portrait Loupe"),
        (changed_tensor("arcface.w600k_r50.raw", with_nan), "hold NaN or infinite"),
        (changed_tensor("arcface.w600k_r50.raw", with_infinity), "hold NaN or infinite"),
        (changed_tensor("arcface.w600k_r50.raw", all_zero), "are all zero"),
        (changed_tensor("arcface.w600k_r50.raw", narrow), r"of the shape \(3, 512\)"),
        (changed_tensor("arcface.w600k_r50.raw", short), r"of the shape \(3, 512\)"),
        (changed_tensor("arcface.w600k_r50.raw", double), "must be float32"),
        (changed_tensor("face.aligned112", short), r"of the shape \(3, 112, 112, 3\)"),
        (changed_tensor("face.aligned512", double), "must be uint8"),
        (without("arcface.glintr100.raw"), "arcface.glintr100.raw is missing"),
        (without("face.aligned112"), "face.aligned112 is missing"),
        (with_reference(quality=0), "quality must be above 0"),
        (with_reference(quality=float("nan")), "a number is 'nan'"),
        (with_reference(iod_px="40"), "a number is '40'"),
        (with_reference(eyes=[[1, 2]]), "two eyes"),
        (with_reference(eyes=[[1, 2], [1, 2]]), "the two eyes of a face are one point"),
        (with_reference(eyes=[[1, 2, 3], [1, 2, 3]]), "too many values"),
        (with_reference(forced="yes"), "neither yes nor no"),
        (with_reference(parts=3), "not those of an identity"),
        (texts_of(references="[]"), "1 to 64 faces"),
        (texts_of(references="{"), "is no JSON|JSON"),
        (texts_of(encoders="3"), "not those of an identity"),
        (texts_of(impostor_limit="nan"), "a number is 'nan'"),
        (texts_of(impostor_limit="7"), "must be 0 to 1"),
        (texts_of(calibrations="{"), "is no JSON|JSON"),
        (texts_of(calibrations="3"), "a list of at most 32 calibrations"),
        (texts_of(calibrations="[[3]]"), "not those of an identity"),
        (texts_of(calibrations="[" * 100000), "not those of an identity|no JSON"),
        (texts_of(calibrations=to_text((CALIBRATION,) * 2)), "two calibrations of one adapter"),
        (texts_of(calibrations=to_text((CALIBRATION,)).replace("0.12", "NaN")), "a number of a calibration is 'nan'"),
        (texts_of(calibrations=to_text((CALIBRATION,)).replace("0.12", "3.0")), "must be 0 to 1, it is 3"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_a_bad_file_is_named_and_left_alone(ada, tmp_path, damage, told):
    path, _ = save_identity(ada, "ada", tmp_path)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=told) as refusal:
        load_identity("ada", [tmp_path])
    assert str(refusal.value).startswith("ada.safetensors is not used: ")
    assert str(refusal.value).endswith("The file was left alone.")
    assert path.read_bytes() == before


def test_a_file_that_is_too_large_is_not_opened(ada, tmp_path, monkeypatch):
    path, _ = save_identity(ada, "ada", tmp_path)
    monkeypatch.setattr(store, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(ValueError, match="an identity has at most"):
        load_identity("ada", [tmp_path])


def test_sixty_four_faces_are_well_below_the_limit_of_size():
    faces = 64 * (112 * 112 + 512 * 512) * 3
    embeddings_of_eight = 8 * 64 * 512 * 4
    assert 2 * (faces + embeddings_of_eight) < store.MAX_BYTES


@pytest.mark.parametrize("name", ["../ada", "/tmp/ada", "a/b", "..", "", "C:ada", "nul"])
def test_a_name_that_leads_elsewhere_is_refused(ada, tmp_path, name):
    folder = tmp_path / "profiles"
    with pytest.raises(
        ValueError, match="file_name must be a bare file name such as 'my identity'"
    ):
        save_identity(ada, name, folder)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="file must be a bare file name"):
        load_identity(name, [folder])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_that_leads_out_is_neither_listed_nor_read(ada, tmp_path):
    inside, outside = tmp_path / "profiles", tmp_path / "outside"
    path, _ = save_identity(ada, "ada", outside)
    save_identity(ada, "own", inside)
    (inside / "ada.safetensors").symlink_to(path)
    (inside / "loop.safetensors").symlink_to(inside / "loop.safetensors")
    (inside / "alias.safetensors").symlink_to(inside / "own.safetensors")
    assert list_identities([inside]) == ["alias.safetensors", "own.safetensors"]
    with pytest.raises(ValueError, match="leads out of its folder"):
        load_identity("ada", [inside])
    with pytest.raises(ValueError, match="there is no loop"):
        load_identity("loop", [inside])
    assert same(load_identity("alias", [inside]), ada)
    with pytest.raises(ValueError, match="is no plain file, so it is not replaced"):
        save_identity(replace(ada, name="Bob"), "alias", inside, REPLACE)
    # the folder itself may be a link: that is how people share their models
    (tmp_path / "linked").symlink_to(inside)
    assert same(load_identity("own", [tmp_path / "linked"]), ada)


def test_files_are_listed_by_name_from_all_folders(ada, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    save_identity(ada, "ada", first)
    save_identity(replace(ada, name="other"), "ada", second)
    save_identity(ada, "bob", second)
    (second / "notes.txt").write_text("no")
    (second / ".hidden.safetensors").write_text("no")
    (second / "folder.safetensors").mkdir()
    assert list_identities([first, second, tmp_path / "none"]) == [
        "ada.safetensors", "bob.safetensors",
    ]  # fmt: skip
    assert find_identity("ada", [first, second]) == first / "ada.safetensors"
    with pytest.raises(
        ValueError, match=r"there is no cy\.safetensors. There are ada\.safetensors, bob"
    ):
        find_identity("cy", [first, second])
    with pytest.raises(ValueError, match="is none yet: save one with Save Identity"):
        find_identity("cy", [tmp_path / "none"])


def test_an_unknown_wish_is_refused(ada, tmp_path):
    with pytest.raises(ValueError, match="existing must be one of keep both, replace"):
        save_identity(ada, "ada", tmp_path, "overwrite")
