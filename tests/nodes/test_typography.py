import sys
import unicodedata
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from portrait_loupe.nodes import typography
from portrait_loupe.nodes.typography import (
    BOX,
    band,
    clusters,
    draw_line,
    find_font,
    font,
    length,
    missing,
    missing_letters,
    one_line,
    runs,
)

needs_raqm = pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no raqm here")

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


def make_font(path, letters, *, em=1000, low=0, high=700, colour=None, empty=False):
    """A font whose every letter is a filled box, as wide as it is high; emoji have a colour, if any."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {ord(letter): f"u{ord(letter):04X}" for letter in letters}
    order = [".notdef", "space", *names.values(), *(["layer"] if colour else [])]

    def box(size, hollow=False):
        pen = TTGlyphPen(None)
        for inset, turn in ((0, 1), *(((60, -1),) if hollow else ())):
            far = size - inset
            near = low + inset
            corners = [(inset, near), (inset, far), (far, far), (far, near)][::turn]
            pen.moveTo(corners[0])
            for corner in corners[1:]:
                pen.lineTo(corner)
            pen.closePath()
        return pen.glyph()

    builder = FontBuilder(em, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap({32: "space", **names})
    nothing = TTGlyphPen(None).glyph()
    builder.setupGlyf(
        {
            name: nothing
            if name == "space" or (empty and name != ".notdef")
            else box(high, hollow=name == ".notdef")
            for name in order
        }
    )
    builder.setupHorizontalMetrics(dict.fromkeys(order, (high + 100, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, sTypoDescender=-200)
    builder.setupPost()
    if colour:
        emoji = [name for code, name in names.items() if code > 0xFFFF]
        builder.setupCOLR({name: [("layer", 0)] for name in emoji}, version=0)
        builder.setupCPAL([[colour]])
    builder.save(path)
    return path


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


def make_variable_font(path, letter):
    """A font whose default is its thinnest: as wide as it is high at weight 100, twice that at 900."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.tables.TupleVariation import TupleVariation

    builder = FontBuilder(font=TTFont(make_font(path, letter)))
    builder.setupFvar([("wght", 100, 100, 900, "Weight")], [])
    name = f"u{ord(letter):04X}"
    # four corners, then the phantom points: left, right, top, bottom
    wider = [(0, 0), (0, 0), (800, 0), (800, 0), (0, 0), (800, 0), (0, 0), (0, 0)]
    builder.setupGvar({name: [TupleVariation({"wght": (0, 1, 1)}, wider)]})
    builder.save(path)
    return path


