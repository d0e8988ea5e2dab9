"""An identity in a UNet's cross-attention: one object a layer, in the host's ``attn2`` slots.

    out = Attn(q, k_text, v_text) + w * Attn(q, k_identity, v_identity)      before to_out

The IP-Adapter equation (Ye et al. 2023, eq. 5), as FaceID and InstantID use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .attention import attend, by_prompt
from .mask import unet_grid
from .shared import Chained, Injection
from .weight import Place

Key = tuple[str, int, int]
"""Block ('input', 'middle' or 'output'), its number, and which of its transformer blocks."""

ORDER = ("input", "middle", "output")


@dataclass(frozen=True, eq=False)
class LayerTokens:
    """An identity's tokens as one layer sees them; each (B, T, h), float, on the CPU."""

    key: Tensor
    value: Tensor
    negative_key: Tensor
    """Of the tokens that stand for no identity, for the negative prompt."""
    negative_value: Tensor

    @classmethod
    def of(
        cls, positive: Tensor, negative: Tensor, key_weight: Tensor, value_weight: Tensor
    ) -> LayerTokens:
        """Tokens (B, T, D) through a layer's two projections (h, D)."""
        return cls(*(
            (tokens.float() @ weight.float().T).cpu()
            for tokens in (positive, negative)
            for weight in (key_weight, value_weight)
        ))  # fmt: skip

    @property
    def width(self) -> int:
        """h, of the layer."""
        return self.key.shape[-1]


def places(keys: Mapping[Key, Any]) -> dict[Key, Place]:
    """Each layer's place: which of the model's transformers, in running order, it belongs to.

    11 in SDXL, 16 in SD1.5; the ten blocks of one transformer share its place.
    """
    transformers = sorted({key[:2] for key in keys}, key=lambda one: (ORDER.index(one[0]), one[1]))
    return {key: Place(transformers.index(key[:2]), len(transformers)) for key in keys}


def cross_patches(
    layers: Mapping[Key, LayerTokens],
    slots: Mapping[tuple, Callable[..., Tensor]],
    shared: Injection,
    attention: Callable[..., Tensor],
) -> dict[Key, CrossPatch]:
    """The patch objects of one identity, each chained onto what its slot held.

    Parameters
    ----------
    layers : mapping
        All of the model's cross-attention layers.
    slots : mapping
        The model's ``patches_replace["attn2"]`` as it is, or an empty one. A patch of a whole block,
        ``("middle", 0)``, is chained too: the host would no longer find it.
    shared : Injection
    attention : callable
        The host's ``optimized_attention``, the base where a slot was free.
    """
    at = places(layers)
    return {
        key: CrossPatch(key, at[key], tokens, shared, attention, slots.get(key, slots.get(key[:2])))
        for key, tokens in layers.items()
    }


class CrossPatch(Chained):
    """The value of one ``attn2`` slot; see :func:`cross_patches`."""

    def __init__(
        self,
        key: Key,
        place: Place,
        tokens: LayerTokens,
        shared: Injection,
        attention: Callable[..., Tensor],
        previous: Callable[..., Tensor] | None = None,
    ) -> None:
        super().__init__(shared, previous)
        self.key = key
        self.place = place
        self.tokens = tokens
        self.attention = attention

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict[str, Any]) -> Tensor:
        """Attention output before ``to_out``.

        Parameters
        ----------
        q : Tensor, (B, N, h)
        k, v : Tensor, (B, M, h)
            Of the text.
        extra_options : dict
            The host's.

        Returns
        -------
        Tensor, (B, N, h)
            The base itself where the weight is 0.
        """
        base = self._base(q, k, v, extra_options)
        self.shared.calls.reach(self.key)
        scale = self.shared.scale(self.place, extra_options)
        if not scale:
            return base
        chunks = extra_options.get("cond_or_uncond")
        mask = None
        if self.shared.weight.mask is not None:
            grid = unet_grid(q.shape[1], extra_options, self.shared.weight.mask)
            mask = self.shared.mask_for(grid, q, len(chunks) if chunks else 1)
        term = self._term(q, scale, chunks, extra_options["n_heads"])
        self.shared.calls.add(self.key)
        if self.shared.energy is not None:
            sigmas = extra_options.get("sigmas")
            self.shared.energy.read(self.key, sigmas, term, base, mask, chunks)
        return base + (term if mask is None else term * mask).to(base.dtype)

    def _base(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict[str, Any]) -> Tensor:
        if self.previous is not None:
            return self.previous(q, k, v, extra_options)
        return self.attention(
            q,
            k,
            v,
            extra_options["n_heads"],
            attn_precision=extra_options.get("attn_precision"),
            transformer_options=extra_options,
        )

    def _term(self, q: Tensor, scale: float, chunks: list[int] | None, heads: int) -> Tensor:
        """The identity's attention, weighted."""
        key, value, negative_key, negative_value = self._moved(q)
        keys = by_prompt(key, negative_key, chunks, len(q))
        values = by_prompt(value, negative_value, chunks, len(q)) * scale
        if self.shared.scaling == "K+V":
            keys = keys * scale
        return attend(q, keys, values, heads)

    def _moved(self, q: Tensor) -> tuple[Tensor, ...]:
        """This layer's tokens where and as the query is."""
        tokens = self.tokens
        if tokens.width != q.shape[-1]:
            raise RuntimeError(
                f"layer {' '.join(map(str, self.key))} is {q.shape[-1]} wide, the adapter's is "
                f"{tokens.width}: it was made for another kind of model. Load the adapter that fits it"
            )
        every = (tokens.key, tokens.value, tokens.negative_key, tokens.negative_value)
        return self.shared.kept(
            (self.key, q.device, q.dtype),
            lambda: tuple(one.to(device=q.device, dtype=q.dtype) for one in every),
        )
