"""InstantID: sixteen learned tokens ask the raw embedding of antelopev2."""

from __future__ import annotations

import torch

from ..flatten import Tensors
from ..inputs import Inputs, Tokens
from ..layout import Format, Rows, Sizes, linear, norm, perceiver_layers
from ..nets import resampler_tokens
from ..unet import SDXL

RESAMPLER: Rows = (
    {"image_proj.latents": (1, "tokens", "inner")}
    | linear("image_proj.proj_in", "inner", "embedding")
    | perceiver_layers("image_proj.", "inner")
    | linear("image_proj.proj_out", "width", "inner")
    | norm("image_proj.norm_out", "width")
)


def project_resampler(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    """The tokens of the raw embedding, and of one of zeros."""
    return Tokens(
        resampler_tokens(tensors, inputs.embedding, sizes),
        resampler_tokens(tensors, inputs.embedding * 0, sizes),
    )


def _project(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    """As above; the negative may be of noise in place of zeros.

    The noise is uniform, 0..``inputs.noise``, the same on every machine for one seed.
    """
    embedding = inputs.embedding
    random = torch.Generator().manual_seed(inputs.seed)
    nobody = inputs.noise * torch.rand(embedding.shape, generator=random).to(embedding)
    return Tokens(
        resampler_tokens(tensors, embedding, sizes), resampler_tokens(tensors, nobody, sizes)
    )


INSTANTID = Format(
    name="InstantID",
    published="ip-adapter.bin in models/instantid",
    must=("image_proj.latents", "ip_adapter.*"),
    must_not=("image_proj.proj.*", "image_proj.perceiver_resampler.*"),
    telling={"image_proj.proj_in.weight": ("?", 512)},
    in_name=r"instant[-_ ]?id|^ip-adapter\.(bin|safetensors)$",
    version="InstantID",
    bases=(SDXL,),
    encoder="glintr100",
    needs=("raw",),
    rows=RESAMPLER,
    counts={"image_proj.layers.": "depth"},
    quotients={"heads": ("attention", 64)},
    project=_project,
)
