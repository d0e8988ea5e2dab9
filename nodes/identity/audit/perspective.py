"""How much nearer parts of a face are drawn too large, from where the camera stands.

A pinhole camera draws what lies 10 cm nearer larger by ``m = (d + 0.10) / d``: a nose against the
ears, seen from so close that the person is not recognised by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, isfinite
from typing import Any

DEPTH_M = 0.10  # from the tip of a nose to the ears, about
# Mean distance between adults' pupils: Dodgson, "Variation and extrema of human interpupillary
# distance", Proc. SPIE 5291, 2004. Nearly all adults lie within 50 to 75 mm; of children of five
# years it can be 40 mm.
IPD_M = 0.063
IPD_RANGE_M = (0.050, 0.075)
DIAGONAL_MM = 43.27  # of a frame of 24 x 36 mm
WARN = 1.12  # magnification: below a distance of 0.83 m
FOCAL_MM = (4.0, 2000.0)  # 35 mm-equivalents that cameras have, 0 aside
DISTANCE_M = (0.02, 1000.0)


@dataclass(frozen=True)
class View:
    """A face in the frame of the camera that sees it."""

    iod_px: float
    """Between the pupils, as if the head faced the camera."""
    frame: tuple[int, int]
    """Width and height of the whole frame, pixels: a crop has another angle of view."""
    what: str
    """Where the two come from, in words."""


@dataclass(frozen=True)
class Perspective:
    """Where the camera stands, and what that does to a face."""

    distance_m: float
    estimated: bool
    """From the focal length and the size of the face, an average adult's taken."""
    remarks: tuple[str, ...] = ()

    @property
    def magnification(self) -> float:
        """How much larger the nearest part of the face is drawn than the farthest."""
        return magnification(self.distance_m)

    @property
    def close(self) -> bool:
        """Whether it is worth a warning."""
        return self.magnification > WARN

    def as_json(self) -> dict[str, Any]:
        return {
            "distance_m": round(self.distance_m, 4),
            "estimated": self.estimated,
            "magnification": round(self.magnification, 4),
        }


def magnification(distance_m: float) -> float:
    """How much larger a pinhole camera draws what is at this distance than what is 10 cm behind it.

    Parameters
    ----------
    distance_m : float above 0, metres

    Returns
    -------
    float above 1
    """
    return (distance_m + DEPTH_M) / distance_m


def focal_px(focal_mm: float, width: float, height: float) -> float:
    """A 35 mm-equivalent focal length, by the diagonal, in pixels of a frame of this size."""
    return focal_mm / DIAGONAL_MM * hypot(width, height)


def distance_from(focal_mm: float, view: View, ipd_m: float = IPD_M) -> float:
    """How far a camera stands from a face that it draws so large, metres.

    Parameters
    ----------
    focal_mm : float above 0, 35 mm-equivalent by the diagonal
    view : View
    ipd_m : float above 0, metres
        Between the person's pupils.
    """
    return focal_px(focal_mm, *view.frame) * ipd_m / view.iod_px


def perspective_of(focal_mm: float, distance_m: float, view: View | None) -> Perspective | None:
    """Where the camera stands, from what is known; None where that is too little.

    Parameters
    ----------
    focal_mm : float, 35 mm-equivalent; 0 where it is unknown
    distance_m : float, metres from the camera to the face; 0 where it is unknown
    view : View, or None where the size of the face is unknown

    Returns
    -------
    Perspective or None
        The typed distance counts before one from the focal length; a remark says where the two
        contradict each other.

    Raises
    ------
    ValueError
        A number is not finite or beyond what cameras have.
    """
    _check("focal_mm", focal_mm, FOCAL_MM)
    _check("distance_m", distance_m, DISTANCE_M)
    guess = distance_from(focal_mm, view) if focal_mm and view else None
    if distance_m:
        remarks = _contradiction(focal_mm, distance_m, guess, view) if guess and view else ()
        return Perspective(distance_m, False, remarks)
    if guess is None or view is None:
        return None
    return Perspective(
        guess,
        True,
        (
            f"the camera's distance is an estimate from {focal_mm:g} mm and {view.what}, with the eyes of an average "
            f"adult, {IPD_M * 1000:.0f} mm apart; a child stands nearer",
        ),
    )


def _contradiction(focal_mm: float, distance_m: float, guess: float, view: View) -> tuple[str, ...]:
    """Whether no adult's face is drawn so large by this lens from this distance."""
    least, most = (guess * ipd / IPD_M for ipd in IPD_RANGE_M)
    if least <= distance_m <= most:
        return ()
    return (
        f"focal_mm and distance_m contradict each other: {focal_mm:g} mm draws {view.what} from {least:.2f} to "
        f"{most:.2f} m, not from {distance_m:g} m. The distance is believed; correct one of them",
    )


def _check(name: str, value: float, limits: tuple[float, float]) -> None:
    if not isfinite(value) or (value and not limits[0] <= value <= limits[1]):
        raise ValueError(
            f"{name} must be 0 (unknown) or from {limits[0]:g} to {limits[1]:g}, got {value:g}"
        )
