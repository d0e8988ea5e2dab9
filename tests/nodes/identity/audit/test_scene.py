"""The planned size of a face, and the light around it, on scenes of known measures."""

from math import cos, radians, sin

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL, Box, Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops, plan_subjects
from portrait_loupe.nodes.framing.prominence import measure
from portrait_loupe.nodes.framing.regions import SHOTS
from portrait_loupe.nodes.identity.audit.scene import backlight, check_size, look, planned_face


def coded(light):
    """sRGB of a linear light (IEC 61966-2-1)."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def scene(face_light, ring_light, iod=40.0, size=400, roll=0.0, below=None, centre=None):
    """A round head of 1.9 IOD's radius, evenly lit, before an even ground; and its face.

    ``below``: the light of all that lies below the chin in the face's own frame.
    """
    cx, cy = centre or (size / 2, size / 2)
    c, s = cos(radians(roll)), sin(radians(roll))
    face = Face(((cx - c * iod / 2, cy - s * iod / 2), (cx + c * iod / 2, cy + s * iod / 2)))
    y, x = np.mgrid[:size, :size] + 0.5
    u, v = ((x - cx) * c + (y - cy) * s) / iod, ((y - cy) * c - (x - cx) * s) / iod
    light = np.full((size, size), coded(ring_light))
    if below is not None:
        light[v > 1.9] = coded(below)
    light[u**2 + v**2 <= 1.95**2] = coded(face_light)
    image = torch.from_numpy(light.astype(np.float32))[None, ..., None].repeat(1, 1, 1, 3)
    return image, face


def stops(image, face):
    size = (image.shape[2], image.shape[1])
    (one,) = measure(image, Faces(size, ((face,),), "typed eyes"))[0]
    return backlight(image[0], one)


@pytest.mark.parametrize(
    ("face_light", "ring_light", "expected"),
    [(0.2, 0.2, 0.0), (0.2, 0.4, 1.0), (0.1, 0.8, 3.0), (0.4, 0.1, -2.0)],
)
def test_backlight_is_the_stops_between_ring_and_face(face_light, ring_light, expected):
    assert stops(*scene(face_light, ring_light)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("roll", [-120.0, -30.0, 17.0, 90.0])
@pytest.mark.parametrize("iod", [12.0, 40.0, 50.0])
def test_backlight_does_not_change_with_size_or_turn(iod, roll):
    assert stops(*scene(0.1, 0.4, iod=iod, roll=roll)) == pytest.approx(2.0, abs=1e-4)


def test_an_enlarged_picture_has_the_same_backlight():
    """Half of the ring is lit: the mean of its light, whatever the size."""
    image, face = scene(0.1, 0.2)
    image[:, :, :200] = image[:, :, :200].maximum(torch.tensor(coded(0.6)))
    y, x = np.mgrid[:400, :400] + 0.5
    image[0][torch.from_numpy(np.hypot(x - 200, y - 200) <= 78)] = coded(0.1)
    twice = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    large = Face(tuple((2 * x, 2 * y) for x, y in face.eyes))
    assert stops(twice, large) == stops(image, face)
    assert stops(image, face) == pytest.approx(2.0, abs=0.02)  # (0.6 + 0.2) / 2 over 0.1


def test_light_is_linear_and_black_has_a_logarithm():
    assert stops(*scene(0.0, 1.0)) == pytest.approx(13.29, abs=0.01)  # log2(1 / 1e-4)


def test_the_body_is_no_background():
    bright = stops(*scene(0.1, 0.4))
    assert stops(*scene(0.1, 0.4, below=0.9)) == pytest.approx(bright, abs=1e-6)
    assert stops(*scene(0.1, 0.4, below=0.0)) == pytest.approx(bright, abs=1e-6)


def test_hair_is_no_background():
    image, face = scene(0.1, 0.4)
    y, x = np.mgrid[:400, :400] + 0.5
    crown = ((x - 200) / 40) ** 2 / 1.9**2 + ((y - 200) / 40) ** 2 / 2.4**2 <= 1
    hair = torch.from_numpy(crown & (((x - 200) ** 2 + (y - 200) ** 2) > (1.95 * 40) ** 2))
    image[0][hair] = 0.0
    assert stops(image, face) == pytest.approx(2.0, abs=1e-4)


def test_too_little_of_the_ring_is_none():
    image, face = scene(0.1, 0.4, iod=150.0)
    assert stops(image, face) is None
    image, face = scene(0.1, 0.4, centre=(60, 200))
    half = stops(image, face)  # the whole side that the picture shows
    assert half == pytest.approx(2.0, abs=1e-4)
    image, face = scene(0.1, 0.4, centre=(0, 0))
    assert stops(image, face) is None


def test_a_gray_and_a_transparent_picture_are_read_alike():
    image, face = scene(0.1, 0.4)
    assert stops(image[..., :1], face) == stops(image, face)
    assert stops(torch.cat([image, image[..., :1] * 0], -1), face) == stops(image, face)


# --- planned size ---


FACE = Face(((240.0, 200.0), (280.0, 200.0)))  # 40 px between the eyes
FACES = Faces((800, 600), ((FACE,),), "typed eyes")


def test_a_linked_face_is_scaled_by_the_pixels_of_the_picture():
    seen = look(FACES, None)
    same = planned_face(None, seen, (800, 600), "", (800, 600))
    assert same.face_px == pytest.approx(40 * OVAL[1])
    twice = planned_face(None, seen, (800, 600), "full", (1600, 1200))
    assert twice.face_px == pytest.approx(80 * OVAL[1])
    other = planned_face(None, seen, (800, 600), "", (1024, 1024))
    assert other.face_px == pytest.approx(40 * OVAL[1] * (1024 * 1024 / 480000) ** 0.5)
    assert other.view.iod_px == 40
    assert other.view.frame == (800, 600)


def test_a_turned_head_is_as_tall_as_a_straight_one():
    turned = Face(FACE.eyes, yaw_deg=60.0)
    seen = look(Faces((800, 600), ((turned,),), "mesh"), None)
    assert planned_face(None, seen, (800, 600), "", (800, 600)).face_px == pytest.approx(
        80 * OVAL[1]
    )


@pytest.mark.parametrize("preset", ["CU close-up", "full", "ECU eye left"])
def test_a_crop_plan_tells_before_all_else(preset):
    plan = plan_crops(FACES, preset, "SDXL")
    found = planned_face(plan, look(FACES, None), (800, 600), "full", (512, 512))
    assert found.face_px == pytest.approx(plan.iod_model_px * OVAL[1])
    assert found.frame == plan.output_size
    assert found.view.frame == (800, 600)


def test_a_plan_without_a_face_leaves_the_word_to_the_next():
    plan = plan_subjects([Box(10, 10, 300, 300)], (800, 600), "SDXL")
    found = planned_face(plan, None, None, "full", (512, 512))
    assert found.source == "the shot full"


@pytest.mark.parametrize("shot", list(SHOTS))
@pytest.mark.parametrize("size", [(1024, 1024), (832, 1216), (1536, 640)])
def test_a_shot_fits_into_the_picture(shot, size):
    found = planned_face(None, None, None, shot, size)
    iod = found.face_px / OVAL[1]
    region = SHOTS[shot]
    spare = (size[0] - region.width * iod, size[1] - region.height * iod)
    assert min(spare) == pytest.approx(0, abs=1e-6)
    assert max(spare) >= -1e-6


def test_nothing_known_is_none():
    assert planned_face(None, None, None, "", (1024, 1024)) is None
    assert look(None, None) is None
    assert look(Faces((9, 9), ((), ()), "x"), None) is None


def test_the_largest_face_of_the_first_picture_that_shows_one():
    small = Face(((10.0, 10.0), (20.0, 10.0)))
    seen = look(Faces((800, 600), ((), (small, FACE)), "x"), None)
    assert (seen.picture, seen.face, seen.others) == (1, FACE, (small,))
    found = planned_face(None, seen, (800, 600), "", (800, 600))
    assert found.others_px == (pytest.approx(10 * OVAL[1]),)
    assert found.people == 2


def test_where_a_picture_is_linked_the_most_prominent_face_is_taken(astronaut):
    collins = Face(((204.0, 113.0), (245.0, 107.0)))
    sky = Face(((400.0, 40.0), (460.0, 40.0)))  # wider, but no face there
    faces = Faces((512, 512), ((sky, collins),), "typed eyes")
    seen = look(faces, astronaut)
    assert seen.face == collins
    assert seen.prominence.face == collins
    assert seen.backlight_stops is not None


@pytest.mark.parametrize("size", [(63, 512), (512, 16385), (float("nan"), 512)])
def test_an_absurd_size_is_refused(size):
    with pytest.raises(ValueError, match="must be from 64 to 16384 px"):
        check_size(*size)
