"""Pictures of the lens nodes."""

from PIL import Image, ImageFilter
from torch import Tensor

from portrait_loupe.nodes.lens import strip
from portrait_loupe.nodes.lens.catalogue import DEFAULT
from portrait_loupe.nodes.lens.node_lens import Lens
from portrait_loupe.nodes.lens.node_lens_compare import LensCompare
from portrait_loupe.nodes.lens.node_meter import MicroContrastMeter
from portrait_loupe.nodes.lens.node_profile import LensProfile

from .page import WIDTH, column, faces_in, image_of, larger, photo, row, tensor_of, to_width

EYE = (262, 148, 352, 238)  # px of the photo
SIDE = 12.0  # mm: a small frame, so that what a lens does shows at the photo's 600 px
LENSES = "soft focus 90 mm f/2.2, mist filter 1/4 f/2.8, toy meniscus f/6.3, Petzval portrait f/2.2"
FACE = (140, 80, 380, 380)  # px of the photo


def through(picture: Tensor, level: float, *, mm: float = SIDE) -> Tensor:
    """A picture as Lens draws it, whose long side is so wide on the sensor."""
    return Lens.execute(picture, DEFAULT, level, mm).args[0]


def lens() -> Image.Image:
    picture = photo()
    cells = []
    for level in (-1.0, 0.0, 1.0):
        eye = image_of(through(picture, level)).crop(EYE)
        cells.append((eye.resize((480, 480), Image.Resampling.BICUBIC), f"level {level:g}"))
    return row(cells)


def lens_profile() -> Image.Image:
    """The parts of its drawing that are read at half the size."""
    drawn = image_of(LensProfile.execute().args[1])
    points, curve = drawn.crop((8, 14, 514, 340)), drawn.crop((514, 346, 1020, 656))
    return column([to_width(points, WIDTH), to_width(curve, WIDTH)])


def lens_compare() -> Image.Image:
    picture = photo()
    with larger(strip, TEXT_SHARE=0.07):
        drawn = LensCompare.execute(
            picture, "characters", LENSES, DEFAULT, -1.0, SIDE, "detail at 1:1", 240, faces=faces_in(picture)
        ).args[0]  # fmt: skip
    return image_of(drawn)


def meter() -> Image.Image:
    picture = photo()
    crisp = image_of(picture).filter(ImageFilter.UnsharpMask(2, 80, 0))
    soft = image_of(picture).filter(ImageFilter.GaussianBlur(1))
    cells = []
    for made, words in ((crisp, "sharpened"), (soft, "blurred")):
        gained, _, overlay, *_ = MicroContrastMeter.execute(tensor_of(made), picture).args
        cells.append((image_of(overlay).crop(FACE), f"{words}\ntexture x {gained:.2f}"))
    return row(cells)


PICTURES = {
    "LoupeLens.jpg": lens,
    "LoupeLensProfile.jpg": lens_profile,
    "LoupeLensCompare.jpg": lens_compare,
    "LoupeMicroContrastMeter.jpg": meter,
}
