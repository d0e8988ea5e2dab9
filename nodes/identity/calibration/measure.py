"""Rendered pictures become points: which weight, which seed, how like the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

from torch import Tensor

from ...framing.faces import OVAL
from ...framing.find import Folders, Progress, within
from ...framing.prominence import straight_iod
from ..drift import Compared, drift, faces_or_none
from ..encode.arcface import Encoder
from ..profile import Identity
from .plain import MOST_SEED
from .value import MOST_POINTS, Point
from .weights import EXAMPLE, check_weight, parse_numbers


@dataclass(frozen=True, eq=False)
class Render:
    """One picture, at what weight and seed it was made."""

    picture: Tensor
    """(1, H, W, C), sRGB 0..1."""
    weight: float
    """Base, before prominence."""
    seed: int
    number: int
    """In its batch."""


@dataclass(frozen=True, eq=False)
class Measured:
    """All pictures of a calibration, measured."""

    renders: tuple[Render, ...]
    points: tuple[Point, ...]
    """One a render."""
    encoder: str
    """That measured; empty where none could."""
    encoder_sha256: str
    steered: bool
    """Whether the adapter follows the same encoder: then it flatters."""
    remarks: tuple[str, ...]


def renders_of(pictures: Sequence[Tensor], weights: Sequence[float], seeds: str) -> list[Render]:
    """Each picture with its weight and seed.

    Parameters
    ----------
    pictures : sequence of Tensor, (B, H, W, C)
        A batch is of one weight and one seed.
    weights : sequence of float, as many
    seeds : str
        As many whole numbers, or nothing: then the pictures of each weight are counted from 0.

    Raises
    ------
    ValueError
        They are not as many, a weight is out of 0..3, or a weight and seed come twice.
    """
    if not pictures:
        raise ValueError("images must hold the rendered pictures: link them")
    if len(weights) != len(pictures):
        raise ValueError(
            f"weights must name one for each of the {len(pictures)} images (a batch counts as one), got {len(weights)}"
        )
    for weight in weights:
        check_weight(weight)
    numbers = parse_numbers(seeds, "seeds", "1, 2, 3", int)
    if not numbers:
        numbers = [list(weights[:place]).count(weight) for place, weight in enumerate(weights)]
    for number in numbers:
        if not 0 <= number <= MOST_SEED:
            raise ValueError(f"seeds must be whole numbers from 0 to {MOST_SEED}, got {number}")
    if len(numbers) != len(pictures):
        raise ValueError(
            f"seeds must name one for each of the {len(pictures)} images, or be empty; got {len(numbers)}"
        )
    pairs = list(zip(weights, numbers, strict=True))
    for pair in pairs:
        if pairs.count(pair) > 1:
            raise ValueError(f"weight {pair[0]:g} with seed {pair[1]} comes twice: name each once")
    if sum(len(batch) for batch in pictures) > MOST_POINTS:
        raise ValueError(f"images must be at most {MOST_POINTS} pictures in all")
    return [
        Render(batch[number : number + 1], float(weight), seed, number)
        for batch, (weight, seed) in zip(pictures, pairs, strict=True)
        for number in range(len(batch))
    ]


def numbers_of(texts: Sequence[str], floats: Sequence[float]) -> list[float]:
    """The weights: the linked numbers, or those of the texts."""
    if floats:
        return [float(one) for one in floats]
    return parse_numbers(",".join(texts), "weights", EXAMPLE, float)


def measure(
    renders: Sequence[Render],
    identity: Identity,
    encoders: Sequence[Encoder],
    folders: Folders,
    *,
    factor: float = 1.0,
    steering: str = "",
    progress: Progress | None = None,
) -> Measured:
    """How like the profile the most alike face of each picture is, by one encoder.

    Parameters
    ----------
    renders : sequence of Render
    identity : Identity
    encoders : sequence of Encoder
        The first that the adapter does not follow and that tells anything measures; else the first.
    folders : where face models lie, by kind
    factor : float
        Of prominence: the points are over weight x factor.
    steering : str
        The id of the encoder that the adapter follows.
    progress : callable, optional
        As of :func:`..drift.drift`.
    """
    tick = progress(len(renders)) if progress else lambda done: None
    best: list[Compared | None] = []
    remarks: list[str] = []
    for done, one in enumerate(renders, 1):
        if one.picture.isfinite().all():
            still = within(lambda done=done: tick(done - 1))
            faces = faces_or_none(one.picture, folders, still)
            found = drift(one.picture, faces, identity, encoders, progress=still)
            best.append(found.best[0])
            remarks += [remark for remark in found.remarks if remark not in remarks]
        else:
            best.append(None)
            remarks.append(
                f"the picture at weight {one.weight:g}, seed {one.seed} holds NaN or infinite values"
            )
        tick(done)
    known = _known(best)
    other = [key for key in known if key[0] != steering]
    chosen = (other or known or [("", "")])[0]
    points = tuple(
        Point(
            weight=one.weight * factor,
            cosine=None if face is None else _cosine(face, chosen),
            seed=one.seed,
            number=one.number,
            share=None if face is None else _share(face, one.picture),
        )
        for one, face in zip(renders, best, strict=True)
    )
    return Measured(
        tuple(renders), points, *chosen, bool(known) and not other, tuple(remarks)
    )  # fmt: skip


def _known(best: Sequence[Compared | None]) -> list[tuple[str, str]]:
    """The encoders that told anything, in their order."""
    found = [(one.encoder, one.sha256) for face in best if face for one in face.likeness]
    return list(dict.fromkeys(found))


def _cosine(face: Compared, encoder: tuple[str, str]) -> float | None:
    told: Mapping[tuple[str, str], float] = {
        (one.encoder, one.sha256): one.cosine for one in face.likeness
    }
    cosine = told.get(encoder)
    return None if cosine is None else min(max(cosine, -1.0), 1.0)


def _share(face: Compared, picture: Tensor) -> float:
    area = pi / 4 * OVAL[0] * OVAL[1] * straight_iod(face.face) ** 2
    return float(min(area / (picture.shape[1] * picture.shape[2]), 1.0))
