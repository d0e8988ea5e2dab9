"""What an edge tells of the chain that made it: slanted-edge SFR, and a blind guess of the blur.

- slanted_edge   the e-SFR of a straight edge (ISO 12233): contrast over frequency, and its halo
- find_edge      a place in a photo that is good enough for it
- source_sigma   the blur of any photo, from the edges that it has
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import atan, degrees, pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW_PX = 16.0
"""How far on either side of the edge the line spread is followed."""
ANGLES_DEG = (1.0, 40.0)
"""From the nearer pixel axis. Below 1 degree the phases of a pixel repeat; at 45 too."""
FEWEST_ROWS = 12
LEAST_CONTRAST = 0.02
MOST_BEND_PX = 1.0  # the centroids of an edge that ImageSharpen clipped scatter by 0.5 px

SIGMAS_PX = (0.45, 6.0)
"""What a blind estimate can tell apart; below, a picture looks the same to it."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class EdgeResponse:
    """A straight edge, and the frequency response of the chain that drew it."""

    angle_deg: float
    """Between the edge and the pixel axis nearest to it; negative leans the other way."""
    positions_px: Tensor
    """(P,), float64: distance from the edge, dark side negative, a quarter pixel apart."""
    esf: Tensor
    """(P,), float64: mean of the pixels at that distance, in the plane's own values."""
    low: float
    high: float
    """The plateaus away from the edge."""
    frequencies: Tensor
    """(F,), float64, cycles per pixel across the edge."""
    sfr: Tensor
    """(F,), float64: contrast kept, 1 at frequency 0."""

    @property
    def overshoot(self) -> float:
        """How far the bright side passes its plateau, of the edge's height."""
        return max(0.0, float(self.esf.max()) - self.high) / (self.high - self.low)

    @property
    def undershoot(self) -> float:
        """The same on the dark side."""
        return max(0.0, self.low - float(self.esf.min())) / (self.high - self.low)

    @property
    def backward(self) -> float:
        """Most that the edge steps back on its way up, of its height."""
        highest = torch.cummax(self.esf, 0).values
        return float((highest - self.esf).max()) / (self.high - self.low)

    @property
    def most(self) -> float:
        """Largest response; above 1 the chain sharpened."""
        return float(self.sfr.max())

    @property
    def mtf50(self) -> float | None:
        """First frequency at which half of the contrast is left, cycles per pixel; None if none is."""
        below = torch.nonzero(self.sfr < 0.5)
        if not len(below) or not int(below[0]):
            return None
        after = int(below[0])
        (f0, f1), (s0, s1) = (
            self.frequencies[after - 1 : after + 1],
            self.sfr[after - 1 : after + 1],
        )
        return float(f0 + (f1 - f0) * (s0 - 0.5) / (s0 - s1))

    def at(self, frequency: float) -> float:
        """Response at a frequency, linear between the measured ones."""
        if not 0 <= frequency <= float(self.frequencies[-1]):
            raise ValueError(
                f"frequency must be from 0 to {float(self.frequencies[-1]):g} cycles per pixel, got {frequency:g}"
            )
        after = min(int(torch.searchsorted(self.frequencies, frequency)), len(self.sfr) - 1)
        before = max(0, after - 1)
        span = float(self.frequencies[after] - self.frequencies[before]) or 1.0
        share = (frequency - float(self.frequencies[before])) / span
        return float(self.sfr[before] + share * (self.sfr[after] - self.sfr[before]))

    def mean(self, band: tuple[float, float]) -> float:
        """Mean response over a band."""
        low, high = band
        return sum(self.at(low + (high - low) * step / 40) for step in range(41)) / 41


