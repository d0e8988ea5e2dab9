"""The nodes of the pack as plain values: what a graph may hold, and the words about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LIMITS = ("default", "min", "max", "step", "multiline")


def describe(schema: Any) -> dict[str, Any]:
    """A node's schema as a JSON-able dictionary.

    ``id, name, category, description, aliases, is_output``, and of every input and output its
    id, type, and words; of an input also whether it is optional, its default, range and options;
    ``takes_lists`` and of an output ``is_list`` where several values go together.
    """
    return {
        "id": schema.node_id,
        "name": schema.display_name,
        "category": schema.category,
        "description": schema.description,
        "aliases": list(schema.search_aliases or []),
        "is_output": bool(schema.is_output_node),
        "inputs": [_input(declared) for declared in schema.inputs],
        "outputs": [_output(declared) for declared in schema.outputs],
        **({"takes_lists": True} if schema.is_input_list else {}),
    }


def contract(schema: Any) -> dict[str, Any]:
    """The part of ``describe`` that people's saved workflows depend on: no words, only what fits."""
    told = describe(schema)
    for declared in (*told["inputs"], *told["outputs"]):
        del declared["tooltip"]
    kept = ("id", "is_output", "takes_lists", "inputs", "outputs")
    return {key: told[key] for key in kept if key in told}


def _output(declared: Any) -> dict[str, Any]:
    told = {
        "name": declared.display_name or declared.id or declared.get_io_type(),
        "type": declared.get_io_type(),
        "tooltip": declared.tooltip,
    }
    return {**told, "is_list": True} if declared.is_output_list else told


def _input(declared: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"id": declared.id, "type": declared.get_io_type()}
    told["optional"] = bool(declared.optional)
    template = getattr(declared, "template", None)
    if template is not None:
        told["type"] = "AUTOGROW"
        told["grows"] = {
            "type": template.input.get_io_type(),
            "prefix": template.prefix,
            "min": template.min,
            "max": template.max,
        }
    is_socket = getattr(declared, "force_input", None)  # then there is no widget to hold a default
    for name in ("force_input",) if is_socket else _LIMITS:
        value = getattr(declared, name, None)
        if value is not None and value is not False:
            told[name] = value
    options = getattr(declared, "options", None)
    if options:
        told["options"] = [
            {"key": option.key, "inputs": [_input(inner) for inner in option.inputs]}
            if hasattr(option, "key")
            else option
            for option in options
        ]
    told["tooltip"] = declared.tooltip
    return told


def table(nodes: Mapping[str, Any]) -> str:
    """The nodes in columns: id, name, category, the first sentence about each."""
    rows = [
        (told["id"], told["name"], told["category"], told["description"].split(". ")[0].rstrip("."))
        for told in (describe(node.define_schema()) for node in nodes.values())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )
