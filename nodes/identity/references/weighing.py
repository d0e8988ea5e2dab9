"""What one node puts on one model: a wrapper around each call, and a patch of its attention.

All that belongs to one call travels in the host's own options, so that calls may run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..injection.mask import area_resize
from ..injection.schedule import Window
from .bias import bias_row, odds, with_mask
from .counter import BIASED, CALLED, DUE, GIVEN, ReferenceCalls
from .family import Found
from .override import SLOT, Override
from .scene import Scene, retold, told
from .spans import Spans, last_spans, omni_spans, patched_spans
from .weights import Weights

MINE = "portrait_loupe.references"
COUNTS = "reference_image_num_tokens"  # the host's
BLOCK = "block_index"
INSIDE = 0.5  # of a token that must be covered for its queries to be in a region

Made = TypeVar("Made")


class Weighing:
    """The weights of one node on one model.

    The node registers :meth:`begin`, :meth:`end`, :meth:`around` and, where the model's attention uses
    what an ``attn1_patch`` returns, :meth:`patch`.

    Parameters
    ----------
    weights : Weights
    window : Window
        When they act.
    found : Found
        The model's family.
    attention, masked : callable
        The host's attention of the user's choice, and one that honours masks for certain.
    calls : ReferenceCalls
    region : Tensor, (1, H, W), 0..1, optional
        Part of the new picture: only queries of it are told. It is laid on tokens by half their area.
    reference_regions : sequence of Tensor, (1, H, W), optional
        Part of each reference: only keys of it are weighed. One stands for all.
    invariant : bool
        Weighs references by their size as well.
    """

    def __init__(
        self,
        weights: Weights,
        window: Window,
        found: Found,
        *,
        attention: Callable[..., Tensor],
        masked: Callable[..., Tensor],
        calls: ReferenceCalls,
        region: Tensor | None = None,
        reference_regions: Sequence[Tensor] = (),
        invariant: bool = False,
    ) -> None:
        self.weights, self.window, self.found, self.calls = weights, window, found, calls
        self.masked = masked
        self.region, self.reference_regions = region, tuple(reference_regions)
        self.invariant = invariant
        self.by_patch = found.family.patched and region is None
        self._plain = attention is masked
        self._kept: dict[Hashable, Any] = {}

    def __deepcopy__(self, memo: dict) -> Weighing:
        return self  # a clone of the model costs nothing

    def begin(self, *_: Any) -> None:
        """Sampling begins."""
        self._kept.clear()
        self.calls.begin()

    def end(self, *_: Any) -> None:
        """Sampling ended: nothing stays, and a warning is given where nothing was weighed."""
        self._kept.clear()
        self.calls.end()

    def kept(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` gave the first time during this sampling."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def around(self, executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """A host's DIFFUSION_MODEL wrapper: tells the attention of this call what to weigh.

        Without references, and outside the schedule, the model is called as it would have been.
        """
        options, latents = told(args, kwargs)
        self.calls.reach(CALLED)
        if latents:
            self.calls.reach(GIVEN)
        factor = self._factor(options) if options is not None and latents else 0.0
        if options is None or not factor:
            return executor(x, *args, **kwargs)
        self.calls.reach(DUE)
        own = dict(options)
        own.pop(BLOCK, None)  # of an earlier call: what has none is no block
        call = Call(self, Scene.of(x, latents, self.found), factor)
        own[MINE] = (*options.get(MINE, ()), call)
        previous = own.get(SLOT)
        if not (self.by_patch and self._plain and previous is None):
            own[SLOT] = Override.on(previous, call, self.masked)
        args, kwargs = retold(args, kwargs, options, own)
        return executor(x, *args, **kwargs)

    def patch(
        self, q: Tensor, k: Tensor, v: Tensor, *, attn_mask: Any = None, extra_options: Any = None, **_: Any
    ) -> dict[str, Any]:  # fmt: skip
        """A host's ``attn1_patch``: the attention mask with the weights on it."""
        options = extra_options or {}
        call = next((one for one in options.get(MINE, ()) if one.weighing is self), None)
        counts, place = options.get(COUNTS), options.get("img_slice")
        if call is None or not counts or place is None:
            return {}
        spans = patched_spans(place[0], place[1], k.shape[2], counts, call.scene.main.tokens)
        call.handed = True
        self.calls.reach(BIASED)
        return {"attn_mask": with_mask(attn_mask, call.row(spans, q))}

    def _factor(self, options: dict) -> float:
        """The schedule's at this call."""
        if self.window.always:
            return 1.0
        sigmas = options.get("sigmas")
        if sigmas is None:
            raise RuntimeError(
                "the references' weights have a schedule, but this host does not say at which noise level it is; set "
                "start to 0, end to 1 and both fades to 0"
            )
        return self.window.factor(float(sigmas.flatten()[0]))


class Call:
    """One call of the model, as one node's weights see it."""

    def __init__(self, weighing: Weighing, scene: Scene, factor: float) -> None:
        self.weighing, self.scene, self.factor = weighing, scene, factor
        self.handed = False
        """Whether the patch has put the weights into the mask of the attention that comes next."""
        self._before = weighing.found.refiners

    def take_handed(self) -> bool:
        """Whether the patch has, once."""
        handed, self.handed = self.handed, False
        return handed

    def spans(self, queries: int, keys: int, options: dict) -> Spans | None:
        """Where things are in an attention call that the patch does not reach; None where it has no references."""
        if self.weighing.by_patch:
            return None
        main, scene = self.scene.main.tokens, self.scene
        if not self.weighing.found.family.omni:
            counts = options.get(COUNTS)
            if not counts or BLOCK not in options:
                return None
            return last_spans(queries, keys, counts, main)
        counts = tuple(scene.padded(one) for one in scene.references)
        padded = scene.padded(scene.main)
        if BLOCK not in options:
            self._before -= 1
            if self._before >= 0 or keys != padded + sum(counts):
                return None
        return omni_spans(queries, keys, counts, main, padded)

    def row(self, spans: Spans, like: Tensor) -> Tensor:
        """The logits to add, on a tensor's device and in its precision."""
        own = self.weighing
        return own.kept(
            ("row", self.scene, spans, self.factor, like.device, like.dtype),
            lambda: bias_row(
                [self._odds(i, count) for i, count in enumerate(spans.counts)], spans, self.factor
            ).to(like.device, like.dtype),
        )  # fmt: skip

    def _odds(self, reference: int, count: int) -> Tensor:
        own, pictures = self.weighing, self.scene.references
        regions = own.reference_regions
        region = None
        if regions:
            region = regions[0] if len(regions) == 1 else None
            region = regions[reference] if 1 < len(regions) > reference else region
        picture = pictures[reference] if reference < len(pictures) else None
        return odds(own.weights.of(reference), picture, count, region, own.invariant)

    def queries(self, spans: Spans, queries: int) -> Tensor | None:
        """Which queries are told, (queries,) bool on the CPU; None for all."""
        region = self.weighing.region
        if region is None:
            return None

        def made() -> Tensor:
            inside = area_resize(region, self.scene.main.grid).flatten() >= INSIDE
            picture = torch.zeros(queries, dtype=torch.bool)
            picture[spans.main[0] : spans.main[1]] = inside.repeat(self.scene.main.frames)
            return picture

        return self.weighing.kept(("queries", self.scene, spans, queries), made)
