"""The door to ComfyUI: whatever the pack takes from its host, it takes from here.

- io               what a node declares: ``io.ComfyNode``, ``io.Schema``, the socket types
- ComfyExtension   what the pack hands to the host
- progress         how much of a long job is done, and where the user may stop it
- model_folders    where models of a kind lie on this machine
- output_folder    where the user's results lie
- save_folder      the same for a node that must save; save_target a free name there, and
                   saved_picture how the browser is told of it
- temp_folder      where files lie that need not outlast the host
- input_file       the file that a Load Image node names
- pack_version     of Portrait Loupe
- wants_metadata   whether the graph may be written into files
- saving_into      where a run of the stand-in host saves
- compute_device   where long work is done
- model_hooks      what is needed to add to the attention of a diffusion model
- sampler_choices  the samplers and schedulers of KSampler
- execution_blocker  what a node gives so that nothing behind it runs
- is_output_node   whether ComfyUI runs a graph for nodes of a class

Without ComfyUI the same door opens on the stand-in host (``standin``). Which one it is depends
on whether ComfyUI is there, never on whether importing it worked: a broken host must be seen.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

IN_COMFYUI = find_spec("comfy_api") is not None

if IN_COMFYUI:
    from comfy_api.v0_0_2 import ComfyExtension, io
else:
    from .standin import schema as io
    from .standin.schema import ComfyExtension

__all__ = [
    "ComfyExtension",
    "ModelHooks",
    "compute_device",
    "execution_blocker",
    "input_file",
    "io",
    "is_output_node",
    "model_folders",
    "model_hooks",
    "output_folder",
    "pack_version",
    "previewed",
    "progress",
    "sampler_choices",
    "save_folder",
    "save_target",
    "saved_picture",
    "saving_into",
    "temp_folder",
    "wants_metadata",
]

_run_folder: ContextVar[Path | None] = ContextVar("run_folder", default=None)


def progress(total: int) -> Callable[[int], None]:
    """Show on the running node how many of ``total`` are done, by calling what this returns.

    In ComfyUI each call is also where a run that the user has cancelled stops.
    """
    if not IN_COMFYUI:
        return lambda done: None
    from comfy.model_management import throw_exception_if_processing_interrupted
    from comfy.utils import ProgressBar

    bar = ProgressBar(total)

    def tick(done: int) -> None:
        # the bar itself looks only where what is done has grown by half a percent
        throw_exception_if_processing_interrupted()
        bar.update_absolute(done)

    return tick


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


@dataclass(frozen=True)
class ModelHooks:
    """Of ComfyUI's, by which a node adds to a diffusion model."""

    attention: Callable[..., "torch.Tensor"]
    """``optimized_attention``, whatever the user's settings make of it."""
    masked_attention: Callable[..., "torch.Tensor"]
    """PyTorch's, with the same arguments: it honours every mask, which others do not."""
    before_sampling: str
    """The name of the callback that is called when sampling begins."""
    after_sampling: str
    around_model: str
    """The name of the wrapper that each call of the diffusion model goes through."""
    patcher: Callable[[Any], Any]
    """A module as ComfyUI's model management keeps it."""
    load: Callable[[Any], None]
    """Brings such a module to the device."""
    lora: Callable[["torch.Tensor", "torch.Tensor"], Any]
    """up (h, rank) and down (rank, in) as what ``add_patches`` takes: ``weight + strength * up @ down``."""


def model_hooks() -> ModelHooks:
    """What changes a diffusion model.

    Raises
    ------
    RuntimeError
        Without ComfyUI, which alone has such models.
    """
    if not IN_COMFYUI:
        raise RuntimeError(
            "this node changes a diffusion model, which only ComfyUI has: run the graph there."
        )
    from comfy.ldm.modules.attention import attention_pytorch, optimized_attention
    from comfy.model_management import get_torch_device, load_model_gpu, unet_offload_device
    from comfy.model_patcher import ModelPatcher
    from comfy.patcher_extension import CallbacksMP, WrappersMP
    from comfy.weight_adapter import LoRAAdapter

    return ModelHooks(
        attention=optimized_attention,
        masked_attention=attention_pytorch,
        before_sampling=CallbacksMP.ON_PRE_RUN,
        after_sampling=CallbacksMP.ON_CLEANUP,
        around_model=WrappersMP.DIFFUSION_MODEL,
        patcher=lambda module: ModelPatcher(module, get_torch_device(), unet_offload_device()),
        load=load_model_gpu,
        # neither alpha, nor a middle, nor magnitudes, nor another shape
        lora=lambda up, down: LoRAAdapter(set(), (up, down, None, None, None, None)),
    )


