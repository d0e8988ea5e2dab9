"""Pictures of one grey level stand for faces: an encoder that looks the level up gives the embedding
that a test has chosen, so that what is measured is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL, Face, Faces
from portrait_loupe.nodes.framing.find import find_faces
from portrait_loupe.nodes.identity.aggregate import robust_center
from portrait_loupe.nodes.identity.drift import LEAST_FACE_PX, drift, faces_or_none, report
from portrait_loupe.nodes.identity.encode.arcface import open_encoders
from portrait_loupe.nodes.identity.gather import build_identity
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

SHA = "ab" * 32
WIDTH = 512
FIVE = ((110.0, 100.0), (190.0, 100.0), (150.0, 145.0), (118.0, 185.0), (182.0, 185.0))


class Table:
    """An encoder of chosen answers: the grey level of a crop's middle says which."""

    licence = "of a test"

    def __init__(self, rows, id="w600k_r50", sha256=SHA):
        self.rows, self.id, self.sha256, self.name = np.asarray(rows, np.float32), id, sha256, id

    def __call__(self, crops):
        return self.rows[crops[:, 56, 56, 0]]


def level(number):
    """A picture of 300 x 300 whose middle is a grey level."""
    return torch.full((1, 300, 300, 3), number / 255)


def face(scale=1.0, at=(0.0, 0.0)):
    points = tuple((x * scale + at[0], y * scale + at[1]) for x, y in FIVE)
    return Face((points[0], points[1]), points=points)


def faces(*frames):
    return Faces((300, 300), tuple(tuple(frame) for frame in frames), "a test")


def reference(number, quality=1.0, crop=True, forced=None):
    return Reference(
        quality=quality, parts={"size": quality}, photo_sha256=f"{number:064x}", eyes=FIVE[:2],
        points=FIVE, image_size=(300, 300), iod_px=80.0, yaw_deg=0.0, pitch_deg=None, blur_px=0.4,
        median_luma=0.2, forced=forced,
        crop112=np.full((112, 112, 3), number, np.uint8) if crop else None,
    )  # fmt: skip


def person(rng, spread=0.6, count=8):
    """Unit embeddings around one direction, as photos of one person lie."""
    centre = rng.standard_normal(WIDTH)
    centre /= np.linalg.norm(centre)
    rows = centre + spread * rng.standard_normal((count, WIDTH)) / WIDTH**0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def profile(rows, encoder="w600k_r50", sha256=SHA, **keywords):
    raw = np.asarray(rows, np.float32) * 20
    references = tuple(reference(index) for index in range(len(rows)))
    held = Embedded(encoder, sha256, "of a test", raw)
    return Identity("Ada", references, (held,), **keywords)


def test_the_cosine_is_that_to_the_robust_centre():
    rows = person(np.random.default_rng(1), count=9)
    known = profile(rows[:8])
    found = drift(level(8), faces([face()]), known, [Table(rows * 17)])
    (likeness,) = found.best[0].likeness
    centre, _ = robust_center(rows[:8], np.ones(8), np.ones(8, bool))
    assert likeness.cosine == pytest.approx(rows[8] @ centre, abs=1e-6)  # float32 rows


def test_each_photo_of_the_profile_is_held_against_the_others_alone():
    rows = person(np.random.default_rng(2), count=5)
    found = drift(level(0), faces([face()]), profile(rows), [Table(rows)])
    (likeness,) = found.best[0].likeness
    expected = []
    for left_out in range(5):
        others = np.delete(np.arange(5), left_out)
        centre, _ = robust_center(rows[others], np.ones(4), np.ones(4, bool))
        expected.append(rows[left_out] @ centre)
    assert likeness.control.cosines == pytest.approx(sorted(expected), abs=1e-6)
    # the picture is one of the photos: to the centre that it helped to make it is nearer than as if new
    assert likeness.cosine > expected[0]


def test_new_photos_of_the_same_person_are_called_unlike_as_seldom_as_is_said():
    """Of 300 people a new photo lies below all of 7 own ones in 1 of 8 cases, and below half in half."""
    rng, below = np.random.default_rng(3), []
    for _ in range(300):
        rows = person(rng, count=8)
        found = drift(level(7), faces([face()]), profile(rows[:7]), [Table(rows)])
        below.append(found.best[0].likeness[0].below)
    counts = np.bincount(below, minlength=8) / 300
    # each of the 8 places equally likely; three standard deviations of 300 draws are 0.057
    assert counts == pytest.approx(np.full(8, 1 / 8), abs=0.06)


