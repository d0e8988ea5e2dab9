"""How an identity's weight is spread over a model's layers.

A layer is known by its place ``index`` of ``count``, in the order in which the model runs: the 11
transformers of SDXL, the 16 of SD1.5, the 57 blocks of Flux (19 double, then 38 single).
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite

WEAK = 0.2
FLOOR = 0.05  # the least that an eased curve leaves

# Where input blocks end and output blocks begin. Models without such blocks are cut into thirds.
PARTS = {11: (4, 5), 16: (6, 7)}
SDXL = 11
ONLY = {"style": 6, "composition": 3}  # transformers of SDXL

CURVES = (
    "uniform",
    "ease in",
    "ease out",
    "ease in-out",
    "weak input",
    "weak middle",
    "weak output",
    "strong middle",
    "style",
    "composition",
)
ITEM = re.compile(r"^(\*|\d+(?:\s*-\s*\d+)?)\s*:\s*(\S+)$")
EXAMPLE = "0:1, 3:0.2, 4-6:0.5"


def layer_curve(name: str, index: int, count: int) -> float:
    """The factor of one layer.

    Parameters
    ----------
    name : str
        One of ``CURVES``, or a typed list of factors such as ``0:1, 3:0.2, 4-6:0.5``: layers that it
        leaves out get 0, or the factor of ``*``, as in ``3:0, *:1``.
    index : int, 0..count - 1
        In the order in which the model runs.
    count : int

    Returns
    -------
    float
        ease in falls from 1 along the model: 0.05 + 0.95 (1 - t/L). ease out rises: 0.05 + 0.95 t/L.
        ease in-out is highest half way. weak: x 0.2 in that part of the model; strong middle: x 0.2 in
        the other two. style and composition: only SDXL's transformer 6 or 3.

    Raises
    ------
    ValueError
        An unknown curve, one that this model has not, or a list that cannot be read.
    """
    if not 0 <= index < count:
        raise ValueError(f"layer {index} is not one of {count}")
    if ":" in name:
        return _typed(name, count)[index]
    along = index / count
    if name == "uniform":
        return 1.0
    if name == "ease in":
        return FLOOR + (1 - FLOOR) * (1 - along)
    if name == "ease out":
        return FLOOR + (1 - FLOOR) * along
    if name == "ease in-out":
        return FLOOR + (1 - FLOOR) * (1 - abs(2 * along - 1))
    if name in ONLY:
        if count != SDXL:
            raise ValueError(
                f"the layer curve {name!r} is one of SDXL's {SDXL} transformers, this model has {count}; "
                f"type a list instead: {EXAMPLE}"
            )
        return float(index == ONLY[name])
    if name in CURVES:
        how, part = name.split()
        return WEAK if (part_of(index, count) == part) == (how == "weak") else 1.0
    raise ValueError(
        f"the layer curve must be one of {', '.join(CURVES)} or a list such as {EXAMPLE}, got {name!r}"
    )


def part_of(index: int, count: int) -> str:
    """Whether a layer lies in the model's input, middle or output blocks; thirds where it has none."""
    middle, output = PARTS.get(count, (-(-count // 3), -(-2 * count // 3)))
    return "input" if index < middle else "middle" if index < output else "output"


@lru_cache(maxsize=32)
def _typed(text: str, count: int) -> tuple[float, ...]:
    """The factors of a typed list, one a layer."""
    rest, factors = 0.0, {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            continue
        which, factor = _item(item)
        if which == "*":
            rest = factor
            continue
        first, *more = (int(number) for number in which.split("-"))
        last = more[0] if more else first
        if not first <= last < count:
            raise ValueError(
                f"the layer list says {item!r}: this model's layers are 0 to {count - 1}"
            )
        for layer in range(first, last + 1):
            if layer in factors:
                raise ValueError(
                    f"the layer list names layer {layer} twice, the second in {item!r}"
                )
            factors[layer] = factor
    return tuple(factors.get(layer, rest) for layer in range(count))


def _item(item: str) -> tuple[str, float]:
    """One entry of a typed list as the layers that it names and their factor."""
    found = ITEM.match(item)
    try:
        factor = float(found[2]) if found else float("nan")
    except ValueError:
        factor = float("nan")
    if found is None or not isfinite(factor):
        raise ValueError(
            f"the layer list has {item!r}, which is no layer and its factor; write it as {EXAMPLE}"
        )
    return found[1], factor
