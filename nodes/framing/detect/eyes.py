"""The pupils of a face that is roughly known, by the vote of gradients.

An iris is a dark disc: the gradients on its rim point away from its centre. Every place near
the expected pupil is scored by how many strong gradients point away from it, and by its
darkness (Timm and Barth, "Accurate eye centre localisation by means of gradients", VISAPP
2011, eq. 2-4). The two eyes are then chosen together, since they are level and alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import atan2, ceil, cos, degrees, exp, hypot, radians, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faces import OVAL, Box, Face, Point
from .sampling import Axis, inside, level, scattered

Plane = NDArray[np.floating[Any]]

WORK_IOD = 40  # px: 60 gains 0.001 IOD and takes five times as long
VIEW_IOD = (2.6, 1.6)  # the part of the face that is looked at, in inter-ocular distances
RIM_RADIUS = 0.15  # IOD: how far from a place its gradients count. 0.30 is 0.02 IOD worse on two hand-marked faces
STRONG = 70  # percentile: gradients above it vote
PEAKS = 6  # candidates per eye: nostril, brow end and spectacle rim are usually among them
SPREAD_TOLERANCE = 0.16  # in the distance between the pupils, of the guess
LEVEL_TOLERANCE = 0.12  # in the tilt of the pair, IOD
PATCH_IOD = (0.5, 0.3)  # the eye patch that must look like its mirrored partner

# Between the oval and the boxes of detectors. Trying nine sizes and places instead was worse on
# 21 faces, 0.10 to 0.18 IOD in the median against 0.07 to 0.14: votes favour too small a face.
BOX_SHARE = 0.95  # of the inter-ocular distance that the oval would have
BOX_EYE_LINE = 0.345  # of the box's height, from the top

# What keeps a pair. Likeness 0.45 would drop 14 of 58 portraits, whose votes were better (0.045 IOD)
# than the guess they fall back to (0.079); collars and foliage lie below 0.
LEAST_LIKENESS = 0.0  # normalised correlation of one eye with the other, mirrored
MOST_STRETCH = 0.20  # of the guess's inter-ocular distance
MOST_TILT_DEG = 12.0


@dataclass(frozen=True)
class View:
    """A straightened look at a part of a picture: where it is, and how its pixels lie there."""

    centre: Point
    """The view's middle, pixels of the picture."""
    scale: float
    """Picture pixels per view pixel."""
    roll_deg: float
    """Turn of the view's x axis in the picture, degrees clockwise as seen."""
    width: int
    height: int

    def to_picture(self, x: Any, y: Any) -> tuple[Any, Any]:
        """A point of the view in picture pixels; both count from pixel edges."""
        c, s = self.scale * cos(radians(self.roll_deg)), self.scale * sin(radians(self.roll_deg))
        dx, dy = x - self.width / 2, y - self.height / 2
        return self.centre[0] + c * dx - s * dy, self.centre[1] + s * dx + c * dy

    def of(self, picture: Plane, *, outside: float | None = None) -> Plane:
        """The view's own pixels.

        Parameters
        ----------
        picture : (H, W) or (H, W, C), 0..1
        outside : float or None
            What a pixel holds whose centre lies beyond the picture; None: the picture's edge goes on.

        Returns
        -------
        (height, width) or (height, width, C), float32, 0..1
            Linear between the picture's pixels, or between means of blocks where the view shrinks it.
        """
        # Only the part in view is averaged into blocks, so an 8K picture costs what its part costs.
        pixels = (self._turned if self.roll_deg else self._level)(picture, outside)
        return np.clip(pixels, 0, 1, out=pixels)

    @property
    def _block(self) -> int:
        return max(1, int(self.scale))

    def _level(self, picture: Plane, outside: float | None) -> Plane:
        height, width = picture.shape[:2]
        x, _ = self.to_picture(np.arange(self.width, dtype=np.float32) + 0.5, self.height / 2)
        _, y = self.to_picture(self.width / 2, np.arange(self.height, dtype=np.float32) + 0.5)
        across, down = (
            Axis.along(places, size, self._block) for places, size in ((x, width), (y, height))
        )
        if outside is None:
            return level(picture, across, down)
        columns, rows = inside(x, width), inside(y, height)
        pixels = np.full((self.height, self.width, *picture.shape[2:]), outside, np.float32)
        pixels[rows, columns] = level(picture, across.part(columns), down.part(rows))
        return pixels

    def _turned(self, picture: Plane, outside: float | None) -> Plane:
        height, width = picture.shape[:2]
        x, y = self.to_picture(
            np.arange(self.width, dtype=np.float32) + 0.5,
            np.arange(self.height, dtype=np.float32)[:, None] + 0.5,
        )
        pixels = scattered(picture, x, y, self._block)
        if outside is not None:
            pixels[(x < 0) | (x >= width) | (y < 0) | (y >= height)] = outside
        return pixels


