"""The picture sizes that diffusion models are fed with."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True)
class Model:
    """What a family of models takes.

    Parameters
    ----------
    budget : int, pixels of the whole picture
    grid : int, pixels
        Both sides are a multiple of it: the VAE's factor times the patch. ComfyUI trims what is not.
    vae_factor : int, pixels per latent cell, along each side
    """

    budget: int
    grid: int
    vae_factor: int = 8


# Budgets and grids as the families were trained and as ComfyUI's empty latents step. Flux.2 packs
# 2 x 2 cells into one, so a cell of it is 16 px.
MODELS: dict[str, Model] = {
    "SD1.5": Model(512 * 512, 64),
    "SDXL": Model(1024 * 1024, 64),
    "Flux": Model(1024 * 1024, 16),
    "Flux.2": Model(1024 * 1024, 16, vae_factor=16),
    "Qwen-Image": Model(1328 * 1328, 16),
    "Z-Image": Model(1024 * 1024, 16),
}
CUSTOM = "custom"
BUDGET_SLACK = 0.06  # a size may miss the pixel budget by this share, as the models' own buckets do
ASPECTS = (0.25, 4.0)  # widest and narrowest size that is tried
MAX_MEGAPIXELS = 64.0


def model_of(name: str, megapixels: float = 1.0, multiple_of: int = 16) -> Model:
    """A model by its name, or a custom one.

    Parameters
    ----------
    name : str
        A name of ``MODELS``, or ``"custom"`` for the other two.
    megapixels : float, above 0 and at most ``MAX_MEGAPIXELS``, millions of pixels (1024 x 1024 is 1.05)
    multiple_of : int >= 1, pixels

    Raises
    ------
    ValueError
        The name is unknown, or the numbers of a custom model make no sense.
    """
    if name == CUSTOM:
        if not (0 < megapixels <= MAX_MEGAPIXELS and multiple_of >= 1):
            raise ValueError(
                f"a custom model needs megapixels above 0 and at most {MAX_MEGAPIXELS:g}, and multiple_of "
                f"from 1; got {megapixels:g} and {multiple_of}"
            )
        return Model(round(megapixels * 1e6), multiple_of)
    if name not in MODELS:
        raise ValueError(f"model must be one of {', '.join([*MODELS, CUSTOM])}; got {name!r}")
    return MODELS[name]


def sizes_of(model: Model) -> list[tuple[int, int]]:
    """The sizes, width and height in pixels: near the budget, on the grid, portrait to panorama.

    Raises ValueError where the grid is coarser than the budget.
    """
    budget, grid = model.budget, model.grid
    sizes = []
    for width in range(grid, floor((budget * ASPECTS[1]) ** 0.5) + grid, grid):
        height = round(budget / width / grid) * grid
        if (
            height
            and ASPECTS[0] <= width / height <= ASPECTS[1]
            and abs(width * height / budget - 1) <= BUDGET_SLACK
        ):
            sizes.append((width, height))
    if not sizes:
        raise ValueError(
            f"no size of about {budget / 1e6:g} megapixels has both sides a multiple of {grid} px: "
            "lower multiple_of or raise megapixels"
        )
    return sizes
