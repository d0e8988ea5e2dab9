"""Letters for every script that this machine can write.

Each run of a text takes the first font that has it: the user's, DejaVu Sans, which matplotlib brings
and which looks the same everywhere, then the system's. What no font has is named, never silent.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import chain, groupby
from math import ceil, floor
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

Anchor = Literal["ls", "ms", "rs"]

BOX = "\N{WHITE SQUARE}"
"""What stands for letters that no font has."""
ASCENT, DESCENT = 1.25, 0.45
# Of the letter size. DejaVu Sans has 1.07 above the line (two accents on a capital) and 0.39 below
# (Arabic); stacked vowel signs of other scripts need more. Ink beyond (piled-up marks) is cut off.

FONT_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
_MOST_FONTS = 1024  # system fonts looked into; 1 to 30 ms each, once
_MOST_SEEN = 20_000  # names read in the system's folders
_MOST_LETTERS = 4096  # of one line: no plate is wide enough for more at a legible size
_MOST_IN_CLUSTER = 64  # Unicode's own bound for sane text is 30 marks (UAX 15, stream-safe)
_NAMED = 24  # letters named in a warning
_LISTED = 12
_STRIKES = (109, 136, 128, 160, 137, 96, 72, 64, 48, 40, 32, 20)  # px of bitmap emoji fonts
_PLACEHOLDERS = ("lastresort", "adobeblank", "adobenotdef")  # fonts that claim every letter
_UNUSUAL = (
    "italic", "oblique", "thin", "light", "black", "heavy", "cond", "mono", "serif", "narrow",
    "symbol", "math",
)  # fmt: skip

_ZWNJ, _ZWJ, _KEYCAP = "\u200c", "\u200d", "\u20e3"
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_LAM, _ALEFS, _TATWEEL = "\u0644", "\u0622\u0623\u0625\u0627", "\u0640"


class Piece(NamedTuple):
    """What is drawn in one go, in the order of reading."""

    text: str
    path: str
    """Where its font lies."""
    leftward: bool


# --- the chain ---------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at a size in pixels.

    Raises
    ------
    RuntimeError
        matplotlib, whose fonts these are, is not installed.
    """
    return ImageFont.truetype(_dejavu(bold), size)


def runs(
    text: str, size: int, bold: bool = False, user_font: str | Path | None = None
) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """A text as runs of one font each, from left to right as they are drawn.

    Letters stay with their marks, emoji with what they are joined to. What no font has is a
    :data:`BOX` in its run; emoji that no font has are left out. :func:`missing` names both.

    Parameters
    ----------
    text : str
        Drawn as one line: see :func:`one_line`.
    size : int
        Letter size, pixels. A font of bitmaps alone (colour emoji) has its own ``size`` and is
        drawn scaled.
    user_font : path of a font file, optional
        Goes before all others; :func:`find_font` finds it by name.

    Raises
    ------
    ValueError
        ``user_font`` is no font that can be read.
    """
    return [
        (piece.text, _open(piece.path, size, bold, can_shape()))
        for piece in _pieces(text, bold, user_font)
    ]


def length(
    text: str, size: int, *, bold: bool = False, user_font: str | Path | None = None
) -> float:
    """Width of a text written as one line by :func:`draw_line`, pixels."""
    return sum(_advance(piece, size, bold) for piece in _pieces(text, bold, user_font))


