"""A corridor from photographs: the user's own, or the pack's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....kernels.picture import check_picture
from ...framing.faces import Face
from ...framing.find import Folders, Progress, find_faces, within
from .corridor import ENOUGH, Corridor, Source, build_corridor
from .figures import SCORED, figures_of
from .gates import NO_TEXTURE, gate_of_face, gate_of_skin
from .skin import cut_skin, face_px
from .words import NAMES

_LISTED = 20


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A corridor, the faces that it was made of, and what is said of it."""

    corridor: Corridor
    rows: tuple[dict[str, float], ...]
    """The figures of each face; for the plot, never written to a file."""
    left_out: tuple[str, ...]
    report: str


@dataclass(frozen=True)
class Seen:
    """One photo: its face's figures, or why there are none."""

    figures: dict[str, float] | None
    reason: str | None
    sha256: str
    backend: str


def calibrate(
    photos: Sequence[Tensor],
    *,
    name: str,
    folders: Folders | None = None,
    source: str = "own photos",
    licence: str = "the user's own",
    created: str = "",
    tool: str = "",
    progress: Progress | None = None,
) -> Calibrated:
    """A corridor of photos of real people.

    Parameters
    ----------
    photos : sequence of Tensor, (B, H, W, C), sRGB 0..1
        The largest face of each picture counts. The same picture twice counts once.
    name : str
    folders : mapping, optional
        Where face models lie, as for :func:`find_faces`.
    source, licence, created, tool : str
        Written into the corridor.
    progress : callable, optional

    Raises
    ------
    ValueError
        Too few faces can be measured, with the reason of each; or an input is no picture.
    """
    pictures = [one for photo in photos for one in check_picture(photo, "photos").split(1)]
    tick = progress(len(pictures)) if progress else lambda done: None
    seen: dict[str, Seen] = {}
    left_out: list[str] = []
    for number, picture in enumerate(pictures, 1):
        sha = _sha256(picture)
        if sha in seen:
            left_out.append(f"photo {number}: shown twice")
        else:
            seen[sha] = look_at(picture, folders, sha, within(lambda done=number - 1: tick(done)))
            if seen[sha].reason is not None:
                left_out.append(f"photo {number}: {seen[sha].reason}")
        tick(number)
    return _calibrated(
        [one for one in seen.values() if one.figures is not None],
        left_out,
        len(pictures),
        name=name,
        source=source,
        licence=licence,
        created=created,
        tool=tool,
    )


def look_at(
    picture: Tensor,
    folders: Folders | None = None,
    sha: str = "",
    progress: Progress | None = None,
) -> Seen:
    """The figures of the largest face of a picture (1, H, W, C), or why it cannot be measured."""
    try:
        found = find_faces(picture, folders=folders, progress=progress).faces
    except ValueError:
        return Seen(None, "no face was found", sha, "")
    figures, reason = measure_face(picture, found.frames[0][0])
    return Seen(figures, reason, sha, found.backend)


def measure_face(picture: Tensor, face: Face) -> tuple[dict[str, float] | None, str | None]:
    """Figures of a face with its ``face_px``, or None and the reason; the gates are those of takes."""
    reason = gate_of_face(face)
    if reason is not None:
        return None, reason
    skin = cut_skin(picture, face)
    reason = gate_of_skin(skin)
    if skin is None or reason is not None:
        return None, reason
    figures = figures_of(skin)
    if not all(key in figures for key in SCORED):
        return None, NO_TEXTURE
    return {**figures, "face_px": face_px(face)}, None


def _calibrated(
    seen: Sequence[Seen], left_out: Sequence[str], pictures: int, **about: str
) -> Calibrated:
    rows = tuple(one.figures for one in seen if one.figures is not None)
    shas = "".join(sorted(one.sha256 for one in seen))
    try:
        corridor = build_corridor(
            rows,
            name=about["name"],
            sources=(Source(about["source"], about["licence"], pictures, len(rows)),),
            pictures_sha256=hashlib.sha256(shas.encode()).hexdigest(),
            created=about["created"],
            tool=about["tool"],
        )
    except ValueError as refusal:
        reasons = "; ".join(left_out[:_LISTED])
        raise ValueError(f"{refusal} Left out: {reasons or 'none'}.") from None
    backends = ", ".join(sorted({one.backend for one in seen}))
    return Calibrated(
        corridor, rows, tuple(left_out), report_of(corridor, pictures, left_out, backends)
    )


def report_of(corridor: Corridor, pictures: int, left_out: Sequence[str], backends: str) -> str:
    """What a corridor holds and how far it is to be relied on, in plain words."""
    lines = [f"Corridor {corridor.key}: {corridor.n} faces of {pictures} photos ({backends})."]
    if corridor.n < ENOUGH:
        lines.append(
            f"It is a rough one: {ENOUGH} faces or more are needed to rely on it. Orders within it may change "
            "with every photo that is added."
        )
    lines.append(
        f"Its own faces, each against all others: distance {corridor.typical:.1f} in the middle, nine of ten below "
        f"{corridor.far:.1f}."
    )
    for index, key in enumerate(SCORED):
        low, high = NAMES[key]
        sd = corridor.covariance[index][index] ** 0.5
        lines.append(f"  {key}: {corridor.mean[index]:+.2f} +- {sd:.2f} ({low} / {high})")
    for title, strata, unit in (
        ("face height", corridor.face_px, "px"),
        ("skin tone", corridor.ita_deg, "deg ITA"),
    ):
        told = [f"{range_of(one.low, one.high)} {unit}: {one.n}" for one in strata]
        lines.append(f"{title}: {', '.join(told)}")
    missing = [one for one in corridor.ita_deg if one.n < 5]
    present = sum(one.n >= 5 for one in corridor.ita_deg)
    if missing or present < 3:
        lines.append(
            "Skin tones with fewer than five faces are hardly represented: their distances say less."
        )
    if left_out:
        lines.append(f"Left out ({len(left_out)}):")
        lines += [f"  {one}" for one in left_out[:_LISTED]]
        if len(left_out) > _LISTED:
            lines.append(f"  and {len(left_out) - _LISTED} more")
    return "\n".join(lines)


def range_of(low: float | None, high: float | None) -> str:
    """A stratum's range in words."""
    if low is None:
        return f"below {high:g}"
    return f"{low:g} and above" if high is None else f"{low:g} to {high:g}"


def _sha256(picture: Tensor) -> str:
    codes = (picture[0].detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return hashlib.sha256(str(tuple(codes.shape)).encode() + codes.numpy().tobytes()).hexdigest()
