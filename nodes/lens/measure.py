"""Micro-contrast and sharpness of pictures, everywhere and at the places of a face where they are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import torch
from torch import Tensor

from ...kernels import meter
from ...kernels.edges import EdgeResponse, find_edge, slanted_edge
from ...kernels.picture import check_picture, flatten_alpha, luma
from ..framing.faces import Face, Faces
from ..framing.masks import check_mask
from ..framing.plan import check_faces
from ..framing.regions import Region

# IOD. Where painters put their edges: the wings of the nose, the border of the lips, the brows, and the
# turn of the cheeks, which is soft on every face. Left and right of the picture.
PLACES: dict[str, tuple[Region, ...]] = {
    "nose edge": (Region(-0.45, 0.45, 0.40, 0.80),),
    "lip border": (Region(-0.50, 0.50, 0.82, 1.28),),
    "brow line": (Region(-0.95, 0.95, -0.58, -0.18),),
    "cheek transition": (Region(-1.05, -0.45, 0.30, 1.00), Region(0.45, 1.05, 0.30, 1.00)),
}
SPAN = 1.0  # octaves of the overlay, to each side of 1
MORE, LESS = (
    (1.0, 0.58, 0.10),
    (0.16, 0.50, 1.0),
)  # orange and blue: told apart by all kinds of sight
DIMMED = 0.55
_STRIP = 256  # rows that are drawn at once


@dataclass(frozen=True)
class Reading:
    """What was measured at one place; None where nothing can be."""

    micro_contrast: float
    """Raw: RMS contrast of faint texture."""
    sharpness: float | None
    """Raw: mean MTF over the band at the typical edge, 0..1."""
    blur_px: float | None
    """Of that edge: the sigma of a Gaussian."""
    micro_contrast_ratio: float | None = None
    """Over the reference's."""
    sharpness_ratio: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """Rounded, null where nothing is known."""
        return {
            name: None if value is None else round(value, 5) for name, value in vars(self).items()
        }

    def in_words(self) -> str:
        sharp = (
            "n/a"
            if self.sharpness is None
            else f"{self.sharpness:.3f} (edges {self.blur_px:.2f} px)"
        )
        words = f"micro-contrast {self.micro_contrast:.4f}, sharpness {sharp}"
        if self.micro_contrast_ratio is None and self.sharpness_ratio is None:
            return words
        ratios = [
            "n/a" if value is None else f"x{value:.2f}"
            for value in (self.micro_contrast_ratio, self.sharpness_ratio)
        ]
        return f"{words}; of the reference {ratios[0]} and {ratios[1]}"


@dataclass(frozen=True, eq=False)
class StraightEdge:
    """A straight slanted edge of a picture: its place, and how the chain that made the picture drew it."""

    box: tuple[int, int, int, int]
    """x, y, width, height, pixels."""
    response: EdgeResponse


