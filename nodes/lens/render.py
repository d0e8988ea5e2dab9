"""A picture seen through a lens, or given back what a lens took from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ...kernels.color import linear_to_srgb, srgb_to_linear
from ...kernels.convolve import convolve
from ...kernels.convolve.field import convolve_field
from ...kernels.convolve.wide import convolve_wide
from ...kernels.edges import source_sigma
from ...kernels.picture import check_picture, luma, split_alpha
from ...kernels.presence import guard, limits_of, presence
from ...kernels.strips import in_strips, is_out_of_memory
from ..framing.faces import Face, Faces
from ..framing.masks import check_mask
from ..framing.plan import check_faces
from .areas import AREAS, area_masks
from .plan import LEVELS, Rendering, Settings, plan_rendering

STRIP_ROWS = 256
HALO_SHARE = 4  # rows of a strip are at least so many halos: little is done twice
MEASURED_PX = (
    2048  # a side of the part whose edges tell the source's blur: enough of them, in a second
)
_TRANSPARENT = 1e-4  # an alpha that no 8-bit picture can hold; colours below it are not seen

Tick = Callable[[int], None]
Progress = Callable[[int], Tick]


@dataclass(frozen=True)
class Rendered:
    """The pictures, and what was done to each."""

    picture: Tensor
    """(B, H, W, 3 or 4), float32, sRGB 0..1; at level 0 the image itself."""
    renderings: tuple[Rendering, ...]
    """Of each picture of the batch, at the level asked for."""
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> str:
        """What was done, in plain words; once where it is the same for all pictures."""
        told = [rendering.report() for rendering in self.renderings]
        if len(set(told)) == 1:
            return "\n".join([told[0], *self.notes])
        lines = [f"picture {number}: {text}" for number, text in enumerate(told, 1)]
        return "\n".join([*lines, *self.notes])

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs; pixels, micrometres, gains as factors."""
        return {"pictures": [_as_json(one) for one in self.renderings], "notes": list(self.notes)}


def _as_json(one: Rendering) -> dict[str, Any]:
    return {
        "lens": one.lens.name,
        "level": one.level,
        "format_mm": one.format_mm,
        "pitch_um": round(one.pitch_um, 5),
        "applied": one.changes,
        "declined": one.declined or None,
        "ee80_px": round(one.ee80_px, 3) if one.level < 0 else None,
        "mtf_lp_mm": {
            str(lp_mm): None if value is None else round(value, 4)
            for lp_mm in (10, 20, 40)
            for value in [one.contrast_at(lp_mm)]
        }
        if one.level < 0
        else None,
        "source_px": None if one.source_px is None else round(one.source_px, 3),
        "passive_gain": round(one.relens.mid_gain, 4) if one.relens else None,
        "presence_gain": round(one.presence_gain, 4) if one.relens else None,
    }


