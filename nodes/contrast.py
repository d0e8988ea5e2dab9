"""Ink that can be read on any picture: the contrast of WCAG 2, guaranteed against the true pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

READABLE = 4.5
"""WCAG 2.2, 1.4.3: body text, level AA."""
ENHANCED = 7.0
"""WCAG 2.2, 1.4.6: level AAA."""
_MOST = 21.0  # white on black
_LUMA = np.array([0.2126, 0.7152, 0.0722])
_WHITE, _BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_LEVELS = 255
_EXACT = 1e-3  # codes: float32 holds k / 255 to 2e-5 of a code


@dataclass(frozen=True)
class Ink:
    """How to write on a picture: lay ``scrim`` over it with ``alpha``, then write with ``ink``."""

    ink: tuple[float, float, float]
    """sRGB 0..1."""
    scrim: tuple[float, float, float]
    """sRGB 0..1."""
    alpha: float
    """A multiple of 1/255; 0 where no scrim is needed."""
    contrast: float
    """The least contrast that any pixel leaves, at least the target."""


def contrast(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Contrast of two colours, 1 to 21.

    Parameters
    ----------
    a, b : (..., 3), sRGB 0..1
        Broadcast against each other; values outside are clamped.

    Returns
    -------
    (...), the ratio of WCAG 2.2: lighter by darker relative luminance, 0.05 added to both.
    """
    one, other = _luminance(np.asarray(a, np.float64)), _luminance(np.asarray(b, np.float64))
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)


def plan_ink(pixels: ArrayLike, target: float = READABLE) -> Ink:
    """The ink and the faintest scrim with which every pixel under a text leaves enough contrast.

    Parameters
    ----------
    pixels : (N, 3) or (h, w, 3), sRGB 0..1
        What lies under the text. A value between two 8-bit codes counts as the worse of them,
        so the promise holds whether the file is rounded or truncated.
    target : float in [1, 21]
        The contrast that every pixel must leave.

    Returns
    -------
    Ink
        White on black or black on white, whichever needs the fainter scrim, and of two equals the
        one with more contrast. One code less of ``alpha`` would miss the target.

    Raises
    ------
    ValueError
        There are no pixels, they are not finite or not colours, or no scrim reaches the target.

    Notes
    -----
    The scrim is blended in coded values and rounded to 8 bits, as :func:`lay_scrim` does. White
    ink over pure white needs 137/255 of black (0.537) for 4.5:1 and 166/255 (0.651) for 7:1;
    black ink over pure black 117/255 (0.459) and 149/255 (0.584) of white.
    """
    if not 1 <= target <= _MOST:
        raise ValueError(f"contrast must be between 1 and {_MOST:g}, got {target:g}")
    colours = np.asarray(pixels, np.float64)
    if colours.ndim < 2 or colours.shape[-1] != 3 or not colours.size:
        raise ValueError(
            f"pixels must be (N, 3) or (h, w, 3) with at least one pixel, got {colours.shape}: the text lies outside the picture"
        )
    if not np.isfinite(colours).all():
        raise ValueError("pixels must be finite numbers between 0 and 1, got NaN or infinity")
    codes = np.clip(colours.reshape(-1, 3), 0, 1) * _LEVELS
    # white ink suffers from bright pixels, black ink from dark ones
    lightest, darkest = np.ceil(codes - _EXACT), np.floor(codes + _EXACT)
    plans = [
        _faintest(lightest.astype(np.uint8), _WHITE, _BLACK, target),
        _faintest(darkest.astype(np.uint8), _BLACK, _WHITE, target),
    ]
    return min(plans, key=lambda plan: (plan.alpha, -plan.contrast))


def lay_scrim(pixels: ArrayLike, ink: Ink) -> NDArray[np.float32]:
    """The pixels under the text as the plate must show them.

    Parameters
    ----------
    pixels : (..., 3), sRGB 0..1

    Returns
    -------
    (..., 3), sRGB 0..1
        With the scrim, in whole 8-bit codes; the pixels themselves where ``alpha`` is 0.
    """
    pixels = np.asarray(pixels, np.float32)
    if ink.alpha == 0:
        return pixels
    codes = np.rint(np.clip(pixels, 0, 1) * _LEVELS).astype(np.uint8)
    blended = _blended(round(ink.alpha * _LEVELS), round(ink.scrim[0] * _LEVELS))
    return (blended[codes] / np.float32(_LEVELS)).astype(np.float32)


def _faintest(
    codes: NDArray[np.uint8],
    ink: tuple[float, float, float],
    scrim: tuple[float, float, float],
    target: float,
) -> Ink:
    """The least alpha, by halving: more scrim never leaves less contrast, rounding included."""
    channels = [np.ascontiguousarray(codes[:, number]) for number in range(3)]

    def reached(step: int) -> float:
        light = _code_light()[_blended(step, round(scrim[0] * _LEVELS))]
        red, green, blue = (
            share * light[channel] for share, channel in zip(_LUMA, channels, strict=True)
        )
        under = red + green + blue
        if ink == _WHITE:
            return float(1.05 / (under.max() + 0.05))
        return float((under.min() + 0.05) / 0.05)

    low, high = -1, _LEVELS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= target else (middle, high)
    return Ink(ink, scrim, high / _LEVELS, reached(high))


def _blended(step: int, scrim: int) -> NDArray[np.uint8]:
    """Each 8-bit code after a scrim of ``step`` / 255: Pillow's blend, rounded half up, (256,)."""
    codes = np.arange(_LEVELS + 1)
    return ((2 * (codes * (_LEVELS - step) + scrim * step) + _LEVELS) // (2 * _LEVELS)).astype(
        np.uint8
    )


def _luminance(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    return _light(np.clip(colours, 0, 1)) @ _LUMA


def _light(coded: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1; the knee that WCAG prints, 0.03928, lies between the same two 8-bit codes."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=1)
def _code_light() -> NDArray[np.float64]:
    return _light(np.arange(_LEVELS + 1) / _LEVELS)
