"""The prompt of an extreme close-up from fields, its negative, and what it tells Identity Audit.

A preset fills the fields, those set by hand win, and lists over ages, skin types, make-up and
lights make sets. Only what the region shows is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .children import keep_children_natural
from .conflicts import conflicts_of, unseen
from .phrases import FIELDS, SENTENCES, SUBJECT, TAGS, Frame, Phrases, Preset, number_form
from .report import report_of
from .setting import HAND, PRESET, VARIES, Choice, Setting, resolve
from .vary import COMBINES, GRID, key_of, label_of, read_lists, rows_of

FORMATS = (SENTENCES, TAGS)
NOBODY = "a person"
AGE_FROM_PRESET, AGE_NOT_SAID = 0, -1
_EMPTY_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "no", "not", "of", "off", "on", "or", "out", "the", "to", "with"}
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One prompt of a set."""

    prompt: str
    negative: str
    terms: Mapping[str, object]
    """For Identity Audit: shot, style, conflict, occlusion, age, skin_type, make_up, light."""
    label: str
    """What varies, for plates; empty where nothing does."""
    conflicts: tuple[str, ...]
    left_out: tuple[str, ...]
    """Fields of the preset of which this region shows nothing."""


@dataclass(frozen=True)
class Built:
    """A set of prompts."""

    items: tuple[Item, ...]
    report: str


def build_prompts(
    phrases: Phrases,
    *,
    preset: str,
    subject: str = "",
    age: int = AGE_FROM_PRESET,
    fields: Mapping[str, str] | None = None,
    extra: str = "",
    format: str = SENTENCES,
    vary: Mapping[str, str] | None = None,
    combine: str = GRID,
    remarks: Sequence[str] = (),
) -> Built:
    """The prompts of a close-up, one or as a set.

    Parameters
    ----------
    phrases : Phrases
        All words, with those of the user.
    preset : str
        A preset of the pack or of the user's files.
    subject : str
        Who it is, as it is written. Empty: a person.
    age : int, years
        1 to 100. 0: the preset's. -1: not said.
    fields : mapping of field to option
        ``from preset`` and ``not said`` too. What is missing is from the preset.
    extra : str
        Added at the end as it was typed.
    format : {"sentences", "tags"}
    vary : mapping of ``age``, ``skin_type``, ``make_up``, ``light`` to a list as typed
        Names apart by commas; ``*`` or ``all`` for every option.
    combine : {"grid", "row by row"}
        All combinations, the last list changing fastest; or item by item, where shorter lists
        repeat their last.
    remarks : sequence of str
        Lines for the report.

    Raises
    ------
    ValueError
        An unknown name, more than 256 prompts, or somebody below 18 in anything but a natural
        portrait.
    """
    _one_of(format, FORMATS, "format")
    _one_of(combine, COMBINES, "combine")
    if not AGE_NOT_SAID <= age <= 100:
        raise ValueError(
            f"age must be 1 to 100, {AGE_FROM_PRESET} (from the preset) or {AGE_NOT_SAID} (not said), got {age}"
        )
    start = find_preset(phrases, preset)
    lists = read_lists(phrases, vary or {})
    subject = " ".join(subject.split()).strip(" ,.;") or NOBODY
    extra = extra.strip()
    choices = resolve(phrases, start, fields or {})
    by_hand = age != AGE_FROM_PRESET
    years = Choice(str(max(age, 0) if by_hand else start.age), HAND if by_hand else PRESET)
    items = []
    for row in rows_of(lists, combine):
        own = {name: Choice(value, VARIES) for name, value in row.items()}
        chosen = {**choices, "age": years, **own}
        years_now = int(chosen.pop("age").value)
        setting = Setting(phrases, chosen, years_now, subject, extra)
        keep_children_natural(setting, start)
        items.append(_item(setting, format, row))
    choices["age"] = years
    lines = report_of(items, choices, lists, start, format=format, combine=combine, extra=extra)
    return Built(tuple(items), "\n".join([*lines, *remarks]))


