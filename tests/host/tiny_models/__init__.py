"""Nodes for tests: diffusion models of random weights, what other packs do to one, and who looks on.

Each stands for a loader whose files are too large for a test; what they give are ComfyUI's own
classes wherever it has one that can be small.
"""

import functools
import json
from collections import Counter
from dataclasses import dataclass

import torch

from . import weights

SDXL = {  # the blocks of SDXL, 32 channels wide in place of 320
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4),
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": True,
    "use_temporal_attention": False,
    "legacy": False,
    "num_head_channels": 32,
    "context_dim": weights.TEXT,
    "num_classes": "sequential",
    "adm_in_channels": weights.POOLED + 6 * 256,  # pooled text and six sizes
}
CLIP_VISION = {  # 257 states as of CLIP-ViT-H, of 80 numbers
    "hidden_size": 80,
    "image_size": 224,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_channels": 3,
    "num_hidden_layers": 3,
    "patch_size": 14,
    "projection_dim": 48,
    "hidden_act": "gelu",
    "model_type": "clip_vision_model",
}
WORDS = 12
CALLED = Counter()
"""How often what other packs put on a model was called, by label."""


class Node:
    CATEGORY = "tests"
    FUNCTION = "execute"
    INPUTS = ()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": dict(cls.INPUTS)}


# In place of files


class TinySDXL(Node):
    """In place of CheckpointLoaderSimple. One model, however often it is asked for."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")

    def execute(self):
        return sdxl().clone(), TinyText(), vae()


class TinyText(Node):
    """In place of DualCLIPLoader; and the text encoder that it gives."""

    RETURN_TYPES = ("CLIP",)

    def execute(self):
        return (self,)

    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, tokens):
        made = weights.Random(sum(map(ord, tokens)))
        pooled = made.tensor(1, weights.POOLED)
        return [[made.tensor(1, WORDS, weights.TEXT), {"pooled_output": pooled}]]


class TinyClipVision(Node):
    """In place of CLIPVisionLoader."""

    RETURN_TYPES = ("CLIP_VISION",)

    def execute(self):
        return (clip_vision(),)


class TinyEva(Node):
    """In place of LoupeLoadEvaClip."""

    RETURN_TYPES = ("LOUPE_EVA_CLIP",)

    def execute(self):
        return (Eva(),)


class Eva:
    """Sees in pictures what two random layers make of them, in the shapes of Portrait Loupe's own."""

    file, sha256, side, what = "tiny_eva.pt", "0" * 64, 24, "tiny"

    def __init__(self):
        from comfy.model_patcher import ModelPatcher

        parts = (weights.EVA_POOLED, 5 * weights.EVA)
        self.module = torch.nn.ModuleList(torch.nn.Linear(3, part) for part in parts)
        filled(self.module)
        cpu = torch.device("cpu")
        self.patcher = ModelPatcher(self.module, cpu, cpu)

    @torch.no_grad()
    def see(self, pictures):
        planes = pictures.permute(0, 3, 1, 2)
        small = torch.nn.functional.interpolate(planes, (self.side, self.side), mode="area")
        places = small.flatten(2).transpose(1, 2)
        pooled, states = self.module[0](places.mean(1)), self.module[1](places)
        with_class = torch.cat([states.mean(1, keepdim=True), states], 1)
        return Seen(pooled, with_class.chunk(5, -1))


@dataclass
class Seen:
    pooled: torch.Tensor
    hidden: tuple


class TinyThinVae(Node):
    """A VAE whose pictures lie thinly over another one: what a random model draws has no face."""

    INPUTS = (
        ("vae", ("VAE",)),
        ("image", ("IMAGE",)),
        ("share", ("FLOAT", {"default": 0.08})),
    )
    RETURN_TYPES = ("VAE",)

    def execute(self, vae, image, share):
        return (ThinVae(vae, image, share),)


class ThinVae:
    """As ComfyUI's ImageBlend after a VAE, where no node can be put between."""

    def __init__(self, vae, image, share):
        self.vae, self.image, self.share = vae, image, share

    def decode(self, samples):
        return torch.lerp(self.image, self.vae.decode(samples), self.share)


@functools.cache
def sdxl():
    from comfy.model_patcher import ModelPatcher
    from comfy.supported_models import SDXL as Kind

    settings = Kind({**SDXL, "dtype": torch.float32})
    settings.set_inference_dtype(torch.float32, None)
    model = settings.get_model({}, "", device="cpu")
    filled(model.diffusion_model)
    return ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


@functools.cache
def clip_vision():
    from comfy.clip_vision import ClipVisionModel

    made = ClipVisionModel(CLIP_VISION)
    filled(made.model)
    return made


