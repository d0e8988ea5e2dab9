"""``close_up.json`` and the files that users add, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...framing.regions import SHOTS
from ..own_files import own_files, parsed, text_of
from .phrases import (
    FIELDS,
    FROM_PRESET,
    NOT_SAID,
    NUMBER,
    PARTS,
    SUBJECT,
    Field,
    Frame,
    Negative,
    Option,
    Phrases,
    Piece,
    Preset,
    Rule,
    Words,
)  # fmt: skip

FILE = Path(__file__).with_name("close_up.json")
FOLDER = "loupe_close_up"  # of models, for the files of users
MAX_NAME = 60  # letters: it stands in a list and on plates
MAX_TEXT = 300  # letters of one piece of a phrase
LARGEST_WEIGHT = 1.4  # SD models burn from about 1.5 on


class PhraseError(ValueError):
    """A file of words cannot be used; the message names the entry and what is wrong with it."""


@cache
def shipped() -> Phrases:
    """The pack's own words."""
    return read_phrases(FILE.read_text(encoding="utf-8"), FILE.name)


def read_phrases(text: str, source: str) -> Phrases:
    """The words of a complete file.

    Parameters
    ----------
    text : str
        JSON with the structure of ``close_up.json``.
    source : str
        The file's name, for the message.

    Raises
    ------
    PhraseError
        No JSON, another structure, or an entry that is missing, unknown or impossible.
    """
    data = _parse(text, source)
    known = {"about", "fields", "focus", "ages", "negatives", "sentences", "presets", "rules", "minors"}  # fmt: skip
    _keys(data, source, needed=known - {"about"}, known=known)
    _keys(data["fields"], f"{source}, fields", needed=set(FIELDS), known=set(FIELDS))
    fields = {name: _read_field(name, data["fields"][name], source) for name in FIELDS}
    presets = _read_presets(data["presets"], source, fields, complete=True)
    rules = [
        _read_rule(row, _where(source, "rule", number, row), fields)
        for number, row in _rows(data["rules"], f"{source}, rules")
    ]
    ages = []
    for number, row in _rows(data["ages"], f"{source}, ages"):
        where = f"{source}, age band {number}"
        _keys(row, where, needed={"from", "to", "words"}, known={"from", "to", "words"})
        ages.append((row["from"], row["to"], _read_words(row["words"], where, "skin")))
    focus = _read_words([data["focus"]], f"{source}, focus", "skin")[0]
    negatives = []
    for number, row in _rows(data["negatives"], f"{source}, negatives"):
        where = f"{source}, negative {number}"
        _keys(row, where, needed={"text"}, known={"text", "part", "format"})
        part = _one_of(row.get("part", "skin"), PARTS, f"{where}: part")
        form = _one_of(row.get("format", ""), ("", "tags", "sentences"), f"{where}: format")
        negatives.append(Negative(_phrase(row["text"], where), part, form))
    frames = tuple(
        _read_frame(row, f"{source}, sentence {number}")
        for number, row in _rows(data["sentences"], f"{source}, sentences")
    )
    minors = _read_minors(data["minors"], f"{source}, minors")
    return Phrases(
        MappingProxyType(fields), focus, tuple(ages), frames,
        tuple(negatives),
        MappingProxyType(presets), tuple(rules), minors,
    )  # fmt: skip


def with_own(phrases: Phrases, folders: Sequence[Path]) -> tuple[Phrases, tuple[str, ...]]:
    """The words together with those of the user's files.

    Parameters
    ----------
    phrases : Phrases
        The pack's own.
    folders : sequence of Path
        Their ``*.json``: objects with ``presets`` (a list) and ``options`` (lists by field).

    Returns
    -------
    phrases : Phrases
        With the own options behind the pack's in each field, and the own presets in ``own``.
    remarks : tuple of str
        Of every file that was left out, why.
    """
    paths, remarks = own_files(folders)
    for path in paths:
        try:
            phrases = _add(phrases, text_of(path), path.name)
        except ValueError as error:
            remarks.append(f"Left out {path}: {error}.")
    return phrases, tuple(remarks)


