"""The takes of all sockets as one numbered row: what is no take is rejected, and the reason told.

A take may have cost money: a picture that cannot be used is kept, shown and named, and never stops
the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...kernels.picture import CHANNELS, check_picture, flatten_alpha
from ..comparison.captions import NOTHING, Caption
from ..framing.faces import Face
from ..framing.find import Folders, Progress, find_faces, within
from ..labels import one_line
from .ranking import ranked
from .take import Take, take_sha256

if TYPE_CHECKING:
    from .realism import Evidence

MOST_TAKES = 64
BLANK = 1.5 / 255  # spread of each colour; JPEG leaves under 1 code on one flat colour
SHA_DIGITS = 16  # of a prompt's hash
# Two pictures are one where their means over 32 x 32 fields differ by under a code and their finest
# detail by under a tenth of itself. On six portraits JPEG of quality 95 changes it by 5 to 22 %, a
# Gaussian of 0.5 px by 11 to 18, noise of 3 codes by 15 to 46: what could look different is kept.
SAME_FIELDS, SAME_DETAIL = 1 / 255, 0.1
_FIELDS, _DETAIL_PX, _LOOKED_AT = 32, 9, 1024

NO_FACE = "no face found"
Judge = Callable[[Tensor, "Face | None"], "Evidence"]


@dataclass(frozen=True)
class Socket:
    """What arrived at one socket: the takes of one model."""

    name: str
    """Its input's name, for messages."""
    values: Sequence[Any]
    """A picture or a batch for each call."""
    label: str = ""
    """As the user has it; empty takes the caption's."""
    caption: Caption = NOTHING


@dataclass(frozen=True)
class Gathered:
    """All takes, ranked, and what is said of how they came."""

    takes: tuple[Take, ...]
    faces_backend: str
    notes: tuple[str, ...]


def gather_takes(
    sockets: Sequence[Socket],
    *,
    seeds: Sequence[int] = (),
    prompt: str = "",
    folders: Folders | None = None,
    judge: Judge | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Every picture as a take, those that can be scored ranked.

    Parameters
    ----------
    sockets : of the node, in their order
    seeds : ints
        Of Cast Brief: the first for the first call of each socket, and so on.
    prompt : str
        Empty takes what the graph says.
    folders : where detectors' models lie
    judge : callable (picture (1, H, W, 3), face) -> Evidence
        None scores nothing.
    progress : callable, optional

    Returns
    -------
    Gathered

    Raises
    ------
    ValueError
        See :func:`collect_takes`.
    """
    count = sum(
        len(value) for socket in sockets for value in socket.values if isinstance(value, Tensor)
    )
    tick = progress(count) if progress else lambda done: None
    takes, notes = collect_takes(sockets, seeds=seeds, prompt=prompt, still=lambda: tick(0))
    backends: list[str] = []
    seen = []
    for done, take in enumerate(takes, 1):
        still = within(lambda done=done: tick(done - 1))
        seen.append(_seen(take, folders, judge, backends, notes, still))
        tick(done)
    backend = ", ".join(dict.fromkeys(backends)) or "no face was found"
    return Gathered(ranked(seen), backend, tuple(dict.fromkeys(notes)))


def collect_takes(
    sockets: Sequence[Socket],
    *,
    seeds: Sequence[int] = (),
    prompt: str = "",
    still: Callable[[], None] = lambda: None,
) -> tuple[list[Take], list[str]]:
    """Every picture as a take before anybody looks for a face, and what is said of how they came.

    Those that are blank, broken or the same as an earlier one are rejected. ``still`` is called before
    each look at one; it may raise to stop.

    Raises
    ------
    ValueError
        There is no take, there are more than ``MOST_TAKES``, or an input is no picture.
    """
    notes: list[str] = []
    takes: list[Take] = []
    for label, socket in zip(labels_of(sockets), sockets, strict=True):
        takes += _of_socket(socket, label, seeds, prompt, len(takes) + 1, notes, still)
        if len(takes) > MOST_TAKES:
            raise ValueError(
                f"a cast holds at most {MOST_TAKES} takes, there are more: link fewer models, or shorter lists"
            )
    if not takes:
        raise ValueError("takes holds no picture: link each model's pictures to a socket of takes")
    return _without_twins(takes, still), notes


def labels_of(sockets: Sequence[Socket]) -> list[str]:
    """The name of each socket's model, no two the same: the user's, the graph's, or a number."""
    found: list[str] = []
    for number, socket in enumerate(sockets, 1):
        name = one_line(socket.label) or one_line(socket.caption.name) or f"model {number}"
        same = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({same + 1})" if name in found else name)
    return found


def prompt_sha_of(prompt: str) -> str:
    """The first digits of a prompt's sha256, or '' of none."""
    if not prompt.strip():
        return ""
    return hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:SHA_DIGITS]


