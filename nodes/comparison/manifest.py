"""A plate as data: its design, its sources by their hash, and its own hash. Enough to draw it again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...kernels.picture import MAX_SIDE, check_result
from ...kernels.resample import KERNELS
from ..framing.faces import Box
from .design import MOST_SLIDES, PLACES, Design, Settings, Shown, Slide
from .layout import LARGEST, Layout
from .panels import MOST, Panel
from .plate import Plate

SCHEMA = "loupe.plate/1"
MOST_BYTES = 4 * 1024 * 1024
LONGEST_TEXT = 20_000
TEXT_ROOM = (8, 1000)  # px, letter heights


class ManifestError(ValueError):
    """A text that is no manifest of a plate."""


def write_manifest(
    plate: Plate, panels: Sequence[Panel], settings: Settings, *, version: str = ""
) -> str:
    """A plate's manifest, JSON.

    Parameters
    ----------
    plate, panels, settings : what :func:`.plate.make_plate` was given and gave
    version : str
        Of the pack.
    """
    design = replace(plate.design, font=Path(plate.design.font).name)  # no path of this machine
    told = {
        "schema": SCHEMA,
        "pack": version,
        "region": settings.region,
        "policy": settings.policy,
        "lock_scale": settings.lock_scale,
        "roll": settings.roll,
        "kernel": settings.kernel,
        "linear_light": True,
        "sharpening": "none",
        "method_hidden": not settings.show_method,
        "blind": {"seed": settings.blind_seed, "order": list(design.order)}
        if settings.blind
        else None,
        "slides": [slide.name for slide in design.slides],
        "sources": [_source(panel) for panel in panels],
        "figures": list(plate.figures),
        "design": asdict(design),
        "software": software(),
        "plate_sha256": plate_sha256(plate.picture),
    }
    return json.dumps(told, ensure_ascii=False, indent=1)


def _source(panel: Panel) -> dict[str, Any]:
    face = None
    if panel.face is not None:
        face = {"eyes": panel.face.eyes, "points": len(panel.face.points)}
    return {
        "sha256": source_sha256(panel.image),
        "size": [panel.image.shape[2], panel.image.shape[1]],
        "channels": panel.image.shape[3],
        "label": panel.label,
        "face": face,
        "caption": panel.caption.as_json(),
    }


def source_sha256(image: Tensor) -> str:
    """Of a picture's values as little-endian float32, rows first; shape included."""
    pixels = np.ascontiguousarray(image.detach().cpu().float().numpy()).astype("<f4", copy=False)
    digest = hashlib.sha256("x".join(map(str, pixels.shape[-3:])).encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def plate_sha256(picture: Tensor) -> str:
    """Of a plate's pixels, rounded to 8 bits, slide after slide."""
    pixels = (picture.clamp(0, 1) * 255).round().to("cpu").byte().contiguous().numpy()
    digest = hashlib.sha256("x".join(map(str, pixels.shape)).encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def software() -> dict[str, str]:
    """What letters and sums depend on: another version may draw another pixel."""
    import PIL
    import torch
    from PIL import features

    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "pillow": PIL.__version__,
        "freetype": features.version("freetype2") or "",
        "raqm": features.version("raqm") or "",
    }


def read_manifest(text: str, source: str = "the manifest") -> tuple[Design, dict[str, Any]]:
    """The design of a manifest, checked, and all that it says.

    Parameters
    ----------
    text : str, from anybody
    source : str
        What it is called in messages.

    Raises
    ------
    ManifestError
        It is too long, no JSON, of another schema, or a value is missing or impossible.
    """
    if len(text) > MOST_BYTES:
        raise ManifestError(f"{source} holds over {MOST_BYTES // 2**20} MB, no manifest does")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{source} is not JSON: {error}") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        found = told.get("schema") if isinstance(told, dict) else type(told).__name__
        raise ManifestError(
            f"{source} is no manifest of a plate: schema must be {SCHEMA}, got {str(found)[:60]!r}. Use the text that "
            "Compare gives as manifest."
        )
    try:
        design = _design(told["design"])
        sources = told["sources"]
        if not isinstance(sources, list) or not all(isinstance(one, dict) for one in sources):
            raise TypeError("sources must be a list of objects")
        if not all(isinstance(one.get("sha256"), str) for one in sources):
            raise KeyError("sha256 of a source")
        for one in sources:
            _pair(one["size"], 1, MAX_SIDE)  # what is looked for as a file is known by it first
        wanted = max(one.source for slide in design.slides for one in slide.panels)
        if not wanted < len(sources) <= MOST:
            raise ValueError(f"{len(sources)} sources for panels up to number {wanted + 1}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        words = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else str(error)
        raise ManifestError(f"{source} cannot be drawn: {words[:200]}") from None
    return design, told


def _design(value: dict[str, Any]) -> Design:
    slides = tuple(map(_slide, _some(value["slides"], MOST_SLIDES + 3)))
    if not slides or not slides[0].panels:
        raise ValueError("its first slide shows no panels")
    sizes = {slide.layout.size for slide in slides}
    key = _slide(value["key"])
    if len(sizes | {key.layout.size}) > 1:
        raise ValueError("its slides differ in size")
    if key.panels:
        raise ValueError("its key shows panels")
    check_result(len(slides), *key.layout.size, "the plate")
    return Design(
        kernel=_of(value["kernel"], KERNELS),
        label_place=_of(value["label_place"], PLACES),
        show_method=bool(value["show_method"]),
        font=_text(value["font"]),
        slides=slides,
        key=key,
        order=tuple(_whole(one, 0, MOST) for one in _some(value["order"], MOST)),
        lines=tuple(_text(one) for one in _some(value.get("lines", ()), 16)),
    )


def _slide(value: dict[str, Any]) -> Slide:
    layout = _layout(value["layout"])
    panels = tuple(_shown(one, layout) for one in _some(value["panels"], MOST))
    if len(panels) != len(layout.origins):
        raise ValueError(f"{len(panels)} panels at {len(layout.origins)} places")
    return Slide(
        name=_text(value["name"]),
        title=_text(value["title"]),
        layout=layout,
        panels=panels,
        notes=tuple(_text(one) for one in _some(value["notes"], 16)),
        method=_text(value["method"]),
        text=tuple(_text(one) for one in _some(value["text"], 200)),
    )


def _layout(value: dict[str, Any]) -> Layout:
    size = _pair(value["size"], 16, LARGEST)
    panel = _pair(value["panel"], 0, LARGEST)
    origins = tuple(_pair(one, 0, LARGEST) for one in _some(value["origins"], MOST))
    for x, y in origins:
        if min(panel) < 1 or x + panel[0] > size[0] or y + panel[1] > size[1]:
            raise ValueError(f"a panel of {panel} at {(x, y)} leaves the plate of {size}")
    # some kB can ask for gigabytes
    if len(origins) * panel[0] * panel[1] > size[0] * size[1]:
        raise ValueError(f"{len(origins)} panels of {panel} do not fit the plate of {size}")
    rest = {
        name: _whole(value[name], 0, LARGEST)
        for name in ("margin", "label", "head", "foot", "top", "bottom")
    }
    return Layout(size, panel, origins, text=_whole(value["text"], *TEXT_ROOM), **rest)


def _shown(value: dict[str, Any], layout: Layout) -> Shown:
    box = Box(*(_number(value["box"][name]) for name in ("x", "y", "width", "height")))
    if box.width <= 0 or box.height <= 0:
        raise ValueError(f"a box of {box.width:g}x{box.height:g} px")
    reduced = value["reduced"]
    lengths = {
        name: None if value[name] is None else _number(value[name])
        for name in ("px_per_mm", "iris_px")
    }
    return Shown(
        source=_whole(value["source"], 0, MOST - 1),
        box=box,
        zoom=_number(value["zoom"]),
        turn_deg=_number(value["turn_deg"]),
        reduced=None if reduced is None else _pair(reduced, 1, LARGEST),
        complete=bool(value["complete"]),
        px_per_mm=lengths["px_per_mm"],
        iris_px=lengths["iris_px"],
        bar_px=_whole(value["bar_px"], 0, max(layout.panel)),
        **{
            name: _text(value[name])
            for name in ("label", "subline", "caption", "short_caption", "figures", "bar")
        },
    )


def _some(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise ValueError(f"a list of up to {most} was expected")
    return list(value)


def _of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"{str(value)[:60]!r} is none of {', '.join(known)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError("a text was expected, not too long")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"a number was expected, got {str(value)[:60]!r}")
    if abs(value) > 1e7:
        raise ValueError(f"{value:g} is out of range")
    return float(value)


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(
            f"a whole number from {least} to {most} was expected, got {str(value)[:60]!r}"
        )
    return value


def _pair(value: Any, least: int, most: int) -> tuple[int, int]:
    first, second = _some(value, 2)
    return _whole(first, least, most), _whole(second, least, most)
