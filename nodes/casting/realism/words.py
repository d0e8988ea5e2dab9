"""A distance to the corridor in plain words: which figure is out, in which direction, how that reads."""

from __future__ import annotations

from collections.abc import Mapping

from .figures import CHROMA, COARSE, FINE, MID, SLOPE, UNEVEN

NAMES: dict[str, tuple[str, str]] = {
    MID: ("mid band low", "mid band high"),
    SLOPE: ("slope shallow", "slope steep"),
    UNEVEN: ("texture too even", "texture patchy"),
    CHROMA: ("colour coarse", "colour fine-grained"),
    FINE: ("fine band low", "fine band high"),
    COARSE: ("coarse blotches weak", "coarse blotches strong"),
}
"""Of each figure, how it is called below and above the corridor."""

WITHIN = "within the corridor"
NOTABLE = 1.0  # standard deviations: where nothing is out by itself, what leans so far is named
OUT = 2.0
_MOST = 3


def reason_of(sigmas: Mapping[str, float], distance: float, far: float) -> str:
    """What a face's distance is made of, in plain words; never that it is real or not.

    Parameters
    ----------
    sigmas : mapping
        Of each scored figure its signed standard deviations.
    distance : float
    far : float
        That nine of ten real photographs stay below.
    """
    out = sorted((n for n in sigmas if abs(sigmas[n]) > OUT), key=lambda n: -abs(sigmas[n]))
    if not out and distance <= far:
        return WITHIN
    named = out or sorted(
        (n for n in sigmas if abs(sigmas[n]) > NOTABLE), key=lambda n: -abs(sigmas[n])
    )
    reading = reads(sigmas)
    if not named:
        return f"no figure is out by itself, their combination is unusual{reading}"
    words = " and ".join(NAMES[name][sigmas[name] > 0] for name in named[:_MOST])
    if not out:
        words = f"in combination unusual: {words}"
    return f"{words}{reading}"


def reads(sigmas: Mapping[str, float]) -> str:
    """How such figures read, ': reads ...' or nothing where they fit none of the known ways."""
    low = {name for name, value in sigmas.items() if value < -NOTABLE}
    high = {name for name, value in sigmas.items() if value > NOTABLE}
    if MID in low and not (FINE in high and SLOPE in low):
        return ": reads smoothed or painted"
    if FINE in high and SLOPE in low and (UNEVEN in low or MID not in high):
        return ": reads noisy or grainy"
    if MID in high and SLOPE in low:
        return ": reads sharpened"
    if MID in high:
        return ": reads rough, or its local contrast is raised"
    if FINE in low or SLOPE in high:
        return ": reads soft"
    return ""
