"""The aligned crop: a face turned upright and put where recognition networks were taught to see it.

Every network of the ArcFace family, and every adapter that was trained on its crops, expects the five
points of a face at the same places of a square. A face is brought there by a similarity.
"""

from __future__ import annotations

from math import ceil, hypot

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ....kernels.color import linear_to_srgb, srgb_to_linear
from ....kernels.picture import split_alpha
from ...framing.align import MESH_NOSE_TIP
from ...framing.faces import Face

# Pixel centres of the 112 px crop: pupils, nose tip, mouth corners, image-left first. As published with
# ArcFace (Deng et al., CVPR 2019).
TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
SIDE = 112  # px of the template
WIDE = 128  # px of its wider relative: the same face with 8 px more at each side, and 16 below
HALF = 0.5  # px: the template counts from pixel centres, the pack from pixel edges
# Larger crops are shrunk with care; up to here one sample a pixel, as those had on which networks were trained.
PLAIN = 256
FARTHEST = 16  # times the picture's long side: eyes farther apart are not of this picture
SPARE = 2.0  # px of what is left for each px of such a crop, when a huge face is first made smaller
MESH_MOUTH = (61, 291)  # corners of the mouth in the face mesh, image-left first


def five_points(face: Face) -> NDArray[np.float64]:
    """The points of a face that the template knows.

    Parameters
    ----------
    face : Face

    Returns
    -------
    (5, 2), pixels
        Pupils, nose tip and mouth corners, image-left first. (2, 2), the pupils alone, where
        what found the face told no more.
    """
    points = face.points
    if len(points) in (468, 478):
        points = (*face.eyes, points[MESH_NOSE_TIP], *(points[corner] for corner in MESH_MOUTH))
    return np.array(points if len(points) == 5 else face.eyes, np.float64)


def similarity(points: ArrayLike, size: int = SIDE) -> NDArray[np.float64]:
    """The turn, scale and shift that bring a face into the crop.

    Parameters
    ----------
    points : (5, 2) or (2, 2), pixels of the picture
        As ``five_points`` gives them; with two, the pupils alone are brought to their places, exactly.
    size : int, px
        A multiple of 112, or of 128: then the crop shows the face smaller, with room at its sides.

    Returns
    -------
    (2, 3)
        From picture to crop, both counted from pixel edges.

    Raises
    ------
    ValueError
        The size is no such multiple, or the points are not finite or all one.

    Notes
    -----
    Least squares. Points as complex numbers z, centred: the factor a of ``w = a z`` with the least squared
    error is ``sum(conj(z) w) / sum(|z|^2)``. Umeyama's solution (PAMI 1991, eq. 40-42) in the plane.
    """
    there = np.asarray(points, np.float64)
    if there.shape not in ((5, 2), (2, 2)):
        raise ValueError(f"an aligned crop needs 5 points or 2, got the shape {there.shape}")
    if not np.isfinite(there).all():
        raise ValueError(f"the points of a face must be finite, got {there.tolist()}")
    target = _template(size)[: len(there)]
    z, w = (values[:, 0] + 1j * values[:, 1] for values in (there, target))
    middle, aim = z.mean(), w.mean()
    spread = float((abs(z - middle) ** 2).sum())
    a = (np.conj(z - middle) * (w - aim)).sum() / spread if spread > 0 else 0.0
    if abs(a) == 0 or not np.isfinite(a):
        raise ValueError(f"the points of a face must lie apart, got {there.tolist()}")
    b = aim - a * middle
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])


def _template(size: int) -> NDArray[np.float64]:
    """The five points in a crop of that size, from pixel edges."""
    if size > 0 and size % SIDE == 0:
        return TEMPLATE * (size / SIDE) + HALF
    if size > 0 and size % WIDE == 0:
        return (TEMPLATE + np.array([8.0, 0.0])) * (size / WIDE) + HALF
    raise ValueError(
        f"the size of an aligned crop must be a multiple of {SIDE} or {WIDE}, got {size}"
    )


