import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.identity.draw_drift import MARK, MOST_ROWS, WIDTH, draw_drift
from portrait_loupe.nodes.identity.drift import Compared, Control, Drift, Likeness
from portrait_loupe.nodes.identity.profile import Identity, Reference

FACE = Face(((130.0, 110.0), (170.0, 110.0)))
EYES = FACE.eyes


def reference(colour, quality):
    return Reference(
        quality=quality, parts={}, photo_sha256="0" * 64, eyes=EYES, points=EYES, image_size=(300, 300), iod_px=80.0,
        yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.2, crop112=np.full((112, 112, 3), colour, np.uint8),
    )  # fmt: skip


IDENTITY = Identity("Ada", (reference((10, 200, 30), 0.4), reference((20, 40, 220), 0.9)))


def compared(cosine, own=(0.6, 0.7, 0.8), picture=0):
    control = Control(tuple(own)) if own else None
    as_new = cosine if own else None
    likeness = Likeness("w600k_r50", "ab" * 32, cosine, as_new, control)
    return Compared(picture, FACE, 215.0, (likeness,))


def drawn(*rows):
    picture = torch.tensor((200 / 255, 10 / 255, 10 / 255)).expand(len(rows), 300, 300, 3)
    return draw_drift(Drift("Ada", rows, tuple(one for one in rows if one), ()), IDENTITY, picture)


def marks(page):
    """The columns that the triangle covers."""
    found = (page[0] * 255).round().to(torch.uint8).numpy() == np.array(MARK, np.uint8)
    return np.flatnonzero(found.all(-1).any(0))


def test_the_triangle_stands_further_right_the_more_alike_the_face_is():
    places = [marks(drawn(compared(cosine))).mean() for cosine in (-1.0, 0.0, 0.5, 1.0)]
    assert places == sorted(places)
    # equal steps of cosine are equal steps on the scale: 0 to 0.5 and 0.5 to 1, to a pixel's rounding
    assert places[2] - places[1] == pytest.approx(places[3] - places[2], abs=2)


def test_the_face_stands_beside_the_best_of_the_profile():
    page = (drawn(compared(0.5))[0] * 255).round().numpy()
    colours = {tuple(int(c) for c in one) for one in page.reshape(-1, 3)}
    assert {(200, 10, 10), (20, 40, 220)} <= colours
    assert (10, 200, 30) not in colours


def test_what_cannot_be_told_has_no_triangle_and_says_why():
    untold = Compared(0, FACE, 80.0, (), "the face is 80 px high: below 112 px encoders guess")
    assert not len(marks(drawn(untold)))
    assert drawn(untold).std() > 0.01
    assert not torch.equal(drawn(untold), drawn(None))


def test_many_pictures_make_a_page_that_stays_bounded():
    few, many = drawn(*[compared(0.5)] * 3), drawn(*[compared(0.5)] * 40)
    assert few.shape[2] == many.shape[2] == WIDTH
    assert many.shape[1] < few.shape[1] * MOST_ROWS / 2


def test_without_a_control_only_the_triangle_is_drawn():
    assert len(marks(drawn(compared(0.5, own=()))))
    assert not torch.equal(drawn(compared(0.5, own=())), drawn(compared(0.5)))
