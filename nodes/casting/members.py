"""Locked takes by name, for Cast Load."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..file_names import why_not_a_name
from .disk import read_beside
from .lock import TakeLock
from .store import FOLDER, file_of, filled

SHORT = 8  # digits of a hash: they tell two members of one label apart
_DIGITS = re.compile(r"(.*)/.*\[([0-9a-f]{8})\]")
_LISTED = 12
_SHA = re.compile(r"[0-9a-f]{64}")


def list_members(output: Path) -> dict[str, tuple[str, str]]:
    """All locked members, sorted.

    Returns
    -------
    dict of str to (cast, sha256)
        As Cast Load offers them: ``cast/label [first digits of the hash]``.
    """
    found = {}
    for folder in _listed(output / FOLDER):
        if why_not_a_name(folder.name) is not None:
            continue
        for path in _listed(folder):
            if path.suffix == ".json" and _SHA.fullmatch(path.stem):
                name = _name_of(path, folder, output)
                if name is not None:
                    found[name] = (folder.name, path.stem)
    return dict(sorted(found.items()))


def _name_of(beside: Path, folder: Path, output: Path) -> str | None:
    """What a member is called, or None where its picture is not there."""
    if not beside.with_suffix(".png").is_file():
        return None
    label = filled(TakeLock(beside.stem), read_beside(beside, output)).label or "take"
    plain = label.replace("/", "-").replace("\\", "-")
    return f"{folder.name}/{plain} [{beside.stem[:SHORT]}]"


def find_member(option: Any, output: Path) -> tuple[str, TakeLock]:
    """The cast and the lock of a member that Cast Load names.

    The label may have changed since: the cast and the digits say which it is. Without digits the
    label must be that of one member alone.

    Raises
    ------
    ValueError
        There is none of this name, or several.
    """
    text = option.strip() if isinstance(option, str) else ""
    there = list_members(output)
    asked = _DIGITS.fullmatch(text)
    fitting = {
        place
        for name, place in there.items()
        if text in (name, name.rpartition(" [")[0])
        or (asked and (asked[1], asked[2]) == (place[0], place[1][:SHORT]))
    }
    if len(fitting) != 1:
        listed = ", ".join(list(there)[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
        raise ValueError(
            f"member must name one locked take, got {text[:120]!r}: "
            f"{'several are called so' if fitting else 'none is called so'}. "
            f"{'There are ' + listed if there else 'There is no member yet: lock a take with Cast Lock'}."
        )
    ((cast, sha),) = fitting
    return cast, TakeLock(sha, file_of(cast, sha, member=True))


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []
