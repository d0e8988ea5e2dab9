"""Plans of crops: which part of each picture, at which size of the diffusion model.

:mod:`.solver` finds a crop for a wish; here faces, shots and subjects become wishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, gcd, isfinite, radians, sin
from typing import Any

from .faces import Box, Face, Faces, Point
from .models import CUSTOM, Model, model_of, sizes_of
from .models import MODELS as MODELS
from .regions import FACE_OVAL, SHOTS, Region
from .solver import INSIDE, PADS, Wish, best_size, pads, solve, turned
from .track import follow, steady_steps

SUBJECT = "mask or box"  # the preset that frames what is linked instead of a face
LARGEST, JOINT, SPLIT, AUTO = "largest", "joint", "split", "auto"
SEVERAL = (LARGEST, JOINT, SPLIT, AUTO)
PRESETS = (*SHOTS, CUSTOM, SUBJECT)
EYE_WIDTH = 0.46  # IOD, between the corners of one eye
EYE_LATENTS = 6.0  # cells across an eye, below which it is not drawn but guessed
LEVEL_ENOUGH_DEG = 0.1  # less is not worth a second interpolation


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
    """The face that each crop frames; of several in one crop, the smallest. Empty where the plan
    frames what a mask or a box shows."""
    preset: str
    model: str
    picture_of: tuple[int, ...] = ()
    """The picture, counted from 0, that each crop is cut from. Empty: crop i from picture i, or the
    only crop from every picture."""
    angles_deg: tuple[float, ...] = ()
    """How far each crop is turned about its centre, clockwise as seen, so that the eyes stand level.
    Empty: none is turned, and each is whole pixels of the source."""
    others: tuple[tuple[Face, ...], ...] = ()
    """The further faces in each crop. Empty: none."""
    subjects: tuple[Box, ...] = ()
    """What each crop frames where it is no face, pixels of the source."""
    vae_factor: int = 8
    """Pixels per latent cell of the model."""
    backend: str = ""
    """What found the faces."""
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

    def faces_in(self, crop: int) -> tuple[Face, ...]:
        """The faces that a crop frames, the smallest first; none where it frames something else."""
        if not self.faces:
            return ()
        return (self.faces[crop], *(self.others[crop] if self.others else ()))

    def pads(self, crop: int) -> tuple[float, float, float, float]:
        """How far a crop sticks out of the picture: left, top, right, bottom, source pixels."""
        return pads(self.crops[crop], Box(0, 0, *self.source_size))

    def to_output(self, crop: int, point: Point) -> Point:
        """A point of the source, pixels, in the scaled crop."""
        box = self.crops[crop]
        x, y = turned(point, box.centre, -self.angle_deg(crop))
        scale = self.scales[crop]
        return ((x - box.x) * scale, (y - box.y) * scale)

    def to_source(self, crop: int, point: Point) -> Point:
        """A point of the scaled crop, pixels, in the source."""
        box, scale = self.crops[crop], self.scales[crop]
        upright = (box.x + point[0] / scale, box.y + point[1] / scale)
        return turned(upright, box.centre, self.angle_deg(crop))

    def affine(self, crop: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """The 2 x 3 matrix from source pixels to those of the scaled crop."""
        angle, scale = radians(self.angle_deg(crop)), self.scales[crop]
        a, b = scale * cos(angle), scale * sin(angle)
        tx, ty = self.to_output(crop, (0.0, 0.0))
        return ((a, b, tx), (-b, a, ty))

    @property
    def iod_model_px(self) -> float:
        """Pixels between the eyes inside the diffusion model, the smallest of all; 0 without a face."""
        pairs = zip(self.faces, self.scales, strict=False)
        return min((face.iod * scale for face, scale in pairs), default=0.0)

    @property
    def latents_per_eye(self) -> float:
        """Latent cells across one eye, the smallest of all; 6 and more can hold an eye."""
        return EYE_WIDTH * self.iod_model_px / self.vae_factor

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
            "pads": [list(self.pads(index)) for index in range(len(self.crops))],
            "affine": [[list(row) for row in self.affine(i)] for i in range(len(self.crops))],
            "eyes": [[list(eye) for eye in face.eyes] for face in self.faces],
            "backend": self.backend,
            "iod_model_px": round(self.iod_model_px, 2),
            "latents_per_eye": round(self.latents_per_eye, 2),
        }


def plan_crops(
    faces: Faces,
    preset: str,
    model: str,
    *,
    megapixels: float = 1.0,
    multiple_of: int = 16,
    pad: str = INSIDE,
    level_eyes: bool = False,
    several: str = LARGEST,
    min_iod_px: float = 96.0,
    region: Region | None = None,
) -> CropPlan:
    """The crop of every picture that shows its faces as the preset asks.

    Parameters
    ----------
    faces : Faces
    preset : str
        A name of ``SHOTS``, or ``"custom"`` for ``region``.
    model : str
        A name of ``MODELS``, or ``"custom"`` for ``megapixels`` and ``multiple_of``.
    megapixels : float, above 0 and at most 64, millions of pixels (1024 x 1024 is 1.05)
    multiple_of : int >= 1, pixels
    pad : "inside" or "outpaint"
        Whether a crop that does not fit is made smaller, or sticks out of the picture.
    level_eyes : bool
        Turn each crop so that the eyes stand level in it.
    several : one of ``SEVERAL``
        The largest face; all in one crop; a crop for each; or as few crops as leave every face at
        least ``min_iod_px`` between its eyes inside the model.
    min_iod_px : float >= 0, pixels
    region : Region, inter-ocular distances
        Of the preset ``"custom"``.

    Returns
    -------
    CropPlan
        All crops have one output size: that which suits them best together.

    Raises
    ------
    ValueError
        A picture has no face, a name is unknown, or the picture is smaller than the smallest step.
    """
    shot = _region_of(preset, region)
    _check_choice("pad", pad, PADS)
    _check_choice("several", several, SEVERAL)
    if not (isfinite(min_iod_px) and min_iod_px >= 0):
        raise ValueError(f"min_iod_px must be 0 px or more, got {min_iod_px:g}")
    empty = [index + 1 for index, frame in enumerate(faces.frames) if not frame]
    if empty:
        raise ValueError(
            f"no face to frame in picture {', '.join(map(str, empty))} of {len(faces.frames)}. "
            "Link a mask or a bounding_box to Find Faces, or type the eyes there."
        )
    fed = model_of(model, megapixels, multiple_of)
    sizes = sizes_of(fed)
    groups: list[tuple[Face, ...]] = []
    picture_of: list[int] = []
    for index, frame in enumerate(faces.frames):
        found = _groups(frame, several, min_iod_px, shot, faces.image_size, sizes, pad)
        groups += found
        picture_of += [index] * len(found)
    wishes = [_wish(shot, group, level_eyes) for group in groups]
    size = best_size(wishes, faces.image_size, sizes, pad)
    return _assemble(
        wishes, size, fed, preset, model, faces, groups,
        picture_of=tuple(picture_of) if picture_of != list(range(len(faces.frames))) else (),
        pad=pad,
    )  # fmt: skip


def plan_video(
    faces: Faces,
    preset: str,
    model: str,
    *,
    fps: float = 24.0,
    megapixels: float = 1.0,
    multiple_of: int = 16,
    pad: str = INSIDE,
    level_eyes: bool = False,
    region: Region | None = None,
) -> CropPlan:
    """The crops of one shot's pictures, in order: they follow its face smoothly.

    Parameters
    ----------
    faces : Faces
        Of every picture; single ones may lack a face.
    fps : float, pictures per second
    preset, model, megapixels, multiple_of, pad, level_eyes, region
        As in :func:`plan_crops`.

    Returns
    -------
    CropPlan
        Place and turn are smoothed, and the size changes only where the face's own does by more
        than a step: no flicker.

    Raises
    ------
    ValueError
        As :func:`plan_crops`; or too many pictures in a row have no face.
    """
    shot = _region_of(preset, region)
    _check_choice("pad", pad, PADS)
    fed = model_of(model, megapixels, multiple_of)
    if not (isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be above 0 pictures per second, got {fps:g}")
    steady = follow(faces, fps)
    groups = [(frame[0],) for frame in steady.frames]
    wishes = [_wish(shot, group, level_eyes) for group in groups]
    size = best_size(wishes, faces.image_size, sizes_of(fed), pad)
    p, q = (side // gcd(*size) for side in size)
    steps = steady_steps([max(w.want.width / p, w.want.height / q) for w in wishes])
    return _assemble(
        wishes, size, fed, preset, model, steady, groups, picture_of=(), pad=pad, steps=steps
    )


def plan_subjects(
    subjects: Sequence[Box],
    image_size: tuple[int, int],
    model: str,
    *,
    megapixels: float = 1.0,
    multiple_of: int = 16,
    pad: str = INSIDE,
    margin: float = 0.25,
) -> CropPlan:
    """The crop of every picture that shows what is not a face: a hand, say, from its mask or box.

    Parameters
    ----------
    subjects : sequence of Box, pixels, one for each picture
    image_size : (width, height), pixels
    model, megapixels, multiple_of, pad
        As in :func:`plan_crops`.
    margin : float >= 0
        Room on each side, as a share of the subject's larger side.

    Raises
    ------
    ValueError
        A name is unknown, or the picture is smaller than the smallest step.
    """
    _check_choice("pad", pad, PADS)
    fed = model_of(model, megapixels, multiple_of)
    wishes = []
    for box in subjects:
        room = margin * max(box.width, box.height)
        want = Box(box.x - room, box.y - room, box.width + 2 * room, box.height + 2 * room)
        wishes.append(Wish(want, box))
    size = best_size(wishes, image_size, sizes_of(fed), pad)
    nobody = Faces(image_size, (), "")
    plan = _assemble(wishes, size, fed, SUBJECT, model, nobody, [], picture_of=(), pad=pad)
    return replace(plan, subjects=tuple(subjects))


def _region_of(preset: str, region: Region | None) -> Region:
    if preset == CUSTOM:
        if region is None or not (region.width > 0 and region.height > 0):
            raise ValueError(
                "the preset custom needs a region whose right is beyond its left and whose bottom is below its "
                "top, in inter-ocular distances"
            )
        return region
    if preset not in SHOTS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {preset!r}")
    return SHOTS[preset]


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def _assemble(
    wishes: Sequence[Wish],
    size: tuple[int, int],
    fed: Model,
    preset: str,
    model: str,
    faces: Faces,
    groups: Sequence[tuple[Face, ...]],
    *,
    picture_of: tuple[int, ...],
    pad: str,
    steps: Sequence[int] = (),
) -> CropPlan:
    solved = [
        solve(wish, faces.image_size, size, pad, steps[index] if steps else None)
        for index, wish in enumerate(wishes)
    ]
    angles = tuple(wish.angle_deg for wish in wishes)
    small_first = [sorted(group, key=lambda face: face.iod) for group in groups]
    return CropPlan(
        source_size=faces.image_size,
        crops=tuple(one.crop for one in solved if one),
        output_size=size,
        faces=tuple(group[0] for group in small_first),
        preset=preset,
        model=model,
        picture_of=picture_of,
        angles_deg=angles if any(angles) else (),
        others=tuple(tuple(group[1:]) for group in small_first)
        if any(len(group) > 1 for group in groups)
        else (),
        vae_factor=fed.vae_factor,
        backend=faces.backend,
    )


def _wish(shot: Region, group: Sequence[Face], level_eyes: bool) -> Wish:
    """What a crop of these faces shall show."""
    angle, pivot = 0.0, group[0].centre
    if level_eyes:
        angle = sum(face.roll_deg for face in group) / len(group)
        angle = angle if abs(angle) >= LEVEL_ENOUGH_DEG else 0.0
    if angle:
        group = [_turned_face(face, pivot, -angle) for face in group]
    oval = shot.intersection(FACE_OVAL)
    return Wish(
        _union([shot.on(face) for face in group]),
        _union([oval.around(face) for face in group]),
        angle,
        pivot,
    )


def _turned_face(face: Face, pivot: Point, angle_deg: float) -> Face:
    first, second = (turned(eye, pivot, angle_deg) for eye in face.eyes)
    return Face((first, second), face.score)


def _union(boxes: Sequence[Box]) -> Box:
    x, y = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return Box(x, y, right - x, bottom - y)


def _groups(
    frame: Sequence[Face],
    several: str,
    min_iod_px: float,
    shot: Region,
    image_size: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    pad: str,
) -> list[tuple[Face, ...]]:
    """Which faces of a picture share a crop."""
    if several == LARGEST:
        return [(frame[0],)]
    if several == JOINT:
        return [tuple(frame)]
    groups: list[tuple[Face, ...]] = [(face,) for face in frame]
    if several == SPLIT:
        return groups

    def smallest(group: tuple[Face, ...]) -> float:
        """Pixels between the eyes of a group's smallest face inside the model."""
        wish = _wish(shot, group, False)
        size = best_size([wish], image_size, sizes, pad)
        solved = solve(wish, image_size, size, pad)
        scale = size[0] / solved.crop.width if solved else 0.0
        return scale * min(face.iod for face in group)

    while len(groups) > 1:  # join the two that lose least, as long as nobody gets too small
        pairs = [(smallest(a + b), i, j) for i, a in enumerate(groups) for j, b in enumerate(groups) if i < j]  # fmt: skip
        iod, i, j = max(pairs, key=lambda pair: (pair[0], -pair[1], -pair[2]))
        if iod < min_iod_px:
            break
        groups[i] = groups[i] + groups.pop(j)
    return groups


