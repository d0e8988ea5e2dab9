"""From the format in which ComfyUI saves a graph to the one in which it runs it.

A workflow (UI format) lists nodes with the values of their widgets by position, and links; a
prompt (API format) names every input. The order of the widgets is that of the node's declaration:
required inputs before optional ones, and behind a DynamicCombo the inputs of its chosen option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .standin.graph import GraphError, refusal_of

_NORMAL = 0  # a node's mode; 2 is muted, 4 is bypassed
_DECORATION = {"Note", "MarkdownNote"}  # words on the canvas, not part of the graph
_DISPLAYS = {"PreviewAny"}  # the frontend adds widgets of its own that show what came in
_VALUES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
_WIDGETS = _VALUES | {"BOUNDING_BOX", "COLOR"}
_DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
_BOUNDING_BOX = {"x": 0, "y": 0, "width": 512, "height": 512}


@dataclass(frozen=True)
class Slot:
    """An input as a node declares it.

    Parameters
    ----------
    name : str
    kind : str
        ``"INT"``, ``"COMBO"``, ``"IMAGE"`` ...
    has_widget : bool
    default : optional
        What the widget holds at first; None where the declaration leaves it open.
    options : tuple
        Of a combo.
    companions : int
        Widgets that the frontend puts behind this one and that are no inputs: what happens to a
        seed after a run, the four numbers of a box. They hold a place among the saved values.
    uploads : bool
        The frontend adds an upload button, whose value stands after all others.
    branches : mapping of option to its Slots
        What each option of a DynamicCombo adds.
    """

    name: str
    kind: str
    has_widget: bool = False
    default: Any = None
    options: tuple[Any, ...] = ()
    companions: int = 0
    uploads: bool = False
    branches: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)


def ui_to_api(
    workflow: Mapping[str, Any],
    nodes: Mapping[str, Any],
    refusal: Callable[[list[str]], str] = refusal_of,
) -> dict[str, dict[str, Any]]:
    """A saved workflow as the prompt that ComfyUI would queue.

    Parameters
    ----------
    workflow : mapping
        ``nodes`` and ``links`` as ComfyUI's frontend writes them.
    nodes : mapping of class type to node class or to its entry in ``/object_info``
    refusal : callable, optional
        The words about node types that ``nodes`` lacks.

    Returns
    -------
    dict of node id to {"class_type": str, "inputs": dict}

    Raises
    ------
    GraphError
        It holds a reroute, a subgraph, a muted or bypassed node, a node that is not known here,
        a link that leads nowhere, an option that a DynamicCombo does not have, or more widget
        values than the node has widgets.
    """
    saved = [node for node in workflow["nodes"] if node["type"] not in _DECORATION]
    problems = [problem for node in saved if (problem := _why_not(node, workflow))]
    unknown = sorted({node["type"] for node in saved} - set(nodes))
    if problems or unknown:
        raise GraphError(problems or [refusal(unknown)])
    links = _links(workflow)
    return {str(node["id"]): _convert(node, slots_of(nodes[node["type"]]), links) for node in saved}


def is_ui_format(graph: Mapping[str, Any]) -> bool:
    """Whether this is a saved workflow rather than a prompt."""
    return isinstance(graph.get("nodes"), list)


# --- what a node declares ---------------------------------------------------------------------


def slots_of(node: Any) -> tuple[Slot, ...]:
    """The inputs of a node class, or of a node's entry in ``/object_info``, in widget order."""
    if isinstance(node, Mapping):
        return tuple(_told_slots(node["input"], node.get("input_order")))
    schema = node.define_schema()
    return tuple(_declared_slots(schema.inputs, uploads=schema.node_id == "LoadImage"))


def _told_slots(inputs: Mapping[str, Any], order: Any = None, prefix: str = "") -> Iterator[Slot]:
    """Slots as ``/object_info`` tells them: ``{"required": {name: [kind, options]}, "optional": ...}``."""
    for section in ("required", "optional"):
        told = inputs.get(section) or {}
        for name in (order or {}).get(section) or told:
            yield _told_slot(prefix + name, *told[name])


def _told_slot(name: str, kind: Any, told: Mapping[str, Any] | None = None) -> Slot:
    told = told or {}
    options = kind if isinstance(kind, list) else told.get("options") or ()
    if not isinstance(kind, str):
        kind = "COMBO"  # a list of options is how old nodes declare it
    if kind == _DYNAMIC_COMBO:
        branches = {
            option["key"]: tuple(_told_slots(option["inputs"], prefix=f"{name}."))
            for option in options
        }
        default = told.get("default", next(iter(branches), None))
        return Slot(name, kind, True, default, tuple(branches), branches=branches)
    return Slot(
        name,
        kind,
        _shows_widget(kind, bool(told.get("forceInput"))),
        _first_value(kind, told.get("default"), options),
        tuple(options),
        _companions(name, kind, bool(told.get("control_after_generate"))),
        any(told.get(f"{what}_upload") for what in ("image", "video", "audio")),
    )


