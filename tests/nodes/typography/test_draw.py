import unicodedata
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from portrait_loupe.nodes.typography import (
    BOX,
    band,
    draw_line,
    font,
    fonts,
    length,
    missing,
    missing_letters,
    runs,
)
from portrait_loupe.nodes.typography.clusters import is_ignorable

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"
THUMB = "\U0001f44d\U0001f3fd"
HEART = "\u2764\ufe0f"
KEYCAP = "1\ufe0f\u20e3"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
ARABIC = "\u0633\u0644\u0627\u0645"  # seen, lam, alef, meem
DEVANAGARI = "\u0915\u094d\u0937\u093f"
CHINESE = "\u6a21\u578b"
KA = "\u0915"

AWKWARD = {
    "empty": "",
    "blank": " \t\n ",
    "latin": "GPT Image 2 \xb7 5.6\xd7 \xb5 \u2265 \u2192 \xe9\xdf",
    "chinese": CHINESE + "\u3000\u30e2\u30c7\u30eb\uff12",
    "arabic": ARABIC,
    "hebrew": HEBREW,
    "mixed": f"Flux {HEBREW} (v2.1) {ARABIC} 50%",
    "devanagari": DEVANAGARI,
    "family": FAMILY,
    "flags": FLAG * 3 + "\U0001f1eb",
    "emoji": f"a {THUMB}{HEART}{KEYCAP}\U0001f600 b",
    "200": "recraft_v4-" * 18,
    "script": "<script>alert('x')</script>",
    "control": "a\x00\x07\x1b[31mb\x7f\x9b\ud800\udfff\ufeff\ufffe",
    "override": "safe\u202egnp.exe\u2066\u2067\u2069\u200f\u061c",
    "marks": "Z" + "\u0301\u0323\u0489" * 300,
    "lone marks": "\u0301\u0301",
    "selectors": "\ufe0f\u200d\ufe0e\U000e0041\U000e0100",
    "private": "\ue000\U0010fffd\U0001faff\U000323af",
    "virama": "\u0915\u094d" * 200,
    "ligature": "\ufdfa \ufdfd \u2a0c",
}


@pytest.fixture(params=["raqm", "basic"])
def layout(request, monkeypatch):
    if request.param == "raqm" and not features.check("raqm"):
        pytest.skip("Pillow has no raqm here")
    monkeypatch.setattr(fonts, "can_shape", lambda: request.param == "raqm")
    return request.param


# --- one font ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bold", [False, True])
def test_a_latin_line_is_what_pillow_draws(bold, drawn):
    plain = Image.new("L", (1200, 200))
    letters = font(40, bold=bold)
    ImageDraw.Draw(plain).text(
        (20, 100), "AVA fi 0.25\xd7 \xe9", 255, letters, "ls", direction=None
    )
    assert np.array_equal(drawn("AVA fi 0.25\xd7 \xe9", bold=bold), np.asarray(plain))


def test_anchors_place_the_line_by_its_width(drawn):
    width = length("Portrait", 40)
    left, middle, right = (
        np.flatnonzero(drawn("Portrait", anchor=anchor).any(0)) for anchor in ("ls", "ms", "rs")
    )
    assert 18 <= left[0] <= 26  # the P begins a little after its place
    assert right[-1] <= 20 if len(right) else width > 20  # it left the canvas to the left
    picture = Image.new("L", (1200, 200))
    pen = ImageDraw.Draw(picture)
    draw_line(pen, (600, 100), "Portrait", 40, 255, anchor="ms")
    draw_line(pen, (600, 150), "Portrait", 40, 255, anchor="rs")
    rows = np.asarray(picture)
    centred, ended = np.flatnonzero(rows[60:112].any(0)), np.flatnonzero(rows[112:160].any(0))
    # to a pixel for rounding, and the few by which P and t keep away from their own ends
    assert (centred[0] + centred[-1]) / 2 == pytest.approx(600, abs=4)
    assert 590 <= ended[-1] <= 601
    assert len(middle)


