import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.convolve import Terms, terms_of_gaussians, terms_of_psf


def gaussian(sigma: float, side: int) -> torch.Tensor:
    x = torch.arange(side, dtype=torch.float64) - side // 2
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    psf = taps[:, None] * taps
    return psf / psf.sum()


def otf_error(terms: Terms, psf: torch.Tensor) -> float:
    """On a grid that the search does not use."""
    return float(torch.fft.rfft2(terms.dense() - psf, s=(301, 301)).abs().max())


def test_a_sum_of_gaussians_is_what_it_says():
    terms = terms_of_gaussians(0.4, [0.5, 0.1], [1.0, 2.5])
    want = 0.5 * gaussian(1.0, 21) + 0.1 * gaussian(2.5, 21)
    want[10, 10] += 0.4
    # 4 sigma hold all but 6e-5 of a Gaussian on each axis
    assert_close(terms.dense()[0], want, atol=1e-4, rtol=0)
    assert terms.reach == 10
    assert (terms.channels, terms.rank) == (1, 2)


@pytest.mark.parametrize(
    ("delta", "weights", "sigmas"),
    [(1.0, [], []), (2.02, [-2.81, 1.79], [1.02, 1.2]), (0.0, [1.0], [0.3]), (0.9, [0.1], [0.0])],
)
def test_the_gain_is_the_sum_of_the_weights(delta, weights, sigmas):
    terms = terms_of_gaussians(delta, weights, sigmas, channels=3)
    assert_close(terms.gain, torch.full((3,), delta + sum(weights), dtype=torch.float64))
    assert_close(terms.dense().sum((1, 2)), terms.gain)


def test_a_gaussian_of_no_width_is_the_picture_itself():
    terms = terms_of_gaussians(0.0, [1.0], [0.0])
    assert terms.reach == 0
    assert_close(terms.dense(), torch.ones(1, 1, 1, dtype=torch.float64))


def test_columns_run_down_and_rows_across():
    tap = torch.zeros(1, 1, 5, dtype=torch.float64)
    down, across = tap.clone(), tap.clone()
    down[..., 4], across[..., 1] = 1.0, 1.0
    dense = Terms(torch.zeros(1, dtype=torch.float64), down, across).dense()[0]
    assert dense.nonzero().tolist() == [[4, 1]]


def test_taps_of_zero_at_the_ends_are_no_reach():
    taps = torch.zeros(2, 1, 9, dtype=torch.float64)
    taps[1, 0, 2] = 1.0
    wider = taps.clone()
    wider[0, 0, 7] = 1.0
    none = torch.zeros(2, dtype=torch.float64)
    assert Terms(none, taps, taps).reach == 2
    assert Terms(none, taps, wider).reach == Terms(none, wider, taps).reach == 3


def test_one_term_stands_for_a_gaussian_and_two_for_two():
    assert terms_of_psf(gaussian(1.7, 21), 1e-9).rank == 1
    assert terms_of_psf(0.7 * gaussian(1.2, 31) + 0.3 * gaussian(4.0, 31), 1e-9).rank == 2


def test_a_clear_core_in_a_veil_needs_no_term_of_its_own():
    psf = 0.3 * gaussian(3.0, 31)
    psf[15, 15] += 0.7
    terms = terms_of_psf(psf, 1e-9)
    assert terms.rank == 1
    assert_close(terms.delta, torch.tensor([0.7], dtype=torch.float64), atol=1e-9, rtol=0)


def test_a_shifted_and_lopsided_psf_keeps_its_place():
    torch.manual_seed(3)
    psf = torch.outer(torch.rand(7).double(), torch.rand(7).double())
    assert_close(terms_of_psf(psf, 1e-9).dense()[0], psf, atol=1e-9, rtol=0)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
def test_the_transfer_function_is_as_near_as_was_asked_and_dc_is_exact(tolerance):
    x = torch.arange(25, dtype=torch.float64) - 12
    radius = (x[:, None] ** 2 + x**2).sqrt()
    disc = torch.stack([(7.3 - radius).clamp(0, 1), (5.1 - radius).clamp(0, 1)])
    disc /= disc.sum((1, 2), keepdim=True)
    terms = terms_of_psf(disc, tolerance, most=25)
    # 1.2: the search looks at every half frequency step, the largest error may lie between
    assert otf_error(terms, disc) <= 1.2 * tolerance
    assert_close(terms.gain, torch.ones(2, dtype=torch.float64), atol=1e-12, rtol=0)


def test_fewer_terms_are_found_where_more_error_is_let_through():
    x = torch.arange(25, dtype=torch.float64) - 12
    disc = (7.3 - (x[:, None] ** 2 + x**2).sqrt()).clamp(0, 1)
    ranks = [terms_of_psf(disc, tolerance, most=25).rank for tolerance in (0.1, 1e-2, 1e-4)]
    assert ranks == sorted(set(ranks))


def test_no_terms_where_too_many_would_be_needed():
    torch.manual_seed(1)
    assert terms_of_psf(torch.rand(31, 31), 1e-3, most=8) is None


def test_a_sharpener_whose_sum_is_zero_has_terms_too():
    psf = gaussian(1.0, 15) - gaussian(2.0, 15)
    terms = terms_of_psf(psf, 1e-9)
    assert_close(terms.dense()[0], psf, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (((1,), (1, 1, 4), (1, 1, 4)), "K odd, got 1, 1x1x4 and 1x1x4"),
        (((2,), (1, 1, 3), (1, 1, 3)), "got 2, 1x1x3"),
        (((1,), (1, 2, 3), (1, 1, 3)), "got 1, 1x2x3 and 1x1x3"),
        (((1, 1), (1, 1, 3), (1, 1, 3)), "got 1x1, "),
    ],
    ids=str,
)
def test_terms_that_do_not_fit_together_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Terms(*(torch.zeros(shape, dtype=torch.float64) for shape in parts))


def test_terms_of_another_precision_or_not_finite_are_refused():
    one, tap = torch.ones(1, dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="rows must be float64 on the CPU"):
        Terms(one, tap, tap.float())
    with pytest.raises(ValueError, match="delta must be finite"):
        Terms(one * torch.nan, tap, tap)


def test_gaussians_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="got 2 weights and 1 sigmas"):
        terms_of_gaussians(0, [1, 2], [1])
    with pytest.raises(ValueError, match="not negative"):
        terms_of_gaussians(0, [1], [-1])
    with pytest.raises(ValueError, match="finite"):
        terms_of_gaussians(0, [1], [float("nan")])
