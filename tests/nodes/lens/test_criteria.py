"""What a picture shows after the node, measured as a laboratory would: edges, points, textures."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear
from portrait_loupe.kernels.edges import slanted_edge
from portrait_loupe.kernels.meter import micro_contrast
from portrait_loupe.kernels.psf import CAMERA_COARSE, Lens, mtf, mtf_lp_mm
from portrait_loupe.nodes.lens.plan import Settings
from portrait_loupe.nodes.lens.render import render

ANGLE = 5.0  # degrees, of the edge to the columns
PITCH_UM = 9.4  # 36 mm over 3840 px: 4K
BAND = torch.linspace(0.025, 0.4, 16, dtype=torch.float64)
LENSES = {
    "round and soft": Lens("round and soft", 2.2, focus_um=-100, w040_um=5.0, residual_sigma_um=3),
    "blades": Lens("blades", 5.6, blades=6, rotation_deg=11, focus_um=150, residual_sigma_um=2),
    "colours": Lens("colours", 2.8, loca_um=60, w040_um=1.0, residual_sigma_um=2),
}


def coded_edge(side=160, fine=64):
    """An ideal edge from 0.05 to 0.75 of white over square pixels, (1, H, W, 3), sRGB."""
    lean = math.tan(math.radians(ANGLE))
    y = (torch.arange(side * fine).double() + 0.5) / fine - side / 2
    x = torch.arange(side).double() - side / 2
    covered = (x + 1 - (y * lean - 0.137)[:, None]).clamp(0, 1).view(side, fine, side).mean(1)
    light = 0.05 + 0.7 * covered
    return linear_to_srgb(light)[None, :, :, None].repeat(1, 1, 1, 3).float()


def through(picture, lens, level=-1.0, **settings):
    format_mm = PITCH_UM * max(picture.shape[1:3]) / 1000
    seen = render(picture, Settings(lens, level, format_mm, **settings))
    return seen.picture, seen.renderings[0]


def response(picture, channel):
    """Contrast of an edge's picture in light, at BAND."""
    light = srgb_to_linear(picture[0, 16:-16, 16:-16, channel].double())
    edge = slanted_edge(light, window_px=50)
    return torch.tensor([edge.at(float(f)) for f in BAND], dtype=torch.float64)


@pytest.mark.parametrize("level", [-1.0, -0.5])
@pytest.mark.parametrize("name", LENSES)
def test_an_edge_loses_the_contrast_that_the_psf_says(name, level):
    """R3: within 0.02 of the source's own response times the PSF's."""
    edge = coded_edge()
    seen, rendering = through(edge, LENSES[name], level)
    across = -ANGLE  # of the edge's normal to the rows
    for channel in range(3):
        want = response(edge, channel) * mtf(rendering.psf[channel], BAND.tolist(), across)
        assert_close(response(seen, channel), want, atol=0.02, rtol=0)


def test_each_colour_has_the_contrast_of_its_own_focus():
    """R8: longitudinal colour, per channel, against the lens's MTF on film; within 2 %."""
    # blurred by 0.75 px, so that nothing is left above Nyquist that pixels would fold back
    lens = replace(LENSES["colours"], loca_um=150, residual_sigma_um=7)
    edge = coded_edge()
    seen, _ = through(edge, lens)
    on_film = mtf_lp_mm(lens, (BAND / PITCH_UM * 1000).tolist())[0]  # round: all directions alike
    turn = math.radians(ANGLE)
    pixel = torch.sinc(BAND * math.cos(turn)) * torch.sinc(BAND * math.sin(turn))
    found = [response(seen, channel) for channel in range(3)]
    for channel in range(3):
        want = response(edge, channel) * on_film[channel] * pixel
        assert_close(found[channel], want, atol=0.02, rtol=0)
    assert float(found[1].mean()) > float(found[0].mean()) + 0.03  # they do differ
    assert float(found[1].mean()) > float(found[2].mean()) + 0.03


@pytest.mark.parametrize("at", [(30, 30), (146, 78), (200, 120)])
def test_lateral_colour_moves_each_colour_outwards_by_so_much(at):
    """R8: the centroids of a point's colours, within 0.05 px."""
    width, height = 240, 160
    lens = Lens("fringes", 4.0, lca_um_per_100nm=8.0, residual_sigma_um=8)
    picture = torch.zeros(1, height, width, 3)
    x, y = at
    picture[0, y, x] = 1.0
    seen, rendering = through(picture, lens, across_frame=True)
    light = srgb_to_linear(seen[0].double())
    columns, rows = torch.arange(width).double() - x, torch.arange(height).double() - y
    middle = torch.tensor([x + 0.5 - width / 2, y + 0.5 - height / 2], dtype=torch.float64)
    field = float(middle.norm()) / math.hypot(width / 2, height / 2)
    for channel, weights in enumerate(CAMERA_COARSE.weights):
        plane = light[..., channel] / light[..., channel].sum()
        found = torch.stack([(plane.sum(0) * columns).sum(), (plane.sum(1) * rows).sum()])
        outward = sum(
            weight * lens.lateral_um(wave, field)
            for weight, wave in zip(weights, CAMERA_COARSE.wavelengths_um, strict=True)
        )
        want = middle / middle.norm() * outward / rendering.pitch_um
        assert_close(found, want, atol=0.05, rtol=0)


def soft_noise(sigma):
    """Faint texture of a blur, brighter to the right, (1, 160, 160, 3), sRGB."""
    torch.manual_seed(11)
    waves = torch.fft.rfft2(torch.randn(160, 160, dtype=torch.float64))
    down, across = torch.fft.fftfreq(160).double(), torch.fft.rfftfreq(160).double()
    waves *= torch.exp(-2 * (math.pi * sigma) ** 2 * (down[:, None] ** 2 + across**2))
    noise = torch.fft.irfft2(waves, s=(160, 160))
    light = torch.linspace(0.1, 0.5, 160).double() * (1 + 0.08 * noise / noise.std())
    return linear_to_srgb(light)[None, :, :, None].repeat(1, 1, 1, 3).float()


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
@pytest.mark.parametrize("what", ["fine", "coarse", "face", "cloth"])
def test_the_meter_rises_with_the_level(astronaut, what, lens):
    """R11: from -1 to +2 on textures drawn and photographed."""
    sources = {
        "fine": (soft_noise(1.0), 1.0),
        "coarse": (soft_noise(2.0), 2.0),
        "face": (astronaut[:, 40:200, 150:310], 1.2),
        "cloth": (astronaut[:, 300:460, 60:220], 1.2),
    }
    picture, source_px = sources[what]
    levels = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    found = [
        micro_contrast(through(picture, lens, level, source_px=source_px)[0].movedim(-1, 1))
        for level in levels
    ]
    assert found == sorted(found)
    assert found[0] < 0.97 * found[4] < 0.97 * 0.95 * found[-1]
