"""Skin that is known: textures of a given spectrum on a face of a given size."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.casting.realism.corridor import build_corridor
from portrait_loupe.nodes.casting.realism.figures import SCORED
from portrait_loupe.nodes.framing.faces import OVAL, Face

WIDTH, HEIGHT = 540, 460  # px, of the synthetic pictures at 440 px face height
TONE = (65.0, 14.0, 17.0)  # CIELAB of light skin


def plane_of(exponent, seed, height=HEIGHT, width=WIDTH):
    """Noise whose power falls as frequency ** -exponent, of unit standard deviation."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    shaped = np.fft.rfft2(random.standard_normal((height, width))) * frequency ** (-exponent / 2)
    plane = np.fft.irfft2(shaped, s=(height, width))
    return plane / plane.std()


@pytest.fixture(scope="session")
def series():
    """The module of operators beside this file."""
    place = importlib.util.spec_from_file_location("series", Path(__file__).parent / "series.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def spectrum():
    """``spectrum(exponent, seed)``: see ``plane_of``."""
    return plane_of


@pytest.fixture(scope="session")
def face():
    """A face of 440 px in the synthetic pictures."""
    iod = 440.001 / OVAL[1]
    return Face(((WIDTH / 2 - iod / 2, 170.0), (WIDTH / 2 + iod / 2, 170.0)))


@pytest.fixture(scope="session")
def painted():
    """``painted(light, a, b)``: a picture (1, H, W, 3) of skin whose CIELAB differs by these planes.

    Without a and b it is coloured in blotches of a half.
    """

    def paint(light, a=None, b=None):
        from scipy.ndimage import gaussian_filter
        from skimage.color import lab2rgb

        a, b = (
            0.5
            * gaussian_filter(plane_of(2.0, seed, *np.shape(light)), np.shape(light)[1] / WIDTH / 2)
            if part is None
            else part
            for seed, part in ((11, a), (12, b))
        )
        planes = [
            tone + np.broadcast_to(part, np.shape(light))
            for tone, part in zip(TONE, (light, a, b), strict=True)
        ]
        return torch.from_numpy(lab2rgb(np.stack(planes, -1)).astype(np.float32))[None]

    return paint


@pytest.fixture(scope="session")
def rows():
    """The figures of 60 made-up faces, correlated."""
    random = np.random.default_rng(1)
    mixing = random.standard_normal((len(SCORED), len(SCORED))) * 0.2 + np.eye(len(SCORED)) * 0.4
    table = random.standard_normal((60, len(SCORED))) @ mixing + np.arange(len(SCORED)) * 0.1
    return [
        {
            **dict(zip(SCORED, row.tolist(), strict=True)),
            "face_px": 450.0 + 5 * i,
            "ita_deg": i - 5.0,
        }
        for i, row in enumerate(table)
    ]


@pytest.fixture(scope="session")
def corridor(rows):
    return build_corridor(rows, name="made up")


@pytest.fixture(scope="session")
def grown():
    """``grown(face, times)``: the same face in a picture so many times as large."""

    def grow(face, times):
        assert math.isfinite(times)
        return Face(tuple((x * times, y * times) for x, y in face.eyes))

    return grow
