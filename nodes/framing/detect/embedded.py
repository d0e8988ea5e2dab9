"""Faces in a picture, found with what scikit-image brings along.

scikit-image's wheel holds a frontal-face cascade of local binary patterns (trained for OpenCV
after Liao et al., "Learning multi-scale block local binary patterns for face recognition",
ICB 2007). Asked directly it misses faces and invents others. Here its raw windows are votes,
and a face is where enough of them agree: first over the whole picture, then in a closer look
at each promising place, made equally large and turned both ways.

One frontal person is found reliably. Profiles (yaw above 25 degrees) and crowds are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, exp, hypot, inf, radians, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faces import Face, Point
from .eyes import Plane, View, find_pupils

ENOUGH = 12.0  # votes: 58 portraits had 12.3 to 246; 18 faceless pictures at most 10.9
SURE = 30.0  # votes, of a small face or one beside another: pictures of cells and craters reach 15

SHORT_SIDE = 0.4  # of a sweep's long side at least, so that a narrow panorama keeps its faces
MOST_GROWN = 4  # times its long side, at most, is a sweep made for that
PAD = 0.25  # of the largest window: a face may be cut by the border
TALLEST = 1.5  # of the picture's short side: recall is 1 even where the face is 1.4 times the frame
TALLER = (
    1.1  # times the picture: from here on it says so. Faces as high as it measure up to 1.15 times
)
LEAST_WIDTH = 16.0  # px of the picture: less is enlarged nothing, and parts of a huge face reach 19 votes there
LEAST_ROUGH = 3.0  # votes of a sweep that deserve a closer look; the least of 30 portraits was 7.1
CANDIDATES = 6  # closer looks per sweep, 0.05 s each
MOST_WINDOWS = 2000  # that are counted: their distances fill a square matrix

LOOK_WINDOW = 72  # px: a face's width in the closer look; 48 and 96 separate no better
LOOK_SIDE = 2.4  # windows
LOOK_SIZES = (0.65, 1.5)  # windows
LOOK_TURNS_DEG = (-15.0, 0.0, 15.0)

PLACE_WIDTH = 0.18  # windows: how far apart two windows still support each other
SIZE_WIDTH = 0.25  # the same for the logarithm of their widths
EYE_LIFT, EYE_HALF = 0.130, 0.184  # windows: the pupils above and beside its centre, 60 portraits


@dataclass(frozen=True)
class Detection:
    """What was found in one picture, and what the user should know of it."""

    faces: tuple[Face, ...]
    """Largest first; the score is the votes."""
    remarks: tuple[str, ...]
    """Faces whose pupils are a guess, and places that resemble a face without being believed, the
    likeliest first; at most three, in words."""


@dataclass(frozen=True)
class Sweep:
    """One way of going over the whole picture, made small. Lengths in pixels of the small one."""

    long_side: int
    smallest: int
    """The narrowest window, at least the 24 px at which the cascade was trained."""
    largest: float
    turns_deg: tuple[float, ...] = (0.0,)


# A window is about as wide as a face is tall. Most portraits end after the first row, 0.5 s;
# a picture without a face goes through all, 1-3 s. The later rows invent more, so they need more:
# craters reach 14 votes in the second, coffee 13.5 in the third.
TILTED = (-30.0, 30.0)
SWEEPS = (  # votes needed, sweeps
    (ENOUGH, (Sweep(240, 60, inf), Sweep(240, 24, 60))),
    (SURE, (Sweep(480, 24, 64),)),
    (15.0, (Sweep(240, 60, inf, TILTED), Sweep(240, 24, 60, TILTED))),
)


@dataclass(frozen=True)
class Hit:
    """Where windows of the cascade agree. Lengths in pixels of the picture."""

    centre: Point
    width: float
    roll_deg: float
    votes: float
    needed: float

    def is_same_as(self, other: Hit) -> bool:
        """Whether the two stand for one face."""
        apart = hypot(self.centre[0] - other.centre[0], self.centre[1] - other.centre[1])
        return apart < 0.5 * max(self.width, other.width)

    @property
    def face(self) -> Face:
        """The face that such a window usually holds."""
        turn = radians(self.roll_deg)
        dx, dy = self.width * cos(turn), self.width * sin(turn)
        x, y = self.centre[0] + EYE_LIFT * dy, self.centre[1] - EYE_LIFT * dx
        left, right = ((x + side * dx, y + side * dy) for side in (-EYE_HALF, EYE_HALF))
        return Face((left, right), self.votes)

    def turned_down(self, reason: str) -> str:
        """The phrase that says so."""
        x, y = self.centre
        return (
            f"passed over a face-like spot of {self.width:.0f} px at ({x:.0f}, {y:.0f}), {reason}"
        )


def find_faces(luma: Plane, tick: Callable[[], None] = lambda: None) -> Detection:
    """The faces of one picture.

    Parameters
    ----------
    luma : (H, W), float32, coded brightness 0..1
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Detection
        The place with most votes is a face if it has 12; further ones need 30 and a pair of
        pupils. The same for the same picture, always.

    Raises
    ------
    RuntimeError
        scikit-image is missing.

    Notes
    -----
    The votes are the geometric mean of a sweep's and the closer look's. On 58 portraits all
    faces are found; the pupils are off by 0.05 inter-ocular distances in the median, 0.09 in
    one of ten. Faces down to 5 % of the long side are found, rolled by up to 35 degrees.
    """
    cascade = _load_cascade()
    luma = np.asarray(luma, np.float32)
    hits: list[Hit] = []
    for needed, sweeps in SWEEPS:
        if any(hit.votes >= SURE for hit in hits):
            break
        windows = np.concatenate([_sweep(cascade, luma, sweep, tick) for sweep in sweeps])
        for rough in _agree(windows, CANDIDATES, needed):
            known = any(hit.is_same_as(rough) and hit.votes >= hit.needed for hit in hits)
            if rough.votes >= LEAST_ROUGH and not known:
                hits += _look_closer(cascade, luma, rough, tick)
    return _judge(luma, hits)


def _judge(luma: Plane, hits: list[Hit]) -> Detection:
    """Which of the hits are believed."""
    distinct: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: -hit.votes / hit.needed):
        if not any(other.is_same_as(hit) for other in distinct):
            distinct.append(hit)
    faces: list[Face] = []
    remarks: list[str] = []
    for hit in distinct:
        needed = SURE if faces else hit.needed
        if hit.width < LEAST_WIDTH:
            remarks.append(hit.turned_down("too small to tell"))
            continue
        if hit.votes < needed:
            remarks.append(hit.turned_down(f"{hit.votes:.1f} votes of the {needed:g} needed"))
            continue
        face, objection = find_pupils(luma, hit.face)
        if faces and objection:
            remarks.append(hit.turned_down(objection))
        else:
            faces.append(face)
            if face.box.height > TALLER * luma.shape[0]:
                remarks.append(
                    f"a face {face.box.height / luma.shape[0]:.1f} times as high as the picture is more than this "
                    "detector is made for: check the overlay, or type the two pupils into eyes"
                )
            if objection:
                remarks.append(
                    f"the pupils of the face at ({face.centre[0]:.0f}, {face.centre[1]:.0f}) are where a "
                    f"face usually has them, not seen: {objection}"
                )
    return Detection(tuple(sorted(faces, key=lambda face: -face.iod)), tuple(remarks[:3]))


def _load_cascade() -> Any:
    """scikit-image's frontal-face cascade."""
    try:
        from skimage import data
        from skimage.feature import Cascade
    except ImportError as error:
        raise RuntimeError(
            "the embedded face detector needs scikit-image, which is not installed. "
            "Run: pip install scikit-image. Or do without it: link face_landmarks, a bounding_box "
            "or a mask, or type the two eye points."
        ) from error
    return Cascade(data.lbp_frontal_face_cascade_filename())


