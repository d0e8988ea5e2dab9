"""Skin-realism evidence: how far the texture of a face's skin is from that of real photographs.

It is relative and explained, and no verdict: real photographs differ widely among themselves. Figures
count on both sides of their range, so that neither smoothing nor sharpening, noise or grain gains by it.

- skin      forehead and cheeks of a face, at one size
- figures   what is measured of them
- corridor  where real photographs lie; corridor.json is the pack's own, statistics alone
- store     corridors that users made, as files
- evidence  a picture against a corridor, in words
- gates     why a picture is shown but not ranked
- calibrate a corridor from photos; plot draws it
"""

from .corridor import Corridor
from .evidence import Evidence, evidence_of
from .store import FOLDER, SHIPPED, list_corridors, load_corridor

__all__ = [
    "FOLDER",
    "SHIPPED",
    "Corridor",
    "Evidence",
    "evidence_of",
    "list_corridors",
    "load_corridor",
]