def draw_line(
    pen: ImageDraw.ImageDraw,
    xy: tuple[float, float],
    text: str,
    size: int,
    fill: tuple[int, ...] | str | int,
    *,
    bold: bool = False,
    anchor: Anchor = "ls",
    user_font: str | Path | None = None,
) -> float:
    """Write one line, every letter in a font that has it.

    Parameters
    ----------
    xy : pixels
        A point on the baseline, rounded to a whole pixel.
    anchor : "ls", "ms" or "rs"
        Whether the line begins there, is centred there, or ends there.

    Returns
    -------
    float
        The width of the line, pixels.

    Notes
    -----
    Nothing is drawn outside the band of :func:`band`, however many marks a letter has.
    """
    pieces = _pieces(text, bold, user_font)
    widths = [_advance(piece, size, bold) for piece in pieces]
    total = sum(widths)
    begin = round(xy[0] - {"ls": 0.0, "ms": 0.5, "rs": 1.0}[anchor] * total)
    above, below = band(size)
    base = round(xy[1])
    # letters may lean out by less than their size; what is off the canvas needs no mask
    left = max(begin - size, 0)
    right = min(begin + ceil(total) + size, pen.im.size[0])
    if right <= left:
        return total
    mask = Image.new("L", (right - left, above + below))
    over = ImageDraw.Draw(mask)
    x = float(begin)
    coloured = []
    for piece, width in zip(pieces, widths, strict=True):
        letters = _open(piece.path, size, bold, can_shape())
        if x + width + size > left and x - size < right:
            if _is_coloured(piece.path):
                coloured.append((piece, letters, round(x)))
            else:
                over.text(
                    (round(x) - left, above), piece.text, 255, letters, "ls",
                    direction=_direction(piece),
                )  # fmt: skip
        x += width
    pen.bitmap((left, base - above), mask, fill)
    for piece, letters, place in coloured:
        _draw_coloured(pen, (place, base), piece, letters, size, fill)
    return total


def band(size: int) -> tuple[int, int]:
    """Rows that a line of a letter size may fill above and below its baseline, pixels."""
    return ceil(ASCENT * size), ceil(DESCENT * size)


def can_shape() -> bool:
    """Whether Pillow joins and stacks letters here: raqm, which needs the system's FriBiDi."""
    return bool(features.check("raqm"))


# --- what is missing ---------------------------------------------------------------------------


def missing_letters(text: str, user_font: str | Path | None = None) -> str:
    """The characters of a text that no font has, each once: see :func:`missing`."""
    return "".join(dict.fromkeys(sign for _, signs in _lost(text, user_font) for sign in signs))


def missing(text: str, user_font: str | Path | None = None) -> list[str]:
    """What a reader of the line must be told, one sentence each; empty where all is well."""
    lost = _lost(text, user_font)
    boxes = "".join(dict.fromkeys(sign for emoji, signs in lost if not emoji for sign in signs))
    emoji = "".join(dict.fromkeys(sign for emoji, signs in lost if emoji for sign in signs))
    advice = "Choose a font that has them, or install one."
    sentences = []
    if boxes:
        sentences.append(
            f"no font here has letters for {_few(boxes)}: drawn as empty boxes. {advice}"
        )
    if emoji:
        sentences.append(f"no font here has the emoji {_few(emoji)}: left out. {advice}")
    if not can_shape() and (unshaped := _unshaped(text, boxes)):
        sentences.append(
            f"Pillow cannot join or stack the letters {_few(unshaped)}: they stand apart. "
            "It needs raqm: install FriBiDi (libfribidi0, fribidi.dll)."
        )
    return sentences


def _few(signs: str) -> str:
    return signs if len(signs) <= _NAMED else f"{signs[:_NAMED]} and {len(signs) - _NAMED} more"


def _lost(text: str, user_font: str | Path | None) -> list[tuple[bool, str]]:
    """Whether it is an emoji, and what is not drawn, of each cluster that is not complete."""
    user = _user(user_font)
    found = []
    for cluster in dict.fromkeys(clusters(one_line(text))):
        picked = _pick(cluster, False, user, font_folders())
        if not picked.complete:
            drawn = {sign for part, _ in picked.parts for sign in part}
            signs = "".join(
                sign for sign in cluster if sign not in drawn and not _is_ignorable(sign)
            )
            found.append((_is_emoji(cluster), signs))
    return found


def _unshaped(text: str, boxes: str) -> str:
    """The letters that need raqm: Arabic without forms of its own, and what India and its neighbours write."""
    return "".join(
        sign
        for sign in dict.fromkeys(one_line(text))
        if (0x0600 <= ord(sign) <= 0x0DFF or 0x0F00 <= ord(sign) <= 0x109F)
        and unicodedata.category(sign) == "Lo"
        and sign not in _arabic_forms()
        and sign not in boxes
    ) + "".join(sign for sign in dict.fromkeys(text) if 0x1780 <= ord(sign) <= 0x17D3)


