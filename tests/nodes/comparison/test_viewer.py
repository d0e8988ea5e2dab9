import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.nodes import host
from portrait_loupe.nodes.comparison import viewer
from portrait_loupe.nodes.comparison.design import Settings, plan_design
from portrait_loupe.nodes.comparison.difference import Difference
from portrait_loupe.nodes.comparison.locks import Lock, Locked, lock
from portrait_loupe.nodes.comparison.panels import Panel
from portrait_loupe.nodes.comparison.viewer import view_payload
from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.framing.regions import Region

SIZES = [(1, 1), (1, 33), (17, 1), (16, 16), (37, 23), (20, 50), (53, 47)]
DIFFERENT = Difference(torch.zeros(1, 1, 3), 0.41, (0.0, 0.0), None, "not registered: NCC 0.41")


class Stopped(Exception):
    """As the host stops a run."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiles and strips so small that pictures of a few pixels have many."""
    monkeypatch.setattr(viewer, "TILE", 8)
    monkeypatch.setattr(viewer, "SMALLEST_LEVEL", 6)
    monkeypatch.setattr(viewer, "_STRIP", 200)


def noise(width=60, height=50, channels=3, seed=0):
    return torch.rand(1, height, width, channels, generator=torch.Generator().manual_seed(seed))


def portrait(image=None, label="one", x=30.0, y=25.0, iod=12.0, tilt=0.0):
    image = noise() if image is None else image
    return Panel(image, Face(((x - iod / 2, y - tilt), (x + iod / 2, y + tilt))), label)


def payload_of(entries, folder, registered=None, progress=None, **settings):
    """As Compare asks for it; ``names`` are the labels of the entries."""
    settings = Settings("eyes", (1600, 1200), **settings)
    design = plan_design(entries, settings)
    placed = [entries[index] for index in design.order]
    return view_payload(
        placed,
        design.slides[0],
        lock(placed, "eyes", by=settings.lock_scale, roll=settings.roll),
        [panel.label for panel in placed],
        [None, *[DIFFERENT] * (len(placed) - 1)] if registered is None else registered,
        "eyes",
        settings.blind,
        folder,
        **({} if progress is None else {"progress": progress}),
    )


def written(entries, folder, **settings):
    payload, note = payload_of(entries, folder, **settings)
    assert note == ""
    return payload


def levels_of(image, folder):
    """The levels of one picture as they lie in the folder, put together from their tiles: (h, w, 3)."""
    sha = viewer.source_sha256(image)
    levels = viewer._levels(sha, (image.shape[2], image.shape[1]))
    target = folder / viewer.SUBFOLDER
    target.mkdir()
    viewer._write_sources({sha: image}, {sha: levels}, target, [], lambda total: lambda done: None)
    return levels, [put_together(level, folder) for level in levels]


def put_together(level, folder):
    width, height = level["size"]
    whole = np.full((height, width, 3), 7, np.int16)
    covered = np.zeros((height, width), int)
    for tile in level["tiles"]:
        x, y = tile["x"], tile["y"]
        with Image.open(folder / tile["subfolder"] / tile["filename"]) as picture:
            assert picture.format == "PNG"
            assert picture.mode == "RGB"
            assert picture.size == (tile["w"], tile["h"])
            whole[y : y + tile["h"], x : x + tile["w"]] = np.asarray(picture)
        covered[y : y + tile["h"], x : x + tile["w"]] += 1
    assert (covered == 1).all()
    return whole


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rounded(image):
    return (image[0].double() * 255).round().numpy()


def mean_light(image, scale):
    """Of every block of so many pixels, as the picture has them: (h, w, 3) in codes, not rounded."""
    light = srgb_to_linear(image[0].double())
    rows = [block.sum(0) / len(block) for block in light.split(scale)]
    light = torch.stack(rows)
    columns = [block.mean(1) for block in light.split(scale, 1)]
    return (linear_to_srgb(torch.stack(columns, 1)) * 255).numpy()


