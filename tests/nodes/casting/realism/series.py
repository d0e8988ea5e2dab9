"""What is done to pictures of faces, in steps: smoothing, and what a one-sided score would reward.

Every operator takes and gives (H, W, 3), sRGB 0..1, and is deterministic.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def gaussian(picture, sigma):
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0), mode="nearest", truncate=3)


def bilateral(picture, setting):
    """Piecewise-linear bilateral filter, guided by luma (Durand and Dorsey 2002): a beauty filter."""
    sigma, reach = setting
    guide = picture @ LUMA
    low, high = np.percentile(guide, (1, 99))
    guide = np.clip(guide, low, high)
    levels = np.linspace(low, high, max(2, int(np.ceil((high - low) / reach)) + 1))
    step = levels[1] - levels[0]
    out = np.zeros_like(picture)
    for level in levels:
        weight = np.exp(-((guide - level) ** 2) / 2 / reach**2)[..., None].astype(np.float32)
        layer = gaussian(weight * picture, sigma) / (gaussian(weight, sigma) + 1e-6)
        out += np.clip(1 - np.abs(guide - level) / step, 0, 1)[..., None] * layer
    return out


def denoise(picture, strength):
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(
        picture, patch_size=5, patch_distance=5, h=strength, fast_mode=True, channel_axis=-1
    )


def down_up(picture, factor):
    height, width = picture.shape[:2]
    small = as_image(picture).resize(
        (round(width / factor), round(height / factor)), Image.Resampling.BICUBIC
    )
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


def jpeg(picture, quality):
    data = io.BytesIO()
    as_image(picture).save(data, "JPEG", quality=quality)
    with Image.open(data) as again:
        return np.asarray(again, np.float32) / 255


def noise(picture, strength):
    random = np.random.default_rng(4)
    return picture + strength * random.standard_normal(picture.shape).astype(np.float32)


def grain(picture, strength):
    """Gray, a little wider than a pixel, as film has it."""
    random = np.random.default_rng(5)
    plane = ndimage.gaussian_filter(random.standard_normal(picture.shape[:2]), 0.5)
    return picture + (strength * plane / plane.std())[..., None].astype(np.float32)


def grain_over_plastic(picture, strength):
    return grain(bilateral(picture, (8.0, 0.15)), strength)


def sharpen(picture, amount):
    return picture + amount * (picture - gaussian(picture, 1.0))


def clarity(picture, amount):
    return picture + amount * (picture - gaussian(picture, 12.0))


SMOOTHING = {
    "blur": (gaussian, (0.5, 0.8, 1.2, 1.8, 2.6)),
    "beauty": (bilateral, ((2.0, 0.04), (3.0, 0.06), (4.0, 0.09), (6.0, 0.12), (8.0, 0.16))),
    "denoise": (denoise, (0.012, 0.02, 0.03, 0.045, 0.07)),
    "down-up": (down_up, (1.25, 1.6, 2.0, 2.7, 3.5)),
    # the portraits were saved at about 80 themselves
    "JPEG": (jpeg, (60, 45, 30, 20, 15)),
}
GAMING = {
    "grain over plastic": (grain_over_plastic, (0.01, 0.015, 0.022, 0.03, 0.045)),
    "sharpen": (sharpen, (0.3, 0.6, 1.0, 1.6, 2.5)),
    "noise": (noise, (0.008, 0.014, 0.022, 0.034, 0.05)),
}
REPORTED = {"clarity": (clarity, (0.15, 0.3, 0.5, 0.8, 1.2))}
ALL = {**SMOOTHING, **GAMING, **REPORTED}


def syngen():
    """The operators of ofiq-syngen [1]_ that change skin and move nothing, in the form of ``ALL``.

    Without the ISO's networks, which it does not bring: the whole picture is changed. Its severities are
    those of capture quality: the first step is often beyond the last of ours.

    References
    ----------
    .. [1] ofiq-syngen 0.5.2, MIT; its components are those of ISO/IEC 29794-5.
    """
    from ofiq_syngen.components import COMPONENT_REGISTRY

    def operator(component, which):
        function = COMPONENT_REGISTRY[f"{component}.scalar"][which].function

        def run(picture, severity):
            codes = (np.clip(picture[..., ::-1], 0, 1) * 255).round().astype(np.uint8)
            changed = function(np.ascontiguousarray(codes), severity, 42, None)
            return changed[..., ::-1].astype(np.float32) / 255

        return run

    return {
        name: (operator(component, which), (0.2, 0.4, 0.6, 0.8, 1.0))
        for name, component, which in SYNGEN
    }


SYNGEN = (
    ("Gaussian blur", "Sharpness", 0),
    ("motion blur", "Sharpness", 1),
    ("Gaussian noise", "Sharpness", 2),
    ("compression", "CompressionArtifacts", 0),
    ("dynamic range", "DynamicRange", 0),
    ("darkening", "LuminanceMean", 0),
    ("overexposure", "OverExposurePrevention", 0),
    ("uneven light", "IlluminationUniformity", 0),
    ("colour cast", "NaturalColour", 0),
)


def apply(picture, name, step, among=None):
    """A step of a series on (H, W, 3), rounded to 8 bits as a saved picture is."""
    operator, settings = (among or ALL)[name]
    return rounded(operator(np.asarray(picture, np.float32), settings[step]))


def rounded(picture):
    return (np.clip(picture, 0, 1) * 255).round().astype(np.float32) / 255


def as_image(picture):
    return Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))


def around_skin(picture, face):
    """The part of a picture (1, H, W, 3) that holds forehead and cheeks, with room, and the face in it."""
    from dataclasses import replace

    _, height, width, _ = picture.shape
    corners = [face.to_image(u, v) for u in (-1.0, 1.0) for v in (-0.95, 1.05)]
    left, top = (max(0, int(min(one[axis] for one in corners))) for axis in (0, 1))
    right = min(width, int(max(one[0] for one in corners)) + 1)
    bottom = min(height, int(max(one[1] for one in corners)) + 1)
    moved = tuple((x - left, y - top) for x, y in face.eyes)
    points = tuple((x - left, y - top) for x, y in face.points)
    return picture[:, top:bottom, left:right], replace(face, eyes=moved, points=points)


def distances(picture, face, corridor, name, steps, own=None, among=None):
    """Of the original (where its figures are known, of these) and of steps of a series: (1 + steps,)."""
    import torch

    from portrait_loupe.nodes.casting.realism.figures import figures_of
    from portrait_loupe.nodes.casting.realism.skin import cut_skin

    pixels = picture[0].numpy()
    shown = [apply(pixels, name, step, among) for step in steps]
    if own is None:
        shown.insert(0, rounded(pixels))
    skins = [cut_skin(torch.from_numpy(np.ascontiguousarray(one))[None], face) for one in shown]
    found = [corridor.distance(figures_of(skin)) for skin in skins]
    return found if own is None else [corridor.distance(own), *found]


def spearman(values):
    """Of the score (less distance is more) along a series: -1 falls at every step."""
    from scipy.stats import spearmanr

    return float(spearmanr(range(len(values)), [-one for one in values]).statistic)
