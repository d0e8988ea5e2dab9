"""Cut a planned crop out of a picture and bring it to the model's size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...kernels.picture import check_result
from .plan import CropPlan


def cut(image: Tensor, plan: CropPlan) -> Tensor:
    """The crop of every picture, at the plan's output size.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), sRGB 0..1
        Of the plan's source size.
    plan : CropPlan
        With one crop for all pictures, or one for each.

    Returns
    -------
    Tensor, (B, height, width, C), sRGB 0..1, dtype of ``image``
        Bicubic, anti-aliased where it shrinks, in coded values: what the models were trained on.
        A crop that keeps its size is the source's own pixels, also where they leave 0..1.

    Raises
    ------
    ValueError
        The crops together would be absurdly large.
    """
    width, height = plan.output_size
    check_result(len(image), width, height, "the crop")
    out = image.new_empty((len(image), height, width, image.shape[-1]))
    for index, picture in enumerate(image):
        box = plan.crops[index % len(plan.crops)]
        pixels = picture[int(box.y) : int(box.bottom), int(box.x) : int(box.right)]  # (h, w, C)
        if pixels.shape[:2] != (height, width):
            planes = pixels.permute(2, 0, 1)[None].float()
            scaled = F.interpolate(
                planes, (height, width), mode="bicubic", antialias=True, align_corners=False
            )
            pixels = scaled[0].permute(1, 2, 0).clamp(0, 1)
        out[index] = pixels
    return out
