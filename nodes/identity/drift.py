"""How like a profile the faces of a picture are: a cosine beside what the profile's own photos reach.

A cosine alone says nothing: one encoder gives 0.5 to the same person, another 0.8. So every photo
of the profile is measured as if it were new, against the centre of the others, and the picture
against the same centres. What is told is where it falls among them, never a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...kernels.picture import check_picture, split_alpha
from ..framing.faces import OVAL, Face, Faces
from ..framing.find import Folders, Progress, find_faces
from ..framing.plan import check_faces
from ..framing.prominence import straight_iod
from .aggregate import other_centers, unit_rows
from .encode.align import aligned_crop, five_points
from .encode.arcface import Encoder, known_encoder, open_encoders
from .profile import Embedded, Identity

LEAST_FACE_PX = 112.0  # forehead to chin: the crop that encoders see has as many
SAME_PHOTO = 0.999  # cosine: the same crop, to its rounding; a proposal, not tried on real encoders
EQUAL = 1e-6  # of cosines of float32 embeddings
LEAST_CONTROL = 3  # photos, from which each can be held against a centre of others
ONE_OF_ALL = "an encoder may also have steered the picture (FaceID: w600k_r50; InstantID, PuLID: glintr100): then its own cosine flatters; believe another's"


@dataclass(frozen=True)
class Control:
    """What the profile's own photos reach, each against the centre of the others."""

    cosines: tuple[float, ...]
    """One a kept photo, lowest first."""

    @property
    def lowest(self) -> float:
        return self.cosines[0]

    @property
    def highest(self) -> float:
        return self.cosines[-1]

    @property
    def median(self) -> float:
        return float(np.median(self.cosines))


@dataclass(frozen=True)
class Likeness:
    """One face by one encoder."""

    encoder: str
    sha256: str
    cosine: float
    """To the centre of the profile, -1..1."""
    as_new: float | None
    """Its mean cosine to the centres that the control is measured against; None without a control."""
    control: Control | None
    own: int | None = None
    """Which face of the profile this is, counted from 0, where it is one of them."""

    @property
    def below(self) -> int | None:
        """How many of the profile's own photos are not more alike than this face."""
        if self.control is None or self.as_new is None:
            return None
        return sum(one <= self.as_new + EQUAL for one in self.control.cosines)

    @property
    def share(self) -> float | None:
        """Of new photos of the same person, taken as the profile's were, about so many would be as unlike.

        (below + 1) / (photos + 1), the conformal p-value (Vovk, Gammerman and Shafer 2005, eq. 2.20). A
        new photo is held against the mean over the centres, an own one against its own: simulated, 1 in 9
        is 12 % of new photos, and 14 % where a third of the profile's photos are poor.
        """
        if self.control is None or self.below is None:
            return None
        return (self.below + 1) / (len(self.control.cosines) + 1)


@dataclass(frozen=True)
class Compared:
    """One face of one picture."""

    picture: int
    """Counted from 0."""
    face: Face
    height_px: float
    """Forehead to chin."""
    likeness: tuple[Likeness, ...]
    """One an encoder; empty where it cannot be told."""
    objection: str | None = None
    """Why nothing can be told of it."""