def _companions(name: str, kind: str, controlled: bool) -> int:
    """How many widgets the frontend puts behind this one."""
    if kind == "BOUNDING_BOX":
        return 4
    return int(controlled or (kind == "INT" and name in {"seed", "noise_seed"}))


def _declared_slots(inputs: Any, prefix: str = "", uploads: bool = False) -> Iterator[Slot]:
    """Slots of a V3 schema, the stand-in's or ComfyUI's."""
    for declared in sorted(inputs, key=lambda declared: bool(declared.optional)):
        name, kind = prefix + declared.id, declared.get_io_type()
        options = getattr(declared, "options", None) or ()
        if kind == _DYNAMIC_COMBO:
            branches = {
                option.key: tuple(_declared_slots(option.inputs, f"{name}.")) for option in options
            }
            yield Slot(
                name, kind, True, next(iter(branches), None), tuple(branches), branches=branches
            )
            continue
        yield Slot(
            name,
            kind,
            _shows_widget(kind, bool(getattr(declared, "force_input", False))),
            _first_value(kind, getattr(declared, "default", None), options),
            tuple(options),
            _companions(name, kind, bool(getattr(declared, "control_after_generate", False))),
            uploads and name == "image",
        )


def _shows_widget(kind: str, forced: bool) -> bool:
    return not forced and (kind in _WIDGETS or kind.split(",")[0] in _VALUES)


def _first_value(kind: str, default: Any, options: Any) -> Any:
    """What a new node's widget holds."""
    if default is None and kind == "COMBO" and options:
        return options[0]
    if default is None and kind == "BOUNDING_BOX":
        return _BOUNDING_BOX
    return default


def spread(slots: tuple[Slot, ...], inputs: Mapping[str, Any]) -> Iterator[Slot]:
    """Each slot, and behind a DynamicCombo those of the option that ``inputs`` choose."""
    for slot in slots:
        yield slot
        chosen = inputs.get(slot.name, slot.default)
        if isinstance(chosen, str) and chosen in slot.branches:
            yield from spread(slot.branches[chosen], inputs)


# --- a saved node -------------------------------------------------------------------------------


def _why_not(node: Mapping[str, Any], workflow: Mapping[str, Any]) -> str | None:
    """The reason this kind of node cannot be converted, or None."""
    where = f"node {node['id']} ({node['type']})"
    if node["type"] in {"Reroute", "PrimitiveNode"}:
        return f"{where}: reroutes and primitives are not converted; link the nodes directly"
    definitions = workflow.get("definitions") or {}
    if node["type"] in [subgraph.get("id") for subgraph in definitions.get("subgraphs") or []]:
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
    node: Mapping[str, Any], slots: tuple[Slot, ...], links: Mapping[int, list[Any]]
) -> dict[str, Any]:
    where = f"node {node['id']} ({node['type']})"
    values = [] if node["type"] in _DISPLAYS else node.get("widgets_values") or []
    inputs = _named(values, slots) if isinstance(values, Mapping) else _placed(values, slots, where)
    for socket in node.get("inputs") or []:
        if socket.get("link") is None:
            continue
        if socket["link"] not in links:
            raise GraphError(
                [f"{where}: {socket['name']} hangs on link {socket['link']}, which the file lacks"]
            )
        inputs[socket["name"]] = links[socket["link"]]
    return {"class_type": node["type"], "inputs": inputs}


def _named(values: Mapping[str, Any], slots: tuple[Slot, ...]) -> dict[str, Any]:
    """Inputs from widget values that are saved by name."""
    return {
        slot.name: _wrapped(values.get(slot.name, slot.default))
        for slot in spread(slots, values)
        if slot.has_widget and values.get(slot.name, slot.default) is not None
    }


def _placed(values: list[Any], slots: tuple[Slot, ...], where: str) -> dict[str, Any]:
    """Inputs from widget values that are saved by place.

    A workflow saved before a widget was added has fewer values: the rest keep their defaults.
    """
    inputs: dict[str, Any] = {}
    waiting, left = list(slots), list(values)
    names = []
    while waiting:
        slot = waiting.pop(0)
        if not slot.has_widget:
            continue
        names.append(slot.name)
        was_saved = bool(left)
        value = left.pop(0) if left else slot.default
        del left[: slot.companions]
        if slot.branches:
            if value not in slot.branches:
                raise GraphError(
                    [f"{where}: {slot.name} must be one of {', '.join(slot.branches)}; got {value!r}"]
                )  # fmt: skip
            waiting[:0] = slot.branches[value]
        if was_saved or value is not None:
            inputs[slot.name] = _wrapped(value)
    if len(left) > sum(slot.uploads for slot in slots):
        raise GraphError(
            [f"{where}: {len(values)} widget values for {len(names)} widgets ({', '.join(names)}); "
             "open the workflow in ComfyUI and save it again, or export it in API format"]
        )  # fmt: skip
    return inputs


def _wrapped(value: Any) -> Any:
    """A list among the values, written so that nobody takes it for a link."""
    return {"__value__": value} if isinstance(value, list) else value
