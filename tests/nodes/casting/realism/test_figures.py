"""Figures of textures whose spectrum is known."""

from math import log, sqrt

import numpy as np
import pytest
import torch

from portrait_loupe.kernels.texture import BANDS
from portrait_loupe.nodes.casting.realism import SHIPPED, load_corridor
from portrait_loupe.nodes.casting.realism.bands import HALF_POWER
from portrait_loupe.nodes.casting.realism.figures import (
    CHROMA,
    COARSE,
    FINE,
    MID,
    SCORED,
    SLOPE,
    UNEVEN,
    figures_of,
)
from portrait_loupe.nodes.casting.realism.skin import COMMON_WIDTH_PX, cut_skin


def measured(picture, face):
    return figures_of(cut_skin(picture, face))


def passed(band, frequency, width):
    """What a band passes of a wave, from the two Gaussians that it is the difference of."""
    fine, coarse = (
        np.exp(-2 * (np.pi * HALF_POWER * share * width * frequency) ** 2) for share in BANDS[band]
    )
    softened = np.exp(-2 * np.pi**2 / 12 * frequency**2)  # as a picture that was reduced
    return softened * ((1.0 if band == 0 else fine) - coarse)


def rms_in(band, exponent, shape):
    """RMS in a band of noise of unit variance whose power falls as frequency ** -exponent."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    frequency[0, 0] = np.inf
    power = frequency**-exponent
    return sqrt((power * passed(band, frequency, COMMON_WIDTH_PX) ** 2).sum() / power.sum())


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_noise_of_a_known_spectrum_has_the_figures_that_follow_from_it(
    painted, spectrum, face, exponent
):
    strength = 1.5
    shape = spectrum(exponent, 0).shape
    found = [measured(painted(strength * spectrum(exponent, seed)), face) for seed in (1, 2, 3)]
    mean = {key: np.mean([one[key] for one in found]) for key in SCORED}
    rms = [log(rms_in(band, exponent, shape)) for band in range(4)]
    # 16,000 px of skin hold some hundred blobs of the coarsest band, and its Gaussian is cut by the mask
    assert mean[MID] == pytest.approx(log(strength) + rms[1], abs=0.06)
    assert mean[FINE] == pytest.approx(rms[0] - rms[1], abs=0.06)
    assert mean[COARSE] == pytest.approx(rms[3] - rms[1], abs=0.25)
    assert mean[SLOPE] == pytest.approx(np.polyfit(range(4), rms, 1)[0], abs=0.08)


def test_pink_texture_rises_by_the_octave_as_its_exponent_says(painted, spectrum, face):
    """Of power f ** -b an octave band holds 2 ** (b - 2) of its finer neighbour's."""
    found = {b: measured(painted(1.5 * spectrum(b, 4)), face)[COARSE] for b in (1.0, 3.0)}
    # two octaves; between b = 1 and 3 the ratio changes by 2 * 2 * ln 2 / 2 on each
    assert found[3.0] - found[1.0] == pytest.approx(2 * log(2), abs=0.25)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_chroma_is_the_finest_colour_over_the_coarsest(painted, spectrum, face, exponent):
    light = 1.5 * spectrum(2.0, 1)
    shape = light.shape
    found = [
        measured(painted(light, *(0.8 * spectrum(exponent, 10 * n + seed) for n in (1, 2))), face)
        for seed in (1, 2, 3)
    ]
    expected = log(rms_in(0, exponent, shape) / rms_in(3, exponent, shape))
    # as for the coarsest band of light
    assert np.mean([one[CHROMA] for one in found]) == pytest.approx(expected, abs=0.25)


def test_chroma_is_of_the_colour_alone_and_the_others_of_the_light(painted, spectrum, face):
    light, a, b = (1.0 * spectrum(2.0, seed) for seed in (1, 2, 3))
    plain = measured(painted(light, a, b), face)
    rougher = measured(painted(2 * light, a, b), face)
    coloured = measured(painted(light, 2 * a, 2 * b), face)
    assert rougher[CHROMA] == pytest.approx(plain[CHROMA], abs=0.03)
    for key in set(SCORED):
        assert coloured[key] == pytest.approx(plain[key], abs=0.03)


