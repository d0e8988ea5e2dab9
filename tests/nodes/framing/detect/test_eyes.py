import numpy as np
import pytest

from portrait_loupe.kernels.picture import luma
from portrait_loupe.nodes.framing.detect.eyes import View, face_in_box, find_pupils
from portrait_loupe.nodes.framing.faces import Box, Face

# Iris centres, marked by hand on crops enlarged 14 times: within half a pixel.
HOPPER = np.array([(222.0, 189.6), (305.5, 186.8)])


@pytest.fixture(scope="module")
def grace(hopper):
    return luma(hopper[0]).numpy()


def drawn_eyes(centres, radius, shape):
    """Dark discs with soft rims on skin."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    picture = np.full(shape, 0.7)
    for cx, cy in centres:
        picture -= 0.6 / (1 + np.exp((np.hypot(x - cx, y - cy) - radius) / radius * 10))
    return picture.astype(np.float32)


def error(face, eyes):
    """The larger error of the two pupils, inter-ocular distances."""
    eyes = np.asarray(eyes)
    return np.hypot(*(np.array(face.eyes) - eyes).T).max() / np.hypot(*(eyes[1] - eyes[0]))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_drawn_irises_are_found_to_a_hundredth(scale):
    eyes = np.array([(60.3, 70.8), (140.3, 70.8)]) * scale
    picture = drawn_eyes(eyes, 8 * scale, (round(150 * scale), round(200 * scale)))
    guess = Face(tuple((x + 6 * scale, y - 5 * scale) for x, y in eyes))
    face, objection = find_pupils(picture, guess)
    assert objection is None
    # The belief in the guess, 0.1 IOD away, pulls the peak of the votes by some hundredths.
    assert error(face, eyes) < 0.03


def test_a_half_pixel_is_not_lost():
    eyes = np.array([(60.5, 70.5), (140.5, 70.5)])
    face, _ = find_pupils(drawn_eyes(eyes, 8, (150, 200)), Face(tuple(map(tuple, eyes))))
    # A tenth of a pixel of the 40 px between the eyes in the view.
    assert error(face, eyes) < 0.0025


def test_the_guess_may_be_a_tenth_off(grace):
    for dx, dy in [(0, 0), (8, 0), (-8, 0), (0, 8), (0, -8)]:
        guess = Face(tuple((x + dx, y + dy) for x, y in HOPPER), score=7.0)
        face, objection = find_pupils(grace, guess)
        assert objection is None
        assert face.score == 7.0
        assert error(face, HOPPER) < 0.08  # 0.01 to 0.077 measured


def test_where_nothing_is_seen_the_guess_stays():
    guess = Face(((40.0, 50.0), (80.0, 50.0)))
    assert find_pupils(np.full((100, 120), 0.5, np.float32), guess) == (
        guess,
        "no gradients around the eyes",
    )


def test_a_guess_off_the_picture_does_no_harm(grace):
    face, _ = find_pupils(grace, Face(((-300.0, -90.0), (-200.0, -90.0))))
    assert np.isfinite(face.eyes).all()


@pytest.mark.parametrize(
    ("width", "height", "eye_line"),
    [(2.29, 2.69, 0.32), (2.13, 2.75, 0.36), (2.71, 2.71, 0.37)],
    ids=["oval", "network", "cascade"],
)
def test_boxes_of_several_detectors_lead_to_the_pupils(grace, width, height, eye_line):
    iod = np.hypot(*(HOPPER[1] - HOPPER[0]))
    x, y = HOPPER.mean(0)
    box = Box(x - width * iod / 2, y - eye_line * height * iod, width * iod, height * iod)
    face, objection = face_in_box(grace, box)
    assert objection is None
    assert face.score == 1.0
    assert error(face, HOPPER) < 0.08


def test_a_box_on_a_blank_wall_holds_an_average_face():
    face, objection = face_in_box(np.full((300, 300), 0.5, np.float32), Box(50, 40, 229, 269))
    assert objection == "no gradients around the eyes"
    assert face.score == 0
    assert face.iod == pytest.approx(95)
    assert face.centre == pytest.approx((164.5, 40 + 0.345 * 269))


def test_a_view_knows_where_its_pixels_are():
    picture = np.zeros((50, 60), np.float32)
    picture[20:22, 30:32] = 1
    view = View((31.0, 21.0), 0.25, 30.0, 41, 41)
    pixels = view.of(picture)
    y, x = np.mgrid[:41, :41] + 0.5
    found = view.to_picture(*((pixels * grid).sum() / pixels.sum() for grid in (x, y)))
    assert found == pytest.approx((31.0, 21.0), abs=0.01)


def test_an_8k_view_keeps_its_place():
    picture = np.zeros((4320, 7680), np.float32)
    picture[1000:1100, 6000:6100] = 1
    view = View((3840.0, 2160.0), 16.5, 0.0, 470, 270)
    pixels = view.of(picture)
    y, x = np.mgrid[:270, :470] + 0.5
    found = view.to_picture(*((pixels * grid).sum() / pixels.sum() for grid in (x, y)))
    assert found == pytest.approx((6050, 1050), abs=3)  # px: a fifth of a view pixel
