"""Draw the pictures of the help pages: web/docs/pictures.

    python tests/build_pictures.py [--write] [NAME ...]

Every picture is made by the pack's own nodes and functions of the photo that ``python . demo`` shows
(Grace Hopper, US Navy, public domain), or of simulated numbers: then its caption says so. Without
``--write`` it says what would change; pictures that look the same are left as they are. ``NAME`` is a
file name or its beginning, such as ``LoupeLens``. Cast Lock's panel needs chromium and playwright.
"""

import argparse
import io
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "web" / "docs" / "pictures"
WIDEST, MOST_BYTES = 800, 60_000
PIPELINE = "pipeline.jpg"  # of README
PIPELINE_WIDEST, PIPELINE_BYTES = 1600, 200_000
QUALITIES = range(92, 46, -2)
BLOCK, SAME = 8, 16.0
# Of 255: what no block of so many pixels may be apart in its mean. Two qualities of JPEG are 6 apart at most,
# a line that has moved by its width 60.
Draw = Callable[[], Image.Image]


def loaded_pack() -> None:
    """The pack as ``portrait_loupe``, as tests/conftest.py loads it."""
    if "portrait_loupe" not in sys.modules:
        spec = spec_from_file_location("portrait_loupe", ROOT / "__init__.py")
        package = module_from_spec(spec)
        sys.modules["portrait_loupe"] = package
        spec.loader.exec_module(package)


def drawings() -> dict[str, Draw]:
    """File name to what draws it."""
    loaded_pack()
    if str(ROOT / "tests") not in sys.path:
        sys.path.append(str(ROOT / "tests"))
    from help_pictures import casting, comparison, framing, identity, lens, pipeline

    rooms = (framing, lens, comparison, casting, identity, pipeline)
    return {name: draw for room in rooms for name, draw in room.PICTURES.items()}


def limits(name: str) -> tuple[int, int]:
    """Width and bytes that a picture may have."""
    return (PIPELINE_WIDEST, PIPELINE_BYTES) if name == PIPELINE else (WIDEST, MOST_BYTES)


def encoded(name: str, picture: Image.Image) -> bytes:
    """The file: the best JPEG that is small enough, or a PNG. ValueError where none is."""
    widest, most = limits(name)
    if picture.width > widest:
        raise ValueError(f"{name} must be at most {widest} px wide, got {picture.width}")
    if name.endswith(".png"):
        flat = picture.quantize(128, dither=Image.Dither.NONE)
        body = _saved(flat, "PNG", optimize=True)
        if len(body) <= most:
            return body
    else:
        for quality in QUALITIES:
            # colours at half the resolution blur yellow lines: only where nothing else helps
            fine = 0 if quality > 70 else 2
            body = _saved(picture, "JPEG", quality=quality, subsampling=fine, optimize=True)
            if len(body) <= most:
                return body
    raise ValueError(f"{name} does not become smaller than {most} bytes")


def _saved(picture: Image.Image, kind: str, **how) -> bytes:
    body = io.BytesIO()
    picture.save(body, kind, **how)
    return body.getvalue()


def apart(name: str, picture: Image.Image) -> float | None:
    """By how much the block that differs most does, of 255; None where it is missing or of another size."""
    path = FOLDER / name
    if not path.is_file():
        return None
    with Image.open(path) as there:
        before = np.asarray(there.convert("RGB"), np.float32)
    after = np.asarray(Image.open(io.BytesIO(encoded(name, picture))).convert("RGB"), np.float32)
    if before.shape != after.shape:
        return None
    height, width = (side // BLOCK * BLOCK for side in before.shape[:2])
    away = (before - after)[:height, :width]
    blocks = away.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean((1, 3))
    return float(np.abs(blocks).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    for name, draw in drawings().items():
        if given.names and not name.startswith(tuple(given.names)):
            continue
        picture = draw()
        away = apart(name, picture)
        same = away is not None and away < SAME
        if given.write and not same:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_bytes(encoded(name, picture))
        path = FOLDER / name
        size = f"{picture.width}x{picture.height}"
        told = f"{path.stat().st_size / 1000:.0f} kB" if path.is_file() else "missing"
        state = "as it was" if same else "written" if given.write else "would change"
        sys.stdout.write(f"{name}: {size}, {told}, {state}\n")


if __name__ == "__main__":
    main()
