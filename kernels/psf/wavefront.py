"""A lens in numbers, and the wavefront it leaves in its pupil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import cos, pi, radians, sin

import torch
from torch import Tensor

from .tails import LEAST_CORE, Tail, check_number

MAX_TAILS = 8
_RANGES = {
    "f_number": (0.5, 128.0),
    "glare": (0.0, 0.9),
    "roundness": (0.0, 1.0),
    "cat_eye": (0.0, 0.9),
    "apodisation": (0.0, 4.0),
    "annulus": (0.0, 0.9),
    "sieve_disc": (0.0, 1.0),
    "sieve_hole": (0.0, 0.5),
    "sieve_at": (0.0, 1.0),
    "squeeze": (1.0, 3.0),
}
_COUNTS = {"blades": (3, 24), "sieve_holes": (1, 64)}  # or 0, none


@dataclass(frozen=True)
class Lens:
    """A lens, as its opening and its wavefront describe it.

    Every field but the name and the tails is a number with its unit, so ``dataclasses.asdict``
    gives JSON and ``Lens(**values)`` takes it back. Wavefront coefficients are optical path
    differences at the rim of the pupil, in micrometres. What grows with the field, the distance
    from the picture's centre, says what it is in the corner, where the field is 1.
    """

    name: str
    f_number: float
    focus_um: float = 0.0
    """How far the sensor stands from the paraxial focus; 0 is paraxial, where spherical aberration
    glows most, and negative approaches the best focus of a positive ``w040_um``. Positive is how a
    background is seen."""
    w040_um: float = 0.0
    """Primary spherical aberration."""
    w060_um: float = 0.0
    """Secondary spherical aberration."""
    loca_um: float = 0.0
    """Longitudinal colour: how far focus moves 100 nm away from 550 nm, to either side."""
    residual_sigma_um: float = 0.0
    """What making, centring and film add: the sigma of a Gaussian blur."""
    w131_um: float = 0.0
    """Coma, in proportion to the field. Positive points away from the picture's centre."""
    w222_um: float = 0.0
    """Astigmatism, with the field squared: positive adds to the defocus of rays beside one another
    on a line from the centre, negative takes from it, and then points turn into arcs around the
    centre (swirl)."""
    w220_um: float = 0.0
    """Field curvature, with the field squared: a defocus. Positive curves the field to the lens."""
    lca_um_per_100nm: float = 0.0
    """Lateral colour, in proportion to the field: how far outward light 100 nm longer lands."""
    glare: float = 0.0
    """Share of all light that is scattered over the picture."""
    blades: int = 0
    """Of the iris; 0 is a round opening."""
    roundness: float = 0.0
    """Of the blades: 0 straight, 1 a circle."""
    rotation_deg: float = 0.0
    """Where the first corner between two blades lies: 0 right, 90 down."""
    cat_eye: float = 0.0
    """Share of the opening that the barrel hides in the corner: 0.5 costs a stop there."""
    apodisation: float = 0.0
    """a in the amplitude exp(-a rho^2): a filter that grows darker towards the rim."""
    annulus: float = 0.0
    """Radius of a stop in the middle of the pupil, 0 none."""
    sieve_holes: int = 0
    """How many holes a sieve stop has around its disc, 0 no sieve."""
    sieve_disc: float = 0.0
    """Radius of the sieve's opening in the middle."""
    sieve_hole: float = 0.0
    """Radius of each hole."""
    sieve_at: float = 0.0
    """Radius of the circle that the holes lie on."""
    squeeze: float = 1.0
    """Anamorphic: how many times the opening is higher than wide."""
    tails: tuple[Tail, ...] = ()
    """What a diffusion filter or film spreads far, see :mod:`.tails`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tails", _tails(self.tails))
        for field in fields(self)[1:-1]:
            check_number(field.name, getattr(self, field.name))
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name must be a text that is not empty, got {self.name!r}")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} must be from {least:g} to {most:g}, got {getattr(self, name):g}"
                )
        for name, (least, most) in _COUNTS.items():
            count = getattr(self, name)
            if count != 0 and (count != int(count) or not least <= count <= most):
                raise ValueError(
                    f"{name} must be 0 or a whole number from {least} to {most}, got {count:g}"
                )
            object.__setattr__(self, name, int(count))
        if self.residual_sigma_um < 0:
            raise ValueError(f"residual_sigma_um must be 0 or more, got {self.residual_sigma_um:g}")
        self._check_sieve()
        for channel, colour in enumerate(("red", "green", "blue")):
            thrown = self.glare + sum(tail.shares[channel] for tail in self.tails)
            if thrown > 1 - LEAST_CORE:
                raise ValueError(
                    f"glare and tails take {thrown:.3g} of the {colour} light, at most "
                    f"{1 - LEAST_CORE:g} is allowed: the rest is the picture. Lower glare or the shares."
                )

    def _check_sieve(self) -> None:
        if not self.sieve_holes:
            return
        if not self.sieve_hole:
            raise ValueError("sieve_hole must be above 0 where sieve_holes is, got 0")
        if self.sieve_at + self.sieve_hole > 1 + 1e-9:
            raise ValueError(
                f"sieve_at + sieve_hole must be at most 1, the rim, got "
                f"{self.sieve_at:g} + {self.sieve_hole:g}"
            )
        if self.sieve_at - self.sieve_hole < self.sieve_disc or (
            self.sieve_holes > 1 and self.sieve_at * sin(pi / self.sieve_holes) < self.sieve_hole
        ):
            raise ValueError(
                f"the sieve's holes must touch neither its disc nor each other: {self.sieve_holes} of "
                f"sieve_hole {self.sieve_hole:g} at sieve_at {self.sieve_at:g} around sieve_disc "
                f"{self.sieve_disc:g} do. Make them smaller or fewer."
            )

    def w020_um(self, wavelength_um: float) -> float:
        """Defocus at the rim of the pupil: the focus setting and longitudinal colour, micrometres.

        W020 = dz / (8 N^2), dz = focus + loca ((lambda - 0.55) / 0.1)^2.
        """
        dz = self.focus_um + self.loca_um * ((wavelength_um - 0.55) / 0.1) ** 2
        return dz / (8 * self.f_number**2)

    def lateral_um(self, wavelength_um: float, field: float) -> float:
        """How far outward lateral colour moves a wavelength, micrometres; 550 nm stays."""
        return self.lca_um_per_100nm * field * (wavelength_um - 0.55) / 0.1


def _tails(given: object) -> tuple[Tail, ...]:
    """Tails as JSON or Python gives them."""
    if not isinstance(given, (list, tuple)):
        raise ValueError(f"tails must be a list, got {given!r}")
    if len(given) > MAX_TAILS:
        raise ValueError(f"tails must be at most {MAX_TAILS}, got {len(given)}")
    return tuple(_tail(each, f"tail {number}") for number, each in enumerate(given, 1))


def _tail(given: object, where: str) -> Tail:
    if isinstance(given, Tail):
        return given
    names = [field.name for field in fields(Tail)]
    if not isinstance(given, Mapping) or set(given) != set(names):
        raise ValueError(f"{where} must be an object with {', '.join(names)}; got {given!r}")
    try:
        return Tail(**given)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def wavefront_um(
    lens: Lens,
    u: Tensor,
    v: Tensor,
    wavelength_um: float,
    *,
    field: float = 0.0,
    azimuth_deg: float = 0.0,
) -> Tensor:
    """Optical path difference over the pupil.

    Parameters
    ----------
    lens : Lens
    u, v : Tensors that broadcast
        Where in the pupil, right and down; the rim is at 1.
    wavelength_um : float, um
    field : float, 0..1
        How far from the picture's centre, 1 in the corner.
    azimuth_deg : float, degrees
        In which direction from the centre: 0 right, 90 down.

    Returns
    -------
    Tensor, um
        W020 r^2 + W040 r^4 + W060 r^6 + W131 H r^3 cos + W222 H^2 r^2 cos^2 + W220 H^2 r^2 [1]_, cos
        that of the angle from the azimuth.

    References
    ----------
    .. [1] Born & Wolf, Principles of Optics, 7th ed., section 5.3.
    """
    squared = u**2 + v**2
    defocus = lens.w020_um(wavelength_um) + lens.w220_um * field**2
    path = squared * (defocus + squared * (lens.w040_um + squared * lens.w060_um))
    if not varies(lens, field):
        return path
    turn = radians(azimuth_deg)
    along = u * cos(turn) + v * sin(turn)
    return path + along * (lens.w131_um * field * squared + lens.w222_um * field**2 * along)


def varies(lens: Lens, field: float) -> bool:
    """Whether the wavefront at a place in the field differs from one direction to another."""
    return field != 0 and (lens.w131_um != 0 or lens.w222_um != 0)


def steepest_um(lens: Lens, wavelength_um: float, field: float = 0.0) -> float:
    """The largest slope ``|grad W|`` in the pupil, um; times 2 N it is the farthest ray's miss."""
    rho = torch.linspace(0, 1, 1001, dtype=torch.float64)
    defocus = lens.w020_um(wavelength_um) + lens.w220_um * field**2
    slope = 2 * defocus * rho + 4 * lens.w040_um * rho**3 + 6 * lens.w060_um * rho**5
    if not varies(lens, field):
        return float(slope.abs().max())
    # along the azimuth and across it, for directions of the half plane; the other half mirrors it
    rho, slope = rho[::4, None], slope[::4, None]
    angle = torch.linspace(0, pi, 91, dtype=torch.float64)
    c, s = torch.cos(angle), torch.sin(angle)
    coma, astigmatism = lens.w131_um * field, lens.w222_um * field**2
    along = slope * c + coma * rho**2 * (1 + 2 * c**2) + 2 * astigmatism * rho * c
    across = slope * s + coma * rho**2 * 2 * c * s
    return float(torch.hypot(along, across).max())


def bend_um(lens: Lens, wavelength_um: float, field: float = 0.0) -> float:
    """No less than how fast the slope changes anywhere in the pupil, um per squared radius."""
    squared = torch.linspace(0, 1, 1001, dtype=torch.float64)
    defocus = lens.w020_um(wavelength_um) + lens.w220_um * field**2
    along = 2 * defocus + 12 * lens.w040_um * squared + 30 * lens.w060_um * squared**2
    around = 2 * defocus + 4 * lens.w040_um * squared + 6 * lens.w060_um * squared**2
    round_part = float(torch.maximum(along.abs(), around.abs()).max())
    return round_part + 6 * abs(lens.w131_um) * field + 2 * abs(lens.w222_um) * field**2
