"""What the identities on a model have measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..injection.shared import Chained, Injection
from .draw_energy import Measured, table

SLOTS = ("attn2", "dit")


def injections_of(model: Any) -> list[Injection]:
    """All identities on a model, the first applied first; those below another pack's patch are not seen."""
    replaced = model.model_options.get("transformer_options", {}).get("patches_replace", {})
    found = {
        id(one.shared): one.shared
        for kind in SLOTS
        for patch in replaced.get(kind, {}).values()
        for one in reversed(list(_chain(patch)))
    }
    return list(found.values())


def measured_of(model: Any) -> list[Measured]:
    """The tables of all identities on a model that were measured.

    Raises
    ------
    ValueError
        There is none, or nothing was sampled.
    """
    injections = injections_of(model)
    measuring = [one for one in injections if one.energy is not None]
    if not measuring:
        why = (
            "its identities do not measure: switch energy on in Apply Identity"
            if injections
            else "it has no identity, or one that does nothing: link the model that Apply Identity gave"
        )
        raise ValueError(f"nothing can be told of this model: {why}")
    return [
        table(one.calls.identity, one.energy.readings())
        for one in measuring
        if one.energy is not None
    ]


def _chain(patch: Any) -> Iterator[Chained]:
    while isinstance(patch, Chained):
        yield patch
        patch = patch.previous
