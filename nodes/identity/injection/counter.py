"""Counts where an identity ran, and says so plainly where it did not."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable

SHOWN = 6  # layers named in a warning


class Calls:
    """How often each layer of one identity was reached and added to, during one sampling.

    Parameters
    ----------
    layers : iterable of hashable
        All that should run, such as ``("middle", 0, 3)``.
    name : str
        The identity's, for the warning.
    warn : callable, optional
        Gets the warning; by default it goes to the log.
    """

    def __init__(
        self,
        layers: Iterable[Hashable],
        name: str = "",
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.layers = tuple(layers)
        self.identity = f"The identity {name!r}" if name else "The identity"
        self.reached: Counter[Hashable] = Counter()
        self.added: Counter[Hashable] = Counter()
        self.running = False
        self._warn = warn or logging.getLogger(__name__).warning

    def begin(self) -> None:
        """Sampling begins: all counts are 0."""
        self.reached.clear()
        self.added.clear()
        self.running = True

    def reach(self, layer: Hashable) -> None:
        """The model ran this layer's hook."""
        self.reached[layer] += 1

    def add(self, layer: Hashable) -> None:
        """The identity's term was added there."""
        self.added[layer] += 1

    def end(self) -> str | None:
        """Sampling ended: warns where identity ran nowhere or not everywhere; the warning, or None.

        Says nothing where sampling never began or was broken off: then layers are missing for
        another reason.
        """
        running, self.running = self.running, False
        if not running or sys.exc_info()[0] is not None:
            return None
        told = self.warning()
        if told:
            self._warn(told)
        return told

    def warning(self) -> str | None:
        """What is amiss with the counts as they are, in a sentence; None where nothing is."""
        missed = [layer for layer in self.layers if not self.reached[layer]]
        total = len(self.layers)
        if total and len(missed) == total:
            return (
                f"{self.identity} never ran: none of its {total} layers was reached while sampling. "
                "The model runs a forward of its own (Nunchaku and the like), or is of another kind "
                "than the adapter, or a pack that was applied later replaced its hooks. Apply the "
                "identity last, or to the stock model."
            )
        if missed:
            named = ", ".join(_name(layer) for layer in missed[:SHOWN])
            more = f" and {len(missed) - SHOWN} more" if len(missed) > SHOWN else ""
            return (
                f"{self.identity} ran in {total - len(missed)} of {total} layers; not reached: "
                f"{named}{more}. A pack that was applied later replaced these hooks, or the model "
                "skips these layers. Apply the identity last."
            )
        return None


def _name(layer: Hashable) -> str:
    return " ".join(map(str, layer)) if isinstance(layer, tuple) else str(layer)
