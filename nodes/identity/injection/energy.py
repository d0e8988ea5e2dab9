"""How strong an identity is beside what it is added to, layer by layer and step by step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from .attention import UNCONDITIONAL


@dataclass(frozen=True)
class Reading:
    """One layer at one noise level."""

    layer: Hashable
    sigma: float
    ratio: float
    """Norm of the identity's term / norm of what it is added to, both within the mask."""


class Energy:
    """What one identity measured while a model sampled; of the last sampling."""

    def __init__(self) -> None:
        # squares stay on the device: reading them at once would make the CPU wait at every layer
        self._seen: list[tuple[Hashable, Tensor, Tensor, Tensor]] = []

    def begin(self) -> None:
        """Sampling begins: what was measured before is gone."""
        self._seen.clear()

    def read(
        self,
        layer: Hashable,
        sigmas: Tensor | None,
        term: Tensor,
        base: Tensor,
        mask: Tensor | None,
        chunks: Sequence[int] | None,
    ) -> None:
        """Measures one call of a layer, in the rows of the prompt alone.

        Parameters
        ----------
        layer : hashable
        sigmas : Tensor or None
            The host's, of which the first counts.
        term : Tensor, (B, N, D)
            The identity's, weighted, without the mask.
        base : Tensor, (B, N, D)
            What it is added to: the text's attention, or what the block itself adds.
        mask : Tensor, (B, N, 1), or None
            Both are weighed by it.
        chunks : the host's ``cond_or_uncond``
        """
        kinds = list(chunks) if chunks else [0]
        part = len(term) // len(kinds)
        rows = [
            row
            for index, kind in enumerate(kinds)
            if kind != UNCONDITIONAL
            for row in range(index * part, (index + 1) * part)
        ]
        if not rows:
            return
        where = torch.ones_like(term[rows, :, :1]) if mask is None else mask[rows]
        own, other = ((where * part[rows].float().square()).sum().detach() for part in (term, base))
        sigma = torch.zeros(()) if sigmas is None else sigmas.flatten()[0].detach().clone()
        self._seen.append((layer, sigma, own, other))

    def readings(self) -> list[Reading]:
        """One for each layer and noise level, in the order in which they were measured.

        Calls of one layer at one noise level are one reading: prompts in parts, or tiles.
        """
        sums: dict[tuple[Hashable, float], list[float]] = {}
        for layer, sigma, term, base in self._seen:
            both = sums.setdefault((layer, float(sigma)), [0.0, 0.0])
            both[0] += float(term)
            both[1] += float(base)
        return [
            Reading(layer, sigma, sqrt(term / base))
            for (layer, sigma), (term, base) in sums.items()
            if base > 0
        ]
