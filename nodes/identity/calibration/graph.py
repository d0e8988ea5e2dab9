"""What is rendered for a calibration, as a graph of ComfyUI's nodes: plain dictionaries and links.

For every weight one Apply Identity, for every weight and seed a KSampler and a VAE Decode, and one
Calibration Curve that gets all pictures. What does not depend on the weight is not laid out twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

Link = list[Any]
Graph = dict[str, dict[str, Any]]

APPLY, SAMPLE, DECODE, CURVE = "LoupeApplyIdentity", "KSampler", "VAEDecode", "LoupeCalibrationCurve"  # fmt: skip
APPLIED = (
    "adapter", "identity", "prominence", "start", "end", "curve", "lora_weight", "plan", "faces", "clip_vision",
    "eva_clip",
)  # fmt: skip
SAMPLED = ("steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "denoise")
MEASURED = ("identity", "adapter", "model", "prominence", "plan", "faces", "encoder", "backend")
OUTPUTS = 6  # of Calibration Curve


def lay_out(
    prefix: str,
    weights: Sequence[float],
    seeds: Sequence[int],
    given: Mapping[str, Any],
    how: str = "",
) -> tuple[Graph, tuple[Link, ...]]:
    """The nodes that render and measure, and what comes out of them.

    Parameters
    ----------
    prefix : str
        Of the ids of the new nodes, none of which is in the graph yet.
    weights, seeds : sequences, each value once
    given : mapping of input id to link or value
        Of Identity Calibrate; an optional one that is None is left out.
    how : str
        The settings in words, kept with the curve.

    Returns
    -------
    graph : dict of id to {"class_type": str, "inputs": dict}
    outputs : tuple of links
        Those of Calibration Curve.
    """
    there = {name: value for name, value in given.items() if value is not None}

    def some(names: Sequence[str]) -> dict[str, Any]:
        return {name: there[name] for name in names if name in there}

    place = f"{prefix}{_digest(there, weights, seeds)}."
    graph: Graph = {}
    pictures: list[Link] = []
    for weight in weights:
        applied = f"{place}apply {weight}"
        graph[applied] = _node(APPLY, model=there["model"], weight=weight, **some(APPLIED))
        for seed in seeds:
            sampled, decoded = f"{place}sample {weight} {seed}", f"{place}decode {weight} {seed}"
            graph[sampled] = _node(
                SAMPLE, model=[applied, 0], seed=seed, latent_image=there["latent"], **some(SAMPLED)
            )
            graph[decoded] = _node(DECODE, samples=[sampled, 0], vae=there["vae"])
            pictures.append([decoded, 0])
    curve = f"{place}curve"
    sockets = {f"images.image{number}": link for number, link in enumerate(pictures)}
    graph[curve] = _node(
        CURVE,
        **sockets,
        weights=", ".join(str(weight) for weight in weights for _ in seeds),
        seeds=", ".join(str(seed) for _ in weights for seed in seeds),
        how=how,
        **some(MEASURED),
    )
    return graph, tuple([curve, number] for number in range(OUTPUTS))


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _digest(*what: Any) -> str:
    """Of the settings: a node that is called for several of them at once makes nodes of several names."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:8]


def settings_words(chosen: Mapping[str, Any]) -> str:
    """What is the same at all weights, in a line."""
    return (
        f"{chosen['steps']} steps, cfg {chosen['cfg']:g}, {chosen['sampler_name']}, {chosen['scheduler']}, denoise "
        f"{chosen['denoise']:g}; identity from {chosen['start']:g} to {chosen['end']:g} of sampling, layers "
        f"{chosen['curve']}, LoRA {chosen['lora_weight']:g}"
    )