# --- text --------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    """The text with line breaks and what cannot be written turned into single blanks.

    Signs that only steer direction are dropped: an override could make a name read as another.
    """
    return " ".join("".join(map(_written, text)).split())


@lru_cache(maxsize=4096)
def _written(sign: str) -> str:
    """A sign as it may stand in a line."""
    if sign.isprintable() or sign in (_ZWNJ, _ZWJ) or _is_tag(sign):
        return sign
    category = unicodedata.category(sign)
    if category == "Cf":
        return ""
    code = ord(sign)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    # private signs may be in the user's font; unknown ones are younger than this Python
    return sign if category in ("Co", "Cn") and not noncharacter else " "


@lru_cache(maxsize=512)
def clusters(text: str) -> tuple[str, ...]:
    """What a reader sees as one letter each: never cut inside.

    After UAX 29: marks, joiners, variation selectors and skin tones stay with what they follow;
    flags are pairs; Hangul syllables and letters joined by a virama stay whole.
    """
    found: list[str] = []
    for sign in text:
        if found and len(found[-1]) < _MOST_IN_CLUSTER and _stays(found[-1], sign):
            found[-1] += sign
        else:
            found.append(sign)
    return tuple(found)


def _stays(cluster: str, sign: str) -> bool:
    """Whether a sign belongs to the cluster before it."""
    if sign < "\u0300":
        return False
    if _is_mark(sign):
        return True
    if _is_regional(sign):
        return len(cluster) == 1 and _is_regional(cluster)
    last = cluster[-1]
    if last == _ZWJ and _is_pictograph(sign) and _is_pictograph(cluster[0]):
        return True
    if before := _hangul(last):
        after = _hangul(sign)
        return bool(after) and after in {"L": "LVST", "V": "VT", "S": "VT", "T": "T"}[before]
    joint = cluster.rstrip(_ZWJ)[-1:]
    return bool(joint) and unicodedata.combining(joint) == 9 and unicodedata.category(sign) == "Lo"


def _hangul(sign: str) -> str:
    code = ord(sign)
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return "L"
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return "V"
    if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB:
        return "T"
    return "S" if 0xAC00 <= code <= 0xD7A3 else ""


@lru_cache(maxsize=4096)
def _is_mark(sign: str) -> bool:
    return (
        unicodedata.category(sign) in ("Mn", "Mc", "Me")
        or sign in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
        or _is_tag(sign)
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
    )


def _is_tag(sign: str) -> bool:
    return "\U000e0020" <= sign <= "\U000e007f"


def _is_regional(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _is_pictograph(sign: str) -> bool:
    return (
        "\U0001f000" <= sign <= "\U0001faff" or "\u2190" <= sign <= "\u2bff" or sign in "\xa9\xae"
    )


def _is_emoji(cluster: str) -> bool:
    return "\U0001f000" <= cluster[0] <= "\U0001faff" or "\ufe0f" in cluster or _KEYCAP in cluster


def _is_ignorable(sign: str) -> bool:
    """Steers how its neighbours are drawn and is itself not seen."""
    return (
        sign in (_ZWNJ, _ZWJ)
        or "\ufe00" <= sign <= "\ufe0f"
        or "\U000e0100" <= sign <= "\U000e01ef"
        or _is_tag(sign)
    )


# --- which font has what -----------------------------------------------------------------------


class _Picked(NamedTuple):
    parts: tuple[tuple[str, str], ...]
    """What is drawn for a cluster, and the font of each part."""
    complete: bool


@lru_cache(maxsize=16384)
def _pick(cluster: str, bold: bool, user: str | None, folders: tuple[Path, ...]) -> _Picked:
    """The fonts for one cluster."""
    composed = unicodedata.normalize("NFC", cluster)  # more fonts have the letter than the mark
    for form in dict.fromkeys((composed, cluster)):
        needed = "".join(sign for sign in form if not _is_ignorable(sign))
        if not needed:
            return _Picked((), True)
        if path := _font_with(needed, bold, user, folders):
            return _Picked(((form, path),), True)
    base = cluster[0]
    emoji = _is_emoji(cluster)
    box = () if emoji else ((BOX, _dejavu(bold)),)
    if len(cluster) > 1 and not _is_mark(base) and (path := _font_with(base, bold, user, folders)):
        return _Picked(((base, path), *box), False)
    return _Picked(box, False)


def _font_with(signs: str, bold: bool, user: str | None, folders: tuple[Path, ...]) -> str | None:
    # each of the two has some letters that the other lacks
    for path in (user, _dejavu(bold), _dejavu(not bold)):
        if path and _has(path, signs):
            return path
    return _system_font(signs, bold, folders)


def _has(path: str, signs: str) -> bool:
    starts, ends = _coverage(path)
    return all(ord(sign) < ends[bisect_right(starts, ord(sign)) - 1] for sign in signs)


@cache  # bounded by _MOST_FONTS; some 4 kB each
def _coverage(path: str) -> tuple[array[int], array[int]]:
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


@lru_cache(maxsize=16384)
def _system_font(signs: str, bold: bool, folders: tuple[Path, ...]) -> str | None:
    """The first system font that has all signs and draws them."""
    script = unicodedata.name(signs[0], "").split(" ")[0].lower()
    if script in ("hiragana", "katakana", "hangul", "ideographic"):
        script = "cjk"
    hint = "emoji" if _is_emoji(signs) else script
    return next(
        (
            path
            for path in _ordered(hint, bold, folders)
            if _has(path, signs) and _inks(path, signs)
        ),
        None,
    )


@lru_cache(maxsize=256)
def _ordered(hint: str, bold: bool, folders: tuple[Path, ...]) -> tuple[str, ...]:
    """System fonts, those first whose names promise a script and a plain style."""

    def rank(path: str) -> tuple[bool, int, bool, bool, str]:
        name = os.path.basename(path).lower()
        unusual = sum(word in name for word in _UNUSUAL)
        return hint not in name, unusual, ("bold" in name) != bold, "noto" not in name, path

    return tuple(sorted(_font_files(folders), key=rank))


@lru_cache(maxsize=8)
def _font_files(folders: tuple[Path, ...]) -> tuple[str, ...]:
    """Font files in folders and the folders inside, in a fixed order."""
    found: list[str] = []
    seen = 0
    for folder, inside, names in chain.from_iterable(os.walk(place) for place in folders):
        inside.sort()
        for name in sorted(names):
            lower = name.lower()
            if lower.endswith(FONT_ENDINGS) and not any(word in lower for word in _PLACEHOLDERS):
                found.append(os.path.join(folder, name))
        seen += len(names) + 1
        if seen > _MOST_SEEN or len(found) >= _MOST_FONTS:
            break
    return tuple(found[:_MOST_FONTS])


@lru_cache(maxsize=1)
def font_folders() -> tuple[Path, ...]:
    """Where this system keeps its fonts; a new font is seen after a restart."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData" / "Local"))
        places = [
            Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts"),
            Path(local, "Microsoft", "Windows", "Fonts"),
        ]
    elif sys.platform == "darwin":
        places = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    else:
        shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        places = [Path(place, "fonts") for place in shared.split(":") if place]
        own = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
        places += [Path("/usr/share/fonts"), Path(own, "fonts"), home / ".fonts"]
    return tuple(dict.fromkeys(place for place in places if place.is_dir()))


