"""How the layout of an adapter file is described, and the two functions that read a description.

A shape is a tuple of whole numbers and words. A word stands for a size that the file itself tells, the
same wherever it occurs: ``("tokens*width", "hidden")``. In ``telling``, ``"?"`` is any size and ``"!512"``
any but that one. A ``*`` in a key counts layers: ``image_proj.layers.*.0.to_q.weight``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod

from .flatten import Tensors
from .inputs import Inputs, Tokens

Shape = tuple[int | str, ...]
Rows = dict[str, Shape]
Sizes = dict[str, int]

MOST_NAMED = 3  # missing tensors in one message


class Refused(ValueError):
    """No adapter that can be used, and why."""

    def __init__(self, reason: str, recognised: str | None = None):
        super().__init__(reason)
        self.recognised = recognised
        """The name of the format where it is known, but not yet supported, or not whole."""


@dataclass(frozen=True, eq=False)
class Format:
    """What one kind of file holds.

    The first group of fields tells it from every other kind; ``rows`` then lists all tensors of its
    projection network, so that a file that lacks one is refused with its name.
    """

    name: str
    published: str
    """The files that it was published as, for messages."""
    must: tuple[str, ...]
    """Patterns of keys, as of a shell, each of which some key must fit."""
    must_not: tuple[str, ...] = ()
    telling: Mapping[str, Shape] = field(default_factory=dict)

    in_name: str = ""
    """Of formats of one layout the one whose expression is found in the file's name is meant."""
    version: str = ""
    """The user's word for it, where its layout is shared."""

    supported: bool = True
    bases: tuple[str, ...] = ()
    encoder: str = ""
    needs: tuple[str, ...] = ()
    rows: Rows = field(default_factory=dict)
    counts: Mapping[str, int | str] = field(default_factory=dict)
    """What stands before a ``*``: how many of them there must be, or the name of that number."""
    quotients: Mapping[str, tuple[str, int | str]] = field(default_factory=dict)
    """Sizes that are one size divided by another: a number of heads by the width of one."""
    project: Callable[[Tensors, Sizes, Inputs], Tokens] | None = None


def objections(layout: Format, tensors: Tensors) -> list[str]:
    """Why a file is not of a format, one reason an entry; empty where it is."""
    found = [
        f"no key {pattern}"
        for pattern in layout.must
        if not any(fnmatchcase(key, pattern) for key in tensors)
    ]
    for pattern in layout.must_not:
        strange = next((key for key in tensors if fnmatchcase(key, pattern)), None)
        if strange is not None:
            found.append(f"it has {strange}")
    for key, shape in layout.telling.items():
        if key not in tensors:
            found.append(f"no key {key}")
        elif not _fits(tuple(tensors[key].shape), shape):
            wanted = ", ".join("any" if side == "?" else str(side) for side in shape)
            found.append(f"{key} is {tuple(tensors[key].shape)}, not ({wanted})")
    return list(dict.fromkeys(found))


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        side == "?"
        or (size != int(side[1:]) if isinstance(side, str) and side[0] == "!" else size == side)
        for size, side in zip(shape, wanted, strict=True)
    )


def sizes_of(layout: Format, tensors: Tensors) -> Sizes:
    """Every size of a projection network, read from its tensors.

    Raises
    ------
    Refused
        A tensor is missing, two shapes contradict each other, or a quotient does not come out whole.
    """
    sizes: Sizes = {}
    rows = _spread(layout, tensors, sizes)
    missing = [key for key in rows if key not in tensors]
    if missing:
        raise Refused(incomplete(layout.name, missing, len(rows)), layout.name)
    _solve(layout, rows, tensors, sizes)
    for name, (shared, by) in layout.quotients.items():
        part = sizes[by] if isinstance(by, str) else by
        if sizes[shared] % part:
            raise Refused(
                f"the file looks like {layout.name}, but its {shared} is {sizes[shared]}, not a multiple of "
                f"{part}{f', its {by}' if isinstance(by, str) else ', the width of one head'}. Download it again",
                layout.name,
            )
        sizes[name] = sizes[shared] // part
    return sizes


