"""The plate: every panel one resample away from its source, labelled with what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...kernels.picture import flatten_alpha
from ...kernels.resample import resample_area
from ..framing.faces import Box
from ..labels import shorten, size_for
from ..typography import font, missing_letters
from .layout import Layout, plan_plate
from .panels import Panel
from .regions import PLATE_REGIONS, Region

GROUND = (22, 22, 24)
INK = (242, 242, 242)  # 16:1 on the ground
QUIET = (176, 176, 180)  # 8.5:1
AMBER = (255, 183, 40)  # 10:1
MUCH = 4.0  # enlarged more than this, a panel shows the resolution rather than the model
MARK = (
    "\N{BLACK UP-POINTING TRIANGLE}"  # below a panel; what it means stands at the foot of the plate
)
ENLARGED = f"enlarged more than {MUCH:g}x: shows resolution, not the model"
BEYOND = "hatched: beyond the picture"
METHOD = "Exact area sampling in linear light, one pass, unsharpened. Scale locked on the eyes; roll kept."


@dataclass(frozen=True)
class Plate:
    picture: Tensor
    """(1, H, W, 3), sRGB 0..1."""
    panels: Tensor
    """(N, h, w, 3), sRGB 0..1: the panels alone, all of one size."""
    report: str


@dataclass(frozen=True)
class Shown:
    """What one panel shows: the box of its source, and how much that was enlarged."""

    box: Box
    zoom: float
    """Plate pixels per source pixel, the same on both axes."""
    complete: bool
    """Whether the whole box lies in the picture."""


def make_plate(
    panels: Sequence[Panel], region: str, size: tuple[int, int], title: str = ""
) -> Plate:
    """The same region of every entry, side by side.

    Parameters
    ----------
    panels : 2 to 16 entries
    region : a name of ``PLATE_REGIONS``
    size : (width, height) of the plate, pixels
    title : str
        Empty writes the region's name.

    Raises
    ------
    ValueError
        The region is unknown, the panels do not fit, or a region lies wholly outside its picture.
    """
    if region not in PLATE_REGIONS:
        raise ValueError(f"region must be one of {', '.join(PLATE_REGIONS)}; got {region!r}")
    layout = plan_plate(size, len(panels), PLATE_REGIONS[region])
    cut = [cut_panel(panel, PLATE_REGIONS[region], layout.panel) for panel in panels]
    shown = [one for _, one in cut]
    pictures = torch.stack([picture for picture, _ in cut])
    plate = _written(panels, shown, layout, title.strip() or region.upper())
    for picture, (x, y) in zip(pictures, layout.origins, strict=True):
        plate[y : y + layout.panel[1], x : x + layout.panel[0]] = picture
    lines = [f"{region}, {layout.panel[0]}x{layout.panel[1]} px each. {METHOD}"]
    lines += [
        "; ".join([f"{panel.label}: {figures(panel, one)}", *warnings(one)])
        for panel, one in zip(panels, shown, strict=True)
    ]
    if missing := missing_letters(title + "".join(panel.label for panel in panels)):
        lines.append(f"DejaVu Sans has no letters for {missing}: they are drawn as empty boxes")
    return Plate(plate[None], pictures, "\n".join(lines))


def cut_panel(panel: Panel, region: Region, size: tuple[int, int]) -> tuple[Tensor, Shown]:
    """The region of one entry at the panel's size, (h, w, 3), straight from the source."""
    wanted = region.on(panel.face)
    # one zoom for both axes: the panel's rounding to whole pixels moves the border, not the scale
    zoom = size[0] / wanted.width
    height = size[1] / zoom
    box = Box(wanted.x, wanted.centre[1] - height / 2, wanted.width, height)
    planes = flatten_alpha(panel.image).permute(0, 3, 1, 2)
    picture, coverage = resample_area(planes, (box.x, box.y, box.width, box.height), size)
    if not bool((coverage > 0).any()):
        raise ValueError(
            f"{panel.label}: this region lies wholly outside the picture. Choose another region, or a wider picture."
        )
    coverage = coverage[..., None]
    filled = picture[0].permute(1, 2, 0) * coverage + _hatch(size) * (1 - coverage)
    return filled, Shown(box, zoom, bool((coverage > 1 - 1e-6).all()))


def figures(panel: Panel, shown: Shown) -> str:
    """What is written under a panel; it ends in a mark where :func:`warnings` has something to say."""
    text = f"{panel.face.iod:.0f} px between the eyes · {shown.zoom:.2f}x"
    return f"{text} {MARK}" if warnings(shown) else text


def warnings(shown: Shown) -> list[str]:
    """What must be known before a panel is judged."""
    return [
        *([ENLARGED] if shown.zoom > MUCH else []),
        *([] if shown.complete else [BEYOND]),
    ]


def _hatch(size: tuple[int, int]) -> Tensor:
    """Diagonal stripes for what the source does not show, (h, w, 1)."""
    rows, columns = torch.arange(size[1])[:, None], torch.arange(size[0])
    return (0.32 + 0.06 * ((rows + columns) // 8 % 2))[..., None].float()


def _written(panels: Sequence[Panel], shown: Sequence[Shown], layout: Layout, title: str) -> Tensor:
    """The plate with everything but the panels, (H, W, 3), sRGB 0..1."""
    canvas = Image.new("RGB", layout.size, GROUND)
    pen = ImageDraw.Draw(canvas)
    width = layout.size[0] - 2 * layout.margin
    big, text = round(1.7 * layout.text), layout.text

    least = round(0.8 * text)  # below it a figure cannot be read on a phone

    def write(
        words: str, x: int, y: int, room: int, size: int, colour: tuple, *, bold: bool = False
    ) -> None:
        letters = shorten(words, room, size, bold=bold)
        pen.text((x, y), letters, font=font(size, bold=bold), fill=colour, anchor="ls")

    size = size_for([title], width, big, text, bold=True)
    write(title, layout.margin, layout.margin + big, width, size, INK, bold=True)

    room = layout.panel[0]
    captions = [figures(panel, one) for panel, one in zip(panels, shown, strict=True)]
    name_size = size_for(
        [panel.label for panel in panels], room, round(1.25 * text), text, bold=True
    )
    caption_size = size_for(captions, room, text, least)
    for panel, one, caption, (x, y) in zip(panels, shown, captions, layout.origins, strict=True):
        below = y + layout.panel[1]
        colour = AMBER if warnings(one) else QUIET
        write(panel.label, x, below + round(1.5 * text), room, name_size, INK, bold=True)
        write(caption, x, below + round(2.8 * text), room, caption_size, colour)

    bottom = layout.size[1] - layout.margin
    if notes := list(dict.fromkeys(note for one in shown for note in warnings(one))):
        note = f"{MARK} {' · '.join(notes)}"
        write(note, layout.margin, bottom, width, size_for([note], width, text, least), AMBER)
        bottom -= round(1.5 * text)
    write(METHOD, layout.margin, bottom, width, size_for([METHOD], width, text, least), QUIET)
    return torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)