def test_a_line_beyond_the_canvas_draws_what_is_on_it():
    whole = Image.new("L", (1200, 200))
    draw_line(ImageDraw.Draw(whole), (100, 100), "wide words", 40, 255)
    part = Image.new("L", (120, 200))
    draw_line(ImageDraw.Draw(part), (0, 100), "wide words", 40, 255)
    assert np.array_equal(np.asarray(part), np.asarray(whole)[:, 100:220])
    nothing = Image.new("L", (50, 200))
    draw_line(ImageDraw.Draw(nothing), (60, 100), "beyond", 10, 255)
    assert not np.asarray(nothing).any()


def test_a_line_takes_the_colour_of_its_fill():
    picture = Image.new("RGB", (200, 80), (10, 20, 30))
    draw_line(ImageDraw.Draw(picture), (5, 60), BOX, 60, (200, 150, 100))
    colours = {colour for _, colour in picture.getcolors(10**6)}
    assert {(10, 20, 30), (200, 150, 100)} <= colours


def test_the_parts_of_a_line_add_up_to_its_width(tmp_path, drawn, make_font):
    mine = make_font(tmp_path / "Mine.ttf", "A")
    pieces = ["A", "bc", "A"]
    total = sum(length(piece, 40, user_font=mine) for piece in pieces)
    assert length("".join(pieces), 40, user_font=mine) == pytest.approx(total)
    edges = np.flatnonzero(np.diff((drawn("AbcA", user_font=mine) == 255).all(0)))
    assert list(edges) == sorted(edges)


# --- awkward texts ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("bold", [False, True])
def test_no_text_breaks_a_line_or_leaves_its_band(text, bold, layout, drawn):
    rows = np.flatnonzero(drawn(text, bold=bold, width=6000).any(1))
    above, below = band(40)
    assert all(100 - above <= row < 100 + below for row in rows)
    assert length(text, 40, bold=bold) >= 0


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_no_letter_is_drawn_that_its_font_lacks(text, layout):
    from fontTools.ttLib import TTFont

    for part, letters in runs(text, 40):
        with TTFont(letters.path) as file:
            known = file.getBestCmap()
        steering = [sign for sign in part if is_ignorable(sign)]
        assert {ord(sign) for sign in part if sign not in steering} <= set(known)


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_what_is_called_complete_has_no_box_in_it(text, layout):
    if missing_letters(text):
        return
    unknown = bytes(font(40).getmask("\U0010ffff"))
    for part, letters in runs(text, 40):
        for sign in part:
            if unicodedata.category(sign)[0] in "LNPS":
                assert bytes(letters.getmask(sign)) != unknown
                assert sign != BOX


def test_the_awkward_texts_that_dejavu_has_are_complete():
    complete = [name for name, text in AWKWARD.items() if not missing_letters(text)]
    assert {"empty", "blank", "latin", "arabic", "hebrew", "mixed", "200", "script"} <= set(
        complete
    )
    assert not {"chinese", "devanagari", "family", "flags", "private"} & set(complete)


def test_letters_are_as_high_as_their_size(drawn):
    """From accent to descender: what cannot be smaller than the least size."""
    for size in (16, 24, 60):
        rows = np.flatnonzero(drawn("\xc9gj|", size).any(1))
        assert rows[-1] - rows[0] + 1 >= size


def test_a_line_of_ten_thousand_letters_is_cut_off_by_the_canvas_alone(drawn):
    assert drawn("w" * 10_000, 16, 3000)[:, -20:].any()


def test_piled_up_marks_stay_on_their_line(drawn):
    text = AWKWARD["marks"]
    assert drawn(text).any()
    assert not drawn(text)[: 100 - band(40)[0]].any()


def test_letters_beyond_the_band_are_cut_off(tmp_path, drawn, make_font):
    tall = make_font(tmp_path / "Tall.ttf", "A", low=-2000, high=3000)
    above, below = band(40)
    rows = np.flatnonzero(drawn("A", user_font=tall).any(1))
    assert (rows[0], rows[-1]) == (100 - above, 100 + below - 1)


