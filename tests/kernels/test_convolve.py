import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels import convolve as room
from portrait_loupe.kernels.convolve import (
    choose,
    convolve,
    fft,
    terms_of_gaussians,
    why_not_direct,
    why_not_gemm,
)
from portrait_loupe.kernels.convolve.border import copy_mirrored, mirror
from portrait_loupe.kernels.convolve.fft import good_size, overlap, plan_tiles

BACKENDS = ("direct", "fft", "gemm")
LARGE = torch.zeros(1).expand(1, 3, 4320, 7680)  # 8K, no memory


@pytest.fixture
def comet():
    """A PSF that looks different from every side, so that a flip or a shift shows."""
    y, x = torch.meshgrid(torch.arange(9.0) - 4, torch.arange(9.0) - 4, indexing="ij")
    psf = torch.exp(-((x - 1.3) ** 2) / 3 - (y + 0.7) ** 2 / 6) * (1 + 0.1 * x - 0.05 * y)
    return psf / psf.sum()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_of_light_becomes_the_psf(comet, backend):
    sky = torch.zeros(1, 1, 33, 29)
    sky[..., 16, 12] = 1.0
    seen = convolve(sky, comet, backend=backend)
    # float32 rounding of sums to 1
    assert_close(seen[0, 0, 12:21, 8:17], comet, atol=1e-6, rtol=0)
    assert_close(seen.sum().item(), 1.0, atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_channel_has_its_own_psf(comet, backend):
    sky = torch.zeros(1, 3, 21, 21)
    sky[..., 10, 10] = 1.0
    psfs = torch.stack([comet, comet.T, comet.flip(0)])
    assert_close(convolve(sky, psfs, backend=backend)[0, :, 6:15, 6:15], psfs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("level", [0.0, 0.18, 1.0])
def test_a_flat_field_stays_flat(comet, backend, level):
    grey = torch.full((2, 3, 20, 31), level)
    assert_close(convolve(grey, comet, backend=backend), grey, atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_psf_of_one_sample_changes_nothing(backend):
    image = torch.rand(1, 3, 7, 10)
    assert_close(convolve(image, torch.ones(1, 1), backend=backend), image, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 8, 8), (2, 1, 5, 259), (1, 4, 9, 5), (1, 3, 1, 1), (1, 1, 1, 40), (3, 2, 13, 2)],
    ids=str,
)
@pytest.mark.parametrize("taps", [1, 3, 9, 23])
def test_fft_agrees_with_the_reference(shape, taps):
    torch.manual_seed(7)
    image, psf = torch.rand(shape), torch.rand(shape[1], taps, taps)
    psf /= psf.sum((1, 2), keepdim=True)
    want = room.reference.convolve(image.double(), psf.double())
    # Each is float32 and up to 7e-7 off at 23 taps; the reference in float64 is the judge.
    assert_close(convolve(image, psf, backend="fft").double(), want, atol=2e-6, rtol=0)
    assert_close(convolve(image, psf, backend="direct").double(), want, atol=2e-6, rtol=0)
    assert_close(convolve(image, psf, backend="gemm").double(), want, atol=2e-6, rtol=0)


@pytest.mark.parametrize("taps", [3, 9, 23])
def test_the_transform_in_tiles_agrees_with_the_reference(monkeypatch, taps):
    monkeypatch.setattr(fft, "plan_tiles", lambda *_: (36, 45))
    torch.manual_seed(8)
    image, psf = torch.rand(2, 3, 83, 117, dtype=torch.float64), torch.rand(3, taps, taps).double()
    want = room.reference.convolve(image, psf)
    assert_close(convolve(image, psf, backend="fft"), want, atol=1e-11, rtol=0)  # sums of 130
    small = (psf / psf.sum((1, 2), keepdim=True)).float()
    whole = convolve(image.double(), small.double(), backend="direct").float()
    assert_close(convolve(image.float(), small, backend="fft"), whole, atol=1e-6, rtol=0)  # R9


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 1, 5, 259), (1, 1, 1, 1)], ids=str)
def test_the_transform_of_a_picture_with_its_surroundings(comet, shape):
    image, psfs = torch.rand(shape), comet.expand(shape[1], -1, -1)
    got = fft.convolve_padded(mirror(image, 4), psfs)
    assert_close(got, fft.convolve(image, psfs), atol=1e-6, rtol=0)


