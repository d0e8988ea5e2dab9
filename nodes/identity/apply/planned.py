"""How large the face will be where an identity acts, and what that does to its weight."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from ...framing.faces import OVAL, Faces
from ...framing.plan import CropPlan
from ..audit.scene import look, planned_face
from ..audit.second_pass import LOST_PX
from ..injection.weight import MODES, prominence_factor


@dataclass(frozen=True)
class Planned:
    """How large the face will be where the identity acts."""

    share: float
    """Of the canvas, above 0, at most 1."""
    face_px: float
    """Forehead to chin, pixels of what the model makes."""
    source: str


def planned_size(plan: CropPlan | None, faces: Faces | None) -> Planned | None:
    """The face's size by the plan, where that frames one, else in the pictures of ``faces``.

    Of a plan the smallest of its faces; of pictures the largest face of the first that has one, as in
    Identity Audit.
    """
    if plan is None and faces is None:
        return None
    size = (
        faces.image_size if faces is not None else plan.output_size if plan is not None else (1, 1)
    )
    found = planned_face(plan, look(faces, None), faces.image_size if faces else None, "", size)
    if found is None:
        return None
    iod = found.face_px / OVAL[1]
    area = pi / 4 * OVAL[0] * OVAL[1] * iod**2
    return Planned(min(area / (found.frame[0] * found.frame[1]), 1.0), found.face_px, found.source)


def factor_of(mode: str, planned: Planned | None) -> float:
    if mode != MODES[0] and mode in MODES and planned is None:
        raise ValueError(
            f"prominence {mode} goes by the size of the face, and none is known: link a crop plan that frames a "
            "face, or faces, or choose prominence off"
        )
    return prominence_factor(planned.share if planned else 1.0, mode)


def too_small(planned: Planned | None) -> bool:
    """Whether no weight helps a face of that size."""
    return planned is not None and planned.face_px < LOST_PX
