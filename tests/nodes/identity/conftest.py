import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(autouse=True)
def nothing_reaches_the_network(monkeypatch):
    """The nodes that begin with a model of ComfyUI's run here, and not in tests/promises/test_no_network.py."""

    def refuse(*given, **_):
        pytest.fail(f"something reached for the network: {given[-1]!r}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.fixture(scope="session")
def comfy(module_of):
    """Of ComfyUI, where it can be imported, what tests on its own sampler use; ``comfy.tiny`` is tests/tiny_diffusion.py."""
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
        tiny=module_of(Path(__file__).parents[2] / "tiny_diffusion.py"),
    )


@pytest.fixture(scope="module")
def sd15(comfy):
    return comfy.tiny.built(comfy.models.SD15, comfy.tiny.SD15)


@pytest.fixture(scope="module")
def flux(comfy):
    return comfy.tiny.built(comfy.models.Flux, comfy.tiny.FLUX)


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
