import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import features

from portrait_loupe.nodes.typography import (
    choice,
    find_font,
    length,
    missing,
    missing_letters,
    runs,
)

KA = "\u0915"


def make_variable(path, letter):
    """Make the default of a font its thinnest: as wide as it is high at weight 100, twice that at 900."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.tables.TupleVariation import TupleVariation

    builder = FontBuilder(font=TTFont(path))
    builder.setupFvar([("wght", 100, 100, 900, "Weight")], [])
    name = f"u{ord(letter):04X}"
    # four corners, then the phantom points: left, right, top, bottom
    wider = [(0, 0), (0, 0), (800, 0), (800, 0), (0, 0), (800, 0), (0, 0), (0, 0)]
    builder.setupGvar({name: [TupleVariation({"wght": (0, 1, 1)}, wider)]})
    builder.save(path)
    return path


def test_the_users_font_goes_first_and_dejavu_fills_in(tmp_path, drawn, names_of, make_font):
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


def test_each_weight_falls_back_to_the_other(names_of):
    plain, bold = (
        "\U0001d5a0",
        "\U0001d5d4",
    )  # an A that only DejaVu Sans has, one of the bold alone
    assert names_of(f"a{plain}", bold=True) == [("a", "DejaVuSans-Bold"), (plain, "DejaVuSans")]
    assert names_of(f"a{bold}") == [("a", "DejaVuSans"), (bold, "DejaVuSans-Bold")]
    assert missing_letters(plain + bold) == ""


def test_a_system_font_has_what_dejavu_lacks(system, names_of, make_font):
    make_font(system / "Ours.ttf", KA)
    assert names_of(f"a {KA}") == [("a ", "DejaVuSans"), (KA, "Ours")]
    assert missing(f"a {KA}") == [] or not features.check("raqm")
    assert missing_letters(f"a {KA}") == ""


def test_a_system_font_that_promises_the_script_goes_before_others(system, names_of, make_font):
    make_font(system / "Noto AAA.ttf", KA)
    (system / "inside").mkdir()
    make_font(system / "inside" / "NotoSansDevanagari-Bold.ttf", KA)
    make_font(system / "inside" / "NotoSansDevanagari-Regular.ttf", KA)
    assert names_of(KA) == [(KA, "NotoSansDevanagari-Regular")]
    assert names_of(KA, bold=True) == [(KA, "NotoSansDevanagari-Bold")]


def test_a_letter_and_its_mark_are_drawn_by_the_one_letter_that_they_make(
    tmp_path, names_of, make_font
):
    mine = make_font(tmp_path / "Mine.ttf", "\xe9")
    assert names_of("e\u0301", user_font=mine) == [("\xe9", "Mine")]


def test_a_font_of_the_users_that_has_changed_is_read_again(tmp_path, names_of, make_font):
    mine = make_font(tmp_path / "Mine.ttf", "A")
    assert names_of("AB", user_font=mine) == [("A", "Mine"), ("B", "DejaVuSans")]
    make_font(tmp_path / "Mine.ttf", "ABC")
    assert names_of("AB", user_font=mine) == [("AB", "Mine")]


def test_broken_empty_and_placeholder_fonts_are_passed_over(system, names_of, make_font):
    whole = make_font(system / "Whole.ttf", KA).read_bytes()
    (system / "A garbage.ttf").write_bytes(b"\0\1\0\0" + bytes(range(256)) * 8)
    (system / "A half.ttf").write_bytes(whole[: len(whole) // 2])
    (system / "A nothing.ttf").write_bytes(b"")
    make_font(system / "A empty.ttf", KA, empty=True)
    make_font(system / "A LastResort.ttf", KA)
    assert names_of(KA) == [(KA, "Whole")]


def test_a_table_cut_off_in_its_middle_never_raises(system, drawn, make_font):
    whole = make_font(system / "Whole.ttf", KA).read_bytes()
    for length_ in range(0, len(whole), 37):
        (system / f"Aaa {length_}.ttf").write_bytes(whole[:length_])
    assert drawn(KA).any()


def test_only_so_many_system_fonts_are_looked_into(system, monkeypatch, make_font):
    for number in range(6):
        make_font(system / f"F{number}.ttf", KA if number == 5 else "A")
    monkeypatch.setattr(choice, "_MOST_FONTS", 5)
    assert missing_letters(KA) == KA


def test_only_so_many_files_are_seen(system, monkeypatch, make_font):
    for number in range(4):
        (system / f"{number}.txt").touch()
    (system / "inside").mkdir()
    make_font(system / "inside" / "Ours.ttf", KA)
    monkeypatch.setattr(choice, "_MOST_SEEN", 4)
    assert missing_letters(KA) == KA


def test_where_fonts_are_is_asked_once(monkeypatch):
    monkeypatch.undo()
    known = choice.font_folders()
    monkeypatch.setattr(Path, "is_dir", lambda place: pytest.fail(f"{place} is looked for again"))
    assert choice.font_folders() == known


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
        found = choice.font_folders.__wrapped__()
    assert places[platform] in found


def test_a_variable_font_is_drawn_at_a_regular_or_bold_weight(system, make_font):
    make_variable(make_font(system / "Variable.ttf", KA), KA)
    # 0.8 of the size wide, up to 1.6 at weight 900
    assert length(KA, 100) == pytest.approx(80 + 80 * 300 / 800, abs=1)
    assert length(KA, 100, bold=True) == pytest.approx(80 + 80 * 600 / 800, abs=1)


# --- the user's font file ---------------------------------------------------------------------


def test_a_font_is_found_by_its_name(tmp_path, make_font):
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
def test_a_name_leads_nowhere_but_into_the_folders(name, tmp_path, make_font):
    folder = tmp_path / "fonts"
    folder.mkdir()
    make_font(tmp_path / "out.ttf", "A")
    with pytest.raises(ValueError, match=r"font must be the name of a font file .* Put the file"):
        find_font(name, [folder])


def test_a_link_out_of_the_folder_is_not_followed(tmp_path, make_font):
    folder = tmp_path / "fonts"
    folder.mkdir()
    outside = make_font(tmp_path / "out.ttf", "A")
    try:
        (folder / "out.ttf").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(ValueError, match=r"there is no font file 'out\.ttf'"):
        find_font("out.ttf", [folder])


def test_who_asks_for_a_font_that_is_not_there_is_told_what_is(tmp_path, make_font):
    for number in range(14):
        make_font(tmp_path / f"F{number:02}.ttf", "A")
    with pytest.raises(ValueError, match=r"F00\.ttf, .*F11\.ttf and 2 more\. Put the file there"):
        find_font("Mine.ttf", [tmp_path])
    make_font(tmp_path / "Mine.ttf", "A")
    assert find_font("Mine.ttf", [tmp_path]).name == "Mine.ttf"


def test_a_file_that_is_no_font_is_refused_with_advice(tmp_path, names_of, make_font):
    (tmp_path / "Mine.ttf").write_bytes(b"no font")
    with pytest.raises(
        ValueError, match=r"Mine\.ttf is no font that can be read .* Choose another"
    ):
        find_font("Mine.ttf", [tmp_path])
    with pytest.raises(ValueError, match="cannot be read"):
        runs("a", 20, user_font=tmp_path / "none.ttf")
    make_font(tmp_path / "Mine.ttf", "A")  # mended, it is taken
    assert names_of("A", user_font=tmp_path / "Mine.ttf") == [("A", "Mine")]
