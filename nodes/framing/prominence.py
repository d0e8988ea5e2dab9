"""How prominent a face is: its size, detail, pose and light as numbers with units, and what to mend.

The larger and clearer the face in the frame, the better its identity is caught. Every figure is
given as measured; the score only puts faces in order.

Lengths on a face are in inter-ocular distances (IOD). Figures that depend on where the pixels lie
are read at points of the face's own grid, so they do not change when a picture is enlarged by
whole pixels or turned with its face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, exp, log2, radians
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...kernels.color import srgb_to_linear
from ...kernels.picture import check_picture, luma, split_alpha
from .faces import OVAL, OVAL_V, Box, Face, Faces
from .plan import check_faces, plan_crops

HEAD_IOD = 3.65  # crown to chin, the eyes taken at mid-height
MOST_YAW_GAIN = 0.5  # cosine: a head turned by more than 60 degrees is not corrected further

GRID = 221  # points across the oval: 38,000 in it; the visible share is right to 0.5 %
CHEEK_IOD = 0.3  # a side of OFIQ's zones; they reach outwards from below the pupils
CHEEK_V = 0.495  # IOD below the eye line: half way to the mouth, which lies at 0.99
CHEEK_POINTS = 33  # a side: OFIQ's aligned face has 113 px between the eyes
CLIPPED = (0.02, 0.98)  # linear light: outside is black or burnt out

# Blur. Factors that bring the lower quartile onto the blur added to 20 sharp portraits (0.6 to 4 px:
# within 4 % in the median), with edges re-blurred by 1 and by 2 px.
REBLUR_PX = ((1.0, 1.06), (2.0, 1.12))
SECOND_FROM_PX = 2.0  # above it the second re-blur is believed
STRONG = 90  # percentile: edges above it are measured
# Percentile of their widths: the best detail counts, soft shadows have wide edges too.
SHARPEST = 25
ABOVE_GRAIN = 8.0  # times the grain must an edge rise per px; its width would be the grain's
LEAST_EDGES = 20  # so many edges, or a look at half the size, where grain is half as strong
LEAST_EDGE = 0.5 / 255  # per px: below is rounding to 8 bits, no edge
HALVE_FROM_PX = 4.0  # wider blur is measured on the picture made half as large
GRAINY = 0.8 / 255  # grain of which wide edges lose their width: these are measured on a smaller
HALVE_GRAINY_FROM_PX = 1.2  # picture sooner. Rounding to 8 bits is 0.3 / 255
LEAST_IOD = 16.0  # px: a face is not halved below it
TILE, TILES = (
    512,
    4,
)  # px; a face of more than TILE * TILES px a side is measured on a grid of tiles
BAND_PIXELS = 2**21  # that are made smaller at once: 25 MB
REACH = 10  # px around a tile that its re-blur needs

# Blur of a face that uses all its pixels. 60 web portraits measure 0.40 in the median; with 0.38 the
# detail of their enlargements by two is unchanged in the median (0.91 to 1.20 of 90 %), with 0.45 it
# would grow by 14 %.
SHARP_PX = 0.38
TEMPLATE_PX = 20.0  # iod_eff that scores 0; each doubling adds a quarter
OCTAVES = 4.0
EXPONENTS = {"size": 0.45, "pose": 0.20, "light": 0.15, "visible": 0.20}  # a proposal, uncalibrated
# Of 60 good portraits two, lit from the side, have no common light on both cheeks; a product must
# not put them behind a blank wall.
LEAST_UNIFORM = 10.0  # of 100
OFIQ_MIDDLE, OFIQ_WIDTH = 70.0, 20.0  # px

# The embedded detector counts votes: 12 are the least that it believes, 30 are sure in a crowd.
SURE_VOTES = 30.0

BANDS = (  # px of iod_eff, a proposal
    (48.0, "identity diluted"),
    (96.0, "weak"),
    (160.0, "workable"),
    (320.0, "good"),
    (float("inf"), "excellent"),
)
ENOUGH_PX = 160.0  # between the eyes inside the model: no closer crop is proposed above it
CLOSER = 1.1  # a crop that gains less is not worth naming
ADVISED = ("CU close-up", "BCU big close-up")
SOFT = 0.6  # iod_eff / iod below which blur is worth a word
TURNED_DEG = 30.0  # of yaw or pitch
CLIPPED_SHARE = 0.15  # the most of 60 portraits is 0.145, dark hair in the oval
UNEVEN = 50.0  # of 100
CUT = 0.97  # visible share

Plane = NDArray[np.floating[Any]]
Progress = Callable[[int], Callable[[int], None]]


@dataclass(frozen=True)
class Prominence:
    """What was measured of one face."""

    face: Face
    image_size: tuple[int, int]
    """Width and height of its picture, pixels."""
    iod_px: float
    """Distance between the pupils, pixels, as it would be if the head faced the camera: divided by
    the cosine of the yaw, where that is known."""
    iod_eff_px: float
    """The same in pixels that hold detail: smaller than ``iod_px`` by as much as the picture is
    blurred; 0 where the face shows no edge at all."""
    face_h_px: float
    """Upper forehead to chin, pixels."""
    head_h_px: float
    """Crown to chin, pixels: an estimate that hair, hats and children break."""
    area_share: float
    """Share of the picture that the oval of the face covers, 0..1."""
    height_share: float
    """Face height / picture height; above 1 where the face is taller than the frame."""
    blur_sigma_px: float | None
    """Standard deviation of the blur of the sharpest edges, pixels; None where there is no edge."""
    yaw_deg: float | None
    pitch_deg: float | None
    roll_deg: float
    """Turn of the eye line, clockwise as seen."""
    light_uniformity: float | None
    """How alike both cheeks are lit, 0..100; None where one lies outside the picture."""
    clipped_share: float
    """Share of the visible oval that is black or burnt out, 0..1."""
    median_luma: float
    """Median linear light of the visible oval, 0..1."""
    margins_iod: dict[str, float]
    """From the eyes to the left, right, top and bottom border; below 0 where they lie outside."""
    visible_share: float
    """Share of the oval that lies in the picture, 0..1."""
    confidence: float
    """The detector's, brought to 0..1."""

    @property
    def parts(self) -> dict[str, float]:
        """What the score is made of, each 0..1: size, pose, light and visible."""
        octaves = log2(self.iod_eff_px / TEMPLATE_PX) if self.iod_eff_px > 0 else 0.0
        turned = cos(radians(self.yaw_deg or 0.0)) * cos(radians(self.pitch_deg or 0.0))
        uniform = 100.0 if self.light_uniformity is None else self.light_uniformity
        uniform = max(uniform, LEAST_UNIFORM)
        return {
            "size": min(max(octaves / OCTAVES, 0.0), 1.0),
            "pose": turned**2,  # roll costs nothing: a picture can be turned
            "light": uniform / 100 * (1 - self.clipped_share),
            "visible": self.visible_share * self.confidence,
        }

    @property
    def score(self) -> float:
        """0..100, to put faces in order: no standard, and not calibrated with a recogniser."""
        product = 100.0
        for name, part in self.parts.items():
            product *= part ** EXPONENTS[name]
        return product

    @property
    def ofiq_iod(self) -> float:
        """The inter-eye distance on OFIQ's scale, 0..100 (ISO/IEC 29794-5:2025 reference)."""
        return 100 / (1 + exp(-(self.iod_px - OFIQ_MIDDLE) / OFIQ_WIDTH))

    @property
    def band(self) -> str:
        """What so many pixels of detail are good for, in words."""
        return next(words for limit, words in BANDS if self.iod_eff_px < limit)

    def as_json(self) -> dict[str, Any]:
        """Plain values for other programs, units in the names; null where nothing is known."""
        return {
            "eyes": [[round(float(c), 3) for c in eye] for eye in self.face.eyes],
            "score": round(self.score, 2),
            "band": self.band,
            "iod_px": round(self.iod_px, 3),
            "iod_eff_px": round(self.iod_eff_px, 3),
            "face_h_px": round(self.face_h_px, 3),
            "head_h_px": round(self.head_h_px, 3),
            "area_share": round(self.area_share, 6),
            "height_share": round(self.height_share, 6),
            "blur_sigma_px": _rounded(self.blur_sigma_px, 3),
            "yaw_deg": _rounded(self.yaw_deg, 2),
            "pitch_deg": _rounded(self.pitch_deg, 2),
            "roll_deg": round(self.roll_deg, 2),
            "light_uniformity": _rounded(self.light_uniformity, 2),
            "clipped_share": round(self.clipped_share, 4),
            "median_luma": round(self.median_luma, 4),
            "margins_iod": {
                side: round(float(value), 3) for side, value in self.margins_iod.items()
            },
            "visible_share": round(self.visible_share, 4),
            "confidence": round(self.confidence, 3),
            "ofiq_iod": round(self.ofiq_iod, 2),
            "parts": {name: round(value, 4) for name, value in self.parts.items()},
        }