def test_a_photo_of_the_profile_itself_is_told_to_be_one():
    rows = person(np.random.default_rng(16), count=6)
    found = drift(level(2), faces([face()]), profile(rows[:5]), [Table(rows)])
    assert found.best[0].likeness[0].own == 2
    assert "this is face 3 of the profile itself" in report(found)
    assert found.as_json()["pictures"][0]["encoders"][0]["is_own_photo"] == 3
    new = drift(level(5), faces([face()]), profile(rows[:5]), [Table(rows)])
    assert new.best[0].likeness[0].own is None
    assert "of the profile itself" not in report(new)


def test_photos_that_are_all_alike_are_reached_by_one_more_of_them():
    rows = np.repeat(person(np.random.default_rng(17), count=1), 5, axis=0)
    found = drift(level(4), faces([face()]), profile(rows[:4]), [Table(rows)])
    assert found.best[0].likeness[0].below == 4


def test_a_turned_head_is_as_high_as_it_would_be_straight():
    """112 px are met by the height of the face, which turning aside does not change."""
    rows = person(np.random.default_rng(18), count=4)
    scale = 0.8 * LEAST_FACE_PX / (OVAL[1] * 80)
    narrow = face(scale)
    turned = Face(narrow.eyes, points=narrow.points, yaw_deg=45.0)
    assert not drift(level(0), faces([narrow]), profile(rows), [Table(rows)]).best[0].likeness
    assert drift(level(0), faces([turned]), profile(rows), [Table(rows)]).best[0].likeness


def test_a_stranger_is_less_alike_than_every_own_photo():
    rng = np.random.default_rng(4)
    rows = np.concatenate([person(rng, count=8), person(rng, count=1)])
    found = drift(level(8), faces([face()]), profile(rows[:8]), [Table(rows)])
    (likeness,) = found.best[0].likeness
    assert likeness.below == 0
    assert likeness.share == pytest.approx(1 / 9)
    assert likeness.cosine < likeness.control.lowest - 0.3
    assert "about 1 in 9 or fewer" in report(found)


def test_below_112_px_nothing_is_told():
    rows = person(np.random.default_rng(5), count=4)
    just_below = face(LEAST_FACE_PX / (OVAL[1] * 80) - 1e-3)
    just_above = face(LEAST_FACE_PX / (OVAL[1] * 80) + 1e-3)
    found = drift(level(0), faces([just_below]), profile(rows), [Table(rows)])
    assert found.best[0].likeness == ()
    assert "112 px high: below 112 px encoders guess" in report(found)
    assert "0.9" not in report(found)
    told = found.as_json()["pictures"][0]
    assert (told["can_tell"], told["encoders"]) == (False, [])
    assert drift(level(0), faces([just_above]), profile(rows), [Table(rows)]).best[0].likeness


@pytest.mark.parametrize(
    ("count", "words"), [(1, "fewer than 3"), (2, "fewer than 3"), (3, "own 3 photos")]
)
def test_fewer_than_three_photos_are_nothing_to_hold_it_against(count, words):
    rows = person(np.random.default_rng(6), count=4)
    found = drift(level(3), faces([face()]), profile(rows[:count]), [Table(rows)])
    (likeness,) = found.best[0].likeness
    assert words in report(found)
    assert (likeness.share is None) == (count < 3)


def test_an_encoder_that_has_seen_no_kept_photo_is_passed_over_and_the_other_still_tells():
    rows = person(np.random.default_rng(19), count=5)
    known = profile(rows[:4])
    unseen = Embedded("glintr100", "cd" * 32, "of a test", np.zeros((4, WIDTH), np.float32))
    both = replace(known, embedded=(*known.embedded, unseen))
    encoders = [Table(rows, "glintr100", "cd" * 32), Table(rows)]
    found = drift(level(4), faces([face()]), both, encoders)
    assert [one.encoder for one in found.best[0].likeness] == ["w600k_r50"]
    assert "glintr100 was passed over: glintr100 (sha cdcdcdcd) has seen no face" in report(found)


def test_of_several_faces_the_most_alike_counts_and_a_picture_without_one_is_said_to_be():
    rng = np.random.default_rng(7)
    rows = np.concatenate([person(rng, count=4), person(rng, count=1)])
    picture = level(4)
    picture[:, :, 150:] = 1 / 255
    small = 0.7
    stranger, own = face(small, (-40, 0)), face(small, (120, 0))
    batch = torch.cat([picture, level(2)])
    found = drift(batch, faces([stranger, own], []), profile(rows[:4]), [Table(rows)])
    assert found.best[0].face is own
    assert found.best[1] is None
    assert len(found.faces) == 2
    assert "the most alike of 2 faces" in report(found)
    assert "picture 2: cannot be told: no face" in report(found)