@lru_cache(maxsize=4096)
def _inks(path: str, signs: str) -> bool:
    """Whether a font draws the first sign: some only have colours that Pillow cannot paint."""
    if unicodedata.category(signs[0])[0] in "MZ":
        return True
    try:
        letters = _open(path, 32, False, can_shape())
        mode = "RGBA" if _is_coloured(path) else "L"
        mask, _ = letters.getmask2(signs[0], mode)
        return (mask.getband(3) if mode == "RGBA" else mask).getbbox() is not None
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=1024)
def _is_coloured(path: str) -> bool:
    """Whether a font has pictures or layers of its own colours."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(path, lazy=True, fontNumber=0) as file:
            return any(table in file for table in ("CBDT", "sbix", "COLR"))
    except Exception:  # as in _coverage
        return False


@lru_cache(maxsize=256)
def _open(path: str, size: int, bold: bool, shaping: bool) -> ImageFont.FreeTypeFont:
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


@lru_cache(maxsize=2)
def _dejavu(bold: bool) -> str:
    spec = find_spec("matplotlib")  # its files are enough: importing it would take a second
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "labels are drawn with DejaVu Sans from matplotlib, which is not installed: pip install matplotlib"
        )
    folder = Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    return str(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"))


# --- the user's font ---------------------------------------------------------------------------


def find_font(name: str, folders: Sequence[Path], widget: str = "font") -> Path:
    """The user's font file of a name, from the first folder that has it.

    Parameters
    ----------
    name : str
        A file name, or one inside a folder of these folders (``latin/My Sans.ttf``).
    folders : the only places that are looked into
    widget : str
        Where the name was typed, for the message.

    Raises
    ------
    ValueError
        The name leads out of the folders, none has the file, or it is no font.
    """
    if objection := _why_not_a_font_name(name):
        raise ValueError(
            f"{widget} must be the name of a font file such as 'My Sans.ttf': {objection}, got {name[:120]!r}. "
            "Put the file into the font folder and give its name alone."
        )
    for folder in folders:
        place = folder / name.strip()
        # a link may lead out of the folder
        if place.is_file() and place.resolve().is_relative_to(folder.resolve()):
            _user(place)
            return place
    there = [
        path.relative_to(folder).as_posix()
        for folder in folders
        for path in map(Path, _font_files((folder,)))
    ]
    _font_files.cache_clear()  # the user may be about to add one
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    raise ValueError(
        f"{widget}: there is no font file {name.strip()!r} in {', '.join(map(str, folders)) or 'any folder'}. "
        f"There: {', '.join(there[:_LISTED]) + more or 'none'}. Put the file there, or leave {widget} empty."
    )


def _why_not_a_font_name(name: str) -> str | None:
    name = name.strip()
    if not name:
        return "it is empty"
    if len(name) > 200:
        return "it may have at most 200 letters"
    if not name.isprintable():
        return "it may hold letters that can be seen alone"
    if found := sorted(set('\\:*?"<>|') & set(name)):
        return f"it may not hold {' '.join(found)}"
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        return "it may not lead out of the folder"
    if not name.lower().endswith(FONT_ENDINGS):
        return f"it must end in {', '.join(FONT_ENDINGS)}"
    return None


def _user(path: str | Path | None) -> str | None:
    """The path of the user's font, once it was opened."""
    if not path:
        return None
    return _opened(str(path), _stamp(path))


@lru_cache(maxsize=32)
def _opened(path: str, stamp: tuple[int, int]) -> str:
    del stamp  # part of the key: a file that was mended is looked at again
    _coverage.cache_clear()
    _pick.cache_clear()
    _open.cache_clear()
    try:
        _open(path, 32, False, can_shape())
    except OSError as error:
        raise ValueError(
            f"font: {path} is no font that can be read ({error}). Choose another, or leave font empty."
        ) from error
    if not len(_coverage(path)[0]) > 1:
        raise ValueError(
            f"font: {path} says of no letter that it has it (no Unicode table). Choose another, or leave font empty."
        )
    return path


def _stamp(path: str | Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"font: {path} cannot be read ({error}). Choose another, or leave font empty."
        ) from error
    return found.st_mtime_ns, found.st_size


# --- order -------------------------------------------------------------------------------------


def _pieces(text: str, bold: bool, user_font: str | Path | None) -> list[Piece]:
    """The line as it is drawn from left to right."""
    user = _user(user_font)
    folders = font_folders()
    units: list[tuple[str, str]] = []
    for cluster in clusters(one_line(text)[:_MOST_LETTERS]):
        if cluster != " ":
            units.extend(_pick(cluster, bold, user, folders).parts)
        elif units and units[-1][0] != " ":  # what was left out leaves no second blank
            before = units[-1][1]  # a blank belongs to the word before it
            units += [(" ", before)] if _has(before, " ") else _pick(" ", bold, user, folders).parts
    if units and units[-1][0] == " ":
        units.pop()
    levels = _levels([unit for unit, _ in units])
    numbered = zip(units, levels, strict=True)
    found = [
        (level, _piece([unit for (unit, _), _ in group], path, level))
        for (path, level), group in groupby(numbered, key=lambda one: (one[0][1], one[1]))
    ]
    return _visual(found)


