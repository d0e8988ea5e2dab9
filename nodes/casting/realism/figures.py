"""What is measured of skin: how strong its texture is in each band, how even, how coloured.

Bands are fractions of the face's width, so a face has the same figures at any size.
"""

from __future__ import annotations

from math import hypot, log

import numpy as np
from torch import Tensor

from ....kernels.texture import BANDS, FLAT_L
from .bands import on_mask, split_bands
from .skin import Skin

MEASURE = 1
"""Raised when a figure is measured in another way: older corridors are then refused."""

MID, SLOPE, UNEVEN, CHROMA = "log_mid", "slope", "log_cv", "log_chroma"
FINE, COARSE = "log_fine_mid", "log_e3_mid"
SCORED = (MID, SLOPE, UNEVEN, CHROMA, FINE, COARSE)
"""The six figures of the score, in the order of a corridor's mean.

- ``log_mid``       RMS of L in the middle band, periods of 0.8 to 1.6 % of the face's width
- ``slope``         of the log RMS over the four bands from pores (0.4 %) to 6.4 %, for each octave of
                    period: steep where fine texture is missing
- ``log_cv``        coefficient of variation over the skin of the middle band's local RMS
- ``log_chroma``    RMS of a and b in the finest band over that in the coarsest: the colour of skin lies in
                    blotches, that of noise, grain and sharpening in pixels
- ``log_fine_mid``  the finest band (below 0.8 %) over the middle one
- ``log_e3_mid``    the coarsest (3.2 to 6.4 %) over the middle one
"""
AROUND = 0.02  # of the face's width: sigma of the window in which the energy is local
LEAST_RMS = 1e-3  # L: below is no texture at all, and its logarithm means nothing
LEAST_COLOUR = 0.02  # a and b: below is a picture in black and white; the portraits have 0.2 to 1.5
FLAT_AROUND = 0.008


def figures_of(skin: Skin) -> dict[str, float]:
    """The figures of a face's skin.

    Returns
    -------
    dict
        ``SCORED``, all or (of skin as flat as paper, or without colour) none; natural logarithms. Beside them,
        unscored: ``flat_share`` of skin with next to no texture, ``ita_deg``, ``skin_share`` of the
        ellipses that could be used, ``clipped_share``.
    """
    edges = tuple(long * skin.width_px for _, long in BANDS)
    bands = split_bands(skin.lab, skin.mask, edges, skin.blur_px2)
    rms = [_rms(band[0], skin.mask) for band in bands]
    other = {
        "flat_share": _flat_share(bands[1][0], skin),
        "ita_deg": skin.ita_deg,
        "skin_share": skin.measured,
        "clipped_share": skin.clipped,
    }
    fine, coarse = (
        hypot(*(_rms(band[i], skin.mask) for i in (1, 2))) for band in (bands[0], bands[3])
    )
    if min(rms) < LEAST_RMS or coarse < LEAST_COLOUR:
        return other
    logs = [log(one) for one in rms]
    return {
        MID: logs[1],
        SLOPE: float(np.polyfit(range(len(logs)), logs, 1)[0]),
        UNEVEN: log(max(_variation(bands[1][0], skin), LEAST_RMS)),
        CHROMA: log(max(fine, LEAST_RMS)) - log(max(coarse, LEAST_RMS)),
        FINE: logs[0] - logs[1],
        COARSE: logs[3] - logs[1],
        **other,
    }


def _rms(band: Tensor, mask: Tensor) -> float:
    return float((band.square() * mask).sum() / mask.sum()) ** 0.5


def _local(band: Tensor, skin: Skin, around: float) -> Tensor:
    """Mean square of a band around each pixel of the skin, (n,)."""
    (energy,) = on_mask(band[None].square(), skin.mask, [around * skin.width_px])
    return energy[0][skin.mask > 0].clamp(min=0)


def _variation(band: Tensor, skin: Skin) -> float:
    local = _local(band, skin, AROUND).sqrt()
    return float(local.std(correction=0) / local.mean().clamp(min=1e-6))


def _flat_share(band: Tensor, skin: Skin) -> float:
    return float((_local(band, skin, FLAT_AROUND) < FLAT_L**2).float().mean())