# --- pixels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_tiles_of_the_first_level_are_the_source(size, tmp_path):
    image = noise(*size)
    levels, pictures = levels_of(image, tmp_path)
    assert levels[0]["scale"] == 1
    assert levels[0]["size"] == list(size)
    np.testing.assert_array_equal(pictures[0], rounded(image))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_level_is_the_mean_light_of_what_its_pixels_cover(size, tmp_path):
    image = noise(*size)
    levels, pictures = levels_of(image, tmp_path)
    for number, (level, picture) in enumerate(zip(levels, pictures, strict=True)):
        assert level["scale"] == 0.5**number
        assert level["size"] == [-(-side // 2**number) for side in size]
        # half a code of rounding; float32 adds below a hundredth
        assert np.abs(picture - mean_light(image, 2**number)).max() < 0.51


def test_levels_end_with_the_first_that_is_small_enough():
    sizes = [level["size"] for level in viewer._levels("ab", (53, 47))]
    assert sizes == [[53, 47], [27, 24], [14, 12], [7, 6], [4, 3]]
    assert [level["size"] for level in viewer._levels("ab", (6, 5))] == [[6, 5]]


def test_black_and_white_lines_become_the_gray_that_they_are_seen_as(tmp_path):
    image = torch.zeros(1, 16, 16, 3)
    image[:, :, ::2] = 1
    _, pictures = levels_of(image, tmp_path)
    # half of the light is code 188; halving codes would give 128
    assert (pictures[1] == 188).all()
    assert (pictures[-1] == 188).all()


def test_codes_are_rounded_not_cut(tmp_path):
    image = torch.full((1, 4, 4, 3), 99.6 / 255)
    _, (picture,) = levels_of(image, tmp_path)
    assert (picture == 100).all()


@pytest.mark.parametrize("strip", [1, 37 * 8, 10**6])
def test_strips_leave_no_seam(strip, tmp_path, monkeypatch):
    image = noise(37, 43)
    monkeypatch.setattr(viewer, "_STRIP", strip)
    levels, pictures = levels_of(image, tmp_path)
    for number, picture in enumerate(pictures):
        assert np.abs(picture - mean_light(image, 2**number)).max() < 0.51
    assert len(levels) == len(pictures) == 4


def test_a_picture_is_worked_on_in_strips_that_no_size_makes_larger():
    for width, height in ((100, 90), (20, 400)):
        strips = [codes[0] for _, _, codes in viewer._strips(noise(width, height), 2)]
        assert len(strips) > 10
        assert max(strip.size for strip in strips) <= 3 * 200
        assert sum(map(len, strips)) == height


def test_a_gray_picture_has_three_equal_channels(tmp_path):
    image = noise(20, 30, 1)
    _, pictures = levels_of(image, tmp_path)
    np.testing.assert_array_equal(pictures[0], np.repeat(rounded(image), 3, 2))


def test_what_is_transparent_lies_over_mid_gray_as_on_the_plate(tmp_path):
    image = noise(20, 30, 4)
    _, pictures = levels_of(image, tmp_path)
    colours, alpha = image[..., :3].double(), image[..., 3:].double()
    flat = colours * alpha + 0.5 * (1 - alpha)
    assert np.abs(pictures[0] - (flat[0] * 255).numpy()).max() < 0.51
    assert np.abs(pictures[1] - mean_light(flat, 2)).max() < 0.51


def test_half_precision_and_values_beyond_the_code_are_written(tmp_path):
    image = (noise(20, 30) * 1.4 - 0.2).half()
    _, pictures = levels_of(image, tmp_path)
    np.testing.assert_array_equal(pictures[0], rounded(image.float().clamp(0, 1)))


# --- files ---------------------------------------------------------------------------------------


def test_sixteen_panels_of_one_source_are_written_once(tmp_path):
    image = noise()
    payload = written([portrait(image.clone(), str(number)) for number in range(16)], tmp_path)
    first = payload["panels"][0]["levels"]
    assert all(panel["levels"] == first for panel in payload["panels"])
    named = {tile["filename"] for level in first for tile in level["tiles"]}
    assert {path.name for path in files_in(tmp_path)} == named


def test_different_sources_have_different_files(tmp_path):
    payload = written([portrait(), portrait(noise(seed=1))], tmp_path)
    one, other = payload["panels"]
    for panel, image in ((one, noise()), (other, noise(seed=1))):
        np.testing.assert_array_equal(put_together(panel["levels"][0], tmp_path), rounded(image))


def test_a_second_run_writes_nothing(tmp_path):
    entries = [portrait(), portrait(noise(seed=1))]
    first = written(entries, tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files_in(tmp_path)}
    assert written(entries, tmp_path) == first
    assert before == {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files_in(tmp_path)
    }


@pytest.mark.parametrize("harm", ["cut", "emptied", "other", "gone"])
def test_a_file_that_is_not_whole_is_written_again_and_no_other(harm, tmp_path):
    entries = [portrait(), portrait()]
    payload = written(entries, tmp_path)
    harmed, *rest = files_in(tmp_path)
    content = harmed.read_bytes()
    before = [path.stat().st_ino for path in rest]
    if harm == "cut":
        harmed.write_bytes(content[:-20])
    elif harm == "emptied":
        harmed.write_bytes(b"")
    elif harm == "other":
        Image.new("RGB", (5, 5)).save(harmed)
    else:
        harmed.unlink()
    assert written(entries, tmp_path) == payload
    assert harmed.read_bytes() == content
    assert [path.stat().st_ino for path in rest] == before


def test_no_file_bears_its_name_before_it_is_whole(tmp_path):
    seen = set()

    def look(done):
        for path in tmp_path.rglob("*.png"):
            with Image.open(path) as picture:
                picture.load()
            seen.add(path)

    written([portrait(), portrait(noise(seed=1))], tmp_path, progress=lambda total: look)
    assert 10 < len(seen) <= len(files_in(tmp_path))


def test_names_reach_no_file_name(tmp_path):
    names = ["../../etc/passwd", "<img src=x onerror=alert(1)>", "a\x00b:c", "CON", "\u202etxt.exe"]
    entries = [portrait(label=name) for name in names]
    payload = written(entries, tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "loupe"]
    for path in files_in(tmp_path):
        assert re.fullmatch(r"loupe_[0-9a-f]{16}_\d_\d+_\d+\.png", path.name)
    assert (
        payload["panels"][1]["label"] == names[1]
    )  # the browser's business: it writes text, not markup
    blind = written(entries, tmp_path, blind=True)
    assert "\x00" not in json.dumps(blind)
    assert "\\u202e" not in json.dumps(blind)


# --- the disk refuses ----------------------------------------------------------------------------


def test_without_a_folder_there_is_no_viewer_and_nothing_to_say():
    assert payload_of([portrait(), portrait()], None) == (None, "")


def test_a_full_disk_costs_the_viewer_alone_and_gets_its_room_back(tmp_path, monkeypatch):
    kept = written([portrait(noise(seed=2)), portrait(noise(seed=2))], tmp_path)
    before = files_in(tmp_path)
    chunk, calls = viewer._chunk, []

    def full(file, name, data):
        calls.append(name)
        if len(calls) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        chunk(file, name, data)

    monkeypatch.setattr(viewer, "_chunk", full)
    payload, note = payload_of([portrait(), portrait(noise(seed=1))], tmp_path)
    assert payload is None
    assert "No space left on device" in note
    assert "--temp-directory" in note
    assert files_in(tmp_path) == before
    assert kept["panels"][0]["levels"]


def test_a_folder_that_cannot_be_made_costs_the_viewer_alone(tmp_path):
    (tmp_path / "loupe").write_text("in the way")
    payload, note = payload_of([portrait(), portrait()], tmp_path)
    assert payload is None
    assert str(tmp_path / "loupe") in note
    assert files_in(tmp_path) == [tmp_path / "loupe"]


def test_a_read_only_folder_costs_the_viewer_alone(tmp_path, monkeypatch):
    def refuse(self, mode="r", *rest):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    payload, note = payload_of([portrait(), portrait()], tmp_path)
    assert payload is None
    assert "Permission denied" in note


def test_too_little_memory_costs_the_viewer_alone(tmp_path, monkeypatch):
    def starved(picture, bits):
        raise MemoryError

    monkeypatch.setattr(viewer, "codes_of", starved)
    payload, note = payload_of([portrait(), portrait()], tmp_path)
    assert payload is None
    assert "MemoryError" in note


def test_a_file_that_windows_holds_open_is_left_as_it_is(tmp_path, monkeypatch):
    """Another run has completed it in the meantime, and the browser is being sent it."""
    entries = [portrait(), portrait()]
    payload = written(entries, tmp_path)
    first, *_ = files_in(tmp_path)
    content = first.read_bytes()
    first.unlink()

    def held(self, target):
        Path(target).write_bytes(content)
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", held)
    assert written(entries, tmp_path) == payload
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("strip", [200, 10**6])
def test_a_name_that_cannot_be_taken_is_said(strip, tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "_STRIP", strip)

    def held(self, target):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", held)
    payload, note = payload_of([portrait(), portrait()], tmp_path)
    assert payload is None
    assert "in use" in note
    assert files_in(tmp_path) == []


# --- progress ------------------------------------------------------------------------------------


def test_progress_goes_up_to_all_rows_of_all_sources(tmp_path):
    told = []

    def progress(total):
        told.append(total)
        return told.append

    entries = [portrait(), portrait(noise(seed=1)), portrait()]
    written(entries, tmp_path, progress=progress)
    total, *done = told
    assert total == 2 * 50
    assert done == sorted(done)
    assert len(set(done)) == 8  # strips of 16 rows
    assert done[-1] == total
    told.clear()
    written(entries, tmp_path, progress=progress)
    assert told == [100, 50, 100]  # nothing was to be written


def test_a_run_that_the_user_stops_leaves_whole_files_alone(tmp_path):
    def stop(done):
        if done > 60:
            raise Stopped

    with pytest.raises(Stopped):
        payload_of([portrait(), portrait(noise(seed=1))], tmp_path, progress=lambda total: stop)
    left = files_in(tmp_path)
    assert left
    for path in left:
        assert path.suffix == ".png"
        with Image.open(path) as picture:
            picture.load()


# --- the payload ---------------------------------------------------------------------------------


def check_payload(payload):
    """The contract with web/comparer: these keys and no others, of these types."""
    whole, number, text = (int,), (int, float), (str,)

    def check(value, kinds):
        assert type(value) in kinds, value
        return value

    def keys(value, *names):
        assert type(value) is dict
        assert set(value) == set(names)

    def pair(value, kinds):
        assert type(value) is list
        assert len(value) == 2
        for one in value:
            check(one, kinds)

    keys(
        payload,
        "version", "sha", "region", "shape", "mm_measured", "panels", "blind", "registered",
    )  # fmt: skip
    assert payload["version"] == 1
    assert re.fullmatch("[0-9a-f]{64}", payload["sha"])
    check(payload["region"], text)
    pair(payload["shape"], number)
    assert min(payload["shape"]) > 0
    check(payload["mm_measured"], (bool,))
    check(payload["blind"], (bool,))
    assert 2 <= len(payload["panels"]) <= 16
    assert len(payload["registered"]) == len(payload["panels"])
    assert payload["registered"][0] is None
    for one in payload["registered"][1:]:
        keys(one, "ncc", "reason")
        check(one["ncc"], (float, type(None)))
        check(one["reason"], (str, type(None)))
    for panel in payload["panels"]:
        keys(
            panel,
            "label", "subline", "name", "size", "centre", "unit", "turn", "px_per_mm", "levels",
        )  # fmt: skip
        for name in ("label", "subline", "name"):
            check(panel[name], text)
        pair(panel["size"], whole)
        pair(panel["centre"], number)
        assert check(panel["unit"], number) > 0
        check(panel["turn"], number)
        check(panel["px_per_mm"], (*number, type(None)))
        for place, level in enumerate(panel["levels"]):
            keys(level, "scale", "size", "tiles")
            assert check(level["scale"], number) == 0.5**place
            pair(level["size"], whole)
            for tile in level["tiles"]:
                keys(tile, "x", "y", "w", "h", "filename", "subfolder", "type")
                for name in ("x", "y", "w", "h"):
                    check(tile[name], whole)
                assert max(tile["w"], tile["h"]) <= viewer.TILE
                assert tile["subfolder"] == "loupe"
                assert tile["type"] == "temp"
    assert json.loads(json.dumps(payload, allow_nan=False)) == payload


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"blind": True, "blind_seed": 5},
        {"roll": "level"},
        {"policy": "native"},
        {"policy": "levelled"},
        {"lock_scale": "iris"},
    ],
    ids=str,
)
def test_the_payload_keeps_the_contract(settings, tmp_path):
    entries = [portrait(), portrait(noise(seed=1), "two", iod=17.0, tilt=1.0), portrait(label="3")]
    check_payload(written(entries, tmp_path, **settings))


