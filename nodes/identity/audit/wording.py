"""Which terms a prompt says, how strongly, and what it takes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import isfinite
from typing import Any

from .emphasis import Segment
from .terms import NAME, NUMBER, WORD, Lexicon, Term, key_of, own_terms, words_of

MAX_PROMPT = 100_000  # letters: the rest of a longer one is not looked at
STRONGEST = 0.95  # weight: emphasis can still tell one such word from another
MINOR, OLD = 18, 60  # years beyond which a number means another face, the person's age unknown
UNLISTED = 0.3  # weight of a word that another node names and no list holds
NEAR_YEARS = 5  # within which an age agrees with the planned one
HALF_YEARS = 10  # beyond that, the gap at which half of a word's weight counts

_BETWEEN = re.compile(r"[\s\-_]{1,3}")  # between two words of one term
# Between "of" and the capital letter of a name: "van Gogh", "de la Tour".
_PARTICLES = (
    "van", "von", "da", "de", "del", "della", "di", "du", "la", "le", "el", "van der", "de la",
)  # fmt: skip
_NO_NAMES = frozenset(
    {"a", "an", "the", "my", "her", "his", "their", "our", "this", "that", "i", "art", "spring", "summer", "autumn", "winter"}
)  # fmt: skip
_NEGATORS = frozenset(
    {"no", "not", "without", "never", "non", "avoid", "exclude", "minus", "isn't", "aren't", "don't", "doesn't"}
)  # fmt: skip
# "without a hat", "not wearing any glasses", "no visible beard"
_FILLERS = frozenset(
    {"a", "an", "the", "any", "of", "her", "his", "their", "wearing", "visible", "kind", "style", "too", "very"}
)  # fmt: skip
_OR = frozenset({"or", "nor"})
_FREE = "free"  # makeup-free


@dataclass(frozen=True)
class Hit:
    """A term that a prompt says."""

    term: Term
    found: str
    """As it stands in the prompt."""
    emphasis: float
    """The strongest of its letters, 0 and more."""
    weight: float
    """The term's, less where an age that it says agrees with the planned one."""

    def as_json(self) -> dict[str, Any]:
        return {
            "term": self.term.text,
            "found": self.found,
            "class": self.term.kind,
            "emphasis": round(self.emphasis, 4),
            "weight": round(self.weight, 4),
            "advice": self.term.advice,
        }


def find_terms(
    segments: Sequence[Segment], lexicon: Lexicon, *, age: float | None = None
) -> tuple[Hit, ...]:
    """The terms that a prompt says, each once, the weightiest first.

    Parameters
    ----------
    segments : sequence of Segment
        Of :func:`.emphasis.read_emphasis`.
    lexicon : Lexicon
    age : float, years, or None
        Of the person as it is planned: words for this age then do not count.

    Notes
    -----
    Whole words only; of matches that overlap the longest counts, so that a term inside another
    does not; one of weight 0 silences them so. What is negated ("no glasses", "without a hat")
    does not count. Of a term that is said twice the more emphatic counts.
    """
    text, strength = _joined(segments)
    words, plain, linked = _words(text)
    hits: list[Hit] = []
    denied: set[int] = set()
    for first, last, term in _longest(_matches(words, plain, linked, lexicon)):
        if _negated(plain, words, text, first, last, denied):
            denied.add(last)
            continue
        start, end = words[first][1], words[last - 1][2]
        years = _years(plain[first:last]) if term.ages == "number" else term.ages
        weight = min(_age_weight(term, years, age), STRONGEST)
        emphasis = _most(strength, start, end)
        if weight > 0:
            hits.append(Hit(term, " ".join(text[start:end].split()), emphasis, weight))
    return merged(hits)


def listed_terms(
    texts: Iterable[str], kind: str, lexicon: Lexicon, *, age: float | None = None
) -> tuple[Hit, ...]:
    """The same of words that another node has put into a class; what no list holds weighs ``UNLISTED``.

    Parameters
    ----------
    texts : texts, each of a few words
    kind : one of ``CLASSES``
    lexicon, age : as in :func:`find_terms`
    """
    hits = []
    for text in texts:
        segment = Segment(text, 1.0)
        hits += find_terms([segment], lexicon, age=age)
        if not _matches(*_words(text), lexicon) and words_of(text):
            advice = "leave it away, or lower its emphasis"
            hits.append(Hit(Term(text, kind, UNLISTED, advice), text, 1.0, UNLISTED))
    return merged(hits)


