from math import lcm

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.identity.injection.mask import (
    area_resize,
    check_mask,
    solve_grid,
    unet_grid,
)

SHAPES = pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((64, 64), (8, 8)),
        ((37, 53), (5, 9)),
        ((5, 9), (12, 20)),
        ((8, 8), (3, 7)),
        ((1, 1), (4, 3)),
    ],
    ids=str,
)


def by_repetition(mask, grid):
    """The same on a grid fine enough that every border is one of its own: no fractions of pixels."""
    rows, columns = (lcm(m, g) for m, g in zip(mask.shape[1:], grid, strict=True))
    fine = mask.double().repeat_interleave(rows // mask.shape[1], 1)
    fine = fine.repeat_interleave(columns // mask.shape[2], 2)
    cells = fine.reshape(len(mask), grid[0], rows // grid[0], grid[1], columns // grid[1])
    return cells.mean((2, 4)).float()


@SHAPES
def test_each_cell_is_the_mean_of_what_it_covers(size, grid):
    mask = torch.rand(2, *size)
    assert_close(area_resize(mask, grid), by_repetition(mask, grid))


@SHAPES
def test_the_mean_is_kept_and_a_full_mask_stays_full(size, grid):
    mask = torch.rand(1, *size)
    assert_close(area_resize(mask, grid).mean(), mask.mean())
    assert_close(area_resize(torch.ones(1, *size), grid), torch.ones(1, *grid))
    assert not area_resize(torch.zeros(1, *size), grid).any()


def test_left_stays_left_and_top_stays_top():
    mask = torch.zeros(1, 6, 10)
    mask[:, :3, :5] = 1
    assert area_resize(mask, (2, 2)).tolist() == [[[1, 0], [0, 0]]]
    assert_close(area_resize(mask, (2, 3)), torch.tensor([[[1, 0.5, 0], [0, 0, 0]]]))


def test_the_host_says_the_grid():
    mask = torch.ones(1, 100, 100)
    options = {"activations_shape": [2, 320, 6, 24], "original_shape": [2, 4, 12, 12]}
    assert unet_grid(144, options, mask) == (6, 24)


def test_where_the_host_does_not_the_latent_is_halved_as_a_unet_halves():
    mask = torch.ones(1, 100, 100)
    for tokens, grid in (
        (65 * 97, (65, 97)),
        (33 * 49, (33, 49)),
        (17 * 25, (17, 25)),
        (9 * 13, (9, 13)),
    ):
        assert unet_grid(tokens, {"original_shape": [1, 4, 65, 97]}, mask) == grid
    stale = {"activations_shape": [1, 8, 3, 3], "original_shape": [1, 4, 16, 8]}
    assert unet_grid(32, stale, mask) == (8, 4)
    assert unet_grid(64, {}, torch.ones(1, 512, 128)) == (16, 4)


def test_other_grids_are_the_factors_nearest_to_the_aspect():
    assert solve_grid(24 * 36, 64, 96) == (24, 36)  # no power of two
    assert solve_grid(24 * 36, 96, 64) == (36, 24)


def test_tokens_that_make_no_grid_of_the_picture_are_refused():
    with pytest.raises(ValueError, match="4093 tokens, which make no grid of the aspect 64 x 64"):
        solve_grid(4093, 64, 64)  # a prime, as left over where tokens are merged


def test_a_mask_is_brought_to_planes_of_0_to_1():
    ready = check_mask(torch.tensor([[-0.1, 0.5], [1.2, 1.0]], dtype=torch.float16))
    assert ready.dtype == torch.float32
    assert_close(ready, torch.tensor([[[0, 0.5], [1, 1]]]))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.ones(1, 2, 3, 4), r"\(B, H, W\), got \(1, 2, 3, 4\)"),
        (torch.ones(0, 2, 3), r"got \(0, 2, 3\)"),
        (torch.full((1, 2, 2), float("nan")), "no numbers"),
    ],
)
def test_what_is_no_mask_is_refused(mask, words):
    with pytest.raises(ValueError, match=words):
        check_mask(mask)