def _add(phrases: Phrases, text: str, source: str) -> Phrases:
    data = _parse(text, source)
    _keys(data, source, needed=set(), known={"about", "presets", "options"})
    options = data.get("options", {})
    _keys(options, f"{source}, options", needed=set(), known=set(FIELDS))
    fields = dict(phrases.fields)
    for name, rows in options.items():
        added = dict(fields[name].options)
        for number, row in _rows(rows, f"{source}, options, {name}"):
            where = _where(source, f"{name} option", number, row)
            option = replace(_read_option(name, row, where, fields[name].part), adult=True)
            if option.name in added:
                raise PhraseError(f"{where}: there is already an option of this name")
            added[option.name] = option
        fields[name] = replace(fields[name], options=MappingProxyType(added))
    rows = data.get("presets", [])
    own = _read_presets(rows, source, fields, complete=False) if rows else {}
    for name in own:
        if name in phrases.presets or name in phrases.own:
            raise PhraseError(f"{source}: there is already a preset {name!r}")
    own = {name: replace(preset, adult=True) for name, preset in own.items()}
    return replace(
        phrases, fields=MappingProxyType(fields), own=MappingProxyType({**phrases.own, **own})
    )


def _read_field(name: str, row: Any, source: str) -> Field:
    where = f"{source}, {name}"
    known = {"title", "part", "join", "label", "options"}
    _keys(row, where, needed=known - {"label"}, known=known)
    part = _one_of(row["part"], PARTS, f"{where}: part")
    join = _one_of(row["join"], ("commas", "and"), f"{where}: join")
    options: dict[str, Option] = {}
    for number, each in _rows(row["options"], f"{where}, options"):
        there = _where(source, f"{name} option", number, each)
        option = _read_option(name, each, there, part)
        if option.name in options:
            raise PhraseError(f"{there}: there is already an option of this name")
        options[option.name] = option
    label = _line(row.get("label", "{}"), f"{where}: label")
    if label.count("{}") != 1 or set(label.replace("{}", "")) & set("{}"):
        raise PhraseError(f"{where}: label must hold {{}} once, for the option, got {label!r}")
    title = _line(row["title"], f"{where}: title")
    return Field(title, join, part, MappingProxyType(options), label)


def _read_option(field_name: str, row: Any, where: str, part: str) -> Option:
    lists = {"against", "occlusion", "style", "conflict"}
    known = {"name", "words", "label", "hides", "adult", *lists}
    known |= {"shot", "parts", "one_eye"} if field_name == "region" else set()
    needed = {"name", "words"} | ({"shot", "parts"} if field_name == "region" else set())
    _keys(row, where, needed=needed, known=known)
    words = _read_words(row["words"], where, part, region=field_name == "region")
    texts = {
        name: tuple(_phrase(text, f"{where}: {name}") for text in _list(row.get(name, []), where, name))
        for name in lists
    }  # fmt: skip
    parts = {
        name: frozenset(_one_of(each, PARTS, f"{where}: {name}") for each in _list(row.get(name, []), where, name))
        for name in ("hides", "parts")
    }  # fmt: skip
    for name in ("adult", "one_eye"):
        if not isinstance(row.get(name, False), bool):
            raise PhraseError(f"{where}: {name} must be true or false, got {row[name]!r}")
    return Option(
        _name(row["name"], where),
        words,
        _line(row.get("label", row["name"]), f"{where}: label"),
        hides=parts["hides"],
        against=texts["against"],
        occlusion=texts["occlusion"],
        style=texts["style"],
        conflict=texts["conflict"],
        adult=row.get("adult", False),
        shot=_one_of(row.get("shot", ""), ("", *SHOTS), f"{where}: shot"),
        parts=parts["parts"],
        one_eye=row.get("one_eye", False),
    )


