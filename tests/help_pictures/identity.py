"""Pictures of the identity nodes. There is no face encoder here: likeness is simulated, and the pages say so."""

import json

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.framing.node_crop import Crop
from portrait_loupe.nodes.framing.node_plan_crop import PlanCrop
from portrait_loupe.nodes.identity import draw_drift
from portrait_loupe.nodes.identity.apply import draw_energy, draw_prominence
from portrait_loupe.nodes.identity.calibration import draw
from portrait_loupe.nodes.identity.calibration.fit import fit_curve
from portrait_loupe.nodes.identity.calibration.suggestion import Levels, suggest
from portrait_loupe.nodes.identity.calibration.value import Calibration, Point
from portrait_loupe.nodes.identity.control.points import draw_points, points_of
from portrait_loupe.nodes.identity.drift import Compared, Control, Drift, Likeness
from portrait_loupe.nodes.identity.injection.curve import layer_curve
from portrait_loupe.nodes.identity.injection.energy import Reading
from portrait_loupe.nodes.identity.injection.schedule import Schedule
from portrait_loupe.nodes.identity.node_audit import IdentityAudit
from portrait_loupe.nodes.identity.node_profile import IdentityProfile
from portrait_loupe.nodes.identity.references.bias import bias_row, odds
from portrait_loupe.nodes.identity.references.spans import Spans
from portrait_loupe.nodes.typography import draw_line

from .page import (
    COLD,
    GROUND,
    INK,
    MARK,
    QUIET,
    WIDTH,
    column,
    faces_in,
    image_of,
    larger,
    line_of,
    photo,
    row,
    tensor_of,
    to_width,
)

LAYERS, STEPS = 11, 20
# Seen in the photo, px: the detector without a model tells the pupils alone.
NOSE, MOUTH = (267.0, 236.0), ((229.0, 281.0), (308.0, 279.0))
SIMULATED_SEED = 7


