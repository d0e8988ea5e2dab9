"""Takes told apart: the evidence of Cast Sheet beside no-reference scores. Needs LOUPE_TEST_DATA.

python tests/bench/casting.py                  everything: a quarter of an hour on one core
python tests/bench/casting.py --only times     or choices
python tests/bench/casting.py --every 4        of the portraits, for the choices

The rivals need no download: the variance of OpenCV's Laplacian (the extra `bench`), scikit-image's
blur_effect and, where it is installed, the package pypiqe. They are given the picture as ComfyUI hands it
over, floats (H, W, 3), and look at all of it; the Laplacian also at the face alone.

Times are those of the score; the face is found before, and its time told beside. Choices: each portrait
beside a damaged version of itself, whole picture, the face of the original in both. Told is how often a
score prefers the damaged one. Ours holds each against the corridor of all other portraits. No picture here
is generated: it says whether a score can be gamed, not whether it knows what is real.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--every", type=int, default=2)
parser.add_argument("--only", choices=("times", "choices"))
asked = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(asked.threads)

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from harness import ROOT, load_package, machine, race, table  # noqa: E402

torch.set_num_threads(asked.threads)
cv2.setNumThreads(asked.threads)
load_package()
from portrait_loupe.nodes.casting.gather import Socket, gather_takes  # noqa: E402
from portrait_loupe.nodes.casting.realism import evidence_of, load_corridor  # noqa: E402
from portrait_loupe.nodes.casting.realism.calibrate import measure_face  # noqa: E402
from portrait_loupe.nodes.casting.realism.corridor import build_corridor  # noqa: E402
from portrait_loupe.nodes.casting.realism.store import SHIPPED  # noqa: E402
from portrait_loupe.nodes.casting.sheet import draw_sheet  # noqa: E402
from portrait_loupe.nodes.casting.take import Cast  # noqa: E402
from portrait_loupe.nodes.framing.faces import Face  # noqa: E402
from portrait_loupe.nodes.framing.find import EMBEDDED, find_faces  # noqa: E402

OURS = "ours: evidence"
TAKES = 12
LARGE = 2048  # px a side: 4 MP
Score = Callable[[np.ndarray, Face], float]  # of (H, W, 3) and its face: more is better


def helper(path: str):
    """A module of the tests, by its path under tests/."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def laplacian(picture: np.ndarray, _face: Face) -> float:
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def laplacian_of_face(picture: np.ndarray, face: Face) -> float:
    box = face.box
    x0, y0, x1, y1 = (max(0, round(one)) for one in (box.x, box.y, box.right, box.bottom))
    return laplacian(np.ascontiguousarray(picture[y0:y1, x0:x1]), face)


def sharpness(picture: np.ndarray, _face: Face) -> float:
    from skimage.measure import blur_effect

    return -float(blur_effect(picture, channel_axis=-1))


def coded(picture: np.ndarray) -> np.ndarray:
    return (picture * 255).round().astype(np.uint8)


def rivals() -> dict[str, Score]:
    found: dict[str, Score] = {
        "OpenCV: variance of the Laplacian": laplacian,
        "the same, of the face alone": laplacian_of_face,
        "scikit-image: blur_effect": sharpness,
    }
    if importlib.util.find_spec("pypiqe"):
        from pypiqe import piqe

        found["pypiqe: PIQE"] = lambda picture, _face: (
            -float(piqe(np.ascontiguousarray(coded(picture)[..., ::-1]))[0])
        )
    return found