def find_preset(phrases: Phrases, preset: str) -> Preset:
    """The preset of a name, of the pack or of the user's files.

    Raises
    ------
    ValueError
        There is no such preset.
    """
    every = {**phrases.presets, **phrases.own}
    wanted = key_of(preset)
    for name, found in every.items():
        if key_of(name) == wanted:
            return found
    raise ValueError(
        f"preset must be one of {', '.join(every)}; got {preset!r}. One of your own stands in a file in "
        "models/loupe_close_up."
    )


def _one_of(value: str, known: Sequence[str], widget: str) -> None:
    if value not in known:
        raise ValueError(f"{widget} must be one of {', '.join(known)}; got {value!r}")


def _item(setting: Setting, format: str, row: Mapping[str, str]) -> Item:
    prompt = _in_sentences(setting) if format == SENTENCES else _in_tags(setting)
    return Item(
        prompt, _negative(setting, prompt, format), _terms(setting), label_of(setting.phrases, row),
        conflicts_of(setting), unseen(setting),
    )  # fmt: skip


def _in_sentences(setting: Setting) -> str:
    sentences = [_sentence(setting, frame) for frame in setting.phrases.sentences]
    told = " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences if text)
    return f"{told} {setting.extra}" if setting.extra else told


def _sentence(setting: Setting, frame: Frame) -> str:
    head = ", ".join(filter(None, (_phrase(setting, name) for name in frame.fields)))
    pieces = [text for name in frame.behind_with for text in _texts(setting, name)]
    return f"{head or frame.otherwise} with {_and(pieces)}" if pieces else head


def _phrase(setting: Setting, name: str) -> str:
    texts = _texts(setting, name)
    known = setting.phrases.fields.get(name)
    return _and(texts) if known and known.join == "and" else ", ".join(texts)


def _texts(setting: Setting, name: str) -> list[str]:
    who = f"{setting.subject}, aged {setting.age}" if setting.age else setting.subject
    one = setting.region.one_eye
    return [number_form(each.say, one).replace(SUBJECT, who) for each in setting.said.get(name, ())]


def _and(texts: Sequence[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else "".join(texts)


def _in_tags(setting: Setting) -> str:
    first, *rest = _tags(setting, "region")
    tags = [first, setting.subject, *([f"{setting.age} years old"] if setting.age else []), *rest]
    for frame in setting.phrases.sentences:
        names = [name for name in (*frame.fields, *frame.behind_with) if name != "region"]
        tags += [tag for name in names for tag in _tags(setting, name)]
    told = ", ".join(tags)
    extra = setting.extra.lstrip(", ")
    return f"{told}, {extra}" if extra else told


def _tags(setting: Setting, name: str) -> list[str]:
    found = []
    for piece in setting.said.get(name, ()):
        tag = number_form(piece.tag, setting.region.one_eye)
        if tag:
            found.append(f"({tag}:{piece.weight:g})" if piece.weight != 1 else tag)
    return found


def _negative(setting: Setting, prompt: str, format: str) -> str:
    """What is not wanted, without any word that the prompt holds."""
    wanted = content_words(prompt)
    listed = [text for name in FIELDS if name in setting.options for text in setting.options[name].against]  # fmt: skip
    listed += [
        each.text
        for each in setting.phrases.negatives
        if each.part in setting.parts and each.format in ("", format)
    ]
    return ", ".join(text for text in dict.fromkeys(listed) if not content_words(text) & wanted)


def content_words(text: str) -> set[str]:
    """The words of a text that carry meaning, singular."""
    words = re.findall(r"\w+", text.casefold())
    return {word.rstrip("s") or word for word in words if word not in _EMPTY_WORDS}


def _terms(setting: Setting) -> dict[str, object]:
    """What Identity Audit needs to know of the words that are written."""
    written = [option for name, option in setting.options.items() if setting.value(name)]
    return {
        "shot": setting.region.shot,
        "style": [term for option in written for term in option.style],
        "conflict": [term for option in written for term in option.conflict],
        "occlusion": [term for option in written for term in option.occlusion],
        "age": setting.age or None,
        **{name: setting.value(name) for name in ("skin_type", "make_up", "light")},
    }
