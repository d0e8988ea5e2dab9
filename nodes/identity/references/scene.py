"""One call of a diffusion model: which references it was given, on which grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..injection.mask import Grid
from .family import Found

WRAPPERS = "wrappers"  # among the host's options, always where a wrapper of ours was called
LATENTS = "ref_latents"
OPTIONS = "transformer_options"


@dataclass(frozen=True)
class Picture:
    """A latent as a model reads it."""

    frames: int
    grid: Grid

    @property
    def tokens(self) -> int:
        return self.frames * self.grid[0] * self.grid[1]


def picture_of(latent: Tensor, patch: int) -> Picture:
    """Of a latent (B, C, H, W) or (B, C, T, H, W); borders are filled up to whole tokens."""
    frames = latent.shape[2] if latent.ndim == 5 else 1
    return Picture(frames, (-(-latent.shape[-2] // patch), -(-latent.shape[-1] // patch)))


@dataclass(frozen=True)
class Scene:
    """The main picture and the references of one call."""

    main: Picture
    references: tuple[Picture, ...]
    multiple: int = 1

    @classmethod
    def of(cls, x: Tensor, latents: Sequence[Tensor], found: Found) -> Scene:
        """Of what a model was called with."""
        references = tuple(picture_of(one, found.patch) for one in latents)
        return cls(picture_of(x, found.patch), references, found.multiple)

    def padded(self, picture: Picture) -> int:
        """A picture's tokens with those that fill it up."""
        return -(-picture.tokens // self.multiple) * self.multiple


def told(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[dict | None, Sequence[Tensor]]:
    """The host's options and the references' latents, by whichever position a model takes them."""
    options: dict | None = kwargs.get(OPTIONS)
    latents: Any = kwargs.get(LATENTS)
    for one in args:
        if options is None and isinstance(one, dict) and WRAPPERS in one:
            options = one
        listed = isinstance(one, (list, tuple)) and one and all(isinstance(x, Tensor) for x in one)
        if latents is None and listed:
            latents = one
    return options, latents or ()


def retold(
    args: Sequence[Any], kwargs: Mapping[str, Any], options: dict, own: dict
) -> tuple[tuple, dict]:
    """The same arguments with other options."""
    swapped = {name: own if value is options else value for name, value in kwargs.items()}
    return tuple(own if one is options else one for one in args), swapped
