"""The pictures of a plate kept to the bit, for those that were never a file of their own.

Safetensors: a tensor for each picture, called by its SHA-256. Pictures of 8 bits are kept as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .manifest import source_sha256
from .panels import Panel

ENDING = ".sources.safetensors"
MOST_BYTES = 16 * 2**30


def pack(panels: Iterable[Panel]) -> bytes:
    """All sources, each once."""
    from safetensors.torch import save

    found: dict[str, Tensor] = {}
    for panel in panels:
        sha = source_sha256(panel.image)
        if sha not in found:
            found[sha] = _kept(panel.image[0].detach().cpu().float())
    return save(found)


def _kept(image: Tensor) -> Tensor:
    """The smallest that gives the same values back: codes of 8 bits, half precision, or all of it."""
    codes = (image * 255).round().clamp(0, 255).to(torch.uint8)
    if torch.equal(codes.float() / 255, image):
        return codes
    half = image.half()
    return half if torch.equal(half.float(), image) else image.contiguous()


def unpack(path: Path, wanted: Iterable[str]) -> Mapping[str, Tensor]:
    """Those of the wanted sources that a file holds, (1, H, W, C) float32, by their SHA-256.

    Raises
    ------
    ValueError
        The file is damaged, or holds other pixels than it says.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.name} is larger than any sources are")
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            for sha in names.intersection(wanted):
                kept = file.get_tensor(sha)
                if kept.ndim != 3:
                    raise ValueError(f"{path.name} holds something else than pictures")
                image = (kept.float() / 255 if kept.dtype == torch.uint8 else kept.float())[None]
                if source_sha256(image) != sha:
                    raise ValueError(f"{path.name} holds other pixels than it says: it is damaged")
                found[sha] = image
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    return found
