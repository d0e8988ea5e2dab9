"""The door to ComfyUI: whatever the pack takes from its host, it takes from here.

- io               what a node declares: ``io.ComfyNode``, ``io.Schema``, the socket types
- ComfyExtension   what the pack hands to the host
- progress         how much of a long job is done, and where the user may stop it
- model_folders    where models of a kind lie on this machine

Without ComfyUI the same door opens on the stand-in host (``standin``). Which one it is depends
on whether ComfyUI is there, never on whether importing it worked: a broken host must be seen.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

IN_COMFYUI = find_spec("comfy_api") is not None

if IN_COMFYUI:
    from comfy_api.v0_0_2 import ComfyExtension, io
else:
    from .standin import schema as io
    from .standin.schema import ComfyExtension

__all__ = ["ComfyExtension", "io", "model_folders", "progress"]


def progress(total: int) -> Callable[[int], None]:
    """Show on the running node how many of ``total`` are done, by calling what this returns.

    In ComfyUI each call is also where a run that the user has cancelled stops.
    """
    if not IN_COMFYUI:
        return lambda done: None
    from comfy.utils import ProgressBar

    return ProgressBar(total).update_absolute


def model_folders(kind: str) -> list[Path]:
    """The folders in which models of a kind lie, such as ``"detection"``; they may not exist.

    In ComfyUI those that it knows, else ``models/<kind>``. Without ComfyUI the one inside the
    folder that the environment names as ``LOUPE_MODELS``, or none.
    """
    if not IN_COMFYUI:
        named = os.environ.get("LOUPE_MODELS")
        return [Path(named, kind)] if named else []
    import folder_paths

    if kind in folder_paths.folder_names_and_paths:
        return [Path(folder) for folder in folder_paths.get_folder_paths(kind)]
    return [Path(folder_paths.models_dir, kind)]
