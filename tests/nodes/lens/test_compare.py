import json

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.lens import compare as comparing
from portrait_loupe.nodes.lens.catalogue import DEFAULT, find_lens, lenses
from portrait_loupe.nodes.lens.compare import (
    COMPARED,
    DEFAULT_LEVELS,
    SHOWN,
    entries,
    make_comparison,
)
from portrait_loupe.nodes.lens.node_lens_compare import LensCompare
from portrait_loupe.nodes.lens.plan import Settings
from portrait_loupe.nodes.lens.render import render
from portrait_loupe.nodes.lens.strip import make_strip, tile_of
from portrait_loupe.nodes.lens.styles import styles

SETTINGS = Settings(find_lens(DEFAULT), -1.0, 12.0, source_px=1.0)
FACES = Faces((300, 260), ((Face(((120.0, 110.0), (180.0, 112.0))),),), "by hand")


@pytest.fixture
def picture():
    torch.manual_seed(11)
    coarse = torch.rand(1, 3, 65, 75)
    return (
        torch.nn.functional.interpolate(coarse, (260, 300), mode="bicubic")
        .clamp(0, 1)
        .movedim(1, -1)
    )


def test_all_is_what_nothing_asks_for():
    assert [name for name, _ in entries("styles", "", SETTINGS)] == list(styles())
    assert [name for name, _ in entries("characters", " \n", SETTINGS)] == list(lenses())
    assert [one.level for _, one in entries("levels", "", SETTINGS)] == list(DEFAULT_LEVELS)


@pytest.mark.parametrize("text", ["-1, 0, 0.5", "-1\n0\n0.5", "-1 0 0.5", " -1,0,0.5 ;"])
def test_levels_are_read_however_they_are_parted(text):
    assert [one.level for _, one in entries("levels", text, SETTINGS)] == [-1, 0, 0.5]


def test_names_are_read_by_lines_and_commas():
    names = list(lenses())[:3]
    for text in (", ".join(names), "\n".join(names)):
        found = entries("characters", text, SETTINGS)
        assert [(name, one.lens.name, one.level) for name, one in found] == [
            (n, n, -1.0) for n in names
        ]


@pytest.mark.parametrize(
    ("compared", "choices", "words"),
    [
        ("lenses", "", "compare must be one of"),
        ("levels", "soft", "got 'soft'"),
        ("levels", "-1, 2.5", "levels from -1 to 2"),
        ("levels", "nan", "got 'nan'"),
        ("characters", "kit zoom", "kit zoom"),
        ("styles", "ugly", "ugly"),
        ("levels", " ".join(["0"] * 25), "at most 24 entries"),
    ],
)
def test_what_is_not_there_is_named(compared, choices, words):
    with pytest.raises(ValueError, match=words):
        entries(compared, choices, SETTINGS)


@pytest.mark.parametrize("shown", SHOWN)
def test_a_tile_shows_what_the_lens_node_would_give(picture, shown):
    wanted = entries("levels", "-1, 0, 0.8, 1.6", SETTINGS)
    strip = make_comparison(picture, wanted, shown, 1024, faces=FACES)
    x, y, width, height = strip.box
    for (left, top), (_, settings) in zip(strip.origins, wanted, strict=True):
        full = render(picture, settings).picture[0, y : y + height, x : x + width]
        tile = strip.picture[0, top : top + height, left : left + width]
        assert_close(tile, full, atol=1e-5, rtol=0)


def test_the_original_changes_nothing_and_is_measured_as_1(picture):
    strip = make_comparison(picture, entries("levels", "0", SETTINGS), "whole picture", 1024)
    contrast, _ = strip.changes[0]
    assert contrast == pytest.approx(1)
    assert "micro-contrast x1.00" in strip.report


def test_the_face_or_the_detail_is_where_the_face_is(picture):
    detail = make_comparison(
        picture, entries("levels", "0", SETTINGS), "detail at 1:1", 96, faces=FACES
    )
    x, y, width, height = detail.box
    assert (width, height) == (96, 96)
    assert x < 150 < x + width
    assert y < 122 < y + height
    face = make_comparison(picture, entries("levels", "0", SETTINGS), "face", 96, faces=FACES).box
    assert face[0] < 120
    assert face[0] + face[2] > 180
    with pytest.raises(ValueError, match="needs faces: link Find Faces"):
        make_comparison(picture, entries("levels", "0", SETTINGS), "face", 96)


def test_a_strip_has_a_place_for_each_and_no_more_than_fits():
    tiles = [torch.full((40, 60, 3), value / 10) for value in range(5)]
    strip, origins = make_strip(tiles, ["a"] * 5, ["1"] * 5)
    for tile, (x, y) in zip(tiles, origins, strict=True):
        assert torch.equal(strip[0, y : y + 40, x : x + 60], tile)
    with pytest.raises(ValueError, match="at most 8192"):
        make_strip([torch.zeros(1024, 1024, 3)] * 80, ["a"] * 80, ["1"] * 80)


def test_tiles_shrink_in_linear_light_and_never_grow():
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    picture = board[..., None].expand(-1, -1, 3).float()
    small = tile_of(picture, (0, 0, 64, 64), 32)
    assert small.shape == (32, 32, 3)
    assert_close(small, torch.full_like(small, 0.7354), atol=1e-3, rtol=0)  # half of the light
    assert torch.equal(tile_of(picture, (8, 8, 16, 16), 32), picture[8:24, 8:24])


def test_a_long_name_stays_in_its_tile():
    strip, _ = make_strip(
        [torch.zeros(96, 96, 3)] * 2,
        ["a very long name of a lens " * 2, "b"],
        ["x", "y"],
        columns=2,
    )
    # beside the first tile's caption the ground is bare
    gap = strip[0, :, 101:104]
    assert float(gap.max()) < 0.2


def test_a_stopped_run_stops(picture):
    def progress(total):
        def tick(done):
            raise KeyboardInterrupt

        return tick

    with pytest.raises(KeyboardInterrupt):
        make_comparison(
            picture, entries("levels", "", SETTINGS), "detail at 1:1", 96, progress=progress
        )


@pytest.mark.parametrize("compared", COMPARED)
def test_the_node_gives_strip_report_and_json(picture, compared):
    choices = {"levels": "-1, 1", "characters": DEFAULT, "styles": next(iter(styles()))}[compared]
    result = LensCompare.execute(
        picture, compared, choices, DEFAULT, -1.0, 12.0, "detail at 1:1", 96
    )
    strip, report, text = result.args
    assert strip.shape[0] == 1
    assert torch.isfinite(strip).all()
    told = json.loads(text)
    assert len(told["entries"]) == len(report.splitlines()) - 1
    assert result.ui == {"loupe_report": [report]}


@pytest.mark.parametrize(
    ("shown", "tile_px", "words"),
    [("nose", 96, "show must be one of"), ("face", 10, "tile_px must be 96 to 1024")],
)
def test_settings_out_of_range_are_refused(picture, shown, tile_px, words):
    with pytest.raises(ValueError, match=words):
        make_comparison(picture, entries("levels", "0", SETTINGS), shown, tile_px, faces=FACES)


def test_a_declined_level_is_said_in_the_strip(picture, monkeypatch):
    monkeypatch.setattr(comparing, "source_of", lambda *_: (0.45, "the source has halos"))
    strip = make_comparison(
        picture, entries("levels", "0.5", Settings(find_lens(DEFAULT), 0.0)), "detail at 1:1", 96
    )
    assert "level 0.5: not applied: the source has halos" in strip.report
