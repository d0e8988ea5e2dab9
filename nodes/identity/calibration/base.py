"""By what a base model is known again, whatever LoRA is on it and under whatever name its file lies."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

TASTED = 12
"""Small tensors that are read, spread over the model."""
LARGEST = 8192  # numbers of one: a norm or a bias


def base_of(model: Any) -> tuple[str, str]:
    """The kind of a diffusion model and its fingerprint.

    The fingerprint is a SHA-256 over the kind, the names and shapes of all weights and the numbers of a
    few biases and norms, as float32. LoRA change larger weights, so it is the same with and without
    one; where a patch lies on a bias, ComfyUI's copy of what was there before is read.

    Parameters
    ----------
    model : ModelPatcher
        Of the host; only read.

    Returns
    -------
    kind, fingerprint : str
        Such as ``SDXL``; 64 hexadecimal digits.

    Raises
    ------
    ValueError
        It is no diffusion model.
    """
    inner = getattr(model, "model", None)
    network = getattr(inner, "diffusion_model", None)
    if network is None:
        raise ValueError("model must be a diffusion model, such as Load Checkpoint gives")
    kind = type(getattr(inner, "model_config", inner)).__name__
    weights = network.state_dict()
    digest = hashlib.sha256(kind.encode())
    for name in sorted(weights):
        digest.update(f"\n{name} {tuple(weights[name].shape)}".encode())
    small = sorted(
        name for name, one in weights.items() if one.ndim == 1 and 1 < one.numel() <= LARGEST
    )
    before = getattr(model, "backup", {})
    for name in _spread(small):
        kept = before.get(f"diffusion_model.{name}")
        one = weights[name] if kept is None else kept.weight
        if one.device.type != "meta":
            numbers = one.detach().float().cpu().numpy()
            digest.update(np.ascontiguousarray(numbers, "<f4").tobytes())
    return kind, digest.hexdigest()


def _spread(names: list[str]) -> list[str]:
    if len(names) <= TASTED:
        return names
    return [names[round(at)] for at in np.linspace(0, len(names) - 1, TASTED)]
