import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.edges import slanted_edge
from portrait_loupe.kernels.meter import micro_contrast
from portrait_loupe.kernels.presence import guard, limits_of, luma_of, presence
from portrait_loupe.nodes.lens import relens
from portrait_loupe.nodes.lens.relens import design, headroom

LOW, HIGH = 0.06, 0.9  # light, 15:1
WINDOW = 26


def slanted(sigma, low=LOW, high=HIGH, angle=5.0, side=112):
    """A blurred edge sampled at the pixels' centres, linear light, (H, W) float64."""
    turn = math.radians(angle)
    y = torch.arange(side).double()[:, None] - side / 2 + 0.5
    x = torch.arange(side).double() - side / 2 + 0.637
    away = (x - y * math.tan(turn)) * math.cos(turn)
    return low + (high - low) * 0.5 * (1 + torch.erf(away / sigma / math.sqrt(2)))


def blurred(plane, sigma):
    """Seen through sampled Gaussian taps, written on its own here: relens and the kernel may err alike."""
    reach = math.ceil(5 * sigma)
    place = torch.arange(-reach, reach + 1).double()
    taps = torch.exp(-(place**2) / (2 * sigma**2))
    taps /= taps.sum()
    grown = torch.nn.functional.pad(plane[None, None], (reach,) * 4, mode="replicate")
    return torch.nn.functional.conv2d(
        torch.nn.functional.conv2d(grown, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1)
    )[0, 0]


def through(plane, filter):
    out = filter.delta * plane
    for weight, sigma in zip(filter.weights, filter.sigmas_px, strict=True):
        out = out + weight * blurred(plane, sigma)
    return out


def unsharp(coded, radius, amount):
    return coded + amount * (coded - blurred(coded, radius))


def rendered(light, filter, gain):
    """The node's chain: re-lens in light, presence for what is left of the gain, guard; coded."""
    source = linear_to_srgb(light)[None, None].float()
    coded = linear_to_srgb(through(light, filter))[None, None].float()
    coded = presence(coded, max(1.0, gain / filter.mid_gain))
    return guard(coded, limits_of(source))[0, 0].double()


def halo(coded):
    edge = slanted_edge(coded, window_px=WINDOW)
    return edge.overshoot, edge.undershoot


@pytest.mark.parametrize(
    ("sigma", "gain", "noise"),
    # Criterion R4, but 1.03 at 0.5 px where it says 1.04: on the pixel lattice, with edges along
    # the pixels and across them, that needs more undershoot than R4 allows (0.4 % buys 1.035).
    [(0.5, 1.03, 1.75), (0.8, 1.10, 1.75), (1.2, 1.25, 1.75), (2.0, 1.58, 1.75), (3.0, 1.75, 1.95)],
)
def test_a_passive_lens_gives_the_contrast_that_the_blur_leaves_room_for(sigma, gain, noise):
    filter = design(sigma)
    assert filter.mid_gain >= gain
    assert filter.noise_gain <= noise
    assert filter.foot_lift <= 0.003
    assert headroom(sigma) == filter.mid_gain


@pytest.mark.parametrize("angle", [5.0, -18.0, 33.0])
@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2, 2.0, 3.0])
def test_the_edge_of_a_passive_lens_has_the_designed_contrast_and_no_halo(sigma, angle):
    filter = design(sigma)
    light = slanted(sigma, angle=angle)
    before, after = (
        slanted_edge(light, window_px=WINDOW),
        slanted_edge(through(light, filter), window_px=WINDOW),
    )
    seen = slanted_edge(linear_to_srgb(through(light, filter)), window_px=WINDOW)
    low = before.frequencies <= 0.35
    designed = before.sfr * torch.from_numpy(filter.gain_at(before.frequencies.numpy()))
    # criterion R4; sampled taps are not round: 0.006 at 33 degrees
    assert_close(after.sfr[low], designed[low], atol=0.01, rtol=0)
    assert after.most <= 1.005
    assert max(seen.overshoot, seen.undershoot) <= (0.012 if sigma < 0.8 else 0.003)
    assert seen.backward <= (0.02 if sigma < 0.8 else 0.003)


def test_every_design_obeys_its_constraints():
    """At frequencies and places that the programme did not look at, and at in-between blurs."""
    for sigma in (0.45, 0.58, 1.37, 6.0):
        for gmax in (2.0, 3.0):
            filter = design(sigma, gmax)
            assert len(filter.weights) <= 3
            assert abs(filter.delta) + sum(map(abs, filter.weights)) < 20
            assert filter.delta + sum(filter.weights) == pytest.approx(1, abs=1e-12)
            assert all(width > 0 for width in filter.sigmas_px)
            frequencies = np.linspace(0, 0.5, 333)
            gains = filter.gain_at(frequencies)
            assert gains.max() <= gmax + 1e-3
            assert gains.min() >= -1e-3
            assert gains[frequencies <= 0.3].min() >= 1 - 1e-3


@pytest.mark.parametrize("sigma", [0.84, 1.03, 1.22, 1.54])
def test_a_blur_between_the_kept_designs_gets_the_sharper_one_and_stays_free_of_halos(sigma):
    filter = design(sigma)
    assert filter.sigma_px <= sigma < filter.sigma_px + 0.0501
    assert max(halo(linear_to_srgb(through(slanted(sigma), filter)))) <= 0.003


