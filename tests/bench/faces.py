"""Our face backends, and two detectors' own calls, on the photos of LOUPE_TEST_DATA. Needs the extra `bench`.

LOUPE_TEST_DATA=... python tests/bench/faces.py [--every 4]

Recall against q, the height of the face oval divided by that of a square crop around it, 768 px. A
face counts as found where both pupils lie within 0.25 inter-ocular distances of the reference:
marked by hand where that was done, else the mean of what both YuNets of ours say of the whole photo.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from harness import load_package, machine
from PIL import Image

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
load_package()
from portrait_loupe.kernels.picture import luma  # noqa: E402
from portrait_loupe.nodes.framing.detect import embedded, network, scrfd, yunet  # noqa: E402

SHARES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0)
CROP = 768  # px
NEAR = 0.25  # inter-ocular distances
OVAL = (2.69, 0.485)  # height of the face oval, its middle below the eyes, inter-ocular distances

# Iris centres, px, marked on crops enlarged about five times: within 0.01 inter-ocular distances
# (the first two on crops enlarged 14 and 21 times).
MARKED = {
    "grace_hopper": ((222.0, 189.6), (305.5, 186.8)),
    "astronaut": ((203.4, 101.1), (247.0, 103.2)),
    "ben-lujan": ((460.0, 434.6), (624.6, 430.9)),
    "bill-hagerty": ((367.9, 435.9), (540.7, 423.0)),
    "christopher-coons": ((437.2, 387.0), (640.9, 395.8)),
    "cynthia-lummis": ((425.8, 423.6), (604.4, 424.7)),
    "elizabeth-warren": ((411.8, 423.6), (623.6, 414.5)),
    "james-lankford": ((437.4, 375.1), (627.6, 381.6)),
    "john-kennedy": ((386.9, 408.0), (578.4, 374.3)),
    "lisa-murkowski": ((415.0, 407.0), (619.3, 428.1)),
    "mark-warner": ((404.5, 415.8), (572.4, 395.9)),
    "mike-rounds": ((430.1, 383.6), (614.8, 402.2)),
    "rand-paul": ((447.1, 383.3), (639.1, 391.2)),
    "richard-shelby": ((419.3, 414.6), (616.6, 385.7)),
    "roy-blunt": ((361.7, 415.9), (543.5, 386.4)),
    "susan-collins": ((375.7, 390.7), (548.0, 383.5)),
}
FACELESS = (
    "brick", "clock", "coffee", "coins", "colorwheel", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "rocket", "text", "chelsea", "horse", "cell",
)  # fmt: skip

Eyes = np.ndarray  # (2, 2): both pupils, image-left first, px
Call = Callable[[np.ndarray], list[Eyes]]  # of a picture (H, W, 3), RGB 0..255


def ours(name: str) -> Call:
    """The embedded detector, or a network of ours by the file it opens."""
    if name == "embedded":
        return lambda pixels: [
            np.array(face.eyes) for face in embedded.find_faces(gray(pixels)).faces
        ]
    return lambda pixels: [
        np.array(face.eyes)
        for face in network.find_faces(pixels.astype(np.float32) / 255, NETWORKS[name]).faces
    ]


def gray(pixels: np.ndarray) -> np.ndarray:
    return luma(torch.from_numpy(pixels.astype(np.float32) / 255)).numpy()


def opencvs_own(model: Path) -> Call:
    detector = cv2.FaceDetectorYN.create(str(model), "", (CROP, CROP), 0.7)

    def call(pixels: np.ndarray) -> list[Eyes]:
        detector.setInputSize(pixels.shape[1::-1])
        _, found = detector.detect(np.ascontiguousarray(pixels[..., ::-1]))
        rows = [] if found is None else found
        return [row[4:8].reshape(2, 2) for row in rows]

    return call


def kornias_own(model: Path) -> Call:
    from kornia.contrib import FaceDetector

    # Where kornia looks before it goes online.
    hub = Path(tempfile.mkdtemp())
    (hub / "checkpoints").mkdir()
    shutil.copy(model, hub / "checkpoints" / "yunet_final.pth")
    torch.hub.set_dir(str(hub))
    detector = FaceDetector(confidence_threshold=0.7)

    def call(pixels: np.ndarray) -> list[Eyes]:
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            (found,) = detector(planes)
        return [row[4:8].reshape(2, 2) for row in found.numpy()]

    return call


NETWORKS: dict[str, network.Network] = {}


def contestants(models: Path) -> dict[str, Call]:
    calls = {"embedded": ours("embedded")}
    for name, opened in (
        ("kornia YuNet", lambda: yunet.open_kornia([models])),
        ("YuNet ONNX, OpenCV", lambda: yunet.open_onnx([models])),
        ("YuNet ONNX, onnxruntime", lambda: yunet.OnnxYuNet(yunet._OnnxRuntime(models / "yunet_n_dynamic.onnx"), "")),
        ("insightface", lambda: scrfd.open_insightface([models])),
    ):  # fmt: skip
        if name.endswith("onnxruntime") and find_spec("onnxruntime") is None:
            continue
        try:
            NETWORKS[name] = opened()
        except network.Unavailable as objection:
            print(f"left out: {objection}")
        else:
            calls[name] = ours(name)
    calls["cv2.FaceDetectorYN itself"] = opencvs_own(models / "yunet_n_dynamic.onnx")
    calls["kornia FaceDetector itself"] = kornias_own(models / "yunet_final_kornia.pth")
    return calls


def photos(data: Path) -> dict[str, np.ndarray]:
    from skimage import data as samples

    found = {
        path.stem: np.asarray(Image.open(path).convert("RGB"))
        for path in sorted((data / "photos").rglob("*.jpg"))
    }
    return {**found, "astronaut": samples.astronaut()}


def faceless() -> list[np.ndarray]:
    from skimage import data as samples

    found = []
    for name in FACELESS:
        try:
            pixels = np.asarray(getattr(samples, name)())
        except Exception as absent:  # some are downloads
            print(f"left out: {name} ({type(absent).__name__})")
            continue
        if pixels.dtype != np.uint8:
            pixels = (np.clip(pixels.astype(float), 0, 1) * 255).astype(np.uint8)
        found.append(np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels[..., :3])
    return found


def apart(eyes: Eyes, reference: Eyes) -> float:
    """The worse pupil's error, inter-ocular distances."""
    return float(np.hypot(*(eyes - reference).T).max() / np.hypot(*(reference[1] - reference[0])))


