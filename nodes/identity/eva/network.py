"""EVA02-CLIP's picture tower as timm builds it, and what it sees in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .tower import BEFORE, WANTED, Tower

# Of the pictures that OpenAI's CLIP was trained with, and EVA-CLIP after it.
MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)
# Of the rotary embedding: 224 px in patches of 14, whatever the side is now.
REFERENCE_GRID = (16, 16)
# Tables may have been stored with 8 bits after the point; another grid differs by tenths.
ROPE_CLOSE = 0.02
COST = "without it PuLID-Flux cannot be applied; every other adapter can"
_LISTED = 4


@dataclass(frozen=True, eq=False)
class EvaStates:
    """What EVA saw in B pictures; float32, on the CPU."""

    pooled: Tensor
    """(B, 768): the picture in one vector, after the head."""
    hidden: tuple[Tensor, ...]
    """Five of (B, 1 + 24 x 24, 1024), the class token first: the states before blocks 4, 8, 12, 16 and 20."""


@dataclass(frozen=True, eq=False)
class Eva:
    """A picture tower of EVA02-CLIP, ready to look."""

    file: str
    sha256: str
    module: nn.Module
    """timm's ``Eva``, float32; ``patcher`` may move it."""
    side: int
    """Of the pictures that it sees, px: 336."""
    patcher: Any = None
    """A host's ModelPatcher of the module, or None where nobody manages memory."""
    what: str = ""
    """``EVA02-CLIP-L/14-336``, or its sizes where nobody has published such a one."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """As read from the tensors; see ``tower.Tower``."""

    @torch.no_grad()
    def see(self, pictures: Tensor) -> EvaStates:
        """What it sees, computed where the module lies.

        Parameters
        ----------
        pictures : Tensor, (B, H, W, 3), sRGB 0..1
            Of any size: resized to ``side``, bicubic and antialiased, stretched where they are not square.

        Returns
        -------
        EvaStates

        Raises
        ------
        ValueError
            The pictures have another shape, or the file's numbers are far too large for any picture.
        """
        if pictures.ndim != 4 or pictures.shape[-1] != 3 or 0 in pictures.shape:
            raise ValueError(
                f"EVA sees pictures of (batch, height, width, 3), got {tuple(pictures.shape)}"
            )
        weight = next(self.module.parameters())
        prepared = prepare(pictures, self.side).to(weight.device, weight.dtype)
        with _listening(self.module) as states:
            pooled = self.module(prepared)
        told = [state.float().cpu() for state in (pooled, *states)]
        if not all(bool(state.isfinite().all()) for state in told):
            raise ValueError(
                f"{self.file} makes numbers that are none of this picture: the file is damaged. Download it again. "
                f"{WANTED}"
            )
        return EvaStates(told[0], tuple(told[1:]))


def prepare(pictures: Tensor, side: int) -> Tensor:
    """Pictures as CLIP's networks take them.

    Parameters
    ----------
    pictures : Tensor, (B, H, W, 3), sRGB 0..1
    side : int, px

    Returns
    -------
    Tensor, (B, 3, side, side), float32
        In units of the spread of CLIP's own pictures. Bicubic overshoot is kept, as in training.
    """
    planes = pictures.float().nan_to_num(0).clamp(0, 1).permute(0, 3, 1, 2)
    if planes.shape[2:] != (side, side):
        planes = interpolate(planes, (side, side), mode="bicubic", antialias=True)
    mean, spread = (planes.new_tensor(three)[:, None, None] for three in (MEAN, SPREAD))
    return (planes - mean) / spread


def build_eva(tower: Tower, file: str, sha256: str) -> Eva:
    """The network of a tower's tensors.

    Raises
    ------
    RuntimeError
        timm is missing, or too old, or the machine's torchvision does not go with its torch.
    ValueError
        A tensor of the tower is missing, is one too many, or has another shape: it is named.
    """
    module = _empty(tower.sizes)
    _fits(tower, module)
    # float32 whatever the file holds: 1.2 GB for the L, and the same numbers on every device.
    weights = {name: value.float().contiguous() for name, value in tower.tensors.items()}
    module.load_state_dict(weights, strict=True, assign=True)
    module.requires_grad_(False).eval()
    return Eva(file, sha256, module, tower.sizes["side"], what=tower.what, sizes=tower.sizes)


def _empty(sizes: Mapping[str, int]) -> Any:
    """timm's network of such sizes; its blocks hold no numbers yet."""
    timm_eva = _timm()
    width = sizes["width"]
    try:
        module = timm_eva.Eva(
            img_size=sizes["side"],
            patch_size=sizes["patch"],
            num_classes=sizes["pooled"],
            embed_dim=width,
            # timm draws random numbers for what it builds, seconds for all blocks: the others are
            # copies of the first, on the device that holds none
            depth=1,
            num_heads=sizes["heads"],
            mlp_ratio=(sizes["inner"] + 0.5) / width,  # timm rounds the product down
            qkv_fused=False,
            swiglu_mlp=True,
            scale_mlp=True,
            scale_attn_inner=True,
            use_rot_pos_emb=True,
            ref_feat_shape=REFERENCE_GRID,
            global_pool="token",
        )
    except TypeError as error:
        raise RuntimeError(
            f"timm {timm_version()} builds no EVA02-CLIP ({error}): pip install -U timm; {COST}."
        ) from None
    first = module.blocks[0].to("meta")
    module.blocks = nn.ModuleList(deepcopy(first) for _ in range(sizes["blocks"]))
    return module


def _timm() -> Any:
    """``timm.models.eva``.

    open_clip is not needed: its EVA02-L-14-336 is this very network of timm's, eva02_large_patch14_clip_336
    with timm_pool "token" and no projection of its own, under the name ``visual.trunk``.
    """
    try:
        import timm.models.eva as found
    except ImportError as error:
        lacking = (getattr(error, "name", "") or "").split(".")[0]
        if lacking == "timm":
            told = "timm is not installed, or too old for EVA02: pip install -U timm"
        else:
            told = f"timm cannot be imported ({error}): pip install -U {lacking or 'timm'}"
        raise RuntimeError(f"an EVA-CLIP file is read through timm. {told}; {COST}.") from None
    except (RuntimeError, AttributeError, OSError) as error:  # operators compiled for another torch
        raise RuntimeError(
            f"an EVA-CLIP file is read through timm, which imports torchvision, and this machine's torchvision "
            f"does not go with torch {torch.__version__} ({error}): install the two that belong together; {COST}."
        ) from None
    return found


def timm_version() -> str:
    """Of the timm that is installed, in words."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("timm")
    except PackageNotFoundError:
        return "of an unknown version"


def _fits(tower: Tower, module: Any) -> None:
    """Raises with the tensors that are missing, too many, or of another shape."""
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    missing = [tower.called(name) for name in wanted if name not in tower.tensors]
    if missing:
        raise ValueError(f"it lacks {_named(missing)}: download it again. {WANTED}")
    extra = [tower.called(name) for name in tower.tensors if name not in wanted]
    if extra:
        raise ValueError(f"it holds {_named(extra)}, which no EVA02-CLIP has. {WANTED}")
    for name, shape in wanted.items():
        got = tuple(tower.tensors[name].shape)
        if got != shape:
            raise ValueError(f"{tower.called(name)} must be {shape}, got {got}. {WANTED}")
    _same_rope(tower, module)


def _same_rope(tower: Tower, module: Any) -> None:
    """Raises where the file's rotary tables are not those that timm computes."""
    sine, cosine = module.rope.get_embed().chunk(2, -1)
    for name, table in tower.rope.items():
        computed = sine if name.endswith("sin") else cosine
        if table.shape != computed.shape or (table.float() - computed).abs().max() > ROPE_CLOSE:
            raise ValueError(
                f"{name} is of another grid than {tower.what} was trained with. {WANTED}"
            )


def _named(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def _listening(module: Any) -> Iterator[list[Tensor]]:
    """Gathers what comes to the blocks that PuLID asks about, while it is open."""
    states: list[Tensor] = []
    hooks = [
        module.blocks[index].register_forward_pre_hook(lambda _, given: states.append(given[0]))
        for index in BEFORE
    ]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()
