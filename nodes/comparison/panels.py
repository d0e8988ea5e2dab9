"""The entries of a comparison: a picture, its name, and the face that locks its region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...kernels.picture import check_picture
from ..framing.faces import Box, Face, Faces, Point
from ..framing.find import Progress, find_faces
from ..framing.linked import boxes, landmark_faces, typed_points
from ..labels import one_line
from .captions import NOTHING, Caption

FEWEST, MOST = 2, 16
EYE_WIDTH = 0.48  # IOD from corner to corner of an eye: 30 of 63 mm in adults
PUPILS = "both pupils"
POINTS_ARE: dict[str, float] = {
    PUPILS: 0.0,
    "corners of the left eye": -0.5,
    "corners of the right eye": 0.5,
}
"""What two typed points mark, and where on the face their middle lies, IOD from its own."""


@dataclass(frozen=True)
class Panel:
    """One entry: the value of a LOUPE_PANEL socket."""

    image: Tensor
    """(1, H, W, C), sRGB 0..1: the source itself, not a crop of it."""
    face: Face | None
    """In pixels of the source; None where only a box says what is shown."""
    label: str = ""
    subline: str = ""
    """A second, smaller line."""
    box: Box | None = None
    """For the region that is a box, pixels of the source."""
    caption: Caption = NOTHING
    """What the graph says that made it."""


def panel_of(
    image: Any,
    label: str,
    faces: Faces | None,
    *,
    subline: str = "",
    face_landmarks: Any = None,
    bounding_box: Any = None,
    points: str = "",
    points_are: str = PUPILS,
    caption: Caption = NOTHING,
    progress: Progress | None = None,
) -> Panel:
    """One picture as an entry.

    Its face is, in this order: the two typed ``points``, the first of ``face_landmarks``, the first
    of ``faces``, none where there is a ``bounding_box``, else the one that is found in it.

    Parameters
    ----------
    image : IMAGE of one picture
    label, subline : str
        Empty ones are filled from ``caption``.
    faces : Faces, optional
    face_landmarks : FACE_LANDMARKS, optional
    bounding_box : BOUNDING_BOX, optional
        What the custom region shows.
    points : str
        ``x,y x,y`` in pixels: for pictures too close for any detector.
    points_are : a name of ``POINTS_ARE``
    caption : Caption
    progress : callable, optional
        As of ``framing.find.find_faces``, where a face is looked for.

    Raises
    ------
    ValueError
        ``image`` is no picture or a batch of several, faces or landmarks were found in a picture of
        another size, there is no face, or the points are none.
    """
    check_picture(image)
    if image.shape[0] > 1:
        raise ValueError(
            f"image holds {image.shape[0]} pictures, a panel shows one. Link the batch to Compare itself, "
            "where each picture becomes a panel."
        )
    size = (image.shape[2], image.shape[1])
    box = None
    if bounding_box is not None:
        marked = boxes(bounding_box, size, 1)[0]
        if not marked:
            raise ValueError("bounding_box holds no box of this picture. Link a box, or unlink it.")
        box = marked[0]
    if points.strip():
        face = marked_face(points, points_are, size)
    elif face_landmarks is not None:
        found = list(landmark_faces(face_landmarks, size, 1)[0][0])
        if not found:
            raise ValueError(
                "face_landmarks holds no face of this picture. Unlink it, or type points."
            )
        face = found[0]
    elif faces is None and box is not None:
        face = None
    else:
        face = _faces_of(image, faces, "image", progress)[0]
    return Panel(
        image, face, label.strip() or caption.name, subline.strip() or caption.detail, box, caption
    )


def marked_face(points: str, points_are: str, size: tuple[int, int]) -> Face:
    """The face of two typed points: both pupils, or the corners of one eye.

    From one eye the distance between both is estimated, ``1 / EYE_WIDTH`` times the eye's width:
    panels of one person that are all marked so are still at the same scale.

    Raises
    ------
    ValueError
        The text is not two points, they lie outside the picture, or too close together.
    """
    if points_are not in POINTS_ARE:
        raise ValueError(f"points_are must be one of {', '.join(POINTS_ARE)}; got {points_are!r}")
    if points_are == PUPILS:
        return Face(typed_points(points, size, "points"))
    (x1, y1), (x2, y2) = typed_points(points, size, "points")
    middle, along = ((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) / EYE_WIDTH, (y2 - y1) / EYE_WIDTH)
    here = POINTS_ARE[points_are]

    def at(u: float) -> Point:
        return (middle[0] + (u - here) * along[0], middle[1] + (u - here) * along[1])

    return Face((at(-0.5), at(0.5)))


def gather(
    values: Mapping[str, Any],
    faces: Faces | None,
    labels: str,
    caption: Callable[[str], Caption] = lambda socket: NOTHING,
    progress: Progress | None = None,
) -> list[Panel]:
    """All entries in the order of their sockets; a batch gives one for each picture.

    Parameters
    ----------
    values : mapping of socket name to IMAGE or LOUPE_PANEL
    faces : Faces or None
        For the entries that are bare pictures: one frame for all of them, or one for each.
        None looks for a face in each.
    labels : str
        A line for each entry; an empty or missing one keeps the entry's own label, its caption's
        name, or a letter. What stands after a ``|`` is its second line.
    caption : callable
        From a socket to what the graph says that made its picture.
    progress : callable, optional
        As of ``framing.find.find_faces``, where faces are looked for.

    Raises
    ------
    ValueError
        Fewer than ``FEWEST`` or more than ``MOST`` entries, or an entry is refused.
    """
    for name, value in values.items():
        if not isinstance(value, Panel):
            check_picture(value, name)
    bare = sum(len(value) for value in values.values() if isinstance(value, Tensor))
    count = bare + sum(isinstance(value, Panel) for value in values.values())
    if not FEWEST <= count <= MOST:  # before any face is looked for
        raise ValueError(
            f"a comparison needs {FEWEST} to {MOST} panels, got {count}. Link pictures, Compare Panels or a "
            "batch to panels; compare more in several plates."
        )
    entries: list[Panel] = []
    seen = 0
    for name, value in values.items():
        if isinstance(value, Panel):
            entries.append(value)
            continue
        mine = None if faces is None else _frames(faces, seen, len(value), bare)
        locks = _faces_of(value, mine, name, progress)
        made = caption(name)
        entries += [
            Panel(
                value[index : index + 1],
                face,
                f"{made.name} {index + 1}" if made.name and len(locks) > 1 else made.name,
                made.detail,
                caption=made,
            )
            for index, face in enumerate(locks)
        ]
        seen += len(value)
    lines = [line.partition("|") for line in labels.splitlines()] + [("", "", "")] * len(entries)
    return [
        replace(
            entry,
            label=one_line(name) or one_line(entry.label) or chr(ord("A") + index),
            subline=one_line(below) if bar else one_line(entry.subline),
        )
        for index, (entry, (name, bar, below)) in enumerate(zip(entries, lines, strict=False))
    ]


def _frames(faces: Faces, start: int, count: int, total: int) -> Faces:
    """The linked faces of the bare pictures ``start`` to ``start + count``."""
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}"
        )
    if len(faces.frames) == 1:
        return Faces(faces.image_size, faces.frames * count, faces.backend)
    if len(faces.frames) != total:
        raise ValueError(
            f"faces speaks of {len(faces.frames)} pictures, the panels hold {total} bare ones. "
            "Link faces of one picture, or of all of them as a batch."
        )
    return Faces(faces.image_size, faces.frames[start : start + count], faces.backend)


def _faces_of(
    image: Tensor, faces: Faces | None, name: str, progress: Progress | None = None
) -> list[Face]:
    """The largest face of every picture, found where none are given."""
    if faces is None:
        faces = find_faces(image, progress=progress).faces
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}"
        )
    size = (image.shape[2], image.shape[1])
    if faces.image_size != size:
        raise ValueError(
            f"{name} has {size[0]}x{size[1]} px, but its faces were found in {faces.image_size[0]}x{faces.image_size[1]}. "
            "Give each picture its own faces through Compare Panel, or unlink faces."
        )
    empty = [index + 1 for index, frame in enumerate(faces.frames) if not frame]
    if empty:
        raise ValueError(
            f"{name}: no face in picture {', '.join(map(str, empty))}. Use Find Faces with typed eyes, "
            "a bounding_box or a mask, and Compare Panel."
        )
    return [frame[0] for frame in faces.frames]
