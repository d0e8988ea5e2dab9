"""The embedded detector on the photos of LOUPE_TEST_DATA, beside YuNet in OpenCV. Needs the extra `bench`.

LOUPE_TEST_DATA=... python tests/bench/faces.py
"""

import os
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from harness import load_package, machine
from PIL import Image

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
load_package()
from portrait_loupe.kernels.picture import luma  # noqa: E402
from portrait_loupe.nodes.framing.detect.embedded import find_faces  # noqa: E402


def yunet(model: Path, pixels: np.ndarray) -> np.ndarray | None:
    """The two pupils that YuNet sees in a picture shrunk to 640 px, image-left first, px."""
    scale = 640 / max(pixels.shape[:2])
    small = cv2.resize(pixels[..., ::-1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector = cv2.FaceDetectorYN.create(str(model), "", small.shape[1::-1], 0.7)
    _, found = detector.detect(small)
    if found is None:
        return None
    best = found[found[:, 14].argmax()]
    return np.array(sorted([tuple(best[4:6]), tuple(best[6:8])])) / scale


def main() -> None:
    data = Path(os.environ["LOUPE_TEST_DATA"])
    model = data / "models" / "yunet_n_dynamic.onnx"
    apart, times, found, total = [], {"ours": [], "YuNet": []}, 0, 0
    for path in sorted((data / "photos").rglob("*.jpg")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        gray = luma(torch.from_numpy(pixels.astype(np.float32) / 255)).numpy()
        started = time.perf_counter()
        faces = find_faces(gray).faces
        times["ours"].append(time.perf_counter() - started)
        started = time.perf_counter()
        eyes = yunet(model, pixels)
        times["YuNet"].append(time.perf_counter() - started)
        if eyes is None:
            continue
        total += 1
        iod = np.hypot(*(eyes[1] - eyes[0]))
        near = [
            face for face in faces if np.hypot(*(np.array(face.centre) - eyes.mean(0))) < 0.5 * iod
        ]
        found += bool(near)
        if near:
            apart.append(np.hypot(*(np.array(near[0].eyes) - eyes).T).max() / iod)
    print(machine())
    print(f"\n{total} portraits in which YuNet sees a face\n\n| | |\n|---|---|")
    print(f"| found by the embedded detector | {found} |")
    print(f"| worst eye against YuNet's, inter-ocular distances, median | {np.median(apart):.3f} |")
    print(f"| the same, 90th percentile | {np.percentile(apart, 90):.3f} |")
    for name, seconds in times.items():
        print(f"| {name}, median s a portrait | {statistics.median(seconds):.2f} |")


if __name__ == "__main__":
    main()
