"""An identity onto a model: its embedding, its tokens, its weight, and the patches that carry them.

Nothing here imports the host. A model is whatever has ComfyUI's ModelPatcher methods; what else is
needed of the host is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import isfinite, pi
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..framing.faces import OVAL, Faces
from ..framing.plan import CropPlan
from .adapters.adapter import Adapter
from .adapters.inputs import Inputs, Tokens
from .adapters.unet import SD15
from .audit.scene import look, planned_face
from .audit.second_pass import LOST_PX
from .injection.counter import Calls
from .injection.curve import CURVES, EXAMPLE, layer_curve
from .injection.mask import check_mask
from .injection.schedule import Schedule
from .injection.shared import Injection
from .injection.unet import Key, LayerTokens, cross_patches, places
from .injection.weight import MODES, Weight, prominence_factor
from .profile import Embedded, Identity

CALLBACKS = "portrait_loupe.identity"
MOST_WEIGHT = 3.0
TWICE = -1.0  # as shortcut: twice the weight
CLIP_SIZE = 224  # px that CLIP-ViT-H takes
# The stored crop of 512 px shows a face as a crop of 128 does; the one of 112, which SD1.5's adapter
# was trained on, is cut out of its half: left, top, side.
NARROW = (16, 0, 224)
See = Callable[[Tensor], Tensor]
"""Pictures (B, H, W, 3), sRGB 0..1, to CLIP-ViT-H's hidden states before its last layer, (B, 257, 1280)."""
_BLOCKS = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}


@dataclass(frozen=True)
class Settings:
    """What the user sets. Out of range, it is refused by name."""

    weight: float = 0.8
    """0..3"""
    prominence: str = MODES[0]
    start: float = 0.0
    end: float = 1.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    curve: str = CURVES[0]
    layers: str = ""
    """A typed list, in place of ``curve``."""
    lora: bool = True
    lora_weight: float = 0.6
    """0..2"""
    shortcut: float = TWICE
    """FaceID Plus V2's: 0..6."""
    noise: float = 0.0
    """InstantID's: 0..1."""

    def __post_init__(self) -> None:
        for name, most in (("weight", MOST_WEIGHT), ("lora_weight", 2.0), ("noise", 1.0)):
            _check_number(name, getattr(self, name), most)
        if self.shortcut != TWICE:
            _check_number("shortcut", self.shortcut, 2 * MOST_WEIGHT, f"or {TWICE:g}: twice the weight")  # fmt: skip
        if self.layers.strip() and ":" not in self.layers:
            raise ValueError(
                f"layers must be a list of layers and their factors, such as {EXAMPLE}, got {self.layers!r}"
            )

    @property
    def spread(self) -> str:
        """Over the layers: the typed list, or the curve's name."""
        return self.layers.strip() or self.curve


@dataclass(frozen=True)
class Planned:
    """How large the face will be where the identity acts."""

    share: float
    """Of the canvas, above 0, at most 1."""
    face_px: float
    """Forehead to chin, pixels of what the model makes."""
    source: str


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
    """The face that CLIP saw, counted from 0."""
    lora: str
    """What was done with the file's LoRA; empty where it has none."""
    mask_share: float | None
    """Mean of the mask."""


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
    see: See | None = None,
) -> Applied:
    """A clone of the model that has the identity in all its cross-attention layers.

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
    see : callable, optional
        Needed by FaceID Plus.

    Raises
    ------
    ValueError
        Something does not fit: each says what and what helps.
    """
    refuse_unfinished(adapter)
    check_fits(model, adapter)
    planned = planned_size(plan, faces)
    factor = _factor(settings.prominence, planned)
    window = Schedule(settings.start, settings.end, settings.fade_in, settings.fade_out).window(
        model.get_model_object("model_sampling").percent_to_sigma
    )
    where = None if mask is None else check_mask(mask)
    weight = Weight(settings.weight, factor, window, settings.spread, where)
    keys = {layer.patch_key: layer for layer in adapter.cross_layers}
    at = places(keys)
    gains = [layer_curve(settings.spread, place.index, place.count) for place in at.values()]
    acting = sum(gain != 0 for gain in gains) if settings.weight * factor else 0
    if where is not None and not where.any():
        acting = 0
    tokens, reference = tokens_of(adapter, identity, settings, see)
    clone = model.clone()
    lora = ""
    if acting:
        _patch(clone, adapter, identity, tokens, weight, hooks)
        lora = _add_lora(clone, adapter, settings, hooks)
    return Applied(
        model=clone,
        weight=settings.weight * factor,
        factor=factor,
        planned=planned,
        layers=acting,
        reference=reference,
        lora=lora,
        mask_share=None if where is None else float(where.mean()),
    )


