"""A locked take as a node gives it: picture, face, name, seed and words."""

from __future__ import annotations

from torch import Tensor

from ..framing.faces import Faces
from ..framing.find import find_faces
from .lock import AUTO_BEST, BLIND_PICK, FIRST, PICK
from .store import Held

_BY = {
    PICK: "picked by you",
    BLIND_PICK: "picked blind by you",
    AUTO_BEST: "the best by auto-best",
    FIRST: "the first offered",
}


def given_take(held: Held, name: str) -> tuple[Tensor, Faces, str, int, str]:
    """Picture, face, label, seed and words of a locked take.

    Parameters
    ----------
    held : Held
    name : str
        Of the cast.

    Returns
    -------
    picture : (1, H, W, 3)
    faces : Faces
        As it was when the take was offered; searched for where its files do not tell.
    label : str
    seed : int
        0 where the provider has none.
    words : str
        For the report.
    """
    lock = held.lock
    faces = held.faces if held.faces is not None else find_faces(held.picture).faces
    label = lock.label or f"{lock.model or 'take'} {lock.take_sha256[:8]}"
    height, width = held.picture.shape[1:3]
    facts = [
        f"{label} of {name!r} is locked: {width}x{height} px",
        "seed n/a (provider)" if lock.seed is None else f"seed {lock.seed}",
        _BY.get(lock.by, "by a program"),
    ]
    if lock.rank is not None:
        facts.append(f"rank {lock.rank}")
    words = f"{', '.join(facts)}. Nothing above runs; this take costs 0."
    return held.picture, faces, label, lock.seed or 0, words
