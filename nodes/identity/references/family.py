"""Which models read references as tokens, and by which hook these are weighed.

Read and measured in ComfyUI 0.23.0 and 0.33.0: Flux, Flux.2 and Krea 2 use the ``attn_mask`` that an
``attn1_patch`` returns. Qwen-Image calls such patches too, but its attention does not use the mask that
they return; Z-Image has no such patch. Those take the attention override.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """A kind of diffusion model."""

    name: str
    patched: bool
    """Whether its attention uses the mask that an ``attn1_patch`` returns."""
    omni: bool = False
    """Whether references stand before the picture, [captions | siglip | references | picture], and their
    numbers are not published; else [text | picture | references], and they are."""
    besides: str = ""
    """Another way on which a reference comes in, which no weight reaches."""


_QWEN = (
    "the text encoder has seen the references too where the prompt was made with them: weight 0 does not take "
    "out what it tells"
)
FAMILIES = {
    "Flux": Family("Flux", patched=True),
    "SingleStreamDiT": Family("Krea 2", patched=True, besides=_QWEN),
    "QwenImageTransformer2DModel": Family("Qwen-Image", patched=False, besides=_QWEN),
    "MageFlowTransformer2DModel": Family("Mage-Flow", patched=False, besides=_QWEN),
    "NextDiT": Family(
        "Z-Image",
        patched=False,
        omni=True,
        besides="the references' SigLIP tokens and captions are not weighed: weight 0 does not take out what they tell",
    ),
}
MADE_FOR = "Flux Kontext, Flux.2, Qwen-Image-Edit, Z-Image Omni, Krea 2 and Mage-Flow"


@dataclass(frozen=True)
class Found:
    """A model's family."""

    family: Family
    patch: int
    """Latent cells of a token's side."""
    multiple: int
    """What Z-Image fills each picture's tokens up to; else 1."""
    refiners: int
    """Attention calls of Z-Image before one that holds references."""
    own_forward: str
    """The class that another pack has made of it; empty where it is ComfyUI's own."""


def family_of(network: Any) -> Found:
    """The family of a diffusion model's network.

    Raises
    ------
    ValueError
        It is of none whose references this pack can weigh.
    """
    kinds = [kind.__name__ for kind in type(network).__mro__]
    known = next((kind for kind in kinds if kind in FAMILIES), None)
    if known is None or kinds[0] == "NextDiTPixelSpace":
        raise ValueError(
            f"references of this model ({kinds[0]}) cannot be weighed: it is none of {MADE_FOR} in ComfyUI's own "
            "code, whose attention can be told. Nunchaku, TensorRT and others that bring a forward of their own need "
            "the stock model"
        )
    first = list(getattr(network, "context_refiner", None) or ())
    second = list(getattr(network, "siglip_refiner", None) or ())
    return Found(
        family=FAMILIES[known],
        patch=int(getattr(network, "patch_size", None) or getattr(network, "patch", 2)),
        multiple=int(getattr(network, "pad_tokens_multiple", None) or 1),
        refiners=len(first) + len(second),
        own_forward="" if kinds[0] == known else kinds[0],
    )
