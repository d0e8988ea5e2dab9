import warnings
from math import cos, radians, sin

import numpy as np
import pytest

from portrait_loupe.nodes.framing.detect import network
from portrait_loupe.nodes.framing.detect.eyes import View
from portrait_loupe.nodes.framing.detect.network import Sightings, estimate_yaw, find_faces

SKIN = (0.7, 0.7, 0.7)
RED, GREEN, BLUE = (0.35, 0.0, 0.0), (0.0, 0.35, 0.0), (0.0, 0.0, 0.35)
# Eyes, nose and mouth in inter-ocular distances from midway between the eyes.
PLACES = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, 0.67), (-0.4, 1.1), (0.4, 1.1)])
COLOURS = (RED, RED, GREEN, BLUE, BLUE)


def drawn(shape, centre, iod, roll_deg=0.0):
    """A face of five dark discs with soft rims, and where they are."""
    turn = radians(roll_deg)
    axes = np.array([(cos(turn), sin(turn)), (-sin(turn), cos(turn))])
    points = np.array(centre) + iod * PLACES @ axes
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = SKIN
    for (px, py), colour in zip(points, COLOURS, strict=True):
        edge = np.hypot(x - px, y - py) / (0.11 * iod) - 1
        cover = 1 / (1 + np.exp(np.minimum(10 * edge, 50)))
        picture += cover[..., None].astype(np.float32) * (np.float32(colour) - np.float32(SKIN))
    return picture, points


class Discs:
    """A detector of drawn faces that fails like real ones: on faces too large or small for its canvas."""

    name, threshold, believed, square = "discs", 0.7, 0.7, False

    def __init__(self, *, largest=0.8, bias=(0.0, 0.0), scores=()):
        self.largest, self.bias, self.scores = largest, np.array(bias), list(scores)
        self.canvases, self.seen = [], []

    def __call__(self, canvas):
        from scipy.ndimage import center_of_mass, label

        self.canvases.append(canvas.shape)
        assert canvas.dtype == np.uint8
        parts = []
        for channel, count in enumerate((2, 1, 2)):
            others = np.delete(canvas, channel, -1).max(-1).astype(float)
            weight = np.where(canvas[..., channel] > 40, np.maximum(120 - others, 0), 0)
            labels, found = label(weight > 40)
            if found != count:
                return Sightings(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))
            middles = center_of_mass(weight, labels, range(1, count + 1))
            parts += sorted((x + 0.5, y + 0.5) for y, x in middles)
        points = np.array(parts)
        self.seen.append(points)
        iod = np.hypot(*(points[1] - points[0]))
        x, y = points.mean(0)
        box = np.array([[x - iod, y - 1.25 * iod, x + iod, y + 1.25 * iod]])
        if not 6 < 2.5 * iod < self.largest * max(canvas.shape):
            return Sightings(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))
        score = self.scores.pop(0) if self.scores else 0.9
        return Sightings(box, points[None] + self.bias, np.array([score]))


def worst(face, points):
    """The largest error of the five points, inter-ocular distances."""
    iod = np.hypot(*(points[1] - points[0]))
    return np.hypot(*(np.array(face.points) - points).T).max() / iod


@pytest.mark.parametrize("roll", [0.0, 25.0, -40.0])
@pytest.mark.parametrize("shape", [(600, 500), (333, 901), (200, 200)], ids=str)
def test_the_points_are_where_they_were_drawn(shape, roll):
    picture, points = drawn(shape, (0.47 * shape[1] + 0.3, 0.42 * shape[0]), 60.0, roll)
    (face,) = find_faces(picture, Discs()).faces
    assert worst(face, points) < 0.01  # 0.004 measured
    assert face.roll_deg == pytest.approx(roll, abs=0.5)
    assert face.eyes == face.points[:2]
    assert face.score == pytest.approx(0.9)


