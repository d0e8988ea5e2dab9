"""A picture against a corridor: how far its skin is from real photographs', and in which figure."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...framing.faces import Face
from .corridor import Corridor
from .figures import SCORED, figures_of
from .gates import NO_TEXTURE, gate_of_face, gate_of_skin
from .skin import COMMON_PX, cut_skin, face_px
from .words import OUT, reason_of


@dataclass(frozen=True)
class Evidence:
    """What the texture of a face's skin says, against a corridor."""

    distance: float | None
    """Mahalanobis distance to the corridor: the smaller, the more it reads real; None where a gate failed."""
    figures: dict[str, float]
    """The six that count, and others that could be measured."""
    out: tuple[tuple[str, float], ...]
    """Figures outside of the corridor with their signed standard deviations, the worst first."""
    reason: str
    """In plain words."""
    gate: str | None
    """Why it is shown but not ranked."""
    face_px: float
    """Height of the face oval, pixels; 0 without a face."""


def evidence_of(picture: Tensor, face: Face | None, corridor: Corridor) -> Evidence:
    """What the skin of a picture says.

    Parameters
    ----------
    picture : Tensor, (1, H, W, C), C in {1, 3, 4}, sRGB 0..1
    face : Face or None
        In this picture, in its own pixels.
    corridor : Corridor

    Returns
    -------
    Evidence
        Two pictures are told apart by about 1 of distance; less is too close to call.

    Raises
    ------
    ValueError
        The picture is none, or holds NaN where it is measured.
    """
    height = 0.0 if face is None else face_px(face)
    gate = gate_of_face(face)
    if face is None or height < COMMON_PX:
        return Evidence(None, {}, (), f"not ranked: {gate}", gate, height)
    skin = cut_skin(picture, face)
    gate = gate or gate_of_skin(skin)
    figures = {} if skin is None else figures_of(skin)
    if not all(name in figures for name in SCORED):
        gate = gate or NO_TEXTURE
        return Evidence(None, figures, (), f"not ranked: {gate}", gate, height)
    sigmas = corridor.sigmas(figures)
    out = tuple(
        sorted(
            ((name, value) for name, value in sigmas.items() if abs(value) > OUT),
            key=lambda pair: -abs(pair[1]),
        )
    )
    if gate is not None:
        return Evidence(None, figures, out, f"not ranked: {gate}", gate, height)
    distance = corridor.distance(figures)
    return Evidence(distance, figures, out, reason_of(sigmas, distance, corridor.far), None, height)
