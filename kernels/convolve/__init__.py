"""A picture blurred by a point spread function (PSF), in linear light.

Files:
- terms       a PSF as a sum of separable terms
- reference   plain torch, the definition of correct
- gemm        separable terms as matrix products: the quickest on a CPU for few or short terms
- fft         Fourier transform of tiles: any PSF, the same time however wide
- fused       separable terms in one Triton kernel, on CUDA; choice says why it cannot
- wide        a wide, smooth PSF at a coarse pitch: veiling glare, mist, halation
- field       a PSF that changes across the picture
- border      the picture mirrored beyond its edges
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from . import choice, fft, gemm, reference
from .field import convolve_field
from .terms import Terms, terms_of_gaussians, terms_of_psf
from .wide import convolve_wide, wide_factor

__all__ = [
    "BACKENDS",
    "Backend",
    "Terms",
    "choose",
    "convolve",
    "convolve_field",
    "convolve_wide",
    "terms_of_gaussians",
    "terms_of_psf",
    "why_not_direct",
    "why_not_gemm",
    "wide_factor",
]

Backend = Literal["auto", "direct", "fft", "gemm", "triton"]
BACKENDS = ("auto", "direct", "fft", "gemm", "triton")
# 1024x1536 RGB on one core: direct 0.18 s at 3 samples, 0.25 s at 13; the transform 0.09 s at any.
MAX_DIRECT = 1
# What the transform of a sample costs, in operations of a matrix product. 8K RGB, one core: products
# take 0.67 s at 368 operations, 1.14 at 864, 1.47 at 1480; transforms 0.94, 1.21, 1.40 at those supports.
TRANSFORM_FLOPS = 720
# OTF error of the terms that stand for a dense PSF: float32's own, so that no choice of backend shows.
TOLERANCE = 1e-6
# Below, looking for terms (singular values of each channel) takes longer than the transform.
WORTH_TERMS = 2**22


@torch.no_grad()
def convolve(
    image: Tensor, psf: Tensor | Terms, *, backend: Backend = "auto", tolerance: float = TOLERANCE
) -> Tensor:
    """Blur a picture with a PSF.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), floating point
        Linear light. Encoded (sRGB) values make highlights bloom too little.
    psf : Tensor, (K, K) for all channels or (C, K, K) for each, floating point, K odd; or Terms
        Centred on sample ``K // 2``. One that sums to 1 keeps the brightness. It may be wider
        than the picture.
    backend : {"auto", "direct", "fft", "gemm", "triton"}
        ``auto`` takes the quickest that can run; :func:`choose` says which, and why.
    tolerance : float
        How far the transfer function may be off where separable terms stand for a dense PSF.
        1e-3 cannot be seen in 8 bits, and lets more PSFs go the quick ways.

    Returns
    -------
    Tensor, (B, C, H, W), same dtype and device as ``image``
        Edges are mirrored, so a flat field stays flat. Half precision is calculated in float32.
        It records no gradients.

    Raises
    ------
    ValueError
        ``image`` or ``psf`` has another shape or dtype, or ``backend`` is unknown.
    RuntimeError
        ``backend`` is "triton", which cannot run here.

    References
    ----------
    .. [1] Goodman, Introduction to Fourier Optics, 4th ed., section 6.1.
    """
    _check(image, psf)
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    terms = psf if isinstance(psf, Terms) else None
    if backend == "auto":
        backend, terms, _ = _find(image, psf, tolerance)
    if backend in ("direct", "fft"):
        return _convolve_dense(image, psf, backend)
    if terms is None:
        terms = terms_of_psf(_samples(psf), tolerance, most=_side(psf))
        assert terms is not None, "as many terms as samples stand for any PSF"
    if backend == "gemm":
        return gemm.convolve(image, terms)
    objection = choice.why_not_triton(image, terms)
    if objection:
        raise RuntimeError(
            f"backend='triton' cannot run: {objection}. backend='auto' takes another way."
        )
    from . import fused  # late: this package must load where Triton is absent

    return fused.convolve(image, terms)


def choose(
    image: Tensor, psf: Tensor | Terms, tolerance: float = TOLERANCE
) -> tuple[str, list[str]]:
    """The backend that ``auto`` takes, and why not the ones before it.

    Parameters
    ----------
    image, psf, tolerance
        As for :func:`convolve`.

    Returns
    -------
    name : str
    reasons : list of str
        ``"name: reason"`` for each that was passed over, the most wanted first.
    """
    _check(image, psf)
    name, _, reasons = _find(image, psf, tolerance)
    return name, reasons


def why_not_direct(psf: Tensor | Terms) -> str | None:
    """The reason this call is left to the quicker ways, or None."""
    side = _side(psf)
    if side > MAX_DIRECT:
        return f"the PSF is {side} samples wide, above {MAX_DIRECT} the transform is quicker"
    return None


def why_not_gemm(image: Tensor, psf: Tensor | Terms, tolerance: float = TOLERANCE) -> str | None:
    """The reason that ``auto`` does not take matrix products for this call, or None."""
    return _products(image, psf, tolerance)[1]


def _find(
    image: Tensor, psf: Tensor | Terms, tolerance: float
) -> tuple[Backend, Terms | None, list[str]]:
    """What ``auto`` takes, the terms where it is made for them, and what spoke against the others."""
    objection = why_not_direct(psf)
    if not objection:
        return "direct", None, []
    reasons = [f"direct: {objection}"]
    terms = psf if isinstance(psf, Terms) else None
    if terms is None and image.device.type == "cuda":
        terms = terms_of_psf(_samples(psf), tolerance, choice.MAX_TERMS)
    objection = choice.why_not_triton(image, terms)
    if not objection:
        return "triton", terms, reasons
    reasons.append(f"triton: {objection}")
    terms, objection = _products(image, psf, tolerance)
    if not objection:
        return "gemm", terms, reasons
    return "fft", None, [*reasons, f"gemm: {objection}"]


def _products(
    image: Tensor, psf: Tensor | Terms, tolerance: float
) -> tuple[Terms | None, str | None]:
    """The terms for matrix products, or what speaks against these."""
    if image.device.type != "cpu":
        return (
            None,
            f"the image is on {image.device.type}, products of this kind are made for a CPU",
        )
    height, width = image.shape[-2:]
    if isinstance(psf, Terms):
        affordable = TRANSFORM_FLOPS * fft.overlap(height, width, 2 * psf.reach)
        cost = gemm.flops_per_sample(psf)
        if cost > affordable:
            return None, (
                f"{psf.rank} terms that reach {psf.reach} px cost {cost:.0f} operations a sample, "
                f"the transform about {affordable:.0f}"
            )
        return psf, None
    if image.numel() < WORTH_TERMS:
        return None, (
            f"the image has {image.numel()} samples, below {WORTH_TERMS} the transform is done "
            "before the terms of the PSF are found"
        )
    reach = _side(psf) // 2
    affordable = TRANSFORM_FLOPS * fft.overlap(height, width, 2 * reach)
    most = int(affordable / gemm.flops_of_term(reach, reach))
    terms = terms_of_psf(_samples(psf), tolerance, most)
    if terms is None:
        return None, (
            f"the PSF is no sum of {most} separable terms to within {tolerance:g}, "
            "with more the transform is quicker"
        )
    return terms, None


def _convolve_dense(image: Tensor, psf: Tensor | Terms, backend: str) -> Tensor:
    weights = _samples(psf).expand(image.shape[1], -1, -1)
    if backend == "fft":
        return fft.convolve(image, weights)
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    # dtype before device: some devices have no float64
    return reference.convolve(image.to(dtype), weights.to(dtype).to(image.device)).to(image.dtype)


def _samples(psf: Tensor | Terms) -> Tensor:
    return psf.dense() if isinstance(psf, Terms) else psf


def _side(psf: Tensor | Terms) -> int:
    return 2 * psf.reach + 1 if isinstance(psf, Terms) else psf.shape[-1]


def _check(image: Tensor, psf: Tensor | Terms) -> None:
    shape = "x".join(map(str, image.shape)) or "a single number"
    if image.ndim != 4 or image.numel() == 0 or not image.is_floating_point():
        raise ValueError(
            f"image must be (pictures, channels, height, width), floating point and not empty, "
            f"got {shape} of {image.dtype}. A node's picture has its channels last: movedim(-1, 1)."
        )
    if isinstance(psf, Terms):
        if psf.channels not in (1, image.shape[1]):
            raise ValueError(
                f"terms must have one PSF for all, or one for each of the picture's {image.shape[1]} "
                f"channels, got {psf.channels}"
            )
        return
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
