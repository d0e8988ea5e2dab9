"""Which crop shows a face best, and at which size of the diffusion model.

A crop is whole pixels, and both its axes are scaled by exactly the same fraction: sizes are
searched as ``(k p, k q)`` for a model size of ratio ``p : q``. Scaling down is as good as up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, gcd, log, log2
from typing import Any

from .faces import Box, Face, Faces
from .regions import FACE_OVAL, SHOTS, Region

# Budget of a picture in pixels, and the multiple that both sides must be: VAE factor x patch.
MODELS: dict[str, tuple[int, int]] = {
    "SD1.5": (512 * 512, 64),
    "SDXL": (1024 * 1024, 64),
    "Flux": (1024 * 1024, 16),
}
CUSTOM = "custom"
BUDGET_SLACK = 0.06  # a size may miss the pixel budget by this share, as the models' own buckets do
ASPECTS = (0.25, 4.0)  # widest and narrowest size that is tried
MAX_MEGAPIXELS = 64.0
MAX_STEP = 40  # source px: coarser steps of the crop than this are not tried
VAE_FACTOR = 8  # pixels per latent cell of the models above
EYE_WIDTH = 0.46  # IOD, between the corners of one eye


@dataclass(frozen=True)
class CropPlan:
    """Where to cut and what size to make of it: the value of a LOUPE_CROP_PLAN socket."""

    source_size: tuple[int, int]
    """Width and height of the pictures that it was made for, pixels."""
    crops: tuple[Box, ...]
    """The crop of each picture, whole pixels; a single one serves any number of pictures."""
    output_size: tuple[int, int]
    """Width and height of every crop after scaling, pixels."""
    faces: tuple[Face, ...]
    """The face that each crop frames; of several in one crop, the smallest."""
    preset: str
    model: str
    picture_of: tuple[int, ...] = ()
    """The picture, counted from 0, that each crop is cut from. Empty: crop i from picture i, or the
    only crop from every picture."""
    angles_deg: tuple[float, ...] = ()
    """How far each crop is turned about its centre, clockwise as seen, so that the eyes stand level.
    Empty: none is turned, and each is whole pixels of the source."""
    version: int = 2

    @property
    def scales(self) -> tuple[float, ...]:
        """Output pixels per source pixel, for each crop; the same on both axes."""
        return tuple(self.output_size[0] / crop.width for crop in self.crops)

    def assigned(self, batch: int) -> list[tuple[int, int]]:
        """Every crop of a batch of so many pictures, as (picture, index of its crop), in order.

        A plan for one picture serves each of a batch.
        """
        if not self.picture_of:
            return [(picture, picture % len(self.crops)) for picture in range(batch)]
        if max(self.picture_of) == 0:
            return [(picture, crop) for picture in range(batch) for crop in range(len(self.crops))]
        return [(picture, crop) for crop, picture in enumerate(self.picture_of)]

    def angle_deg(self, crop: int) -> float:
        """How far a crop is turned, degrees clockwise as seen."""
        return self.angles_deg[crop] if self.angles_deg else 0.0

    @property
    def iod_model_px(self) -> float:
        """Pixels between the eyes inside the diffusion model, the smallest of the batch."""
        return min(face.iod * scale for face, scale in zip(self.faces, self.scales, strict=True))

    @property
    def latents_per_eye(self) -> float:
        """Latent cells across one eye, the smallest of the batch; 6 and more can hold an eye."""
        return EYE_WIDTH * self.iod_model_px / VAE_FACTOR

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs: pixels, boxes as x, y, width, height."""
        return {
            "version": self.version,
            "preset": self.preset,
            "model": self.model,
            "source_size": list(self.source_size),
            "output_size": list(self.output_size),
            "crops": [[crop.x, crop.y, crop.width, crop.height] for crop in self.crops],
            "picture_of": list(self.picture_of),
            "angles_deg": [round(angle, 3) for angle in self.angles_deg],
            "eyes": [[list(eye) for eye in face.eyes] for face in self.faces],
            "iod_model_px": round(self.iod_model_px, 2),
            "latents_per_eye": round(self.latents_per_eye, 2),
        }


