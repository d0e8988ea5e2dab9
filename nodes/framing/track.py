"""Follow one face through the pictures of a shot, smoothly.

All pictures are there at once, so the filter runs forwards and backwards and the mean of both is
taken: what lags behind in one runs ahead in the other, and a reversed film gets the reversed track.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, cos, exp, floor, hypot, log, pi, radians, sin
from statistics import median

from .faces import Face, Faces

MIN_CUTOFF_HZ = 0.5  # of a face that stands still: noise of a picture's length is 0.24 of itself
BETA = 1.0  # Hz per IOD/s: a face that crosses a face's width a second is followed at 1.5 Hz
SPEED_CUTOFF_HZ = 1.0  # of the speed by which the cutoff rises
LONGEST_GAP_S = 0.5  # without a face: nobody knows what happened in a longer one
FARTHEST_IOD = 1.5  # from picture to picture; more is another face, or another shot
MOST_GROWTH = 1.6  # of the distance between the eyes, from picture to picture
STEADY = 0.02  # of a crop's size: it keeps its size within this share


def one_euro(
    values: Sequence[float],
    rate_hz: float,
    min_cutoff_hz: float = MIN_CUTOFF_HZ,
    beta: float = BETA,
) -> list[float]:
    """A low-pass filter that opens where the value moves.

    Parameters
    ----------
    values : sequence of float
        At even intervals.
    rate_hz : float > 0, values per second
    min_cutoff_hz : float > 0
        Of a value that stands still.
    beta : float >= 0, Hz per unit and second
        How much the cutoff rises with the speed.

    Returns
    -------
    list of float, as long as ``values``

    References
    ----------
    Casiez, Roussel, Vogel, "1 Euro Filter", CHI 2012, eqs. 1 to 6.
    """
    smoothed: list[float] = []
    speed = 0.0
    for value in values:
        if not smoothed:
            smoothed.append(value)
            continue
        speed += _share(SPEED_CUTOFF_HZ, rate_hz) * ((value - smoothed[-1]) * rate_hz - speed)
        share = _share(min_cutoff_hz + beta * abs(speed), rate_hz)
        smoothed.append(smoothed[-1] + share * (value - smoothed[-1]))
    return smoothed


def _share(cutoff_hz: float, rate_hz: float) -> float:
    """How much of a new value the filter takes."""
    return 1 / (1 + rate_hz / (2 * pi * cutoff_hz))


def smooth(values: Sequence[float], rate_hz: float) -> list[float]:
    """The mean of the filter forwards and backwards: without a lag."""
    forwards = one_euro(values, rate_hz)
    backwards = one_euro(values[::-1], rate_hz)[::-1]
    return [(a + b) / 2 for a, b in zip(forwards, backwards, strict=True)]


def follow(faces: Faces, fps: float) -> Faces:
    """One face in every picture of a shot: the first picture's largest, smoothed.

    Parameters
    ----------
    faces : Faces
        Of all pictures, in order. Single ones may lack a face: it is put between its neighbours.
    fps : float > 0, pictures per second

    Returns
    -------
    Faces
        One face a picture, with nothing but its eyes.

    Raises
    ------
    ValueError
        There is no face at all, or none that could be the same for more than half a second.
    """
    track = _track(faces)
    known = [index for index, face in enumerate(track) if face]
    if not known:
        raise ValueError(
            "no face to follow in any picture of the shot. Link a mask or a bounding_box to Find Faces."
        )
    longest = max(1, round(LONGEST_GAP_S * fps))
    for before, after in zip([-1, *known], [*known, len(track)], strict=True):
        if after - before - 1 > longest:
            raise ValueError(
                f"pictures {before + 2} to {after} of {len(track)} show no face that could be the one before: more "
                f"than the {longest} that can be bridged. Cut the video where the shot changes, or help Find Faces."
            )
    unit = median(face.iod for face in track if face)
    lines = [
        _filled([value(face) if face else None for face in track])
        for value in (
            lambda face: face.centre[0] / unit,
            lambda face: face.centre[1] / unit,
            lambda face: log(face.iod),
            lambda face: face.roll_deg / 30,  # 30 degrees a second are as fast as 1 IOD
        )
    ]
    xs, ys, sizes, turns = (smooth(line, fps) for line in lines)
    scores = [face.score if face else 0.0 for face in track]
    steady = tuple(
        (_face(x * unit, y * unit, exp(size), 30 * turn, score),)
        for x, y, size, turn, score in zip(xs, ys, sizes, turns, scores, strict=True)
    )
    return Faces(faces.image_size, steady, f"{faces.backend}, followed through the shot")


def _track(faces: Faces) -> list[Face | None]:
    """The same face in each picture, None where it is not seen."""
    last: Face | None = None
    track: list[Face | None] = []
    for frame in faces.frames:
        near = [face for face in frame if last is None or _could_be(face, last)]
        chosen = min(near, key=lambda face: _apart(face, last)) if last and near else next(iter(near), None)  # fmt: skip
        track.append(chosen)
        last = chosen or last
    return track


def _apart(face: Face, other: Face | None) -> float:
    """Distance between two faces, IOD."""
    if other is None:
        return 0.0
    (x1, y1), (x2, y2) = face.centre, other.centre
    return hypot(x2 - x1, y2 - y1) / other.iod


def _could_be(face: Face, last: Face) -> bool:
    return (
        _apart(face, last) <= FARTHEST_IOD and 1 / MOST_GROWTH <= face.iod / last.iod <= MOST_GROWTH
    )


def _filled(values: Sequence[float | None]) -> list[float]:
    """Gaps bridged by straight lines, the ends continued as they are."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    filled = []
    for index in range(len(values)):
        before = [(i, v) for i, v in known if i <= index][-1:] or known[:1]
        after = [(i, v) for i, v in known if i >= index][:1] or known[-1:]
        (i, a), (j, b) = before[0], after[0]
        filled.append(a if i == j else a + (b - a) * (index - i) / (j - i))
    return filled


def _face(x: float, y: float, iod: float, roll_deg: float, score: float) -> Face:
    dx, dy = iod / 2 * cos(radians(roll_deg)), iod / 2 * sin(radians(roll_deg))
    return Face(((x - dx, y - dy), (x + dx, y + dy)), score)


def steady_steps(wanted: Sequence[float]) -> list[int]:
    """Whole steps that stay as they are until the wish leaves them by more than a step, or 2 %.

    Parameters
    ----------
    wanted : sequence of float > 0
        For each picture the size that would be ideal, in steps.

    Returns
    -------
    list of int >= 1, as long as ``wanted``
    """
    steps: list[int] = []
    for wish in wanted:
        if not steps:
            steps.append(max(1, round(wish)))
            continue
        step = steps[-1]
        slack = max(1.0, STEADY * step)
        if wish > step + slack:
            step = ceil(wish - slack)
        elif wish < step - slack:
            step = floor(wish + slack)
        steps.append(max(1, step))
    return steps
