"""What the promises of the whole pack are tried with."""

from __future__ import annotations

import itertools
import json
import random
import zlib
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host.standin.images import image_nodes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def ours():
    """Every node of the pack by its id."""
    return {node.define_schema().node_id: node for node in NODES}


@pytest.fixture
def nodes(ours, portraits, tmp_path):
    """These, and those that load and save pictures, for the folders of this test."""
    return {**ours, **image_nodes(portraits, tmp_path / "output")}


@pytest.fixture
def portraits(tmp_path, hopper):
    """A folder with the pictures that the shipped workflows load, small."""
    from PIL import Image

    folder = tmp_path / "input"
    folder.mkdir()
    whole = Image.fromarray((hopper[0] * 255).round().byte().numpy())
    for name in ("portrait_a.png", "portrait_b.png"):
        whole.resize((256, 300)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def workflows():
    """The shipped workflows by name, as they were saved."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(ROOT.glob("workflows/*.json"))
    }


@pytest.fixture(scope="session")
def damaged():
    """``damaged(data, count, seed)``: so many damaged copies of a file's bytes, the same every time."""

    def copies(data: bytes, count: int, seed: int = 0):
        chance = random.Random(seed)
        yield from (b"", data[:1], data[: len(data) // 2], data[:-1], bytes(len(data)), data + data)
        for _ in range(count):
            made = bytearray(data)
            for _ in range(chance.choice((1, 1, 2, 8))):
                at = (
                    chance.randrange(len(made))
                    if chance.random() < 0.5
                    else chance.randrange(min(len(made), 200))
                )
                kind = chance.randrange(5)
                if kind == 0:
                    made[at] ^= 1 << chance.randrange(8)
                elif kind == 1:
                    made[at] = chance.choice((0, 1, 127, 128, 255, 34, 44, 58, 91, 93, 123, 125))
                elif kind == 2:
                    del made[at : at + chance.choice((1, 4, 64))]
                elif kind == 3:
                    made[at:at] = bytes(
                        chance.choice((b"\0", b"\xff" * 4, b"9" * 9, b"-", b"[[", b"e308"))
                    )
                else:  # a length that lies
                    made[at : at + 4] = chance.choice(
                        (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x40")
                    )
                if not made:
                    made = bytearray(b"\0")
            yield bytes(made)

    return copies


@pytest.fixture(scope="session")
def strange():
    """Values of JSON where others belong, among them what Python reads and JSON does not have."""
    return (
        None, True, 0, -1, 1e308, float("nan"), float("inf"), 2**70, 10**400, "", "x" * 300, "__proto__", "\x00", "\ud800",
        [], {}, [[]], [None] * 50, {"__proto__": {"polluted": 1}}, {"constructor": {"prototype": {}}}, ["1", 0],
        ["1", -1], ["nobody", 0], ["1", 2**40],
    )  # fmt: skip


@pytest.fixture(scope="session")
def mutated(strange):
    """``mutated(value, count, seed)``: so many copies of a JSON value in which something is not as it was."""

    def spots(value, way=()):
        yield way
        entries = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, one in entries:
            yield from spots(one, (*way, key))

    def changed(value, way, act):
        """A copy of ``value`` that shares what is not on the way."""
        if not way:
            return act(value)
        copied = dict(value) if isinstance(value, dict) else list(value)
        copied[way[0]] = changed(value[way[0]], way[1:], act)
        return copied

    def copies(value, count, seed=0):
        chance, ways = random.Random(seed), list(spots(value))
        acts = (
            lambda old: chance.choice(strange),
            lambda old: [old] * 3,
            lambda old: {"was": old},
            lambda old: list(old)[:-1] if isinstance(old, list) else chance.choice(strange),
            lambda old: dict(itertools.islice(old.items(), 1, None)) if isinstance(old, dict) else chance.choice(strange),
            lambda old: old * 40 if isinstance(old, list) and len(old) < 100 else chance.choice(strange),
            lambda old: -old if isinstance(old, (int, float)) else str(old)[:500],
        )  # fmt: skip
        for _ in range(count):
            made = value
            for _ in range(chance.choice((1, 1, 2, 4))):
                way = chance.choice(ways)
                try:
                    made = changed(made, way, chance.choice(acts))
                except (KeyError, IndexError, TypeError):  # an earlier change took it away
                    continue
            yield made

    return copies


@pytest.fixture(scope="session")
def chunk():
    """``chunk(name, data)``: a chunk of a PNG."""
    return lambda name, data: (
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
    )
