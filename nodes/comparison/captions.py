"""What made a picture, read from the graph that it comes out of, or from the graph in its file.

A graph is ComfyUI's prompt: ``{id: {"class_type": ..., "inputs": {...}}}``, a link ``[id, output]``.
It may be anybody's: nothing in it is trusted, and nothing but names, numbers and texts is taken.
``captions.json`` says which classes generate or load, and which of their fields name the model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..labels import one_line
from ..picture_files import FORMATS

FILE = Path(__file__).with_name("captions.json")
MOST_NODES = 5000  # of a graph that are looked at
MOST_TEXT = 4 * 1024 * 1024  # bytes of a graph in a file
LONGEST = 120  # letters of a name
_MODEL_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".sft", ".bin")
_PROMPT_DIGITS = 4  # of the prompt's hash that are shown
_OURS = "Loupe"


@dataclass(frozen=True)
class Caption:
    """What a graph says about the picture that comes out of it; empty and None where it does not."""

    name: str = ""
    """The model, as people call it, or its file's name."""
    detail: str = ""
    """Version, LoRAs and seed, in a line."""
    node_class: str = ""
    model: str = ""
    """The model's own identifier or file, as the graph has it."""
    seed: int | None = None
    prompt_sha: str = ""
    """SHA-256 of the prompt's text."""
    file: str = ""
    """The file that the picture was loaded from, as Load Image names it."""

    def as_json(self) -> dict[str, Any]:
        """What is known, for the manifest."""
        known = {
            "name": self.name,
            "class": self.node_class,
            "model": self.model,
            "seed": self.seed,
            "prompt_sha256": self.prompt_sha,
            "file": self.file,
        }
        return {key: value for key, value in known.items() if value not in ("", None)}


NOTHING = Caption()
ReadGraph = Callable[[str], Any]
"""From the name of a loaded file to the graph that it carries, or None."""


def caption_of(
    prompt: Any, node_id: Any, socket: str, read_graph: ReadGraph | None = None
) -> Caption:
    """What made the picture that a node's input is linked to.

    Parameters
    ----------
    prompt : mapping, the graph; anything else gives an empty caption
    node_id, socket : the node, and its input
    read_graph : callable, optional
        The graph inside a loaded file. Without it a loaded picture is called after its file.

    Returns
    -------
    Caption
        Of the nearest generator upstream that ``captions.json`` knows, else of the nearest model
        loader, else of a loaded file, else the class of the node that the link comes from.
    """
    graph = _Graph(prompt)
    start = graph.link(graph.inputs(str(node_id)).get(socket))
    return NOTHING if start is None else _caption(graph, start, read_graph)


def caption_of_saved(prompt: Any) -> Caption:
    """What made the picture that a graph saves, by its first node that saves or shows one."""
    graph = _Graph(prompt)
    for node_id in graph.nodes:
        if re.match(r"(Save|Preview)", graph.class_of(node_id)):
            for value in graph.inputs(node_id).values():
                start = graph.link(value)
                if start is not None:
                    found = _caption(graph, start, None)
                    if found.node_class not in _data()["files"]:
                        return found
    return NOTHING


