"""What a user's picks say: how often the score agrees with them, and how the models stand.

Only blind picks count: who sees names and ranks may follow them. Of several blind picks from one
offer the last counts: its maker has changed their mind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, sqrt
from typing import Any

import numpy as np

from ..finite import finite_number
from ..labels import one_line

BLIND = "blind pick"
Z = 1.959963984540054  # the normal quantile of 95 %
FEWEST_PICKS = 20  # blind ones, before anything is trusted
PRIOR = 0.5  # of a win and of a loss of every model against one of the mean strength
MOST_OFFERED = 256  # takes in a line of the log; a line with more was not written by the pack
MOST_MODELS = 64  # that are ranked; work grows with their third power
MOST_LETTERS = 120  # of a model's name
_MOST_CLOSE = 8  # models that one is called too close to, in words
_ROUNDS = 200
_ENOUGH = 1e-12  # of a step of Newton's

Line = Mapping[str, Any]


# --- trust ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trust:
    """How often the score and the user's blind picks agreed."""

    agrees: int
    of: int
    low: float
    """95 % interval of the share (Wilson)."""
    high: float
    earned: bool
    """Whether ``auto-best`` may be used."""


def wilson(agree: int, n: int, z: float = Z) -> tuple[float, float]:
    """The interval of a share that was seen in n trials.

    Parameters
    ----------
    agree : int in [0, n]
    n : int, at least 0
        Without trials nothing is known: (0, 1).
    z : float, above 0

    Raises
    ------
    ValueError
        ``agree`` lies outside 0..n, or ``z`` is not above 0.

    Notes
    -----
    E. B. Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if n < 0 or not 0 <= agree <= n:
        raise ValueError(f"agree must be from 0 to n, got {agree} of {n}")
    if not (isfinite(z) and z > 0):
        raise ValueError(f"z must be above 0, got {z:g}")
    if n == 0:
        return 0.0, 1.0
    share, wide = agree / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / wide
    half = z / wide * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at its ends the formula is exactly 0 and 1, its rounding is not
    return (0.0 if agree == 0 else middle - half), (1.0 if agree == n else middle + half)


def trust(lines: Iterable[Line]) -> Trust:
    """How often the user's blind picks fell on the take that the score puts first.

    Parameters
    ----------
    lines : of the log, as :func:`.records.vote_of` makes them
        Offers with fewer than two ranked takes say nothing. A pick of a take that was not ranked
        disagrees. Where several takes share the best score any of them agrees.
    """
    agrees = of = 0
    for line in _blind(lines):
        scores: dict[str, float] = {}
        for one in line["offered"]:
            score = finite_number(one.get("score"))
            if one.get("rank") is None or one.get("rejected") or score is None:
                continue
            scores[str(one.get("sha256"))] = score
        if len(scores) < 2:
            continue
        of += 1
        agrees += scores.get(line["picked"]) == min(scores.values())
    low, high = wilson(agrees, of)
    return Trust(agrees, of, low, high, of >= FEWEST_PICKS and low > 0.5)


def _blind(lines: Iterable[Line]) -> Iterator[Line]:
    """The last blind pick from each offer; what is no pick, or no offer of the pack's, is passed over."""
    found: dict[frozenset[str], Line] = {}
    for line in lines:
        if not isinstance(line, Mapping) or line.get("by") != BLIND:
            continue
        offered = line.get("offered")
        if not isinstance(offered, list) or len(offered) > MOST_OFFERED:
            continue
        if not all(isinstance(one, Mapping) for one in offered):
            continue
        offer = frozenset(str(one.get("sha256")) for one in offered)
        if isinstance(line.get("picked"), str) and line["picked"] in offer:
            found[offer] = line
    yield from found.values()


# --- models against each other -------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One pick among models."""

    winner: str
    offered: Mapping[str, float]
    """Each model that was offered, and how many takes it had."""