def test_places_are_those_of_the_lock_in_pixels_of_each_source(tmp_path):
    entries = [portrait(), portrait(noise(80, 90), x=41.0, y=44.0, iod=24.0)]
    for policy in ("same region", "native", "levelled"):
        one, other = written(entries, tmp_path, policy=policy)["panels"]
        assert (one["size"], other["size"]) == ([60, 50], [80, 90])
        assert (one["unit"], other["unit"]) == (12.0, 24.0)
        # the eyes' region has its middle 0.05 IOD above them
        assert one["centre"] == pytest.approx([30.0, 25.0 - 0.05 * 12])
        assert other["centre"] == pytest.approx([41.0, 44.0 - 0.05 * 24])
        assert other["px_per_mm"] == pytest.approx(2 * one["px_per_mm"])
        assert one["turn"] == 0


def test_a_levelled_head_says_how_far_it_is_turned(tmp_path):
    entries = [portrait(), portrait(tilt=3.0)]
    assert [one["turn"] for one in written(entries, tmp_path)["panels"]] == [0, 0]
    level = written(entries, tmp_path, roll="level")["panels"]
    assert level[0]["turn"] == 0
    assert level[1]["turn"] == pytest.approx(np.degrees(np.arctan2(6, 12)))


def test_a_blind_payload_shows_letters_in_the_plates_order_and_knows_the_names(tmp_path):
    entries = [portrait(noise(seed=seed), f"model {seed}") for seed in range(5)]
    payload = written(entries, tmp_path, blind=True, blind_seed=3)
    assert payload["blind"] is True
    assert [one["label"] for one in payload["panels"]] == list("ABCDE")
    assert not any(one["subline"] for one in payload["panels"])
    names = [one["name"] for one in payload["panels"]]
    assert sorted(names) == [panel.label for panel in entries]
    assert names != sorted(names)
    for panel in payload["panels"]:
        image = noise(seed=int(panel["name"][-1]))
        np.testing.assert_array_equal(put_together(panel["levels"][0], tmp_path), rounded(image))


