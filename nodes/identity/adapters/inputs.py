"""What a projection takes, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Inputs:
    """A face, or a batch of B faces, as networks see it.

    Every tensor may have an axis of N photos after the first, ``(B, N, 512)``: their tokens are joined
    in one sequence, except that PuLID makes one sequence of all N by itself.
    """

    embedding: Tensor
    """(B, 512). Its length counts where the adapter needs ``raw``, not where it needs ``normed``."""
    clip: Tensor | None = None
    """(B, 257, 1280): the hidden states of CLIP-ViT-H before its last layer."""
    clip_negative: Tensor | None = None
    """The same of a black picture of 224 px, (B or 1, 257, 1280)."""
    eva_pooled: Tensor | None = None
    """(B, 768), of EVA02-CLIP-L-14-336; its length does not count."""
    eva_hidden: tuple[Tensor, ...] | None = None
    """Five of (B, 577, 1024): its states before blocks 4, 8, 12, 16 and 20."""
    shortcut: float = 1.0
    """FaceID Plus V2: how strongly what CLIP sees is added to what the embedding says."""
    seed: int = 0
    """Of the noise in InstantID's negative tokens."""
    noise: float = 0.0
    """How strong it is, 0..1: 0 takes an embedding of zeros."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Identity tokens, float32."""

    positive: Tensor
    """(B, T, D)"""
    negative: Tensor
    """(B, T, D): what nobody in particular looks like, for the unconditional half of a batch."""
