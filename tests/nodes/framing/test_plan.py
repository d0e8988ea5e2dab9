import json
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portrait_loupe.nodes.framing.faces import Box, Face, Faces
from portrait_loupe.nodes.framing.plan import (
    BUDGET_SLACK,
    MODELS,
    check_faces,
    check_plan,
    model_sizes,
    plan_crops,
    report,
    solve,
)  # fmt: skip
from portrait_loupe.nodes.framing.regions import FACE_OVAL, SHOTS

PHOTO = (1536, 2048)
FACE = Face(eyes=((700.0, 800.0), (820.0, 806.0)))


def faces(*found: Face, size=PHOTO) -> Faces:
    return Faces(size, (found,), "test")


def test_a_face_with_room_around_it_fills_the_frame_as_the_preset_asks():
    plan = plan_crops(faces(FACE), "CU close-up", "SDXL")
    (crop,), want = plan.crops, SHOTS["CU close-up"].on(FACE)
    assert crop.width == pytest.approx(
        want.width, rel=0.04
    )  # 64-px sizes come within 4 % of its shape
    assert crop.height == pytest.approx(want.height, rel=0.04)
    assert crop.centre == pytest.approx(want.centre, abs=1)
    assert plan.iod_model_px == pytest.approx(120 * plan.output_size[0] / crop.width, rel=0.01)


def test_a_large_face_is_scaled_down_to_the_model():
    close = Face(eyes=((500.0, 900.0), (1000.0, 900.0)))
    plan = plan_crops(faces(close), "BCU big close-up", "SD1.5")
    assert plan.scales[0] < 0.5
    assert "reduced to" in report(plan)


def test_a_moderate_reduction_is_no_reason_to_warn():
    close = Face(eyes=((600.0, 900.0), (850.0, 900.0)))
    plan = plan_crops(faces(close), "CU close-up", "SDXL")
    assert 0.5 < plan.scales[0] < 1
    assert "reduced" not in report(plan)


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


def test_a_small_face_is_reported_as_diluted():
    small = Face(eyes=((700.0, 800.0), (720.0, 800.0)))
    assert "identity will be diluted" in report(plan_crops(faces(small), "full", "SDXL"))


def test_a_much_enlarged_crop_says_that_detail_is_invented():
    small = Face(eyes=((700.0, 800.0), (740.0, 800.0)))
    assert "the detail is invented" in report(plan_crops(faces(small), "ECU eye left", "SDXL"))


@settings(max_examples=400)
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
    budget, grid = MODELS[model]
    assert size[0] % grid == size[1] % grid == 0
    assert abs(size[0] * size[1] / budget - 1) <= BUDGET_SLACK


@settings(max_examples=300)
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


def test_a_tighter_shot_never_makes_the_face_smaller_in_the_model():
    shots = [
        "full",
        "cowboy",
        "half body",
        "MCU chest",
        "headshot",
        "CU close-up",
        "BCU big close-up",
        "ECU eyes",
    ]
    sizes = [plan_crops(faces(FACE), shot, "SDXL").iod_model_px for shot in shots]
    assert sizes == sorted(sizes)


def test_a_batch_gets_one_output_size():
    other = Face(eyes=((300.0, 500.0), (500.0, 480.0)))
    plan = plan_crops(Faces(PHOTO, ((FACE,), (other, FACE)), "test"), "headshot", "Flux")
    assert len(plan.crops) == 2
    assert plan.faces == (FACE, other)
    assert {Fraction(int(crop.width), int(crop.height)) for crop in plan.crops} == {
        Fraction(*plan.output_size)
    }


def test_the_same_wish_gives_the_same_plan():
    assert plan_crops(faces(FACE), "headshot", "Flux") == plan_crops(
        faces(FACE), "headshot", "Flux"
    )


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (40, 40)])
def test_narrow_and_small_pictures_are_cropped_as_they_allow(size):
    face = Face(eyes=((2.0, 5.0), (8.0, 5.0)))
    crop, _ = solve(SHOTS["headshot"], face, size, model_sizes("SDXL", 1, 16))
    assert Box(0, 0, *size).contains(crop)


def test_a_picture_too_small_for_any_whole_pixel_crop_says_what_to_do():
    face = Face(eyes=((0.0, 0.5), (5.0, 0.5)))
    with pytest.raises(ValueError, match="too small to crop in whole pixels"):
        solve(SHOTS["headshot"], face, (6, 1), [(832, 1216)])


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_sizes_from_portrait_to_panorama(model):
    sizes = model_sizes(model, 1, 16)
    aspects = [width / height for width, height in sizes]
    assert min(aspects) < 0.6 < 1.7 < max(aspects)
    assert any(width == height for width, height in sizes)


def test_custom_sizes_follow_the_megapixels_and_the_multiple():
    sizes = model_sizes("custom", 2.0, 32)
    assert all(width % 32 == height % 32 == 0 for width, height in sizes)
    assert all(abs(width * height / 2e6 - 1) <= BUDGET_SLACK for width, height in sizes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("portrait", "SDXL"), "preset must be one of ECU eye left"),
        (("headshot", "SD3"), "model must be one of SD1.5, SDXL, Flux, custom"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments, words):
    with pytest.raises(ValueError, match=words):
        plan_crops(faces(FACE), *arguments)


@pytest.mark.parametrize(
    ("megapixels", "multiple"), [(0, 16), (1, 0), (float("nan"), 16), (1e9, 16), (float("inf"), 16)]
)
def test_custom_sizes_without_sense_are_refused(megapixels, multiple):
    with pytest.raises(ValueError, match="custom model needs megapixels above 0"):
        model_sizes("custom", megapixels, multiple)


def test_a_grid_coarser_than_the_budget_is_refused():
    with pytest.raises(ValueError, match="lower multiple_of"):
        model_sizes("custom", 0.05, 256)


def test_a_picture_without_a_face_is_named():
    with pytest.raises(ValueError, match=r"no face to frame in picture 2 of 2\. Link a mask"):
        plan_crops(Faces(PHOTO, ((FACE,), ()), "test"), "headshot", "SDXL")


def test_a_plan_as_json_is_plain_values():
    plain = json.loads(json.dumps(plan_crops(faces(FACE), "headshot", "SDXL").as_json()))
    assert plain["version"] == 2
    assert len(plain["crops"][0]) == 4


def test_faces_of_another_picture_are_refused():
    with pytest.raises(
        ValueError, match=r"found in 1 picture\(s\) of 1536x2048 px, the image holds 1 of 512x600"
    ):
        check_faces(faces(FACE), (1, 600, 512, 3))
    with pytest.raises(ValueError, match="must come from Find Faces"):
        check_faces({"eyes": []}, (1, 600, 512, 3))


def test_a_plan_for_another_picture_is_refused():
    plan = plan_crops(Faces(PHOTO, ((FACE,), (FACE,)), "test"), "headshot", "SDXL")
    check_plan(plan, (2, 2048, 1536, 3))
    with pytest.raises(
        ValueError, match="made for pictures of 1536x2048 px, the image has 512x600"
    ):
        check_plan(plan, (2, 600, 512, 3))
    with pytest.raises(ValueError, match="a crop for each of 2 pictures, the batch has 3"):
        check_plan(plan, (3, 2048, 1536, 3))
    with pytest.raises(ValueError, match="must come from Plan Crop"):
        check_plan("plan", (1, 2048, 1536, 3))
