"""Run a graph in ComfyUI's API format: ``{id: {"class_type": ..., "inputs": {...}}}``.

Everything is checked before anything runs, as in ComfyUI: known nodes, required inputs, ranges,
combo values, the types of links, no cycles. Then the nodes that an output node needs run, each
once, in an order that the links allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from types import SimpleNamespace
from typing import Any

from .schema import Hidden, Schema

Prompt = Mapping[str, Mapping[str, Any]]
_CASTS: dict[str, Any] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class Items(list):
    """What an output holds that gives several values: the nodes behind it run once for each."""


class GraphError(ValueError):
    """What is wrong with a graph, a line for each finding; nothing ran."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Results:
    """What the nodes gave: their outputs, and what they would show in the browser."""

    outputs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    ui: dict[str, dict[str, Any]] = field(default_factory=dict)


class NodeError(RuntimeError):
    """A node refused or failed; ``results`` holds what ran before it, ``__cause__`` its own error."""

    def __init__(self, node_id: str, name: str, cause: Exception, results: Results):
        kind = "" if type(cause) in (ValueError, RuntimeError) else f"{type(cause).__name__}: "
        super().__init__(f"node {node_id} ({name}): {kind}{cause}")
        self.node_id, self.results = node_id, results


def run(
    prompt: Prompt,
    nodes: Mapping[str, Any],
    *,
    on_node: Callable[[str, str], None] | None = None,
    extra_pnginfo: Mapping[str, Any] | None = None,
) -> Results:
    """Check a graph, then run what its output nodes need.

    Parameters
    ----------
    prompt : mapping of node id to {"class_type": str, "inputs": mapping}
        A link is ``[node id, output index]``; everything else is a widget's value.
    nodes : mapping of class type to node class
    on_node : callable (node id, display name), optional
        Called before each node runs.
    extra_pnginfo : mapping, optional
        For nodes that ask for it: what saved pictures tell beside the prompt.

    Raises
    ------
    GraphError
        The graph is refused; nothing ran.
    NodeError
        A node failed while running.
    """
    schemas = check(prompt, nodes)
    results = Results()
    for node_id, schema in schemas.items():
        name = schema.display_name or schema.node_id
        if on_node:
            on_node(node_id, name)
        known = {"UNIQUE_ID": node_id, "PROMPT": prompt, "EXTRA_PNGINFO": extra_pnginfo}
        node = _knowing(nodes[schema.node_id], schema.hidden, known)
        try:
            given = _given(prompt[node_id]["inputs"], schema, results.outputs)
            runs = [node.execute(**nested) for nested in _each_run(given, schema)]
            results.outputs[node_id] = _merged([one.args for one in runs], given, schema)
        except Exception as error:
            raise NodeError(node_id, name, error, results) from error
        shown = [one.ui for one in runs if one.ui]
        if shown:
            results.ui[node_id] = {
                key: [entry for ui in shown for entry in ui[key]] for key in shown[0]
            }
    return results


def _knowing(node: Any, asked: list[Hidden], known: Mapping[str, Any]) -> Any:
    """As in ComfyUI a class of its own for this one call; what the node did not ask for is None."""
    if not asked:
        return node
    told = {one.name: known[one.value] if one in asked else None for one in Hidden}
    return type(node.__name__, (node,), {"hidden": SimpleNamespace(**told)})


def check(prompt: Prompt, nodes: Mapping[str, Any]) -> dict[str, Schema]:
    """The schema of every node that the output nodes need, in the order in which they can run.

    Raises GraphError with all that is wrong. A node that nothing needs is not looked at.
    """
    broken = [node_id for node_id, node in prompt.items() if not _is_node(node)]
    if broken:
        raise GraphError([f"node {node_id} has no class_type and inputs" for node_id in broken])
    unknown = sorted({node["class_type"] for node in prompt.values()} - set(nodes))
    if unknown:
        raise GraphError([refusal_of(unknown)])
    schemas = {key: nodes[node["class_type"]].define_schema() for key, node in prompt.items()}
    order = _order(prompt, schemas)
    problems = [
        problem
        for node_id in order
        for problem in _problems(node_id, prompt, schemas, nodes[prompt[node_id]["class_type"]])
    ]
    if not order:
        problems.append(
            "nothing would run: the graph has no output node. Add Save Image or Preview Any."
        )
    if problems:
        raise GraphError(problems)
    return {node_id: schemas[node_id] for node_id in order}


def refusal_of(unknown: list[str]) -> str:
    """The one line about nodes that only ComfyUI has."""
    return (
        f"this graph needs {', '.join(unknown)}: the stand-in host runs Portrait Loupe's own nodes and "
        "loading, saving and previewing pictures. Open it in ComfyUI."
    )


def _is_node(node: Any) -> bool:
    return (
        isinstance(node, Mapping)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), Mapping)
    )


def slots(schema: Schema) -> Iterator[tuple[str, Any, bool]]:
    """Every input a graph can hold, Autogrow spread out, as (name, declaration, required)."""
    for declared in schema.inputs:
        template = getattr(declared, "template", None)
        if template is None:
            yield declared.id, declared, not declared.optional
        else:
            for index, name in enumerate(template.names):
                required = index < template.min and not template.input.optional
                yield f"{declared.id}.{name}", template.input, required


def is_link(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], str)
        and type(value[1]) is int
    )