def _smaller(share: int) -> Image.Image:
    whole = image_of(photo())
    return whole.resize((whole.width // share, whole.height // share), Image.Resampling.BOX)


def profile_of():
    """The photo, half of it, and a dark copy, as a profile without embeddings."""
    dark = photo() * 0.35
    photos = {"photo0": [photo()], "photo1": [tensor_of(_smaller(2))], "photo2": [dark]}
    return IdentityProfile.execute([photos], encoder=["none"], name=["Grace Hopper"]).args


def profile() -> Image.Image:
    return to_width(image_of(profile_of()[1]), WIDTH)


def drift() -> Image.Image:
    """The photo, and the same pressed flat; the cosines are made up."""
    picture = photo()
    flat = image_of(picture).resize((512, 420), Image.Resampling.BICUBIC)
    pressed = Image.new("RGB", (512, 600), GROUND)
    pressed.paste(flat, (0, 90))
    pictures = torch.cat([picture, tensor_of(pressed)])
    (first,) = faces_in(picture).frames[0]
    moved = Face(tuple((x, 90 + y * 420 / 600) for x, y in first.eyes))
    own = Control((0.58, 0.63, 0.66, 0.71, 0.74))
    rows = tuple(
        Compared(at, face, face.box.height, (Likeness("simulated", "0" * 64, cosine, cosine, own),))
        for at, (face, cosine) in enumerate(((first, 0.68), (moved, 0.31)))
    )
    with larger(draw_drift, WIDTH=720, MARGIN=16, TEXT=24, SMALL=18, CROP=120, LEAST_ROW=160):
        drawn = draw_drift.draw_drift(
            Drift("the profile", rows, rows, ()), profile_of()[0], pictures
        )
    return image_of(drawn)


def audit() -> Image.Image:
    """Causes and their risk, and the crop that is proposed for a second pass."""
    picture = tensor_of(_smaller(2))
    faces = faces_in(picture)
    _, _, _, plan, told = IdentityAudit.execute(
        "oil painting of a woman, blurry face",
        "",
        512,
        600,
        "SDXL",
        0.0,
        0.45,
        0.0,
        1.0,
        picture,
        faces,
    ).args
    told = json.loads(told)
    crop = plan.crops[0]
    shown = image_of(picture)
    pen = ImageDraw.Draw(shown)
    pen.rectangle((crop.x, crop.y, crop.right - 1, crop.bottom - 1), outline=MARK, width=2)
    left = to_width(shown, 300)
    page = Image.new("RGB", (WIDTH, left.height + 44), GROUND)
    page.paste(left, (0, 0))
    _bars(page, told, 316)
    draw_line(ImageDraw.Draw(page), (2, left.height + 30), "crop of a second pass", 24, MARK)
    return page


def _bars(page: Image.Image, told: dict, x: int) -> None:
    pen, y = ImageDraw.Draw(page), 32
    draw_line(pen, (x, y), f"risk {told['risk']:.0f} of 100", 30, INK, bold=True)
    for factor in told["factors"][:6]:
        y += 52
        words = str(factor.get("name", factor)).replace("_", " ")
        draw_line(pen, (x, y - 6), words[:34], 22, INK)
        pen.rectangle((x, y + 2, WIDTH - 4, y + 11), fill=(46, 46, 50))
        pen.rectangle((x, y + 2, x + (WIDTH - 4 - x) * factor["r"], y + 11), fill=MARK)


def apply() -> Image.Image:
    """Prominence over the face's share, and the weight of a schedule and a layer curve."""
    schedule = Schedule(0.2, 0.9, 0.15, 0.3)
    picture = photo()
    share = faces_in(picture).frames[0][0].box
    share = 0.785 * share.width * share.height / (600 * 512)
    with larger(draw_prominence, TEXT=20, SMALL=19, BOTTOM=70):
        curve = to_width(image_of(draw_prominence.draw_prominence("compensate", share)), WIDTH)
    cells = [
        [
            schedule.at((step + 0.5) / STEPS) * layer_curve("weak middle", layer, LAYERS)
            for step in range(STEPS)
        ]
        for layer in range(LAYERS)
    ]
    box, left = (30, 14), 110
    page = Image.new("RGB", (WIDTH, LAYERS * box[1] + 48), GROUND)
    pen = ImageDraw.Draw(page)
    for layer, values in enumerate(cells):
        for step, value in enumerate(values):
            x, y = left + step * box[0], layer * box[1]
            colour = tuple(
                round(a + (b - a) * value) for a, b in zip((46, 46, 50), MARK, strict=True)
            )
            pen.rectangle((x, y, x + box[0] - 3, y + box[1] - 3), fill=colour)
    draw_line(pen, (4, 20), "layers", 24, QUIET)
    draw_line(pen, (left, LAYERS * box[1] + 28), "first step", 24, QUIET)
    draw_line(
        pen, (left + STEPS * box[0] - 4, LAYERS * box[1] + 28), "last", 24, QUIET, anchor="rs"
    )
    words = "start 0.2, end 0.9, faded; curve weak middle"
    return column([curve, line_of(words, size=24), page])


def control() -> Image.Image:
    picture = photo()
    seen = faces_in(picture)
    (face,) = seen.frames[0]
    known = Face(face.eyes, points=(*face.eyes, NOSE, *MOUTH))
    faces = Faces(seen.image_size, ((known,),), seen.backend)
    plan = PlanCrop.execute(picture, faces, "BCU big close-up").args[0]
    cut = image_of(Crop.execute(picture, plan).args[0])
    hint = image_of(draw_points(*points_of(faces, plan, None)))
    return row(
        [(cut, "the crop"), (hint, "hint"), (ImageChops.lighter(cut, hint), "where it falls")]
    )


def reference_weight() -> Image.Image:
    """Shares of attention where every token is as likely as any other."""
    words, made, reference = 512, 4096, 4096
    keys = words + made + reference
    spans = Spans(first=words + made, counts=(reference,), keys=keys, main=(words, words + made))
    page = Image.new("RGB", (WIDTH, 5 * 56 + 44), GROUND)
    pen = ImageDraw.Draw(page)
    left, right = 146, WIDTH - 8
    for number, weight in enumerate((0.0, 0.5, 1.0, 2.0, 4.0)):
        bias = bias_row([odds(weight, None, reference, None, False)], spans).flatten()
        share = torch.softmax(bias, 0)
        ends = np.cumsum(
            [0, share[:words].sum(), share[words : words + made].sum(), share[words + made :].sum()]
        )
        y = number * 56 + 4
        draw_line(pen, (4, y + 32), f"weight {weight:g}", 24, INK)
        for colour, a, b in zip((QUIET, COLD, MARK), ends[:-1], ends[1:], strict=True):
            pen.rectangle(
                (left + (right - left) * a, y, left + (right - left) * b, y + 44), fill=colour
            )
        told = f"{100 * (ends[3] - ends[2]):.0f} %"
        draw_line(
            pen, (right - 8, y + 32), told, 24, GROUND if weight else INK, bold=True, anchor="rs"
        )
    for x, colour, name in (
        (left, QUIET, "text"),
        (left + 110, COLD, "new picture"),
        (left + 310, MARK, "reference"),
    ):
        draw_line(pen, (x, 5 * 56 + 30), name, 24, colour)
    return page


def calibration() -> Image.Image:
    rng = np.random.default_rng(SIMULATED_SEED)
    seeds = rng.normal(0, 0.03, 4)
    points = tuple(
        Point(
            weight,
            float(0.08 + 0.52 * (1 - np.exp(-weight / 0.35)) + off + rng.normal(0, 0.015)),
            seed,
        )
        for weight in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
        for seed, off in enumerate(seeds)
    )
    fitted, objection = fit_curve(points)
    assert fitted is not None, objection
    levels = Levels(0.45, 0.62)
    found = suggest(
        Calibration("simulated", "", "simulated", "", "simulated", "", points, fitted), 1.0, levels
    )
    with larger(draw, TEXT=21, SMALL=21, RIGHT=240, TOP=112, BOTTOM=84, APART=26):
        drawn = draw.draw_curve("Simulated likeness", points, fitted, found, levels)
    return to_width(image_of(drawn), 800)


def energy() -> Image.Image:
    rng = np.random.default_rng(SIMULATED_SEED)
    names = [("input", 4, 0), ("input", 5, 0), ("input", 7, 0), ("input", 8, 0), ("middle", 0, 0)]
    names += [("output", at, 0) for at in range(6)]
    strong = (0.10, 0.12, 0.18, 0.22, 0.30, 0.36, 0.30, 0.24, 0.16, 0.10, 0.07)
    readings = [
        Reading(
            name,
            float(20 - step),
            float(most * (0.5 + 0.5 * np.cos(step / 7)) * rng.uniform(0.9, 1.1)),
        )
        for name, most in zip(names, strong, strict=True)
        for step in range(STEPS)
    ]
    with larger(draw_energy, TEXT=21, SMALL=22, RIGHT=140, ROW=(4, 26)):
        drawn = draw_energy.draw_energy([draw_energy.table("Simulated", readings)])
    return to_width(image_of(drawn), 800)


PICTURES = {
    "LoupeIdentityProfile.jpg": profile,
    "LoupeIdentityDrift.jpg": drift,
    "LoupeIdentityAudit.jpg": audit,
    "LoupeApplyIdentity.png": apply,
    "LoupeIdentityControlNet.jpg": control,
    "LoupeReferenceWeight.png": reference_weight,
    "LoupeCalibrationCurve.png": calibration,
    "LoupeInjectedEnergy.png": energy,
}