Measured = tuple[tuple[Prominence, ...], ...]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def measure(image: Tensor, faces: Faces, *, progress: Progress | None = None) -> Measured:
    """How prominent every face of every picture is.

    Parameters
    ----------
    image : Tensor, (B, H, W, C), C in {1, 3, 4}, sRGB 0..1
        Alpha is ignored: hidden colours count as if they were seen.
    faces : Faces
        Found in these pictures, or in one of their size that stands for all.
    progress : callable, optional
        Called once with the number of pictures; what it returns is called after each, with the
        number done.

    Returns
    -------
    tuple of tuples of Prominence
        For each picture its faces in the order of ``faces``; an empty one where there is none.

    Raises
    ------
    ValueError
        The image is no picture, or the faces were found in another.

    Notes
    -----
    Only the face is looked at, in tiles: 8192 x 8192 px with 3000 px between the eyes takes 2 to 5 s
    on one core and 0.1 GB besides the picture; 11 s and 0.4 GB where the face shows no edge at all.
    """
    check_picture(image)
    check_faces(faces, tuple(image.shape))
    colours, _ = split_alpha(image)
    tick = progress(len(colours)) if progress else None
    measured = []
    for index, picture in enumerate(colours):
        frame = faces.frames[index % len(faces.frames)]
        measured.append(tuple(measure_face(picture, face, faces.backend) for face in frame))
        if tick:
            tick(index + 1)
    return tuple(measured)


