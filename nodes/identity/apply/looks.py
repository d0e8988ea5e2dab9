"""A profile as an adapter's networks see it: the embedding, the face's picture, and the tokens of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..adapters.adapter import Adapter
from ..adapters.inputs import Inputs, Tokens
from ..adapters.unet import SD15
from ..eva.face_only import face_only
from ..profile import Embedded, Identity
from .settings import TWICE, Settings

CLIP_SIZE = 224  # px that CLIP-ViT-H takes
# The stored crop of 512 px shows a face as a crop of 128 does; the one of 112, which SD1.5's adapter
# was trained on, is cut out of its half: left, top, side.
NARROW = (16, 0, 224)
See = Callable[[Tensor], Tensor]
"""Pictures (B, H, W, 3), sRGB 0..1, to CLIP-ViT-H's hidden states before its last layer, (B, 257, 1280)."""


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


@dataclass(frozen=True)
class Eyes:
    """What networks beside the face encoder look at a face with; of the host's loaders."""

    clip: See | None = None
    """FaceID Plus."""
    eva: Any = None
    """``Eva``, PuLID-Flux."""
    parsers: Sequence[Path] = ()
    """Folders in which the weights of a face parser may lie."""


@dataclass(frozen=True, eq=False)
class Look:
    """The identity's tokens, and what of it was looked at."""

    tokens: Tokens
    reference: int | None
    """The face whose picture a network saw, counted from 0."""
    how: str = ""
    """How the face was cut out for EVA."""


def tokens_of(adapter: Adapter, identity: Identity, settings: Settings, eyes: Eyes) -> Look:
    """The identity's tokens, by whatever the adapter needs of it."""
    embedding = embedding_of(adapter, identity)
    shortcut = 2 * settings.weight if settings.shortcut == TWICE else settings.shortcut
    inputs = Inputs(embedding, shortcut=shortcut, noise=settings.noise)
    reference, how = None, ""
    if "clip_h" in adapter.needs:
        inputs, reference = _by_clip(adapter, identity, inputs, eyes)
    if "eva" in adapter.needs:
        inputs, reference, how = _by_eva(adapter, identity, inputs, eyes)
    return Look(adapter.project(inputs), reference, how)


def _by_clip(
    adapter: Adapter, identity: Identity, inputs: Inputs, eyes: Eyes
) -> tuple[Inputs, int]:
    """What CLIP sees in the face, and in black."""
    if eyes.clip is None:
        raise ValueError(
            f"{adapter.format} ({adapter.file}) also looks at the face through CLIP: link clip_vision, from Load CLIP "
            "Vision with CLIP-ViT-H-14-laion2B-s32B-b79K"
        )
    reference, crop = crop_for_clip(adapter, identity, identity.of(adapter.encoder))
    clip, nobody = (
        states.detach().float().cpu()
        for states in (eyes.clip(crop), eyes.clip(torch.zeros(1, CLIP_SIZE, CLIP_SIZE, 3)))
    )
    for states in (clip, nobody):
        if states.shape[-1] != adapter.sizes["clip"]:
            raise ValueError(
                f"{adapter.format} ({adapter.file}) takes CLIP states of {adapter.sizes['clip']} numbers, the linked "
                f"clip_vision gives {states.shape[-1]}: load CLIP-ViT-H-14-laion2B-s32B-b79K"
            )
    return replace(inputs, clip=clip, clip_negative=nobody), reference


def _by_eva(
    adapter: Adapter, identity: Identity, inputs: Inputs, eyes: Eyes
) -> tuple[Inputs, int, str]:
    """What EVA sees in the face alone."""
    if eyes.eva is None:
        raise ValueError(
            f"{adapter.format} ({adapter.file}) also looks at the face through EVA-CLIP: link eva_clip, from Load EVA "
            "CLIP with EVA02_CLIP_L_336_psz14_s6B"
        )
    reference, crop = best_crop(adapter, identity, identity.of(adapter.encoder))
    alone = face_only(crop, eyes.parsers)
    states = eyes.eva.see(alone.picture)
    width = states.hidden[0].shape[-1]
    if width != adapter.sizes["eva"]:
        raise ValueError(
            f"{adapter.format} ({adapter.file}) takes EVA-CLIP states of {adapter.sizes['eva']} numbers, the linked "
            f"eva_clip ({eyes.eva.file}) gives {width}: load EVA02_CLIP_L_336_psz14_s6B"
        )
    seen = replace(inputs, eva_pooled=states.pooled, eva_hidden=states.hidden)
    return seen, reference, alone.how


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
    index, crop = best_crop(adapter, identity, embedded)
    picture = _halved(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255)
    if adapter.base == SD15:
        left, top, side = NARROW
        picture = picture[..., top : top + side, left : left + side]
    return index, picture.permute(0, 2, 3, 1)


def best_crop(
    adapter: Adapter, identity: Identity, embedded: Embedded
) -> tuple[int, NDArray[np.uint8]]:
    """The face that counts most of those kept and stored, and its crop of 512 px.

    Raises
    ------
    ValueError
        No kept face has its crop stored.
    """
    weights = identity.weights(embedded)
    for index in sorted(range(len(weights)), key=lambda index: -weights[index]):
        crop = identity.references[index].crop512
        if crop is not None and weights[index] > 0:
            return index, crop
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