def refuse_unfinished(adapter: Adapter) -> None:
    """ValueError where an adapter can be loaded but not yet applied."""
    if "eva" in adapter.needs:
        raise ValueError(
            f"{adapter.format} ({adapter.file}) looks at the face through EVA02-CLIP-L-336, which this version of "
            "Loupe does not run yet: it can be loaded, but not applied. On SD1.5 and SDXL take FaceID or InstantID"
        )


def check_fits(model: Any, adapter: Adapter) -> None:
    """ValueError unless the model has every layer of the adapter, as wide as the adapter's."""
    network = model.get_model_object("diffusion_model")
    called = type(getattr(getattr(model, "model", None), "model_config", network)).__name__
    name = f"{adapter.format} ({adapter.file})"
    for layer in adapter.cross_layers:
        block, id, index = layer.patch_key
        path = f"{_BLOCKS[block].format(id)}.transformer_blocks.{index}.attn2"
        try:
            attention = reduce(getattr, path.split("."), network)
            width, text = _out(attention.to_q), _in(attention.to_k)
        except AttributeError:
            raise ValueError(
                f"{name} is for {adapter.base}; the model ({called}) has no cross-attention {block} {id} {index}. "
                f"Load a model of {adapter.base}, or the adapter that is made for this one"
            ) from None
        wanted = layer.key.shape[0], adapter.width
        if (width, text) != wanted:
            raise ValueError(
                f"{name} is for {adapter.base}: its layer {block} {id} {index} is {wanted[0]} wide on a text of "
                f"{wanted[1]}, the model's ({called}) is {width} on {text}. Load a model of {adapter.base}, or the "
                "adapter that is made for this one"
            )


def _out(linear: Any) -> int:
    return int(getattr(linear, "out_features", None) or linear.weight.shape[0])


def _in(linear: Any) -> int:
    return int(getattr(linear, "in_features", None) or linear.weight.shape[1])


def planned_size(plan: CropPlan | None, faces: Faces | None) -> Planned | None:
    """The face's size by the plan, where that frames one, else in the pictures of ``faces``.

    Of a plan the smallest of its faces; of pictures the largest face of the first that has one, as in
    Identity Audit.
    """
    if plan is None and faces is None:
        return None
    size = (
        faces.image_size if faces is not None else plan.output_size if plan is not None else (1, 1)
    )
    found = planned_face(plan, look(faces, None), faces.image_size if faces else None, "", size)
    if found is None:
        return None
    iod = found.face_px / OVAL[1]
    area = pi / 4 * OVAL[0] * OVAL[1] * iod**2
    return Planned(min(area / (found.frame[0] * found.frame[1]), 1.0), found.face_px, found.source)


def _factor(mode: str, planned: Planned | None) -> float:
    if mode != MODES[0] and mode in MODES and planned is None:
        raise ValueError(
            f"prominence {mode} goes by the size of the face, and none is known: link a crop plan that frames a "
            "face, or faces, or choose prominence off"
        )
    return prominence_factor(planned.share if planned else 1.0, mode)


def too_small(planned: Planned | None) -> bool:
    """Whether no weight helps a face of that size."""
    return planned is not None and planned.face_px < LOST_PX


def embedding_of(adapter: Adapter, identity: Identity) -> Tensor:
    """The identity as the adapter's own encoder sees it, (1, 512) float32.

    Its direction alone where the adapter takes normed embeddings, else as long as the kept raw ones.

    Raises
    ------
    ValueError
        The profile holds other encoders alone.
    """
    embedded = identity.of(adapter.encoder)
    center = identity.center(embedded)
    if "raw" in adapter.needs:
        center = center * identity.norm(embedded)
    return torch.from_numpy(np.asarray(center, np.float32))[None]


def tokens_of(
    adapter: Adapter, identity: Identity, settings: Settings, see: See | None
) -> tuple[Tokens, int | None]:
    """The identity's tokens, and the face that CLIP saw for them."""
    embedding = embedding_of(adapter, identity)
    clip = nobody = reference = None
    if "clip_h" in adapter.needs:
        if see is None:
            raise ValueError(
                f"{adapter.format} ({adapter.file}) also looks at the face through CLIP: link clip_vision, from Load "
                "CLIP Vision with CLIP-ViT-H-14-laion2B-s32B-b79K"
            )
        reference, crop = crop_for_clip(adapter, identity, identity.of(adapter.encoder))
        clip = see(crop)
        nobody = see(torch.zeros(1, CLIP_SIZE, CLIP_SIZE, 3))
        for states in (clip, nobody):
            if states.shape[-1] != adapter.sizes["clip"]:
                raise ValueError(
                    f"{adapter.format} ({adapter.file}) takes CLIP states of {adapter.sizes['clip']} numbers, the linked "
                    f"clip_vision gives {states.shape[-1]}: load CLIP-ViT-H-14-laion2B-s32B-b79K"
                )
    shortcut = 2 * settings.weight if settings.shortcut == TWICE else settings.shortcut
    inputs = Inputs(
        embedding, _plain(clip), _plain(nobody), shortcut=shortcut, noise=settings.noise
    )
    return adapter.project(inputs), reference


