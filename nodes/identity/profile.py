"""A person's identity as a value: reference faces, their embeddings by encoder, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..framing.faces import Face, Point
from .aggregate import LIMIT, agreement_of, keep_of, leave_one_out, robust_center, unit_rows
from .calibration.plain import summary_of
from .calibration.value import MOST_CALIBRATIONS, Calibration

MOST_REFERENCES = 64
WIDTH = (
    512  # numbers of an embedding; all ArcFace encoders that adapters were trained on have as many
)
Rows = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Reference:
    """One face of one photo."""

    quality: float
    """0..1, never 0: how much it counts before the faces are compared."""
    parts: dict[str, float]
    """What the quality is the product of, each 0..1."""
    photo_sha256: str
    """Of the photo's pixels; its name and place are not kept."""
    eyes: tuple[Point, Point]
    """Pupils in the photo, pixels, the picture's left one first."""
    points: tuple[Point, ...]
    """What the crop was aligned by, pixels: five points, or the two pupils where there are no more."""
    image_size: tuple[int, int]
    """Width and height of the photo, pixels."""
    iod_px: float
    """Between the pupils, pixels, as if the head faced the camera."""
    yaw_deg: float | None
    pitch_deg: float | None
    blur_px: float | None
    """Standard deviation of its sharpest edges, pixels; None where it shows none."""
    median_luma: float
    """Linear light of the face, 0..1."""
    crop112: NDArray[np.uint8] | None = None
    """(112, 112, 3), RGB: what encoders take; None where it was not to be stored."""
    crop512: NDArray[np.uint8] | None = None
    """(512, 512, 3), RGB."""
    forced: bool | None = None
    """The user's word: True keeps the face whatever the rule says, False rejects it."""

    @property
    def face(self) -> Face:
        """Its pupils and pose as a face of the photo."""
        return Face(self.eyes, points=self.points, yaw_deg=self.yaw_deg, pitch_deg=self.pitch_deg)


@dataclass(frozen=True, eq=False)
class Embedded:
    """What one encoder file makes of the references."""

    encoder: str
    """Its id, such as ``w600k_r50``."""
    sha256: str
    """Of the encoder's file: embeddings of another file are not comparable."""
    licence: str
    raw: NDArray[np.float32]
    """(N, 512), not normalised, a row for each reference; zeros where the encoder has not seen it."""

    @cached_property
    def has(self) -> Rows:
        """(N,) which references the encoder has seen."""
        return np.array([bool(row.any()) for row in self.raw])

    @cached_property
    def unit(self) -> NDArray[np.float64]:
        """(N, 512), rows of length 1; zeros where the encoder has not seen a reference."""
        return unit_rows(self.raw)

    @property
    def label(self) -> str:
        """Id and the beginning of the hash, for reports."""
        return f"{self.encoder} (sha {self.sha256[:8]})"


@dataclass(frozen=True)
class Judgement:
    """Why the faces of an identity are kept or rejected by one encoder."""

    keep: Rows
    agreement: NDArray[np.float64]
    """(N,) median cosine of each face to the others that the user has not rejected."""
    median: float
    """Of the agreement of these."""
    score: NDArray[np.float64]
    """(N,) agreement / median, what the limit is compared with; 0 where there is no median above 0."""
    asked: Rows
    """(N,) the faces that the rule decides on: seen by the encoder and not rejected by the user."""
    too_few: bool
    """Fewer than two passed the limit, so the rule kept all."""


