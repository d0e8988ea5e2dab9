"""Crop, edit, stitch: ours beside what ComfyUI's own nodes do. Peak memory and time per process.

python tests/bench/stitch.py

The rival is the usual chain of core nodes, in the torch calls that they make: ImageCrop (a slice),
ImageScale bicubic (``common_upscale``: interpolate without anti-aliasing), ImageScale back, and
ImageCompositeMasked with a feathered mask. Each contestant runs in its own process, so that its
peak memory is its own.
"""

import json
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from harness import load_package, machine

load_package()
from portrait_loupe.nodes.framing.crop import cut  # noqa: E402
from portrait_loupe.nodes.framing.faces import Box, Face  # noqa: E402
from portrait_loupe.nodes.framing.masks import sampling_masks, stitch_masks  # noqa: E402
from portrait_loupe.nodes.framing.plan import CropPlan  # noqa: E402
from portrait_loupe.nodes.framing.stitch import stitch  # noqa: E402

MODEL = 1024
DRIFT = 3 / 255  # of a VAE, simulated
SIGMA = 6.0  # px of the dots: the crop's scales lose none of them
CASES = {  # batch, picture, crop's side; the crop becomes 1024 x 1024
    "4K, crop 1024": (1, (3840, 2160), 1024),
    "4K, crop 1400": (1, (3840, 2160), 1400),
    "4K, crop 416": (1, (3840, 2160), 416),
    "8K, crop 1024": (1, (7680, 4320), 1024),
    "8K, crop 3000": (1, (7680, 4320), 3000),
    "16 x 1024, crop 640": (16, (1024, 1024), 640),
}
WAYS = ("auto", "exact", "plain", "null_edit", "core nodes")


def case(name: str):
    """Pictures with texture and a dot near each corner of the face's mask, and their plan."""
    batch, (width, height), side = CASES[name]
    left, top = (width - side) // 2 + 1, (height - side) // 2 + 1
    coarse = torch.rand(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(1))
    image = F.interpolate(coarse, (height, width), mode="bicubic").mul_(0.5).add_(0.2)
    image = image.movedim(1, -1).contiguous().expand(batch, -1, -1, -1).contiguous()
    iod = side / 3.6  # a close-up
    x, y = left + side / 2, top + side / 2 - 0.3 * iod
    face = Face(((x - iod / 2, y), (x + iod / 2, y)))
    plan = CropPlan(
        (width, height), (Box(left, top, side, side),), (MODEL, MODEL), (face,), "CU", "custom"
    )
    return image, plan


