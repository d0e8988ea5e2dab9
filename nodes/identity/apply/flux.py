"""FLUX.1: whether a PuLID-Flux file fits the model, and its patches."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ..adapters.adapter import Adapter
from ..adapters.flux import DOUBLE_BLOCKS, SINGLE_BLOCKS
from ..adapters.inputs import Tokens
from ..injection.counter import Calls
from ..injection.dit import FluxLayers, flux_patches, flux_places
from ..injection.energy import Energy
from ..injection.shared import Injection
from ..injection.weight import Place, Weight
from .unet import register

WATCH = "portrait_loupe.identity.grid"
BLOCKS = (DOUBLE_BLOCKS, SINGLE_BLOCKS)

# A file's layers with the host's patcher of them: identities that share a file share its memory.
_modules: WeakKeyDictionary[Adapter, tuple[FluxLayers, Any]] = WeakKeyDictionary()


def places_of(adapter: Adapter) -> list[Place]:
    """Where the adapter's layers stand among the model's blocks."""
    return [place for _, place in flux_places(len(adapter.flux_layers), *BLOCKS)]


def check_fits(model: Any, adapter: Adapter) -> None:
    """ValueError unless the model has FLUX.1's blocks, as wide as the adapter's layers."""
    network = model.get_model_object("diffusion_model")
    called = type(getattr(getattr(model, "model", None), "model_config", network)).__name__
    name = f"{adapter.format} ({adapter.file})"
    way_out = (
        "Load a model of FLUX.1 (dev, Krea, Kontext), or the adapter that is made for this one"
    )
    doubles, singles = (getattr(network, f"{one}_blocks", None) for one in ("double", "single"))
    if doubles is None or singles is None:
        raise ValueError(
            f"{name} is for FLUX.1; the model ({called}) has no double and single blocks. {way_out}"
        )
    if (len(doubles), len(singles)) != BLOCKS:
        raise ValueError(
            f"{name} is for FLUX.1, {BLOCKS[0]} double and {BLOCKS[1]} single blocks; the model ({called}) has "
            f"{len(doubles)} and {len(singles)}. {way_out}"
        )
    width, wanted = int(network.hidden_size), adapter.sizes["image"]
    if width != wanted:
        raise ValueError(
            f"{name} is made for image tokens of {wanted} numbers, the model's ({called}) have {width}. {way_out}"
        )


def patch(
    clone: Any,
    adapter: Adapter,
    name: str,
    tokens: Tokens,
    weight: Weight,
    hooks: Any,
    energy: Energy | None = None,
) -> None:
    """Puts one object after each of the adapter's blocks, on top of what was there."""
    layers, patcher = _module(adapter, hooks)
    keys = [key for key, _ in flux_places(len(layers), *BLOCKS)]
    shared = Injection(weight, Calls(keys, name), patcher=patcher, energy=energy)
    options = clone.model_options.get("transformer_options", {})
    slots = options.get("patches_replace", {}).get("dit", {})
    made = flux_patches(layers, tokens.positive, tokens.negative, BLOCKS, slots, shared)
    for key, one in made.items():
        clone.set_model_patch_replace(one, "dit", *key)
    clone.add_wrapper_with_key(hooks.around_model, WATCH, shared.watch)
    register(clone, shared, hooks)


def _module(adapter: Adapter, hooks: Any) -> tuple[FluxLayers, Any]:
    if adapter not in _modules:
        layers = FluxLayers([layer.named for layer in adapter.flux_layers])
        _modules[adapter] = (layers, hooks.patcher(layers))
    return _modules[adapter]
