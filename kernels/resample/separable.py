"""A box as it lies in its picture: rows, then columns."""

from __future__ import annotations

import torch
from torch import Tensor

from .light import codes_of, light_of
from .taps import Taps

_STRIP = 2**18  # values that are worked on at once: 2 MB in float64, the cache of a core


def separable(source: Tensor, down: Taps, across: Taps, out: Tensor) -> None:
    """Resample (C, H, W) into ``out`` (C, rows, columns), in strips of rows."""
    down, row_of = down.distinct()
    across, column_of = across.distinct()
    left, right = across.span()
    across = across.part(slice(None), left)
    copied = down.index.shape[1] == across.index.shape[1] == 1  # nothing is mixed: its own codes
    top, bottom = down.span()
    rows = len(down.index)
    wide = len(source) * max(right - left, len(across.index))
    most = max(1, int(_STRIP / wide / max(1.0, (bottom - top) / rows)))
    for first in range(0, rows, most):
        strip = down.part(slice(first, first + most))
        top, bottom = strip.span()
        strip = strip.part(slice(None), top)
        lines = source[:, top:bottom, left:right].permute(1, 0, 2).contiguous().cpu()  # (h, C, w)
        lines = lines.flatten(1) if copied else light_of(lines).flatten(1)
        lines = strip.gather(lines, 0).view(-1, right - left)
        lines = across.gather(lines, 1)  # (rows * C, columns)
        lines = lines.float().clamp_(0, 1) if copied else codes_of(lines)
        # two axes: with three, index_select is ten times slower
        lines = lines.index_select(1, column_of).view(len(strip.index), len(source), -1)
        start, end = torch.searchsorted(row_of, torch.tensor([first, first + most])).tolist()
        for channel, plane in enumerate(out):
            torch.index_select(
                lines[:, channel], 0, row_of[start:end] - first, out=plane[start:end]
            )
