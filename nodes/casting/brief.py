"""The brief of a cast: seeds and size for every model, and which models are suggested for the need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log, sqrt

from .routing import BEST_EFFORT, NEEDS, NO_SEEDS, Hint, Routing

ASPECTS: dict[str, tuple[int, int]] = {
    "1:1": (1, 1),
    "4:5": (4, 5),
    "3:4": (3, 4),
    "2:3": (2, 3),
    "9:16": (9, 16),
    "5:4": (5, 4),
    "4:3": (4, 3),
    "3:2": (3, 2),
    "16:9": (16, 9),
}
MEGAPIXEL = 2**20  # px, as ComfyUI's own nodes count: 1024x1024 is 1
MOST_TAKES = 16  # of a model
MOST_SEED = 2**64 - MOST_TAKES  # so that the last take's is one that KSampler takes
SMALL_SEED = 2**31 - 1  # the most that some API nodes take
LEAST_SIDE, MOST_SIDE = 64, 8192  # px
SAME_ASPECT = 0.001  # of itself: below it nobody is told


@dataclass(frozen=True)
class Brief:
    """What every model is given."""

    prompt: str
    negative: str
    seeds: tuple[int, ...]
    """One a take."""
    width: int
    """Pixels."""
    height: int
    report: str


def plan_brief(
    prompt: str,
    negative: str,
    routing: Routing,
    *,
    takes: int = 4,
    base_seed: int = 0,
    aspect: str = "4:5",
    megapixels: float = 1.0,
    multiple_of: int = 64,
    need: str = NEEDS[0],
) -> Brief:
    """Seeds, size and suggestions for a cast.

    Parameters
    ----------
    prompt, negative : str
    routing : Routing
    takes : int in [1, 16]
        Of each model.
    base_seed : int, at least 0
        Take i has ``base_seed + i``, counted from 0.
    aspect : a name of ``ASPECTS``
        Width to height.
    megapixels : float
        Of 1024 x 1024 px.
    multiple_of : int
        Of which both sides are, pixels.
    need : one of ``NEEDS``

    Raises
    ------
    ValueError
        The prompt is empty, a value is impossible, or the size has no such multiple.
    """
    if not prompt.strip():
        raise ValueError(
            "prompt must say what to show, it is empty: every model would be paid for it"
        )
    if need not in NEEDS:
        raise ValueError(f"need must be one of {', '.join(NEEDS)}; got {need!r}")
    seeds = seeds_of(base_seed, takes)
    width, height = size_of(aspect, megapixels, multiple_of)
    lines = [
        *_seed_lines(seeds),
        _size_line(width, height, aspect, megapixels, multiple_of),
        *_suggestions(routing, need, negative),
        *routing.remarks,
    ]
    return Brief(prompt, negative, seeds, width, height, "\n".join(lines))


def seeds_of(base_seed: int, takes: int) -> tuple[int, ...]:
    """The seeds of a model's takes.

    Raises ValueError where ``takes`` or ``base_seed`` is out of range.
    """
    if not 1 <= takes <= MOST_TAKES:
        raise ValueError(f"takes must be from 1 to {MOST_TAKES}, got {takes}")
    if not 0 <= base_seed <= MOST_SEED:
        raise ValueError(f"base_seed must be from 0 to {MOST_SEED}, got {base_seed}")
    return tuple(range(base_seed, base_seed + takes))


def size_of(aspect: str, megapixels: float, multiple_of: int) -> tuple[int, int]:
    """Width and height, the multiples nearest to an aspect and a number of pixels.

    Of the multiples next to the exact sides those count as nearest whose aspect is least wrong, an
    error of the area counting half as much as one of the aspect.

    Raises ValueError where a value is impossible or a side would leave 64..8192 px.
    """
    if aspect not in ASPECTS:
        raise ValueError(f"aspect must be one of {', '.join(ASPECTS)}; got {aspect!r}")
    if not 0 < megapixels < 100:
        raise ValueError(f"megapixels must be above 0 and below 100, got {megapixels:g}")
    if multiple_of < 1:
        raise ValueError(f"multiple_of must be at least 1, got {multiple_of}")
    across, down = ASPECTS[aspect]
    area = megapixels * MEGAPIXEL
    exact = sqrt(area * across / down), sqrt(area * down / across)

    def wrong(size: tuple[int, int]) -> float:
        width, height = size
        shape = abs(log(width * down / (height * across)))
        return shape + abs(log(width * height / area)) / 2

    columns, rows = (_around(side / multiple_of) for side in exact)
    sizes = [(x * multiple_of, y * multiple_of) for x in columns for y in rows]
    fitting = [size for size in sizes if min(size) >= LEAST_SIDE and max(size) <= MOST_SIDE]
    if not fitting:
        raise ValueError(
            f"{megapixels:g} megapixels at {aspect} are {exact[0]:.0f}x{exact[1]:.0f} px, and multiples of {multiple_of} "
            f"from {LEAST_SIDE} to {MOST_SIDE} px do not fit. Choose other megapixels or another multiple_of."
        )
    return min(fitting, key=wrong)


def _around(value: float) -> list[int]:
    """The whole numbers next to a value, at least 1."""
    return sorted({max(1, floor(value)), max(1, ceil(value))})


def _seed_lines(seeds: tuple[int, ...]) -> Iterator[str]:
    count, last = len(seeds), seeds[-1]
    if count == 1:
        yield f"1 take a model, seed {last}."
    else:
        yield (
            f"{count} takes a model, seeds {seeds[0]} to {last}. A node that seeds is linked to runs {count} times: "
            "link it where a call gives one picture, to a sampler or an API node with n = 1."
        )
        yield (
            f"Where n or batch_size gives several pictures a call, set that to {count} through takes and leave seeds "
            f"unlinked: with both, {count} seeds x {count} pictures are {count * count}, and a provider charges for each."
        )
    if last > SMALL_SEED:
        yield f"Some API nodes take seeds up to {SMALL_SEED} only: choose a smaller base_seed for them."


def _size_line(width: int, height: int, aspect: str, megapixels: float, multiple_of: int) -> str:
    across, down = ASPECTS[aspect]
    off = width * down / (height * across) - 1
    shape = f"{aspect}" if abs(off) < SAME_ASPECT else (
        f"width / height is {width / height:.3f}, {aspect} would be {across / down:.3f}: "
        f"{abs(off) * 100:.1f} % {'wider' if off > 0 else 'narrower'}"
    )  # fmt: skip
    return (
        f"{width}x{height} px, multiples of {multiple_of}; {shape}; {width * height / MEGAPIXEL:.2f} megapixels of "
        f"{megapixels:g} asked for. A provider with sizes of its own gives the nearest that it has."
    )


def _suggestions(routing: Routing, need: str, negative: str) -> Iterator[str]:
    hints = routing.needs.get(need, ())
    yield (
        f"Need: {need}. Suggestions, none of them measured here; cast several and let the sheet show the difference. "
        "Nothing is chosen by them."
    )
    for number, hint in enumerate(hints, 1):
        yield f"{number}. {_told(routing, hint)}"
    if not hints:
        yield "No model is suggested for it."
    names = {hint.model: routing.offer(hint.model) for hint in hints}
    unseeded = [name for name, offer in names.items() if offer.seeds == NO_SEEDS]
    vague = [name for name, offer in names.items() if offer.seeds == BEST_EFFORT]
    deaf = [name for name, offer in names.items() if not offer.negative]
    if unseeded:
        yield f"No seeds: {', '.join(unseeded)}. Every call gives other pictures; what you keep is the picture itself."
    if vague:
        yield f"Seeds by best effort: {', '.join(vague)}. The same seed may give another picture."
    if negative.strip() and deaf:
        yield f"No negative prompt: {', '.join(deaf)}. Say in the prompt what you want instead."


def _told(routing: Routing, hint: Hint) -> str:
    offer = routing.offer(hint.model)
    by = f" [{hint.source}]" if hint.source else ""
    file = f" ({hint.file})" if hint.file else ""
    return f"{hint.model}: {hint.reason}{by}{f'; {offer.offers}' if offer.offers else ''}{file}"
