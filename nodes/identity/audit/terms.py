"""Words of a prompt that work against an identity: the lists, read and checked.

The pack's own are in ``terms.json``. Users add to them, weigh them anew or switch them off with
files of the same format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ...finite import finite_number
from ..own_files import own_files, parsed, text_of

FILE = Path(__file__).with_name("terms.json")
FOLDER = "loupe_terms"  # of models/: the users' own
STYLE, CONFLICT, OCCLUSION, SCENE = "style", "conflict", "occlusion", "scene"
CLASSES = (STYLE, CONFLICT, OCCLUSION, SCENE)
MAX_WORDS = 8  # of a term
MAX_LETTERS = 80
MAX_ADVICE = 300

_FIELDS = {"class", "weight", "advice", "terms", "ages", "needs_age", "followed_by", "alone"}
WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
NAME, NUMBER = "<name>", "<number>"


class TermsError(ValueError):
    """A file of terms cannot be used; the message names the file, the entry and what is wrong."""


@dataclass(frozen=True)
class Term:
    """A word, or a few, that work against an identity."""

    text: str
    kind: str
    """One of ``CLASSES``."""
    weight: float
    """0..1: the risk that it adds when it is said plainly. 0 switches it off."""
    advice: str
    forms: tuple[str, ...] = ()
    """Other spellings of it. Plurals are found without being named."""
    ages: tuple[float, float] | str | None = None
    """The years that it stands for; ``"number"``: those that it names; None: no age."""
    needs_age: bool = False
    """It counts only against a planned age."""
    followed_by: tuple[str, ...] = ()
    """Where not empty, one of these words must follow."""
    alone: bool = False
    """It counts as well where nothing stands beside it between two commas, and else only with
    ``followed_by``: a word that mostly names a thing in the picture."""


@dataclass(frozen=True)
class Lexicon:
    """All terms, and what was wrong with the users' files."""

    terms: tuple[Term, ...]
    remarks: tuple[str, ...] = ()


def read_terms(text: str, source: str, known: Mapping[str, Term] | None = None) -> dict[str, Term]:
    """The terms that a JSON text describes, by their texts.

    Parameters
    ----------
    text : str
        An object whose ``terms`` is a list of rows: ``terms`` (each a text, or a list of a text
        and its other forms), ``class``, ``weight`` 0..1 and ``advice``; of ages also ``ages``
        ([from, to] years or ``"number"``) and ``needs_age``; ``followed_by`` a list of words, ``alone``.
        ``<name>`` stands for a name, ``<number>`` for a number.
    source : str
        The file's name, for the message.
    known : mapping of text to Term
        Terms for which a row may leave fields away: then theirs hold.

    Raises
    ------
    TermsError
        No JSON, another structure, or a row with a missing, unknown or impossible value.
    """
    try:
        data = parsed(text, source)
    except ValueError as error:
        raise TermsError(str(error)) from None
    rows = data.get("terms") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise TermsError(f'{source} must be an object with a list "terms"')
    found: dict[str, Term] = {}
    for number, row in enumerate(rows, 1):
        for term in _read_row(row, f"{source}, entry {number}", known or {}):
            found[key_of(term.text)] = term
    return found


def own_terms() -> Mapping[str, Term]:
    """The pack's own terms, by :func:`key_of` their texts."""
    return _own()


def read_lexicon(folders: Sequence[Path]) -> Lexicon:
    """The pack's terms with those of every ``*.json`` in these folders, in the order of their names.

    A file that cannot be used is left out whole, and a remark says why.
    """
    terms = dict(own_terms())
    paths, remarks = own_files(folders)
    for path in paths:
        try:
            terms.update(read_terms(text_of(path), path.name, terms))
        except ValueError as error:
            remarks.append(f"{error}. The file is left out")
    return Lexicon(tuple(terms.values()), tuple(remarks))


def key_of(text: str) -> str:
    """A term as it is told from others: its words in small letters."""
    return " ".join(words_of(text))


@cache
def _own() -> dict[str, Term]:
    return read_terms(FILE.read_text(encoding="utf-8"), FILE.name)