def incomplete(name: str, missing: list[str], of: int) -> str:
    """The sentence for a file that lacks tensors."""
    named = ", ".join(missing[:MOST_NAMED])
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return (
        f"the file looks like {name}, but it is not whole: it lacks {named}{more} ({len(missing)} of the {of} "
        "tensors there). Download it again"
    )


def _spread(layout: Format, tensors: Tensors, sizes: Sizes) -> Rows:
    """The rows with every ``*`` replaced by the numbers it stands for; counts them into ``sizes``."""
    many: dict[str, int] = {}
    for before, number in layout.counts.items():
        if isinstance(number, int):
            many[before] = number
            continue
        pattern = re.compile(re.escape(before) + r"(\d+)\.")
        seen = [int(found[1]) for key in tensors if (found := pattern.match(key))]
        many[before] = sizes[number] = min(max(seen, default=0), len(tensors)) + 1
    rows: Rows = {}
    for key, shape in layout.rows.items():
        before, star, after = key.partition("*")
        if star:
            rows |= {f"{before}{index}{after}": shape for index in range(many[before])}
        else:
            rows[key] = shape
    return rows


def _solve(layout: Format, rows: Rows, tensors: Tensors, sizes: Sizes) -> None:
    """Sizes from shapes: single words first, then products with one word left open; then all are checked."""
    told: dict[str, str] = {}
    sides: list[tuple[str, list[str], int]] = []
    for key, wanted in rows.items():
        shape = tuple(tensors[key].shape)
        if len(shape) != len(wanted):
            raise Refused(_contradiction(layout, key, shape, wanted, sizes, told), layout.name)
        for side, size in zip(wanted, shape, strict=True):
            sides.append((key, str(side).split("*"), size))
    sides.sort(key=lambda side: len(side[1]))
    for _ in range(2):
        for key, factors, size in sides:
            unknown = [name for name in factors if not name.isdigit() and name not in sizes]
            known = prod(sizes.get(name) or int(name) for name in factors if name not in unknown)
            if len(unknown) == 1 and size and size % known == 0:
                sizes[unknown[0]] = size // known
                told[unknown[0]] = key
    for key, wanted in rows.items():
        shape = tuple(tensors[key].shape)
        if shape != tuple(_size_of(side, sizes) for side in wanted):
            raise Refused(_contradiction(layout, key, shape, wanted, sizes, told), layout.name)


def _size_of(side: int | str, sizes: Sizes) -> int:
    return prod(
        int(name) if name.isdigit() else sizes.get(name, -1) for name in str(side).split("*")
    )


def _contradiction(layout: Format, key, shape, wanted: Shape, sizes: Sizes, told) -> str:
    names = dict.fromkeys(
        name for side in wanted for name in str(side).split("*") if not name.isdigit()
    )
    by = "; ".join(
        f"{name} is {sizes[name]} by {told[name]}"
        for name in names
        if name in sizes and told.get(name, key) != key
    )
    return (
        f"the file looks like {layout.name}, but its shapes contradict each other: {key} is {shape}, expected "
        f"({', '.join(map(str, wanted))}){f', where {by}' if by else ''}. Download it again"
    )


def linear(key: str, rows: int | str, columns: int | str, *, bias: bool = True) -> Rows:
    """The tensors of a linear layer."""
    weight: Rows = {f"{key}.weight": (rows, columns)}
    return weight | ({f"{key}.bias": (rows,)} if bias else {})


def norm(key: str, width: int | str) -> Rows:
    """The tensors of a layer norm."""
    return {f"{key}.weight": (width,), f"{key}.bias": (width,)}


def perceiver_layers(prefix: str, width: str) -> Rows:
    """The tensors of the attention and feed-forward layers that all these resamplers share."""
    at = f"{prefix}layers.*."
    return (
        norm(f"{at}0.norm1", width)
        | norm(f"{at}0.norm2", width)
        | linear(f"{at}0.to_q", "attention", width, bias=False)
        | linear(f"{at}0.to_kv", "2*attention", width, bias=False)
        | linear(f"{at}0.to_out", width, "attention", bias=False)
        | norm(f"{at}1.0", width)
        | linear(f"{at}1.1", "forward", width, bias=False)
        | linear(f"{at}1.3", width, "forward", bias=False)
    )
