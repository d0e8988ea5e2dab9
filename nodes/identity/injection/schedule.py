"""When an identity acts: a part of sampling with soft ends, as noise levels of one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

BISECTIONS = 24  # of 0..1: 6e-8 of sampling, finer than any step
ROUNDING = 1e-9  # of 0.2 + 0.3 against 0.5


def _single(value: float) -> float:
    """As the host's own comparison sees it: noise levels are float32 there."""
    return float(torch.tensor(float(value), dtype=torch.float32))


@dataclass(frozen=True)
class Schedule:
    """A part of sampling, as shares of it: 0 is pure noise, 1 the finished picture.

    Parameters
    ----------
    start, end : float, 0..1, start <= end
    fade_in, fade_out : float, 0..1
        How much of sampling the identity takes to come and to go, inside start and end, in a
        straight line. At ``start`` itself a fade is still 0.

    Raises
    ------
    ValueError
        Not in this order, or the fades do not fit between start and end.
    """

    start: float = 0.0
    end: float = 1.0
    fade_in: float = 0.0
    fade_out: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise ValueError(
                f"start and end must be shares of sampling, 0 <= start <= end <= 1, "
                f"got {self.start:g} and {self.end:g}"
            )
        room = self.end - self.start
        fades = self.fade_in + self.fade_out
        if not (self.fade_in >= 0 and self.fade_out >= 0 and fades <= room + ROUNDING):
            raise ValueError(
                f"fade in {self.fade_in:g} and fade out {self.fade_out:g} must be at least 0 and fit "
                f"together into the {room:g} of sampling between start and end; shorten them"
            )

    def at(self, share: float) -> float:
        """The factor, 0..1, at a share of sampling."""
        if not self.start <= share <= self.end:
            return 0.0
        factor = 1.0
        if self.fade_in:
            factor = min(factor, (share - self.start) / self.fade_in)
        if self.fade_out:
            factor = min(factor, (self.end - share) / self.fade_out)
        return max(factor, 0.0)

    def window(self, percent_to_sigma: Callable[[float], float]) -> Window:
        """The same in noise levels of one model.

        Parameters
        ----------
        percent_to_sigma : callable
            The host's ``model_sampling.percent_to_sigma``: falls from share 0 to share 1.
        """
        return Window(self, percent_to_sigma)


class Window:
    """A schedule in a model's noise levels; see :meth:`Schedule.window`."""

    def __init__(self, schedule: Schedule, percent_to_sigma: Callable[[float], float]) -> None:
        self.schedule = schedule
        self._sigma_at = percent_to_sigma
        self.first = _single(percent_to_sigma(schedule.start))
        self.last = _single(percent_to_sigma(schedule.end))
        self._whole = schedule.start == 0 and schedule.end == 1
        self._seen: tuple[float, float] | None = None

    @property
    def always(self) -> bool:
        """Whether it is 1 everywhere, so that no noise level needs to be known."""
        return self._whole and not (self.schedule.fade_in or self.schedule.fade_out)

    def factor(self, sigma: float) -> float:
        """0..1 at a noise level; 0 outside the window, whose two ends belong to it."""
        if self.always:
            return 1.0
        if not self.last <= sigma <= self.first:
            return 0.0
        if not (self.schedule.fade_in or self.schedule.fade_out):
            return 1.0
        seen = self._seen  # 70 layers ask for the same noise level
        if seen is None or seen[0] != sigma:
            seen = self._seen = (sigma, self.schedule.at(self._share(sigma)))
        return seen[1]

    def _share(self, sigma: float) -> float:
        """The share of sampling at which this noise level is reached, between start and end."""
        low, high = self.schedule.start, self.schedule.end
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if float(self._sigma_at(middle)) > sigma:
                low = middle
            else:
                high = middle
        return (low + high) / 2
