"""What dilutes an identity, each thing with a risk of its own.

The limits are proposals: documented points with a smooth curve through them, no recogniser's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import acos, cos, degrees, exp, log, radians
from typing import Any

from ...framing.faces import OVAL
from ...framing.prominence import Prominence
from .perspective import Perspective
from .scene import Planned, Seen
from .second_pass import AT_RISK_PX, LOST_PX
from .terms import CLASSES, CONFLICT, OCCLUSION, SCENE, STYLE
from .wording import Hit

# Points (value, risk) that each curve runs through; between and beyond it is smooth (see ``curve``).
SIZE = ((LOST_PX, 0.85), (AT_RISK_PX, 0.45))  # face height, px
NEAR = ((0.12, 0.10), (0.40, 0.35))  # magnification - 1: 0.83 m and 0.25 m
STOPS = ((1.0, 0.10), (3.0, 0.40))  # of backlight
TURN = ((30.0, 0.08), (60.0, 0.35))  # degrees away from the camera
CLIPPED = ((0.15, 0.08), (0.50, 0.40))  # share of the face that is black or burnt out
UNEVEN = ((50.0, 0.05), (90.0, 0.20))  # 100 - light uniformity
CUT = ((0.10, 0.10), (0.50, 0.60))  # share of the face that lies outside the picture
CROWD = ((1.0, 0.15), (4.0, 0.40))  # further people
PHOTOS = ((1.0, 0.12), (4.0, 0.03))  # kept reference photos
QUALITY = ((0.10, 0.30), (0.50, 0.06))  # their median quality
SPREAD = ((10.0, 0.06), (40.0, 0.015))  # degrees of yaw between them, and ALIKE_DEG
ALIKE_DEG = 10.0  # photos whose yaw differs by less show the same side
NO_ENCODER = 0.20  # no embedding: adapters have to make one from a crop
BLUR_EXPONENT = 1 / 3  # blur loses less than size: the model draws the face anew
SCENE_KNOWN = 0.5  # words for a small face, where its size is planned anyway
BACKLIT_STOPS = 1.0
WORDS = {
    STYLE: "style",
    CONFLICT: "against this identity",
    OCCLUSION: "hides the face",
    SCENE: "scene",
}


@dataclass(frozen=True)
class Factor:
    """One thing that dilutes an identity."""

    name: str
    risk: float
    """0..1 by itself."""
    value: float | str | None
    """What was measured or found, in the unit that the name gives."""
    words: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        value = round(self.value, 4) if isinstance(self.value, float) else self.value
        return {"name": self.name, "r": round(self.risk, 4), "value": value, "words": self.words, "advice": self.advice}  # fmt: skip


def curve(value: float, points: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """A smooth, monotone risk of 0..1 through two points (value, risk).

    The odds ``r / (1 - r)`` follow a power of the value: a Hill curve, without a jump anywhere.
    """
    (x1, r1), (x2, r2) = points
    odds1, odds2 = log(r1 / (1 - r1)), log(r2 / (1 - r2))
    power = (odds2 - odds1) / log(x2 / x1)
    if value <= 0:
        return 0.0 if power > 0 else 1.0
    odds = odds1 + power * log(value / x1)
    return 1 / (1 + exp(-max(min(odds, 300.0), -300.0)))


def of_size(planned: Planned | None, seen: Seen | None) -> Iterator[Factor]:
    if planned is None:
        return
    height = planned.face_px
    risk = curve(height, SIZE)
    size = f"{planned.frame[0]}x{planned.frame[1]}"
    words = f"the face is {height:.0f} px tall in {size} ({planned.source})"
    if height < LOST_PX:
        words += f": below {LOST_PX:.0f} px no weight of an adapter helps"
        advice = "a second pass on the face is the only cure"
    elif height < AT_RISK_PX:
        words += f": below {AT_RISK_PX:.0f} px its identity is at risk"
        advice = "come closer, or make the face anew in a second pass"
    else:
        advice = "come closer, or raise width and height" if risk >= 0.1 else ""
    yield Factor("face_px", risk, height, words, advice)
    if seen is None or seen.prominence is None:
        return
    one = seen.prominence
    detail = min(height, max(one.iod_eff_px, 1.0) * OVAL[1])
    blur = 1 - ((1 - curve(detail, SIZE)) / max(1 - risk, 1e-12)) ** BLUR_EXPONENT
    told = "no edge at all" if one.blur_sigma_px is None else f"the detail of {detail:.0f} px"
    yield Factor(
        "detail_px", blur, detail, f"the picture's face holds {told} of height, not of {height:.0f} px",
        "use a sharper or larger picture: enlarging brings nothing back",
    )  # fmt: skip


def of_perspective(perspective: Perspective | None) -> Iterator[Factor]:
    if perspective is None:
        return
    m = perspective.magnification
    about = "about " if perspective.estimated else ""
    words = f"the camera stands {about}{perspective.distance_m:.2f} m away: the nose is drawn {m - 1:.0%} larger against the ears than from afar"
    advice = "step back to 1.2 m or more and use a longer lens" if perspective.close else ""
    yield Factor("magnification", curve(m - 1, NEAR), m, words, advice)


def of_picture(seen: Seen | None) -> Iterator[Factor]:
    """What the light and pose of the linked picture cost."""
    one = seen.prominence if seen else None
    if seen is None or one is None:
        return
    stops = seen.backlight_stops
    if stops is not None:
        words = f"the surroundings are {abs(stops):.1f} stops {'lighter' if stops > 0 else 'darker'} than the face"
        advice = "light the face, or expose for it" if stops > BACKLIT_STOPS else ""
        yield Factor("backlight_stops", curve(stops, STOPS), stops, words, advice)
    turned = turned_deg(one)
    if turned is not None:
        yield Factor("turned_deg", curve(turned, TURN), turned, f"the head is turned {turned:.0f} deg from the camera",
                     "choose a more frontal picture, or references from this side")  # fmt: skip
    yield Factor("clipped_share", curve(one.clipped_share, CLIPPED), one.clipped_share,
                 f"{one.clipped_share:.0%} of the face is black or burnt out", "expose for the face")  # fmt: skip
    if one.light_uniformity is not None:
        uneven = 100 - one.light_uniformity
        yield Factor("light_unevenness", curve(uneven, UNEVEN), uneven,
                     f"the cheeks are lit unevenly ({one.light_uniformity:.0f} of 100 alike)", "soften the light: one side holds less detail")  # fmt: skip
    cut = 1 - one.visible_share
    yield Factor("cut_share", curve(cut, CUT), cut, f"{cut:.0%} of the face is cut off by the border",
                 "use a wider picture")  # fmt: skip


def turned_deg(one: Prominence) -> float | None:
    """How far a head looks away from the camera; None where that is not known."""
    if one.yaw_deg is None and one.pitch_deg is None:
        return None
    facing = cos(radians(one.yaw_deg or 0.0)) * cos(radians(one.pitch_deg or 0.0))
    return degrees(acos(min(max(facing, -1.0), 1.0)))


def of_crowd(planned: Planned | None) -> Iterator[Factor]:
    others = planned.others_px if planned else ()
    if not others:
        return
    count = len(others) + 1
    yield Factor("people", curve(float(len(others)), CROWD), float(count), f"{count} faces: identities mix",
                 "use a mask per face, or one pass for each")  # fmt: skip


def of_term(hits: Sequence[Hit], size_known: bool) -> Iterator[Factor]:
    """Each word's own risk, ``1 - (1 - weight) ^ emphasis``; within a class the second weighs half
    as much, the third a third, since such words say much the same."""
    for kind in CLASSES:
        known = SCENE_KNOWN if kind == SCENE and size_known else 1.0
        forces = sorted(
            ((-hit.emphasis * log(1 - hit.weight), hit) for hit in hits if hit.term.kind == kind),
            key=lambda pair: -pair[0],
        )
        for rank, (force, hit) in enumerate(forces, 1):
            loud = "" if hit.emphasis == 1 else f", said {hit.emphasis:.2g} times as strongly"
            yield Factor(
                kind, 1 - exp(-known * force / rank), hit.term.text,
                f"prompt, {WORDS[kind]}: {hit.found!r}{loud}", hit.term.advice,
            )  # fmt: skip


def of_reference(identity: Any) -> Iterator[Factor]:
    if identity is None:
        return
    kept = [one for one, keep in zip(identity.references, identity.kept(), strict=True) if keep]
    if not kept:
        yield Factor("reference_photos", 0.9, 0.0, f"no photo of {identity.name!r} is kept", "link better photos to Identity Profile")  # fmt: skip
        return
    count = len(kept)
    yield Factor("reference_photos", curve(float(count), PHOTOS), float(count), f"{count} reference photo{'' if count == 1 else 's'} of {identity.name!r}",
                 "" if count >= 4 else "4 and more photos tell the person from the photo")  # fmt: skip
    ordered = sorted(float(one.quality) for one in kept)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    yield Factor("reference_quality", curve(middle, QUALITY), middle, f"the reference photos have a quality of {middle:.2f} (median, 0 to 1)",
                 "" if middle >= 0.5 else "use larger, sharper, more frontal photos")  # fmt: skip
    yaws = [float(one.yaw_deg) for one in kept if one.yaw_deg is not None]
    if yaws:
        spread = max(yaws) - min(yaws)
        yield Factor("reference_spread_deg", curve(spread + ALIKE_DEG, SPREAD), spread,
                     f"the reference photos are turned within {spread:.0f} deg of each other", "add photos from either side")  # fmt: skip
    if not identity.embedded:
        yield Factor("encoders", NO_ENCODER, 0.0, "the profile holds no embedding of any encoder",
                     "build it with an encoder: Identity Profile says where its file lies")  # fmt: skip
