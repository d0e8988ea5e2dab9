"""Which take a cast gives: what is locked, what the user's own picks have earned, or nothing yet.

A lock names a take by the hash of its pixels, so that it means the same after a restart, on another
machine, and whatever the seeds above have become. It is written by the casting panel, by a mode that
picks, or by hand: nothing in it is trusted but what the pixels themselves confirm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..finite import finite_number
from ..labels import one_line
from .ranking import TIE, best_of, distance_of
from .take import Cast, Take

ASK, AUTO_BEST, FIRST, LOCKED = MODES = ("ask", "auto-best", "first", "locked")
PICK, BLIND_PICK, API = "pick", "blind pick", "api"
WAYS = (PICK, BLIND_PICK, AUTO_BEST, FIRST, API)
SCHEMA = 1
MOST_TEXT = 20_000  # letters; a lock has about 400
LONGEST = 120  # letters of a name
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WAY_OUT = "Press Unlock on Cast Lock, or empty lock, and pick again."


@dataclass(frozen=True)
class TakeLock:
    """A take that was chosen: the value of the widget ``lock``."""

    take_sha256: str
    """Of its size and 16-bit pixels, hex."""
    file: str = ""
    """Where it lies in the output folder; only its cast's name is taken from it."""
    model: str = ""
    label: str = ""
    seed: int | None = None
    prompt_sha: str = ""
    score: float | None = None
    """Distance from the corridor when it was chosen; smaller reads more real."""
    rank: int | None = None
    by: str = ""
    """One of ``WAYS``; empty where nobody said."""
    at: str = ""
    """When, ISO 8601; empty where nobody said."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"schema": SCHEMA, **asdict(self)}

    @property
    def text(self) -> str:
        """As the widget holds it."""
        return json.dumps(self.as_json(), ensure_ascii=False)


@dataclass(frozen=True)
class Decision:
    """What a node does with a cast that is not locked."""

    take: Take | None
    """None: the takes are offered, and nothing below the node runs."""
    by: str
    words: str
    """For the report."""


def take_label(model: str, number: int) -> str:
    """What a take is called: ``Recraft V4 #3``."""
    return f"{model} #{number}"


def lock_of(take: Take, file: str, by: str, at: str) -> TakeLock:
    """The lock of a take."""
    return TakeLock(
        take.sha256, file, take.model, take_label(take.model, take.number), take.seed,
        take.prompt_sha, distance_of(take), take.rank, by, at,
    )  # fmt: skip


def is_locked(text: Any) -> bool:
    """Whether a lock is set; what stands in it is not looked at."""
    return bool(text.strip()) if isinstance(text, str) else text is not None


def read_lock(text: Any) -> TakeLock | None:
    """The lock that a text holds, None where it is empty.

    Parameters
    ----------
    text : str
        JSON as ``TakeLock.text`` gives it, of which ``take_sha256`` alone is needed; or that hash
        alone, for programs that have nothing else.

    Raises
    ------
    ValueError
        It is neither.
    """
    if not is_locked(text):
        return None
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise ValueError(f"lock must be the JSON that Cast Lock gives as lock. {_WAY_OUT}")
    bare = text.strip().strip('"').lower()
    if _SHA256.fullmatch(bare):
        return TakeLock(bare)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"lock must be the JSON that Cast Lock gives as lock, or the sha256 of a take: {error}. {_WAY_OUT}"
        ) from None
    return lock_from(told)


def lock_from(told: Any) -> TakeLock:
    """The lock in a JSON object; ValueError says what is wrong with it."""
    if not isinstance(told, Mapping):
        raise ValueError(f"lock must be a JSON object, got {type(told).__name__}. {_WAY_OUT}")
    schema = told.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise ValueError(
            f"lock is of schema {schema!r}, this Portrait Loupe reads {SCHEMA}. Update it, or unlock."
        )
    sha = told.get("take_sha256")
    if not isinstance(sha, str) or not _SHA256.fullmatch(sha.lower()):
        raise ValueError(
            f"lock must name a take by take_sha256, 64 hex digits, got {str(sha)[:80]!r}. {_WAY_OUT}"
        )
    by = told.get("by")
    return TakeLock(
        sha.lower(),
        _text(told.get("file"), 400),
        _text(told.get("model")),
        _text(told.get("label")),
        _whole(told.get("seed")),
        _text(told.get("prompt_sha"), 16),
        finite_number(told.get("score")),
        _whole(told.get("rank")),
        by if by in WAYS else "",
        _text(told.get("at"), 40),
    )


def decide(mode: str, cast: Cast, *, earned: bool, trust: str) -> Decision:
    """What becomes of a cast that is not locked.

    Parameters
    ----------
    mode : ``ask``, ``auto-best`` or ``first``
    cast : Cast
    earned : bool
        Whether the user's own blind picks have agreed with the ranking often enough.
    trust : str
        How often they have, in words.

    Returns
    -------
    Decision
        ``auto-best`` gives the best take only where trust is earned and the second best is at
        least ``TIE`` corridor sigmas behind; else it asks, and says why. A cast of which no take can
        be offered gives none in any mode.

    Raises
    ------
    ValueError
        ``mode`` is ``locked`` or none of ``MODES``.
    """
    if mode == LOCKED:
        raise ValueError(NOT_LOCKED)
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}")
    offered = [take for take in cast.takes if take.rejected is None]
    if not offered:
        reasons = "; ".join(f"{take.number}: {take.rejected}" for take in cast.takes)
        return Decision(None, "", f"No take can be offered: {reasons or 'the cast is empty'}.")
    asks = f"{len(offered)} of {len(cast.takes)} takes are offered: pick one in the panel"
    if mode == FIRST:
        return Decision(offered[0], FIRST, f"first: take {offered[0].number}.")
    if mode == ASK:
        return Decision(None, "", f"{asks}.")
    best, why_not = _best(offered)
    if not earned:
        best, why_not = None, f"your blind picks have not earned it yet ({trust})"
    if best is None:
        return Decision(None, "", f"{asks}. auto-best stays closed: {why_not}.")
    return Decision(best, AUTO_BEST, f"auto-best: take {best.number}, {trust}.")


NOT_LOCKED = (
    "mode is locked, but no take is: set mode to ask, queue, and lock a take in the panel. "
    "Nothing above was run."
)


def _best(offered: Sequence[Take]) -> tuple[Take | None, str]:
    """The take that reads most real, or None and why none is clearly so."""
    best, *others = best_of(offered) or (None,)
    if best is None:
        return None, "no take could be scored"
    if others:
        numbers = ", ".join(str(take.number) for take in (best, *others))
        return None, f"takes {numbers} are too close to call, within {TIE:g} sigma of the best"
    return best, ""


def _text(value: Any, most: int = LONGEST) -> str:
    return one_line(value)[:most] if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) <= 20:
        value = int(value)  # a seed that JavaScript's numbers cannot hold
    return value if type(value) is int and 0 <= value < 2**64 else None