@dataclass(frozen=True)
class Strength:
    """One model in the vote log."""

    name: str
    strength: float
    """log of its worth, the mean of all at 0: e to the difference of two is the odds."""
    low: float
    """95 % interval."""
    high: float
    wins: int
    of: int
    """Picks in which it was offered."""


@dataclass(frozen=True)
class Standing:
    """All models, the strongest first."""

    strengths: tuple[Strength, ...]
    differences: Mapping[tuple[str, str], tuple[float, float]]
    """For each two that votes join the 95 % interval of the difference of their strengths."""
    left_out: int = 0
    """Models that are not ranked: others were offered more often."""

    def too_close(self, one: str, other: str) -> bool:
        """Whether the votes cannot tell two models apart."""
        low, high = (
            self.differences.get((one, other)) or self.differences.get((other, one)) or (0, 0)
        )
        return low <= 0 <= high

    def chance(self, one: str, other: str) -> float:
        """How probable it is that a pick between two falls on the first, 0..1."""
        strength = {each.name: each.strength for each in self.strengths}
        return 1 / (1 + exp(strength[other] - strength[one]))


def choices_of(lines: Iterable[Line]) -> list[Choice]:
    """The blind picks of a log as choices among the models whose takes were offered.

    Names are brought to one line of at most ``MOST_LETTERS``: they are written into reports.
    """
    found = []
    for line in _blind(lines):
        models = {
            str(one.get("sha256")): name
            for one in line["offered"]
            if not one.get("rejected") and (name := _name_of(one.get("model")))
        }
        winner = models.get(line["picked"])
        offered: dict[str, float] = {}
        for name in models.values():
            offered[name] = offered.get(name, 0) + 1
        if winner is not None and len(offered) > 1:
            found.append(Choice(winner, offered))
    return found


def _name_of(model: object) -> str:
    """A model's name as reports write it; empty where there is none."""
    if not isinstance(model, str):
        return ""
    # a few letters more than are kept: what cannot be written goes
    return one_line(model[: 4 * MOST_LETTERS])[:MOST_LETTERS].rstrip()


def bradley_terry(
    votes: Iterable[Choice | tuple[str, str]], *, prior: float = PRIOR, z: float = Z
) -> Standing:
    """The strengths that make the votes most likely, with intervals.

    Of more than ``MOST_MODELS`` models those are ranked that were offered most often, by the picks
    that fell on them; ``Standing.left_out`` counts the others.

    Parameters
    ----------
    votes : choices, or pairs (winner, loser)
    prior : float, above 0
        Wins and losses that every model is given against one of the mean strength: without them a
        model that never lost has no finite strength.
    z : float
        Of the intervals; 1.96 gives 95 %.

    Raises
    ------
    ValueError
        ``prior`` is not above 0.

    Notes
    -----
    R. A. Bradley and M. E. Terry 1952, Biometrika 39, 324-345; among more than two it is Luce's choice:
    the chance of a model is its worth times its takes over the sum of that. Taken apart into pairs,
    one choice among four would count as three and the intervals come out too narrow by a factor of
    1.4. Newton's method on the log posterior, which is concave; intervals from its Hessian, around
    the mean of all.
    """
    if not (isfinite(prior) and prior > 0):
        raise ValueError(f"prior must be above 0, got {prior:g}")
    given = [_choice(vote) for vote in votes]
    choices = [one for one in given if len(one.offered) > 1 and one.winner in one.offered]
    choices, left_out = _most_offered(choices)
    names = sorted({name for one in choices for name in one.offered})
    if not names:
        return Standing((), {}, left_out)
    takes = np.array([[float(one.offered.get(name, 0)) for name in names] for one in choices])
    won = np.array([names.index(one.winner) for one in choices])
    strength, covariance = _fitted(takes, won, prior)
    half = z * np.sqrt(np.diag(covariance).clip(0))
    found = [
        Strength(
            name,
            float(strength[i]),
            float(strength[i] - half[i]),
            float(strength[i] + half[i]),
            int((won == i).sum()),
            int((takes[:, i] > 0).sum()),
        )
        for i, name in enumerate(names)
    ]
    groups = _joined(takes)
    differences = {}
    for i, one in enumerate(names):
        for j in range(i + 1, len(names)):
            if groups[i] == groups[j]:
                gap = float(strength[i] - strength[j])
                spread = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
                reach = z * sqrt(max(0.0, float(spread)))
                differences[one, names[j]] = (gap - reach, gap + reach)
    found.sort(key=lambda one: (-one.strength, one.name))
    return Standing(tuple(found), differences, left_out)


