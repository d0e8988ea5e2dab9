"""Pictures of the comparison nodes."""

from PIL import Image, ImageDraw
from torch import Tensor

from portrait_loupe.nodes.comparison.node_compare import Compare
from portrait_loupe.nodes.comparison.node_compare_panel import ComparePanel

from .lens import through
from .page import MARK, WIDTH, column, image_of, line_of, photo, tensor_of, to_width

# px of the photo: a part too close for any detector, and the corners of its eye in it
CLOSE, CORNERS = (250, 140, 360, 240), ((286, 193), (323, 190))


def pair() -> dict[str, Tensor]:
    picture = photo()
    return {"panel0": picture, "panel1": through(picture, -1.0)}


def plate(region: str = "eyes", width: int = WIDTH, height: int = 900) -> Image.Image:
    made = Compare.execute(
        pair(),
        region,
        "free",
        width,
        height,
        "",
        "The photo\nSoft focus|the same photo through Lens",
    )
    return image_of(made.args[0])


def panel() -> Image.Image:
    """The two typed points on a close-up, and the panels of a plate that they lock."""
    pictures = [photo(), through(photo(), -1.0)]
    x, y = CLOSE[:2]
    typed = " ".join(f"{a - x},{b - y}" for a, b in CORNERS)
    labels, panels = ("The photo", "Soft focus"), {}
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        close = tensor_of(image_of(picture).crop(CLOSE))
        panels[f"panel{number}"] = ComparePanel.execute(
            close, label, subline="a subline", points=typed, points_are="corners of the right eye"
        ).args[0]  # fmt: skip
    zoom = WIDTH / (CLOSE[2] - x)
    marked = to_width(image_of(photo()).crop(CLOSE), WIDTH)
    pen = ImageDraw.Draw(marked)
    for a, b in CORNERS:
        at = ((a + 0.5 - x) * zoom, (b + 0.5 - y) * zoom)
        pen.line((at[0] - 26, at[1], at[0] + 26, at[1]), fill=MARK, width=5)
        pen.line((at[0], at[1] - 26, at[0], at[1] + 26), fill=MARK, width=5)
    marked = marked.crop((0, 150, WIDTH, 560))
    made = Compare.execute(panels, "right eye", "free", WIDTH, 560, "", "").args[0]
    return column([line_of(f"points: {typed}"), marked, image_of(made)])


PICTURES = {"LoupeCompare.jpg": plate, "LoupeComparePanel.jpg": panel}
