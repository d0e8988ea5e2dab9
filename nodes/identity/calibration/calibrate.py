"""From measured pictures to a calibration: the curve, the weight, the words, the drawings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from ..adapters.adapter import Adapter
from ..profile import Identity
from .base import base_of
from .draw import draw_curve
from .fit import fit_curve
from .grid import draw_grid
from .measure import Measured
from .plain import plain_of
from .report import FALLBACK, LORA, caveats, curve_words, measured_words, suggestion_words
from .suggestion import levels_of, suggest, with_calibration
from .value import Calibration


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What comes out of a calibration."""

    identity: Identity
    """With the calibration where there is a curve, else as it was."""
    weight: float
    """Suggested; 0.8 where none is."""
    plot: Tensor
    grid: Tensor
    report: str
    json: str


def calibrate(
    measured: Measured,
    identity: Identity,
    adapter: Adapter,
    model: Any,
    *,
    factor: float = 1.0,
    how: str = "",
    created: str = "",
    remarks: Sequence[str] = (),
) -> Calibrated:
    """The curve through measured pictures and the weight that it speaks for.

    Parameters
    ----------
    measured : Measured
    identity : Identity
    adapter : Adapter
        With which they were rendered.
    model : ModelPatcher
        The base model.
    factor : float
        Of prominence.
    how : str
        The other settings, in words.
    created : str
        ISO date.
    remarks : sequence of str
        For the end of the report.

    Raises
    ------
    ValueError
        The model is no diffusion model.
    """
    base, base_id = base_of(model)
    fitted, objection = fit_curve(measured.points)
    levels = levels_of(identity, measured.encoder, measured.encoder_sha256)
    lines = measured_words(measured, adapter.file, base, factor)
    suggestion, calibration = None, None
    if fitted is None:
        lines += [f"no curve: {objection}", f"no weight is suggested; the output weight is {FALLBACK:g}"]  # fmt: skip
    else:
        calibration = Calibration(
            adapter.file, adapter.sha256, base, base_id, measured.encoder, measured.encoder_sha256,
            measured.points, fitted, created, how,
        )  # fmt: skip
        identity = with_calibration(identity, calibration)
        suggestion = suggest(calibration, factor, levels)
        lines += curve_words(fitted, measured.points)
        lines += suggestion_words(suggestion, levels, measured.encoder, factor)
        if adapter.lora and any(one.weight == 0 for one in measured.points):
            lines.append(LORA)
        lines += caveats(base, how)
    told = {
        "adapter": adapter.file,
        "base": base,
        "base_id": base_id,
        "factor": factor,
        "objection": objection,
        "calibration": None if calibration is None else plain_of(calibration),
        "suggestion": None if suggestion is None else asdict(suggestion),
        "points": [asdict(one) for one in measured.points],
    }
    title = f"{identity.name or 'identity'}: {adapter.file} on {base}"
    weight = None if suggestion is None else suggestion.weight
    return Calibrated(
        identity=identity,
        weight=FALLBACK if weight is None else round(weight, 2),
        plot=draw_curve(title, measured.points, fitted, suggestion, levels, factor),
        grid=draw_grid(measured.renders, measured.points),
        report="\n".join([*lines, *measured.remarks, *remarks]),
        json=json.dumps(told, allow_nan=False),
    )
