import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels import convolve as room
from portrait_loupe.kernels.convolve import convolve, why_not_direct
from portrait_loupe.kernels.convolve.border import mirror
from portrait_loupe.kernels.convolve.fft import good_size

BACKENDS = ("direct", "fft")


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
    convolve(image, comet, backend="fft")
    assert torch.equal(image, before)


def test_a_picture_with_its_channels_last_in_memory_gives_the_same(comet):
    image = torch.rand(1, 14, 12, 3).movedim(-1, 1)
    for backend in BACKENDS:
        assert_close(
            convolve(image, comet, backend=backend),
            convolve(image.contiguous(), comet, backend=backend),
        )


def test_all_but_a_single_sample_goes_to_the_transform():
    assert why_not_direct(torch.ones(1, 1)) is None
    assert "is 31 samples wide" in (why_not_direct(torch.ones(3, 31, 31)) or "")


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


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="one of auto, direct, fft, got 'cuda'"):
        convolve(torch.zeros(1, 1, 4, 4), torch.ones(1, 1), backend="cuda")  # pyright: ignore[reportArgumentType]
