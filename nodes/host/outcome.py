"""What a run gives, who watches it, and how it can go wrong: the same for every host."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any


class Refusal(ValueError):
    """What was asked cannot be done as it was asked; nothing ran."""


class HostError(RuntimeError):
    """The host cannot be reached, or was lost on the way."""


@dataclass
class NodeOutcome:
    """What one node gave.

    Parameters
    ----------
    title : str
        As the node's head shows it.
    type : str
    outputs : dict of output name to value
        Texts and numbers; pictures and other tensors are left out.
    ui : dict
        What the node shows in the browser; files are paths on this machine.
    """

    title: str
    type: str
    outputs: dict[str, Any] = field(default_factory=dict)
    ui: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a run gave: seconds, nodes by id, and the files it wrote on this machine."""

    seconds: float
    nodes: dict[str, NodeOutcome] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def node(self, node_id: str, class_type: str, title: str) -> NodeOutcome:
        """The entry of a node, made where there is none yet."""
        return self.nodes.setdefault(node_id, NodeOutcome(title, class_type))


@dataclass
class Watch:
    """Who is told while a graph runs.

    Parameters
    ----------
    node : callable (node id, title)
        Before a node runs.
    steps : callable (node id, done, total)
        While a long node runs.
    """

    node: Callable[[str, str], None] = lambda node_id, title: None
    steps: Callable[[str, int, int], None] = lambda node_id, done, total: None


def free_name(folder: Path, name: PurePath) -> Path:
    """A path in a folder at which nothing lies yet: counted up where the name has a number."""
    path = folder / name
    numbered = re.fullmatch(r"(.*_)(\d{5,})(_?)", path.stem)
    before, count, after = (
        (numbered[1], int(numbered[2]), numbered[3]) if numbered else (f"{path.stem}_", 1, "")
    )
    while path.exists():
        count += 1
        path = path.with_name(f"{before}{count:05}{after}{path.suffix}")
    return path