def test_a_picture_without_colour_is_not_compared(painted, spectrum, face):
    gray = painted(6.0 * spectrum(2.0, 1)).mean(-1, keepdim=True)
    found = measured(gray, face)
    assert not set(SCORED) & set(found)
    assert found["flat_share"] < 0.2


def test_texture_that_is_thrice_as_strong_on_one_cheek_is_uneven(painted, spectrum, face):
    texture = 0.8 * spectrum(1.0, 1)
    even = measured(painted(texture), face)
    patchy = texture.copy()
    patchy[:, texture.shape[1] // 2 :] *= 3
    found = measured(painted(patchy), face)
    # two halves of local RMS 1 and 3: mean 2, deviation 1; noise within the window adds a little
    assert found[UNEVEN] == pytest.approx(log(0.5), abs=0.1)
    assert even[UNEVEN] < found[UNEVEN] - 0.7


def test_twice_the_texture_moves_the_middle_band_alone(painted, spectrum, face):
    once, twice = (measured(painted(k * spectrum(2.0, 1)), face) for k in (0.5, 1.0))
    assert twice[MID] - once[MID] == pytest.approx(log(2), abs=0.02)
    for key in (SLOPE, UNEVEN, FINE, COARSE):
        assert twice[key] == pytest.approx(once[key], abs=0.02)


def test_flat_skin_has_no_figures_but_a_share(painted, face):
    found = measured(painted(np.zeros((460, 540))), face)
    assert not set(SCORED) & set(found)
    assert found["flat_share"] == 1.0
    assert found["skin_share"] == pytest.approx(1.0, abs=0.03)
    # 65, 14, 17: atan2(15, 17)
    assert found["ita_deg"] == pytest.approx(41.4, abs=0.3)


@pytest.mark.parametrize("times", [1.3, 1.7, 2.5])
def test_the_same_skin_in_a_larger_picture_has_the_same_figures(
    painted, spectrum, face, grown, times
):
    """Rendered at 2.5 times the size, and reduced by area to each: one face and lens, more and more pixels."""
    from scipy.ndimage import gaussian_filter

    from portrait_loupe.kernels.resample import resample_area

    # a lens of 0.5 px of the smallest, so that it does not alias
    light = 3.0 * gaussian_filter(spectrum(2.5, 1, 1150, 1350), 1.25)
    large = painted(light).movedim(-1, 1)

    def at(factor):
        size = (round(540 * factor), round(460 * factor))
        image, _ = resample_area(large, (0.0, 0.0, 1350.0, 1150.0), size)
        return measured(image.movedim(1, -1), grown(face, factor))

    small, larger = at(1.0), at(times)
    covariance = load_corridor(SHIPPED, []).covariance
    sds = {key: sqrt(covariance[index][index]) for index, key in enumerate(SCORED)}
    for key in SCORED:
        # well under one standard deviation of real photographs
        assert larger[key] == pytest.approx(small[key], abs=0.7 * sds[key]), key


def test_hair_over_a_cheek_and_a_turned_face_change_little(painted, spectrum, face):
    light = 1.2 * spectrum(2.0, 1)
    plain = measured(painted(light), face)
    hairy = light.copy()
    hairy[:, 350:362] -= 40
    hairy[:, 380:388] -= 40
    found = measured(painted(hairy), face)
    assert found["skin_share"] < plain["skin_share"] - 0.04
    for key in SCORED:
        assert found[key] == pytest.approx(plain[key], abs=0.15)
    turned = measured(torch.rot90(painted(light), 1, (1, 2)), rotated(face))
    for key in SCORED:
        assert turned[key] == pytest.approx(plain[key], abs=0.02)


def rotated(face):
    """The face after ``rot90``: x becomes y, and y the width less x."""
    from portrait_loupe.nodes.framing.faces import Face

    (x1, y1), (x2, y2) = face.eyes
    return Face(((y1, 540 - x1), (y2, 540 - x2)))
