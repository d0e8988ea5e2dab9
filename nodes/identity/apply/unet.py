"""SD1.5 and SDXL: whether an adapter fits the model, its patches, and the LoRA of its file."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ..adapters.adapter import Adapter
from ..adapters.inputs import Tokens
from ..injection.counter import Calls
from ..injection.energy import Energy
from ..injection.shared import Injection
from ..injection.unet import Key, LayerTokens, cross_patches, places
from ..injection.weight import Place, Weight
from .settings import Settings

CALLBACKS = "portrait_loupe.identity"
_BLOCKS = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}


def places_of(adapter: Adapter) -> list[Place]:
    """Where the adapter's layers stand in the model."""
    return list(places({layer.patch_key: layer for layer in adapter.cross_layers}).values())


def check_fits(model: Any, adapter: Adapter) -> None:
    """ValueError unless the model has every layer of the adapter, as wide as the adapter's."""
    network = model.get_model_object("diffusion_model")
    called = type(getattr(getattr(model, "model", None), "model_config", network)).__name__
    name = f"{adapter.format} ({adapter.file})"
    for layer in adapter.cross_layers:
        block, id, index = layer.patch_key
        path = f"{_BLOCKS[block].format(id)}.transformer_blocks.{index}.attn2"
        try:
            attention = reduce(getattr, path.split("."), network)
            width, text = _out(attention.to_q), _in(attention.to_k)
        except AttributeError:
            raise ValueError(
                f"{name} is for {adapter.base}; the model ({called}) has no cross-attention {block} {id} {index}. "
                f"Load a model of {adapter.base}, or the adapter that is made for this one"
            ) from None
        wanted = layer.key.shape[0], adapter.width
        if (width, text) != wanted:
            raise ValueError(
                f"{name} is for {adapter.base}: its layer {block} {id} {index} is {wanted[0]} wide on a text of "
                f"{wanted[1]}, the model's ({called}) is {width} on {text}. Load a model of {adapter.base}, or the "
                "adapter that is made for this one"
            )


def _out(linear: Any) -> int:
    return int(getattr(linear, "out_features", None) or linear.weight.shape[0])


def _in(linear: Any) -> int:
    return int(getattr(linear, "in_features", None) or linear.weight.shape[1])


def patch(
    clone: Any,
    adapter: Adapter,
    name: str,
    tokens: Tokens,
    weight: Weight,
    hooks: Any,
    energy: Energy | None = None,
) -> None:
    """Puts one object into each layer's slot, on top of what was there."""
    layers: dict[Key, LayerTokens] = {
        layer.patch_key: LayerTokens.of(tokens.positive, tokens.negative, layer.key, layer.value)
        for layer in adapter.cross_layers
    }
    shared = Injection(weight, Calls(layers, name), energy=energy)
    options = clone.model_options.get("transformer_options", {})
    slots = options.get("patches_replace", {}).get("attn2", {})
    for key, one in cross_patches(layers, slots, shared, hooks.attention).items():
        clone.set_model_attn2_replace(one, *key)
    register(clone, shared, hooks)


def register(clone: Any, shared: Injection, hooks: Any) -> None:
    """Lets the host tell when sampling begins and ends."""
    clone.add_callback_with_key(hooks.before_sampling, CALLBACKS, shared.begin)
    clone.add_callback_with_key(hooks.after_sampling, CALLBACKS, shared.end)


def add_lora(clone: Any, adapter: Adapter, settings: Settings, hooks: Any) -> str:
    """The file's own LoRA onto the model's weights, once however many identities use the file."""
    if not adapter.lora:
        return ""
    if not (settings.lora and settings.lora_weight):
        return "the file's LoRA is off: likeness is weaker without it"
    first = adapter.lora[0]
    for entry in clone.patches.get(first.key, ()):
        held = (getattr(entry[1], "weights", None) or (None,))[0]
        if isinstance(held, Tensor) and torch.equal(held, first.up):
            return "the file's LoRA is on the model already, and was not added again"
    parts = {part.key: hooks.lora(part.up, part.down) for part in adapter.lora}
    taken = clone.add_patches(parts, settings.lora_weight)
    if len(taken) < len(parts):
        return f"the model took {len(taken)} of the {len(parts)} parts of the file's LoRA: it is not the plain {adapter.base}"
    return f"the file's LoRA ({len(parts)} weights) at {settings.lora_weight:g}, all of sampling and everywhere"
