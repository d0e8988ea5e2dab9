import math

import pytest
import torch

from portrait_loupe.nodes.identity.injection.schedule import Schedule


def flux_sigma(share):
    """As the host's ModelSamplingFlux: shift 1.15."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    return math.exp(1.15) / (math.exp(1.15) + (1 / (1 - share) - 1))


def unet_sigma(share):
    """As the host's discrete sampling: no end at pure noise, and a curve in the logarithm."""
    if share <= 0:
        return 999999999.9
    if share >= 1:
        return 0.0
    return math.exp(math.log(0.03) + (math.log(14.6) - math.log(0.03)) * (1 - share) ** 0.8)


MODELS = pytest.mark.parametrize("sigma_at", [flux_sigma, unet_sigma])


@MODELS
def test_all_of_sampling_is_always(sigma_at):
    window = Schedule().window(sigma_at)
    assert window.always
    assert [window.factor(sigma) for sigma in (1e12, 14.6, 1.0, 0.3, 0.0)] == [1] * 5


@MODELS
def test_outside_the_window_the_factor_is_0_and_its_ends_belong_to_it(sigma_at):
    window = Schedule(0.2, 0.7).window(sigma_at)
    for share, factor in (
        (0.0, 0),
        (0.199, 0),
        (0.2, 1),
        (0.45, 1),
        (0.7, 1),
        (0.701, 0),
        (1.0, 0),
    ):
        # the host hands its noise levels over in float32
        sigma = float(torch.tensor(sigma_at(share), dtype=torch.float32))
        assert window.factor(sigma) == factor, share
    assert not window.always


@MODELS
def test_fades_are_straight_lines_in_shares_of_sampling(sigma_at):
    window = Schedule(0.1, 0.9, 0.2, 0.4).window(sigma_at)
    for share, factor in ((0.15, 0.25), (0.2, 0.5), (0.3, 1), (0.45, 1), (0.6, 0.75), (0.8, 0.25)):
        assert window.factor(sigma_at(share)) == pytest.approx(factor, abs=1e-5), (
            share
        )  # 2**-24 / fade
    assert window.factor(sigma_at(0.05)) == window.factor(sigma_at(0.95)) == 0


def test_a_fade_begins_with_nothing_at_the_first_step():
    window = Schedule(fade_in=0.5).window(unet_sigma)
    assert not window.always
    assert window.factor(1e6) == pytest.approx(0, abs=1e-6)
    assert window.factor(unet_sigma(0.25)) == pytest.approx(0.5, abs=1e-6)


def test_a_window_of_no_width_is_one_noise_level():
    window = Schedule(0.5, 0.5).window(flux_sigma)
    assert window.factor(float(torch.tensor(flux_sigma(0.5), dtype=torch.float32))) == 1
    assert window.factor(flux_sigma(0.501)) == 0


def test_fades_may_fill_the_window_to_the_last_digit():
    assert Schedule(0.0, 0.3, 0.1, 0.2).at(0.1) == pytest.approx(1)  # 0.1 + 0.2 > 0.3 in floats


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.6, 0.5), "start <= end"),
        ((-0.1, 0.5), "start <= end"),
        ((0.0, 1.1), "start <= end"),
        ((float("nan"), 1.0), "start <= end"),
        ((0.2, 0.7, 0.3, 0.3), "shorten them"),
        ((0.2, 0.7, -0.1, 0.1), "at least 0"),
    ],
    ids=str,
)
def test_what_is_no_schedule_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Schedule(*values)
