"""Tiny random identity adapters in the layout of every published file that Loupe knows by sight.

All sizes that a file tells of itself may be chosen; only those by which formats are told apart are fixed (an
embedding of 512 numbers, CLIP-L's 1024). Made from the tables of layouts, with names and counts written
out here once more, so that a slip in the pack's own descriptions does not go unseen.

Loaded by conftest.py, which has the fixture ``identity_adapters``.
"""

import torch

FACE, CLIP, EVA, POOLED = 512, 80, 72, 40

# Widths of a UNet's cross-attention layers, in units of its narrowest: down, up, middle.
SD15 = [1] * 2 + [2] * 2 + [4] * 2 + [4] * 3 + [2] * 3 + [1] * 3 + [4]
SDXL = [2] * 4 + [4] * 20 + [4] * 30 + [2] * 6 + [4] * 10
LEVELS = {"SD1.5": SD15, "SDXL": SDXL}

SUPPORTED = {  # kind: the name that it is published under
    "faceid": "ip-adapter-faceid_{base}.bin",
    "plus": "ip-adapter-faceid-plus_{base}.bin",
    "plusv2": "ip-adapter-faceid-plusv2_{base}.bin",
    "portrait": "ip-adapter-faceid-portrait_{base}.bin",
    "unnorm": "ip-adapter-faceid-portrait_sdxl_unnorm.bin",
    "instantid": "instantid/ip-adapter.bin",
    "pulid_flux": "pulid_flux_v0.9.1.safetensors",
}
UNSUPPORTED = {
    "pulid_sdxl_converted": "ip-adapter_pulid_sdxl_fp16.safetensors",
    "pulid_sdxl": "pulid_v1.bin",
    "pulid_sdxl_v11": "pulid_v1.1.safetensors",
    "pulid_klein": "pulid_flux2_klein_v2.safetensors",
    "infinite_you": "infinite_you/sim_stage1/image_proj_model.bin",
    "infusenet": "infusenet_sim_bf16.safetensors",
    "kolors": "Kolors-IP-Adapter-FaceID-Plus.bin",
    "ip_plain": "ip-adapter_sd15.bin",
    "ip_plus": "ip-adapter-plus-face_sd15.bin",
    "ip_full_face": "ip-adapter-full-face_sd15.bin",
    "photomaker_v1": "photomaker-v1.bin",
    "photomaker_v2": "photomaker-v2.bin",
}
# What is there for which base; the two of InstantID's layout are for SDXL alone.
PAIRS = [
    *((kind, base) for kind in ("faceid", "plus", "plusv2", "portrait") for base in LEVELS),
    ("unnorm", "SDXL"),
    ("instantid", "SDXL"),
    ("pulid_flux", "Flux"),
]


def file_name(kind, base="SD1.5"):
    """The name that a kind is published under."""
    return (SUPPORTED | UNSUPPORTED)[kind].format(base=base.lower().replace(".", ""))


def build(kind, base="SD1.5", *, seed=0, dtype=torch.float32, **sizes):
    """A checkpoint as its ``.bin`` holds it: nested dictionaries for most, flat for PuLID-Flux.

    Parameters
    ----------
    kind : a key of ``SUPPORTED`` or ``UNSUPPORTED``
    base : 'SD1.5' or 'SDXL', of the UNet kinds
    seed : int
    dtype : of all tensors
    sizes : ints
        ``tokens``, ``width`` (of a token; a multiple of 64 for plus), ``hidden``, ``clip``, ``depth``,
        ``rank``, ``text`` (the UNet's own context), ``unit`` (its narrowest level), ``inner`` and
        ``attention`` (of resamplers; the latter a multiple of 64), and for PuLID-Flux ``image``,
        ``image_attention`` (a multiple of 128), ``face_tokens``, ``each``, ``eva``, ``pooled``.
    """
    made = _Random(seed, dtype)
    return _BUILDERS[kind](made, base, sizes)


def flat(checkpoint, prefix=""):
    """The nested dictionaries as one, as safetensors holds them."""
    found = {}
    for key, value in checkpoint.items():
        name = f"{prefix}.{key}" if prefix else key
        found |= flat(value, name) if isinstance(value, dict) else {name: value}
    return found


def save(checkpoint, path):
    """To ``path``, by its suffix as pickle or safetensors; returns the path."""
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(flat(checkpoint), path)
    else:
        torch.save(checkpoint, path)
    return path


