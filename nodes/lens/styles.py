"""Ready mixtures of a lens, a level and a format: ``styles.json``, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...kernels.psf import Lens
from .catalogue import MAX_ABOUT, MAX_NAME, CatalogueError, find_lens

FILE = Path(__file__).with_name("styles.json")
NO_STYLE = "none"
STYLE_LEVELS = (-1.0, 2.0)
FORMAT_FACTORS = (0.1, 10.0)
_NEEDED = {"name", "about", "character", "level"}
_KNOWN = {*_NEEDED, "format", "tails"}


@dataclass(frozen=True)
class Style:
    """A look, in the words of the Lens node."""

    name: str
    about: str
    """What it looks like, in one line."""
    character: str
    """Of the catalogue."""
    level: float
    """-1..+2."""
    format_factor: float
    """Multiplies format_mm: below 1 the lens's character is larger."""
    lens: Lens
    """The character, with the style's own tails."""


def styles() -> Mapping[str, Style]:
    """The styles by name, in the order in which the node offers them."""
    return _own()


def find_style(name: str) -> Style:
    """The style of a name.

    Raises
    ------
    ValueError
        There is no such style.
    """
    if name not in styles():
        raise ValueError(f"style must be one of {', '.join(styles())}; got {name!r}")
    return styles()[name]


@cache
def _own() -> Mapping[str, Style]:
    return read_styles(FILE.read_text(encoding="utf-8"), FILE.name)


def read_styles(text: str, source: str) -> Mapping[str, Style]:
    """The styles that a JSON text describes.

    Parameters
    ----------
    text : str
        An object whose ``styles`` is a list of objects with ``name``, ``about``, ``character``,
        ``level``, and perhaps ``format`` and ``tails``.
    source : str
        The file's name, for the message.

    Raises
    ------
    CatalogueError
        No JSON, another structure, or a row with a missing, unknown or impossible value.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CatalogueError(f"{source} is not JSON: {error}") from None
    rows = data.get("styles") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise CatalogueError(f'{source} must be an object with a list "styles" that is not empty')
    found: dict[str, Style] = {}
    for number, row in enumerate(rows, 1):
        style = _read_row(row, f"{source}, style {number}")
        if style.name in found:
            raise CatalogueError(
                f"{source}, style {number}: there is already a style {style.name!r}"
            )
        found[style.name] = style
    return MappingProxyType(found)


def _read_row(row: Any, where: str) -> Style:
    if not isinstance(row, dict):
        raise CatalogueError(f"{where} must be an object, got {str(row)[:80]!r}")
    if isinstance(row.get("name"), str):
        where = f"{where} ({row['name'][:MAX_NAME]})"
    for missing in sorted(_NEEDED - row.keys()):
        raise CatalogueError(f"{where} has no {missing}")
    for unknown in sorted(row.keys() - _KNOWN):
        raise CatalogueError(
            f"{where} has a field {unknown}; known are {', '.join(sorted(_KNOWN))}"
        )
    name = _line(row, "name", where, MAX_NAME)
    if "," in name or name == NO_STYLE:
        raise CatalogueError(f"{where}: name must hold no comma and not be {NO_STYLE!r}")
    level = _number(row, "level", where, STYLE_LEVELS)
    factor = _number({"format": 1.0, **row}, "format", where, FORMAT_FACTORS)
    try:
        lens = find_lens(_line(row, "character", where, MAX_NAME))
        lens = replace(lens, tails=(*lens.tails, *replace(lens, tails=row.get("tails", ())).tails))
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}") from None
    return Style(name, _line(row, "about", where, MAX_ABOUT), row["character"], level, factor, lens)


def _line(row: Mapping[str, Any], name: str, where: str, most: int) -> str:
    value = row[name]
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise CatalogueError(
            f"{where}: {name} must be a text of 1 to {most} letters, got {value!r}"
        )
    return value


def _number(row: Mapping[str, Any], name: str, where: str, limits: tuple[float, float]) -> float:
    value = row[name]
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not known or not limits[0] <= value <= limits[1]:
        raise CatalogueError(
            f"{where}: {name} must be a number from {limits[0]:g} to {limits[1]:g}, got {value!r}"
        )
    return float(value)
