"""Two masks of a crop: where the model repaints, and how much of that comes back to the picture.

They are separate because they want different things. A sampler wants room around the face; the
stitch wants to be back at the untouched picture before the sampler's own border.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .crop import Place, apply
from .faces import OVAL, OVAL_V, Face
from .plan import CropPlan

Tick = Callable[[], None]

GROW = 0.25  # IOD around the face's oval: ears' roots, hairline and jaw belong to a face
FEATHER = 0.25  # IOD: a smooth drift of 3/255 then changes by 0.08/255 per px at 48 px, unseen
REACH = (0.0, 2.0)  # IOD, what both may be
# Of a crop: less is a person in full, or no face; more leaves no border.
OVAL_SHARES = (0.005, 0.95)
WIDTH_SHARE = 1 / 3  # of a mask's width that its feather may take at most: the middle stays whole
BORDER_SHARE = 1 / 16  # of a crop's shorter side that a mask of a region leaves free
SUBJECT_UNITS = OVAL[1]  # a face is as many IOD high: what is no face gets margins of the same look


def sampling_masks(
    plan: CropPlan,
    batch: int,
    *,
    mask: Tensor | None = None,
    grow: float = GROW,
    tick: Tick = lambda: None,
) -> Tensor:
    """Where the model shall repaint each crop.

    Parameters
    ----------
    plan : CropPlan
    batch : int
        Pictures that are cropped.
    mask : Tensor, (H, W), (1, H, W) or (batch, H, W), 0..1, optional
        The user's own, of the source's size; cut as the picture is.
    grow : float in [0, 2], inter-ocular distances
        How far the mask that is drawn without ``mask`` reaches beyond the face's oval.
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Tensor, (N, height, width), 0..1, float32
        In the order of ``plan.assigned(batch)``; 1 where the crop sticks out of the picture.
        Without ``mask``: the oval of every face in the crop, or the region of an extreme close-up,
        or the box of a subject.

    Raises
    ------
    ValueError
        The mask is none of this picture's size, covers nothing of a crop, or holds NaN; ``grow``
        is out of range.
    """
    check_reach("grow", grow)
    assigned = plan.assigned(batch)
    if mask is None:
        shapes = {
            index: drawn(plan, index, grow, tick) for index in {index for _, index in assigned}
        }
        return torch.stack([shapes[index] for _, index in assigned])
    own = check_mask(mask, plan.source_size, batch)
    masks = []
    for number, (picture, index) in enumerate(assigned, 1):
        tick()
        masks.append(_cut_mask(own[picture % len(own)], plan, index, number))
    return torch.stack(masks)


def stitch_masks(
    sampling: Tensor,
    plan: CropPlan,
    batch: int,
    *,
    feather: float = FEATHER,
    tick: Tick = lambda: None,
) -> Tensor:
    """How much of each edited crop comes back: 0 on the sampling mask's border and outside, 1 within.

    Parameters
    ----------
    sampling : Tensor, (N, height, width), 0..1
        Of :func:`sampling_masks`; what is above 0.5 counts.
    plan, batch
        The same.
    feather : float in [0, 2], inter-ocular distances
        How far inside the border the mask reaches 1; at most a third of the mask's width.
    tick : callable
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Tensor, (N, height, width), 0..1, float32
        smootherstep (Perlin 2002) of the distance to the border. Also 0 at the crop's own border,
        except where that is the border of the picture.
    """
    check_reach("feather", feather)
    done: dict[int, tuple[Tensor, Tensor]] = {}  # a plan for one picture serves a whole batch
    out = []
    for one, (_, index) in zip(sampling, plan.assigned(batch), strict=True):
        if index not in done or not torch.equal(done[index][0], one):
            done[index] = (one, feathered(one, plan, index, feather, tick))
        out.append(done[index][1])
    return torch.stack(out)


def feathered(
    sampling: Tensor, plan: CropPlan, index: int, feather: float, tick: Tick = lambda: None
) -> Tensor:
    """The stitch mask of one crop's sampling mask, (height, width)."""
    from scipy.ndimage import distance_transform_edt

    def distance(mask: np.ndarray) -> np.ndarray:
        return np.asarray(distance_transform_edt(mask))

    tick()
    place = Place.of(plan, index)
    inside = place.inside(border=1).numpy()
    core = np.zeros(inside.shape, bool)
    core[1:-1, 1:-1] = (sampling > 0.5).cpu().numpy()
    if not inside.all():  # what is beyond the picture has no border of its own
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        core = core[tuple(np.asarray(nearest))]
    if core.all():
        return torch.ones_like(sampling, dtype=torch.float32)
    tick()
    # a pixel's centre is half a pixel inside its edge
    depth = (distance(core)[1:-1, 1:-1] - 0.5).clip(0)
    tick()
    reach = min(feather * unit_px(plan, index), WIDTH_SHARE * 2 * float(depth.max()))
    share = (depth / reach).clip(0, 1) if reach > 0 else (depth > 0).astype(float)
    smooth = share**3 * (6 * share**2 - 15 * share + 10)
    return torch.from_numpy(smooth.astype(np.float32)).to(sampling.device)