@dataclass(frozen=True)
class Drift:
    """All faces of a batch against a profile."""

    name: str
    """The profile's."""
    best: tuple[Compared | None, ...]
    """For each picture the face most like the profile; None where it has no face."""
    faces: tuple[Compared, ...]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; null where nothing can be told."""
        return {
            "profile": self.name,
            "pictures": [None if one is None else _told(one) for one in self.best],
            "faces": [_told(one) for one in self.faces],
            "remarks": list(self.remarks),
        }


def drift(
    image: Tensor,
    faces: Faces,
    identity: Identity,
    encoders: Sequence[Encoder],
    *,
    progress: Progress | None = None,
) -> Drift:
    """How like a profile the faces of each picture are.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
    faces : Faces
        Found in these pictures, or in one of their size that stands for all.
    identity : Identity
    encoders : sequence of Encoder
        Those of this machine. One that the profile lacks is let look at the profile's stored crops
        first; where there are none it is passed over by name.
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each.

    Raises
    ------
    ValueError
        The image is no picture, or the faces were found in another.
    """
    check_picture(image)
    check_faces(faces, tuple(image.shape))
    known, remarks = _known(identity, encoders)
    yardsticks = list(_yardsticks(identity, known, remarks))
    colours, _ = split_alpha(image)
    tick = progress(len(colours)) if progress else None
    seen: list[Compared] = []
    best: list[Compared | None] = []
    for index, picture in enumerate(colours):
        frame = faces.frames[index % len(faces.frames)]
        mine = [_compared(picture, index, face, yardsticks) for face in frame]
        seen += mine
        best.append(max(mine, key=_rank) if mine else None)
        if tick:
            tick(index + 1)
    if any(one.likeness and len(five_points(one.face)) == 2 for one in seen):
        remarks.append(
            "the crops were aligned on two pupils only: with five points (insightface's or SCRFD's detector) cosines "
            "are steadier"
        )
    return Drift(identity.name, tuple(best), tuple(seen), tuple(dict.fromkeys(remarks)))


def _known(
    identity: Identity, encoders: Sequence[Encoder]
) -> tuple[list[tuple[Encoder, Embedded]], list[str]]:
    """The encoders that profile and machine share, each with the profile's embeddings."""
    known, remarks = [], []
    for encoder in encoders:
        try:
            known.append((encoder, identity.of(encoder.id, encoder.sha256)))
            continue
        except ValueError as refusal:
            crops = [one.crop112 for one in identity.references]
            if not crops or any(crop is None for crop in crops):
                remarks.append(f"{encoder.name} was passed over: {refusal}")
                continue
        raw = encoder(np.stack([crop for crop in crops if crop is not None]))
        known.append((encoder, Embedded(encoder.id, encoder.sha256, encoder.licence, raw)))
        remarks.append(
            f"the profile had no embedding of {encoder.name}: its stored crops were embedded now"
        )
    if not encoders:
        held = ", ".join(f"{one.encoder} (sha {one.sha256[:8]})" for one in identity.embedded)
        remarks.append(
            f"no encoder was chosen or found, so nothing can be told; the profile holds {held or 'no embedding'}"
        )
    return known, remarks


def _yardsticks(
    identity: Identity, known: Sequence[tuple[Encoder, Embedded]], remarks: list[str]
) -> Iterator[_Yardstick]:
    """One an encoder; one that has seen no kept photo is passed over by name, the others still tell."""
    for encoder, embedded in known:
        try:
            yield _Yardstick(encoder, identity, embedded)
        except ValueError as refusal:
            remarks.append(f"{encoder.name} was passed over: {refusal}")


class _Yardstick:
    """An encoder, the centre of a profile, and the centres without each photo in turn."""

    def __init__(self, encoder: Encoder, identity: Identity, embedded: Embedded):
        self.encoder = encoder
        self.centre = identity.center(embedded)
        self.photos = embedded.unit
        self.others: NDArray[np.floating[Any]] | None = None
        self.control: Control | None = None
        keep = identity.keep(embedded)
        if keep.sum() >= LEAST_CONTROL:
            self.others = other_centers(embedded.unit, identity.quality, keep)[keep]
            cosines = (embedded.unit[keep] * self.others).sum(1)
            self.control = Control(tuple(sorted(map(float, cosines))))

    def of(self, crop: NDArray[np.uint8]) -> Likeness:
        (unit,) = unit_rows(self.encoder(crop[None]))
        nearest = int(np.argmax(self.photos @ unit))
        return Likeness(
            self.encoder.id,
            self.encoder.sha256,
            float(unit @ self.centre),
            None if self.others is None else float(np.mean(self.others @ unit)),
            self.control,
            nearest if self.photos[nearest] @ unit > SAME_PHOTO else None,
        )


def _compared(
    picture: Tensor, index: int, face: Face, yardsticks: Sequence[_Yardstick]
) -> Compared:
    height = OVAL[1] * straight_iod(face)
    if height < LEAST_FACE_PX:
        why = f"the face is {height:.0f} px high: below {LEAST_FACE_PX:.0f} px encoders guess"
        return Compared(index, face, height, (), why)
    if not yardsticks:
        return Compared(index, face, height, (), "no encoder that the profile knows is here")
    crop = aligned_crop(picture, face)
    return Compared(index, face, height, tuple(one.of(crop) for one in yardsticks))


def _rank(one: Compared) -> tuple[float, float]:
    """Most alike first, by the first encoder; where nothing can be told, largest first."""
    return (one.likeness[0].cosine if one.likeness else -2.0, one.height_px)