def _sweep(
    cascade: Any, luma: Plane, sweep: Sweep, tick: Callable[[], None]
) -> NDArray[np.float64]:
    """The windows of one sweep, as ``_windows`` gives them."""
    height, width = luma.shape
    long, short = max(height, width), min(height, width)
    scale = max(min(long, short / SHORT_SIDE), long / MOST_GROWN) / sweep.long_side
    largest = min(sweep.largest, TALLEST * short / scale)
    size = (max(1, round(side / scale + 2 * PAD * largest)) for side in (width, height))
    view = View((width / 2, height / 2), scale, 0.0, *size)
    return np.concatenate(
        [
            _windows(cascade, luma, replace(view, roll_deg=turn), sweep.smallest, largest, tick)
            for turn in sweep.turns_deg
        ]
    )


def _windows(
    cascade: Any, luma: Plane, view: View, smallest: float, largest: float, tick: Callable[[], None]
) -> NDArray[np.float64]:
    """What the cascade takes for faces, (N, 4): centre x, y and width in picture pixels, turn."""
    least = (round(smallest),) * 2
    most = (min(round(largest), view.width, view.height),) * 2
    pixels = view.of(luma)
    found = []
    for mirrored in (False, True):
        tick()
        plane = np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)
        if most < least:
            break
        # 1 neighbour and an overlap above 1 switch off the grouping, which averages neighbours.
        for window in cascade.detect_multi_scale(plane, 1.1, 1.0, least, most, 1, 1.1):
            x, y = window["c"] + window["width"] / 2, window["r"] + window["height"] / 2
            found.append((view.width - x if mirrored else x, y, window["width"]))
    # Sorted: the cascade's threads answer in any order.
    x, y, width = np.array(sorted(found), float).reshape(-1, 3).T
    x, y = view.to_picture(x, y)
    return np.stack([x, y, width * view.scale, np.full(len(width), view.roll_deg)], 1)