def _piece(units: list[str], path: str, level: int) -> Piece:
    if can_shape():
        return Piece("".join(units), path, level % 2 == 1)
    # the BASIC layout draws what it is given from left to right, selectors as boxes
    units = _joined(units, path)
    if level % 2:
        units = [unit.translate(_MIRRORED) for unit in reversed(units)]
    return Piece(
        "".join(sign for unit in units for sign in unit if not _is_ignorable(sign)), path, False
    )


def _visual(numbered: list[tuple[int, Piece]]) -> list[Piece]:
    """From reading order to the order on the line (UAX 9, L2)."""
    line = list(numbered)
    for level in range(max((level for level, _ in line), default=0), 0, -1):
        again: list[tuple[int, Piece]] = []
        for turned, group in groupby(line, key=lambda one: one[0] >= level):
            members = list(group)
            again += members[::-1] if turned else members
        line = again
    return [piece for _, piece in line]


def _levels(units: Sequence[str]) -> list[int]:
    """Embedding levels: even from left to right, odd from right to left (UAX 9).

    The line has the direction of its first letter that has one. Overrides were dropped by
    :func:`one_line`; brackets go with their neighbours, not in pairs (N0).
    """
    kinds = [unicodedata.bidirectional(unit[0]) or "L" for unit in units]
    if not {"R", "AL", "AN"} & set(kinds):
        return [0] * len(kinds)
    strong = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L")
    base = 0 if strong == "L" else 1
    kinds = _weak(kinds, "LR"[base])
    kinds = _neutral(kinds, "LR"[base])
    raised = ({"L": 0, "R": 1, "AN": 2, "EN": 2}, {"L": 1, "R": 0, "AN": 1, "EN": 1})[base]
    return [base + raised[kind] for kind in kinds]


def _weak(kinds: list[str], base: str) -> list[str]:
    """Figures and what belongs to them (W1 to W7)."""
    kinds = list(kinds)
    strong = base
    for place, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[place] = kinds[place - 1] if place else base
        if kinds[place] in ("L", "R", "AL"):
            strong = kinds[place]
        elif kinds[place] == "EN" and strong == "AL":
            kinds[place] = "AN"
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    for place in range(1, len(kinds) - 1):
        before, kind, after = kinds[place - 1 : place + 2]
        if before == after and (
            (kind == "ES" and before == "EN") or (kind == "CS" and before in ("EN", "AN"))
        ):
            kinds[place] = before
    place = 0
    for terminal, group in groupby(list(kinds), key=lambda kind: kind == "ET"):
        count = len(list(group))
        around = kinds[max(place - 1, 0) : place] + kinds[place + count : place + count + 1]
        if terminal and "EN" in around:
            kinds[place : place + count] = ["EN"] * count
        place += count
    strong = base
    for place, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[place] = "L"
    return kinds


def _neutral(kinds: list[str], base: str) -> list[str]:
    """Blanks and signs take the direction that they stand in (N1, N2)."""
    found: list[str] = []
    place = 0
    for neutral, group in groupby(kinds, key=lambda kind: kind not in ("L", "R", "AN", "EN")):
        members = list(group)
        place += len(members)
        if neutral:
            before = _side(found[-1]) if found else base
            after = _side(kinds[place]) if place < len(kinds) else base
            members = [before if before == after else base] * len(members)
        found += members
    return found


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"