def render(
    image: Tensor,
    settings: Settings,
    *,
    mask: Tensor | None = None,
    faces: Faces | None = None,
    offsets: dict[str, float] | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """A batch of pictures seen through a lens, or at a level above 0.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), C in {1, 3, 4}, floating point, sRGB 0..1
        Gray becomes RGB. Alpha is blurred too, and colours weigh as much as they are opaque.
    settings : Settings
    mask : Tensor, (H, W), (1, H, W) or (B, H, W), 0..1, optional
        Where it is done; elsewhere the picture stays as it is.
    faces : Faces, optional
        For ``offsets``; the source's blur is then measured at the largest face.
    offsets : mapping of area to float, optional
        Added to the level on ``skin``, ``eyes`` and ``hair``; the sum is held within ``LEVELS``.
    device : torch.device, optional
        Where it is done; by default where the picture is. A picture that is elsewhere is sent there
        and back in strips.
    progress : callable, optional
        Called once with the rows of all pictures; what it returns is called as work goes on, with the
        rows done. What that raises ends the work.

    Returns
    -------
    Rendered
        At level 0 without offsets ``image`` itself, whatever its values and dtype are.

    Raises
    ------
    ValueError
        See :func:`~portrait_loupe.kernels.picture.check_picture` and :func:`.plan.plan_rendering`;
        a mask or faces of another picture; offsets without faces.
    """
    batch, height, width, channels = check_picture(image).shape
    wanted = {area: value for area, value in (offsets or {}).items() if value}
    _check_offsets(wanted, faces)
    if faces is not None:
        check_faces(faces, tuple(image.shape))
    if mask is not None:
        mask = check_mask(mask, (width, height), batch)
    if settings.level == 0 and not wanted:
        plan = plan_rendering(settings, width=width, height=height)
        return Rendered(image.repeat(1, 1, 1, 3) if channels == 1 else image, (plan,) * batch)
    out = torch.empty(
        (batch, height, width, max(3, channels)), dtype=torch.float32, device=image.device
    )
    tick = progress(batch * height) if progress else lambda rows: None
    renderings, notes = [], []
    for index in range(batch):  # one at a time: the memory of one picture, whatever the batch
        one = image[index : index + 1]
        own = faces.frames[index % len(faces.frames)] if faces is not None else ()
        levels = [settings.level, *(_moved(settings.level, value) for value in wanted.values())]

        def still(before: int = index * height) -> None:
            tick(before)

        source, declined = source_of(one, settings, levels, own, still)
        plans = [
            plan_rendering(
                replace(settings, level=level),
                width=width, height=height, source_px=source, declined=declined,
                tick=still,
            )
            for level in levels
        ]  # fmt: skip
        here = None if mask is None else mask[index % len(mask)]

        def done(rows: int, before: int = index * height) -> None:
            tick(before + min(rows, height - 1))

        out[index] = _blended(one, plans, list(wanted), own, here, device, done)[0]
        renderings.append(plans[0])
        if wanted:
            notes += _area_notes(wanted, plans[1:], own, index if batch > 1 else None)
        tick((index + 1) * height)
    return Rendered(out, tuple(renderings), tuple(dict.fromkeys(notes)))


def apply(
    picture: Tensor,
    rendering: Rendering,
    device: torch.device | None = None,
    tick: Tick = lambda rows: None,
) -> Tensor:
    """One picture as a rendering has it.

    Parameters
    ----------
    picture : Tensor, (1, H, W, C), sRGB 0..1
        May be a part of the picture that was planned for, if it begins at multiples of 4 px and the
        rendering has neither tails nor field.
    rendering : Rendering
    device : torch.device, optional
        As in :func:`render`.
    tick : callable (rows so far)
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Tensor, (1, H, W, 3 or 4), float32, sRGB 0..1

    Raises
    ------
    RuntimeError
        There is too little memory on the device, and on the CPU too.
    """
    colours, alpha = split_alpha(picture)
    if not rendering.changes:
        return picture.float() if picture.shape[-1] != 1 else colours.float()
    if rendering.relens is not None:
        lifted = _lifted(colours, rendering, device, tick)
        return lifted if alpha is None else torch.cat([lifted, alpha.float()], -1)
    if alpha is None and not (rendering.tails or rendering.field is not None):
        return _through_core(colours, rendering, device, tick)
    home = picture.device
    try:
        return _whole(colours, alpha, rendering, device or home, tick).to(home)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
    # out of the handler: what it held is what memory is wanted for
    size = f"{picture.shape[2]}x{picture.shape[1]} px"
    if device is None or device == home:
        raise RuntimeError(
            f"{home} has too little free memory for a picture of {size} at once, which veil, diffusion, halation, "
            f"across_frame and transparency need ({words}). Close what else uses it, or work on a smaller picture."
        )
    if device.type == "cuda":
        torch.cuda.empty_cache()
    _say_once(f"{device} has too little free memory for {size} ({words}): the CPU does it, slower.")
    return apply(picture, rendering, home, tick)


@cache
def _say_once(words: str) -> None:
    logging.getLogger(__name__).warning("Lens: %s", words)


def _whole(
    colours: Tensor, alpha: Tensor | None, rendering: Rendering, device: torch.device, tick: Tick
) -> Tensor:
    """A picture at once, for what reaches across all of it; (1, H, W, 3 or 4) on the device."""
    light = srgb_to_linear(colours.to(device).float().movedim(-1, 1))  # (1, 3, H, W)
    expanded = _expanded(light, rendering.highlights)
    if alpha is None:
        seen = _compressed(_spread(expanded, rendering, tick), rendering.highlights)
        return linear_to_srgb(seen).movedim(1, -1)
    cover = alpha.to(light).movedim(-1, 1).clamp(0, 1).expand(-1, 3, -1, -1)
    # Each colour is divided by the cover its own PSF blurred, so the rim of a white cut-out stays white.
    blurred_cover = _spread(cover, rendering, tick)
    blurred = _spread(expanded * cover, rendering, tick) / blurred_cover.clamp(min=_TRANSPARENT)
    blurred = _compressed(blurred, rendering.highlights)
    seen = torch.where(blurred_cover > _TRANSPARENT, blurred, light)
    coded = torch.cat([linear_to_srgb(seen), blurred_cover[:, 1:2].clamp(0, 1)], 1)
    return coded.movedim(1, -1)


def _check_offsets(wanted: dict[str, float], faces: Faces | None) -> None:
    for area, value in wanted.items():
        if area not in AREAS:
            raise ValueError(f"there are levels for {', '.join(AREAS)}; got {area!r}")
        span = LEVELS[1] - LEVELS[0]
        if not -span <= value <= span:
            raise ValueError(f"{area} must be from {-span:g} to {span:g}, got {value:g}")
    if wanted and faces is None:
        named = " and ".join(wanted)
        raise ValueError(
            f"a level of its own for {named} needs faces: link Find Faces to faces, or set {named} to 0"
        )


def _moved(level: float, offset: float) -> float:
    return round(min(max(level + offset, LEVELS[0]), LEVELS[1]), 6)


def source_of(
    picture: Tensor,
    settings: Settings,
    levels: Sequence[float],
    faces: Sequence[Face],
    tick: Callable[[], None] = lambda: None,
) -> tuple[float | None, str]:
    """The blur that a picture (1, H, W, C) comes with, where a level above 0 needs it.

    ``tick`` is called as work goes on; it may raise to stop.

    Returns
    -------
    sigma_px : float or None
        Measured at the largest face, else in the middle of the picture.
    declined : str
        Why no level above 0 should be applied, or nothing.
    """
    if max(levels) <= 0 or settings.source_px:
        return None, ""
    found = source_sigma(luma(_measured_part(picture, faces)), tick)
    return (
        found.sigma_px,
        f"{found.reason}. Set source_px if you know better." if found.haloed else "",
    )


def _measured_part(picture: Tensor, faces: Sequence[Face]) -> Tensor:
    """(h, w, 3): around the largest face, or the middle of the picture."""
    height, width = picture.shape[1:3]
    x, y, reach = width / 2, height / 2, MEASURED_PX / 2
    if faces:
        face = max(faces, key=lambda one: one.iod)
        x, y = face.middle
        reach = min(reach, max(128.0, 2.0 * face.iod))
    left, top = (
        round(min(max(centre - reach, 0), max(side - 2 * reach, 0)))
        for centre, side in ((x, width), (y, height))
    )
    part = picture[0, top : top + round(2 * reach), left : left + round(2 * reach)]
    colours, _ = split_alpha(part[None])
    return colours[0].float()


def _blended(
    picture: Tensor,
    plans: Sequence[Rendering],
    areas: Sequence[str],
    faces: Sequence[Face],
    mask: Tensor | None,
    device: torch.device | None,
    tick: Tick,
) -> Tensor:
    """(1, H, W, 3 or 4): every level where its area is, and the picture itself where the mask is 0."""
    base = apply(picture, plans[0], device, tick)
    if areas and faces:
        if base.data_ptr() == picture.data_ptr():
            base = base.clone()
        height, width = picture.shape[1:3]
        masks = area_masks(faces, (width, height))
        for area, plan in zip(areas, plans[1:], strict=True):
            _paint(base, picture, plan, masks[area].to(base.device), device, tick)
    if mask is None:
        return base
    share = mask.to(base.device)[None, ..., None]
    own = apply(picture, replace(plans[0], declined="outside the mask"))
    return own + share * (base - own)


def _paint(
    out: Tensor,
    picture: Tensor,
    plan: Rendering,
    share: Tensor,
    device: torch.device | None,
    tick: Tick,
) -> None:
    """Move ``out`` towards another level by ``share`` (H, W); only the part that is needed is made."""
    rows, columns = (share > 0).any(1).nonzero(), (share > 0).any(0).nonzero()
    if not len(rows):
        return
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    whole = bool(plan.tails) or plan.field is not None
    halo = max(picture.shape) if whole else plan.halo_px
    # multiples of 4: presence and guard look at blocks of 4 px, counted from the picture's corner
    y0, x0 = max(0, top - halo) // 4 * 4, max(0, left - halo) // 4 * 4
    part = picture[:, y0 : bottom + halo, x0 : right + halo]
    # the bar stands still while these few rows are done once more, and a stop is felt
    other = apply(part, plan, device, lambda _: tick(picture.shape[1]))
    other = other[:, top - y0 : bottom - y0, left - x0 : right - x0]
    here = out[:, top:bottom, left:right]
    here += share[None, top:bottom, left:right, None] * (other - here)


def _through_core(
    colours: Tensor, rendering: Rendering, device: torch.device | None, tick: Tick
) -> Tensor:
    """Decode, blur and encode strip by strip: no copy of the whole picture in linear light."""
    kernel = rendering.kernel()

    def work(strip: Tensor, **_: Any) -> Tensor:
        coded = strip.movedim(-1, 1).contiguous()
        light = _expanded(srgb_to_linear(coded), rendering.highlights)
        seen = _compressed(convolve(light, kernel), rendering.highlights)
        return linear_to_srgb(seen).movedim(1, -1)

    return _in_strips(colours, work, rendering, device, tick)


def _lifted(
    colours: Tensor, rendering: Rendering, device: torch.device | None, tick: Tick
) -> Tensor:
    """A level above 0: the passive filter in linear light, presence on coded luma, and the guard."""
    terms, gain = rendering.terms, rendering.presence_gain

    def work(strip: Tensor, **_: Any) -> Tensor:
        coded = strip.movedim(-1, 1).contiguous().clamp(0, 1)
        lifted = linear_to_srgb(convolve(srgb_to_linear(coded), terms))
        if gain > 1:
            lifted = presence(lifted, gain)
        return guard(lifted, limits_of(coded)).clamp(0, 1).movedim(1, -1)

    return _in_strips(colours, work, rendering, device, tick)


def _in_strips(
    colours: Tensor,
    work: Callable[..., Tensor],
    rendering: Rendering,
    device: torch.device | None,
    tick: Tick,
) -> Tensor:
    halo = rendering.halo_px
    return in_strips(
        colours, work, halo=halo, rows=max(STRIP_ROWS, HALO_SHARE * halo), device=device,
        progress=lambda total: tick,
    )  # fmt: skip


def _spread(light: Tensor, rendering: Rendering, tick: Tick) -> Tensor:
    if rendering.field is not None and light.shape[-2:] != (1, 1):
        out = convolve_field(light, rendering.field, tick)
    else:
        out = convolve(light, rendering.kernel())
    for tail in rendering.tails:
        tick(0)
        wide = convolve_wide(light, tail.psf, tail.factor)
        out += wide * torch.tensor(tail.shares).to(light)[None, :, None, None]
    return out


def _expanded(light: Tensor, highlights: float) -> Tensor:
    """Light with some given back to what the display clipped; the more, the nearer to white.

    L / (1 - h max^4), max the brightest channel: one factor for the three, so hue stays.
    """
    if highlights == 0:
        return light
    return light / (1 - highlights * light.amax(1, keepdim=True) ** 4)


def _compressed(light: Tensor, highlights: float) -> Tensor:
    """The inverse of :func:`_expanded`: the brightest channel m solves m = M (1 - h m^4)."""
    if highlights == 0:
        return light
    bright = light.amax(1, keepdim=True).clamp(min=0)
    m = bright / (1 + bright)  # Newton from here: m + M h m^4 - M rises and is convex
    for _ in range(8):
        m = m - (m + bright * highlights * m**4 - bright) / (1 + 4 * bright * highlights * m**3)
    return light * (m / bright.clamp(min=1e-12))


def _area_notes(
    wanted: dict[str, float], plans: Sequence[Rendering], faces: Sequence[Face], index: int | None
) -> list[str]:
    where = "" if index is None else f"picture {index + 1}: "
    if not faces:
        return [f"{where}no face: no level of its own for {' and '.join(wanted)}"]
    told = []
    for area, plan in zip(wanted, plans, strict=True):
        note = f"{area} at level {plan.level:g}"
        told.append(f"{note}, not applied: {plan.declined}" if plan.declined else note)
    return [f"{where}{', '.join(told)}; areas are estimated from the eyes"]
