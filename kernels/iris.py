"""How large an iris is in a picture: the circle where it meets the white of the eye.

An adult's iris measures nearly the same in everyone, so it is a ruler: pixels per millimetre.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, isfinite, radians, sin

import torch
from torch import Tensor
from torch.nn import functional as F

IRIS_MM = 11.7
"""Across an adult's iris; 0.5 mm is the spread from one person to the next."""
PUPILS_MM = 63.0
"""Mean distance of an adult's pupils."""
SEARCH_IOD = (0.07, 0.12)
"""Radii that are looked for, inter-ocular distances: 11.7 / 2 / 63 is 0.093."""
LEAST_RADIUS_PX = 9.0
LEAST_STEP = 0.05  # coded luma between iris and white; of 5 % noise alone 0.03

_WORK_PX = 40.0  # a larger eye is made smaller by a whole number first: 1 % is 0.4 px
_COARSE_PX = 14.0  # the same for the first look
_REACH = 0.4  # of the radius: how far the limbus' centre may lie from the given one
# Degrees from the eye line towards the brow and the cheek: the lids cover what is beyond.
_ARC_DEG = (-20.0, 40.0)
_ANGLES = 25  # on each side
# In the first look only: sigmas of a preference for the given centre, of the radius, and for the middle
# radius, of its logarithm. A pupil's border on one side and the limbus on the other are a circle too.
_PREFER = (0.25, 0.2)
_TRIM = 0.2  # of an arc's angles left out at either end: lashes, catch-lights, a corner of the lid
_SOFT = 0.05  # of the radius: sigma of the Gaussian along it
_LEVELS = ((_REACH, 13, 0.04), (0.09, 7, 0.02), (0.03, 5, 0.01))
"""Reach around the best centre, places along it, step of the radius; all of the radius."""


@dataclass(frozen=True)
class Iris:
    """The limbus, where the iris ends."""

    centre: tuple[float, float]
    """Pixels, from the picture's top left corner (pixel ``i`` covers ``[i, i + 1)``)."""
    radius_px: float
    score: float
    """Step of coded luma from the iris to the white, 0..1: both sides' geometric mean."""


def iris_radius(
    plane: Tensor,
    centre: tuple[float, float],
    low_px: float,
    high_px: float,
    *,
    roll_deg: float = 0.0,
) -> tuple[Iris | None, str]:
    """The circle between iris and white, near a pupil.

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        Coded luma 0..1.
    centre : (x, y), pixels
        About the pupil's: within 0.4 radii.
    low_px, high_px : float
        Radii between which it is looked for: ``SEARCH_IOD`` times the inter-ocular distance.
    roll_deg : float
        Turn of the eye line, clockwise as seen.

    Returns
    -------
    iris : Iris or None
    reason : str
        Empty, or why there is none.

    Raises
    ------
    ValueError
        ``plane`` is none, or the radii are not two rising ones above 0.

    Notes
    -----
    max over r, x0, y0 of | G(r) * d/dr mean of I along the circle | [1]_, along two lateral arcs whose
    trimmed means must both rise: their geometric mean is what is maximised, sub-pixel by parabolas.

    References
    ----------
    .. [1] Daugman, High confidence visual recognition of persons by a test of statistical
       independence, IEEE PAMI 15 (1993), eq. 1.
    """
    _check(plane, centre, low_px, high_px)
    if high_px < LEAST_RADIUS_PX:
        return None, _too_small(high_px, "at most ")
    height, width = plane.shape
    x, y = centre
    if not (high_px <= x <= width - high_px and 0 <= y <= height):
        return None, "the eye lies at the picture's border or beyond it"
    part, corner = _around(plane, centre, (1 + 2 * _REACH) * high_px)
    best, radius, score = ((x - corner[0], y - corner[1]), (low_px + high_px) / 2, 0.0)
    turn = radians(roll_deg)
    for level, (reach, places, step) in enumerate(_LEVELS):
        work = _COARSE_PX if level == 0 else _WORK_PX
        shrink = max(1, int(high_px / work))
        radii = (
            _between(low_px, high_px, step * radius)
            if level == 0
            else radius * (1 + step * torch.arange(-6, 7).double())
        )
        offsets = torch.linspace(-reach, reach, places).double() * radius
        found = _search(part, shrink, best, offsets, radii, turn, prefer=level == 0)
        if found is None:
            return None, "no circle stands out from the white of the eye on both sides"
        best, radius, score = found
    away = ((best[0] + corner[0] - x) ** 2 + (best[1] + corner[1] - y) ** 2) ** 0.5
    if score < LEAST_STEP:
        return None, (
            f"no circle stands out from the white of the eye: a step of {score:.3f}, {LEAST_STEP:g} is needed"
        )
    if radius < LEAST_RADIUS_PX:
        return None, _too_small(radius)
    if not low_px <= radius <= high_px:
        return None, f"no circle stands out between {low_px:.1f} and {high_px:.1f} px"
    if away > 1.2 * _REACH * radius:
        return None, "the strongest circle lies beside the pupil"
    return Iris((best[0] + corner[0], best[1] + corner[1]), radius, score), ""


def _too_small(radius: float, how: str = "") -> str:
    return f"the iris is {how}{radius:.1f} px in radius, {LEAST_RADIUS_PX:g} px are needed to measure it"


Found = tuple[tuple[float, float], float, float]


