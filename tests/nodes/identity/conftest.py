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
