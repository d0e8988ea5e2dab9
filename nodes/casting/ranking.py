"""Which take reads most real, as evidence: an order, and where it is too close to call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite

from .take import Take

TIE = 1.0  # of the corridor's own spread (sigma): distances are counted in it


def ranked(takes: Iterable[Take]) -> tuple[Take, ...]:
    """Takes with their ranks: by distance, the smallest first, among those that have one.

    Rejected takes and those that a gate failed have none. Of equal distances the earlier take is first.
    """
    takes = tuple(takes)
    order = sorted(
        (take for take in takes if distance_of(take) is not None),
        key=lambda take: (distance_of(take), take.number),
    )
    place = {take.number: rank for rank, take in enumerate(order, 1)}
    return tuple(replace(take, rank=place.get(take.number)) for take in takes)


def distance_of(take: Take) -> float | None:
    """The distance by which a take is ranked, or None where it is not."""
    if take.rejected is not None or take.evidence is None or take.evidence.gate is not None:
        return None
    distance = take.evidence.distance
    return distance if distance is not None and isfinite(distance) else None


def too_close(one: Take, other: Take) -> bool:
    """Whether two ranked takes are less than one sigma apart."""
    first, second = distance_of(one), distance_of(other)
    return first is not None and second is not None and abs(first - second) < TIE


def ties(takes: Iterable[Take]) -> tuple[tuple[int, ...], ...]:
    """Runs of ranks that are too close to call: numbers of takes, each within a sigma of the run's best."""
    order = _by_rank(takes)
    groups: list[tuple[int, ...]] = []
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and too_close(order[start], order[stop]):
            stop += 1
        if stop - start > 1:
            groups.append(tuple(take.number for take in order[start:stop]))
        start = stop
    return tuple(groups)


def best_of(takes: Iterable[Take]) -> tuple[Take, ...]:
    """The first take and all that are too close to it to call; none where none is ranked."""
    order = _by_rank(takes)
    return tuple(take for take in order if too_close(order[0], take))


def _by_rank(takes: Iterable[Take]) -> Sequence[Take]:
    return sorted(
        (take for take in takes if take.rank is not None), key=lambda take: take.rank or 0
    )
