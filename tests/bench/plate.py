"""Panels and plates cut from portraits: ours beside what plates are usually made with.

python tests/bench/plate.py                    everything: some minutes
python tests/bench/plate.py --only panels      or plates
python tests/bench/plate.py --threads 1

A plate is timed from the pictures as ComfyUI hands them over, floats (H, W, 3), to the plate in the
same form. The sixteen 8K portraits are one picture, sixteen times: the machine need not hold 6 GB.
Peak memory is that of a process of its own, above what it had before, the plate included. Registration
is how far the same region lies apart in the panels of one plate, at worst, in plate pixels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from harness import load_package, machine, race, table
from PIL import Image
from torch import Tensor

load_package()
from portrait_loupe.kernels.color import linear_to_srgb  # noqa: E402
from portrait_loupe.kernels.resample import KERNELS, resample  # noqa: E402

SOURCE = (2400, 3200)  # px
PANEL = (922, 848)
PLATES = {  # pictures, their size, the region's box there, a panel, panels in a row
    "four of 4K": (4, (2160, 3840), (263.4, 242.3), (922, 848), 2),
    "four of 4K, whole faces": (4, (2160, 3840), (1537.0, 1413.3), (922, 848), 2),
    "sixteen of 8K": (16, (4320, 7680), (526.8, 484.6), (461, 424), 4),
}
GAP = 12
OURS = "ours: exact area, linear light, float64"
TURNED = "ours, turned by 7 degrees"
Box = tuple[float, float, float, float]
Resize = Callable[[Tensor, Box, tuple[int, int]], Tensor]


# Each takes a picture (H, W, 3) in floats, a box and a size, and returns (h, w, 3) in floats.


def ours(kernel: str = "area", turn_deg: float = 0.0) -> Resize:
    def resize(picture, box, size):
        planes = picture.permute(2, 0, 1)[None]
        panel, _ = resample(planes, box, size, kernel=kernel, turn_deg=turn_deg)
        return panel[0].permute(1, 2, 0)

    return resize


def whole(box: Box) -> tuple[int, int, int, int]:
    """The nearest box of whole pixels, for those who have no other."""
    x, y, width, height = (round(value) for value in box)
    return x, y, width, height


def core(picture, box, size):
    """ImageCrop, then ImageScale with lanczos: whole pixels, and bytes cut off, not rounded."""
    x, y, width, height = whole(box)
    crop = picture[y : y + height, x : x + width].numpy()
    pixels = Image.fromarray(np.clip(255.0 * crop, 0, 255).astype(np.uint8))
    return torch.from_numpy(
        np.asarray(pixels.resize(size, Image.Resampling.LANCZOS)) / np.float32(255)
    )


def pillow(kind: Image.Resampling) -> Resize:
    """With its sub-pixel box; the bytes of that part alone are made, rounded."""

    def resize(picture, box, size):
        x, y, width, height = box
        margin = 4 * max(1, round(width / size[0]))
        left, top = max(0, int(x) - margin), max(0, int(y) - margin)
        crop = picture[top : int(y + height) + margin, left : int(x + width) + margin]
        pixels = Image.fromarray((crop * 255 + 0.5).clamp(0, 255).byte().numpy())
        within = (x - left, y - top, x - left + width, y - top + height)
        return torch.from_numpy(np.asarray(pixels.resize(size, kind, box=within)) / np.float32(255))

    return resize


def torch_resize(mode: str) -> Resize:
    def resize(picture, box, size):
        x, y, width, height = whole(box)
        planes = picture[y : y + height, x : x + width].movedim(-1, 0)[None]
        extra = {} if mode == "area" else {"antialias": True, "align_corners": False}
        return F.interpolate(planes, size[::-1], mode=mode, **extra)[0].movedim(0, -1)

    return resize


CONTESTANTS: dict[str, Resize] = {
    OURS: ours(),
    TURNED: ours(turn_deg=7),
    "core: ImageCrop, ImageScale lanczos, 8 bit": core,
    "Pillow BOX with box=, coded, 8 bit": pillow(Image.Resampling.BOX),
    "Pillow LANCZOS with box=, coded, 8 bit": pillow(Image.Resampling.LANCZOS),
    "torch area, coded": torch_resize("area"),
    "torch bicubic antialias, coded": torch_resize("bicubic"),
}


def step_overshoot(resize: Resize) -> float:
    """How far a step edge of codes 51 and 204 is exceeded, % of the step, the worst of three zooms."""
    worst = 0.0
    for zoom in (4.0, 2.6, 0.4):
        edge = torch.full((120, 200, 3), 51 / 255)
        edge[:, 101:] = 204 / 255
        out = 255 * resize(edge, (20.0, 35.0, 160.0, 50.0), (round(160 * zoom), round(50 * zoom)))
        worst = max(worst, float(out.max()) - 204, 51 - float(out.min()))
    return 100 * max(0.0, worst - 1e-4) / 153


def scene(size: tuple[int, int], at: tuple[float, float], unit: float) -> Tensor:
    """Smooth waves around ``at``, the shortest of them 0.6 ``unit`` px long, (H, W, 3)."""
    x = (torch.arange(size[0], dtype=torch.float64) + 0.5 - at[0]) / unit
    y = ((torch.arange(size[1], dtype=torch.float64) + 0.5 - at[1]) / unit)[:, None]
    waves = ((2.1, 9.3, 0.4), (-8.7, 3.1, 1.0), (5.9, -2.7, 2.0), (4.9, 7.2, 0.1))
    light = 0.5 + 0.11 * sum(torch.sin(p * x + q * y + phase) for p, q, phase in waves)
    return linear_to_srgb(light).float()[..., None].expand(-1, -1, 3).contiguous()


def offset(panel: Tensor, truth: Tensor) -> Tensor:
    """How far a panel lies off, px, x and y: least squares on the gradients of what it should show."""
    panel, truth = (picture.double().mean(-1) for picture in (panel, truth))
    slopes = [torch.gradient(truth, dim=axis)[0][8:-8, 8:-8].flatten() for axis in (1, 0)]
    change = (truth - panel)[8:-8, 8:-8].flatten()
    return torch.linalg.lstsq(torch.stack(slopes, 1), change[:, None]).solution[:, 0]


def misregistration(resize: Resize, region: tuple[float, float], panel: tuple[int, int]) -> float:
    """The most that the panels of four pictures lie apart, whose scenes lie between pixels."""
    unit = region[0] / 4
    truth = scene(panel, (panel[0] / 2, panel[1] / 2), unit * panel[0] / region[0])
    offsets = []
    for shift in ((0.0, 0.0), (0.31, 0.47), (0.77, 0.12), (0.49, 0.85)):
        at = (region[0] * 0.8 + shift[0], region[1] * 0.8 + shift[1])
        picture = scene((round(region[0] * 1.6), round(region[1] * 1.6)), at, unit)
        box = (at[0] - region[0] / 2, at[1] - region[1] / 2, *region)
        offsets.append(offset(resize(picture, box, panel), truth))
    return max(float((a - b).norm()) for n, a in enumerate(offsets) for b in offsets[:n])


def portraits(name: str) -> list[Tensor]:
    """Random bytes as floats, what LoadImage hands over; those of 8K are all the same tensor."""
    count, (width, height), *_ = PLATES[name]
    rng = np.random.default_rng(0)

    def one():
        picture = torch.empty(height, width, 3)
        for row in range(0, height, 64):  # no more memory than the picture's
            rows = picture[row : row + 64]
            rows.copy_(torch.from_numpy(rng.integers(0, 256, rows.shape, dtype=np.uint8))).div_(255)
        return picture

    return [one() for _ in range(count)] if count == 4 else [one()] * count


def make_plate(resize: Resize, pictures: Sequence[Tensor], name: str) -> Tensor:
    """Every region into its place."""
    count, (width, height), region, panel, columns = PLATES[name]
    rows = -(-count // columns)
    plate = torch.zeros(rows * (panel[1] + GAP), columns * (panel[0] + GAP), 3)
    for number, picture in enumerate(pictures):
        x = width * 0.5 - region[0] / 2 + 0.3 + 1.37 * number
        y = height * 0.4 - region[1] / 2 + 0.7 + 2.21 * number
        row, column = divmod(number, columns)
        top, left = row * (panel[1] + GAP), column * (panel[0] + GAP)
        place = plate[top : top + panel[1], left : left + panel[0]]
        place.copy_(resize(picture, (x, y, *region), panel))
    return plate


def resident_mb(line: str) -> float:
    """VmRSS, what is in memory now, or VmHWM, the most since the peak was forgotten. Linux alone."""
    status = Path("/proc/self/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith(line)) / 1024


def measure_memory(name: str, who: str) -> float:
    """MB that one plate adds, in this process. A small panel loads the libraries first."""
    pictures = portraits(name)
    CONTESTANTS[who](torch.zeros(64, 64, 3), (3.3, 3.3, 40.0, 40.0), (50, 50))
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mb("VmRSS")
    make_plate(CONTESTANTS[who], pictures, name)
    return resident_mb("VmHWM") - before


def memory(name: str, who: str, threads: int) -> float:
    arguments = ["--threads", str(threads), "--memory-of", who, "--plate", name]
    answer = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout.splitlines()[-1])


def panels(rounds: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*SOURCE[::-1], 3), dtype=np.uint8)
    portrait = torch.from_numpy(pixels).float().div_(255)
    notes = {
        who: f"overshoots {step_overshoot(resize):.1f} %" for who, resize in CONTESTANTS.items()
    }
    rivals = {f"ours, {kernel}": ours(kernel) for kernel in KERNELS[1:]}
    for name, box in {
        "enlarged 3.5x: 263x242 px": (1100.3, 1300.7, 263.4, 242.3),
        "reduced to 0.6x: 1537x1413 px": (400.3, 700.7, 1537.0, 1413.3),
    }.items():
        medians = race(
            {
                who: (lambda resize=resize, box=box: resize(portrait, box, PANEL))
                for who, resize in (CONTESTANTS | rivals).items()
            },
            rounds,
        )
        title = f"A panel of {PANEL[0]}x{PANEL[1]} px from a 4K portrait, {name}"
        table(title, OURS, medians, notes)


def plates(threads: int, rounds: int) -> None:
    for name, (count, size, region, panel, _) in PLATES.items():
        pictures = portraits(name)
        medians = race(
            {
                who: partial(make_plate, resize, pictures, name)
                for who, resize in CONTESTANTS.items()
            },
            rounds,
        )
        del pictures
        notes = {}
        for who, resize in CONTESTANTS.items():
            # a turned panel shows another part of the scene
            off = (
                "" if who == TURNED else f"; {misregistration(resize, region, panel):.3f} px apart"
            )
            peak = memory(name, who, threads)
            notes[who] = f"{peak:.0f} MB; overshoots {step_overshoot(resize):.1f} %{off}"
        title = f"A plate: {name} ({size[0]}x{size[1]}), {region[0]:g}x{region[1]:g} px each to {panel[0]}x{panel[1]}"
        table(title, OURS, medians, notes)
        print(
            f"\n({count} panels; the last column holds peak memory above the pictures)", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("panels", "plates"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--plate", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.memory_of:
        print(json.dumps(measure_memory(asked.plate, asked.memory_of)))
        return
    print(machine())
    if asked.only != "plates":
        panels(asked.rounds)
    if asked.only != "panels":
        plates(asked.threads, asked.rounds)


if __name__ == "__main__":
    main()
