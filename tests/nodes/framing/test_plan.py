import json
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portrait_loupe.nodes.framing.faces import Box, Face, Faces
from portrait_loupe.nodes.framing.plan import (
    PRESETS,
    SUBJECT,
    check_faces,
    check_plan,
    plan_crops,
    plan_subjects,
    plan_video,
    report,
)
from portrait_loupe.nodes.framing.regions import FACE_OVAL, SHOTS, Region

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


def test_a_small_face_is_reported_as_diluted():
    small = Face(eyes=((700.0, 800.0), (720.0, 800.0)))
    assert "identity will be diluted" in report(plan_crops(faces(small), "full", "SDXL"))


def test_a_much_enlarged_crop_says_that_detail_is_invented():
    small = Face(eyes=((700.0, 800.0), (740.0, 800.0)))
    assert "the detail is invented" in report(plan_crops(faces(small), "ECU eye left", "SDXL"))


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("portrait", "SDXL"), "preset must be one of ECU eye left"),
        (
            ("headshot", "SD3"),
            r"model must be one of SD1\.5, SDXL, Flux, Flux\.2, Qwen-Image, Z-Image, custom",
        ),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments, words):
    with pytest.raises(ValueError, match=words):
        plan_crops(faces(FACE), *arguments)


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


# --- several faces, padding, level eyes, other subjects -------------------------------------------------

LEFT = Face(eyes=((300.0, 700.0), (380.0, 705.0)))
RIGHT = Face(eyes=((1000.0, 720.0), (1060.0, 716.0)))
FAR = Face(eyes=((1380.0, 1700.0), (1400.0, 1700.0)))


def mirrored(face: Face, width: int) -> Face:
    (x1, y1), (x2, y2) = face.eyes
    return Face(((width - x2, y2), (width - x1, y1)))


@settings(max_examples=1000)
@given(
    width=st.integers(200, 3000), height=st.integers(200, 3000),
    x=st.floats(0, 1), y=st.floats(0, 1), share=st.floats(0.02, 0.25), roll=st.floats(-0.4, 0.4),
    preset=st.sampled_from(list(SHOTS)), pad=st.sampled_from(["inside", "outpaint"]),
)  # fmt: skip
def test_a_mirrored_picture_gets_the_mirrored_crop(width, height, x, y, share, roll, preset, pad):
    iod = max(4.5, share * min(width, height))
    face = Face(eyes=((x * width, y * height), (x * width + iod, y * height + roll * iod)))
    plan = plan_crops(faces(face, size=(width, height)), preset, "Flux", pad=pad)
    other = {"ECU eye left": "ECU eye right", "ECU eye right": "ECU eye left"}.get(preset, preset)
    flipped = plan_crops(faces(mirrored(face, width), size=(width, height)), other, "Flux", pad=pad)
    (crop,), (twin,) = plan.crops, flipped.crops
    # a crop that cannot stand in the middle by whole pixels has no mirror image of its own
    assume(abs(2 * crop.x + crop.width - width) != 1)
    assert plan.output_size == flipped.output_size
    assert twin == Box(width - crop.right, crop.y, crop.width, crop.height)


@settings(max_examples=500)
@given(
    x=st.floats(0, 1), y=st.floats(0, 1), share=st.floats(0.02, 0.6), preset=st.sampled_from(list(SHOTS)),
)  # fmt: skip
def test_a_crop_that_may_stick_out_is_never_smaller_than_the_wish(x, y, share, preset):
    width, height = 900, 700
    iod = share * width
    face = Face(eyes=((x * width, y * height), (x * width + iod, y * height)))
    plan = plan_crops(faces(face, size=(width, height)), preset, "Flux", pad="outpaint")
    (crop,), want = plan.crops, SHOTS[preset].on(face)
    p = Fraction(*plan.output_size).numerator
    assert crop.width >= want.width - p  # to the nearest step
    assert all(float(value).is_integer() for value in (crop.x, crop.y, crop.width, crop.height))
    left, top, right, bottom = plan.pads(0)
    # it sticks out only where it is larger than the picture, and then shows all of it
    assert (left or right) == 0 or (crop.width > width and crop.x <= 0 and crop.right >= width)
    assert (top or bottom) == 0 or (crop.height > height and crop.y <= 0 and crop.bottom >= height)