def likeness_of(
    image: Tensor, identity: Identity, folders: Sequence[Path]
) -> Callable[[int, Face], float]:
    """How like an identity a face of pictures is, to choose among faces: small ones are ranked as well.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
    identity : Identity
    folders : where packs of encoders lie

    Returns
    -------
    callable (picture number from 0, face) -> float
        The cosine to the centre, by the first encoder that both have.

    Raises
    ------
    RuntimeError
        No encoder that the identity knows is here.
    """
    opened = open_encoders(folders)
    known, remarks = _known(identity, opened.encoders)
    yardsticks = list(_yardsticks(identity, known, remarks))
    if not yardsticks:
        why = "; ".join(dict.fromkeys([*remarks, *opened.remarks]))
        raise RuntimeError(f"who is like the identity {identity.name!r} cannot be told: {why}")
    yardstick, colours = yardsticks[0], split_alpha(image)[0]
    return lambda number, face: yardstick.of(aligned_crop(colours[number], face)).cosine


def faces_or_none(image: Tensor, folders: Folders, progress: Progress | None = None) -> Faces:
    """The faces of a batch, looked for here; none where no picture shows one: that is a finding as well."""
    check_picture(image)
    try:
        return find_faces(image, folders=folders, progress=progress).faces
    except ValueError as refusal:
        batch, height, width, _ = image.shape
        return Faces((width, height), ((),) * batch, str(refusal))


def report(drift: Drift) -> str:
    """What was measured, in plain words."""
    lines = [
        f"against the profile {drift.name!r}" if drift.name else "against a profile without a name"
    ]
    for index, one in enumerate(drift.best):
        where = f"picture {index + 1}: " if len(drift.best) > 1 else ""
        if one is None:
            lines.append(
                f"{where}cannot be told: no face was found. Link Find Faces, where it can be helped."
            )
            continue
        more = sum(other.picture == index for other in drift.faces)
        which = f"the most alike of {more} faces, " if more > 1 else ""
        lines.append(f"{where}{which}{one.height_px:.0f} px from forehead to chin")
        if one.objection:
            lines.append(f"  cannot be told: {one.objection}. {_way_out(one)}")
        lines += [f"  {_in_words(likeness)}" for likeness in one.likeness]
        own = [likeness.own for likeness in one.likeness if likeness.own is not None]
        if own:
            lines.append(
                f"  this is face {own[0] + 1} of the profile itself, which helped to make its centre: the figures say "
                "nothing about a new picture"
            )
    return "\n".join([*lines, *_caveats(drift), *drift.remarks])


def _way_out(one: Compared) -> str:
    if one.height_px < LEAST_FACE_PX:
        return "Generate the face larger, or measure the second pass on its crop."
    return "Put the encoder's pack where it is looked for, or embed the profile again."


def _in_words(one: Likeness) -> str:
    start = f"{one.encoder}: cosine {one.cosine:.3f} to the centre"
    if one.control is None or one.share is None:
        return f"{start}; the profile has fewer than {LEAST_CONTROL} photos, so there is nothing to hold it against"
    own = len(one.control.cosines)
    return (
        f"{start}. Held against the profile's own {own} photos, each as if it were new ({one.control.lowest:.3f} to "
        f"{one.control.highest:.3f}, median {one.control.median:.3f}): {one.as_new:.3f}, at least as alike as "
        f"{one.below} of them; of new photos of this person taken alike {_share(one)} would be as unlike"
    )


def _share(one: Likeness) -> str:
    """The share in words; the least that so few photos can tell is said to be no more than that."""
    own = len(one.control.cosines) if one.control else 0
    if not one.below:
        return f"about 1 in {own + 1} or fewer, and {own} photos can tell no less,"
    return f"about {round(100 * (one.share or 0)):d} %"


def _caveats(drift: Drift) -> Iterator[str]:
    ids = {likeness.encoder for one in drift.faces for likeness in one.likeness}
    yield from (f"{id}: {known_encoder(id)}" for id in sorted(ids))
    if ids:
        yield ONE_OF_ALL


def _told(one: Compared) -> dict[str, Any]:
    return {
        "picture": one.picture,
        "eyes": [[round(float(c), 3) for c in eye] for eye in one.face.eyes],
        "face_h_px": round(one.height_px, 2),
        "can_tell": bool(one.likeness),
        "objection": one.objection,
        "encoders": [
            {
                "encoder": likeness.encoder,
                "sha256": likeness.sha256,
                "cosine": round(likeness.cosine, 6),
                "as_new": None if likeness.as_new is None else round(likeness.as_new, 6),
                "own_photos": [round(c, 6) for c in likeness.control.cosines]
                if likeness.control
                else None,
                "own_photos_not_more_alike": likeness.below,
                "is_own_photo": None if likeness.own is None else likeness.own + 1,
                "share_of_own_as_unlike": None
                if likeness.share is None
                else round(likeness.share, 4),
            }
            for likeness in one.likeness
        ],
    }
