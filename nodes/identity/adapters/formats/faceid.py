"""IP-Adapter FaceID: an ArcFace embedding to tokens, and the files that grew out of it.

Four layouts. FaceID and Portrait are one network, the first with a LoRA in the same file. FaceID Plus adds
a perceiver that asks CLIP; its two versions differ in nothing but the sum at the end. The unnormed
Portrait is InstantID's network, trained on another encoder's embeddings.
"""

from __future__ import annotations

from ..flatten import Tensors
from ..inputs import Inputs, Tokens
from ..layout import Format, Rows, Sizes, linear, norm, perceiver_layers
from ..nets import mlp_tokens, perceiver_tokens
from ..unet import SD15, SDXL
from .instantid import RESAMPLER, project_resampler

ENCODER = "w600k_r50"  # of buffalo_l
_LORA = "ip_adapter.*.to_q_lora.*"
_PERCEIVER = "image_proj.perceiver_resampler."
_NOT_PLAIN = (
    f"{_PERCEIVER}*",
    "image_proj.latents",
    "image_proj.proj.3.*",  # the full-face adapter's norm
    "image_proj.mapping_patch_0.*",  # PuLID's
)
MLP: Rows = (
    linear("image_proj.proj.0", "hidden", "embedding")
    | linear("image_proj.proj.2", "tokens*width", "hidden")
    | norm("image_proj.norm", "width")
)
PERCEIVER: Rows = (
    MLP
    | linear(f"{_PERCEIVER}proj_in", "width", "clip")
    | perceiver_layers(_PERCEIVER, "width")
    | linear(f"{_PERCEIVER}proj_out", "width", "width")
    | norm(f"{_PERCEIVER}norm_out", "width")
)
_ARCFACE = {"image_proj.proj.0.weight": ("?", 512)}


def _project(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    return Tokens(
        mlp_tokens(tensors, inputs.embedding, sizes["width"]),
        mlp_tokens(tensors, inputs.embedding * 0, sizes["width"]),
    )


def _project_plus(tensors: Tensors, sizes: Sizes, inputs: Inputs, *, shortcut: bool) -> Tokens:
    """V1 ends with what the perceiver says, V2 adds it to the embedding's own tokens."""
    told = []
    for embedding, clip in (
        (inputs.embedding, inputs.clip),
        (inputs.embedding * 0, inputs.clip_negative),
    ):
        assert clip is not None  # the adapter has seen to it
        own = mlp_tokens(tensors, embedding, sizes["width"])
        asked = perceiver_tokens(tensors, own, clip, sizes)
        told.append(own + inputs.shortcut * asked if shortcut else asked)
    return Tokens(*told)


def _project_v1(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    return _project_plus(tensors, sizes, inputs, shortcut=False)


def _project_v2(tensors: Tensors, sizes: Sizes, inputs: Inputs) -> Tokens:
    return _project_plus(tensors, sizes, inputs, shortcut=True)


FACEID = Format(
    name="FaceID",
    published="ip-adapter-faceid_sd15.bin, ip-adapter-faceid_sdxl.bin",
    must=("image_proj.proj.0.weight", "image_proj.proj.2.weight", "ip_adapter.*", _LORA),
    must_not=_NOT_PLAIN,
    telling=_ARCFACE,
    bases=(SD15, SDXL),
    encoder=ENCODER,
    needs=("normed",),
    rows=MLP,
    project=_project,
)
PORTRAIT = Format(
    name="FaceID Portrait",
    published="ip-adapter-faceid-portrait-v11_sd15.bin, ip-adapter-faceid-portrait_sd15.bin, "
    "ip-adapter-faceid-portrait_sdxl.bin",
    must=("image_proj.proj.0.weight", "image_proj.proj.2.weight", "ip_adapter.*"),
    must_not=(*_NOT_PLAIN, _LORA),
    telling=_ARCFACE,
    bases=(SD15, SDXL),
    encoder=ENCODER,
    needs=("normed",),
    rows=MLP,
    project=_project,
)


def _plus(name: str, published: str, in_name: str, version: str, project) -> Format:
    return Format(
        name=name,
        published=published,
        must=("image_proj.proj.0.weight", "ip_adapter.*"),
        must_not=("image_proj.latents",),
        # Kolors asks CLIP-L, whose states are 1024 wide.
        telling={**_ARCFACE, f"{_PERCEIVER}proj_in.weight": ("?", "!1024")},
        in_name=in_name,
        version=version,
        bases=(SD15, SDXL),
        encoder=ENCODER,
        needs=("normed", "clip_h"),
        rows=PERCEIVER,
        counts={f"{_PERCEIVER}layers.": "depth"},
        quotients={"heads": ("attention", 64)},
        project=project,
    )


PLUS_V1 = _plus(
    "FaceID Plus", "ip-adapter-faceid-plus_sd15.bin", r"^(?!.*v[-_ ]?2).*plus", "v1", _project_v1
)
PLUS_V2 = _plus(
    "FaceID Plus V2",
    "ip-adapter-faceid-plusv2_sd15.bin, ip-adapter-faceid-plusv2_sdxl.bin",
    r"v[-_ ]?2",
    "v2",
    _project_v2,
)
UNNORM = Format(
    name="FaceID Portrait",
    published="ip-adapter-faceid-portrait_sdxl_unnorm.bin",
    must=("image_proj.latents", "ip_adapter.*"),
    must_not=("image_proj.proj.*", "image_proj.perceiver_resampler.*"),
    telling={"image_proj.proj_in.weight": ("?", 512)},
    in_name=r"portrait|unnorm",
    version="Portrait",
    bases=(SDXL,),
    encoder=ENCODER,
    needs=("raw",),
    rows=RESAMPLER,
    counts={"image_proj.layers.": "depth"},
    quotients={"heads": ("attention", 64)},
    project=project_resampler,
)
