"""A ControlNet that is told an identity's tokens where others are told the prompt.

ComfyUI has one place for what ControlNets are told, ``cross_attn_controlnet`` of the conditioning, and all
in a chain are told it. A chain is linked by its members, though: this one hands its own ControlNet other
tokens and leaves what the rest are told as it is.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from torch import Tensor

from ..adapters.inputs import Tokens
from ..injection.attention import by_prompt, cycled
from ..injection.mask import area_resize

TOLD = "crossattn_controlnet"
Control = dict[str, list[Tensor | None]]


class IdentityControl:
    """One in ComfyUI's chain of ControlNets. What is not here is the ControlNet's own.

    Parameters
    ----------
    control : ControlBase
        Of the host: a copy with its picture set, and none before it.
    tokens : Tokens
        (B, T, D)
    mask : Tensor, (B, H, W), 0..1, optional
        Of ``check_mask``: what the ControlNet adds to the model is multiplied by it.
    """

    def __init__(self, control: Any, tokens: Tokens, mask: Tensor | None = None) -> None:
        self.control = control
        self.tokens = tokens
        self.mask = mask
        self.previous_controlnet: Any = None
        self.multigpu_clones: dict[Any, IdentityControl] = {}
        self._planes: dict[Any, Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "control":  # it is being copied, and not whole yet
            raise AttributeError(name)
        return getattr(self.control, name)

    def get_control(
        self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, transformer_options: dict
    ) -> Control | None:
        """What this one and those before it add to the model, layer by layer."""
        below = None
        if self.previous_controlnet is not None:
            below = self.previous_controlnet.get_control(
                x_noisy, t, cond, batched_number, transformer_options
            )
        chunks = transformer_options.get("cond_or_uncond")
        told = by_prompt(self.tokens.positive, self.tokens.negative, chunks, len(x_noisy))
        own = self.control.get_control(
            x_noisy, t, {**cond, TOLD: told}, batched_number, transformer_options
        )
        if own is not None and self.mask is not None:
            parts = len(chunks) if chunks else 1
            own = {key: [self._masked(one, parts) for one in values] for key, values in own.items()}
        return joined(below, own)

    def _masked(self, added: Tensor | None, prompts: int) -> Tensor | None:
        if added is None or self.mask is None or added.ndim != 4:
            return added
        grid = added.shape[-2], added.shape[-1]
        key = (grid, added.device, added.dtype)
        if key not in self._planes:
            self._planes[key] = area_resize(self.mask, grid)[:, None].to(added)
        plane = cycled(self._planes[key], len(added) // prompts)
        return added * plane.repeat(prompts, 1, 1, 1)

    def set_previous_controlnet(self, controlnet: Any) -> IdentityControl:
        """Which comes before it."""
        self.previous_controlnet = controlnet
        return self

    def set_cond_hint(self, *args: Any, **kwargs: Any) -> IdentityControl:
        """Another picture, strength or window."""
        self.control.set_cond_hint(*args, **kwargs)
        return self

    def copy(self) -> IdentityControl:
        """Without those before it, as the host's copies."""
        return IdentityControl(self.control.copy(), self.tokens, self.mask)

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        """Sampling begins."""
        self.control.pre_run(model, percent_to_timestep_function)
        if self.previous_controlnet is not None:
            self.previous_controlnet.pre_run(model, percent_to_timestep_function)

    def cleanup(self) -> None:
        """Sampling ended: nothing stays on the device."""
        if self.previous_controlnet is not None:
            self.previous_controlnet.cleanup()
        for one in (self, *self.multigpu_clones.values()):
            one.control.cleanup()
            one._planes.clear()

    def get_models(self) -> list[Any]:
        """The host's patchers of this one and of those before it."""
        below = self.previous_controlnet
        return self.get_models_only_self() + ([] if below is None else list(below.get_models()))

    def get_models_only_self(self) -> list[Any]:
        """The host's patchers of this one."""
        every = (self, *self.multigpu_clones.values())
        return [model for one in every for model in one.control.get_models()]

    def get_extra_hooks(self) -> list[Any]:
        """The host's hooks that come with the chain."""
        below = self.previous_controlnet
        mine = list(self.control.get_extra_hooks())
        return mine + ([] if below is None else list(below.get_extra_hooks()))

    def inference_memory_requirements(self, dtype: Any) -> float:
        """Bytes that the chain needs while it runs."""
        below = self.previous_controlnet
        mine = self.control.inference_memory_requirements(dtype)
        return mine + (0 if below is None else below.inference_memory_requirements(dtype))

    def get_instance_for_device(self, device: Any) -> IdentityControl:
        """The one whose weights lie on that GPU, of several."""
        return self.multigpu_clones.get(device, self)

    def deepclone_multigpu(self, load_device: Any, autoregister: bool = False) -> IdentityControl:
        """One whose weights lie on another GPU."""
        clone = IdentityControl(
            self.control.deepclone_multigpu(load_device), self.tokens, self.mask
        )
        if autoregister:
            self.multigpu_clones[load_device] = clone
        return clone


def joined(below: Control | None, own: Control | None) -> Control | None:
    """What two ControlNets add, together: the sum in every layer."""
    if below is None or own is None:
        return own if below is None else below
    return {
        key: [
            one if other is None else other if one is None else one + other
            for one, other in zip_longest(below.get(key, []), own.get(key, []))
        ]
        for key in {**below, **own}
    }
