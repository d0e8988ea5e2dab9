import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.convolve import Terms, convolve, gemm, reference, terms_of_gaussians
from portrait_loupe.kernels.convolve.border import mirror

SHAPES = [(1, 3, 8, 8), (2, 1, 5, 259), (1, 4, 9, 5), (1, 3, 1, 1), (1, 1, 1, 40), (3, 2, 13, 2)]
SHARP = terms_of_gaussians(2.02, [-2.81, 1.79], [1.0, 1.2])
# reaches of 5, 12 and 24 px: bands of 16 and 32
SOFT = terms_of_gaussians(0.1, [0.5, 0.3, 0.1], [1.2, 3.0, 6.0])


def lopsided(channels: int, reach: int, rank: int) -> Terms:
    """Terms that look different from every side, so that a flip, a shift or a swap shows."""
    torch.manual_seed(rank)
    parts = torch.rand(2, channels, rank, 2 * reach + 1, dtype=torch.float64) / (reach + 1)
    parts[1, :, :, : reach // 2] = 0.0
    return Terms(torch.rand(channels, dtype=torch.float64), parts[0], parts[1])


def exact(image: torch.Tensor, terms: Terms) -> torch.Tensor:
    dense = terms.dense().expand(image.shape[1], -1, -1)
    return reference.convolve(image.double(), dense.contiguous())


def test_a_point_of_light_becomes_the_psf():
    terms = lopsided(2, 4, 2)
    sky = torch.zeros(1, 2, 33, 29, dtype=torch.float64)
    sky[..., 16, 12] = 1.0
    assert_close(gemm.convolve(sky, terms)[0, :, 12:21, 8:17], terms.dense())


@pytest.mark.parametrize("level", [0.0, 0.18, 1.0])
@pytest.mark.parametrize("terms", [SHARP, SOFT], ids=["sharp", "soft"])
def test_a_flat_field_stays_flat(terms, level):
    grey = torch.full((1, 3, 300, 77), level)
    # R2; the weights of SHARP add up to 6.6 in size, without the mean taken off it is 8e-7
    assert_close(gemm.convolve(grey, terms), grey, atol=2e-7, rtol=0)


@pytest.mark.parametrize("terms", [SHARP, SOFT], ids=["sharp", "soft"])
def test_the_light_of_a_picture_is_kept(terms):
    torch.manual_seed(2)
    image = torch.zeros(1, 1, 90, 80, dtype=torch.float64)
    image[..., 40:50, 35:40] = torch.rand(10, 5).double()
    gain = gemm.convolve(image, terms).sum() / image.sum()
    assert_close(gain.item(), 1.0, atol=1e-9, rtol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reach", [0, 1, 6, 21])
def test_it_agrees_with_the_reference(shape, reach):
    torch.manual_seed(7)
    image, terms = torch.rand(shape), lopsided(shape[1], reach, 3)
    want = exact(image, terms)
    # float32 sums of products
    assert_close(gemm.convolve(image, terms).double(), want, atol=2e-6, rtol=1e-6)
    assert_close(gemm.convolve(image.double(), terms), want, atol=1e-12, rtol=1e-12)


def test_bands_of_different_widths_and_several_strips_add_up(monkeypatch):
    monkeypatch.setattr(gemm, "STRIP_ROWS", 40)
    monkeypatch.setattr(gemm, "_WIDTHS", ((3, 16), (6, 24)))
    image = torch.rand(1, 1, 93, 131, dtype=torch.float64)
    terms = terms_of_gaussians(0.1, [0.5, 0.3, 0.1], [0.5, 1.4, 3.2])
    assert [gemm.band_width(reach) for reach in (2, 6, 13)] == [16, 24, 64]
    assert_close(gemm.convolve(image, terms), exact(image, terms), atol=1e-12, rtol=0)


def test_a_strip_is_the_same_part_of_the_whole(monkeypatch):
    image = torch.rand(1, 3, 150, 70)
    whole = gemm.convolve(image, SHARP)
    monkeypatch.setattr(gemm, "STRIP_ROWS", 32)
    # R9: each strip has a mean of its own, the rest is float32's rounding of weights of 6.6
    assert_close(gemm.convolve(image, SHARP), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 1, 5, 259), (1, 1, 1, 1)], ids=str)
def test_a_picture_with_its_surroundings_gives_the_same(shape):
    image = torch.rand(shape)
    padded = mirror(image, SHARP.reach)
    got = gemm.convolve_padded(padded, SHARP)
    assert got.shape == image.shape
    assert_close(got, gemm.convolve(image, SHARP), atol=1e-6, rtol=0)


def test_each_channel_has_its_own_terms_and_one_serves_all():
    image = torch.rand(1, 3, 20, 30, dtype=torch.float64)
    own = lopsided(3, 3, 2)
    assert_close(gemm.convolve(image, own), exact(image, own), atol=1e-12, rtol=0)
    one = lopsided(1, 3, 2)
    assert_close(gemm.convolve(image, one), exact(image, one), atol=1e-12, rtol=0)


def test_terms_of_nothing_leave_delta():
    image = torch.rand(1, 2, 5, 6)
    none = Terms(torch.tensor([0.5, 2.0]).double(), *torch.zeros(2, 2, 0, 3).double())
    assert_close(gemm.convolve(image, none), image * torch.tensor([0.5, 2.0])[:, None, None])
    zero = Terms(torch.tensor([3.0]).double(), *torch.zeros(2, 1, 2, 3).double())
    assert_close(gemm.convolve(image, zero), 3 * image)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    image = torch.rand(1, 3, 16, 50).to(dtype)
    got = gemm.convolve(image, SOFT)
    assert got.dtype == dtype
    # half a step of the dtype below 1, and float32's sums
    eps = torch.finfo(dtype).eps / 4 + 1e-6
    assert_close(got.double(), exact(image, SOFT), atol=eps, rtol=0)


def test_strides_do_not_matter_and_the_picture_is_not_touched():
    image = torch.rand(2, 14, 33, 3).movedim(-1, 1)[:, :, :, ::2]
    before = image.clone()
    assert_close(gemm.convolve(image, SHARP), gemm.convolve(image.contiguous(), SHARP))
    assert torch.equal(image, before)
    assert gemm.convolve(image, SHARP).is_contiguous()


def test_bright_highlights_do_not_spoil_the_shadows_elsewhere():
    image = torch.full((1, 1, 40, 400), 0.01)
    image[..., 300:] = 1000.0
    dark = gemm.convolve(image, SHARP)[..., :200]
    # float32 of the highlights' mean, 250: the price of one mean a strip
    assert_close(dark, torch.full_like(dark, 0.01), atol=2e-4, rtol=0)


def test_the_public_function_takes_it_by_name_with_dense_psfs_too():
    torch.manual_seed(5)
    image, psf = torch.rand(1, 3, 12, 17), torch.rand(3, 7, 7)
    want = convolve(image, psf, backend="direct")
    assert_close(convolve(image, psf, backend="gemm"), want, atol=2e-5, rtol=0)  # sums of 25
