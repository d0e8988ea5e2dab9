"""What a panel shows: regions of a face for the plate, in inter-ocular distances (IOD).

Left and right are the picture's. Centres follow the medians of 74 near-frontal portraits
(468-point mesh): pupils at v 0, nose tip 0.67, mouth 0.99 to 1.28, mesh forehead -0.86.
"""

from __future__ import annotations

from ..framing.regions import SHOTS, Region


def _around(u: float, v: float, width: float, height: float) -> Region:
    return Region(u - width / 2, u + width / 2, v - height / 2, v + height / 2)


CUSTOM = "custom box"
"""A hand, an earring, a hem: what a box marks in each picture."""

PLATE_REGIONS: dict[str, Region] = {
    "face": SHOTS["BCU big close-up"],
    "upper face": Region(-1.15, 1.15, -0.65, 0.9),
    "eyes": _around(0.0, -0.05, 1.9, 0.8),
    "left eye": _around(-0.5, -0.05, 0.8, 0.64),
    "right eye": _around(0.5, -0.05, 0.8, 0.64),
    "nose": _around(0.0, 0.4, 1.0, 1.1),
    "lips": _around(0.0, 1.1, 1.2, 0.8),
    "left cheek": _around(-0.68, 0.65, 0.5, 0.5),
    "right cheek": _around(0.68, 0.65, 0.5, 0.5),
    "hairline": _around(0.0, -1.05, 1.4, 0.9),
    "jaw": _around(0.0, 1.55, 1.9, 0.9),
}


def regions_of(text: str) -> tuple[str, ...]:
    """The regions that a text names, parted by commas or lines.

    Raises ValueError where one is unknown.
    """
    named = [one.strip() for one in text.replace("\n", ",").split(",")]
    known = (*PLATE_REGIONS, CUSTOM)
    for one in named:
        if one and one not in known:
            raise ValueError(f"slides must name regions of {', '.join(known)}; got {one[:60]!r}")
    return tuple(dict.fromkeys(filter(None, named)))