def merged(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Each term once, as it is said most strongly; the weightiest first."""
    best: dict[str, Hit] = {}
    for hit in hits:
        before = best.get(key_of(hit.term.text))
        if before is None or _force(hit) > _force(before):
            best[key_of(hit.term.text)] = hit
    return tuple(sorted(best.values(), key=lambda hit: (*(-x for x in _force(hit)), hit.term.text)))


def ages_said(segments: Sequence[Segment]) -> tuple[int, ...]:
    """The ages in years that a prompt names as numbers."""
    rows = [term for term in own_terms().values() if term.ages == "number"]
    always = tuple(replace(term, ages=None) for term in rows)
    return tuple(
        sorted({int(n) for hit in find_terms(segments, Lexicon(always)) for n in re.findall(r"\d+", hit.found)})
    )  # fmt: skip


def _words(text: str) -> tuple[list[tuple[str, int, int]], list[str], list[bool]]:
    """The words of a text and where they stand; in small letters; and whether each joins the next."""
    words = [(m.group(), m.start(), m.end()) for m in WORD.finditer(text)]
    plain = [word.casefold().replace("\u2019", "'") for word, _, _ in words]
    linked = [bool(_BETWEEN.fullmatch(text, a[2], b[1])) for a, b in pairwise(words)]
    return words, plain, linked


def _force(hit: Hit) -> tuple[float, float]:
    return hit.weight * hit.emphasis, hit.weight


@dataclass(frozen=True)
class _Pattern:
    """Words in a row that say a term."""

    words: tuple[str, ...]
    term: Term
    alone: bool = False
    """Nothing else may stand beside them."""


@cache
def _patterns(terms: tuple[Term, ...]) -> Mapping[str, tuple[_Pattern, ...]]:
    """The patterns of each term, by the stem of their first word."""
    found: dict[str, list[_Pattern]] = {}
    for term in terms:
        for form in (term.text, *term.forms):
            words = words_of(form)
            patterns = [_Pattern((*words, *words_of(after)), term) for after in term.followed_by]
            if term.alone or not patterns:
                patterns.append(_Pattern(tuple(words), term, term.alone))
            if words[-1] == NAME:
                patterns += [
                    _Pattern((*words[:-1], *particle.split(), NAME), term)
                    for particle in _PARTICLES
                ]
            for pattern in patterns:
                first = "" if pattern.words[0][0] == "<" else _stem(pattern.words[0])
                found.setdefault(first, []).append(pattern)
    return {first: tuple(some) for first, some in found.items()}


def _stem(word: str) -> str:
    """A key that a word shares with its plurals, and with some others."""
    return word.replace("men", "man").rstrip("seyi") or "-"


def _is_plural(word: str, single: str) -> bool:
    """Whether a word is a plural of another."""
    if single.endswith("man"):
        return word == single[:-3] + "men"
    return word in (single + "s", single + "es") or (single[-1] == "y" and word == single[:-1] + "ies")  # fmt: skip


def _fits(pattern: str, word: str, written: str, last: bool) -> bool:
    if pattern == NAME:
        return written[0].isupper() and len(word) > 1 and word not in _NO_NAMES
    if pattern.startswith(NUMBER):
        after = pattern[len(NUMBER) :]
        digits = word[: len(word) - len(after)]
        return word.endswith(after) and digits.isdecimal() and len(digits) <= 3
    return word == pattern or (last and _is_plural(word, pattern))


def _matches(
    words: Sequence[tuple[str, int, int]],
    plain: Sequence[str],
    linked: Sequence[bool],
    lexicon: Lexicon,
) -> list[tuple[int, int, Term]]:
    """Every term that stands somewhere: its first word, the one after its last, and the term."""
    found = []
    patterns = _patterns(lexicon.terms)
    anywhere = patterns.get("", ())
    for first, word in enumerate(plain):
        for pattern in (*patterns.get(_stem(word), ()), *anywhere):
            last = first + len(pattern.words)
            if last > len(plain) or not all(linked[first : last - 1]):
                continue
            if pattern.alone and (any(linked[last - 1 : last]) or (first and linked[first - 1])):
                continue
            if all(
                _fits(part, plain[first + i], words[first + i][0], i == len(pattern.words) - 1)
                for i, part in enumerate(pattern.words)
            ):
                if pattern.words[-1] == NAME:
                    last = _whole_name(words, plain, linked, last)
                found.append((first, last, pattern.term))
    return found


def _whole_name(
    words: Sequence[tuple[str, int, int]], plain: Sequence[str], linked: Sequence[bool], last: int
) -> int:
    """Where a name ends whose first word ends before ``last``."""
    most = min(last + 2, len(words))
    while last < most and linked[last - 1] and _fits(NAME, plain[last], words[last][0], False):
        last += 1
    return last


def _longest(matches: Iterable[tuple[int, int, Term]]) -> list[tuple[int, int, Term]]:
    """Those that no longer one overlaps, in the order of the prompt."""
    taken: set[int] = set()
    kept = []
    for first, last, term in sorted(matches, key=lambda m: (m[0] - m[1], m[0])):
        if taken.isdisjoint(range(first, last)):
            taken.update(range(first, last))
            kept.append((first, last, term))
    return sorted(kept, key=lambda m: m[0])


def _negated(
    plain: Sequence[str],
    words: Sequence[tuple[str, int, int]],
    text: str,
    first: int,
    last: int,
    denied: set[int],
) -> bool:
    """Whether the words before a term, or after it, take it back; ``denied``: where such terms end."""
    if last < len(plain) and plain[last] == _FREE and text[words[last - 1][2] : words[last][1]] == "-":  # fmt: skip
        return True
    at = first
    while at > 0 and not re.search(r"[,.;:!?|\n]", text[words[at - 1][2] : words[at][1]]):
        at -= 1
        if plain[at] in _NEGATORS:
            return True
        if plain[at] in _OR and (at in denied or _negated_word(plain, words, text, at)):
            return True
        if plain[at] not in _FILLERS:
            return False
    return False


def _negated_word(
    plain: Sequence[str], words: Sequence[tuple[str, int, int]], text: str, at: int
) -> bool:
    """Whether the plain word before ``at`` is negated itself: "no tie or hat"."""
    return at >= 2 and plain[at - 2] in _NEGATORS and "," not in text[words[at - 2][2] : words[at][1]]  # fmt: skip


def _age_weight(term: Term, years: Any, age: float | None) -> float:
    """A term's weight, where it says an age: less the nearer that is to the planned one."""
    if years is None:
        return term.weight
    low, high = years
    if age is None:
        plain = term.ages == "number" and MINOR <= low < OLD
        return 0.0 if plain or term.needs_age else term.weight
    gap = max(low - age, age - high, 0.0) - NEAR_YEARS
    return term.weight * gap**2 / (gap**2 + HALF_YEARS**2) if gap > 0 else 0.0


def _years(words: Iterable[str]) -> tuple[float, float]:
    """The years that a term names."""
    for word in words:
        digits = re.match(r"\d+", word)
        if digits:
            number = float(digits[0])
            return number, number + (9 if word.endswith("s") else 0)
    return 0.0, 150.0


def _joined(segments: Sequence[Segment]) -> tuple[str, list[tuple[int, float]]]:
    """A prompt without its notation; and where each stretch ends, with its emphasis, 0 and more."""
    text, ends = [], []
    length = 0
    for segment in segments:
        part = segment.text[: MAX_PROMPT - length]
        length += len(part)
        text.append(part)
        ends.append((length, max(segment.emphasis, 0.0) if isfinite(segment.emphasis) else 1.0))
    return "".join(text), ends


def _most(ends: Sequence[tuple[int, float]], start: int, end: int) -> float:
    """The strongest emphasis of these letters."""
    before, most = 0, 0.0
    for after, emphasis in ends:
        if before < end and after > start:
            most = max(most, emphasis)
        before = after
    return most