def test_what_is_left_out_leaves_no_blank_behind(drawn):
    for text in (f"a {FLAG}", f"{FLAG} a", f"{FLAG} a {FLAG} {FLAG}"):
        assert length(text, 40) == length("a", 40)
        assert np.array_equal(drawn(text), drawn("a"))


def test_what_this_machine_has_draws_every_awkward_text(monkeypatch, drawn):
    monkeypatch.undo()
    for text in AWKWARD.values():
        drawn(text)
        missing(text)


def test_the_battery_has_no_text_twice():
    assert all(one != other for one, other in pairwise(sorted(AWKWARD.values())))


# --- what is missing --------------------------------------------------------------------------


def test_letters_that_no_font_has_are_boxes_and_named(drawn):
    assert missing_letters(f"a{KA}b{KA}") == KA
    assert "".join(part for part, _ in runs(f"a{KA}b", 20)) == f"a{BOX}b"
    (sentence,) = missing(f"a{KA}")
    assert KA in sentence
    assert "empty boxes" in sentence
    assert np.array_equal(drawn(KA), drawn(BOX))


def test_one_box_stands_for_one_cluster():
    assert "".join(part for part, _ in runs(DEVANAGARI, 20)) == BOX


def test_emoji_that_no_font_has_are_left_out_and_named():
    text = f"a {FAMILY}{FLAG} b"
    assert "".join(part for part, _ in runs(text, 20)) == "a b"
    assert missing_letters(text) == "\U0001f468\U0001f469\U0001f467\U0001f1e9\U0001f1ea"
    (sentence,) = missing(text)
    assert "left out" in sentence


def test_an_emoji_that_dejavu_has_is_drawn(drawn):
    assert missing_letters("\U0001f600") == ""
    assert drawn("\U0001f600").any()


def test_a_base_is_drawn_where_only_its_mark_is_missing():
    mark = "\U0001e8d0"  # Mende Kikakui: a mark in no font here
    assert "".join(part for part, _ in runs(f"a{mark}", 20)) == f"a{BOX}"
    assert missing_letters(f"a{mark}") == mark


def test_a_long_list_of_missing_letters_is_counted():
    (sentence,) = missing("".join(chr(code) for code in range(0x4E00, 0x4E80)))
    assert "and 104 more" in sentence
    assert len(sentence) < 200


def test_nothing_is_said_of_a_line_that_is_well():
    assert missing("GPT Image 2") == []


# --- colours ----------------------------------------------------------------------------------


