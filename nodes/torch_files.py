"""Files of torch's that are far more than they seem: refused before, and after, they are read.

torch stores what it saves as it is, so a file is as large as its tensors. One that is not was made by
somebody, to fill a machine's memory or to keep it busy.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_ZIP = b"PK\x03\x04"  # by these torch tells a zip from a file of its older form
_SHOWN = 80  # letters of a name


def check_stored(path: Path) -> None:
    """Refuse a file that would be larger in memory than on the disk; nothing of it is unpacked.

    Raises
    ------
    ValueError
        It is a zip whose members are packed, overlap or cannot be listed.
    OSError
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError):
        raise ValueError("it is damaged or no file of torch's. Download it again") from None
    for one in members:
        if one.compress_type != zipfile.ZIP_STORED or one.compress_size != one.file_size:
            raise ValueError(
                f"its part {one.filename[:_SHOWN]!r} must be stored as it is, as torch saves it, but is packed: "
                f"{one.compress_size} bytes stand for {one.file_size}. Download it again from where it was "
                "published"
            )
    total, there = sum(one.file_size for one in members), path.stat().st_size
    if total > there:
        raise ValueError(
            f"its parts must fit in it, but say that they hold {total} bytes where the file has {there}. "
            "Download it again from where it was published"
        )


def check_whole(loaded: Any) -> None:
    """Refuse tensors that are larger than what was read for them.

    Parameters
    ----------
    loaded : what ``torch.load`` gave
        Tensors in dictionaries, lists and tuples, in one another.

    Raises
    ------
    ValueError
        A tensor is stretched over fewer values than it has, or is no plain one; it is named.
    """
    seen: set[int] = set()  # what holds itself has an end too
    left: list[tuple[str, Any]] = [("", loaded)]
    while left:
        name, value = left.pop()
        if isinstance(value, Tensor):
            _check_tensor(name or "the tensor", value)
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            inner = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, each in inner:
                if isinstance(each, (Tensor, Mapping, list, tuple)):
                    here = str(key)[:_SHOWN]
                    left.append((f"{name}.{here}"[-_SHOWN:] if name else here, each))


def _check_tensor(name: str, tensor: Tensor) -> None:
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type != "cpu":
        raise ValueError(
            f"{name} must be a plain tensor, got one that is {_form(tensor)}: it is no weight file as "
            "published. Download it again"
        )
    wanted, there = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
    if wanted > there:
        raise ValueError(
            f"{name} is stretched over {wanted} bytes, of which the file holds {there}: it is no weight file "
            "as published. Download it again"
        )


def _form(tensor: Tensor) -> str:
    if tensor.device.type != "cpu":
        return f"on {tensor.device.type}"
    return "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
