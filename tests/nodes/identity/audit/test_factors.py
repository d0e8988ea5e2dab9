"""Each thing that dilutes an identity, and how its risk grows."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL, Face, Faces
from portrait_loupe.nodes.framing.prominence import measure
from portrait_loupe.nodes.identity.audit import factors
from portrait_loupe.nodes.identity.audit.emphasis import read_emphasis
from portrait_loupe.nodes.identity.audit.factors import (
    curve,
    of_crowd,
    of_perspective,
    of_picture,
    of_size,
    of_term,
    turned_deg,
)
from portrait_loupe.nodes.identity.audit.perspective import Perspective, View
from portrait_loupe.nodes.identity.audit.scene import Planned, Seen
from portrait_loupe.nodes.identity.audit.terms import Lexicon, own_terms
from portrait_loupe.nodes.identity.audit.wording import find_terms

OWN = Lexicon(tuple(own_terms().values()))
CURVES = [
    factors.SIZE, factors.NEAR, factors.STOPS, factors.TURN, factors.CLIPPED, factors.UNEVEN,
    factors.CUT, factors.CROWD, factors.PHOTOS, factors.QUALITY, factors.SPREAD,
]  # fmt: skip
FACE = Face(((80.0, 90.0), (120.0, 90.0)))


def planned(height, others=()):
    return Planned(
        height, (1024, 1024), "a test", View(height / OVAL[1], (1024, 1024), "x"), others
    )


def seen(**changes):
    image = torch.rand(1, 240, 200, 3, generator=torch.Generator().manual_seed(1))
    (one,) = measure(image, Faces((200, 240), ((FACE,),), "typed eyes"))[0]
    return Seen(0, FACE, (), replace(one, **changes), changes.pop("stops", None))


def kept(found):
    """What is left of an identity, 0..1."""
    left = 1.0
    for one in found:
        left *= 1 - one.risk
    return left


@pytest.mark.parametrize("points", CURVES)
def test_a_curve_runs_through_its_points_without_a_jump(points):
    (x1, r1), (x2, r2) = points
    assert curve(x1, points) == pytest.approx(r1)
    assert curve(x2, points) == pytest.approx(r2)
    values = [curve(x1 * 2 ** (i / 50), points) for i in range(-300, 301)]
    steps = [b - a for a, b in pairwise(values)]
    assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
    assert max(map(abs, steps)) < 0.02  # of a value that changes by 1.4 %
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("points", CURVES)
def test_a_curve_is_a_number_at_its_ends(points):
    least, most = sorted((curve(0.0, points), curve(1e300, points)))
    assert least == pytest.approx(0, abs=1e-6)
    assert most == pytest.approx(1, abs=1e-6)
    assert curve(-1.0, points) == curve(0.0, points)


def test_the_documented_sizes():
    """Below 64 px lost, below 128 px at risk, small above."""
    risk = {px: next(of_size(planned(px), None)).risk for px in (32, 64, 128, 256, 512)}
    assert risk == pytest.approx({32: 0.975, 64: 0.85, 128: 0.45, 256: 0.105, 512: 0.017}, abs=5e-3)


def test_a_blurred_face_is_a_smaller_face():
    sharp = seen(iod_eff_px=200.0)
    soft = seen(iod_eff_px=30.0)
    assert [f.risk for f in of_size(planned(300.0), sharp)][1] == 0
    blur = list(of_size(planned(300.0), soft))[1]
    assert blur.risk > 0.1
    assert blur.value == pytest.approx(30 * OVAL[1])


@pytest.mark.parametrize("eff", [0.0, 5.0, 30.0, 80.0])
def test_a_smaller_face_keeps_less_however_blurred_it_is(eff):
    some = seen(iod_eff_px=eff)
    left = [kept(of_size(planned(px), some)) for px in (600, 300, 215, 150, 100, 60, 20, 1e-6)]
    assert left == sorted(left, reverse=True)
    assert all(0 <= value <= 1 for value in left)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("clipped_share", [0.0, 0.1, 0.4, 1.0]),
        ("light_uniformity", [100.0, 60.0, 20.0, 0.0]),
        ("visible_share", [1.0, 0.9, 0.5, 0.0]),
        ("yaw_deg", [0.0, 20.0, -45.0, 90.0]),
        ("pitch_deg", [0.0, -20.0, 45.0]),
    ],
)
def test_a_worse_picture_keeps_less(name, values):
    left = [kept(of_picture(seen(**{name: value}))) for value in values]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0] - 0.05


def test_more_backlight_keeps_less():
    base = seen()
    left = [
        kept(of_picture(replace(base, backlight_stops=s))) for s in (-3.0, 0.0, 0.5, 1.0, 2.0, 5.0)
    ]
    assert left == sorted(left, reverse=True)
    one_stop = next(of_picture(replace(base, backlight_stops=1.01)))
    assert "expose" in one_stop.advice
    assert next(of_picture(replace(base, backlight_stops=0.99))).advice == ""


@pytest.mark.parametrize(
    ("stops", "words"), [(-2.0, "2.0 stops darker"), (2.0, "2.0 stops lighter")]
)
def test_light_behind_a_head_is_told_against_the_face(stops, words):
    told = next(of_picture(replace(seen(), backlight_stops=stops))).words
    assert words in told
    assert told.endswith("than the face")


def test_the_angle_from_the_camera():
    base = seen()
    assert turned_deg(base.prominence) is None
    assert turned_deg(replace(base.prominence, yaw_deg=60.0)) == pytest.approx(60)
    assert turned_deg(replace(base.prominence, yaw_deg=45.0, pitch_deg=45.0)) == pytest.approx(60)


def test_a_nearer_camera_keeps_less():
    left = [kept(of_perspective(Perspective(d, False))) for d in (10.0, 2.0, 0.83, 0.5, 0.2, 0.05)]
    assert left == sorted(left, reverse=True)
    assert list(of_perspective(None)) == []


def test_more_people_keep_less():
    left = [kept(of_crowd(planned(100.0, (50.0,) * n))) for n in range(6)]
    assert left == sorted(left, reverse=True)
    assert left[0] == 1
    (factor,) = of_crowd(planned(100.0, (50.0,)))
    assert "2 faces" in factor.words
    assert "mask per face" in factor.advice


def left_of(prompt, size_known=False):
    return kept(of_term(find_terms(read_emphasis(prompt), OWN), size_known))


def test_a_words_risk_is_its_weight_and_emphasis_repeats_it():
    (plain,) = of_term(find_terms(read_emphasis("anime"), OWN), False)
    assert plain.risk == pytest.approx(own_terms()["anime"].weight)
    (twice,) = of_term(find_terms(read_emphasis("(anime:2)"), OWN), False)
    assert 1 - twice.risk == pytest.approx((1 - plain.risk) ** 2)


@pytest.mark.parametrize("rest", ["", ", manga", ", manga, (oil painting:1.4), beard, mask"])
def test_stronger_emphasis_keeps_less(rest):
    left = [left_of(f"(anime:{e}){rest}") for e in (-1, 0, 0.2, 0.7, 0.9, 1, 1.1, 1.5, 3)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[2]


def test_another_word_keeps_less_but_words_of_a_class_say_much_the_same():
    assert left_of("anime, manga") < left_of("anime")
    assert left_of("anime, manga") > left_of("anime, mask")  # 0.6 each
    assert left_of("anime, manga") == pytest.approx(0.4 * 0.4**0.5)


def test_words_for_a_small_face_weigh_half_where_its_size_is_planned():
    assert left_of("full body", True) == pytest.approx(left_of("full body") ** 0.5)
    assert left_of("anime", True) == left_of("anime")