def make_bitmap_font(path, letter, colour, side=100, ppem=109):
    """A font like the emoji of most Linux systems: one picture, at one size, and no outlines."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib import newTable
    from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
    from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
    from fontTools.ttLib.tables.E_B_L_C_ import SbitLineMetrics, Strike, eblc_index_sub_table_1

    order = [".notdef", "space", "emoji"]
    builder = FontBuilder(2048, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap({32: "space", ord(letter): "emoji"})
    builder.setupHorizontalMetrics(dict.fromkeys(order, (2048, 0)))
    builder.setupHorizontalHeader(ascent=1900, descent=-500)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.font["maxp"].numGlyphs = len(order)

    strike = Strike()
    table = strike.bitmapSizeTable
    table.colorRef, table.bitDepth, table.flags = 0, 32, 1
    table.startGlyphIndex = table.endGlyphIndex = 2
    table.ppemX = table.ppemY = ppem
    for name in ("hori", "vert"):
        line = SbitLineMetrics()
        for field in (
            "ascender", "descender", "widthMax", "caretSlopeNumerator", "caretSlopeDenominator",
            "caretOffset", "minOriginSB", "minAdvanceSB", "maxBeforeBL", "minAfterBL", "pad1", "pad2",
        ):  # fmt: skip
            setattr(line, field, 0)
        line.ascender, line.descender, line.widthMax = 101, -27, ppem
        setattr(table, name, line)
    index = eblc_index_sub_table_1(b"", builder.font)
    index.names, index.indexFormat, index.imageFormat = ["emoji"], 1, 17
    index.firstGlyphIndex = index.lastGlyphIndex = 2
    strike.indexSubTables = [index]

    png = BytesIO()
    Image.new("RGBA", (side, side), colour).save(png, "PNG")
    bitmap = cbdt_bitmap_format_17(b"", builder.font)
    bitmap.imageData, bitmap.metrics = png.getvalue(), SmallGlyphMetrics()
    bitmap.metrics.height = bitmap.metrics.width = side
    bitmap.metrics.BearingX, bitmap.metrics.BearingY, bitmap.metrics.Advance = 4, 90, ppem

    builder.font["CBLC"], builder.font["CBDT"] = newTable("CBLC"), newTable("CBDT")
    builder.font["CBLC"].version = builder.font["CBDT"].version = 3.0
    builder.font["CBLC"].strikes = [strike]
    builder.font["CBDT"].strikeData = [{"emoji": bitmap}]
    builder.save(path)
    return path


def test_an_emoji_of_coloured_layers_is_drawn_in_its_colours(system, make_font):
    make_font(system / "Emoji.ttf", "\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    picture = Image.new("RGB", (120, 100))
    draw_line(ImageDraw.Draw(picture), (10, 80), "a\U0001f468", 40, (0, 255, 0))
    colours = {colour for _, colour in picture.getcolors(10**6)}
    assert {(255, 0, 0), (0, 255, 0)} <= colours
    assert missing("a\U0001f468") == []


def test_a_grey_pen_draws_the_outline_of_an_emoji(system, drawn, make_font):
    make_font(system / "Emoji.ttf", "\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    assert drawn("\U0001f468").max() == 255


def test_an_emoji_of_bitmaps_is_drawn_at_the_size_of_its_line(system, drawn):
    make_bitmap_font(system / "Emoji.ttf", "\U0001f468", (255, 0, 0, 255))
    picture = Image.new("RGB", (200, 100))
    draw_line(ImageDraw.Draw(picture), (10, 80), "a\U0001f468b", 40, (0, 255, 0))
    red, green, _ = np.moveaxis(np.asarray(picture), -1, 0)
    rows, columns = np.flatnonzero((red > 64).any(1)), np.flatnonzero((red > 64).any(0))
    # 100 of 109 px: 36.7 at a size of 40, from 33 above the line
    assert columns[-1] - columns[0] + 1 == pytest.approx(37, abs=1)
    assert (rows[0], rows[-1]) == (pytest.approx(47, abs=1), pytest.approx(83, abs=1))
    assert np.flatnonzero((green > 64).any(0))[-1] > columns[-1]
    assert length("\U0001f468", 40) == pytest.approx(40)
    assert missing("a\U0001f468b") == []
    assert drawn("\U0001f468").max() == 255


def test_a_half_transparent_emoji_keeps_its_colour(system):
    make_bitmap_font(system / "Emoji.ttf", "\U0001f468", (255, 0, 0, 128))
    picture = Image.new("RGB", (120, 100), (0, 0, 255))
    draw_line(ImageDraw.Draw(picture), (10, 80), "\U0001f468", 109, "white")
    # over, in coded values: 255 * 128 / 255 of red
    assert picture.getpixel((60, 60)) == (128, 0, 127)


def test_letters_of_a_coloured_font_that_have_no_colours_take_the_fill(tmp_path, make_font):
    mine = make_font(tmp_path / "Mine.ttf", "a\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    picture = Image.new("RGB", (200, 100))
    draw_line(ImageDraw.Draw(picture), (10, 80), "a\U0001f468", 40, (0, 255, 0), user_font=mine)
    assert [part for part, _ in runs("a\U0001f468", 40, user_font=mine)] == ["a\U0001f468"]
    assert {(255, 0, 0), (0, 255, 0)} <= {colour for _, colour in picture.getcolors(10**6)}
