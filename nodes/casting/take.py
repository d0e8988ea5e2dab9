"""Takes: the pictures that models offer for one part, and the cast that holds them all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ..comparison.encode import codes_of
from ..framing.faces import Face

if TYPE_CHECKING:
    from .realism import Evidence

_ROWS = 256  # of a picture, hashed at once: no second copy of it is made


@dataclass(frozen=True, eq=False)
class Take:
    """One picture that a model offers, and what is known of it."""

    number: int
    """Its number in the cast, from 1, as shown."""
    model: str
    """The label of its socket, such as 'Recraft V4'."""
    picture: Tensor
    """(1, H, W, 3) float32, sRGB 0..1."""
    sha256: str
    """Of its size and its 16-bit pixels, hex: see ``take_sha256``."""
    seed: int | None
    """None where the provider has none, or none is known."""
    prompt_sha: str
    """The first 16 hex digits of the prompt's sha256, or ''."""
    face: Face | None
    """Its largest face, in pixels of the picture."""
    rejected: str | None
    """Why it is not offered: blank, a duplicate of 3, no face; None where it is offered."""
    evidence: Evidence | None
    """What the skin says of realism; None where it was not scored."""
    rank: int | None
    """1 is the best of the ranked; None where a gate failed or the take was rejected."""


@dataclass(frozen=True, eq=False)
class Cast:
    """All takes of one prompt by several models: the value of a LOUPE_CAST socket."""

    takes: tuple[Take, ...]
    region: str
    """The preset of the contact sheet and of the loupe."""
    prompt: str
    corridor: str
    """Name and hash of the corridor of real photographs, for words."""
    report: str
    faces_backend: str
    """What found the faces, in words."""


def take_sha256(picture: Tensor) -> str:
    """The sha256 of a picture: of its size and its pixels as 16-bit codes, hex.

    A picture that was written as a 16-bit PNG and read again has the same.

    Parameters
    ----------
    picture : (1, H, W, 3) or (H, W, 3), sRGB 0..1
    """
    picture = picture[0] if picture.ndim == 4 else picture
    height, width, channels = picture.shape
    digest = hashlib.sha256(f"{width}x{height}x{channels}:16\n".encode())
    for top in range(0, height, _ROWS):
        digest.update(codes_of(picture[top : top + _ROWS], 16).tobytes())  # big-endian
    return digest.hexdigest()
