"""The whole Lens node beside its core, and beside the same steps written plainly. Needs the extra `bench`.

python tests/bench/lens_node.py [--size 4K]

The plain chain does what level 1 does with one library call a step: decode, three GaussianBlur and
addWeighted of OpenCV, encode, and a guard by its erode and dilate, on whole pictures.
"""

import argparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from harness import load_package, machine, race, table

load_package()
from portrait_loupe.kernels.convolve import convolve  # noqa: E402
from portrait_loupe.nodes.lens.catalogue import DEFAULT, find_lens  # noqa: E402
from portrait_loupe.nodes.lens.plan import Settings, plan_rendering  # noqa: E402
from portrait_loupe.nodes.lens.render import apply  # noqa: E402

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
SOURCE_PX = 1.2
WINDOW = 19  # px: what the guard looks at


def scene(width: int, height: int) -> torch.Tensor:
    """Large shapes and fine texture, (1, H, W, 3), sRGB."""
    generator = torch.Generator().manual_seed(1)
    parts = [
        F.interpolate(
            torch.rand(1, 3, height // step, width // step, generator=generator),
            (height, width),
            mode="bicubic",
        )
        for step in (3, 96)
    ]
    return (0.5 * parts[0] + 0.5 * parts[1]).clamp(0, 1).movedim(1, -1).contiguous()


def plain(pixels: np.ndarray, relens) -> np.ndarray:
    low = pixels <= 0.04045
    light = np.where(low, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    out = relens.delta * light
    for weight, sigma in zip(relens.weights, relens.sigmas_px, strict=True):
        out = cv2.addWeighted(out, 1.0, cv2.GaussianBlur(light, (0, 0), sigma), weight, 0.0)
    out = np.clip(out, 0, 1)
    coded = np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055)
    window = np.ones((WINDOW, WINDOW), np.uint8)
    return np.clip(coded, cv2.erode(pixels, window), cv2.dilate(pixels, window))


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("--size", choices=SIZES, action="append")
    print(machine())
    for size in reader.parse_args().size or SIZES:
        width, height = SIZES[size]
        picture = scene(width, height)
        pixels = picture[0].numpy()
        lens = find_lens(DEFAULT)
        plans = {
            level: plan_rendering(
                Settings(lens, level, source_px=SOURCE_PX), width=width, height=height
            )
            for level in (-1.0, 1.0, 1.5)
        }
        planes = picture.movedim(-1, 1).contiguous()
        relens = plans[1.0].relens
        assert relens is not None
        contestants = {
            "node, level 1": lambda p=picture, one=plans[1.0]: apply(p, one),
            "node, level 1.5": lambda p=picture, one=plans[1.5]: apply(p, one),
            "node, level -1, soft focus": lambda p=picture, one=plans[-1.0]: apply(p, one),
            "core: the convolution of level 1": lambda p=planes, one=plans[1.0]: convolve(
                p, one.terms
            ),
            "plain chain, OpenCV": lambda p=pixels, one=relens: plain(p, one),
            "plain copy": lambda p=planes: p.clone(),
        }
        medians = race(contestants, rounds=3)
        table(f"{size} RGB float32, source blur {SOURCE_PX} px", "node, level 1", medians)


if __name__ == "__main__":
    main()
