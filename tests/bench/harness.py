"""What the benchmarks share: this clone as a package, and timing side by side.

Every contestant runs in turn, round after round, in one process; the table gives medians and
ratios to ours, because these figures are read on shared and noisy machines.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import torch

ROOT = Path(__file__).resolve().parents[2]


def load_package() -> None:
    """This clone as ``portrait_loupe``."""
    _loaded("portrait_loupe", ROOT / "__init__.py")


def helper(name: str) -> ModuleType:
    """A module that tests share: ``tests/<name>.py``."""
    return _loaded(name, ROOT / "tests" / f"{name}.py")


def _loaded(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def race(contestants: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Median seconds of each, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if count:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def table(
    title: str, ours: str, medians: Mapping[str, float], notes: Mapping[str, str] | None = None
) -> None:
    """Medians in ms, and how many times ours each takes."""
    columns = ["", "median ms", "x ours", *([] if notes is None else ["note"])]
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, seconds in medians.items():
        note = "" if notes is None else f" {notes.get(name, '')} |"
        print(f"| {name} | {seconds * 1000:.1f} | {seconds / medians[ours]:.2f} |{note}")


def machine() -> str:
    """What ran it."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__} with {torch.get_num_threads()} threads"
    )
