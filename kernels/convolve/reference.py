"""Convolution in plain torch: slow, obvious, and the definition of correct."""

import torch.nn.functional as F
from torch import Tensor

from .border import mirror


def convolve(image: Tensor, psf: Tensor) -> Tensor:
    """``image`` (B, C, H, W), ``psf`` (C, K, K), one floating dtype -> (B, C, H, W)."""
    padded = mirror(image, psf.shape[-1] // 2)
    # conv2d correlates; an optical PSF convolves, hence the flip
    return F.conv2d(padded, psf.flip(-2, -1).unsqueeze(1), groups=psf.shape[0])
