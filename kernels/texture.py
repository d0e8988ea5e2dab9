"""How much texture skin has, by the size of its structures: bands in fractions of the face's width.

So the same face gives the same figures at twice the size. Everything is measured on L of CIELAB,
within a mask whose border neither darkens nor brightens anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, pi

import torch
from torch import Tensor
from torch.nn import functional as F

from .color import srgb_to_linear

BANDS = ((0.004, 0.008), (0.008, 0.016), (0.016, 0.032), (0.032, 0.064))
"""Periods that each band passes, of the face's width. On a face 144 mm wide 0.6 to 1.2, 2.3, 4.6 and 9.2 mm."""
MID = BANDS[1]
# Of 34 portraits at 1024 px, 440 px or more across the face, half have no flat skin by it and one has
# 0.76. Medians: 0.20, 0.55 and 0.84 under three strengths of a bilateral filter, 0.43 and 0.96 blurred
# by 0.8 and 1.6 px. At 0.2 L a light filter leaves no trace, at 0.5 L every third portrait is flat.
FLAT_L = 0.3
AROUND = 0.008  # of the face's width: sigma of the window in which the energy is local
FEWEST_PIXELS = 64.0
LEAST_PERIOD_PX = 2.0  # Nyquist's

_HALF_POWER = 0.1325  # sqrt(ln 2) / 2 pi: a Gaussian of so many periods passes half of their power
_PIXEL = 1 / 12  # variance of the square that each pixel has averaged already
_TO_XYZ = (
    (0.4123908, 0.3575843, 0.1804808),
    (0.2126390, 0.7151687, 0.0721923),
    (0.0193308, 0.1191948, 0.9505322),
)  # sRGB primaries, IEC 61966-2-1
_WHITE = tuple(sum(row) for row in _TO_XYZ)  # D65: white has a = b = 0 exactly
_KNEE, _SLOPE = 216 / 24389, 24389 / 27


def lab(coded: Tensor) -> Tensor:
    """CIELAB of a picture, white point D65.

    Parameters
    ----------
    coded : Tensor, (B, 3, H, W), floating point, sRGB 0..1

    Returns
    -------
    Tensor, (B, 3, H, W)
        L from 0 to 100, a, b.

    References
    ----------
    .. [1] CIE 15:2018, eq. 8.3 to 8.11.
    """
    light = srgb_to_linear(coded)
    xyz = torch.einsum("ij,bjhw->bihw", light.new_tensor(_TO_XYZ), light)
    x, y, z = (_root(part / white) for part, white in zip(xyz.unbind(1), _WHITE, strict=True))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def lightness(coded: Tensor) -> Tensor:
    """L of CIELAB alone, 0..100: (B, C, H, W), C in {1, 3}, sRGB 0..1 -> (B, 1, H, W)."""
    light = srgb_to_linear(coded)
    if light.shape[1] == 3:
        light = torch.einsum("j,bjhw->bhw", light.new_tensor(_TO_XYZ[1]), light)[:, None]
    return 116 * _root(light / (_WHITE[1] if coded.shape[1] == 3 else 1.0)) - 16


def band_rms(
    plane: Tensor,
    mask: Tensor,
    face_width_px: float,
    bands: Sequence[tuple[float, float]] = BANDS,
) -> tuple[float | None, ...]:
    """Strength of the texture in each band, on the mask.

    Parameters
    ----------
    plane : Tensor, (H, W), floating point
        L of CIELAB.
    mask : Tensor, (H, W), 0..1
    face_width_px : float
    bands : pairs of periods (shortest, longest), each of the face's width

    Returns
    -------
    tuple of float or None
        RMS of L; None where the mask holds fewer than 64 pixels, or the band's shortest period is
        less than 2 px.

    Notes
    -----
    Difference of two normalised convolutions [1]_, G(m L) / G(m): what is outside of the mask
    does not exist. Sigma is 0.13 periods (half of the power passes), less what the pixels blur.

    References
    ----------
    .. [1] Knutsson and Westin, Normalized and differential convolution, CVPR 1993, eq. 4.
    """
    plane, mask = _checked(plane, mask, face_width_px)
    if float(mask.sum()) < FEWEST_PIXELS:
        return (None,) * len(bands)
    return tuple(
        _rms(_band(plane, mask, face_width_px, band), mask)
        if band[0] * face_width_px >= LEAST_PERIOD_PX
        else None
        for band in bands
    )