@settings(max_examples=500)
@given(
    x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9), share=st.floats(0.02, 0.2), roll=st.floats(-2.0, 2.0),
    preset=st.sampled_from(list(SHOTS)),
)  # fmt: skip
def test_level_eyes_stand_level_and_nothing_of_the_crop_lies_outside(x, y, share, roll, preset):
    width, height = PHOTO
    iod = share * width
    face = Face(eyes=((x * width, y * height), (x * width + iod, y * height + roll * iod)))
    plan = plan_crops(faces(face), preset, "SDXL", level_eyes=True)
    (_, y1), (_, y2) = (plan.to_output(0, eye) for eye in face.eyes)
    # a turn below a tenth of a degree is left as it is: 0.1 deg of the eye line
    assert abs(y2 - y1) <= 0.002 * plan.iod_model_px
    w, h = plan.output_size
    for corner in ((0, 0), (w, 0), (0, h), (w, h)):
        cx, cy = plan.to_source(0, corner)
        assert -1e-6 <= cx <= width + 1e-6
        assert -1e-6 <= cy <= height + 1e-6


@pytest.mark.parametrize("level", [False, True])
def test_landmarks_go_into_the_crop_and_back(level):
    """Below a ten-thousandth of a pixel, also through the matrix."""
    tilted = Face(eyes=((600.0, 800.0), (800.0, 872.5)))
    plan = plan_crops(faces(tilted), "headshot", "SDXL", level_eyes=level)
    assert bool(plan.angles_deg) == level
    (a, b, tx), (c, d, ty) = plan.affine(0)
    for point in (*tilted.eyes, (0.0, 0.0), (1535.9, 2047.1)):
        x, y = plan.to_output(0, point)
        assert (a * point[0] + b * point[1] + tx, c * point[0] + d * point[1] + ty) == pytest.approx((x, y), abs=1e-4)  # fmt: skip
        assert plan.to_source(0, (x, y)) == pytest.approx(point, abs=1e-4)


def test_one_crop_for_all_holds_every_face():
    plan = plan_crops(faces(LEFT, RIGHT), "BCU big close-up", "SDXL", several="joint")
    (crop,) = plan.crops
    for face in (LEFT, RIGHT):
        assert crop.contains(FACE_OVAL.around(face))
    assert plan.faces_in(0) == (RIGHT, LEFT)  # the smallest first: it decides
    assert plan.iod_model_px == pytest.approx(RIGHT.iod * plan.scales[0])


def test_a_crop_each_keeps_every_face_large():
    plan = plan_crops(faces(LEFT, RIGHT), "CU close-up", "SDXL", several="split")
    assert len(plan.crops) == 2
    assert plan.picture_of == (0, 0)
    assert plan.assigned(1) == [(0, 0), (0, 1)]
    assert plan.assigned(2) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    joint = plan_crops(faces(LEFT, RIGHT), "CU close-up", "SDXL", several="joint")
    assert plan.iod_model_px > 2 * joint.iod_model_px


@pytest.mark.parametrize(("least", "count"), [(0.0, 1), (60.0, 2), (1000.0, 3)])
def test_as_few_crops_as_leave_every_face_large_enough(least, count):
    """All three in one leave the far face 11 px; without it the two others have 96."""
    plan = plan_crops(faces(LEFT, RIGHT, FAR), "headshot", "SDXL", several="auto", min_iod_px=least)
    assert len(plan.crops) == count
    assert sum(len(plan.faces_in(index)) for index in range(count)) == 3


def test_crops_of_a_batch_know_their_pictures():
    plan = plan_crops(
        Faces(PHOTO, ((LEFT, RIGHT), (FACE,)), "test"), "CU close-up", "SDXL", several="split"
    )
    assert plan.picture_of == (0, 0, 1)
    assert plan.assigned(2) == [(0, 0), (0, 1), (1, 2)]
    check_plan(plan, (2, 2048, 1536, 3))
    with pytest.raises(ValueError, match="each of 2 pictures, the batch has 3"):
        check_plan(plan, (3, 2048, 1536, 3))


