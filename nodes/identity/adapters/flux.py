"""The cross-attention layers that PuLID adds between the blocks of Flux.1."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .flatten import Tensors
from .layout import Sizes

DOUBLE_BLOCKS, SINGLE_BLOCKS = 19, 38  # of Flux.1
# After every second and every fourth of them.
AFTER = (
    *(("double_block", block) for block in range(0, DOUBLE_BLOCKS, 2)),
    *(("single_block", block) for block in range(0, SINGLE_BLOCKS, 4)),
)


@dataclass(frozen=True, eq=False)
class FluxLayer:
    """One layer: ``image + weight * to_out(Attn(to_q(norm2 image), to_kv(norm1 tokens)))``.

    All weights in the file's own dtype; image width M, token width D, attention width A.
    """

    block: str
    """``double_block`` or ``single_block``."""
    id: int
    """It is added after this block."""
    norm1: tuple[Tensor, Tensor]
    """Weight and bias, (D,), for the tokens."""
    norm2: tuple[Tensor, Tensor]
    """Weight and bias, (M,), for the image."""
    to_q: Tensor
    """(A, M)"""
    to_kv: Tensor
    """(2 A, D), keys before values."""
    to_out: Tensor
    """(M, A)"""
    heads: int

    @property
    def order(self) -> int:
        """Its block among all 57, as the model runs them: what curves over layers go by."""
        return self.id + (DOUBLE_BLOCKS if self.block == "single_block" else 0)

    @property
    def named(self) -> dict[str, Tensor]:
        """All seven tensors by their names in the file: ``norm1.weight``, ..., ``to_out.weight``."""
        norms = {"norm1": self.norm1, "norm2": self.norm2}
        linears = {"to_q": self.to_q, "to_kv": self.to_kv, "to_out": self.to_out}
        return {
            **{f"{name}.weight": weight for name, (weight, _) in norms.items()},
            **{f"{name}.bias": bias for name, (_, bias) in norms.items()},
            **{f"{name}.weight": weight for name, weight in linears.items()},
        }

    @property
    def patch_key(self) -> tuple[str, int]:
        """Its key in ComfyUI's ``patches_replace["dit"]``."""
        return self.block, self.id


def flux_layers(tensors: Tensors, sizes: Sizes) -> tuple[FluxLayer, ...]:
    """All layers of a PuLID-Flux file whose shapes are known to fit, in the order in which they run."""
    layers = []
    for number, (block, id) in enumerate(AFTER):
        at = f"pulid_ca.{number}."
        layers.append(
            FluxLayer(
                block=block,
                id=id,
                norm1=(tensors[f"{at}norm1.weight"], tensors[f"{at}norm1.bias"]),
                norm2=(tensors[f"{at}norm2.weight"], tensors[f"{at}norm2.bias"]),
                to_q=tensors[f"{at}to_q.weight"],
                to_kv=tensors[f"{at}to_kv.weight"],
                to_out=tensors[f"{at}to_out.weight"],
                heads=sizes["image_heads"],
            )
        )
    return tuple(layers)
