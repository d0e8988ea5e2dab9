"""One pass from a box of the source, turned or not, to a panel.

With the kernel ``area`` every output pixel is the mean light of exactly the source area that it
covers. At a whole zoom that is the source's own pixels, repeated; at a fractional one, pixels with
anti-aliased borders; when shrinking, a box average. No weight is negative, so no edge overshoots and
nothing is sharpened. The other kernels are there to compare with: ``OVERSHOOT`` says at what price.
"""

from __future__ import annotations

from math import isfinite, radians

import torch
from torch import Tensor

from .separable import separable
from .taps import taps_of
from .turned import turned

KERNELS = ("area", "nearest", "bilinear", "mitchell", "lanczos3")

OVERSHOOT = {
    "area": (0.0, 0.0),
    "nearest": (0.0, 0.0),
    "bilinear": (0.0, 0.0),
    "mitchell": (3.6, 3.3),
    "lanczos3": (11.8, 10.5),
}
"""Per kernel: the most that a step edge is exceeded, % of the step in linear light, wherever it lies
between pixels: enlarging, and shrinking to 0.9 or less (at 0.5 it is 2.0 and 8.2)."""

Box = tuple[float, float, float, float]


def resample(
    image: Tensor, box: Box, size: tuple[int, int], *, kernel: str = "area", turn_deg: float = 0.0
) -> tuple[Tensor, Tensor]:
    """A box of a picture at another size, in linear light.

    Parameters
    ----------
    image : Tensor, (B, C, H, W), sRGB 0..1
    box : (x, y, width, height), pixels
        In pixel edges: pixel ``i`` covers ``[i, i + 1)``. May lie between pixels, and beyond the
        picture.
    size : (width, height) of the result, pixels
    kernel : one of ``KERNELS``
        All but ``area`` and ``nearest`` look at the light between pixel centres, and are widened
        where they shrink, so that they do not alias; beyond the border they see the pixels nearest
        to it. ``nearest`` takes the pixel that holds the output pixel's centre.
    turn_deg : float
        The box is turned by this much around its own centre, clockwise as seen: the rows of the
        result run along (cos, sin) in the source. A face with the roll r is levelled by r.

    Returns
    -------
    panel : Tensor, (B, C, height, width), sRGB 0..1, float32, on the CPU
        0 where nothing of the source is covered. A pixel half covered holds, with ``area``, the mean
        of that half. The sRGB code ends at 0 and 1: there, and nowhere else, is overshoot cut off.
    coverage : Tensor, (height, width), 0..1, float32
        The share of each pixel's area that lies in the picture, whatever the kernel.

    Raises
    ------
    ValueError
        The box or the size has no area, a number is not finite, or the kernel is unknown.
    """
    _check(box, size, kernel, turn_deg)
    if turn_deg % 360:
        return turned(image, box, size, kernel, radians(turn_deg % 360))
    across = taps_of(kernel, box[0], box[2], size[0], image.shape[-1])
    down = taps_of(kernel, box[1], box[3], size[1], image.shape[-2])
    coverage = down.share.float()[:, None] * across.share.float()
    panel = torch.empty((*image.shape[:2], size[1], size[0]), dtype=torch.float32)
    for source, out in zip(image, panel, strict=True):
        separable(source, down, across, out)
    if not bool((down.share > 0).all() and (across.share > 0).all()):
        panel[..., coverage == 0] = 0
    return panel, coverage


def resample_area(image: Tensor, box: Box, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A box of a picture at another size: exact area coverage. See :func:`resample`."""
    return resample(image, box, size)


def overshoot_percent(kernel: str, enlarging: bool) -> float:
    """The most that a kernel exceeds a step edge, % of the step, in linear light: see ``OVERSHOOT``.

    Parameters
    ----------
    kernel : one of ``KERNELS``
    enlarging : bool
        Whether the zoom is above 0.9.

    Raises
    ------
    ValueError
        The kernel is unknown.
    """
    _check_kernel(kernel)
    return OVERSHOOT[kernel][0 if enlarging else 1]


def _check(box: Box, size: tuple[int, int], kernel: str, turn_deg: float) -> None:
    _check_kernel(kernel)
    if not all(isfinite(value) for value in (*box, turn_deg)):
        raise ValueError(
            f"box and turn_deg must be finite numbers, got {tuple(box)} and {turn_deg}"
        )
    if box[2] <= 0 or box[3] <= 0 or min(size) < 1:
        raise ValueError(
            f"a box of {box[2]:g}x{box[3]:g} px cannot become a panel of {size[0]}x{size[1]} px; "
            "both need an area"
        )


def _check_kernel(kernel: str) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}; got {kernel!r}")
