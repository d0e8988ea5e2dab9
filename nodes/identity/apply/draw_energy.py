"""An identity's measured strength as a map: its layers from top to bottom, the steps from left to right."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ...labels import shorten
from ...typography import font
from ..injection.energy import Reading

WIDTH, LEFT, RIGHT, TOP, GAP = 900, 150, 110, 70, 46  # px
CURVE = 150  # px, the mean of all layers above the map
ROW = (4, 18)  # px of a layer, at least and at most
MAP = 420  # px that the layers share
TEXT, SMALL = 18, 14
GROUND, INK, QUIET, LINE, MARK = (
    (22, 22, 24),
    (242, 242, 242),
    (176, 176, 180),
    (70, 70, 74),
    (255, 196, 0),
)
# Dark to bright in equal steps of lightness, so that twice the ratio looks twice as far from the ground.
RAMP = np.array([(22, 22, 24), (70, 48, 96), (148, 66, 96), (222, 112, 62), (255, 214, 120)], float)


@dataclass(frozen=True, eq=False)
class Measured:
    """One identity's readings as a table."""

    name: str
    layers: tuple[Hashable, ...]
    """In the order in which the model ran them."""
    sigmas: tuple[float, ...]
    """Falling."""
    ratios: NDArray[np.float64]
    """(layers, sigmas); 0 where the identity did not act."""

    @property
    def by_step(self) -> NDArray[np.float64]:
        """(sigmas,) mean of all layers."""
        return self.ratios.mean(0)

    @property
    def by_layer(self) -> NDArray[np.float64]:
        """(layers,) mean of all steps."""
        return self.ratios.mean(1)


def table(name: str, readings: Sequence[Reading]) -> Measured:
    """Readings by layer and step.

    Raises
    ------
    ValueError
        There are none.
    """
    if not readings:
        raise ValueError(
            f"nothing was measured of {name}: it acted in no step. Link the model that was sampled, and to samples what "
            "the sampler gave"
        )
    layers = tuple(dict.fromkeys(one.layer for one in readings))
    sigmas = tuple(sorted({one.sigma for one in readings}, reverse=True))
    ratios = np.zeros((len(layers), len(sigmas)))
    row, column = ({key: index for index, key in enumerate(keys)} for keys in (layers, sigmas))
    for one in readings:
        ratios[row[one.layer], column[one.sigma]] = one.ratio
    return Measured(name, layers, sigmas, ratios)


def draw_energy(measured: Sequence[Measured]) -> Tensor:
    """A map for each identity, below its mean over the layers; all on one scale.

    Parameters
    ----------
    measured : sequence of Measured, 1 or more

    Returns
    -------
    Tensor, (1, H, W, 3), sRGB 0..1
    """
    most = max(float(one.ratios.max()) for one in measured)
    most = most if most > 0 else 1.0
    heights = [TOP + CURVE + GAP + _row(one) * len(one.layers) + GAP for one in measured]
    page = Image.new("RGB", (WIDTH, sum(heights)), GROUND)
    pen = ImageDraw.Draw(page)
    top = 0
    for one, height in zip(measured, heights, strict=True):
        _one(page, pen, one, top, most)
        top += height
    return torch.from_numpy(np.asarray(page, np.float32) / 255)[None]