def test_every_size_of_the_picture_shows_the_same_place():
    """Within a pixel of the smallest canvas, 6 picture px here."""
    picture, points = drawn((640, 960), (400.3, 251.0), 150.0)
    seen = network._sweep(picture, Discs(), lambda: None)
    assert len(seen) == 3
    for one in seen:
        assert np.abs(one.points - points).max() < 1.5


def test_the_second_looks_see_the_face_upright_and_160_and_320_px_high():
    discs = Discs()
    find_faces(drawn((640, 960), (400.3, 251.0), 150.0, roll_deg=30.0)[0], discs)
    for points, height in zip(discs.seen[-4:], (160, 160, 320, 320), strict=True):
        across, down = points[1] - points[0]
        assert abs(down / across) < 0.01
        assert 2.5 * across == pytest.approx(height, rel=0.05)


def test_sightings_of_one_face_that_hardly_overlap_are_one_face():
    class Unsteady(Discs):
        def __call__(self, canvas):
            seen = super().__call__(canvas)
            if len(self.canvases) == 2:  # the second size: a box of 0.6 times the sides
                middle = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
                half = 0.3 * (seen.boxes[:, 2:] - seen.boxes[:, :2])
                boxes = np.concatenate([middle - half, middle + half], 1)
                return Sightings(boxes, seen.points, seen.scores)
            return seen

    picture, points = drawn((600, 600), (300.0, 240.0), 100.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "SAME_OVERLAP", 0.5)  # 0.36 is common to the two
        patch.setattr(network, "AGAIN_OVERLAP", 0.2)
        assert len(network._distinct(network._sweep(picture, Unsteady(), lambda: None))) == 2
        found = find_faces(picture, Unsteady())
    assert len(found.faces) == 1
    assert not any("part of" in remark for remark in found.remarks)
    assert worst(found.faces[0], points) < 0.01


def test_a_face_larger_than_the_detector_bears_is_found_in_the_smaller_sizes():
    """2.5 IOD are 1.25 times the frame; the detector bears 0.8 of its canvas."""
    picture, points = drawn((300, 300), (150.0, 100.0), 150.0)
    blind = Discs()
    assert len(blind((picture * 255).astype(np.uint8)).scores) == 0
    (face,) = find_faces(picture, Discs()).faces
    assert worst(face, points) < 0.02


def test_a_square_network_sees_nothing_but_its_canvas():
    picture, points = drawn((400, 900), (450.0, 150.0), 80.0)
    discs = Discs()
    discs.square = True
    (face,) = find_faces(picture, discs).faces
    assert worst(face, points) < 0.01
    assert set(discs.canvases) == {(640, 640, 3)}


def test_other_canvases_fit_the_strides():
    discs = Discs()
    find_faces(drawn((333, 901), (400.0, 150.0), 50.0)[0], discs)
    assert all(height % 64 == width % 64 == 0 for height, width, _ in discs.canvases)


def test_a_small_face_in_a_narrow_panorama_is_seen():
    picture, points = drawn((300, 3000), (2500.3, 140.0), 30.0)
    (face,) = find_faces(picture, Discs()).faces
    assert worst(face, points) < 0.02


def test_the_look_in_the_mirror_cancels_a_sideways_error():
    """8 px of 128 between the eyes: 0.06 IOD each way, none together."""
    picture, points = drawn((600, 600), (300.0, 240.0), 100.0)
    (face,) = find_faces(picture, Discs(bias=(8.0, 0.0))).faces
    # the mouth, which no vote mends; half a pixel of the look would be 0.004
    shift = (np.array(face.points[3:]) - points[3:])[:, 0].mean() / 100
    assert abs(shift) < 0.002


def test_what_a_second_look_does_not_confirm_is_passed_over_and_said():
    picture, _ = drawn((600, 600), (300.0, 240.0), 100.0)
    found = find_faces(picture, Discs(scores=[0.9, 0.9, 0.9, 0.6, 0.7, 0.7, 0.6]))
    assert found.faces == ()
    assert "second looks give it 0.65 of the 0.7 needed" in found.remarks[0]


