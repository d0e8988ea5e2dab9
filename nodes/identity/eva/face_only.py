"""The picture of a face that PuLID shows EVA: face and hair in grey, all else white.

A profile keeps faces aligned as ArcFace wants them. PuLID was trained with faces as facexlib aligns them,
smaller and lower in the frame: what lies between is one similarity, and it is taken here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from ..encode.align import HALF, similarity
from .parsing import FILE, PARSER, parse_face

SIZE = 512
# Pixel centres of the pupils, the nose tip and the corners of the mouth in facexlib's frame of 512 px, to
# which the faces of FFHQ were aligned.
TRAINED = np.array(
    [
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    ]
)
# Beyond a picture's edge facexlib shows the parser this grey, RGB.
BEYOND = (132 / 255, 133 / 255, 135 / 255)
LUMA = (0.299, 0.587, 0.114)  # Rec. 601, of the gamma-coded values

# Where no parser is: two ovals, middle and half axes in px. Fitted by eye to the mean of 56 aligned portraits:
# cheeks in front of the ears and chin; and short hair, which ends above the ears.
FACE = (256.6, 262.0, 146.0, 190.0)
HAIR = (256.6, 172.0, 164.0, 146.0)
EDGE = 10.0  # px over which they fade


@dataclass(frozen=True)
class FaceOnly:
    """What PuLID shows EVA."""

    picture: Tensor
    """(1, 512, 512, 3), float32, sRGB 0..1, three equal channels."""
    how: str
    """One line for the report."""


def face_only(crop512: NDArray[np.uint8], folders: Sequence[Path]) -> FaceOnly:
    """A face on white, in grey, where and as large as PuLID was trained to see it.

    Parameters
    ----------
    crop512 : uint8, (512, 512, 3), RGB
        Of ``aligned_crop(picture, face, 512)``. It ends below the crown, so the hair is cut off
        straight 61 px below the upper edge.
    folders : sequence of Path
        Where ``parsing_bisenet.pth`` of facexlib may lie; nothing is downloaded.

    Returns
    -------
    FaceOnly
        By facexlib's parser where it is there, else by a mask that follows from where the landmarks were
        put: ``how`` says which, why, and what it costs.

    Raises
    ------
    ValueError
        The crop has another shape or type.
    """
    crop = np.asarray(crop512)
    if crop.shape != (SIZE, SIZE, 3) or crop.dtype != np.uint8:
        raise ValueError(
            f"a face to look at must be ({SIZE}, {SIZE}, 3) in 8 bits, got {crop.shape} {crop.dtype}"
        )
    picture, inside = as_trained(crop)
    found = parse_face(picture, folders)
    if isinstance(found, Tensor):
        mask = found.float()
        how = f"face and hair were told from the rest by {PARSER} ({FILE}), as PuLID was trained"
    else:
        mask = template_mask()
        how = (
            f"no face parser: {found}. Ovals around the landmarks were taken for face and hair: long hair is cut off, a hat "
            "and what is beside the head stay in the picture, so the likeness may suffer"
        )
    mask = mask * inside
    grey = torch.einsum("bchw,c->bhw", picture, picture.new_tensor(LUMA))[0]
    shown = grey * mask + (1 - mask)
    return FaceOnly(shown.clamp(0, 1)[None, ..., None].repeat(1, 1, 1, 3), how)


def as_trained(crop: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """An ArcFace crop in facexlib's frame.

    Parameters
    ----------
    crop : uint8, (512, 512, 3), RGB

    Returns
    -------
    picture : Tensor, (1, 3, 512, 512), sRGB 0..1
        One bilinear sample a pixel, as facexlib takes them; its grey beyond the crop.
    inside : Tensor, (512, 512)
        1 where the crop is, 0 beyond.
    """
    # Of 56 portraits no pixel came to lie further than 3.2 px from where the face's own points put it.
    there = similarity(TRAINED + HALF, SIZE)
    centres = np.arange(SIZE) + HALF
    places = np.stack(np.meshgrid(centres, centres), -1) @ there[:, :2].T + there[:, 2]
    inside = torch.from_numpy(((places >= 0) & (places <= SIZE)).all(-1)).float()
    grid = torch.from_numpy(places * (2 / SIZE) - 1).float()[None]
    planes = torch.from_numpy(crop.astype(np.float32) / 255).permute(2, 0, 1)[None]
    seen = grid_sample(planes, grid, padding_mode="border", align_corners=False)
    beyond = seen.new_tensor(BEYOND)[:, None, None]
    return seen * inside + beyond * (1 - inside), inside


def template_mask() -> Tensor:
    """(512, 512), 1 in face and hair of somebody with short hair, in facexlib's frame; 0 in ears and neck."""
    return torch.maximum(_oval(*FACE), _oval(*HAIR))


def _oval(x: float, y: float, wide: float, high: float) -> Tensor:
    centres = torch.arange(SIZE) + HALF
    from_middle = torch.hypot((centres - x) / wide, ((centres - y) / high)[:, None])
    return ((1 - from_middle) * min(wide, high) / EDGE + HALF).clamp(0, 1)
