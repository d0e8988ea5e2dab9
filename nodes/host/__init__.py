"""The door to ComfyUI: whatever the pack takes from its host, it takes from here.

- io               what a node declares: ``io.ComfyNode``, ``io.Schema``, the socket types
- ComfyExtension   what the pack hands to the host
- progress         how much of a long job is done, and where the user may stop it

Without ComfyUI the same door opens on the stand-in host (``standin``). Which one it is depends
on whether ComfyUI is there, never on whether importing it worked: a broken host must be seen.
"""

from collections.abc import Callable
from importlib.util import find_spec

IN_COMFYUI = find_spec("comfy_api") is not None

if IN_COMFYUI:
    from comfy_api.v0_0_2 import ComfyExtension, io
else:
    from .standin import schema as io
    from .standin.schema import ComfyExtension

__all__ = ["ComfyExtension", "io", "progress"]


def progress(total: int) -> Callable[[int], None]:
    """Show on the running node how many of ``total`` are done, by calling what this returns.

    In ComfyUI each call is also where a run that the user has cancelled stops.
    """
    if not IN_COMFYUI:
        return lambda done: None
    from comfy.utils import ProgressBar

    return ProgressBar(total).update_absolute
