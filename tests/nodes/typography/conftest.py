"""Fonts made for a test, and lines drawn with them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from portrait_loupe.nodes.typography import choice, draw_line, runs


@pytest.fixture(autouse=True)
def no_system_fonts(monkeypatch):
    """What holds must hold on a machine without any font."""
    monkeypatch.setattr(choice, "font_folders", lambda: ())


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A folder of system fonts, empty."""
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(choice, "font_folders", lambda: (folder,))
    return folder


@pytest.fixture
def make_font():
    return _make_font


@pytest.fixture
def drawn():
    return _drawn


@pytest.fixture
def names_of():
    """The runs of a text as (letters, name of their font)."""
    return _names_of


def _make_font(path, letters, *, em=1000, low=0, high=700, colour=None, empty=False):
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


def _drawn(text, size=40, width=1200, **keywords):
    """White on black, the baseline in row 100, as (200, width) codes."""
    picture = Image.new("L", (width, 200))
    draw_line(ImageDraw.Draw(picture), (20, 100), text, size, 255, **keywords)
    return np.asarray(picture)


def _names_of(text, **keywords):
    return [(part, Path(str(letters.path)).stem) for part, letters in runs(text, 20, **keywords)]
