"""Faces in a picture, and the coordinates in which everything on a face is measured.

Pixels are continuous: pixel ``i`` covers ``[i, i + 1)``, x to the right, y down. A network that
answers in pixel centres is half a pixel off until 0.5 is added.

Left and right are the picture's, never the sitter's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import atan2, degrees, hypot, isfinite
from typing import Any

Point = tuple[float, float]

# IOD: width and height of the face oval, forehead to chin, and its centre below the eye line: medians
# of 74 near-frontal portraits, 468-point mesh.
OVAL = (2.29, 2.69)
OVAL_V = 0.485


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: its top left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def centre(self) -> Point:
        return (self.x + self.width / 2, self.y + self.height / 2)

    def holds(self, point: Point) -> bool:
        """Whether a point lies inside."""
        return self.x <= point[0] <= self.right and self.y <= point[1] <= self.bottom

    def contains(self, other: Box, slack: float = 1e-6) -> bool:
        """Whether the other box lies inside this one, borders included."""
        return (
            other.x >= self.x - slack
            and other.y >= self.y - slack
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )


@dataclass(frozen=True)
class Face:
    """One face: two pupil centres, and what they imply.

    The face's own coordinates are ``(u, v)`` in inter-ocular distances (IOD): the origin midway
    between the pupils, u along the eye line to the right of the picture, v down the face.
    """

    eyes: tuple[Point, Point]
    """Pupil centres, pixels; first the one that is on the left when the face stands upright."""
    score: float = 1.0
    """The backend's own confidence: votes for the embedded detector (12 is sure of one
    face, 30 of one among several), 1 for what the user gave, 0..1 for networks."""
    points: tuple[Point, ...] = ()
    """What else the backend knows, pixels: nothing, the five points of a network (both pupils, the
    nose's tip, both corners of the mouth, in this order), or the 468 or 478 of the face mesh."""
    yaw_deg: float | None = None
    """How far the head is turned to its side, degrees; None where the backend does not know."""
    pitch_deg: float | None = None
    """How far it is raised (positive) or lowered, degrees; None where the backend does not know."""

    def __post_init__(self) -> None:
        if not all(isfinite(value) for eye in self.eyes for value in eye):
            raise ValueError(f"the eyes of a face must be finite points, got {self.eyes}")
        if self.eyes[0] == self.eyes[1]:
            raise ValueError(f"the two eyes of a face are one point, {self.eyes[0]}")

    @property
    def iod(self) -> float:
        """Inter-ocular distance, pixels."""
        (x1, y1), (x2, y2) = self.eyes
        return hypot(x2 - x1, y2 - y1)

    @property
    def roll_deg(self) -> float:
        """How far the eye line is turned, degrees; positive is clockwise as seen."""
        (x1, y1), (x2, y2) = self.eyes
        return degrees(atan2(y2 - y1, x2 - x1))

    @property
    def centre(self) -> Point:
        """Midway between the pupils, pixels."""
        (x1, y1), (x2, y2) = self.eyes
        return ((x1 + x2) / 2, (y1 + y2) / 2)

    def to_image(self, u: float, v: float) -> Point:
        """A point of the face, given in inter-ocular distances, in pixels."""
        (x1, y1), (x2, y2) = self.eyes
        ux, uy = x2 - x1, y2 - y1  # one IOD along the eye line, px
        cx, cy = self.centre
        return (cx + u * ux - v * uy, cy + u * uy + v * ux)

    def from_image(self, point: Point) -> Point:
        """A point in pixels, in the face's own coordinates (u, v), inter-ocular distances."""
        (x1, y1), (x2, y2) = self.eyes
        ux, uy = x2 - x1, y2 - y1
        dx, dy = point[0] - self.centre[0], point[1] - self.centre[1]
        return ((dx * ux + dy * uy) / self.iod**2, (dy * ux - dx * uy) / self.iod**2)

    @property
    def box(self) -> Box:
        """The upright box around the face oval, forehead to chin, pixels.

        Of an oval of ``OVAL`` IOD that is turned with the face.
        """
        cx, cy = self.middle
        (x1, y1), (x2, y2) = self.eyes
        cos, sin = (x2 - x1) / self.iod, (y2 - y1) / self.iod
        width = hypot(OVAL[0] * cos, OVAL[1] * sin) * self.iod
        height = hypot(OVAL[0] * sin, OVAL[1] * cos) * self.iod
        return Box(cx - width / 2, cy - height / 2, width, height)

    @property
    def middle(self) -> Point:
        """The centre of the face oval, about the tip of the nose, pixels."""
        return self.to_image(0.0, OVAL_V)


@dataclass(frozen=True)
class Faces:
    """The faces of every picture of a batch, largest first: the value of a LOUPE_FACES socket."""

    image_size: tuple[int, int]
    """Width and height of the pictures, pixels."""
    frames: tuple[tuple[Face, ...], ...]
    """For each picture its faces, which may be none."""
    backend: str
    """What found them, in words."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs: pixels, image-left eye first, boxes x, y, width, height."""
        return {
            "image_size": list(self.image_size),
            "backend": self.backend,
            "frames": [
                [
                    {
                        "eyes": [[round(c, 3) for c in eye] for eye in face.eyes],
                        "iod_px": round(face.iod, 3),
                        "roll_deg": round(face.roll_deg, 2),
                        "box": {key: round(value, 3) for key, value in asdict(face.box).items()},
                        "score": round(face.score, 3),
                        "yaw_deg": None if face.yaw_deg is None else round(face.yaw_deg, 2),
                        "pitch_deg": None if face.pitch_deg is None else round(face.pitch_deg, 2),
                        "points": [[round(c, 3) for c in point] for point in face.points],
                    }
                    for face in frame
                ]
                for frame in self.frames
            ],
        }
