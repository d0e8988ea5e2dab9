"""One portrait finished at 8K: faces, lens, 16-bit save; beside the same steps by common libraries. Needs the extra `bench`.

python tests/bench/portrait_8k.py [--height 7680] [--rounds 3] [--device cuda]

The picture is the packaged photo, enlarged bicubically with fine grain, as a sampler and an enlarger
would hand it over. Our side are the nodes as a workflow calls them: Find Faces without a file, Lens
(classic double Gauss, level -1), Save Plate (PNG 16-bit). On the other side stand a GaussianBlur in
linear light of the same width by OpenCV, and two savers: OpenCV's PNG of 16 bits and
Pillow's of 8 bits at ComfyUI's level 4, which is what Save Image writes.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from harness import load_package, machine, race, table
from PIL import Image

load_package()
from portrait_loupe.nodes.comparison.node_save_plate import SavePlate  # noqa: E402
from portrait_loupe.nodes.framing.node_find_faces import FindFaces  # noqa: E402
from portrait_loupe.nodes.host import saving_into  # noqa: E402
from portrait_loupe.nodes.host.runner import sample  # noqa: E402
from portrait_loupe.nodes.lens.node_lens import Lens  # noqa: E402

GRAIN = 0.01
LENS = {"character": "classic double Gauss f/1.4", "level": -1.0, "format_mm": 36.0}
SIGMA = 0.9  # px: as wide as that lens at this size


def portrait(height: int) -> torch.Tensor:
    """The packaged photo at a height of so many px, (1, H, W, 3)."""
    with Image.open(sample()) as file:
        photo = torch.from_numpy(np.asarray(file.convert("RGB"), np.float32) / 255)
    large = F.interpolate(
        photo.permute(2, 0, 1)[None],
        (height, round(height * photo.shape[1] / photo.shape[0])),
        mode="bicubic",
    )
    grain = torch.randn(large.shape, generator=torch.Generator().manual_seed(1))
    return (large + GRAIN * grain).clamp(0, 1).movedim(1, -1).contiguous()


def outputs(made):
    return made.result if hasattr(made, "result") else made.args


def linear_blur(pixels: np.ndarray) -> np.ndarray:
    low = pixels <= 0.04045
    light = np.where(low, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4).astype(np.float32)
    out = np.clip(cv2.GaussianBlur(light, (0, 0), SIGMA), 0, 1)
    return np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055)


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("--height", type=int, default=7680)
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--device", default="cpu")
    asked = reader.parse_args()
    picture = portrait(asked.height)
    pixels = picture[0].numpy()
    on_device = picture.to(asked.device)
    _, tall, wide, _ = picture.shape
    where = machine() if asked.device == "cpu" else torch.cuda.get_device_name()
    print(f"{where}\n{wide} x {tall} px, {wide * tall / 1e6:.1f} megapixels")

    def waited(made):
        if asked.device != "cpu":
            torch.cuda.synchronize()
        return made

    with tempfile.TemporaryDirectory() as folder, saving_into(Path(folder)):

        def saved():
            return SavePlate.execute(
                image=finished, filename_prefix="bench", format="PNG 16-bit", quality=95, share_clean=True
            )  # fmt: skip

        def found():
            return waited(FindFaces.execute(image=on_device, backend="embedded", eyes=""))

        def rendered():
            return waited(Lens.execute(image=on_device, **LENS))

        def whole():
            found()
            return SavePlate.execute(
                image=outputs(rendered())[0].cpu(), filename_prefix="bench", format="PNG 16-bit", quality=95, share_clean=True
            )  # fmt: skip

        finished = outputs(rendered())[0].cpu()
        codes16 = (finished[0].numpy() * 65535).round().astype(np.uint16)[..., ::-1]
        codes8 = (finished[0].numpy() * 255).astype(np.uint8)
        steps = {
            "faces": {"ours: Find Faces, embedded": found},
            "lens": {
                "ours: Lens, classic double Gauss": rendered,
                "cv2: one GaussianBlur in linear light": lambda: linear_blur(pixels),
            },
            "save": {
                "ours: Save Plate, PNG 16-bit": saved,
                "cv2: PNG 16-bit": lambda: cv2.imwrite(str(Path(folder, "cv2.png")), codes16),
                "Pillow: PNG 8-bit, level 4": lambda: Image.fromarray(codes8).save(
                    Path(folder, "pillow.png"), compress_level=4
                ),
            },
        }
        for name, contestants in steps.items():
            medians = race(contestants, asked.rounds)
            notes = {}
            if name == "save":
                for file, key in (("cv2.png", "cv2: PNG 16-bit"), ("pillow.png", "Pillow: PNG 8-bit, level 4")):  # fmt: skip
                    notes[key] = f"{Path(folder, file).stat().st_size / 1e6:.0f} MB"
                ours = max(Path(folder).glob("bench_*.png"))
                notes["ours: Save Plate, PNG 16-bit"] = f"{ours.stat().st_size / 1e6:.0f} MB"
            table(f"### {name}", next(iter(contestants)), medians, notes or None)
            for file in Path(folder).glob("bench_*"):
                file.unlink()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        whole()
        took = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        print(
            f"\nAll three once more, in a row: {took:.1f} s; the process's peak {max(before, peak) * unit / 1e9:.1f} GB, "
            f"of which the picture itself {picture.nbytes / 1e9:.2f} GB."
        )


if __name__ == "__main__":
    main()
