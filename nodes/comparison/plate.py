"""The plate: every panel one resample away from its source, labelled with what was done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...kernels.picture import check_result, flatten_alpha
from ...kernels.resample import OVERSHOOT, resample
from ..contrast import lay_scrim, plan_ink
from ..labels import fit, shorten, size_for, width_of
from ..typography import Anchor, draw_line, missing
from .design import (
    DOT,
    MARK,
    ON_PICTURE,
    SMALLEST_FIGURE,
    Design,
    Settings,
    Shown,
    Slide,
    names_of,
    plan_design,
)
from .difference import Difference, difference_map
from .figures import figures_of, lines_of
from .layout import Layout
from .panels import Panel

GROUND = (22, 22, 24)
INK = (242, 242, 242)  # 16:1 on the ground
QUIET = (176, 176, 180)  # 8.5:1
AMBER = (255, 183, 40)  # 10:1
LEGIBLE = 4.5  # contrast of what is written on a picture (WCAG)
PARAGRAPH_LINES = 6


@dataclass(frozen=True)
class Plate:
    picture: Tensor
    """(S, H, W, 3), sRGB 0..1: the plate, or the slides."""
    panels: Tensor
    """(N, h, w, 3), sRGB 0..1: the panels of the first slide alone, all of one size."""
    key: Tensor
    """(1, H, W, 3), sRGB 0..1: which letter is which entry."""
    difference: Tensor
    """(N - 1, h, w, 3), sRGB 0..1: every further panel against the first."""
    maps: tuple[Difference, ...]
    """The same with what was measured."""
    report: str
    figures: tuple[dict[str, Any], ...]
    """Of each panel of the first slide, plain values."""
    design: Design


def make_plate(
    panels: Sequence[Panel], region: str, size: tuple[int, int], title: str = "", **settings: Any
) -> Plate:
    """The same region of every entry, side by side.

    Parameters
    ----------
    panels : 2 to 16 entries
    region : a name of ``PLATE_REGIONS``, or ``CUSTOM``
    size : (width, height) of the plate, pixels
    title : str
        Empty writes the region's name.
    **settings
        The further fields of :class:`.design.Settings`.

    Raises
    ------
    ValueError
        A setting is unknown, the panels do not fit, or a region lies wholly outside its picture.
    """
    return compare(panels, Settings(region, size, title, **settings))


def compare(
    panels: Sequence[Panel],
    settings: Settings,
    progress: Callable[[int], Callable[[int], None]] = lambda total: lambda done: None,
) -> Plate:
    """The same as :func:`make_plate`, from settings.

    ``progress`` is called once with the number of steps, and what it returns after each; what
    that raises ends the work.
    """
    design = plan_design(panels, settings)
    check_result(len(design.slides), *design.key.layout.size, "the plate")
    cuts = sum(len(slide.panels) for slide in design.slides)
    done, show = count(1), progress(cuts + 2 * len(panels) - 1)

    def tick() -> None:
        show(next(done))

    design, figures = _measured(design, panels, settings, tick)
    picture, cut, key = draw(design, [panel.image for panel in panels], tick)
    maps = []
    for other in cut[1:]:
        maps.append(difference_map(cut[0], other))
        tick()
    return Plate(
        picture,
        cut,
        key,
        torch.stack([one.picture for one in maps]),
        tuple(maps),
        _report(design, settings, maps),
        figures,
        design,
    )


def draw(
    design: Design, images: Sequence[Tensor], tick: Callable[[], None] = lambda: None
) -> tuple[Tensor, Tensor, Tensor]:
    """A design with its pictures: the same pixels every time.

    Parameters
    ----------
    design : Design
    images : Tensors, (1, H, W, C), sRGB 0..1
        Of the entries, in their own order.
    tick : callable
        Called after each panel.

    Returns
    -------
    picture : Tensor, (S, H, W, 3)
    panels : Tensor, (N, h, w, 3)
        Of the first slide.
    key : Tensor, (1, H, W, 3)
    """
    width, height = design.slides[0].layout.size
    picture = torch.empty(len(design.slides), height, width, 3)
    first = torch.empty(0)
    for number, slide in enumerate(design.slides):
        cuts = []
        for one in slide.panels:
            cuts.append(cut_panel(images[one.source], one, slide.layout.panel, design.kernel))
            tick()
        picture[number] = _drawn(design, slide, cuts)
        if number == 0:
            first = torch.stack(cuts)
    return picture, first, _drawn(design, design.key, [])[None]


def cut_panel(image: Tensor, shown: Shown, size: tuple[int, int], kernel: str = "area") -> Tensor:
    """What one panel shows at the panel's size, (h, w, 3), straight from the source.

    What lies beyond the picture is hatched.
    """
    box = (shown.box.x, shown.box.y, shown.box.width, shown.box.height)
    planes = flatten_alpha(image).permute(0, 3, 1, 2)
    if shown.reduced is not None:
        _, coverage = resample(planes[:, :1], box, size, turn_deg=shown.turn_deg)
        planes, _ = resample(planes, box, shown.reduced, turn_deg=shown.turn_deg)
        whole = (0.0, 0.0, float(shown.reduced[0]), float(shown.reduced[1]))
        picture, _ = resample(planes, whole, size, kernel=kernel)
    else:
        picture, coverage = resample(planes, box, size, kernel=kernel, turn_deg=shown.turn_deg)
    coverage = coverage[..., None]
    return picture[0].permute(1, 2, 0) * coverage + _hatch(size) * (1 - coverage)


def _hatch(size: tuple[int, int]) -> Tensor:
    """Diagonal stripes for what the source does not show, (h, w, 1)."""
    rows, columns = torch.arange(size[1])[:, None], torch.arange(size[0])
    return (0.32 + 0.06 * ((rows + columns) // 8 % 2))[..., None].float()


def _measured(
    design: Design, panels: Sequence[Panel], settings: Settings, tick: Callable[[], None]
) -> tuple[Design, tuple[dict[str, Any], ...]]:
    """The design with the figures written where they are asked for, and all of them as plain values."""
    cover = design.slides[0]
    measured = []
    for one in cover.panels:
        panel = panels[one.source]
        measured.append(figures_of(panel.image, panel.face, one.box, iris_px=one.iris_px))
        tick()
    found = [
        {
            "label": one.label,
            "source_size": [panels[one.source].image.shape[2], panels[one.source].image.shape[1]],
            "zoom": round(one.zoom, 5),
            "shown_px_per_mm": None if one.px_per_mm is None else round(one.px_per_mm, 4),
            "notes": one.warnings,
            **figures.as_json(),
        }
        for one, figures in zip(cover.panels, measured, strict=True)
    ]
    lines = lines_of(measured) if settings.show_figures else [""] * len(measured)
    shown = [replace(one, figures=line) for one, line in zip(cover.panels, lines, strict=True)]
    told = [f"{one.label}{DOT}{one.figures}" for one in shown if one.figures]
    slides = (
        replace(cover, panels=tuple(shown)),
        *(
            replace(slide, text=(*slide.text, *told)) if slide.name == "method" else slide
            for slide in design.slides[1:]
        ),
    )
    return replace(design, slides=slides), tuple(found)


def _report(design: Design, settings: Settings, maps: Sequence[Difference]) -> str:
    lines = []
    for slide in design.slides:
        if slide.panels:
            width, height = slide.layout.panel
            region = slide.title if slide.title != settings.title.strip() else settings.region
            lines.append(f"{region.lower()}, {width}x{height} px each. {slide.method}")
            lines += slide.notes
            lines += [
                "; ".join(
                    [
                        f"{one.label}: {one.caption}{f' {MARK}' if one.warnings else ''}",
                        *filter(None, [one.figures]),
                        *one.warnings,
                    ]
                )
                for one in slide.panels
            ]
    first, *others = design.slides[0].panels
    for other, one in zip(others, maps, strict=True):
        told = one.reason or f"mean {one.mean_delta_e:.1f} (CIE76)"
        lines.append(f"Difference of {other.label} from {first.label}: {told}")
    lines += design.lines
    words = " ".join(
        [settings.title, *(f"{one.label} {one.subline}" for one in design.slides[0].panels)]
    )
    lines += missing(words, user_font=settings.font or None)
    return "\n".join(lines)


class _Pen:
    """Writes on one plate."""

    def __init__(self, canvas: Image.Image, layout: Layout, font: str) -> None:
        self.pen = ImageDraw.Draw(canvas)
        self.layout, self.font = layout, font
        self.text, self.least = layout.text, round(SMALLEST_FIGURE * layout.text)
        self.width = layout.size[0] - 2 * layout.margin

    def write(
        self,
        words: str,
        at: tuple[int, int],
        size: int,
        colour: tuple[int, ...],
        *,
        bold: bool = False,
        room: int | None = None,
        anchor: Anchor = "ls",
    ) -> None:
        if room is not None:
            words = shorten(words, room, size, bold=bold, user_font=self.font)
        draw_line(self.pen, at, words, size, colour, bold=bold, anchor=anchor, user_font=self.font)

    def size_for(self, words: Sequence[str], room: int, most: int, least: int, **how: Any) -> int:
        return size_for(words, room, most, least, user_font=self.font, **how)


def _drawn(design: Design, slide: Slide, cuts: Sequence[Tensor]) -> Tensor:
    """One slide, (H, W, 3), sRGB 0..1."""
    layout = slide.layout
    canvas = Image.new("RGB", layout.size, GROUND)
    pen = _Pen(canvas, layout, design.font)
    big = round(1.7 * layout.text)
    size = pen.size_for([slide.title], pen.width, big, layout.text, bold=True)
    top = layout.top + layout.margin
    pen.write(slide.title, (layout.margin, top + big), size, INK, bold=True, room=pen.width)
    if slide.panels:
        _foot(pen, slide, design)
        if design.label_place != ON_PICTURE:
            _labels(pen, slide)
    else:
        _paragraphs(pen, slide)
    plate = torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)
    for picture, one, (x, y) in zip(cuts, slide.panels, layout.origins, strict=True):
        if design.label_place == ON_PICTURE:
            picture = _labelled(picture, one, slide, design)
        plate[y : y + layout.panel[1], x : x + layout.panel[0]] = picture
    return plate


def _captions(pen: _Pen, slide: Slide) -> tuple[list[str], int]:
    """What stands under the panels, and its letter size; the short form where the whole one is too long."""
    room = slide.layout.panel[0] - max((_bar_width(pen, one) for one in slide.panels), default=0)
    for which in ("caption", "short_caption"):
        words = [
            f"{getattr(one, which)} {MARK}" if one.warnings else getattr(one, which)
            for one in slide.panels
        ]
        size = pen.size_for(words, room, pen.text, pen.least)
        if all(width_of(each, size, user_font=pen.font) <= room for each in words):
            break
    return words, size


def _labels(pen: _Pen, slide: Slide) -> None:
    """Name, second line, zoom, bar and figures below each panel."""
    layout, text = slide.layout, pen.text
    width, height = layout.panel
    names = names_of([(one.label, one.subline) for one in slide.panels], layout, pen.font)
    captions, caption_size = _captions(pen, slide)
    below_name = [one.subline for one in slide.panels]
    sub_size = pen.size_for(below_name, width, text, pen.least)
    figures_size = pen.size_for([one.figures for one in slide.panels], width, text, pen.least)
    deepest = max(len(lines) for lines in names.lines)
    for one, lines, caption, (x, y) in zip(
        slide.panels, names.lines, captions, layout.origins, strict=True
    ):
        base = y + height + round(0.05 * text)
        for line in lines:
            base += round(1.45 * text)
            pen.write(line, (x, base), names.size, INK, bold=True)
        base += round(1.45 * text) * (deepest - len(lines))
        if any(below_name):
            base += round(1.3 * text)
            pen.write(one.subline, (x, base), sub_size, QUIET, room=width)
        base += round(1.3 * text)
        pen.write(caption, (x, base), caption_size, AMBER if one.warnings else QUIET, room=width)
        _bar(pen, one, (x + width, base))
        if one.figures:
            pen.write(one.figures, (x, base + round(1.3 * text)), figures_size, QUIET, room=width)


def _bar_width(pen: _Pen, one: Shown) -> int:
    """What a bar takes with its text and a blank."""
    if not one.bar_px:
        return 0
    return one.bar_px + round(width_of(one.bar, pen.least, user_font=pen.font) + 1.6 * pen.text)


def _bar(pen: _Pen, one: Shown, at: tuple[int, int]) -> None:
    """A millimetre bar of exactly ``bar_px`` pixels, its length to its left; it ends at ``at``."""
    if not one.bar_px:
        return
    end, base = at
    middle, tick = base - round(0.36 * pen.least), max(3, round(0.28 * pen.text))
    thick = max(1, pen.text // 12)
    left, right = end - one.bar_px, end - 1
    pen.pen.rectangle((left, middle, right, middle + thick - 1), fill=QUIET)
    for x in (left, right - thick + 1):
        pen.pen.rectangle((x, middle - tick, x + thick - 1, middle + tick), fill=QUIET)
    pen.write(one.bar, (left - round(0.5 * pen.text), base), pen.least, QUIET, anchor="rs")


def _foot(pen: _Pen, slide: Slide, design: Design) -> None:
    """From the bottom up: the method, the lock's notes, what the mark means."""
    layout = slide.layout
    base = layout.size[1] - layout.bottom - layout.margin
    step = round(1.5 * pen.text)
    if design.show_method:
        colour = AMBER if max(OVERSHOOT[design.kernel]) else QUIET
        lines = fit([slide.method], pen.width, pen.text, pen.least, lines=2, user_font=pen.font)
        for line in reversed(lines.lines[0]):
            pen.write(line, (layout.margin, base), lines.size, colour)
            base -= step
    marks = list(dict.fromkeys(note for one in slide.panels for note in one.warnings))
    for note in [*slide.notes, *([f"{MARK} {DOT.join(marks)}"] if marks else [])]:
        size = pen.size_for([note], pen.width, pen.text, pen.least)
        pen.write(note, (layout.margin, base), size, AMBER, room=pen.width)
        base -= step


