"""Many embeddings of one face to one direction: who does not belong, and how much each counts.

Everything here is plain numbers; which encoder they came from is the caller's business.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIMIT = 0.55  # of the median agreement: below it a face is not the same person
FEWEST_TO_JUDGE = 3  # of two faces that differ nobody can tell which is wrong
STEPS = 20
SPREAD = 1.5  # median angles at which a face counts half
LEAST_ANGLE = 1e-6  # radians: of equal embeddings the median angle is 0
LEAST_NORM = 1e-9


def unit_rows(raw: NDArray[np.floating]) -> Array:
    """Rows brought to length 1, (N, D); a row of zeros stays one."""
    raw = np.asarray(raw, np.float64)
    return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), LEAST_NORM)


def agreement_of(unit: Array, others: NDArray[np.bool_] | None = None) -> Array:
    """How alike each face is to the others: the median of its cosines to them.

    Parameters
    ----------
    unit : (N, D), rows of length 1
    others : (N,) bool, optional
        Which faces it is compared with; itself never.

    Returns
    -------
    (N,), -1..1
        0 where there is no other.
    """
    among = np.ones(len(unit), bool) if others is None else others
    cosines = unit @ unit.T
    agreement = np.zeros(len(unit))
    for row in range(len(unit)):
        mine = among.copy()
        mine[row] = False
        if mine.any():
            agreement[row] = np.median(cosines[row, mine])
    return agreement


def keep_of(unit: Array, limit: float = LIMIT) -> NDArray[np.bool_]:
    """Which faces belong together: those whose agreement reaches a share of the median agreement.

    Parameters
    ----------
    unit : (N, D), rows of length 1
    limit : 0..1

    Returns
    -------
    (N,) bool
        All of fewer than three faces, and all where fewer than two would be left.
    """
    if len(unit) < FEWEST_TO_JUDGE:
        return np.ones(len(unit), bool)
    agreement = agreement_of(unit)
    keep = agreement >= limit * np.median(agreement)
    return keep if keep.sum() >= 2 else np.ones(len(unit), bool)


def robust_center(
    unit: Array, quality: NDArray[np.floating], keep: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """The direction that the kept faces share, and how much each counts.

    Begins with the mean that is weighted by quality, then 20 times weighs each face anew by
    ``quality / (1 + (angle / (1.5 * median angle))^2)``: one that stands far off counts little.

    Parameters
    ----------
    unit : (N, D), rows of length 1
    quality : (N,), above 0
    keep : (N,) bool, at least one

    Returns
    -------
    center : (D,), length 1
    weights : (N,), sum 1
        0 where a face is not kept.

    Raises
    ------
    ValueError
        No face is kept, or the kept ones cancel out.
    """
    kept = np.flatnonzero(keep)
    if not len(kept):
        raise ValueError("a centre needs at least one kept face; keep one with + in overrides")
    rows, worth = unit[kept], np.asarray(quality, np.float64)[kept]
    share = worth
    center = _unit(worth @ rows)
    for _ in range(STEPS):
        angles = np.arccos(np.clip(rows @ center, -1, 1))
        scale = SPREAD * max(float(np.median(angles)), LEAST_ANGLE)
        share = worth / (1 + (angles / scale) ** 2)
        center = _unit(share @ rows)
    weights = np.zeros(len(unit))
    weights[kept] = share / share.sum()
    return center, weights


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    if not length > LEAST_NORM:
        raise ValueError(
            "the embeddings of the kept faces cancel out: they are no one's face, embed them again"
        )
    return vector / length


def leave_one_out(
    unit: Array,
    quality: NDArray[np.floating],
    limit: float = LIMIT,
    keep: NDArray[np.bool_] | None = None,
) -> Array:
    """How alike each face is to the centre of the others: what the same person looks like here.

    Parameters
    ----------
    unit : (N, D), rows of length 1
    quality : (N,), above 0
    limit : 0..1
        Of :func:`keep_of`, where ``keep`` is not given.
    keep : (N,) bool, optional

    Returns
    -------
    (N,), cosines
        Of a kept face to the centre of the other kept ones, of a rejected one to the centre of all kept.

    Raises
    ------
    ValueError
        Fewer than two faces are kept.
    """
    kept = keep_of(unit, limit) if keep is None else keep
    return (unit * other_centers(unit, quality, kept)).sum(1)


def other_centers(unit: Array, quality: NDArray[np.floating], keep: NDArray[np.bool_]) -> Array:
    """For each face the centre of the kept ones without it.

    Parameters
    ----------
    unit : (N, D), rows of length 1
    quality : (N,), above 0
    keep : (N,) bool, at least two

    Returns
    -------
    (N, D), rows of length 1
        Of a rejected face the centre of all kept ones.

    Raises
    ------
    ValueError
        Fewer than two faces are kept.
    """
    if keep.sum() < 2:
        raise ValueError(
            f"leaving one out needs two kept faces, there {'is one' if keep.sum() else 'is none'}"
        )
    centers = np.zeros_like(unit)
    for row in range(len(unit)):
        others = keep.copy()
        others[row] = False
        centers[row], _ = robust_center(unit, quality, others)
    return centers