def load(path):
    """As ComfyUI loads it: nothing but tensors comes out of a pickle."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


class _Random:
    """Tensors of a scale at which nothing vanishes or runs over."""

    def __init__(self, seed, dtype):
        self.source, self.dtype = torch.Generator().manual_seed(seed), dtype

    def tensor(self, *shape, scale=1.0):
        return (torch.randn(shape, generator=self.source) * scale).to(self.dtype)

    def weight(self, key, rows, columns):
        return {f"{key}.weight": self.tensor(rows, columns, scale=columns**-0.5)}

    def linear(self, key, rows, columns):
        return self.weight(key, rows, columns) | {f"{key}.bias": self.tensor(rows, scale=0.3)}

    def norm(self, key, width):
        near_one = (1 + self.tensor(width, scale=0.3).float()).to(self.dtype)
        return {f"{key}.weight": near_one, f"{key}.bias": self.tensor(width, scale=0.2)}

    def perceiver(self, prefix, depth, width, attention, forward):
        found = {}
        for i in range(depth):
            at = f"{prefix}layers.{i}."
            found |= self.norm(f"{at}0.norm1", width) | self.norm(f"{at}0.norm2", width)
            found |= self.weight(f"{at}0.to_q", attention, width)
            found |= self.weight(f"{at}0.to_kv", 2 * attention, width)
            found |= self.weight(f"{at}0.to_out", width, attention)
            found |= self.norm(f"{at}1.0", width)
            found |= self.weight(f"{at}1.1", forward, width)
            found |= self.weight(f"{at}1.3", width, forward)
        return found

    def mapping(self, at, taken, inner, told):
        return (
            self.linear(f"{at}0", inner, taken)
            | self.norm(f"{at}1", inner)
            | self.linear(f"{at}3", inner, inner)
            | self.norm(f"{at}4", inner)
            | self.linear(f"{at}6", told, inner)
        )

    def mlp(self, tokens, width, hidden, face=FACE):
        return (
            self.linear("proj.0", hidden, face)
            | self.linear("proj.2", tokens * width, hidden)
            | self.norm("norm", width)
        )

    def resampler(self, tokens, width, inner, attention, depth, face=FACE):
        return (
            {"latents": self.tensor(1, tokens, inner)}
            | self.linear("proj_in", inner, face)
            | self.perceiver("", depth, inner, attention, 3 * inner)
            | self.linear("proj_out", width, inner)
            | self.norm("norm_out", width)
        )

    def layers(self, base, width, unit, names=("to_k_ip", "to_v_ip")):
        """Keys and values of every cross-attention layer, at the odd numbers."""
        found = {}
        for index, level in enumerate(LEVELS[base]):
            for name in names:
                found |= self.weight(f"{2 * index + 1}.{name}", level * unit, width)
        return found

    def lora(self, base, unit, text, rank):
        found = {}
        for index, level in enumerate(LEVELS[base]):
            h = level * unit
            for number in (2 * index, 2 * index + 1):
                for part in ("q", "k", "v", "out"):
                    taken = text if number % 2 and part in "kv" else h
                    found |= self.weight(f"{number}.to_{part}_lora.down", rank, taken)
                    found |= self.weight(f"{number}.to_{part}_lora.up", h, rank)
        return found


def _faceid(made, base, sizes, *, tokens=4, lora=True, perceiver=False, clip=CLIP):
    tokens, width = sizes.get("tokens", tokens), sizes.get("width", 64)
    unit = sizes.get("unit", 8)
    proj = made.mlp(tokens, width, sizes.get("hidden", 32))
    if perceiver:
        at = "perceiver_resampler."
        proj |= made.linear(f"{at}proj_in", width, sizes.get("clip", clip))
        proj |= made.perceiver(at, sizes.get("depth", 2), width, width, 4 * width)
        proj |= made.linear(f"{at}proj_out", width, width) | made.norm(f"{at}norm_out", width)
    layers = made.layers(base, width, unit)
    if lora:
        layers |= made.lora(base, unit, sizes.get("text", width), sizes.get("rank", 6))
    return {"image_proj": proj, "ip_adapter": layers}


def _plus(made, base, sizes):
    return _faceid(made, base, sizes, perceiver=True)


def _resampler(made, base, sizes, *, face=FACE, ip=True):
    width = sizes.get("width", 48)
    proj = made.resampler(
        sizes.get("tokens", 16),
        width,
        sizes.get("inner", 56),
        sizes.get("attention", 128),
        sizes.get("depth", 3),
        face,
    )
    layers = {"ip_adapter": made.layers(base, width, sizes.get("unit", 8))} if ip else {}
    return {"image_proj": proj, **layers}


def _pulid_flux(made, base, sizes):
    inner, width = sizes.get("inner", 48), sizes.get("width", 40)
    tokens, attention = sizes.get("tokens", 12), sizes.get("attention", 128)
    image, wide = sizes.get("image", 56), sizes.get("image_attention", 256)
    eva, taken = sizes.get("eva", EVA), FACE + sizes.get("pooled", POOLED)
    encoder = {
        "latents": made.tensor(1, tokens, inner),
        "proj_out": made.tensor(inner, width, scale=inner**-0.5),
    }
    encoder |= made.perceiver("", 5 * sizes.get("each", 2), inner, attention, 4 * inner)
    for i in range(5):
        encoder |= made.mapping(f"mapping_{i}.", eva, inner, inner)
    told = sizes.get("face_tokens", 5) * inner
    encoder |= made.mapping("id_embedding_mapping.", taken, inner, told)
    layers = {}
    for i in range(20):
        layers |= made.norm(f"{i}.norm1", width) | made.norm(f"{i}.norm2", image)
        layers |= made.weight(f"{i}.to_q", wide, image)
        layers |= made.weight(f"{i}.to_kv", 2 * wide, width)
        layers |= made.weight(f"{i}.to_out", image, wide)
    return flat({"pulid_encoder": encoder, "pulid_ca": layers})


def _id_encoder(made):
    """PuLID v1's."""
    found = made.mapping("body.", FACE + POOLED, 16, 5 * 24)
    for i in range(5):
        found |= made.mapping(f"mapping_{i}.", 20, 16, 24)
        found |= made.mapping(f"mapping_patch_{i}.", 20, 16, 24)
    return found


