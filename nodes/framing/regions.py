"""Named shots and regions of a face, in inter-ocular distances (IOD).

The face's own frame: origin midway between the pupils, u along the eye line to the right of the
picture, v down. Cinema's glossaries agree only loosely on the names; the numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from .faces import OVAL, OVAL_V, Box, Face


@dataclass(frozen=True)
class Region:
    """A rectangle on a face: left, right, top and bottom in inter-ocular distances."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        return ((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    def intersection(self, other: Region) -> Region:
        return Region(
            max(self.left, other.left),
            min(self.right, other.right),
            max(self.top, other.top),
            min(self.bottom, other.bottom),
        )

    def on(self, face: Face) -> Box:
        """Where it lies in the picture: upright, of its own size, centred on the face's region.

        Below the chin is the body, which stays upright when the head is tilted, unless the whole
        person lies.
        """
        u, v = self.centre
        lies = abs(face.roll_deg) > LYING_DEG
        on_head = v if lies else min(v, CHIN)
        x, y = face.to_image(u, on_head)
        y += (v - on_head) * face.iod
        width, height = self.width * face.iod, self.height * face.iod
        return Box(x - width / 2, y - height / 2, width, height)

    def around(self, face: Face) -> Box:
        """The smallest upright box that holds it when it is turned with the face."""
        corners = [
            face.to_image(u, v) for u in (self.left, self.right) for v in (self.top, self.bottom)
        ]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


CHIN = 1.83  # IOD below the eye line
LYING_DEG = 45.0  # a head turned further than this is no tilted head on an upright body

# Forehead to chin, ear to ear.
FACE_OVAL = Region(-OVAL[0] / 2, OVAL[0] / 2, OVAL_V - OVAL[1] / 2, OVAL_V + OVAL[1] / 2)

# Left and right are the picture's. ICAO: chin to crown 70-80 % of the height (Doc 9303).
SHOTS: dict[str, Region] = {
    "ECU eye left": Region(-0.95, -0.05, -0.5, 0.4),
    "ECU eye right": Region(0.05, 0.95, -0.5, 0.4),
    "ECU eyes": Region(-1.15, 1.15, -0.55, 0.45),
    "ECU lips": Region(-0.8, 0.8, 0.55, 1.65),
    "ECU nose": Region(-0.65, 0.65, -0.25, 1.05),
    "ECU hairline": Region(-1.3, 1.3, -1.75, -0.35),
    "BCU big close-up": Region(-1.45, 1.45, -1.1, 1.9),
    "CU close-up": Region(-1.8, 1.8, -2.0, 2.6),
    "ICAO 35x45": Region(-1.89, 1.89, -2.35, 2.52),
    "headshot": Region(-2.3, 2.3, -2.5, 4.0),
    "MCU chest": Region(-3.0, 3.0, -2.7, 6.3),
    "half body": Region(-4.0, 4.0, -2.8, 9.7),
    "cowboy": Region(-5.0, 5.0, -3.0, 14.0),
    "full": Region(-6.0, 6.0, -3.0, 27.0),
}
