"""Identity adapters as files: which there are in the host's folders, and what is read from one.

A name is good only if the listing of these folders has it, so none leads anywhere else. Nothing in a
file is ever run: safetensors holds no programs, and of a pickle torch reads tensors alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .adapters.adapter import Adapter
from .adapters.flatten import flatten
from .adapters.formats.registry import AUTO
from .adapters.recognise import recognise
from .encode.files import sha256_of

KINDS = ("ipadapter", "instantid", "pulid")
"""The host's folders in which adapters lie."""
SAFE = ".safetensors"
PICKLED = (".bin", ".pt", ".pth")
DEEPEST = 3  # folders in one another: a download keeps its own
_LISTED = 8

Folders = Mapping[str, Sequence[Path]]


def list_adapters(folders: Folders) -> list[str]:
    """The names ``kind/file`` of what could be loaded, in the order of the kinds; nothing is opened."""
    return list(model_files(folders))


def find_adapter(name: str, folders: Folders, widget: str = "file") -> Path:
    """The file of a name that the listing has; see ``find_file``."""
    return find_file(name, folders, "an adapter", widget)


def model_files(folders: Folders, fits: Callable[[Path], bool] | None = None) -> dict[str, Path]:
    """The files of torch's and of safetensors in the folders of some kinds.

    Links are followed, as ComfyUI follows them: whoever can put one there can put files there.

    Parameters
    ----------
    folders : mapping of str to sequence of Path
        By kind.
    fits : what to list; everything where it is left out

    Returns
    -------
    dict of str to Path
        By the name ``kind/file``, in the order of the kinds. What lies in a folder of two kinds
        is listed for the first alone.
    """
    found: dict[str, Path] = {}
    for kind in folders:
        seen = set(found.values())
        here = sorted(_of_kind(kind, folders[kind]).items())
        found |= {name: at for name, at in here if at not in seen and (fits is None or fits(at))}
    return found


def find_file(
    name: str,
    folders: Folders,
    what: str,
    widget: str = "file",
    fits: Callable[[Path], bool] | None = None,
) -> Path:
    """The file of a name that the listing has.

    Raises
    ------
    ValueError
        It has not; said with ``what`` was asked for.
    """
    files = model_files(folders, fits)
    if name in files:
        return files[name]
    there = list(files)
    listed = ", ".join(there[:_LISTED]) + (", ..." if len(there) > _LISTED else "")
    raise ValueError(
        f"{widget} must name {what} in models/{' or models/'.join(folders)}; there is no {name!r}. "
        f"There {'are ' + listed if there else 'is none yet'}."
    )


def read_adapter(path: Path, name: str, version: str = AUTO) -> Adapter:
    """The adapter in a file.

    Parameters
    ----------
    path : Path
    name : str
        Of the listing: some formats are told apart by it.
    version : str
        See ``recognise``.

    Raises
    ------
    ValueError
        The file cannot be read, or is no adapter that is known. It is left as it is.
    """
    with naming(path, name):
        tensors = flatten(loaded(path))
        return recognise(tensors, name, version=version, sha256=sha256_of(path))


@contextmanager
def naming(path: Path, name: str) -> Iterator[None]:
    """Whatever is said against a file within it names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(f"{name} cannot be read: {reason}. It was left alone.") from None
    except ValueError as objection:
        told = str(objection)
        named = told if path.name in told else f"{name} is not used: {told}"
        raise ValueError(named) from None


def loaded(path: Path) -> Any:
    """What a file holds, on the CPU: of a pickle tensors and plain containers alone.

    Raises
    ------
    ValueError
        It is damaged, holds more than that, or is packed or stretched, so that little on the disk
        would be much in memory; nothing in it was run.
    OSError
    """
    if path.suffix.lower() == SAFE:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path, device="cpu")
        except SafetensorError as error:
            raise ValueError(
                f"it is no whole safetensors file ({error}). Download it again"
            ) from None
    return _unpickled(path)


def _unpickled(path: Path) -> Any:
    """What a ``.bin`` holds, where that is nothing but tensors and dictionaries."""
    import pickle

    import torch

    from ..torch_files import check_stored, check_whole

    check_stored(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch's own words tell how to run what is in the file; that advice is not passed on
        raise ValueError(
            "it holds more than tensors, or is damaged. Nothing in it was run. Download it again from "
            "where it was published, as .safetensors where there is one"
        ) from None
    except (RuntimeError, EOFError, KeyError, IndexError, AttributeError, TypeError):
        raise ValueError("it is damaged or no file of torch's. Download it again") from None
    check_whole(found)
    return found


def _of_kind(kind: str, folders: Sequence[Path]) -> dict[str, Path]:
    """The files of one kind by name; of two of one name that of the first folder."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in _files(folder):
            found.setdefault(f"{kind}/{path.relative_to(folder).as_posix()}", path)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(folder, followlinks=True):
        here = Path(place)
        if len(here.relative_to(folder).parts) >= DEEPEST:
            inner.clear()  # a link may lead back to where it lies
        inner[:] = [one for one in inner if not one.startswith(".")]
        for name in names:
            path = here / name
            if path.suffix.lower() in (SAFE, *PICKLED) and name[0] != "." and path.is_file():
                yield path