def plan_crops(
    faces: Faces, preset: str, model: str, *, megapixels: float = 1.0, multiple_of: int = 16
) -> CropPlan:
    """The crop of every picture that shows its largest face as the preset asks.

    Parameters
    ----------
    faces : Faces
    preset : str
        A name of ``SHOTS``.
    model : str
        A name of ``MODELS``, or ``"custom"`` for ``megapixels`` and ``multiple_of``.
    megapixels : float, above 0 and at most ``MAX_MEGAPIXELS``, millions of pixels (1024 x 1024 is 1.05)
    multiple_of : int >= 1, pixels

    Returns
    -------
    CropPlan
        The output size that suits the first picture holds for all.

    Raises
    ------
    ValueError
        A picture has no face, a name is unknown, or the picture is smaller than the smallest step.
    """
    if preset not in SHOTS:
        raise ValueError(f"preset must be one of {', '.join(SHOTS)}; got {preset!r}")
    empty = [index + 1 for index, frame in enumerate(faces.frames) if not frame]
    if empty:
        raise ValueError(
            f"no face to frame in picture {', '.join(map(str, empty))} of {len(faces.frames)}. "
            "Link a mask or a bounding_box to Find Faces, or type the eyes there."
        )
    region, sizes = SHOTS[preset], model_sizes(model, megapixels, multiple_of)
    chosen = tuple(frame[0] for frame in faces.frames)
    crops: list[Box] = []
    for face in chosen:
        crop, size = solve(region, face, faces.image_size, sizes)
        crops.append(crop)
        sizes = [size]
    return CropPlan(faces.image_size, tuple(crops), sizes[0], chosen, preset, model)


def model_sizes(model: str, megapixels: float, multiple_of: int) -> list[tuple[int, int]]:
    """The sizes, in pixels, that a model is fed: near its budget, on its grid, portrait to panorama."""
    if model == CUSTOM:
        if not (0 < megapixels <= MAX_MEGAPIXELS and multiple_of >= 1):
            raise ValueError(
                f"a custom model needs megapixels above 0 and at most {MAX_MEGAPIXELS:g}, and multiple_of "
                f"from 1; got {megapixels:g} and {multiple_of}"
            )
        budget, grid = round(megapixels * 1e6), multiple_of
    elif model in MODELS:
        budget, grid = MODELS[model]
    else:
        raise ValueError(f"model must be one of {', '.join([*MODELS, CUSTOM])}; got {model!r}")
    sizes = []
    for width in range(grid, floor((budget * ASPECTS[1]) ** 0.5) + grid, grid):
        height = round(budget / width / grid) * grid
        if (
            height
            and ASPECTS[0] <= width / height <= ASPECTS[1]
            and abs(width * height / budget - 1) <= BUDGET_SLACK
        ):
            sizes.append((width, height))
    if not sizes:
        raise ValueError(
            f"no size of about {budget / 1e6:g} megapixels has both sides a multiple of {grid} px: "
            "lower multiple_of or raise megapixels"
        )
    return sizes


