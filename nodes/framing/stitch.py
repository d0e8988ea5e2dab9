"""Bring an edited crop back into its picture without a trace.

Notation, of one crop: o the original's pixels, U up to the model's size, D back down, c = o the
crop, g what the model made of U(c), M the stitch mask. Everywhere the result is o + M x change,
and the change is computed from a difference of the same pictures on the same way, so that it is
exactly 0 where nothing was edited:

=========  ==========================================================================
exact      D(g - U(c))
auto       the same, with the tone shift that the ring around the mask shows taken off
null_edit  D(g - g0), where g0 is the unedited crop through the same VAE
plain      D(g) - o
=========  ==========================================================================

Where M is 0 no bit of the stored picture changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.picture import check_picture, luma
from .crop import Place, resize
from .masks import FEATHER, GROW, check_mask, check_reach, drawn, feathered
from .plan import CropPlan, check_plan

AUTO, EXACT, PLAIN, NULL_EDIT = "auto", "exact", "plain", "null_edit"
MODES = (AUTO, EXACT, PLAIN, NULL_EDIT)

LEAST = 1e-3  # of a mask: less cannot move an 8-bit value, and would fray the border
TAU = 8 / 255  # a change of this size, smoothed, has replaced 63 % of what was there
SMOOTH_PX = 4.0  # output px, sigma: half a latent cell; finer changes are texture, not content
CELL = 8  # output px of a cell of the membrane: a latent cell, the grain of a VAE's drift
RING = 3  # cells around the mask that are compared with the original: 24 px
MOST_SHIFT = 12 / 255  # more is an edit, not a drift
QUIET = 4 / 255  # spread within a cell beyond which it is trusted less: something was drawn there
FEWEST = 0.2  # of the ring's cells that must be trusted
TRIMS = (8, 16, 32, 64)  # px: VAEs and models cut a picture's sides to multiples of these
NO_RING = (
    "auto found nothing around the mask that still looks like the original, so no tone shift was taken off: "
    "leave a border around the mask that the model does not edit, or use null_edit"
)


@dataclass(frozen=True)
class Stitched:
    """The pictures with their edited crops, and what stitching did."""

    picture: Tensor
    """(B, H, W, C), dtype of the original."""
    changed: Tensor
    """(B, H, W), float32: 1 where a mask is above 0, 0 where no bit was touched."""
    changed_px: int
    """Pixels that differ from the original."""
    shift: float | None
    """Mean tone shift that was taken off, sRGB 0..1; None where the mode takes none off."""
    step: float
    """How steeply the change sets in at the masks' border, sRGB per px: the 95th percentile."""
    notes: tuple[str, ...]

    @property
    def report(self) -> str:
        """What happened, in a few lines."""
        share = self.changed_px / self.changed.numel()
        lines = [
            f"{self.changed_px:,} px changed, {share:.1%} of the picture; the others are the original's bit for bit",
            f"step across the border: {self.step * 255:.2f}/255 per px",
        ]
        if self.shift is not None:
            lines.append(f"tone shift taken off: {self.shift * 255:+.2f}/255 on average")
        return "\n".join([*lines, *self.notes])


