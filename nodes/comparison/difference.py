"""Where two panels differ, once the one lies exactly on the other; refused where they show different things."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.picture import luma
from ...kernels.register import MOST_SHARE, aligned, register
from ...kernels.texture import lab

LEAST_NCC = 0.9
MOST_DELTA_E = 20.0
"""CIE76 at the bright end of the scale; about 2.3 is just seen."""
COLOURS = "inferno"  # from black over red to pale yellow, its lightness rising evenly
_GRAY = (0.18, 0.42)  # what is not compared: between these, in the panel's own light and dark
_STRIPE_PX = 8


@dataclass(frozen=True, eq=False)
class Difference:
    """A map of differences, or the reason why there is none."""

    picture: Tensor
    """(h, w, 3), sRGB 0..1: heat from 0 (black) to ``MOST_DELTA_E``; hatched gray where not compared."""
    ncc: float | None
    """Normalised cross-correlation of luma after alignment, -1..1; None where a panel is one tone."""
    shift_px: tuple[float, float]
    """(x, y): what the first panel shows at (X, Y), the second shows at (X + x, Y + y)."""
    mean_delta_e: float | None
    """Over what was compared; None where nothing was."""
    reason: str | None
    """Why nothing was compared, or None."""


def difference_map(first: Tensor, second: Tensor, *, most_share: float = MOST_SHARE) -> Difference:
    """The colour difference of two panels, shift between them taken back.

    Parameters
    ----------
    first, second : Tensor, (h, w, 3), sRGB 0..1
        Of one size.
    most_share : float in [0, 0.25]
        Largest shift that is taken back, of the shorter side.

    Returns
    -------
    Difference
        Delta E of CIELAB (CIE76), shown from 0 to 20. Identical panels give 0 everywhere.

    Raises
    ------
    ValueError
        The sizes differ, or a panel is none.
    """
    _check(first, second)
    first, second = (one.detach().float().cpu().clamp(0, 1) for one in (first, second))
    if torch.equal(first, second):
        return Difference(heat(torch.zeros(first.shape[:2])), 1.0, (0.0, 0.0), 0.0, None)
    found = register(luma(first), luma(second), most_share=most_share)
    if found.ncc is None:
        return _refused(first, None, found.shift_px, "not registered: a panel is of one tone")
    if found.ncc <= LEAST_NCC:
        reason = (
            f"not registered: NCC {found.ncc:.2f} after alignment, {LEAST_NCC:g} is needed: "
            "the faces differ in pose or expression"
        )
        return _refused(first, found.ncc, found.shift_px, reason)
    sides = aligned(first.movedim(-1, 0), second.movedim(-1, 0), found.shift_px)
    values = [lab(side[None].clamp(0, 1))[0] for side in sides]
    delta = (values[0] - values[1]).square().sum(0).sqrt()
    left, top = (max(0, -round(value)) for value in found.shift_px)
    picture = _hatched(first)
    picture[top : top + delta.shape[0], left : left + delta.shape[1]] = heat(delta)
    return Difference(picture, found.ncc, found.shift_px, float(delta.mean()), None)


def heat(delta_e: Tensor) -> Tensor:
    """Colours of differences: (h, w), delta E -> (h, w, 3), sRGB 0..1."""
    import matplotlib
    import numpy as np

    table = torch.from_numpy(
        matplotlib.colormaps[COLOURS](np.arange(256))[:, :3].astype(np.float32)
    )
    return table[(delta_e / MOST_DELTA_E * 255).round().clamp(0, 255).long()]


def _refused(
    panel: Tensor, ncc: float | None, shift_px: tuple[float, float], reason: str
) -> Difference:
    return Difference(_hatched(panel), ncc, shift_px, None, reason)


def _hatched(panel: Tensor) -> Tensor:
    """A panel in dim gray under diagonal stripes, (h, w, 3)."""
    height, width = panel.shape[:2]
    stripes = (torch.arange(height)[:, None] + torch.arange(width)) // _STRIPE_PX % 2
    gray = _GRAY[0] + (_GRAY[1] - _GRAY[0]) * luma(panel) + 0.06 * stripes
    return gray[..., None].expand(-1, -1, 3).clone()


def _check(first: Tensor, second: Tensor) -> None:
    for panel, name in ((first, "first"), (second, "second")):
        if panel.ndim != 3 or panel.shape[-1] != 3 or not panel.is_floating_point() or not panel.numel():  # fmt: skip
            shape = "x".join(map(str, panel.shape)) or "a single number"
            raise ValueError(
                f"{name} must be a panel (height, width, 3), floating point and not empty, got {shape} of {panel.dtype}"
            )
        if not torch.isfinite(panel).all():
            raise ValueError(f"{name} must be finite, it holds NaN or infinite values")
    if first.shape != second.shape:
        sizes = [f"{one.shape[1]}x{one.shape[0]}" for one in (first, second)]
        raise ValueError(
            f"first and second must have one size, got {sizes[0]} and {sizes[1]} px. Panels of one plate do."
        )
