import numpy as np
import pytest

from portrait_loupe.nodes.framing.detect.eyes import View
from portrait_loupe.nodes.framing.detect.sampling import block_means

# Level and turned; enlarged, shrunk by whole numbers and between; inside the picture and beyond it.
VIEWS = [
    View((40.0, 33.0), 0.7, 0.0, 90, 70),
    View((40.0, 33.0), 1.0, 0.0, 31, 44),
    View((41.3, 30.1), 2.0, 0.0, 64, 64),
    View((20.0, 50.0), 4.6, 0.0, 40, 30),
    View((40.0, 33.0), 0.7, 25.0, 50, 40),
    View((70.0, 10.0), 1.6, -140.0, 64, 64),
    View((30.0, 20.0), 3.4, 12.0, 40, 50),
    View((-300.0, 20.0), 1.0, 0.0, 32, 32),
]


def noise(height=67, width=83, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def slow(picture, view):
    """One channel after the other, by scipy, from blocks that are counted from where the view begins."""
    from scipy.ndimage import map_coordinates

    x, y = view.to_picture(np.arange(view.width) + 0.5, np.arange(view.height)[:, None] + 0.5)
    x, y = np.broadcast_arrays(x, y)
    block = max(1, int(view.scale))
    height, width = picture.shape[:2]
    left, top = (
        int(np.clip(int(at.min()) - 1, 0, size - 1)) for at, size in ((x, width), (y, height))
    )
    right, bottom = (
        max(min(int(at.max()) + 2, size), start + 1)
        for at, size, start in ((x, width, left), (y, height, top))
    )
    part = picture[top:bottom, left:right].astype(float)
    rows, columns = (range(0, side, block) for side in part.shape[:2])
    small = np.array(
        [[part[r : r + block, c : c + block].mean((0, 1)) for c in columns] for r in rows]
    )
    where = ((y - top) / block - 0.5, (x - left) / block - 0.5)
    return np.stack(
        [map_coordinates(small[..., c], where, order=1, mode="nearest") for c in range(3)], -1
    )


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_view_is_what_scipy_makes_of_each_channel(view):
    """To float32: a pupil of a photo moves by half a pixel where a canvas changes by a code."""
    picture = noise()
    assert view.of(picture) == pytest.approx(slow(picture, view), abs=3e-5)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_gray_picture_is_one_channel_of_a_coloured_one(view):
    picture = noise()
    alone = view.of(np.ascontiguousarray(picture[..., 1]))
    assert np.array_equal(alone, view.of(picture)[..., 1])


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_only_what_lies_beyond_the_picture_is_replaced(view):
    picture = noise()
    x, y = view.to_picture(np.arange(view.width) + 0.5, np.arange(view.height)[:, None] + 0.5)
    within = (x >= 0) & (x < 83) & (y >= 0) & (y < 67)
    seen = view.of(picture, outside=0.25)
    assert (seen[~within] == 0.25).all()
    assert np.array_equal(seen[within], view.of(picture)[within])


@pytest.mark.parametrize("shape", [(12, 20), (13, 7, 3), (5, 4, 1), (1, 9, 3)], ids=str)
@pytest.mark.parametrize("block", [1, 2, 3, 6, 50])
def test_the_last_blocks_are_cut(shape, block):
    picture = np.random.default_rng(1).random(shape, np.float32)
    means = block_means(picture, block)
    for row, line in enumerate(means):
        for column, mean in enumerate(line):
            part = picture[row * block : (row + 1) * block, column * block : (column + 1) * block]
            assert mean == pytest.approx(part.mean((0, 1)), abs=1e-6)
    assert means.shape[:2] == (-(-shape[0] // block), -(-shape[1] // block))


def test_the_picture_is_left_as_it_was():
    picture = noise()
    before = picture.copy()
    picture.setflags(write=False)
    for view in VIEWS:
        view.of(picture, outside=0.0)[:] = 7
    assert np.array_equal(picture, before)