def test_a_look_that_sees_nothing_counts_as_nought():
    """Three times 0.9 and once nothing are 0.675."""

    class Onesided(Discs):
        def __call__(self, canvas):
            seen = super().__call__(canvas)
            if len(self.canvases) == 5:  # three sizes, one straight look, then the first mirrored
                return Sightings(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))
            return seen

    picture, _ = drawn((600, 600), (300.0, 240.0), 100.0)
    assert find_faces(picture, Onesided()).faces == ()


class Always:
    """Sees the faces it was told of, (centre, IOD, score) in shares of a sweep's canvas, and each again."""

    name, threshold, believed, square = "always", 0.7, 0.7, True

    def __init__(self, *faces):
        self.faces, self.calls = faces, 0

    def __call__(self, canvas):
        self.calls += 1
        if self.calls > 3:  # the looks come in the order of the scores, two at 160 px, two at 320
            nth, look = divmod(self.calls - 4, 4)
            score = sorted((score for *_, score in self.faces), reverse=True)[nth]
            faces = [((0.5, 0.5), 0.1 if look < 2 else 0.2, score)]
        else:
            faces = self.faces if self.calls == 1 else []
        points = np.array([(PLACES - (0, 0.485)) * iod + middle for middle, iod, _ in faces]) * 640
        points = points.reshape(-1, 5, 2)
        size = np.array([(iod, 1.25 * iod) for _, iod, _ in faces]).reshape(-1, 2) * 640
        middle = np.array([middle for middle, *_ in faces]).reshape(-1, 2) * 640
        boxes = np.concatenate([middle - size, middle + size], 1)
        return Sightings(boxes, points, np.array([score for *_, score in faces]))


GREY = np.full((640, 640, 3), 0.5, np.float32)


def test_a_face_too_small_to_use_is_passed_over():
    found = find_faces(GREY[:64, :64], Always(((0.5, 0.5), 0.02, 0.9)))
    assert found.faces == ()
    assert "px between the eyes are too few" in found.remarks[0]


def test_an_eye_taken_for_a_face_is_part_of_the_larger_one():
    found = find_faces(GREY, Always(((0.5, 0.5), 0.3, 0.85), ((0.38, 0.4), 0.06, 0.9)))
    assert [round(face.iod / 640, 1) for face in found.faces] == [0.3]
    assert "part of a larger face" in found.remarks[0]


def test_a_doubtful_face_made_of_a_sure_one_falls():
    found = find_faces(GREY, Always(((0.5, 0.5), 0.3, 0.75), ((0.38, 0.4), 0.06, 0.95)))
    assert [round(face.iod / 640, 2) for face in found.faces] == [0.06]


def test_a_second_opinion_counts_only_where_it_is_alike():
    """Two looks that come upon one face: averaged where their pupils are close, else the surer alone."""
    (face,) = find_faces(GREY, Always(((0.5, 0.5), 0.2, 0.9), ((0.51, 0.5), 0.118, 0.85))).faces
    assert face.iod / 640 == pytest.approx(0.2, abs=0.001)
    looks = Always(((0.5, 0.5), 0.2, 0.9), ((0.52, 0.53), 0.2, 0.85))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "SAME_OVERLAP", 0.9)
        (face,) = find_faces(GREY, looks).faces
    assert face.centre[0] / 640 == pytest.approx(0.51, abs=0.001)


