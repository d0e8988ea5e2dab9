import pytest
import torch

from portrait_loupe.nodes.identity.calibration.grid import GAP, HEAD, MARGIN, SIDE, WELL, draw_grid
from portrait_loupe.nodes.identity.calibration.measure import Render
from portrait_loupe.nodes.identity.calibration.value import Point


def render(weight, seed, level, size=(40, 30), channels=3, number=0):
    return Render(torch.full((1, *size, channels), level), weight, seed, number)


def points(renders):
    return [Point(one.weight, 0.5, one.seed, one.number) for one in renders]


def test_weights_are_across_and_seeds_down_whatever_their_order():
    renders = [render(1.0, 7, 0.9), render(0.0, 8, 0.3), render(0.0, 7, 0.5)]
    drawn = draw_grid(renders, points(renders))[0]
    left, top = MARGIN + SIDE, MARGIN + HEAD
    wide, tall = 240, 320  # of 30 x 40
    below = drawn.shape[0] - MARGIN - 24 - tall
    assert drawn.shape[1] == left + 2 * wide + GAP + MARGIN

    def level(column, row):
        y = (top, below)[row] + tall // 2
        return drawn[y, left + column * (wide + GAP) + wide // 2]

    assert level(0, 0) == pytest.approx(torch.full((3,), 0.5), abs=0.01)
    assert level(1, 0) == pytest.approx(torch.full((3,), 0.9), abs=0.01)
    assert level(0, 1) == pytest.approx(torch.full((3,), 0.3), abs=0.01)
    assert level(1, 1) == pytest.approx(torch.tensor(WELL) / 255, abs=0.01)  # none was rendered


def test_other_sizes_gray_alpha_and_burnt_pictures_are_shown():
    renders = [render(0.0, 1, 0.5), render(0.5, 1, 0.5, (20, 90)), render(1.0, 1, 0.5, channels=1), render(1.5, 1, 0.5, channels=4), render(2.0, 1, torch.nan), render(2.5, 1, 7.0)]  # fmt: skip
    drawn = draw_grid(renders, [Point(one.weight, None, 1) for one in renders])
    assert drawn.isfinite().all()
    assert 0 <= drawn.min() <= drawn.max() <= 1


def test_a_hundred_pictures_stay_within_what_can_be_looked_at():
    renders = [render(w / 10, s, 0.5) for w in range(6) for s in range(16)]
    drawn = draw_grid(renders, points(renders))
    assert max(drawn.shape) <= 6500