def stitch(
    original: Tensor,
    edited: Tensor,
    plan: CropPlan,
    mode: str = AUTO,
    *,
    stitch_mask: Tensor | None = None,
    unedited: Tensor | None = None,
    vae: Any = None,
    feather: float = FEATHER,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> Stitched:
    """Edited crops back in their pictures.

    Parameters
    ----------
    original : Tensor, (B, H, W, C), sRGB 0..1
        Of the plan's source size.
    edited : Tensor, (N, height, width, C), sRGB 0..1
        In the order of ``plan.assigned(B)``. Another size of the same aspect is scaled; without
        alpha the original's is kept.
    plan : CropPlan
    mode : one of ``MODES``
    stitch_mask : Tensor, (height, width), (1, height, width) or (N, height, width), 0..1, optional
        Of :func:`.masks.stitch_masks`; else it is made from the plan's faces with ``feather``.
    unedited : Tensor, (N, height, width, C), optional
        For null_edit: the unedited crops, encoded and decoded as the edited ones were.
    vae : object with ``encode`` and ``decode``, optional
        For null_edit: makes ``unedited``. ComfyUI's VAE.
    feather : float in [0, 2], inter-ocular distances
    progress : called with the number of crops; what it returns, with how many are done

    Returns
    -------
    Stitched
        Where masks overlap, a later crop replaces an earlier one as far as it was edited there,
        so an unedited crop takes nothing back.

    Raises
    ------
    ValueError
        Sizes or counts that do not belong together, NaN, an unknown mode, or null_edit with
        neither ``unedited`` nor ``vae``.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}")
    if mode == NULL_EDIT and unedited is None and vae is None:
        raise ValueError(
            "null_edit needs the VAE that the crop went through, or the unedited crop after VAE Encode and "
            "VAE Decode as unedited: link one of them, or choose auto"
        )
    check_picture(original)
    check_plan(plan, original.shape)
    assigned = plan.assigned(len(original))
    notes: list[str] = []
    edited = _fitted(edited, plan, len(assigned), "crop", notes)
    if mode != NULL_EDIT:
        unedited = vae = None
    elif unedited is not None:
        unedited, vae = _fitted(unedited, plan, len(assigned), "unedited", notes), None
    tick = progress(len(assigned)) if progress else lambda done: None
    at = 0

    def still() -> None:  # within a crop a stop is felt
        tick(at)

    mask_of = _masks(plan, len(original), stitch_mask, feather, notes, still)
    work = _Work(original, plan, mode, notes, still)
    for number, (picture, index) in enumerate(assigned):
        null = None if unedited is None else unedited[number]
        work.add(picture, index, edited[number], mask_of(number, index), null, vae)
        at = number + 1
        tick(at)
    return work.done()


@dataclass
class _Work:
    """The pictures while crops are added one after the other."""

    original: Tensor
    plan: CropPlan
    mode: str
    notes: list[str]
    still: Callable[[], None]
    """Called as work goes on; it may raise to stop."""
    picture: Tensor = field(init=False)
    changed: Tensor = field(init=False)
    steps: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    visited: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.picture = self.original.clone()
        self.changed = torch.zeros(
            self.original.shape[:3], dtype=torch.float32, device=self.original.device
        )

    def add(
        self, picture: int, index: int, edited: Tensor, mask: Tensor, null: Tensor | None, vae: Any
    ) -> None:
        """Stitch one crop, (height, width, C), into its picture."""
        place = Place.of(self.plan, index)
        view = (picture, *place.window)
        was, now = self.original[view], self.picture[view]
        self.still()
        o = _planes(was)
        cropped = place.read(self.original[picture])
        self.still()
        u = _planes(cropped)
        g = _planes(_like(edited.to(o.device), cropped, self.notes))
        if vae is not None:
            null = through(vae, cropped)
        g0 = None if null is None else _planes(_like(null.to(o.device), cropped, self.notes))
        mask = mask.to(o.device)
        self.still()
        m = place.bring_back_mask(mask)
        self.still()
        m = torch.where(m < LEAST, 0.0, m)
        earlier = _planes(now) - o if picture in self.visited else None
        change = self._change(place, o, g, u, g0, mask, earlier)
        if edited.shape[-1] < 4:
            change[3:] = 0  # the original's alpha stays
        self.still()
        change *= m
        self._write(view, was, change)
        self.changed[view] = torch.maximum(self.changed[view], (m > 0).float())
        self.still()
        self.visited.add(picture)
        self.steps.append(_step(change, m))

    def done(self) -> Stitched:
        """The pictures as they now are."""
        pairs = zip(self.picture, self.original, strict=True)
        count = sum(int((a != b).any(-1).sum()) for a, b in pairs)
        shift = sum(self.shifts) / len(self.shifts) if self.shifts else None
        return Stitched(
            self.picture,
            self.changed,
            count,
            shift,
            max(self.steps),
            tuple(dict.fromkeys(self.notes)),
        )

    def _change(
        self,
        place: Place,
        o: Tensor,
        g: Tensor,
        u: Tensor,
        g0: Tensor | None,
        mask: Tensor,
        earlier: Tensor | None,
    ) -> Tensor:
        """What to add to the picture where the mask is 1, source pixels (C, rows, columns)."""
        delta = g - u
        self.still()
        if self.mode == AUTO:
            delta = self._without_shift(delta, mask, place)
        elif g0 is not None:
            delta = self._without_vae(g, u, g0, mask)
        self.still()
        change = place.bring_back(g) - o if self.mode == PLAIN else place.bring_back(delta)
        fades = self.mode in (AUTO, NULL_EDIT) and not place.exact
        self.still()
        if fades or earlier is not None:
            new = place.bring_back_mask(newness(delta))
            self.still()
            if fades:  # detail that the crop could not hold would be a ghost on what is new
                change = change - new * (o - place.bring_back(u))
            if earlier is not None:
                change = change - new * earlier
        return change.clone()

    def _without_shift(self, delta: Tensor, mask: Tensor, place: Place) -> Tensor:
        """The change without the tone shift around the mask."""
        shift = membrane(delta[:3], mask, place.inside().to(mask.device))
        if shift is None:
            self.notes.append(NO_RING)
            return delta
        self.shifts.append(_mean_over(-shift, mask))
        return torch.cat([delta[:3] + shift, delta[3:]])

    def _without_vae(self, g: Tensor, u: Tensor, g0: Tensor, mask: Tensor) -> Tensor:
        """The change without what the VAE does to the unedited crop.

        Its tone is corrected everywhere; the fine detail that it loses only where nothing is new.
        """
        lost = (u - g0)[:3]
        tone = smooth(lost)
        delta = (g - g0)[:3]
        self.shifts.append(_mean_over(-tone, mask))
        return torch.cat([delta - newness(delta) * (lost - tone), (g - u)[3:]])

    def _write(self, view: tuple[int, slice, slice], was: Tensor, change: Tensor) -> None:
        change = change.movedim(0, -1)
        now = self.picture[view]
        result = now.float() + change
        lawful = (was >= 0) & (was <= 1)
        result = torch.where(lawful, result.clamp(0, 1), result)
        self.picture[view] = torch.where(change != 0, result.to(now.dtype), now)


def membrane(delta: Tensor, mask: Tensor, inside: Tensor) -> Tensor | None:
    """The tone shift that an edit shows around its mask, continued smoothly into it, with its sign turned.

    Parameters
    ----------
    delta : Tensor, (C, h, w), sRGB
        Edited minus unedited.
    mask : Tensor, (h, w), 0..1
        Where it is 0 the edit should have left the picture as it was.
    inside : Tensor, (h, w), bool
        Which pixels show the picture.

    Returns
    -------
    Tensor, (C, h, w), sRGB, or None
        What to add to ``delta``: harmonic (Perez, Gangnet, Blake 2003, eq. 2 without guidance) on
        cells of ``CELL`` px, at most ``MOST_SHIFT``. None where too little of the ring is left
        as it was.

    A cell's shift is a median, then a median of its neighbours': an edge that moved or a strand
    that crosses the ring is outvoted. Cells beyond ``MOST_SHIFT`` were edited and do not count;
    uneven ones count less.
    """
    height, width = mask.shape
    active = _cells(mask >= LEAST).any(-1)  # (rows, columns)
    known = _cells((mask < LEAST) & inside)  # (rows, columns, CELL^2)
    reach = 2 * RING + 1
    near = F.max_pool2d(active[None].float(), reach, 1, RING)[0] > 0
    ring = near & (known.float().mean(-1) >= 0.25)
    if not ring.any():
        return None
    values = torch.stack([_cells(plane)[ring] for plane in delta], 1)  # (cells, C, CELL^2)
    values = values.masked_fill(~known[ring][:, None], torch.nan)
    middle = values.nanmedian(-1).values
    spread = (values - middle[..., None]).abs().nanmedian(-1).values.amax(1)
    trusted = middle.abs().amax(1) <= MOST_SHIFT
    if trusted.float().mean() < FEWEST:
        return None
    weight = torch.zeros(ring.shape, dtype=torch.float64, device=ring.device)
    weight[ring] = (trusted / (1 + (spread / QUIET) ** 2)).double()
    shift = torch.full((len(delta), *ring.shape), torch.nan, device=ring.device)
    shift[:, ring] = middle.masked_fill(~trusted[:, None], torch.nan).T
    shift = _median_of_neighbours(shift).nan_to_num(0.0)
    cells = _harmonic(-shift.cpu().double().numpy(), weight.cpu().numpy())
    cells = torch.from_numpy(cells).float().to(delta.device)
    fine = F.interpolate(cells[None], scale_factor=CELL, mode="bilinear", align_corners=False)[0]
    return fine[:, :height, :width]


def _cells(plane: Tensor) -> Tensor:
    """(h, w) in cells: (rows, columns, CELL^2); its last row and column are filled with 0."""
    height, width = plane.shape
    plane = F.pad(plane, (0, -width % CELL, 0, -height % CELL))
    return plane.unfold(0, CELL, CELL).unfold(1, CELL, CELL).flatten(2)


def _median_of_neighbours(cells: Tensor) -> Tensor:
    """Every cell's median over 5 x 5 cells, (C, rows, columns); NaN does not count."""
    rows, columns = cells.shape[-2:]
    padded = F.pad(cells, (2, 2, 2, 2), value=torch.nan)
    return (
        padded.unfold(1, 5, 1).unfold(2, 5, 1).reshape(-1, rows, columns, 25).nanmedian(-1).values
    )


def _harmonic(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The smoothest field, (C, rows, columns), that is near ``values`` where they have weight.

    Minimises the sum of squared differences between neighbours plus weight times the squared
    distance to the values: one sparse factorisation for all channels.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    number = np.arange(weight.size).reshape(weight.shape)
    a = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    b = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    links = coo_matrix((np.ones(a.size), (a, b)), shape=(weight.size, weight.size)).tocsr()
    links = links + links.T
    held = weight.ravel()
    # 1e-7: cells that nothing holds stay at 0 instead of being undefined
    system = diags(np.asarray(links.sum(1)).ravel() + held + 1e-7) - links
    solution = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A").solve(
        (values.reshape(len(values), -1) * held).T
    )
    return solution.T.reshape(values.shape)


def newness(delta: Tensor) -> Tensor:
    """How far a change (C, h, w) has replaced what was there, 0..1, (h, w); 0 exactly where it is 0.

    Squared, so that what remains of a drift, 0.3/255, fades 0.1 % of the detail and not 4 %.
    """
    return -torch.expm1(-((smooth(delta).abs().amax(0) / TAU) ** 2))


def smooth(planes: Tensor) -> Tensor:
    """Planes (C, h, w) through a Gaussian of ``SMOOTH_PX``, whose border pixels are repeated.

    Made on means of ``SMOOTH_PX`` squared pixels, where its sigma is 1: 16 times less to do.
    """
    height, width = planes.shape[-2:]
    step = int(SMOOTH_PX)
    even = F.pad(planes[:, None], (0, -width % step, 0, -height % step), mode="replicate")
    means = F.avg_pool2d(even, step)
    taps = torch.exp(-0.5 * torch.arange(-3.0, 4.0, device=planes.device) ** 2)
    taps = (taps / taps.sum())[None, None, None]
    means = F.pad(means, (3, 3, 3, 3), mode="replicate")
    means = F.conv2d(F.conv2d(means, taps), taps.mT)
    fine = F.interpolate(means, even.shape[-2:], mode="bilinear", align_corners=False)
    return fine[:, 0, :height, :width]


def through(vae: Any, crop: Tensor) -> Tensor:
    """A crop (h, w, C) encoded and decoded, (h, w, 3): what the VAE alone does to it.

    One by one: the VAEs of video models take a batch for frames of one film.

    Raises
    ------
    ValueError
        It is no VAE, or it gives another size back.
    """
    if not (hasattr(vae, "encode") and hasattr(vae, "decode")):
        raise ValueError(f"vae must be a VAE of ComfyUI, got {type(vae).__name__}")
    colours = crop[..., :3] if crop.shape[-1] >= 3 else crop.expand(-1, -1, 3)
    decoded = vae.decode(vae.encode(colours[None].float()))
    decoded = decoded.reshape(-1, *decoded.shape[-3:])  # video VAEs add an axis of time
    if decoded.shape[1:3] != crop.shape[:2]:
        height, width = crop.shape[:2]
        raise ValueError(
            f"the VAE turned a crop of {width}x{height} px into {decoded.shape[2]}x{decoded.shape[1]}: it cuts the "
            "sides to its own multiple. Plan the crop with this multiple (model custom, multiple_of), or use auto."
        )
    return check_picture(decoded[:1], "the VAE's picture")[0]


def _fitted(pictures: object, plan: CropPlan, count: int, name: str, notes: list[str]) -> Tensor:
    """Edited crops at the plan's output size, or a refusal."""
    given = check_picture(pictures, name)
    width, height = plan.output_size
    rows, columns = given.shape[1:3]
    if len(given) != count:
        raise ValueError(
            f"{name} holds {len(given)} pictures, the plan cuts {count} crops out of these pictures. "
            "Give every crop back, in the order in which Crop gave them, edited or not."
        )
    if (columns, rows) == (width, height):
        return given
    trim = next((m for m in TRIMS if (columns, rows) == (width // m * m, height // m * m)), None)
    sizes = f"{name} has {columns}x{rows} px, the plan's crops have {width}x{height}"
    if trim:
        raise ValueError(
            f"{sizes}: a model or VAE cut it to a multiple of {trim}, and nobody knows at which side. "
            f"Plan with the model custom and multiple_of {trim}."
        )
    if abs(columns * height - rows * width) >= max(width, height):
        raise ValueError(
            f"{sizes}: another aspect. Give the crops back uncropped and undistorted, or plan for this size."
        )
    notes.append(f"{sizes}: scaled")
    scaled = [resize(one.movedim(-1, 0).float(), (width, height)) for one in given]
    return torch.stack(scaled).movedim(1, -1)


def _masks(
    plan: CropPlan,
    batch: int,
    mask: Tensor | None,
    feather: float,
    notes: list[str],
    still: Callable[[], None],
) -> Callable[[int, int], Tensor]:
    """The stitch mask of a crop by its number and its index in the plan."""
    check_reach("feather", feather)
    count = len(plan.assigned(batch))
    if mask is None:
        cache: dict[int, Tensor] = {}

        def own(number: int, index: int) -> Tensor:
            if index not in cache:
                cache[index] = feathered(
                    drawn(plan, index, GROW, still), plan, index, feather, still
                )
            return cache[index]

        return own
    given = check_mask(mask, plan.output_size, count, "stitch_mask")
    for number, one in enumerate(given, 1):
        if not (one >= LEAST).any():
            notes.append(f"stitch_mask {number} is empty: nothing of its crop came back")
    return lambda number, index: given[number % len(given)]


def _like(pixels: Tensor, own: Tensor, notes: list[str]) -> Tensor:
    """Edited pixels (h, w, C) with the channels of the crop that they were made from."""
    given, wanted = pixels.shape[-1], own.shape[-1]
    if given == wanted:
        return pixels
    if wanted == 1:
        return luma(pixels[..., :3])[..., None]
    if given == 4:
        notes.append("the edited crop's alpha is left out: the original has none")
    colours = pixels[..., :3] if given >= 3 else pixels.expand(-1, -1, 3)
    return colours if wanted == 3 else torch.cat([colours.float(), own[..., 3:].float()], -1)


def _planes(pixels: Tensor) -> Tensor:
    return pixels.movedim(-1, 0).float()


def _mean_over(planes: Tensor, mask: Tensor) -> float:
    return float((planes.mean(0) * mask).sum() / mask.sum().clamp(min=1e-6))


def _step(change: Tensor, mask: Tensor) -> float:
    """The 95th percentile of a change's slope where its mask rises from 0 to one half, sRGB per px."""
    low, high = (mask <= 0.5).float()[None], (mask > 0).float()[None]
    near = (F.max_pool2d(low, 3, 1, 1) * F.max_pool2d(high, 3, 1, 1))[0] > 0
    colours = change[:3].mean(0)
    slope = torch.zeros_like(colours)
    slope[:, 1:] = colours.diff(dim=1).abs()
    slope[1:] = torch.maximum(slope[1:], colours.diff(dim=0).abs())
    found = slope[near]
    if not len(found):
        return 0.0
    return float(found[:: 1 + len(found) // 1_000_000].quantile(0.95))  # quantile takes 16 million
