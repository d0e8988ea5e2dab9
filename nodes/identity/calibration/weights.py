"""The weights that a user types, and how many pictures they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..apply.settings import MOST_WEIGHT
from .fit import FEWEST_SEEDS, FEWEST_WEIGHTS

Number = TypeVar("Number", int, float)

MOST_SEEDS = 16
MOST_RENDERS = 100  # sockets that one input of ComfyUI's may grow to
EXAMPLE = "0, 0.3, 0.6, 0.9, 1.2"


def parse_numbers(
    text: str, widget: str, example: str, kind: Callable[[str], Number]
) -> list[Number]:
    """Numbers with commas or blanks between them; ValueError names the one that is none."""
    numbers = []
    for word in text.replace(",", " ").replace(";", " ").split():
        try:
            numbers.append(kind(word))
        except ValueError:
            raise ValueError(
                f"{widget} must be numbers with commas between them, such as {example}; {word[:40]!r} is none"
            ) from None
    return numbers


def check_weight(weight: float, widget: str = "weights") -> float:
    if not 0 <= weight <= MOST_WEIGHT:  # NaN too
        raise ValueError(f"each of {widget} must be 0 to {MOST_WEIGHT:g}, got {weight:g}")
    return weight


def weights_to_render(text: str, seeds: int) -> tuple[float, ...]:
    """The weights to render, lightest first, each once.

    Raises
    ------
    ValueError
        Fewer than three different ones, one out of 0..3, or more than 100 pictures in all.
    """
    found = sorted({check_weight(one) for one in parse_numbers(text, "weights", EXAMPLE, float)})
    if len(found) < FEWEST_WEIGHTS:
        raise ValueError(
            f"weights must name {FEWEST_WEIGHTS} or more different ones, such as {EXAMPLE}, for a curve to be drawn; "
            f"got {text!r}"
        )
    if not FEWEST_SEEDS <= seeds <= MOST_SEEDS:
        raise ValueError(f"seeds must be {FEWEST_SEEDS} to {MOST_SEEDS}, got {seeds}")
    if len(found) * seeds > MOST_RENDERS:
        raise ValueError(
            f"{len(found)} weights x {seeds} seeds are {len(found) * seeds} pictures, and {MOST_RENDERS} is the most: "
            "take fewer of either"
        )
    return tuple(found)