@pytest.mark.parametrize("start", [(0, 0), (-3, -2), (-20, -30), (4, 5), (30, 40), (-1, 3)])
@pytest.mark.parametrize("size", [(1, 1), (4, 6), (9, 50)])
@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 12), (13, 2)])
def test_any_window_of_the_mirrored_plane(start, size, shape):
    plane = torch.rand(shape)
    wide = mirror(plane, 100)
    top, left = start[0] + 100, start[1] + 100
    window = torch.empty(size)
    copy_mirrored(plane, *start, window)
    assert torch.equal(window, wide[top : top + size[0], left : left + size[1]])


def test_a_psf_wider_than_the_picture_sees_it_mirrored_again_and_again():
    strip = torch.tensor([1.0, 2.0, 4.0])
    assert mirror(strip.expand(3, 3), 5)[0].tolist() == [2, 1, 2, 4, 2, 1, 2, 4, 2, 1, 2, 4, 2]
    assert mirror(torch.ones(1, 1), 3).shape == (7, 7)


def test_mirroring_is_torchs_where_torch_can():
    image = torch.rand(2, 3, 6, 9)
    assert_close(mirror(image, 5), torch.nn.functional.pad(image, (5,) * 4, mode="reflect"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_is_calculated_in_float32(comet, backend, dtype):
    image = torch.rand(1, 3, 16, 11).to(dtype)
    seen = convolve(image, comet, backend=backend)
    assert seen.dtype == dtype
    want = convolve(image.double(), comet, backend=backend)
    # the last rounding alone: half a step of the dtype below 1, and float32's sums
    assert_close(seen.double(), want, atol=torch.finfo(dtype).eps / 2 + 1e-6, rtol=0)


def test_the_picture_is_not_touched(comet):
    image = torch.rand(1, 3, 12, 12)
    before = image.clone()
    for backend in BACKENDS:
        convolve(image, comet, backend=backend)
    assert torch.equal(image, before)


def test_a_picture_with_its_channels_last_in_memory_gives_the_same(comet):
    image = torch.rand(1, 14, 12, 3).movedim(-1, 1)
    for backend in BACKENDS:
        assert_close(
            convolve(image, comet, backend=backend),
            convolve(image.contiguous(), comet, backend=backend),
        )


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_terms_are_what_their_samples_are(backend):
    terms = terms_of_gaussians(2.0, [-2.8, 1.8], [1.0, 1.3], channels=3)
    image = torch.rand(1, 3, 21, 40)
    want = convolve(image.double(), terms.dense(), backend="direct")
    # float32's sums with weights of 6.6
    assert_close(convolve(image, terms, backend=backend).double(), want, atol=3e-6, rtol=0)


def test_all_but_a_single_sample_goes_a_quicker_way():
    assert why_not_direct(torch.ones(1, 1)) is None
    assert "is 31 samples wide" in (why_not_direct(torch.ones(3, 31, 31)) or "")
    assert choose(torch.zeros(1, 3, 8, 8), torch.ones(1, 1)) == ("direct", [])


def test_few_short_terms_are_products_on_a_cpu():
    name, reasons = choose(LARGE, terms_of_gaussians(2.0, [-2.8, 1.5, 0.3], [1.2, 1.7, 2.5]))
    assert name == "gemm"
    assert [reason.split(":")[0] for reason in reasons] == ["direct", "triton"]
    assert "on cpu" in reasons[1]


def test_wide_terms_go_to_the_transform_which_does_not_mind():
    wide = terms_of_gaussians(0.0, [0.5, 0.3, 0.2], [20.0, 25.0, 30.0])
    name, reasons = choose(LARGE, wide)
    assert name == "fft"
    assert "3 terms that reach 120 px cost" in reasons[-1]
    assert why_not_gemm(LARGE, wide) in reasons[-1]


def test_a_dense_psf_that_is_separable_is_found_out(comet):
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]).double()
    assert why_not_gemm(LARGE, torch.outer(taps, taps) / 256) is None
    torch.manual_seed(1)
    assert "no sum of" in (why_not_gemm(LARGE, torch.rand(21, 21)) or "")
    assert "before the terms" in (why_not_gemm(torch.zeros(1, 3, 99, 99), comet) or "")


