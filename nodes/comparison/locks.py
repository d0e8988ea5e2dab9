"""Where a region lies in each picture and how large it is there: what makes panels the same crop.

A scale is the pixels of the source that stand for one inter-ocular distance (IOD):

- eyes         the distance between the pupils
- five points  the similarity that brings pupils, nose and mouth to those of the first picture
- iris         the diameter of the iris, nearly the same in all adults: for crops of the eyes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

from ...kernels.iris import IRIS_MM, PUPILS_MM, SEARCH_IOD, iris_radius
from ...kernels.picture import flatten_alpha, luma
from ..framing.align import MESH_RIGID, fit_points
from ..framing.faces import Box, Face, Point
from ..framing.regions import Region
from .panels import Panel
from .regions import CUSTOM, PLATE_REGIONS

LOCKS = ("eyes", "five points", "iris")
ROLLS = ("keep", "level")
MOST_UNLIKE = 0.08  # of their mean, that two irises of one face may differ by
MANY_POINTS = 468  # a face mesh
NETWORK_POINTS = 5
MAX_TURN_DEG = 8.0  # yaw or pitch: beyond it the same region is another view


@dataclass(frozen=True)
class Locked:
    """Where one picture shows the region."""

    centre: Point
    """Of the region, px of the source."""
    unit: float
    """Pixels of the source that stand for one unit of the region: an IOD, or the box's height."""
    turn_deg: float = 0.0
    """How far the cut is turned, clockwise as seen; 0 keeps the head's roll."""
    px_per_mm: float | None = None
    iris_px: float | None = None
    """Radius of the iris, where it was measured in every picture."""


@dataclass(frozen=True)
class Lock:
    """The region of every picture."""

    shape: Region
    """What every panel shows, in units of its picture; only its size counts."""
    entries: tuple[Locked, ...]
    how: str
    """What locks the scale, in words for the method line."""
    measured: bool
    """Whether millimetres come from the iris; else from the mean distance between the eyes."""
    notes: tuple[str, ...] = ()


