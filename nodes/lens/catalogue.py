"""The lenses to choose from: ``catalogue.json``, read and checked.

Its values are physically plausible, not measurements of any maker's lens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...kernels.psf import Lens

FILE = Path(__file__).with_name("catalogue.json")
DEFAULT = "soft focus 90 mm f/2.2"


class CatalogueError(ValueError):
    """The lens catalogue cannot be used; the message names the row and what is wrong with it."""


@cache
def lenses() -> Mapping[str, Lens]:
    """The pack's own lenses by name, in the order in which the node offers them."""
    return read_catalogue(FILE.read_text(encoding="utf-8"), FILE.name)


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


def read_catalogue(text: str, source: str) -> Mapping[str, Lens]:
    """The lenses that a JSON text describes.

    Parameters
    ----------
    text : str
        An object whose ``lenses`` is a list of objects with the fields of :class:`Lens`.
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
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise CatalogueError(f"{source} is not JSON: {error}") from None
    rows = data.get("lenses") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise CatalogueError(f'{source} must be an object with a list "lenses" that is not empty')
    found: dict[str, Lens] = {}
    for number, row in enumerate(rows, 1):
        lens = _read_row(row, f"{source}, lens {number}")
        if lens.name in found:
            raise CatalogueError(f"{source}, lens {number}: there is already a lens {lens.name!r}")
        found[lens.name] = lens
    return MappingProxyType(found)


def _read_row(row: Any, where: str) -> Lens:
    if not isinstance(row, dict):
        raise CatalogueError(f"{where} must be an object, got {row!r}")
    if isinstance(row.get("name"), str):
        where = f"{where} ({row['name']})"
    known = {field.name for field in fields(Lens)}
    for missing in sorted({"name", "f_number"} - row.keys()):
        raise CatalogueError(f"{where} has no {missing}")
    for unknown in sorted(row.keys() - known):
        raise CatalogueError(f"{where} has a field {unknown}; known are {', '.join(sorted(known))}")
    try:
        return Lens(**row)
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}") from None