def test_an_encoder_that_the_profile_lacks_looks_at_its_crops():
    rows = person(np.random.default_rng(8), count=5)
    known = profile(np.random.default_rng(9).standard_normal((4, WIDTH)), "glintr100", "cd" * 32)
    found = drift(level(4), faces([face()]), known, [Table(rows)])
    (likeness,) = found.best[0].likeness
    expected = (
        drift(level(4), faces([face()]), profile(rows[:4]), [Table(rows)]).best[0].likeness[0]
    )
    assert likeness.cosine == pytest.approx(expected.cosine, abs=1e-6)
    assert "its stored crops were embedded now" in report(found)


@pytest.mark.parametrize(("id", "sha256"), [("glintr100", SHA), ("w600k_r50", "cd" * 32)])
def test_another_encoder_is_refused_by_name_where_no_crops_are_stored(id, sha256):
    rows = person(np.random.default_rng(10), count=5)
    bare = profile(rows[:4], id, sha256).without_crops()
    found = drift(level(4), faces([face()]), bare, [Table(rows)])
    assert found.best[0].likeness == ()
    words = report(found)
    assert "w600k_r50 was passed over" in words
    assert f"{id} (sha {sha256[:8]})" in words


def test_without_any_encoder_it_says_what_the_profile_holds():
    rows = person(np.random.default_rng(11), count=4)
    found = drift(level(0), faces([face()]), profile(rows), [])
    assert not found.best[0].likeness
    assert f"the profile holds w600k_r50 (sha {SHA[:8]})" in report(found)


def test_a_rejected_photo_is_no_measure_of_likeness():
    rng = np.random.default_rng(12)
    rows = np.concatenate([person(rng, 0.4, 5), person(rng, 0.4, 1)])
    known = profile(rows)
    found = drift(level(0), faces([face()]), known, [Table(rows)])
    assert len(found.best[0].likeness[0].control.cosines) == 5


def test_all_figures_are_plain_json_without_any_embedding():
    rows = person(np.random.default_rng(13), count=5)
    found = drift(
        level(4), faces([face()]), profile(rows[:4]), [Table(rows), Table(rows[::-1], "other")]
    )
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [one["encoder"] for one in told["pictures"][0]["encoders"]] == ["w600k_r50", "other"]
    assert len(json.dumps(told)) < 5000


def test_faces_of_another_picture_are_refused():
    rows = person(np.random.default_rng(14), count=4)
    elsewhere = Faces((640, 480), ((face(),),), "a test")
    with pytest.raises(ValueError, match="640"):
        drift(level(0), elsewhere, profile(rows), [Table(rows)])


@pytest.fixture
def known(face_pack, marker_face, tmp_path):
    """A folder with a tiny pack, and a profile of the drawn person 1 made with it."""
    folders = {"insightface": [face_pack(tmp_path / "insightface")], "detection": []}
    photos = [
        torch.from_numpy(
            marker_face((480, 480), [{"x": 240, "y": 200, "iod": iod, "identity": 1}])[0]
        )[None]
        for iod in (60, 70, 80, 90)
    ]
    encoders = open_encoders(folders["insightface"]).encoders
    return folders, build_identity(photos, encoders=encoders, folders=folders, name="One").identity


def two_people(marker_face):
    people = [
        {"x": 180, "y": 200, "iod": 70, "identity": 2},
        {"x": 520, "y": 220, "iod": 60, "identity": 1},
    ]
    return torch.from_numpy(marker_face((720, 480), people)[0])[None]


def test_a_drawn_person_is_told_from_another_through_a_whole_pack(known, marker_face):
    folders, identity = known
    image = two_people(marker_face)
    found = drift(
        image,
        find_faces(image, folders=folders).faces,
        identity,
        open_encoders(folders["insightface"]).encoders,
    )
    assert found.best[0].face.centre[0] == pytest.approx(520, abs=2)
    own, other = sorted((one.likeness[0].cosine for one in found.faces), reverse=True)
    assert own > 0.95
    assert other < 0.6


def test_find_faces_keeps_the_one_like_the_identity(known, marker_face):
    folders, identity = known
    image = two_people(marker_face)
    kept = find_faces(image, folders=folders, keep="like identity", identity=identity).faces.frames[
        0
    ]
    assert [round(face.centre[0] / 20) * 20 for face in kept] == [520]
    with pytest.raises(ValueError, match="needs an identity: link one"):
        find_faces(image, folders=folders, keep="like identity")


def test_without_an_encoder_find_faces_says_that_nobody_can_tell(known, marker_face):
    _folders, identity = known
    image = two_people(marker_face)
    with pytest.raises(RuntimeError, match=r"'One' cannot be told.*w600k_r50"):
        find_faces(image, eyes="145,200 215,200", keep="like identity", identity=identity)


def test_a_picture_without_a_face_is_a_finding_and_no_failure():
    rows = person(np.random.default_rng(15), count=4)
    blank = level(0)
    found = drift(blank, faces_or_none(blank, {}), profile(rows), [Table(rows)])
    assert found.best == (None,)
    assert "no face was found" in report(found)
