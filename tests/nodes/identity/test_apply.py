"""What is decided before a model is touched; the model's own part is in test_apply_on_comfyui.py."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.faces import OVAL, Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops
from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.apply import (
    Settings,
    apply_identity,
    check_fits,
    crop_for_clip,
    embedding_of,
    planned_size,
    refuse_unfinished,
    tokens_of,
    too_small,
)
from portrait_loupe.nodes.identity.encode.align import aligned_crop
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference


@pytest.fixture(scope="module")
def adapters(identity_adapters):
    def made(kind, base="SD1.5", **sizes):
        checkpoint = identity_adapters.build(kind, base, **sizes)
        return recognise(flatten(checkpoint), identity_adapters.file_name(kind, base))

    return made


def somebody(encoder="w600k_r50", crops=(None, None, None), qualities=(0.5, 0.9, 0.7), length=20.0):
    random = np.random.default_rng(0)
    shared = random.normal(size=512)
    raw = shared + 0.3 * random.normal(size=(len(crops), 512))
    raw = (raw / np.linalg.norm(raw, axis=1, keepdims=True) * length).astype(np.float32)
    references = tuple(
        Reference(
            quality=quality, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
            image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
            crop512=crop,
        )
        for quality, crop in zip(qualities, crops, strict=True)
    )  # fmt: skip
    return Identity("Ada", references, (Embedded(encoder, "a" * 64, "none", raw),))


def face_at(x, y, iod):
    return Face(((x - iod / 2, y), (x + iod / 2, y)))


# ---- the embedding


def test_a_normed_embedding_is_the_centre_and_a_raw_one_is_as_long_as_the_photos(adapters):
    who = somebody()
    (embedded,) = who.embedded
    normed = embedding_of(adapters("faceid"), who)
    assert normed.shape == (1, 512)
    assert_close(normed[0].double(), torch.from_numpy(who.center(embedded)), atol=1e-6, rtol=0)
    assert normed.norm() == pytest.approx(1, abs=1e-6)
    raw = embedding_of(adapters("unnorm", "SDXL"), who)
    assert raw.norm() == pytest.approx(20, rel=1e-5)
    assert_close(raw / raw.norm(), normed, atol=1e-6, rtol=0)


def test_another_encoders_embedding_is_never_taken(adapters):
    told = r"the profile 'Ada' holds glintr100 .*, the adapter needs w600k_r50"
    with pytest.raises(ValueError, match=told):
        embedding_of(adapters("faceid"), somebody("glintr100"))
    with pytest.raises(ValueError, match=r"holds w600k_r50 .*, the adapter needs glintr100"):
        embedding_of(adapters("instantid", "SDXL"), somebody())


# ---- what CLIP sees


@pytest.mark.parametrize(("base", "size"), [("SD1.5", 224), ("SDXL", 256)])
def test_clip_sees_the_crop_that_arcface_would_be_given_at_that_size(adapters, base, size):
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    ramp = torch.stack([(columns - 28) / 200, (rows - 18) / 200, torch.zeros(256, 256)], -1)
    face = Face(((97.0, 110.0), (158.0, 117.0)))
    big = aligned_crop(ramp.clamp(0, 1), face, 512)
    who = somebody(crops=(None, big, big))
    index, crop = crop_for_clip(adapters("plusv2", base), who, who.embedded[0])
    assert index == 1
    assert crop.shape == (1, size, size, 3)
    direct = torch.from_numpy(aligned_crop(ramp.clamp(0, 1), face, size).copy()).float() / 255
    inner = slice(size // 4, -size // 4)
    off = (crop[0] - direct)[inner, inner, :2].mean((0, 1))
    # the colour tells the place: one pixel of the crop is 0.0043; rounding to 8 bits averages out
    assert off.abs().max() < 0.0005


def test_the_face_that_counts_most_is_shown_of_those_that_are_stored(adapters):
    grey = [np.full((512, 512, 3), level, np.uint8) for level in (51, 102, 153)]
    adapter = adapters("plus")
    for crops, index in (
        (grey, 1),
        ((grey[0], None, grey[2]), 2),
        ((grey[0], None, None), 0),
    ):
        who = somebody(crops=crops)
        found, crop = crop_for_clip(adapter, who, who.embedded[0])
        assert found == index
        assert_close(crop, torch.full((1, 224, 224, 3), (index + 1) / 5))
    with pytest.raises(ValueError, match=r"the profile 'Ada' keeps no picture .* store_crops"):
        crop_for_clip(adapter, somebody(), somebody().embedded[0])


def test_faceid_plus_asks_for_clip_h_by_name(adapters):
    who = somebody(crops=(np.zeros((512, 512, 3), np.uint8), None, None))
    adapter = adapters("plusv2")
    with pytest.raises(ValueError, match="link clip_vision, from Load CLIP Vision with CLIP-ViT-H"):
        tokens_of(adapter, who, Settings(), None)
    with pytest.raises(
        ValueError, match="takes CLIP states of 80 numbers, the linked clip_vision gives 70"
    ):
        tokens_of(adapter, who, Settings(), lambda picture: torch.zeros(1, 257, 70))


def test_the_shortcut_is_twice_the_weight_unless_it_is_set(adapters):
    who = somebody(crops=(np.zeros((512, 512, 3), np.uint8), None, None))
    adapter = adapters("plusv2")

    def see(picture):
        return torch.randn(1, 257, 80, generator=torch.Generator().manual_seed(1))

    def of(**chosen):
        return tokens_of(adapter, who, Settings(**chosen), see)[0].positive

    assert torch.equal(of(weight=0.7), of(weight=0.1, shortcut=1.4))
    none, one, two = of(shortcut=0.0), of(shortcut=1.0), of(shortcut=2.0)
    assert_close(two - one, one - none, atol=1e-5, rtol=0)
    assert not torch.equal(one, none)


def test_instantids_noise_changes_the_negative_alone(adapters):
    who, adapter = somebody("glintr100"), adapters("instantid", "SDXL")
    plain, _ = tokens_of(adapter, who, Settings(), None)
    noisy, _ = tokens_of(adapter, who, Settings(noise=0.35), None)
    assert torch.equal(plain.positive, noisy.positive)
    assert not torch.equal(plain.negative, noisy.negative)


# ---- the size of the face


def test_the_share_is_the_faces_oval_in_the_canvas():
    iod = 100.0
    faces = Faces(
        (1000, 800),
        ((), (face_at(300, 300, iod), face_at(700, 300, 50)), (face_at(500, 300, 200),)),
        "test",
    )
    planned = planned_size(None, faces)
    assert planned.share == pytest.approx(math.pi / 4 * OVAL[0] * OVAL[1] * iod**2 / 800_000)
    assert planned.face_px == pytest.approx(OVAL[1] * iod)
    assert planned_size(None, None) is None
    assert planned_size(None, Faces((10, 10), ((),), "test")) is None


def test_a_plan_tells_the_size_inside_the_model_and_comes_before_faces():
    faces = Faces((4000, 3000), ((face_at(2000, 1500, 60),),), "test")
    plan = plan_crops(faces, "CU close-up", "SDXL")
    planned, apart = planned_size(plan, faces), planned_size(None, faces)
    assert planned == planned_size(plan, None)
    iod = 60 * plan.scales[0]
    width, height = plan.output_size
    assert planned.share == pytest.approx(
        math.pi / 4 * OVAL[0] * OVAL[1] * iod**2 / (width * height)
    )
    assert planned.share > 20 * apart.share
    assert "CU close-up" in planned.source


def test_a_face_that_fills_more_than_the_canvas_fills_it():
    assert planned_size(None, Faces((100, 100), ((face_at(50, 50, 90),),), "test")).share == 1


def test_below_64_px_no_weight_helps():
    for height, small in ((63.0, True), (65.0, False)):
        faces = Faces((1000, 1000), ((face_at(500, 500, height / OVAL[1]),),), "test")
        assert too_small(planned_size(None, faces)) is small
    assert not too_small(None)


# ---- settings


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"weight": -0.1}, "weight must be 0 to 3; got -0.1"),
        ({"weight": math.nan}, "weight must be 0 to 3; got nan"),
        ({"weight": 3.5}, "weight must be"),
        ({"lora_weight": 2.5}, "lora_weight must be 0 to 2"),
        ({"noise": 1.5}, "noise must be 0 to 1"),
        ({"shortcut": -0.5}, "shortcut must be 0 to 6, or -1: twice the weight"),
        (
            {"layers": "composition"},
            "layers must be a list of layers and their factors, such as 0:1",
        ),
    ],
)
def test_what_is_out_of_range_is_named(chosen, told):
    with pytest.raises(ValueError, match=told):
        Settings(**chosen)


def test_a_typed_list_comes_before_the_curve():
    assert Settings(curve="ease in").spread == "ease in"
    assert Settings(curve="ease in", layers=" 0:1 ").spread == "0:1"


# ---- the model


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


def test_pulid_flux_is_not_yet_applied(adapters):
    adapter = adapters("pulid_flux", "Flux")
    with pytest.raises(
        ValueError,
        match=r"PuLID-Flux .* EVA02-CLIP-L-336, which this version of Loupe does not run yet",
    ):
        refuse_unfinished(adapter)
    with pytest.raises(ValueError, match="can be loaded, but not applied"):
        apply_identity(None, adapter, somebody("glintr100"), Settings(), None)


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
def test_bad_input_is_refused_before_the_model_is_touched(adapters, chosen, fed, told):
    with pytest.raises(ValueError, match=told):
        apply_identity(sd15(), adapters("faceid"), somebody(), Settings(**chosen), None, **fed)


def test_weight_0_gives_a_clone_with_nothing_on_it(adapters):
    applied = apply_identity(sd15(), adapters("faceid"), somebody(), Settings(weight=0.0), None)
    assert applied.model == "a clone"
    assert applied.layers == 0
    assert applied.weight == 0
    assert applied.lora == ""
