"""Pictures of the framing nodes."""

from PIL import Image
from torch import Tensor

from portrait_loupe.nodes.framing.node_align import AlignFaces
from portrait_loupe.nodes.framing.node_crop import Crop
from portrait_loupe.nodes.framing.node_find_faces import FindFaces
from portrait_loupe.nodes.framing.node_plan_crop import PlanCrop
from portrait_loupe.nodes.framing.node_prominence import Prominence
from portrait_loupe.nodes.framing.node_stitch import Stitch

from .lens import through
from .page import column, faces_in, grid, image_of, photo, row, tensor_of

HEAD = (100, 70, 440, 410)  # px of the photo
FACE = (110, 60, 410, 400)
PRESETS = (
    "ECU eye right", "ECU eyes", "ECU lips", "ECU nose",
    "BCU big close-up", "CU close-up", "ICAO 35x45", "headshot",
)  # fmt: skip


def find_faces() -> Image.Image:
    overlay = FindFaces.execute(photo(), "embedded", "").args[2]
    return image_of(overlay).crop(HEAD).resize((600, 600), Image.Resampling.LANCZOS)


def prominence() -> Image.Image:
    """The same face in the photo at its size, half and a quarter of it."""
    whole = image_of(photo())
    cells = []
    for share in (1, 2, 4):
        small = whole.resize((whole.width // share, whole.height // share), Image.Resampling.BOX)
        score, iod = _measured(tensor_of(small))
        head = small.crop([value // share for value in HEAD]).resize(
            (340, 340), Image.Resampling.NEAREST
        )
        cells.append((head, f"eyes {iod:.0f} px apart\nscore {score:.0f}"))
    return row(cells)


def _measured(picture: Tensor) -> tuple[float, float]:
    score, iod, *_ = Prominence.execute(picture, faces_in(picture), "SDXL").args
    return score, iod


def plan_crop() -> Image.Image:
    """What Crop makes of eight presets, with the distance between the eyes that the model sees."""
    picture = photo()
    faces, cells = faces_in(picture), []
    for preset in PRESETS:
        plan, _, iod, *_ = PlanCrop.execute(picture, faces, preset).args
        made = image_of(Crop.execute(picture, plan).args[0])
        side = 300
        scale = side / max(made.size)
        made = made.resize([round(value * scale) for value in made.size], Image.Resampling.LANCZOS)
        tile = Image.new("RGB", (side, side), (22, 22, 24))
        tile.paste(made, ((side - made.width) // 2, (side - made.height) // 2))
        name = preset.replace(" big close-up", "").replace(" close-up", "")
        cells.append((tile, f"{name}\n{iod:.0f} px"))
    return grid(cells, 4, letters=22, lines=2)


def close_up():
    picture = photo()
    plan, shown, iod, *_ = PlanCrop.execute(picture, faces_in(picture), "CU close-up").args
    return picture, plan, shown, iod, Crop.execute(picture, plan).args


def crop() -> Image.Image:
    *_, (cut, sampling, back) = close_up()
    cells = [
        (image_of(cut), "crop"),
        (image_of(sampling), "sampling_mask"),
        (image_of(back), "stitch_mask"),
    ]
    return row(cells)


def stitched():
    """The photo, its close-up through a soft lens, and what Stitch makes of both."""
    picture, plan, _, _, (cut, _, back) = close_up()
    soft = through(cut, -1.0, mm=6.0)
    done = Stitch.execute(picture, soft, plan, "auto", 0.5, stitch_mask=back)
    return picture, soft, *done.args


def stitch() -> Image.Image:
    picture, _, made, changed, _ = stitched()
    shown = (picture, "photo"), (made, "stitched"), (changed, "changed")
    return row([(image_of(one).crop(FACE), words) for one, words in shown])


def align_faces() -> Image.Image:
    whole = image_of(photo())
    turned = whole.rotate(14, Image.Resampling.BICUBIC, expand=False, fillcolor=(60, 60, 64))
    small = Image.new("RGB", whole.size, (60, 60, 64))
    small.paste(whole.resize((384, 450), Image.Resampling.LANCZOS), (100, 110))
    pictures = {"image0": photo(), "image1": tensor_of(turned), "image2": tensor_of(small)}
    aligned = AlignFaces.execute(pictures, "CU close-up", 768, 20.0).args[0]
    given = [(image_of(one), words) for one, words in zip(pictures.values(), ("photo", "turned", "smaller"), strict=True)]  # fmt: skip
    return column([row(given), row([(image_of(one[None]), "aligned") for one in aligned])], 12)


PICTURES = {
    "LoupeFindFaces.jpg": find_faces,
    "LoupeProminence.jpg": prominence,
    "LoupePlanCrop.jpg": plan_crop,
    "LoupeCrop.jpg": crop,
    "LoupeStitch.jpg": stitch,
    "LoupeAlignFaces.jpg": align_faces,
}
