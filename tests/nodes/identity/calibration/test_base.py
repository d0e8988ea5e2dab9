from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.identity.calibration.base import base_of

Kept = namedtuple("Kept", ["weight", "inplace_update"])


class SDXL:
    """Stands for a host's kind of model: its name is what counts."""


def model(seed=0, kind=SDXL, width=8, **other):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(20)))
    inner = SimpleNamespace(diffusion_model=network, model_config=kind())
    return SimpleNamespace(model=inner, backup={}, **other)


def test_the_same_weights_are_the_same_model_and_others_another():
    kind, first = base_of(model())
    assert kind == "SDXL"
    assert base_of(model())[1] == first
    assert len({first, base_of(model(1))[1], base_of(model(width=9))[1], base_of(model(kind=dict))[1]}) == 4  # fmt: skip


def test_a_lora_on_its_weights_changes_nothing():
    plain, patched = model(), model()
    with torch.no_grad():
        for layer in patched.model.diffusion_model:
            layer.weight += 1
    assert base_of(patched) == base_of(plain)


def test_where_a_patch_lies_on_a_bias_what_was_there_before_is_read():
    plain, patched = model(), model()
    with torch.no_grad():
        for name, one in patched.model.diffusion_model.named_parameters():
            if name.endswith("bias"):
                patched.backup[f"diffusion_model.{name}"] = Kept(one.clone(), False)
                one += 1
    assert base_of(patched) == base_of(plain)
    patched.backup.clear()
    assert base_of(patched) != base_of(plain)


def test_what_is_no_diffusion_model_is_refused():
    with pytest.raises(ValueError, match="model must be a diffusion model"):
        base_of(object())


def test_on_comfyui_a_clone_with_the_adapters_lora_is_the_same_model(comfy):
    import comfy.model_management as management

    shallow = {"depth": 1, "depth_single_blocks": 1}
    one = comfy.tiny.built(comfy.models.Flux, comfy.tiny.FLUX | shallow)
    kind, before = base_of(one)
    assert kind == "Flux"
    clone = one.clone()
    name = "diffusion_model.double_blocks.0.img_attn.proj"
    weight = one.model.state_dict()[f"{name}.weight"]
    bias = one.model.state_dict()[f"{name}.bias"]
    patches = {
        f"{name}.weight": ("diff", (torch.ones_like(weight),)),
        **{f"{key}": ("diff", (torch.ones_like(value),)) for key, value in one.model.state_dict().items() if value.ndim == 1},
    }  # fmt: skip
    clone.add_patches(patches, 1.0)
    bias = bias.clone()
    management.load_models_gpu([clone])
    assert not torch.equal(clone.model.state_dict()[f"{name}.bias"], bias)  # it is patched in place
    assert base_of(clone)[1] == base_of(one)[1] == before
    comfy.unload()
    assert base_of(one)[1] == before
