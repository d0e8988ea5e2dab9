"""From photos to an identity: whose face in each photo, what it is worth, and its embeddings."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import hypot
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...kernels.picture import check_picture, split_alpha
from ..framing.faces import Face, Faces
from ..framing.find import Folders, Progress, find_faces, within
from ..framing.plan import check_faces
from ..framing.prominence import measure_face
from .aggregate import LIMIT, unit_rows
from .embed import embed
from .encode.align import aligned_crop, five_points
from .overrides import with_overrides
from .profile import MOST_REFERENCES, Identity, Reference
from .quality import parts_of, quality_of
from .report import write_report
from .several import ALIKE, ALL, LARGEST, SEVERAL, most_alike

if TYPE_CHECKING:
    from .encode.arcface import Encoder

SAME_FACE = 0.5  # of the distance between the eyes: nearer faces of one photo are one face
NAMELESS = "nameless"
HASHED_ROWS = 64  # at a time: they stay in the processor's cache, and no copy of the photo is made


@dataclass(frozen=True)
class Built:
    """An identity, and what the user should know about it."""

    identity: Identity
    shown: Identity
    """The same with its crops, for the sheet, even where they are not to be stored."""
    report: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Photo:
    """One picture and the faces that may be meant."""

    number: int
    picture: Tensor
    """(1, H, W, 3)"""
    sha256: str
    faces: tuple[Face, ...]
    backend: str


def build_identity(
    photos: Sequence[Tensor],
    faces: Sequence[Faces | None] = (),
    *,
    encoders: Sequence[Encoder] = (),
    name: str = "",
    consent: str = "",
    base: Identity | None = None,
    overrides: str = "",
    several: str = LARGEST,
    limit: float = LIMIT,
    store_crops: bool = True,
    progress: Progress | None = None,
    folders: Folders | None = None,
    tool: str = "",
    notes: Sequence[str] = (),
) -> Built:
    """An identity from photos, or one that photos and encoders are added to.

    Parameters
    ----------
    photos : sequence of Tensor, (B, H, W, C), sRGB 0..1
        Their sizes may differ.
    faces : sequence of Faces or None
        Of each entry of ``photos``, in their order; None or missing: the photo is searched.
    encoders : sequence of Encoder
        Every one embeds the new faces, and the old ones that it has not seen, from their crops.
    name, consent : str
        Empty ones are taken from ``base``.
    base : Identity, optional
        Its faces come first, so their numbers stay.
    overrides : str
        ``+3 -5``: see ``overrides.parse_overrides``.
    several : one of ``SEVERAL``
        Which face of a photo with several.
    limit : 0..1
        See ``aggregate.keep_of``.
    store_crops : bool
        Whether the aligned faces stay in the identity; without them no other encoder can embed them later.
    progress : callable, optional
        Called once with the number of steps; what it returns is called after each, with the number done.
    folders : mapping, optional
        Where detectors lie: see ``framing.find.find_faces``.
    tool : str
        What makes the identity, with its version.
    notes : sequence of str
        What the report should say besides, such as remarks of ``open_encoders``.

    Raises
    ------
    ValueError
        No photo shows a face and there is no ``base``, there are more than 64 faces, a photo or its faces
        are none, or ``overrides`` or ``several`` cannot be read.
    """
    if several not in SEVERAL:
        raise ValueError(f"several must be one of {', '.join(SEVERAL)}; got {several!r}")
    if not photos and base is None:
        raise ValueError("there is nothing to make an identity of: link a photo, or an identity")
    remarks = list(notes)
    pictures = list(_single(photos, faces))
    tick = _Steps(progress, len(pictures) + len(encoders))
    found = _find(pictures, several, folders, remarks, tick)
    if photos and not found and base is None:
        raise ValueError("\n".join(["no photo shows a face that can be used.", *remarks]))
    chosen = _choose(found, several, encoders, base, remarks)
    old = list(base.references) if base else []
    fresh = _distinct(chosen, old, remarks)
    if len(old) + len(fresh) > MOST_REFERENCES:
        raise ValueError(
            f"an identity holds at most {MOST_REFERENCES} faces, these would be {len(old) + len(fresh)}. "
            "Link fewer photos."
        )
    references = with_overrides([*old, *(_reference(*one) for one in fresh)], overrides)
    embedded, missing = embed(references, base.embedded if base else (), encoders, tick=tick)
    shown = Identity(
        name.strip() or (base.name if base else NAMELESS),
        references,
        embedded,
        _joined(base.consent if base else "", consent.strip()),
        (base.created if base else "") or datetime.date.today().isoformat(),
        tool,
        limit,
    )
    remarks += missing
    if base and base.calibrations:
        if _same_faces(base, shown):
            shown = replace(shown, calibrations=base.calibrations)
        else:
            remarks.append(
                f"{len(base.calibrations)} calibrated curves were of the faces as they were before, and are let go: "
                "run Identity Calibrate again"
            )
    identity = shown if store_crops else shown.without_crops()
    numbers = [0] * len(old) + [photo.number for photo, _ in fresh]
    report = write_report(identity, numbers, len(pictures), remarks)
    return Built(identity, shown, report, tuple(remarks))


def _same_faces(base: Identity, other: Identity) -> bool:
    """Whether two identities keep the same faces by the same rule, so that their centres are the same."""
    words = [
        [(face.photo_sha256, face.eyes, face.forced) for face in one.references]
        for one in (base, other)
    ]
    return words[0] == words[1] and base.limit == other.limit


def photo_sha256(picture: Tensor) -> str:
    """The hash of a picture's size and 8-bit pixels, (1, H, W, 3); no file's name, place or date."""
    height, width = picture.shape[1:3]
    digest = hashlib.sha256(f"{width}x{height}".encode())
    for first in range(0, height, HASHED_ROWS):
        band = picture[0, first : first + HASHED_ROWS].cpu().float().clamp(0, 1)
        codes = band.mul_(255).round_().to(torch.uint8)
        digest.update(codes.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _single(
    photos: Sequence[Tensor], faces: Sequence[Faces | None]
) -> Iterator[tuple[Tensor, Faces | None]]:
    """Every picture of every batch as (1, H, W, 3), with its own faces or None."""
    if len(faces) > len(photos):
        raise ValueError(
            f"there are {len(faces)} entries of faces for {len(photos)} of photos: link one for each"
        )
    for index, photo in enumerate(photos):
        check_picture(photo, f"photo {index + 1}")
        given = faces[index] if index < len(faces) else None
        if given is not None:
            check_faces(given, tuple(photo.shape))
        colours, _ = split_alpha(photo)
        for place in range(len(colours)):
            one = None
            if given is not None:
                one = replace(given, frames=(given.frames[place % len(given.frames)],))
            yield colours[place : place + 1], one


def _find(
    pictures: Sequence[tuple[Tensor, Faces | None]],
    several: str,
    folders: Folders | None,
    remarks: list[str],
    tick: _Steps,
) -> list[_Photo]:
    """The photos that show a face, with the faces that may be meant."""
    photos = []
    for number, (picture, given) in enumerate(pictures, 1):
        tick()
        if given is None:
            try:
                given = find_faces(picture, folders=folders, progress=within(tick.still)).faces
            except ValueError as refusal:
                said = str(refusal).strip().splitlines()
                remarks.append(f"photo {number} is left out: {said[0] if said else 'no face'}")
                continue
        frame = tuple(sorted(given.frames[0], key=lambda face: -face.iod))
        if not frame:
            remarks.append(f"photo {number} is left out: its faces input holds none")
            continue
        if several == LARGEST and len(frame) > 1:
            remarks.append(
                f"photo {number} shows {len(frame)} faces: the largest is taken. several chooses another"
            )
            frame = frame[:1]
        photos.append(_Photo(number, picture, photo_sha256(picture), frame, given.backend))
    return photos


def _choose(
    photos: Sequence[_Photo],
    several: str,
    encoders: Sequence[Encoder],
    base: Identity | None,
    remarks: list[str],
) -> list[tuple[_Photo, Face]]:
    """The faces that are taken, photo by photo."""
    crowded = [photo for photo in photos if len(photo.faces) > 1]
    if several != ALIKE or not crowded:
        wanted = slice(None) if several == ALL else slice(1)
        return [(photo, face) for photo in photos for face in photo.faces[wanted]]
    taken = [0] * len(photos)
    numbers = ", ".join(str(photo.number) for photo in crowded)
    if not encoders:
        remarks.append(
            f"several faces in photo {numbers}: telling which is alike needs an encoder, and there is none; "
            "the largest is taken"
        )
    else:
        others = _known_rows(base, encoders[0])
        distinct = {photo.sha256: photo for photo in photos}
        rows = {sha: _rows(photo, encoders[0]) for sha, photo in distinct.items()}
        others = [rows for sha, rows in others if sha not in distinct]
        if len(rows) + len(others) < 2:
            remarks.append(
                f"several faces in photo {numbers}: there is no other photo to compare them with; the largest "
                "is taken"
            )
        else:
            best = dict(zip(rows, most_alike([*rows.values(), *others]), strict=False))
            taken = [best[photo.sha256] for photo in photos]
            remarks += [
                f"photo {photo.number} shows {len(photo.faces)} faces: number {place + 1} by size is taken, the "
                "most like those of the other photos"
                for photo, place in zip(photos, taken, strict=True)
                if len(photo.faces) > 1
            ]
    return [(photo, photo.faces[place]) for photo, place in zip(photos, taken, strict=True)]


def _rows(photo: _Photo, encoder: Encoder) -> np.ndarray:
    """The embeddings of a photo's faces, length 1."""
    crops = np.stack([aligned_crop(photo.picture[0], face, 112) for face in photo.faces])
    return unit_rows(np.nan_to_num(encoder(crops)))


