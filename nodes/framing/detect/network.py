"""Faces in a picture, found by any small network that tells boxes and five points.

Detectors fail on close-ups: at 640 px SCRFD sees no face that is higher than 85 % of the frame. So
every network looks at the picture in three sizes, and a second time at each face, straightened and
made equally large. There it looks once more in the mirror, whose errors are others, and the pupils
are then voted for (``eyes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import atan, atan2, ceil, degrees, hypot, sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....kernels.picture import luma
from ..faces import Box, Face, Point
from .embedded import Detection
from .eyes import View, find_pupils

CANVAS = 640  # px: the long side of what a network sees; SCRFD's files are often made for no other
GRID = 64  # px: YuNet halves its canvas six times
PADS = (1, 2, 4)  # how many times smaller the picture is than the canvas
MARGIN = 0.25  # of the shrunk picture, around it where a canvas may have any size
SHORT_SIDE = 0.4  # of the long one at least, so that a narrow panorama keeps its faces
MOST_GROWN = 4.0  # times its size, at most, is a small picture made for that

SAME_OVERLAP = 0.4  # intersection over union of two boxes of one face
AGAIN_OVERLAP = 0.3  # of a face's box and its box in the second look, which is straightened
MOST_FACES = 32  # second looks a picture, the surest first

# px: a face in the second looks, whose points are averaged. On 16 portraits in crops of 0.5 to 2 times
# the face the worse pupil is then off by 0.04-0.08 IOD in the median before the vote, one height
# alone by 0.05-0.11. kornia's YuNet errs by a third of a face where it fills more than 360 px.
LOOK_HEIGHTS = (160, 320)
LOOK_SIDE = 1.6  # of that height: the canvas of a second look where it need not be 640 px
PUPIL_RADIUS = 0.20  # IOD: the guess is good, so the vote stays near it
PUPIL_SIGMA = 0.12
MOST_MOVED = 0.15  # IOD: a vote that leads further than the network errs, 0.12 at most, is a nostril or a rim
TURNED = 30.0  # degrees of yaw beyond which one eye is too narrow for the vote on a pair

MUCH_SURER = 0.1  # in score
ALIKE = 0.25  # IOD: looks whose pupils are nearer are averaged, else the surest counts alone
LEAST_IOD = 4.0  # px: closer eyes leave nothing to frame or compare
NOSE_DEPTH = 0.55  # IOD: the nose's tip before the line from the eyes to the mouth, MediaPipe's canonical face
FIVE = [1, 0, 2, 4, 3]  # the five points of a mirrored face, in order


class Unavailable(RuntimeError):
    """A backend that cannot be used here, and why."""

    def __init__(self, reason: str, *, nearly: bool = False):
        super().__init__(reason)
        self.nearly = nearly
        """What it needs is there or was asked for, but fails: worth a word even where another
        backend steps in."""


def first_line(error: Exception) -> str:
    """What went wrong, for a sentence: the first line of it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no reason given'}".rstrip(".")


@dataclass(frozen=True)
class Sightings:
    """What a network saw on one canvas, N faces, in pixels counted from the canvas's edges."""

    boxes: NDArray[np.float64]
    """(N, 4): left, top, right, bottom."""
    points: NDArray[np.float64]
    """(N, 5, 2): both eyes, image-left first, the nose's tip, both corners of the mouth."""
    scores: NDArray[np.float64]
    """(N,), 0..1."""


class Network(Protocol):
    """A detector with its weights loaded."""

    name: str
    """For the report: the backend and the file."""
    threshold: float
    """The score from which a place deserves a second look."""
    believed: float
    """The mean score of the second looks from which there is a face."""
    square: bool
    """Whether it sees no canvas but one of ``CANVAS`` x ``CANVAS`` px."""

    def __call__(self, canvas: NDArray[np.uint8]) -> Sightings:
        """What it sees on a canvas, (H, W, 3), RGB 0..255, both sides multiples of ``GRID``."""
        ...