def unit_px(plan: CropPlan, index: int) -> float:
    """The inter-ocular distance of a crop's smallest face, or what stands for it, output pixels."""
    scale = plan.scales[index]
    faces = plan.faces_in(index)
    if faces:
        return min(face.iod for face in faces) * scale
    if plan.subjects:
        return max(plan.subjects[index].width, plan.subjects[index].height) * scale / SUBJECT_UNITS
    return max(plan.output_size) / (2 * SUBJECT_UNITS)


def check_reach(name: str, value: float) -> None:
    """Refuse a margin out of range; NaN is too."""
    low, high = REACH
    if not low <= value <= high:
        raise ValueError(
            f"{name} must be from {low:g} to {high:g} inter-ocular distances, got {value:g}"
        )


def check_mask(mask: object, size: tuple[int, int], batch: int, name: str = "mask") -> Tensor:
    """A MASK of so many pictures and this size (width, height), as (1 or batch, H, W), or a refusal."""
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3):
        what = "x".join(map(str, mask.shape)) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"{name} must be a MASK, (pictures, height, width), got {what}")
    masks = mask[None] if mask.ndim == 2 else mask
    height, width = masks.shape[-2:]
    if (width, height) != tuple(size):
        raise ValueError(
            f"{name} has {width}x{height} px where {size[0]}x{size[1]} are needed. "
            "Make it for this picture, or scale it."
        )
    if len(masks) not in (1, batch):
        raise ValueError(
            f"{name} holds {len(masks)} masks for {batch} pictures. Give one for all, or one for each."
        )
    if not torch.isfinite(masks).all():
        raise ValueError(
            f"{name} holds values that are NaN or infinite. Check the node that makes it."
        )
    return masks.float().clamp(0, 1)


def _cut_mask(mask: Tensor, plan: CropPlan, index: int, number: int) -> Tensor:
    """The user's mask (H, W), cut as its picture is."""
    place = Place.of(plan, index)
    crop = place.read(mask[..., None], mode="bilinear")[..., 0].clone()
    inside = place.inside().to(mask.device)
    if not (crop[inside] > 0.5).any():
        where = "it is empty" if not (mask > 0.5).any() else "what it covers lies outside the crop"
        raise ValueError(
            f"mask covers nothing of crop {number}: {where}. Paint what shall be edited, or unlink the mask "
            "to edit the face."
        )
    crop[~inside] = 1
    return crop


def drawn(plan: CropPlan, index: int, grow: float, tick: Tick = lambda: None) -> Tensor:
    """The sampling mask of one crop where the user gives none, (height, width), 0 or 1."""
    tick()
    place = Place.of(plan, index)
    inside = place.inside()
    shape = torch.zeros_like(inside)
    for face in plan.faces_in(index):
        tick()
        shape |= _oval(place, face, grow)
    tick()
    share = float(shape[inside].float().mean())
    # a region of the face, or one beside it, or a crop that its oval fills to the border
    if plan.preset.startswith("ECU") or not OVAL_SHARES[0] < share < OVAL_SHARES[1]:
        shape = _region(plan, place, index, grow)
    return (shape | ~inside).float()


def _oval(place: Place, face: Face, grow: float) -> Tensor:
    """The pixels of a crop within a face's oval, grown on all sides."""
    x, y = place.source_points()
    (x1, y1), (x2, y2) = face.eyes
    ux, uy = (x2 - x1) / face.iod**2, (y2 - y1) / face.iod**2  # Face.from_image, for all pixels
    dx, dy = x - face.centre[0], y - face.centre[1]
    u, v = dx * ux + dy * uy, dy * ux - dx * uy
    half_u, half_v = OVAL[0] / 2 + grow, OVAL[1] / 2 + grow
    return (u / half_u) ** 2 + ((v - OVAL_V) / half_v) ** 2 <= 1


def _region(plan: CropPlan, place: Place, index: int, grow: float) -> Tensor:
    """What the crop was planned for, with soft corners, and with a border left of the crop."""
    width, height = plan.output_size
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if plan.subjects:
        box, margin = plan.subjects[index], grow * unit_px(plan, index)
        x, y = apply(place.to_output, box.x, box.y)
        left, top = x - margin, y - margin
        right, bottom = x + box.width * place.scale + margin, y + box.height * place.scale + margin
    border = BORDER_SHARE * min(width, height)
    left, top = max(left, border), max(top, border)
    right, bottom = min(right, width - border), min(bottom, height - border)
    x = torch.arange(width, dtype=torch.float64) + 0.5
    y = torch.arange(height, dtype=torch.float64)[:, None] + 0.5
    across = (x - (left + right) / 2) / max((right - left) / 2, 0.5)
    down = (y - (top + bottom) / 2) / max((bottom - top) / 2, 0.5)
    return across**4 + down**4 <= 1  # a squircle: a rectangle without corners
