import json

import pytest
import torch

from portrait_loupe.nodes.casting.realism.calibrate import calibrate, measure_face, range_of
from portrait_loupe.nodes.casting.realism.corridor import ENOUGH, build_corridor
from portrait_loupe.nodes.casting.realism.figures import SCORED
from portrait_loupe.nodes.casting.realism.plot import draw_corridor


def test_too_few_faces_are_told_with_the_reason_of_each(hopper, astronaut):
    blank = torch.full((1, 64, 64, 3), 0.5)
    with pytest.raises(ValueError, match="at least 12 faces") as refusal:
        calibrate([hopper, astronaut, blank, hopper], name="mine")
    words = str(refusal.value)
    assert "there are 0" in words
    assert "photo 1: the face is" in words
    assert "photo 2: the face is" in words
    assert "photo 3: no face was found" in words
    assert "photo 4: shown twice" in words


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="photos must be a picture"):
        calibrate(["a file"], name="mine")
    with pytest.raises(ValueError, match="there are 0"):
        calibrate([], name="mine")


def test_a_face_is_measured_behind_the_gates_of_takes(painted, spectrum, face):
    from dataclasses import replace

    picture = painted(1.5 * spectrum(2.0, 1))
    figures, reason = measure_face(picture, face)
    assert reason is None
    assert {*SCORED, "face_px", "ita_deg"} <= set(figures)
    figures, reason = measure_face(picture, replace(face, yaw_deg=40.0))
    assert figures is None
    assert "turned" in reason
    figures, reason = measure_face(torch.full_like(picture, 0.5), face)
    assert figures is None
    assert "no texture" in reason


def test_every_face_is_a_dot_in_the_plot(rows, corridor):
    plot = draw_corridor(corridor, rows)
    assert plot.shape == (1, 640, 1000, 3)
    assert 0 <= float(plot.min()) <= float(plot.max()) <= 1
    blue = (plot[0] - torch.tensor([86, 180, 233]) / 255).abs().sum(-1) < 0.05
    # in seven scales, none of them empty, all within their ends
    tops = [76 + 68 * row for row in range(7)]
    assert all(blue[top : top + 68].sum() > 60 for top in tops)
    columns = blue.any(0).nonzero()
    assert 290 <= int(columns.min()) <= int(columns.max()) <= 970


def test_dots_move_with_their_face(rows, corridor):
    far = [{**row, "slope": row["slope"] + 50} for row in rows]
    moved = draw_corridor(corridor, far)
    plain = draw_corridor(corridor, rows)
    row = slice(76 + 68, 76 + 2 * 68)  # of slope, the second
    assert not torch.equal(moved[:, row], plain[:, row])
    assert torch.equal(moved[:, 76:144], plain[:, 76:144])


def test_the_report_tells_how_far_to_rely_on_it(rows):
    from portrait_loupe.nodes.casting.realism.calibrate import report_of

    rough = report_of(build_corridor(rows[: ENOUGH - 1], name="x"), 50, ["photo 3: no face"], "d")
    assert "39 faces of 50 photos" in rough
    assert "a rough one: 40 faces or more" in rough
    assert "photo 3: no face" in rough
    whole = report_of(build_corridor(rows, name="x"), 60, [], "d")
    assert "rough" not in whole
    assert "Left out" not in whole
    assert all(key in whole for key in SCORED)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(None, 10, "below 10"), (10, 28, "10 to 28"), (55, None, "55 and above")],
)
def test_ranges_in_words(low, high, words):
    assert range_of(low, high) == words


@pytest.mark.slow
def test_of_real_portraits_a_corridor_is_made(test_data):
    """Fourteen of the portraits; YuNet where it can run, else the embedded detector."""
    import numpy as np
    from PIL import Image

    photos = []
    for path in sorted((test_data / "photos" / "corridor").glob("*.jpg"))[20:34]:
        with Image.open(path) as photo:
            photos.append(
                torch.from_numpy(np.asarray(photo.convert("RGB"), np.float32) / 255)[None]
            )
    folders = {"detection": [test_data / "models"], "insightface": []}
    made = calibrate(photos, name="some", folders=folders)
    assert 12 <= made.corridor.n == len(made.rows) <= 14
    assert made.corridor.n + len(made.left_out) == 14
    assert "rough" in made.report
    json.dumps(made.corridor.as_json(), allow_nan=False)
