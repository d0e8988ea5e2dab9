"""The layers of a UNet that an adapter speaks to, and its own LoRA, by ComfyUI's names.

IP-Adapters number a UNet's attention layers as diffusers lists them: those on the way down, on the way
up, and last the middle. Even numbers are self-attention, odd ones cross-attention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .flatten import Tensors
from .layout import Refused, Sizes, incomplete

SD15, SDXL = "SD1.5", "SDXL"

# (block, id, transformers in it, width as a multiple of the UNet's narrowest)
_PLANS = {
    SD15: (
        *(("input", id, 1, width) for id, width in ((1, 1), (2, 1), (4, 2), (5, 2), (7, 4), (8, 4))),
        *(("output", id, 1, width) for id, width in zip(range(3, 12), [4] * 3 + [2] * 3 + [1] * 3, strict=True)),
        ("middle", 0, 1, 4),
    ),
    SDXL: (
        *(("input", id, depth, width) for id, depth, width in ((4, 2, 2), (5, 2, 2), (7, 10, 4), (8, 10, 4))),
        *(("output", id, 10, 4) for id in range(3)),
        *(("output", id, 2, 2) for id in range(3, 6)),
        ("middle", 0, 10, 4),
    ),
}  # fmt: skip
_RUNNING = (
    "input",
    "middle",
    "output",
)  # as the UNet runs them, which is not how they are numbered
PARTS = ("q", "k", "v", "out")


@dataclass(frozen=True)
class Place:
    """Where a transformer stands in ComfyUI's UNet."""

    block: str
    """``input``, ``middle`` or ``output``."""
    id: int
    transformer_index: int
    """Within its block: what the host calls ``block_index``."""
    order: int
    """Of its block among those with transformers, as the UNet runs them: 0..15 or 0..10. What the host
    counts as ``transformer_options["transformer_index"]``, and what curves over layers go by."""
    multiple: int
    """Its width in units of the narrowest level."""


@dataclass(frozen=True, eq=False)
class CrossLayer:
    """One cross-attention layer: where it stands, and what turns tokens into its keys and values."""

    block: str
    id: int
    transformer_index: int
    key: Tensor
    """(h, D), in the file's own dtype."""
    value: Tensor
    """(h, D)"""
    order: int
    """See ``Place.order``."""
    number: int
    """In the file: ``ip_adapter.<number>``."""

    @property
    def patch_key(self) -> tuple[str, int, int]:
        """Its key in ComfyUI's ``patches_replace["attn2"]``."""
        return self.block, self.id, self.transformer_index


@dataclass(frozen=True, eq=False)
class LoraPart:
    """A change of one weight of the diffusion model: ``weight + up @ down``."""

    key: str
    """``diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight``"""
    up: Tensor
    """(h, rank)"""
    down: Tensor
    """(rank, in)"""


def places(base: str) -> tuple[Place, ...]:
    """Every transformer of a UNet, in the order in which adapters number them."""
    plan = _PLANS[base]
    running = sorted(plan, key=lambda entry: (_RUNNING.index(entry[0]), entry[1]))
    return tuple(
        Place(block, id, index, running.index((block, id, depth, multiple)), multiple)
        for block, id, depth, multiple in plan
        for index in range(depth)
    )


def base_of(tensors: Tensors) -> str:
    """SD1.5 has 16 cross-attention layers, up to number 31; SDXL has 70."""
    numbers = [int(key.split(".")[1]) for key in tensors if _is_key(key)]
    return SDXL if max(numbers, default=0) > 2 * len(places(SD15)) else SD15


def _is_key(key: str) -> bool:
    parts = key.split(".")
    return parts[0] == "ip_adapter" and len(parts) > 2 and parts[1].isdecimal()


