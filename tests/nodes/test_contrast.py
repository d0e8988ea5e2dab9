import numpy as np
import pytest
from PIL import Image, ImageDraw

from portrait_loupe.nodes.contrast import Ink, contrast, lay_scrim, plan_ink
from portrait_loupe.nodes.typography import draw_line

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def ratio(a, b):
    """WCAG 2.2's definition, written once more: the formula of the standard on 8-bit codes."""

    def light(colour):
        coded = np.asarray(colour, np.float64)
        linear = np.where(coded <= 0.03928, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
        return 0.2126 * linear[..., 0] + 0.7152 * linear[..., 1] + 0.0722 * linear[..., 2]

    lights = np.stack(np.broadcast_arrays(light(a), light(b)))
    return (lights.max(0) + 0.05) / (lights.min(0) + 0.05)


def veiled(pixels, ink, alpha=None):
    """8-bit codes under the scrim, blended by Pillow."""
    codes = Image.fromarray(np.rint(np.atleast_3d(pixels) * 255).astype(np.uint8).reshape(1, -1, 3))
    scrim = Image.new("RGB", codes.size, tuple(round(255 * one) for one in ink.scrim))
    mask = Image.new("L", codes.size, round(255 * (ink.alpha if alpha is None else alpha)))
    codes.paste(scrim, (0, 0), mask)
    return np.asarray(codes)


def backgrounds():
    """10,000 of 64 pixels: even noise, colours, two tones, narrow and extreme ranges, saturated."""
    dice = np.random.default_rng(6)
    for number in range(10_000):
        kind = number % 5
        if kind == 0:
            yield dice.random((64, 3))
        elif kind == 1:
            yield np.broadcast_to(dice.random(3), (64, 3))
        elif kind == 2:
            yield dice.random((2, 3))[dice.integers(0, 2, 64)]
        elif kind == 3:
            yield np.clip(dice.random() + dice.normal(0, 0.05, (64, 3)), 0, 1)
        else:
            yield dice.integers(0, 2, (64, 3)).astype(float)


def test_every_pixel_of_ten_thousand_backgrounds_leaves_the_contrast():
    faint = 0
    for background in backgrounds():
        plan = plan_ink(background)
        under = veiled(background, plan) / 255
        assert ratio(under, plan.ink).min() >= 4.5
        faint += plan.alpha == 0
    assert 100 < faint < 9900  # both cases occurred


@pytest.mark.parametrize("target", [3.0, 4.5, 7.0, 15.0])
def test_no_fainter_scrim_would_do(target):
    dice = np.random.default_rng(7)
    for _ in range(200):
        background = dice.random((40, 3)) * dice.random() + dice.random() * 0.2
        background = np.rint(background.clip(0, 1) * 255) / 255
        plan = plan_ink(background, target)
        assert ratio(veiled(background, plan) / 255, plan.ink).min() >= target
        for ink, scrim in ((WHITE, BLACK), (BLACK, WHITE)):
            if plan.alpha > 0:
                less = Ink(ink, scrim, plan.alpha - 1 / 255, 0)
                assert ratio(veiled(background, less) / 255, ink).min() < target


@pytest.mark.parametrize(
    ("background", "target", "ink", "step"),
    [
        # 1.05 / (L + 0.05) = target, or (L + 0.05) / 0.05 = target, solved for the coded value
        ([WHITE, WHITE], 4.5, BLACK, 0),
        ([BLACK], 4.5, WHITE, 0),
        ([WHITE, BLACK], 4.5, BLACK, 117),  # 0.4553
        ([WHITE, BLACK], 7.0, BLACK, 149),  # 0.5837
    ],
)
def test_the_extremes_need_what_the_formula_says(background, target, ink, step):
    plan = plan_ink(background, target)
    assert plan.ink == ink
    assert plan.alpha * 255 == pytest.approx(step)


@pytest.mark.parametrize(("target", "alpha"), [(4.5, 0.535), (7.0, 0.651)])
def test_black_over_pure_white_is_as_strong_as_the_specification_measured(target, alpha):
    codes = np.arange(256)
    reached = [
        ratio(veiled(np.ones((1, 3)), Ink(WHITE, BLACK, code / 255, 0)) / 255, WHITE).min()
        for code in codes
    ]
    least = codes[np.array(reached) >= target][0] / 255
    assert alpha - 1e-3 <= least <= alpha + 1 / 255 + 1e-3  # rounded up to a code


def test_of_two_inks_that_need_no_scrim_the_stronger_is_taken():
    assert plan_ink([(0.3, 0.3, 0.3)], 1.5).ink == WHITE
    assert plan_ink([(0.7, 0.7, 0.7)], 1.5).ink == BLACK


def test_contrast_is_that_of_the_standard():
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast((0.5, 0.2, 0.7), (0.5, 0.2, 0.7)) == 1
    grey = 0x76 / 255  # #767676 is the lightest grey with 4.5 on white, #777777 is not
    assert contrast((grey,) * 3, WHITE) >= 4.5 > contrast(((0x77 / 255),) * 3, WHITE)
    colours = np.random.default_rng(8).random((50, 2, 3))
    assert contrast(colours[:, 0], colours[:, 1]) == pytest.approx(
        ratio(colours[:, 0], colours[:, 1])
    )


def test_the_promise_of_a_plan_is_the_worst_pixel():
    background = np.random.default_rng(9).random((30, 20, 3))
    plan = plan_ink(background)
    codes = (np.floor if plan.ink == BLACK else np.ceil)(background * 255) / 255
    assert plan.contrast == pytest.approx(ratio(veiled(codes, plan) / 255, plan.ink).min())


def test_rounding_or_truncating_the_file_keeps_the_contrast():
    """ComfyUI's own SaveImage truncates."""
    dice = np.random.default_rng(10)
    for _ in range(300):
        background = dice.random((40, 3), dtype=np.float32)
        if _ % 2:
            background = np.float32(0.46) + background / 500  # about the edge of either ink
        plan = plan_ink(background)
        shown = lay_scrim(background, plan)
        for codes in (np.trunc(shown * np.float32(255)), np.rint(shown * 255)):
            assert ratio(codes / 255, plan.ink).min() >= 4.5


def test_the_scrim_is_what_pillow_blends():
    codes = np.repeat(np.arange(256)[:, None], 3, 1) / 255
    for step in (1, 77, 128, 254, 255):
        for scrim in (BLACK, WHITE):
            plan = Ink(BLACK, scrim, step / 255, 1)
            assert np.array_equal(np.rint(lay_scrim(codes, plan) * 255), veiled(codes, plan)[0])


def test_without_a_scrim_the_pixels_are_left_alone():
    pixels = np.random.default_rng(11).random((5, 3)).astype(np.float32)
    assert np.array_equal(lay_scrim(pixels, Ink(WHITE, BLACK, 0.0, 21)), pixels)


def test_a_name_written_over_a_photo_is_read(astronaut):
    """The pixels that are wholly ink, and the pixels around them, on the true picture."""
    strip = astronaut[0, 200:260, 60:460].numpy()
    plan = plan_ink(strip)
    picture = Image.fromarray(np.rint(lay_scrim(strip, plan) * 255).astype(np.uint8))
    ground = np.asarray(picture).copy()
    draw_line(
        ImageDraw.Draw(picture),
        (10, 42),
        "GPT Image 2",
        40,
        tuple(round(255 * c) for c in plan.ink),
    )
    changed = (np.asarray(picture) != ground).any(-1)
    assert changed.sum() > 500
    assert ratio(ground[changed] / 255, plan.ink).min() >= 4.5


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((0, 3)), "outside the picture"),
        (np.zeros((4, 4)), r"\(N, 3\) or \(h, w, 3\)"),
        (np.zeros(3), r"\(N, 3\) or \(h, w, 3\)"),
        (np.full((2, 3), np.nan), "NaN"),
        (np.full((2, 3), np.inf), "infinity"),
    ],
)
def test_what_is_no_picture_is_refused(pixels, words):
    with pytest.raises(ValueError, match=words):
        plan_ink(pixels)


@pytest.mark.parametrize("target", [0.5, 21.5, float("nan")])
def test_a_contrast_that_cannot_be_is_refused(target):
    with pytest.raises(ValueError, match="between 1 and 21"):
        plan_ink([WHITE], target)


def test_the_most_that_can_be_asked_is_reached():
    assert plan_ink([(0.5, 0.5, 0.5)], 21).contrast == pytest.approx(21)