def colour_of(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(..., 3) of shares 0..1 of the highest ratio."""
    at = np.clip(share, 0, 1) * (len(RAMP) - 1)
    low = np.minimum(at.astype(int), len(RAMP) - 2)
    mixed = RAMP[low] + (RAMP[low + 1] - RAMP[low]) * (at - low)[..., None]
    return mixed.round().astype(np.uint8)


def _row(one: Measured) -> int:
    return min(max(MAP // len(one.layers), ROW[0]), ROW[1])


def _one(page: Image.Image, pen: ImageDraw.ImageDraw, one: Measured, top: int, most: float) -> None:
    small = font(SMALL)
    inner = WIDTH - LEFT - RIGHT
    words = f": its term beside what it is added to, {one.ratios.mean():.3g} in the mean"
    title = (
        shorten(
            one.name, WIDTH - 48 - round(font(TEXT, bold=True).getlength(words)), TEXT, bold=True
        )
        + words
    )
    pen.text((24, top + 18), title, font=font(TEXT, bold=True), fill=INK, anchor="lt")
    floor, steps = top + TOP + CURVE, len(one.sigmas)
    edges = [LEFT + round(inner * column / steps) for column in range(steps + 1)]
    for share in (0.0, 0.5, 1.0):
        y = floor - share * (CURVE - 20)
        pen.line((LEFT, y, WIDTH - RIGHT, y), fill=(40, 40, 44))
        pen.text((LEFT - 8, y), f"{share * most:.3g}", font=small, fill=QUIET, anchor="rm")
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    points = [
        (x, floor - mean / most * (CURVE - 20))
        for x, mean in zip(middles, one.by_step, strict=True)
    ]
    if len(points) > 1:
        pen.line(points, fill=MARK, width=3)
    for x, y in points:
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=MARK)
    pen.text((WIDTH - RIGHT + 10, floor), "mean of", font=small, fill=QUIET, anchor="lb")
    pen.text((WIDTH - RIGHT + 10, floor + 2), "all layers", font=small, fill=QUIET, anchor="lt")
    first, height = floor + GAP, _row(one)
    cells = colour_of(one.ratios / most)
    for index, layer in enumerate(one.layers):
        y = first + index * height
        for column in range(steps):
            box = (edges[column], y, edges[column + 1] - 1, y + height - 1)
            pen.rectangle(box, fill=tuple(int(c) for c in cells[index, column]))
        if index % max(round(SMALL * 1.2 / height), 1) == 0:
            pen.text((LEFT - 8, y), layer_words(layer), font=small, fill=QUIET, anchor="rt")
    last = first + height * len(one.layers)
    pen.text((LEFT, last + 6), "first step", font=small, fill=QUIET, anchor="lt")
    pen.text((WIDTH - RIGHT, last + 6), "last step", font=small, fill=QUIET, anchor="rt")
    _scale(pen, first, last, most)


def _scale(pen: ImageDraw.ImageDraw, first: int, last: int, most: float) -> None:
    x, small = WIDTH - RIGHT + 14, font(SMALL)
    for y in range(first, last):
        share = 1 - (y - first) / max(last - first - 1, 1)
        colour = tuple(int(c) for c in colour_of(np.array(share)))
        pen.line((x, y, x + 14, y), fill=colour)
    pen.text((x + 20, first), f"{most:.3g}", font=small, fill=QUIET, anchor="lt")
    pen.text((x + 20, last), "0", font=small, fill=QUIET, anchor="lb")


def layer_words(layer: Hashable) -> str:
    """A layer's key as it is said: ``middle 0 3``, ``double block 4``."""
    words = " ".join(map(str, layer)) if isinstance(layer, tuple) else str(layer)
    return words.replace("_", " ")


def energy_words(measured: Sequence[Measured]) -> str:
    """The maps in words."""
    lines = []
    for one in measured:
        order = np.argsort(-one.by_layer)[:3]
        strongest = ", ".join(
            f"{layer_words(one.layers[i])} ({one.by_layer[i]:.3g})" for i in order
        )
        steps = one.by_step
        peak = int(steps.argmax())
        lines += [
            f"{one.name}: {one.ratios.mean():.3g} of what it is added to, mean of {len(one.layers)} layers and "
            f"{len(one.sigmas)} steps",
            f"first step {steps[0]:.3g}, last {steps[-1]:.3g}, most in step {peak + 1} ({steps[peak]:.3g})",
            f"strongest in {strongest}",
        ]
    return "\n".join(lines)


def as_json(measured: Sequence[Measured]) -> list[dict]:
    """Plain values: ratios by layer, a number for each step."""
    return [
        {
            "identity": one.name,
            "sigmas": [round(sigma, 6) for sigma in one.sigmas],
            "layers": {
                layer_words(layer): [round(float(ratio), 6) for ratio in row]
                for layer, row in zip(one.layers, one.ratios, strict=True)
            },
        }
        for one in measured
    ]
