import numpy as np
import pytest

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference


@pytest.fixture(scope="module")
def adapters(identity_adapters):
    """``adapters(kind, base)``: a tiny one."""

    def made(kind, base="SD1.5", **sizes):
        checkpoint = identity_adapters.build(kind, base, **sizes)
        return recognise(flatten(checkpoint), identity_adapters.file_name(kind, base))

    return made


@pytest.fixture(scope="session")
def somebody():
    """``somebody(encoder, crops, qualities, length)``: an identity of as many faces as there are crops."""
    return _somebody


def _somebody(
    encoder="w600k_r50", crops=(None, None, None), qualities=(0.5, 0.9, 0.7), length=20.0
):
    random = np.random.default_rng(0)
    shared = random.normal(size=512)
    raw = shared + 0.3 * random.normal(size=(len(crops), 512))
    raw = (raw / np.linalg.norm(raw, axis=1, keepdims=True) * length).astype(np.float32)
    references = tuple(
        Reference(
            quality=quality, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
            image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
            crop512=crop,
        )
        for quality, crop in zip(qualities, crops, strict=True)
    )  # fmt: skip
    return Identity("Ada", references, (Embedded(encoder, "a" * 64, "none", raw),))