def report(plan: CropPlan) -> str:
    """What the crop does to the face, and what to mend, in a few lines."""
    lines = []
    for index, (crop, scale) in enumerate(zip(plan.crops, plan.scales, strict=True)):
        turn = f", turned {plan.angle_deg(index):+.1f} deg" if plan.angle_deg(index) else ""
        where = f"picture {plan.picture_of[index] + 1}, " if plan.picture_of else ""
        lines.append(
            f"{where}{plan.preset}: {crop.width:g}x{crop.height:g} px at ({crop.x:.5g}, {crop.y:.5g}){turn} "
            f"-> {plan.output_size[0]}x{plan.output_size[1]}, {scale:.2f}x"
        )
        if any(plan.pads(index)) and not turn:
            sides = zip(("left", "top", "right", "bottom"), plan.pads(index), strict=True)
            out = ", ".join(f"{side} {by:g}" for side, by in sides if by)
            lines.append(f"it sticks out of the picture by {out} px, which the mask asks to paint")
    if plan.faces:
        lines.append(
            f"face in the model: {plan.iod_model_px:.0f} px between the eyes, "
            f"{plan.latents_per_eye:.1f} latent cells per eye"
        )
        lines += _cut_off(plan)
        if plan.latents_per_eye < EYE_LATENTS:
            lines.append(
                f"fewer than {EYE_LATENTS:g} latent cells per eye: identity will be diluted; choose a closer preset"
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


def _cut_off(plan: CropPlan) -> list[str]:
    """What the crops had to leave of the faces that they should show."""
    shot = SHOTS.get(plan.preset)
    if shot is None:
        return []
    lines = []
    for index, crop in enumerate(plan.crops):
        for face in plan.faces_in(index):
            if plan.angle_deg(index):
                face = _turned_face(face, crop.centre, -plan.angle_deg(index))
            need = shot.intersection(FACE_OVAL).around(face)
            width = min(need.right, crop.right) - max(need.x, crop.x)
            height = min(need.bottom, crop.bottom) - max(need.y, crop.y)
            seen = max(width, 0.0) * max(height, 0.0) / (need.width * need.height)
            if seen < 0.98:
                lines.append(
                    f"{1 - seen:.0%} of the face that {plan.preset} shows is cut off by the picture's border"
                )
    return lines


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
    pictures = 1 + max(plan.picture_of) if plan.picture_of else len(plan.crops)
    if pictures not in (1, batch):
        raise ValueError(
            f"this plan holds a crop for each of {pictures} pictures, the batch has {batch}. "
            "Plan for one picture to crop any number alike."
        )
