"""What an ONNX file tells of itself, read without the package onnx.

The file is a tree of protocol buffers. Only the lengths are followed, over a memory map: of 260 MB a
few pages are read.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Field numbers of onnx.proto.
GRAPH = 7
NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12
NODE_NAME, TENSOR_NAME, VALUE_NAME, VALUE_TYPE = 3, 8, 1, 2
TENSOR_TYPE, SHAPE, DIMENSION, LENGTH = 1, 2, 1, 1
BYTES = 2  # the wire type of what has a length

Data = mmap.mmap | bytes


@dataclass(frozen=True)
class Graph:
    """The outside of a network."""

    nodes: tuple[str, ...]
    """Names of its first nodes."""
    inputs: tuple[tuple[int, ...], ...]
    """The sides of each input that is not a weight; 0 where any length will do."""
    outputs: tuple[tuple[int, ...], ...]


def read_graph(path: Path, nodes: int = 8) -> Graph:
    """The outside of an ONNX file's network.

    Parameters
    ----------
    path : Path
    nodes : int
        How many names of nodes are wanted.

    Raises
    ------
    ValueError
        It is no ONNX file, or it ends too early.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _graph(data, nodes)


def _graph(data: Data, count: int) -> Graph:
    parts = [part for number, part in _fields(data, (0, len(data))) if number == GRAPH and part]
    if not parts:
        raise ValueError("it holds no ONNX graph")
    names: list[str] = []
    weights: set[str] = set()
    values: dict[int, list[tuple[str, tuple[int, ...]]]] = {INPUT: [], OUTPUT: []}
    for number, part in _fields(data, parts[0]):
        if part is None:
            continue
        if number == NODE and len(names) < count:
            names.append(_text(data, part, NODE_NAME))
        elif number == INITIALIZER:
            weights.add(_text(data, part, TENSOR_NAME))
        elif number in values:
            values[number].append((_text(data, part, VALUE_NAME), _sides(data, part)))
    if not values[OUTPUT]:
        raise ValueError("it holds no ONNX graph")
    # Old exporters list the weights among the inputs.
    inputs = tuple(sides for name, sides in values[INPUT] if name not in weights)
    return Graph(tuple(names), inputs, tuple(sides for _, sides in values[OUTPUT]))


def _fields(data: Data, part: tuple[int, int]) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """Number and place of each field of a message; the place only of those with a length."""
    at, end = part
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        place = None
        if wire == 0:
            _, at = _varint(data, at, end)
        elif wire == BYTES:
            length, at = _varint(data, at, end)
            place = (at, at + length)
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError("it is no ONNX file")
        if at > end or number == 0:
            raise ValueError("it is no ONNX file, or it ends too early")
        yield number, place


def _varint(data: Data, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        value |= (data[at] & 127) << shift
        at += 1
        if not data[at - 1] & 128:
            return value, at
    raise ValueError("it is no ONNX file, or it ends too early")


def _text(data: Data, part: tuple[int, int], wanted: int) -> str:
    for number, place in _fields(data, part):
        if number == wanted and place:
            return data[place[0] : place[1]].decode("utf-8", "replace")
    return ""


def _sides(data: Data, value: tuple[int, int]) -> tuple[int, ...]:
    """The sides of a tensor, 0 where the file leaves one open."""
    part: tuple[int, int] | None = value
    for wanted in (VALUE_TYPE, TENSOR_TYPE, SHAPE):
        part = next(
            (place for number, place in _fields(data, part) if number == wanted and place), None
        )
        if part is None:
            return ()
    return tuple(
        _length(data, place)
        for number, place in _fields(data, part)
        if number == DIMENSION and place
    )


def _length(data: Data, part: tuple[int, int]) -> int:
    at, end = part
    if at == end:
        return 0
    key, at = _varint(data, at, end)
    return _varint(data, at, end)[0] if key >> 3 == LENGTH and key & 7 == 0 else 0