def cross_layers(name: str, tensors: Tensors, base: str, sizes: Sizes) -> tuple[CrossLayer, ...]:
    """All cross-attention layers of a file, in the order down, up, middle.

    Raises
    ------
    Refused
        One is missing, or their shapes cannot be those of this UNet.
    """
    layers = []
    for index, place in enumerate(places(base)):
        at = f"ip_adapter.{2 * index + 1}."
        keys = [f"{at}to_{part}_ip.weight" for part in "kv"]
        layers.append((place, 2 * index + 1, keys))
    wanted = [key for *_, keys in layers for key in keys]
    missing = [key for key in wanted if key not in tensors]
    if missing:
        raise Refused(incomplete(f"{name} for {base}", missing, len(wanted)), name)
    _check_widths(
        name, base, [(place, tensors[k]) for place, _, keys in layers for k in keys], wanted, sizes
    )
    sizes["layers"] = len(layers)
    return tuple(
        CrossLayer(
            block=place.block,
            id=place.id,
            transformer_index=place.transformer_index,
            key=tensors[keys[0]],
            value=tensors[keys[1]],
            order=place.order,
            number=number,
        )
        for place, number, keys in layers
    )


def _check_widths(name: str, base: str, found: Sequence, keys: Sequence[str], sizes: Sizes) -> None:
    """Every layer as wide as its level, and as many columns as a token has numbers."""
    units = [
        tensor.shape[0] / place.multiple if tensor.ndim == 2 else 0.0 for place, tensor in found
    ]
    unit, _ = Counter(units).most_common(1)[0]
    for (place, tensor), key in zip(found, keys, strict=True):
        wanted = (round(unit * place.multiple), sizes["width"])
        if tuple(tensor.shape) != wanted:
            raise Refused(
                f"the file looks like {name} for {base}, but its shapes contradict each other: {key} is "
                f"{tuple(tensor.shape)}, expected {wanted} by the other layers and the width of a token. "
                "Download it again, or take the file for the right base model",
                name,
            )


def lora_parts(name: str, tensors: Tensors, base: str, sizes: Sizes) -> tuple[LoraPart, ...]:
    """The LoRA that FaceID files carry along, for each projection of each attention layer.

    Raises
    ------
    Refused
        Part of it is missing, or its shapes contradict those of the layers.
    """
    if not any(".to_q_lora." in key for key in tensors):
        return ()
    targets = [
        (f"ip_adapter.{number}.to_{part}_lora.", _weight(place, number, part), number, part)
        for index, place in enumerate(places(base))
        for number in (2 * index, 2 * index + 1)
        for part in PARTS
    ]
    wanted = [f"{at}{half}.weight" for at, *_ in targets for half in ("down", "up")]
    missing = [key for key in wanted if key not in tensors]
    if missing:
        raise Refused(incomplete(f"{name} for {base}", missing, len(wanted)), name)
    sizes["rank"] = (*tensors["ip_adapter.0.to_q_lora.down.weight"].shape, 0)[0]
    sizes["text_width"] = (0, *tensors["ip_adapter.1.to_k_lora.down.weight"].shape)[-1]
    found = []
    for at, key, number, part in targets:
        up, down = tensors[f"{at}up.weight"], tensors[f"{at}down.weight"]
        width = tensors[f"ip_adapter.{number | 1}.to_k_ip.weight"].shape[0]
        taken = sizes["text_width"] if number % 2 and part in "kv" else width
        shapes = (width, sizes["rank"]), (sizes["rank"], taken)
        for half, tensor, shape in zip(("up", "down"), (up, down), shapes, strict=True):
            if tuple(tensor.shape) != shape:
                raise Refused(
                    f"the file looks like {name} for {base}, but its LoRA does not fit its layers: "
                    f"{at}{half}.weight is {tuple(tensor.shape)}, expected {shape}. Download it again",
                    name,
                )
        found.append(LoraPart(key, up, down))
    return tuple(found)


def _weight(place: Place, number: int, part: str) -> str:
    where = "middle_block.1" if place.block == "middle" else f"{place.block}_blocks.{place.id}.1"
    attention = "attn2" if number % 2 else "attn1"
    projection = "to_out.0" if part == "out" else f"to_{part}"
    return (
        f"diffusion_model.{where}.transformer_blocks.{place.transformer_index}.{attention}."
        f"{projection}.weight"
    )
