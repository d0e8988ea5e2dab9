"""What is known of the licence of a recognition network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .files import AURAFACE

FILE = "MODEL.LICENSE"  # signed by insightface, beside the files of a pack
RESEARCH = "research only, not for trade"


def licence_of(pack: Path, encoder: str) -> str:
    """One line on the licence of a pack.

    Parameters
    ----------
    pack : Path
        The folder of its files.
    encoder : str
        The encoder's id.

    Returns
    -------
    str
        insightface's own packs are for research unless a signed file beside them says otherwise; only
        the package insightface can check the signature.
    """
    if encoder == AURAFACE:
        return (
            "Apache-2.0 by its folder's name, AuraFace; detectors beside it are insightface's, "
            f"{RESEARCH}"
        )
    signed, manifest = (pack / FILE).is_file(), (pack / "manifest.json").is_file()
    # Without either of the two files insightface answers the same, and takes two seconds to be imported.
    if not signed and not manifest:
        return f"no {FILE}: {RESEARCH}"
    if find_spec("insightface") is None:
        lies = f"a {FILE} lies there" if signed else f"no {FILE}, but a manifest"
        return f"{lies}, not verified: insightface is not installed; else {RESEARCH}"
    return _inspected(pack)


def _inspected(pack: Path) -> str:
    """What insightface says of the signature."""
    try:
        from insightface.model_zoo.model_license import inspect_model_package_license
    except Exception:  # before 2.0 there was none, and any of its dependencies may be broken
        return f"not verified: this insightface cannot check a {FILE}; else {RESEARCH}"
    try:
        found = inspect_model_package_license(pack)
        if found.license is not None:
            grant = found.license.grant
            until = found.license.valid_until
            lasts = f", until {until:%Y-%m-%d}" if until else ""
            trade = "" if found.commercial_use_permitted else f": {RESEARCH}"
            return f"{FILE} is genuine and grants {grant} use{lasts}{trade}"
        if found.defaulted:
            return f"no {FILE}: {RESEARCH}"
        return f"{FILE} is not valid ({found.status}): {RESEARCH}"
    except Exception:  # another version, with other answers
        return f"not verified: this insightface cannot check a {FILE}; else {RESEARCH}"
