"""A lens from its physics: what the Lens Profile node's values stand for, and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log2
from typing import Any

from torch import Tensor

from ...kernels.psf import (
    CAMERA_COARSE,
    Lens,
    Tail,
    compute_psf,
    core_share,
    encircled_radius_px,
    mtf_lp_mm,
)
from .catalogue import about

VALUES = "from the values below"
CHART_LP_MM = (10, 20, 40)
HALATION_UM = 110.0  # as far as light wanders in a film's base
HALATION = (1.0, 1 / 3, 1 / 12)  # of red, green and blue: red goes deepest
DIFFUSIONS = ("gaussian", "exponential")
CORNER_DEG = 45.0  # the corner that is charted lies lower right
_CORE_UM = 2.0  # per pixel, where the core's size is measured


def lens_from_values(name: str, values: Mapping[str, Any]) -> Lens:
    """The lens that the node's widgets describe.

    Parameters
    ----------
    name : str
    values : mapping
        Fields of :class:`Lens` under their own names, and ``diffusion`` (share), ``diffusion_um``,
        ``diffusion_shape`` and ``halation`` (share of red light), which become tails.

    Raises
    ------
    ValueError
        A value out of range.
    """
    fields = dict(values)
    diffusion, scale_um = fields.pop("diffusion", 0.0), fields.pop("diffusion_um", 100.0)
    shape, halation = fields.pop("diffusion_shape", DIFFUSIONS[0]), fields.pop("halation", 0.0)
    if shape not in DIFFUSIONS:
        raise ValueError(f"diffusion_shape must be one of {', '.join(DIFFUSIONS)}; got {shape!r}")
    tails = []
    if diffusion:
        tails.append(Tail(shape, diffusion, diffusion, diffusion, scale_um))
    if halation:
        red, green, blue = (halation * share for share in HALATION)
        tails.append(Tail("exponential", red, green, blue, HALATION_UM))
    return Lens(name=name.strip() or "my lens", **fields, tails=tuple(tails))


@dataclass(frozen=True)
class Profile:
    """What a lens does, in figures."""

    lens: Lens
    centre: tuple[float, ...]
    """Contrast left at ``CHART_LP_MM``, green, tails included."""
    tangential: tuple[float, ...]
    """The same in the corner, for lines that circle the picture's centre."""
    sagittal: tuple[float, ...]
    """For lines that point to it."""
    ee80_um: float
    """Diameter of the circle that holds 80 % of the core's green light."""

    @property
    def wide_share(self) -> tuple[float, float, float]:
        """Of red, green and blue, what glare and tails throw far."""
        red, green, blue = core_share(self.lens)
        return (1 - red, 1 - green, 1 - blue)

    def report(self) -> str:
        """The figures in plain words."""
        lens = self.lens
        lines = [f"{lens.name}: f/{lens.f_number:g}. {about(lens.name)}".rstrip()]
        at = " / ".join(str(each) for each in CHART_LP_MM)
        lines.append(
            f"Contrast kept (MTF, green) at {at} lp/mm: {_row(self.centre)} in the centre."
        )
        if max(map(abs, _differences(self))) < 0.005:
            lines.append("The corners are as good as the centre.")
        else:
            lines.append(
                f"In the corner {_row(self.tangential)} tangential (lines around the centre), "
                f"{_row(self.sagittal)} sagittal (lines towards it)."
            )
        lines.append(
            f"80 % of a point's light falls within {self.ee80_um:.1f} um: 1 px where a picture of 36 mm "
            f"is {36_000 / self.ee80_um:.0f} px long."
        )
        if max(self.wide_share) > 0:
            shares = self.wide_share
            said = (
                f"{shares[1]:.1%}"
                if max(shares) - min(shares) < 5e-4
                else " / ".join(f"{each:.1%}" for each in shares) + " (red / green / blue)"
            )
            lines.append(f"Glare, diffusion and halation throw {said} of the light far.")
        if lens.cat_eye:
            lines.append(
                f"The barrel costs the corner {-log2(1 - lens.cat_eye):.1f} stops of its opening."
            )
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Plain values: the lens's own fields, and its figures."""
        return {
            "lens": asdict(self.lens),
            "lp_mm": list(CHART_LP_MM),
            "mtf_centre": list(self.centre),
            "mtf_corner_tangential": list(self.tangential),
            "mtf_corner_sagittal": list(self.sagittal),
            "ee80_um": self.ee80_um,
            "wide_share_rgb": list(self.wide_share),
        }


def _row(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def _differences(profile: Profile) -> list[float]:
    pairs = zip(profile.centre * 2, profile.tangential + profile.sagittal, strict=True)
    return [one - other for one, other in pairs]


def measure(lens: Lens) -> Profile:
    """What a lens does, in the centre and in the corner.

    Raises
    ------
    ValueError
        Its PSF is too wide to calculate.
    """
    size_um = 2 * core_radius_um(lens)  # first: it refuses what is beyond measure
    corner = mtf_lp_mm(lens, CHART_LP_MM, field=1.0, azimuth_deg=CORNER_DEG)
    return Profile(
        lens,
        _green(mtf_lp_mm(lens, CHART_LP_MM)[0]),
        _green(corner[0]),
        _green(corner[1]),
        size_um,
    )


def core_radius_um(lens: Lens) -> float:
    """The radius within which 80 % of the core's green light falls, in the centre, um."""
    pitch_um = max(_CORE_UM, 0.5 * lens.f_number)
    for _ in range(6):
        try:
            psf = compute_psf(lens, pitch_um, spectrum=CAMERA_COARSE, energy=0.97)
        except ValueError:
            pitch_um *= 2  # a very wide one: coarser pixels hold it
            continue
        return float(encircled_radius_px(psf[1], 0.8)) * pitch_um
    raise ValueError(
        f"{lens.name!r} spreads light too far to calculate. Lower its aberrations, its focus_um or its f_number."
    )


def _green(values: Tensor) -> tuple[float, ...]:
    return tuple(round(float(each), 6) for each in values[1])
