"""Casts made by hand: pictures that need no model, scores that need no skin."""

from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.casting.take import Cast, Take, take_sha256
from portrait_loupe.nodes.framing.faces import Face


@pytest.fixture
def make_take():
    """``make_take(number, ...)``: a small picture of its own, with a score where one is given."""

    def make(number, *, distance=None, rejected=None, model="Recraft V4", size=(48, 40), seed=7, face=True):  # fmt: skip
        width, height = size
        drawn = torch.Generator().manual_seed(number)
        picture = torch.rand(1, height, width, 3, generator=drawn)
        evidence = None
        if distance is not None:
            evidence = SimpleNamespace(
                distance=distance, reason="within the corridor", gate=None, figures={"mid": 0.4}
            )
        found = Face(((10.25, 12.0), (30.5, 13.5)), 12.0, ((1.0, 2.5),), -3.0, None)
        return Take(
            number, model, picture, take_sha256(picture), seed, "0123456789abcdef",
            found if face else None, rejected, evidence, None,
        )  # fmt: skip

    return make


@pytest.fixture
def make_cast():
    """``make_cast(takes)``: ranked by distance, as Cast Sheet ranks."""

    def make(takes, region="face"):
        from dataclasses import replace

        scored = sorted(
            (take for take in takes if take.evidence is not None and take.rejected is None),
            key=lambda take: take.evidence.distance,
        )
        ranks = {take.number: place for place, take in enumerate(scored, 1)}
        ranked = tuple(replace(take, rank=ranks.get(take.number)) for take in takes)
        return Cast(ranked, region, "a portrait", "shipped 1a2b", "", "the embedded detector")

    return make
