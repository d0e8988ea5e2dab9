"""What is decided before a model is touched; the model's own part is in test_on_comfyui.py."""

import math
from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.apply.apply import apply_identity
from portrait_loupe.nodes.identity.apply.flux import check_fits as check_flux
from portrait_loupe.nodes.identity.apply.settings import Settings
from portrait_loupe.nodes.identity.apply.unet import check_fits


def linear(width, taken):
    return torch.nn.Linear(taken, width, bias=False, device="meta")


def sd15(unit=8, text=64):
    """The places of SD1.5's cross-attention, as the host names them, and nothing else."""
    levels = [1] * 2 + [2] * 2 + [4] * 2 + [4] * 3 + [2] * 3 + [1] * 3 + [4]
    spots = [f"input_blocks.{i}.1" for i in (1, 2, 4, 5, 7, 8)]
    spots += [f"output_blocks.{i}.1" for i in range(3, 12)] + ["middle_block.1"]
    network = torch.nn.Module()
    for spot, level in zip(spots, levels, strict=True):
        at = network
        for name in [*spot.split("."), "transformer_blocks", "0", "attn2"]:
            if not hasattr(at, name):
                at.add_module(name, torch.nn.Module())
            at = getattr(at, name)
        at.to_q, at.to_k = linear(unit * level, unit * level), linear(unit * level, text)
    parts = {
        "diffusion_model": network,
        "model_sampling": SimpleNamespace(percent_to_sigma=lambda share: 14 * (1 - share)),
    }
    return SimpleNamespace(get_model_object=parts.__getitem__, clone=lambda: "a clone")


def test_the_models_layers_must_be_the_adapters(adapters):
    check_fits(sd15(), adapters("faceid"))
    with pytest.raises(ValueError, match=r"is for SDXL; .* has no cross-attention input 4 1"):
        check_fits(sd15(), adapters("faceid", "SDXL"))
    with pytest.raises(
        ValueError, match=r"input 1 0 is 8 wide on a text of 64, the model's .* is 16 on 64"
    ):
        check_fits(sd15(unit=16), adapters("faceid"))
    with pytest.raises(ValueError, match=r"the model's .* is 8 on 96"):  # as SD2's text is wider
        check_fits(sd15(text=96), adapters("faceid"))


def flux(width=64, doubles=19, singles=38):
    network = SimpleNamespace(
        hidden_size=width, double_blocks=range(doubles), single_blocks=range(singles)
    )
    return SimpleNamespace(get_model_object={"diffusion_model": network}.__getitem__)


def test_pulid_wants_the_blocks_of_flux_1_as_wide_as_its_own(adapters, somebody):
    adapter = adapters("pulid_flux", "Flux")
    width = adapter.sizes["image"]
    check_flux(flux(width), adapter)
    for model, told in (
        (sd15(), "is for FLUX.1; the model .Module. has no double and single blocks. Load a model of FLUX.1"),
        (flux(width, 8, 48), "19 double and 38 single blocks; the model .* has 8 and 48"),
        (flux(width + 8), f"made for image tokens of {width} numbers, the model's .* have {width + 8}"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            apply_identity(model, adapter, somebody("glintr100"), Settings(), None)


@pytest.mark.parametrize(
    ("chosen", "fed", "told"),
    [
        ({"prominence": "follow"}, {}, "prominence follow goes by the size of the face, and none is known: link"),
        ({"prominence": "more"}, {}, "prominence must be one of off, follow, compensate"),
        ({"start": 0.6, "end": 0.4}, {}, "start and end must be shares of sampling"),
        ({"fade_in": 0.7, "fade_out": 0.7}, {}, "must be at least 0 and fit"),
        ({"curve": "composition"}, {}, "is one of SDXL's 11 transformers, this model has 16"),
        ({"layers": "0:1, 16:1"}, {}, "this model's layers are 0 to 15"),
        ({}, {"mask": torch.zeros(3)}, "mask must be .B, H, W."),
        ({}, {"mask": torch.full((1, 4, 4), math.nan)}, "values that are no numbers"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_the_model_is_touched(adapters, somebody, chosen, fed, told):
    with pytest.raises(ValueError, match=told):
        apply_identity(sd15(), adapters("faceid"), somebody(), Settings(**chosen), None, **fed)


def test_weight_0_gives_a_clone_with_nothing_on_it(adapters, somebody):
    applied = apply_identity(sd15(), adapters("faceid"), somebody(), Settings(weight=0.0), None)
    assert applied.model == "a clone"
    assert applied.layers == 0
    assert applied.weight == 0
    assert applied.lora == ""


def test_the_face_and_a_linked_mask_are_multiplied(adapters, somebody):
    faces = Faces((800, 800), ((Face(((350.0, 400.0), (450.0, 400.0))),),), "test")
    left = torch.zeros(1, 64, 64)
    left[..., :32] = 1

    def share(**fed):
        settings = Settings(weight=0.0, area="face")
        return apply_identity(
            sd15(), adapters("faceid"), somebody(), settings, None, faces=faces, **fed
        ).mask_share

    assert share(mask=left) == pytest.approx(share() / 2, rel=1e-3)
    assert share(mask=torch.ones(1, 64, 64)) == pytest.approx(share(), rel=1e-3)
