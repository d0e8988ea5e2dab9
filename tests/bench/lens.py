"""One PSF over an RGB picture, float32: ours beside the libraries' single calls. Needs the extra `bench`.

python tests/bench/lens.py                                  everything: half an hour
python tests/bench/lens.py --size 8K --support 21 --threads 2

The PSF is what a re-lens is made of, delta and three Gaussians, the widest of which has the support;
OpenCV's chain of GaussianBlur and addWeighted makes the same with buffers that it reuses, all others
convolve with its dense samples. What libraries need around them (pictures with mirrored borders,
channels last) is made before the clock starts. Peak memory is that of a process of its own, above
what it had before, its result included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import kornia
import numpy as np
import scipy.fft
import torch
import torch.nn.functional as F
from harness import load_package, machine, race
from scipy.signal import fftconvolve

load_package()
from portrait_loupe.kernels.convolve import choose, convolve, terms_of_gaussians  # noqa: E402
from portrait_loupe.kernels.convolve.fft import good_size  # noqa: E402

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
SUPPORTS = (15, 21, 31, 63, 127)
THREADS = (1, 2)
ROUNDS = {"1080p": 5, "4K": 3, "8K": 3}
SHARES = (0.5, 0.7, 1.0)  # of the support, for each Gaussian: 11, 15, 21 of 21
WEIGHTS = (-2.81, 1.51, 0.3)
DELTA = 2.0
REACH_SIGMAS = 4
SLOW = 20.0  # s: who would take longer is left out
DIRECT_RATE = 2.5e9  # taps a second and core of torch's and kornia's direct convolution
COPY = "plain copy"
OURS = ("ours: auto", "ours: gemm", "ours: fft")
CHAIN = "cv2: 3 x GaussianBlur + addWeighted"


def gaussians(support: int) -> list[tuple[float, int]]:
    """Sigma and taps of each."""
    reaches = [round(share * (support // 2)) for share in SHARES]
    return [(reach / REACH_SIGMAS, 2 * reach + 1) for reach in reaches]


def terms_of(support: int):
    return terms_of_gaussians(DELTA, WEIGHTS, [sigma for sigma, _ in gaussians(support)])


def make(size: str, support: int, threads: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """For each contestant what prepares it, and returns what is timed."""
    width, height = SIZES[size]
    terms = terms_of(support)
    psf = terms.dense()[0].float()
    reach = support // 2

    def picture():
        return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))

    def pixels():
        return np.ascontiguousarray(picture()[0].movedim(0, -1).numpy())

    def mirrored():
        return F.pad(picture(), (reach,) * 4, mode="reflect")

    def copy():
        source = pixels()
        target = source.copy()
        return lambda: np.copyto(target, source)

    def ours(backend):
        def prepare():
            image = picture()
            return lambda: convolve(image, terms, backend=backend)

        return prepare

    def chain():
        source = pixels()
        blurred = [np.empty_like(source) for _ in WEIGHTS]

        def run():
            for (sigma, taps), target in zip(gaussians(support), blurred, strict=True):
                cv2.GaussianBlur(
                    source, (taps, taps), sigma, dst=target, borderType=cv2.BORDER_REFLECT_101
                )
            first, second, third = blurred
            cv2.addWeighted(first, WEIGHTS[0], second, WEIGHTS[1], 0, dst=first)
            cv2.addWeighted(first, 1, third, WEIGHTS[2], 0, dst=first)
            return cv2.addWeighted(first, 1, source, DELTA, 0, dst=first)

        return run

    def filter2d():
        source, flipped = pixels(), np.ascontiguousarray(psf.numpy()[::-1, ::-1])
        target = np.empty_like(source)
        return lambda: cv2.filter2D(
            source, -1, flipped, dst=target, borderType=cv2.BORDER_REFLECT_101
        )

    def scipy_fft():
        source, taps = mirrored()[0].numpy(), psf.numpy()[None]

        def run():
            with scipy.fft.set_workers(threads):
                return fftconvolve(source, taps, mode="valid", axes=(1, 2))

        return run

    def torch_fft():
        source = mirrored()

        def run():
            size = [good_size(side) for side in source.shape[-2:]]
            waves = torch.fft.rfft2(source, s=size) * torch.fft.rfft2(psf, s=size)
            seen = torch.fft.irfft2(waves, s=size)
            return seen[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]

        return run

    def kornia_fft():
        source = picture()
        return lambda: kornia.filters.fft_conv(source, psf[None])

    def kornia_direct():
        source = picture()
        return lambda: kornia.filters.filter2d(source, psf.flip(0, 1)[None])

    def depthwise():
        source, weight = mirrored(), psf.flip(0, 1)[None, None].expand(3, 1, -1, -1)
        return lambda: F.conv2d(source, weight, groups=3)

    found = {
        COPY: copy,
        **{name: ours(name.split(": ")[1]) for name in OURS},
        CHAIN: chain,
        "cv2.filter2D": filter2d,
        "scipy fftconvolve": scipy_fft,
        "torch rfft2": torch_fft,
        "kornia fft_conv": kornia_fft,
    }
    if 3 * width * height * support**2 / DIRECT_RATE / threads < SLOW:
        found |= {"kornia filter2d": kornia_direct, "torch depthwise": depthwise}
    return found


def use(threads: int) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def resident_mb(line: str) -> float:
    """VmRSS, what is in memory now, or VmHWM, the most since :func:`forget_peak`. Linux alone."""
    status = Path("/proc/self/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith(line)) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def measure_memory(size: str, support: int, threads: int, name: str) -> float:
    """MB that one call adds, in this process. A small call loads the libraries first."""
    use(threads)
    make("1080p", 15, threads)[name]()()
    run = make(size, support, threads)[name]()
    forget_peak()
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def memory(size: str, support: int, threads: int, name: str) -> float:
    arguments = ["--size", size, "--support", str(support), "--threads", str(threads)]
    answer = subprocess.run(
        [sys.executable, __file__, *arguments, "--memory-of", name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(answer.stdout.splitlines()[-1])


def compare(size: str, support: int, threads: int, with_memory: bool) -> None:
    use(threads)
    contestants = make(size, support, threads)
    medians = race({name: ready() for name, ready in contestants.items()}, ROUNDS[size])
    image = torch.zeros(1).expand(1, 3, *SIZES[size][::-1])
    name, reasons = choose(image, terms_of(support))
    print(f"\n{size} RGB float32, support {support}, {threads} thread(s); auto is {name}")
    print(f"({'; '.join(reasons[1:])})\n")
    print("| | median ms | x ours | x a plain copy | peak MB |\n|---|---|---|---|---|")
    for name, seconds in medians.items():
        peak = f"{memory(size, support, threads, name):.0f}" if with_memory and name != COPY else ""
        print(
            f"| {name} | {seconds * 1000:.0f} | {seconds / medians[OURS[0]]:.2f} | "
            f"{seconds / medians[COPY]:.1f} | {peak} |",
            flush=True,
        )


def cuda_ms(run: Callable[[], object], rounds: int = 20) -> float:
    """Median of CUDA events, after three rounds that do not count."""
    times = []
    for count in range(rounds + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if count > 2:
            times.append(start.elapsed_time(end))
    return statistics.median(times)


def wall_ms(run: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for count in range(rounds + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if count:
            times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def on_cuda(size: str, support: int) -> None:
    """Resident, and from the CPU and back, against what torch and kornia do there."""
    width, height = SIZES[size]
    terms = terms_of(support)
    image = torch.rand(1, 3, height, width, device="cuda")
    psf = terms.dense()[0].float().cuda()
    reach = support // 2
    mirrored = F.pad(image, (reach,) * 4, mode="reflect")
    fast = [good_size(side) for side in mirrored.shape[-2:]]
    weight = psf.flip(0, 1)[None, None].expand(3, 1, -1, -1)
    target = torch.empty_like(image)
    contestants = {
        "device copy": lambda: target.copy_(image),
        "ours: auto": lambda: convolve(image, terms),
        "ours: fft": lambda: convolve(image, terms, backend="fft"),
        "ours: gemm": lambda: convolve(image, terms, backend="gemm"),
        "torch rfft2": lambda: torch.fft.irfft2(
            torch.fft.rfft2(mirrored, s=fast) * torch.fft.rfft2(psf, s=fast), s=fast
        ),
        "kornia fft_conv": lambda: kornia.filters.fft_conv(image, psf[None]),
        "torch depthwise": lambda: F.conv2d(mirrored, weight, groups=3),
    }
    name, reasons = choose(image, terms)
    print(
        f"\n{size} RGB float32, support {support}, {torch.cuda.get_device_name()}; auto is {name}"
    )
    print(f"({'; '.join(reasons[1:])})\n")
    floor = cuda_ms(contestants["device copy"])
    print("| resident | ms | x the device copy | peak MB above the picture |\n|---|---|---|---|")
    for name, run in contestants.items():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        peak = (torch.cuda.max_memory_allocated() - before) / 2**20
        spent = cuda_ms(run)
        print(f"| {name} | {spent:.2f} | {spent / floor:.1f} | {peak:.0f} |", flush=True)
    pageable = torch.rand(1, 3, height, width)
    pinned, back = pageable.pin_memory(), torch.empty(pageable.shape, pin_memory=True)
    ways = {
        "pageable copy, there and back": lambda: pageable.cuda().cpu(),
        "pageable, ours in between": lambda: convolve(pageable.cuda(), terms).cpu(),
        "pinned copy, there and back": lambda: back.copy_(pinned.cuda(non_blocking=True)),
        "pinned, ours in between": lambda: back.copy_(
            convolve(pinned.cuda(non_blocking=True), terms)
        ),
    }
    print("\n| from the CPU | ms |\n|---|---|")
    for name, run in ways.items():
        print(f"| {name} | {wall_ms(run):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES)
    parser.add_argument("--support", type=int, help=f"of the PSF, odd: {SUPPORTS}")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--no-memory", action="store_true", help="time alone")
    parser.add_argument("--only", choices=("cpu", "cuda"))
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_of:
        print(json.dumps(measure_memory(asked.size, asked.support, asked.threads, asked.memory_of)))
        return
    print(machine())
    sizes = [asked.size] if asked.size else list(SIZES)
    supports = [asked.support] if asked.support else list(SUPPORTS)
    for size in sizes:
        for support in supports:
            if asked.only != "cuda":
                for threads in [asked.threads] if asked.threads else THREADS:
                    compare(size, support, threads, not asked.no_memory)
            if asked.only != "cpu" and torch.cuda.is_available():
                on_cuda(size, support)
    if asked.only != "cpu" and not torch.cuda.is_available():
        print("\nNo GPU was at hand.")


if __name__ == "__main__":
    main()
