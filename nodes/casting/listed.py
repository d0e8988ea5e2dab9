"""What a node with ``is_input_list`` gets: every input arrives as a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def single(value: Any, default: Any) -> Any:
    """What a list of one holds; the default where nothing arrived."""
    if isinstance(value, list | tuple):
        value = next((one for one in value if one is not None), None)
    return default if value is None else value


def listed(group: Any) -> dict[str, list[Any]]:
    """Socket to the list of what arrived there, in the order of their numbers; empty ones are left out."""
    if isinstance(group, list | tuple):
        group = group[0] if group else None
    found = {}
    for socket, values in group.items() if isinstance(group, Mapping) else ():
        values = values if isinstance(values, list | tuple) else [values]
        values = [one for one in values if one is not None]
        if values:
            found[socket] = list(values)
    return dict(sorted(found.items(), key=lambda pair: number_of(pair[0])))


def number_of(socket: str) -> int:
    """The number at the end of a socket's name."""
    return int("".join(filter(str.isdigit, socket)) or 0)