def _id_former(made):
    """PuLID v1.1's."""
    found = {"latents": made.tensor(1, 8, 16), "proj_out": made.tensor(16, 24)}
    found |= made.perceiver("", 10, 16, 64, 32)
    for i in range(5):
        found |= made.mapping(f"mapping_{i}.", 20, 16, 16)
    return found | made.mapping("id_embedding_mapping.", FACE + POOLED, 16, 5 * 16)


def _pulid_sdxl(made, base, sizes, net=_id_encoder):
    layers = made.layers("SDXL", 24, 8, ("id_to_k", "id_to_v"))
    return {"id_adapter": net(made), "id_adapter_attn_layers": layers}


def _klein(made, base, sizes):
    former = {"latents": made.tensor(1, 4, 16)}
    former |= made.linear("proj.0", 16, FACE + POOLED) | made.linear("proj.2", 64, 16)
    former |= made.perceiver("", 2, 16, 64, 32)
    layers = {}
    for i in range(3):
        layers |= made.weight(f"{i}.to_q", 64, 24) | made.weight(f"{i}.to_kv", 128, 16)
        layers |= made.weight(f"{i}.to_out", 24, 64)
    return {"id_former": former, "double_ca": layers, "single_ca": dict(layers)}


def _infusenet(made, base, sizes):
    found = made.linear("controlnet_x_embedder", 24, 16) | made.linear("x_embedder", 24, 16)
    for i in range(4):
        found |= made.linear(f"controlnet_blocks.{i}", 24, 24)
    for i in range(10):
        found |= made.linear(f"controlnet_single_blocks.{i}", 24, 24)
    return found


def _ip_plain(made, base, sizes):
    proj = made.linear("proj", 4 * 24, 20) | made.norm("norm", 24)
    return {"image_proj": proj, "ip_adapter": made.layers(base, 24, 8)}


def _ip_full_face(made, base, sizes):
    proj = made.linear("proj.0", 20, 20) | made.linear("proj.2", 24, 20) | made.norm("proj.3", 24)
    return {"image_proj": proj, "ip_adapter": made.layers(base, 24, 8)}


def _photomaker(made, base, sizes, v2=False):
    encoder = made.weight("visual_projection", 12, 16) | made.weight("visual_projection_2", 20, 16)
    encoder |= made.linear("fuse_module.mlp1.fc1", 16, 32) | made.norm("fuse_module.layer_norm", 16)
    if v2:
        encoder |= made.linear("qformer_perceiver.token_proj.0", 16, FACE)
    return {"id_encoder": encoder, "lora_weights": made.weight("unet.down", 4, 16)}


_BUILDERS = {
    "faceid": _faceid,
    "plus": _plus,
    "plusv2": _plus,
    "portrait": lambda made, base, sizes: _faceid(made, base, sizes, tokens=16, lora=False),
    "unnorm": _resampler,
    "instantid": _resampler,
    "pulid_flux": _pulid_flux,
    "pulid_sdxl_converted": lambda made, base, sizes: {
        "image_proj": _id_encoder(made),
        "ip_adapter": made.layers("SDXL", 24, 8),
    },
    "pulid_sdxl": _pulid_sdxl,
    "pulid_sdxl_v11": lambda made, base, sizes: _pulid_sdxl(made, base, sizes, _id_former),
    "pulid_klein": _klein,
    "infinite_you": lambda made, base, sizes: _resampler(made, base, sizes, ip=False),
    "infusenet": _infusenet,
    "kolors": lambda made, base, sizes: _faceid(
        made, "SDXL", sizes, tokens=6, perceiver=True, lora=False, clip=1024
    ),
    "ip_plain": _ip_plain,
    "ip_plus": lambda made, base, sizes: _resampler(made, base, sizes, face=CLIP),
    "ip_full_face": _ip_full_face,
    "photomaker_v1": _photomaker,
    "photomaker_v2": lambda made, base, sizes: _photomaker(made, base, sizes, v2=True),
}