def flat_share(
    plane: Tensor, mask: Tensor, face_width_px: float, *, least: float = FLAT_L
) -> float | None:
    """Share of the mask in which there is next to no texture of the middle band.

    Parameters
    ----------
    plane, mask, face_width_px
        As in :func:`band_rms`.
    least : float
        Local RMS of L below which skin is flat.

    Returns
    -------
    float in [0, 1], or None as in :func:`band_rms`
    """
    plane, mask = _checked(plane, mask, face_width_px)
    total = float(mask.sum())
    if total < FEWEST_PIXELS or MID[0] * face_width_px < LEAST_PERIOD_PX:
        return None
    band = _band(plane, mask, face_width_px, MID)
    local = _normalised(band**2, mask, AROUND * face_width_px)
    return float((mask * (local < least**2)).sum()) / total


def _band(plane: Tensor, mask: Tensor, width: float, band: tuple[float, float]) -> Tensor:
    fine, coarse = (
        _normalised(plane, mask, ((_HALF_POWER * share * width) ** 2 - _PIXEL) ** 0.5)
        if (_HALF_POWER * share * width) ** 2 > _PIXEL
        else plane * (mask > 0)
        for share in band
    )
    return fine - coarse


def _rms(band: Tensor, mask: Tensor) -> float:
    return float((band**2 * mask).sum() / mask.sum()) ** 0.5


def _normalised(plane: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """G(m plane) / G(m), 0 where the mask is far away."""
    stacked = _blur(torch.stack([plane * mask, mask]), sigma)
    return stacked[0] / stacked[1].clamp(min=1e-6) * (stacked[1] > 1e-6)


def _blur(planes: Tensor, sigma: float) -> Tensor:
    """A Gaussian on (N, H, W); beyond the border is 0."""
    reach = ceil(3.5 * sigma) + 6
    # from its spectrum, not from its samples: below 0.8 px these would be another, narrower curve
    frequency = (torch.arange(512, dtype=torch.float64) + 0.5) / 1024
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    passed = torch.exp(-2 * (pi * sigma * frequency) ** 2)
    taps = (passed * torch.cos(2 * pi * place[:, None] * frequency)).sum(1)
    taps = (taps / taps.sum()).to(planes)
    lines = F.conv2d(planes[:, None], taps.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(lines, taps.view(1, 1, 1, -1), padding=(0, reach))[:, 0]


def _root(share: Tensor) -> Tensor:
    """The cube root of CIELAB, straight below its knee."""
    return torch.where(
        share > _KNEE, share.clamp(min=_KNEE) ** (1 / 3), (_SLOPE * share + 16) / 116
    )


def _checked(plane: Tensor, mask: Tensor, face_width_px: float) -> tuple[Tensor, Tensor]:
    if plane.ndim != 2 or not plane.is_floating_point() or plane.numel() == 0:
        shape = "x".join(map(str, plane.shape)) or "a single number"
        raise ValueError(
            f"plane must be (H, W), floating point and not empty, got {shape} of {plane.dtype}"
        )
    if mask.shape != plane.shape:
        raise ValueError(
            f"mask must be {plane.shape[1]}x{plane.shape[0]} px as its plane, got {'x'.join(map(str, mask.shape))}"
        )
    if not (isfinite(face_width_px) and face_width_px > 0):
        raise ValueError(f"face_width_px must be above 0, got {face_width_px:g}")
    return plane.detach().float(), mask.detach().float().clamp(0, 1)
