"""Font files: opened at a size, and what is in them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont, features

_STRIKES = (109, 136, 128, 160, 137, 96, 72, 64, 48, 40, 32, 20)  # px of bitmap emoji fonts


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at a size in pixels.

    Raises
    ------
    RuntimeError
        matplotlib, whose fonts these are, is not installed.
    """
    return ImageFont.truetype(dejavu(bold), size)


@lru_cache(maxsize=2)
def dejavu(bold: bool) -> str:
    spec = find_spec("matplotlib")  # its files are enough: importing it would take a second
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "labels are drawn with DejaVu Sans from matplotlib, which is not installed: pip install matplotlib"
        )
    folder = Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    return str(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"))


def can_shape() -> bool:
    """Whether Pillow joins and stacks letters here: raqm, which needs the system's FriBiDi."""
    return bool(features.check("raqm"))


@lru_cache(maxsize=256)
def open_font(path: str, size: int, bold: bool, shaping: bool) -> ImageFont.FreeTypeFont:
    """A font at a size, or at the size of its bitmaps; a variable one at a regular or bold weight."""
    layout = ImageFont.Layout.RAQM if shaping else ImageFont.Layout.BASIC
    try:
        letters = ImageFont.truetype(path, size, layout_engine=layout)
    except OSError:
        letters = _strike(path, layout)
        if letters is None:
            raise
    try:
        axes = letters.get_variation_axes()
    except (OSError, NotImplementedError):
        return letters
    values = [float(axis["default"] or 0) for axis in axes]
    for number, axis in enumerate(axes):
        if axis["name"] in (b"Weight", "Weight"):
            # the default of Noto Sans CJK is its thinnest
            values[number] = min(max(700 if bold else 400, axis["minimum"] or 0), axis["maximum"] or 0)  # fmt: skip
    letters.set_variation_by_axes(values)
    return letters


def _strike(path: str, layout: ImageFont.Layout) -> ImageFont.FreeTypeFont | None:
    """A font of bitmaps alone at the size that these have."""
    for size in _STRIKES:
        try:
            return ImageFont.truetype(path, size, layout_engine=layout)
        except OSError:
            continue
    return None


def has(path: str, signs: str) -> bool:
    starts, ends = coverage(path)
    return all(ord(sign) < ends[bisect_right(starts, ord(sign)) - 1] for sign in signs)


@cache  # bounded by _MOST_FONTS; some 4 kB each
def coverage(path: str) -> tuple[array[int], array[int]]:
    """Where each stretch of code points that a font has begins and ends; nothing for a broken font."""
    from fontTools.ttLib import TTFont  # matplotlib brings it

    try:
        with TTFont(path, lazy=True, fontNumber=0) as file:
            codes = sorted(
                code for code, glyph in (file.getBestCmap() or {}).items() if glyph != ".notdef"
            )
    except Exception:  # whatever fontTools meets in a broken file: struct.error, KeyError, ...
        codes = []
    starts, ends = array("L", [0]), array("L", [0])
    for code in codes:
        if code == ends[-1]:
            ends[-1] += 1
        else:
            starts.append(code)
            ends.append(code + 1)
    return starts, ends


@lru_cache(maxsize=1024)
def is_coloured(path: str) -> bool:
    """Whether a font has pictures or layers of its own colours."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(path, lazy=True, fontNumber=0) as file:
            return any(table in file for table in ("CBDT", "sbix", "COLR"))
    except Exception:  # as in coverage
        return False
