"""What Cast Lock tells of its takes: the words of its report, and what the panel in the browser shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..comparison.design import Shown, Slide
from ..comparison.encode import Tick
from ..comparison.layout import Layout
from ..comparison.locks import box_of
from ..comparison.locks import lock as lock_panels
from ..comparison.panels import Panel
from ..comparison.viewer import view_payload
from .lock import TakeLock, take_label
from .records import offered_in
from .store import view_of
from .take import Cast
from .votes import Trust

SCHEMA = 1
UI_KEY = "loupe_cast"
_UNDRAWN = Layout((1, 1), (1, 1), (), 0, 0, 0, 0, 0)  # no plate is made: the names alone count
_SAFE = 2**53 - 1
_NO_DIFFERENCE = "takes are different pictures: a difference of them means nothing"
_KEPT = (
    "number", "model", "sha256", "prompt_sha", "rank", "score", "reason", "rejected", "width", "height",
    "figures",
)  # fmt: skip


def trust_words(trust: Trust) -> str:
    """How often the ranking agrees with the user, in words."""
    if not trust.of:
        return "no blind pick has been counted yet"
    return (
        f"the ranking agrees with {trust.agrees} of {trust.of} of your blind picks "
        f"({100 * trust.low:.0f}-{100 * trust.high:.0f} %)"
    )


def payload_of(
    records: Sequence[Mapping[str, Any]],
    name: str,
    mode: str,
    *,
    locked: TakeLock | None,
    region: str,
    cost: str,
    trust: Trust,
    warnings: Sequence[str],
    compare: Mapping[str, Any] | None = None,
    compare_takes: Sequence[int] = (),
) -> dict[str, Any]:
    """What the panel shows.

    Parameters
    ----------
    records : takes, as ``records.record_of`` gives them
    name : str
        Of the cast.
    mode : str
    locked : TakeLock or None
    region : str
    cost : str
    trust : Trust
    warnings : what else runs the generators
    compare, compare_takes : the comparer's payload, and the take's number of each of its panels
    """
    takes = [
        {key: one.get(key) for key in _KEPT}
        | {"seed": _for_browser(one.get("seed")), "view": view_of(name, one["sha256"])}
        for one in records
    ]
    lock = None if locked is None else locked.as_json() | {"seed": _for_browser(locked.seed)}
    return {
        "schema": SCHEMA,
        "cast_name": name,
        "mode": mode,
        "locked": lock,
        "region": region,
        "takes": takes,
        "compare": compare,
        "compare_takes": list(compare_takes),
        "cost": cost,
        "trust": asdict(trust),
        "warnings": list(warnings),
    }


def stored(offer: Any, sha: str) -> tuple[list[Mapping[str, Any]], str, str]:
    """Takes, region and cost of a kept offer; nothing where it does not hold a locked take."""
    records = offered_in(offer)
    if not any(one["sha256"] == sha for one in records):
        return [], "", "locked: 0"
    region, cost = (
        text if isinstance(text := offer.get(key), str) else "" for key in ("region", "cost")
    )
    return records, region, cost


def comparison_of(
    cast: Cast,
    folder: Path | None,
    progress: Callable[[int], Tick] = lambda total: lambda done: None,
) -> tuple[dict[str, Any] | None, list[int], str]:
    """The offered takes as the comparer shows them: its payload, each panel's take, and a note.

    There may be more panels than the comparer shows at once: the panel of casting chooses among them.
    """
    shown = [take for take in cast.takes if take.rejected is None and take.face is not None]
    if not shown:
        return None, [], ""
    panels = [Panel(take.picture, take.face, take_label(take.model, take.number)) for take in shown]
    lock = lock_panels(panels, cast.region)
    size = (lock.shape.width, lock.shape.height)
    names = tuple(
        Shown(index, panel.label, "", box_of(entry, *size), 1.0)
        for index, (panel, entry) in enumerate(zip(panels, lock.entries, strict=True))
    )
    payload, why = view_payload(
        panels, Slide("", "", _UNDRAWN, names), lock, [panel.label for panel in panels],
        [None] * len(panels), cast.region, False, folder, progress=progress,
    )  # fmt: skip
    if payload is None:
        return None, [], why
    others = [{"ncc": None, "reason": _NO_DIFFERENCE} for _ in panels[1:]]
    return payload | {"registered": [None, *others]}, [take.number for take in shown], why


def _for_browser(seed: Any) -> Any:
    """A seed that JavaScript's numbers cannot hold as text."""
    return str(seed) if type(seed) is int and abs(seed) > _SAFE else seed
