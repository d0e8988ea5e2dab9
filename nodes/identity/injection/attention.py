"""The identity's own attention: image tokens ask, identity tokens answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

UNCONDITIONAL = 1  # the host's index of the negative prompt in cond_or_uncond


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, head by head.

    Parameters
    ----------
    q : Tensor, (B, N, heads * d)
    k, v : Tensor, (B, T, heads * d)

    Returns
    -------
    Tensor, (B, N, heads * d)
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def by_prompt(
    positive: Tensor, negative: Tensor, chunks: Sequence[int] | None, rows: int
) -> Tensor:
    """What each row of a batch is given: the identity, or what stands for none.

    Parameters
    ----------
    positive, negative : Tensor, (B, ...)
        For the prompt and for the negative prompt. Pictures beyond B begin again with the first.
    chunks : sequence of int, optional
        The host's ``cond_or_uncond``: what the equal parts of the batch are; 1 is the negative prompt,
        any other the identity's. None: the whole batch is the prompt's.
    rows : int
        In the batch.

    Returns
    -------
    Tensor, (rows, ...)

    Raises
    ------
    RuntimeError
        The batch has no equal parts of that number.
    """
    kinds = [0] if not chunks else list(chunks)
    if rows % len(kinds):
        raise RuntimeError(
            f"a batch of {rows} cannot be {len(kinds)} prompts of equal size; another pack has changed "
            "the batch: apply the identity without it"
        )
    sources = [negative if kind == UNCONDITIONAL else positive for kind in kinds]
    return torch.cat([cycled(source, rows // len(kinds)) for source in sources])


def cycled(source: Tensor, rows: int) -> Tensor:
    """(B, ...) as (rows, ...), beginning again with the first."""
    if len(source) == rows:
        return source
    if len(source) == 1:
        return source.expand(rows, *source.shape[1:])
    return source[torch.arange(rows, device=source.device) % len(source)]
