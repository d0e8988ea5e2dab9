"""What stands on a plate, decided before a pixel is touched: all that is needed to draw it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, cos, radians, sin

from ...kernels.resample import KERNELS, OVERSHOOT
from ..framing.faces import Box
from ..framing.regions import Region
from ..labels import fit, one_line, width_of
from .layout import Layout, covered, plan_plate, text_size
from .locks import LOCKS, ROLLS, Lock, Locked, box_of, lock
from .panels import Panel

SAME, NATIVE, LEVELLED = POLICIES = ("same region", "native", "levelled")
BELOW, ON_PICTURE = PLACES = ("below", "on the picture")
MOST_SLIDES = 8  # regions of a carousel
MOST_ZOOM = 16  # of native pixels
MUCH = 4.0  # enlarged more than this, a panel shows the resolution rather than the model
MARK = (
    "\N{BLACK UP-POINTING TRIANGLE}"  # below a panel; what it means stands at the foot of the plate
)
ENLARGED = f"enlarged more than {MUCH:g}x: shows resolution, not the model"
BEYOND = "hatched: beyond the picture"
ABOUT = "\N{ALMOST EQUAL TO}"
DOT = " \N{MIDDLE DOT} "
BARS_MM = (50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5)
LONGEST_BAR = 0.3  # of a panel's width
LEAST_BAR = 24  # px
BAR_PANEL = (
    17  # letter heights of a panel's width, from which there is room for a bar beside the zoom
)
SMALLEST_FIGURE = 0.8  # of the letter height: below it a figure cannot be read on a phone
NAME_LINES = 2
LEAST_PANEL = 360  # px: narrower, and a carousel shows more
NAMES = "ABCDEFGHIJKLMNOP"


@dataclass(frozen=True)
class Settings:
    """What the user asks for; checked."""

    region: str
    size: tuple[int, int]
    title: str = ""
    policy: str = SAME
    native_zoom: int = 0
    """Source pixels to plate pixels, 1 : so many; 0 takes what fits the region best."""
    lock_scale: str = LOCKS[0]
    roll: str = ROLLS[0]
    kernel: str = KERNELS[0]
    show_figures: bool = False
    blind: bool = False
    blind_seed: int = 0
    slides: tuple[str, ...] = ()
    """More regions, a slide each."""
    label_place: str = BELOW
    show_method: bool = True
    font: str = ""
    """Path of the user's font."""

    def __post_init__(self) -> None:
        for name, known in (("policy", POLICIES), ("kernel", KERNELS), ("label_place", PLACES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}"
                )
        if not 0 <= self.native_zoom <= MOST_ZOOM:
            raise ValueError(
                f"native_zoom must be from 0 (what fits) to {MOST_ZOOM}, got {self.native_zoom}"
            )
        if len(self.slides) > MOST_SLIDES:
            raise ValueError(
                f"slides names {len(self.slides)} regions, at most {MOST_SLIDES} are possible"
            )


@dataclass(frozen=True)
class Shown:
    """What one panel shows, and what is written under it."""

    source: int
    """Which entry, from 0."""
    label: str
    subline: str
    box: Box
    """Of the source, px, before it is turned around its centre."""
    zoom: float
    """Plate pixels per source pixel, or per reduced pixel; the same on both axes."""
    turn_deg: float = 0.0
    reduced: tuple[int, int] | None = None
    """Levelled panels are reduced to this first."""
    caption: str = ""
    short_caption: str = ""
    """For narrow panels."""
    figures: str = ""
    complete: bool = True
    """Whether the whole box lies in the picture."""
    px_per_mm: float | None = None
    """Of the source, or of what it was reduced to."""
    iris_px: float | None = None
    """Radius of the iris in the source, where millimetres come from it."""
    bar_px: int = 0
    bar: str = ""

    @property
    def warnings(self) -> list[str]:
        """What must be known before the panel is judged."""
        return [
            *([ENLARGED] if self.zoom > MUCH else []),
            *([] if self.complete else [BEYOND]),
        ]


@dataclass(frozen=True)
class Slide:
    """One picture of the set: panels, or text alone."""

    name: str
    title: str
    layout: Layout
    panels: tuple[Shown, ...] = ()
    notes: tuple[str, ...] = ()
    method: str = ""
    text: tuple[str, ...] = ()
    """Paragraphs of a slide without panels."""


@dataclass(frozen=True)
class Design:
    """A plate, or a set of slides of one size, and its key."""

    kernel: str
    label_place: str
    show_method: bool
    font: str
    slides: tuple[Slide, ...]
    key: Slide
    order: tuple[int, ...]
    """Which entry stands at each place."""
    lines: tuple[str, ...] = field(default=())
    """What is said of the settings, for the report."""


def plan_design(panels: Sequence[Panel], settings: Settings) -> Design:
    """The slides of a comparison.

    Parameters
    ----------
    panels : 2 to 16 entries
    settings : Settings

    Returns
    -------
    Design
        The first slide is the plate of ``settings.region``; with ``settings.slides`` one for each
        further region, one that tells the method (unless it is hidden) and, of a blind comparison,
        the key follow.

    Raises
    ------
    ValueError
        See :func:`.locks.lock` and :func:`.layout.plan_plate`; a region wholly outside its picture.
    """
    order = blind_order(settings.blind_seed, len(panels)) if settings.blind else range(len(panels))
    placed = [panels[index] for index in order]
    regions = list(dict.fromkeys([settings.region, *settings.slides]))
    slides = []
    for number, region in enumerate(regions):
        name = "cover" if number == 0 and len(regions) > 1 else region
        slides.append(_plan_slide(placed, tuple(order), region, settings, name))
    key = _key(placed, settings, "key")
    if len(regions) > 1:
        if settings.show_method:
            slides.append(_method_slide(slides, settings, "method"))
        if settings.blind:
            slides.append(key)
    advice = _advice(slides)
    return Design(
        settings.kernel,
        settings.label_place,
        settings.show_method,
        settings.font,
        tuple(slides),
        key,
        tuple(order),
        (advice,) if advice else (),
    )


def blind_order(seed: int, count: int) -> list[int]:
    """An order that a seed gives and nobody can guess; the same on every machine."""

    def lot(index: int) -> bytes:
        return hashlib.sha256(f"loupe blind {seed} {index}".encode()).digest()

    return sorted(range(count), key=lot)


def _plan_slide(
    panels: Sequence[Panel], order: Sequence[int], region: str, settings: Settings, name: str
) -> Slide:
    locks = lock(panels, region, by=settings.lock_scale, roll=settings.roll)
    aspect = locks.shape
    method = _method(panels, locks, settings, round(aspect.width * _least(locks)))
    labels = [
        (NAMES[place], "")
        if settings.blind
        else (_name(panel, place, settings.font), one_line(panel.subline))
        for place, panel in enumerate(panels)
    ]
    layout = _fitted_layout(aspect, settings, labels, method, len(locks.notes))
    if settings.policy == NATIVE:
        settings = replace(settings, native_zoom=_native_zoom(settings, layout, locks))
        layout = _fitted_layout(aspect, settings, labels, method, len(locks.notes))
    shown = [
        _show(panel, place, entry, label, layout, locks, settings)
        for panel, place, entry, label in zip(panels, order, locks.entries, labels, strict=True)
    ]
    if settings.policy == LEVELLED:
        width = _reduced_width(locks, layout)
        shown = _levelled(shown, width, layout)
        method = _method(panels, locks, settings, width)  # a small panel needs fewer pixels still
    shown = _with_bars(shown, panels, locks, layout)
    title = settings.title.strip() or region.upper()
    if settings.slides and region != settings.region:
        title = region.upper()
    return Slide(name, title, layout, tuple(shown), locks.notes, method)


def _name(panel: Panel, place: int, font: str) -> str:
    """The panel's name, or a letter where there is nothing that could be drawn."""
    name = one_line(panel.label)
    return name if width_of(name, 16, user_font=font or None) > 0 else NAMES[place]


def _fitted_layout(
    shape: Region,
    settings: Settings,
    labels: Sequence[tuple[str, str]],
    method: str,
    notes: int,
) -> Layout:
    """The plate's places, with room for names that need two lines."""
    text = text_size(settings.size)
    multiple = max(1, settings.native_zoom) if settings.policy == NATIVE else 1
    width = settings.size[0] - 2 * round(0.03 * min(settings.size))
    rows = wrapped_rows(method, width, text, settings.font) if settings.show_method else 0
    foot = 0.7 + 1.5 * (1 + notes + rows)

    def with_names_of(lines: int) -> Layout:
        return plan_plate(
            settings.size,
            len(labels),
            shape,
            label=label_height(settings, labels, lines),
            foot=foot,
            multiple=multiple,
        )

    layout = with_names_of(1)
    if settings.label_place == BELOW:
        longest = max(len(lines) for lines in names_of(labels, layout, settings.font).lines)
        if longest > 1:
            layout = with_names_of(longest)
    return layout


def names_of(labels: Sequence[tuple[str, str]], layout: Layout, font: str):
    """The names in one letter size, wrapped and, where even that is too long, shortened."""
    return fit(
        [name for name, _ in labels],
        layout.panel[0],
        round(1.25 * layout.text),
        layout.text,
        lines=NAME_LINES,
        bold=True,
        user_font=font,
    )


def wrapped_rows(words: str, width: int, text: int, font: str) -> int:
    """How many rows a line at the foot takes: one where it fits smaller, else two."""
    return 1 if width_of(words, round(SMALLEST_FIGURE * text), user_font=font) <= width else 2


def label_height(settings: Settings, labels: Sequence[tuple[str, str]], lines: int) -> float:
    """Of the band below a panel, in letter heights."""
    if settings.label_place == ON_PICTURE:
        return 0.0
    rows = 1 + settings.show_figures + any(below for _, below in labels)
    return 0.5 + 1.45 * lines + 1.3 * rows


def _show(
    panel: Panel,
    source: int,
    entry: Locked,
    label: tuple[str, str],
    layout: Layout,
    locks: Lock,
    settings: Settings,
) -> Shown:
    width, height = layout.panel
    size = (panel.image.shape[2], panel.image.shape[1])
    if settings.policy == NATIVE:
        zoom = float(settings.native_zoom)
        box = _on_pixels(entry, width / zoom, height / zoom)
    else:
        # one zoom for both axes: the panel's rounding to whole pixels moves the border, not the scale
        zoom = width / (locks.shape.width * entry.unit)
        box = box_of(entry, locks.shape.width, height / zoom / entry.unit)
    if not _touches(box, entry.turn_deg, size):
        raise ValueError(
            f"{label[0]}: this region lies wholly outside the picture. Choose another region, or a wider picture."
        )
    return Shown(
        source,
        *label,
        box,
        zoom,
        entry.turn_deg,
        complete=_inside(box, entry.turn_deg, size),
        px_per_mm=entry.px_per_mm,
        iris_px=entry.iris_px,
    )


def _native_zoom(settings: Settings, layout: Layout, locks: Lock) -> int:
    """The zoom that is asked for, or the largest whole one at which the largest face's region fits."""
    if settings.native_zoom:
        return settings.native_zoom
    widest = max(locks.shape.width * entry.unit for entry in locks.entries)
    return max(1, min(MOST_ZOOM, int(layout.panel[0] / widest)))


def _on_pixels(entry: Locked, width: float, height: float) -> Box:
    """A box of so many source pixels that begins on one, around the region's centre."""
    x, y = entry.centre[0] - width / 2, entry.centre[1] - height / 2
    if entry.turn_deg == 0:
        x, y = float(round(x)), float(round(y))
    return Box(x, y, width, height)


def _corners(box: Box, turn_deg: float) -> list[tuple[float, float]]:
    c, s = cos(radians(turn_deg)), sin(radians(turn_deg))
    x, y = box.centre
    return [
        (
            x + u * box.width / 2 * c - v * box.height / 2 * s,
            y + u * box.width / 2 * s + v * box.height / 2 * c,
        )
        for u in (-1, 1)
        for v in (-1, 1)
    ]


def _inside(box: Box, turn_deg: float, size: tuple[int, int]) -> bool:
    frame = Box(0, 0, *size)
    return all(
        -1e-6 <= x <= frame.width + 1e-6 and -1e-6 <= y <= frame.height + 1e-6
        for x, y in _corners(box, turn_deg)
    )


def _touches(box: Box, turn_deg: float, size: tuple[int, int]) -> bool:
    xs, ys = zip(*_corners(box, turn_deg), strict=True)
    return min(xs) < size[0] and max(xs) > 0 and min(ys) < size[1] and max(ys) > 0


def _least(locks: Lock) -> float:
    """Pixels that the poorest picture has for a unit."""
    return min(entry.unit for entry in locks.entries)


def _reduced_width(locks: Lock, layout: Layout) -> int:
    """Pixels across the region that levelled panels are reduced to: the poorest's, or the panel's own."""
    return max(1, round(min(locks.shape.width * _least(locks), layout.panel[0])))


def _levelled(shown: Sequence[Shown], width: int, layout: Layout) -> list[Shown]:
    """All reduced to so many pixels across, then enlarged alike."""
    height = max(1, round(width * layout.panel[1] / layout.panel[0]))
    zoom = layout.panel[0] / width
    return [
        replace(
            one, reduced=(width, height), zoom=zoom,
            px_per_mm=None if one.px_per_mm is None else one.px_per_mm * width / one.box.width,
        )
        for one in shown
    ]  # fmt: skip


def _with_bars(
    shown: Sequence[Shown], panels: Sequence[Panel], locks: Lock, layout: Layout
) -> list[Shown]:
    """The captions, and millimetre bars of one length in millimetres."""
    scales = [one.px_per_mm * one.zoom for one in shown if one.px_per_mm is not None]
    length = next(
        (mm for mm in BARS_MM if scales and mm * max(scales) <= LONGEST_BAR * layout.panel[0]), None
    )
    found = []
    for one, panel in zip(shown, panels, strict=True):
        if one.px_per_mm is None:
            short = f"{one.box.width:.0f}x{one.box.height:.0f} px{DOT}{one.zoom:.2f}x"
            found.append(replace(one, caption=short, short_caption=short))
            continue
        short = f"{_figure(one.px_per_mm)} px/mm{DOT}{one.zoom:.2f}x"
        eyes = "" if panel.face is None else f"{panel.face.iod:.0f} px between the eyes{DOT}"
        levelled = f"{DOT}levelled {one.turn_deg:.1f}°" if one.turn_deg else ""
        bar_px = 0 if length is None else round(length * one.px_per_mm * one.zoom)
        if bar_px >= LEAST_BAR and layout.panel[0] >= BAR_PANEL * layout.text:
            bar = f"{'' if locks.measured else ABOUT}{length:g} mm"
            one = replace(one, bar_px=bar_px, bar=bar)
        found.append(replace(one, caption=eyes + short + levelled, short_caption=short))
    return found


def _figure(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _method(panels: Sequence[Panel], locks: Lock, settings: Settings, reduced_px: int) -> str:
    """What was done, from the settings: nobody can write it otherwise."""
    overshoot = max(OVERSHOOT[settings.kernel])
    if settings.kernel == "area":
        how = "Exact area sampling in linear light, one pass, unsharpened."
    elif overshoot:
        how = f"{settings.kernel} in linear light, one pass: overshoots edges by {overshoot:.0f} %."
    else:
        how = f"{settings.kernel} in linear light, one pass, unsharpened."
    if settings.policy == LEVELLED:
        how = f"All reduced to {reduced_px} px across first. " + how.replace(", one pass", "")
    elif settings.policy == NATIVE:
        how = "Native pixels, one zoom for all. " + how
    roll = "roll levelled" if settings.roll == "level" else "roll kept"
    lines = [how, f"{locks.how[0].upper()}{locks.how[1:]}; {roll}."]
    prompts = {panel.caption.prompt_sha for panel in panels}
    if len(prompts) == 1 and (one := prompts.pop()):
        lines.append(f"One prompt ({one[:4]}).")
    if settings.blind:
        lines.append(f"Blind, order {settings.blind_seed}.")
    return " ".join(lines)


def _key(panels: Sequence[Panel], settings: Settings, name: str) -> Slide:
    rows = [
        f"{NAMES[place]}{DOT}{one_line(panel.label) or NAMES[place]}"
        + (f"{DOT}{one_line(panel.subline)}" if panel.subline else "")
        for place, panel in enumerate(panels)
    ]
    return Slide(name, "KEY", _blank(settings.size), text=tuple(rows))


def _method_slide(slides: Sequence[Slide], settings: Settings, name: str) -> Slide:
    cover = slides[0]
    rows = [cover.method, *(note for slide in slides for note in slide.notes)]
    for one in cover.panels:
        rows.append(DOT.join(filter(None, [one.label, one.subline, one.caption])))
    marks = [note for slide in slides for one in slide.panels for note in one.warnings]
    rows += [f"{MARK} {note}" for note in dict.fromkeys(marks)]
    return Slide(name, "HOW IT WAS MADE", _blank(settings.size), text=tuple(dict.fromkeys(rows)))


def _blank(size: tuple[int, int]) -> Layout:
    """A slide without panels."""
    text, margin = text_size(size), round(0.03 * min(size))
    return Layout(size, (0, 0), (), margin, text, 0, round(3.0 * text), 0, *covered(size))


def _advice(slides: Sequence[Slide]) -> str:
    cover = slides[0]
    if len(cover.panels) > 2 and cover.layout.panel[0] < LEAST_PANEL:
        return (
            f"Panels are {cover.layout.panel[0]} px wide, which is little on a phone: choose a larger plate, or "
            f"split the comparison into {ceil(len(cover.panels) / 4)} plates."
        )
    return ""
