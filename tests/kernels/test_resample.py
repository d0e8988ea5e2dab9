"""Panels cut from pictures: what any resample must keep, then agreement with slow and plain ones, then refusals."""

from functools import cache
from itertools import pairwise
from math import cos, hypot, radians, sin

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.resample import (
    KERNELS,
    overshoot_percent,
    resample,
    resample_area,
)
from portrait_loupe.kernels.resample.taps import taps_of

STEP = 1.2e-7  # two float32 steps of a code near 1
MIXING = ("bilinear", "mitchell", "lanczos3")
TURNS = (0.0, -3.1, 15.0, 45.0, 90.0, 137.0)
BOXES = {
    "enlarged": ((3.2, 1.7, 20.1, 18.9), (50, 41)),
    "reduced": ((3.2, 1.7, 20.1, 18.9), (7, 5)),
    "wide to high": ((1.5, 2.5, 27.0, 6.0), (9, 31)),
    "beyond": ((-3, -2, 40, 30), (19, 22)),
    "beyond, reduced": ((-3.3, 4.2, 45, 30.5), (7, 5)),
    "one pixel": ((7.9, 11.4, 1, 1), (5, 1)),
}
boxes = pytest.mark.parametrize(("box", "size"), list(BOXES.values()), ids=list(BOXES))


@pytest.fixture(scope="module")
def noise():
    return torch.rand(1, 3, 23, 31, generator=torch.Generator().manual_seed(1))


# What a plate promises.


