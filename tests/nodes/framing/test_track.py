import random
from itertools import pairwise
from statistics import pstdev

import pytest

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.plan import plan_video
from portrait_loupe.nodes.framing.track import follow, one_euro, smooth, steady_steps

SIZE = (1920, 1080)
FPS = 24.0


def face(x: float, y: float, iod: float, roll: float = 0.0) -> Face:
    return Face(((x - iod / 2, y - roll), (x + iod / 2, y + roll)))


def shot(*frames) -> Faces:
    return Faces(SIZE, tuple(tuple(frame) for frame in frames), "test")


def still(count: int, noise: float, seed: int = 1) -> list[tuple[Face, ...]]:
    """A face of 100 px that stands still, seen with noise (IOD, standard deviation)."""
    chance = random.Random(seed)
    return [
        (face(900 + 100 * noise * chance.gauss(0, 1), 500 + 100 * noise * chance.gauss(0, 1), 100 * (1 + noise * chance.gauss(0, 1))),)
        for _ in range(count)
    ]  # fmt: skip


def test_a_constant_passes_as_it_is():
    assert one_euro([3.0] * 10, FPS) == [3.0] * 10
    assert smooth([3.0] * 10, FPS) == [3.0] * 10


def test_noise_on_a_still_face_is_cut_to_less_than_half():
    """0.02 IOD of noise; both passes together leave 0.3 of it here."""
    before = still(120, 0.02)
    after = follow(shot(*before), FPS)
    seen = [frame[0].centre[0] for frame in before]
    smoothed = [frame[0].centre[0] for frame in after.frames]
    assert pstdev(smoothed) < 0.5 * pstdev(seen)


def test_a_moving_face_is_followed_without_a_lag():
    """100 px a second: one pass would trail by 10 px; away from the ends both meet in the middle."""
    frames = [(face(300 + 100 * i / FPS, 500, 100),) for i in range(96)]
    after = follow(shot(*frames), FPS)
    for before, now in list(zip(frames, after.frames, strict=True))[24:72]:
        assert now[0].centre[0] == pytest.approx(before[0].centre[0], abs=1.0)


def test_a_step_is_reached():
    values = [0.0] * 24 + [1.0] * 48
    assert smooth(values, FPS)[-1] == pytest.approx(1.0, abs=0.05)
    assert smooth(values, FPS)[0] == pytest.approx(0.0, abs=0.05)


def test_a_reversed_film_gets_the_reversed_track():
    frames = still(30, 0.05)
    there, back = follow(shot(*frames), FPS), follow(shot(*frames[::-1]), FPS)
    for a, b in zip(there.frames, back.frames[::-1], strict=True):
        assert a[0].centre == pytest.approx(b[0].centre)


def test_a_mirrored_film_gets_the_mirrored_track():
    frames = still(30, 0.05)
    mirrored = [(face(SIZE[0] - f.centre[0], f.centre[1], f.iod),) for (f,) in frames]
    for a, b in zip(follow(shot(*frames), FPS).frames, follow(shot(*mirrored), FPS).frames, strict=True):  # fmt: skip
        assert a[0].centre[0] == pytest.approx(SIZE[0] - b[0].centre[0])


def test_one_picture_stays_as_it_is():
    only = face(900, 500, 100, 3)
    assert follow(shot([only]), FPS).frames[0][0].eyes[0] == pytest.approx(only.eyes[0])


def test_the_same_person_is_followed_past_a_larger_one():
    """The largest of the first picture, then the nearest, even where another is larger."""
    hero = [face(500 + 2 * i, 500, 100) for i in range(10)]
    other = face(1500, 500, 180)
    frames = [[hero[0]], *([other, one] for one in hero[1:])]
    after = follow(shot(*frames), FPS)
    assert all(frame[0].centre[0] < 600 for frame in after.frames)


def test_a_short_gap_is_bridged():
    frames = [[face(500 + 10 * i, 500, 100)] if i not in (4, 5, 6) else [] for i in range(12)]
    after = follow(shot(*frames), FPS)
    assert after.frames[5][0].centre[0] == pytest.approx(550, abs=5)


def test_missing_ends_take_their_neighbour():
    frames = [[], [face(500, 500, 100)], [face(500, 500, 100)], []]
    assert follow(shot(*frames), FPS).frames[0][0].centre == pytest.approx((500, 500))


def test_a_long_gap_is_refused_with_its_place():
    frames = [[face(500, 500, 100)] if i < 5 or i > 20 else [] for i in range(30)]
    with pytest.raises(ValueError, match="pictures 6 to 21 of 30 show no face"):
        follow(shot(*frames), FPS)


def test_another_shot_is_refused():
    frames = [[face(300, 500, 100)]] * 20 + [[face(1600, 500, 100)]] * 20
    with pytest.raises(ValueError, match=r"pictures 21 to 40 of 40.*Cut the video"):
        follow(shot(*frames), FPS)


def test_a_shot_without_any_face_is_refused():
    with pytest.raises(ValueError, match="no face to follow"):
        follow(shot([], []), FPS)


def test_steps_stay_where_the_wish_only_trembles():
    """By less than a step, or less than 2 % of a fine one, around the first wish."""
    chance = random.Random(2)
    assert set(steady_steps([50, *(50 + chance.uniform(-1, 1) for _ in range(100))])) == {50}
    assert set(steady_steps([1000, *(1000 + chance.uniform(-19, 19) for _ in range(100))])) == {1000}  # fmt: skip


def test_steps_follow_a_zoom():
    wanted = [50 + i for i in range(30)]
    steps = steady_steps(wanted)
    assert steps == sorted(steps)
    assert all(abs(step - wish) <= max(1, 0.02 * step) + 1 for step, wish in zip(steps, wanted, strict=True))  # fmt: skip
    assert steady_steps([0.2, 0.1]) == [1, 1]


def test_a_still_face_gets_crops_of_one_size_and_steady_place():
    """2 % of noise on place and size."""
    plan = plan_video(shot(*still(96, 0.02)), "CU close-up", "Flux", fps=FPS)
    assert len({(crop.width, crop.height) for crop in plan.crops}) == 1
    moves = [abs(b.x - a.x) for a, b in pairwise(plan.crops)]
    assert max(moves) <= 1  # px; the noise is 2 px


def test_a_zoom_is_followed_in_small_steps():
    frames = [(face(900, 500, 60 + i),) for i in range(60)]
    plan = plan_video(shot(*frames), "CU close-up", "Flux", fps=FPS)
    widths = [crop.width for crop in plan.crops]
    assert widths == sorted(widths)
    assert widths[-1] / widths[0] == pytest.approx(119 / 60, rel=0.1)
    assert max(b / a for a, b in pairwise(widths)) < 1.1  # two steps of a small crop
