"""Plates as files: under a name that is free and safe, whole or not at all.

Everything is written into a folder of its own that ends in ``.part`` beside the place where it
will lie, and moved there when it is complete. Making that folder also takes the number: of two
runs at once only one succeeds.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, cast

from torch import Tensor

from ...kernels.picture import check_picture
from ..file_names import FORBIDDEN, RESERVED
from ..whole_files import to_disk
from .encode import FORMATS, Metadata, Tick, json_bytes, why_not, write_picture
from .sources import ENDING as SOURCES

DEFAULT_PREFIX = "loupe/plate"
QUALITIES = (50, 100)
BESIDE_SLIDES = "manifest"  # what lies beside the slides is called so, with an ending
MAX_MANIFEST = 4 * 2**20  # letters; a manifest of 16 panels takes 50 kB
MAX_DEPTH = 50
MAX_NAME = 150  # bytes of UTF-8: file systems hold 255, encrypted ones 143 letters with our number
MAX_PREFIX = 600  # bytes: with the output folder before it well under the 4096 of a path
MAX_SLIDE = 60  # letters of a slide's name
_TRIES = 9999
_SWITCHED_OFF = "ComfyUI runs with --disable-metadata: neither the graph nor the manifest was saved"
_ENDINGS = tuple(dict.fromkeys(["", *(one.ending for one in FORMATS.values()), ".json", SOURCES]))


Resolve = Callable[[str, int, int], tuple[Path, str, int]]


@dataclass(frozen=True)
class Saved:
    """What lies on the disk now.

    Parameters
    ----------
    base : Path
        The output folder.
    pictures, others : tuple of Path
        Inside it, in order; ``others`` are manifests.
    notes : tuple of str
        What the user should know, empty as a rule.
    """

    base: Path
    pictures: tuple[Path, ...]
    others: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def listing(self) -> str:
        """A path per line, relative to the output folder, pictures first."""
        files = (*self.pictures, *self.others)
        return "\n".join(path.relative_to(self.base).as_posix() for path in files)


def save_plate(
    image: object,
    name: str,
    prefix: str,
    base: Path,
    resolve: Resolve,
    *,
    quality: int = 95,
    metadata: Metadata | None = None,
    manifest: str | None = None,
    share_clean: bool = False,
    sources: bytes | None = None,
    progress: Callable[[int], Tick] = lambda total: lambda done: None,
) -> Saved:
    """Save a plate as one file, or several as a carousel: a folder of slides.

    Parameters
    ----------
    image : (B, H, W, C), C in {1, 3, 4}, sRGB 0..1
        One picture is a plate, several are a carousel.
    name : a name of ``encode.FORMATS``
    prefix : str
        Folder and beginning of the name, as the host's Save Image takes it.
    base : Path
        The output folder.
    resolve : callable (prefix, width, height) -> (folder, name, number)
        The host's own way from a prefix to a free name. It may make the folder.
    quality : int in [50, 100]
        Of a JPEG.
    metadata : Metadata or None
        The graph. None writes pixels alone: neither the graph nor the manifest is kept.
    manifest : str or None
        JSON of Compare. It goes into every picture and lies beside them.
    share_clean : bool
        Leave out the graph, and of the manifest what names files, prompts or seeds.
    sources : bytes or None
        Of :func:`.sources.pack`, to lie beside the plate; never beside one that is to be shared.
    progress : callable (rows in all) -> callable (rows so far)
        Called as work goes on; it may raise to stop.

    Returns
    -------
    Saved

    Raises
    ------
    ValueError
        The picture, prefix or manifest is not fit, or the format cannot hold the size. Nothing was
        written.
    RuntimeError
        The disk refused. What was begun is gone, what was there before is as it was.
    """
    _, height, width, _ = check_picture(image).shape
    picture = cast("Tensor", image)
    if objection := why_not(name, width, height):
        raise ValueError(f"format: {objection}")
    if not QUALITIES[0] <= quality <= QUALITIES[1]:
        raise ValueError(
            f"quality must be between {QUALITIES[0]} and {QUALITIES[1]}, got {quality}"
        )
    told = read_manifest(manifest)
    told = cleaned(told) if share_clean and told is not None else told
    slides = slide_names(len(picture), told) if len(picture) > 1 else None
    kept = _kept(metadata, told, share_clean)
    notes = [_SWITCHED_OFF] if metadata is None and told is not None else []
    extras = {}
    if kept.manifest is not None:
        extras[".json"] = json_bytes(kept.manifest, indent=1)
    if sources is not None and share_clean:
        notes.append("share_clean leaves out the sources")
    elif sources is not None:
        extras[SOURCES] = sources
    prefix = check_prefix(prefix)
    check_inside(base / Path(prefix).parent, base)
    tick = progress(len(picture) * height)

    def write(file: BinaryIO, index: int) -> None:
        def rows(done: int) -> None:
            tick(index * height + done)

        notes.extend(write_picture(file, picture[index], name, quality, kept, rows))

    with _advice():
        folder, stem, number = resolve(prefix, width, height)
        stem = stem.replace("%batch_num%", "0")
        if objection := _why_not_name(stem):
            raise ValueError(f"filename_prefix becomes {stem[:200]!r}: {objection}")
        check_inside(folder, base)
        pictures, others = _write_all(
            write, folder, stem, number, slides, FORMATS[name].ending, extras
        )
    return Saved(base, pictures, others, tuple(dict.fromkeys(notes)))


def _kept(
    metadata: Metadata | None, manifest: Mapping[str, Any] | None, share_clean: bool
) -> Metadata:
    """What goes into the files."""
    if metadata is None:
        return Metadata()
    return replace(Metadata() if share_clean else metadata, manifest=manifest)


def _write_all(
    write: Callable[[BinaryIO, int], None],
    folder: Path,
    prefix: str,
    number: int,
    slides: Sequence[str] | None,
    ending: str,
    extras: Mapping[str, bytes],
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Write pictures and what goes with them beside their place, then move them there; where they are."""
    with _reserved(folder, prefix, number) as (part, stem):
        names = [f"{one}{ending}" for one in slides or [stem]]
        others = {f"{BESIDE_SLIDES if slides else stem}{end}": data for end, data in extras.items()}
        for index, name in enumerate(names):
            with open_new(part / name) as file:
                write(file, index)
                to_disk(file)
        for name, data in others.items():
            with open_new(part / name) as file:
                file.write(data)
                to_disk(file)
        if slides:
            _rename(part, folder / stem)
        else:
            _move([*others, *names], part, folder)
    home = folder / stem if slides else folder
    return tuple(home / name for name in names), tuple(home / name for name in others)


