"""What all layers of one identity on one model share: weight, counts, and what is kept while sampling."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from .attention import cycled
from .counter import Calls
from .energy import Energy
from .mask import Grid
from .weight import Place, Weight

SCALINGS = ("V only", "K+V")

Made = TypeVar("Made")


class Injection:
    """One identity on one model.

    The node registers :meth:`begin`, :meth:`end` and, for Flux, :meth:`watch` with the host: its
    callbacks ON_PRE_RUN and ON_CLEANUP and its DIFFUSION_MODEL wrapper.

    Parameters
    ----------
    weight : Weight
    calls : Calls
    scaling : 'V only' or 'K+V'
        What the weight multiplies. V only is linear. K+V also flattens or sharpens the identity's own
        attention; a mask multiplies its result either way.
    patcher : object, optional
        The host's ModelPatcher of a module that the layers use; the host then keeps its memory.
    energy : Energy, optional
        Measures every call.

    Raises
    ------
    ValueError
        Another scaling.
    """

    def __init__(
        self,
        weight: Weight,
        calls: Calls,
        *,
        scaling: str = "V only",
        patcher: Any = None,
        energy: Energy | None = None,
    ) -> None:
        if scaling not in SCALINGS:
            raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}")
        self.weight = weight
        self.calls = calls
        self.scaling = scaling
        self.patcher = patcher
        self.energy = energy
        self.grid: Grid | None = None
        """Of a DiT's image tokens in the present call; None where nothing watches."""
        self._nowhere = weight.mask is not None and not bool(weight.mask.any())
        self._kept: dict[Hashable, Any] = {}
        self._sigma: tuple[Tensor, float] | None = None

    def __deepcopy__(self, memo: dict) -> Injection:
        return self

    def begin(self, *_: Any) -> None:
        """Sampling begins."""
        self.drop()
        self.calls.begin()
        if self.energy is not None:
            self.energy.begin()

    def end(self, *_: Any) -> None:
        """Sampling ended: nothing stays, and a warning is given where identity did not run."""
        self.drop()
        self.calls.end()

    def drop(self) -> None:
        """Lets go of everything that was moved to the device."""
        self._kept.clear()
        self._sigma = None
        self.grid = None

    def kept(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` gave the first time during this sampling."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def watch(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """A host's DIFFUSION_MODEL wrapper: reads the grid of the image tokens, changes nothing."""
        patch = int(getattr(getattr(executor, "class_obj", None), "patch_size", 2))
        self.grid = (-(-x.shape[-2] // patch), -(-x.shape[-1] // patch))
        return executor(x, *args, **kwargs)

    def scale(self, place: Place, options: Mapping[str, Any]) -> float:
        """The weight of a layer now, without its mask; 0 where the mask is 0 everywhere."""
        if self._nowhere:
            return 0.0
        sigma = self._sigma_of(options) if self.weight.needs_sigma else None
        return self.weight.scale(place, sigma)

    def _sigma_of(self, options: Mapping[str, Any]) -> float:
        """The noise level of this call."""
        sigmas = options.get("sigmas")
        if sigmas is None:
            raise RuntimeError(
                "the identity has a schedule, but this host does not say at which noise level it is; "
                "set start to 0, end to 1 and both fades to 0"
            )
        if sigmas.device.type == "cpu":
            return float(sigmas.flatten()[0])
        # Reading it makes the CPU wait for the GPU: once a call, not once a layer.
        seen = self._sigma
        if seen is None or seen[0] is not sigmas:
            seen = self._sigma = (sigmas, float(sigmas.flatten()[0]))
        return seen[1]

    def mask_for(self, grid: Grid, q: Tensor, prompts: int) -> Tensor:
        """The mask on a grid for each row of a batch, (B, N, 1).

        Only to be asked where the weight has a mask.
        """
        plane = self.kept(
            ("mask", grid, q.device, q.dtype),
            lambda: self.weight.on_grid(grid).to(device=q.device, dtype=q.dtype)[..., None],
        )
        return cycled(plane, len(q) // prompts).repeat(prompts, 1, 1)


class Chained:
    """What every patch object does so that hosts and other packs get along with it.

    Parameters
    ----------
    shared : Injection
    previous : callable, optional
        What held the slot before; it is called as the base and told what the host tells this one.
    """

    def __init__(self, shared: Injection, previous: Callable[..., Any] | None) -> None:
        self.shared = shared
        self.previous: Any = previous

    def __deepcopy__(self, memo: dict) -> Chained:
        return self  # a clone of the model costs nothing

    def to(self, *args: Any, **kwargs: Any) -> Chained:
        """Itself: tensors stay on the CPU and move when called. The patch below is told."""
        if hasattr(self.previous, "to"):
            self.previous = self.previous.to(*args, **kwargs)
        return self

    def models(self) -> list[Any]:
        """The host's patchers whose memory this one and those below it need."""
        own = [] if self.shared.patcher is None else [self.shared.patcher]
        below = self.previous.models() if hasattr(self.previous, "models") else []
        return own + list(below)

    def cleanup(self) -> None:
        """The host calls it when sampling ends."""
        self.shared.drop()
        if hasattr(self.previous, "cleanup"):
            self.previous.cleanup()