def _of_socket(
    socket: Socket,
    label: str,
    seeds: Sequence[int],
    prompt: str,
    first: int,
    notes: list[str],
    still: Callable[[], None],
) -> list[Take]:
    """The pictures of a socket, not yet looked at."""
    sha = prompt_sha_of(prompt) or socket.caption.prompt_sha[:SHA_DIGITS]
    takes: list[Take] = []
    theirs = _seeds_of(socket, label, seeds, notes)
    for value, seed in zip(socket.values, theirs, strict=True):
        if not isinstance(value, Tensor) or value.ndim != 4 or value.shape[-1] not in CHANNELS:
            check_picture(value, socket.name)  # raises, in its own words
        if not len(value):
            notes.append(f"{label}: a call gave an empty batch, no take of it")
            continue
        if len(value) > 1 and seed is not None:
            notes.append(f"{label}: one call gave {len(value)} pictures at seed {seed}")
        for one in value.split(1):
            still()
            picture, reason = _usable(one)
            number = first + len(takes)
            takes.append(
                Take(
                    number,
                    label,
                    picture,
                    take_sha256(picture),
                    seed,
                    sha,
                    None,
                    reason,
                    None,
                    None,
                )
            )
    return takes


def _seeds_of(
    socket: Socket, label: str, seeds: Sequence[int], notes: list[str]
) -> list[int | None]:
    """The seed of each call of a socket; None where the provider has none, or it cannot be told."""
    calls = len(socket.values)
    details = f" {socket.caption.detail} "
    if "seed n/a" in details:
        return [None] * calls
    if not seeds:
        return [socket.caption.seed if calls == 1 else None] * calls
    if len(seeds) == calls:
        return list(seeds)
    if len(seeds) == 1:
        return [seeds[0]] * calls
    if calls == 1 and socket.caption.seed is not None:  # a seed of its own
        return [socket.caption.seed]
    notes.append(
        f"{label}: {calls} call{'' if calls == 1 else 's'} for {len(seeds)} seeds, so the seeds of its takes are not known"
    )
    return [None] * calls


def _usable(one: Tensor) -> tuple[Tensor, str | None]:
    """A picture as RGB 0..1 on the CPU, and why it cannot be a take, or None."""
    one, reason = one.detach().cpu(), None
    try:
        check_picture(one)
    except ValueError as refusal:
        reason = f"broken: {refusal}"
        bad = int((~torch.isfinite(one)).sum())
        if bad:
            reason = f"broken: {bad} of its values are NaN or infinite; decode it in fp32 or bf16"
        one = one.float().nan_to_num(0.5, 1.0, 0.0)
    flat = flatten_alpha(one.float())
    low, high = torch.aminmax(flat) if flat.numel() else (torch.tensor(0.0), torch.tensor(1.0))
    if low < 0 or high > 1:
        flat = flat.clamp(0, 1)
    if reason is None and float(flat.flatten(0, 2).std(0, correction=0).max()) < BLANK:
        reason = (
            "blank: all its pixels are nearly equal, as providers send where they made no picture"
        )
    return flat, reason


# --- twins ---------------------------------------------------------------------------------------


def _without_twins(takes: list[Take], still: Callable[[], None]) -> list[Take]:
    """Takes with those rejected that show the very picture of an earlier one."""
    fields: dict[int, Tensor] = {}
    kept: list[Take] = []
    found = []
    for take in takes:
        still()
        reason = take.rejected
        if reason is None:
            fields[take.number] = _fields(take.picture)
            reason = next(
                (why for other in kept if (why := _twin(take, other, fields)) is not None), None
            )
            if reason is None:
                kept.append(take)
        found.append(replace(take, rejected=reason))
    return found


def _twin(take: Take, other: Take, fields: dict[int, Tensor]) -> str | None:
    """Why a take is the same as an earlier one, or None."""
    if take.sha256 == other.sha256:
        return f"duplicate of {other.number}"
    if take.picture.shape != other.picture.shape:
        return None
    if _rms(fields[take.number] - fields[other.number]) >= SAME_FIELDS:
        return None
    mine, theirs = _detail(take.picture), _detail(other.picture)
    share = _rms(mine - theirs) / max(_rms(mine), _rms(theirs), 1e-6)
    if share >= SAME_DETAIL:
        return None
    return f"near-duplicate of {other.number}: its finest detail differs by {share:.0%}"


def _fields(picture: Tensor) -> Tensor:
    """Means over a grid of fields."""
    return F.adaptive_avg_pool2d(picture.permute(0, 3, 1, 2), _FIELDS)


def _detail(picture: Tensor) -> Tensor:
    """The middle of a picture without what is coarser than a few pixels."""
    _, height, width, _ = picture.shape
    tall, wide = min(height, _LOOKED_AT), min(width, _LOOKED_AT)
    top, left = (height - tall) // 2, (width - wide) // 2
    part = picture[:, top : top + tall, left : left + wide].permute(0, 3, 1, 2)
    # count_include_pad: at the border the mean of what is there
    smooth = F.avg_pool2d(part, _DETAIL_PX, 1, _DETAIL_PX // 2, count_include_pad=False)
    return part - smooth


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


# --- faces and evidence --------------------------------------------------------------------------


def _seen(
    take: Take,
    folders: Folders | None,
    judge: Judge | None,
    backends: list[str],
    notes: list[str],
    still: Progress,
) -> Take:
    """A take with its face and its evidence."""
    if take.rejected is not None:
        return take
    try:
        found = find_faces(take.picture, folders=folders, progress=still).faces
    except ValueError:
        return replace(take, rejected=NO_FACE)
    backends.append(found.backend)
    face, *others = found.frames[0]
    if others:
        notes.append(f"take {take.number} shows {1 + len(others)} faces: the largest is looked at")
    return replace(take, face=face, evidence=None if judge is None else judge(take.picture, face))
