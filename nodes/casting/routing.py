"""Which models are suggested for a need, and why: hints as data, read and checked.

The pack's own stand in ``routing.json``. Users add to them, or put theirs first, with files of the
same format. They are suggestions: nothing is chosen by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..identity.own_files import own_files, parsed, text_of

FILE = Path(__file__).with_name("routing.json")
FOLDER = "loupe_routing"  # of models/: the users' own
NEEDS = ("balanced", "skin texture", "literal prompt adherence")
USED, BEST_EFFORT, NO_SEEDS = SEEDS = ("used", "best effort", "none")
LONGEST = 300  # letters of a text
MOST_ROWS = 50  # of a list

_MODEL_FIELDS = {"model", "nodes", "seeds", "negative", "offers"}
_HINT_FIELDS = {"model", "reason", "source", "leave_out"}


class RoutingError(ValueError):
    """A file of hints cannot be used; the message names the file, the entry and what is wrong."""


@dataclass(frozen=True)
class Offer:
    """A model, and what can be had of it."""

    model: str
    nodes: tuple[str, ...] = ()
    """Classes of the nodes that have it."""
    seeds: str = USED
    """One of ``SEEDS``: whether a seed brings the same take back."""
    negative: bool = True
    """Whether it takes a negative prompt."""
    offers: str = ""
    """Sizes, pictures a call."""


@dataclass(frozen=True)
class Hint:
    """A model for a need, and the reason."""

    model: str
    reason: str
    source: str = ""
    """Where that is said; empty where it is what the model offers."""
    file: str = ""
    """The user's file that says so; empty for the pack's own."""


@dataclass(frozen=True)
class Routing:
    """All hints, and what was wrong with the users' files."""

    models: Mapping[str, Offer]
    """By their names in small letters."""
    needs: Mapping[str, tuple[Hint, ...]]
    """The hints of every need, best first."""
    remarks: tuple[str, ...] = field(default=())

    def offer(self, model: str) -> Offer:
        """What is known of a model; of one that nothing tells of only its name."""
        return self.models.get(_key(model), Offer(model))


def read_routing(text: str, source: str, before: Routing) -> Routing:
    """Hints with those of a JSON text added.

    Parameters
    ----------
    text : str
        An object with ``models`` and ``needs``, either of which may be missing. ``models`` is a
        list of rows: ``model``, and of ``nodes``, ``seeds``, ``negative`` and ``offers`` what is to
        change. ``needs`` is an object from a name of ``NEEDS`` to a list of rows: ``model``,
        ``reason``, ``source``; or ``model`` and ``"leave_out": true``.
    source : str
        The file's name, for the message.
    before : Routing
        The text's hints stand before its hints in the order of the text, in place of hints of the
        same model.

    Raises
    ------
    RoutingError
        No JSON, another structure, or a row with a missing, unknown or impossible value.
    """
    try:
        data = parsed(text, source)
    except ValueError as error:
        raise RoutingError(str(error)) from None
    if not isinstance(data, dict) or not data or data.keys() - {"models", "needs"}:
        raise RoutingError(f'{source} must be an object with "models", "needs" or both')
    models = dict(before.models)
    for number, row in enumerate(_rows(data.get("models", []), f"{source}, models"), 1):
        one = _offer(row, f"{source}, models, entry {number}", models)
        models[_key(one.model)] = one
    given = data.get("needs", {})
    if not isinstance(given, dict):
        raise RoutingError(f"{source}: needs must be an object, got {str(given)[:80]!r}")
    needs = dict(before.needs)
    for need, rows in given.items():
        if need not in NEEDS:
            raise RoutingError(
                f"{source} has a need {need[:80]!r}; known are {', '.join(map(repr, NEEDS))}"
            )
        where = f"{source}, {need}"
        read = [
            _hint(row, f"{where}, entry {number}", source)
            for number, row in enumerate(_rows(rows, where), 1)
        ]
        named = {_key(model) for model, _ in read}
        kept = [hint for hint in needs.get(need, ()) if _key(hint.model) not in named]
        needs[need] = (*(hint for _, hint in read if hint is not None), *kept)
    return replace(before, models=models, needs=needs)


def load_routing(folders: Sequence[Path]) -> Routing:
    """The pack's hints with those of every ``*.json`` in these folders, in the order of their names.

    A file that cannot be used is left out whole, and a remark says why.
    """
    routing = own_routing()
    paths, remarks = own_files(folders)
    for path in paths:
        try:
            routing = read_routing(text_of(path), path.name, routing)
        except ValueError as error:
            remarks.append(f"{error}. The file is left out")
    return replace(routing, remarks=tuple(remarks))


@cache
def own_routing() -> Routing:
    """The pack's own hints."""
    read = read_routing(FILE.read_text(encoding="utf-8"), FILE.name, Routing({}, {}))
    ours = {
        need: tuple(replace(hint, file="") for hint in hints) for need, hints in read.needs.items()
    }
    return replace(read, needs=ours)


def _offer(row: Any, where: str, known: Mapping[str, Offer]) -> Offer:
    _check_fields(row, _MODEL_FIELDS, where)
    name = _text(row, "model", where)
    given: dict[str, Any] = {}
    if "nodes" in row:
        nodes = row["nodes"]
        if not isinstance(nodes, list) or not all(isinstance(one, str) for one in nodes):
            raise RoutingError(f"{where}: nodes must be a list of classes of nodes")
        given["nodes"] = tuple(one[:LONGEST] for one in nodes[:MOST_ROWS])
    if "seeds" in row:
        if row["seeds"] not in SEEDS:
            raise RoutingError(
                f"{where}: seeds must be one of {', '.join(SEEDS)}, got {str(row['seeds'])[:80]!r}"
            )
        given["seeds"] = row["seeds"]
    if "negative" in row:
        if not isinstance(row["negative"], bool):
            raise RoutingError(f"{where}: negative must be true or false")
        given["negative"] = row["negative"]
    if "offers" in row:
        given["offers"] = _text(row, "offers", where)
    return replace(known.get(_key(name), Offer(name)), **given)


def _hint(row: Any, where: str, source: str) -> tuple[str, Hint | None]:
    """The model of a row, and the hint; None where it is to be left out."""
    _check_fields(row, _HINT_FIELDS, where)
    name = _text(row, "model", where)
    out = row.get("leave_out", False)
    if not isinstance(out, bool):
        raise RoutingError(f"{where}: leave_out must be true or false")
    if out:
        return name, None
    said = _text(row, "source", where) if "source" in row else ""
    return name, Hint(name, _text(row, "reason", where), said, source)


def _rows(rows: Any, where: str) -> list[Any]:
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise RoutingError(f"{where} must be a list of at most {MOST_ROWS} entries")
    return rows


def _check_fields(row: Any, known: set[str], where: str) -> None:
    if not isinstance(row, dict):
        raise RoutingError(f"{where} must be an object, got {str(row)[:80]!r}")
    for unknown in sorted(row.keys() - known):
        raise RoutingError(
            f"{where} has a field {unknown[:80]!r}; known are {', '.join(sorted(known))}"
        )


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    """A text of a row on one line, without blanks around it."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        raise RoutingError(f"{where}: {name} must be a text of 1 to {LONGEST} letters")
    return " ".join(value.split())


def _key(model: str) -> str:
    return " ".join(model.casefold().split())