def _problems(node_id: str, prompt: Prompt, schemas: dict[str, Schema], node: Any) -> Iterator[str]:
    schema = schemas[node_id]
    given = prompt[node_id]["inputs"]
    judge = getattr(node, "validate_inputs", None)
    judged = {
        name: _unwrapped(given[name])
        for name in (signature(judge).parameters if judge else ())
        if name in given and not is_link(given[name])
    }
    where = f"node {node_id} ({schema.display_name or schema.node_id})"
    for name, declared, required in slots(schema):
        found: Iterable[str]
        if name not in given:
            found = ["is missing"] if required else []
        elif is_link(given[name]):
            found = _link_problems(given[name], declared, schemas)
        else:
            found = [] if name in judged else _value_problems(given[name], declared)
        yield from (f"{where}: {name} {problem}" for problem in found)
    verdict = judge(**judged) if judge and judged else True
    if verdict is not True:
        yield f"{where}: {verdict}"


def _link_problems(link: Any, declared: Any, schemas: dict[str, Schema]) -> Iterator[str]:
    source, index = link
    if declared.lazy:
        yield "is lazy, and only ComfyUI leaves out what is not needed: open the graph there"
    if source not in schemas:
        yield f"is linked to node {source}, which the graph does not hold"
        return
    outputs = schemas[source].outputs
    if not 0 <= index < len(outputs):
        yield f"is linked to output {index} of node {source}, which has {len(outputs)} outputs"
        return
    gives, takes = outputs[index].get_io_type(), declared.get_io_type()
    if "*" not in (gives, takes) and gives not in takes.split(","):
        yield f"takes {takes}, but is linked to {gives}"


def _value_problems(value: Any, declared: Any) -> Iterator[str]:
    value = _unwrapped(value)
    kind = declared.get_io_type()
    if isinstance(value, (list, tuple)):
        yield f"must be a value or a link [node id, output index], got the list {value!r}"
        return
    if kind == "COMBO":
        if value not in declared.options:
            yield f"must be one of {', '.join(map(str, declared.options))}; got {value!r}"
        return
    if kind not in _CASTS:
        yield f"takes a link of type {kind}, got the value {value!r}"
        return
    try:
        number = _CASTS[kind](value)
    except (TypeError, ValueError, OverflowError):
        yield f"must be of type {kind}, got {value!r}"
        return
    lowest, highest = getattr(declared, "min", None), getattr(declared, "max", None)
    if (lowest is not None and number < lowest) or (highest is not None and number > highest):
        yield f"must be between {lowest:g} and {highest:g}, got {str(number)[:40]}"


def _unwrapped(value: Any) -> Any:
    """``{"__value__": x}`` is how a value that looks like a link is written."""
    return value["__value__"] if isinstance(value, dict) and "__value__" in value else value


def _order(prompt: Prompt, schemas: dict[str, Schema]) -> list[str]:
    """The nodes that output nodes need, each after all it needs; a circle is refused."""
    done: dict[str, None] = {}  # in order
    for output, schema in schemas.items():
        path = [output] if schema.is_output_node else []
        while path:  # a stack of our own: a long chain would exhaust Python's
            waiting = [node for node in _needs(path[-1], prompt, schemas) if node not in done]
            if not waiting:
                done[path.pop()] = None
            elif waiting[0] in path:
                circle = [*path[path.index(waiting[0]) :], waiting[0]]
                raise GraphError([f"the links run in a circle: {' -> '.join(circle)}"])
            else:
                path.append(waiting[0])
    return list(done)


def _needs(node_id: str, prompt: Prompt, schemas: dict[str, Schema]) -> Iterator[str]:
    """The nodes that a node's inputs are linked to, unknown ones left out."""
    given = prompt[node_id]["inputs"]
    for name, _, _ in slots(schemas[node_id]):
        if is_link(given.get(name)) and given[name][0] in schemas:
            yield given[name][0]


def _given(
    given: Mapping[str, Any], schema: Schema, outputs: Mapping[str, tuple[Any, ...]]
) -> dict[str, Any]:
    """The value of every input that has one, by its full name: links followed, values cast."""
    values = {}
    for name, declared, _ in slots(schema):
        if name in given and is_link(given[name]):
            source, index = given[name]
            values[name] = outputs[source][index]
        elif name in given:
            cast = _CASTS.get(declared.get_io_type(), lambda same: same)
            values[name] = cast(_unwrapped(given[name]))
    return values


def _each_run(given: Mapping[str, Any], schema: Schema) -> Iterator[dict[str, Any]]:
    """Keyword arguments for each time that ``execute`` is called, Autogrow gathered.

    As in ComfyUI: of lists of several lengths the shorter repeat their last; a node that asks for
    lists runs once.
    """
    lists = {name: _listed(value) for name, value in given.items()}
    if schema.is_input_list:
        yield _nested(lists, schema)
        return
    for index in range(max(map(len, lists.values()), default=1)):
        one = {name: (values[index:] or values[-1:])[0] for name, values in lists.items()}
        yield _nested(one, schema)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Items) else [value]


def _nested(values: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    arguments: dict = {one.id: {} for one in schema.inputs if getattr(one, "template", None)}
    for name, value in values.items():
        group, dot, slot = name.partition(".")
        holder = arguments[group] if dot else arguments
        holder[slot or name] = value
    return arguments


def _merged(
    runs: list[tuple[Any, ...]], given: Mapping[str, Any], schema: Schema
) -> tuple[Any, ...]:
    """What each output holds after all runs."""
    several = not schema.is_input_list and any(isinstance(one, Items) for one in given.values())
    merged = []
    for index, values in enumerate(zip(*runs, strict=True)):
        if schema.outputs[index : index + 1] and schema.outputs[index].is_output_list:
            merged.append(Items(one for value in values for one in value))
        else:
            merged.append(Items(values) if several else values[0])
    return tuple(merged)