def _plain(states: Tensor | None) -> Tensor | None:
    return None if states is None else states.detach().float().cpu()


def crop_for_clip(adapter: Adapter, identity: Identity, embedded: Embedded) -> tuple[int, Tensor]:
    """The stored crop of the face that counts most, as the adapter's own training cut it.

    Returns
    -------
    int
        Which reference, counted from 0.
    Tensor, (1, S, S, 3), sRGB 0..1
        S is 224 for SD1.5, aligned as ArcFace's 112; 256 for SDXL, with more room at the sides.

    Raises
    ------
    ValueError
        No kept face has its crop stored.
    """
    weights = identity.weights(embedded)
    crops = [one.crop512 for one in identity.references]
    ranked = sorted(range(len(crops)), key=lambda index: -weights[index])
    for index in ranked:
        crop = crops[index]
        if crop is None or weights[index] <= 0:
            continue
        picture = _halved(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255)
        if adapter.base == SD15:
            left, top, side = NARROW
            picture = picture[..., top : top + side, left : left + side]
        return index, picture.permute(0, 2, 3, 1)
    raise ValueError(
        f"{adapter.format} ({adapter.file}) has to see the face, and the profile {identity.name!r} keeps no picture of "
        "it: make it again with store_crops on, or take FaceID without Plus"
    )


def _halved(picture: Tensor) -> Tensor:
    """(B, C, H, W) at half the size, weights 1 2 1 around every second pixel.

    Crops of two sizes agree where their template counts from pixel centres: pixel 0 lies on pixel 0,
    not between pixels 0 and 1.
    """
    before = torch.nn.functional.pad(picture, (1, 0, 1, 0), mode="replicate")
    pairs = torch.nn.functional.avg_pool2d(before, 2, stride=1)
    return torch.nn.functional.avg_pool2d(pairs, 2)


def _patch(
    clone: Any, adapter: Adapter, identity: Identity, tokens: Tokens, weight: Weight, hooks: Any
) -> None:
    """Puts one object into each layer's slot, on top of what was there."""
    layers: dict[Key, LayerTokens] = {
        layer.patch_key: LayerTokens.of(tokens.positive, tokens.negative, layer.key, layer.value)
        for layer in adapter.cross_layers
    }
    shared = Injection(weight, Calls(layers, identity.name))
    options = clone.model_options.get("transformer_options", {})
    slots = options.get("patches_replace", {}).get("attn2", {})
    for key, patch in cross_patches(layers, slots, shared, hooks.attention).items():
        clone.set_model_attn2_replace(patch, *key)
    clone.add_callback_with_key(hooks.before_sampling, CALLBACKS, shared.begin)
    clone.add_callback_with_key(hooks.after_sampling, CALLBACKS, shared.end)


def _add_lora(clone: Any, adapter: Adapter, settings: Settings, hooks: Any) -> str:
    """The file's own LoRA onto the model's weights, once however many identities use the file."""
    if not adapter.lora:
        return ""
    if not (settings.lora and settings.lora_weight):
        return "the file's LoRA is off: likeness is weaker without it"
    first = adapter.lora[0]
    for entry in clone.patches.get(first.key, ()):
        held = (getattr(entry[1], "weights", None) or (None,))[0]
        if isinstance(held, Tensor) and torch.equal(held, first.up):
            return "the file's LoRA is on the model already, and was not added again"
    parts = {part.key: hooks.lora(part.up, part.down) for part in adapter.lora}
    taken = clone.add_patches(parts, settings.lora_weight)
    if len(taken) < len(parts):
        return f"the model took {len(taken)} of the {len(parts)} parts of the file's LoRA: it is not the plain {adapter.base}"
    return f"the file's LoRA ({len(parts)} weights) at {settings.lora_weight:g}, all of sampling and everywhere"


def _check_number(name: str, value: float, most: float, other: str = "") -> None:
    if not (isfinite(value) and 0 <= value <= most):
        words = f"0 to {most:g}{f', {other}' if other else ''}"
        raise ValueError(f"{name} must be {words}; got {value:g}")
