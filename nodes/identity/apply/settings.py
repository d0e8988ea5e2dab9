"""What a user sets of an identity on a model."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from ..injection.curve import CURVES, EXAMPLE
from ..injection.weight import MODES
from .face_area import AREAS

MOST_WEIGHT = 3.0
TWICE = -1.0  # as shortcut: twice the weight


@dataclass(frozen=True)
class Settings:
    """What the user sets. Out of range, it is refused by name."""

    weight: float = 0.8
    """0..3"""
    prominence: str = MODES[0]
    start: float = 0.0
    end: float = 1.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    curve: str = CURVES[0]
    layers: str = ""
    """A typed list, in place of ``curve``."""
    lora: bool = True
    lora_weight: float = 0.6
    """0..2"""
    shortcut: float = TWICE
    """FaceID Plus V2's: 0..6."""
    noise: float = 0.0
    """InstantID's: 0..1."""
    area: str = AREAS[0]
    """everywhere, or within the face alone."""
    energy: bool = False
    """Measure how strong it is in every layer at every step."""

    def __post_init__(self) -> None:
        for name, most in (("weight", MOST_WEIGHT), ("lora_weight", 2.0), ("noise", 1.0)):
            _check_number(name, getattr(self, name), most)
        if self.shortcut != TWICE:
            _check_number("shortcut", self.shortcut, 2 * MOST_WEIGHT, f"or {TWICE:g}: twice the weight")  # fmt: skip
        if self.layers.strip() and ":" not in self.layers:
            raise ValueError(
                f"layers must be a list of layers and their factors, such as {EXAMPLE}, got {self.layers!r}"
            )

    @property
    def spread(self) -> str:
        """Over the layers: the typed list, or the curve's name."""
        return self.layers.strip() or self.curve


def _check_number(name: str, value: float, most: float, other: str = "") -> None:
    if not (isfinite(value) and 0 <= value <= most):
        words = f"0 to {most:g}{f', {other}' if other else ''}"
        raise ValueError(f"{name} must be {words}; got {value:g}")