def scale(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """ComfyUI's ImageScale with bicubic: ``common_upscale``."""
    planes = image.movedim(-1, 1)
    return F.interpolate(planes, size=(height, width), mode="bicubic").movedim(1, -1)


def core_cut(image, plan):
    box = plan.crops[0]
    x, y, side = int(box.x), int(box.y), int(box.width)
    return scale(image[:, y : y + side, x : x + side], *plan.output_size)


def core_stitch(image, edited, plan, mask):
    """ImageScale back, ImageCompositeMasked."""
    box = plan.crops[0]
    x, y, side = int(box.x), int(box.y), int(box.width)
    out = image.clone()
    back = scale(edited, side, side)
    m = F.interpolate(mask[:, None], size=(side, side), mode="bilinear")[:, 0, ..., None]
    out[:, y : y + side, x : x + side] = m * back + (1 - m) * out[:, y : y + side, x : x + side]
    return out


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(name: str, way: str) -> dict:
    """One contestant on one case: time and memory of cut + stitch, and what is wrong afterwards."""
    image, plan = case(name)
    own = way != "core nodes"

    def there(picture):
        return cut(picture, plan) if own else core_cut(picture, plan)

    def back(picture, edited, unedited=None):
        if own:
            return stitch(picture, edited, plan, way, stitch_mask=masks, unedited=unedited).picture
        return core_stitch(picture, edited, plan, masks)

    masks = stitch_masks(sampling_masks(plan, len(image)), plan, len(image))
    small = image[:1, :64, :64].clone()  # so that the libraries are loaded before the measurement
    F.interpolate(small.movedim(-1, 1), scale_factor=2, mode="bicubic", antialias=True)
    import scipy.ndimage
    import scipy.sparse.linalg  # noqa: F401

    before = peak_mb()
    started = time.perf_counter()
    crops = there(image)
    if own:
        stitch_masks(sampling_masks(plan, len(image)), plan, len(image))
    drifted = crops + DRIFT
    result = back(image, drifted, unedited=drifted)
    seconds = time.perf_counter() - started
    memory = peak_mb() - before
    box = plan.crops[0]
    rows, columns = (
        slice(int(box.y), int(box.bottom)),
        slice(int(box.x), int(box.right)),
    )
    change = (result - image)[0, rows, columns]
    flat = torch.full_like(image[:1], 0.4)
    tone = (
        (back(flat, (there(flat) + DRIFT)[:1].expand(1, -1, -1, -1), there(flat) + DRIFT) - flat)[
            0, rows, columns
        ].mean(-1)
        if len(image) == 1
        else change.mean(-1)
    )
    same = back(image, crops, unedited=crops)
    outside = (result != image).any(-1).sum().item()
    return {
        "ms": seconds * 1000,
        "MB": memory,
        "round trip": 255 * float((same - image).abs().max()),
        "tone": 255 * float(change.mean(-1)[centre(change)].mean()),
        "seam": 255 * float(max(tone.diff(dim=0).abs().max(), tone.diff(dim=1).abs().max())),
        "drift px": drift_px(image, plan, there, back, masks),
        "changed": outside,
    }


def centre(change: torch.Tensor):
    side = change.shape[0]
    return slice(side * 3 // 8, side * 5 // 8), slice(side * 3 // 8, side * 5 // 8)


def drift_px(image, plan, there, back, masks) -> float:
    """How far a dot that is painted on the crop lies from its place in the picture, at worst, source px."""
    box, zoom = plan.crops[0], plan.scales[0]
    flat = torch.full_like(image[:1], 0.4)
    worst = 0.0
    for du, dv in ((-0.16, -0.16), (0.16, -0.16), (-0.16, 0.16), (0.16, 0.16)):
        x, y = box.x + (0.5 + du) * box.width + 0.3, box.y + (0.5 + dv) * box.height + 0.6
        u, v = (x - box.x) * zoom, (y - box.y) * zoom
        us, vs = torch.arange(MODEL) + 0.5, (torch.arange(MODEL) + 0.5)[:, None]
        dot = torch.exp(-((us - u) ** 2 + (vs - v) ** 2) / (2 * (SIGMA * zoom) ** 2))[..., None]
        crop = there(flat)
        if len(image) > 1:
            crop, full = crop.expand(len(image), -1, -1, -1), flat.expand_as(image)
        else:
            full = flat
        result = back(full, crop + 0.4 * dot, unedited=crop)[0].mean(-1) - 0.4
        left, top, reach = round(x) - 24, round(y) - 24, 48
        light = result[top : top + reach, left : left + reach].double().clamp(min=0.01) - 0.01
        span = torch.arange(reach) + 0.5
        cx = float(light.sum(0) @ span.double() / light.sum()) + left
        cy = float(light.sum(1) @ span.double() / light.sum()) + top
        worst = max(worst, abs(cx - x), abs(cy - y))
    return worst


def main() -> None:
    print(machine())
    for name in CASES:
        print(f"\n{name}\n")
        print(
            "| | ms, cut + masks + stitch | peak MB above the picture | unedited, max change /255 | "
            "tone left of +3/255 | steepest step /255 per px, flat | dot's drift px |\n|---|---|---|---|---|---|---|"
        )
        for way in WAYS:
            answer = subprocess.run(
                [sys.executable, __file__, name, way], capture_output=True, text=True, check=True
            )
            found = json.loads(answer.stdout.splitlines()[-1])
            print(
                f"| {way} | {found['ms']:.0f} | {found['MB']:.0f} | {found['round trip']:.2f} | "
                f"{found['tone']:+.2f} | {found['seam']:.2f} | {found['drift px']:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(run(sys.argv[1], sys.argv[2])))
    else:
        main()