@dataclass(frozen=True, eq=False)
class Identity:
    """The value of a LOUPE_IDENTITY socket."""

    name: str
    references: tuple[Reference, ...]
    embedded: tuple[Embedded, ...] = ()
    """Apart by encoder id and file hash; none where no encoder was there."""
    consent: str = ""
    """Whose face it is and that they agree, in the user's words."""
    created: str = ""
    """ISO date."""
    tool: str = ""
    limit: float = LIMIT
    """Share of the median agreement below which a face is rejected, 0..1."""
    calibrations: tuple[Calibration, ...] = ()
    """How likeness grows with the weight; one for each adapter on each base model."""

    def __post_init__(self) -> None:
        count = len(self.references)
        if not 1 <= count <= MOST_REFERENCES:
            raise ValueError(
                f"an identity holds 1 to {MOST_REFERENCES} faces, got {count}. "
                + ("Link fewer photos." if count else "Link a photo with a face.")
            )
        if all(reference.forced is False for reference in self.references):
            raise ValueError(
                f"overrides reject {'all ' if count > 1 else ''}{_faces(count)}, which leaves nobody. "
                "Take a - away."
            )
        if not 0 <= self.limit <= 1:
            raise ValueError(f"impostor_limit must be 0 to 1, got {self.limit:g}")
        known = [(each.encoder, each.sha256) for each in self.embedded]
        if len(set(known)) < len(known):
            raise ValueError(f"the embeddings of {self.name!r} hold one encoder twice")
        for each in self.embedded:
            if each.raw.shape != (count, WIDTH):
                raise ValueError(
                    f"{each.label} must hold {count} embeddings of {WIDTH} numbers, got {each.raw.shape}"
                )
        if len({one.key for one in self.calibrations}) < len(self.calibrations):
            raise ValueError(f"{self.name!r} holds two calibrations of one adapter and base model")
        if len(self.calibrations) > MOST_CALIBRATIONS:
            raise ValueError(
                f"{self.name!r} holds {len(self.calibrations)} calibrations, at most {MOST_CALIBRATIONS} are kept"
            )

    @property
    def quality(self) -> NDArray[np.float64]:
        """(N,), above 0."""
        return np.array([reference.quality for reference in self.references])

    def judge(self, embedded: Embedded) -> Judgement:
        """Who is kept and why. What the user forces is kept or rejected; faces that they reject are
        not asked about the others."""
        return _judge(self, embedded)

    def keep(self, embedded: Embedded) -> Rows:
        """(N,) which faces make the centre."""
        return self.judge(embedded).keep

    def kept(self) -> Rows:
        """(N,) which faces no encoder rejects; those that the first keeps where that leaves none."""
        kept = np.array([reference.forced is not False for reference in self.references])
        if not self.embedded:
            return kept
        agreed = kept.copy()
        for each in self.embedded:
            agreed &= self.keep(each) | ~each.has
        return agreed if agreed.any() else self.keep(self.embedded[0])

    def weights(self, embedded: Embedded) -> NDArray[np.float64]:
        """(N,) how much each face counts in the centre, sum 1; 0 where it is rejected."""
        return self._center(embedded)[1]

    def center(self, embedded: Embedded) -> NDArray[np.float64]:
        """(512,) the direction that the kept faces share, length 1.

        Raises ValueError where the encoder has seen none that is kept.
        """
        return self._center(embedded)[0]

    def _center(self, embedded: Embedded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        keep = self.keep(embedded)
        if not keep.any():
            raise ValueError(
                f"{embedded.label} has seen no face of {self.name!r} that is kept: embed again with "
                "Identity Profile where this encoder is, or change overrides"
            )
        return robust_center(embedded.unit, self.quality, keep)

    def norm(self, embedded: Embedded) -> float:
        """The median length of the kept raw embeddings: center times it stands for a raw one."""
        keep = self.keep(embedded)
        self.center(embedded)  # refuses where nothing is kept
        return float(np.median(np.linalg.norm(embedded.raw[keep].astype(np.float64), axis=1)))

    def cosines(self, embedded: Embedded) -> NDArray[np.float64]:
        """(N,) of each face to the centre; 0 where the encoder has not seen it."""
        return embedded.unit @ self.center(embedded)

    def leave_one_out(self, embedded: Embedded) -> NDArray[np.float64]:
        """(K,) of each kept face the cosine to the centre of the other kept ones; none of fewer than two."""
        keep = self.keep(embedded)
        if keep.sum() < 2:
            return np.zeros(0)
        return leave_one_out(embedded.unit, self.quality, keep=keep)[keep]

    def of(self, encoder_id: str, sha256: str | None = None) -> Embedded:
        """The embeddings of an encoder.

        Parameters
        ----------
        encoder_id : str
        sha256 : str, optional
            Of its file; without it any file of this id will do, if there is but one.

        Raises
        ------
        ValueError
            The profile holds other encoders alone: embeddings are never exchanged silently.
        """
        found = [
            each
            for each in self.embedded
            if each.encoder == encoder_id and sha256 in (None, each.sha256)
        ]
        if len(found) == 1:
            return found[0]
        needed = encoder_id if sha256 is None else f"{encoder_id} (sha {sha256[:8]})"
        held = " and ".join(each.label for each in self.embedded) or "no embeddings"
        if found:
            raise ValueError(
                f"the profile {self.name!r} holds {encoder_id} of {len(found)} files: {held}; say which by its hash"
            )
        raise ValueError(
            f"the profile {self.name!r} holds {held}, the adapter needs {needed}: embed again with "
            "Identity Profile"
        )

    def likeness(self, image: Tensor, folders: Sequence[Path]) -> Callable[[int, Face], float]:
        """How like this identity a face of pictures is: what Find Faces chooses by.

        See :func:`.drift.likeness_of`.
        """
        from .drift import likeness_of

        return likeness_of(image, self, folders)

    def without_crops(self) -> Identity:
        """The same, of which no picture is kept."""
        bare = tuple(replace(one, crop112=None, crop512=None) for one in self.references)
        return replace(self, references=bare)

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs. No embedding is in it: that is what people's faces are told by."""
        return {
            "name": self.name,
            "created": self.created,
            "tool": self.tool,
            "consent": self.consent,
            "impostor_limit": self.limit,
            "faces": [
                {"number": number, "kept": bool(kept), **reference_json(one)}
                for number, (one, kept) in enumerate(
                    zip(self.references, self.kept(), strict=True), 1
                )
            ],
            "encoders": [self._encoder_json(each) for each in self.embedded],
            "calibrations": [summary_of(one) for one in self.calibrations],
        }

    def _encoder_json(self, embedded: Embedded) -> dict[str, Any]:
        judged = self.judge(embedded)
        plain: dict[str, Any] = {
            "encoder": embedded.encoder,
            "sha256": embedded.sha256,
            "licence": embedded.licence,
            "embedded": embedded.has.tolist(),
            "keep": judged.keep.tolist(),
            "score": _rounded(judged.score),
            "agreement": _rounded(judged.agreement),
            "median_agreement": round(judged.median, 4),
        }
        if judged.keep.any():
            plain |= {
                "weights": _rounded(self.weights(embedded)),
                "cosine_to_center": _rounded(self.cosines(embedded)),
                "leave_one_out": _rounded(self.leave_one_out(embedded)),
                "norm": round(self.norm(embedded), 4),
            }
        return plain


def reference_json(one: Reference) -> dict[str, Any]:
    """A reference without its crops, as plain values that lose nothing."""
    return {
        "quality": one.quality,
        "parts": dict(one.parts),
        "photo_sha256": one.photo_sha256,
        "eyes": [list(eye) for eye in one.eyes],
        "points": [list(point) for point in one.points],
        "image_size": list(one.image_size),
        "iod_px": one.iod_px,
        "yaw_deg": one.yaw_deg,
        "pitch_deg": one.pitch_deg,
        "blur_px": one.blur_px,
        "median_luma": one.median_luma,
        "forced": one.forced,
        "crop112": one.crop112 is not None,
        "crop512": one.crop512 is not None,
    }


def _judge(identity: Identity, embedded: Embedded) -> Judgement:
    forced = [reference.forced for reference in identity.references]
    asked = embedded.has & np.array([word is not False for word in forced])
    agreement = agreement_of(embedded.unit, asked)
    agreement[~embedded.has] = 0.0
    median = float(np.median(agreement[asked])) if asked.any() else 0.0
    keep = np.zeros(len(forced), bool)
    keep[asked] = keep_of(embedded.unit[asked], identity.limit)
    passed = int((agreement[asked] >= identity.limit * median).sum())
    keep |= embedded.has & np.array([word is True for word in forced])
    score = agreement / median if median > 0 else np.zeros(len(forced))
    return Judgement(keep, agreement, median, score, asked, asked.sum() >= 3 and passed < 2)


def _faces(count: int) -> str:
    return f"{count} face{'' if count == 1 else 's'}"


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in values]
