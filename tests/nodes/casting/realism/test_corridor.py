import json
from dataclasses import replace

import numpy as np
import pytest

from portrait_loupe.nodes.casting.realism.corridor import (
    FEWEST,
    SHRUNK,
    Source,
    build_corridor,
    inverse_of,
    leave_one_out,
    read_corridor,
)
from portrait_loupe.nodes.casting.realism.figures import SCORED


def table_of(rows):
    return np.array([[row[key] for key in SCORED] for row in rows])


def test_the_distance_is_mahalanobis_with_the_shrunk_covariance(corridor, rows):
    from scipy.spatial.distance import mahalanobis

    table = table_of(rows)
    measured = np.cov(table, rowvar=False)
    shrunk = (1 - SHRUNK) * measured + SHRUNK * np.diag(np.diag(measured))
    for row in rows[:5]:
        expected = mahalanobis([row[key] for key in SCORED], table.mean(0), np.linalg.inv(shrunk))
        # the file's six digits
        assert corridor.distance(row) == pytest.approx(expected, rel=1e-4)


def test_the_middle_is_at_zero_and_both_sides_are_as_far(corridor):
    middle = dict(zip(SCORED, corridor.mean, strict=True))
    assert corridor.distance(middle) == 0.0
    for key in SCORED:
        up, down = ({**middle, key: middle[key] + step} for step in (0.7, -0.7))
        assert corridor.distance(up) == pytest.approx(corridor.distance(down))
        assert corridor.distance(up) > 0
        assert corridor.sigmas(up)[key] == pytest.approx(-corridor.sigmas(down)[key])
        assert sum(abs(one) > 1e-9 for one in corridor.sigmas(up).values()) == 1


def test_the_scale_of_a_figure_does_not_matter(rows, corridor):
    """Shrinking towards the diagonal keeps this, shrinking towards a multiple of 1 would not."""
    stretched = [{**row, "slope": 10 * row["slope"]} for row in rows]
    other = build_corridor(stretched, name="stretched")
    for row, same in zip(rows[:5], stretched[:5], strict=True):
        assert other.distance(same) == pytest.approx(corridor.distance(row), rel=1e-3)


def test_leave_one_out_is_what_building_without_the_face_gives(rows):
    distances = leave_one_out(table_of(rows))
    for index in (0, 17, 59):
        without = build_corridor(rows[:index] + rows[index + 1 :], name="")
        assert distances[index] == pytest.approx(without.distance(rows[index]), rel=1e-4)
    with_itself = build_corridor(rows, name="")
    assert np.mean(distances) > np.mean([with_itself.distance(row) for row in rows])
    assert with_itself.typical == pytest.approx(np.median(distances), abs=1e-5)
    assert with_itself.far == pytest.approx(np.quantile(distances, 0.9), abs=1e-5)


def test_strata_count_every_face_once_and_tell_nothing_of_one_alone(corridor, rows):
    for strata in (corridor.face_px, corridor.ita_deg):
        assert sum(one.n for one in strata) == len(rows)
        for one in strata:
            assert (one.n >= 2) == bool(one.mean) == (one.distance is not None)
    light = [row for row in rows if 10 <= row["ita_deg"] < 28]
    stratum = next(one for one in corridor.ita_deg if one.low == 10)
    assert stratum.n == len(light)
    np.testing.assert_allclose(stratum.mean, table_of(light).mean(0), atol=1e-6)


def test_its_file_brings_it_back(rows):
    source = Source("photos", "mine", 61, 60)
    first = build_corridor(
        rows, name="x", sources=[source], pictures_sha256="ab", created="2026-11-21", tool="t"
    )
    again = read_corridor(json.loads(json.dumps(first.as_json(), allow_nan=False)), "x.json")
    assert again.as_json() == first.as_json()
    assert again.key == first.key == f"x {first.sha256[:12]}"
    assert again.distance(rows[3]) == first.distance(rows[3])
    assert again.sources == (source,)


def test_its_hash_is_that_of_what_decides_a_distance(corridor, rows):
    assert replace(corridor, name="other", n=50).sha256 == corridor.sha256
    assert build_corridor(rows[1:], name="made up").sha256 != corridor.sha256


def test_it_holds_no_single_face(corridor, rows):
    text = json.dumps(corridor.as_json())
    for row in rows:
        for key in SCORED:
            assert f"{row[key]:.5f}" not in text


def test_figures_that_never_vary_make_no_infinite_distance(rows):
    same = [{**row, "slope": 0.2} for row in rows]
    corridor = build_corridor(same, name="")
    moved = {**same[0], "slope": 0.21}
    assert np.isfinite(corridor.distance(moved))
    assert corridor.distance(moved) == pytest.approx(corridor.distance(same[0]), abs=0.5)


def test_of_too_few_faces_no_corridor_is_made(rows):
    assert build_corridor(rows[:FEWEST], name="").n == FEWEST
    with pytest.raises(
        ValueError, match=rf"needs at least {FEWEST} faces .* there are {FEWEST - 1}\."
    ):
        build_corridor(rows[: FEWEST - 1], name="")
    with pytest.raises(ValueError, match=r"there is 1\."):
        build_corridor(rows[:1], name="")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kind", "a lens", "it is no corridor"),
        ("measure", 0, "measured in another way"),
        ("figures", ["slope"], "measured in another way"),
        ("mean", [0.0, 1.0], "6 means"),
        ("mean", [float("nan")] * 6, "not finite"),
        ("mean", [0.0] * 6, "not those that it was saved with"),
        ("covariance", [[1.0]], "6 x 6"),
        ("covariance", (-np.eye(6)).tolist(), "its covariance is none"),
        ("n", 3, "n must be a whole number from 12 on, got 3"),
        ("n", True, "n must be a whole number"),
        ("leave_one_out", {"median": 0.0, "p90": 1.0, "sd": 1.0}, "must be above 0"),
        ("leave_one_out", {}, "is no corridor: KeyError"),
        ("sources", [{"name": "a"}], "is no corridor: KeyError"),
        ("strata", {"face_px": [3]}, "is no corridor: TypeError"),
        ("covariance", "abc", "x.json is not used"),
    ],
)
def test_what_is_no_corridor_is_refused_by_name(corridor, key, value, words):
    data = {**corridor.as_json(), key: value}
    with pytest.raises(ValueError, match=words) as refusal:
        read_corridor(data, "x.json")
    assert "x.json" in str(refusal.value)
    assert "Realism Calibrate" in str(refusal.value)


@pytest.mark.parametrize("data", [None, [], 3, "corridor", {}, {"kind": "loupe realism corridor"}])
def test_any_other_json_is_refused(data):
    with pytest.raises(ValueError, match=r"x\.json is"):
        read_corridor(data, "x.json")


def test_the_shrunk_covariance_can_be_inverted_where_figures_are_one_and_the_same():
    same = np.ones((6, 6)) * 0.25
    assert np.isfinite(inverse_of(same)).all()
