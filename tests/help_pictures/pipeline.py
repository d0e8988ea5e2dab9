"""README's pipeline in one picture: five steps, each the output of its node."""

from PIL import Image, ImageDraw

from portrait_loupe.nodes.framing.node_find_faces import FindFaces
from portrait_loupe.nodes.labels import fit
from portrait_loupe.nodes.typography import draw_line

from .comparison import plate
from .framing import FACE, HEAD, close_up, stitched
from .lens import EYE, through
from .page import COLD, GAP, GROUND, INK, MARK, column, image_of, photo

WIDE, TALL = 1600, 470  # px
CELL = (WIDE - 4 * GAP) // 5


def measured() -> Image.Image:
    overlay = FindFaces.execute(photo(), "embedded", "").args[2]
    return image_of(overlay).crop((HEAD[0] + 15, HEAD[1] - 50, HEAD[2] - 15, HEAD[3] - 8))


def planned() -> Image.Image:
    return image_of(close_up()[2])


def put_back() -> Image.Image:
    """The changed map laid over the stitched picture."""
    _, _, made, changed, _ = stitched()
    whole, mask = image_of(made), image_of(changed).convert("L").point(lambda value: value * 0.4)
    whole.paste(Image.new("RGB", whole.size, COLD), (0, 0), mask)
    return whole.crop((FACE[0] - 20, FACE[1] - 40, FACE[2] + 20, FACE[3] + 40))


def lenses() -> Image.Image:
    """The eye, before above and after below."""
    left, top, right, bottom = EYE
    wide = (left, top + 12, right, bottom - 21)
    return column([image_of(one).crop(wide) for one in (photo(), through(photo(), -1.0))], 1)


def compared() -> Image.Image:
    return plate(width=2 * CELL, height=2 * (TALL - 74))


STEPS = (
    ("measure the face", measured),
    ("plan and cut the close-up", planned),
    ("edit and stitch it back", put_back),
    ("see it through a lens", lenses),
    ("compare on a plate", compared),
)


def pipeline() -> Image.Image:
    page = Image.new("RGB", (WIDE, TALL), GROUND)
    pen = ImageDraw.Draw(page)
    fitted = fit([words for words, _ in STEPS], CELL - 66, 26, 19, lines=1)
    assert not any(fitted.shortened)
    for number, (words, draw) in enumerate(STEPS):
        x, picture = number * (CELL + GAP), draw()
        room = (CELL, TALL - 74)
        scale = max(room[0] / picture.width, room[1] / picture.height)
        size = [
            max(round(side * scale), least) for side, least in zip(picture.size, room, strict=True)
        ]
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        left, top = (size[0] - room[0]) // 2, (size[1] - room[1]) // 2
        page.paste(picture.crop((left, top, left + room[0], top + room[1])), (x, 74))
        pen.ellipse((x + 8, 16, x + 50, 58), fill=MARK)
        draw_line(pen, (x + 29, 47), str(number + 1), 28, GROUND, bold=True, anchor="ms")
        draw_line(pen, (x + 60, 46), words, fitted.size, INK)
    return page


PICTURES = {"pipeline.jpg": pipeline}
