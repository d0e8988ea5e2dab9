"""The picture tower of an EVA02-CLIP file: where it is, its sizes, and its tensors by timm's names.

BAAI's files call it ``visual.``, open_clip's ``visual.trunk.``, timm's own need no name; the text tower
beside it is left alone. Every size is read from the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from torch import Tensor

BEFORE = (4, 8, 12, 16, 20)
"""PuLID looks at the states before these blocks."""
HEAD_WIDTH = 64
WRAPPED = ("state_dict", "model", "module")  # what training scripts put around the tensors
PATCHES = "patch_embed.proj.weight"  # no text tower has one
# What BAAI's files call it: what timm calls it.
TIMM_NAMES = {
    "attn.q_bias": "attn.q_proj.bias",
    "attn.v_bias": "attn.v_proj.bias",
    "attn.inner_attn_ln.": "attn.norm.",
    "mlp.ffn_ln.": "mlp.norm.",
    "mlp.w1.": "mlp.fc1_g.",
    "mlp.w2.": "mlp.fc1_x.",
    "mlp.w3.": "mlp.fc2.",
}
# Tables of the rotary embedding, which BAAI stores with the tower and again with every block.
ROPE = re.compile(r"(?:^|\.)rope\.freqs_(?:cos|sin)$")
PUBLISHED = {  # width, blocks, patch, side
    (1024, 24, 14, 336): "EVA02-CLIP-L/14-336",
    (1024, 24, 14, 224): "EVA02-CLIP-L/14",
    (768, 12, 16, 224): "EVA02-CLIP-B/16",
    (1408, 40, 14, 224): "EVA01-CLIP-g/14",
    (1792, 64, 14, 224): "EVA02-CLIP-E/14",
}
WANTED = "PuLID needs EVA02-CLIP-L/14-336 (EVA02_CLIP_L_336_psz14_s6B.pt)"
_LISTED = 6


@dataclass(frozen=True, eq=False)
class Tower:
    """Tensors of a picture tower, not yet compared with what timm would build."""

    sizes: dict[str, int]
    """``width``, ``blocks``, ``heads``, ``patch``, ``grid``, ``side``, ``inner`` (of the MLP), ``pooled``."""
    tensors: dict[str, Tensor]
    """By timm's names."""
    rope: dict[str, Tensor]
    """Tables of the rotary embedding, by their names in the file; they end in ``cos`` or ``sin``."""
    file_names: dict[str, str]
    """timm's names of the tensors: those in the file."""

    @property
    def what(self) -> str:
        """What it is called, or its sizes where nobody has published such a one."""
        return _what(self.sizes)

    def called(self, name: str) -> str:
        """A tensor of timm's name as the file calls it, or would."""
        if name in self.file_names:
            return self.file_names[name]
        prefix = self.file_names[PATCHES][: -len(PATCHES)]
        if any(not theirs.endswith(ours) for ours, theirs in self.file_names.items()):
            for theirs, timms in TIMM_NAMES.items():
                name = name.replace(timms, theirs)
        return prefix + name


def find_tower(loaded: Any) -> Tower:
    """The EVA02 picture tower in a loaded file.

    Parameters
    ----------
    loaded : what ``torch.load`` or safetensors gives

    Raises
    ------
    ValueError
        There is none, or it is another tower: said with what was seen.
    """
    found, prefix = _inside(_unwrapped(loaded))
    _is_eva02(found, prefix)
    sizes = _sizes(found, prefix)
    tensors, rope, names = {}, {}, {}
    for name, value in found.items():
        if ROPE.search(name):
            rope[prefix + name] = value
            continue
        ours = timm_name(name)
        if ours in tensors:
            raise ValueError(f"it holds {names[ours]} and {prefix}{name}, which are one")
        tensors[ours], names[ours] = value, prefix + name
    return Tower(sizes, tensors, rope, names)


def timm_name(name: str) -> str:
    """What timm calls a tensor of BAAI's; its own names stay as they are."""
    for theirs, timms in TIMM_NAMES.items():
        name = name.replace(theirs, timms)
    return name


def _unwrapped(loaded: Any) -> Mapping[str, Any]:
    for name in WRAPPED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping):
        raise ValueError(f"it holds a {type(loaded).__name__}, not tensors by name. {WANTED}")
    return loaded


