"""Letters that look the same on every machine: DejaVu Sans, which matplotlib brings."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans at a size in pixels.

    Raises
    ------
    RuntimeError
        matplotlib, whose fonts these are, is not installed.
    """
    return ImageFont.truetype(
        str(_folder() / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size
    )


def missing_letters(text: str) -> str:
    """The characters of a text that DejaVu Sans has no letters for: they are drawn as empty boxes."""
    return "".join(sign for sign in dict.fromkeys(text) if ord(sign) not in _code_points())


@lru_cache(maxsize=1)
def _code_points() -> frozenset[int]:
    from fontTools.ttLib import TTFont  # matplotlib brings it

    with TTFont(_folder() / "DejaVuSans.ttf", lazy=True) as file:
        return frozenset(file.getBestCmap() or {})


def _folder() -> Path:
    spec = find_spec("matplotlib")  # its files are enough: importing it would take a second
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "labels are drawn with DejaVu Sans from matplotlib, which is not installed: pip install matplotlib"
        )
    return Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
