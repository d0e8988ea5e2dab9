"""Whether a face is planned too small to be itself, and the crop that makes it anew."""

from __future__ import annotations

from dataclasses import dataclass

from ...framing.faces import OVAL, Face, Faces
from ...framing.plan import CropPlan, plan_crops
from .scene import Planned, Seen

# px of face height. InstantID's author on smaller ones: "a limit of the technology. upscale and apply
# a second pass to the face" (InstantID, issue 110).
LOST_PX = 64.0
AT_RISK_PX = 128.0
PRESET = "CU close-up"


@dataclass(frozen=True)
class SecondPass:
    """The second pass on the face."""

    needed: bool
    plan: CropPlan | None
    """Where to cut for it; None where no face is known."""
    words: tuple[str, ...]


def second_pass(
    planned: Planned | None,
    linked: CropPlan | None,
    faces: Faces | None,
    seen: Seen | None,
    model: str,
) -> SecondPass:
    """Whether one is needed, and its plan.

    Parameters
    ----------
    planned : Planned or None
    linked : CropPlan or None
        Handed on as it is where it makes the face large enough.
    faces, seen : Faces and the face that is audited, or None
    model : str
        A name of ``plan.MODELS``, for the size of the crop.
    """
    needed = planned is not None and planned.face_px < AT_RISK_PX
    if linked is not None and not needed:
        return SecondPass(False, linked, ())
    told: list[str] = []
    if needed and planned is not None:
        lost = planned.face_px < LOST_PX
        told.append(
            f"second pass: {'the only cure' if lost else 'recommended'}, the face is planned {planned.face_px:.0f} px tall"
        )
    known = _known_faces(linked, faces, seen)
    if known is None:
        if needed:
            told.append(
                "no face is known yet: Find Faces on the finished picture and Plan Crop "
                f"({PRESET}) plan the second pass"
            )
        return SecondPass(needed, linked, tuple(told))
    try:
        plan = plan_crops(known, PRESET, model)
    except ValueError as refusal:
        return SecondPass(needed, linked, (*told, f"no crop could be planned: {refusal}"))
    if needed:
        width, height = plan.output_size
        told.append(
            f"the crop plan handed on ({PRESET}, {width}x{height}) makes it {plan.iod_model_px * OVAL[1]:.0f} px tall. "
            f"It fits pictures of {known.image_size[0]}x{known.image_size[1]} px that show the face in the same place; "
            "for others Find Faces and Plan Crop plan anew"
        )
    return SecondPass(needed, plan, tuple(told))


def _known_faces(linked: CropPlan | None, faces: Faces | None, seen: Seen | None) -> Faces | None:
    """The face of every picture that a second pass is for; in the audited picture the audited one."""
    if faces is not None and seen is not None:
        frames = list(faces.frames)
        frames[seen.picture] = (seen.face,)
        return Faces(faces.image_size, tuple(frames), faces.backend)
    if linked is None or not linked.faces:
        return None
    pictures: dict[int, list[Face]] = {}
    for index, face in enumerate(linked.faces):
        picture = linked.picture_of[index] if linked.picture_of else index
        pictures.setdefault(picture, []).append(face)
    frames = [tuple(pictures.get(i, ())) for i in range(max(pictures) + 1)]
    return Faces(linked.source_size, tuple(frames), linked.backend)
