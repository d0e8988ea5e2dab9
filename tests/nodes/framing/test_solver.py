from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portrait_loupe.nodes.framing import solver
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.models import BUDGET_SLACK, MODELS, model_of, sizes_of
from portrait_loupe.nodes.framing.regions import FACE_OVAL, SHOTS
from portrait_loupe.nodes.framing.solver import Wish, best_size

PHOTO = (1536, 2048)
FACE = Face(eyes=((700.0, 800.0), (820.0, 806.0)))


def solve(region, face, size, sizes):
    """The crop and the model size for one face, whatever sizes there are."""
    wish = Wish(region.on(face), region.intersection(FACE_OVAL).around(face))
    best = best_size([wish], size, sizes)
    return solver.solve(wish, size, best).crop, best


def model_sizes(model, megapixels, multiple_of):
    return sizes_of(model_of(model, megapixels, multiple_of))


def test_of_two_sizes_of_equal_shape_the_one_that_invents_less_detail_is_taken():
    small = Face(eyes=((700.0, 800.0), (740.0, 800.0)))
    _, size = solve(SHOTS["ECU eye left"], small, PHOTO, [(2048, 2048), (512, 512)])
    assert size == (512, 512)
    large = Face(eyes=((500.0, 900.0), (1000.0, 900.0)))
    _, size = solve(SHOTS["ECU eye left"], large, PHOTO, [(64, 64), (512, 512)])
    assert size == (512, 512)


def test_a_crop_that_shows_more_of_the_face_is_preferred_to_one_of_the_wished_size():
    """In a picture that cannot hold the wish, the missed share of the face decides."""
    face = Face(eyes=((105.0, 40.0), (155.0, 40.0)))
    crop, size = solve(SHOTS["BCU big close-up"], face, (260, 100), [(512, 512), (1152, 480)])
    assert size == (1152, 480)  # the square would cut 14 of the face's 114 px
    assert crop == Box(10, 0, 240, 100)


def test_a_size_with_a_coarse_step_is_not_tried():
    """41:40 would move in steps of 41 px."""
    with pytest.raises(ValueError, match="too small to crop in whole pixels"):
        solve(SHOTS["headshot"], FACE, PHOTO, [(656, 640)])


@settings(max_examples=1000)
@given(
    width=st.integers(64, 4000), height=st.integers(64, 4000),
    x=st.floats(0, 1), y=st.floats(0, 1), share=st.floats(0.02, 0.25), roll=st.floats(-0.5, 0.5),
    preset=st.sampled_from(list(SHOTS)), model=st.sampled_from(list(MODELS)),
)  # fmt: skip
def test_every_crop_is_whole_pixels_inside_the_picture_with_one_exact_scale(
    width, height, x, y, share, roll, preset, model
):
    iod = max(4.5, share * min(width, height))
    face = Face(eyes=((x * width, y * height), (x * width + iod, y * height + roll * iod)))
    crop, size = solve(SHOTS[preset], face, (width, height), model_sizes(model, 1, 16))
    assert all(float(value).is_integer() for value in (crop.x, crop.y, crop.width, crop.height))
    assert Box(0, 0, width, height).contains(crop, slack=0)
    assert Fraction(size[0], int(crop.width)) == Fraction(size[1], int(crop.height))
    fed = MODELS[model]
    assert size[0] % fed.grid == size[1] % fed.grid == 0
    assert abs(size[0] * size[1] / fed.budget - 1) <= BUDGET_SLACK


@settings(max_examples=1000)
@given(
    x=st.floats(0.2, 0.8), y=st.floats(0.2, 0.8), share=st.floats(0.02, 0.12), roll=st.floats(-0.3, 0.3),
    preset=st.sampled_from(list(SHOTS)),
)  # fmt: skip
def test_what_the_preset_needs_of_the_face_is_inside_where_the_picture_can_hold_it(
    x, y, share, roll, preset
):
    width, height = PHOTO
    iod = share * width
    face = Face(eyes=((x * width, y * height), (x * width + iod, y * height + roll * iod)))
    need = SHOTS[preset].intersection(FACE_OVAL).around(face)
    assume(Box(0, 0, width, height).contains(need))
    crop, _ = solve(SHOTS[preset], face, PHOTO, model_sizes("SDXL", 1, 16))
    assert crop.contains(need)


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (40, 40)])
def test_narrow_and_small_pictures_are_cropped_as_they_allow(size):
    face = Face(eyes=((2.0, 5.0), (8.0, 5.0)))
    crop, _ = solve(SHOTS["headshot"], face, size, model_sizes("SDXL", 1, 16))
    assert Box(0, 0, *size).contains(crop)


def test_a_picture_too_small_for_any_whole_pixel_crop_says_what_to_do():
    face = Face(eyes=((0.0, 0.5), (5.0, 0.5)))
    with pytest.raises(ValueError, match="too small to crop in whole pixels"):
        solve(SHOTS["headshot"], face, (6, 1), [(832, 1216)])
