"""A lens's point spread function (PSF), from its pupil and wavefront.

Files:
- wavefront   a lens in numbers, and the path difference it leaves in the pupil
- pupil       the opening, and the field in it
- psf         the light on the sensor's pixels; sampling rules that refuse rather than mislead
- otf         what a PSF leaves of contrast (MTF), how far it spreads light

Lengths are micrometres on film or sensor, and say so: ``pitch_um``, ``w040_um``. Wavefronts are
optical path differences at the rim of the pupil. ``kernels.convolve`` applies a PSF to a picture.
"""

from .otf import encircled_radius_px, mtf, strehl
from .psf import (
    CAMERA,
    ENERGY,
    MAX_SUPPORT_PX,
    Sampling,
    Spectrum,
    check_sampling,
    compute_psf,
    monochromatic,
    plan_sampling,
)
from .wavefront import Lens, wavefront_um

__all__ = [
    "CAMERA",
    "ENERGY",
    "MAX_SUPPORT_PX",
    "Lens",
    "Sampling",
    "Spectrum",
    "check_sampling",
    "compute_psf",
    "encircled_radius_px",
    "monochromatic",
    "mtf",
    "plan_sampling",
    "strehl",
    "wavefront_um",
]
