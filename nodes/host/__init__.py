"""The door to ComfyUI: whatever the pack takes from its host, it takes from here.

- io               what a node declares: ``io.ComfyNode``, ``io.Schema``, the socket types
- ComfyExtension   what the pack hands to the host
- progress         how much of a long job is done, and where the user may stop it
- model_folders    where models of a kind lie on this machine
- output_folder    where the user's results lie
- compute_device   where long work is done

Without ComfyUI the same door opens on the stand-in host (``standin``). Which one it is depends
on whether ComfyUI is there, never on whether importing it worked: a broken host must be seen.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IN_COMFYUI = find_spec("comfy_api") is not None

if IN_COMFYUI:
    from comfy_api.v0_0_2 import ComfyExtension, io
else:
    from .standin import schema as io
    from .standin.schema import ComfyExtension

__all__ = ["ComfyExtension", "compute_device", "io", "model_folders", "output_folder", "progress"]


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


def compute_device() -> "torch.device":
    """The device that work in strips may use: the CUDA device that ComfyUI computes on, else the CPU.

    Apple's and other devices lack float64, or operations that the kernels need: the CPU does it.
    """
    import torch

    if IN_COMFYUI:
        from comfy.model_management import get_torch_device

        device = get_torch_device()
        return device if device.type == "cuda" else torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def output_folder() -> Path | None:
    """ComfyUI's output folder. Without ComfyUI the folder that LOUPE_OUTPUT names, or None."""
    if not IN_COMFYUI:
        named = os.environ.get("LOUPE_OUTPUT")
        return Path(named) if named else None
    import folder_paths

    return Path(folder_paths.get_output_directory())