def aligned_crop(picture: Tensor, face: Face, size: int = SIDE) -> NDArray[np.uint8]:
    """A face as recognition networks want it.

    Parameters
    ----------
    picture : Tensor, (H, W, C), C in {1, 3, 4}, sRGB 0..1
        On any device; alpha is left out.
    face : Face
        Its points in pixels of this picture.
    size : int, px
        A multiple of 112 or 128.

    Returns
    -------
    uint8, (size, size, 3), RGB
        Black where the picture ends. Up to 256 px one bilinear sample of the 8-bit picture a pixel,
        however large the face: that aliases, and the networks were trained with it. Larger ones are
        antialiased, in linear light.

    Raises
    ------
    ValueError
        See ``similarity``; or the picture has another shape, or the face is that of a picture many
        times larger.
    """
    if picture.ndim != 3 or picture.shape[-1] not in (1, 3, 4) or 0 in picture.shape:
        raise ValueError(
            f"a picture to crop from must be (height, width, 1, 3 or 4), got {tuple(picture.shape)}"
        )
    colours, _ = split_alpha(picture[None])
    there = similarity(five_points(face), size)
    long = max(picture.shape[:2])
    # as the template has them, whatever the five points are
    apart = hypot(*np.subtract(*_template(size)[:2])) / hypot(there[0, 0], there[1, 0])
    if apart > FARTHEST * long:
        raise ValueError(
            f"the eyes of a face must lie at most {FARTHEST} times as far apart as the picture is long "
            f"({long} px), got {apart:.4g} px. Give the eyes in pixels of this picture"
        )
    sample = _sampled if size <= PLAIN else _shrunk
    return sample(colours[0], _inverse(there), size)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    turn = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turn, -turn @ matrix[:, 2:]], 1, dtype=np.float64)