def _read_words(value: Any, where: str, part: str, region: bool = False) -> Words:
    words = []
    for number, entry in enumerate(_list(value, where, "words"), 1):
        rows = entry if isinstance(entry, list) else [entry]
        pieces = tuple(_read_piece(row, f"{where}, piece {number}", part) for row in rows)
        if region and number == 1 and not all(piece.tag for piece in pieces):
            raise PhraseError(f"{where}, piece 1: a region must have a tag")
        for piece in pieces:
            if (SUBJECT in piece.say) != (region and number == 1):
                raise PhraseError(
                    f"{where}, piece {number}: {SUBJECT} must stand in the first piece of a region, "
                    "and only there"
                )
        words.append(pieces)
    if region and not words:
        raise PhraseError(f"{where}: a region must have words")
    return tuple(words)


def _read_piece(row: Any, where: str, part: str) -> Piece:
    _keys(row, where, needed={"say"}, known={"part", "say", "tag", "weight"})
    say = _phrase(row["say"], f"{where}: say", subject=True)
    tag = row.get("tag", row["say"])
    tag = _phrase(tag, f"{where}: tag") if tag != "" else ""
    weight = row.get("weight", 1.0)
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not 1 <= weight <= LARGEST_WEIGHT
    ):
        raise PhraseError(f"{where}: weight must be 1 to {LARGEST_WEIGHT:g}, got {weight!r}")  # fmt: skip
    return Piece(_one_of(row.get("part", part), PARTS, f"{where}: part"), say, tag, float(weight))


def _read_presets(
    value: Any, source: str, fields: Mapping[str, Field], *, complete: bool
) -> dict[str, Preset]:
    """Presets by name; what an incomplete one lacks is not said, its region the face."""
    found: dict[str, Preset] = {}
    for number, row in _rows(value, f"{source}, presets"):
        where = _where(source, "preset", number, row)
        needed = {"name", *(set(FIELDS) - {"background"} if complete else ())}
        _keys(row, where, needed=needed, known={"name", "about", "age", "adult", *FIELDS})
        name = _name(row["name"], where)
        if name in found:
            raise PhraseError(f"{where}: there is already a preset of this name")
        chosen = dict.fromkeys(FIELDS, NOT_SAID) | {"region": "face", "background": "absent"}
        for each in FIELDS:
            chosen[each] = row.get(each, chosen[each])
            allowed = [*fields[each].options, *([] if each == "region" else [NOT_SAID])]
            _one_of(chosen[each], allowed, f"{where}: {each}")
        age = row.get("age", 0)
        if type(age) is not int or not 0 <= age <= 100:
            raise PhraseError(f"{where}: age must be a whole number from 0 to 100, got {age!r}")
        about = _line(row["about"], f"{where}: about") if "about" in row else ""
        adult = row.get("adult", False)
        if not isinstance(adult, bool):
            raise PhraseError(f"{where}: adult must be true or false, got {adult!r}")
        found[name] = Preset(name, about, MappingProxyType(chosen), age, adult)
    return found


def _read_rule(row: Any, where: str, fields: Mapping[str, Field]) -> Rule:
    known = {"name", "say", "change", "when", "ages", "shows", "typed"}
    _keys(row, where, needed={"name", "say", "change"}, known=known)
    when = row.get("when", {})
    _keys(when, f"{where}: when", needed=set(), known=set(FIELDS))
    for name, options in when.items():
        for option in _list(options, where, name):
            _one_of(option, fields[name].options, f"{where}: {name}")
    ages = row.get("ages")
    if ages is not None and not (
        isinstance(ages, list) and len(ages) == 2 and all(type(age) is int for age in ages)
    ):
        raise PhraseError(f"{where}: ages must be two whole numbers, got {ages!r}")
    shows = tuple(_one_of(part, PARTS, f"{where}: shows") for part in row.get("shows", []))
    typed = tuple(_line(text, f"{where}: typed") for text in row.get("typed", []))
    if not (when or typed):
        raise PhraseError(f"{where}: a rule needs conditions, when or typed")
    name, say, change = (_line(row[each], f"{where}: {each}") for each in ("name", "say", "change"))
    chosen = {name: tuple(options) for name, options in when.items()}
    between = (ages[0], ages[1]) if ages else None
    return Rule(name, say, change, MappingProxyType(chosen), between, shows, typed)