def test_more_tolerance_lets_more_psfs_be_products():
    x = torch.arange(21.0).double() - 10
    soft = torch.exp(-(x[:, None] ** 2 + x**2).sqrt())
    assert why_not_gemm(LARGE, soft, tolerance=1e-6) is not None
    assert why_not_gemm(LARGE, soft, tolerance=1e-2) is None


def test_triton_by_name_says_why_it_cannot(comet):
    if torch.cuda.is_available():
        pytest.skip("it can")
    with pytest.raises(
        RuntimeError, match="backend='triton' cannot run: the image is on cpu, not cuda"
    ):
        convolve(torch.zeros(1, 1, 16, 16), comet, backend="triton")


def test_tiles_cover_the_picture_and_stay_small():
    for height, width, rim in [(4320, 7680, 20), (1, 1, 0), (5, 9000, 126), (600, 512, 62)]:
        rows, columns = plan_tiles(height, width, rim, 2**18)
        assert rows > rim
        assert columns > rim
        assert rows * columns <= max(2**18, good_size(3 * rim) ** 2)
    assert plan_tiles(100, 120, 20, 2**18) == (120, 144)  # one tile where that will do
    assert 1 < overlap(4320, 7680, 20) < 1.15
    assert overlap(4320, 7680, 126) < 1.8


def test_gradients_are_not_asked_of_it(comet):
    image = torch.rand(1, 1, 12, 12, requires_grad=True)
    assert not convolve(image, comet).requires_grad


def test_good_sizes_have_small_factors_and_waste_little():
    for least in range(1, 2000):
        size = good_size(least)
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        assert rest == 1
        assert least <= size <= least * 1.16  # the worst is 13, which becomes 15


@pytest.mark.parametrize(
    ("image", "psf", "message"),
    [
        (torch.zeros(1, 3, 8, 8), torch.ones(4, 4), "odd side, .* got 4x4"),
        (torch.zeros(1, 3, 8, 8), torch.ones(3, 5), "square .* got 3x5"),
        (torch.zeros(1, 3, 8, 8), torch.ones(3), "square .* got 3"),
        (torch.zeros(1, 3, 8, 8), torch.ones(2, 3, 3), "3 channels, got 2"),
        (
            torch.zeros(1, 3, 8, 8),
            torch.ones(3, 3, dtype=torch.int64),
            "psf must be floating point",
        ),
        (torch.zeros(1, 3, 8, 8), torch.full((3, 3), torch.nan), "psf must be finite"),
        (torch.zeros(3, 8, 8), torch.ones(3, 3), "got 3x8x8 of torch.float32"),
        (torch.zeros(0, 3, 8, 8), torch.ones(3, 3), "not empty"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.ones(3, 3), "of torch.uint8"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_what_cannot_be_convolved_is_refused(image, psf, message):
    with pytest.raises(ValueError, match=message):
        convolve(image, psf)


def test_terms_of_another_number_of_channels_are_refused():
    with pytest.raises(ValueError, match="picture's 3 channels, got 2"):
        convolve(torch.zeros(1, 3, 8, 8), terms_of_gaussians(1, [], [], channels=2))


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="one of auto, direct, fft, gemm, triton, got 'cuda'"):
        convolve(torch.zeros(1, 1, 4, 4), torch.ones(1, 1), backend="cuda")  # pyright: ignore[reportArgumentType]
