"""From a file's tensors to the adapter that they are, or to the reasons why they are none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import torch

from .adapter import Adapter
from .flatten import Tensors
from .flux import flux_layers
from .formats.registry import AUTO, FORMATS, SUPPORTED, VERSIONS
from .layout import Format, Refused, objections, sizes_of
from .unet import SDXL, base_of, cross_layers, lora_parts

MOST_SEEN = 6  # keys in a message
FOLDERS = 2  # above the file, whose names count
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def recognise(
    tensors: Tensors, file_name: str = "", *, version: str = AUTO, sha256: str = ""
) -> Adapter:
    """What kind of identity adapter a file is.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        As ``flatten`` gives them.
    file_name : str
        With the folders above it where they are known: two pairs of formats share a layout, and nothing
        but the name tells them apart.
    version : one of ``VERSIONS``
        The user's word on that, over the name.
    sha256 : str
        Of the file, kept for reports.

    Returns
    -------
    Adapter

    Raises
    ------
    Refused
        It fits no format: what was seen, and why each does not fit. Or it is known but not supported,
        not whole, contradicts itself, holds values that are not numbers, or nothing tells its version.
    """
    if version not in VERSIONS:
        raise Refused(f"version must be one of {', '.join(VERSIONS)}; got {version!r}")
    file = _last(file_name)
    fits = [layout for layout in FORMATS if not objections(layout, tensors)]
    if not fits:
        raise Refused(_strange(tensors, file))
    if not fits[0].supported:
        raise Refused(
            f"{file or 'the file'} is {fits[0].name} ({fits[0].published}), which Loupe knows by sight but does not "
            f"yet support. It supports {', '.join(SUPPORTED)}",
            fits[0].name,
        )
    layout, told_by = _meant(fits, tensors, file_name, version)
    _check_values(layout, tensors)
    return _whole(layout, told_by, tensors, file, sha256)


def _whole(layout: Format, told_by: str, tensors: Tensors, file: str, sha256: str) -> Adapter:
    sizes = sizes_of(layout, tensors)
    on_flux = layout.bases == ("Flux",)
    base = "Flux" if on_flux else base_of(tensors)
    if base not in layout.bases:
        raise Refused(
            f"{file or 'the file'} looks like {layout.name}, which there is for {' and '.join(layout.bases)}, but its "
            f"layers are those of {base}: it is another adapter, or not whole. Download it again",
            layout.name,
        )
    cross = () if on_flux else cross_layers(layout.name, tensors, base, sizes)
    lora = () if on_flux else lora_parts(layout.name, tensors, base, sizes)
    return Adapter(
        format=layout.name,
        base=base,
        encoder=layout.encoder,
        needs=layout.needs,
        tokens=sizes["tokens"],
        width=sizes["width"],
        sizes=sizes,
        tensors=tensors,
        file=file,
        sha256=sha256,
        cross_layers=cross,
        lora=lora,
        flux_layers=flux_layers(tensors, sizes) if on_flux else (),
        layout=layout,
        told_by=told_by,
        unused=_unused(layout, tensors, bool(cross), bool(lora)),
    )


def _meant(
    fits: Sequence[Format], tensors: Tensors, file_name: str, version: str
) -> tuple[Format, str]:
    """The one that is meant of formats that share a layout, and how it was told."""
    if version != AUTO:
        for layout in fits:
            if layout.version == version:
                return layout, f"by the version that was set, {version}"
        names = " or ".join(layout.name for layout in fits)
        raise Refused(
            f"the version is set to {version}, but {_last(file_name) or 'the file'} is {names}: set it to "
            + " or ".join([AUTO, *(layout.version for layout in fits if layout.version)])
        )
    if len(fits) == 1:
        return fits[0], ""
    for part in reversed(PurePath(file_name.replace("\\", "/")).parts[-1 - FOLDERS :]):
        named = [layout for layout in fits if re.search(layout.in_name, part.lower())]
        if len(named) == 1:
            return named[0], f"by the name {part}"
    if base_of(tensors) == SDXL and any(layout.version == "v2" for layout in fits):
        (only,) = [layout for layout in fits if layout.version == "v2"]
        return only, "by its base: no other version was made for SDXL"
    names = " or ".join(layout.name for layout in fits)
    choices = " or ".join(layout.version for layout in fits)
    raise Refused(
        f"{_last(file_name) or 'the file'} is {names}: both have the same layout, and its name does not tell which. "
        f"Set the version to {choices}, or give the file the name that it was published under",
        names,
    )


def _check_values(layout: Format, tensors: Tensors) -> None:
    """No weight that is not a number, and none in a form that needs a scale beside it."""
    for key, tensor in tensors.items():
        if not tensor.dtype.is_floating_point:
            continue
        if tensor.dtype not in FLOATS:
            raise Refused(
                f"the file looks like {layout.name}, but {key} is {str(tensor.dtype).removeprefix('torch.')}: Loupe "
                "reads adapters in 16 or 32 bits. Take the file as it was published",
                layout.name,
            )
        # a sum is the cheapest look at every value; where it runs over, they are looked at one by one
        if not tensor.sum(dtype=torch.float32).isfinite() and not tensor.isfinite().all():
            raise Refused(
                f"the file looks like {layout.name}, but {key} holds values that are not numbers. Download it again",
                layout.name,
            )


def _unused(layout: Format, tensors: Tensors, cross: bool, lora: bool) -> tuple[str, ...]:
    rows = [re.escape(row).replace(r"\*", r"\d+") for row in layout.rows]
    if cross:
        rows.append(r"ip_adapter\.\d*[13579]\.to_[kv]_ip\.weight")
    if lora:
        rows.append(r"ip_adapter\.\d+\.to_(q|k|v|out)_lora\.(up|down)\.weight")
    read = re.compile("|".join(rows))
    return tuple(key for key in tensors if not read.fullmatch(key))


def _strange(tensors: Tensors, file: str) -> str:
    """What was seen, and why each format does not fit, the nearest first."""
    kinds = Counter(key.split(".")[0] for key in tensors)
    groups = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(MOST_SEEN))
    step = max(1, len(tensors) // MOST_SEEN)
    keys = list(tensors)[::step][:MOST_SEEN]
    samples = ", ".join(f"{key} {tuple(tensors[key].shape)}" for key in keys)
    reasons = sorted(
        ((layout, objections(layout, tensors)) for layout in FORMATS), key=lambda pair: len(pair[1])
    )
    why = "\n".join(
        f"- {layout.name} ({layout.published}){'' if layout.supported else ', not yet supported'}: {'; '.join(found)}"
        for layout, found in reasons
    )
    return (
        f"{file or 'the file'} is no identity adapter that Loupe knows. It holds {len(tensors)} tensors: {groups}; such "
        f"as {samples}. Why it is none of these:\n{why}"
    )


def _last(file_name: str) -> str:
    return PurePath(file_name.replace("\\", "/")).name