def find_faces(
    picture: NDArray[np.floating[Any]], network: Network, tick: Callable[[], None] = lambda: None
) -> Detection:
    """The faces of one picture.

    Parameters
    ----------
    picture : (H, W, 3), float32, sRGB 0..1
    network : Network
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Detection
        Faces with five points and an estimated yaw, largest first; the score is the network's mean
        over the second looks.
    """
    looked: list[Face] = []
    remarks: list[str] = []
    rough = _distinct(_sweep(picture, network, tick))
    for seen in rough[:MOST_FACES]:
        tick()
        face = _look_again(picture, network, seen)
        if isinstance(face, str):
            remarks.append(_turned_down(seen, face))
        elif face.iod < LEAST_IOD:
            remarks.append(_turned_down(seen, f"{face.iod:.1f} px between the eyes are too few"))
        else:
            looked.append(face)
    faces = [_refined(picture, group) for group in _grouped(looked)]
    faces.sort(key=lambda face: -face.iod)
    parts = [face for face in faces if _part_of_another(face, faces)]
    remarks += [
        f"passed over a face-like spot at ({face.centre[0]:.0f}, {face.centre[1]:.0f}): part of a larger face, "
        "or made of smaller ones"
        for face in parts
    ]
    if len(rough) > MOST_FACES:
        remarks.append(f"looked at the surest {MOST_FACES} of {len(rough)} places only")
    return Detection(tuple(face for face in faces if face not in parts), tuple(remarks[:3]))


def _grouped(looked: Sequence[Face]) -> list[list[Face]]:
    """The looks that came upon one face together, surest first."""
    groups: list[list[Face]] = []
    for face in sorted(looked, key=lambda face: -face.score):
        same = next((group for group in groups if _is_same(face, group[0])), None)
        if same is None:
            groups.append([face])
        else:
            same.append(face)
    return groups


def _part_of_another(face: Face, faces: Sequence[Face]) -> bool:
    """Whether it is an eye taken for a face, or a face made of others.

    In a face that is twice the frame both eyes are seen as faces, with scores of 0.85 to 0.97. Of
    two of which one holds the other's middle the larger is right, unless it is much less sure.
    """
    for other in faces:
        small, large = sorted((face, other), key=lambda one: one.iod)
        if other is not face and large.box.holds(small.middle):
            wrong = small if large.score > small.score - MUCH_SURER else large
            if wrong is face:
                return True
    return False


@dataclass(frozen=True)
class _Seen:
    """One sighting, in pixels of the picture."""

    box: Box
    points: NDArray[np.float64]
    score: float

    @property
    def roll_deg(self) -> float:
        dx, dy = self.points[1] - self.points[0]
        return degrees(atan2(dy, dx))


def _turned_down(seen: _Seen, reason: str) -> str:
    x, y = seen.box.centre
    return (
        f"passed over a face-like spot of {seen.box.height:.0f} px at ({x:.0f}, {y:.0f}), {reason}"
    )


def _is_same(face: Face, other: Face) -> bool:
    (x1, y1), (x2, y2) = face.centre, other.centre
    return hypot(x1 - x2, y1 - y2) < 0.5 * min(face.iod, other.iod)


def _sweep(picture: NDArray, network: Network, tick: Callable[[], None]) -> list[_Seen]:
    """What is seen of the whole picture in every size."""
    height, width = picture.shape[:2]
    long, short = max(height, width), min(height, width)
    reach = long if network.square else min(long, short / SHORT_SIDE)
    once = max(reach / CANVAS, 1 / MOST_GROWN)  # picture px per canvas px, unpadded
    found: list[_Seen] = []
    # Shrunk once: the smaller sizes are made from this one, so an 8K picture is read only once.
    base_size = (max(1, round(width / once)), max(1, round(height / once)))
    base = View((width / 2, height / 2), once, 0.0, *base_size).of(picture)
    for pad in PADS:
        tick()
        around = 0.0 if pad == 1 else MARGIN
        sides = [
            CANVAS if network.square else GRID * ceil((1 + 2 * around) * side / pad / GRID)
            for side in base_size
        ]
        view = View((base_size[0] / 2, base_size[1] / 2), pad, 0.0, sides[0], sides[1])
        for seen in _seen(base, network, view):
            found.append(_enlarged(seen, width / base_size[0], height / base_size[1]))
    return found


