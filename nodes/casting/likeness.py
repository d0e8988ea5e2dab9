"""How like an identity the faces of takes are: a figure beside the rank, never part of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..framing.faces import Faces
from ..identity.drift import drift
from ..identity.encode.arcface import Opened
from ..identity.profile import Identity
from .take import Take
from .words import Likeness


def likeness_of_takes(
    takes: Sequence[Take], identity: Identity, opened: Opened
) -> tuple[dict[int, Likeness], tuple[str, ...]]:
    """The cosine of each offered take's face to an identity, by the number of the take; and remarks.

    Parameters
    ----------
    takes : all of a cast
    identity : Identity
    opened : the encoders of this machine, from ``open_encoders``
    """
    found: dict[int, Likeness] = {}
    remarks = list(opened.remarks)
    for take in takes:
        if take.rejected is not None or take.face is None:
            continue
        height, width = take.picture.shape[1:3]
        faces = Faces((width, height), ((take.face,),), "cast")
        told = drift(take.picture, faces, identity, opened.encoders)
        remarks += told.remarks
        one = told.best[0]
        if one is None or not one.likeness:
            why = one.objection if one is not None and one.objection else "no encoder"
            found[take.number] = Likeness(None, "", why)
        else:
            found[take.number] = Likeness(one.likeness[0].cosine, one.likeness[0].encoder)
    return found, tuple(dict.fromkeys(remarks))