def test_the_body_stays_upright_under_a_tilted_head():
    upright = Face(eyes=((700.0, 300.0), (760.0, 300.0)))
    x, y = upright.centre
    tilted = Face(eyes=((x - 28.98, y - 7.76), (x + 28.98, y + 7.76)))  # 15 degrees
    wide = [plan_crops(faces(one), "half body", "SDXL").crops[0] for one in (upright, tilted)]
    # the chin moves by 1.83 IOD x sin 15 deg, and the body below it no further
    assert abs(wide[0].centre[0] - wide[1].centre[0]) <= 1.83 * 60 * 0.26 + 1
    lying = Face(eyes=((x, y - 30.0), (x, y + 30.0)))  # with the whole person
    assert SHOTS["half body"].on(lying).centre[0] < x - 3 * 60


def test_a_shot_of_ones_own_is_given_in_inter_ocular_distances():
    plan = plan_crops(faces(FACE), "custom", "Flux", region=Region(-0.5, 1.5, -1.0, 1.0))
    assert plan.crops[0].width == pytest.approx(2.0 * FACE.iod, rel=0.05)
    assert plan.crops[0].centre == pytest.approx(
        FACE.to_image(0.5, 0.0),
        abs=8,  # slid so that the whole tilted face is inside
    )
    with pytest.raises(ValueError, match="right is beyond its left"):
        plan_crops(faces(FACE), "custom", "Flux", region=Region(1, 1, 0, 2))


def test_what_is_no_face_is_framed_by_its_box():
    hand = Box(400, 900, 200, 300)
    plan = plan_subjects([hand], PHOTO, "SDXL", margin=0.5)
    (crop,) = plan.crops
    assert crop.contains(hand)
    assert crop.centre == pytest.approx(hand.centre, abs=1)
    assert crop.height == pytest.approx(600, rel=0.05)
    assert plan.faces == ()
    assert plan.subjects == (hand,)
    assert plan.iod_model_px == 0
    assert "eyes" not in report(plan)
    assert json.loads(json.dumps(plan.as_json()))["preset"] == SUBJECT


def test_a_cell_of_flux_2_is_sixteen_pixels():
    eyes = {name: plan_crops(faces(FACE), "headshot", name) for name in ("Flux", "Flux.2")}
    assert eyes["Flux"].crops == eyes["Flux.2"].crops
    assert eyes["Flux"].latents_per_eye == pytest.approx(2 * eyes["Flux.2"].latents_per_eye)


def test_a_face_at_the_border_is_reported_as_cut_off():
    edge = Face(eyes=((-20.0, 800.0), (100.0, 800.0)))
    assert "is cut off by the picture's border" in report(
        plan_crops(faces(edge), "CU close-up", "SDXL")
    )
    assert "cut off" not in report(plan_crops(faces(FACE), "CU close-up", "SDXL"))


def test_sticking_out_is_reported_side_by_side():
    close = Face(eyes=((400.0, 900.0), (1100.0, 900.0)))
    plan = plan_crops(faces(close), "headshot", "SDXL", pad="outpaint")
    left, _, right, _ = plan.pads(0)
    assert left > 0
    assert right > 0
    assert f"left {left:g}" in report(plan)
    assert f"right {right:g}" in report(plan)


@pytest.mark.parametrize(
    ("choice", "words"), [({"pad": "mirror"}, "pad must be one of inside, outpaint"), ({"several": "two"}, "several must be one of largest, joint, split, auto")]
)  # fmt: skip
def test_unknown_choices_are_refused(choice, words):
    with pytest.raises(ValueError, match=words):
        plan_crops(faces(FACE), "headshot", "SDXL", **choice)


def test_every_preset_is_offered():
    assert set(PRESETS) == {*SHOTS, "custom", SUBJECT}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_that_are_none_are_refused_by_name(value):
    with pytest.raises(ValueError, match=r"min_iod_px must be 0 px or more"):
        plan_crops(faces(FACE), "CU close-up", "SDXL", min_iod_px=value)
    with pytest.raises(ValueError, match=r"fps must be above 0"):
        plan_video(faces(FACE), "CU close-up", "SDXL", fps=value)