def _enlarged(seen: _Seen, x: float, y: float) -> _Seen:
    box = seen.box
    return _Seen(
        Box(box.x * x, box.y * y, box.width * x, box.height * y),
        seen.points * np.array([x, y]),
        seen.score,
    )


def _seen(picture: NDArray, network: Network, view: View) -> Iterator[_Seen]:
    """What a network believes to see in a view that is not turned."""
    seen = network(_canvas(picture, view))
    for box, points, score in zip(seen.boxes, seen.points, seen.scores, strict=True):
        if score >= network.threshold:
            left, top = view.to_picture(box[0], box[1])
            right, bottom = view.to_picture(box[2], box[3])
            there = np.stack(view.to_picture(points[:, 0], points[:, 1]), 1)
            size = (float(right - left), float(bottom - top))
            if min(size) > 0 and np.isfinite(there).all():
                yield _Seen(Box(float(left), float(top), *size), there, float(score))


def _canvas(picture: NDArray, view: View) -> NDArray[np.uint8]:
    """A view as networks take it; what lies beyond the picture is black, as they were taught."""
    pixels = view.of(picture, outside=0.0)
    pixels *= 255
    return pixels.round(out=pixels).astype(np.uint8)


def _distinct(found: Sequence[_Seen]) -> list[_Seen]:
    """Non-maximum suppression: of sightings that overlap the surest, surest first."""
    kept: list[_Seen] = []
    for seen in sorted(found, key=lambda one: -one.score):
        if not any(_overlap(seen.box, other.box) > SAME_OVERLAP for other in kept):
            kept.append(seen)
    return kept


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.right, b.right) - max(a.x, b.x)
    height = min(a.bottom, b.bottom) - max(a.y, b.y)
    common = max(0.0, width) * max(0.0, height)
    return common / (a.width * a.height + b.width * b.height - common)


def _look_again(picture: NDArray, network: Network, rough: _Seen) -> Face | str:
    """The face at a place, seen straight and at the right size; or why there is none."""
    # The area keeps its measure where a turned face's upright box does not keep its height.
    tall = 1.12 * sqrt(rough.box.width * rough.box.height)  # boxes are 1.25 times as high as wide
    looks: list[NDArray[np.float64]] = []
    scores: list[float] = []
    for height in LOOK_HEIGHTS:
        side = CANVAS if network.square else GRID * ceil(LOOK_SIDE * height / GRID)
        view = View(rough.box.centre, tall / height, rough.roll_deg, side, side)
        canvas = _canvas(picture, view)
        for mirrored in (False, True):
            shown = np.ascontiguousarray(canvas[:, ::-1]) if mirrored else canvas
            points, score = _best(network(shown), side, height)
            scores.append(score)
            if points is None:
                continue
            if mirrored:
                points = np.stack([side - points[FIVE, 0], points[FIVE, 1]], 1)
            looks.append(np.stack(view.to_picture(points[:, 0], points[:, 1]), 1))
    score = float(np.mean(scores))
    if not looks or score < network.believed:
        return f"second looks give it {score:.2f} of the {network.believed:g} needed"
    there = np.mean(looks, axis=0)
    points = tuple((float(x), float(y)) for x, y in there)
    if points[0] == points[1]:
        return "its eyes coincide"
    return Face((points[0], points[1]), min(score, 1.0), points)