def _inside(loaded: Mapping[str, Any]) -> tuple[dict[str, Tensor], str]:
    """The tensors of the tower, without what comes before their names; and that."""
    loaded = {name: value for name, value in loaded.items() if isinstance(name, str)}
    starts = [name[: -len(PATCHES)] for name in loaded if name.endswith(PATCHES)]
    if len(starts) != 1 or (starts[0] and not starts[0].endswith(".")):
        names = sorted(loaded)
        listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        raise ValueError(
            f"it holds {len(starts) or 'no'} picture tower{'s' * (len(starts) > 1)} such as EVA-CLIP's (with one tensor "
            f"named {PATCHES}) among its {len(names)} entries: {listed or 'none'}. {WANTED}"
        )
    prefix = starts[0]
    found = {
        name[len(prefix) :]: value for name, value in loaded.items() if name.startswith(prefix)
    }
    for name, value in found.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{prefix}{name} is {kind}, not numbers with a fraction. {WANTED}")
    return found, prefix


def _is_eva02(found: Mapping[str, Tensor], prefix: str) -> None:
    """Raises with what tells the tower from EVA02's."""
    first = {timm_name(name) for name in found if name.startswith("blocks.0.")}
    signs = {
        "blocks.0.attn.q_proj.weight": "queries of their own (attn.q_proj)",
        "blocks.0.mlp.fc1_g.weight": "a gated MLP (mlp.w1)",
        "blocks.0.attn.norm.weight": "a norm inside attention (attn.inner_attn_ln)",
    }
    missing = [words for name, words in signs.items() if name not in first]
    if missing:
        shape = found[PATCHES].shape
        size = f", {shape[0]} wide with patches of {shape[-1]} px" if len(shape) == 4 else ""
        called = next((name for key, name in PUBLISHED.items() if key[0] == shape[0]), "")
        likely = f", as {called} is" if called and "02-CLIP-L" not in called else ""
        raise ValueError(
            f"its picture tower ({prefix or 'without a prefix'}{size}{likely}) is none of EVA02's kind: it lacks "
            f"{' and '.join(missing)}. {WANTED}"
        )


def _sizes(found: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    """Every size, or ValueError with the tensor that does not fit."""

    def shape(name: str, wanted: str, axes: int) -> tuple[int, ...]:
        told = found.get(name)
        if told is None:
            raise ValueError(f"it lacks {prefix}{name} {wanted}: download it again. {WANTED}")
        if told.ndim != axes or 0 in told.shape:
            raise ValueError(f"{prefix}{name} must be {wanted}, got {tuple(told.shape)}. {WANTED}")
        return tuple(told.shape)

    width, colours, patch, other = shape(PATCHES, "(width, 3, patch, patch)", 4)
    tokens = shape("pos_embed", "(1, 1 + grid x grid, width)", 3)[1]
    pooled = shape("head.weight", "(pooled, width)", 2)[0]
    gate = "blocks.0.mlp.w1.weight"
    inner = shape(gate if gate in found else timm_name(gate), "(inner, width)", 2)[0]
    grid = isqrt(tokens - 1)
    if colours != 3 or patch != other or grid * grid != tokens - 1 or grid == 0:
        raise ValueError(
            f"{prefix}{PATCHES} and pos_embed must be of square patches of 3 colours in a square, got "
            f"{colours} colours, patches of {patch} x {other} px and {tokens - 1} places. {WANTED}"
        )
    if width % HEAD_WIDTH:
        raise ValueError(
            f"{prefix}{PATCHES} must be a multiple of {HEAD_WIDTH} wide, got {width}. {WANTED}"
        )
    sizes = {
        "width": width,
        "blocks": _blocks(found, prefix),
        "heads": width // HEAD_WIDTH,
        "patch": patch,
        "grid": grid,
        "side": grid * patch,
        "inner": inner,
        "pooled": pooled,
    }
    if sizes["blocks"] <= BEFORE[-1]:
        raise ValueError(
            f"it is {_what(sizes)}, which has {sizes['blocks']} blocks; PuLID looks at what stands before blocks "
            f"{', '.join(map(str, BEFORE))}. {WANTED}"
        )
    return sizes


def _blocks(found: Mapping[str, Tensor], prefix: str) -> int:
    there = {name.split(".")[1] for name in found if name.startswith("blocks.")}
    for index in range(len(there)):
        if str(index) not in there:
            raise ValueError(
                f"it lacks {prefix}blocks.{index}, but has {len(there)} blocks: download it again"
            )
    return len(there)


def _what(sizes: Mapping[str, int]) -> str:
    key = sizes["width"], sizes["blocks"], sizes["patch"], sizes["side"]
    plain = "an EVA02 tower, {} wide, {} blocks, patches of {} px of {} px".format(*key)
    return PUBLISHED.get(key, plain)
