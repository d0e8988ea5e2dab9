from math import cos, radians, sin

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_loupe.nodes.framing.align import (
    Similarity,
    align,
    estimated_yaw_deg,
    fit_points,
    umeyama,
)
from portrait_loupe.nodes.framing.faces import Face

HOPPER = Face(eyes=((222.3, 192.2), (307.1, 188.2)))
ASTRONAUT = Face(eyes=((203.4, 101.1), (247.0, 103.2)))
CLOUD = np.asarray([(0.0, 0.0), (1.0, 0.1), (0.4, 1.3), (-0.7, 0.8), (0.2, -0.5)])


def five(turn: float, eyes=((100.0, 100.0), (200.0, 100.0))) -> Face:
    """A face of five points whose nose shows that the head is turned, degrees."""
    iod = eyes[1][0] - eyes[0][0]
    nose = (eyes[0][0] + iod / 2 + 0.57 * np.tan(radians(turn)) * iod, eyes[0][1] + 0.6 * iod)
    mouth = ((eyes[0][0], 220.0), (eyes[1][0], 220.0))
    return Face(eyes, points=(*eyes, nose, *mouth))


@settings(max_examples=300)
@given(
    scale=st.floats(0.05, 20), angle=st.floats(-179.9, 179.9), dx=st.floats(-1000, 1000), dy=st.floats(-1000, 1000),
)  # fmt: skip
def test_a_known_similarity_is_recovered(scale, angle, dx, dy):
    known = Similarity(scale, angle, (dx, dy))
    found = umeyama(CLOUD, known.apply(CLOUD))
    assert found.apply(CLOUD) == pytest.approx(known.apply(CLOUD), abs=1e-6)
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.inverse().apply(found.apply(CLOUD)) == pytest.approx(CLOUD, abs=1e-6)


def test_two_similarities_in_turn_are_one():
    first, then = Similarity(2.0, 30.0, (5.0, -3.0)), Similarity(0.5, -75.0, (1.0, 9.0))
    assert then.after(first).apply(CLOUD) == pytest.approx(then.apply(first.apply(CLOUD)))


def test_points_on_one_line_are_enough():
    line = np.asarray([(0.0, 0.0), (1.0, 1.0), (3.0, 3.0)])
    known = Similarity(1.7, 40.0, (3.0, 4.0))
    assert umeyama(line, known.apply(line)).angle_deg == pytest.approx(40.0)


def test_a_mirror_image_is_never_a_turn():
    """Of these points a reflection would fit best, and a turn by any angle equally badly."""
    square = np.asarray([(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)])
    with pytest.raises(ValueError, match="mirror image"):
        umeyama(square, square * (-1, 1))
    found = umeyama(CLOUD, CLOUD * (-1, 1))
    (a, b, _), (c, d, _) = found.matrix
    assert a * d - b * c > 0


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ([(1, 1), (1, 1)], [(0, 0), (1, 0)], "all of these are one point"),
        ([(0, 0), (1, 0)], [(5, 5), (5, 5)], "all of these are one point"),
        ([(0, 0)], [(1, 1)], "at least two points"),
        ([(0, 0), (1, 0)], [(0, 0)], "as many points"),
        ([(0, 0), (float("nan"), 0)], [(0, 0), (1, 0)], "finite points"),
    ],
)
def test_points_that_fix_nothing_are_refused(source, target, words):
    with pytest.raises(ValueError, match=words):
        umeyama(source, target)


def test_a_point_that_moved_counts_less():
    """A raised brow of 0.3 IOD turns a plain fit of five points by 4.6 degrees, the second one by 3.5."""
    moved = CLOUD.copy()
    moved[2, 0] += 0.3
    plain, robust = umeyama(CLOUD, moved), fit_points(CLOUD, moved, np.ones(len(CLOUD)))
    assert abs(robust.angle_deg) < 0.8 * abs(plain.angle_deg)


def dotted(image: torch.Tensor, face: Face) -> torch.Tensor:
    """Black, with a soft white dot of 3 px on each pupil."""
    _, height, width, _ = image.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    light = torch.zeros(height, width, dtype=torch.float64)
    for ex, ey in face.eyes:
        light += torch.exp(-((x - ex) ** 2 + (y - ey) ** 2) / (2 * 3.0**2))
    return light.clamp(0, 1).float()[None, ..., None].expand(1, height, width, 3)