@dataclass(frozen=True)
class Measured:
    """A batch measured."""

    whole: tuple[Reading, ...]
    """Of each picture, within the mask."""
    places: tuple[dict[str, Reading], ...]
    """Of each picture's largest face, by the names of ``PLACES``; empty without a face."""
    edges: tuple[StraightEdge | str, ...]
    """Of each picture, or why there is none."""
    overlay: Tensor
    """(B, H, W, 3), sRGB 0..1."""
    compared: bool

    @property
    def micro_contrast(self) -> float:
        """Mean over the batch of the ratio to the reference; 1 without one, or where nothing can be compared."""
        return _mean([one.micro_contrast_ratio for one in self.whole])

    @property
    def sharpness(self) -> float:
        return _mean([one.sharpness_ratio for one in self.whole])

    @property
    def report(self) -> str:
        lines = []
        for number, (whole, places, edge) in enumerate(
            zip(self.whole, self.places, self.edges, strict=True), 1
        ):
            where = f"picture {number}, " if len(self.whole) > 1 else ""
            lines.append(f"{where}{whole.in_words()}")
            lines += [f"  {name}: {reading.in_words()}" for name, reading in places.items()]
            lines.append(f"  straight edge: {_edge_in_words(edge)}")
        if not self.compared:
            lines.append(
                "Raw figures depend on the subject and the crop: link a reference to see what changed."
            )
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs; frequencies in cycles per pixel."""
        return {
            "micro_contrast": round(self.micro_contrast, 5),
            "sharpness": round(self.sharpness, 5),
            "compared": self.compared,
            "pictures": [
                {
                    **whole.as_json(),
                    "places": {name: one.as_json() for name, one in places.items()},
                    "edge": _edge_json(edge),
                }
                for whole, places, edge in zip(self.whole, self.places, self.edges, strict=True)
            ],
        }


def measure(
    image: Tensor,
    reference: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    faces: Faces | None = None,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> Measured:
    """Micro-contrast and sharpness of a batch.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
        Transparency is laid over gray.
    reference : Tensor, (1 or B, H, W, C), optional
        What the ratios are to.
    mask : Tensor, (H, W), (1, H, W) or (B, H, W), 0..1, optional
        Where; else everywhere.
    faces : Faces, optional
        For figures at ``PLACES`` of the largest face.
    progress : callable, optional
        As in :func:`.render.render`.

    Raises
    ------
    ValueError
        No picture, a reference of another size or count, a mask that is empty or of another size,
        faces of another picture.
    """
    batch, height, width, _ = check_picture(image).shape
    if reference is not None:
        check_picture(reference, "reference")
        if reference.shape[1:3] != image.shape[1:3] or len(reference) not in (1, batch):
            raise ValueError(
                f"reference must be one picture or {batch}, of {width}x{height} px, got {len(reference)} of "
                f"{reference.shape[2]}x{reference.shape[1]}. Scale it to the image's size, or crop both alike."
            )
    if faces is not None:
        check_faces(faces, tuple(image.shape))
    masks = None if mask is None else check_mask(mask, (width, height), batch)
    if masks is not None and not bool((masks > 0).flatten(1).any(1).all()):
        raise ValueError(
            "mask is empty: paint what shall be measured, or unlink it to measure everything"
        )
    tick = progress(batch) if progress else lambda done: None
    whole, places, edges, overlays = [], [], [], []
    for index in range(batch):

        def still(done: int = index) -> None:  # within a picture a stop is felt
            tick(done)

        own = flatten_alpha(image[index : index + 1]).float().cpu()
        base = None
        if reference is not None:
            base = flatten_alpha(reference[index % len(reference)][None]).float().cpu()
        where = None if masks is None else masks[index % len(masks)].cpu()
        whole.append(_read(own, base, where, still))
        frame = faces.frames[index % len(faces.frames)] if faces is not None else ()
        places.append(_at_places(own, base, frame, still))
        still()
        edges.append(_edge(own, where))
        overlays.append(_overlay(own, base, where, still))
        tick(index + 1)
    return Measured(
        tuple(whole), tuple(places), tuple(edges), torch.cat(overlays), reference is not None
    )


def change_of(
    picture: Tensor, reference: Tensor, tick: Callable[[], None] = lambda: None
) -> tuple[float | None, float | None]:
    """Micro-contrast and sharpness of a picture (H, W, 3) over its reference's; None where there is none.

    ``tick`` is called as work goes on; it may raise to stop.
    """
    try:
        found = meter.compare(_planes(picture[None]), _planes(reference[None]), tick=tick)
    except ValueError:  # of one size, so this is: no faint texture to compare
        return None, None
    return found.micro_contrast, found.sharpness


def _read(
    picture: Tensor, reference: Tensor | None, mask: Tensor | None, still: Callable[[], None]
) -> Reading:
    """A picture (1, H, W, 3), within a mask (H, W)."""
    planes = _planes(picture)
    raw = meter.micro_contrast(planes, mask, tick=still)
    still()
    box = None if mask is None else meter.box_of(mask)
    sharp, estimate = meter.sharpness(meter.cut(luma(picture)[0], box), tick=still)
    blur = None if sharp is None else estimate.typical_px
    if reference is None:
        return Reading(raw, sharp, blur)
    try:
        found = meter.compare(planes, _planes(reference), mask, tick=still)
    except ValueError:  # of one size, so this is: no faint texture to compare
        return Reading(raw, sharp, blur)
    return Reading(raw, sharp, blur, found.micro_contrast, found.sharpness)


def _at_places(
    picture: Tensor,
    reference: Tensor | None,
    frame: Sequence[Face],
    still: Callable[[], None],
) -> dict[str, Reading]:
    if not frame:
        return {}
    face = max(frame, key=lambda one: one.iod)
    height, width = picture.shape[1:3]
    found = {}
    for name, regions in PLACES.items():
        boxes = [region.around(face) for region in regions]
        # with room around for the wide Gaussian of the meter
        room = 40
        left, top = (
            max(0, floor(min(getattr(box, side) for box in boxes)) - room) for side in ("x", "y")
        )
        right = min(width, ceil(max(box.right for box in boxes)) + room)
        bottom = min(height, ceil(max(box.bottom for box in boxes)) + room)
        mask = torch.zeros(max(0, bottom - top), max(0, right - left))
        for box in boxes:
            x0, y0 = max(0, round(box.x) - left), max(0, round(box.y) - top)
            x1, y1 = max(0, round(box.right) - left), max(0, round(box.bottom) - top)
            mask[y0:y1, x0:x1] = 1
        if mask.sum() < meter.FEWEST_PIXELS:
            continue
        part = (slice(None), slice(top, bottom), slice(left, right))
        base = None if reference is None else reference[part]
        found[name] = _read(picture[part], base, mask, still)
    return found


def _edge(picture: Tensor, mask: Tensor | None) -> StraightEdge | str:
    """In coded values: halos as they are seen."""
    x, y, width, height = (0, 0, *picture.shape[2:0:-1]) if mask is None else meter.box_of(mask)
    plane = luma(picture)[0, y : y + height, x : x + width]
    box, reason = find_edge(plane)
    if box is None:
        return reason
    square = plane[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
    return StraightEdge((x + box[0], y + box[1], box[2], box[3]), slanted_edge(square))


def _edge_in_words(edge: StraightEdge | str) -> str:
    if isinstance(edge, str):
        return f"none ({edge})"
    response = edge.response
    half = response.mtf50
    return (
        f"MTF50 {'n/a' if half is None else f'{half:.3f} cycles/px'}, overshoot {response.overshoot:.1%}, "
        f"undershoot {response.undershoot:.1%}, at ({edge.box[0]}, {edge.box[1]}), leaning {response.angle_deg:+.1f} deg"
    )


def _edge_json(edge: StraightEdge | str) -> dict[str, Any] | None:
    if isinstance(edge, str):
        return None
    response = edge.response
    return {
        "box": list(edge.box),
        "angle_deg": round(response.angle_deg, 2),
        "mtf50_cycles_px": None if response.mtf50 is None else round(response.mtf50, 4),
        "overshoot": round(response.overshoot, 4),
        "undershoot": round(response.undershoot, 4),
        "frequencies": [round(float(one), 4) for one in response.frequencies],
        "sfr": [round(float(one), 4) for one in response.sfr],
    }


def _overlay(
    picture: Tensor, reference: Tensor | None, mask: Tensor | None, still: Callable[[], None]
) -> Tensor:
    """(1, H, W, 3): gray where nothing is known or changed, orange for more, blue for less."""
    base = None if reference is None else _planes(reference)
    ratio = meter.overlay(_planes(picture), base, tick=still).movedim(1, -1)  # (1, H, W, 1)
    tints = torch.tensor(MORE), torch.tensor(LESS)
    drawn = torch.empty_like(picture)
    for top in range(0, picture.shape[1], _STRIP):
        still()
        rows = slice(top, top + _STRIP)
        known = (ratio[:, rows] > 0).float()
        if mask is not None:
            known *= mask[None, rows, :, None]
        octaves = torch.log2(ratio[:, rows].clamp(min=1e-3)).clamp(-SPAN, SPAN) / SPAN
        share = octaves.abs() * known * 0.8
        gray = luma(picture[:, rows])[..., None] * DIMMED
        drawn[:, rows] = gray * (1 - share) + torch.where(octaves > 0, *tints) * share
    return drawn.clamp_(0, 1)


def _planes(picture: Tensor) -> Tensor:
    return picture.float().cpu().movedim(-1, 1)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 1.0
