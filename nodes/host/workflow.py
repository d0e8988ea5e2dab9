"""From the format in which ComfyUI saves a graph to the one in which it runs it.

A workflow (UI format) lists nodes with the values of their widgets by position, and links; a
prompt (API format) names every input. The order of the widgets is that of the node's schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .standin.graph import GraphError, Prompt, refusal_of, slots

_NORMAL = 0  # a node's mode; 2 is muted, 4 is bypassed
_UPLOADS = {"LoadImage": 1}  # the upload button counts as a widget and holds a value of no meaning
_DECORATION = {"Note", "MarkdownNote"}  # words on the canvas, not part of the graph


def ui_to_api(workflow: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A saved workflow as the prompt that ComfyUI would queue.

    Parameters
    ----------
    workflow : mapping
        ``nodes`` and ``links`` as ComfyUI's frontend writes them.
    nodes : mapping of class type to node class

    Returns
    -------
    dict of node id to {"class_type": str, "inputs": dict}

    Raises
    ------
    GraphError
        It holds a reroute, a subgraph, a muted or bypassed node, a node that is not known here,
        a link that leads nowhere, or more widget values than the node has widgets.
    """
    saved = [node for node in workflow["nodes"] if node["type"] not in _DECORATION]
    problems = [problem for node in saved if (problem := _why_not(node, workflow))]
    unknown = sorted({node["type"] for node in saved} - set(nodes))
    if problems or unknown:
        raise GraphError(problems or [refusal_of(unknown)])
    links = _links(workflow)
    return {
        str(node["id"]): _convert(node, nodes[node["type"]].define_schema(), links)
        for node in saved
    }


def is_ui_format(graph: Mapping[str, Any]) -> bool:
    """Whether this is a saved workflow rather than a prompt."""
    return isinstance(graph.get("nodes"), list)


def to_prompt(graph: Mapping[str, Any], nodes: Mapping[str, Any]) -> Prompt:
    """A graph in either format as a prompt."""
    return ui_to_api(graph, nodes) if is_ui_format(graph) else graph


def _why_not(node: Mapping[str, Any], workflow: Mapping[str, Any]) -> str | None:
    """The reason this kind of node cannot be converted, or None."""
    where = f"node {node['id']} ({node['type']})"
    if node["type"] in {"Reroute", "PrimitiveNode"}:
        return f"{where}: reroutes and primitives are not converted; link the nodes directly"
    definitions = workflow.get("definitions") or {}
    if node["type"] in {subgraph["id"] for subgraph in definitions.get("subgraphs", [])}:
        return f"{where}: subgraphs are not converted; unpack it in ComfyUI and save again"
    if node.get("mode", _NORMAL) != _NORMAL:
        return f"{where}: it is muted or bypassed; remove it or switch it on, and save again"
    return None


def _links(workflow: Mapping[str, Any]) -> dict[int, list[Any]]:
    """What each link comes from, as the API format writes it; links are lists or, newer, objects."""
    found = {}
    for link in workflow.get("links") or []:
        if isinstance(link, Mapping):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if link:
            found[link[0]] = [str(link[1]), link[2]]
    return found


def _convert(
    node: Mapping[str, Any], schema: Any, links: Mapping[int, list[Any]]
) -> dict[str, Any]:
    where = f"node {node['id']} ({node['type']})"
    widgets = {
        name: declared.default for name, declared, _ in slots(schema) if has_widget(declared)
    }
    # a workflow saved before a widget was added has fewer values: the rest keep their defaults
    inputs = {name: default for name, default in widgets.items() if default is not None}
    values = node.get("widgets_values") or []
    if isinstance(values, Mapping):
        inputs.update({name: value for name, value in values.items() if name in widgets})
    elif len(values) > len(widgets) + _UPLOADS.get(node["type"], 0):
        raise GraphError(
            [f"{where}: {len(values)} widget values for {len(widgets)} widgets ({', '.join(widgets)}); "
             "open the workflow in ComfyUI and save it again"]
        )  # fmt: skip
    else:
        inputs.update(zip(widgets, values, strict=False))
    for socket in node.get("inputs") or []:
        if socket.get("link") is None:
            continue
        if socket["link"] not in links:
            raise GraphError(
                [f"{where}: {socket['name']} hangs on link {socket['link']}, which the file lacks"]
            )
        inputs[socket["name"]] = links[socket["link"]]
    return {"class_type": node["type"], "inputs": inputs}


def has_widget(declared: Any) -> bool:
    """Whether an input shows a widget, in ComfyUI's schema objects as in the stand-in's."""
    return hasattr(declared, "default") and not getattr(declared, "force_input", False)
