"""How much of a face's identity a planned picture and its prompt will dilute, before it is sampled.

Each thing that dilutes gets a risk ``r`` of 0..1 of its own, and they join as if they were
independent: ``R = 100 (1 - prod(1 - r))``. The limits are proposals that no recogniser has
calibrated: they put plans in order. What is not known adds nothing, and is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

from torch import Tensor

from ....kernels.picture import check_picture
from ...framing.faces import Faces
from ...framing.models import MODELS
from ...framing.plan import CropPlan, check_faces
from ...framing.prominence import straight_iod
from ...framing.regions import SHOTS
from .emphasis import IGNORED_BY, Segment, read_emphasis
from .factors import (
    Factor,
    of_crowd,
    of_perspective,
    of_picture,
    of_reference,
    of_size,
    of_term,
    turned_deg,
)
from .perspective import Perspective, View, perspective_of
from .scene import Planned, Seen, check_size, look, planned_face
from .second_pass import AT_RISK_PX, SecondPass, second_pass
from .spoken import Spoken, read_spoken
from .terms import Lexicon
from .wording import Hit, ages_said, find_terms, listed_terms, merged

METER_PX = 112.0  # of face, below which Identity Drift cannot tell either
CFG_LIMITS = {"SD1.5": (8.0, "burnt"), "SDXL": (8.0, "burnt"), "Flux": (4.0, "waxy"), "Flux.2": (4.0, "waxy")}  # fmt: skip
DENOISE = (0.35, 0.70)
ADVISED = 0.05  # risk from which a line says what to change
TOLD = 0.005  # a smaller risk is not worth a line
CAUTION = "not calibrated: it puts plans in order and is no probability"


@dataclass(frozen=True)
class Asked:
    """The picture that is planned."""

    prompt: str = ""
    shot: str = ""
    size: tuple[int, int] = (1024, 1024)
    model: str = "SDXL"
    focal_mm: float = 0.0
    distance_m: float = 0.0
    cfg: float = 0.0
    denoise: float = 1.0

    def __post_init__(self) -> None:
        check_size(*self.size)
        for name, value, known in (
            ("shot", self.shot, ["", *SHOTS]),
            ("model", self.model, MODELS),
        ):
            if value not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(filter(None, known))}; got {value!r}"
                )
        for name, value, most in (("cfg", self.cfg, 100.0), ("denoise", self.denoise, 1.0)):
            if not (isfinite(value) and 0 <= value <= most):
                raise ValueError(f"{name} must be from 0 to {most:g}, got {value:g}")


@dataclass(frozen=True)
class Audit:
    """What was found."""

    factors: tuple[Factor, ...]
    """The largest risk first."""
    hits: tuple[Hit, ...]
    planned: Planned | None
    perspective: Perspective | None
    seen: Seen | None
    second: SecondPass
    notes: tuple[str, ...]
    unseen: tuple[str, ...]
    """What was not looked at."""
    empty: bool
    """Nothing at all was given."""

    @property
    def risk(self) -> float:
        """0..100."""
        return 100 * (1 - prod(1 - factor.risk for factor in self.factors))

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs; null where nothing is known."""
        return {
            "risk": round(self.risk, 2),
            "calibrated": False,
            "factors": [factor.as_json() for factor in self.factors],
            "terms": [hit.as_json() for hit in self.hits],
            "face_px": None if self.planned is None else round(self.planned.face_px, 2),
            "face_source": None if self.planned is None else self.planned.source,
            "other_faces_px": [round(px, 2) for px in _others(self)],
            "perspective": None if self.perspective is None else self.perspective.as_json(),
            "backlight_stops": _rounded(self.seen.backlight_stops if self.seen else None),
            "second_pass": self.second.needed,
            "crop_plan": None if self.second.plan is None else self.second.plan.as_json(),
            "notes": list(self.notes),
            "not_looked_at": list(self.unseen),
        }


