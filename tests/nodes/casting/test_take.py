"""The values of a cast, and what tells one take from another."""

import hashlib

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.take import take_sha256


def test_the_hash_is_that_of_the_size_and_the_16_bit_codes_as_bytes():
    picture = torch.rand(1, 300, 7, 3, generator=torch.Generator().manual_seed(3))
    codes = np.round(picture[0].numpy() * np.float32(65535)).astype(">u2")
    by_hand = hashlib.sha256(b"7x300x3:16\n" + codes.tobytes()).hexdigest()
    assert take_sha256(picture) == by_hand
    assert take_sha256(picture[0]) == by_hand


def test_a_picture_that_went_through_16_bit_codes_is_the_same_take():
    picture = torch.rand(1, 40, 30, 3, generator=torch.Generator().manual_seed(4))
    codes = (picture * 65535).round()
    assert take_sha256(codes / 65535) == take_sha256(picture)


@pytest.mark.parametrize("change", [1 / 65535, -1 / 65535])
def test_one_code_in_one_pixel_makes_another_take(change):
    picture = torch.full((1, 20, 20, 3), 1000 / 65535)
    other = picture.clone()
    other[0, 19, 19, 2] += change
    assert take_sha256(other) != take_sha256(picture)


def test_the_same_pixels_in_another_shape_are_another_take():
    flat = torch.rand(1, 6, 4, 3)
    assert take_sha256(flat) != take_sha256(flat.reshape(1, 4, 6, 3))
