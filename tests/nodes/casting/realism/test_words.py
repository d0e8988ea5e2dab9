import pytest

from portrait_loupe.nodes.casting.realism.figures import SCORED
from portrait_loupe.nodes.casting.realism.words import NAMES, WITHIN, reason_of

NEAR, FAR = 1.5, 3.0


def sigmas(**moved):
    return {**dict.fromkeys(SCORED, 0.0), **moved}


def test_every_scored_figure_has_a_word_for_each_direction():
    assert set(NAMES) == set(SCORED)
    assert len({word for pair in NAMES.values() for word in pair}) == 2 * len(SCORED)


def test_in_the_middle_of_real_photographs_there_is_nothing_to_say():
    assert reason_of(sigmas(), NEAR, FAR) == WITHIN
    assert reason_of(sigmas(log_mid=1.9, slope=-1.9), NEAR, FAR) == WITHIN


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        (
            {"log_mid": -3.0, "slope": 2.5},
            "mid band low and slope steep: reads smoothed or painted",
        ),
        ({"log_mid": -2.5}, "mid band low: reads smoothed or painted"),
        (
            {"log_mid": -3.0, "log_fine_mid": 2.2},
            "mid band low and fine band high: reads smoothed or painted",
        ),
        (
            {"log_fine_mid": 3.0, "slope": -2.5, "log_cv": -2.2},
            "fine band high and slope shallow and texture too even: reads noisy or grainy",
        ),
        ({"log_mid": 2.9, "slope": -2.2}, "mid band high and slope shallow: reads sharpened"),
        ({"slope": 2.5, "log_fine_mid": -3.0}, "fine band low and slope steep: reads soft"),
        ({"log_mid": 2.4}, "mid band high: reads rough, or its local contrast is raised"),
        ({"log_cv": 2.4}, "texture patchy"),
        (
            {"log_fine_mid": 2.6, "slope": -2.5, "log_mid": -3.0},
            "mid band low and fine band high and slope shallow: reads noisy or grainy",
        ),
    ],
)
def test_the_reason_tells_which_figure_where_to_and_how_it_reads(moved, words):
    assert reason_of(sigmas(**moved), 5.0, FAR) == words


def test_the_worst_three_are_named():
    out = dict(zip(SCORED, (2.1, -2.2, 2.3, 2.4, -2.5, 2.6), strict=True))
    words = reason_of(out, 6.0, FAR)
    assert words.startswith("coarse blotches strong and fine band low and colour fine-grained:")


def test_an_unusual_combination_is_said_to_be_one():
    words = reason_of(sigmas(log_mid=1.5, log_chroma=-1.2), 3.5, FAR)
    assert words.startswith("in combination unusual: mid band high and colour coarse")
    words = reason_of(sigmas(log_cv=0.9, log_e3_mid=-0.9), 3.5, FAR)
    assert words == "no figure is out by itself, their combination is unusual"


def test_no_reason_is_a_verdict():
    for name in SCORED:
        for value in (-3.0, 3.0):
            words = reason_of(sigmas(**{name: value}), 4.0, FAR)
            assert not {"real", "fake", "AI", "%"} & set(words.replace(":", "").split())
