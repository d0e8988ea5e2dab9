"""An identity in plain words: who is kept, who is not and why, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from .aggregate import FEWEST_TO_JUDGE
from .profile import Embedded, Identity

NO_CONSENT = "no consent note: write whose face this is and that they agree"
# Median cosine of the faces among themselves below which they are hardly one person's: a proposal;
# ArcFace tells strangers (about 0) from one person in other light and age (0.3 to 0.7).
DISAGREE = 0.2


def write_report(
    identity: Identity,
    photos: Sequence[int] = (),
    given: int = 0,
    remarks: Sequence[str] = (),
) -> str:
    """What was made, face by face and encoder by encoder.

    Parameters
    ----------
    identity : Identity
    photos : sequence of int
        For each face the number of its photo in this run, from 1; 0 for one of an earlier run.
    given : int
        Photos of this run.
    remarks : sequence of str
    """
    lines = [_head(identity, photos, given)]
    photos = photos or [0] * len(identity.references)
    for number, (one, photo) in enumerate(zip(identity.references, photos, strict=True), 1):
        where = f"photo {photo}, " if photo else ""
        parts = ", ".join(f"{name} {part:.2f}" for name, part in one.parts.items())
        word = {True: "; kept by overrides", False: "; rejected by overrides", None: ""}[one.forced]
        lines.append(
            f"face {number}: {where}{one.iod_px:.0f} px between the eyes, quality {one.quality:.2f} "
            f"({parts}){word}"
        )
    for each in identity.embedded:
        lines += _encoder_lines(identity, each)
    return "\n".join([*lines, *_missing(identity), *remarks])


def _head(identity: Identity, photos: Sequence[int], given: int) -> str:
    count = len(identity.references)
    new = sum(1 for number in photos if number)
    old = count - new
    if not given:
        return f"{identity.name}: {_faces(count)}"
    from_old = f" and {_faces(old)} of before" if old else ""
    return f"{identity.name}: {_faces(new)} from {given} photo{'' if given == 1 else 's'}{from_old}"


def _encoder_lines(identity: Identity, each: Embedded) -> list[str]:
    judged = identity.judge(each)
    seen = int(each.has.sum())
    lines = [
        f"{each.label}: {int(judged.keep.sum())} of {_faces(seen)} kept, median cosine to each other "
        f"{judged.median:.2f}; licence: {each.licence}"
    ]
    for place in range(len(identity.references)):
        if judged.asked[place] and not judged.keep[place]:
            lines.append(
                f"  rejected face {place + 1}: score {judged.score[place]:.2f}, limit {identity.limit:.2f} (its median "
                f"cosine to the others is {judged.agreement[place]:.2f}, that of all {judged.median:.2f}). Look at it; "
                f"+{place + 1} in overrides keeps it."
            )
    asked = int(judged.asked.sum())
    if judged.too_few:
        lines.append(
            "  fewer than two faces pass the limit, so all are kept: these photos do not agree with each other"
        )
    if asked >= FEWEST_TO_JUDGE and judged.median < DISAGREE:
        lines.append(
            f"  the faces hardly agree (median cosine {judged.median:.2f}): several persons, or photos too poor to tell"
        )
    if asked == 2:
        lines.append(
            f"  two photos cannot reveal an impostor: nothing was rejected. Their cosine is {judged.median:.2f}"
        )
    elif asked == 1:
        lines.append("  one photo cannot reveal an impostor: nothing was rejected")
    return lines


def _missing(identity: Identity) -> list[str]:
    lines = []
    crops = [one.crop112 is not None for one in identity.references]
    if not identity.embedded:
        kept = "The aligned faces are stored, so they can be embedded later" if all(crops) else ""
        lines.append(
            f"no embedding: no encoder was here. {kept or 'Link the photos again where one is'}."
        )
    if not all(crops):
        lines.append(
            f"{_faces(crops.count(False))} of {len(crops)} without a stored crop: no other encoder can embed "
            "them without the photos"
        )
    coarse = [
        str(number) for number, one in enumerate(identity.references, 1) if len(one.points) < 5
    ]
    if coarse:
        which = "all faces are" if len(coarse) == len(crops) else f"face {', '.join(coarse)} is"
        lines.append(
            f"{which} aligned by two pupils alone, which is coarser: insightface or YuNet in Find Faces give five points"
        )
    if not identity.consent.strip():
        lines.append(NO_CONSENT)
    return lines


def _faces(count: int) -> str:
    return f"{count} face{'' if count == 1 else 's'}"
