"""A lens's point spread function (PSF), from its pupil and wavefront.

Files:
- wavefront   a lens in numbers, and the path difference it leaves in the pupil
- pupil       the opening, and the field in it
- psf         the light on the sensor's pixels; sampling rules that refuse rather than mislead
- tails       the light that is thrown far: glare, diffusion, halation
- otf         what a PSF leaves of contrast (MTF), how far it spreads light

Lengths are micrometres on film or sensor, and say so: ``pitch_um``, ``w040_um``. Wavefronts are
optical path differences at the rim of the pupil. A place in the picture is its ``field``, 0 in the
centre to 1 in the corner, and its ``azimuth_deg``, 0 right and 90 down. ``kernels.convolve`` applies
a PSF to a picture.
"""

from .otf import centroid_px, encircled_radius_px, mtf, mtf_lp_mm, otf, strehl
from .psf import (
    CAMERA,
    CAMERA_COARSE,
    ENERGY,
    MAX_SUPPORT_PX,
    Sampling,
    Spectrum,
    check_sampling,
    compute_psf,
    monochromatic,
    plan_sampling,
)
from .tails import GLARE_UM, PROFILES, Tail, core_share, tail_otf, tail_psf, wide_tails
from .wavefront import Lens, wavefront_um

__all__ = [
    "CAMERA",
    "CAMERA_COARSE",
    "ENERGY",
    "GLARE_UM",
    "MAX_SUPPORT_PX",
    "PROFILES",
    "Lens",
    "Sampling",
    "Spectrum",
    "Tail",
    "centroid_px",
    "check_sampling",
    "compute_psf",
    "core_share",
    "encircled_radius_px",
    "monochromatic",
    "mtf",
    "mtf_lp_mm",
    "otf",
    "plan_sampling",
    "strehl",
    "tail_otf",
    "tail_psf",
    "wavefront_um",
    "wide_tails",
]