def test_names_are_the_labels_where_nothing_is_hidden(tmp_path):
    payload = written([portrait(label="one"), portrait(label="  two\nlines ")], tmp_path)
    assert [one["label"] for one in payload["panels"]] == ["one", "two lines"]
    assert [one["name"] for one in payload["panels"]] == ["one", "two lines"]


def test_registration_is_handed_on(tmp_path):
    alike = Difference(torch.zeros(1, 1, 3), 0.97, (1.0, 0.0), 2.0, None)
    payload = written([portrait()] * 3, tmp_path, registered=[None, alike, DIFFERENT])
    assert payload["registered"] == [
        None,
        {"ncc": 0.97, "reason": None},
        {"ncc": 0.41, "reason": "not registered: NCC 0.41"},
    ]


def test_the_hash_tells_sources_and_places_apart_and_leaves_names_out(tmp_path):
    def sha(*entries):
        return written([portrait(), *entries], tmp_path)["sha"]

    plain = sha(portrait())
    assert sha(portrait(label="renamed")) == plain
    others = [sha(portrait(noise(seed=1))), sha(portrait(x=31.0)), sha(portrait(), portrait())]
    assert len({plain, *others}) == 4


@pytest.mark.parametrize("change", [{"unit": 3.0}, {"turn_deg": 1.0}, {"centre": (5.0, 7.0)}, {}])
def test_the_hash_tells_every_part_of_a_place(change):
    place = Locked((5.0, 6.0), 2.0)
    locks = [
        Lock(Region(0, 2, 0, 1), (one,), "", False) for one in (place, replace(place, **change))
    ]
    hashes = [viewer._places_sha256("eyes", one, ["ab"]) for one in locks]
    assert (hashes[0] == hashes[1]) == (not change)
    wider = replace(locks[0], shape=Region(0, 3, 0, 1))
    others = [viewer._places_sha256("lips", locks[0], ["ab"])]
    others.append(viewer._places_sha256("eyes", wider, ["ab"]))
    assert len({hashes[0], *others}) == 3


def test_a_payload_for_other_panels_than_the_plate_shows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="argument"):
        payload_of([portrait()] * 3, tmp_path, registered=[None])
    assert files_in(tmp_path) == []


# --- the folder ----------------------------------------------------------------------------------


def test_the_temp_folder_is_made_where_the_host_says(tmp_path, monkeypatch):
    if host.IN_COMFYUI:
        assert host.temp_folder().is_dir()
        return
    monkeypatch.delenv("LOUPE_TEMP", raising=False)
    assert host.temp_folder() is None
    monkeypatch.setenv("LOUPE_TEMP", str(tmp_path / "a" / "b"))
    assert host.temp_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.skipif(host.IN_COMFYUI, reason="the host's folder is its own")
def test_a_temp_folder_that_cannot_be_made_stops_no_run(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("in the way")
    monkeypatch.setenv("LOUPE_TEMP", str(tmp_path / "a" / "b"))
    payload, note = payload_of([portrait(), portrait()], host.temp_folder())
    assert payload is None
    assert "in the browser" in note