def test_a_softer_source_has_more_room():
    gains = [headroom(sigma) for sigma in (0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 6.0)]
    assert gains == sorted(gains)
    assert gains[0] == 1
    assert headroom(2.0, gmax=3.0) > headroom(2.0) + 0.2


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_every_level_between_is_passive_too(sigma):
    filter = design(sigma)
    gains = []
    for level in (0.0, 0.25, 0.6, 1.0):
        part = filter.passive_at(level)
        gains.append(part.mid_gain)
        assert part.delta + sum(part.weights) == pytest.approx(1, abs=1e-12)
        assert part.mid_gain == pytest.approx(
            float(part.gain_at(np.linspace(0.05, 0.25, 41)).mean())
        )
        assert max(halo(linear_to_srgb(through(slanted(sigma), part)))) <= 0.003
    assert gains == sorted(gains)
    assert gains[0] == 1
    assert filter.passive_at(0.0).noise_gain == 1
    assert filter.passive_at(1.0) == filter


def test_the_noise_gain_is_that_of_noise():
    torch.manual_seed(5)
    noise = torch.randn(200, 200).double()
    filter = design(1.2)
    # 40 000 samples: 0.4 % standard error; the borders repeat
    assert float(through(noise, filter)[9:-9, 9:-9].std()) == pytest.approx(
        filter.noise_gain, rel=0.02
    )


@pytest.mark.parametrize("ratio", [0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5])
@pytest.mark.parametrize("thought", [0.8, 1.2, 2.0])
def test_a_wrong_guess_of_the_blur_makes_no_halo_behind_the_guard(thought, ratio):
    filter = design(thought)
    coded = rendered(slanted(thought * ratio), filter, filter.mid_gain)
    assert max(halo(coded)) <= 0.01  # criterion R5


def test_without_the_guard_a_wrong_guess_clips_to_black():
    """What R5 is worth."""
    assert halo(linear_to_srgb(through(slanted(0.5), design(1.2))))[1] > 0.1


def usm_for(gain, radius):
    """Amount of an unsharp mask with a mean gain over the band."""
    band = torch.linspace(0.05, 0.25, 41)
    place = torch.arange(-math.ceil(5 * radius), math.ceil(5 * radius) + 1)
    taps = torch.exp(-(place**2) / (2 * radius**2))
    passed = torch.cos(2 * math.pi * band[:, None] * place) @ (taps / taps.sum())
    return (gain - 1) / float(1 - passed.mean())


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2])
def test_at_equal_gain_the_halo_is_a_fraction_of_an_unsharp_masks(sigma):
    light = slanted(sigma)
    coded = linear_to_srgb(light)
    ours = max(halo(rendered(light, design(sigma), 1.5)))
    rivals = {
        radius: max(halo(unsharp(coded, radius, usm_for(1.5, radius)).clamp(0, 1)))
        for radius in (1.0, 2.0, 20.0)
    }
    # criterion R7: 5 times below radius 1, 10 times below 2 and clarity
    assert rivals[1.0] >= 5 * ours
    assert rivals[2.0] >= 10 * ours
    assert rivals[20.0] >= 10 * ours


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2, 2.0])
def test_at_gain_one_and_a_half_noise_is_bounded(sigma):
    torch.manual_seed(6)
    filter = design(sigma)
    noise = 0.5 + 0.004 * torch.randn(160, 160).double()
    after = rendered(srgb_to_linear(noise), filter, 1.5)
    assert float(after.std() / noise.std()) <= 1.85  # criterion R6


def test_micro_contrast_rises_with_the_level(hopper):
    """Criterion R11, its positive side."""
    light = blurred(
        srgb_to_linear(luma_of(hopper.movedim(-1, 1)))[0, 0, :240, 100:340].double(), 1.2
    )
    figures = [micro_contrast(linear_to_srgb(light).float())]
    for level in (0.5, 1.0):
        filter = design(1.2).passive_at(level)
        figures.append(micro_contrast(linear_to_srgb(through(light, filter)).float()))
    for gain in (1.25, 1.5, 1.9):
        figures.append(
            micro_contrast(rendered(light, design(1.2), design(1.2).mid_gain * gain).float())
        )
    assert figures == sorted(figures)
    assert figures[2] > 1.05 * figures[0]  # its band reaches below the lens's: 1.09
    assert figures[-1] > 1.005 * figures[2]  # little: most of 240 px lies beside an edge


def test_a_picture_that_is_sharp_already_is_left_as_it_is():
    filter = design(0.3)
    assert (filter.delta, filter.weights, filter.mid_gain, filter.noise_gain) == (1, (), 1, 1)
    assert filter.passive_at(1.0) == filter


def test_a_blur_beyond_six_pixels_gets_the_design_for_six():
    assert design(9.0) == design(6.0)


def test_the_same_question_has_the_same_answer():
    first = design(1.0)
    assert design(1.02) is first
    relens._solve.cache_clear()
    assert design(1.0) == first


def test_another_band_is_served():
    """8K from one picture height."""
    low = design(2.0, band=(0.02, 0.083))
    at = np.linspace(0.02, 0.083, 41)
    assert low.mid_gain == pytest.approx(float(low.gain_at(at).mean()), abs=1e-6)
    assert 1.05 < low.mid_gain < design(2.0).mid_gain


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_an_impossible_blur_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma_px must be a finite number"):
        design(sigma)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="gmax must be from 1 to 4, got 5"):
        design(1.0, gmax=5)
    with pytest.raises(ValueError, match="band must be two rising frequencies"):
        design(1.0, band=(0.2, 0.1))
    with pytest.raises(ValueError, match=r"passive re-lens, got 1\.2"):
        design(1.0).passive_at(1.2)
