import numpy as np
import pytest

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.apply.apply import Applied
from portrait_loupe.nodes.identity.apply.planned import Planned
from portrait_loupe.nodes.identity.apply.report import CONTROLNET, adapter_words, applied_words
from portrait_loupe.nodes.identity.apply.settings import Settings
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference


@pytest.fixture
def adapters(identity_adapters):
    def made(kind, base="SD1.5", extra=None):
        tensors = flatten(identity_adapters.build(kind, base)) | (extra or {})
        return recognise(tensors, identity_adapters.file_name(kind, base), sha256="c" * 64)

    return made


def somebody(encoder):
    one = Reference(
        quality=0.5, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    raw = np.ones((2, 512), np.float32)
    return Identity("Ada", (one, one), (Embedded(encoder, "a" * 64, "none", raw),))


def told(adapter, settings=None, **done):
    settings = settings or Settings()
    plain = {
        "model": None, "weight": settings.weight, "factor": 1.0, "planned": None,
        "layers": len(adapter.cross_layers), "reference": None, "lora": "", "mask_share": None,
    }  # fmt: skip
    applied = Applied(**{**plain, **done})
    return applied_words(applied, adapter, somebody(adapter.encoder), settings)


def test_an_adapter_is_told_with_what_is_not_used_of_it(adapters):
    spare = {f"spare.{name}": flatten(adapters("faceid").tensors)["image_proj.norm.bias"] for name in "abcd"}  # fmt: skip
    words = adapter_words(adapters("faceid", extra=spare))
    assert words.startswith("ip-adapter-faceid_sd15.bin: FaceID for SD1.5\n4 tokens of 64, 16 layers, and a LoRA of 128 weights\n")  # fmt: skip
    assert words.endswith("not used of the file: spare.a, spare.b, spare.c and 1 more")
    assert "sha256 cccccccc" in words


def test_what_was_done_is_told_in_plain_words(adapters):
    words = told(adapters("faceid"), lora="the LoRA")
    assert words.split("\n") == [
        "Ada by FaceID (ip-adapter-faceid_sd15.bin) for SD1.5: the centre of 2 faces kept, w600k_r50 (sha aaaaaaaa)",
        "it acts in 16 of 16 cross-attention layers, the middle block too, layers: uniform",
        "weight 0.8",
        "when: all of sampling",
        "the LoRA",
    ]


def test_when_where_and_how_strongly(adapters):
    settings = Settings(prominence="compensate", start=0.1, end=0.9, fade_in=0.2, layers="0-7:1")
    words = told(
        adapters("portrait"), settings, weight=1.12, factor=1.4, layers=8, mask_share=0.25, reference=0,
        planned=Planned(0.05, 300.0, "the linked face"),
    )  # fmt: skip
    assert "in 8 of 16 cross-attention layers, layers: 0-7:1" in words
    assert "weight 0.8 x 1.40 (compensate) = 1.12; the face takes 5 % of the canvas, 300 px tall, by the linked face" in words  # fmt: skip
    assert "when: from 10 % to 90 % of sampling, coming over 20 % and going over 0 %" in words
    assert "within the mask, 25.0 % of the picture" in words
    assert "CLIP saw face 1" in words
    assert "second pass" not in words


def test_a_face_that_no_weight_helps_is_said_whatever_the_mode(adapters):
    words = told(adapters("portrait"), planned=Planned(0.001, 40.0, "the linked face"))
    assert "weight 0.8, prominence off; the face takes 0.1 %" in words
    assert "planned 40 px tall: no weight helps there. Make it anew in a second pass" in words


def test_instantids_other_half_is_named(adapters):
    assert CONTROLNET in told(adapters("instantid", "SDXL"))
    assert CONTROLNET in adapter_words(adapters("instantid", "SDXL"))
    assert CONTROLNET not in told(adapters("faceid"))


def test_that_it_does_nothing_is_said(adapters):
    assert "it acts nowhere (weight, layers or mask are 0)" in told(adapters("faceid"), layers=0)
