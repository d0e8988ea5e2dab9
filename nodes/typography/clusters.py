"""Text in letters as a reader sees them, and in one line."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

ZWNJ = "\u200c"
_ZWJ, _KEYCAP = "\u200d", "\u20e3"
_MOST_IN_CLUSTER = 64  # Unicode's own bound for sane text is 30 marks (UAX 15, stream-safe)


def one_line(text: str) -> str:
    """The text with line breaks and what cannot be written turned into single blanks.

    Signs that only steer direction are dropped: an override could make a name read as another.
    """
    return " ".join("".join(map(_written, text)).split())


@lru_cache(maxsize=4096)
def _written(sign: str) -> str:
    """A sign as it may stand in a line."""
    if sign.isprintable() or sign in (ZWNJ, _ZWJ) or _is_tag(sign):
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
    if is_mark(sign):
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
def is_mark(sign: str) -> bool:
    return (
        unicodedata.category(sign) in ("Mn", "Mc", "Me")
        or sign in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
        or _is_tag(sign)
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
    )


def is_ignorable(sign: str) -> bool:
    """Steers how its neighbours are drawn and is itself not seen."""
    return (
        sign in (ZWNJ, _ZWJ)
        or "\ufe00" <= sign <= "\ufe0f"
        or "\U000e0100" <= sign <= "\U000e01ef"
        or _is_tag(sign)
    )


def is_emoji(cluster: str) -> bool:
    return "\U0001f000" <= cluster[0] <= "\U0001faff" or "\ufe0f" in cluster or _KEYCAP in cluster


def _is_pictograph(sign: str) -> bool:
    return (
        "\U0001f000" <= sign <= "\U0001faff" or "\u2190" <= sign <= "\u2bff" or sign in "\xa9\xae"
    )


def _is_regional(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _is_tag(sign: str) -> bool:
    return "\U000e0020" <= sign <= "\U000e007f"