def rank(prominences: Sequence[Prominence]) -> list[Prominence]:
    """Faces in the order of their score, the most prominent first; of equals the one with larger IOD."""
    return sorted(prominences, key=lambda one: (-one.score, -one.iod_px))


def as_json(measured: Measured) -> dict[str, Any]:
    """All figures of every face of every picture, as plain values."""
    return {"frames": [[one.as_json() for one in frame] for frame in measured]}


def confidence_of(face: Face, backend: str) -> float:
    """A backend's confidence, 0..1.

    The embedded detector counts votes, which begin at 12 and are brought to 0..1 as votes / 30: 0.4
    for the least that it believes, 1 where it is sure even of one face among several. It also looks
    into linked boxes and masks, so any score above 1 is taken for votes. Others give 0..1 themselves.
    """
    votes = "embedded" in backend or face.score > 1
    return min(max(face.score / SURE_VOTES if votes else face.score, 0.0), 1.0)


def straight_iod(face: Face) -> float:
    """Distance between the pupils, pixels, as if the head faced the camera (ISO/IEC 29794-5)."""
    return face.iod / max(cos(radians(face.yaw_deg or 0.0)), MOST_YAW_GAIN)


def measure_face(picture: Tensor, face: Face, backend: str) -> Prominence:
    """How prominent one face is, in a picture that has been checked: see ``measure``.

    Parameters
    ----------
    picture : Tensor, (H, W, 3), sRGB 0..1, finite
    face : Face
        Found in this picture.
    backend : str
        As in ``Faces.backend``.
    """
    height, width = picture.shape[:2]
    iod = straight_iod(face)
    visible, light = _oval_light(picture, face, iod)
    sigma = _blur_sigma(picture, face, iod)
    area = np.pi / 4 * OVAL[0] * OVAL[1] * iod**2
    xs, ys = zip(*face.eyes, strict=True)
    return Prominence(
        face=face,
        image_size=(width, height),
        iod_px=iod,
        iod_eff_px=0.0 if sigma is None else iod * min(1.0, SHARP_PX / sigma),
        face_h_px=OVAL[1] * iod,
        head_h_px=HEAD_IOD * iod,
        area_share=min(area * visible / (width * height), 1.0),
        height_share=OVAL[1] * iod / height,
        blur_sigma_px=sigma,
        yaw_deg=face.yaw_deg,
        pitch_deg=face.pitch_deg,
        roll_deg=face.roll_deg,
        light_uniformity=_uniformity(picture, face),
        clipped_share=float(((light < CLIPPED[0]) | (light > CLIPPED[1])).mean()) if light.size else 0.0,
        median_luma=float(np.median(light)) if light.size else 0.0,
        margins_iod={
            "left": min(xs) / iod,
            "right": (width - max(xs)) / iod,
            "top": min(ys) / iod,
            "bottom": (height - max(ys)) / iod,
        },
        visible_share=visible,
        confidence=confidence_of(face, backend),
    )  # fmt: skip


