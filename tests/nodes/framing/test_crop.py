import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.nodes.framing.crop import Place, cut
from portrait_loupe.nodes.framing.faces import Box, Face
from portrait_loupe.nodes.framing.plan import CropPlan

FACE = Face(eyes=((10.0, 10.0), (20.0, 10.0)))


def plan(*crops: Box, size=(16, 24)) -> CropPlan:
    return CropPlan((40, 60), crops, size, (FACE,) * len(crops), "test", "custom")


def test_a_crop_that_keeps_its_size_is_the_sources_own_pixels():
    image = torch.rand(2, 60, 40, 3)
    assert torch.equal(cut(image, plan(Box(3, 5, 16, 24))), image[:, 5:29, 3:19])


def test_each_picture_gets_its_own_crop():
    image = torch.rand(2, 60, 40, 3)
    got = cut(image, plan(Box(0, 0, 16, 24), Box(24, 36, 16, 24)))
    assert torch.equal(got[0], image[0, :24, :16])
    assert torch.equal(got[1], image[1, 36:, 24:])


def test_scaling_moves_nothing():
    """A bright dot keeps its place in pixel edges: half-pixel errors would show as 0.5 px and more."""
    for zoom in (2, 3, 0.5):
        image = torch.zeros(1, 60, 40, 1)
        image[0, 20:24, 12:16] = 1  # centre at (14, 22)
        size = (round(32 * zoom), round(48 * zoom))
        dot = cut(image, plan(Box(4, 4, 32, 48), size=size))[0, ..., 0]
        rows, columns = torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5
        centre = ((dot.sum(0) @ columns) / dot.sum(), (dot.sum(1) @ rows) / dot.sum())
        assert_close(torch.tensor(centre), torch.tensor([10.0, 18.0]) * zoom, atol=0.02, rtol=0)


def test_scaled_values_stay_in_range_and_keep_channels_and_dtype():
    image = torch.zeros(1, 60, 40, 4, dtype=torch.float16)
    image[:, ::2] = 1
    got = cut(image, plan(Box(4, 4, 8, 12)))
    assert got.shape == (1, 24, 16, 4)
    assert got.dtype == torch.float16
    assert 0 <= got.min() <= got.max() <= 1


def test_shrinking_averages_rather_than_picks():
    """A fine checkerboard becomes gray; without anti-aliasing it stays black and white."""
    rows, columns = torch.arange(60)[:, None], torch.arange(40)
    image = ((rows + columns) % 2).float()[None, ..., None]
    got = cut(image, plan(Box(0, 0, 40, 60), size=(8, 12)))
    assert_close(got, torch.full_like(got, 0.5), atol=0.06, rtol=0)  # the border's kernel is cut


def test_absurdly_many_pixels_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match=r"the crop would be 1 picture\(s\) of 16384x32768 px"):
        cut(torch.rand(1, 60, 40, 3), plan(Box(0, 0, 20, 40), size=(16384, 32768)))


def blobs(
    width: int, height: int, centres: list[tuple[float, float]], sigma: float
) -> torch.Tensor:
    """Soft dots, (1, height, width, 3), each in its own colour mix, on black."""
    x, y = torch.arange(width) + 0.5, (torch.arange(height) + 0.5)[:, None]
    image = torch.zeros(1, height, width, 3)
    for number, (cx, cy) in enumerate(centres):
        dot = torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
        image[0] += dot[..., None] * torch.tensor([1.0, 0.5 + 0.1 * (number % 4), 0.25])
    return image


def centroid(plane: torch.Tensor, x: float, y: float, reach: int) -> tuple[float, float]:
    """Where the light near a point is centred, in pixel edges."""
    left, top = round(x - reach), round(y - reach)
    dot = plane[top : round(y + reach), left : round(x + reach)].double()
    rows, columns = torch.arange(dot.shape[0]) + 0.5, torch.arange(dot.shape[1]) + 0.5
    mass = dot.sum()
    return (
        float(dot.sum(0) @ columns.double() / mass) + left,
        float(dot.sum(1) @ rows.double() / mass) + top,
    )


@pytest.mark.parametrize("angle", [0.0, 13.0, -40.0])
@pytest.mark.parametrize("zoom", [0.375, 0.75, 1, 1.5, 3])
def test_a_grid_of_dots_comes_home_to_its_place(zoom, angle):
    """Up and down again, or down and up: a half-pixel error would be 0.2 px and more; asked is 0.02."""
    centres = [(70.3 + 30 * i, 65.7 + 30 * j) for i in range(3) for j in range(3)]
    image = blobs(200, 200, centres, sigma=3.0)
    side = 128
    way = CropPlan(
        (200, 200), (Box(36, 32, side, side),), (round(side * zoom),) * 2, (FACE,), "t", "custom",
        angles_deg=(angle,) if angle else (),
    )  # fmt: skip
    crop = cut(image, way)[0]
    place = Place.of(way, 0)
    home = torch.zeros(200, 200, 3)
    home[place.window] = place.bring_back(crop.movedim(-1, 0)).movedim(0, -1)
    for x, y in centres:
        for channel in range(3):
            there = centroid(crop[..., channel], *way.to_output(0, (x, y)), round(12 * zoom))
            assert there == pytest.approx(way.to_output(0, (x, y)), abs=0.02 * max(zoom, 1))
            assert centroid(home[..., channel], x, y, 12) == pytest.approx((x, y), abs=0.02)


