import pytest
import torch

from portrait_loupe.nodes.identity.references.family import family_of


def network(name, base=torch.nn.Module, **attributes):
    kind = type(name, (base,), {})
    made = kind()
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def test_each_family_has_its_hook_and_its_token():
    flux = family_of(network("Flux", patch_size=1))
    assert (flux.family.patched, flux.patch, flux.multiple, flux.refiners) == (True, 1, 1, 0)
    assert family_of(network("SingleStreamDiT", patch=2)).patch == 2
    assert not family_of(network("QwenImageTransformer2DModel", patch_size=2)).family.patched
    two, one = (torch.nn.ModuleList([torch.nn.Identity()] * n) for n in (2, 1))
    omni = family_of(
        network(
            "NextDiT", patch_size=2, pad_tokens_multiple=32, context_refiner=two, siglip_refiner=one
        )
    )
    assert (omni.family.omni, omni.multiple, omni.refiners) == (True, 32, 3)
    plain = family_of(network("NextDiT", patch_size=2, context_refiner=two, siglip_refiner=None))
    assert (plain.multiple, plain.refiners) == (1, 2)
    assert plain.own_forward == ""


def test_what_another_pack_makes_of_a_known_model_is_named():
    base = type("QwenImageTransformer2DModel", (torch.nn.Module,), {})
    found = family_of(network("NunchakuQwenImage", base, patch_size=2))
    assert found.family.name == "Qwen-Image"
    assert found.own_forward == "NunchakuQwenImage"


def test_an_unknown_model_is_refused_by_name():
    for name in ("UNetModel", "ComfyFluxWrapper", "OmniGen2Transformer2DModel"):
        with pytest.raises(
            ValueError, match=f"references of this model .{name}. cannot be weighed"
        ):
            family_of(network(name))
    base = type("NextDiT", (torch.nn.Module,), {})
    with pytest.raises(ValueError, match="NextDiTPixelSpace"):
        family_of(network("NextDiTPixelSpace", base))