def _paragraphs(pen: _Pen, slide: Slide) -> None:
    layout = slide.layout
    base = layout.top + layout.margin + layout.head
    bottom = layout.size[1] - layout.bottom - layout.margin
    size = round(1.1 * pen.text)
    for paragraph in slide.text:
        lines = fit([paragraph], pen.width, size, size, lines=PARAGRAPH_LINES, user_font=pen.font)
        for line in lines.lines[0]:
            base += round(1.6 * pen.text)
            if base > bottom:
                return
            pen.write(line, (layout.margin, base), size, INK)
        base += round(0.5 * pen.text)


def _labelled(picture: Tensor, one: Shown, slide: Slide, design: Design) -> Tensor:
    """A panel with its name and zoom written on it, legible whatever is below."""
    width, height = slide.layout.panel
    canvas = Image.new("L", (width, height), 0)
    pen = _Pen(canvas, replace(slide.layout, size=(width, height), margin=0), design.font)
    pad = round(0.5 * pen.text)
    room = width - 2 * pad
    size = pen.size_for([one.label], room, round(1.25 * pen.text), pen.text, bold=True)
    caption = f"{one.short_caption} {MARK}" if one.warnings else one.short_caption
    small = pen.size_for([caption], room, pen.text, pen.least)
    pen.write(
        one.label, (pad, height - pad - round(1.4 * pen.text)), size, (255,), bold=True, room=room
    )
    pen.write(caption, (pad, height - pad), small, (255,), room=room)
    letters = torch.from_numpy(np.asarray(canvas).astype(np.float32) / 255)
    rows, columns = (torch.nonzero(letters.any(axis)) for axis in (1, 0))
    if not len(rows):
        return picture
    top, bottom = max(0, int(rows.min()) - pad), height
    left, right = max(0, int(columns.min()) - pad), min(width, int(columns.max()) + 1 + pad)
    part = picture[top:bottom, left:right]
    ink = plan_ink(part, LEGIBLE)
    veiled = torch.from_numpy(lay_scrim(part, ink))
    cover = letters[top:bottom, left:right, None]
    picture = picture.clone()
    picture[top:bottom, left:right] = veiled * (1 - cover) + torch.tensor(ink.ink) * cover
    return picture
