"""In plain words: what an adapter is, and what was done with it."""

from __future__ import annotations

from ..adapters.adapter import Adapter
from ..profile import Identity
from .apply import Applied
from .face_area import AREAS
from .planned import too_small
from .settings import Settings

NEEDS = {
    "normed": "the direction of the embedding",
    "raw": "the embedding with its length",
    "clip_h": "CLIP-ViT-H's look at the aligned face (clip_vision)",
    "eva": "EVA02-CLIP-L-336's look at the aligned face (eva_clip)",
}
CONTROLNET = (
    "InstantID's other half is its ControlNet: Identity ControlNet shows it the five points and tells it the identity's "
    "tokens"
)
MOST_UNUSED = 3


def adapter_words(adapter: Adapter) -> str:
    """What a file is, how that was told, and what it needs."""
    how = f", told {adapter.told_by}" if adapter.told_by else ""
    layers = len(adapter.cross_layers) or len(adapter.flux_layers)
    lines = [
        f"{adapter.file}: {adapter.format} for {adapter.base}{how}",
        f"{adapter.tokens} tokens of {adapter.width}, {layers} layers"
        + (f", and a LoRA of {len(adapter.lora)} weights" if adapter.lora else ""),
        f"it takes embeddings of {adapter.encoder} alone: {', '.join(NEEDS[one] for one in adapter.needs)}",
        f"sha256 {adapter.sha256}",
    ]
    if adapter.format == "InstantID":
        lines.append(CONTROLNET)
    if adapter.unused:
        named = ", ".join(adapter.unused[:MOST_UNUSED])
        more = len(adapter.unused) - MOST_UNUSED
        lines.append(f"not used of the file: {named}{f' and {more} more' if more > 0 else ''}")
    return "\n".join(lines)


def applied_words(
    applied: Applied, adapter: Adapter, identity: Identity, settings: Settings
) -> str:
    """What acts where, when and how strongly, and what to know of it."""
    embedded = identity.of(adapter.encoder)
    kept = int(identity.keep(embedded).sum())
    total = len(adapter.cross_layers) or len(adapter.flux_layers)
    faces = f"{kept} face{'' if kept == 1 else 's'}"
    lines = [
        f"{identity.name} by {adapter.format} ({adapter.file}) for {adapter.base}: the centre of {faces} kept, "
        f"{embedded.label}"
    ]
    if applied.layers:
        where = f"{applied.layers} of {total} cross-attention layers"
        if adapter.flux_layers:
            where += " of its own, after every second double and every fourth single block"
        elif applied.layers == total:
            where += ", the middle block too"
        lines.append(f"it acts in {where}, layers: {settings.spread}")
    else:
        lines.append("it acts nowhere (weight, layers or mask are 0): the model is as it was")
    lines.append(_weight(applied, settings))
    lines.append(_when(settings))
    if applied.mask_share is not None:
        inside = (
            "the mask"
            if settings.area == AREAS[0]
            else "the face's oval (and the mask, if one is linked)"
        )
        lines.append(f"where: within {inside}, {100 * applied.mask_share:.1f} % of the picture")
    if applied.reference is not None:
        eyes = (
            f"EVA saw face {{}}, which counts most; {applied.how}"
            if applied.how
            else "CLIP saw face {}, which counts most"
        )
        lines.append(eyes.format(applied.reference + 1))
    if applied.lora:
        lines.append(applied.lora)
    if adapter.format == "InstantID":
        lines.append(CONTROLNET)
    planned = applied.planned
    if planned is not None and too_small(planned):
        lines.append(
            f"the face is planned {planned.face_px:.0f} px tall: no weight helps there. Make it anew in a second pass "
            "(Find Faces, Plan Crop, Crop, sample, Stitch)"
        )
    return "\n".join(lines)


def _weight(applied: Applied, settings: Settings) -> str:
    planned = applied.planned
    if planned is None:
        return f"weight {settings.weight:g}"
    size = (
        f"the face takes {100 * planned.share:.3g} % of the canvas, {planned.face_px:.0f} px tall, by "
        f"{planned.source}"
    )
    if settings.prominence == "off":
        return f"weight {settings.weight:g}, prominence off; {size}"
    return (
        f"weight {settings.weight:g} x {applied.factor:.2f} ({settings.prominence}) = {applied.weight:.2f}; {size}. "
        "These factors are starting points, not calibrated"
    )


def _when(settings: Settings) -> str:
    if settings.start == 0 and settings.end == 1 and not settings.fade_in + settings.fade_out:
        return "when: all of sampling"
    fades = ""
    if settings.fade_in or settings.fade_out:
        fades = f", coming over {100 * settings.fade_in:g} % and going over {100 * settings.fade_out:g} %"
    return f"when: from {100 * settings.start:g} % to {100 * settings.end:g} % of sampling{fades}"
