"""Files of a cast: read with care, and never outside the output folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..finite import finite_number

_MOST_JSON = 4 * 2**20  # bytes; an offer of 256 takes with face meshes has 3 MB


def check_inside(path: Path, output: Path) -> None:
    """Refuse what lies outside the output folder, links followed, with a ValueError."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(output)):
        raise ValueError(
            f"{path.relative_to(output).as_posix()} is a link that leads out of the output folder, so it is not "
            "used. Put the folder or file itself there."
        )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file, None in place of what is no number; ValueError where there is none."""
    with path.open("rb") as file:
        data = file.read(_MOST_JSON + 1)
    if len(data) > _MOST_JSON:
        raise ValueError(f"{path.name} is larger than any of its kind")
    try:
        told = json.loads(data, parse_float=finite, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None
    if not isinstance(told, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return told


def finite(text: str) -> float | None:
    """A number of JSON, or None for one that no page can read back."""
    return finite_number(float(text))


def read_beside(path: Path, output: Path) -> dict[str, Any]:
    """What stands beside a take or a member; nothing where it cannot be read."""
    beside = path.with_suffix(".json")
    try:
        check_inside(beside, output)
        return read_json(beside)
    except (OSError, ValueError):
        return {}


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def advice(folder: Path) -> Iterator[None]:
    """Turn what the disk says into what to do."""
    try:
        yield
    except OSError as error:
        raise RuntimeError(
            f"the cast {folder.name} could not be kept in the output folder: {error.strerror or error}. Make room on "
            "its disk, or allow writing there, and queue again with the same seeds: while ComfyUI has the takes in "
            "its cache they are not made again."
        ) from error
