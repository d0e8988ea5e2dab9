"""Casts as files: every take is kept, because it may have cost money, and read back to the bit.

::

    <output>/loupe_cast/votes.jsonl             a line for each pick
                        <cast>/offer.json       the last offer
                               takes/<sha>.png  a take of 16 bits, and <sha>.json: what is known of it
                               <sha>.png        a member: a take that was locked, and <sha>.json: its lock

A file is written under a name of its own and moved to its place when it is whole. ``<sha>`` is that
of the pixels (:func:`.take.take_sha256`): a file that holds other pixels than its name says is never used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..comparison.encode import json_bytes, write_png
from ..file_names import why_not_a_name
from ..framing.faces import Faces
from ..whole_files import draft_of, to_disk, write_whole
from .disk import advice, check_inside, file_sha256, read_beside, read_json
from .lock import API, TakeLock, lock_from, take_label
from .png import Tick, read_png16
from .records import faces_from, offer_of, record_of
from .take import Cast, take_sha256

FOLDER, TAKES, OFFER, VOTES = "loupe_cast", "takes", "offer.json", "votes.jsonl"
BITS = 16
UNLOCK = "press Unlock on Cast Lock (or empty its lock) and pick again"


@dataclass(frozen=True)
class Held:
    """A locked take as it was read."""

    picture: Tensor
    """(1, H, W, 3) float32, sRGB 0..1."""
    lock: TakeLock
    """With what its files know of it filled in."""
    faces: Faces | None
    """None where its files tell of no face."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What stands beside its file."""
    remarks: tuple[str, ...] = ()


def check_cast_name(name: Any, widget: str = "cast_name") -> str:
    """The name of a cast as its folder is called.

    Raises
    ------
    ValueError
        It cannot be the name of a folder on every system, or is that of the vote log.
    """
    bare = name.strip() if isinstance(name, str) else ""
    objection = why_not_a_name(bare)
    if bare.casefold() == VOTES:
        objection = "that is the vote log"
    if objection:
        raise ValueError(
            f"{widget} must be a bare name such as 'my cast': {objection}, got {str(name)[:120]!r}. "
            f"Casts lie in {FOLDER} in the output folder."
        )
    return bare


# --- an offer ------------------------------------------------------------------------------------


def save_offer(
    takes: Cast,
    name: str,
    output: Path,
    at: str,
    progress: Callable[[int], Tick] = lambda total: lambda done: None,
) -> None:
    """Keep every take of a cast, then its offer.

    Parameters
    ----------
    takes : Cast
    name : str
        Of the cast.
    output : Path
        The host's output folder.
    at : str
        When, ISO 8601.
    progress : callable (rows in all) -> callable (rows so far)
        It may raise to stop: takes that are whole by then stay, the last offer is as it was.

    Raises
    ------
    ValueError
        The name is not allowed, or a link leads out of the output folder.
    RuntimeError
        The disk refuses.
    """
    folder = _folder(name, output)
    tick = progress(sum(take.picture.shape[1] for take in takes.takes))
    done = 0
    with advice(folder):
        (folder / TAKES).mkdir(parents=True, exist_ok=True)
        check_inside(folder / TAKES, output)
        kept: set[str] = set()
        for take in takes.takes:
            if take.sha256 not in kept:  # a duplicate has its first one's file
                kept.add(take.sha256)
                path = folder / TAKES / f"{take.sha256}.png"
                _keep_take(
                    path,
                    take.picture[0],
                    record_of(take, takes.faces_backend),
                    lambda rows, before=done: tick(before + rows),
                )
            done += take.picture.shape[1]
            tick(done)
        write_whole(folder / OFFER, json_bytes(offer_of(takes, name, at), indent=1))


def _keep_take(path: Path, picture: Tensor, record: Mapping[str, Any], tick: Tick) -> None:
    """Write a take where it does not lie already, byte for byte as it was written."""
    beside = path.with_suffix(".json")
    if _lies(path):
        write_whole(beside, json_bytes({**record, "file_sha256": file_sha256(path)}))
        return
    with draft_of(path) as (draft, file):
        # write_png asks for rows that lie one after another; what a VAE decodes does not
        write_png(file, picture.detach().cpu().float().contiguous(), BITS, tick=tick)
        to_disk(file)
        told = json_bytes({**record, "file_sha256": file_sha256(draft)})
    write_whole(beside, told)


def _lies(path: Path) -> bool:
    """Whether a take's file is byte for byte what was once written there."""
    try:
        known = read_json(path.with_suffix(".json")).get("file_sha256")
        return not path.is_symlink() and known == file_sha256(path)
    except (OSError, ValueError):
        return False


def read_offer(name: str, output: Path) -> dict[str, Any] | None:
    """The last offer of a cast, or None where there is none that can be read."""
    try:
        path = _folder(name, output) / OFFER
        check_inside(path, output)
        return read_json(path)
    except (OSError, ValueError):
        return None


def view_of(name: str, sha: str, member: bool = False) -> dict[str, str]:
    """Where the browser finds a take, or a member."""
    subfolder = f"{FOLDER}/{name}" if member else f"{FOLDER}/{name}/{TAKES}"
    return {"filename": f"{sha}.png", "subfolder": subfolder, "type": "output"}