@pytest.mark.parametrize("zoom", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("kernel", ["area", "nearest"])
def test_a_whole_zoom_repeats_the_sources_own_pixels_to_the_bit(noise, zoom, kernel):
    panel, coverage = resample(noise, (4, 3, 9, 11), (9 * zoom, 11 * zoom), kernel=kernel)
    crop = noise[..., 3:14, 4:13].numpy()
    assert np.array_equal(panel.numpy(), np.repeat(np.repeat(crop, zoom, -1), zoom, -2))
    assert coverage.min() == coverage.max() == 1


@pytest.mark.parametrize("kernel", ["area", "nearest"])
def test_a_border_that_arithmetic_missed_by_a_hair_is_still_the_border(noise, kernel):
    """Boxes come from landmarks by multiplication: 4 may be 4.0000000000002, and 9 px a little less."""
    for off in (-2e-13, 2e-13):
        panel, _ = resample(noise, (4 + off, 3 - off, 9 - off, 11 + off), (18, 33), kernel=kernel)
        want = np.repeat(np.repeat(noise[..., 3:14, 4:13].numpy(), 2, -1), 3, -2)
        assert np.array_equal(panel.numpy(), want)
        assert taps_of(kernel, 4 + off, 9 - off, 18, 31).index.shape[1] == 1  # nothing is mixed
        halves, _ = resample(noise, (4 + off, 3, 8, 11), (4, 11), kernel="nearest")
        assert torch.equal(
            halves, noise[..., 3:14, 5:13:2]
        )  # a centre on a border: the pixel after


@pytest.mark.parametrize("zoom", [3, 2.5])
def test_eight_bit_codes_come_back_to_the_bit_where_nothing_is_mixed(zoom):
    codes = (torch.arange(256.0) / 255).view(1, 1, 16, 16)
    panel, _ = resample_area(codes, (0, 0, 16, 16), (round(16 * zoom),) * 2)
    own = np.floor((np.arange(round(16 * zoom)) + 0.5) / zoom).astype(int)
    whole = [i for i, pixel in enumerate(own) if pixel * zoom <= i and i + 1 <= (pixel + 1) * zoom]
    assert len(whole) >= 32
    assert torch.equal(panel[0, 0][whole][:, whole], codes[0, 0][own[whole]][:, own[whole]])


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_one_colour_stays_that_colour(kernel, turn):
    colours = torch.tensor([0.0, 0.2, 0.5, 0.6180339, 0.999, 1.0]).view(1, 6, 1, 1)
    for box, size in BOXES.values():
        panel, coverage = resample(
            colours.expand(1, 6, 23, 31), box, size, kernel=kernel, turn_deg=turn
        )
        assert coverage.max() > 0
        assert_close(panel, colours * (coverage > 0), atol=STEP, rtol=0)


@pytest.mark.parametrize("turn", [0.0, 8.0, -33.0])
@pytest.mark.parametrize("zoom", [8, 4, 2.6, 1.37, 0.4, 0.11])
def test_an_edge_never_overshoots(zoom, turn):
    edge = torch.full((1, 1, 120, 120), 0.2)
    edge[..., 61:] = 0.8
    panel, _ = resample(
        edge, (20.3, 30, 80, 60), (round(80 * zoom), round(60 * zoom)), turn_deg=turn
    )
    assert panel.min() >= np.float32(0.2)
    assert panel.max() <= np.float32(0.8)
    assert (panel.diff(dim=-1) >= -STEP).all()  # and stays one edge
    assert panel.max() - panel.min() > 0.59


def test_the_weights_of_an_edge_stay_within_it_to_1e_12():
    """Before the code, in float64: neither below 0 nor above 1."""
    edge = (torch.arange(60) >= 31).double()[:, None]
    for zoom in (8.0, 4.0, 2.6, 1.37, 0.4, 0.11):
        light = taps_of("area", 10.3, 40, round(40 * zoom), 60).gather(edge, 0)
        assert light.min() >= 0
        assert light.max() <= 1 + 1e-12


def test_a_lash_comb_keeps_its_light_not_its_codes():
    """One white column in four on black has a quarter of the light: code 137; in codes it would be 64."""
    comb = torch.zeros(1, 1, 8, 64)
    comb[..., ::4] = 1
    panel, _ = resample_area(comb, (0, 0, 64, 8), (16, 2))
    assert_close(panel, linear_to_srgb(torch.full_like(panel, 0.25)), atol=STEP, rtol=0)
    assert_close(panel * 255, torch.full_like(panel, 137), atol=0.5, rtol=0)


def test_lashes_on_skin_and_a_catchlight_keep_their_light():
    """One lash of code 16 in four columns of skin: the mean of the codes would be 142. 2x2 px of white on 25: 83."""
    skin = torch.full((1, 1, 8, 64), 184 / 255)
    skin[..., ::4] = 16 / 255
    panel, _ = resample_area(skin, (0, 0, 64, 8), (16, 2))
    assert_close(panel * 255, torch.full_like(panel, 162), atol=1, rtol=0)
    eye = torch.full((1, 1, 8, 8), 25 / 255)
    eye[..., 4:6, 4:6] = 1
    panel, _ = resample_area(eye, (0, 0, 8, 8), (2, 2))
    assert abs(float(panel[0, 0, 1, 1]) * 255 - 139) <= 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_shrinking_keeps_the_mean_light_of_a_ramp(kernel):
    light = torch.linspace(0.1, 0.9, 120).expand(1, 1, 40, 120)
    panel, _ = resample(linear_to_srgb(light), (10, 5, 100, 30), (19, 7), kernel=kernel)
    seen = srgb_to_linear(panel.double()).mean()
    # nearest looks at pixel centres: half a pixel of the ramp at most
    tolerance = 0.5 * 0.8 / 119 if kernel == "nearest" else 1e-6
    assert_close(seen, light[..., 10:110].double().mean(), atol=tolerance, rtol=0)


def test_shrinking_noise_keeps_its_mean_light(noise):
    panel, _ = resample_area(noise, (0, 0, 31, 23), (7, 5))
    mean = srgb_to_linear(panel.double()).mean()
    assert_close(mean, srgb_to_linear(noise.double()).mean(), atol=1e-7, rtol=0)


@pytest.mark.parametrize("kernel", MIXING)
def test_stripes_finer_than_the_panel_turn_grey(kernel):
    """Widened kernels see them as their mean; a narrow one would show beats."""
    stripes = (torch.arange(200) % 2).float().expand(1, 1, 120, 200)
    for turn in (0, 12):
        panel, _ = resample(stripes, (30, 45, 140, 30), (47, 10), kernel=kernel, turn_deg=turn)
        light = srgb_to_linear(panel.double())
        # a tent of 3 px to each side lets 4.5 % of them through (sinc squared), plus its sampling
        assert_close(light, torch.full_like(light, 0.5), atol=0.06, rtol=0)


@pytest.mark.parametrize("turn", [0.0, 7.3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_pictures_give_equal_bytes(noise, kernel, turn):
    def cut(picture):
        panel, _ = resample(
            picture, (3.2, -1.7, 20.1, 18.9), (50, 41), kernel=kernel, turn_deg=turn
        )
        return panel.contiguous().numpy().tobytes()

    batch = noise.expand(2, -1, -1, -1)
    node = noise.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # as a node hands it over
    first, second = cut(batch)[: len(cut(noise))], cut(batch)[len(cut(noise)) :]
    assert cut(noise) == cut(noise.clone()) == first == second == cut(node)
    each = b"".join(cut(noise[:, channel : channel + 1]) for channel in range(3))
    assert each == cut(noise)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_turn_and_a_whole_one_are_the_same_bytes(noise, kernel):
    box, size = BOXES["enlarged"]
    still, seen = resample(noise, box, size, kernel=kernel)
    for turn in (0.0, 360.0, -720.0):
        panel, coverage = resample(noise, box, size, kernel=kernel, turn_deg=turn)
        assert torch.equal(panel, still)
        assert torch.equal(coverage, seen)


@pytest.mark.parametrize("turn", [0.0, 20.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_what_is_far_from_the_box_is_never_looked_at(kernel, turn):
    """NaN, so that a single touch would show."""
    picture = torch.full((1, 2, 90, 120), float("nan"))
    picture[..., 20:72, 30:92] = 0.5
    panel, _ = resample(picture, (50, 40, 20.5, 11.5), (33, 30), kernel=kernel, turn_deg=turn)
    assert_close(panel, torch.full_like(panel, 0.5), atol=STEP, rtol=0)


def test_a_box_of_an_8k_picture_costs_no_copy_of_it():
    """A picture of 32768 x 32768 px that is one number in memory: 12 GB if it were touched as a whole."""
    huge = torch.full((1, 1, 1, 1), 0.5).expand(16, 3, 32768, 32768)
    for turn in (0, 5):
        panel, _ = resample(huge, (20000.3, 30000.1, 20, 20), (40, 40), turn_deg=turn)
        assert panel.shape == (16, 3, 40, 40)
        assert_close(panel, torch.full_like(panel, 0.5), atol=STEP, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_taken_as_they_are(noise, dtype):
    box, size = BOXES["reduced"]
    given_, _ = resample(noise.to(dtype), box, size)
    want, _ = resample(noise.to(dtype).float(), box, size)
    assert given_.dtype == torch.float32
    assert_close(given_, want, atol=STEP, rtol=0)


# What lies beyond the picture.


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_lies_beyond_the_picture_is_told_apart(kernel):
    grey = torch.full((1, 3, 10, 10), 0.5)
    panel, coverage = resample(grey, (-5, 0, 10, 10), (20, 20), kernel=kernel)
    assert coverage[:, :10].max() == 0
    assert coverage[:, 10:].min() == 1
    assert_close(panel[..., 10:], torch.full((1, 3, 20, 10), 0.5), atol=STEP, rtol=0)
    assert panel[..., :10].abs().max() == 0


def test_a_pixel_half_beyond_keeps_the_colour_of_its_inner_half():
    grey = torch.full((1, 1, 4, 4), 0.5)
    panel, coverage = resample_area(grey, (-0.5, 0, 4, 4), (4, 4))
    assert_close(coverage[:, 0], torch.full((4,), 0.5))
    assert_close(panel[..., 0], torch.full((1, 1, 4), 0.5), atol=STEP, rtol=0)


@pytest.mark.parametrize("turn", [0.0, 30.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_box_wholly_beyond_is_empty_and_never_nan(noise, kernel, turn):
    for box in ((500.5, 3, 10, 10), (3, -900, 10.3, 7), (-1e6, -1e6, 3, 3), (1e17, 2, 5, 5)):
        panel, coverage = resample(noise, box, (9, 8), kernel=kernel, turn_deg=turn)
        assert panel.abs().max() == coverage.max() == 0


@pytest.mark.parametrize("kernel", MIXING)
def test_beyond_the_border_a_kernel_sees_the_pixels_nearest_to_it(noise, kernel):
    padded = torch.nn.functional.pad(noise, (40, 40, 40, 40), mode="replicate")
    for box, size in BOXES.values():
        for turn in (0, 12.5):
            cut, coverage = resample(noise, box, size, kernel=kernel, turn_deg=turn)
            x, y, width, height = box
            inner, _ = resample(
                padded, (x + 40, y + 40, width, height), size, kernel=kernel, turn_deg=turn
            )
            # the same sums, but places 40 px further on: 1e-14 px
            assert_close(cut, inner * (coverage > 0), atol=1e-6, rtol=0)


@settings(max_examples=150, deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    start=st.floats(-40, 60), length=st.floats(0.01, 200), count=st.integers(1, 60), available=st.integers(1, 50)
)  # fmt: skip
def test_weights_sum_to_1_where_anything_is_covered(kernel, start, length, count, available):
    taps = taps_of(kernel, start, length, count, available)
    step = length / count
    edges = start + step * torch.arange(count + 1, dtype=torch.float64)
    covered = (edges[1:].clamp(0, available) - edges[:-1].clamp(0, available)) / step
    assert 0 <= taps.index.min() <= taps.index.max() < available
    # edges within 1e-9 px of a pixel's are taken for it, and a pixel may be as narrow as the step
    assert_close(taps.share, covered, atol=min(4e-9 / step, 0.5) + 1e-12, rtol=0)
    sums = taps.weight.sum(1)
    assert_close(sums[taps.share > 0], torch.ones_like(sums[taps.share > 0]), atol=1e-12, rtol=0)
    if kernel in ("area", "nearest", "bilinear"):
        assert (taps.weight >= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(-30, 40), y=st.floats(-30, 40), width=st.floats(0.05, 60), height=st.floats(0.05, 60),
    columns=st.integers(1, 9), rows=st.integers(1, 9), kernel=st.sampled_from(KERNELS), turn=st.floats(-200, 200),
)  # fmt: skip
def test_any_box_gives_values_of_the_picture(
    noise, x, y, width, height, columns, rows, kernel, turn
):
    panel, coverage = resample(
        noise, (x, y, width, height), (columns, rows), kernel=kernel, turn_deg=turn
    )
    assert panel.shape == (1, 3, rows, columns)
    assert coverage.shape == (rows, columns)
    assert torch.isfinite(panel).all()
    assert 0 <= coverage.min() <= coverage.max() <= 1
    inside = panel[..., coverage > 0]
    if kernel in ("area", "nearest", "bilinear") and inside.numel():
        assert inside.min() >= noise.min() - STEP
        assert inside.max() <= noise.max() + STEP


# Against slow and plain ways.


def polygon_of(box, size, turn_deg, column, row):
    """The corners of an output pixel in the source."""
    x, y, width, height = box
    c, s = cos(radians(turn_deg)), sin(radians(turn_deg))
    corners = []
    for i, j in ((column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)):
        u, v = (i / size[0] - 0.5) * width, (j / size[1] - 0.5) * height
        corners.append((x + width / 2 + u * c - v * s, y + height / 2 + u * s + v * c))
    return corners


def clipped(corners, axis, limit, sign):
    """Sutherland and Hodgman: the part of a polygon where sign * (place - limit) >= 0."""
    kept = []
    for start, end in pairwise([*corners, *corners[:1]]):
        a, b = sign * (start[axis] - limit), sign * (end[axis] - limit)
        if a >= 0:
            kept.append(start)
        if a * b < 0:
            kept.append(tuple(p + (q - p) * a / (a - b) for p, q in zip(start, end, strict=True)))
    return kept


def area_of(corners):
    if len(corners) < 3:
        return 0.0
    x0, y0 = corners[0]
    moved = [(x - x0, y - y0) for x, y in corners]
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in pairwise([*moved, moved[0]]))) / 2


def overlap(corners, left, top, right, bottom):
    for axis, limit, sign in ((0, left, 1), (0, right, -1), (1, top, 1), (1, bottom, -1)):
        corners = clipped(corners, axis, limit, sign)
    return area_of(corners)


@boxes
@pytest.mark.parametrize("turn", [0.0, 1e-5, 7.0, -15.0, 45.0, 90.0, 200.0])
def test_every_pixel_is_the_mean_light_of_its_area(noise, box, size, turn):
    """Against clipping each output pixel, a polygon, to every source pixel."""
    panel, coverage = resample(noise, box, size, turn_deg=turn)
    light = srgb_to_linear(noise[0, 0].double())
    got = srgb_to_linear(panel[0, 0].double())
    each = box[2] * box[3] / size[0] / size[1]
    rng = np.random.default_rng(0)
    partly = ((coverage > 0) & (coverage < 1)).nonzero().numpy()
    places = [rng.integers((size[1], size[0])) for _ in range(12)]
    for row, column in [*places, *rng.permutation(partly)[:12]]:
        row, column = int(row), int(column)
        corners = polygon_of(box, size, turn, column, row)
        (x0, y0), (x1, y1) = (
            [int(np.floor(pick(corner[axis] for corner in corners))) for axis in (0, 1)]
            for pick in (min, max)
        )
        shares = {
            (i, j): overlap(corners, i, j, i + 1, j + 1)
            for i in range(max(x0, 0), min(x1 + 1, 31))
            for j in range(max(y0, 0), min(y1 + 1, 23))
        }
        total = sum(shares.values())
        assert abs(float(coverage[row, column]) - total / each) < 1e-6
        if total > 1e-6 * each:
            want = sum(share * float(light[j, i]) for (i, j), share in shares.items()) / total
            # a float32 code near 1 is good for 1.4e-7 of light
            assert abs(float(got[row, column]) - want) < 1e-6


SHAPES = {
    "bilinear": (1, lambda x: np.interp(x, [0, 1], [1, 0])),
    # Mitchell and Netravali (1988), eq. 8 with its B and C as they stand
    "mitchell": (
        2,
        lambda x, B=1 / 3, C=1 / 3: np.select(
            [x < 1, x < 2],
            [
                (12 - 9 * B - 6 * C) * x**3 + (-18 + 12 * B + 6 * C) * x**2 + 6 - 2 * B,
                (-B - 6 * C) * x**3 + (6 * B + 30 * C) * x**2 + (-12 * B - 48 * C) * x + 8 * B + 24 * C,
            ],
        )
        / 6,
    ),
    "lanczos3": (
        3,
        lambda x: np.where(
            x < 1e-9,
            1,
            np.where(x < 3, 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * np.maximum(x, 1e-9)) ** 2, 0),
        ),
    ),
}  # fmt: skip


@boxes
@pytest.mark.parametrize("turn", [0.0, 12.0, -75.0])
@pytest.mark.parametrize("kernel", MIXING)
def test_a_kernel_is_its_formula_at_every_output_centre(noise, box, size, turn, kernel):
    """Weights from the distance to all pixels of a picture whose border goes on for 60 px."""
    panel, coverage = resample(noise, box, size, kernel=kernel, turn_deg=turn)
    light = np.pad(srgb_to_linear(noise[0, 1].double()).numpy(), 60, mode="edge")
    _, shape = SHAPES[kernel]
    c, s = cos(radians(turn)), sin(radians(turn))
    step = (box[2] / size[0], box[3] / size[1])
    wide_x = max(1, hypot(step[0] * c, step[1] * s))
    wide_y = max(1, hypot(step[0] * s, step[1] * c))
    want = np.empty((size[1], size[0]))
    for row in range(size[1]):
        for column in range(size[0]):
            u = (column + 0.5 - size[0] / 2) * step[0]
            v = (row + 0.5 - size[1] / 2) * step[1]
            x = box[0] + box[2] / 2 + u * c - v * s + 60
            y = box[1] + box[3] / 2 + u * s + v * c + 60
            across = shape(np.abs(np.arange(31 + 120) + 0.5 - x) / wide_x)
            down = shape(np.abs(np.arange(23 + 120) + 0.5 - y) / wide_y)
            want[row, column] = down @ light @ across / down.sum() / across.sum()
    coded = linear_to_srgb(torch.from_numpy(want)) * (coverage > 0)
    assert_close(panel[0, 1].double(), coded, atol=1e-6, rtol=0)


@boxes
@pytest.mark.parametrize("turn", [0.0, 12.0, -75.0])
def test_nearest_takes_the_pixel_that_holds_the_centre(noise, box, size, turn):
    panel, coverage = resample(noise, box, size, kernel="nearest", turn_deg=turn)
    for row in range(size[1]):
        for column in range(size[0]):
            corners = polygon_of(box, size, turn, column, row)
            x, y = (sum(corner[axis] for corner in corners) / 4 for axis in (0, 1))
            if min(abs(x - round(x)), abs(y - round(y))) < 1e-9:
                continue  # on a border, both are right
            i, j = (int(np.clip(np.floor(p), 0, n - 1)) for p, n in ((x, 31), (y, 23)))
            want = noise[0, :, j, i] * (coverage[row, column] > 0)
            assert torch.equal(panel[0, :, row, column], want)


@pytest.mark.parametrize(
    ("box", "size"), [((9.3, 7.1, 12, 9), (40, 33)), ((9.5, 8, 12.2, 7.5), (10, 5))], ids=str
)
@pytest.mark.parametrize("kernel", ["bilinear", "lanczos3"])
def test_pillow_agrees_on_light_away_from_the_border(noise, box, size, kernel):
    """On a plane of floats, so that it computes in linear light too."""
    image = pytest.importorskip("PIL.Image")
    kind = {"bilinear": image.Resampling.BILINEAR, "lanczos3": image.Resampling.LANCZOS}[kernel]
    plane = image.fromarray(srgb_to_linear(noise[0, 0].double()).float().numpy())
    x, y, width, height = box
    want = torch.from_numpy(np.array(plane.resize(size, kind, box=(x, y, x + width, y + height))))
    got, _ = resample(noise[:, :1], box, size, kernel=kernel)
    light = srgb_to_linear(got[0, 0].double()).float()
    assert_close(light, want.clamp(0, 1), atol=5e-6, rtol=0)  # Pillow sums in float32


# Geometry.


def scene(u, v):
    """Light of a face in face units, 12 of them wide: waves of 1.6 units and longer."""
    waves = ((2.1, 3.3, 0.4), (-3.7, 1.1, 1.0), (0.9, -2.7, 2.0), (2.9, 2.2, 0.1))
    return 0.5 + 0.11 * sum(torch.sin(p * u + q * v + phase) for p, q, phase in waves)


@cache
def portrait(scale, roll_deg, origin, size=(230, 250)):
    """The scene where a face unit is ``scale`` px, rolled, with its origin at ``origin``: 4 x 4 points per pixel."""
    y, x = (
        (torch.arange(4 * side, dtype=torch.float64) + 0.5) / 4 - at
        for side, at in zip(size[::-1], origin[::-1], strict=True)
    )
    y = y[:, None]
    c, s = cos(radians(roll_deg)), sin(radians(roll_deg))
    light = scene((x * c + y * s) / scale, (y * c - x * s) / scale)
    light = light.unflatten(0, (-1, 4)).unflatten(-1, (-1, 4)).mean((1, 3))
    return linear_to_srgb(light).float()[None, None]


def shift_between(first, second):
    """By how many pixels ``second`` lies off ``first``, (x, y): least squares on the gradients."""
    mean = (first + second) / 2
    dy, dx = (torch.gradient(mean, dim=axis)[0][2:-2, 2:-2].flatten() for axis in (0, 1))
    change = (first - second)[2:-2, 2:-2].flatten()
    return torch.linalg.lstsq(torch.stack([dx, dy], 1), change[:, None]).solution[:, 0]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("scale", "roll", "origin"),
    [
        (20, 0, (115, 125)),
        (30, 0, (112.37, 128.81)),
        (10, 0, (99.9, 130.2)),
        (20, 15, (115.25, 120.6)),
        (27, -15, (117.7, 126.1)),
        (12, 8.3, (109.5, 118.4)),
    ],
)
def test_the_same_region_falls_on_the_same_pixels(kernel, scale, roll, origin):
    """Exact points, scale 0.5 to 1.5, shifted, rolled and levelled: within 0.1 px of the panel."""
    size = (96, 88)
    box = (origin[0] - 2.4 * scale, origin[1] - 2.2 * scale, 4.8 * scale, 4.4 * scale)
    panel, coverage = resample(
        portrait(scale, roll, origin), box, size, kernel=kernel, turn_deg=roll
    )
    u, v = (
        ((torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5) * span
        for n, span in zip(size, (4.8, 4.4), strict=True)
    )
    want = scene(u, v[:, None])
    off = shift_between(want, srgb_to_linear(panel[0, 0].double()))
    assert coverage.min() == 1
    # nearest shows a pixel wherever its centre falls: it is good for half a source pixel and no better
    assert off.abs().max() <= (0.5 * size[0] / box[2] if kernel == "nearest" else 0.1)


def test_a_turn_moves_the_mark_clockwise():
    """A mark to the right of the centre; levelling a roll of 90 degrees brings what lies below to the right."""
    picture = torch.zeros(1, 1, 21, 21)
    picture[..., 16, 10] = 1  # below the centre
    panel, _ = resample(picture, (0, 0, 21, 21), (21, 21), turn_deg=90)
    assert panel[0, 0, 10, 16] == 1
    assert panel.sum() == 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_quarter_turn_is_the_turned_picture(kernel):
    picture = torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(2))
    panel, _ = resample(picture, (4.3, 6.1, 15, 12), (37, 29), kernel=kernel, turn_deg=90)
    # rows run down the source: turned anticlockwise, they run to the right
    turned = torch.rot90(picture, 1, (-2, -1))
    centre = (4.3 + 7.5, 6.1 + 6)
    box = (centre[1] - 7.5, 24 - centre[0] - 6, 15, 12)
    want, _ = resample(turned, box, (37, 29), kernel=kernel)
    off = (
        panel - want
    ).abs() > 2e-6  # cos 90 degrees is 6e-17: a centre on a border may fall to either side
    assert off.float().mean() <= (0.02 if kernel == "nearest" else 0)


# Overshoot.


def measured_overshoot(kernel, zooms):
    """The most that a step from 0 to 1 is exceeded, %, over zooms and phases."""
    edge = (torch.arange(400) >= 200).double()[:, None]
    worst = 0.0
    for zoom in zooms:
        count = round(60 * max(1, zoom))
        for phase in np.arange(0, 1, 1 / 32):
            start = 200 + phase / min(1, zoom) - count / zoom / 2
            light = taps_of(kernel, start, count / zoom, count, 400).gather(edge, 0)
            worst = max(worst, float(light.max()) - 1, -float(light.min()))
    return 100 * worst


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_overshoot_that_is_printed_is_the_one_measured(kernel):
    enlarging = measured_overshoot(kernel, (4.0, 2.6, 1.37, 7.9))
    shrinking = measured_overshoot(kernel, (0.9, 0.61, 0.4))
    assert overshoot_percent(kernel, True) == pytest.approx(enlarging, abs=0.1)
    assert overshoot_percent(kernel, False) == pytest.approx(shrinking, abs=0.1)


# Refusals.


@pytest.mark.parametrize(
    ("box", "size"), [((0, 0, 0, 5), (4, 4)), ((0, 0, 5, 5), (0, 4)), ((0, 0, 5, -1), (4, 4))]
)
def test_a_box_or_panel_without_area_is_refused(noise, box, size):
    with pytest.raises(ValueError, match="both need an area"):
        resample_area(noise, box, size)


@pytest.mark.parametrize(
    ("box", "turn"), [((float("nan"), 0, 5, 5), 0), ((0, 0, float("inf"), 5), 0), ((0, 0, 5, 5), float("nan"))]
)  # fmt: skip
def test_numbers_that_are_not_finite_are_refused(noise, box, turn):
    with pytest.raises(ValueError, match="must be finite"):
        resample(noise, box, (4, 4), turn_deg=turn)


def test_an_unknown_kernel_is_refused_with_the_known_ones(noise):
    with pytest.raises(
        ValueError, match="area, nearest, bilinear, mitchell, lanczos3; got 'cubic'"
    ):
        resample(noise, (0, 0, 5, 5), (4, 4), kernel="cubic")
    with pytest.raises(ValueError, match="got 'cubic'"):
        overshoot_percent("cubic", True)