def turned(box: Box, angle: float, output=None, source=(200, 200)) -> CropPlan:
    output = output or (int(box.width), int(box.height))
    return CropPlan(source, (box,), output, (FACE,), "t", "custom", angles_deg=(angle,))


def test_a_crop_turned_by_a_right_angle_is_the_picture_turned_back():
    """Clockwise as seen: what was at the crop's right side of the picture's top is now at its left."""
    image = torch.rand(1, 200, 200, 3)
    got = cut(image, turned(Box(40, 60, 80, 80), 90.0))
    assert_close(got, image[:, 60:140, 40:120].rot90(1, (1, 2)), atol=1e-4, rtol=0)


def test_a_tilted_pair_of_eyes_stands_level_in_its_turned_crop():
    eyes = ((80.0, 90.0), (120.0, 110.0))
    face = Face(eyes)
    way = turned(Box(50, 60, 96, 96), face.roll_deg, (192, 192))
    crop = cut(blobs(200, 200, list(eyes), 2.0), way)[0, ..., 0]
    left, right = (centroid(crop, *way.to_output(0, eye), 16) for eye in eyes)
    assert left[1] == pytest.approx(right[1], abs=0.04)
    assert right[0] - left[0] == pytest.approx(2 * face.iod, abs=0.08)


def test_a_turned_crop_that_shrinks_averages_rather_than_picks():
    rows, columns = torch.arange(200)[:, None], torch.arange(200)
    image = ((rows + columns) % 2).float()[None, ..., None]
    for side in (64, 48, 24, 10):
        got = cut(image, turned(Box(36, 36, 128, 128), 20.0, (side, side)))
        # the plain crop's tolerance; picking would give 0 and 1
        assert_close(got, torch.full_like(got, 0.5), atol=0.06, rtol=0)


def test_a_turned_crop_needs_no_scaling_to_be_sharp():
    """One interpolation: a wave of 8 px keeps its amplitude within the bicubic kernel's 2.5 %."""
    x = torch.arange(200) + 0.5
    image = (0.5 + 0.4 * torch.sin(2 * torch.pi * x / 8)).expand(1, 200, 200)[..., None]
    got = cut(image, turned(Box(60, 60, 80, 80), 30.0))
    assert float(got.amax() - got.amin()) == pytest.approx(0.8, rel=0.03)


@pytest.mark.parametrize(
    ("box", "edge"),
    [
        (Box(-8, 10, 16, 24), lambda crop, image: (crop[:, :8], image[10:34, :1])),
        (Box(32, 10, 16, 24), lambda crop, image: (crop[:, 8:], image[10:34, -1:])),
        (Box(10, -6, 16, 24), lambda crop, image: (crop[:6], image[:1, 10:26])),
        (Box(10, 42, 16, 24), lambda crop, image: (crop[18:], image[-1:, 10:26])),
        (Box(-8, -6, 16, 24), lambda crop, image: (crop[:6, :8], image[:1, :1])),
    ],
    ids=["left", "right", "top", "bottom", "corner"],
)
def test_beyond_the_picture_its_border_is_repeated_never_black(box, edge):
    image = torch.rand(1, 60, 40, 3)
    beyond, border = edge(cut(image, plan(box))[0], image[0])
    assert torch.equal(beyond, border.expand_as(beyond))
    gray = torch.full_like(image, 0.75)
    assert_close(
        cut(gray, turned(box, 25.0, source=(40, 60)))[0], gray[:, :24, :16][0], atol=1e-6, rtol=0
    )


def test_several_crops_of_one_picture_come_in_the_plans_order():
    image = torch.rand(2, 60, 40, 3)
    way = CropPlan(
        (40, 60), (Box(0, 0, 16, 24), Box(20, 30, 16, 24)), (16, 24), (FACE,) * 2, "t", "custom",
        picture_of=(0, 0),
    )  # fmt: skip
    got = cut(image, way)  # a plan for one picture serves both
    assert got.shape[0] == 4
    assert torch.equal(got[3], image[1, 30:54, 20:36])
    apart = cut(image, CropPlan(**{**vars(way), "picture_of": (1, 0)}))
    assert torch.equal(apart[0], image[1, :24, :16])
    assert torch.equal(apart[1], image[0, 30:54, 20:36])


@pytest.mark.parametrize("angle", [0.0, 30.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 10), (10, 1), (3, 30)], ids=str)
def test_the_smallest_and_narrowest_pictures_are_cut(size, angle):
    width, height = size
    image = torch.full((1, height, width, 3), 0.25)
    got = cut(image, turned(Box(0, 0, width, height), angle, (width * 8, height * 8), size))
    assert_close(got, torch.full((1, height * 8, width * 8, 3), 0.25), atol=1e-6, rtol=0)