def sampler_choices() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The samplers and the schedulers that KSampler offers; one of each where no ComfyUI runs.

    ComfyUI that runs has loaded its own nodes before any pack, and with them what is imported here.
    """
    if not IN_COMFYUI or "nodes" not in sys.modules:
        return ("euler",), ("normal",)
    from comfy.samplers import KSampler

    return tuple(KSampler.SAMPLERS), tuple(KSampler.SCHEDULERS)


def execution_blocker() -> Any:
    """As the value of an output it keeps what is linked there from running; the run ends well.

    Raises
    ------
    RuntimeError
        Without ComfyUI, which alone can leave out nodes.
    """
    if not IN_COMFYUI:
        raise RuntimeError(
            "this node waits for a choice, and what follows it is left out: only ComfyUI can do that. "
            "Run the graph there."
        )
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(None)


def is_output_node(class_type: str) -> bool:
    """Whether a graph is run for nodes of this class, as for a preview; False where nobody knows it.

    ComfyUI that runs has loaded its own nodes, and with them where all packs' are registered.
    """
    known = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {}) if IN_COMFYUI else {}
    return getattr(known.get(class_type), "OUTPUT_NODE", False) is True


def output_folder() -> Path | None:
    """ComfyUI's output folder. Without ComfyUI the folder that LOUPE_OUTPUT names, or None."""
    if not IN_COMFYUI:
        named = os.environ.get("LOUPE_OUTPUT")
        return Path(named) if named else None
    import folder_paths

    return Path(folder_paths.get_output_directory())


@contextmanager
def saving_into(folder: Path) -> Iterator[None]:
    """Within it ``save_folder`` is this one where there is no ComfyUI: a run's ``--output``."""
    before = _run_folder.set(folder)
    try:
        yield
    finally:
        _run_folder.reset(before)


def save_folder() -> Path:
    """The output folder, for a node that must save.

    Raises
    ------
    RuntimeError
        Without ComfyUI: neither a run nor LOUPE_OUTPUT names one.
    """
    folder = None if IN_COMFYUI else _run_folder.get()
    folder = folder or output_folder()
    if folder is None:
        raise RuntimeError(
            "there is no output folder to save into: set LOUPE_OUTPUT to one, or use ComfyUI."
        )
    return folder


def save_target(prefix: str, width: int, height: int) -> tuple[Path, str, int]:
    """Where ComfyUI's Save Image would save: the folder (it is made), a name, and a free number.

    ``%width%``, ``%height%``, ``%year%``, ``%month%``, ``%day%``, ``%hour%``, ``%minute%`` and
    ``%second%`` in the prefix are filled in.
    """
    if IN_COMFYUI:
        import folder_paths

        folder, name, number, *_ = folder_paths.get_save_image_path(
            prefix, str(save_folder()), width, height
        )
        return Path(folder), name, number
    words = ("year", "month", "day", "hour", "minute", "second")
    now = [f"{part:02}" for part in time.localtime()[:6]]
    known = [("width", width), ("height", height), *zip(words, now, strict=True)]
    for word, value in known:
        prefix = prefix.replace(f"%{word}%", str(value))
    target = save_folder() / prefix
    target.parent.mkdir(parents=True, exist_ok=True)
    counted = re.compile(re.escape(target.name) + r"_(\d+)")
    numbers = [
        int(found[1]) for path in target.parent.iterdir() if (found := counted.match(path.name))
    ]
    return target.parent, target.name, max(numbers, default=0) + 1


def previewed(pictures: "torch.Tensor") -> dict[str, Any]:
    """What a node adds to its ``ui`` so that pictures (B, H, W, 3) are shown on it; nothing without ComfyUI."""
    if not IN_COMFYUI:
        return {}
    from comfy_api.v0_0_2 import ui

    return ui.PreviewImage(pictures).as_dict()


def saved_picture(path: Path) -> dict[str, str]:
    """A saved picture as a node shows it in the browser."""
    if not IN_COMFYUI:
        return {"path": str(path)}
    within = path.relative_to(save_folder()).parent.as_posix()
    return {
        "filename": path.name,
        "subfolder": "" if within == "." else within,
        "type": "output",
    }


def temp_folder() -> Path | None:
    """Where files lie that need not outlast the host; it is made where that is possible.

    In ComfyUI its temp folder, which it empties when it starts and which the browser may read.
    Without ComfyUI the folder that LOUPE_TEMP names, or None.
    """
    if IN_COMFYUI:
        import folder_paths

        folder = Path(folder_paths.get_temp_directory())
    elif named := os.environ.get("LOUPE_TEMP"):
        folder = Path(named)
    else:
        return None
    with suppress(OSError):  # who writes there says why it cannot be done
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def wants_metadata() -> bool:
    """Whether the graph may be written into files: not when ComfyUI runs with --disable-metadata."""
    if not IN_COMFYUI:
        return True
    from comfy.cli_args import args

    return not args.disable_metadata


def input_file(name: str) -> Path | None:
    """The file that a Load Image node names, or None where there is none inside the host's folders."""
    if not IN_COMFYUI or not name or "\x00" in name:
        return None
    import folder_paths

    if not folder_paths.exists_annotated_filepath(name):
        return None
    path = Path(folder_paths.get_annotated_filepath(name)).resolve()
    folders = (
        folder_paths.get_input_directory(),
        folder_paths.get_output_directory(),
        folder_paths.get_temp_directory(),
    )
    return path if any(path.is_relative_to(Path(folder).resolve()) for folder in folders) else None


def pack_version() -> str:
    """The version of this pack, or nothing where it cannot be told."""
    from importlib.metadata import PackageNotFoundError, version

    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.is_file():
        found = re.search(r'^version = "([^"]+)"$', project.read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1]
    try:
        return version("portrait-loupe")
    except PackageNotFoundError:
        return ""
