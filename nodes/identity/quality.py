"""How much a reference face is worth before it is compared with others: measured, not learnt.

A product of plain measurements, so that it needs no licensed quality model. Not calibrated with a
recogniser: it puts the photos of one person in a sane order, and no more.
"""

from __future__ import annotations

from ..framing.faces import OVAL
from ..framing.prominence import Prominence

# px of face height from which more pixels bring nothing: an encoder sees a face of about 94 px
# (35 px between the eyes) in its crop of 112.
ENOUGH_PX = 160.0
FLOOR = 0.01  # a face without any edge still has a weight: weights are divided by their sum


def parts_of(one: Prominence) -> dict[str, float]:
    """What a face's quality is made of, each 0..1.

    - detector: how sure it is that this is a face
    - sharpness: the share of the pixels that count which hold detail. A large photo that is soft at
      the level of its pixels loses nothing as long as it holds ``ENOUGH_PX`` px of detail
    - size: face height / ``ENOUGH_PX``, at most 1
    - frontality: cosines of yaw and pitch, squared; 1 where they are not known
    - exposure: how alike both cheeks are lit, times the share that is neither black nor burnt out
    - visible: the share of the face that lies in the photo
    """
    counting = min(one.iod_px, ENOUGH_PX / OVAL[1])
    return {
        "detector": one.confidence,
        "sharpness": min(1.0, one.iod_eff_px / counting),
        "size": min(1.0, one.face_h_px / ENOUGH_PX),
        "frontality": one.parts["pose"],
        "exposure": one.parts["light"],
        "visible": one.visible_share,
    }


def quality_of(parts: dict[str, float]) -> float:
    """The product of all parts, never below ``FLOOR``."""
    product = 1.0
    for part in parts.values():
        product *= part
    return max(product, FLOOR)
