"""The words of Close-Up Prompt: fields, their options, presets and rules, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

FROM_PRESET = "from preset"
NOT_SAID = "not said"
SENTENCES, TAGS = "sentences", "tags"
SUBJECT = "{subject}"
FIELDS = (
    "region", "skin_type", "skin_detail", "make_up", "glasses", "iris",
    "lashes", "brows", "light", "palette", "lens", "background",
)  # fmt: skip
PARTS = (
    "skin", "iris", "eyes", "lashes", "brows", "lips", "nose", "cheeks", "chin", "forehead",
    "hair", "background",
)  # fmt: skip
NUMBER = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")  # [one eye|both]


@dataclass(frozen=True)
class Piece:
    """A piece of a phrase, written where its part of the face is shown."""

    part: str
    say: str
    tag: str
    """Empty: tags leave it away, since CLIP reads 75 tokens at a time."""
    weight: float = 1.0


Words = tuple[tuple[Piece, ...], ...]
"""Pieces in their order; of alternatives the first whose part is shown."""


@dataclass(frozen=True)
class Option:
    """One choice of a field."""

    name: str
    words: Words = ()
    label: str = ""
    """On plates."""
    hides: frozenset[str] = frozenset()
    """Parts that other fields cannot show beside it."""
    against: tuple[str, ...] = ()
    """For the negative prompt."""
    occlusion: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
    adult: bool = False
    """Never together with an age below 18."""
    shot: str = ""
    """Of a region: its name in ``framing.regions.SHOTS``, or nothing."""
    parts: frozenset[str] = frozenset()
    """Of a region: what it shows. Skin is always there."""
    one_eye: bool = False


@dataclass(frozen=True)
class Field:
    """What can be chosen of one thing."""

    title: str
    join: str
    """``commas`` or ``and``: how its pieces become one phrase."""
    part: str
    """Of the pieces that name none."""
    options: Mapping[str, Option]
    label: str = "{}"
    """How plates name an option."""

    def find(self, name: str, widget: str) -> Option:
        """The option of a name.

        Raises
        ------
        ValueError
            There is none.
        """
        if name not in self.options:
            raise ValueError(f"{widget} must be one of {', '.join(self.options)}; got {name!r}")
        return self.options[name]


@dataclass(frozen=True)
class Preset:
    """A picture to begin with: an option, or ``not said``, for every field."""

    name: str
    about: str
    fields: Mapping[str, str]
    age: int = 0
    """0: not said."""
    adult: bool = False


@dataclass(frozen=True)
class Rule:
    """Choices that fight each other. All conditions must hold."""

    name: str
    say: str
    change: str
    when: Mapping[str, tuple[str, ...]]
    ages: tuple[int, int] | None = None
    shows: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Negative:
    text: str
    part: str = "skin"
    format: str = ""
    """Empty: in both formats."""


@dataclass(frozen=True)
class Frame:
    """A sentence: fields in a row, and behind "with" those that describe them."""

    fields: tuple[str, ...]
    otherwise: str = ""
    """What stands for ``fields`` that say nothing."""
    behind_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phrases:
    """All words."""

    fields: Mapping[str, Field]
    focus: tuple[Piece, ...]
    ages: tuple[tuple[int, int, Words], ...]
    sentences: tuple[Frame, ...]
    negatives: tuple[Negative, ...]
    presets: Mapping[str, Preset]
    rules: tuple[Rule, ...]
    minors: Mapping[str, tuple[str, ...]]
    """Words that name a child, words that are then refused, and why."""
    own: Mapping[str, Preset] = field(default_factory=dict)
    """Presets of the user's files."""


def number_form(text: str, one_eye: bool) -> str:
    """``[one|several]`` resolved."""
    return NUMBER.sub(lambda found: found[1 if one_eye else 2], text)
