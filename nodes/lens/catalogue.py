"""The lenses to choose from, ``catalogue.json``, and lenses that users share: read and checked.

The catalogue's values are physically plausible, not measurements of any maker's lens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...kernels.psf import Lens

FILE = Path(__file__).with_name("catalogue.json")
DEFAULT = "soft focus 90 mm f/2.2"
ABOUT = "about"  # a row's line for people; no part of the lens
MAX_NAME = 80  # letters: one line of a report or a picture
MAX_ABOUT = 300
# Of a file's values, to either side: 50 times what Lens Profile's widgets allow. Far beyond, the size of
# a PSF is no number any more.
_MOST = {
    "focus_um": 1e5,
    "w040_um": 1e3,
    "w060_um": 1e3,
    "w131_um": 1e3,
    "w222_um": 1e3,
    "w220_um": 1e3,
    "loca_um": 5e4,
    "lca_um_per_100nm": 5e3,
    "residual_sigma_um": 2500.0,
    "rotation_deg": 9e3,
}


class CatalogueError(ValueError):
    """A lens file cannot be used; the message names the row and what is wrong with it."""


def lenses() -> Mapping[str, Lens]:
    """The pack's own lenses by name, in the order in which the node offers them."""
    return _own()[0]


def find_lens(name: str) -> Lens:
    """The lens of a name on the node.

    Raises
    ------
    ValueError
        There is no such lens.
    """
    if name not in lenses():
        raise ValueError(f"character must be one of {', '.join(lenses())}, got {name!r}")
    return lenses()[name]


def about(name: str) -> str:
    """What a lens of the pack looks like, in one line; empty for a lens that is not the pack's."""
    return _own()[1].get(name, "")


def read_catalogue(text: str, source: str) -> Mapping[str, Lens]:
    """The lenses that a JSON text describes.

    Parameters
    ----------
    text : str
        An object whose ``lenses`` is a list of objects with the fields of :class:`Lens`, and
        perhaps a line ``about`` each.
    source : str
        The file's name, for the message.

    Returns
    -------
    mapping of name to Lens

    Raises
    ------
    CatalogueError
        No JSON, another structure, or a row with a missing, unknown or impossible value.
    """
    return _read(text, source)[0]


def read_lens(text: str, source: str) -> Lens:
    """The lens of a file that holds one, as :func:`write_lens` makes it.

    Parameters
    ----------
    text : str
        An object with the fields of :class:`Lens`.
    source : str
        The file's name, for the message.

    Raises
    ------
    CatalogueError
        See :func:`read_catalogue`.
    """
    return _read_row(_parse(text, source), source)[0]


def write_lens(lens: Lens) -> str:
    """A lens as JSON: what differs from a perfect lens, one field a line."""
    plain = {field.name: field.default for field in fields(Lens)}
    values = {name: value for name, value in asdict(lens).items() if value != plain[name]}
    return json.dumps(values, indent=2) + "\n"


@cache
def _own() -> tuple[Mapping[str, Lens], Mapping[str, str]]:
    return _read(FILE.read_text(encoding="utf-8"), FILE.name)


def _parse(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:  # JSONDecodeError, and numbers of thousands of digits
        raise CatalogueError(f"{source} is not JSON: {error}") from None
    except RecursionError:
        raise CatalogueError(f"{source} is not a lens: it is nested too deeply") from None


def _read(text: str, source: str) -> tuple[Mapping[str, Lens], Mapping[str, str]]:
    data = _parse(text, source)
    rows = data.get("lenses") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise CatalogueError(f'{source} must be an object with a list "lenses" that is not empty')
    found: dict[str, Lens] = {}
    lines: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        lens, line = _read_row(row, f"{source}, lens {number}")
        if lens.name in found:
            raise CatalogueError(f"{source}, lens {number}: there is already a lens {lens.name!r}")
        found[lens.name], lines[lens.name] = lens, line
    return MappingProxyType(found), MappingProxyType(lines)


def _read_row(row: Any, where: str) -> tuple[Lens, str]:
    if not isinstance(row, dict):
        raise CatalogueError(f"{where} must be an object, got {str(row)[:80]!r}")
    if isinstance(row.get("name"), str):
        where = f"{where} ({row['name'][:MAX_NAME]})"
    known = {field.name for field in fields(Lens)} | {ABOUT}
    for missing in sorted({"name", "f_number"} - row.keys()):
        raise CatalogueError(f"{where} has no {missing}")
    for unknown in sorted(row.keys() - known):
        raise CatalogueError(
            f"{where} has a field {unknown[:MAX_NAME]}; known are {', '.join(sorted(known))}"
        )
    line = row.get(ABOUT, "")
    if not isinstance(line, str) or len(line) > MAX_ABOUT:
        raise CatalogueError(f"{where}: {ABOUT} must be a text of at most {MAX_ABOUT} letters")
    try:
        lens = Lens(**{name: value for name, value in row.items() if name != ABOUT})
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}") from None
    for name, most in _MOST.items():
        value = getattr(lens, name)
        if abs(value) > most:
            raise CatalogueError(
                f"{where}: {name} must be from {-most:g} to {most:g}, got {value:g}. Correct it in the file"
            )
    if len(lens.name) > MAX_NAME or not lens.name.isprintable():
        raise CatalogueError(
            f"{where}: name must be one line of at most {MAX_NAME} letters, got {len(lens.name)}"
        )
    return lens, line