# --- the manifest --------------------------------------------------------------------------------


def read_manifest(text: str | None) -> dict[str, Any] | None:
    """The manifest of Compare, or None where none is linked.

    Raises
    ------
    ValueError
        Longer than ``MAX_MANIFEST``, not JSON, or not an object.
    """
    if text is None or not text.strip():
        return None
    way_out = "Link the manifest output of Compare, or unlink it."
    if len(text) > MAX_MANIFEST:
        raise ValueError(
            f"manifest may have at most {MAX_MANIFEST / 2**20:g} million letters, it has {len(text) / 2**20:.1f}. {way_out}"
        )
    try:  # NaN is no JSON: others could not read it
        told = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"manifest must be JSON: {error}. {way_out}") from None
    if not isinstance(told, dict):
        raise ValueError(f"manifest must be a JSON object, got {type(told).__name__}. {way_out}")
    if _is_deeper(told, MAX_DEPTH):  # Python could read it, and then not write it
        raise ValueError(f"manifest may be nested {MAX_DEPTH} deep, it is deeper. {way_out}")
    return told


def _finite(digits: str) -> float | None:
    return number if isfinite(number := float(digits)) else None


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        groups = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for group in groups for one in group if isinstance(one, (dict, list))]
    return bool(level)


_PRIVATE = frozenset(  # words of keys
    {"author", "caption", "captions", "checkpoint", "ckpt", "directory", "file", "filename", "files"}
    | {"folder", "graph", "lora", "loras", "metadata", "negative", "path", "paths", "prompt", "prompts"}
    | {"filenames", "seed", "seeds", "url", "urls", "user", "workflow"}
)  # fmt: skip
_SOURCES = frozenset(
    {"source", "sources"}
)  # by name; as numbers, sizes and boxes they tell nothing
_KEY_OF_BLIND = frozenset({"sources", "design", "blind"})
_HASHES = frozenset({"hash", "sha", "sha1", "sha256", "md5"})
_A_FILE = re.compile(  # a path, an address, or a name with the ending of a picture, model or font
    r"(^|[\s\"'(=])([a-z]:[\\/]|/[^\s/]+/|~/|\.{1,2}[\\/]|\\\\)|://|^data:|"
    r"\.(png|jpe?g|webp|avif|tiff?|bmp|gif|exr|heic|json|safetensors|sft|ckpt|gguf|bin|pth?|onnx|ttf|otf|ttc)\b",
    re.IGNORECASE,
)
_A_SEED = re.compile(r"\b(seeds?)\b[\s:=#]*\d[\d, ]*", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def cleaned(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what names files, prompts or seeds, wherever it stands.

    Keys with a word such as caption, prompt or seed go with all below them, a source that is named
    too, hashes except that of the plate itself, and every text that reads like a path, an address or
    a file name. Of other texts the number of a seed goes.
    """
    kept = _cleaned(manifest)
    if manifest.get("blind"):  # what tells whose is whose
        kept = {key: value for key, value in kept.items() if key not in _KEY_OF_BLIND}
        kept["blind"] = True
    return {**kept, "share_clean": True}


def _cleaned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _cleaned(one)
            for key, one in value.items()
            if not _is_private(key, one) and not _names_file(one) and not _names_file(key)
        }
    if isinstance(value, list):  # places count in a list
        return [None if _names_file(one) else _cleaned(one) for one in value]
    return _A_SEED.sub(r"\1", value) if isinstance(value, str) else value


def _is_private(key: str, value: Any) -> bool:
    words = {word.lower() for word in _WORDS.findall(key)}
    if words & _PRIVATE or (words & _HASHES and "plate" not in words):
        return True
    named = value if isinstance(value, list) else [value]
    return bool(words & _SOURCES) and any(isinstance(one, str) for one in named)


def _names_file(value: Any) -> bool:
    return isinstance(value, str) and bool(_A_FILE.search(value.strip()))


def slide_names(count: int, manifest: Mapping[str, Any] | None) -> list[str]:
    """Names of a carousel's files without ending: ``00_cover``, ``01``, ...

    The manifest's ``slides`` (names, or objects with a name) are set behind the numbers.
    """
    told = (manifest or {}).get("slides")
    given = told if isinstance(told, list) else []
    digits = max(2, len(str(count - 1)))
    names = []
    for index in range(count):
        one = given[index] if index < len(given) else None
        word = one.get("name") if isinstance(one, Mapping) else one
        if not isinstance(word, str):
            word = "cover" if index == 0 else ""
        names.append("_".join(filter(None, (f"{index:0{digits}}", _slug(word)))))
    return names


def _slug(text: str) -> str:
    """Letters and digits of a text, safe in a file name everywhere."""
    plain = "".join(sign if sign.isalnum() else "-" for sign in text[:MAX_SLIDE])
    return re.sub("-+", "-", plain).strip("-")


# --- the name ------------------------------------------------------------------------------------


def check_prefix(prefix: str, now: time.struct_time | None = None) -> str:
    """The folder and beginning of a name, safe on every system.

    Parameters
    ----------
    prefix : str
        Folders parted by ``/`` or ``\\``. ``%date:yyyy-MM-dd%`` becomes the date, as ComfyUI's page
        does it for its own nodes; ``%year%`` and the like are left to the host.
    now : local time, optional

    Returns
    -------
    str
        Parted by ``/``.

    Raises
    ------
    ValueError
        It leads out of the output folder, or holds what some system does not allow.
    """
    dated = re.sub(r"%date:([^%]*)%", lambda found: _date(found[1], now), prefix)
    parts = dated.strip().replace("\\", "/").split("/")
    if objection := _why_not_prefix(dated, parts):
        raise ValueError(
            f"filename_prefix must name a file inside the output folder, such as {DEFAULT_PREFIX!r}: {objection}; "
            f"got {prefix[:200]!r}"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _date(pattern: str, now: time.struct_time | None) -> str:
    """A date in ComfyUI's letters: d, M, h, m and s once or twice, yy or yyyy."""
    now = now or time.localtime()
    values = {"d": now.tm_mday, "M": now.tm_mon, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def written(found: re.Match[str]) -> str:
        letters = found[0]
        if letters[0] == "y":
            return f"{now.tm_year:04}"[-len(letters) :]
        return str(values[letters[0]]).zfill(len(letters))

    return re.sub("dd?|MM?|hh?|mm?|ss?|yyyy|yy", written, pattern)


def _why_not_prefix(prefix: str, parts: list[str]) -> str | None:
    """The reason why a prefix is refused, or None."""
    if not prefix.strip():
        return "it is empty"
    if parts[0] == "":
        return "it begins with a slash, which leads to the root of the disk or to another machine"
    if parts[-1] in ("", "."):
        return "it ends in a folder; add a name after the slash"
    if len(prefix.encode("utf-8", "replace")) > MAX_PREFIX:
        return f"it may have at most {MAX_PREFIX} bytes"
    for part in parts:
        if part not in ("", ".") and (objection := _why_not_name(part)):
            return objection
    return None


def _why_not_name(part: str) -> str | None:
    if not part:
        return "it is empty"
    if part == "..":
        return "'..' leads out of a folder"
    if found := sorted(FORBIDDEN & set(part)):
        return f"it may not hold {' '.join(found)}, which Windows forbids"
    if not part.isprintable():
        return "it holds signs that cannot be seen"
    if part != part.strip(" ") or part.endswith("."):
        return f"{part!r} begins or ends with a space or ends with a point"
    if part.split(".")[0].rstrip().lower() in RESERVED:
        return f"Windows keeps the name {part!r} for a device"
    if len(part.encode()) > MAX_NAME:
        return f"the name {part[:20]}... is {len(part.encode())} bytes long; at most {MAX_NAME} fit every disk"
    return None


def check_inside(folder: Path, base: Path) -> None:
    """Refuse a folder that lies outside another one, links followed.

    Raises
    ------
    ValueError
        It is outside, such as through a link.
    """
    real = Path(os.path.realpath(folder))
    if not real.is_relative_to(os.path.realpath(base)):
        raise ValueError(
            f"filename_prefix leads out of the output folder: {folder} is {real}. "
            "Take another folder, or start ComfyUI with --output-directory."
        )


# --- the disk ------------------------------------------------------------------------------------


@contextmanager
def _reserved(folder: Path, prefix: str, first: int) -> Iterator[tuple[Path, str]]:
    """A new folder for the work, and the free name that it stands for; it is gone at the end."""
    for number in range(first, first + _TRIES):
        stem = f"{prefix}_{number:05}_"
        part = folder / f"{stem}.part"
        try:
            part.mkdir()
        except FileExistsError:
            continue
        try:  # looked for after the number is ours: another run may have just finished
            if not any(os.path.lexists(folder / f"{stem}{end}") for end in _ENDINGS):
                yield part, stem
                return
        finally:
            shutil.rmtree(part, ignore_errors=True)
    raise RuntimeError(
        f"{folder} has no free number for {prefix} from {first} on. Take another filename_prefix."
    )


def open_new(path: Path) -> BinaryIO:
    return cast("BinaryIO", path.open("xb"))


def _move(names: Sequence[str], part: Path, folder: Path) -> None:
    """Move files out of the working folder, all or none."""
    moved: list[Path] = []
    try:
        for name in names:
            _rename(part / name, folder / name)
            moved.append(folder / name)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        raise


def _rename(written: Path, final: Path) -> None:
    """Give a file or folder its name, never that of another."""
    if written.is_file():
        try:
            os.link(written, final)  # fails where the name is taken, on every system
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            pass  # a disk without links, such as FAT: the name was looked at when it was reserved
        else:
            return
    if os.path.lexists(final):
        raise FileExistsError(errno.EEXIST, "another program took the name", str(final))
    os.rename(written, final)


@contextmanager
def _advice() -> Iterator[None]:
    """Turn what the disk says into what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RuntimeError(
            f"the plate could not be saved: {error.strerror or error}{where}. Nothing is left half-written, older "
            f"files are as they were, and the picture is still in the graph: {_way_out(error)}, then queue again."
        ) from error


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return "make room on the disk of the output folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "allow writing to the output folder, or take another filename_prefix"
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT):
        return "take a shorter filename_prefix"
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return "take another filename_prefix"
    return "see to the disk of the output folder, or take another filename_prefix"