def _agree(windows: NDArray[np.float64], limit: int, needed: float) -> list[Hit]:
    """Where the windows are densest in place and size, most votes first."""
    windows = windows[:: 1 + len(windows) // MOST_WINDOWS]
    x, y, width, turn = windows.T
    unit, size = np.sqrt(width[:, None] * width), np.log(width)
    apart = np.hypot(x[:, None] - x, y[:, None] - y) / unit / PLACE_WIDTH
    unlike = (size[:, None] - size) / SIZE_WIDTH
    support = np.exp(-(apart**2 + unlike**2) / 2)
    votes = support.sum(1)
    hits: list[Hit] = []
    for i in np.argsort(-votes, kind="stable"):
        share = support[i] / votes[i]
        mean_x, mean_y, mean_size, roll = (float(share @ values) for values in (x, y, size, turn))
        hit = Hit((mean_x, mean_y), exp(mean_size), roll, float(votes[i]), needed)
        if not any(other.is_same_as(hit) for other in hits):
            hits.append(hit)
        if len(hits) == limit:
            break
    return hits


def _look_closer(cascade: Any, luma: Plane, rough: Hit, tick: Callable[[], None]) -> list[Hit]:
    """The same place made as large as every other and turned both ways: one hit, or none."""
    side = round(LOOK_SIDE * LOOK_WINDOW)
    view = View(rough.centre, rough.width / LOOK_WINDOW, rough.roll_deg, side, side)
    smallest, largest = (LOOK_WINDOW * size for size in LOOK_SIZES)
    windows = [
        _windows(
            cascade, luma, replace(view, roll_deg=rough.roll_deg + turn), smallest, largest, tick
        )
        for turn in LOOK_TURNS_DEG
    ]
    hits = _agree(np.concatenate(windows), 1, rough.needed)
    return [replace(hit, votes=sqrt(hit.votes * rough.votes)) for hit in hits]