def _read_frame(row: Any, where: str) -> Frame:
    _keys(row, where, needed={"fields"}, known={"fields", "otherwise", "with"})
    names = []
    for key in ("fields", "with"):
        listed = _list(row.get(key, []), where, key)
        names.append(tuple(_one_of(each, (*FIELDS, "age", "focus"), where) for each in listed))
    otherwise = _phrase(row["otherwise"], f"{where}: otherwise") if "otherwise" in row else ""
    if names[1] and not otherwise:
        raise PhraseError(f"{where}: what stands behind with needs an otherwise")
    return Frame(names[0], otherwise, names[1])


def _read_minors(row: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    lists = {"anywhere", "subject", "subject_unless_adult", "typed"}
    _keys(row, where, needed={"why", *lists}, known={"why", *lists})
    words = {
        name: tuple(_line(word, f"{where}: {name}") for word in _list(row[name], where, name))
        for name in lists
    }
    return MappingProxyType({**words, "why": (_line(row["why"], f"{where}: why"),)})


def _parse(text: str, source: str) -> Any:
    try:
        return parsed(text, source)
    except ValueError as error:
        raise PhraseError(str(error)) from None


def _keys(row: Any, where: str, *, needed: set[str], known: set[str]) -> None:
    if not isinstance(row, dict):
        raise PhraseError(f"{where} must be an object, got {str(row)[:80]!r}")
    for missing in sorted(needed - row.keys()):
        raise PhraseError(f"{where} has no {missing}")
    for unknown in sorted(row.keys() - known):
        raise PhraseError(
            f"{where} has an entry {unknown[:MAX_NAME]!r}; known are {', '.join(sorted(known))}"
        )


def _list(value: Any, where: str, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise PhraseError(f"{where}: {name} must be a list, got {str(value)[:80]!r}")
    return value


def _rows(value: Any, where: str) -> list[tuple[int, Any]]:
    if not isinstance(value, list) or not value:
        raise PhraseError(f"{where} must be a list that is not empty")
    return list(enumerate(value, 1))


def _where(source: str, kind: str, number: int, row: Any) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    named = f" ({name[:MAX_NAME]})" if isinstance(name, str) else ""
    return f"{source}, {kind} {number}{named}"


def _one_of(value: Any, known: Any, where: str) -> str:
    if not isinstance(value, str) or value not in known:
        listed = ", ".join(each or repr(each) for each in known)
        raise PhraseError(f"{where} must be one of {listed}; got {str(value)[:80]!r}")
    return value


def _line(value: Any, where: str) -> str:
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > MAX_TEXT
        or not value.isprintable()
    ):
        raise PhraseError(f"{where} must be one line of 1 to {MAX_TEXT} letters, got {str(value)[:80]!r}")  # fmt: skip
    return value


def _name(value: Any, where: str) -> str:
    name = _line(value, f"{where}: name")
    if len(name) > MAX_NAME or set(name) & set(",;*") or name in (FROM_PRESET, NOT_SAID, "all"):
        raise PhraseError(
            f"{where}: name must have at most {MAX_NAME} letters, no comma, semicolon or star, and "
            f"not be {FROM_PRESET!r}, {NOT_SAID!r} or 'all', got {name!r}"
        )
    if name != " ".join(name.split()):
        raise PhraseError(
            f"{where}: name must have single spaces, and none around it, got {name!r}"
        )
    return name


def _phrase(value: Any, where: str, *, subject: bool = False) -> str:
    """A piece of text that can be put between others, in both formats."""
    text = _line(value, where)
    plain = NUMBER.sub("x", text.replace(SUBJECT, "x") if subject else text)
    if found := sorted(set(plain) & set("()[]{}|\\:<>")):
        raise PhraseError(
            f"{where} must be plain words, perhaps with [one|several]: {' '.join(found)} would be "
            f"read as emphasis or a template, got {text!r}"
        )
    if text != " ".join(text.split()) or text[0] in ",.;" or text[-1] in ",.;" or ",," in text:
        raise PhraseError(
            f"{where} must have single spaces and no comma or point at its ends, got {text!r}"
        )
    return text