def slanted_edge(plane: Tensor, *, window_px: float = WINDOW_PX) -> EdgeResponse:
    """Frequency response of an edge, from its pixels at all their distances (e-SFR).

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        One straight edge, 1 to 40 degrees off the rows or columns, across the whole plane. Linear
        light for the response of an optical chain; coded values for halos as they are seen.
    window_px : float
        Distance on either side of the edge that is used; less where the plane is narrower.

    Returns
    -------
    EdgeResponse
        Up to 0.75 cycles per pixel. Within 1e-3 on an ideal edge integrated over square pixels.

    Raises
    ------
    ValueError
        There is no such edge; the message says what is there instead.

    References
    ----------
    .. [1] ISO 12233, e-SFR. Unlike there, the samples are not binned before the transform: sorted
       by distance, their edge spread is taken as linear between neighbours, which needs no
       correction for the bins.
    """
    if plane.ndim != 2 or not plane.is_floating_point() or min(plane.shape) < FEWEST_ROWS:
        shape = "x".join(map(str, plane.shape)) or "a single number"
        raise ValueError(
            f"plane must be (H, W), floating point and {FEWEST_ROWS} px or more on each side, "
            f"got {shape} of {plane.dtype}"
        )
    plane = plane.detach().double().cpu()
    if not torch.isfinite(plane).all():
        raise ValueError("plane must be finite, it holds NaN or infinite values")
    across, down = plane.diff(dim=1).abs().sum(), plane.diff(dim=0).abs().sum()
    if down > across:
        plane = plane.T
    if plane[:, -3:].mean() < plane[:, :3].mean():
        plane = plane.flip(1)
    contrast = float(plane[:, -3:].mean() - plane[:, :3].mean())
    if contrast < LEAST_CONTRAST:
        raise ValueError(
            f"the edge must be at least {LEAST_CONTRAST:g} high, got {contrast:.3g}: there is no edge, or it "
            "ends within the plane"
        )
    start, slope, bend = _fit_line(plane, window_px)
    angle = degrees(atan(slope))
    if not ANGLES_DEG[0] <= abs(angle) <= ANGLES_DEG[1]:
        raise ValueError(
            f"the edge must lean {ANGLES_DEG[0]:g} to {ANGLES_DEG[1]:g} degrees from the pixel axis, got {abs(angle):.2f}"
        )
    if bend > MOST_BEND_PX:
        raise ValueError(
            f"the edge must be straight within {MOST_BEND_PX:g} px, it bends or jumps by {bend:.2f} px"
        )
    rows, columns = plane.shape
    y, x = torch.arange(rows).double(), torch.arange(columns).double()
    away = (x - (start + slope * y)[:, None]) / sqrt(1 + slope**2)
    # the same reach on both sides, within the plane at every row
    reach = min(window_px, float(-away[:, 0].max()), float(away[:, -1].min()))
    if reach < 4:
        raise ValueError(
            f"the edge must have 4 px of plane on both sides at every row, got {reach:.1f}. Choose a wider box."
        )
    inside = away.abs() <= reach
    place, order = away[inside].sort()
    value = plane[inside][order]
    low, high = (
        float(value[side].median()) for side in (place < -0.7 * reach, place > 0.7 * reach)
    )
    frequencies = torch.linspace(0, 0.75, 61, dtype=torch.float64)
    positions, esf = _binned(place, value)
    sfr = _transform(place, value, reach, frequencies)
    return EdgeResponse(angle, positions, esf, low, high, frequencies, sfr)


def _fit_line(plane: Tensor, window_px: float) -> tuple[float, float, float]:
    """(x at row 0, slope in px per row, most distance of a tenth of the rows) of a rising edge."""
    rows, columns = plane.shape
    rise = plane.diff(dim=1)
    x = torch.arange(columns - 1).double() + 0.5
    y = torch.arange(rows).double()
    line = torch.full((rows,), float((rise.sum(0) * x).sum() / rise.sum()), dtype=torch.float64)
    middle, slope, reach = line, 0.0, float(columns)
    for _ in range(6):
        near = (1 - ((x - line[:, None]) / reach) ** 2).clamp(min=0)
        weight = rise * near
        total = weight.sum(1)
        if bool((total <= 0.05 * rise.sum(1).abs().mean()).any()):
            raise ValueError("the edge must cross every row of the plane, some have none")
        middle = (weight * x).sum(1) / total
        dy = y - y.mean()
        slope = float((dy * middle).sum() / (dy * dy).sum())
        line = middle.mean() + slope * dy
        reach = max(window_px / 2, reach / 2)
    bend = float((middle - line).abs().quantile(0.9))
    return float(line[0]), slope, bend