def find_pupils(
    luma: Plane, guess: Face, *, radius: float = 0.30, sigma: float = 0.12
) -> tuple[Face, str | None]:
    """The pupils of a face, from a guess of where they are.

    Parameters
    ----------
    luma : (H, W), float32, coded brightness 0..1
    guess : Face, pixels
    radius : float, IOD of the guess
        How far from the guessed pupils is searched.
    sigma : float, IOD of the guess
        How well the guess is believed: the standard deviation of its pupils.

    Returns
    -------
    Face
        The voted pupils with the guess's score; the guess itself where they are not to be trusted.
    str or None
        Why the vote is not to be trusted.
    """
    face, objection, _ = _vote_on_pair(luma, guess, radius, sigma)
    return (guess, objection) if objection else (face, None)


def _vote_on_pair(
    luma: Plane, guess: Face, radius: float, sigma: float
) -> tuple[Face, str | None, float]:
    """The best pair of pupils, why not to trust it, and its strength (comparable within a picture)."""
    if guess.iod < 1e-6:
        return guess, "the guessed pupils coincide", 0.0
    view = View(
        guess.centre,
        guess.iod / WORK_IOD,
        guess.roll_deg,
        *(round(WORK_IOD * (side + 2 * radius)) for side in VIEW_IOD),
    )
    eyes = _Eyes(view.of(luma))
    peaks = [_peaks(eyes, side * WORK_IOD / 2, radius, sigma) for side in (-1, 1)]
    if not all(peaks):
        return guess, "no gradients around the eyes", 0.0

    best = (-1.0, peaks[0][0], peaks[1][0], 0.0)
    for left in peaks[0]:
        for right in peaks[1]:
            dx, dy = (right[0] - left[0]) / WORK_IOD, (right[1] - left[1]) / WORK_IOD
            likeness = eyes.likeness(left[:2], right[:2])
            strength = (left[2] + right[2]) * (0.5 + 0.5 * max(0.0, likeness))
            strength *= exp(-(((dx - 1) / SPREAD_TOLERANCE) ** 2) / 2 - (dy / LEVEL_TOLERANCE) ** 2)
            if strength > best[0]:
                best = (strength, left, right, likeness)
    strength, left, right, likeness = best
    (x1, x2), (y1, y2) = view.to_picture(
        np.array([left[0], right[0]]), np.array([left[1], right[1]])
    )
    face = Face(((float(x1), float(y1)), (float(x2), float(y2))), guess.score)
    return face, _why_not_trusted(left, right, likeness), strength


def _why_not_trusted(left, right, likeness: float) -> str | None:
    """The reason a pair is no pair of pupils, or None."""
    dx, dy = right[0] - left[0], right[1] - left[1]
    stretch, tilt = hypot(dx, dy) / WORK_IOD - 1, degrees(atan2(dy, dx))
    if likeness < LEAST_LIKENESS:
        return f"the two eyes differ: likeness {likeness:.2f} of the {LEAST_LIKENESS:g} needed"
    if abs(stretch) > MOST_STRETCH:
        return f"the pupils are {1 + stretch:.2f} times as far apart as the face suggests"
    if abs(tilt) > MOST_TILT_DEG:
        return f"the pupils are tilted by {tilt:.0f} degrees against the face"
    return None


class _Eyes:
    """A view of both eyes, with its gradients."""

    def __init__(self, pixels: Plane):
        self.pixels = pixels

    @cached_property
    def darkness(self) -> Plane:
        from scipy.ndimage import gaussian_filter

        return 1 - np.clip(gaussian_filter(self.pixels, 1.0), 0, 1)

    @cached_property
    def gradient(self) -> tuple[Plane, Plane]:
        return np.gradient(self.pixels, axis=1), np.gradient(self.pixels, axis=0)

    def likeness(self, left, right) -> float:
        """Correlation of the patch around one place with the mirrored one around the other."""
        a, b = self._patch(left), self._patch(right)[:, ::-1]
        a, b = a - a.mean(), b - b.mean()
        return float((a * b).sum() / (sqrt(float((a * a).sum() * (b * b).sum())) + 1e-9))

    def _patch(self, place) -> Plane:
        half_w, half_h = (round(WORK_IOD * side / 2) for side in PATCH_IOD)
        height, width = self.pixels.shape
        x = min(max(int(place[0]), half_w), width - half_w - 1)
        y = min(max(int(place[1]), half_h), height - half_h - 1)
        return self.pixels[y - half_h : y + half_h + 1, x - half_w : x + half_w + 1]


