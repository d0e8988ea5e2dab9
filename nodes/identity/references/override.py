"""The attention override of one model call: weights the patch cannot bring, and the backend.

Weighed calls run on a backend that honours masks. What held the slot before is called as the base, and
given that backend as its function. All other calls pass as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from .bias import with_mask
from .counter import BIASED
from .spans import Spans

SLOT = "optimized_attention_override"
MASK = 4  # its position after q, k, v and heads


class Told(Protocol):
    """What the weights of one node want of a call; :class:`.weighing.Call` is one."""

    weighing: Any

    def take_handed(self) -> bool: ...
    def spans(self, queries: int, keys: int, options: dict) -> Spans | None: ...
    def row(self, spans: Spans, like: Tensor) -> Tensor: ...
    def queries(self, spans: Spans, queries: int) -> Tensor | None: ...


class Override:
    """The value of the host's slot during one call of the model.

    Parameters
    ----------
    calls : sequence of Told
        Of each node whose weights act; they multiply.
    previous : callable, optional
        What held the slot.
    masked : callable
        The host's attention that honours masks.
    """

    def __init__(
        self, calls: Sequence[Told], previous: Callable[..., Tensor] | None, masked: Callable[..., Tensor]
    ) -> None:  # fmt: skip
        self.calls, self.previous, self.masked = tuple(calls), previous, masked
        self._groups: dict[tuple, tuple[list[Tensor], list[tuple[int, Tensor]]]] = {}

    def __deepcopy__(self, memo: dict) -> Override:
        return self

    @classmethod
    def on(
        cls, held: Callable[..., Tensor] | None, call: Told, masked: Callable[..., Tensor]
    ) -> Override:
        """On top of what holds the slot; two of ours become one."""
        if isinstance(held, cls):
            return cls((*held.calls, call), held.previous, masked)
        return cls((call,), held, masked)

    def __call__(self, func: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """The host's: its function, then what that is called with."""
        q, k = args[0], args[1]
        axis = 2 if kwargs.get("skip_reshape") else 1
        queries, keys = q.shape[axis], k.shape[axis]
        options = kwargs.get("transformer_options") or {}
        handed = [call.take_handed() for call in self.calls]
        found = [(call, call.spans(queries, keys, options)) for call in self.calls]
        due = [(call, spans) for call, spans in found if spans is not None]
        for call, _ in due:
            call.weighing.calls.reach(BIASED)
        if not due and not any(handed):
            if self.previous is None:
                return func(*args, **kwargs)
            return self.previous(func, *args, **kwargs)
        given = args[MASK] if len(args) > MASK else kwargs.get("mask")
        mask, parts = given, []
        for call, spans in due:
            row, some = call.row(spans, q), call.queries(spans, queries)
            if some is None:
                mask = with_mask(mask, row)
            else:
                parts.append((row, some))
        if not parts:
            return self._attend(args, kwargs, mask)
        plain = None if any(handed) or mask is not given else func
        return self._in_groups(args, kwargs, mask, parts, plain, axis)

    def _in_groups(
        self,
        args: tuple,
        kwargs: dict,
        mask: Tensor | None,
        parts: list[tuple[Tensor, Tensor]],
        plain: Callable[..., Tensor] | None,
        axis: int,
    ) -> Tensor:
        """Queries that are told the same together: as one N x N mask would have it, without one.

        ``plain`` is the attention of those that are told nothing, where they are as they came.
        """
        q = args[0]
        out_axis = 2 if kwargs.get("skip_output_reshape") else 1
        whole: Tensor | None = None
        for code, here in self._grouped([some for _, some in parts], q.device):
            own = mask
            for i, (row, _) in enumerate(parts):
                if code >> i & 1:
                    own = with_mask(own, row)
            func = None if code else plain
            if self.previous is None:
                if own is not None and own.ndim > 1 and own.shape[-2] > 1:
                    own = own.index_select(own.ndim - 2, here)
                out = self._attend((q.index_select(axis, here), *args[1:]), kwargs, own, func)
            else:  # it may go by the place of queries: all of them, and then those that are meant
                out = self._attend(args, kwargs, own, func).index_select(out_axis, here)
            if whole is None:
                shape = list(out.shape)
                shape[out_axis] = q.shape[axis]
                whole = out.new_empty(shape)
            whole.index_copy_(out_axis, here, out)
        assert whole is not None
        return whole

    def _grouped(self, told: list[Tensor], device: torch.device) -> list[tuple[int, Tensor]]:
        """Which queries are told the same: bit i of the number is whether ``told[i]`` holds them."""
        key = (*(id(some) for some in told), device)
        if key not in self._groups:
            codes = torch.stack([some.long() << i for i, some in enumerate(told)]).sum(0)
            groups = [
                (code, (codes == code).nonzero().flatten().to(device))
                for code in codes.unique().tolist()
            ]
            self._groups[key] = (told, groups)  # as long as they live no other has their id
        return self._groups[key][1]

    def _attend(
        self,
        args: tuple,
        kwargs: dict,
        mask: Tensor | None,
        plain: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """Attention with this mask, honoured; or by ``plain``, the user's own, where nothing was added."""
        with_it, named = _masked(args, kwargs, mask)
        if self.previous is None:
            return (plain or self.masked)(*with_it, **named)
        if plain is not None:
            return self.previous(plain, *with_it, **named)
        asked = Asked(self.masked)
        out = self.previous(asked, *with_it, **named)
        if asked.used or mask is None or self._honours(args, kwargs, out):
            return out
        return self.masked(*with_it, **named)

    def _honours(self, args: tuple, kwargs: dict, out: Tensor) -> bool:
        """Whether an override that computes by itself gave another result for the mask; asked once a sampling."""
        previous, weighing = self.previous, self.calls[0].weighing
        assert previous is not None

        def tried() -> bool:
            bare, named = _masked(args, kwargs, None)
            if not torch.equal(previous(Asked(self.masked), *bare, **named), out):
                return True
            name = getattr(previous, "__qualname__", type(previous).__qualname__)
            weighing.calls.say(
                f"The attention override {getattr(previous, '__module__', '')}.{name} takes no masks, so that it cannot "
                "weigh references: attention that holds them runs on PyTorch's instead, all other attention as before."
            )
            return False

        return weighing.kept(("honours", id(previous)), tried)


class Asked:
    """A function for another pack's override to call; knows whether it did."""

    def __init__(self, func: Callable[..., Tensor]) -> None:
        self.func, self.used = func, False
        self.__name__ = getattr(func, "__name__", "attention")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        self.used = True
        kwargs["_inside_attn_wrapper"] = True  # the host's: not through the slot again
        return self.func(*args, **kwargs)


def _masked(args: tuple, kwargs: dict, mask: Tensor | None) -> tuple[tuple, dict]:
    """What an attention is called with, its mask where the host had put it."""
    if len(args) > MASK:
        return (*args[:MASK], mask, *args[MASK + 1 :]), kwargs
    return args, {**kwargs, "mask": mask}
