"""The fields of one prompt resolved, and which of their words are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .phrases import FIELDS, FROM_PRESET, NOT_SAID, Phrases, Piece, Preset, Words

_NEGATORS = frozenset({"no", "not", "without", "never", "avoid"})
_TEENS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
)  # fmt: skip
_NUMBER = rf"\d{{1,3}}|{'|'.join(_TEENS)}"
_AGE = re.compile(
    r"\b(\d{1,3})\s*-?\s*(?:(?:years?|yrs?|y)\.?[\s-]*(?:olds?|of[\s-]age|o)|y/o)\b"
    rf"|\b(?:aged?|age of)\s+({_NUMBER})\b"
    rf"|\b({'|'.join(_TEENS)})[\s-]years?[\s-](?:olds?|of[\s-]age)\b"
)
_UNDER_A_YEAR = re.compile(
    rf"\b(?:{_NUMBER}|few)[\s-]*(?:months?|weeks?|days?)[\s-]*(?:olds?|of[\s-]age)\b"
    r"(?!\s+(?:stubble|beard|growth|shave|haircut|tan|scar|bruise|tattoo|dye))"
)


PRESET, HAND, VARIES = "preset", "hand", "varied"  # who chose


@dataclass(frozen=True)
class Choice:
    """What a field is, and who said so."""

    value: str
    source: str


class Setting:
    """All fields of one prompt resolved, and which words of them are shown."""

    def __init__(
        self, phrases: Phrases, choices: Mapping[str, Choice], age: int, subject: str, extra: str
    ) -> None:
        self.phrases, self.choices, self.age = phrases, choices, age
        self.subject, self.extra = subject, extra
        self.options = {
            name: phrases.fields[name].find(choice.value, name)
            for name, choice in choices.items()
            if choice.value != NOT_SAID
        }
        self.region = self.options["region"]
        everything = self.region.parts | {"skin"}
        self.parts = everything.difference(*(option.hides for option in self.options.values()))
        self.said = {
            name: self._shown(option.words, everything.difference(*self._hidden_by_others(name)))
            for name, option in self.options.items()
        }
        bands = (words for low, high, words in phrases.ages if low <= age <= high)
        self.said["age"] = self._shown(next(bands, ()), self.parts)
        focus = (phrases.focus,) if self.said.get("lens") else ()
        self.said["focus"] = self._shown(focus, self.parts)

    def _hidden_by_others(self, name: str) -> Iterable[frozenset[str]]:
        return (option.hides for other, option in self.options.items() if other != name)

    def _shown(self, words: Words, parts: frozenset[str]) -> tuple[Piece, ...]:
        """Of each entry the first piece whose part is there."""
        first = (next((piece for piece in each if piece.part in parts), None) for each in words)
        return tuple(piece for piece in first if piece is not None)

    def silent(self, name: str) -> bool:
        """Whether a field has words and none of them is shown."""
        return bool(self.options[name].words) and not self.said[name]

    def value(self, name: str) -> str | None:
        """The option that the prompt holds, or None where it says nothing of the field."""
        return self.choices[name].value if name in self.options and not self.silent(name) else None

    @property
    def typed(self) -> str:
        """What the user wrote, in small letters."""
        return f"{self.subject}; {self.extra}".casefold()


def resolve(phrases: Phrases, preset: Preset, fields: Mapping[str, str]) -> dict[str, Choice]:
    """What each field is: set by hand, else the preset's.

    Raises
    ------
    ValueError
        A field has no such option.
    """
    choices = {}
    for name in FIELDS:
        value = fields.get(name, FROM_PRESET)
        if value == FROM_PRESET:
            choices[name] = Choice(preset.fields[name], PRESET)
            continue
        if value != NOT_SAID or name == "region":
            phrases.fields[name].find(value, name)
        choices[name] = Choice(value, HAND)
    return choices


def said_words(text: str, words: Iterable[str], *, negation: bool = True) -> list[str]:
    """Those of the words that a text holds; not behind "no", "without", ... unless told so."""
    return [word for word in words if _says(text, word, negation)]


@lru_cache(maxsize=4096)  # the prompts of a set share what was typed
def _says(text: str, word: str, negation: bool) -> bool:
    pattern = rf"(?<![\w-]){re.escape(word.casefold())}(?![\w-])"
    for match in re.finditer(pattern, text):
        before = re.findall(r"[\w']+", text[: match.start()])[-2:]
        if not negation or _NEGATORS.isdisjoint(before):
            return True
    return False


def typed_ages(text: str) -> list[tuple[str, int]]:
    """Ages that a text names, each with its words."""
    found = [(match[0], 0) for match in _UNDER_A_YEAR.finditer(text)]
    for match in _AGE.finditer(text):
        number = match[1] or match[2] or match[3]
        found.append((match[0], int(number) if number.isdigit() else _TEENS.index(number) + 1))
    return found
