"""What a picture must be before anything is computed from it."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

MAX_SIDE = 16384  # px: twice 8K, the largest picture the pack is meant for
MAX_PIXELS = 2**28  # in one result: 16 pictures of 4096x4096, 3 GB of RGB in float32
CHANNELS = {1: "grayscale", 3: "RGB", 4: "RGBA"}


def check_picture(picture: object, name: str = "image") -> Tensor:
    """Refuse what is not a batch of pictures, before memory is spent on it.

    Parameters
    ----------
    picture : (B, H, W, C), C in {1, 3, 4}, floating point, sRGB 0..1
        ComfyUI's IMAGE. A little below 0 or above 1 is let through: VAEs overshoot.
    name : str
        The input's name on the node, for the message.

    Returns
    -------
    Tensor
        The same tensor.

    Raises
    ------
    ValueError
        Not a tensor, another shape or dtype, an empty batch, a side of 0 or above
        ``MAX_SIDE``, or values that are NaN or infinite.
    """
    if not isinstance(picture, Tensor):
        raise ValueError(
            f"{name} must be a picture (an IMAGE of ComfyUI), got {type(picture).__name__}. "
            "Link an output of type IMAGE."
        )
    shape = "x".join(map(str, picture.shape))
    if picture.ndim != 4 or picture.shape[-1] not in CHANNELS:
        raise ValueError(
            f"{name} must have the shape (pictures, height, width, channels) with 1, 3 or 4 "
            f"channels, got {shape or 'a single number'}. A mask becomes a picture with Convert Mask to Image."
        )
    if not picture.is_floating_point():
        raise ValueError(
            f"{name} must hold floating-point values from 0 to 1, got {picture.dtype}. "
            "Divide 8-bit values by 255 first."
        )
    batch, height, width, _ = picture.shape
    if batch == 0:
        raise ValueError(
            f"{name} holds no picture: the batch is empty. Check the node that makes it."
        )
    if min(height, width) == 0 or max(height, width) > MAX_SIDE:
        raise ValueError(
            f"{name} must be between 1 and {MAX_SIDE} px on each side, got {width}x{height}. "
            "Scale or crop it first."
        )
    for index, frame in enumerate(picture):
        # A NaN passes through both ends; isfinite of 8 megapixels takes 200 ms, this 13
        if not all(map(isfinite, map(float, torch.aminmax(frame)))):
            count = int((~torch.isfinite(frame)).sum())
            raise ValueError(
                f"{name}, picture {index + 1} of {batch}, holds {count} values that are NaN or infinite. "
                "An earlier node made them, often a VAE in half precision: decode in fp32 or bf16."
            )
    return picture


def check_result(count: int, width: int, height: int, name: str = "the result") -> None:
    """Refuse to make pictures of an absurd size, before memory is spent on them.

    Raises
    ------
    ValueError
        ``count`` pictures of ``width`` x ``height`` px hold more than ``MAX_PIXELS``.
    """
    if count * width * height > MAX_PIXELS:
        raise ValueError(
            f"{name} would be {count} picture(s) of {width}x{height} px, {count * width * height / 1e6:.0f} "
            f"megapixels; at most {MAX_PIXELS / 1e6:.0f} are made at once. Choose a smaller size or a shorter batch."
        )


def split_alpha(picture: Tensor) -> tuple[Tensor, Tensor | None]:
    """The colours of a picture as RGB, and its alpha where it has one.

    Parameters
    ----------
    picture : (B, H, W, C), C in {1, 3, 4}

    Returns
    -------
    colours : (B, H, W, 3)
        A gray picture's one channel three times; a view, not a copy, where that is enough.
    alpha : (B, H, W, 1) or None
    """
    channels = picture.shape[-1]
    if channels == 1:
        return picture.expand(-1, -1, -1, 3), None
    if channels == 4:
        return picture[..., :3], picture[..., 3:]
    return picture, None


def flatten_alpha(picture: Tensor, ground: float = 0.5) -> Tensor:
    """RGB laid over a gray ground where it is transparent.

    Parameters
    ----------
    picture : (B, H, W, C), C in {1, 3, 4}, sRGB 0..1
    ground : float in [0, 1], sRGB

    Returns
    -------
    Tensor, (B, H, W, 3)
        Blended in coded values, as ComfyUI and browsers do.
    """
    colours, alpha = split_alpha(picture)
    return colours if alpha is None else colours * alpha + ground * (1 - alpha)


def luma(picture: Tensor) -> Tensor:
    """Coded brightness, Rec. 709 weights on sRGB values: what detectors look at.

    Parameters
    ----------
    picture : (..., 3), sRGB 0..1

    Returns
    -------
    Tensor, (...)
    """
    red, green, blue = picture.unbind(-1)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
