import json

import pytest

from portrait_loupe.nodes.identity.calibration.plain import from_text, summary_of, to_text
from portrait_loupe.nodes.identity.calibration.value import Calibration, Fitted, Point

FITTED = Fitted(0.1, 0.6, 1 / 3, 0.02, None, 0.1, 0.03, 0.0, 1.2, False)
POINTS = (Point(0.0, 0.1, 2**53, 0, 0.12), Point(1.2, None, 1, 3), Point(0.6, -1 / 3, 0))
ONE = Calibration(
    "faceid \N{SNOWMAN}.bin", "aa", "SDXL", "bb", "glintr100", "cc", POINTS, FITTED, "2026-11-21", "20 steps",
)  # fmt: skip


def test_nothing_is_lost():
    assert from_text(to_text((ONE, ONE))) == (ONE, ONE)
    assert from_text("[]") == ()


def test_a_summary_counts_the_points():
    assert summary_of(ONE)["points"] == 3
    assert summary_of(ONE)["fitted"]["rise"] == 1 / 3


def changed(**values):
    told = json.loads(to_text((ONE,)))
    told[0].update(values)
    return told


def curve(**values):
    told = json.loads(to_text((ONE,)))
    told[0]["fitted"].update(values)
    return told


@pytest.mark.parametrize(
    "told",
    [
        {}, 3, "x", None, [3], [None], [[]], [{}], json.loads(to_text((ONE,))) * 33,
        changed(points=[]), changed(points=3), changed(points=[[0, 0.1, 0, 0, None]] * 1601),
        changed(points=[[0, 0.1]]), changed(points=[[0, 0.1, 0, 0, None, 9]]), changed(points=[["0", 0.1, 0, 0, None]]),
        changed(points=[[-1, 0.1, 0, 0, None]]), changed(points=[[1e9, 0.1, 0, 0, None]]),
        changed(points=[[0, 1.5, 0, 0, None]]), changed(points=[[0, float("nan"), 0, 0, None]]),
        changed(points=[[True, 0.1, 0, 0, None]]), changed(points=[[0, 0.1, -1, 0, None]]),
        changed(points=[[0, 0.1, 1.5, 0, None]]), changed(points=[[0, 0.1, 2**64, 0, None]]),
        changed(points=[[0, 0.1, 0, True, None]]), changed(points=[[0, 0.1, 0, 0, 2]]),
        changed(adapter=3), changed(adapter_sha256=None), changed(how=["x"]), changed(created={}),
        changed(fitted=None), changed(fitted=[]),
        curve(floor=float("inf")), curve(ceiling=0.0), curve(rise=0), curve(rise=-1), curve(rise=None), curve(spread=-1),
        curve(floor_error=-0.1), curve(rise_error="x"), curve(falls=1), curve(falls=None), curve(last=-1), curve(first=2.0),
    ],
    ids=lambda told: json.dumps(told)[:40],
)  # fmt: skip
def test_what_nobody_wrote_is_refused(told):
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        from_text(json.dumps(told))
