"""One PSF over an RGB picture: ours beside the libraries' single calls. Needs the extra `bench`.

python tests/bench/lens.py
"""

import cv2
import kornia
import numpy as np
import torch
import torch.nn.functional as F
from harness import load_package, machine, race, table
from scipy.signal import fftconvolve

load_package()
from portrait_loupe.kernels.convolve import convolve  # noqa: E402
from portrait_loupe.kernels.psf import compute_psf  # noqa: E402
from portrait_loupe.nodes.lens.catalogue import DEFAULT, find_lens  # noqa: E402

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
SUPPORTS = (15, 31, 63)
SLOW = 31  # samples: from here on direct methods of torch take seconds at 4K


def main() -> None:
    print(machine())
    for size, (width, height) in SIZES.items():
        image = torch.rand(1, 3, height, width)
        planes = image[0].numpy()
        pixels = np.ascontiguousarray(image[0].movedim(0, -1).numpy())
        for support in SUPPORTS:
            psf = compute_psf(find_lens(DEFAULT), 400 / support, support_px=support)[1].float()
            taps, weight = psf.numpy(), psf.flip(0, 1)[None, None].expand(3, 1, -1, -1)
            flipped = np.ascontiguousarray(taps[::-1, ::-1])
            reach = support // 2
            mirrored = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
            contestants = {
                "ours": lambda image=image, psf=psf: convolve(image, psf),
                "cv2.filter2D": lambda pixels=pixels, flipped=flipped: cv2.filter2D(
                    pixels, -1, flipped, borderType=cv2.BORDER_REFLECT_101
                ),
                "scipy fftconvolve": lambda mirrored=mirrored, taps=taps: fftconvolve(
                    mirrored, taps[None], mode="valid", axes=(1, 2)
                ),
                "kornia fft_conv": lambda image=image, psf=psf: kornia.filters.fft_conv(
                    image, psf[None]
                ),
            }
            if not (size == "4K" and support >= SLOW):
                contestants["torch depthwise"] = lambda image=image, weight=weight, reach=reach: (
                    F.conv2d(F.pad(image, (reach,) * 4, mode="reflect"), weight, groups=3)
                )
            medians = race(contestants, rounds=5)
            table(f"{size} RGB float32, PSF of {support} samples", "ours", medians)


if __name__ == "__main__":
    main()
