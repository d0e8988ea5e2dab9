"""Embeddings of references by every encoder that is here, kept apart, none of the earlier ones lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .profile import WIDTH, Embedded, Reference

if TYPE_CHECKING:
    from .encode.arcface import Encoder


def embed(
    references: Sequence[Reference],
    earlier: Sequence[Embedded],
    encoders: Sequence[Encoder],
    *,
    tick: Callable[[], None] | None = None,
) -> tuple[tuple[Embedded, ...], list[str]]:
    """What each encoder makes of the references.

    Parameters
    ----------
    references : sequence of Reference
        The old ones first.
    earlier : sequence of Embedded
        Of the old ones; what they hold is kept as it is.
    encoders : sequence of Encoder
    tick : callable, optional
        Called after each encoder.

    Returns
    -------
    embedded : tuple of Embedded
        Of the encoders that are here in their order, then of those that are not. A face that an
        encoder has not seen is a row of zeros.
    remarks : list of str
        What could not be done.
    """
    known = {(one.encoder, one.sha256): one for one in earlier}
    found: list[Embedded] = []
    remarks: list[str] = []
    for encoder in encoders:
        before = known.pop((encoder.id, encoder.sha256), None)
        if any((one.encoder, one.sha256) == (encoder.id, encoder.sha256) for one in found):
            continue  # the same file under two names
        raw = _padded(before, len(references))
        remarks += _fill(raw, references, encoder)
        if raw.any():
            found.append(Embedded(encoder.id, encoder.sha256, encoder.licence, raw))
        if tick:
            tick()
    for one in known.values():
        kept = Embedded(one.encoder, one.sha256, one.licence, _padded(one, len(references)))
        found.append(kept)
        missing = int((~kept.has).sum())
        if missing:
            remarks.append(
                f"{one.label} is not here: {_faces(missing)} of {len(references)} stay without its embedding. "
                "The others keep theirs; run this again where the encoder is."
            )
    return tuple(found), remarks


def _padded(before: Embedded | None, count: int) -> NDArray[np.float32]:
    raw = np.zeros((count, WIDTH), np.float32)
    if before is not None:
        raw[: len(before.raw)] = before.raw
    return raw


def _fill(raw: NDArray[np.float32], references: Sequence[Reference], encoder: Encoder) -> list[str]:
    """Embed the faces that have no row yet; what is to be said about those that cannot be."""
    missing = [row for row in range(len(raw)) if not raw[row].any()]
    crops = [(row, references[row].crop112) for row in missing]
    seen = [(row, crop) for row, crop in crops if crop is not None]
    said: list[str] = []
    if bare := len(crops) - len(seen):
        said.append(
            f"{encoder.name} cannot see {_faces(bare)} of this profile: no crop of "
            f"{'it' if bare == 1 else 'them'} is stored. Link the photos again."
        )
    if not seen:
        return said
    given = np.asarray(encoder(np.stack([crop for _, crop in seen])))
    if given.shape != (len(seen), WIDTH):
        return [
            *said,
            f"{encoder.name} gives embeddings of the shape {given.shape}, {len(seen)} of {WIDTH} numbers "
            "are expected: its file is not used",
        ]
    sound = np.array([bool(np.isfinite(row).all() and row.any()) for row in given])
    for (row, _), values, good in zip(seen, given, sound, strict=True):
        if good:
            raw[row] = values
    if not sound.all():
        said.append(
            f"{encoder.name} gives no usable embedding for {_faces(int((~sound).sum()))} of {len(seen)} "
            "(NaN, infinite or zero): its file may be damaged"
        )
    return said


def _faces(count: int) -> str:
    return f"{count} face{'' if count == 1 else 's'}"
