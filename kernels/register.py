"""How far one plane is shifted against another, and how alike they are once it is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, pi

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_SHARE = 0.04
"""Of the shorter side: the largest shift that is looked for. Panels are already locked on the face."""
SNAP_PX = 0.02  # a smaller rest is taken for none: nothing is interpolated for it

_WORK_PX = 1024  # larger planes are made smaller by a whole number: 0.01 px there is 0.04 px at 4K
_WHITENING = 0.5  # 1 is phase correlation; see _surface
_STEPS = 6  # of least squares; two or three are enough
_FINE = 8  # steps per pixel around the highest place
_FLAT = 1e-4  # standard deviation below which a plane is one tone: a thirtieth of an 8-bit step


@dataclass(frozen=True)
class Registration:
    """How a second plane lies on a first."""

    shift_px: tuple[float, float]
    """(x, y): what is at (X, Y) in the first is at (X + x, Y + y) in the second."""
    ncc: float | None
    """Normalised cross-correlation once the shift is taken back, -1..1; None where a plane is flat."""


def register(first: Tensor, second: Tensor, *, most_share: float = MOST_SHARE) -> Registration:
    """The shift between two planes, by phase correlation.

    Parameters
    ----------
    first, second : Tensor, (H, W), floating point
        Coded luma, of one size.
    most_share : float in [0, 0.25]
        Largest shift that is looked for, of the shorter side.

    Returns
    -------
    Registration
        Within 0.05 px for the same picture, shifted; 0 with an NCC of None for flat planes.

    Raises
    ------
    ValueError
        The sizes differ, or a plane is none.

    Notes
    -----
    Peak of the inverse transform of A conj(B) / |A conj(B)|^w, w = 1/2: with w = 1 [1]_ noise counts
    as much as the picture, and an enlarged panel is mostly noise above its source's Nyquist.
    Evaluated by a matrix DFT at eighths of a pixel around the highest place [2]_, then a parabola;
    twice, the second time where both overlap. Least squares over shift, gain and offset end it [3]_:
    at 1 % of noise 0.01 px instead of 0.05.

    References
    ----------
    .. [1] Kuglin and Hines, The phase correlation image alignment method, IEEE Cybernetics and
       Society 1975.
    .. [2] Guizar-Sicairos, Thurman and Fienup, Efficient subpixel image registration algorithms,
       Opt. Lett. 33 (2008).
    .. [3] Lucas and Kanade, An iterative image registration technique, IJCAI 1981.
    """
    first, second = _check(first, second, most_share)
    if torch.equal(first, second):
        return Registration((0.0, 0.0), 1.0 if _varies(first) else None)
    if not (_varies(first) and _varies(second)):
        return Registration((0.0, 0.0), None)
    shrink = max(1, ceil(max(first.shape) / _WORK_PX))
    if min(first.shape) < 8 * shrink:
        shrink = max(1, min(first.shape) // 8)
    small = [F.avg_pool2d(one[None, None], shrink)[0, 0] for one in (first, second)]
    most = most_share * min(small[0].shape)
    x = y = 0.0
    for turn in range(2):
        parts = _overlap(small[0], small[1], round(x), round(y))
        if min(parts[0].shape) < 4:
            break
        left = (most - abs(round(x)), most - abs(round(y))) if turn == 0 else (1.5, 1.5)
        dx, dy = _peak(*parts, left)
        x, y = round(x) + dx, round(y) + dy
    x, y = _refined(small[0], small[1], (x, y))
    x, y = (min(max(value, -most), most) * shrink for value in (x, y))
    x, y = (_snapped(value) for value in (x, y))
    first, second = aligned(first, second, (x, y))
    return Registration((x, y), ncc(first, second))


def aligned(first: Tensor, second: Tensor, shift_px: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Two pictures with the shift between them taken back, where both have something.

    Parameters
    ----------
    first, second : Tensor, (..., H, W)
    shift_px : (x, y)
        Of :class:`Registration`.

    Returns
    -------
    first, second : Tensor, (..., h, w)
        Whole pixels are cropped; the rest is interpolated half in the one and half in the other
        (cubic convolution), so that neither is blurred more.
    """
    whole = [round(value) for value in shift_px]
    rest = [value - step for value, step in zip(shift_px, whole, strict=True)]
    a, b = _overlap(first, second, *whole)
    return (
        _moved(_moved(a, rest[0] / 2, -1), rest[1] / 2, -2),
        _moved(_moved(b, -rest[0] / 2, -1), -rest[1] / 2, -2),
    )


def ncc(first: Tensor, second: Tensor) -> float | None:
    """Normalised cross-correlation of two tensors of one shape, -1..1; None where one is flat."""
    a, b = (one.double() - one.double().mean() for one in (first, second))
    scale = float((a * a).sum() * (b * b).sum()) ** 0.5
    if scale < _FLAT**2 * a.numel():
        return None
    return min(max(float((a * b).sum()) / scale, -1.0), 1.0)