def file_of(name: str, sha: str, member: bool = False) -> str:
    """The path of a take or a member within the output folder."""
    view = view_of(name, sha, member)
    return f"{view['subfolder']}/{view['filename']}"


def _folder(name: str, output: Path) -> Path:
    folder = output / FOLDER / check_cast_name(name)
    check_inside(folder, output)
    return folder


# --- a lock --------------------------------------------------------------------------------------


def places_of(lock: TakeLock, name: str) -> list[str]:
    """Where a locked take may lie within the output folder, the likeliest first.

    As a member or take of the cast ``name``, then of the cast that the lock's own file names; nothing
    else of that path is used.
    """
    casts = [check_cast_name(name)]
    parts = lock.file.replace("\\", "/").split("/")
    if len(parts) >= 3 and parts[0] == FOLDER and why_not_a_name(parts[1]) is None:
        casts.append(parts[1])
    found = [file_of(one, lock.take_sha256, member) for one in casts for member in (True, False)]
    return list(dict.fromkeys(found))


def state_of(lock: TakeLock, name: str, output: Path) -> str:
    """A text that changes when a file of a lock comes, goes or is written."""
    told = []
    for place in places_of(lock, name):
        with suppress(OSError):
            stat = (output / place).stat()
            told.append(f"{place} {stat.st_mtime_ns} {stat.st_size}")
    return "\n".join(told)


def hold(
    lock: TakeLock, name: str, output: Path, at: str = "", tick: Tick = lambda rows: None
) -> Held:
    """Read a locked take, and make it a member of its cast.

    Parameters
    ----------
    lock : TakeLock
    name : str
        Of the cast.
    output : Path
    at : str
        When it was locked, where neither the lock nor its files say.
    tick : callable (rows so far)

    Raises
    ------
    RuntimeError
        The file is missing, or holds other pixels than were locked.
    ValueError
        The name is not allowed, a link leads out of the output folder, or the take was rejected.
    """
    for place in places_of(lock, name):
        path = output / place
        if os.path.lexists(path):
            break
    else:
        raise RuntimeError(
            f"the locked take is missing: {file_of(name, lock.take_sha256)} is not in the output folder. Put the "
            f"file back, or {UNLOCK}. Nothing above was run."
        )
    check_inside(path, output)
    picture = _read(path, place, lock.take_sha256, tick)
    record = read_beside(path, output)
    rejected = record.get("rejected")
    if isinstance(rejected, str) and rejected:
        raise ValueError(
            f"lock names a take that is not offered: {rejected[:200]}. Lock another one: {UNLOCK}."
        )
    size = (picture.shape[2], picture.shape[1])
    lock = filled(lock, record)
    lock = replace(lock, by=lock.by or API, at=lock.at or at)
    return _as_member(Held(picture, lock, faces_from(record, size), record), path, name, output)


def _read(path: Path, place: str, sha: str, tick: Tick) -> Tensor:
    """The pixels of a file, which must be those that were locked."""
    way_out = f"Put the file back as it was, or {UNLOCK}. Nothing above was run."
    try:
        picture = read_png16(path, tick)
    except OSError as error:
        raise RuntimeError(
            f"the locked take {place} cannot be read: {error.strerror or error}. {way_out}"
        ) from None
    except ValueError as objection:
        raise RuntimeError(f"the locked take {place} was altered: {objection}. {way_out}") from None
    if take_sha256(picture) != sha:
        raise RuntimeError(
            f"the locked take {place} was altered: it holds other pixels than were locked. {way_out}"
        )
    return picture


def filled(lock: TakeLock, record: Mapping[str, Any]) -> TakeLock:
    """A lock with what its take's record knows and it does not say."""
    try:
        known = lock_from({**record, "take_sha256": lock.take_sha256})
    except ValueError:
        known = TakeLock(lock.take_sha256)
    number = record.get("number")
    if not known.label and known.model and type(number) is int:
        known = replace(known, label=take_label(known.model, number))
    for key in ("model", "label", "seed", "prompt_sha", "score", "rank", "by", "at"):
        if getattr(lock, key) in ("", None):
            lock = replace(lock, **{key: getattr(known, key)})
    return lock


def _as_member(held: Held, path: Path, name: str, output: Path) -> Held:
    """The same take, lying as a member of its cast; a disk that refuses is remarked upon."""
    member = output / file_of(name, held.lock.take_sha256, member=True)
    lock = replace(held.lock, file=file_of(name, held.lock.take_sha256, member=True))
    face = {key: held.record.get(key) for key in ("face", "faces_backend")}
    told = lock.as_json() | (face if held.faces else {"face": None, "faces_backend": ""})
    try:
        with advice(member.parent):
            member.parent.mkdir(parents=True, exist_ok=True)
            check_inside(member.parent, output)
            if path != member:
                with draft_of(member) as (_, file), path.open("rb") as source:
                    shutil.copyfileobj(source, file)
                    to_disk(file)
            beside, data = member.with_suffix(".json"), json_bytes(told, indent=1)
            if not beside.is_file() or beside.read_bytes() != data:
                write_whole(beside, data)
    except RuntimeError as error:
        return replace(held, remarks=(f"Not kept as a member: {error}",))
    return replace(held, lock=lock)
