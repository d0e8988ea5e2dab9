"""One picture through several lenses or at several levels, to choose from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import torch
from torch import Tensor

from ...kernels.picture import check_picture, flatten_alpha
from ..framing.faces import Face, Faces
from ..framing.plan import check_faces
from .catalogue import find_lens, lenses
from .measure import change_of
from .plan import LEVELS, Rendering, Settings, plan_rendering
from .render import Tick, apply, source_of
from .strip import make_strip, tile_of
from .styles import find_style, styles

STYLES, CHARACTERS, LEVELS_SHOWN = "styles", "characters", "levels"
COMPARED = (STYLES, CHARACTERS, LEVELS_SHOWN)
FACE, DETAIL, WHOLE = "face", "detail at 1:1", "whole picture"
SHOWN = (FACE, DETAIL, WHOLE)
DEFAULT_LEVELS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
TILES_PX = (96, 1024)
MOST = 24  # entries
FACE_GROWN = 0.35  # of the face's box, added on each side: hair and jaw
DETAIL_V = 0.2  # IOD below the eyes: lids, nose and cheek

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Strip:
    picture: Tensor
    """(1, H, W, 3), sRGB 0..1."""
    origins: tuple[tuple[int, int], ...]
    """Where each tile's top left pixel is, (x, y)."""
    names: tuple[str, ...]
    renderings: tuple[Rendering, ...]
    changes: tuple[tuple[float | None, float | None], ...]
    """Of each entry: micro-contrast and sharpness as multiples of the original's, within its tile's
    part; None where nothing can be measured."""
    box: Box

    @property
    def report(self) -> str:
        """A line for each entry."""
        x, y, width, height = self.box
        lines = [
            f"{width}x{height} px from ({x}, {y}); figures are multiples of the original's there"
        ]
        for name, one, change in zip(self.names, self.renderings, self.changes, strict=True):
            fate = f"not applied: {one.declined}" if one.declined else figures(change)
            lines.append(f"{name}: {fate}")
        return "\n".join(lines)


def figures(change: tuple[float | None, float | None]) -> str:
    """What is written below a tile."""
    contrast, sharpness = ("n/a" if value is None else f"{value:.2f}" for value in change)
    return f"micro-contrast x{contrast} · sharpness x{sharpness}"


def entries(compared: str, choices: str, settings: Settings) -> list[tuple[str, Settings]]:
    """What is compared, by name.

    Parameters
    ----------
    compared : one of ``COMPARED``
    choices : str
        Names or numbers, one a line or parted by commas; empty takes all, or ``DEFAULT_LEVELS``.
    settings : Settings
        Everything else; its level is that of ``characters``, its lens that of ``levels``.

    Raises
    ------
    ValueError
        An unknown name, a level that is no number or out of range, or more than ``MOST`` entries.
    """
    if compared not in COMPARED:
        raise ValueError(f"compare must be one of {', '.join(COMPARED)}; got {compared!r}")
    asked = [
        part.strip()
        for part in re.split(r"[\n;]|,(?!\d)" if compared == LEVELS_SHOWN else r"[\n;,]", choices)
        if part.strip()
    ]
    if compared == LEVELS_SHOWN:
        asked = [part for one in asked for part in one.replace(",", " ").split()]
    if len(asked) > MOST:
        raise ValueError(f"at most {MOST} entries are compared at once, got {len(asked)}")
    if compared == LEVELS_SHOWN:
        values = [_level(text) for text in asked] or list(DEFAULT_LEVELS)
        return [(f"level {value:g}", replace(settings, level=value)) for value in values]
    if compared == CHARACTERS:
        return [(name, replace(settings, lens=find_lens(name))) for name in asked or list(lenses())]
    found = []
    for name in asked or list(styles()):
        ready = find_style(name)
        format_mm = settings.format_mm * ready.format_factor
        found.append(
            (name, replace(settings, lens=ready.lens, level=ready.level, format_mm=format_mm))
        )
    return found


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not LEVELS[0] <= value <= LEVELS[1]:
        raise ValueError(
            f"choices must be levels from {LEVELS[0]:g} to {LEVELS[1]:g}, such as -1, 0, 1; got {text[:80]!r}"
        )
    return value


def make_comparison(
    image: Tensor,
    wanted: Sequence[tuple[str, Settings]],
    shown: str,
    tile_px: int,
    *,
    faces: Faces | None = None,
    device: torch.device | None = None,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> Strip:
    """The first picture of a batch as every entry has it, in named tiles.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
        Transparency is laid over gray.
    wanted : of :func:`entries`
    shown : one of ``SHOWN``
    tile_px : int, ``TILES_PX``, pixels
        The longer side of a tile.
    faces : Faces, optional
        For ``face``, and where the detail is; without it the detail is the picture's middle.
    device, progress
        As in :func:`.render.render`.

    Raises
    ------
    ValueError
        A value is out of range, ``face`` without faces, or faces of another picture.
    """
    check_picture(image)
    if shown not in SHOWN:
        raise ValueError(f"show must be one of {', '.join(SHOWN)}; got {shown!r}")
    if not TILES_PX[0] <= tile_px <= TILES_PX[1]:
        raise ValueError(f"tile_px must be {TILES_PX[0]} to {TILES_PX[1]} px, got {tile_px}")
    if faces is not None:
        check_faces(faces, tuple(image.shape))
    own = faces.frames[0] if faces is not None else ()
    picture = flatten_alpha(image[:1]).float()
    height, width = picture.shape[1:3]
    box = _box(shown, tile_px, (width, height), own)
    tick = progress(len(wanted)) if progress else lambda done: None
    original = _cut(picture[0], box)
    tiles, renderings, changes = [], [], []
    for number, (_, settings) in enumerate(wanted, 1):

        def still(rows: int = 0, done: int = number - 1) -> None:  # within an entry a stop is felt
            tick(done)

        source, declined = source_of(picture, settings, [settings.level], own, still)
        plan = plan_rendering(
            settings, width=width, height=height, source_px=source, declined=declined, tick=still
        )
        rendered = _rendered(picture, plan, box, device, still)
        tiles.append(tile_of(rendered, (0, 0, box[2], box[3]), tile_px))
        renderings.append(plan)
        changes.append(change_of(rendered, original, still))
        tick(number)
    names = [name for name, _ in wanted]
    lines = [
        "not applied: see the report" if plan.declined else figures(change)
        for plan, change in zip(renderings, changes, strict=True)
    ]
    strip, origins = make_strip(tiles, names, lines)
    return Strip(strip, tuple(origins), tuple(names), tuple(renderings), tuple(changes), box)


def _box(shown: str, tile_px: int, size: tuple[int, int], faces: Sequence[Face]) -> Box:
    width, height = size
    face = max(faces, key=lambda one: one.iod) if faces else None
    if shown == WHOLE:
        return (0, 0, width, height)
    if shown == FACE:
        if face is None:
            raise ValueError("show = face needs faces: link Find Faces, or choose another show")
        box = face.box
        grown = FACE_GROWN * max(box.width, box.height)
        left, top = max(0, floor(box.x - grown)), max(0, floor(box.y - grown))
        right, bottom = min(width, ceil(box.right + grown)), min(height, ceil(box.bottom + grown))
        if right - left < 2 or bottom - top < 2:
            raise ValueError(
                "the face lies outside the picture: find faces again, or choose another show"
            )
        return (left, top, right - left, bottom - top)
    x, y = face.to_image(0.0, DETAIL_V) if face else (width / 2, height / 2)
    w, h = min(tile_px, width), min(tile_px, height)
    left, top = (
        round(min(max(centre - side / 2, 0), whole - side))
        for centre, side, whole in ((x, w, width), (y, h, height))
    )
    return (left, top, w, h)


def _cut(picture: Tensor, box: Box) -> Tensor:
    x, y, width, height = box
    return picture[y : y + height, x : x + width]


def _rendered(
    picture: Tensor, plan: Rendering, box: Box, device: torch.device | None, tick: Tick
) -> Tensor:
    """The part of the picture (1, H, W, 3) in the box, (h, w, 3); no more is rendered than it needs."""
    if plan.tails or plan.field is not None:
        return _cut(apply(picture, plan, device, tick)[0], box)
    x, y, width, height = box
    # multiples of 4: see render
    left, top = max(0, x - plan.halo_px) // 4 * 4, max(0, y - plan.halo_px) // 4 * 4
    part = picture[:, top : y + height + plan.halo_px, left : x + width + plan.halo_px]
    return _cut(apply(part, plan, device, tick)[0], (x - left, y - top, width, height))