def solve(
    region: Region, face: Face, image_size: tuple[int, int], sizes: list[tuple[int, int]]
) -> tuple[Box, tuple[int, int]]:
    """The crop, and the model size, that come closest to a region of a face.

    Inside the picture always; around the part of the face that the region shows wherever the
    picture is large enough to hold it; as near to the region's size and place as these allow.
    """
    frame = Box(0, 0, *image_size)
    want = region.on(face)
    need = _outward(region.intersection(FACE_OVAL).around(face), frame)
    best: tuple[float, Box, tuple[int, int]] | None = None
    for size in sizes:
        p, q = size[0] // gcd(*size), size[1] // gcd(*size)
        most = min(int(frame.width) // p, int(frame.height) // q)
        if max(p, q) > MAX_STEP or most < 1:
            continue
        step = max(
            ceil(max(need.width / p, need.height / q)),
            round(max(want.width / p, want.height / q)),
            1,
        )
        crop = _place(p * min(step, most), q * min(step, most), want, need, frame)
        cost = _cost(crop, want, need, size)
        if best is None or cost < best[0] - 1e-12:
            best = (cost, crop, size)
    if best is None:
        raise ValueError(
            f"the picture of {image_size[0]}x{image_size[1]} px is too small to crop in whole pixels for this model: "
            "enlarge it first, or choose custom with multiple_of 64"
        )
    return best[1], best[2]


def _place(width: int, height: int, want: Box, need: Box, frame: Box) -> Box:
    """A crop of this size centred on what is wanted, slid around what is needed, then into the frame."""

    def slide(size: int, wish: float, need_from: float, need_to: float, frame_size: float) -> int:
        start = wish - size / 2
        if need_to - need_from <= size:
            start = min(max(start, need_to - size), need_from)
        return min(max(_round_half(start), 0), int(frame_size) - size)

    (cx, cy) = want.centre
    x = slide(width, cx, need.x, need.right, frame.width)
    y = slide(height, cy, need.y, need.bottom, frame.height)
    return Box(x, y, width, height)


def _round_half(value: float) -> int:
    return floor(value + 0.5)


def _outward(box: Box, frame: Box) -> Box:
    """The smallest box of whole pixels that holds what of a box lies in the frame."""
    x, y = min(max(floor(box.x), 0), int(frame.width)), min(max(floor(box.y), 0), int(frame.height))
    right = min(max(ceil(box.right), x), int(frame.width))
    bottom = min(max(ceil(box.bottom), y), int(frame.height))
    return Box(x, y, right - x, bottom - y)


def _cost(crop: Box, want: Box, need: Box, size: tuple[int, int]) -> float:
    """How far a crop is from the wish: its shape and place, the missed face, and the scaling."""
    seen = _overlap(crop, need)
    missed = 1 - seen / (need.width * need.height) if need.width * need.height > 0 else 0.0
    shift = (
        abs(crop.centre[0] - want.centre[0]) / want.width
        + abs(crop.centre[1] - want.centre[1]) / want.height
    )
    enlarged = log2(size[0] / crop.width)
    return (
        4 * abs(log(crop.width / want.width))
        + 4 * abs(log(crop.height / want.height))
        + 6 * missed
        + 2 * shift
        + 0.5 * max(0.0, enlarged - 2)  # beyond 4x the detail is invented
        + 0.3 * max(0.0, -enlarged)
    )


def _overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.x, b.x)
    height = min(a.bottom, b.bottom) - max(a.y, b.y)
    return max(width, 0.0) * max(height, 0.0)


def report(plan: CropPlan) -> str:
    """What the crop does to the face, and what to mend, in a few lines."""
    lines = []
    for crop, scale in zip(plan.crops, plan.scales, strict=True):
        lines.append(
            f"{plan.preset}: {crop.width:g}x{crop.height:g} px at ({crop.x:g}, {crop.y:g}) "
            f"-> {plan.output_size[0]}x{plan.output_size[1]}, {scale:.2f}x"
        )
    lines.append(
        f"face in the model: {plan.iod_model_px:.0f} px between the eyes, "
        f"{plan.latents_per_eye:.1f} latent cells per eye"
    )
    if plan.latents_per_eye < 6:
        lines.append(
            "fewer than 6 latent cells per eye: identity will be diluted; choose a closer preset"
        )
    if max(plan.scales) > 4:
        lines.append(
            f"enlarged {max(plan.scales):.1f}x: the detail is invented; use a larger picture"
        )
    if min(plan.scales) < 0.5:
        lines.append(
            f"reduced to {min(plan.scales):.2f}x: detail of the source is wasted; choose a larger budget"
        )
    return "\n".join(lines)


def check_faces(faces: object, shape: tuple[int, ...]) -> None:
    """Refuse faces that were not found in these pictures, (B, H, W, C)."""
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must come from Find Faces (LOUPE_FACES), got {type(faces).__name__}"
        )
    batch, height, width, _ = shape
    if faces.image_size != (width, height) or len(faces.frames) not in (1, batch):
        raise ValueError(
            f"these faces were found in {len(faces.frames)} picture(s) of {faces.image_size[0]}x{faces.image_size[1]} px, "
            f"the image holds {batch} of {width}x{height}. Link both to the same image."
        )


def check_plan(plan: object, shape: tuple[int, ...]) -> None:
    """Refuse a plan that was not made for pictures like these, (B, H, W, C)."""
    if not isinstance(plan, CropPlan):
        raise ValueError(
            f"plan must come from Plan Crop (LOUPE_CROP_PLAN), got {type(plan).__name__}"
        )
    batch, height, width, _ = shape
    if plan.source_size != (width, height):
        raise ValueError(
            f"this plan was made for pictures of {plan.source_size[0]}x{plan.source_size[1]} px, "
            f"the image has {width}x{height}. Plan again, or scale the image."
        )
    if len(plan.crops) not in (1, batch):
        raise ValueError(
            f"this plan holds a crop for each of {len(plan.crops)} pictures, the batch has {batch}. "
            "Plan for one picture to crop any number alike."
        )
