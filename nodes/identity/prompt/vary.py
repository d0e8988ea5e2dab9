"""Lists over ages, skin types, make-up and lights, as they are typed, and the sets that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from .phrases import NOT_SAID, Field, Phrases

COMBINES = GRID, ROWS = ("grid", "row by row")
VARIED = ("age", "skin_type", "make_up", "light")  # the first changes slowest in a grid
WIDGETS = dict(
    zip(VARIED, ("vary_ages", "vary_skin_types", "vary_make_up", "vary_light"), strict=True)
)
MOST = 256  # prompts of a set


def read_names(text: str, field: Field, widget: str) -> list[str]:
    """The options that a typed list names.

    Parameters
    ----------
    text : str
        Names apart by commas, semicolons or lines. Case, blanks and hyphens do not matter, and the
        beginning of a name is enough where only one begins so. ``*`` or ``all``: every option.

    Raises
    ------
    ValueError
        A name that is unknown, or the beginning of several.
    """
    known = {name: {key_of(name), key_of(option.label)} for name, option in field.options.items()}
    known[NOT_SAID] = {key_of(NOT_SAID)}
    found = []
    for entry in _entries(text):
        if entry in ("*", "all") or entry.casefold() == "all":
            found += list(field.options)
            continue
        key = key_of(entry)
        fits = [name for name, keys in known.items() if key in keys]
        if key and not fits:
            fits = [name for name, keys in known.items() if any(k.startswith(key) for k in keys)]
        if len(fits) > 1:
            raise ValueError(f"{widget}: {entry!r} could be {' or '.join(fits)}. Write more of it.")
        if not fits:
            raise ValueError(
                f"{widget} must name any of {', '.join(known)}, or * for all; got {entry[:80]!r}"
            )
        found += fits
    return found


def read_ages(text: str) -> list[str]:
    """The ages that a typed list names, 1 to 100 years.

    Raises
    ------
    ValueError
        Something else stands there.
    """
    entries = _entries(text)
    for entry in entries:
        if not re.fullmatch(r"[0-9]{1,3}", entry) or not 1 <= int(entry) <= 100:
            raise ValueError(
                f"vary_ages must list ages from 1 to 100 in years, such as 25, 45, 70; got {entry[:80]!r}"
            )
    return [str(int(entry)) for entry in entries]


def read_lists(phrases: Phrases, vary: Mapping[str, str]) -> dict[str, list[str]]:
    """The lists that are not empty, in the order in which a grid changes them."""
    lists = {}
    for name in VARIED:
        text = vary.get(name, "")
        values = read_ages(text) if name == "age" else read_names(text, phrases.fields[name], WIDGETS[name])  # fmt: skip
        if values:
            lists[name] = values
    return lists


def rows_of(lists: Mapping[str, Sequence[str]], combine: str) -> list[dict[str, str]]:
    """What varies, prompt by prompt; one empty row where nothing does."""
    lengths = [len(values) for values in lists.values()]
    count = prod(lengths) if combine == GRID else max(lengths, default=1)
    if count > MOST:
        sizes = " x ".join(map(str, lengths)) + (" = " if len(lengths) > 1 else "")
        made = f"{sizes}{count}" if combine == GRID else str(count)
        raise ValueError(
            f"the vary lists make {made} prompts, at most {MOST} are made at a time: shorten them"
            + (f", or set combine to {ROWS!r}" if combine == GRID else "")
        )
    if combine == GRID:
        return [dict(zip(lists, row, strict=True)) for row in product(*lists.values())]
    return [
        {name: values[min(at, len(values) - 1)] for name, values in lists.items()}
        for at in range(count)
    ]


def label_of(phrases: Phrases, row: Mapping[str, str]) -> str:
    words = []
    for name, value in row.items():
        if name == "age":
            words.append(f"age {value}")
        elif value == NOT_SAID:
            words.append(f"{phrases.fields[name].title} not said")
        else:
            field = phrases.fields[name]
            words.append(field.label.replace("{}", field.options[value].label))
    return ", ".join(words)


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"[,;\n]", text) if entry.strip()]


def key_of(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())