def reference_of(name: str, pixels: np.ndarray) -> Eyes | None:
    if name in MARKED:
        return np.array(MARKED[name])
    said = [ours(which)(pixels) for which in list(NETWORKS)[:2]]
    if any(len(eyes) != 1 for eyes in said):
        return None
    return np.mean([eyes[0] for eyes in said], axis=0)


def crop_of(pixels: np.ndarray, eyes: Eyes, share: float) -> tuple[np.ndarray, Eyes]:
    """A square crop in which the face oval has that share of the height; the border goes on."""
    along = eyes[1] - eyes[0]
    middle = eyes.mean(0) + OVAL[1] * np.array([-along[1], along[0]])
    side = round(OVAL[0] * float(np.hypot(*along)) / share)
    left, top = (round(float(c) - side / 2) for c in middle)
    edge = side
    padded = np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
    part = padded[top + edge : top + edge + side, left + edge : left + edge + side]
    how = cv2.INTER_AREA if side > CROP else cv2.INTER_CUBIC
    return cv2.resize(part, (CROP, CROP), interpolation=how), (eyes - (left, top)) * CROP / side


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--every", type=int, default=1, help="only every so many unmarked photos")
    every = asked.parse_args().every
    data = Path(os.environ["LOUPE_TEST_DATA"])
    calls = contestants(data / "models")
    hits = {name: {share: [] for share in SHARES} for name in calls}
    errors: dict[str, list[float]] = {name: [] for name in calls}
    times: dict[str, list[float]] = {name: [] for name in calls}
    skipped, used = 0, 0
    for index, (name, pixels) in enumerate(photos(data).items()):
        if name not in MARKED and index % every:
            continue
        reference = reference_of(name, pixels)
        if reference is None:
            skipped += 1
            continue
        used += 1
        for who, call in calls.items():
            started = time.perf_counter()
            found = call(pixels)
            times[who].append(time.perf_counter() - started)
            if name in MARKED:
                errors[who].append(min((apart(eyes, reference) for eyes in found), default=9.0))
            for share in SHARES:
                crop, there = crop_of(pixels, reference, share)
                hits[who][share].append(any(apart(eyes, there) < NEAR for eyes in call(crop)))
    empty = faceless()
    print(machine())
    print(
        f"\n{used} photos, {skipped} left out for want of a reference; {len(empty)} pictures without a face"
    )
    head = ["", *(f"q {share:g}" for share in SHARES)]
    print(f"\nRecall\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for who in calls:
        cells = [f"{np.mean(hits[who][share]):.2f}" for share in SHARES]
        print(f"| {who} | {' | '.join(cells)} |")
    print(
        "\nPupils of whole photos against hand marks, inter-ocular distances; faces seen where there is none; time\n"
    )
    print(
        "| | photos | median | p90 | worst | false faces | median s a photo |\n|---|---|---|---|---|---|---|"
    )
    for who, call in calls.items():
        false = sum(len(call(pixels)) for pixels in empty)
        row = errors[who]
        print(
            f"| {who} | {len(row)} | {np.median(row):.3f} | {np.percentile(row, 90):.3f} | {max(row):.3f} | {false} "
            f"| {statistics.median(times[who]):.2f} |"
        )


if __name__ == "__main__":
    main()