def standing_lines(standing: Standing) -> list[str]:
    """How the models stand, in words; neighbours that cannot be told apart are said to be so."""
    lines = []
    for place, one in enumerate(standing.strengths):
        line = (
            f"{one.name}: picked {one.wins} of {one.of}, strength {one.strength:+.2f} ({one.low:+.2f} to "
            f"{one.high:+.2f})"
        )
        before: Sequence[Strength] = standing.strengths[:place]
        close = [other.name for other in before if standing.too_close(one.name, other.name)]
        # the nearest ones, in the order in which they stand
        more = f" and {len(close) - _MOST_CLOSE} others" if len(close) > _MOST_CLOSE else ""
        named = ", ".join(close[-_MOST_CLOSE:]) + more
        lines.append(f"{line}; too close to call with {named}" if close else line)
    if standing.left_out:
        lines.append(
            f"{standing.left_out} more model{'s are' if standing.left_out > 1 else ' is'} not ranked: "
            f"only the {MOST_MODELS} that were offered most often are"
        )
    return lines


def _most_offered(choices: Sequence[Choice]) -> tuple[list[Choice], int]:
    """The choices among the models that were offered most often, and how many models that leaves out.

    In Luce's choice what else was offered does not change the odds between those that stay.
    """
    offers = Counter(name for one in choices for name in one.offered)
    if len(offers) <= MOST_MODELS:
        return list(choices), 0
    kept = set(sorted(offers, key=lambda name: (-offers[name], name))[:MOST_MODELS])
    fewer = [
        Choice(one.winner, {name: takes for name, takes in one.offered.items() if name in kept})
        for one in choices
        if one.winner in kept
    ]
    fewer = [one for one in fewer if len(one.offered) > 1]
    return fewer, len(offers) - len({name for one in fewer for name in one.offered})


def _choice(vote: Choice | tuple[str, str]) -> Choice:
    if isinstance(vote, Choice):
        return vote
    winner, loser = vote
    return Choice(winner, {winner: 1, loser: 1})


def _fitted(takes: np.ndarray, won: np.ndarray, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Strengths with mean 0, and their covariance; the prior's opponent has strength 0."""
    count = takes.shape[1]
    wins = np.bincount(won, minlength=count).astype(float)
    strength = np.zeros(count)

    def slopes(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        worth = takes * np.exp(at - at.max())
        chance = worth / worth.sum(1, keepdims=True)
        against = 1 / (1 + np.exp(-at))
        gradient = wins - chance.sum(0) + prior * (1 - 2 * against)
        own = chance.sum(0) + 2 * prior * against * (1 - against)
        return gradient, np.diag(own) - chance.T @ chance

    for _ in range(_ROUNDS):
        gradient, hessian = slopes(strength)
        step = np.linalg.solve(hessian, gradient)
        # where the curve flattens a whole step would leave it
        strength = strength + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _ENOUGH:
            break
    centre = np.eye(count) - 1 / count
    _, hessian = slopes(strength)
    return strength - strength.mean(), centre @ np.linalg.inv(hessian) @ centre


def _joined(takes: np.ndarray) -> list[int]:
    """For each model the lowest number of one that votes join it with."""
    group = list(range(takes.shape[1]))
    for row in takes > 0:
        mine = {group[i] for i in np.nonzero(row)[0]}
        group = [min(mine) if one in mine else one for one in group]
    return group
