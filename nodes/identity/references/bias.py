"""Weights as one row of logits: a number a key, for all queries and heads."""

from __future__ import annotations

import torch
from torch import Tensor

from ..injection.mask import area_resize
from .scene import Picture
from .settings import REFERENCE_TOKENS
from .spans import Spans


def odds(
    weight: float, picture: Picture | None, count: int, region: Tensor | None, invariant: bool
) -> Tensor:
    """By how much each key of one reference is to be read more.

    Parameters
    ----------
    weight : float, 0..8
    picture : Picture, optional
        Its grid; needed for a region.
    count : int
        Of keys, with those that fill it up.
    region : Tensor, (1, H, W), 0..1, optional
        The part of the reference that is weighed; the rest is at 1. A key that is covered in part gets
        1 + share (w - 1): what that share of it at w and the rest at 1 would weigh together.
    invariant : bool
        Weighs by 4096 / its tokens as well, whatever the region.

    Returns
    -------
    Tensor, (count,), float64

    Raises
    ------
    RuntimeError
        The model makes other tokens of the reference than its latent has.
    """
    each = torch.full((count,), float(weight), dtype=torch.float64)
    tokens = count if picture is None else min(picture.tokens, count)
    if region is not None:
        if picture is None or picture.tokens > count:
            raise RuntimeError(
                f"the model made {count} tokens of a reference whose size says otherwise, so that the reference's "
                "region cannot be laid on it; another pack changes the references: take the region out"
            )
        share = area_resize(region.double(), picture.grid).flatten().repeat(picture.frames)
        covered = torch.zeros(count, dtype=torch.float64)
        covered[: len(share)] = share
        each = 1 + covered * (each - 1)
    return each * (REFERENCE_TOKENS / tokens) if invariant else each


def bias_row(each: list[Tensor], spans: Spans, factor: float = 1.0) -> Tensor:
    """The logits to add, (1, 1, 1, keys), float32: factor x log(odds) on each reference's keys.

    ``factor`` is the schedule's, above 0. Of odds 0 it is -infinity, faded or not: no softmax of them
    can come out empty, because text and picture are always there.
    """
    row = torch.zeros(spans.keys, dtype=torch.float64)
    if each:
        logs = torch.cat(each).log() * factor
        row[spans.first : spans.first + len(logs)] = logs
    return row.float()[None, None, None]


def with_mask(mask: Tensor | None, row: Tensor) -> Tensor:
    """A row on top of the mask that an attention was given already, as its logits.

    Parameters
    ----------
    mask : Tensor, bool (True is kept) or logits, (Nq, Nk), (B, Nq, Nk) or (B, H, Nq, Nk), optional
    row : Tensor, (1, 1, 1, Nk)

    Raises
    ------
    RuntimeError
        The mask is of other keys.
    """
    if mask is None:
        return row
    if mask.shape[-1] != row.shape[-1]:
        raise RuntimeError(
            f"an attention mask of {mask.shape[-1]} tokens came with {row.shape[-1]}: ComfyUI cannot use a "
            "conditioning's attention mask together with reference latents; take the mask out"
        )
    while mask.ndim < 4:
        mask = mask[None] if mask.ndim == 2 else mask[:, None]
    if mask.dtype == torch.bool:
        return torch.where(mask, row, float("-inf"))
    return mask + row.to(mask.dtype)