def _binned(place: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Mean place and value of the samples in each quarter pixel that has any."""
    bins = torch.floor(place * 4).long()
    bins -= bins[0].clone()
    count = torch.zeros(int(bins[-1]) + 1, dtype=torch.float64).index_add_(
        0, bins, torch.ones_like(place)
    )
    seen = count > 0
    sums = [torch.zeros_like(count).index_add_(0, bins, row) for row in (place, value)]
    return sums[0][seen] / count[seen], sums[1][seen] / count[seen]


def _transform(place: Tensor, value: Tensor, reach: float, frequencies: Tensor) -> Tensor:
    """|Fourier transform| of the slope of a polyline, tapered over its outer half, 1 at 0."""
    middle = (place[1:] + place[:-1]) / 2
    outer = ((middle.abs() / reach - 0.5) / 0.5).clamp(0, 1)
    rise = value.diff() * (0.5 + 0.5 * torch.cos(pi * outer))
    phase = 2 * pi * frequencies[:, None] * middle
    # samples are close together, but at few rows their gaps blur: each rise is a box of its gap's width
    box = torch.sinc(frequencies[:, None] * place.diff())
    total = torch.hypot(
        (rise * box * torch.cos(phase)).sum(1), (rise * box * torch.sin(phase)).sum(1)
    )
    return total / total[0]


@dataclass(frozen=True)
class Estimate:
    """A guess of the blur that a photo has, from the photo alone."""

    sigma_px: float
    """Gaussian sigma of the sharpest edges, pixel area included, in ``SIGMAS_PX``; on the low side."""
    typical_px: float
    """Of the median edge: what is out of focus, or soft by nature, counts here."""
    edges: int
    """Edge pixels that the guess is made of."""
    haloed: bool
    """The picture has been sharpened: its edges overshoot already."""
    reason: str | None
    """Why there is nothing to take back, or None."""


FEWEST_EDGES = 60
MOST_TRIED = 80  # squares in which an edge is sought, those of most contrast first: 0.2 s
# Looked at ever coarser, an edge with a halo seems ever sharper. Median blur at s = 2.8 over that at
# 0.7, astronaut and camera: 0.96 to 1.5 unsharpened, below 0.87 after an unsharp mask that rings.
HALO_RATIO = 0.9
_HALO_SHARE = 0.3  # of edges that rise more steeply than any blurred step can

_SCALES_PX = (0.7, 1.4, 2.8)  # the first Gaussian; the second is twice as wide
_COARSER_FROM_PX = (
    1.4,
    3.5,
)  # blur from which the next scale is believed: noise spoils the finer one
_SHARPEST = 0.15  # quantile of the edges' blurs that is the system's; shadows and hair are softer
_COHERENCE = 0.8
_NEIGHBOUR = 0.35  # most gradient beside a lone edge, of its own ...
_NEIGHBOUR_SIGMA = (2.6, 3.4)  # ... at so many sigma from it
_TILE_PX = 512  # a larger picture is judged by nine tiles


def source_sigma(plane: Tensor, tick: Callable[[], None] = lambda: None) -> Estimate:
    """The blur of a picture, from how its edges answer to more blur.

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        Coded luma 0..1. A picture above 1536 px on a side is judged by nine tiles at its own scale.
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Estimate
        15th percentile of the lone straight edges: within -30 / +10 % on photos blurred by 0.8 to
        3 px with up to 1 % noise. Where there are too few edges, the smallest blur and the reason.

    Notes
    -----
    The gradients of a step of blur sigma under two more Gaussians have the ratio
    R = sqrt((sigma^2 + s2^2) / (sigma^2 + s1^2)), so sigma^2 = (s2^2 - R^2 s1^2) / (R^2 - 1) [1]_.

    References
    ----------
    .. [1] Zhuo and Sim, Defocus map estimation from a single image, Pattern Recognition 44 (2011), eq. 6.
    """
    if plane.ndim != 2 or not plane.is_floating_point() or plane.numel() == 0:
        shape = "x".join(map(str, plane.shape)) or "a single number"
        raise ValueError(
            f"plane must be (H, W), floating point and not empty, got {shape} of {plane.dtype}"
        )
    if not torch.isfinite(plane).all():
        raise ValueError("plane must be finite, it holds NaN or infinite values")
    tiles = [tile.float().contiguous() for tile in _tiles(plane.detach())]
    noise = float(torch.tensor([_noise(tile) for tile in tiles]).median())

    def answers(tile: Tensor, scale: float) -> Tensor:
        tick()
        return _squared_blurs(tile, scale, noise)

    squares = [torch.cat([answers(tile, scale) for tile in tiles]) for scale in _SCALES_PX]
    count = len(squares[0])
    if count < FEWEST_EDGES:
        return Estimate(
            SIGMAS_PX[0], SIGMAS_PX[0], count, False,
            f"only {count} clear edge pixels, at least {FEWEST_EDGES} are needed to judge the blur",
        )  # fmt: skip
    blurs = [square.clamp(min=0).sqrt() for square in squares]
    chosen = 0
    for finer, least in enumerate(_COARSER_FROM_PX):
        enough = len(blurs[finer + 1]) >= FEWEST_EDGES
        if chosen == finer and enough and float(blurs[finer].quantile(_SHARPEST)) >= least:
            chosen = finer + 1
    sigma, typical = (float(blurs[chosen].quantile(share)) for share in (_SHARPEST, 0.5))
    steep = float((squares[0] <= 0).float().mean())
    coarse = float(blurs[2].median()) if len(blurs[2]) >= FEWEST_EDGES else None
    haloed = steep > _HALO_SHARE or (
        coarse is not None and coarse < HALO_RATIO * float(blurs[0].median())
    )
    reason = "the source already has halos: it has been sharpened" if haloed else None
    low, high = SIGMAS_PX
    return Estimate(
        min(max(sigma, low), high), min(max(typical, low), high), len(blurs[chosen]), haloed, reason
    )


def find_edge(plane: Tensor, *, side_px: int = 48) -> tuple[Box | None, str]:
    """A place in a photo with an edge that is straight, slanted and clear enough for an e-SFR.

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        Coded luma 0..1.
    side_px : int
        Of the square that is looked for.

    Returns
    -------
    box : (x, y, width, height) in pixels, or None
        The square whose edge stands out most from what is on either side of it.
    reason : str
        Empty, or why there is none.
    """
    if plane.ndim != 2 or min(plane.shape) < side_px:
        return None, f"the picture is smaller than {side_px} px"
    plane = plane.detach().double().cpu()
    step = side_px // 2
    blocks = plane.unfold(0, side_px, step).unfold(1, side_px, step)
    spread = blocks.std((2, 3))
    order = spread.flatten().argsort(descending=True)[:MOST_TRIED]
    best, found = 0.0, None
    for index in order.tolist():
        row, column = divmod(index, spread.shape[1])
        square = blocks[row, column]
        try:
            edge = slanted_edge(square, window_px=12)
        except ValueError:
            continue
        height = edge.high - edge.low
        # what the plateaus hold beside the edge: texture there is taken for blur or halo
        rest = edge.esf[edge.positions_px.abs() > 6]
        level = torch.where(rest > (edge.high + edge.low) / 2, edge.high, edge.low)
        clear = height / (float((rest - level).abs().mean()) + 0.01)
        if height > 0.1 and clear > max(best, 12.0):
            best, found = clear, (column * step, row * step, side_px, side_px)
    if found is None:
        return (
            None,
            "there is no straight edge, 1 to 40 degrees off the pixel axis, with calm on both sides",
        )
    return found, ""


def _tiles(plane: Tensor) -> list[Tensor]:
    height, width = plane.shape
    if max(height, width) <= 3 * _TILE_PX:
        return [plane]
    rows, columns = (
        sorted({round((side - min(side, _TILE_PX)) * part / 2) for part in range(3)})
        for side in (height, width)
    )
    return [plane[y : y + _TILE_PX, x : x + _TILE_PX] for y in rows for x in columns]


def _noise(plane: Tensor) -> float:
    """Standard deviation of white noise (Immerkaer 1996, with a median instead of the mean)."""
    if min(plane.shape) < 3:
        return 0.0
    mask = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]], device=plane.device)
    return float(F.conv2d(plane[None, None], mask[None, None]).abs().median()) / 0.6745 / 6


def _squared_blurs(plane: Tensor, fine: float, noise: float) -> Tensor:
    """sigma^2 of each lone edge pixel, (N,); negative where the edge is steeper than a step."""
    across, down = _slopes(plane, fine)
    steep = torch.hypot(across, down)
    steep_coarse = torch.hypot(*_slopes(plane, 2 * fine))
    window = max(1.5, 2 * fine)
    xx, yy, xy = (_smooth(part, window) for part in (across * across, down * down, across * down))
    coherent = (xx - yy) ** 2 + 4 * xy**2 > (_COHERENCE * (xx + yy)) ** 2
    # 6 deviations of the noise that is left in a slope; 1 % of the range per pixel of blur
    floor = max(0.01 / (fine + 0.5), 6 * noise / (fine**2 * sqrt(8 * pi)))
    margin = int(4 + 3 * fine)
    inside = torch.zeros_like(coherent)
    inside[margin:-margin, margin:-margin] = True
    y, x = torch.nonzero((steep > floor) & coherent & inside).unbind(1)
    top = steep[y, x]
    nx, ny = across[y, x] / top, down[y, x] / top
    ridge = (top >= _sample(steep, y + ny, x + nx)) & (top > _sample(steep, y - ny, x - nx))
    y, x, nx, ny, top = (row[ridge] for row in (y, x, nx, ny, top))
    ratio = (top / steep_coarse[y, x]) ** 2
    square = (4 - ratio) * fine**2 / (ratio - 1).clamp(min=1e-3)
    whole = (square.clamp(min=0.04) + fine**2).sqrt()
    lone = ratio > 1.04
    for away in _NEIGHBOUR_SIGMA:
        for side in (away, -away):
            beside = _sample(steep, y + side * whole * ny, x + side * whole * nx)
            lone &= beside < _NEIGHBOUR * top
    return square[lone].cpu()


def _slopes(plane: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Derivatives along x and y of the plane under a Gaussian."""
    place, tap = _taps(sigma, plane)
    slope = place * tap
    slope = slope / (slope * place).sum()
    return _separable(plane, tap, slope), _separable(plane, slope, tap)


def _smooth(plane: Tensor, sigma: float) -> Tensor:
    tap = _taps(sigma, plane)[1]
    return _separable(plane, tap, tap)


def _taps(sigma: float, like: Tensor) -> tuple[Tensor, Tensor]:
    reach = int(4 * sigma + 0.999)
    place = torch.arange(-reach, reach + 1).to(like)
    tap = torch.exp(-(place**2) / (2 * sigma**2))
    return place, tap / tap.sum()


def _separable(plane: Tensor, column: Tensor, row: Tensor) -> Tensor:
    reach = len(column) // 2
    lines = F.pad(plane[None, None], (0, 0, reach, reach), mode="replicate")
    lines = F.conv2d(lines, column.view(1, 1, -1, 1))
    lines = F.pad(lines, (reach, reach, 0, 0), mode="replicate")
    return F.conv2d(lines, row.view(1, 1, 1, -1))[0, 0]


def _sample(plane: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Values between the pixels, (N,); beyond the plane its border."""
    height, width = plane.shape
    at = torch.stack([(x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1], -1)
    return F.grid_sample(
        plane[None, None], at[None, None], padding_mode="border", align_corners=False
    )[0, 0, 0]
