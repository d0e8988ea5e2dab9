"""How like an identity takes are: the cosine of each take's own face."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.likeness import likeness_of_takes
from portrait_loupe.nodes.framing.faces import Face
from portrait_loupe.nodes.identity.encode.arcface import Opened
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

SHA = "ab" * 32
FIVE = ((110.0, 100.0), (190.0, 100.0), (150.0, 145.0), (118.0, 185.0), (182.0, 185.0))


class Table:
    """An encoder of chosen answers: the gray level of a crop's middle says which."""

    licence, id, sha256, name = "of a test", "w600k_r50", SHA, "w600k_r50"

    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float32)

    def __call__(self, crops):
        return self.rows[crops[:, 56, 56, 0]]


@pytest.fixture
def rows():
    drawn = np.random.default_rng(3).standard_normal((4, 512))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def identity(rows):
    """A profile of one photo, whose embedding is row 0."""
    one = Reference(
        quality=1.0, parts={"size": 1.0}, photo_sha256="0" * 64, eyes=FIVE[:2], points=FIVE, image_size=(300, 300),
        iod_px=80.0, yaw_deg=0.0, pitch_deg=None, blur_px=0.4, median_luma=0.2, forced=None,
        crop112=np.zeros((112, 112, 3), np.uint8),
    )  # fmt: skip
    return Identity("Ada", (one,), (Embedded("w600k_r50", SHA, "of a test", rows[:1].astype(np.float32)),))  # fmt: skip


@pytest.fixture
def gray_take(make_take):
    def made(number, scale=1.0, **changes):
        points = tuple((x * scale, y * scale) for x, y in FIVE)
        face = Face((points[0], points[1]), points=points)
        picture = torch.full((1, 300, 300, 3), number / 255)
        return replace(make_take(number), picture=picture, face=face, **changes)

    return made


def test_each_take_gets_the_cosine_of_its_own_face(rows, identity, gray_take):
    found, _ = likeness_of_takes([gray_take(1), gray_take(3)], identity, Opened((Table(rows),), ()))
    assert found[1].cosine == pytest.approx(rows[1] @ rows[0], abs=1e-6)
    assert found[3].cosine == pytest.approx(rows[3] @ rows[0], abs=1e-6)
    assert found[1].encoder == "w600k_r50"


def test_rejected_takes_are_left_out_and_small_faces_told(rows, identity, gray_take, make_take):
    takes = [gray_take(1, rejected="blank"), make_take(2, face=False), gray_take(3, scale=0.3)]
    found, _ = likeness_of_takes(takes, identity, Opened((Table(rows),), ()))
    assert list(found) == [3]
    assert found[3].cosine is None
    assert "below 112 px" in found[3].objection


def test_without_an_encoder_the_reason_is_told_once(identity, gray_take):
    found, remarks = likeness_of_takes([gray_take(1), gray_take(2)], identity, Opened((), ("no pack is here",)))  # fmt: skip
    assert {one.cosine for one in found.values()} == {None}
    assert "no encoder" in found[1].objection
    assert remarks.count("no pack is here") == 1
    assert len(remarks) == len(set(remarks))