def test_a_vote_that_leads_far_away_is_not_followed():
    """A dark disc beside each eye, 0.19 IOD off, and nothing where the network saw the pupils."""
    picture = GREY.copy()
    y, x = np.mgrid[:640, :640] + 0.5
    eyes = [(256 - 24.0, 258.0), (384 - 24.0, 258.0)]
    for ex, ey in eyes:
        picture[np.hypot(x - ex, y - ey) < 12] = 0.05
    for allowed, expected in (
        (0.2, 238),
        (0.1, 256),
    ):  # the belief in the guess pulls a little back
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "MOST_MOVED", allowed)
            (face,) = find_faces(picture, Always(((0.5, 0.5), 0.2, 0.9))).faces
        assert face.eyes[0][0] == pytest.approx(expected, abs=2)


def test_two_faces_side_by_side_are_two_and_the_larger_comes_first():
    found = find_faces(GREY, Always(((0.2, 0.5), 0.06, 0.95), ((0.7, 0.5), 0.12, 0.8)))
    assert [round(face.iod / 640, 2) for face in found.faces] == [0.12, 0.06]


def test_points_that_are_no_numbers_are_no_face():
    picture, _ = drawn((300, 300), (150.0, 100.0), 60.0)
    assert find_faces(picture, Discs(bias=(np.nan, 0.0))).faces == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (3000, 2), (5, 3)], ids=str)
def test_pictures_of_a_pixel_and_of_noise_raise_nothing(shape):
    noise = np.random.default_rng(0).random((*shape, 3), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_faces(noise, Discs()).faces == ()


def test_beyond_the_picture_a_canvas_is_black():
    white = np.ones((20, 30, 3), np.float32)
    canvas = network._canvas(white, View((15.0, 10.0), 0.5, 0.0, 128, 64))
    assert canvas.sum() == 255 * 3 * 60 * 40
    assert (canvas[12:52, 34:94] == 255).all()


def test_many_false_places_cost_a_bounded_number_of_looks():
    class Everywhere(Discs):
        def __call__(self, canvas):
            self.canvases.append(canvas.shape)
            x, y = np.meshgrid(np.arange(10) * 40.0, np.arange(10) * 40.0)
            boxes = np.stack([x, y, x + 20, y + 25], -1).reshape(-1, 4)
            points = boxes[:, None, :2] + (PLACES + np.array((0.9, 0.5))) * 10
            many = len(self.canvases) <= 3
            return Sightings(boxes, points, np.full(100, 0.9 if many else 0.0))

    everywhere = Everywhere()
    found = find_faces(np.full((640, 640, 3), 0.5, np.float32), everywhere)
    assert len(everywhere.canvases) == 3 + 4 * network.MOST_FACES
    assert len(found.remarks) == 3


def turned(yaw_deg, roll_deg=0.0, depth=network.NOSE_DEPTH):
    """The five points of a head turned to the right of the picture, seen from far away."""
    yaw, roll = radians(yaw_deg), radians(roll_deg)
    x, y = PLACES.T
    z = np.array([0, 0, depth, 0, 0])
    x, y = cos(yaw) * x + sin(yaw) * z, y
    x, y = cos(roll) * x - sin(roll) * y, sin(roll) * x + cos(roll) * y
    return [(float(a), float(b)) for a, b in zip(100 * x + 300, 100 * y + 200, strict=True)]


@pytest.mark.parametrize("roll", [0.0, 30.0])
@pytest.mark.parametrize("yaw", [-45.0, -10.0, 0.0, 25.0])
def test_the_noses_shift_tells_the_yaw(yaw, roll):
    assert estimate_yaw(turned(yaw, roll)) == pytest.approx(yaw, abs=0.01)


def test_a_nose_a_tenth_longer_is_two_degrees_at_twenty_five():
    assert estimate_yaw(turned(25.0, depth=1.1 * network.NOSE_DEPTH)) == pytest.approx(
        27.2, abs=0.2
    )


def test_a_crooked_mouth_axis_is_no_yaw():
    """An eye line marked 5 degrees askew tilts the whole axis; the nose lies on it all the same."""
    points = turned(0.0)
    askew = [(x + 0.2 * (y - 200), y) for x, y in points]
    assert abs(estimate_yaw(askew)) < 1
