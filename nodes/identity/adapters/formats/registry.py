"""All formats, in the order in which they are named. A new one gets a description and a line here.

No file fits two of them by accident: only those that share a layout (``version``) may both fit.
"""

from __future__ import annotations

from ..layout import Format
from .faceid import FACEID, PLUS_V1, PLUS_V2, PORTRAIT, UNNORM
from .instantid import INSTANTID
from .pulid_flux import PULID_FLUX
from .unsupported import UNSUPPORTED

FORMATS: tuple[Format, ...] = (
    FACEID,
    PLUS_V1,
    PLUS_V2,
    PORTRAIT,
    UNNORM,
    INSTANTID,
    PULID_FLUX,
    *UNSUPPORTED,
)
SUPPORTED = tuple(dict.fromkeys(layout.name for layout in FORMATS if layout.supported))
AUTO = "auto"
VERSIONS = (AUTO, *dict.fromkeys(layout.version for layout in FORMATS if layout.version))
"""What a user may say where a layout is shared: ``auto`` goes by the file's name."""
