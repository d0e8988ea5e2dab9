"""The contact sheet: every take at the same region and scale, from its own pixels."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.nodes.casting.sheet import (
    BEST,
    MARGIN,
    MOST_WIDE,
    REJECTED,
    SIDE,
    SMALL,
    draw_sheet,
    offered_panels,
)
from portrait_loupe.nodes.casting.take import Cast
from portrait_loupe.nodes.comparison.regions import PLATE_REGIONS
from portrait_loupe.nodes.framing.faces import Face

EVIDENCE = SimpleNamespace(distance=1.5, gate=None, reason="within the corridor", face_px=900.0, figures={}, out=())  # fmt: skip


def cast_of(*takes, region="left cheek"):
    return Cast(takes, region, "a portrait", "shipped 1a2b", "", "typed eyes")


def noise(side, seed=1):
    return torch.rand(1, side, side, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def portrait(make_take):
    """A take whose cheek has as many pixels as its tile: eyes 480 px apart, the region 0.5 of that."""

    def made(number=1, picture=None, scale=1, **changes):
        at = [(260 * scale, 100 * scale), (740 * scale, 100 * scale)]
        picture = noise(1000) if picture is None else picture
        given = {
            "picture": picture,
            "face": Face((at[0], at[1])),
            "evidence": EVIDENCE,
            "rank": number,
        }
        return replace(make_take(number), **{**given, **changes})

    return made


def tile(sheet, place=0, side=SIDE):
    """The tile of a place in the first row: below title and name, whose heights the first tile tells."""
    lit = (sheet[0] - torch.tensor([22, 22, 24]) / 255).abs().sum(-1) > 0.02
    inside = lit[:, MARGIN + 20 : MARGIN + side - 20].all(-1)
    top = int(inside.nonzero()[0])
    left = MARGIN + place * (side + 18)
    return sheet[0, top : top + side, left : left + side], top


def codes(picture):
    return (picture * 255).round()


def count_of(sheet, colour):
    return int(((sheet[0] * 255).round() == torch.tensor(colour).float()).all(-1).sum())


def test_where_tile_and_source_have_the_same_scale_the_tile_is_the_sources_own_pixels(portrait):
    take = portrait(rank=None, evidence=None)
    found, _ = tile(draw_sheet(cast_of(take)))
    # left cheek: its middle is at u -0.68, v 0.65, the eyes' middle at (500, 100). The box begins within
    # a pixel, so that each of the tile's is the light of two neighbours
    exact = 500 - 0.68 * 480 - SIDE / 2
    whole, part = int(exact), exact - int(exact)
    light = srgb_to_linear(take.picture[0])
    top = round(100 + 0.65 * 480 - SIDE / 2)
    rows = slice(top, top + SIDE)
    mixed = light[rows, whole : whole + SIDE] * (1 - part) + light[rows, whole + 1 : whole + 1 + SIDE] * part  # fmt: skip
    assert (codes(found) - codes(linear_to_srgb(mixed))).abs().max() <= 1


def test_the_same_picture_at_twice_the_size_gives_the_same_tile(portrait):
    small = noise(1000)
    large = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    sheet = draw_sheet(cast_of(portrait(1, small), portrait(2, large, scale=2)))
    first, _ = tile(sheet)
    second, _ = tile(sheet, 1)
    inner = slice(4, -4)  # the frame of the best stands around the tile
    assert (codes(first) - codes(second))[inner, inner].abs().max() <= 1


def test_nothing_overshoots_a_step(portrait):
    step = torch.full((1, 1000, 1000, 3), 0.2)
    step[:, :, 90:] = 0.8  # in the middle of the cheek
    found, _ = tile(draw_sheet(cast_of(portrait(1, step, scale=0.5))))  # enlarged twice
    inner = found[5:-5, 5:-5]
    assert codes(inner).min() == 51
    assert codes(inner).max() == 204


def test_only_the_best_and_what_is_too_close_to_it_is_framed(portrait):
    far = replace_distance(portrait(2, noise(1000, 2)), 5.0)
    one = count_of(draw_sheet(cast_of(portrait(1), far)), BEST)
    near = replace_distance(portrait(2, noise(1000, 2)), 1.9)
    both = count_of(draw_sheet(cast_of(portrait(1), near)), BEST)
    none = count_of(draw_sheet(cast_of(portrait(1, rank=None, evidence=None))), BEST)
    assert both > 1.8 * one > 0
    assert none == 0


def replace_distance(take, distance):
    told = SimpleNamespace(**{**vars(EVIDENCE), "distance": distance})
    return replace(take, evidence=told)


def test_rejected_takes_are_small_and_framed_in_their_colour(portrait, make_take):
    white = torch.ones(1, 300, 600, 3)
    rejected = replace(make_take(2, rejected="blank: nothing"), picture=white)
    alone = draw_sheet(cast_of(portrait(1)))
    sheet = draw_sheet(cast_of(portrait(1), rejected))
    assert count_of(alone, REJECTED) == 0
    edge = 2 * (2 * SMALL + 2 * SMALL // 2) - 16
    assert count_of(sheet, REJECTED) >= edge
    assert count_of(sheet, (255, 255, 255)) == (SMALL - 4) * (SMALL // 2 - 4)


def test_the_rejected_stand_behind_the_offered_of_their_model(portrait, make_take):
    rejected = replace(make_take(1, rejected="no face found"), picture=torch.ones(1, 64, 64, 3))
    _, top = tile(draw_sheet(cast_of(rejected, portrait(2))))
    found, same = tile(draw_sheet(cast_of(portrait(2), rejected)))
    assert top == same
    assert found.shape == (SIDE, SIDE, 3)


def test_a_region_beyond_the_picture_is_hatched(portrait):
    outside = portrait(1, noise(1000), face=Face(((10.0, 970.0), (490.0, 970.0))))
    found, _ = tile(draw_sheet(cast_of(outside)))
    grays = found[6:-6, 6:-6]
    assert set(codes(grays).unique().int().tolist()) <= {codes(torch.tensor(v)).int().item() for v in (0.32, 0.38)}  # fmt: skip


def test_regions_of_any_shape_and_casts_of_any_size_are_drawn(portrait):
    shapes = sorted(PLATE_REGIONS, key=lambda name: PLATE_REGIONS[name].width / PLATE_REGIONS[name].height)  # fmt: skip
    for region in (shapes[0], shapes[-1]):
        sheet = draw_sheet(cast_of(portrait(1, noise(300), scale=0.3), region=region))
        assert sheet.shape[0] == 1
        assert sheet.shape[2] <= MOST_WIDE
    tall = noise(300)
    many = [portrait(n, tall, scale=0.3, rank=None, evidence=None, model="one") for n in range(1, 11)]  # fmt: skip
    assert draw_sheet(cast_of(*many)).shape[2] <= MOST_WIDE


def test_a_cast_without_anything_to_offer_is_drawn(make_take):
    sheet = draw_sheet(cast_of(make_take(1, rejected="no face found", face=False)))
    assert count_of(sheet, REJECTED) > 0
    assert draw_sheet(cast_of(make_take(1, face=False))).shape[0] == 1


@pytest.mark.parametrize("name", ["", "x" * 400, "\u8096\u50cf \u0645\u0631\u062d\u0628\u0627 \U0001f600", "<script>alert(1)</script>", "a\nb\x00c"])  # fmt: skip
def test_any_name_is_drawn_within_the_sheet(portrait, name):
    plain = draw_sheet(cast_of(portrait(1)))
    sheet = draw_sheet(cast_of(portrait(1, model=name)))
    assert sheet.shape == plain.shape
    ground = torch.tensor([22, 22, 24]) / 255
    assert (sheet[0, :, : MARGIN - 4] - ground).abs().max() < 0.01
    assert (sheet[0, :, -MARGIN:] - ground).abs().max() < 0.01


def test_the_offered_takes_become_panels_with_number_model_and_seed(portrait, make_take):
    takes = [portrait(1), make_take(2, rejected="blank"), portrait(3, seed=None)]
    one, other = offered_panels(takes)
    assert (one.label, one.subline) == ("1 \N{MIDDLE DOT} Recraft V4", "seed 7")
    assert (other.label, other.subline) == ("3 \N{MIDDLE DOT} Recraft V4", "seed n/a")
    assert one.face is takes[0].face
