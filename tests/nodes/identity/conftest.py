import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(scope="session")
def comfy():
    """Of ComfyUI, where it can be imported, what tests on its own sampler use; and ``comfy.built``."""
    pytest.importorskip("comfy.cli_args").args.cpu = True
    import comfy.model_management
    import comfy.model_patcher
    import comfy.patcher_extension
    import comfy.sample
    import comfy.supported_models
    from comfy.ldm.modules.attention import optimized_attention

    return SimpleNamespace(
        models=comfy.supported_models,
        sample=comfy.sample.sample,
        patcher=comfy.model_patcher.ModelPatcher,
        attention=optimized_attention,
        wrappers=comfy.patcher_extension.WrappersMP,
        callbacks=comfy.patcher_extension.CallbacksMP,
        unload=comfy.model_management.unload_all_models,
        built=_built,
    )


def _built(kind, config):
    """A tiny model of a kind of ``comfy.models``, of random weights, the same each time."""
    from comfy.model_patcher import ModelPatcher

    settings = kind({**config, "dtype": torch.float32})
    settings.set_inference_dtype(torch.float32, None)
    model = settings.get_model({}, "", device="cpu")
    made = torch.Generator().manual_seed(1)
    for name, weight in model.diffusion_model.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data = torch.randn(weight.shape, generator=made) * spread
        if weight.ndim == 1 and name.endswith(("weight", "scale")):
            weight.data += 1  # of a norm
    return ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


@pytest.fixture(scope="session")
def eva_clips():
    """The module that builds tiny EVA-CLIP files: tests/eva_clips.py."""
    path = Path(__file__).parents[2] / "eva_clips.py"
    place = importlib.util.spec_from_file_location("eva_clips", path)
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, also where PyPI's wheel, compiled for CUDA, meets a torch for the CPU.

    That wheel describes two operators when it is imported that it could not register; their names suffice.
    """
    try:
        return pytest.importorskip("torchvision", reason="torchvision is not installed")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision as found

        found.declared = library  # they last as long as the library does
        return found


@pytest.fixture(scope="session")
def timm(torchvision):
    """timm, through which EVA-CLIP files are read."""
    return pytest.importorskip("timm.models.eva", reason="timm is not installed")
