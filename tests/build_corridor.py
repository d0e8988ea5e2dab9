"""Build the corridor that the pack ships: nodes/casting/realism/corridor.json.

    LOUPE_TEST_DATA=<folder> python tests/build_corridor.py [--write] [--series 3] [--syngen 3]

It reads the portraits under ``photos/corridor`` of the test data, finds their faces with YuNet (the file
lies under ``models``; onnxruntime is needed), measures the skin of each, and prints how many were
used, which were left out and why, and the figures with their spread. With ``--write`` the file is
written. It holds means, a covariance and counts alone; no picture, no name, no figure of a single face.
With ``--series 3`` every third of the faces used is smoothed, sharpened, made noisy and so on in steps, and
each step's distance to the corridor of all other faces is told: the table of the help page. ``--syngen 3``
does the same with the operators of ofiq-syngen, which must be installed (``pip install ofiq-syngen``).
"""

import argparse
import json
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "CivilServiceUSA/us-senate, official portraits at 1024x1024"
LICENCE = (
    "repository MIT; the portraits are works of the US Government, credits photo by photo are not "
    "documented: measured only, never published"
)
TARGET = "nodes/casting/realism/corridor.json"


def loaded_pack():
    """The pack as ``portrait_loupe``, as tests/conftest.py loads it."""
    if "portrait_loupe" not in sys.modules:
        spec = spec_from_file_location("portrait_loupe", ROOT / "__init__.py")
        package = module_from_spec(spec)
        sys.modules["portrait_loupe"] = package
        spec.loader.exec_module(package)


def portraits(data: Path) -> list[tuple[str, torch.Tensor]]:
    """Name and picture (1, H, W, 3) of each photo, by name."""
    found = []
    for path in sorted((data / "photos" / "corridor").glob("*.jpg")):
        with Image.open(path) as photo:
            pixels = np.asarray(photo.convert("RGB"), np.float32) / 255
        found.append((path.stem, torch.from_numpy(pixels)[None]))
    return found


def build(data: Path, created: str):
    """The corridor, its rows, and what was left out."""
    loaded_pack()
    from portrait_loupe.nodes.casting.realism.calibrate import calibrate
    from portrait_loupe.nodes.casting.realism.store import SHIPPED
    from portrait_loupe.nodes.host import pack_version

    return calibrate(
        [picture for _, picture in portraits(data)],
        name=SHIPPED,
        folders={"detection": [data / "models"], "insightface": []},
        source=SOURCE,
        licence=LICENCE,
        created=created,
        tool=f"portrait-loupe {pack_version()}",
    )


def series_table(data: Path, every: int, syngen: bool = False) -> str:
    """How the distance answers to each series of tests/nodes/casting/realism/series.py."""
    loaded_pack()
    from portrait_loupe.nodes.casting.realism.calibrate import measure_face
    from portrait_loupe.nodes.casting.realism.corridor import build_corridor
    from portrait_loupe.nodes.framing.find import find_faces

    series = helper("nodes/casting/realism/series.py")
    among = series.syngen() if syngen else series.ALL
    rows, faces = {}, {}
    for name, picture in portraits(data):
        found = find_faces(picture, folders={"detection": [data / "models"], "insightface": []})
        face = found.faces.frames[0][0]
        figures, _ = measure_face(picture, face)
        if figures is not None:
            rows[name] = figures
            faces[name] = series.around_skin(picture, face)
    chosen = list(rows)[::every]
    lines = [
        f"{len(chosen)} faces of {len(rows)}; median distances of the original and of each step"
    ]
    lines.append(
        "series, mean Spearman, strongest further off, AUC, weakest further off, distances"
    )
    for title, (_, settings) in among.items():
        table = np.array(
            [
                series.distances(
                    *faces[name],
                    build_corridor([row for other, row in rows.items() if other != name], name=""),
                    title,
                    range(len(settings)),
                    among=among,
                )
                for name in chosen
            ]
        )
        rho = np.mean([series.spearman(row) for row in table])
        pairs = table[:, :1] < table[None, :, -1]
        auc = pairs[~np.eye(len(chosen), dtype=bool)].mean()
        strongest, weakest = ((table[:, 0] < table[:, step]).mean() for step in (-1, 1))
        medians = " ".join(f"{one:.1f}" for one in np.median(table, 0))
        lines.append(
            f"{title:>18}  {rho:+.2f}  {strongest:.2f}  {auc:.2f}  {weakest:.2f}   {medians}"
        )
    return "\n".join(lines)


def helper(path: str):
    """A module of the tests, by its path under tests/."""
    spec = spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {TARGET}")
    parser.add_argument("--created", default="", help="an ISO date for the file")
    parser.add_argument("--series", type=int, default=0, help="of every n-th face")
    parser.add_argument("--syngen", type=int, default=0, help="of every n-th face")
    given = parser.parse_args()
    if not os.environ.get("LOUPE_TEST_DATA"):
        sys.stderr.write("LOUPE_TEST_DATA must name the folder of the test data\n")
        return 2
    torch.set_num_threads(1)
    if given.series or given.syngen:
        table = series_table(
            Path(os.environ["LOUPE_TEST_DATA"]), given.series or given.syngen, bool(given.syngen)
        )
        sys.stdout.write(f"{table}\n")
        return 0
    made = build(Path(os.environ["LOUPE_TEST_DATA"]), given.created)
    sys.stdout.write(f"{made.report}\n\n")
    for title, strata in (("face px", made.corridor.face_px), ("ITA deg", made.corridor.ita_deg)):
        sys.stdout.write(f"{title:>8}  {'range':>14}  {'n':>3}  mean distance\n")
        for one in strata:
            ends = f"{one.low if one.low is not None else ''}..{one.high if one.high is not None else ''}"
            told = "-" if one.distance is None else f"{one.distance:.2f}"
            sys.stdout.write(f"{'':>8}  {ends:>14}  {one.n:>3}  {told}\n")
    from portrait_loupe.nodes.casting.realism.corridor import ENOUGH

    if made.corridor.n < ENOUGH:
        sys.stdout.write(f"fewer than {ENOUGH} faces: it must not be shipped\n")
        return 1
    if given.write:
        text = json.dumps(made.corridor.as_json(), indent=1, allow_nan=False)
        (ROOT / TARGET).write_text(f"{text}\n", "utf-8")
        sys.stdout.write(f"written: {TARGET}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
