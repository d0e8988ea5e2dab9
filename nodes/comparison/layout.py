"""Where the panels stand on the plate, in whole pixels.

All panels are equal in size; what a division leaves over goes to the outer margin, never to one
panel. A region is never widened to fill a panel: the grid is chosen for the region instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from .regions import Region

FREE = "free"
PLATES: dict[str, tuple[int, int]] = {
    "4:5 1080x1350": (1080, 1350),
    "3:4 1080x1440": (1080, 1440),
    "1:1 2048x2048": (2048, 2048),
    "16:9 1920x1080": (1920, 1080),
    "16:9 3840x2160": (3840, 2160),
    "9:16 1080x1920": (1080, 1920),
    "print 300 dpi 10x15 cm": (1181, 1772),
    "print 300 dpi 15x10 cm": (1772, 1181),
    "print 300 dpi A4": (2480, 3508),
    "print 300 dpi A4 landscape": (3508, 2480),
}
# Shares of the height that a platform's own buttons and texts cover, top and bottom: from memory.
COVERED = {"9:16 1080x1920": (0.14, 0.20)}
SMALLEST, LARGEST = 256, 8192  # px, sides of a free plate
MIN_PANEL = 64  # px, the shorter side of a panel; below it nothing can be compared
EMPTY_PENALTY = 0.15  # of the area, for a grid that is all but empty


@dataclass(frozen=True)
class Layout:
    """A plate: sizes and places in pixels."""

    size: tuple[int, int]
    panel: tuple[int, int]
    origins: tuple[tuple[int, int], ...]
    """Top left corner of every panel."""
    margin: int
    text: int
    """Letter height of the figures; everything written is scaled from it."""
    label: int
    """Height of the band below a panel."""
    head: int
    foot: int
    top: int = 0
    """What stays free above the head, beside the margin."""
    bottom: int = 0
    """The same below the foot."""


def plate_size(preset: str, width: int, height: int) -> tuple[int, int]:
    """The plate's width and height in pixels: the preset's, or the given ones where it is free."""
    if preset != FREE:
        if preset not in PLATES:
            raise ValueError(f"plate must be one of {', '.join([*PLATES, FREE])}; got {preset!r}")
        return PLATES[preset]
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise ValueError(
            f"a free plate has sides of {SMALLEST} to {LARGEST} px, got {width}x{height}"
        )
    return width, height


def covered(size: tuple[int, int]) -> tuple[int, int]:
    """Pixels that a platform's own buttons cover, at the top and at the bottom of a preset's plate."""
    preset = next((name for name, known in PLATES.items() if known == size), "")
    top, bottom = COVERED.get(preset, (0.0, 0.0))
    return round(top * size[1]), round(bottom * size[1])


def text_size(size: tuple[int, int]) -> int:
    """Letter height of a plate's figures, px: 16 can be read in a phone's feed."""
    return max(16, round(0.018 * min(size)))


def plan_plate(
    size: tuple[int, int],
    count: int,
    region: Region,
    *,
    label: float = 3.4,
    foot: float = 3.7,
    multiple: int = 1,
) -> Layout:
    """The grid in which this many panels of a region's shape are largest.

    Parameters
    ----------
    size : (width, height), px
    count : int, at least 1
    region : Region
        Only its shape counts.
    label, foot : float
        Heights of the band below each panel and of the plate's foot, in letter heights.
    multiple : int
        Of which a panel's sides are, for zooms by a whole number.

    Raises
    ------
    ValueError
        The panels would be smaller than ``MIN_PANEL``.
    """
    width, height = size
    short, text = min(size), text_size(size)
    margin, gap = round(0.03 * short), round(0.02 * short)
    band, head, below = round(label * text), round(3.0 * text), round(foot * text)
    free_top, free_bottom = covered(size)
    room = height - 2 * margin - head - below - free_top - free_bottom
    aspect = region.width / region.height
    best: tuple[float, int, int, int] | None = None
    for columns in range(1, count + 1):
        rows = ceil(count / columns)
        cell_w = (width - 2 * margin - (columns - 1) * gap) // columns
        cell_h = (room - rows * band - (rows - 1) * gap) // rows
        panel_w = min(cell_w, int(cell_h * aspect)) // multiple * multiple
        panel_h = round(panel_w / aspect / multiple) * multiple
        if panel_h > cell_h:
            panel_h -= multiple
        empty = (columns * rows - count) / count
        worth = panel_w * panel_h * (1 - EMPTY_PENALTY * empty)
        if min(panel_w, panel_h) >= MIN_PANEL and (best is None or worth > best[0]):
            best = (worth, columns, panel_w, panel_h)
    if best is None:
        raise ValueError(
            f"{count} panels do not fit a plate of {width}x{height} px: each would be under {MIN_PANEL} px. "
            "Choose a larger plate or fewer panels."
        )
    _, columns, panel_w, panel_h = best
    rows = ceil(count / columns)
    # title, panels and foot are one block in the middle
    spare = room - rows * (panel_h + band) - (rows - 1) * gap
    free_top, free_bottom = free_top + spare // 2, free_bottom + spare - spare // 2
    top = free_top + margin + head
    origins = []
    for index in range(count):
        row, column = divmod(index, columns)
        in_row = min(columns, count - row * columns)
        left = (width - in_row * panel_w - (in_row - 1) * gap) // 2
        origins.append((left + column * (panel_w + gap), top + row * (panel_h + band + gap)))
    return Layout(
        size,
        (panel_w, panel_h),
        tuple(origins),
        margin,
        text,
        band,
        head,
        below,
        free_top,
        free_bottom,
    )
