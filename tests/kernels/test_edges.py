import math

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.edges import find_edge, slanted_edge, source_sigma
from portrait_loupe.kernels.presence import luma_of


def box_edge(angle=5.0, height=100, width=64, fine=64):
    """An ideal edge integrated over square pixels, (H, W) float64, 0..1."""
    lean = math.tan(math.radians(angle))
    y = (torch.arange(height * fine).double() + 0.5) / fine - height / 2
    x = torch.arange(width).double() - width / 2
    covered = (x + 1 - (y * lean - 0.137)[:, None]).clamp(0, 1)
    return covered.view(height, fine, width).mean(1)


def soft_edge(sigma, angle=5.0, side=96, low=0.1, high=0.8):
    """A blurred edge sampled at the pixels' centres."""
    turn = math.radians(angle)
    y = torch.arange(side).double()[:, None] - side / 2 + 0.5
    x = torch.arange(side).double() - side / 2 + 0.637
    away = (x - y * math.tan(turn)) * math.cos(turn)
    return low + (high - low) * 0.5 * (1 + torch.erf(away / sigma / math.sqrt(2)))


def blurred(plane, sigma):
    reach = math.ceil(4 * sigma)
    place = torch.arange(-reach, reach + 1).double()
    taps = torch.exp(-(place**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).to(plane)
    grown = torch.nn.functional.pad(plane[None, None], (reach,) * 4, mode="replicate")
    return torch.nn.functional.conv2d(
        torch.nn.functional.conv2d(grown, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1)
    )[0, 0]


@pytest.fixture(scope="module")
def photos(astronaut):
    from skimage import data

    cameraman = torch.from_numpy(data.camera()).float() / 255
    return {"astronaut": luma_of(astronaut.movedim(-1, 1))[0, 0], "camera": cameraman}


def softened(coded, sigma, noise=0.0):
    torch.manual_seed(4)
    soft = linear_to_srgb(blurred(srgb_to_linear(coded), sigma))
    return soft + noise * torch.randn_like(soft)


@pytest.mark.parametrize("angle", [2.0, 5.0, -9.0, 17.0])
def test_an_ideal_edge_has_the_response_of_a_square_pixel(angle):
    edge = slanted_edge(box_edge(angle))
    turn = math.radians(angle)
    f = edge.frequencies
    want = (torch.sinc(f * math.cos(turn)) * torch.sinc(f * math.sin(turn))).abs()
    assert edge.angle_deg == pytest.approx(angle, abs=0.01)
    assert_close(edge.sfr, want, atol=1e-3, rtol=0)


@pytest.mark.parametrize("sigma", [0.5, 1.2, 3.0])
def test_a_gaussian_edge_has_a_gaussian_response(sigma):
    edge = slanted_edge(soft_edge(sigma))
    want = torch.exp(-2 * (math.pi * sigma * edge.frequencies) ** 2)
    assert_close(edge.sfr, want, atol=1e-3, rtol=0)
    assert edge.mtf50 == pytest.approx(math.sqrt(math.log(2) / 2) / math.pi / sigma, rel=0.01)
    assert edge.at(0.1) == pytest.approx(math.exp(-2 * (math.pi * sigma * 0.1) ** 2), abs=2e-3)
    assert edge.mean((0.05, 0.25)) == pytest.approx(
        float(want[(edge.frequencies >= 0.049) & (edge.frequencies <= 0.251)].mean()), abs=0.01
    )
    assert max(edge.overshoot, edge.undershoot, edge.backward) < 1e-3
    assert (edge.low, edge.high) == pytest.approx((0.1, 0.8), abs=1e-3)


@pytest.mark.parametrize(
    "turn",
    [lambda it: it.T, lambda it: it.flip(0), lambda it: it.flip(1), lambda it: it.flip(0).T],
    ids=["lying", "leaning back", "dark on the right", "lying and back"],
)
def test_the_response_does_not_care_which_way_the_edge_lies(turn):
    plain = slanted_edge(soft_edge(0.9))
    assert_close(slanted_edge(turn(soft_edge(0.9)).contiguous()).sfr, plain.sfr, atol=1e-3, rtol=0)


def test_noise_of_one_percent_moves_it_by_a_few_percent():
    torch.manual_seed(8)
    noisy = soft_edge(1.0) + 0.007 * torch.randn(96, 96)
    clean = slanted_edge(soft_edge(1.0))
    low = clean.frequencies <= 0.25
    assert_close(slanted_edge(noisy).sfr[low], clean.sfr[low], atol=0.05, rtol=0)


def test_an_unsharp_mask_shows_as_halo_and_as_response_above_one():
    plane = soft_edge(0.8)
    masked = plane + 1.0 * (plane - blurred(plane, 2.0))
    edge = slanted_edge(masked)
    gain = lambda f: 2 - math.exp(-2 * (math.pi * 2.0 * f) ** 2)  # noqa: E731
    assert edge.most > 1.1
    assert edge.at(0.15) == pytest.approx(gain(0.15) * slanted_edge(plane).at(0.15), abs=5e-3)
    # the erf of both blurs, at its extreme
    x = torch.linspace(0, 8, 801).double()
    steps = [0.5 * (1 + torch.erf(x / s / math.sqrt(2))) for s in (0.8, math.hypot(0.8, 2.0))]
    excess = float((2 * steps[0] - steps[1]).max()) - 1
    assert edge.overshoot == pytest.approx(excess, rel=0.05)
    assert edge.undershoot == pytest.approx(excess, rel=0.05)
    assert edge.backward >= edge.undershoot


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (torch.full((40, 40), 0.5), "there is no edge"),
        (torch.zeros(8, 40), "12 px or more"),
        (torch.zeros(40, 40, dtype=torch.uint8), "floating point"),
        (torch.full((40, 40), float("nan")), "NaN"),
        (soft_edge(0.8, angle=0.2), "lean 1 to 40 degrees"),
        (soft_edge(0.8, angle=44.0, side=60)[:30], "lean 1 to 40 degrees"),
        (
            soft_edge(0.8, side=96)[:, 44:56],
            "4 px of plane on both sides|crosses|cross every row|no edge",
        ),
    ],
    ids=["flat", "small", "bytes", "NaN", "upright", "diagonal", "narrow"],
)
def test_what_is_no_slanted_edge_is_refused(plane, message):
    with pytest.raises(ValueError, match=message):
        slanted_edge(plane)