def _search(
    part: Tensor,
    shrink: int,
    middle: tuple[float, float],
    offsets: Tensor,
    radii: Tensor,
    turn: float,
    *,
    prefer: bool,
) -> Found | None:
    """(centre, radius, step) of the strongest circle on this grid; all in pixels of ``part``."""
    # float32: half of the time of float64, and the samples are means of dozens
    small = F.avg_pool2d(part[None, None], shrink) if shrink > 1 else part[None, None]
    size = torch.tensor([small.shape[-1], small.shape[-2]], dtype=torch.float64) * shrink
    soft = _SOFT * float(radii.mean())
    step = float(radii[1] - radii[0])
    taps = _slope_taps(soft / step)
    pad = len(taps) // 2
    longer = torch.cat([
        radii[0] - step * torch.arange(pad, 0, -1),
        radii,
        radii[-1] + step * torch.arange(1, pad + 1),
    ])  # fmt: skip
    down, across = torch.meshgrid(offsets, offsets, indexing="ij")
    centres = torch.stack([across.flatten(), down.flatten()], -1) + torch.tensor(middle).double()
    circles = longer[:, None, None] * _directions(turn)  # (R, 2 A, 2)
    at = (centres[:, None, None] + circles) / size * 2 - 1  # (N, R, 2 A, 2)
    count = len(centres)
    light = F.grid_sample(
        small, at.view(1, count * len(longer), -1, 2).to(small), padding_mode="border", align_corners=False
    )  # fmt: skip
    light = light.view(count, len(longer), 2, _ANGLES).movedim(1, -1)  # (N, 2, A, R)
    rise = F.conv1d(light.reshape(-1, 1, len(longer)), taps.to(light).view(1, 1, -1))
    rise = rise.view(count, 2, _ANGLES, len(radii)).sort(2).values
    cut = int(_TRIM * _ANGLES)
    sides = rise[:, :, cut : _ANGLES - cut].mean(2).clamp(min=0)
    score = (sides[:, 0] * sides[:, 1]).sqrt().double()  # (N, R)
    best = score * _preference(offsets, radii) if prefer else score
    # a maximum along the radius: no slope that goes on beyond the range
    summit = (best[:, 1:-1] >= best[:, :-2]) & (best[:, 1:-1] >= best[:, 2:])
    best = F.pad(torch.where(summit, best[:, 1:-1], 0.0), (1, 1))
    top = int(best.argmax())
    if float(best.flatten()[top]) <= 0:
        return None
    index, at_radius = divmod(top, len(radii))
    row, column = divmod(index, len(offsets))
    grid = score.view(len(offsets), len(offsets), len(radii))
    gap = float(offsets[1] - offsets[0])
    return (
        (
            float(centres[index, 0]) + gap * _vertex(grid[row, :, at_radius], column),
            float(centres[index, 1]) + gap * _vertex(grid[:, column, at_radius], row),
        ),
        float(radii[at_radius]) + step * _vertex(grid[row, column], at_radius),
        float(score.flatten()[top]),
    )


def _preference(offsets: Tensor, radii: Tensor) -> Tensor:
    """Weights (N, R), 1 at the given centre and the middle radius."""
    near, alike = _PREFER
    middle = float((radii[0] * radii[-1]).sqrt())
    away = torch.exp(-0.5 * (offsets / middle / near) ** 2)
    other = torch.exp(-0.5 * ((radii / middle).log() / alike) ** 2)
    return (away[:, None] * away).flatten()[:, None] * other


def _directions(turn: float) -> Tensor:
    """Unit vectors of the left and of the right arc, (2 A, 2)."""
    angles = torch.linspace(radians(_ARC_DEG[0]), radians(_ARC_DEG[1]), _ANGLES).double()
    across, down = torch.cos(angles), torch.sin(angles)
    x, y = torch.cat([-across, across]), torch.cat([down, down])
    return torch.stack([x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)], -1)


def _slope_taps(sigma: float) -> Tensor:
    """A Gaussian's derivative, for correlation, that gives a step's height at the step."""
    reach = max(1, round(2.5 * sigma))
    place = torch.arange(-reach, reach + 1).double()
    taps = place * torch.exp(-(place**2) / (2 * sigma**2))
    return taps / taps.clamp(min=0).sum()


def _vertex(line: Tensor, top: int) -> float:
    """Where a parabola through the highest value and its neighbours peaks, in steps from it."""
    if not 0 < top < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[top - 1 : top + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _between(low: float, high: float, step: float) -> Tensor:
    """From a step below ``low`` to one above ``high``: a peak at an end is then seen as one."""
    return low + step * torch.arange(-1, int((high - low) / step) + 3).double()


def _around(
    plane: Tensor, centre: tuple[float, float], reach: float
) -> tuple[Tensor, tuple[int, int]]:
    """The square around a point as float32, and its top left corner."""
    height, width = plane.shape
    left, top = max(0, int(centre[0] - reach)), max(0, int(centre[1] - reach))
    right, bottom = min(width, int(centre[0] + reach) + 2), min(height, int(centre[1] + reach) + 2)
    part = plane[top:bottom, left:right].detach().float().cpu()
    return part, (left, top)


def _check(plane: Tensor, centre: tuple[float, float], low_px: float, high_px: float) -> None:
    if plane.ndim != 2 or not plane.is_floating_point() or plane.numel() == 0:
        shape = "x".join(map(str, plane.shape)) or "a single number"
        raise ValueError(
            f"plane must be (H, W), floating point and not empty, got {shape} of {plane.dtype}"
        )
    if not (isfinite(high_px) and 0 < low_px < high_px):
        raise ValueError(
            f"low_px and high_px must be two rising radii above 0, got {low_px:g} and {high_px:g}"
        )
    if not all(isfinite(value) for value in centre):
        raise ValueError(f"centre must be a finite point, got {centre}")
