"""What lies beyond the edge of a picture: the picture, mirrored as often as it takes."""

import torch
from torch import Tensor


def mirror(image: Tensor, reach: int) -> Tensor:
    """Continue a picture beyond its edges by reflection about its outermost pixels.

    Parameters
    ----------
    image : Tensor, (..., H, W)
    reach : int, pixels
        May exceed the picture's sides, where ``F.pad`` refuses; one pixel repeats itself.

    Returns
    -------
    Tensor, (..., H + 2 * reach, W + 2 * reach)
    """
    rows = _mirrored(image.shape[-2], reach, image.device)
    columns = _mirrored(image.shape[-1], reach, image.device)
    return image.index_select(-2, rows).index_select(-1, columns)


def _mirrored(side: int, reach: int, device: torch.device) -> Tensor:
    """Indices 3 2 1 0 1 2 3 2 1 0 ... for every position from -reach to side - 1 + reach."""
    position = torch.arange(-reach, side + reach, device=device)
    period = max(2 * side - 2, 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded) if side > 1 else torch.zeros_like(position)
