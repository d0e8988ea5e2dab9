"""What would calculate on this machine, and why: ``python . kernels``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import wrap
from typing import Any

import torch
from torch import Tensor

from .convolve import choice, choose
from .convolve.terms import Terms, terms_of_gaussians

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
_GB = 1024**3
_WIDTH = 100  # characters


@dataclass(frozen=True)
class Case:
    """A picture through a PSF, on a device, and what would do it."""

    device: str
    psf: str
    reach_px: int
    picture: str
    backend: str
    why: list[str]


def psfs() -> dict[str, Terms | Tensor]:
    """Typical PSFs by name: sums of separable terms, and one that is none."""
    place = torch.arange(-15.0, 16.0)
    disc = (place[:, None].hypot(place) <= place[-1]).float()
    return {
        "re-lens of a sharp source": terms_of_gaussians(2.27, [-3.64, 2.37], [0.68, 0.8]),
        "soft lens": terms_of_gaussians(0.3, [0.4, 0.3], [1.0, 2.8]),
        "soft focus with a wide halo": terms_of_gaussians(0.3, [0.4, 0.3], [1.5, 24.0]),
        "out of focus, a disc": disc / disc.sum(),
    }


def look() -> dict[str, Any]:
    """What is here and what would be chosen, for typical cases; nothing large is calculated.

    Returns
    -------
    dict, ready for JSON
        ``torch``, ``threads``, ``cuda`` (a list of devices, maybe empty), ``triton`` (its version
        or None), ``why_not_triton`` (None: it runs), and ``cases``, each a :class:`Case`.
    """
    devices = [_device(index) for index in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cuda": devices,
        "triton": _version("triton"),
        "why_not_triton": _why_not_triton(bool(devices)),
        "cases": [asdict(case) for case in cases(["cpu", *(["cuda"] if devices else [])])],
    }


def cases(devices: list[str]) -> Iterator[Case]:
    """What ``convolve`` chooses by itself, on each device, for each PSF and size of picture."""
    for device in devices:
        for name, psf in psfs().items():
            reach = psf.reach if isinstance(psf, Terms) else psf.shape[-1] // 2
            for size, (width, height) in SIZES.items():
                # one number that poses as all: 8K RGB would take 0.4 GB to ask a question
                picture = torch.zeros(1, device=device).expand(1, 3, height, width)
                backend, why = choose(picture, psf)
                yield Case(device, name, reach, size, backend, list(why))


def table(found: dict[str, Any]) -> str:
    """What :func:`look` has found, for people to read."""
    lines = [f"torch      {found['torch']}, {found['threads']} threads"]
    names = [
        f"{device['name']}, compute capability {device['capability']}, "
        f"{device['free_gb']:.1f} of {device['total_gb']:.1f} GB free"
        for device in found["cuda"]
    ]
    lines += [f"CUDA       {name}" for name in names or ["no device that torch can use"]]
    version = f"{found['triton']}" if found["triton"] else "none"
    objection = found["why_not_triton"]
    lines.append(f"Triton     {version}{f': not used, {objection}' if objection else ''}")
    # sizes that are treated alike share a line
    alike = groupby(
        found["cases"],
        key=lambda case: (case["device"], case["psf"], case["reach_px"], case["backend"], case["why"]),
    )  # fmt: skip
    for (device, psf, reach, backend, why), some in alike:
        sizes = ", ".join(case["picture"] for case in some)
        lines += ["", f"{device}, {psf} (reach {reach} px), {sizes}: {backend}"]
        for reason in why:
            lines += wrap(reason, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join(lines)


def _device(index: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    return {
        "name": torch.cuda.get_device_name(index),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(index))),
        "free_gb": round(free / _GB, 1),
        "total_gb": round(total / _GB, 1),
    }


def _why_not_triton(has_cuda: bool) -> str | None:
    absent = choice.why_no_triton()
    if absent:
        return absent
    if not has_cuda:
        return "it needs a CUDA device"
    return choice.why_not_here(torch.device("cuda", torch.cuda.current_device()))


def _version(package: str) -> str | None:
    for name in (package, f"{package}-windows"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