def times(pictures: list[np.ndarray], faces: list[Face], folders) -> None:
    corridor = load_corridor(SHIPPED, [])
    twelve = list(zip(pictures[:TAKES], faces[:TAKES], strict=True))
    large = cv2.resize(pictures[0], (LARGE, LARGE), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    by = LARGE / pictures[0].shape[1]
    large_face = Face(tuple((x * by, y * by) for x, y in faces[0].eyes))

    def ours(picture: np.ndarray, face: Face) -> float:
        return evidence_of(torch.from_numpy(picture)[None], face, corridor).distance or 0.0

    scores = {OURS: ours, **rivals()}
    for title, cast in (
        (f"{TAKES} takes of 1024 px", twelve),
        ("one take of 4 MP", [(large, large_face)]),
    ):
        runs = {
            name: lambda score=score, cast=cast: [score(*one) for one in cast]
            for name, score in scores.items()
        }
        if len(cast) == 1:
            tensor = torch.from_numpy(large)[None]
            runs["ours: finding the face, YuNet"] = lambda tensor=tensor: find_faces(
                tensor, folders=folders
            )
            runs["ours: finding the face, embedded"] = lambda tensor=tensor: find_faces(
                tensor, backend=EMBEDDED
            )
        else:
            runs["ours: contact sheet"] = contact_sheet(cast, corridor, folders)
        table(title, OURS, race(runs, asked.rounds))


def contact_sheet(cast, corridor, folders) -> Callable[[], object]:
    """Drawing alone: the takes are gathered before."""
    pictures = [torch.from_numpy(picture)[None] for picture, _ in cast]
    sockets = [Socket(f"take{n}", pictures[n::3], f"model {n + 1}") for n in range(3)]
    gathered = gather_takes(
        sockets, folders=folders, judge=lambda one, face: evidence_of(one, face, corridor)
    )
    held = Cast(gathered.takes, "left cheek", "", corridor.key, "", gathered.faces_backend)
    return lambda: draw_sheet(held)


def choices(pictures: list[np.ndarray], faces: list[Face], rows: list[dict[str, float]]) -> None:
    """How often each score prefers a damaged version: the third of five steps, and the fifth."""
    series = helper("nodes/casting/realism/series.py")
    scores = rivals()
    chosen = range(0, len(pictures), asked.every)
    wins: dict[str, dict[tuple[str, int], list[bool]]] = {name: {} for name in (OURS, *scores)}
    for index in chosen:
        picture, face = pictures[index], faces[index]
        corridor = build_corridor(rows[:index] + rows[index + 1 :], name="")

        def ours(shown: np.ndarray, face: Face, corridor=corridor) -> float:
            distance = evidence_of(torch.from_numpy(shown)[None], face, corridor).distance
            return -np.inf if distance is None else -distance

        both = {OURS: ours, **scores}
        own = {name: score(picture, face) for name, score in both.items()}
        for title, (_, settings) in series.ALL.items():
            for step in (len(settings) // 2, len(settings) - 1):
                shown = series.apply(picture, title, step)
                for name, score in both.items():
                    better = score(shown, face) > own[name]
                    wins[name].setdefault((title, step), []).append(better)
        print(f"{index + 1} of {len(pictures)}", file=sys.stderr, flush=True)
    print(f"\nThe damaged picture is preferred to its original, % of {len(chosen)} portraits")
    print(f"\n|  | {' | '.join(series.ALL)} |\n|{'---|' * (len(series.ALL) + 1)}")
    for name, found in wins.items():
        cells = []
        for title in series.ALL:
            shares = [100 * np.mean(won) for (which, _), won in found.items() if which == title]
            cells.append(" / ".join(f"{share:.0f}" for share in shares))
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    data = Path(os.environ["LOUPE_TEST_DATA"])
    folders = {"detection": [data / "models"], "insightface": []}
    print(machine())
    pictures, faces, rows = [], [], []
    for _, picture in helper("build_corridor.py").portraits(data):
        face = find_faces(picture, folders=folders).faces.frames[0][0]
        figures, _ = measure_face(picture, face)
        if figures is not None:
            pictures.append(picture[0].numpy())
            faces.append(face)
            rows.append(figures)
    if asked.only != "choices":
        times(pictures, faces, folders)
    if asked.only != "times":
        choices(pictures, faces, rows)


main()