def _sampled(picture: Tensor, back: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """One bilinear sample a pixel. Only the pixels that are needed are read, whatever the picture's size."""
    height, width = picture.shape[:2]
    centres = np.arange(size) + HALF
    places = np.stack(np.meshgrid(centres, centres), -1) @ back[:, :2].T + back[:, 2] - HALF
    first = np.floor(places)
    share = places - first
    first = np.clip(first, -2, max(height, width) + 1).astype(np.int64)
    crop = np.zeros((size, size, 3))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = first[..., 0] + dx, first[..., 1] + dy
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        rows, columns = (
            torch.from_numpy(np.clip(at, 0, most - 1)).to(picture.device)
            for at, most in ((y, height), (x, width))
        )
        weight = abs(1 - dx - share[..., 0]) * abs(1 - dy - share[..., 1]) * inside
        crop += _codes(picture[rows, columns]) * weight[..., None]
    return crop.round().astype(np.uint8)


def _codes(colours: Tensor) -> NDArray[np.uint8]:
    """8-bit codes, as an image file would hold them."""
    return colours.float().cpu().nan_to_num(0).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def _shrunk(picture: Tensor, back: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Antialiased, from the part of the picture that the crop shows."""
    x, y = back[:, :2] @ (size / 2, size / 2) + back[:, 2]
    step = hypot(back[0, 0], back[1, 0])  # px of the picture for each of the crop
    # Half of the turned square, and what is mixed into its outermost pixels.
    reach = (size / 2 + 1) * (abs(back[0, 0]) + abs(back[1, 0])) + 2
    height, width = picture.shape[:2]
    left, right = (int(np.clip(x + reach * way, 0, width)) for way in (-1, 1))
    top, bottom = (int(np.clip(y + reach * way, 0, height)) for way in (-1, 1))
    if right <= left or bottom <= top:
        return np.zeros((size, size, 3), np.uint8)
    # Faces of thousands of px are made smaller by whole numbers first.
    fewer = max(1, min(int(step / SPARE), right - left, bottom - top))
    bottom, right = bottom - (bottom - top) % fewer, right - (right - left) % fewer
    light = _light(picture[top:bottom, left:right], fewer)
    inner = (back - np.array([(0, 0, left), (0, 0, top)])) / fewer
    return _codes(linear_to_srgb(_mixed(light, inner, size)))


def _mixed(light: Tensor, back: NDArray[np.float64], size: int) -> Tensor:
    """Of light (3, H, W) that around the crop's pixels, (size, size, 3); 0 where the picture has ended.

    A tent as wide as the crop's step in the picture, at least a pixel, as in ``kernels.resample``: up
    to so many samples a pixel, each linear between the picture's pixels, on a finer grid of the crop.
    """
    from torch.nn.functional import grid_sample

    sides = np.array(light.shape[:0:-1])  # width, height
    across, down = back[:, 0], back[:, 1]
    weights = _tent(hypot(*across))
    finer = len(weights) // 2 + 1
    half = (abs(across) + abs(down)) / 2  # of what one pixel covers
    # What is finer is made where the picture is: all of it is many GB where a tiny picture is shown.
    spans = _shown(back, sides, half, size)
    (left, right), (top, bottom) = spans
    crop = torch.zeros(size, size, 3)
    if right <= left or bottom <= top:
        return crop
    xs, ys = (
        (np.arange(first * finer, last * finer + finer - 1) - (finer - 1)) / finer + HALF
        for first, last in spans
    )
    places = np.empty((len(ys), len(xs), 2), np.float32)
    for axis, side in enumerate(sides):  # torch counts from -1 to 1 between the edges
        where = xs * across[axis], (ys * down[axis] + back[axis, 2])[:, None]
        places[..., axis] = np.add(*where) * (2 / side) - 1
    seen = grid_sample(
        light[None],
        torch.from_numpy(places)[None],
        padding_mode="border",
        align_corners=False,
    )[0]
    for first_px, last_px in ((top, bottom), (left, right)):  # the rows, then the columns
        count = last_px - first_px
        lines = [seen[:, first:][:, ::finer][:, :count] for first in range(len(weights))]
        summed = torch.zeros_like(lines[0])
        for line, weight in zip(lines, weights, strict=True):
            summed.add_(line, alpha=weight)
        seen = summed.transpose(1, 2)
    centres = torch.from_numpy(places[finer - 1 :: finer, finer - 1 :: finer])
    centres = centres[: bottom - top, : right - left]
    beyond = centres.abs() >= torch.from_numpy(1 + half * 2 / sides).float()
    crop[top:bottom, left:right] = seen.permute(1, 2, 0).masked_fill(
        beyond.any(-1, keepdim=True), 0
    )
    return crop


def _shown(
    back: NDArray[np.float64], sides: NDArray[np.int_], half: NDArray[np.float64], size: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The columns and the rows of the crop that may show the picture; a pixel more at each end."""
    least, most = -half, sides + half
    corners = np.array([(x, y) for x in (least[0], most[0]) for y in (least[1], most[1])])
    there = _inverse(back)
    inside = corners @ there[:, :2].T + there[:, 2]
    first = np.clip(np.floor(inside.min(0)) - 1, 0, size).astype(int)
    last = np.clip(np.ceil(inside.max(0)) + 1, 0, size).astype(int)
    return (int(first[0]), int(last[0])), (int(first[1]), int(last[1]))


def _tent(step: float) -> list[float]:
    """The shares of samples on a grid as many times finer as the step is wide, rounded up.

    Of two tents that fit the grid a mixture, with the spread of one ``step`` px wide each way: its variance
    is step^2 / 6, of which being linear between pixels has 1 / 6 already.
    """
    finer = max(1, ceil(step - 1e-6))
    if finer == 1:
        return [1.0]
    wide = (finer**2 - (finer / step) ** 2 - (finer - 1) ** 2 + 1) / (2 * finer - 1)
    away = abs(np.arange(1 - finer, finer))
    both = [np.clip(side - away, 0, None) / side**2 for side in (finer - 1, finer)]
    return ((1 - wide) * both[0] + wide * both[1]).tolist()


def _light(part: Tensor, fewer: int) -> Tensor:
    """Linear light (3, H, W), the mean of every square of so many pixels; what is left over is dropped."""
    table = srgb_to_linear(torch.arange(256) / 255).numpy()
    if fewer == 1:
        coded = part.float().cpu().nan_to_num(0).clamp_(0, 1)
        codes = (coded * 255).round_()
        if bool((codes / 255 == coded).all()):  # 8 bits, as most pictures hold
            planes = codes.to(torch.uint8).permute(2, 0, 1).contiguous()
            return torch.from_numpy(table.take(planes.numpy()))
        return srgb_to_linear(coded.permute(2, 0, 1).contiguous())
    height, width = (side // fewer for side in part.shape[:2])
    light = np.empty((3, height, width), np.float32)
    for row in range(height):
        codes = _codes(part[row * fewer : (row + 1) * fewer, : width * fewer])
        light[:, row] = table[codes].mean(0).reshape(width, fewer, 3).mean(1).T
    return torch.from_numpy(light)
