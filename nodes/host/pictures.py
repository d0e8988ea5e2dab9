"""Picture files as the stand-in host reads and writes them.

RGB and RGBA PNG of 8 bits is where both hosts agree to the bit; grey PNG differs by one step. Other
formats decode as Pillow decodes them, and ComfyUI with PyAV: CMYK is brought to RGB, animations
give their first frame. Files above 8 bits are refused, because Pillow would cut them to white.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
# None that Pillow hands to another program, as it does with EPS.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_MOST_DIGITS = 16  # of a file's number


def read_picture(path: Path) -> tuple[Tensor, Tensor]:
    """A file as IMAGE (1, H, W, 3), sRGB 0..1, and MASK (1, H, W), 1 where it is transparent.

    A file without alpha gives ComfyUI's empty mask of 64 x 64.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_FORMATS) as file:
            if file.mode[0] in "IF":
                raise OSError(f"{file.mode} holds more than 8 bits a channel; save it with 8")
            picture = ImageOps.exif_transpose(file)
            colours = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
            alpha = None
            if "A" in picture.getbands() or "transparency" in picture.info:
                alpha = np.asarray(picture.convert("RGBA").getchannel("A"), dtype=np.float32) / 255
    # Pillow says ValueError of texts that unpack to too much, SyntaxError of damage
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is not a picture that can be read: {error}") from error
    mask = torch.zeros(1, 64, 64) if alpha is None else 1 - torch.from_numpy(alpha)[None]
    return torch.from_numpy(colours)[None], mask


def save_pictures(
    images: Tensor, folder: Path, prefix: str, *, workflow: Any = None, prompt: Any = None
) -> list[Path]:
    """Write each picture as an 8-bit PNG called ``prefix_00001_.png`` and so on, overwriting none.

    The values are cut to 8 bits as ComfyUI's SaveImage cuts them. A prefix that leads out of the
    folder raises ValueError.
    """
    from PIL import Image, PngImagePlugin

    try:
        target = (folder / prefix).resolve()
        prefix.encode("utf-8")
    except ValueError:
        raise ValueError(f"filename_prefix must be a file's name, got {prefix[:80]!r}") from None
    if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
        raise ValueError(
            f"filename_prefix must name a file inside the output folder, got {prefix!r}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    text = PngImagePlugin.PngInfo()
    for key, value in (("prompt", prompt), ("workflow", workflow)):
        if value is not None:
            text.add_text(key, json.dumps(value))
    number = max((_counter(path, target.name) for path in target.parent.glob("*.png")), default=0)
    files = []
    for image in images:
        pixels = np.clip(255.0 * image.float().cpu().numpy(), 0, 255).astype(np.uint8)
        if pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        number, path = _claimed(target, number + 1)
        try:
            Image.fromarray(pixels).save(path, "PNG", pnginfo=text, compress_level=4)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        files.append(path)
    return files


def _claimed(target: Path, number: int) -> tuple[int, Path]:
    """The first free name from a number on; the file is made, so that no other run takes it."""
    while True:
        path = target.parent / f"{target.name}_{number:05}_.png"
        try:
            path.open("xb").close()
            return number, path
        except FileExistsError:
            number += 1


def _counter(path: Path, prefix: str) -> int:
    """The number in ``prefix_00012_.png``, 0 for any other name."""
    digits = path.stem.removeprefix(f"{prefix}_").removesuffix("_")
    counts = digits.isascii() and digits.isdecimal() and len(digits) < _MOST_DIGITS
    return int(digits) if path.stem.startswith(f"{prefix}_") and counts else 0
