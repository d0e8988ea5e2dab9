import numpy as np
import pytest

from portrait_loupe.nodes.identity.calibration.draw import (
    COLD,
    HEIGHT,
    LEFT,
    MARK,
    RIGHT,
    TOP,
    WIDTH,
    draw_curve,
)
from portrait_loupe.nodes.identity.calibration.fit import fit_curve
from portrait_loupe.nodes.identity.calibration.suggestion import Levels, suggest
from portrait_loupe.nodes.identity.calibration.value import Calibration, Point

WEIGHTS = (0.0, 0.3, 0.6, 0.9, 1.2)
POINTS = [Point(w, 0.1 + 0.5 * (1 - np.exp(-w / 0.4)) + 0.01 * k, k) for w in WEIGHTS for k in range(3)]  # fmt: skip


def marked(drawn, colour=MARK):
    """Columns within the axes in which a colour stands."""
    inner = (drawn[0, TOP + 1 :, LEFT : WIDTH - RIGHT].numpy() * 255).round()
    return np.flatnonzero((np.abs(inner - colour) < 2).all(-1).any(0))


def test_the_suggested_weight_is_marked_where_it_stands():
    fitted, _ = fit_curve(POINTS)
    one = Calibration("a.bin", "", "SDXL", "", "", "", tuple(POINTS), fitted)
    found = suggest(one)
    drawn = draw_curve("Ada", POINTS, fitted, found, Levels(0.3, 0.5))
    assert drawn.shape == (1, HEIGHT, WIDTH, 3)
    middle = np.mean(marked(drawn))
    # the axis ends 4 % behind the heaviest weight
    assert middle == pytest.approx(found.effective / (1.2 * 1.04) * (WIDTH - RIGHT - LEFT), abs=2)
    assert len(marked(drawn, COLD)) > 100
    plain = draw_curve("Ada", POINTS, fitted, None, None)
    assert len(marked(plain)) == len(marked(plain, COLD)) == 0


@pytest.mark.parametrize(
    "points",
    [[Point(w, None, k) for w in WEIGHTS for k in range(2)], [Point(0.0, -0.9, 0)], [Point(0.0, 1.0, 0)], [Point(3.0, 0.5, 0)]],
    ids=["no face", "lowest", "highest", "one weight"],
)  # fmt: skip
def test_what_makes_no_curve_is_drawn_all_the_same(points):
    drawn = draw_curve("a very long name " * 20, points, None, None, Levels(0.5, 0.501), 0.6)
    assert drawn.shape == (1, HEIGHT, WIDTH, 3)
    assert drawn.isfinite().all()
    assert drawn.max() > 0.8