def _read_row(row: Any, where: str, known: Mapping[str, Term]) -> Iterable[Term]:
    """The terms of a row; fields that it leaves away come from terms that are known."""
    if not isinstance(row, dict):
        raise TermsError(f"{where} must be an object, got {str(row)[:80]!r}")
    for unknown in sorted(row.keys() - _FIELDS):
        raise TermsError(
            f"{where} has a field {unknown[:80]!r}; known are {', '.join(sorted(_FIELDS))}"
        )
    texts = row.get("terms")
    if not isinstance(texts, list) or not texts:
        raise TermsError(f'{where} needs a list "terms" that is not empty')
    given = _checked(row, where)
    terms = []
    for item in texts:
        forms = item if isinstance(item, list) else [item]
        if not forms:
            raise TermsError(f"{where} holds an empty list among its terms")
        for form in forms:
            _check_text(form, where)
        before = known.get(key_of(forms[0]))
        own = dict(given, forms=tuple(forms[1:])) if len(forms) > 1 else given
        if before is not None:
            terms.append(replace(before, **own))
            continue
        for needed, field in (("kind", "class"), ("weight", "weight")):
            if needed not in given:
                raise TermsError(f"{where} ({forms[0]}) is a new term and needs a {field}")
        terms.append(Term(forms[0], **{"advice": "leave it away, or lower its emphasis", **own}))
    return terms


def _checked(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a row that it gives, by the names that Term has for them."""
    given: dict[str, Any] = {}
    if "class" in row:
        if row["class"] not in CLASSES:
            raise TermsError(
                f"{where}: class must be one of {', '.join(CLASSES)}, got {str(row['class'])[:80]!r}"
            )
        given["kind"] = row["class"]
    if "weight" in row:
        if not _is_number(row["weight"]) or not 0 <= row["weight"] <= 1:
            raise TermsError(
                f"{where}: weight must be a number from 0 to 1, got {str(row['weight'])[:80]!r}"
            )
        given["weight"] = float(row["weight"])
    if "advice" in row:
        line = row["advice"]
        if not isinstance(line, str) or not line.strip() or len(line) > MAX_ADVICE:
            raise TermsError(f"{where}: advice must be a text of 1 to {MAX_ADVICE} letters")
        given["advice"] = " ".join(line.split())
    if "ages" in row:
        given["ages"] = _checked_ages(row["ages"], where)
    for field in ("needs_age", "alone"):
        if field in row:
            if not isinstance(row[field], bool):
                raise TermsError(f"{where}: {field} must be true or false")
            given[field] = row[field]
    if "followed_by" in row:
        words = row["followed_by"]
        if not isinstance(words, list):
            raise TermsError(f"{where}: followed_by must be a list of words")
        for word in words:
            _check_text(word, where)
        given["followed_by"] = tuple(words)
    return given


def _checked_ages(ages: Any, where: str) -> Any:
    if ages is None or ages == "number":
        return ages
    pair = isinstance(ages, list) and len(ages) == 2 and all(map(_is_number, ages))
    if not pair or not 0 <= ages[0] <= ages[1]:
        raise TermsError(
            f'{where}: ages must be [from, to] in years, or "number", got {str(ages)[:80]!r}'
        )
    return (float(ages[0]), float(ages[1]))


def _is_number(value: Any) -> bool:
    return finite_number(value) is not None


def _check_text(text: Any, where: str) -> None:
    if not isinstance(text, str) or len(text) > MAX_LETTERS:
        raise TermsError(f"{where}: a term must be a text of at most {MAX_LETTERS} letters")
    if not 1 <= len(words_of(text)) <= MAX_WORDS:
        raise TermsError(f"{where}: a term must have 1 to {MAX_WORDS} words, got {text!r}")


def words_of(text: str) -> list[str]:
    """The words of a term, in small letters."""
    found = re.findall(rf"{NAME}|{NUMBER}[^\W_]*|{WORD.pattern}", text.casefold())
    return [word.replace("\u2019", "'") for word in found]
