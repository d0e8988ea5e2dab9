"""Which font draws which letters: the user's, DejaVu Sans, the system's."""

from __future__ import annotations

import os
import sys
import unicodedata
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from . import fonts
from .clusters import is_emoji, is_ignorable, is_mark

BOX = "\N{WHITE SQUARE}"
"""What stands for letters that no font has."""
FONT_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
_MOST_FONTS = 1024  # system fonts looked into; 1 to 30 ms each, once
_MOST_SEEN = 20_000  # names read in the system's folders
_PLACEHOLDERS = ("lastresort", "adobeblank", "adobenotdef")  # fonts that claim every letter
_UNUSUAL = (
    "italic", "oblique", "thin", "light", "black", "heavy", "cond", "mono", "serif", "narrow",
    "symbol", "math",
)  # fmt: skip


class _Picked(NamedTuple):
    parts: tuple[tuple[str, str], ...]
    """What is drawn for a cluster, and the font of each part."""
    complete: bool


@lru_cache(maxsize=16384)
def pick(cluster: str, bold: bool, user: str | None, folders: tuple[Path, ...]) -> _Picked:
    """The fonts for one cluster."""
    composed = unicodedata.normalize("NFC", cluster)  # more fonts have the letter than the mark
    for form in dict.fromkeys((composed, cluster)):
        needed = "".join(sign for sign in form if not is_ignorable(sign))
        if not needed:
            return _Picked((), True)
        if path := _font_with(needed, bold, user, folders):
            return _Picked(((form, path),), True)
    base = cluster[0]
    emoji = is_emoji(cluster)
    box = () if emoji else ((BOX, fonts.dejavu(bold)),)
    if len(cluster) > 1 and not is_mark(base) and (path := _font_with(base, bold, user, folders)):
        return _Picked(((base, path), *box), False)
    return _Picked(box, False)


def _font_with(signs: str, bold: bool, user: str | None, folders: tuple[Path, ...]) -> str | None:
    # each of the two has some letters that the other lacks
    for path in (user, fonts.dejavu(bold), fonts.dejavu(not bold)):
        if path and fonts.has(path, signs):
            return path
    return _system_font(signs, bold, folders)


@lru_cache(maxsize=16384)
def _system_font(signs: str, bold: bool, folders: tuple[Path, ...]) -> str | None:
    """The first system font that has all signs and draws them."""
    script = unicodedata.name(signs[0], "").split(" ")[0].lower()
    if script in ("hiragana", "katakana", "hangul", "ideographic"):
        script = "cjk"
    hint = "emoji" if is_emoji(signs) else script
    return next(
        (
            path
            for path in _ordered(hint, bold, folders)
            if fonts.has(path, signs) and _inks(path, signs)
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

    return tuple(sorted(font_files(folders), key=rank))


@lru_cache(maxsize=8)
def font_files(folders: tuple[Path, ...]) -> tuple[str, ...]:
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
        letters = fonts.open_font(path, 32, False, fonts.can_shape())
        mode = "RGBA" if fonts.is_coloured(path) else "L"
        mask, _ = letters.getmask2(signs[0], mode)
        return (mask.getband(3) if mode == "RGBA" else mask).getbbox() is not None
    except (OSError, ValueError):
        return False
