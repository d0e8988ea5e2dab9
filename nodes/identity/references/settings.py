"""What a user sets of the weights of references."""

from __future__ import annotations

from dataclasses import dataclass

from ..injection.schedule import Schedule
from .weights import checked

REFERENCE_TOKENS = 4096  # of 1024 x 1024 px at 16 px a token, what edit models are usually given


@dataclass(frozen=True)
class Settings:
    """What the user sets. Out of range, it is refused by name."""

    weight: float = 1.0
    """0..8"""
    weights: str = ""
    """One a reference, such as ``1:0.5, 2:1.5``."""
    start: float = 0.0
    end: float = 1.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    size_invariant: bool = False
    """Whether a reference of N tokens is weighed by 4096 / N as well."""

    def __post_init__(self) -> None:
        checked(self.weight, "weight")
        _ = self.schedule

    @property
    def schedule(self) -> Schedule:
        """When they act; in a fade log(w) goes in a straight line, from 0."""
        return Schedule(self.start, self.end, self.fade_in, self.fade_out)
