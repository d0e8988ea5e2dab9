"""The entries of a comparison: a picture, its name, and the face that locks its region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...kernels.picture import check_picture
from ..framing.faces import Face, Faces
from ..framing.find import find_faces
from ..labels import one_line

FEWEST, MOST = 2, 16


@dataclass(frozen=True)
class Panel:
    """One entry: the value of a LOUPE_PANEL socket."""

    image: Tensor
    """(1, H, W, C), sRGB 0..1: the source itself, not a crop of it."""
    face: Face
    """In pixels of the source."""
    label: str = ""


def panel_of(image: Any, label: str, faces: Faces | None) -> Panel:
    """One picture as an entry; its largest face locks the region.

    Raises
    ------
    ValueError
        ``image`` is no picture or a batch of several, the faces were found in a picture of
        another size, or there is no face.
    """
    check_picture(image)
    if image.shape[0] > 1:
        raise ValueError(
            f"image holds {image.shape[0]} pictures, a panel shows one. Link the batch to Compare itself, "
            "where each picture becomes a panel."
        )
    return Panel(image, _faces_of(image, faces, "image")[0], label.strip())


def gather(values: Mapping[str, Any], faces: Faces | None, labels: str) -> list[Panel]:
    """All entries in the order of their sockets; a batch gives one for each picture.

    Parameters
    ----------
    values : mapping of socket name to IMAGE or LOUPE_PANEL
    faces : Faces or None
        For the entries that are bare pictures: one frame for all of them, or one for each.
        None looks for a face in each.
    labels : str
        A line for each entry; an empty or missing one keeps the entry's own label, or a letter.

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
        locks = _faces_of(value, mine, name)
        entries += [Panel(value[index : index + 1], face) for index, face in enumerate(locks)]
        seen += len(value)
    lines = [one_line(line) for line in labels.splitlines()] + [""] * len(entries)
    return [
        replace(entry, label=label or one_line(entry.label) or chr(ord("A") + index))
        for index, (entry, label) in enumerate(zip(entries, lines, strict=False))
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


def _faces_of(image: Tensor, faces: Faces | None, name: str) -> list[Face]:
    """The largest face of every picture, found where none are given."""
    if faces is None:
        faces = find_faces(image).faces
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
