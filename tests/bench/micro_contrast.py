"""The promise of Lens above level 0: the same mid-band gain, without halos and with less noise.

python tests/bench/micro_contrast.py [--picture OUT.png]

A slanted edge of 15:1 (5 degrees, blurred by sigma px in linear light) and white noise of 1 code
value go through every method; all but core's ImageSharpen have a small-signal gain of 1.5 over 0.05
to 0.25 cycles per pixel (at 2 px the passive re-lens alone has more, and the others are set to that).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from harness import load_package
from torch import Tensor

load_package()
from portrait_loupe.kernels.color import linear_to_srgb, srgb_to_linear  # noqa: E402
from portrait_loupe.kernels.edges import EdgeResponse, slanted_edge  # noqa: E402
from portrait_loupe.kernels.meter import micro_contrast  # noqa: E402
from portrait_loupe.kernels.presence import guard, limits_of, presence  # noqa: E402
from portrait_loupe.nodes.lens.relens import BAND_CY_PX, design  # noqa: E402

GAIN = 1.5
SIGMAS_PX = (0.5, 0.8, 1.2, 2.0)
LOW, HIGH = 0.04, 0.6  # light; room above, so that white does not hide an overshoot
SIDE = 144
Method = Callable[[Tensor], Tensor]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--picture", metavar="OUT.png", help="draw what the table says, at 0.8 px")
    picture = options.parse_args().picture
    print(
        "| source sigma px | method | over / under / backward % of the edge, coded | max e-SFR | noise x | edge MTF50 cy/px |"
    )
    print("|---|---|---|---|---|---|")
    for sigma in SIGMAS_PX:
        for name, method in methods(sigma).items():
            seen, light, noise = measure(method, sigma)
            print(
                f"| {sigma:g} | {name} | {100 * seen.overshoot:.2f} / {100 * seen.undershoot:.2f} / "
                f"{100 * seen.backward:.2f} | {light.most:.2f} | {noise:.2f} | {'none' if light.mtf50 is None else f'{light.mtf50:.3f}'} |"
            )
    if picture:
        draw(picture, 0.8)


def methods(sigma: float) -> dict[str, Method]:
    """What each does to a coded gray picture (1, 1, H, W)."""
    lens = design(sigma)
    gain = max(GAIN, lens.mid_gain)

    def ours(coded: Tensor) -> Tensor:
        light = srgb_to_linear(coded)
        given_back = lens.delta * light
        for weight, width in zip(lens.weights, lens.sigmas_px, strict=True):
            given_back = given_back + weight * gaussian(light, width)
        lifted = presence(linear_to_srgb(given_back).float(), max(1.0, gain / lens.mid_gain))
        return guard(lifted, limits_of(coded.float())).double()

    return {
        "untouched": lambda coded: coded,
        "Lens: passive + presence + guard": ours,
        "unsharp mask, 1 px": unsharp(1.0, gain),
        "unsharp mask, 2 px": unsharp(2.0, gain),
        "clarity, unsharp mask of 20 px": unsharp(20.0, gain),
        "core ImageSharpen, defaults": image_sharpen,
    }


def unsharp(radius: float, gain: float) -> Method:
    """An unsharp mask on coded values with this mean gain over the band."""
    band = torch.linspace(*BAND_CY_PX, 41, dtype=torch.float64)
    passed = torch.exp(-2 * (math.pi * radius * band) ** 2).mean()
    amount = (gain - 1) / float(1 - passed)
    return lambda coded: (coded + amount * (coded - gaussian(coded, radius))).clamp(0, 1)


def image_sharpen(coded: Tensor) -> Tensor:
    """Radius 1, sigma 1 on a grid from -1 to 1, alpha 1 which counts ten times; coded, clamped."""
    grid = torch.linspace(-1, 1, 3, dtype=coded.dtype)
    dense = torch.exp(-(grid[:, None] ** 2 + grid**2) / 2)
    mean = F.conv2d(F.pad(coded, (1, 1, 1, 1), mode="reflect"), (dense / dense.sum())[None, None])
    return (coded + 10 * (coded - mean)).clamp(0, 1)


def measure(method: Method, sigma: float) -> tuple[EdgeResponse, EdgeResponse, float]:
    """The edge in code values, the same in light, and the growth of noise."""
    coded = method(linear_to_srgb(edge(sigma)))[0, 0]
    torch.manual_seed(1)
    noise = 0.5 + torch.randn(1, 1, 192, 192, dtype=torch.float64) / 255
    growth = float(method(noise)[..., 60:-60, 60:-60].std() / noise[..., 60:-60, 60:-60].std())
    return (
        slanted_edge(coded, window_px=40),
        slanted_edge(srgb_to_linear(coded), window_px=40),
        growth,
    )


def edge(sigma: float, side: int = SIDE) -> Tensor:
    """(1, 1, side, side) float64, linear light."""
    turn = math.radians(5)
    y = torch.arange(side).double()[:, None] - side / 2 + 0.5
    x = torch.arange(side).double() - side / 2 + 0.637
    away = (x - y * math.tan(turn)) * math.cos(turn)
    return (LOW + (HIGH - LOW) * 0.5 * (1 + torch.erf(away / sigma / math.sqrt(2))))[None, None]


def texture(sigma: float, side: int = SIDE) -> Tensor:
    """Pores on a cheek that turns from light, and a dark strand of hair; linear light."""
    torch.manual_seed(2)
    grain = gaussian(torch.randn(1, 1, side, side, dtype=torch.float64), 1.2)
    grain = grain - gaussian(grain, 5.0)
    x = torch.linspace(0, 1, side, dtype=torch.float64)
    skin = 0.42 - 0.15 * x + 0.03 * grain / grain.std()
    y = torch.arange(side).double()[:, None]
    strand = (
        (torch.arange(side).double() - 0.82 * side - 6 * torch.sin(y / 30)).abs() < 2.5
    ).double()
    return gaussian((skin * (1 - strand) + 0.02 * strand).clamp(0.001, 1), sigma)


def gaussian(plane: Tensor, sigma: float) -> Tensor:
    reach = math.ceil(4 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.exp(-(place**2) / (2 * sigma**2))
    taps = (taps / taps.sum()).to(plane)
    lines = F.conv2d(F.pad(plane, (0, 0, reach, reach), mode="replicate"), taps.view(1, 1, -1, 1))
    return F.conv2d(F.pad(lines, (reach, reach, 0, 0), mode="replicate"), taps.view(1, 1, 1, -1))


def draw(path: str, sigma: float) -> None:
    """A column for each method: the edge 7 times enlarged, its profile, the texture 3 times, figures."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    wide, gap, text = 308, 12, 84
    rows = (308, 200, 308)
    names = methods(sigma)
    sheet = Image.new(
        "RGB", ((wide + gap) * len(names) + gap, text + sum(rows) + 4 * gap), "#1c1c1e"
    )
    pen = ImageDraw.Draw(sheet)
    bold, plain = ImageFont.load_default(17), ImageFont.load_default(15)
    skin = linear_to_srgb(texture(sigma))
    before = micro_contrast(skin)

    def enlarged(plane: Tensor, times: int) -> Image.Image:
        crop = wide // times
        top, left = ((side - crop) // 2 for side in plane.shape)
        part = plane[top : top + crop, left : left + crop]
        gray = Image.fromarray(
            (part.clamp(0, 1) * 255).round().to(torch.uint8).numpy().astype(np.uint8)
        )
        return gray.resize((wide, wide), Image.Resampling.NEAREST)

    for column, (name, method) in enumerate(names.items()):
        left, top = gap + column * (wide + gap), gap
        coded, _, noise = measure(method, sigma)
        rendered = method(skin)
        figures = (
            f"over {100 * coded.overshoot:.1f} %  under {100 * coded.undershoot:.1f} %",
            f"noise x{noise:.2f}   texture x{micro_contrast(rendered) / before:.2f}",
        )
        pen.text((left, top), name, "white", bold)
        for line, figure in enumerate(figures):
            pen.text((left, top + 26 + 22 * line), figure, "#c9c9ce", plain)
        top += text
        sheet.paste(enlarged(method(linear_to_srgb(edge(sigma)))[0, 0], 7), (left, top))
        top += rows[0] + gap
        profile(pen, coded, (left, top, wide, rows[1]))
        top += rows[1] + gap
        part = rendered[0, 0, 20:122, 40:142]
        sheet.paste(enlarged(part, 3), (left, top))
    sheet.save(path)


def profile(pen, seen: EdgeResponse, box: tuple[int, int, int, int]) -> None:
    """The edge spread from -12 to 12 px; the plateaus are dotted."""
    left, top, wide, high = box
    pen.rectangle((left, top, left + wide, top + high), "#29292c")
    share = (seen.esf - seen.low) / (seen.high - seen.low)

    def at(px: float, value: float) -> tuple[float, float]:
        return left + wide * (px + 12) / 24, top + high * (1.45 - value) / 1.9

    for level in (0.0, 1.0):
        for dash in range(-12, 12, 1):
            pen.line((at(dash, level), at(dash + 0.4, level)), "#77777c")
    near = seen.positions_px.abs() <= 12
    points = [
        at(float(px), float(value))
        for px, value in zip(seen.positions_px[near], share[near], strict=True)
    ]
    pen.line(points, "#ffd166", 2)


if __name__ == "__main__":
    main()
