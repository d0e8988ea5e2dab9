"""The same region of several pictures in one eye-level frame.

The frame is that of the first picture's eyes: origin midway between the pupils, u along the eye
line, v down, in inter-ocular distances (IOD). Each picture's rigid points are fitted to the first
one's by a similarity, and every panel is sampled once, straight from its picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import atan, atan2, ceil, cos, degrees, log, radians, sin
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...kernels.color import linear_to_srgb, srgb_to_linear
from ...kernels.picture import check_picture, check_result, flatten_alpha
from .faces import Face, Faces, Point
from .find import Progress, find_faces, within
from .regions import FACE_OVAL, SHOTS, Region

FEWEST, MOST = 2, 16  # pictures of one alignment
SMALLEST, LARGEST = 64, 8192  # px, the longer side of a panel
MAX_YAW_DEG = 15.0  # beyond it a similarity shows two views of a head, not two pictures of it
HUBER = 0.03  # IOD: points that miss by more than this count less in the second fit
MIN_COMMON = 0.2  # IOD: a narrower strip shows nothing that could be compared
MUCH = 4.0  # enlarged more than this, a panel shows the resolution rather than the face
REGIONS: dict[str, Region] = {**SHOTS, "face oval": FACE_OVAL}

# Points of the face mesh that no expression moves: eye corners, bridge and base of the nose, temples.
MESH_RIGID = (33, 133, 362, 263, 6, 168, 197, 195, 98, 327, 2, 127, 356)
MESH_NOSE_TIP = 1
FIVE_NOSE_TIP = 2
# The tip moves with pitch, and by 0.07 IOD from person to person (spec 4.2): it only steadies the roll.
NOSE_WEIGHT = 0.1
# IOD in front of the pupils; 0.57 in MediaPipe's canonical face. Faces differ by a seventh, and so
# does an angle estimated with it: 15 degrees are 13 to 17.
NOSE_DEPTH = 0.57


@dataclass(frozen=True)
class Similarity:
    """``y = scale R(angle) x + translation``: turned, scaled and moved, never mirrored."""

    scale: float
    angle_deg: float
    """Clockwise as seen, for x to the right and y down."""
    translation: Point

    @property
    def matrix(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """The 2x3 matrix that takes (x, y, 1) to the new point."""
        c, s = self._turn
        return ((c, -s, self.translation[0]), (s, c, self.translation[1]))

    @property
    def _turn(self) -> Point:
        angle = radians(self.angle_deg)
        return (self.scale * cos(angle), self.scale * sin(angle))

    def apply(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 2) after it."""
        matrix = np.asarray(self.matrix)
        return np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]

    def inverse(self) -> Similarity:
        """What takes its results back."""
        back = Similarity(1 / self.scale, -self.angle_deg, (0.0, 0.0))
        x, y = back.apply(self.translation)
        return Similarity(back.scale, back.angle_deg, (-float(x), -float(y)))

    def after(self, first: Similarity) -> Similarity:
        """This one applied to what ``first`` gives."""
        x, y = self.apply(first.translation)
        angle = _wrapped(self.angle_deg + first.angle_deg)
        return Similarity(self.scale * first.scale, angle, (float(x), float(y)))


@dataclass(frozen=True)
class Fit:
    """How one picture lies in the common frame."""

    to_picture: Similarity
    """From pixels of the panel to pixels of the picture."""
    residual: float
    """Root mean square by which the points miss those of the first picture, in % of the IOD.
    0 where only the two pupils are known: two points always fit."""
    scale_ratio: float
    """Its face's size in pixels over that of the first picture."""
    roll_difference_deg: float
    """How much further it is turned than the first picture's, clockwise as seen."""
    yaw_difference_deg: float | None
    """How much further its head is turned to the side; None where that cannot be known."""
    iod: float
    """Pixels between the pupils in the picture."""

    @property
    def zoom(self) -> float:
        """Panel pixels for each pixel of the picture."""
        return 1 / self.to_picture.scale


