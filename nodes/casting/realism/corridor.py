"""The corridor: where the skin of real photographs lies, as derived statistics alone.

It holds means and a covariance of six figures; no picture, no face and no figure of a single one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .figures import MEASURE, SCORED

SCHEMA = 1
SHRUNK = 0.3  # of the covariance is its diagonal: 50 faces do not tell 15 correlations well
FEWEST = 12  # faces: twice the figures
ENOUGH = 40  # faces, below which a corridor is called rough
MOST = 1_000_000
# A figure that no photo varies in would make every other picture infinitely unlike them.
LEAST_SD = 0.02
FACE_PX_EDGES = (440, 500, 560, 640, 900)
# Chardon's classes of the individual typology angle, degrees.
ITA_EDGES = (-30, 10, 28, 41, 55)
DIGITS = 6


@dataclass(frozen=True)
class Source:
    """Where photos of a corridor came from."""

    name: str
    licence: str
    pictures: int
    used: int


@dataclass(frozen=True)
class Stratum:
    """Those faces of a corridor whose size, or whose skin tone, lies in a range."""

    low: float | None
    """None: no end on this side."""
    high: float | None
    n: int
    mean: tuple[float, ...]
    """Of the figures, in their order; empty where there are fewer than two faces."""
    distance: float | None
    """Mean distance of these faces to the corridor of all others."""


@dataclass(frozen=True, eq=False)
class Corridor:
    """Mean and covariance of the figures of real photographs."""

    name: str
    n: int
    mean: tuple[float, ...]
    """Of ``SCORED``, in this order."""
    covariance: tuple[tuple[float, ...], ...]
    """As measured, not shrunk."""
    typical: float
    """Median distance of its own faces, each to the corridor of all others."""
    far: float
    """That nine of ten of them stay below."""
    spread: float
    """Standard deviation of these distances."""
    sources: tuple[Source, ...] = ()
    pictures_sha256: str = ""
    """Of the sorted hashes of the photos' pixels: whether two corridors saw the same photos."""
    face_px: tuple[Stratum, ...] = ()
    ita_deg: tuple[Stratum, ...] = ()
    created: str = ""
    tool: str = ""
    _inverse: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_inverse", inverse_of(np.array(self.covariance)))

    @property
    def sha256(self) -> str:
        """Of what decides a distance: two corridors with the same one score alike."""
        body = json.dumps([MEASURE, SCORED, self.mean, self.covariance, SHRUNK], allow_nan=False)
        return hashlib.sha256(body.encode()).hexdigest()

    @property
    def key(self) -> str:
        """Its name and hash, for words and files."""
        return f"{self.name} {self.sha256[:12]}"

    def distance(self, figures: dict[str, float]) -> float:
        """Mahalanobis distance of measured figures to the mean: 0 is the middle of real photographs.

        About ``typical`` for a real one: nobody's skin is average in six ways at once.
        """
        away = np.array([figures[name] for name in SCORED]) - np.array(self.mean)
        return sqrt(max(0.0, float(away @ self._inverse @ away)))

    def sigmas(self, figures: dict[str, float]) -> dict[str, float]:
        """How far each scored figure is from its mean, in its own standard deviations, signed."""
        sds = np.maximum(np.sqrt(np.diag(np.array(self.covariance))), LEAST_SD)
        return {
            name: (figures[name] - mean) / float(sd)
            for name, mean, sd in zip(SCORED, self.mean, sds, strict=True)
        }

    def as_json(self) -> dict[str, Any]:
        """The contents of its file."""
        return {
            "schema": SCHEMA,
            "kind": "loupe realism corridor",
            "name": self.name,
            "created": self.created,
            "tool": self.tool,
            "measure": MEASURE,
            "figures": list(SCORED),
            "n": self.n,
            "mean": list(self.mean),
            "covariance": [list(row) for row in self.covariance],
            "shrunk_to_diagonal": SHRUNK,
            "leave_one_out": {"median": self.typical, "p90": self.far, "sd": self.spread},
            "sources": [asdict(source) for source in self.sources],
            "pictures_sha256": self.pictures_sha256,
            "strata": {
                "face_px": [asdict(one) for one in self.face_px],
                "ita_deg": [asdict(one) for one in self.ita_deg],
            },
            "sha256": self.sha256,
        }


def build_corridor(
    rows: Sequence[dict[str, float]],
    *,
    name: str,
    sources: Sequence[Source] = (),
    pictures_sha256: str = "",
    created: str = "",
    tool: str = "",
) -> Corridor:
    """The corridor of measured faces.

    Parameters
    ----------
    rows : sequence of dict
        Of each face its figures, with ``face_px`` and ``ita_deg``.
    name, sources, pictures_sha256, created, tool
        As in :class:`Corridor`.

    Raises
    ------
    ValueError
        There are fewer than ``FEWEST`` faces.
    """
    if len(rows) < FEWEST:
        raise ValueError(
            f"a corridor needs at least {FEWEST} faces that can be measured, {ENOUGH} to be relied on; there "
            f"{'is' if len(rows) == 1 else 'are'} {len(rows)}. Add photos of real people, faces 440 px tall or more."
        )
    table = np.array([[row[key] for key in SCORED] for row in rows], np.float64)
    left_out = leave_one_out(table)
    mean, covariance = _moments(table)
    return Corridor(
        name=name,
        n=len(rows),
        mean=_plain(mean),
        covariance=tuple(_plain(row) for row in covariance),
        typical=_rounded(np.median(left_out)),
        far=_rounded(np.quantile(left_out, 0.9)),
        spread=_rounded(left_out.std(ddof=1)),
        sources=tuple(sources),
        pictures_sha256=pictures_sha256,
        face_px=_strata(table, left_out, [row["face_px"] for row in rows], FACE_PX_EDGES),
        ita_deg=_strata(table, left_out, [row["ita_deg"] for row in rows], ITA_EDGES),
        created=created,
        tool=tool,
    )


