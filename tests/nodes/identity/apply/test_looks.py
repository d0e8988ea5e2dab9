import numpy as np
import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.identity.apply.looks import Eyes, crop_for_clip, embedding_of, tokens_of
from portrait_loupe.nodes.identity.apply.settings import Settings
from portrait_loupe.nodes.identity.encode.align import aligned_crop


def test_a_normed_embedding_is_the_centre_and_a_raw_one_is_as_long_as_the_photos(
    adapters, somebody
):
    who = somebody()
    (embedded,) = who.embedded
    normed = embedding_of(adapters("faceid"), who)
    assert normed.shape == (1, 512)
    assert_close(normed[0].double(), torch.from_numpy(who.center(embedded)), atol=1e-6, rtol=0)
    assert normed.norm() == pytest.approx(1, abs=1e-6)
    raw = embedding_of(adapters("unnorm", "SDXL"), who)
    assert raw.norm() == pytest.approx(20, rel=1e-5)
    assert_close(raw / raw.norm(), normed, atol=1e-6, rtol=0)


def test_another_encoders_embedding_is_never_taken(adapters, somebody):
    told = r"the profile 'Ada' holds glintr100 .*, the adapter needs w600k_r50"
    with pytest.raises(ValueError, match=told):
        embedding_of(adapters("faceid"), somebody("glintr100"))
    with pytest.raises(ValueError, match=r"holds w600k_r50 .*, the adapter needs glintr100"):
        embedding_of(adapters("instantid", "SDXL"), somebody())


@pytest.mark.parametrize(("base", "size"), [("SD1.5", 224), ("SDXL", 256)])
def test_clip_sees_the_crop_that_arcface_would_be_given_at_that_size(
    adapters, somebody, base, size
):
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


def test_the_face_that_counts_most_is_shown_of_those_that_are_stored(adapters, somebody):
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


def test_faceid_plus_asks_for_clip_h_by_name(adapters, somebody):
    who = somebody(crops=(np.zeros((512, 512, 3), np.uint8), None, None))
    adapter = adapters("plusv2")
    with pytest.raises(ValueError, match="link clip_vision, from Load CLIP Vision with CLIP-ViT-H"):
        tokens_of(adapter, who, Settings(), Eyes())
    with pytest.raises(
        ValueError, match="takes CLIP states of 80 numbers, the linked clip_vision gives 70"
    ):
        tokens_of(adapter, who, Settings(), Eyes(lambda picture: torch.zeros(1, 257, 70)))


def test_the_shortcut_is_twice_the_weight_unless_it_is_set(adapters, somebody):
    who = somebody(crops=(np.zeros((512, 512, 3), np.uint8), None, None))
    adapter = adapters("plusv2")

    def see(picture):
        return torch.randn(1, 257, 80, generator=torch.Generator().manual_seed(1))

    def of(**chosen):
        return tokens_of(adapter, who, Settings(**chosen), Eyes(see)).tokens.positive

    assert torch.equal(of(weight=0.7), of(weight=0.1, shortcut=1.4))
    none, one, two = of(shortcut=0.0), of(shortcut=1.0), of(shortcut=2.0)
    assert_close(two - one, one - none, atol=1e-5, rtol=0)
    assert not torch.equal(one, none)


def test_instantids_noise_changes_the_negative_alone(adapters, somebody):
    who, adapter = somebody("glintr100"), adapters("instantid", "SDXL")
    plain = tokens_of(adapter, who, Settings(), Eyes()).tokens
    noisy = tokens_of(adapter, who, Settings(noise=0.35), Eyes()).tokens
    assert torch.equal(plain.positive, noisy.positive)
    assert not torch.equal(plain.negative, noisy.negative)
