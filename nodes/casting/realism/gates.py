"""Why a picture is shown but not ranked: its skin cannot be measured, or not as others' can."""

from __future__ import annotations

from math import dist

from ...framing.align import estimated_yaw_deg
from ...framing.faces import Face
from .skin import COMMON_PX, Skin, face_px

MOST_YAW_DEG, MOST_PITCH_DEG = (
    30.0,
    25.0,
)  # beyond it a cheek is seen too flat: its pores are narrower
MOST_CLIPPED = 0.02
LEAST_SKIN = 0.35  # of the ellipses of forehead and cheeks; 53 portraits have 0.45 and more
# Of them, where it is even enough to be measured: the same portraits have 0.24 and more. It is no more
# than a floor, because smoothing raises this share.
LEAST_MEASURED = 0.12
# Of the face mesh: the corners of each eye, and the middle of its upper and lower lid.
MESH_EYES = ((33, 133, 159, 145), (362, 263, 386, 374))
MESH = 468
_COVERED = "hair, glasses, shadows or the border cover them"
NO_TEXTURE = "the skin shows no texture, or the picture no colour, that could be compared"
CLOSED = 0.12  # height over width; open eyes have 0.2 to 0.4, narrowed ones 0.15


def gate_of_face(face: Face | None) -> str | None:
    """Why this face cannot be measured, or None."""
    if face is None:
        return "no face was found"
    height = face_px(face)
    if height < COMMON_PX:
        return f"the face is {height:.0f} px tall, {COMMON_PX:.0f} are needed"
    yaw = estimated_yaw_deg(face) if face.yaw_deg is None else face.yaw_deg
    for name, angle, most in (
        ("turned", yaw, MOST_YAW_DEG),
        ("tilted", face.pitch_deg, MOST_PITCH_DEG),
    ):
        if angle is not None and abs(angle) > most:
            return (
                f"the head is {name} by {abs(angle):.1f} degrees, at most {most:.0f} are compared"
            )
    openness = eyes_open(face)
    if openness is not None and openness < CLOSED:
        return "the eyes are closed"
    return None


def gate_of_skin(skin: Skin | None) -> str | None:
    """Why this skin cannot be measured, or None."""
    if skin is None or skin.seen < LEAST_SKIN:
        share = 0.0 if skin is None else skin.seen
        return f"only {share:.0%} of forehead and cheeks show skin, {LEAST_SKIN:.0%} are needed: {_COVERED}"
    if skin.measured < LEAST_MEASURED:
        return (
            f"only {skin.measured:.0%} of forehead and cheeks are even enough to be measured, "
            f"{LEAST_MEASURED:.0%} are needed: {_COVERED}, or the skin is very rough"
        )
    if skin.clipped > MOST_CLIPPED:
        return f"{skin.clipped:.0%} of the skin is burnt out or black, at most {MOST_CLIPPED:.0%} may be"
    return None


def eyes_open(face: Face) -> float | None:
    """Height over width of the wider open eye; None where the backend gives no eyelids."""
    if len(face.points) < MESH:
        return None
    at = face.points
    return max(
        dist(at[upper], at[lower]) / max(dist(at[one], at[other]), 1e-6)
        for one, other, upper, lower in MESH_EYES
    )
