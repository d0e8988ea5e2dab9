"""Weights of references onto a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...framing.faces import Faces
from ...framing.plan import CropPlan
from ..apply.face_area import AREAS, face_area
from ..injection.mask import area_resize, check_mask
from .counter import ReferenceCalls
from .family import Found, family_of
from .scene import Picture, picture_of
from .settings import REFERENCE_TOKENS, Settings
from .weighing import Weighing
from .weights import Weights, parse_weights

KEY = "portrait_loupe.references"
LATENTS = "reference_latents"  # the host's


@dataclass(frozen=True, eq=False)
class Weighed:
    """A model whose references are weighed, and what was done."""

    model: Any
    found: Found
    weights: Weights
    references: tuple[Picture, ...]
    """As the model will read them."""
    acts: bool
    """False where every weight is 1 or the region is empty: then the model is as it was."""
    region_share: float | None
    """Of the new picture."""
    reference_shares: tuple[float, ...]
    """Of each reference's own region; empty without."""
    several: bool
    """Whether the conditioning's entries have other numbers of references."""

    def odds(self, reference: int, settings: Settings) -> float:
        """A reference's weight with its size."""
        weight = self.weights.of(reference)
        if settings.size_invariant:
            weight *= REFERENCE_TOKENS / self.references[reference].tokens
        return weight


def weigh_references(
    model: Any,
    conditioning: Sequence,
    settings: Settings,
    hooks: Any,
    *,
    region: Tensor | None = None,
    reference_region: Tensor | None = None,
    plan: CropPlan | None = None,
    reference_faces: Faces | None = None,
) -> Weighed:
    """A clone of the model that reads its references by these weights.

    Parameters
    ----------
    model : ModelPatcher
        Of the host; it is not changed.
    conditioning : sequence
        The host's, with reference latents: says how many there are, and how large.
    settings : Settings
    hooks : ModelHooks
        Of the host's.
    region : Tensor, (H, W) or (1, H, W), 0..1, optional
        Part of the new picture in which references are weighed.
    reference_region : Tensor, (H, W) or (R, H, W), optional
        Part of each reference that is weighed; one stands for all.
    plan : CropPlan, optional
        Its face is such a region of the new picture.
    reference_faces : Faces, optional
        Their faces are such regions of the references.

    Raises
    ------
    ValueError
        Something does not fit: each says what and what helps.
    """
    found = family_of(model.get_model_object("diffusion_model"))
    latents, several = references_of(conditioning)
    pictures = tuple(picture_of(latent, found.patch) for latent in latents)
    weights = parse_weights(settings.weight, settings.weights, len(pictures))
    window = settings.schedule.window(model.get_model_object("model_sampling").percent_to_sigma)
    where = _one(_product(face_area(AREAS[1], plan, None) if plan else None, region))
    faces = face_area(AREAS[1], None, reference_faces) if reference_faces else None
    parts = _each(_product(faces, reference_region), len(pictures))
    even = all(weights.of(i) == 1 for i in range(len(pictures))) or not any(
        map(_some, parts or [None])
    )
    acts = not (even and not settings.size_invariant) and _some(where)
    clone = model.clone()
    if acts:
        weighing = Weighing(
            weights, window, found, attention=hooks.attention, masked=hooks.masked_attention,
            calls=ReferenceCalls(), region=where, reference_regions=parts, invariant=settings.size_invariant,
        )  # fmt: skip
        clone.add_wrapper_with_key(hooks.around_model, KEY, weighing.around)
        if weighing.by_patch:
            clone.set_model_attn1_patch(weighing.patch)
        clone.add_callback_with_key(hooks.before_sampling, KEY, weighing.begin)
        clone.add_callback_with_key(hooks.after_sampling, KEY, weighing.end)
    return Weighed(
        model=clone,
        found=found,
        weights=weights,
        references=pictures,
        acts=acts,
        region_share=None if where is None else float(where.mean()),
        reference_shares=tuple(float(part.mean()) for part in parts),
        several=several,
    )


def references_of(conditioning: Sequence) -> tuple[list[Tensor], bool]:
    """The references of the entry that has most, and whether others have other numbers.

    Raises
    ------
    ValueError
        There are none.
    """
    lists: list[list[Tensor]] = [list(entry[1].get(LATENTS) or ()) for entry in conditioning]
    most = max(lists, key=len) if lists else []
    if not most:
        raise ValueError(
            "the conditioning has no reference latents to weigh: link what goes to the sampler, after ReferenceLatent, "
            "or after a text encoder of an edit model that is given a vae and pictures"
        )
    return most, any(len(one) != len(most) for one in lists)


def _product(area: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Both as one; None where there is neither."""
    own = None if mask is None else check_mask(mask)
    if area is None or own is None:
        return own if area is None else area
    fitted = area_resize(area, (own.shape[1], own.shape[2]))
    if len(fitted) != len(own) and 1 not in (len(fitted), len(own)):
        raise ValueError(
            f"the faces give {len(fitted)} masks and the mask that is linked too has {len(own)}: as many, or one"
        )
    return fitted * own


def _one(where: Tensor | None) -> Tensor | None:
    """The region of the new picture."""
    if where is not None and len(where) > 1:
        raise ValueError(
            f"the region of the new picture must be one mask, got {len(where)}: of a plan of several crops or a batch "
            "of masks choose one"
        )
    return where


def _each(parts: Tensor | None, references: int) -> list[Tensor]:
    """The regions of the references, each (1, H, W)."""
    if parts is None:
        return []
    if len(parts) not in (1, references):
        raise ValueError(
            f"there are {len(parts)} regions of references and {references} references: link one for each, in their "
            "order, or one for all"
        )
    return list(parts.split(1))


def _some(mask: Tensor | None) -> bool:
    return mask is None or bool(mask.any())
