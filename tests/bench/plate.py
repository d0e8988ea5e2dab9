"""A panel cut from a 4K portrait: ours beside what plates are usually made with.

python tests/bench/plate.py
"""

import numpy as np
import torch
import torch.nn.functional as F
from harness import load_package, machine, race, table
from PIL import Image

load_package()
from portrait_loupe.kernels.resample import resample_area  # noqa: E402

SOURCE = (2400, 3200)  # px
PANEL = (922, 848)


def step_overshoot(resize) -> float:
    """How far a step edge of codes 51 and 204 is exceeded, % of the step, the worst of three zooms."""
    worst = 0.0
    for zoom in (4.0, 2.6, 0.4):
        _PLANES.clear()
        edge = np.full((60, 200, 3), 51, np.uint8)
        edge[:, 101:] = 204
        out = resize(edge, (20.0, 5.0, 160.0, 50.0), (round(160 * zoom), round(50 * zoom)))
        worst = max(worst, float(out.max() - 204), float(51 - out.min()))
    return 100 * worst / 153


_PLANES: dict[int, torch.Tensor] = {}


def ours(pixels, box, size):
    if (
        id(pixels) not in _PLANES
    ):  # ComfyUI hands over floats; the others get their bytes for nothing, too
        _PLANES[id(pixels)] = torch.from_numpy(pixels.astype(np.float32) / 255).movedim(-1, 0)[None]
    return resample_area(_PLANES[id(pixels)], box, size)[0][0].movedim(0, -1).numpy() * 255


def pillow(kind):
    def resize(pixels, box, size):
        x, y, width, height = box
        image = Image.fromarray(pixels).resize(size, kind, box=(x, y, x + width, y + height))
        return np.asarray(image).astype(np.float32)

    return resize


def torch_resize(mode):
    def resize(pixels, box, size):
        x, y, width, height = (round(value) for value in box)  # it has no sub-pixel box
        planes = torch.from_numpy(pixels[y : y + height, x : x + width].astype(np.float32)).movedim(
            -1, 0
        )
        extra = {} if mode == "area" else {"antialias": True, "align_corners": False}
        return F.interpolate(planes[None], size[::-1], mode=mode, **extra)[0].movedim(0, -1).numpy()

    return resize


def main() -> None:
    print(machine())
    portrait = np.random.default_rng(0).integers(0, 256, (*SOURCE[::-1], 3), dtype=np.uint8)
    contestants = {
        "ours: exact area, linear light, float64": ours,
        "Pillow BOX, coded, 8 bit": pillow(Image.Resampling.BOX),
        "Pillow LANCZOS, coded, 8 bit (core ImageStitch, ImageGrid)": pillow(
            Image.Resampling.LANCZOS
        ),
        "torch area, coded": torch_resize("area"),
        "torch bicubic antialias, coded": torch_resize("bicubic"),
    }
    notes = {
        name: f"overshoots {step_overshoot(resize):.1f} %" for name, resize in contestants.items()
    }
    for name, box in {
        "enlarged 3.5x: 263x242 px": (1100.3, 1300.7, 263.4, 242.3),
        "reduced to 0.6x: 1537x1413 px": (400.3, 700.7, 1537.0, 1413.3),
    }.items():
        medians = race(
            {
                who: (lambda resize=resize, box=box: resize(portrait, box, PANEL))
                for who, resize in contestants.items()
            }
        )
        table(
            f"A panel of {PANEL[0]}x{PANEL[1]} px from a 4K portrait, {name}",
            next(iter(contestants)),
            medians,
            notes,
        )


if __name__ == "__main__":
    main()