def read_graph_of(path: Path) -> Any:
    """The graph that ComfyUI wrote into a picture, or None.

    Looks at a PNG's ``prompt`` text and at the EXIF of other formats. What cannot be read is None.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as file:
            text = file.info.get("prompt") if file.format == "PNG" else None
            if file.format == "PNG" and text is None:
                file.load()  # text may stand after the pixels
                text = file.info.get("prompt")
            if file.format != "PNG":
                text = next(
                    (
                        value[len("prompt:") :]
                        for value in file.getexif().values()
                        if isinstance(value, str) and value.startswith("prompt:")
                    ),
                    None,
                )
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            return None
        return json.loads(text)
    except (OSError, ValueError, SyntaxError, RecursionError, Image.DecompressionBombError):
        return None  # a caption is a courtesy: the picture itself has been read elsewhere


def _caption(graph: _Graph, start: str, read_graph: ReadGraph | None) -> Caption:
    data = _data()
    upstream = list(graph.upstream(start))
    for node_id in upstream:
        name = graph.class_of(node_id)
        if name in data["generators"]:
            return _of_generator(graph, node_id, data["generators"][name])
        if name in data["files"]:  # what it was made of does not reach this picture
            return _of_file(graph, node_id, data["files"][name], read_graph)
    for node_id in upstream:
        name = graph.class_of(node_id)
        if name in data["loaders"]:
            return _of_loader(graph, node_id, data["loaders"][name], upstream)
    plain = next((n for n in upstream if not graph.class_of(n).startswith(_OURS)), start)
    return Caption(one_line(graph.class_of(plain))[:LONGEST], node_class=graph.class_of(plain))


def _of_generator(graph: _Graph, node_id: str, known: Mapping[str, Any]) -> Caption:
    inputs = graph.inputs(node_id)
    model = _text(inputs.get(known.get("version", "")))
    provider = bool(known.get("provider_seed"))
    details = [model] if model and model.lower() not in known["name"].lower() else []
    seed = graph.seed(node_id)
    details.append(
        "seed n/a (provider)" if provider else f"seed {seed}" if seed is not None else ""
    )
    return Caption(
        known["name"],
        " \N{MIDDLE DOT} ".join(filter(None, details)),
        graph.class_of(node_id),
        model,
        None if provider else seed,
        graph.prompt_sha(node_id),
    )


def _of_loader(graph: _Graph, node_id: str, name_field: str, upstream: list[str]) -> Caption:
    data = _data()
    model = _text(graph.inputs(node_id).get(name_field))
    loras = [
        _stem(_text(graph.inputs(other).get(data["lora_loaders"][graph.class_of(other)])))
        for other in upstream
        if graph.class_of(other) in data["lora_loaders"]
    ]
    sampler = next((n for n in upstream if graph.seed(n) is not None), None)
    seed = None if sampler is None else graph.seed(sampler)
    prompted = next((n for n in upstream if _positive(graph, n)), None)
    details = [*(f"LoRA {name}" for name in loras[:3] if name)]
    if seed is not None:
        details.append(f"seed {seed}")
    return Caption(
        _stem(model) or one_line(graph.class_of(node_id)),
        " \N{MIDDLE DOT} ".join(details),
        graph.class_of(node_id),
        model,
        seed,
        "" if prompted is None else graph.prompt_sha(prompted),
    )


def _of_file(graph: _Graph, node_id: str, name_field: str, read_graph: ReadGraph | None) -> Caption:
    file = _text(graph.inputs(node_id).get(name_field))
    inside = caption_of_saved(read_graph(file)) if read_graph and file else NOTHING
    if inside.name:
        return replace(inside, file=file)
    plain = re.sub(r"\s*\[(input|output|temp)\]$", "", file)
    name = one_line(Path(plain.replace("\\", "/")).stem)[:LONGEST]
    return Caption(name, node_class=graph.class_of(node_id), file=file)


def _positive(graph: _Graph, node_id: str) -> bool:
    return any(key in graph.inputs(node_id) for key in _data()["positive"])


def _text(value: Any) -> str:
    return one_line(value)[:LONGEST] if isinstance(value, str) else ""


def _stem(model: str) -> str:
    """A model file's name without folder and ending; dots of a version stay."""
    name = model.replace("\\", "/").rsplit("/", 1)[-1]
    return next((name[: -len(end)] for end in _MODEL_SUFFIXES if name.lower().endswith(end)), name)


class _Graph:
    """A prompt, read without trust."""

    def __init__(self, prompt: Any) -> None:
        self.nodes: dict[str, Mapping[str, Any]] = {}
        for key, node in list(prompt.items() if isinstance(prompt, Mapping) else ())[:MOST_NODES]:
            if isinstance(node, Mapping):
                self.nodes[str(key)] = node

    def class_of(self, node_id: str) -> str:
        found = self.nodes.get(node_id, {}).get("class_type")
        return found if isinstance(found, str) else ""

    def inputs(self, node_id: str) -> Mapping[str, Any]:
        found = self.nodes.get(node_id, {}).get("inputs")
        return found if isinstance(found, Mapping) else {}

    def link(self, value: Any) -> str | None:
        """The node that a value is a link to."""
        if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str | int):
            found = str(value[0])
            return found if found in self.nodes else None
        return None

    def upstream(self, start: str) -> Iterator[str]:
        """A node and all before it, the nearest first; files end the way."""
        seen, waiting = {start}, deque([start])
        while waiting:
            node_id = waiting.popleft()
            yield node_id
            if self.class_of(node_id) in _data()["files"]:
                continue
            for value in self.inputs(node_id).values():
                before = self.link(value)
                if before is not None and before not in seen:
                    seen.add(before)
                    waiting.append(before)

    def seed(self, node_id: str) -> int | None:
        """A node's own seed, or that of the node that it is linked to."""
        for key in _data()["seeds"]:
            value = self.inputs(node_id).get(key)
            linked = self.link(value)
            if linked is not None:
                told = self.inputs(linked)
                named = (told.get(name) for name in (*_data()["seeds"], "base_seed", "value"))
                value = next((v for v in (*named, *told.values()) if type(v) is int), None)
            if type(value) is int:
                return value
        return None

    def prompt_sha(self, node_id: str) -> str:
        """SHA-256 of the text that a generator, or what conditions a sampler, was given."""
        for step in self._to_text(node_id):
            for key in _data()["prompts"]:
                value = self.inputs(step).get(key)
                linked = self.link(value)
                if linked is not None:
                    value = next(
                        (v for v in self.inputs(linked).values() if isinstance(v, str)), None
                    )
                if isinstance(value, str) and value.strip():
                    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
        return ""

    def _to_text(self, node_id: str) -> Iterator[str]:
        """From a node along its positive conditioning."""
        seen: set[str] = set()
        step: str | None = node_id
        while step is not None and step not in seen:
            seen.add(step)
            yield step
            inputs = self.inputs(step)
            linked = (self.link(inputs.get(key)) for key in _data()["positive"])
            step = next((found for found in linked if found is not None), None)


def short_sha(caption: Caption) -> str:
    """The first digits of the prompt's hash."""
    return caption.prompt_sha[:_PROMPT_DIGITS]


@cache
def _data() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))
