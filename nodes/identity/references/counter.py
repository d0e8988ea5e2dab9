"""Counts where weights of references acted, and says so plainly where they did not."""

from __future__ import annotations

from collections.abc import Callable

from ..injection.counter import Calls

CALLED, GIVEN, DUE, BIASED = "called", "given", "due", "biased"


class ReferenceCalls(Calls):
    """How often, in one sampling, the model was called, was given references, and was weighed.

    Parameters
    ----------
    warn : callable, optional
        Gets the warning; by default it goes to the log.
    """

    def __init__(self, warn: Callable[[str], None] | None = None) -> None:
        super().__init__((CALLED, GIVEN, DUE, BIASED), warn=warn)

    def say(self, told: str) -> None:
        """A warning at once."""
        self._warn(told)

    def warning(self) -> str | None:
        """What is amiss with the counts as they are, in a sentence; None where nothing is."""
        seen = self.reached
        if not seen[CALLED]:
            return (
                "The weights of references never acted: the model never called ComfyUI's wrappers while sampling. It "
                "runs a forward of its own (Nunchaku and the like), or another pack replaced it: use the stock model."
            )
        if not seen[GIVEN]:
            return (
                "The weights of references never acted: the model was given no reference while sampling. Link the "
                "conditioning with the references to the sampler too; another pack may also have taken them out."
            )
        if seen[DUE] and not seen[BIASED]:
            return (
                "The weights of references never acted: the model has references, but none of its attention was "
                "reached. It runs a forward of its own, or another pack replaced its forward or its attention "
                "without calling what was there; or its reference method is one that leaves the references out."
            )
        return None
