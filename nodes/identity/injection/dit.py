"""PuLID-Flux: an identity after some of a Flux model's blocks, in the host's ``dit`` slots.

    img += w * to_out(Attn(to_q(norm2 img), to_kv(norm1 E)))

after every second double and every fourth single block, on the main image's tokens only. Guo et al.
2024 and its published weights, specs/identity.md 1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from .attention import attend, by_prompt
from .mask import Grid, solve_grid
from .shared import Chained, Injection
from .weight import Place

Key = tuple[str, int]
"""('double_block' or 'single_block', number)."""

DOUBLE_EVERY, SINGLE_EVERY = 2, 4
HEAD = 128  # channels of a head


class FluxLayer(nn.Module):
    """The weights of one identity cross-attention.

    Parameters
    ----------
    tensors : mapping
        ``norm1.weight``, ``norm1.bias`` (E,), ``norm2.weight``, ``norm2.bias`` (D,), ``to_q.weight``
        (inner, D), ``to_kv.weight`` (2 inner, E), ``to_out.weight`` (D, inner).
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        width, identity = len(tensors["norm2.weight"]), len(tensors["norm1.weight"])
        inner = len(tensors["to_q.weight"])
        self.heads = max(inner // HEAD, 1)
        with torch.device("meta"):
            self.norm1, self.norm2 = nn.LayerNorm(identity), nn.LayerNorm(width)
            self.to_q = nn.Linear(width, inner, bias=False)
            self.to_kv = nn.Linear(identity, 2 * inner, bias=False)
            self.to_out = nn.Linear(inner, width, bias=False)
        self.load_state_dict({name: tensors[name] for name in self.state_dict()}, assign=True)
        self.requires_grad_(False)

    @property
    def width(self) -> int:
        """Of the model's image tokens."""
        return self.to_out.weight.shape[0]

    def keys_and_values(self, identity: Tensor) -> Tensor:
        """(B, T, E) -> (B, T, 2 inner)."""
        return linear(_norm(identity, self.norm1), self.to_kv.weight.to(identity))

    def forward(self, image: Tensor, both: Tensor) -> Tensor:
        """(B, N, D) image tokens and (B, T, 2 inner) of :meth:`keys_and_values` -> (B, N, D)."""
        q = linear(_norm(image, self.norm2), self.to_q.weight.to(image))
        keys, values = both.chunk(2, dim=-1)
        return linear(attend(q, keys, values, self.heads), self.to_out.weight.to(image))


def _norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return layer_norm(x, norm.normalized_shape, norm.weight.to(x), norm.bias.to(x), norm.eps)


class FluxLayers(nn.ModuleList):
    """All of a file's layers, one module whose memory the host can keep."""

    def __init__(self, layers: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__(FluxLayer(tensors) for tensors in layers)


def flux_places(layers: int, doubles: int, singles: int) -> list[tuple[Key, Place]]:
    """After which blocks the layers of a file act.

    Parameters
    ----------
    layers : int
        In the file; 20 in PuLID-Flux.
    doubles, singles : int
        Blocks of the model; 19 and 38 in Flux.1.

    Returns
    -------
    list of (slot, place)
        One a layer, in order; the place is among all double and single blocks.

    Raises
    ------
    ValueError
        The model's blocks ask for another number of layers.
    """
    keys = [("double_block", i) for i in range(0, doubles, DOUBLE_EVERY)]
    keys += [("single_block", i) for i in range(0, singles, SINGLE_EVERY)]
    if len(keys) != layers:
        raise ValueError(
            f"the adapter has {layers} layers, a model of {doubles} double and {singles} single blocks "
            f"needs {len(keys)}; it was made for another model (PuLID-Flux: FLUX.1, 19 and 38)"
        )
    offset = {"double_block": 0, "single_block": doubles}
    count = doubles + singles
    return [(key, Place(offset[key[0]] + key[1], count)) for key in keys]


def flux_patches(
    layers: FluxLayers,
    positive: Tensor,
    negative: Tensor,
    blocks: tuple[int, int],
    slots: Mapping[tuple, Callable[..., dict]],
    shared: Injection,
) -> dict[Key, DitPatch]:
    """The patch objects of one identity, each chained onto what its slot held.

    Parameters
    ----------
    layers : FluxLayers
    positive, negative : Tensor, (B, T, E)
        The identity's tokens, and those that stand for none, for the negative prompt.
    blocks : int, int
        Double and single blocks of the model.
    slots : mapping
        The model's ``patches_replace["dit"]`` as it is, or an empty one.
    shared : Injection
    """
    at = flux_places(len(layers), *blocks)
    tokens = (positive.float().cpu(), negative.float().cpu())
    return {
        key: DitPatch(key, place, cast(FluxLayer, layer), tokens, shared, slots.get(key))
        for (key, place), layer in zip(at, layers, strict=True)
    }


class DitPatch(Chained):
    """The value of one ``dit`` slot; see :func:`flux_patches`."""

    def __init__(
        self,
        key: Key,
        place: Place,
        layer: FluxLayer,
        tokens: tuple[Tensor, Tensor],
        shared: Injection,
        previous: Callable[..., dict] | None = None,
    ) -> None:
        super().__init__(shared, previous)
        self.key = key
        self.place = place
        self.layer = layer
        self.tokens = tokens

    def __call__(self, args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """The block's outputs with the identity added to the main image's tokens.

        Parameters
        ----------
        args : dict
            The host's: ``img`` (B, N, D), in single blocks the text's tokens before it, and
            ``transformer_options``.
        extra : dict
            ``original_block``, which the base calls.

        Returns
        -------
        dict
            The base itself where the weight is 0; its tensors are never changed.
        """
        options = args.get("transformer_options") or {}
        # blocks add in place, so what this one adds is known only beside a copy
        before = args["img"].clone() if self.shared.energy is not None else None
        out = (
            self.previous(args, extra)
            if self.previous is not None
            else extra["original_block"](args)
        )
        self.shared.calls.reach(self.key)
        scale = self.shared.scale(self.place, options)
        if not scale:
            return out
        first, last = self._main(out["img"], options)
        image = out["img"][:, first:last]
        chunks = options.get("cond_or_uncond")
        mask = None
        if self.shared.weight.mask is not None:
            grid = self._grid(last - first)
            mask = self.shared.mask_for(grid, image, len(chunks) if chunks else 1)
        term = self._term(image, scale, chunks)
        self.shared.calls.add(self.key)
        if self.shared.energy is not None and before is not None:
            base = image - before[:, first:last]
            self.shared.energy.read(self.key, options.get("sigmas"), term, base, mask, chunks)
        added = out["img"].clone()  # a cache of another pack may hold the block's own output
        added[:, first:last] += term if mask is None else term * mask
        return {**out, "img": added}

    def _main(self, image: Tensor, options: Mapping[str, Any]) -> tuple[int, int]:
        """Where the main image's tokens begin and end: [text | main | references]."""
        total = image.shape[1]
        references = sum(options.get("reference_image_num_tokens") or ())
        first = 0
        if self.key[0] == "single_block":
            if options.get("img_slice") is None:
                raise RuntimeError(
                    "this host does not say where the image's tokens begin (img_slice); PuLID-Flux "
                    "needs ComfyUI 0.23 or later and its own Flux forward"
                )
            first = int(options["img_slice"][0])
        if self.shared.grid is not None:
            last = first + self.shared.grid[0] * self.shared.grid[1]
            if last <= total:
                return first, last
        return first, total - references

    def _grid(self, tokens: int) -> Grid:
        grid = self.shared.grid
        if grid is not None and grid[0] * grid[1] == tokens:
            return grid
        mask = self.shared.weight.mask
        assert mask is not None
        return solve_grid(tokens, *mask.shape[-2:])

    def _term(self, image: Tensor, scale: float, chunks: list[int] | None) -> Tensor:
        """The identity's cross-attention, weighted."""
        layer = self.layer
        if layer.width != image.shape[-1]:
            raise RuntimeError(
                f"the model's image tokens are {image.shape[-1]} wide, the adapter's are {layer.width}: "
                "it was made for another model"
            )
        positive, negative = self.shared.kept(
            (self.key, image.device, image.dtype),
            lambda: tuple(layer.keys_and_values(one.to(image)) for one in self.tokens),
        )
        both = by_prompt(positive, negative, chunks, len(image))
        if self.shared.scaling == "K+V":
            keys, values = both.chunk(2, dim=-1)
            both = torch.cat((keys * scale, values), dim=-1)
        return layer(image, both) * scale
