"""Which of the faces of a picture are meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot
from typing import Any

import numpy as np

from .faces import Box, Face, Faces, Point
from .linked import mask_planes

ALL, LARGEST, PROMINENT = "all", "largest", "most prominent"
NEAREST, INDEX, IN_MASK = "nearest point", "index left to right", "in mask"
LIKE = "like identity"
RULES = (ALL, LARGEST, PROMINENT, NEAREST, INDEX, IN_MASK, LIKE)

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_POINT = re.compile(rf"\s*{_NUMBER}\s*[,;\s]\s*{_NUMBER}\s*")
Ranking = Callable[[int, Face], float]


@dataclass(frozen=True)
class Chosen:
    """The faces that were kept, and a line on what was left out, or None."""

    faces: Faces
    remark: str | None


def choose_faces(
    faces: Faces,
    rule: str = ALL,
    *,
    point: str = "",
    index: int = 0,
    mask: Any = None,
    ranking: Ranking | None = None,
    likeness: Ranking | None = None,
) -> Chosen:
    """The faces that a rule keeps, in each picture by itself.

    Parameters
    ----------
    faces : Faces
    rule : one of ``RULES``
        ``all``; ``largest``: the widest distance between the eyes; ``most prominent``: by
        ``ranking``; ``nearest point``: the face's middle closest to ``point``; ``index left to
        right``; ``in mask``: every face whose middle the mask covers; ``like identity``: by ``likeness``.
    point : str
        ``x,y``, pixels; for ``nearest point``.
    index : int, 0 is the leftmost
    mask : ComfyUI's MASK of the pictures' size, (H, W) or (B, H, W), or None
    ranking : callable (picture number from 0, face) -> float
        How prominent a face is; for ``most prominent``.
    likeness : callable (picture number from 0, face) -> float
        How like somebody it is; for ``like identity``.

    Raises
    ------
    ValueError
        The rule lacks what it needs, or nothing is left in any picture.
    """
    if rule not in RULES:
        raise ValueError(f"keep must be one of {', '.join(RULES)}; got {rule!r}")
    pick = _rule(faces, rule, point, index, mask, ranking, likeness)
    frames = tuple(pick(number, frame) for number, frame in enumerate(faces.frames))
    kept, there = (sum(map(len, some)) for some in (frames, faces.frames))
    if there and not kept:
        raise ValueError(
            f"keep = {rule} leaves no face{_asked(rule, point, index)}. There {_were(faces)}. "
            f"Choose another rule, or correct {_input_of(rule)}."
        )
    remark = (
        None
        if kept == there
        else f"kept {kept} of {there} faces: {rule}{_asked(rule, point, index)}"
    )
    return Chosen(replace(faces, frames=frames), remark)


def _rule(
    faces: Faces,
    rule: str,
    point: str,
    index: int,
    mask: Any,
    ranking: Ranking | None,
    likeness: Ranking | None,
) -> Callable[[int, tuple[Face, ...]], tuple[Face, ...]]:
    """What a rule makes of a picture's number and faces."""
    size = faces.image_size
    if rule == LARGEST:
        return lambda number, frame: _best(frame, lambda face: face.iod)
    if rule == PROMINENT:
        if ranking is None:
            raise ValueError(f"keep = {PROMINENT} needs a ranking of the faces")
        return lambda number, frame: _best(frame, lambda face: ranking(number, face))
    if rule == LIKE:
        if likeness is None:
            raise ValueError(f"keep = {LIKE} needs an identity: link one, or choose another rule")
        return lambda number, frame: _best(frame, lambda face: likeness(number, face))
    if rule == NEAREST:
        x, y = parse_point(point, size)
        return lambda number, frame: _best(
            frame, lambda face: -hypot(face.middle[0] - x, face.middle[1] - y)
        )
    if rule == INDEX:
        if index < 0:
            raise ValueError(f"index must be 0 (the leftmost face) or more, got {index}")
        return lambda number, frame: tuple(_left_to_right(frame)[index : index + 1])
    if rule == IN_MASK:
        if mask is None:
            raise ValueError(f"keep = {IN_MASK} needs a mask: link one, or choose another rule")
        planes = mask_planes(mask, size, len(faces.frames))
        return lambda number, frame: tuple(
            face for face in frame if _covers(planes[number], face.middle)
        )
    return lambda number, frame: frame


def _best(frame: tuple[Face, ...], value: Callable[[Face], float]) -> tuple[Face, ...]:
    return (max(frame, key=value),) if frame else ()


def _left_to_right(frame: tuple[Face, ...]) -> list[Face]:
    return sorted(frame, key=lambda face: face.middle)


def _covers(plane: np.ndarray, point: Point) -> bool:
    height, width = plane.shape
    x, y = int(point[0] // 1), int(point[1] // 1)
    return 0 <= x < width and 0 <= y < height and bool(plane[y, x] > 0.5)


def parse_point(text: str, image_size: tuple[int, int]) -> Point:
    """A point typed as ``x,y``, in pixels of the picture.

    Raises
    ------
    ValueError
        It is no point, or lies outside the picture.
    """
    match = _POINT.fullmatch(text)
    if not match:
        raise ValueError(
            f"point must be one point in pixels, like '320,200', got {text!r}: keep = {NEAREST} needs it"
        )
    x, y = map(float, match.groups())
    if not Box(0, 0, *image_size).holds((x, y)):
        raise ValueError(
            f"point is {x:g},{y:g}, outside the picture of {image_size[0]}x{image_size[1]} px"
        )
    return x, y


def _asked(rule: str, point: str, index: int) -> str:
    return {NEAREST: f" {point.strip()}", INDEX: f" {index}"}.get(rule, "")


def _input_of(rule: str) -> str:
    return {INDEX: "index (0 is the leftmost)", IN_MASK: "mask"}.get(rule, "keep")


def _were(faces: Faces) -> str:
    """Where the faces of the first pictures are, in words."""
    told = []
    for number, frame in enumerate(faces.frames[:3], 1):
        where = f" in picture {number}" if len(faces.frames) > 1 else ""
        places = ", ".join(
            f"({x:.0f}, {y:.0f})" for x, y in (face.middle for face in _left_to_right(frame)[:6])
        )
        count = f"{len(frame)} face{'' if len(frame) == 1 else 's'}"
        told.append(f"{count}{where}{f', left to right at {places}' if places else ''}")
    return ("was " if faces.frames and len(faces.frames[0]) == 1 else "were ") + "; ".join(told)