def test_a_bent_edge_is_refused():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    bow = 0.5 * (1 + torch.tanh(x - 40 - 0.1 * y - 3 * torch.sin(y / 20)))
    with pytest.raises(ValueError, match="straight within"):
        slanted_edge(bow)


def test_a_response_is_asked_for_within_what_was_measured():
    with pytest.raises(ValueError, match=r"from 0 to 0\.75"):
        slanted_edge(soft_edge(1.0)).at(0.8)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("name", ["astronaut", "camera"])
def test_the_blur_of_a_photo_is_found_and_not_above_it(photos, name, sigma, noise):
    seen = source_sigma(softened(photos[name], sigma, noise))
    assert 0.70 * sigma <= seen.sigma_px <= 1.10 * sigma  # criterion E1
    assert seen.typical_px >= seen.sigma_px
    assert seen.edges > 300
    assert not seen.haloed
    assert seen.reason is None


@pytest.mark.parametrize("name", ["astronaut", "camera"])
@pytest.mark.parametrize(
    ("sigma", "radius", "amount"),
    [(0.8, 1.0, 2.0), (0.8, 2.0, 1.0), (1.2, 2.0, 1.5), (1.2, 20.0, 1.0)],
)
def test_a_sharpened_photo_is_told(photos, name, sigma, radius, amount):
    soft = softened(photos[name], sigma)
    seen = source_sigma((soft + amount * (soft - blurred(soft, radius))).clamp(0, 1))
    assert seen.haloed  # criterion E2
    assert "sharpened" in seen.reason


@pytest.mark.parametrize("name", ["astronaut", "camera"])
def test_a_photo_sharpened_at_its_own_size_is_told(photos, name):
    coded = photos[name]
    assert not source_sigma(coded).haloed
    assert source_sigma((coded + (coded - blurred(coded, 1.0))).clamp(0, 1)).haloed


def test_a_large_photo_is_judged_by_tiles(photos):
    from portrait_loupe.kernels import edges

    soft = softened(photos["astronaut"], 1.2)
    large = soft.repeat(4, 4)
    assert len(edges._tiles(large)) == 9
    assert all(tile.shape == (512, 512) for tile in edges._tiles(large))
    assert source_sigma(large).sigma_px == pytest.approx(source_sigma(soft).sigma_px, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (20, 20), (64, 64)], ids=str)
def test_a_picture_without_edges_says_so(shape):
    seen = source_sigma(torch.full(shape, 0.5))
    assert (seen.sigma_px, seen.edges, seen.haloed) == (0.45, 0, False)
    assert "only 0 clear edge pixels" in seen.reason


def test_a_stop_is_felt_while_a_large_picture_is_judged():
    """Nine tiles at three scales: the fifth call stops it, long before the end."""
    calls = []

    def tick():
        calls.append(None)
        if len(calls) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        source_sigma(torch.rand(1600, 1600), tick)
    assert len(calls) == 5


def test_a_plane_that_is_none_is_refused():
    with pytest.raises(ValueError, match="plane must be"):
        source_sigma(torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match="NaN"):
        source_sigma(torch.full((8, 8), float("nan")))


def test_an_edge_is_found_in_a_scene():
    torch.manual_seed(9)
    scene = 0.5 + 0.05 * torch.randn(200, 260)
    scene[60:150, 100:190] = soft_edge(0.9, angle=7.0, side=96)[:90, :90].float()
    box, reason = find_edge(scene)
    assert reason == ""
    x, y, width, height = box
    assert 100 <= x + width / 2 <= 190
    edge = slanted_edge(scene[y : y + height, x : x + width], window_px=12)
    assert abs(edge.angle_deg) == pytest.approx(7, abs=0.5)
    assert edge.at(0.2) == pytest.approx(math.exp(-2 * (math.pi * 0.9 * 0.2) ** 2), abs=0.03)


def test_no_edge_in_noise_and_in_a_small_picture():
    torch.manual_seed(9)
    assert find_edge(0.5 + 0.2 * torch.randn(120, 120))[0] is None
    assert find_edge(torch.zeros(20, 20)) == (None, "the picture is smaller than 48 px")