def _along(face: Face) -> tuple[float, float]:
    """The direction of the eye line, of length 1."""
    (x1, y1), (x2, y2) = face.eyes
    return (x2 - x1) / face.iod, (y2 - y1) / face.iod


def _points(face: Face, iod: float, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """Points of the face, given in distances of ``iod`` pixels, in pixels."""
    (cx, cy), (ux, uy) = face.centre, _along(face)
    return cx + iod * (u * ux - v * uy), cy + iod * (u * uy + v * ux)


def _light_at(picture: Tensor, x: Plane, y: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """Linear light of the pixels that hold these points, and which points the picture has.

    The first has as many values as the second has True.
    """
    height, width = picture.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    columns = torch.from_numpy(x[inside].astype(np.int64)).to(picture.device)
    rows = torch.from_numpy(y[inside].astype(np.int64)).to(picture.device)
    light = srgb_to_linear(picture[rows, columns].float())
    return luma(light).cpu().numpy(), inside  # Rec. 709 weights on linear light: luminance


def _oval_light(picture: Tensor, face: Face, iod: float) -> tuple[float, Plane]:
    """The share of the oval that lies in the picture, and the light of that part, by points."""
    steps = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    across, down = np.meshgrid(steps, steps)
    oval = across**2 + down**2 <= 1
    x, y = _points(face, iod, across[oval] * OVAL[0] / 2, down[oval] * OVAL[1] / 2 + OVAL_V)
    light, inside = _light_at(picture, x, y)
    return float(inside.mean()), light


def _uniformity(picture: Tensor, face: Face) -> float | None:
    """How alike both cheeks are lit, 0..100.

    The common part of the two cheeks' histograms of linear light, to the power 0.3 (OFIQ,
    IlluminationUniformity; its zones begin below the pupils and reach 0.3 IOD outwards).
    """
    finer = max(1, min(8, round(face.iod * CHEEK_IOD / CHEEK_POINTS)))
    steps = (np.arange(CHEEK_POINTS * finer) + 0.5) / (CHEEK_POINTS * finer) * CHEEK_IOD
    out, down = np.meshgrid(0.5 + steps, CHEEK_V + steps)
    histograms = []
    for side in (-1, 1):
        x, y = _points(face, face.iod, side * out, down)
        light, inside = _light_at(picture, x, y)
        if not inside.all():
            return None
        light = light.reshape(CHEEK_POINTS, finer, CHEEK_POINTS, finer).mean((1, 3))
        counts = np.bincount(np.rint(light * 255).astype(np.int64).ravel(), minlength=256)
        histograms.append(counts / counts.sum())
    return 100 * float(np.minimum(*histograms).sum()) ** 0.3


def _blur_sigma(picture: Tensor, face: Face, iod: float) -> float | None:
    """Standard deviation of the blur of the sharpest edges in the oval, pixels; None without edges.

    An edge blurred by sigma loses the share 1 - 1/R of its gradient when blurred once more by s:
    R^2 = 1 + (s / sigma)^2 (Zhuo and Sim, "Defocus map estimation from a single image", Pattern
    Recognition 2011, eq. 6). Sharpening halos read as detail; grain is told apart, where it is even.
    """
    shrink = 1
    while True:
        last = iod / (2 * shrink) < LEAST_IOD
        sigma, grain = _sigma_of_edges(picture, face, iod, shrink, 0.0 if last else ABOVE_GRAIN)
        trusted = HALVE_FROM_PX if grain < GRAINY else HALVE_GRAINY_FROM_PX
        if last or (sigma is not None and sigma <= trusted):
            return None if sigma is None else sigma * shrink
        shrink *= 2


def _sigma_of_edges(
    picture: Tensor, face: Face, iod: float, shrink: int, above_grain: float
) -> tuple[float | None, float]:
    """The same on a picture made smaller by a whole number, in its pixels; and its grain, 0..1."""
    gradients, grain, peaks = [], [], []
    for strength, rough, blurred, keep, crest in _edges(picture, face, iod, shrink):
        gradients.append(strength[keep])
        grain.append(rough[keep])
        peaks.append(np.stack([strength[crest], *(one[crest] for one in blurred)]))
    if not gradients or not sum(map(len, gradients)):
        return None, 0.0
    found = np.concatenate(peaks, 1)
    limit = max(float(np.percentile(np.concatenate(gradients), STRONG)), LEAST_EDGE)
    noise = float(np.median(np.concatenate(grain))) / 0.6745  # of a normal distribution
    limit = max(limit, above_grain * noise)
    found = found[:, found[0] >= limit]
    if found.shape[1] < (LEAST_EDGES if above_grain else 1):
        return None, noise
    sigma = 0.0
    for blurred, (reblur, factor) in zip(found[1:], REBLUR_PX, strict=True):
        ratio = float(np.percentile(found[0] / np.maximum(blurred, 1e-9), 100 - SHARPEST))
        sigma = factor * reblur / max(ratio**2 - 1, 1e-4) ** 0.5
        if sigma <= SECOND_FROM_PX:
            break
    return sigma, noise


def _edges(
    picture: Tensor, face: Face, iod: float, shrink: int
) -> Iterator[tuple[Plane, Plane, list[Plane], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Tile by tile: gradients, grain, the gradients of the re-blurred tile, which lie in the face, which are crests."""
    from scipy.ndimage import gaussian_filter

    rows, columns = picture.shape[0] // shrink, picture.shape[1] // shrink
    for x0, y0, x1, y1 in _tiles(_straight_box(face, iod), shrink, columns, rows):
        left, top = max(0, x0 - REACH), max(0, y0 - REACH)
        right, bottom = min(columns, x1 + REACH), min(rows, y1 + REACH)
        if right - left < 3 or bottom - top < 3:
            continue
        plane = _shrunk_luma(picture, (left, top, right, bottom), shrink)
        across, down = _slopes(plane)
        strength = np.hypot(across, down)
        keep = _in_oval(face, iod, (left, top, right, bottom), shrink)
        own = np.zeros_like(keep)
        own[y0 - top : y1 - top, x0 - left : x1 - left] = True
        own[[0, -1]] = own[:, [0, -1]] = False  # a slope at the border is half a slope
        keep &= own
        blurred = [
            np.hypot(*_slopes(gaussian_filter(plane, reblur, mode="nearest")))
            for reblur, _ in REBLUR_PX
        ]
        yield strength, _roughness(plane), blurred, keep, keep & _crests(strength, across, down)


def _tiles(box: Box, shrink: int, columns: int, rows: int) -> list[tuple[int, int, int, int]]:
    """The part of the shrunk picture that the box covers: whole, or a regular choice of tiles of it."""
    spans = []
    for start, end, limit in ((box.x, box.right, columns), (box.y, box.bottom, rows)):
        first = min(max(int(start // shrink), 0), limit)
        last = min(max(int(-(-end // shrink)), first), limit)
        if last - first <= TILE * TILES:
            spans.append([(first + i, min(first + i + TILE, last)) for i in range(0, last - first, TILE)])  # fmt: skip
        else:
            gap = (last - first) / TILES
            firsts = [first + round((i + 0.5) * gap - TILE / 2) for i in range(TILES)]
            spans.append([(one, one + TILE) for one in firsts])
    return [(x0, y0, x1, y1) for y0, y1 in spans[1] for x0, x1 in spans[0]]


def _straight_box(face: Face, iod: float) -> Box:
    """The box around the oval of a face whose distance between the eyes is corrected."""
    box, stretch = face.box, iod / face.iod
    (cx, cy), (ex, ey) = box.centre, face.centre
    x, y = ex + (cx - ex) * stretch, ey + (cy - ey) * stretch
    width, height = box.width * stretch, box.height * stretch
    return Box(x - width / 2, y - height / 2, width, height)


def _shrunk_luma(picture: Tensor, part: tuple[int, int, int, int], shrink: int) -> Plane:
    """Coded brightness of a part of the shrunk picture: means over whole pixels."""
    left, top, right, bottom = part
    columns = slice(left * shrink, right * shrink)
    rows = max(1, BAND_PIXELS // ((right - left) * shrink**2))
    bands = []
    for first in range(top, bottom, rows):
        last = min(first + rows, bottom)
        band = picture[first * shrink : last * shrink, columns].float().clamp(0, 1)
        blocks = luma(band).reshape(last - first, shrink, right - left, shrink)
        bands.append(blocks.mean((1, 3)))
    return torch.cat(bands).cpu().numpy()


def _in_oval(
    face: Face, iod: float, part: tuple[int, int, int, int], shrink: int
) -> NDArray[np.bool_]:
    """Which pixels of a part of the shrunk picture have their centre in the oval."""
    left, top, right, bottom = part
    x = (np.arange(left, right) + 0.5) * shrink
    y = ((np.arange(top, bottom) + 0.5) * shrink)[:, None]
    (cx, cy), (ux, uy) = face.centre, _along(face)
    u = ((x - cx) * ux + (y - cy) * uy) / iod
    v = ((y - cy) * ux - (x - cx) * uy) / iod
    return (u / (OVAL[0] / 2)) ** 2 + ((v - OVAL_V) / (OVAL[1] / 2)) ** 2 <= 1


def _slopes(plane: Plane) -> tuple[Plane, Plane]:
    """Central differences to the right and down, per pixel."""
    return np.gradient(plane, axis=1), np.gradient(plane, axis=0)


def _roughness(plane: Plane) -> Plane:
    """What neither a slope nor an edge along an axis explains: of pure grain, its own size.

    Immerkaer, "Fast noise variance estimation", CVIU 1996.
    """
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] - 2 * padded[1:-1] + padded[2:]
    return np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]) / 6


def _crests(strength: Plane, across: Plane, down: Plane) -> NDArray[np.bool_]:
    """Where the slope is steepest along its own direction, of the two axes the nearer."""
    padded = np.pad(strength, 1, mode="edge")
    middle = slice(1, -1)
    sideways = np.abs(across) >= np.abs(down)
    before = np.where(sideways, padded[middle, :-2], padded[:-2, middle])
    after = np.where(sideways, padded[middle, 2:], padded[2:, middle])
    return (strength > before) & (strength >= after)


def advice(one: Prominence, model: str = "SDXL", presets: Sequence[str] = ADVISED) -> list[str]:
    """What would make a face more prominent, in plain words; empty where there is nothing to mend.

    Parameters
    ----------
    one : Prominence
    model : str
        Whose picture sizes the predictions are made for; a name of ``plan.MODELS``.
    presets : names of ``regions.SHOTS``
        The crops that are proposed, each with the distance between the eyes that Plan Crop gives.

    Raises
    ------
    ValueError
        The model or a preset is unknown.
    """
    words = [*_size_advice(one, model, presets), *_fault_advice(one)]
    if one.confidence < 0.4:
        words.append("the detector is not sure of this face: look at the overlay of Find Faces, or type the eyes")  # fmt: skip
    return words


def _size_advice(one: Prominence, model: str, presets: Sequence[str]) -> list[str]:
    """Which crops make the face larger inside the model, and whether its detail suffices."""
    if one.visible_share == 0:
        return ["the face lies outside the picture: find faces again"]
    seen, (width, height) = one.face.iod, one.image_size
    alone = Faces(one.image_size, ((one.face,),), "one face")
    plans = []
    for preset in presets:
        try:
            plans.append(plan_crops(alone, preset, model))
        except ValueError as refusal:
            if "too small" not in str(refusal):
                raise
    if not plans:
        return [
            f"face is {seen:.0f} px between the eyes, and the picture is too small to crop for {model}: use a larger one"
        ]
    across, down = plans[0].output_size
    whole = seen * (across * down / (width * height)) ** 0.5
    closer = [plan for plan in plans if plan.iod_model_px > CLOSER * whole]
    detail = min(whole, one.iod_eff_px)
    if detail >= ENOUGH_PX or not (closer or detail < BANDS[1][0]):
        return []
    fate = _fate(detail)
    alike = abs(whole / seen - 1) < CLOSER - 1
    inside = "" if alike else f", {whole:.0f} px with the whole picture in {model}"
    start = f"face is {seen:.0f} px between the eyes{inside}: {fate}"
    if whole >= ENOUGH_PX or not closer:
        return [f"{start}; a closer crop adds no detail: use a larger original"]
    gains = ", ".join(f"{plan.preset} gives {plan.iod_model_px:.0f} px" for plan in closer)
    words = [f"{start}; crop to {gains}"]
    if closer[0].scales[0] > CLOSER:
        words.append(
            f"that crop enlarges {closer[0].scales[0]:.1f}x, which adds no detail: a larger original would"
        )
    return words


def _fate(pixels: float) -> str:
    """What becomes of an identity that has so many pixels of detail between the eyes."""
    if pixels < BANDS[0][0]:
        return "identity will be diluted"
    return f"{next(words for limit, words in BANDS if pixels < limit)} for identity"


def _fault_advice(one: Prominence) -> Iterator[str]:
    """What is wrong with a face apart from its size."""
    if one.blur_sigma_px is None:
        if one.visible_share > 0:
            yield "the face shows no edge: it is flat, covered, or blurred beyond measure"
    elif one.iod_eff_px < SOFT * one.iod_px:
        yield (
            f"blurred by {one.blur_sigma_px:.1f} px: only the detail of {one.iod_eff_px:.0f} px between the eyes "
            "is there; use a sharper picture, enlarging brings nothing back"
        )
    for angle, how in ((one.yaw_deg, "to its side"), (one.pitch_deg, "up or down")):
        if angle is not None and abs(angle) > TURNED_DEG:
            yield f"the head is turned {abs(angle):.0f} deg {how}: much of the face is hidden; choose a more frontal picture"
    if one.clipped_share > CLIPPED_SHARE:
        yield f"{one.clipped_share:.0%} of the face is black or burnt out: expose for the face"
    if one.light_uniformity is not None and one.light_uniformity < UNEVEN:
        yield f"the cheeks are lit unevenly ({one.light_uniformity:.0f} of 100): one side holds less detail"
    if 0 < one.visible_share < CUT:
        yield f"{1 - one.visible_share:.0%} of the face oval is cut off by the border: use a wider picture"


def report(measured: Measured, backend: str, model: str = "SDXL") -> str:
    """Every face in a line, the most prominent first, and advice for the first of each picture."""
    lines = []
    for index, frame in enumerate(measured):
        where = f"picture {index + 1}, " if len(measured) > 1 else ""
        if not frame:
            lines.append(f"{where}no face")
        for number, one in enumerate(rank(frame), 1):
            lines.append(f"{where}face {number}: {_in_words(one)}")
            if number == 1:
                lines += [f"  {words}" for words in advice(one, model)]
    shown = [one for frame in measured for one in frame]
    if any(one.yaw_deg is None for one in shown):
        lines.append(f"{backend} gives no yaw or pitch: heads are taken as facing the camera")
    if any(one.light_uniformity is None for one in shown):
        lines.append("where a cheek lies outside the picture, the light is taken as even")
    return "\n".join(lines)


def _in_words(one: Prominence) -> str:
    blur = "no edge" if one.blur_sigma_px is None else f"blur {one.blur_sigma_px:.2f} px"
    light = "" if one.light_uniformity is None else f", light {one.light_uniformity:.0f}/100"
    return (
        f"score {one.score:.0f}, {one.band}; {one.iod_px:.1f} px between the eyes, {one.iod_eff_px:.1f} px of "
        f"detail ({blur}), {one.area_share:.1%} of the picture{light}, {one.visible_share:.0%} visible"
    )


def most_prominent(measured: Measured) -> Prominence:
    """The most prominent face of the first picture that shows one.

    Raises ValueError where no picture does.
    """
    for frame in measured:
        if frame:
            return rank(frame)[0]
    raise ValueError(
        "no face to measure in any picture. Link a mask or a bounding_box to Find Faces, or type the eyes there."
    )


__all__ = [
    "Measured", "Prominence", "advice", "as_json", "confidence_of", "measure", "measure_face", "most_prominent", "rank", "report", "straight_iod",
]  # fmt: skip