@dataclass(frozen=True)
class Alignment:
    """Several pictures of one region, and how they were brought together."""

    panels: Tensor
    """(N, height, width, 3), sRGB 0..1."""
    name: str
    region: Region
    """What the panels show, IOD of the first picture: all of ``name``, or what all pictures hold."""
    points: int
    """How many points of each face the fit used."""
    fits: tuple[Fit, ...]
    remarks: tuple[str, ...]

    @property
    def report(self) -> str:
        """What was done to each picture, in lines."""
        count, height, width, _ = self.panels.shape
        lines = [f"{self.name}: {count} pictures at {width}x{height} px, each sampled once"]
        for index, fit in enumerate(self.fits, 1):
            head = f"picture {index}: {fit.iod:.1f} px between the eyes, {fit.zoom:.2f}x"
            if index == 1:
                lines.append(f"{head}; the others are fitted to it")
                continue
            yaw = fit.yaw_difference_deg
            figures = [
                f"scale {fit.scale_ratio:.3f} of the first",
                f"roll {fit.roll_difference_deg:+.1f} deg",
                "yaw unknown" if yaw is None else f"yaw {yaw:+.1f} deg",
                *([f"residual {fit.residual:.2f} % of the IOD"] if self.points > 2 else []),
            ]
            lines.append(f"{head}; {', '.join(figures)}")
        return "\n".join([*lines, *self.remarks])

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs: pixels, degrees, IOD, 2x3 matrices row by row."""
        _, height, width, _ = self.panels.shape
        shown = self.region
        return {
            "region": self.name,
            "shown_iod": [round(v, 4) for v in (shown.left, shown.right, shown.top, shown.bottom)],
            "panel_size": [width, height],
            "points": self.points,
            "pictures": [
                {
                    "residual_percent_iod": round(fit.residual, 4) if self.points > 2 else None,
                    "scale_ratio": round(fit.scale_ratio, 6),
                    "roll_difference_deg": round(fit.roll_difference_deg, 3),
                    "yaw_difference_deg": None
                    if fit.yaw_difference_deg is None
                    else round(fit.yaw_difference_deg, 2),
                    "iod_px": round(fit.iod, 3),
                    "zoom": round(fit.zoom, 5),
                    "panel_to_picture": [list(row) for row in fit.to_picture.matrix],
                    "picture_to_panel": [list(row) for row in fit.to_picture.inverse().matrix],
                }
                for fit in self.fits
            ],
            "remarks": list(self.remarks),
        }


def umeyama(source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> Similarity:
    """The similarity that takes ``source`` nearest to ``target``, weighted least squares.

    Parameters
    ----------
    source, target : (N, 2), N >= 2
    weights : (N,), not negative, optional
        Equal where not given.

    Returns
    -------
    Similarity
        Never a reflection. Points on one line are enough.

    Raises
    ------
    ValueError
        Fewer than two points count, all of one side are the same point, a value is not finite, or
        the target is the mirror image of the source.

    Notes
    -----
    Umeyama, PAMI 13(4), 1991, eq. 40-42. In the plane, with points as complex numbers about their
    weighted means, its solution with det(R) = 1 is ``sum w conj(x) y / sum w |x|^2``.
    """
    x, y = (np.asarray(points, dtype=np.float64).reshape(-1, 2) for points in (source, target))
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(x) != len(y) or w.shape != (len(x),):
        raise ValueError(
            f"a fit needs as many points and weights on both sides, got {len(x)}, {len(y)} and {w.size}"
        )
    if not all(np.isfinite(values).all() for values in (x, y, w)) or (w < 0).any():
        raise ValueError("a fit needs finite points, and weights that are finite and not negative")
    if np.count_nonzero(w) < 2:
        raise ValueError(f"a fit needs at least two points, got {np.count_nonzero(w)}")
    w = w / w.sum()
    p, q = x[:, 0] + 1j * x[:, 1], y[:, 0] + 1j * y[:, 1]
    mean_p, mean_q = w @ p, w @ q
    p, q = p - mean_p, q - mean_q
    spread_p, spread_q = w @ abs(p) ** 2, w @ abs(q) ** 2
    # what rounding leaves of the spread of one point, seen from the origin
    for spread, points in ((spread_p, x), (spread_q, y)):
        if spread <= (1e-12 * max(1.0, float(abs(points).max()))) ** 2:
            raise ValueError("a fit needs points apart from each other, all of these are one point")
    turn = (w @ (p.conj() * q)) / spread_p
    if abs(turn) ** 2 * spread_p <= 1e-12 * spread_q:
        raise ValueError(
            "the points are a mirror image, or in no relation: no turn brings them together"
        )
    offset = mean_q - turn * mean_p
    return Similarity(
        float(abs(turn)),
        degrees(atan2(turn.imag, turn.real)),
        (float(offset.real), float(offset.imag)),
    )


def fit_points(source: ArrayLike, target: ArrayLike, weights: ArrayLike) -> Similarity:
    """:func:`umeyama`, and once more with less weight on points that miss by over ``HUBER``.

    ``source`` is in IOD. Two points always fit: they are fitted once.
    """
    first = umeyama(source, target, weights)
    if len(np.asarray(source)) <= 2:
        return first
    missed = _misses(first, source, target)
    return umeyama(source, target, np.asarray(weights) * HUBER / np.maximum(missed, HUBER))


def _misses(fit: Similarity, source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """How far each point misses its target, in units of the source."""
    return np.linalg.norm(fit.apply(source) - np.asarray(target), axis=1) / fit.scale


def rigid_points(faces: Sequence[Face]) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """The points that all faces know and no expression moves, pixels, and their weights.

    13 of the face mesh, or the pupils and the nose's tip, or the pupils alone.
    """
    kinds = {len(face.points) for face in faces}
    if kinds <= {468, 478}:
        points = [np.asarray([face.points[i] for i in MESH_RIGID]) for face in faces]
        return points, np.ones(len(MESH_RIGID))
    if kinds == {5}:
        points = [np.asarray([*face.eyes, face.points[FIVE_NOSE_TIP]]) for face in faces]
        return points, np.asarray([1.0, 1.0, NOSE_WEIGHT])
    return [np.asarray(face.eyes) for face in faces], np.ones(2)


def estimated_yaw_deg(face: Face) -> float | None:
    """How far the head is turned, from where the nose's tip stands between the eyes, degrees.

    Positive where the nose points to the right of the picture. None where only the pupils are
    known. A turn by psi moves the tip by ``NOSE_DEPTH tan(psi)`` of the eyes' seen distance.
    """
    if len(face.points) in (468, 478):
        tip = face.points[MESH_NOSE_TIP]
    elif len(face.points) == 5:
        tip = face.points[FIVE_NOSE_TIP]
    else:
        return None
    return degrees(atan(face.from_image(tip)[0] / NOSE_DEPTH))


def yaws_deg(faces: Sequence[Face]) -> list[float | None]:
    """The yaw of each face, degrees: their backends' own where each has one, else estimated.

    A backend's figure is never compared with an estimate: their signs and scales may differ.
    """
    given = [face.yaw_deg for face in faces]
    return given if None not in given else [estimated_yaw_deg(face) for face in faces]


def align(
    images: Sequence[Tensor],
    faces: Sequence[Face],
    region: str,
    size: int,
    *,
    max_yaw_deg: float = MAX_YAW_DEG,
    progress: Progress | None = None,
) -> Alignment:
    """The same region of every picture, its eyes level and in one place.

    Parameters
    ----------
    images : sequence of Tensor, (1, H, W, C), sRGB 0..1
        Of any sizes. Transparency is laid over gray.
    faces : sequence of Face, one for each picture, in its pixels
    region : a name of ``REGIONS``
    size : int, ``SMALLEST`` to ``LARGEST``, pixels
        The longer side of the panels.
    max_yaw_deg : float >= 0, degrees
        The most by which two heads may be turned apart, where that is known.
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each.

    Returns
    -------
    Alignment
        Each panel pixel is a bicubic (Keys, a = -0.5) mean of its picture's pixels, the kernel as
        wide as the panel's pixels where it shrinks. Only what all pictures hold is shown.

    Raises
    ------
    ValueError
        The region or size is none of these, two heads are turned too far apart, or the pictures
        have no part of the region in common.
    """
    if region not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}; got {region!r}")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be {SMALLEST} to {LARGEST} px, got {size}")
    yaws = yaws_deg(faces)
    _check_yaws(yaws, max_yaw_deg)
    points, weights = rigid_points(faces)
    canonical = np.asarray([faces[0].from_image((float(x), float(y))) for x, y in points[0]])
    frames = [fit_points(canonical, mine, weights) for mine in points]
    sizes = [(image.shape[2], image.shape[1]) for image in images]
    asked = REGIONS[region]
    common = common_region(asked, frames, sizes)
    if common is None or min(common.width, common.height) < MIN_COMMON:
        raise ValueError(
            f"the pictures have no part of {region} in common: {_lacking(asked, frames, sizes)}. "
            "Choose another region, or wider pictures."
        )
    shown, panel, per_iod = _whole_pixels(common, size)
    check_result(len(images), *panel, "the aligned batch")
    to_frame = Similarity(1 / per_iod, 0.0, (shown.left, shown.top))
    panels = torch.empty((len(images), panel[1], panel[0], 3))
    fits: list[Fit] = []
    tick = progress(len(images)) if progress else None
    for index, (image, face, frame) in enumerate(zip(images, faces, frames, strict=True)):
        to_picture = frame.after(to_frame)
        planes = flatten_alpha(image)[0].permute(2, 0, 1)
        panels[index] = sample(planes, to_picture, panel).permute(1, 2, 0)
        missed = _misses(frame, canonical, points[index])
        yaw, first_yaw = yaws[index], yaws[0]
        fits.append(
            Fit(
                to_picture,
                residual=100 * float(np.average(missed**2, weights=weights)) ** 0.5,
                scale_ratio=frame.scale / frames[0].scale,
                roll_difference_deg=_wrapped(frame.angle_deg - frames[0].angle_deg),
                yaw_difference_deg=None if yaw is None or first_yaw is None else yaw - first_yaw,
                iod=face.iod,
            )
        )
        if tick:
            tick(index + 1)
    remarks = [
        *_pose_remarks(len(weights), yaws),
        *_cut_remarks(asked, common, _lacking(asked, frames, sizes)),
        *_zoom_remarks(fits),
    ]
    return Alignment(panels, region, shown, len(weights), tuple(fits), tuple(remarks))


def _check_yaws(yaws: Sequence[float | None], most: float) -> None:
    known = [(yaw, index) for index, yaw in enumerate(yaws, 1) if yaw is not None]
    if not known:
        return
    (low, one), (high, other) = min(known), max(known)
    if high - low > most:
        raise ValueError(
            f"pictures {min(one, other)} and {max(one, other)} show heads turned {high - low:.0f} degrees apart: "
            f"picture {one} by {low:+.0f}, picture {other} by {high:+.0f}, where {most:g} are allowed. No turning and "
            "scaling of a picture brings them together: leave one out, or raise max_yaw_deg if you accept the misfit."
        )


def _pose_remarks(points: int, yaws: Sequence[float | None]) -> list[str]:
    if points > 2 and None not in yaws:
        return []
    remarks = []
    if points == 2:
        remarks.append("fitted on the pupils alone: two points always fit, so there is no residual")
    if None in yaws:
        remarks.append(
            "how far the heads are turned cannot be known from the pupils: compare the noses yourself"
        )
    return remarks


def _cut_remarks(asked: Region, shown: Region, lacking: str) -> list[str]:
    cuts = {
        "left": (shown.left - asked.left) / asked.width,
        "right": (asked.right - shown.right) / asked.width,
        "top": (shown.top - asked.top) / asked.height,
        "bottom": (asked.bottom - shown.bottom) / asked.height,
    }
    named = [f"{100 * share:.0f} % at the {side}" for side, share in cuts.items() if share > 0.005]
    if not named:
        return []
    return [f"only what all pictures hold is shown, cut {', '.join(named)}: {lacking}"]


def _zoom_remarks(fits: Sequence[Fit]) -> list[str]:
    small = [str(index) for index, fit in enumerate(fits, 1) if fit.zoom > MUCH]
    if not small:
        return []
    return [f"enlarged more than {MUCH:g}x: picture {', '.join(small)} shows resolution"]


def _lacking(asked: Region, frames: Sequence[Similarity], sizes: Sequence[tuple[int, int]]) -> str:
    """Which pictures do not hold the whole region, in words."""
    short = [
        str(index)
        for index, one in enumerate(zip(frames, sizes, strict=True), 1)
        if not _holds(_half_planes([one[0]], [one[1]]), asked)
    ]
    return f"picture {', '.join(short)} ends within it"


def common_region(
    asked: Region, frames: Sequence[Similarity], sizes: Sequence[tuple[int, int]]
) -> Region | None:
    """The largest rectangle inside a region that all pictures hold.

    Parameters
    ----------
    asked : Region
    frames : for each picture, what takes the frame's (u, v) to its pixels
    sizes : width and height of each picture, pixels

    Returns
    -------
    Region or None
        The region itself where all hold it; None where the pictures share nothing of it.
    """
    planes = _half_planes(frames, sizes)
    if _holds(planes, asked):
        return asked
    upright = abs(planes[:, 1]) <= 1e-12
    borders = planes[upright]
    first = max([asked.left, *(c / a for a, _, c in borders if a < 0)])
    last = min([asked.right, *(c / a for a, _, c in borders if a > 0)])
    a, b, c = planes[~upright].T
    above, below = b < 0, b > 0

    def rows(left: float, right: float) -> tuple[float, float]:
        """From and to which v all hold both ends, and so all between."""
        at = (c - a * np.asarray([[left], [right]])) / b
        return (
            float(at[:, above].max(initial=asked.top)),
            float(at[:, below].min(initial=asked.bottom)),
        )

    def worth(left: float, right: float) -> float:
        """Log of the area; where there is none, the lower the further from having one."""
        top, bottom = rows(left, right)
        if bottom <= top:
            return bottom - top - 1e6
        return log(max(right - left, 1e-300)) + log(bottom - top)

    def best_right(left: float) -> float:
        return _highest(lambda right: worth(left, right), left, last)

    if first >= last:
        return None
    # quasi-concave in left and right together, so one search inside the other finds the maximum
    left = _highest(lambda left: worth(left, best_right(left)), first, last)
    right = best_right(left)
    top, bottom = rows(left, right)
    return Region(left, right, top, bottom) if right > left and bottom > top else None


def _highest(value: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one peak is highest: golden section, or a border if that is as high."""
    ends = (low, high)
    step = (5**0.5 - 1) / 2
    one, other = high - step * (high - low), low + step * (high - low)
    at_one, at_other = value(one), value(other)
    for _ in range(60):  # 0.618 ** 60: 3e-13 of the interval
        if at_one >= at_other:
            high, other, at_other = other, one, at_one
            one = high - step * (high - low)
            at_one = value(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + step * (high - low)
            at_other = value(other)
    return max([*ends, (low + high) / 2], key=value)


def _half_planes(
    frames: Sequence[Similarity], sizes: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """(4 N, 3): rows a, b, c such that a picture holds (u, v) where a u + b v <= c."""
    rows = []
    for frame, (width, height) in zip(frames, sizes, strict=True):
        for (a, b, start), length in zip(frame.matrix, (width, height), strict=True):
            rows += [(-a, -b, start), (a, b, length - start)]
    planes: NDArray[np.float64] = np.asarray(rows)
    return planes / np.hypot(planes[:, 0], planes[:, 1])[:, None]  # c in IOD


def _holds(planes: NDArray[np.float64], region: Region) -> bool:
    """Whether all corners of a region lie inside."""
    corners = [(u, v) for u in (region.left, region.right) for v in (region.top, region.bottom)]
    return bool((np.asarray(corners) @ planes[:, :2].T <= planes[:, 2] + 1e-9).all())


def _whole_pixels(region: Region, size: int) -> tuple[Region, tuple[int, int], float]:
    """The region cut to whole panel pixels, its size in them, and how many an IOD has."""
    per_iod = size / max(region.width, region.height)
    sides = [int(side * per_iod + 1e-6) for side in (region.width, region.height)]
    width, height = (max(1, side) for side in sides)
    (u, v), half_u, half_v = region.centre, width / per_iod / 2, height / per_iod / 2
    return Region(u - half_u, u + half_u, v - half_v, v + half_v), (width, height), per_iod


def sample(planes: Tensor, to_picture: Similarity, size: tuple[int, int]) -> Tensor:
    """A turned and scaled part of a picture, in one resample.

    Parameters
    ----------
    planes : Tensor, (C, H, W), sRGB 0..1
    to_picture : Similarity
        From pixels of the result to pixels of the picture; pixel ``i`` covers ``[i, i + 1)``.
    size : (width, height) of the result, pixels

    Returns
    -------
    Tensor, (C, height, width), sRGB 0..1, float32
        Beyond the border the picture's last pixels are repeated.

    Notes
    -----
    Keys' cubic, a = -0.5 (Keys 1981, eq. 8), stretched by the scale where it shrinks. Measured
    against what a camera would have seen (three portraits, turned 3 to 8 degrees): shrinking is
    better done in linear light (2x +0.1 to +2.4 dB, 8x +2.1 to +4.4 dB; coded values darken it by
    up to 1.4/255), keeping the size and enlarging in coded values (+1.1 to +1.5 dB: the cubic's
    negative weights bite less). Bilinear is 1.4 to 1.9 dB worse.
    """
    width, height = size
    reach = 2 * max(1.0, to_picture.scale)
    planes, to_picture = _needed(planes, to_picture, size, reach)
    linear = to_picture.scale > 1
    light = srgb_to_linear(planes) if linear else planes
    taps = ceil(2 * reach)
    out = torch.empty((len(planes), height, width))
    rows = max(1, 2**21 // (width * taps))  # 16 MB for the weights of each axis
    for top in range(0, height, rows):
        part = min(rows, height - top)
        out[:, top : top + part] = _sample_rows(light, to_picture, (width, part), top, reach)
    return (linear_to_srgb(out) if linear else out).clamp(0, 1)


def _needed(
    planes: Tensor, to_picture: Similarity, size: tuple[int, int], reach: float
) -> tuple[Tensor, Similarity]:
    """The part of the picture that the result is made of, and the way into it."""
    height, width = planes.shape[-2:]
    corners = to_picture.apply([(x, y) for x in (0, size[0]) for y in (0, size[1])])
    low = np.floor(corners.min(0) - reach).astype(int)
    high = np.ceil(corners.max(0) + reach).astype(int)
    # at least one pixel, also where all lies beyond the picture
    left, top = (int(min(max(low[i], 0), (width, height)[i] - 1)) for i in (0, 1))
    right, bottom = (int(min(max(high[i], (left, top)[i] + 1), (width, height)[i])) for i in (0, 1))
    x, y = to_picture.translation
    moved = Similarity(to_picture.scale, to_picture.angle_deg, (x - left, y - top))
    return planes[:, top:bottom, left:right].float().cpu().contiguous(), moved


def _sample_rows(
    light: Tensor, to_picture: Similarity, size: tuple[int, int], top: int, reach: float
) -> Tensor:
    """``size[1]`` rows of the result from row ``top`` on, (C, rows, width)."""
    channels, height, width = light.shape
    columns, rows = size
    (a, b, left), (d, e, up) = to_picture.matrix
    across = torch.arange(columns, dtype=torch.float64) + 0.5
    down = torch.arange(top, top + rows, dtype=torch.float64)[:, None] + 0.5
    xs, x_weights = _cubic_taps(a * across + b * down + left, reach, width)
    ys, y_weights = _cubic_taps(d * across + e * down + up, reach, height)
    flat = light.reshape(channels, -1)
    out = torch.zeros(channels, rows, columns)
    for y, y_weight in zip(ys, y_weights, strict=True):
        line = torch.zeros_like(out)
        for x, x_weight in zip(xs, x_weights, strict=True):
            pixels = flat.index_select(1, (y * width + x).reshape(-1))
            line += x_weight * pixels.view_as(out)
        out += y_weight * line
    return out


def _cubic_taps(places: Tensor, reach: float, available: int) -> tuple[Tensor, Tensor]:
    """Which pixels of one axis each place is made of (T, ...), int64, and their weights, float32."""
    first = (places - 0.5 - reach).ceil()
    offsets = torch.arange(ceil(2 * reach), dtype=torch.float64)
    pixel = first + offsets.view(-1, *[1] * places.ndim)
    t = (pixel + 0.5 - places).abs() * (2 / reach)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    weight = torch.where(t < 1, near, torch.where(t < 2, far, 0.0))
    return pixel.clamp(0, available - 1).long(), (weight / weight.sum(0)).float()


def gather(
    values: Mapping[str, Any], faces: Any = None, progress: Progress | None = None
) -> tuple[list[Tensor], list[Face]]:
    """The pictures of all sockets in order, and the largest face of each.

    Parameters
    ----------
    values : mapping of socket name to IMAGE
        A batch counts as several.
    faces : Faces, optional
        One frame for all pictures, or one for each. Without it each is searched.
    progress : callable, optional
        As in :func:`align`, for the search.

    Raises
    ------
    ValueError
        A value is no picture, there are fewer than ``FEWEST`` or more than ``MOST``, the faces are
        of other pictures, or a picture has none.
    """
    for name, value in values.items():
        check_picture(value, name)
    count = sum(len(value) for value in values.values())
    if not FEWEST <= count <= MOST:
        raise ValueError(
            f"{FEWEST} to {MOST} pictures can be aligned, got {count}. Link more to images, or a batch; "
            "align many in several nodes with the same first picture."
        )
    if faces is not None:
        frames = _linked_frames(values, faces, count)
    else:
        frames = _found_frames(values, count, progress)
    empty = [str(index) for index, frame in enumerate(frames, 1) if not frame]
    if empty:
        raise ValueError(
            f"no face in picture {', '.join(empty)} of {count}. Link faces: batch the pictures at one size, and help "
            "Find Faces with typed eyes, a bounding_box or a mask."
        )
    pictures = [value[i : i + 1] for value in values.values() for i in range(len(value))]
    return pictures, [frame[0] for frame in frames]


def _linked_frames(
    values: Mapping[str, Tensor], faces: Any, count: int
) -> Sequence[tuple[Face, ...]]:
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}"
        )
    for name, value in values.items():
        if faces.image_size != (value.shape[2], value.shape[1]):
            raise ValueError(
                f"{name} has {value.shape[2]}x{value.shape[1]} px, but the faces were found in "
                f"{faces.image_size[0]}x{faces.image_size[1]}. Link faces of these pictures, or unlink them."
            )
    if len(faces.frames) not in (1, count):
        raise ValueError(
            f"faces speaks of {len(faces.frames)} pictures, images holds {count}. Link faces of one picture, "
            "or of all of them as a batch."
        )
    return faces.frames * (count // len(faces.frames))


def _found_frames(
    values: Mapping[str, Tensor], count: int, progress: Progress | None
) -> list[tuple[Face, ...]]:
    tick = progress(count) if progress else lambda done: None
    still = within(lambda: tick(len(frames)))
    frames: list[tuple[Face, ...]] = []
    for value in values.values():
        for index in range(len(value)):  # one at a time: each that has no face can be named
            try:
                frames += find_faces(value[index : index + 1], progress=still).faces.frames
            except ValueError:  # it is a picture, so this is: no face
                frames.append(())
            tick(len(frames))
    return frames


def _wrapped(angle_deg: float) -> float:
    """An angle in (-180, 180]."""
    return -((180 - angle_deg) % 360) + 180
