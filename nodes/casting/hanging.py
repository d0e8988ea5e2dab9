"""Which nodes run a cast's generators although the cast is locked.

A lock keeps everything above it from running. An output node that is linked to a generator directly,
such as a preview, still asks for it, and it is made, and paid for, again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .lock import is_locked

CAST_LOCK, CAST = "LoupeCastLock", "cast"
MOST_NODES = 5000
_SEEDS = ("seed", "noise_seed")
_TAKES = "takes."  # sockets of Cast Sheet
_FILES = "LoadImage"  # and its kin


def hanging_on(prompt: Any, node_id: Any, is_output: Callable[[str], bool]) -> list[str]:
    """The output nodes that a cast's generators run for, whatever its lock says.

    Parameters
    ----------
    prompt : mapping
        The graph as it was queued; anything else has none.
    node_id : the Cast Lock
    is_output : callable
        Whether a class of nodes is one that ComfyUI runs a graph for.

    Returns
    -------
    list of str
        Class and id of each. A preview of what generators share with others, such as a prompt or a
        model, is none: it makes no picture.
    """
    graph = _graph(prompt)
    own = str(node_id)
    start = _link(graph.get(own, {}).get("inputs", {}).get(CAST), graph)
    if start in (None, own):
        return []
    above = set(_upstream(graph, [start]))
    after = _after(graph)
    pictures = above & _downstream(after, _generators(graph, start, above))
    reached = _downstream(after, pictures)
    found = []
    for other, node in graph.items():
        if other == own or other in above or not is_output(str(node.get("class_type"))):
            continue
        asks = [other]
        if node.get("class_type") == CAST_LOCK and not is_locked(node["inputs"].get("lock", "")):
            asks += filter(None, [_link(node["inputs"].get(CAST), graph)])
        if reached.intersection(asks):
            found.append(f"{node.get('class_type')} ({other})")
    for other in above:  # an output node that stands between a generator and the cast
        if other in pictures and is_output(str(graph[other].get("class_type"))):
            found.append(f"{graph[other].get('class_type')} ({other})")
    return found


def _generators(graph: Mapping[str, Any], start: str, above: set[str]) -> set[str]:
    """Of the nodes above a lock those that make pictures.

    A generator is every node with a seed; and what a take comes from where nothing above it has a
    seed, unless it was loaded from a file.
    """
    makers = {one for one in above if any(key in graph[one]["inputs"] for key in _SEEDS)}
    links = graph[start]["inputs"].items()
    takes = {
        link for name, value in links if name.startswith(_TAKES) and (link := _link(value, graph))
    }
    for take in takes or {start}:
        before = set(_upstream(graph, [take]))
        if not before & makers and not any(
            str(graph[one].get("class_type")).startswith(_FILES) for one in before
        ):
            makers.add(take)
    return makers


def _after(graph: Mapping[str, Any]) -> dict[str, list[str]]:
    """The nodes that need each node."""
    found: dict[str, list[str]] = {}
    for node_id in graph:
        for before in _needs(graph, node_id):
            found.setdefault(before, []).append(node_id)
    return found


def _downstream(after: Mapping[str, list[str]], start: set[str]) -> set[str]:
    """Nodes and all that need them."""
    seen, waiting = set(start), list(start)
    while waiting:
        for other in after.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def _graph(prompt: Any) -> dict[str, Any]:
    """The nodes of a prompt, read without trust."""
    nodes = list(prompt.items() if isinstance(prompt, Mapping) else ())[:MOST_NODES]
    return {
        str(key): node
        for key, node in nodes
        if isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping)
    }


def _link(value: Any, graph: Mapping[str, Any]) -> str | None:
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str | int):
        return str(value[0]) if str(value[0]) in graph else None
    return None


def _needs(graph: Mapping[str, Any], node_id: str) -> Iterator[str]:
    """The nodes that a node is linked to; what lies behind a Cast Lock needs none of its cast."""
    node = graph[node_id]
    for name, value in node["inputs"].items():
        before = _link(value, graph)
        if before is not None and not (name == CAST and node.get("class_type") == CAST_LOCK):
            yield before


def _upstream(graph: Mapping[str, Any], waiting: list[str]) -> Iterator[str]:
    """Nodes and all that they need."""
    seen = set(waiting)
    waiting = list(waiting)
    while waiting:
        node_id = waiting.pop()
        yield node_id
        for before in _needs(graph, node_id):
            if before not in seen:
                seen.add(before)
                waiting.append(before)
