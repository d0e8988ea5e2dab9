"""PuLID for Flux.1, v0.9.0 and v0.9.1: one encoder for the face, twenty layers of its own."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ..flatten import Tensors
from ..flux import AFTER
from ..inputs import Inputs, Tokens
from ..layout import Format, Rows, Sizes, linear, norm, perceiver_layers
from ..nets import idformer_tokens

_AT = "pulid_encoder."


def _mapping(at: str, taken: str, told: str) -> Rows:
    return (
        linear(f"{at}0", "inner", taken)
        | norm(f"{at}1", "inner")
        | linear(f"{at}3", "inner", "inner")
        | norm(f"{at}4", "inner")
        | linear(f"{at}6", told, "inner")
    )


ROWS: Rows = (
    {f"{_AT}latents": (1, "tokens", "inner"), f"{_AT}proj_out": ("inner", "width")}
    | perceiver_layers(_AT, "inner")
    | _mapping(f"{_AT}mapping_*.", "eva", "inner")
    | _mapping(f"{_AT}id_embedding_mapping.", "face", "face_tokens*inner")
    | norm("pulid_ca.*.norm1", "width")
    | norm("pulid_ca.*.norm2", "image")
    | linear("pulid_ca.*.to_q", "image_attention", "image", bias=False)
    | linear("pulid_ca.*.to_kv", "2*image_attention", "width", bias=False)
    | linear("pulid_ca.*.to_out", "image", "image_attention", bias=False)
)


def _project(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    """The embedding beside EVA's unit vector, and EVA's states; zeros for nobody."""
    pooled, hidden = inputs.eva_pooled, inputs.eva_hidden
    assert pooled is not None  # the adapter has seen to it
    assert hidden is not None
    face = torch.cat([inputs.embedding, F.normalize(pooled, dim=-1)], -1)
    return Tokens(
        idformer_tokens(tensors, face, hidden, sizes),
        idformer_tokens(tensors, face * 0, tuple(state * 0 for state in hidden), sizes),
    )


PULID_FLUX = Format(
    name="PuLID-Flux",
    published="pulid_flux_v0.9.0.safetensors, pulid_flux_v0.9.1.safetensors",
    must=("pulid_ca.*", f"{_AT}*"),
    bases=("Flux",),
    encoder="glintr100",
    needs=("raw", "eva"),
    rows=ROWS,
    counts={f"{_AT}layers.": "depth", f"{_AT}mapping_": "scales", "pulid_ca.": len(AFTER)},
    quotients={
        "heads": ("attention", 64),
        "image_heads": ("image_attention", 128),
        "each": ("depth", "scales"),
    },
    project=_project,
)