def audit(
    asked: Asked,
    *,
    image: Tensor | None = None,
    faces: Faces | None = None,
    crop_plan: CropPlan | None = None,
    identity: Any = None,
    terms: str = "",
    lexicon: Lexicon,
) -> Audit:
    """How much of a face's identity a planned picture will dilute.

    Parameters
    ----------
    asked : Asked
    image : Tensor (B, H, W, C), sRGB 0..1, or None
        The picture that will be edited.
    faces : Faces or None
        Found in it, or in a picture like the planned one.
    crop_plan : CropPlan or None
        By which the model will see the face.
    identity : Identity or None
        The reference; its public attributes are read.
    terms : str
        JSON of Close-Up Prompt, or empty.
    lexicon : Lexicon

    Raises
    ------
    ValueError
        A number is out of range, or what is linked is not what its socket takes.
    """
    _check_linked(image, faces, crop_plan, identity)
    spoken = read_spoken(terms)
    seen = look(faces, image)
    source = faces.image_size if faces else None
    shot = asked.shot or spoken.shot
    planned = planned_face(crop_plan, seen, source, shot, asked.size)
    view = _view(planned, seen, source)
    perspective = perspective_of(asked.focal_mm, asked.distance_m, view)
    segments = _segments(asked)
    hits = merged([*find_terms(segments, lexicon, age=spoken.age), *_listed(spoken, lexicon)])
    factors = [
        *of_size(planned, seen),
        *of_perspective(perspective),
        *of_picture(seen),
        *of_crowd(planned),
        *of_term(hits, planned is not None),
        *of_reference(identity),
    ]
    second = second_pass(planned, crop_plan, faces, seen, asked.model)
    return Audit(
        tuple(sorted(factors, key=lambda one: -one.risk)),
        hits,
        planned,
        perspective,
        seen,
        second,
        tuple(_notes(asked, spoken, perspective, identity, image, lexicon)),
        tuple(_unseen(asked, spoken, planned, perspective, seen, identity, image, faces, segments)),
        not (asked.prompt.strip() or terms.strip() or planned or perspective or seen or identity),
    )


def _check_linked(image: Any, faces: Any, crop_plan: Any, identity: Any) -> None:
    if image is not None:
        check_picture(image)
    if image is not None and faces is not None:
        check_faces(faces, tuple(image.shape))
    if faces is not None and not isinstance(faces, Faces):
        raise ValueError(f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}")  # fmt: skip
    if crop_plan is not None and not isinstance(crop_plan, CropPlan):
        raise ValueError(f"plan must come from Plan Crop (LOUPE_CROP_PLAN), got {type(crop_plan).__name__}")  # fmt: skip
    if identity is not None and not (hasattr(identity, "references") and hasattr(identity, "kept")):
        raise ValueError(f"identity must come from Identity Profile or Load Identity (LOUPE_IDENTITY), got {type(identity).__name__}")  # fmt: skip


def _view(
    planned: Planned | None, seen: Seen | None, source: tuple[int, int] | None
) -> View | None:
    """The face in the camera's own frame: of the linked picture before that of a plan or a shot."""
    if seen is not None and source is not None:
        return View(straight_iod(seen.face), source, "the face of the picture")
    return planned.view if planned else None


def _segments(asked: Asked) -> tuple[Segment, ...]:
    """The prompt with its emphasis, as far as the model's encoder is told of it."""
    segments = read_emphasis(asked.prompt)
    if asked.model in IGNORED_BY:
        return tuple(Segment(segment.text, 1.0) for segment in segments)
    return segments


def _listed(spoken: Spoken, lexicon: Lexicon) -> Iterator[Hit]:
    for kind, texts in spoken.words.items():
        yield from listed_terms(texts, kind, lexicon, age=spoken.age)


