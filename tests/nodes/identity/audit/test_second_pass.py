"""When a face needs a second pass, and the crop for it."""

import pytest

from portrait_loupe.nodes.framing.faces import Box, Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops, plan_subjects
from portrait_loupe.nodes.identity.audit.scene import look, planned_face
from portrait_loupe.nodes.identity.audit.second_pass import second_pass

SMALL = Face(((500.0, 300.0), (518.0, 300.0)))  # 18 px: 48 px of face
LARGE = Face(((300.0, 400.0), (420.0, 400.0)))
NOBODY = Face(((20.0, 20.0), (30.0, 20.0)))


def faces(*frames):
    return Faces((1024, 1024), frames, "typed eyes")


def decide(found=None, plan=None, shot="", size=(1024, 1024), model="SDXL"):
    seen = look(found, None)
    planned = planned_face(plan, seen, found.image_size if found else None, shot, size)
    return second_pass(planned, plan, found, seen, model)


@pytest.mark.parametrize(("side", "needed", "words"), [(700, True, "only cure"), (750, True, "recommended"), (1420, True, "recommended"), (1430, False, "")])  # fmt: skip
def test_the_limits_are_64_and_128_px(side, needed, words):
    """The shot full draws a face 2.69 / 30 of the height tall: 62.8, 67.3, 127.3 and 128.2 px."""
    found = decide(shot="full", size=(side, side))
    assert found.needed is needed
    assert found.plan is None
    assert words in " ".join(found.words)
    assert ("Find Faces" in " ".join(found.words)) is needed


@pytest.mark.parametrize("model", ["SD1.5", "SDXL", "Flux.2"])
def test_a_known_small_face_gets_the_close_up(model):
    found = decide(faces((SMALL,)), model=model)
    assert found.needed
    assert found.plan == plan_crops(faces((SMALL,)), "CU close-up", model)
    assert found.plan.iod_model_px > 90
    assert "only cure" in found.words[0]
    assert "1024x1024 px" in found.words[1]


def test_a_large_face_needs_none_but_its_plan_is_there():
    found = decide(faces((LARGE,)))
    assert not found.needed
    assert found.plan.preset == "CU close-up"
    assert found.words == ()


def test_a_linked_plan_that_makes_the_face_large_enough_is_handed_on_unchanged():
    plan = plan_crops(faces((SMALL,)), "MCU chest", "SDXL")
    found = decide(faces((SMALL,)), plan)
    assert not found.needed
    assert found.plan is plan


def test_a_linked_plan_that_does_not_is_replaced_by_a_close_up_of_its_own_faces():
    plan = plan_crops(faces((SMALL,)), "full", "SD1.5")
    found = decide(None, plan, model="SD1.5")
    assert found.needed
    assert found.plan.preset == "CU close-up"
    assert found.plan.faces == (SMALL,)
    assert found.plan.source_size == (1024, 1024)


def test_a_plan_of_several_faces_keeps_its_pictures():
    plan = plan_crops(faces((LARGE, SMALL), (SMALL,)), "full", "SD1.5", several="split")
    found = decide(None, plan, model="SD1.5")
    assert found.plan.faces == (LARGE, SMALL)


def test_a_plan_without_faces_is_not_lost():
    plan = plan_subjects([Box(10, 10, 300, 300)], (1024, 1024), "SDXL")
    found = decide(None, plan, shot="full", size=(512, 512))
    assert found.needed
    assert found.plan is plan


def test_the_audited_face_is_the_one_that_is_cut():
    found = decide(faces((NOBODY, SMALL)))  # not in the order of size
    assert found.plan.faces == (SMALL,)


def test_a_picture_without_a_face_stops_no_audit():
    found = decide(faces((SMALL,), ()))
    assert found.needed
    assert found.plan is None
    assert "no crop could be planned: no face to frame in picture 2" in found.words[-1]


def test_nothing_known_needs_nothing():
    found = decide()
    assert (found.needed, found.plan, found.words) == (False, None, ())
