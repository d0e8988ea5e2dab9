"""The door to ComfyUI: whatever the pack takes from its host, it takes from here.

- io               what a node declares: ``io.ComfyNode``, ``io.Schema``, the socket types
- ComfyExtension   what the pack hands to the host

Without ComfyUI the same door opens on the stand-in host (``standin``). Which one it is depends
on whether ComfyUI is there, never on whether importing it worked: a broken host must be seen.
"""

from importlib.util import find_spec

if find_spec("comfy_api") is not None:
    from comfy_api.v0_0_2 import ComfyExtension, io
else:
    from .standin import schema as io
    from .standin.schema import ComfyExtension

__all__ = ["ComfyExtension", "io"]