# --- without raqm ------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _arabic_forms() -> dict[str, dict[str, str]]:
    """Letters (and lam with alef) to their forms by place in the word, from Unicode's own tables."""
    forms: dict[str, dict[str, str]] = {}
    for code in chain(range(0xFB50, 0xFBFF), range(0xFE80, 0xFEFD)):
        kind, *codes = unicodedata.decomposition(chr(code)).split() or [""]
        letters = "".join(chr(int(one, 16)) for one in codes)
        lone = len(letters) == 1 or (letters[:1] == _LAM and letters[1:] in tuple(_ALEFS))
        if kind in ("<isolated>", "<initial>", "<medial>", "<final>") and lone:
            forms.setdefault(letters, {})[kind] = chr(code)
    return forms


def _joined(units: list[str], path: str) -> list[str]:
    """Arabic letters in the forms that join them, where the font has these."""
    forms = _arabic_forms()
    found: list[str] = []
    joins = False  # whether the letter before reaches on to this one
    rest: Iterator[int] = iter(range(len(units)))
    for place in rest:
        unit = units[place]
        following = units[place + 1] if place + 1 < len(units) else ""
        letter, marks = unit[0], unit[1:]
        if letter == _LAM and following and following[0] in _ALEFS and _ZWNJ not in marks:
            letter, marks = letter + following[0], marks + following[1:]
            next(rest)
            following = ""
        shapes = forms.get(letter, {})
        reaches = (
            ("<initial>" in shapes or letter == _TATWEEL)
            and _ZWNJ not in marks
            and ("<final>" in forms.get(following[:1], {}) or following[:1] == _TATWEEL)
        )
        kind = ("<isolated>", "<initial>", "<final>", "<medial>")[2 * joins + reaches]
        shape = shapes.get(kind, letter)
        found.append((shape if _has(path, shape) else letter) + marks)
        joins = reaches
    return found


# --- drawing -----------------------------------------------------------------------------------


def _direction(piece: Piece) -> str | None:
    if not can_shape():
        return None
    return "rtl" if piece.leftward else "ltr"


def _advance(piece: Piece, size: int, bold: bool) -> float:
    letters = _open(piece.path, size, bold, can_shape())
    return letters.getlength(piece.text, direction=_direction(piece)) * size / letters.size


def _draw_coloured(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    piece: Piece,
    letters: ImageFont.FreeTypeFont,
    size: int,
    fill: tuple[int, ...] | str | int,
) -> None:
    """Emoji in their own colours, scaled where the font has one size alone; a grey pen draws their outline."""
    in_colour = pen.mode in ("RGB", "RGBA")
    direction = _direction(piece)
    left, top, right, bottom = letters.getbbox(
        piece.text, mode="RGBA", direction=direction, anchor="ls"
    )
    left, top = floor(left), floor(top)
    extent = (max(ceil(right) - left, 1), max(ceil(bottom) - top, 1))
    tile = Image.new("RGBA", extent)
    ImageDraw.Draw(tile).text(
        (-left, -top), piece.text, fill if in_colour else "white", letters, "ls",
        direction=direction, embedded_color=True,
    )  # fmt: skip
    # what was blended into nothing is premultiplied by its alpha
    tile = Image.frombytes("RGBa", extent, tile.tobytes())
    scale = size / letters.size
    if scale != 1:
        extent = (max(round(extent[0] * scale), 1), max(round(extent[1] * scale), 1))
        tile = tile.resize(extent, Image.Resampling.BOX)
    tile = tile.convert("RGBA")
    above, below = band(size)
    upper = round(top * scale)
    tile = tile.crop((0, max(-above - upper, 0), extent[0], max(min(below - upper, extent[1]), 0)))
    corner = (place[0] + round(left * scale), place[1] + max(upper, -above))
    if not tile.height:
        return
    if in_colour:
        where = (*corner, corner[0] + tile.width, corner[1] + tile.height)
        pen.im.paste(tile.convert(pen.mode).im, where, tile.getchannel("A").im)
    else:
        pen.bitmap(corner, tile.getchannel("A"), fill)
