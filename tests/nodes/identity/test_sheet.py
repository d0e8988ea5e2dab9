from dataclasses import replace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity import sheet as sheets
from portrait_loupe.nodes.identity.aggregate import unit_rows
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference
from portrait_loupe.nodes.identity.sheet import (
    GAP,
    MARGIN,
    MOST_A_ROW,
    TILE,
    aligned_faces,
    draw_sheet,
)
from portrait_loupe.nodes.labels import width_of


def reference(number, **other):
    """A face whose crop is a flat grey of its own: 2 for the first, 4 for the second, ..."""
    grey = 2 * number + 2
    values = {
        "quality": 1.0,
        "parts": {},
        "photo_sha256": f"{number:064x}",
        "eyes": ((40.0, 50.0), (80.0, 52.0)),
        "points": (),
        "image_size": (120, 160),
        "iod_px": 40.0,
        "yaw_deg": None,
        "pitch_deg": None,
        "blur_px": None,
        "median_luma": 0.3,
        "crop112": np.full((112, 112, 3), grey, np.uint8),
        "crop512": np.full((512, 512, 3), grey, np.uint8),
    }
    return Reference(**{**values, **other})


def identity(count, strangers=(), **other):
    rng = np.random.default_rng(count)
    truth = unit_rows(rng.standard_normal((1, 512)))[0]
    rows = 0.8 * truth + 0.6 * unit_rows(rng.standard_normal((count, 512)))
    for row in strangers:
        rows[row] = unit_rows(rng.standard_normal((1, 512)))[0]
    embedded = (Embedded("w600k_r50", "ab" * 32, "", rows.astype(np.float32)),)
    references = tuple(reference(number) for number in range(count))
    return Identity(**{"name": "Ada", "references": references, "embedded": embedded, **other})


def tile(sheet, count, place):
    """The crop's square on the sheet, values 0..255."""
    columns = min(MOST_A_ROW, max(3, count))
    found = (sheet[0] * 255).round().numpy()
    rows = -(-count // columns)
    tall = (found.shape[0] - top_of(found)) // rows
    x = MARGIN + place % columns * (TILE + GAP)
    y = top_of(found) + place // columns * tall
    return found[y : y + TILE, x : x + TILE]


def top_of(found):
    """The first row of the first crop: its grey is 2."""
    return int(np.argmax(found[:, MARGIN + TILE - 1, 0] == 2))


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 17, 64])
def test_every_face_stands_in_its_place_and_no_more_than_eight_in_a_row(count):
    sheet = draw_sheet(identity(count))
    assert sheet.dtype == torch.float32
    assert sheet.shape[0] == 1
    assert sheet.shape[3] == 3
    assert 0 <= sheet.min() < sheet.max() <= 1
    columns = min(8, max(3, count))
    assert sheet.shape[2] == 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    for place in range(count):
        assert (tile(sheet, count, place)[TILE // 2, TILE - 1] == 2 * place + 2).all()


def test_a_rejected_face_is_marked_by_a_cross_not_by_colour_alone():
    sheet = draw_sheet(identity(5, strangers=[3]))
    kept, rejected = (tile(sheet, 5, place).mean(-1) for place in (2, 3))
    clear = kept[40:, 60:]  # beside the number
    assert np.ptp(clear) == 0
    diagonal = [rejected[i, i] for i in range(50, 180)]
    assert min(diagonal) > 100  # light, on any monitor without colours
    assert rejected[100, 140] == 8  # the face is still seen between its strokes


def test_a_forced_face_is_not_crossed_out():
    one = identity(5, strangers=[3])
    forced = tuple(
        replace(r, forced=True if i == 3 else None) for i, r in enumerate(one.references)
    )
    sheet = draw_sheet(replace(one, references=forced))
    assert np.ptp(tile(sheet, 5, 3).mean(-1)[40:, 60:]) == 0


def test_a_face_without_a_crop_is_a_tile_that_says_so():
    one = identity(3)
    bare = replace(
        one,
        references=(
            one.references[0],
            *(replace(r, crop112=None, crop512=None) for r in one.references[1:]),
        ),
    )
    square = tile(draw_sheet(bare), 3, 1).mean(-1)
    assert square[:, TILE // 2 - 40 : TILE // 2 + 40].max() > 120  # words
    assert np.median(square) < 60


def test_an_identity_without_an_encoder_or_with_an_endless_name_is_drawn():
    one = replace(identity(2), embedded=(), name="Ada " * 500)
    assert draw_sheet(one).shape == draw_sheet(replace(one, name="Ada")).shape
    partly = identity(3)
    raw = partly.embedded[0].raw.copy()
    raw[1] = 0
    assert torch.isfinite(
        draw_sheet(replace(partly, embedded=(Embedded("e", "cd" * 32, "", raw),)))
    ).all()


def test_the_aligned_faces_are_the_kept_ones_best_first():
    one = identity(4, strangers=[1])
    best_last = replace(
        one, references=tuple(replace(r, quality=(i + 1) / 4) for i, r in enumerate(one.references))
    )
    faces = aligned_faces(best_last)
    assert faces.shape == (3, 512, 512, 3)
    order = np.argsort(-best_last.weights(best_last.embedded[0]))[:3]
    assert [round(float(face.max()) * 255) for face in faces] == [2 * place + 2 for place in order]
    assert order[0] == 3
    unseen = replace(best_last, embedded=())
    assert [round(float(face.max()) * 255) for face in aligned_faces(unseen)] == [8, 6, 4, 2]


def test_without_crops_the_aligned_output_is_one_black_picture():
    faces = aligned_faces(identity(2).without_crops())
    assert faces.shape == (1, 512, 512, 3)
    assert faces.max() == 0


def test_the_fate_of_a_face_is_never_cut_short():
    """The longest words are those of strangers and of faces that the user keeps."""
    one = identity(6, strangers=[1, 4])
    forced = tuple(
        replace(r, forced={0: True, 2: False}.get(i)) for i, r in enumerate(one.references)
    )
    told = replace(one, references=forced)
    fates = [sheets._lines(told, place, bool(kept))[2][0] for place, kept in enumerate(told.kept())]
    assert fates[0].startswith("kept by you, score ")
    assert fates[1].startswith("REJECTED, score ")
    assert fates[2] == "REJECTED by you"
    assert all(width_of(fate, sheets.LETTERS) <= TILE for fate in [*fates, "REJECTED, score -0.10"])


def test_another_encoder_that_rejects_a_face_is_named():
    one = identity(5)
    other = replace(identity(5, strangers=[2]).embedded[0], encoder="glintr100")
    both = replace(one, embedded=(*one.embedded, other))
    _, (by, _), (fate, _) = sheets._lines(both, 2, bool(both.kept()[2]))
    assert by == "by glintr100"
    assert fate == f"REJECTED, score {sheets._figure(both.judge(other).score[2])}"
