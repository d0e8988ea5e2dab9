"""Whether the fused Triton kernel can take a call; loads where Triton is absent."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .terms import Terms

MAX_REACH = 12  # px: beyond, less than 40x40 is left of the 64x64 that a program reads
MAX_TERMS = (
    8  # about 0.25 ms each for 8K RGB on an H200 by count of operations; the transform takes 2
)
OLDEST_CUDA = (8, 0)  # Ampere: the first with tf32, which the kernel multiplies in
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def why_not_triton(image: Tensor, terms: Terms | None) -> str | None:
    """The reason that the fused kernel cannot take this call, or None.

    Parameters
    ----------
    image : Tensor, (B, C, H, W) or (B, H, W, C)
    terms : Terms or None
        None: the PSF is no short sum of separable terms.

    Returns
    -------
    str or None
        Plain words that go on after "Triton cannot run: ".
    """
    if image.device.type != "cuda":
        return f"the image is on {image.device.type}, not cuda"
    if image.dtype not in _DTYPES:
        return f"the image is {image.dtype}, the kernel takes float32, float16 and bfloat16"
    if image.requires_grad and torch.is_grad_enabled():
        return "the image records gradients, and the kernel has none"
    return why_not_terms(terms) or why_not_here(image.device)


def why_not_terms(terms: Terms | None) -> str | None:
    """The reason that the kernel cannot take a PSF, whatever the picture, or None."""
    if terms is None:
        return "the PSF is not a short sum of separable terms"
    if terms.reach > MAX_REACH:
        return f"the PSF reaches {terms.reach} px, the kernel at most {MAX_REACH}"
    count = terms.columns.shape[1]
    if count > MAX_TERMS:
        return f"the PSF has {count} separable terms, beyond {MAX_TERMS} the transform is quicker"
    return None


def why_no_triton() -> str | None:
    """The reason that Triton is not to be had in this Python, or None."""
    if find_spec("triton") is None:
        return "Triton is not installed (Linux: pip install triton, Windows: pip install triton-windows)"
    return None


@lru_cache(maxsize=16)
def why_not_here(device: torch.device) -> str | None:
    """The reason that the kernel cannot run on a CUDA device, or None; tried once, then remembered."""
    if torch.version.hip:
        return "this torch is built for ROCm, the kernel is made for CUDA"
    absent = why_no_triton()
    if absent:
        return absent
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CUDA:
        have, want = (".".join(map(str, pair)) for pair in (capability, OLDEST_CUDA))
        return f"{torch.cuda.get_device_name(device)} has compute capability {have}, the kernel needs {want}"
    return _why_it_fails(device)


def _why_it_fails(device: torch.device) -> str | None:
    """What Triton complains of when it compiles and runs the kernel on a few pixels, or None.

    Often it finds no C compiler; some drivers are too old for it.
    """
    try:
        from . import fused
        from .terms import Terms

        tap = torch.ones(1, 1, 1, dtype=torch.float64)
        point = Terms(torch.zeros(1, dtype=torch.float64), tap, tap)
        ramp = torch.linspace(0, 1, 64, device=device).reshape(1, 1, 8, 8)
        seen = fused.convolve(ramp, point)
    except torch.cuda.OutOfMemoryError:
        raise  # no fault of Triton's, and not to be remembered
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"Triton fails on this machine: {first}"
    # 1e-5: tf32x3 errs by 1e-6; anything more is a wrong result
    if not torch.allclose(seen, ramp, atol=1e-5, rtol=0):
        return "Triton gives wrong results on this machine"
    return None