def _notes(
    asked: Asked, spoken: Spoken, perspective: Perspective | None, identity: Any,
    image: Tensor | None, lexicon: Lexicon,
) -> Iterator[str]:  # fmt: skip
    """What is worth a line and no number."""
    limit = CFG_LIMITS.get(asked.model)
    if limit and asked.cfg > limit[0]:
        what = "guidance" if asked.model.startswith("Flux") else "cfg"
        yield f"{what} {asked.cfg:g} is above {limit[0]:g}, where {asked.model} skin easily looks {limit[1]}: try less"
    if image is not None and asked.denoise < DENOISE[0]:
        yield f"denoise {asked.denoise:g}: the face keeps the identity of the picture rather than the reference's"
    if image is not None and asked.denoise > DENOISE[1]:
        yield f"denoise {asked.denoise:g}: pose and identity of the linked picture are lost; the reference alone has to bring them"
    if identity is not None and len(identity.embedded) == 1:
        yield f"the profile is embedded with {identity.embedded[0].encoder} alone: choose an adapter that takes it"
    if perspective is not None:
        yield from perspective.remarks
    if asked.model in IGNORED_BY and any(
        segment.emphasis != 1 for segment in read_emphasis(asked.prompt)
    ):
        yield f"ComfyUI does not pass emphasis on to {asked.model}: its words count as said plainly, the brackets are read as text"
    yield from spoken.remarks
    yield from lexicon.remarks


def _unseen(
    asked: Asked, spoken: Spoken, planned: Planned | None, perspective: Perspective | None, seen: Seen | None,
    identity: Any, image: Tensor | None, faces: Faces | None, segments: Sequence[Segment],
) -> Iterator[str]:  # fmt: skip
    """What was not looked at, and what would have to be given."""
    if planned is None:
        yield "the size of the face: choose a shot, or link faces or a crop plan"
    if perspective is None:
        missing = "focal_mm or distance_m" if planned else "distance_m, or focal_mm and the size of the face"  # fmt: skip
        yield f"perspective: give {missing}"
    if faces is not None and seen is None:
        yield "the linked picture: Find Faces found no face in it"
    elif image is None or seen is None:
        yield "light, pose and sharpness: link the picture and its faces"
    elif seen.backlight_stops is None:
        yield "backlight: the picture shows too little around the head"
    if seen is not None and seen.prominence is not None and turned_deg(seen.prominence) is None:
        yield "pose: what found the face does not know it"
    if not asked.prompt.strip() and not any(spoken.words.values()):
        yield "the prompt: it is empty"
    ages = ages_said(segments)
    if ages and spoken.age is None:
        yield f"whether the age in the prompt ({', '.join(map(str, ages))}) is the person's"
    if identity is None:
        yield "the reference photos: link an identity"


def _others(found: Audit) -> tuple[float, ...]:
    return found.planned.others_px if found.planned else ()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def report(found: Audit) -> str:
    """The audit in plain words: the risk, what to do about the face, and every cause, the worst first."""
    if found.empty:
        lines = ["nothing to audit: write a prompt, choose a shot, or link faces, a crop plan or an identity"]  # fmt: skip
        return "\n".join([*lines, *found.notes])
    lines = [f"risk {found.risk:.0f} of 100 ({CAUTION})"]
    lines += found.second.words
    planned = found.planned
    if planned is not None and planned.face_px < METER_PX:
        lines.append(f"below {METER_PX:.0f} px of face Identity Drift cannot tell how alike it is either")  # fmt: skip
    lines += _causes(found) or ["nothing found that dilutes the face"]
    small = [px for px in _others(found) if px < AT_RISK_PX]
    if small:
        heights = ", ".join(f"{px:.0f}" for px in small[:8])
        lines.append(f"{len(small)} further face{'' if len(small) == 1 else 's'} below {AT_RISK_PX:.0f} px ({heights} px): Plan Crop with several: split plans a pass for each")  # fmt: skip
    lines += found.notes
    if found.unseen:
        lines.append("not looked at: " + "; ".join(found.unseen))
    return "\n".join(lines)


def _causes(found: Audit) -> list[str]:
    """A line for each cause that counts; what several advise alike is said once."""
    lines, said = [], set()
    for one in found.factors:
        if one.risk < TOLD:
            continue
        advised = one.risk >= ADVISED and one.advice and one.advice not in said
        said.add(one.advice)
        lines.append(f"{100 * one.risk:3.0f}  {one.words}" + (f": {one.advice}" if advised else ""))
    return lines
