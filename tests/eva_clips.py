"""Tiny EVA02-CLIP files of random weights, in the layouts in which people have them."""

import torch

# Two heads of 64, and as few blocks as PuLID can look at.
SIZES = {"width": 128, "blocks": 21, "patch": 4, "grid": 3, "inner": 85, "pooled": 24}
PREFIXES = {"baai": "visual.", "open_clip": "visual.trunk.", "timm": ""}
FROM_BAAI = {
    "attn.q_bias": "attn.q_proj.bias",
    "attn.v_bias": "attn.v_proj.bias",
    "attn.inner_attn_ln": "attn.norm",
    "mlp.ffn_ln": "mlp.norm",
    "mlp.w1": "mlp.fc1_g",
    "mlp.w2": "mlp.fc1_x",
    "mlp.w3": "mlp.fc2",
}


def build(layout="baai", *, seed=0, text=True, **sizes):
    """The tensors of a file: ``layout`` is baai, open_clip or timm; sizes by their names here, small."""
    size = {**SIZES, **sizes}
    drawn = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes(**size).items():
        plain = torch.randn(shape, generator=drawn)
        if name.endswith("weight") and len(shape) == 1:  # of a norm
            tensors[name] = 1 + 0.2 * plain
        elif len(shape) > 1 and name.endswith("weight"):
            tensors[name] = plain * plain[0].numel() ** -0.5
        else:
            tensors[name] = 0.3 * plain
    if layout != "baai":
        for theirs, ours in FROM_BAAI.items():
            tensors = {name.replace(theirs, ours): value for name, value in tensors.items()}
    tensors = {PREFIXES[layout] + name: value for name, value in tensors.items()}
    if layout == "baai":
        cosine, sine = rope(size["grid"])
        for place in ("visual.", *(f"visual.blocks.{i}.attn." for i in range(size["blocks"]))):
            tensors |= {
                f"{place}rope.freqs_cos": cosine.clone(),
                f"{place}rope.freqs_sin": sine.clone(),
            }
    if text and layout != "timm":
        tensors |= {"text.positional_embedding": torch.ones(7, 8), "logit_scale": torch.tensor(4.6)}
        tensors |= {"text.transformer.resblocks.0.attn.in_proj_weight": torch.ones(24, 8)}
    return tensors


def shapes(width, blocks, patch, grid, inner, pooled):
    """By BAAI's names, without what comes before them."""
    norms = {"norm1": width, "norm2": width, "attn.inner_attn_ln": width, "mlp.ffn_ln": inner}
    linear = {"attn.proj": (width, width), "mlp.w3": (width, inner)}
    linear |= {"mlp.w1": (inner, width), "mlp.w2": (inner, width)}
    block = {
        f"{name}.{part}": (side,) for name, side in norms.items() for part in ("weight", "bias")
    }
    block |= {f"{name}.weight": shape for name, shape in linear.items()}
    block |= {f"{name}.bias": shape[:1] for name, shape in linear.items()}
    block |= {f"attn.{one}_proj.weight": (width, width) for one in "qkv"}
    block |= {"attn.q_bias": (width,), "attn.v_bias": (width,)}
    whole = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + grid * grid, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (pooled, width),
        "head.bias": (pooled,),
    }
    return whole | {
        f"blocks.{i}.{name}": shape for i in range(blocks) for name, shape in block.items()
    }


def rope(grid, dtype=torch.float32):
    """EVA02's rotary tables, cosine and sine, (grid x grid, 64): rows of patches first, a grid of 16 stretched."""
    bands = 10000.0 ** -(torch.arange(16, dtype=torch.float64) / 16)
    places = torch.arange(grid, dtype=torch.float64) * 16 / grid
    angles = torch.outer(places, bands).repeat_interleave(2, 1)  # (grid, 32)
    rows, columns = angles[:, None].expand(-1, grid, -1), angles[None].expand(grid, -1, -1)
    both = torch.cat([rows, columns], -1).flatten(0, 1)
    return both.cos().to(dtype), both.sin().to(dtype)


def save(tensors, path):
    """As a pickle or as safetensors, by the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    else:
        torch.save(tensors, path)
    return path
