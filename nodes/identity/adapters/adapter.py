"""An identity adapter as a value: what it is, what it needs, and the tokens it makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .checks import checked
from .flatten import Tensors
from .flux import FluxLayer
from .inputs import Inputs, Tokens
from .layout import Format
from .unet import CrossLayer, LoraPart


@dataclass(frozen=True, eq=False)
class Adapter:
    """A recognised file, whole and of one piece."""

    format: str
    """``FaceID``, ``FaceID Plus``, ``FaceID Plus V2``, ``FaceID Portrait``, ``InstantID``, ``PuLID-Flux``."""
    base: str
    """``SD1.5``, ``SDXL`` or ``Flux``."""
    encoder: str
    """The only encoder whose embeddings it understands: ``w600k_r50`` or ``glintr100``."""
    needs: tuple[str, ...]
    """Of ``normed``, ``raw``, ``clip_h``, ``eva``."""
    tokens: int
    """T, of one photo."""
    width: int
    """D, of a token."""
    sizes: dict[str, int]
    """Every size, as read from the tensors."""
    tensors: Tensors
    file: str
    sha256: str
    cross_layers: tuple[CrossLayer, ...]
    """Down, up, middle; none for Flux."""
    lora: tuple[LoraPart, ...]
    """What the file changes in the UNet itself; none for most."""
    flux_layers: tuple[FluxLayer, ...]
    layout: Format
    told_by: str
    """How it was told from other files of the same layout, for reports; else empty."""
    unused: tuple[str, ...]
    """Keys in the file that nothing here reads."""

    @torch.no_grad()
    def project(self, inputs: Inputs) -> Tokens:
        """The identity tokens of a face.

        Parameters
        ----------
        inputs : Inputs
            What ``needs`` names; the rest is not looked at.

        Returns
        -------
        Tokens
            (B, T, D) float32, or (B, N T, D) for N photos of each face, on the embedding's device.

        Raises
        ------
        ValueError
            Something that it needs is missing, of another size, or not finite.
        """
        plain = checked(inputs, self._called, self.needs, self.sizes)
        assert self.layout.project is not None
        told = self.layout.project(self.tensors, self.sizes, plain)
        if not all(tokens.isfinite().all() for tokens in (told.positive, told.negative)):
            raise ValueError(
                f"{self._called} makes tokens of this face that are not numbers: its weights or the embedding are "
                "far too large. Download the file again, and look at the profile"
            )
        if "eva" in self.needs or inputs.embedding.ndim == 2:
            return told
        faces = inputs.embedding.shape[0]
        return Tokens(*(part.reshape(faces, -1, self.width) for part in (told.positive, told.negative)))  # fmt: skip

    @property
    def _called(self) -> str:
        return f"{self.format} ({self.file})" if self.file else self.format
