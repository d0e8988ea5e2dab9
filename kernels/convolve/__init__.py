"""A picture blurred by a point spread function (PSF), in linear light.

Files:
- reference   plain torch, the definition of correct
- fft         Fourier transform, one plane at a time; quick however wide the PSF, and what is used
- border      the picture mirrored beyond its edges
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from . import fft, reference

Backend = Literal["auto", "direct", "fft"]
BACKENDS = ("auto", "direct", "fft")
# 1024x1536 RGB on one core: direct 0.18 s at 3 samples, 0.25 s at 13; the transform 0.09 s at any.
MAX_DIRECT = 1


def convolve(image: Tensor, psf: Tensor, *, backend: Backend = "auto") -> Tensor:
    """Blur a picture with a PSF.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), floating point
        Linear light. Encoded (sRGB) values make highlights bloom too little.
    psf : Tensor, (K, K) for all channels or (C, K, K) for each, floating point, K odd
        Centred on sample ``K // 2``. One that sums to 1 keeps the brightness. It may be wider
        than the picture.
    backend : {"auto", "direct", "fft"}
        ``auto`` goes direct where :func:`why_not_direct` has no objection.

    Returns
    -------
    Tensor, (B, C, H, W), same dtype and device as ``image``
        Edges are mirrored, so a flat field stays flat. Half precision is calculated in float32.

    Raises
    ------
    ValueError
        ``image`` or ``psf`` has another shape or dtype, or ``backend`` is unknown.

    References
    ----------
    .. [1] Goodman, Introduction to Fourier Optics, 4th ed., section 6.1.
    """
    _check(image, psf)
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    # dtype before device: some devices have no float64
    weights = psf.to(dtype).to(image.device).expand(image.shape[1], -1, -1)
    go_direct = backend == "direct" or (backend == "auto" and not why_not_direct(psf))
    room = reference if go_direct else fft
    return room.convolve(image.to(dtype), weights).to(image.dtype)


def why_not_direct(psf: Tensor) -> str | None:
    """The reason this call is left to the Fourier transform, or None."""
    if psf.shape[-1] > MAX_DIRECT:
        return (
            f"the PSF is {psf.shape[-1]} samples wide, above {MAX_DIRECT} the transform is quicker"
        )
    return None


def _check(image: Tensor, psf: Tensor) -> None:
    shape = "x".join(map(str, image.shape)) or "a single number"
    if image.ndim != 4 or image.numel() == 0 or not image.is_floating_point():
        raise ValueError(
            f"image must be (pictures, channels, height, width), floating point and not empty, "
            f"got {shape} of {image.dtype}. A node's picture has its channels last: movedim(-1, 1)."
        )
    rows, columns = psf.shape[-2:] if psf.ndim in (2, 3) else (0, 0)
    if rows != columns or rows % 2 == 0:
        shape = "x".join(map(str, psf.shape)) or "a single number"
        raise ValueError(f"psf must be square with an odd side, (K, K) or (C, K, K), got {shape}")
    if psf.ndim == 3 and psf.shape[0] != image.shape[1]:
        raise ValueError(
            f"psf must have one plane for each of the picture's {image.shape[1]} channels, "
            f"got {psf.shape[0]}. A (K, K) psf serves all channels."
        )
    if not psf.is_floating_point():
        raise ValueError(f"psf must be floating point, got {psf.dtype}")
    if not torch.isfinite(psf).all():
        raise ValueError("psf must be finite, it holds NaN or infinite values")
