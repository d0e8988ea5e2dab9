"""Which face of a photo with several is the person's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST, ALIKE, ALL = "largest", "most alike", "all"
SEVERAL = (LARGEST, ALIKE, ALL)


def most_alike(photos: Sequence[NDArray[np.float64]]) -> list[int]:
    """In each photo the face that the other photos hold too.

    Parameters
    ----------
    photos : sequence of (F, D), rows of length 1
        The embeddings of each photo's faces, largest first.

    Returns
    -------
    list of int
        For each photo the place of the face whose cosine to the nearest face of each other photo is
        greatest in the median; 0, the largest, where there is no other photo.

    Notes
    -----
    The nearest face of each photo, not all of them: of photos of one person with two friends each,
    two thirds of all faces are strangers, and a median over these finds nobody.
    """
    chosen = []
    for own, faces in enumerate(photos):
        others = [(faces @ other.T).max(axis=1) for i, other in enumerate(photos) if i != own]
        chosen.append(int(np.argmax(np.median(others, axis=0))) if others else 0)
    return chosen
