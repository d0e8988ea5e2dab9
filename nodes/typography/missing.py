"""What of a line cannot be drawn here, in words."""

from __future__ import annotations

from pathlib import Path

from . import choice, fonts
from .bidi import unshaped
from .clusters import clusters, is_emoji, is_ignorable, one_line
from .user_font import usable

_NAMED = 24  # letters named in a warning


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
    if not fonts.can_shape() and (apart := unshaped(text, boxes)):
        sentences.append(
            f"Pillow cannot join or stack the letters {_few(apart)}: they stand apart. "
            "It needs raqm: install FriBiDi (libfribidi0, fribidi.dll)."
        )
    return sentences


def missing_letters(text: str, user_font: str | Path | None = None) -> str:
    """The characters of a text that no font has, each once: see :func:`missing`."""
    return "".join(dict.fromkeys(sign for _, signs in _lost(text, user_font) for sign in signs))


def _lost(text: str, user_font: str | Path | None) -> list[tuple[bool, str]]:
    """Whether it is an emoji, and what is not drawn, of each cluster that is not complete."""
    user = usable(user_font)
    found = []
    for cluster in dict.fromkeys(clusters(one_line(text))):
        picked = choice.pick(cluster, False, user, choice.font_folders())
        if not picked.complete:
            drawn = {sign for part, _ in picked.parts for sign in part}
            signs = "".join(
                sign for sign in cluster if sign not in drawn and not is_ignorable(sign)
            )
            found.append((is_emoji(cluster), signs))
    return found


def _few(signs: str) -> str:
    return signs if len(signs) <= _NAMED else f"{signs[:_NAMED]} and {len(signs) - _NAMED} more"
