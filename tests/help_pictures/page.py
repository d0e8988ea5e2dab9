"""What every picture of the help pages is put together from: the photo, rows of pictures, words under them.

The panel that shows a help page is about 340 px wide: a picture of 720 px stands there at half its
size, so letters below 22 px are not used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from types import ModuleType

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from portrait_loupe.nodes.framing.faces import Faces
from portrait_loupe.nodes.framing.node_find_faces import FindFaces
from portrait_loupe.nodes.host.runner import sample
from portrait_loupe.nodes.labels import fit
from portrait_loupe.nodes.typography import draw_line

WIDTH, GAP = 720, 8  # px
LETTERS, LEAST = 26, 22  # px
GROUND, INK, QUIET = (22, 22, 24), (242, 242, 242), (176, 176, 180)
MARK, COLD = (255, 196, 0), (86, 180, 233)
Cell = tuple[Image.Image, str]


def photo() -> Tensor:
    """Grace Hopper (US Navy, public domain), (1, 600, 512, 3), sRGB 0..1."""
    path = sample()
    assert path is not None, "matplotlib's sample data are not installed"
    return tensor_of(Image.open(path))


def faces_in(picture: Tensor) -> Faces:
    """As Find Faces finds them with no model."""
    return FindFaces.execute(picture, "embedded", "").args[0]


def image_of(picture: Tensor) -> Image.Image:
    """The first picture of an IMAGE, or mask of a MASK."""
    values = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(values).convert("RGB")


def tensor_of(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 255)[None]


@contextmanager
def larger(module: ModuleType, **sizes: float) -> Iterator[None]:
    """A drawing of the pack's own with other sizes of letters and margins, to be read at half its size."""
    before = {name: getattr(module, name) for name in sizes}
    try:
        for name, value in sizes.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def to_width(image: Image.Image, width: int) -> Image.Image:
    size = (width, max(round(image.height * width / image.width), 1))
    return image.resize(size, Image.Resampling.LANCZOS)


def to_height(image: Image.Image, height: int) -> Image.Image:
    size = (max(round(image.width * height / image.height), 1), height)
    return image.resize(size, Image.Resampling.LANCZOS)


def row(
    cells: Sequence[Cell], *, width: int = WIDTH, letters: int = LETTERS, lines: int = 2
) -> Image.Image:
    """Pictures at one height that fill a width, each with its words below; a line break in them is kept."""
    room = width - GAP * (len(cells) - 1)
    height = room / sum(image.width / image.height for image, _ in cells)
    widths = [round(image.width / image.height * height) for image, _ in cells]
    widths[-1] = room - sum(widths[:-1])
    told = [
        _lines(words, wide - 4, letters, lines)
        for (_, words), wide in zip(cells, widths, strict=True)
    ]
    most = max(len(one) for one in told)
    step = ceil(1.25 * letters)
    page = Image.new("RGB", (width, round(height) + (most * step + 10 if most else 0)), GROUND)
    pen = ImageDraw.Draw(page)
    x = 0
    for (image, _), wide, words in zip(cells, widths, told, strict=True):
        page.paste(image.resize((wide, round(height)), Image.Resampling.LANCZOS), (x, 0))
        for number, (line, size) in enumerate(words):
            at = (x + 2, round(height) + letters + 2 + number * step)
            draw_line(pen, at, line, size, INK)
        x += wide + GAP
    return page


def _lines(words: str, width: int, letters: int, most: int) -> list[tuple[str, int]]:
    """Words in lines, each with its letter size."""
    told = words.split("\n")
    fitted = fit(told, width, letters, LEAST, lines=1 if len(told) > 1 else most)
    assert not any(fitted.shortened), f"{words!r} does not fit in {width} px"
    return [(line, fitted.size) for lines in fitted.lines for line in lines]


def column(images: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Pictures of one width below one another."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    page = Image.new("RGB", (images[0].width, height), GROUND)
    y = 0
    for image in images:
        page.paste(image, (0, y))
        y += image.height + gap
    return page


def grid(cells: Sequence[Cell], across: int, **more) -> Image.Image:
    """Rows of so many cells, which have one shape."""
    return column([row(cells[at : at + across], **more) for at in range(0, len(cells), across)])


def line_of(words: str, *, width: int = WIDTH, size: int = LETTERS, bold: bool = False, ink=INK):
    """A line of text as a picture."""
    page = Image.new("RGB", (width, ceil(1.6 * size)), GROUND)
    fitted = fit([words], width - 8, size, 18, lines=1, bold=bold)
    assert not any(fitted.shortened), f"{words!r} does not fit on a line"
    draw_line(ImageDraw.Draw(page), (4, round(1.12 * size)), words, fitted.size, ink, bold=bold)
    return page