def _known_rows(base: Identity | None, encoder: Encoder) -> list[tuple[str, np.ndarray]]:
    """The embeddings that a base holds of its kept faces, each with its photo's hash."""
    if base is None:
        return []
    for each in base.embedded:
        if (each.encoder, each.sha256) == (encoder.id, encoder.sha256):
            kept = base.keep(each)
            return [
                (one.photo_sha256, each.unit[row : row + 1])
                for row, one in enumerate(base.references)
                if kept[row]
            ]
    crops = [(one.photo_sha256, one.crop112) for one in base.references if one.forced is not False]
    return [
        (sha, unit_rows(np.nan_to_num(encoder(crop[None]))))
        for sha, crop in crops
        if crop is not None
    ]


def _distinct(
    chosen: Sequence[tuple[_Photo, Face]], old: list[Reference], remarks: list[str]
) -> list[tuple[_Photo, Face]]:
    """The faces that are not there yet. An old one whose crop was not stored gets it back."""
    fresh: list[tuple[_Photo, Face]] = []
    for photo, face in chosen:
        same = next((i for i, one in enumerate(old) if _is_same(photo, face, one)), None)
        twin = next(
            (
                other
                for other, another in fresh
                if other.sha256 == photo.sha256 and _near(face, another)
            ),
            None,
        )
        if same is not None and old[same].crop112 is None:
            crop112, crop512 = _crops(photo, face)
            old[same] = replace(old[same], crop112=crop112, crop512=crop512)
            remarks.append(f"photo {photo.number} is face {same + 1} again: it has its crop back")
        elif same is not None:
            remarks.append(f"photo {photo.number} is face {same + 1} again: it counts once")
        elif twin:
            remarks.append(
                f"photo {photo.number} is photo {twin.number} again, the same pixels: it counts once"
            )
        else:
            fresh.append((photo, face))
    return fresh


