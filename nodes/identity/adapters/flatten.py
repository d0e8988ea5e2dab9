"""A loaded adapter file as one flat dictionary of tensors, whichever way it was saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

Tensors = Mapping[str, Tensor]

DEEPEST = 8  # dictionaries in one another; the published files have two
# The same networks by the names of the scripts that trained them.
SAME_AS = {"adapter_modules.": "ip_adapter.", "image_proj_model.": "image_proj."}


def flatten(loaded: Any) -> dict[str, Tensor]:
    """Nested dictionaries of tensors as one, their keys joined by dots.

    Parameters
    ----------
    loaded : mapping of str to Tensor or to another such mapping
        What ``torch.load(weights_only=True)`` gives for a ``.bin``, or the flat dictionary of a
        safetensors file.

    Returns
    -------
    dict of str to Tensor
        ``image_proj.proj.0.weight``, ``ip_adapter.1.to_k_ip.weight``; ``adapter_modules.`` reads
        ``ip_adapter.`` and ``image_proj_model.`` reads ``image_proj.``. The tensors themselves, detached.

    Raises
    ------
    ValueError
        Anything but tensors in it, two tensors of one name, or nothing at all; the key is named.
    """
    flat: dict[str, Tensor] = {}
    _gather(loaded, "", flat, 0, set())
    if not flat:
        raise ValueError("the file holds no tensor: it is not an adapter, or it was cut off")
    return flat


def _gather(value: Any, name: str, flat: dict[str, Tensor], depth: int, seen: set[int]) -> None:
    if isinstance(value, Tensor):
        key = _known_name(name)
        if key in flat:
            raise ValueError(f"the file holds two tensors called {key}: save it again with one")
        flat[key] = value.detach()
    elif isinstance(value, Mapping) and depth < DEEPEST:
        if id(value) in seen:  # a few kB of those in one another would be read for hours
            raise ValueError(
                f"{name} stands in the file twice: save it again as an adapter is published"
            )
        seen.add(id(value))
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(
                    f"{name or 'the file'} holds the key {key!r}, a {type(key).__name__}: keys must be text"
                )
            _gather(inner, f"{name}.{key}" if name else key, flat, depth + 1, seen)
    else:
        raise ValueError(
            f"{name or 'the file'} is a {type(value).__name__}: an adapter holds tensors and dictionaries of "
            f"tensors, at most {DEEPEST} in one another, and nothing else"
        )


def _known_name(name: str) -> str:
    for other, ours in SAME_AS.items():
        if name.startswith(other):
            return ours + name[len(other) :]
    return name
