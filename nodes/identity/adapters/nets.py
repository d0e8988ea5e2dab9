"""The projection networks: from what is known of a face to identity tokens.

Plain functions of a file's tensors, computed in float32 where the inputs lie. Equations after IP-Adapter
FaceID (Ye et al. 2023, tencent-ailab, Apache-2.0), InstantID (Wang et al. 2024) and PuLID (Guo et al. 2024).
GELU is the exact one, by erf.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .flatten import Tensors

LEAK = 0.01  # LeakyReLU's slope in PuLID's mappings


def mlp_tokens(tensors: Tensors, embedding: Tensor, width: int) -> Tensor:
    """FaceID and Portrait: ``LN(reshape(W2 gelu(W0 e + b0) + b2))``.

    Parameters
    ----------
    tensors : ``image_proj.proj.0``, ``.proj.2`` and ``.norm``
    embedding : (B, E), float32, unit length
    width : D, of a token

    Returns
    -------
    (B, T, D)
    """
    hidden = F.gelu(_linear(tensors, "image_proj.proj.0", embedding))
    flat = _linear(tensors, "image_proj.proj.2", hidden)
    return _norm(tensors, "image_proj.norm", flat.reshape(embedding.shape[0], -1, width))


def perceiver_tokens(tensors: Tensors, latents: Tensor, seen: Tensor, sizes: dict) -> Tensor:
    """FaceID Plus: the embedding's tokens ask what CLIP sees.

    Parameters
    ----------
    tensors : ``image_proj.perceiver_resampler.*``
    latents : (B, T, D), of ``mlp_tokens``
    seen : (B, N, C), CLIP-H before its last layer
    sizes : ``depth`` and ``heads``

    Returns
    -------
    (B, T, D)
    """
    prefix = "image_proj.perceiver_resampler."
    context = _linear(tensors, f"{prefix}proj_in", seen)
    for layer in range(sizes["depth"]):
        latents = _layer(tensors, f"{prefix}layers.{layer}.", context, latents, sizes["heads"])
    return _norm(tensors, f"{prefix}norm_out", _linear(tensors, f"{prefix}proj_out", latents))


def resampler_tokens(tensors: Tensors, embedding: Tensor, sizes: dict) -> Tensor:
    """InstantID and the unnormed Portrait: learned tokens ask the embedding.

    Parameters
    ----------
    tensors : ``image_proj.latents``, ``.proj_in``, ``.layers.*``, ``.proj_out``, ``.norm_out``
    embedding : (B, E), float32, raw
    sizes : ``depth`` and ``heads``

    Returns
    -------
    (B, T, D)
    """
    context = _linear(tensors, "image_proj.proj_in", embedding[:, None])
    latents = _as_batch(tensors["image_proj.latents"], embedding)
    for layer in range(sizes["depth"]):
        latents = _layer(tensors, f"image_proj.layers.{layer}.", context, latents, sizes["heads"])
    projected = _linear(tensors, "image_proj.proj_out", latents)
    return _norm(tensors, "image_proj.norm_out", projected)


def idformer_tokens(tensors: Tensors, face: Tensor, hidden: tuple[Tensor, ...], sizes: dict):
    """PuLID-Flux: learned tokens ask the face's own, and EVA's states from early to late.

    Parameters
    ----------
    tensors : ``pulid_encoder.*``
    face : (B, N, E), float32
        The raw embedding and EVA's unit vector of N photos, one after the other.
    hidden : tuple of (B, M, C)
        EVA's states, one for each mapping.
    sizes : ``tokens``, ``scales``, ``each`` (layers of a scale), ``inner`` and ``heads``

    Returns
    -------
    (B, T, D)
    """
    prefix = "pulid_encoder."
    mine = _mapping(tensors, f"{prefix}id_embedding_mapping.", face)
    mine = mine.reshape(face.shape[0], -1, sizes["inner"])
    latents = torch.cat([_as_batch(tensors[f"{prefix}latents"], face), mine], 1)
    for scale in range(sizes["scales"]):
        seen = _mapping(tensors, f"{prefix}mapping_{scale}.", hidden[scale])
        context = torch.cat([mine, seen], 1)
        for layer in range(scale * sizes["each"], (scale + 1) * sizes["each"]):
            latents = _layer(tensors, f"{prefix}layers.{layer}.", context, latents, sizes["heads"])
    return latents[:, : sizes["tokens"]] @ _like(tensors[f"{prefix}proj_out"], face)


def _layer(tensors: Tensors, at: str, context: Tensor, latents: Tensor, heads: int) -> Tensor:
    """Attention of the latents to context and latents, then a feed-forward net, each added."""
    asking = _norm(tensors, f"{at}0.norm2", latents)
    asked = torch.cat([_norm(tensors, f"{at}0.norm1", context), asking], 1)
    query = _linear(tensors, f"{at}0.to_q", asking)
    key, value = _linear(tensors, f"{at}0.to_kv", asked).chunk(2, -1)
    query, key, value = (
        part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    told = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    latents = latents + _linear(tensors, f"{at}0.to_out", told)
    inner = _linear(tensors, f"{at}1.1", _norm(tensors, f"{at}1.0", latents))
    return latents + _linear(tensors, f"{at}1.3", F.gelu(inner))


def _mapping(tensors: Tensors, at: str, x: Tensor) -> Tensor:
    """Three linear layers, the first two with a norm and a leaky ReLU."""
    for linear, norm in ((0, 1), (3, 4)):
        x = _norm(tensors, f"{at}{norm}", _linear(tensors, f"{at}{linear}", x))
        x = F.leaky_relu(x, LEAK)
    return _linear(tensors, f"{at}6", x)


def _linear(tensors: Tensors, key: str, x: Tensor) -> Tensor:
    bias = tensors.get(f"{key}.bias")
    weight = _like(tensors[f"{key}.weight"], x)
    return F.linear(x, weight, None if bias is None else _like(bias, x))


def _norm(tensors: Tensors, key: str, x: Tensor) -> Tensor:
    weight, bias = (_like(tensors[f"{key}.{part}"], x) for part in ("weight", "bias"))
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def _as_batch(latents: Tensor, like: Tensor) -> Tensor:
    return _like(latents, like).expand(like.shape[0], -1, -1)


def _like(weight: Tensor, x: Tensor) -> Tensor:
    """A weight for one use, where and as the input is; the file's own stays as it was."""
    return weight.to(x.device, x.dtype)