def _is_same(photo: _Photo, face: Face, one: Reference) -> bool:
    return photo.sha256 == one.photo_sha256 and _near(face, one.face)


def _near(face: Face, other: Face) -> bool:
    (x1, y1), (x2, y2) = face.centre, other.centre
    return hypot(x1 - x2, y1 - y2) < SAME_FACE * min(face.iod, other.iod)


def _reference(photo: _Photo, face: Face) -> Reference:
    one = measure_face(photo.picture[0], face, photo.backend)
    parts = parts_of(one)
    crop112, crop512 = _crops(photo, face)
    return Reference(
        quality=quality_of(parts),
        parts=parts,
        photo_sha256=photo.sha256,
        eyes=face.eyes,
        points=tuple((float(x), float(y)) for x, y in five_points(face)),
        image_size=one.image_size,
        iod_px=one.iod_px,
        yaw_deg=one.yaw_deg,
        pitch_deg=one.pitch_deg,
        blur_px=one.blur_sigma_px,
        median_luma=one.median_luma,
        crop112=crop112,
        crop512=crop512,
    )


def _crops(photo: _Photo, face: Face) -> tuple[np.ndarray, np.ndarray]:
    picture = photo.picture[0]
    return aligned_crop(picture, face, 112), aligned_crop(picture, face, 512)


def _joined(before: str, added: str) -> str:
    """Both consent notes: one for the old photos must not vanish with one for the new."""
    if not before or not added or added in before:
        return before or added
    return f"{before}\n{added}"


class _Steps:
    """Called after each step; between two of them ``still`` lets a stop be felt."""

    def __init__(self, progress: Progress | None, total: int):
        self._update = progress(total) if progress and total else lambda done: None
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        self.still()

    def still(self) -> None:
        self._update(self._done)