def leave_one_out(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each row (n, figures) to the corridor of all the others, (n,)."""
    distances = np.empty(len(table))
    for index, row in enumerate(table):
        mean, covariance = _moments(np.delete(table, index, 0))
        away = row - mean
        distances[index] = sqrt(max(0.0, float(away @ inverse_of(covariance) @ away)))
    return distances


def inverse_of(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the covariance after its shrinking: 0.7 C + 0.3 diag C."""
    diagonal = np.diag(np.maximum(np.diag(covariance), LEAST_SD**2))
    off = covariance - np.diag(np.diag(covariance))
    return np.asarray(np.linalg.inv((1 - SHRUNK) * off + diagonal), np.float64)


def read_corridor(data: Any, source: str) -> Corridor:
    """A corridor from the contents of its file.

    Raises
    ------
    ValueError
        It is no corridor, one of another version, or was changed by hand; ``source`` is named.
    """
    try:
        return _read(data)
    except (KeyError, TypeError, AttributeError, OverflowError, np.linalg.LinAlgError) as error:
        raise ValueError(
            f"{source} is no corridor: {type(error).__name__} {error}. Make one with Realism Calibrate."
        ) from None
    except ValueError as error:
        raise ValueError(
            f"{source} is not used: {error}. Make it anew with Realism Calibrate."
        ) from None


def _read(data: Any) -> Corridor:
    if not isinstance(data, dict) or data.get("kind") != "loupe realism corridor":
        raise ValueError("it is no corridor")
    if data["schema"] != SCHEMA or data["measure"] != MEASURE or data["figures"] != list(SCORED):
        raise ValueError(
            f"it was measured in another way (schema {data['schema']}, measure {data['measure']}; this pack has "
            f"{SCHEMA} and {MEASURE})"
        )
    mean = np.array(data["mean"], np.float64)
    covariance = np.array(data["covariance"], np.float64)
    count = len(SCORED)
    if mean.shape != (count,) or covariance.shape != (count, count):
        raise ValueError(f"it must hold {count} means and a covariance of {count} x {count}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("it holds numbers that are not finite")
    if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() < -1e-6:
        raise ValueError("its covariance is none")
    n = data["n"]
    if isinstance(n, bool) or not isinstance(n, int) or not FEWEST <= n <= MOST:
        raise ValueError(f"n must be a whole number from {FEWEST} on, got {n!r}"[:120])
    out = data["leave_one_out"]
    strata = data.get("strata", {})
    corridor = Corridor(
        name=str(data["name"])[:120],
        n=n,
        mean=tuple(mean.tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        typical=_above_zero(out["median"]),
        far=_above_zero(out["p90"]),
        spread=_above_zero(out["sd"]),
        sources=tuple(
            Source(str(s["name"]), str(s["licence"]), int(s["pictures"]), int(s["used"]))
            for s in data.get("sources", [])
        ),
        pictures_sha256=str(data.get("pictures_sha256", "")),
        face_px=tuple(_read_stratum(one) for one in strata.get("face_px", [])),
        ita_deg=tuple(_read_stratum(one) for one in strata.get("ita_deg", [])),
        created=str(data.get("created", "")),
        tool=str(data.get("tool", "")),
    )
    if data.get("sha256") != corridor.sha256:
        raise ValueError("its numbers are not those that it was saved with")
    return corridor


def _read_stratum(data: dict[str, Any]) -> Stratum:
    low, high = (None if data[key] is None else float(data[key]) for key in ("low", "high"))
    distance = None if data["distance"] is None else float(data["distance"])
    return Stratum(low, high, int(data["n"]), tuple(float(x) for x in data["mean"]), distance)


def _above_zero(value: Any) -> float:
    number = float(value)
    if not (isfinite(number) and number > 0):
        raise ValueError(f"a distance must be above 0, got {number:g}")
    return number


def _moments(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return table.mean(0), np.cov(table, rowvar=False)


def _strata(
    table: NDArray[np.float64],
    distances: NDArray[np.float64],
    values: Sequence[float],
    edges: Sequence[float],
) -> tuple[Stratum, ...]:
    found = []
    places = np.digitize(values, edges)
    limits = (None, *map(float, edges), None)
    for place in range(len(edges) + 1):
        own = places == place
        count = int(own.sum())
        if count:
            found.append(
                Stratum(
                    limits[place],
                    limits[place + 1],
                    count,
                    _plain(table[own].mean(0)) if count >= 2 else (),
                    _rounded(distances[own].mean()) if count >= 2 else None,
                )
            )
    return tuple(found)


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(_rounded(value) for value in values)


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)