def _best(seen: Sightings, side: int, height: float) -> tuple[NDArray[np.float64] | None, float]:
    """The points and score of the surest sighting where a face of that height was expected."""
    expected = Box((side - 0.8 * height) / 2, (side - height) / 2, 0.8 * height, height)
    best: tuple[NDArray[np.float64] | None, float] = (None, 0.0)
    for (left, top, right, bottom), points, score in zip(
        seen.boxes, seen.points, seen.scores, strict=True
    ):
        box = Box(left, top, right - left, bottom - top)
        there = min(box.width, box.height) > 0 and _overlap(box, expected) > AGAIN_OVERLAP
        if there and score > best[1] and np.isfinite(points).all():
            best = (points, float(score))
    return best


def _refined(picture: NDArray, looks: Sequence[Face]) -> Face:
    """One face from the looks that came upon it, its pupils voted for where the vote is to be trusted."""
    alike = [
        face.points
        for face in looks
        if face.score > looks[0].score - MUCH_SURER
        and _furthest(face, looks[0]) < ALIKE * looks[0].iod
    ]
    middle = np.median(alike, axis=0)
    points = tuple((float(x), float(y)) for x, y in middle)
    if points[0] == points[1]:
        points = looks[0].points
    yaw = estimate_yaw(points)
    guess = Face((points[0], points[1]), looks[0].score)
    if abs(yaw) <= TURNED:
        part, left, top = _around(picture, guess)
        moved = _moved(guess, -left, -top)
        face, objection = find_pupils(part, moved, radius=PUPIL_RADIUS, sigma=PUPIL_SIGMA)
        if objection is None and _furthest(face, moved) <= MOST_MOVED * guess.iod:
            guess = _moved(face, left, top)
    return Face(guess.eyes, guess.score, (*guess.eyes, *points[2:]), yaw)


def _furthest(face: Face, other: Face) -> float:
    """How far apart the pupils of two faces are, pixels, the worse pair."""
    return max(
        hypot(x1 - x2, y1 - y2) for (x1, y1), (x2, y2) in zip(face.eyes, other.eyes, strict=True)
    )


def _around(picture: NDArray, face: Face) -> tuple[NDArray, int, int]:
    """Brightness around the eyes, and where its top left corner lies: 8K need not be gray as a whole."""
    import torch

    x, y = face.centre
    height, width = picture.shape[:2]
    reach = 2.5 * face.iod
    left, right = (int(min(max(x + side * reach, 0), width)) for side in (-1, 1))
    top, bottom = (int(min(max(y + side * reach, 0), height)) for side in (-1, 1))
    left, top = min(left, width - 1), min(top, height - 1)
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    return luma(torch.from_numpy(np.ascontiguousarray(part))).numpy(), left, top


def _moved(face: Face, dx: float, dy: float) -> Face:
    (x1, y1), (x2, y2) = face.eyes
    return Face(((x1 + dx, y1 + dy), (x2 + dx, y2 + dy)), face.score)


def estimate_yaw(points: Sequence[Point]) -> float:
    """How far a head is turned to its side, from five points.

    Parameters
    ----------
    points : five points, pixels
        Both pupils, the nose's tip, both corners of the mouth; image-left first.

    Returns
    -------
    float, degrees
        Positive where the nose points to the right of the picture. An estimate: noses differ by a
        tenth of their depth, and 0.03 IOD of error in the nose's tip are 3 degrees.

    Notes
    -----
    The tip stands ``NOSE_DEPTH`` before the line from the eyes to the mouth. Turned by yaw it
    moves aside by depth x sin(yaw), while the eyes draw together by cos(yaw): the ratio is the
    tangent. Far off, where perspective and the nose's own roundness count little.
    """
    face = Face((points[0], points[1]))
    nose, left, right = (face.from_image(point) for point in points[2:])
    mouth = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    axis = mouth[0] * nose[1] / mouth[1] if abs(mouth[1]) > 1e-6 else 0.0
    return degrees(atan((nose[0] - axis) / NOSE_DEPTH))