def _refined(a: Tensor, b: Tensor, start: tuple[float, float]) -> tuple[float, float]:
    """The shift of least squares near a first guess; the guess where that leads away."""
    if min(a.shape) < 8:
        return start
    x, y = start
    for _ in range(_STEPS):
        first, second = (one.double() for one in aligned(a, b, (x, y)))
        middle = (first + second) / 2
        across, down = torch.zeros_like(middle), torch.zeros_like(middle)
        across[:, 1:-1] = (middle[:, 2:] - middle[:, :-2]) / 2
        down[1:-1] = (middle[2:] - middle[:-2]) / 2
        window = _hann(len(middle))[:, None] * _hann(middle.shape[1])
        terms = torch.stack([across, down, first - first.mean(), torch.ones_like(first)], -1)
        weighted = terms.flatten(0, 1) * window.flatten()[:, None]
        answer, refused = torch.linalg.solve_ex(
            weighted.T @ terms.flatten(0, 1), weighted.T @ second.flatten()
        )
        if int(refused) or float(answer[2]) <= 0 or not bool(torch.isfinite(answer).all()):
            return start
        dx, dy = (-float(part / answer[2]) for part in answer[:2])
        x, y = x + dx, y + dy
        if max(abs(x - start[0]), abs(y - start[1])) > 1:
            return start
        if max(abs(dx), abs(dy)) < 1e-3:
            break
    return x, y


def _peak(a: Tensor, b: Tensor, most: tuple[float, float]) -> tuple[float, float]:
    """Where the correlation is highest, within so many pixels of 0."""
    spectrum = _spectrum(a, b)
    height, width = spectrum.shape
    whole = torch.fft.ifft2(spectrum).real
    rows, columns = (
        min(int(side), length // 2) for side, length in ((most[1], height), (most[0], width))
    )
    near = torch.roll(whole, (rows, columns), (0, 1))[: 2 * rows + 1, : 2 * columns + 1]
    row, column = divmod(int(near.argmax()), near.shape[1])
    x, y = float(column - columns), float(row - rows)
    for fine in (_FINE, _FINE**2):
        steps = torch.arange(-_FINE, _FINE + 1).double() / fine
        surface = _at(spectrum, y + steps, x + steps)
        row, column = divmod(int(surface.argmax()), len(steps))
        x += float(steps[column]) + _vertex(surface[row], column) / fine
        y += float(steps[row]) + _vertex(surface[:, column], row) / fine
    return x, y


def _spectrum(a: Tensor, b: Tensor) -> Tensor:
    """Cross spectrum B conj(A) under a window, partly whitened."""
    window = _hann(a.shape[0])[:, None] * _hann(a.shape[1])
    weight = window.sum()
    sides = []
    for one in (a.double(), b.double()):
        sides.append(torch.fft.fft2((one - (one * window).sum() / weight) * window))
    cross = sides[1] * sides[0].conj()
    size = cross.abs()
    return cross / (size + 1e-12 * size.max() + 1e-30) ** _WHITENING


def _at(spectrum: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The correlation at places between the pixels, (rows, columns)."""
    height, width = spectrum.shape
    down = torch.exp(2j * pi * rows[:, None] * torch.fft.fftfreq(height, dtype=torch.float64))
    across = torch.exp(2j * pi * torch.fft.fftfreq(width, dtype=torch.float64)[:, None] * columns)
    return (down @ spectrum @ across).real


def _hann(length: int) -> Tensor:
    return torch.hann_window(length + 2, periodic=False, dtype=torch.float64)[1:-1]


def _vertex(line: Tensor, top: int) -> float:
    """Where a parabola through the highest value and its neighbours peaks, in steps from it."""
    if not 0 < top < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[top - 1 : top + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _overlap(a: Tensor, b: Tensor, x: int, y: int) -> tuple[Tensor, Tensor]:
    """What is in both when ``b`` is moved back by whole pixels."""
    height, width = a.shape[-2:]
    rows, columns = height - abs(y), width - abs(x)
    return (
        a[..., max(0, -y) : max(0, -y) + rows, max(0, -x) : max(0, -x) + columns],
        b[..., max(0, y) : max(0, y) + rows, max(0, x) : max(0, x) + columns],
    )


def _moved(planes: Tensor, by: float, axis: int) -> Tensor:
    """Content moved along an axis by at most half a pixel (Keys 1981, a = -1/2); the border goes on."""
    if by == 0:
        return planes
    length = planes.shape[axis]
    out = torch.zeros_like(planes)
    for tap in range(-2, 3):
        away = abs(tap + by)
        weight = (
            1.5 * away**3 - 2.5 * away**2 + 1
            if away <= 1
            else -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
            if away < 2
            else 0.0
        )
        if weight:
            index = (torch.arange(length) + tap).clamp(0, length - 1).to(planes.device)
            out += weight * planes.index_select(axis, index)
    return out


def _snapped(value: float) -> float:
    whole = round(value)
    return float(whole) if abs(value - whole) < SNAP_PX else value


def _varies(plane: Tensor) -> bool:
    return plane.numel() > 1 and float(plane.double().std()) > _FLAT


def _check(first: Tensor, second: Tensor, most_share: float) -> tuple[Tensor, Tensor]:
    for plane, name in ((first, "first"), (second, "second")):
        if plane.ndim != 2 or not plane.is_floating_point() or plane.numel() == 0:
            shape = "x".join(map(str, plane.shape)) or "a single number"
            raise ValueError(
                f"{name} must be (H, W), floating point and not empty, got {shape} of {plane.dtype}"
            )
        if not torch.isfinite(plane).all():
            raise ValueError(f"{name} must be finite, it holds NaN or infinite values")
    if first.shape != second.shape:
        sizes = [f"{one.shape[1]}x{one.shape[0]}" for one in (first, second)]
        raise ValueError(
            f"first and second must have one size, got {sizes[0]} and {sizes[1]}. Scale one to the other."
        )
    if not (isfinite(most_share) and 0 <= most_share <= 0.25):
        raise ValueError(f"most_share must be from 0 to 0.25, got {most_share:g}")
    return first.detach().float().cpu(), second.detach().float().cpu()