@pytest.fixture(autouse=True)
def no_system_fonts(monkeypatch):
    """What holds must hold on a machine without any font."""
    monkeypatch.setattr(typography, "font_folders", lambda: ())


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A folder of system fonts, empty."""
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(typography, "font_folders", lambda: (folder,))
    return folder


@pytest.fixture(params=["raqm", "basic"])
def layout(request, monkeypatch):
    if request.param == "raqm" and not features.check("raqm"):
        pytest.skip("Pillow has no raqm here")
    monkeypatch.setattr(typography, "can_shape", lambda: request.param == "raqm")
    return request.param


def drawn(text, size=40, width=1200, **keywords):
    """White on black, the baseline in row 100, as (200, width) codes."""
    picture = Image.new("L", (width, 200))
    draw_line(ImageDraw.Draw(picture), (20, 100), text, size, 255, **keywords)
    return np.asarray(picture)


def names_of(text, **keywords):
    return [(part, Path(str(letters.path)).stem) for part, letters in runs(text, 20, **keywords)]


# --- one font ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bold", [False, True])
def test_a_latin_line_is_what_pillow_draws(bold):
    plain = Image.new("L", (1200, 200))
    letters = font(40, bold=bold)
    ImageDraw.Draw(plain).text(
        (20, 100), "AVA fi 0.25\xd7 \xe9", 255, letters, "ls", direction=None
    )
    assert np.array_equal(drawn("AVA fi 0.25\xd7 \xe9", bold=bold), np.asarray(plain))


def test_anchors_place_the_line_by_its_width():
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


# --- awkward texts -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("bold", [False, True])
def test_no_text_breaks_a_line_or_leaves_its_band(text, bold, layout):
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
        steering = [sign for sign in part if typography._is_ignorable(sign)]
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


def test_letters_are_as_high_as_their_size():
    """From accent to descender: what cannot be smaller than the least size."""
    for size in (16, 24, 60):
        rows = np.flatnonzero(drawn("\xc9gj|", size).any(1))
        assert rows[-1] - rows[0] + 1 >= size


def test_a_line_of_ten_thousand_letters_is_cut_off_by_the_canvas_alone():
    assert drawn("w" * 10_000, 16, 3000)[:, -20:].any()


def test_piled_up_marks_stay_on_their_line():
    text = AWKWARD["marks"]
    assert drawn(text).any()
    assert not drawn(text)[: 100 - band(40)[0]].any()


def test_letters_beyond_the_band_are_cut_off(tmp_path):
    tall = make_font(tmp_path / "Tall.ttf", "A", low=-2000, high=3000)
    above, below = band(40)
    rows = np.flatnonzero(drawn("A", user_font=tall).any(1))
    assert (rows[0], rows[-1]) == (100 - above, 100 + below - 1)


def test_what_is_left_out_leaves_no_blank_behind():
    for text in (f"a {FLAG}", f"{FLAG} a", f"{FLAG} a {FLAG} {FLAG}"):
        assert length(text, 40) == length("a", 40)
        assert np.array_equal(drawn(text), drawn("a"))


# --- what is missing ---------------------------------------------------------------------------


def test_letters_that_no_font_has_are_boxes_and_named():
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


def test_an_emoji_that_dejavu_has_is_drawn():
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


# --- clusters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        (FLAG * 2 + "\U0001f1eb", [FLAG, FLAG, "\U0001f1eb"]),
        (THUMB + HEART + KEYCAP, [THUMB, HEART, KEYCAP]),
        ("e\u0301\u0323x", ["e\u0301\u0323", "x"]),
        (DEVANAGARI + KA, [DEVANAGARI, KA]),
        ("\u1112\u1161\u11ab\u1100\u1173", ["\u1112\u1161\u11ab", "\u1100\u1173"]),
        ("\ud55c\uae00", ["\ud55c", "\uae00"]),
        ("\u0e01\u0e33\u0e01", ["\u0e01\u0e33", "\u0e01"]),
        ("\u845b\U000e0100\u845b", ["\u845b\U000e0100", "\u845b"]),
        ("\u0645\u200c\u06cc", ["\u0645\u200c", "\u06cc"]),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e007f!",
            ["\U0001f3f4\U000e0067\U000e0062\U000e007f", "!"],
        ),
        ("a\u200db", ["a\u200d", "b"]),
    ],
)
def test_what_is_read_as_one_letter_stays_one(text, expected):
    assert list(clusters(text)) == expected


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_clusters_make_up_the_text(text):
    assert "".join(clusters(text)) == text


def test_a_cluster_has_an_end():
    assert max(map(len, clusters("a" + "\u0301" * 10_000))) <= 64


# --- one line ----------------------------------------------------------------------------------


def test_a_direction_override_cannot_make_a_name_read_as_another():
    assert one_line("photo\u202egnp.exe") == "photognp.exe"


def test_joiners_are_kept_and_controls_are_not():
    assert one_line(f"{FAMILY}\x00\r\n\ud800 x\xa0y") == f"{FAMILY} x y"


# --- the chain of fonts ------------------------------------------------------------------------


def test_the_users_font_goes_first_and_dejavu_fills_in(tmp_path):
    mine = make_font(tmp_path / "Mine.ttf", "Aa")
    assert names_of("Aa B a", user_font=mine) == [
        ("Aa ", "Mine"),
        ("B ", "DejaVuSans"),
        ("a", "Mine"),
    ]
    assert missing_letters("AaB", mine) == ""
    # a box 0.7 of the size high
    rows = np.flatnonzero(drawn("A", user_font=mine).any(1))
    assert (rows[0], rows[-1]) == (72, 99)


def test_each_weight_falls_back_to_the_other():
    plain, bold = (
        "\U0001d5a0",
        "\U0001d5d4",
    )  # an A that only DejaVu Sans has, one of the bold alone
    assert names_of(f"a{plain}", bold=True) == [("a", "DejaVuSans-Bold"), (plain, "DejaVuSans")]
    assert names_of(f"a{bold}") == [("a", "DejaVuSans"), (bold, "DejaVuSans-Bold")]
    assert missing_letters(plain + bold) == ""


def test_a_system_font_has_what_dejavu_lacks(system):
    make_font(system / "Ours.ttf", KA)
    assert names_of(f"a {KA}") == [("a ", "DejaVuSans"), (KA, "Ours")]
    assert missing(f"a {KA}") == [] or not features.check("raqm")
    assert missing_letters(f"a {KA}") == ""


def test_a_system_font_that_promises_the_script_goes_before_others(system):
    make_font(system / "Noto AAA.ttf", KA)
    (system / "inside").mkdir()
    make_font(system / "inside" / "NotoSansDevanagari-Bold.ttf", KA)
    make_font(system / "inside" / "NotoSansDevanagari-Regular.ttf", KA)
    assert names_of(KA) == [(KA, "NotoSansDevanagari-Regular")]
    assert names_of(KA, bold=True) == [(KA, "NotoSansDevanagari-Bold")]


def test_a_letter_and_its_mark_are_drawn_by_the_one_letter_that_they_make(tmp_path):
    mine = make_font(tmp_path / "Mine.ttf", "\xe9")
    assert names_of("e\u0301", user_font=mine) == [("\xe9", "Mine")]


def test_a_font_of_the_users_that_has_changed_is_read_again(tmp_path):
    mine = make_font(tmp_path / "Mine.ttf", "A")
    assert names_of("AB", user_font=mine) == [("A", "Mine"), ("B", "DejaVuSans")]
    make_font(tmp_path / "Mine.ttf", "ABC")
    assert names_of("AB", user_font=mine) == [("AB", "Mine")]


def test_broken_empty_and_placeholder_fonts_are_passed_over(system):
    whole = make_font(system / "Whole.ttf", KA).read_bytes()
    (system / "A garbage.ttf").write_bytes(b"\0\1\0\0" + bytes(range(256)) * 8)
    (system / "A half.ttf").write_bytes(whole[: len(whole) // 2])
    (system / "A nothing.ttf").write_bytes(b"")
    make_font(system / "A empty.ttf", KA, empty=True)
    make_font(system / "A LastResort.ttf", KA)
    assert names_of(KA) == [(KA, "Whole")]


def test_a_table_cut_off_in_its_middle_never_raises(system):
    whole = make_font(system / "Whole.ttf", KA).read_bytes()
    for length_ in range(0, len(whole), 37):
        (system / f"Aaa {length_}.ttf").write_bytes(whole[:length_])
    assert drawn(KA).any()


def test_only_so_many_system_fonts_are_looked_into(system, monkeypatch):
    for number in range(6):
        make_font(system / f"F{number}.ttf", KA if number == 5 else "A")
    monkeypatch.setattr(typography, "_MOST_FONTS", 5)
    assert missing_letters(KA) == KA


def test_only_so_many_files_are_seen(system, monkeypatch):
    for number in range(4):
        (system / f"{number}.txt").touch()
    (system / "inside").mkdir()
    make_font(system / "inside" / "Ours.ttf", KA)
    monkeypatch.setattr(typography, "_MOST_SEEN", 4)
    assert missing_letters(KA) == KA


def test_what_this_machine_has_draws_every_awkward_text(monkeypatch):
    monkeypatch.undo()
    for text in AWKWARD.values():
        drawn(text)
        missing(text)


def test_where_fonts_are_is_asked_once_and_late():
    folders = typography.font_folders
    assert all(isinstance(folder, Path) for folder in folders())


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_every_system_has_its_folders(platform, monkeypatch, tmp_path):
    monkeypatch.undo()
    places = {
        "win32": tmp_path / "Windows" / "Fonts",
        "darwin": tmp_path / "Library" / "Fonts",
        "linux": tmp_path / "data" / "fonts",
    }
    places[platform].mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", platform)
        patch.setenv("HOME", str(tmp_path))
        patch.setenv("USERPROFILE", str(tmp_path))
        patch.setenv("WINDIR", str(tmp_path / "Windows"))
        patch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        found = typography.font_folders.__wrapped__()
    assert places[platform] in found


# --- colours -----------------------------------------------------------------------------------


def test_an_emoji_of_coloured_layers_is_drawn_in_its_colours(system):
    make_font(system / "Emoji.ttf", "\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    picture = Image.new("RGB", (120, 100))
    draw_line(ImageDraw.Draw(picture), (10, 80), "a\U0001f468", 40, (0, 255, 0))
    colours = {colour for _, colour in picture.getcolors(10**6)}
    assert {(255, 0, 0), (0, 255, 0)} <= colours
    assert missing("a\U0001f468") == []


def test_a_grey_pen_draws_the_outline_of_an_emoji(system):
    make_font(system / "Emoji.ttf", "\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    assert drawn("\U0001f468").max() == 255


def test_an_emoji_of_bitmaps_is_drawn_at_the_size_of_its_line(system):
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


def test_letters_of_a_coloured_font_that_have_no_colours_take_the_fill(tmp_path):
    mine = make_font(tmp_path / "Mine.ttf", "a\U0001f468", colour=(1.0, 0.0, 0.0, 1.0))
    picture = Image.new("RGB", (200, 100))
    draw_line(ImageDraw.Draw(picture), (10, 80), "a\U0001f468", 40, (0, 255, 0), user_font=mine)
    assert [part for part, _ in runs("a\U0001f468", 40, user_font=mine)] == ["a\U0001f468"]
    assert {(255, 0, 0), (0, 255, 0)} <= {colour for _, colour in picture.getcolors(10**6)}


def test_a_variable_font_is_drawn_at_a_regular_or_bold_weight(system):
    make_variable_font(system / "Variable.ttf", KA)
    # 0.8 of the size wide, up to 1.6 at weight 900
    assert length(KA, 100) == pytest.approx(80 + 80 * 300 / 800, abs=1)
    assert length(KA, 100, bold=True) == pytest.approx(80 + 80 * 600 / 800, abs=1)


# --- right to left -----------------------------------------------------------------------------

MIXED = [
    f"Flux {HEBREW} v2",
    f"{HEBREW} Flux v2",
    f"{HEBREW} 123 abc 456",
    f"{ARABIC} 12.5% (x)",
    f"abc {HEBREW} {ARABIC} def, 50%!",
    f"{HEBREW}-{ARABIC}: 3+4=7",
    f"a ({HEBREW}) b",
    f"{ARABIC} 2026/11/21",
    f"$5 {HEBREW} 5$",
    f"({HEBREW})",
]


@needs_raqm
@pytest.mark.parametrize("text", MIXED)
def test_mixed_directions_lie_where_raqm_lays_them(text):
    """FriBiDi is the reference; whole pixels between runs move letters by at most one."""
    picture = Image.new("L", (1200, 200))
    ImageDraw.Draw(picture).text((20, 100), text, 255, font(40), "ls")
    ours, theirs = drawn(text) > 127, np.asarray(picture) > 127
    near = np.zeros_like(theirs)
    for shift in (-2, -1, 0, 1, 2):
        near |= np.roll(theirs, shift, 1)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.05)
    assert not (ours & ~near).any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Flux {HEBREW} v2", f"Flux {HEBREW[::-1]} v2"),
        (f"{HEBREW} Flux v2", f"Flux v2 {HEBREW[::-1]}"),
        (f"{HEBREW} 12.5", f"12.5 {HEBREW[::-1]}"),
        (f"a ({HEBREW}) b", f"a ({HEBREW[::-1]}) b"),
        (f"({HEBREW})", f"({HEBREW[::-1]})"),
        (f"{HEBREW[:2]} (x)", f"(x) {HEBREW[1::-1]}"),
        (f"{HEBREW} 1 2", f"2 1 {HEBREW[::-1]}"),
        ("\u05d0\u0301\u05d1", "\u05d1\u05d0\u0301"),
    ],
)
def test_without_raqm_letters_are_put_in_their_order(text, expected, monkeypatch):
    monkeypatch.setattr(typography, "can_shape", lambda: False)
    assert "".join(part for part, _ in runs(text, 20)) == expected


def test_without_raqm_arabic_is_joined_by_its_forms(monkeypatch):
    monkeypatch.setattr(typography, "can_shape", lambda: False)
    # seen begins, lam with alef ends, meem stands alone; then read from the left
    assert "".join(part for part, _ in runs(ARABIC, 20)) == "\ufee1\ufefc\ufeb3"
    # beh between two of its kind, and a joiner that forbids
    assert "".join(part for part, _ in runs("\u0628" * 3, 20)) == "\ufe90\ufe92\ufe91"
    assert "".join(part for part, _ in runs("\u0628\u200c\u0628", 20)) == "\ufe8f\ufe8f"
    assert missing(ARABIC) == []


@needs_raqm
def test_forms_look_like_what_raqm_joins(monkeypatch):
    joined = drawn(ARABIC) > 127
    monkeypatch.setattr(typography, "can_shape", lambda: False)
    forms = drawn(ARABIC) > 127
    # hinting moves an edge by a pixel
    assert (joined ^ forms).sum() < 0.1 * joined.sum()


def test_without_raqm_letters_that_need_it_are_named(system, monkeypatch):
    make_font(system / "Ours.ttf", KA)
    monkeypatch.setattr(typography, "can_shape", lambda: False)
    (sentence,) = missing(f"a{KA}")
    assert KA in sentence
    assert "FriBiDi" in sentence


def test_without_raqm_no_selector_is_drawn(monkeypatch):
    monkeypatch.setattr(typography, "can_shape", lambda: False)
    assert "".join(part for part, _ in runs(f"{HEART}a\u200d", 20)) == "\u2764a"


def test_runs_of_several_fonts_keep_the_order_of_reading(system):
    make_font(system / "Ours.ttf", "\u0780\u0781")  # Thaana, from right to left
    parts = [name for _, name in names_of(f"\u0780{HEBREW}\u0781")]
    assert parts == ["Ours", "DejaVuSans", "Ours"]
    parts = [name for _, name in names_of(f"\u0780{HEBREW}")]
    assert parts == ["DejaVuSans", "Ours"]


def test_the_parts_of_a_line_add_up_to_its_width(tmp_path):
    mine = make_font(tmp_path / "Mine.ttf", "A")
    pieces = ["A", "bc", "A"]
    total = sum(length(piece, 40, user_font=mine) for piece in pieces)
    assert length("".join(pieces), 40, user_font=mine) == pytest.approx(total)
    edges = np.flatnonzero(np.diff((drawn("AbcA", user_font=mine) == 255).all(0)))
    assert list(edges) == sorted(edges)


# --- the user's font file ----------------------------------------------------------------------


def test_a_font_is_found_by_its_name(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (second / "inside").mkdir(parents=True)
    first.mkdir()
    make_font(second / "Mine.ttf", "A")
    make_font(second / "inside" / "Other.otf", "A")
    assert find_font("Mine.ttf", [first, second]) == second / "Mine.ttf"
    assert find_font(" inside/Other.otf ", [first, second]) == second / "inside" / "Other.otf"
    make_font(first / "Mine.ttf", "A")
    assert find_font("Mine.ttf", [first, second]) == first / "Mine.ttf"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../out.ttf",
        "a/../../out.ttf",
        "..\\out.ttf",
        "/etc/out.ttf",
        "C:/Windows/Fonts/arial.ttf",
        "C:out.ttf",
        "\\\\server\\share\\out.ttf",
        "//server/share/out.ttf",
        "out.ttf\0.png",
        "out\n.ttf",
        "./out.ttf",
        "a//out.ttf",
        "out.ttf:stream",
        "out.png",
        "x" * 300 + ".ttf",
    ],
)
def test_a_name_leads_nowhere_but_into_the_folders(name, tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    make_font(tmp_path / "out.ttf", "A")
    with pytest.raises(ValueError, match=r"font must be the name of a font file .* Put the file"):
        find_font(name, [folder])


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    outside = make_font(tmp_path / "out.ttf", "A")
    try:
        (folder / "out.ttf").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(ValueError, match=r"there is no font file 'out\.ttf'"):
        find_font("out.ttf", [folder])


def test_who_asks_for_a_font_that_is_not_there_is_told_what_is(tmp_path):
    for number in range(14):
        make_font(tmp_path / f"F{number:02}.ttf", "A")
    with pytest.raises(ValueError, match=r"F00\.ttf, .*F11\.ttf and 2 more\. Put the file there"):
        find_font("Mine.ttf", [tmp_path])
    make_font(tmp_path / "Mine.ttf", "A")
    assert find_font("Mine.ttf", [tmp_path]).name == "Mine.ttf"


def test_a_file_that_is_no_font_is_refused_with_advice(tmp_path):
    (tmp_path / "Mine.ttf").write_bytes(b"no font")
    with pytest.raises(
        ValueError, match=r"Mine\.ttf is no font that can be read .* Choose another"
    ):
        find_font("Mine.ttf", [tmp_path])
    with pytest.raises(ValueError, match="cannot be read"):
        runs("a", 20, user_font=tmp_path / "none.ttf")
    make_font(tmp_path / "Mine.ttf", "A")  # mended, it is taken
    assert names_of("A", user_font=tmp_path / "Mine.ttf") == [("A", "Mine")]


def test_the_battery_has_no_text_twice():
    assert all(one != other for one, other in pairwise(sorted(AWKWARD.values())))
