"""A calibration as a value: what was measured with one adapter on one base model, and the curve through it."""

from __future__ import annotations

from dataclasses import dataclass

MOST_POINTS = 1600  # pictures of one calibration: 100 renders of 16
MOST_CALIBRATIONS = 32  # of one profile


@dataclass(frozen=True)
class Point:
    """One rendered picture."""

    weight: float
    """Effective: base weight x prominence factor, 0 or more."""
    cosine: float | None
    """Of its most alike face to the centre of the profile; None where that cannot be told."""
    seed: int
    number: int = 0
    """Of the picture in its batch: one seed makes another noise for each."""
    share: float | None = None
    """Of the canvas that the face takes in this picture."""

    @property
    def noise(self) -> tuple[int, int]:
        """What its noise is known by: the same at every weight."""
        return self.seed, self.number


@dataclass(frozen=True)
class Fitted:
    """cos(w) = floor + (ceiling - floor) (1 - exp(-w / rise)), w the effective weight."""

    floor: float
    """Cosine without the identity."""
    ceiling: float
    """Where the curve levels off; not below the floor."""
    rise: float
    """The weight at which 63 % of the way is made, above 0."""
    floor_error: float | None
    """Standard errors; None where the points do not tell."""
    ceiling_error: float | None
    rise_error: float | None
    spread: float
    """Standard deviation of the cosine between seeds at one weight."""
    first: float
    """Smallest and largest weight that the curve is drawn through: between them alone it is believed."""
    last: float
    falls: bool
    """Whether heavier ones were tested and the cosine fell there."""


@dataclass(frozen=True)
class Calibration:
    """How likeness grows with the weight, with one adapter on one base model."""

    adapter: str
    """File name, for words."""
    adapter_sha256: str
    base: str
    """Kind of the base model, for words."""
    base_id: str
    """Its fingerprint, see :func:`.base.base_of`."""
    encoder: str
    """The one that measured."""
    encoder_sha256: str
    points: tuple[Point, ...]
    fitted: Fitted
    created: str = ""
    """ISO date."""
    how: str = ""
    """The settings besides the weight, in words."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is for: a profile keeps one of each."""
        return self.adapter_sha256, self.base_id
