"""Puts an identity onto a model, whichever its adapter is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...framing.faces import Faces
from ...framing.plan import CropPlan
from ..adapters.adapter import Adapter
from ..injection.attention import cycled
from ..injection.curve import layer_curve
from ..injection.energy import Energy
from ..injection.mask import area_resize, check_mask
from ..injection.schedule import Schedule
from ..injection.weight import Weight
from ..profile import Identity
from . import flux, unet
from .face_area import face_area
from .looks import Eyes, tokens_of
from .planned import Planned, factor_of, planned_size
from .settings import Settings


@dataclass(frozen=True, eq=False)
class Applied:
    """A model with an identity on it, and what was done."""

    model: Any
    weight: float
    """Base x prominence."""
    factor: float
    """Prominence alone."""
    planned: Planned | None
    layers: int
    """That the identity acts in; 0 where it does nothing, and the model is as it was."""
    reference: int | None
    """The face whose picture a network saw, counted from 0."""
    lora: str
    """What was done with the file's LoRA; empty where it has none."""
    mask_share: float | None
    """Mean of the mask."""
    how: str = ""
    """How the face was cut out for EVA."""


def apply_identity(
    model: Any,
    adapter: Adapter,
    identity: Identity,
    settings: Settings,
    hooks: Any,
    *,
    mask: Tensor | None = None,
    plan: CropPlan | None = None,
    faces: Faces | None = None,
    eyes: Eyes | None = None,
) -> Applied:
    """A clone of the model that has the identity in all layers of the adapter.

    Parameters
    ----------
    model : ModelPatcher
        Of the host; it is not changed.
    adapter : Adapter
    identity : Identity
    settings : Settings
    hooks : ModelHooks
        Of the host's.
    mask : Tensor, (B, H, W), 0..1, optional
        Where the identity acts; it is stretched over the picture.
    plan, faces : optional
        What tells the size of the face; the plan first.
    eyes : Eyes, optional
        What FaceID Plus and PuLID-Flux look at the face with.

    Raises
    ------
    ValueError
        Something does not fit: each says what and what helps.
    """
    kind = flux if adapter.flux_layers else unet
    kind.check_fits(model, adapter)
    planned = planned_size(plan, faces)
    factor = factor_of(settings.prominence, planned)
    window = Schedule(settings.start, settings.end, settings.fade_in, settings.fade_out).window(
        model.get_model_object("model_sampling").percent_to_sigma
    )
    where = _where(face_area(settings.area, plan, faces), mask)
    weight = Weight(settings.weight, factor, window, settings.spread, where)
    gains = [layer_curve(settings.spread, at.index, at.count) for at in kind.places_of(adapter)]
    acting = sum(gain != 0 for gain in gains) if settings.weight * factor else 0
    if where is not None and not where.any():
        acting = 0
    look = tokens_of(adapter, identity, settings, eyes or Eyes())
    clone = model.clone()
    lora = ""
    if acting:
        energy = Energy() if settings.energy else None
        kind.patch(clone, adapter, identity.name, look.tokens, weight, hooks, energy)
        lora = unet.add_lora(clone, adapter, settings, hooks)
    return Applied(
        model=clone,
        weight=settings.weight * factor,
        factor=factor,
        planned=planned,
        layers=acting,
        reference=look.reference,
        lora=lora,
        mask_share=None if where is None else float(where.mean()),
        how=look.how,
    )


def _where(area: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Both masks as one; None where neither holds the identity back."""
    own = None if mask is None else check_mask(mask)
    if area is None or own is None:
        return own if area is None else area
    grid = own.shape[1], own.shape[2]
    fitted, count = area_resize(area, grid), max(len(area), len(own))
    return cycled(fitted, count) * cycled(own, count)