@functools.cache
def vae():
    from comfy.sd import VAE

    return VAE(sd=weights.taesd(4))


def filled(module):
    """Weights and norms that neither vanish nor run over, the same each time."""
    made = weights.Random(1)
    for name, weight in module.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data = made.tensor(*weight.shape, scale=spread).to(weight.dtype)
        if weight.ndim == 1 and name.endswith(("weight", "scale")):
            weight.data += 1  # of a norm


# Other packs


class TinyForeign(Node):
    """Puts on a model what another pack may put there, and counts how often it is called."""

    INPUTS = (
        ("model", ("MODEL",)),
        ("kind", (["override", "attn2", "dit", "rude"],)),
        ("label", ("STRING", {"default": ""})),
    )
    RETURN_TYPES = ("MODEL",)

    def execute(self, model, kind, label):
        clone = model.clone()
        options = clone.model_options["transformer_options"]
        replaced = options.get("patches_replace", {})
        if kind == "override":
            name = "optimized_attention_override"
            clone.model_options["transformer_options"] = {
                **options, name: Override(label, options.get(name))
            }  # fmt: skip
        elif kind == "dit":
            held = replaced.get("dit", {}).get(("double_block", 0))
            clone.set_model_patch_replace(Dit(label, held), "dit", "double_block", 0)
        else:
            held = replaced.get("attn2", {}).get(("middle", 0, 0)) if kind == "attn2" else None
            clone.set_model_attn2_replace(Attn2(label, held), "middle", 0, 0)
        return (clone,)


class Foreign:
    """Something with a label, on top of what was there."""

    def __init__(self, label, previous):
        self.label, self.previous = label, previous


class Override(Foreign):
    """An attention override that changes nothing."""

    def __call__(self, attention, *args, **kwargs):
        CALLED[self.label] += 1
        if self.previous is not None:
            return self.previous(attention, *args, **kwargs)
        return attention(*args, **kwargs)


class Attn2(Foreign):
    """Adds a little of the query to one layer of cross-attention."""

    def __call__(self, q, k, v, options):
        from comfy.ldm.modules.attention import optimized_attention

        CALLED[self.label] += 1
        if self.previous is not None:
            base = self.previous(q, k, v, options)
        else:
            base = optimized_attention(q, k, v, options["n_heads"])
        return base + 0.1 * q


class Dit(Foreign):
    """Makes the image tokens after one block larger."""

    def __call__(self, args, extra):
        CALLED[self.label] += 1
        block = extra["original_block"] if self.previous is None else self.previous
        out = block(args) if self.previous is None else block(args, extra)
        return {**out, "img": out["img"] * 1.1}


# Who looks on


class TinyCalls(Node):
    """After sampling: where the identities on a model ran, and how often the others were called."""

    INPUTS = (("model", ("MODEL",)), ("latent", ("LATENT",)))
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    def execute(self, model, latent):
        shared = {}
        for slots in model.model_options["transformer_options"].get("patches_replace", {}).values():
            for patch in slots.values():
                while patch is not None:
                    if hasattr(patch, "shared"):
                        shared[id(patch.shared)] = patch.shared
                    patch = getattr(patch, "previous", None)
        told = {
            "identities": [
                {
                    "layers": len(one.calls.layers),
                    "reached": [one.calls.reached[layer] for layer in one.calls.layers],
                    "added": [one.calls.added[layer] for layer in one.calls.layers],
                    "kept": len(one._kept),
                }
                for one in shared.values()
            ],
            "called": dict(CALLED),
        }
        return {"ui": {"text": [json.dumps(told)]}}


class TinyAgain(Node):
    """The latent as it was, under a number: with another one sampling is not taken from the cache."""

    INPUTS = (("latent", ("LATENT",)), ("number", ("INT", {"default": 0})))
    RETURN_TYPES = ("LATENT",)

    def execute(self, latent, number):
        return (latent,)


def add_routes():
    """``/tiny/loaded``: how many models ComfyUI holds now."""
    import comfy.model_management
    from aiohttp import web
    from server import PromptServer

    @PromptServer.instance.routes.get("/tiny/loaded")
    async def loaded(request):
        return web.json_response(len(comfy.model_management.current_loaded_models))


NODE_CLASS_MAPPINGS = {
    kind.__name__: kind
    for kind in (
        TinySDXL,
        TinyText,
        TinyClipVision,
        TinyEva,
        TinyThinVae,
        TinyForeign,
        TinyCalls,
        TinyAgain,
    )
}

add_routes()
