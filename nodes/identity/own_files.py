"""JSON files that users put beside the models: which there are, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_BYTES = 256 * 1024  # the pack's own take 25 and 50 kB
MOST_FILES = 100


def own_files(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files of these folders, by name; a remark where there are more than ``MOST_FILES``."""
    found: set[Path] = set()
    for folder in folders:
        with suppress(OSError):  # a folder that cannot be listed has none
            found |= {path for path in folder.glob("*.json") if path.is_file()}
    paths = sorted(found, key=lambda path: (path.name, str(path)))
    remarks = []
    if len(paths) > MOST_FILES:
        remarks.append(f"only the first {MOST_FILES} of {len(paths)} files are read, by name")
    return paths[:MOST_FILES], remarks


def state_of(folders: Sequence[Path]) -> str:
    """A text that changes when a file comes, goes or is written: then a node is run again."""
    told = []
    for path in own_files(folders)[0]:
        with suppress(OSError):  # gone meanwhile
            stat = path.stat()
            told.append(f"{path} {stat.st_mtime_ns} {stat.st_size}")
    return "\n".join(told)


def text_of(path: Path) -> str:
    """What stands in a file; ValueError names it and says why that cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path.name} must be at most {MAX_BYTES // 1024} kB, it is larger")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} must be text in UTF-8, it is not") from None


def parsed(text: str, source: str) -> Any:
    """The value of a JSON text; ValueError names its source and says why it is none."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{source} is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{source} is nested too deeply") from None
