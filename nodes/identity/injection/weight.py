"""How strongly an identity acts: base x prominence x schedule x layer curve x mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from .curve import layer_curve
from .mask import Grid, area_resize
from .schedule import Window

MODES = ("off", "follow", "compensate")

# specs/identity.md 2.3: starting points, not calibrated on real adapters.
PORTRAIT = 0.12  # share of the canvas that a face of a portrait takes: the factor is 1 there
SLOPE = 0.35
FOLLOW_LEAST = 0.25
COMPENSATE_MOST, COMPENSATE_LEAST = 1.6, 0.8


def prominence_factor(area_share: float, mode: str) -> float:
    """How a face's size in the picture changes the weight of its identity.

    Parameters
    ----------
    area_share : float, above 0, at most 1
        Face area / canvas area, as planned.
    mode : 'off', 'follow' or 'compensate'
        follow: larger faces hold identity best and get it in full, smaller ones less:
        (a/a0)^0.35 in 0.25..1. compensate: smaller ones get more, at most 1.6; larger ones less,
        at least 0.8: (a/a0)^-0.35 below a0 = 0.12, (a/a0)^-0.175 above.

    Raises
    ------
    ValueError
        Another mode or share.
    """
    if mode not in MODES:
        raise ValueError(f"prominence must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "off":
        return 1.0
    if not 0 < area_share <= 1:
        raise ValueError(
            f"a face's share of the canvas must be above 0 and at most 1, got {area_share:g}; "
            "choose prominence off where no face is planned"
        )
    ratio = area_share / PORTRAIT
    if mode == "follow":
        return min(max(ratio**SLOPE, FOLLOW_LEAST), 1.0)
    if ratio < 1:
        return min(COMPENSATE_MOST, ratio**-SLOPE)
    return max(COMPENSATE_LEAST, ratio ** (-SLOPE / 2))


@dataclass(frozen=True)
class Place:
    """A layer's place in its model, in the order in which the model runs."""

    index: int
    count: int


@dataclass(frozen=True, eq=False)
class Weight:
    """What multiplies an identity's term in a layer, at a noise level, on a token."""

    base: float = 1.0
    prominence: float = 1.0
    """The factor, of :func:`prominence_factor`."""
    schedule: Window | None = None
    """None: all of sampling."""
    curve: str = "uniform"
    """A name or typed list of :func:`layer_curve`."""
    mask: Tensor | None = None
    """(B, H, W) of ``mask.check_mask``; None: everywhere."""

    def __post_init__(self) -> None:
        if not (isfinite(self.base) and isfinite(self.prominence)):
            raise ValueError(
                f"an identity's weight must be a number, got {self.base} x {self.prominence}"
            )

    @property
    def needs_sigma(self) -> bool:
        """Whether the noise level matters."""
        return self.schedule is not None and not self.schedule.always

    def scale(self, place: Place, sigma: float | None) -> float:
        """The weight of a layer without its mask; 0 outside the schedule.

        ``sigma`` may be None where ``needs_sigma`` is False.
        """
        weight = self.base * self.prominence
        if weight and self.schedule is not None:
            weight *= self.schedule.factor(sigma if sigma is not None else 0.0)
        return weight * layer_curve(self.curve, place.index, place.count) if weight else 0.0

    def on_grid(self, grid: Grid) -> Tensor:
        """The mask on a layer's grid, (B, rows * columns); ones where there is no mask."""
        if self.mask is None:
            return torch.ones(1, grid[0] * grid[1])
        return area_resize(self.mask, grid).flatten(1)

    def at(self, place: Place, sigma: float | None, grid: Grid) -> float | Tensor:
        """The whole product: a number, or where there is a mask (B, tokens)."""
        scale = self.scale(place, sigma)
        return scale if self.mask is None else scale * self.on_grid(grid)