def lock(panels: Sequence[Panel], region: str, *, by: str = LOCKS[0], roll: str = ROLLS[0]) -> Lock:
    """The same region of every picture at the same scale on the face.

    Parameters
    ----------
    panels : the entries
    region : a name of ``PLATE_REGIONS``, or ``CUSTOM``: each entry's own box
    by : one of ``LOCKS``
        Where a picture does not show what it needs, all are locked on the eyes, and a note says so.
    roll : one of ``ROLLS``
        ``level`` turns each cut until the eyes are level.

    Raises
    ------
    ValueError
        An unknown name, or an entry without the face or the box that the region needs.
    """
    for name, value, known in (
        ("region", region, (*PLATE_REGIONS, CUSTOM)),
        ("lock_scale", by, LOCKS),
        ("roll", roll, ROLLS),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    if region == CUSTOM:
        return _by_box(panels, roll)
    faces = [_face_of(panel, number) for number, panel in enumerate(panels, 1)]
    frames, notes, how = faces, [], "scale locked on the eyes"
    irises = [iris_px(panel) for panel in panels]
    if by == "five points":
        found, why = _fitted(faces)
        if found:
            frames, how = found, "place and scale locked on eyes, nose and mouth"
        else:
            notes.append(f"Locked on the eyes instead of five points: {why}")
    units = [face.iod for face in frames]
    measured = all(radius is not None for radius in irises)
    if by == "iris":
        if measured:
            units = [2 * radius * PUPILS_MM / IRIS_MM for radius in irises if radius is not None]
            how = "scale locked on the iris"
        else:
            unseen = [str(number) for number, r in enumerate(irises, 1) if r is None]
            notes.append(
                f"Locked on the eyes instead of the iris: it cannot be measured in panel {', '.join(unseen)}"
            )
    shape = PLATE_REGIONS[region]
    entries = [
        Locked(
            frame.to_image(*shape.centre),
            unit,
            frame.roll_deg if roll == "level" else 0.0,
            2 * radius / IRIS_MM if measured and radius is not None else face.iod / PUPILS_MM,
            radius if measured else None,
        )
        for frame, face, unit, radius in zip(frames, faces, units, irises, strict=True)
    ]
    return Lock(shape, tuple(entries), how, measured, (*notes, *_views(panels)))


def iris_px(panel: Panel) -> float | None:
    """Radius of the iris in a picture, px: the mean of both eyes, or None where it cannot be told."""
    if panel.face is None:
        return None
    given = _mesh_iris(panel.face)
    if given is not None:
        return given
    found = []
    for x, y in panel.face.eyes:
        reach = 3 * SEARCH_IOD[1] * panel.face.iod
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        part = panel.image[:, top : int(y + reach) + 1, left : int(x + reach) + 1]
        if min(part.shape[1:3]) < 3:
            return None
        plane = luma(flatten_alpha(part))[0]
        low, high = (share * panel.face.iod for share in SEARCH_IOD)
        roll = panel.face.roll_deg
        iris, _ = iris_radius(plane, (x - left, y - top), low, high, roll_deg=roll)
        if iris is None:
            return None
        found.append(iris.radius_px)
    mean = sum(found) / 2
    return mean if abs(found[0] - found[1]) <= MOST_UNLIKE * mean else None


def _mesh_iris(face: Face) -> float | None:
    """From the refined face mesh: its points 468 and 473 are centres, the four after each on the rim."""
    if len(face.points) < MANY_POINTS + 10:
        return None
    radii = [
        hypot(
            face.points[rim][0] - face.points[centre][0],
            face.points[rim][1] - face.points[centre][1],
        )
        for centre in (MANY_POINTS, MANY_POINTS + 5)
        for rim in (centre + 1, centre + 3)  # those at the sides: lids cover the others
    ]
    return sum(radii) / len(radii)


def _fitted(faces: Sequence[Face]) -> tuple[list[Face], str]:
    """Each face's eyes as the similarity from the first face has them, or why not."""
    counts = {len(face.points) for face in faces}
    if min(counts) >= MANY_POINTS:
        points = [np.asarray(face.points)[list(MESH_RIGID)] for face in faces]
    elif counts == {NETWORK_POINTS}:
        points = [np.asarray(face.points) for face in faces]
    else:
        return (
            [],
            "each face needs five points or a face mesh of one kind. Use Find Faces with YuNet or landmarks",
        )
    first = faces[0]
    canonical = np.asarray([first.from_image((float(x), float(y))) for x, y in points[0]])
    frames = []
    try:
        for mine in points:
            fit = fit_points(canonical, mine, np.ones(len(mine)))
            left, right = fit.apply([(-0.5, 0.0), (0.5, 0.0)])
            frames.append(
                Face(((float(left[0]), float(left[1])), (float(right[0]), float(right[1]))))
            )
    except ValueError as error:
        return [], str(error)
    return frames, ""


def _by_box(panels: Sequence[Panel], roll: str) -> Lock:
    """Each entry's own box; as large on the face where all have one, else as tall as its box."""
    without = [str(number) for number, panel in enumerate(panels, 1) if panel.box is None]
    if without:
        raise ValueError(
            f"region {CUSTOM!r} shows the box of each panel; panel {', '.join(without)} has none. Link bounding_box "
            "to its Compare Panel, or choose a region of the face."
        )
    boxes = [panel.box for panel in panels if panel.box is not None]
    faces = [panel.face for panel in panels]
    on_face = all(face is not None for face in faces)
    units = [
        face.iod if on_face and face is not None else box.height
        for face, box in zip(faces, boxes, strict=True)
    ]
    width = max(box.width / unit for box, unit in zip(boxes, units, strict=True))
    height = max(box.height / unit for box, unit in zip(boxes, units, strict=True))
    entries = tuple(
        Locked(
            box.centre,
            unit,
            face.roll_deg if roll == "level" and face is not None else 0.0,
            face.iod / PUPILS_MM if face is not None else None,
        )
        for box, unit, face in zip(boxes, units, faces, strict=True)
    )
    how = "scale locked on the eyes" if on_face else "each as tall as its box"
    return Lock(
        Region(-width / 2, width / 2, -height / 2, height / 2), entries, how, False, _views(panels)
    )


def _face_of(panel: Panel, number: int) -> Face:
    if panel.face is None:
        raise ValueError(
            f"panel {number}{f' ({panel.label})' if panel.label else ''} has a box and no face, and this region is on "
            f"the face. Link faces to its Compare Panel, or choose {CUSTOM!r}."
        )
    return panel.face


def _views(panels: Sequence[Panel]) -> tuple[str, ...]:
    """What is said where heads are turned differently."""
    said = []
    for name, values in (
        ("sideways", [panel.face.yaw_deg for panel in panels if panel.face is not None]),
        ("up or down", [panel.face.pitch_deg for panel in panels if panel.face is not None]),
    ):
        known = [value for value in values if value is not None]
        if len(known) > 1 and max(known) - min(known) > MAX_TURN_DEG:
            said.append(
                f"Heads differ by {max(known) - min(known):.0f}° {name}: their regions are not the same view"
            )
    return tuple(said)


def box_of(locked: Locked, width: float, height: float) -> Box:
    """The cut of so many units around a region's centre, before it is turned; px of the source."""
    w, h = width * locked.unit, height * locked.unit
    return Box(locked.centre[0] - w / 2, locked.centre[1] - h / 2, w, h)