def centroids(panel: torch.Tensor) -> list[tuple[float, float]]:
    """Where the two dots of a panel are, left one first."""
    light = panel[..., 0].double()
    height, width = light.shape
    found = []
    for part in (slice(0, width // 2), slice(width // 2, width)):
        half = light[:, part]
        y, x = torch.meshgrid(
            torch.arange(height) + 0.5, torch.arange(width)[part] + 0.5, indexing="ij"
        )
        found.append((float((half * x).sum() / half.sum()), float((half * y).sum() / half.sum())))
    return found


def test_the_pupils_fall_together(hopper, astronaut):
    """To a twentieth of a pixel, by the centroids of dots drawn on them; and the eyes are level."""
    faces = (HOPPER, ASTRONAUT)
    pictures = [dotted(image, face) for image, face in zip((hopper, astronaut), faces, strict=True)]
    made = align(pictures, faces, "ECU eyes", 512)
    (left, right), others = centroids(made.panels[0]), centroids(made.panels[1])
    for mine, other in zip((left, right), others, strict=True):
        assert other == pytest.approx(mine, abs=0.1)
    assert left[1] == pytest.approx(right[1], abs=0.05)


def test_equal_pictures_give_equal_panels(hopper):
    made = align([hopper, hopper.clone()], [HOPPER, HOPPER], "CU close-up", 400)
    assert torch.equal(made.panels[0], made.panels[1])
    assert made.fits[1].scale_ratio == 1
    assert made.fits[1].roll_difference_deg == 0


@pytest.mark.parametrize("angle", [-8.0, 8.0])
def test_a_turned_and_shrunk_copy_comes_back_to_its_original(hopper, angle):
    """Within what two interpolations cost: 30 dB where the copy has 0.7 of the size."""
    scale = 0.7
    known = Similarity(scale, angle, (120.0, 90.0))
    height, width = 620, 560
    y, x = np.mgrid[:height, :width] + 0.5
    at = known.inverse().apply(np.stack([x, y], -1))
    grid = torch.from_numpy(2 * at / (512, 600) - 1).float()[None]
    # blurred to what the smaller copy can hold, or its sampling would alias
    soft = torch.nn.functional.avg_pool2d(hopper.permute(0, 3, 1, 2), 3, 1, 1)
    copy = torch.nn.functional.grid_sample(soft, grid, mode="bicubic", padding_mode="border", align_corners=False)  # fmt: skip
    face = Face(tuple(map(tuple, known.apply(HOPPER.eyes))))
    made = align([hopper, copy.permute(0, 2, 3, 1).clamp(0, 1)], [HOPPER, face], "BCU big close-up", 400)  # fmt: skip
    error = (made.panels[0] - made.panels[1]).square().mean()
    assert -10 * torch.log10(error) > 27
    assert made.fits[1].scale_ratio == pytest.approx(scale, rel=1e-4)
    assert made.fits[1].roll_difference_deg == pytest.approx(angle, abs=0.01)


def test_only_what_all_pictures_hold_is_shown(hopper):
    """The second picture ends below the chin: no panel shows anything made up."""
    cut = hopper[:, :260]
    made = align([torch.ones_like(hopper), torch.ones_like(cut)], [HOPPER, HOPPER], "headshot", 500)
    assert made.panels.min() > 0.99
    assert made.region.bottom == pytest.approx((260 - 190.2) / HOPPER.iod, abs=0.15)
    assert any("cut" in remark and "bottom" in remark for remark in made.remarks)


def test_pictures_with_nothing_in_common_are_refused(hopper):
    away = Face(eyes=((40.0, -200.0), (120.0, -200.0)))
    with pytest.raises(ValueError, match="no part of ECU lips in common"):
        align([hopper, hopper], [HOPPER, away], "ECU lips", 400)


def test_two_views_of_a_head_are_refused_by_name():
    blank = torch.rand(1, 400, 300, 3)
    with pytest.raises(ValueError, match=r"pictures 1 and 2 show heads turned 25 degrees apart"):
        align([blank, blank], [five(0), five(25)], "ECU eyes", 200)
    made = align([blank, blank], [five(0), five(10)], "ECU eyes", 200)
    assert made.fits[1].yaw_difference_deg == pytest.approx(10, abs=0.5)


def test_the_nose_tells_how_far_a_head_is_turned():
    assert estimated_yaw_deg(five(12)) == pytest.approx(12, abs=1e-6)
    assert estimated_yaw_deg(HOPPER) is None


def test_what_the_pupils_cannot_tell_is_said(hopper):
    made = align([hopper, hopper], [HOPPER, HOPPER], "CU close-up", 300)
    assert "yaw unknown" in made.report
    assert "two points always fit" in made.report


@pytest.mark.parametrize(
    ("region", "size", "words"), [("ear", 300, "region must be one of"), ("CU close-up", 10, "size must be 64 to 8192")]
)  # fmt: skip
def test_wrong_words_and_sizes_are_refused(hopper, region, size, words):
    with pytest.raises(ValueError, match=words):
        align([hopper, hopper], [HOPPER, HOPPER], region, size)


def test_a_similarity_turns_clockwise_as_seen():
    x, y = Similarity(1.0, 90.0, (0.0, 0.0)).apply((1.0, 0.0))
    assert (x, y) == pytest.approx((cos(radians(90)), sin(radians(90))))