def _peaks(eyes: _Eyes, offset: float, radius: float, sigma: float):
    """The best places for one pupil: (x, y, strength), view pixels, strongest first."""
    from scipy.ndimage import maximum_filter

    height, width = eyes.pixels.shape
    guess_x, guess_y = width / 2 + offset, height / 2
    reach, rim = int(radius * WORK_IOD), int(RIM_RADIUS * WORK_IOD)
    rows = _centres_within(guess_y, reach, height)
    cols = _centres_within(guess_x, reach, width)

    # Gradients of the neighbourhood, the strong ones, as unit vectors.
    near = np.s_[
        max(rows[0] - rim, 0) : rows[-1] + rim + 1, max(cols[0] - rim, 0) : cols[-1] + rim + 1
    ]
    gx, gy = (plane[near] for plane in eyes.gradient)
    size = np.hypot(gx, gy)
    strong = size > max(float(np.percentile(size, STRONG)), 1e-4)
    if not strong.any():
        return []
    at_y, at_x = np.nonzero(strong)
    at_y, at_x = at_y + near[0].start, at_x + near[1].start
    gx, gy = gx[strong] / size[strong], gy[strong] / size[strong]

    dx = at_x[None, :] - np.tile(cols, len(rows))[:, None]
    dy = at_y[None, :] - np.repeat(rows, len(cols))[:, None]
    distance = np.hypot(dx, dy)
    counts = (distance > 0) & (distance <= rim)
    along = np.where(counts, (dx * gx + dy * gy) / np.maximum(distance, 1), 0)
    votes = (np.maximum(along, 0) ** 2).sum(1) / np.maximum(counts.sum(1), 1)
    votes = votes.reshape(len(rows), len(cols)).astype(np.float32)

    away = np.hypot(cols[None, :] + 0.5 - guess_x, rows[:, None] + 0.5 - guess_y) / WORK_IOD
    votes = votes * eyes.darkness[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    votes = votes * np.exp(-((away / sigma) ** 2) / 2)
    votes[away > radius] = 0

    is_peak = (votes == maximum_filter(votes, 3)) & (votes > 0)
    found = np.argwhere(is_peak)
    found = found[np.argsort(-votes[is_peak], kind="stable")][:PEAKS]
    return [
        (
            cols[j] + 0.5 + _vertex(votes[i], j),
            rows[i] + 0.5 + _vertex(votes[:, j], i),
            float(votes[i, j]),
        )
        for i, j in found
    ]


def _centres_within(middle: float, reach: int, size: int) -> NDArray[np.int_]:
    """The pixels of an axis whose centres are that near, as many on either side."""
    first, last = ceil(middle - reach - 0.5), ceil(middle + reach - 0.5)
    return np.arange(max(first, 0), min(last, size))


def _vertex(line: Plane, at: int) -> float:
    """How far from a sampled maximum the parabola through its neighbours peaks, samples."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(v) for v in line[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def face_in_box(luma: Plane, box: Box) -> tuple[Face, str | None]:
    """The face in a box from elsewhere: a bounding box or the outline of a mask.

    Parameters
    ----------
    luma : (H, W), float32, coded brightness 0..1
    box : Box, pixels
        Around the face, from forehead to chin. In a box around the whole head, hair included,
        the eyes are sought too high.

    Returns
    -------
    Face
        Its score is 1; 0 where no pupils are seen and those of an average face in the box stand in.
    str or None
        Why they are not seen.
    """
    x, y = box.centre[0], box.y + BOX_EYE_LINE * box.height
    half = BOX_SHARE * sqrt(box.width * box.height / (OVAL[0] * OVAL[1])) / 2
    face, objection = find_pupils(luma, Face(((x - half, y), (x + half, y))))
    return (replace(face, score=0.0), objection) if objection else (face, None)
