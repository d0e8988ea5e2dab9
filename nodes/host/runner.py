"""Run a workflow file outside the browser: read it, set its values, give it its pictures.

The host is the stand-in or a ComfyUI server; both take the same prompt and give the same Outcome.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

from . import saving_into
from .outcome import Outcome, Refusal, Watch
from .pictures import ENDINGS
from .standin import graph
from .standin.graph import GraphError, Prompt, Results
from .standin.images import image_nodes
from .workflow import Slot, is_ui_format, slots_of, spread, ui_to_api

_MOST_DIGITS = 20  # of a node's number
_LEADING = "/\\:\0"
SAMPLES = ("portrait_a.png", "portrait_b.png")  # the names that the shipped workflows load
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Host(Protocol):
    """Where a prompt can run."""

    nodes: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The software; the same wherever it runs."""
        ...

    @property
    def label(self) -> str:
        """The software and where it runs."""
        ...

    def refusal_of(self, unknown: list[str]) -> str: ...

    def has_picture(self, name: str) -> bool: ...

    def place(self, file: Path, name: str) -> str: ...

    def run(
        self, prompt: Prompt, output: Path, *, workflow: Any = None, watch: Watch | None = None
    ) -> Outcome: ...


class StandIn:
    """The small host that needs no ComfyUI.

    Parameters
    ----------
    ours : mapping of class type to node class
    """

    kind = label = "the stand-in host"
    refusal_of = staticmethod(graph.refusal_of)

    def __init__(self, ours: Mapping[str, Any]):
        self._folder = tempfile.TemporaryDirectory(
            prefix="portrait-loupe-", ignore_cleanup_errors=True
        )
        self._input = Path(self._folder.name)
        self._ours = ours
        self.nodes: Mapping[str, Any] = {**ours, **image_nodes(self._input, self._input)}

    def has_picture(self, name: str) -> bool:
        return _is_plain(name) and (self._input / name).is_file()

    def place(self, file: Path, name: str) -> str:
        """Copy a picture to where LoadImage looks; its name there."""
        if not _is_plain(name):
            raise Refusal(f"a picture must have a file's name, got {name[:80]!r}")
        shutil.copyfile(file, self._input / name)
        return name

    def run(
        self, prompt: Prompt, output: Path, *, workflow: Any = None, watch: Watch | None = None
    ) -> Outcome:
        started = time.perf_counter()
        pictures = image_nodes(self._input, output, workflow=workflow, prompt=prompt)
        nodes = {**self._ours, **pictures}
        with saving_into(output):
            results = graph.run(
                prompt,
                nodes,
                on_node=watch.node if watch else None,
                extra_pnginfo=None if workflow is None else {"workflow": workflow},
            )
        return _outcome(results, prompt, nodes, time.perf_counter() - started)


def _outcome(results: Results, prompt: Prompt, nodes: Mapping[str, Any], seconds: float) -> Outcome:
    outcome = Outcome(seconds)
    for node_id, values in results.outputs.items():
        schema = nodes[prompt[node_id]["class_type"]].define_schema()
        given = {
            output.display_name or output.id or output.get_io_type(): told
            for output, value in zip(schema.outputs, values, strict=False)
            if (told := _told(value, output.is_output_list)) is not None
        }
        ui = results.ui.get(node_id, {})
        if given or ui:
            entry = outcome.node(node_id, schema.node_id, schema.display_name or schema.node_id)
            entry.outputs, entry.ui = given, {key: _paths(shown) for key, shown in ui.items()}
            outcome.files += [Path(picture["path"]) for picture in ui.get("images", [])]
    return outcome


def _told(value: Any, as_list: bool) -> Any:
    """An output as plain values, a list where the output is one or the node ran several times; else None."""
    items = list(value) if isinstance(value, graph.Items) else [value]
    if not all(isinstance(one, (str, int, float, bool)) for one in items):
        return None
    return items if as_list or len(items) != 1 else items[0]


def _paths(shown: Any) -> Any:
    """What a node shows, a saved file as its path."""
    if not isinstance(shown, list):
        return shown
    return [
        entry["path"] if isinstance(entry, dict) and "path" in entry else entry for entry in shown
    ]


# --- the workflow --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workflow:
    """A workflow file as it was read.

    Parameters
    ----------
    path : Path
    saved : mapping
        In UI or in API format.
    """

    path: Path
    saved: Mapping[str, Any]

    @property
    def titles(self) -> dict[str, str]:
        """The title that the user gave to a node, by node id."""
        if is_ui_format(self.saved):
            return {str(node["id"]): str(node.get("title") or "") for node in self.saved["nodes"]}
        return {
            node_id: str((node.get("_meta") or {}).get("title") or "")
            for node_id, node in self.saved.items()
        }

    def prompt(self, host: Host) -> dict[str, dict[str, Any]]:
        """What the host is asked to run, free to be changed. GraphError where it cannot."""
        if is_ui_format(self.saved):
            return ui_to_api(self.saved, host.nodes, host.refusal_of)
        unknown = sorted({node["class_type"] for node in self.saved.values()} - set(host.nodes))
        if unknown:
            raise GraphError([host.refusal_of(unknown)])
        return {
            node_id: {"class_type": node["class_type"], "inputs": dict(node["inputs"])}
            for node_id, node in self.saved.items()
        }


def read_workflow(path: Path) -> Workflow:
    """A workflow file. Refusal where it is missing, no JSON, or no workflow."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise Refusal(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} cannot be read: {error}") from error
    try:
        saved = json.loads(text)
    except ValueError as error:
        raise Refusal(f"{path} is not JSON: {error}") from error
    except RecursionError:
        raise Refusal(f"{path} is nested too deeply for a workflow") from None
    why_not = _why_no_workflow(saved)
    if why_not:
        raise Refusal(f"{path} is no ComfyUI workflow: {why_not}")
    return Workflow(path, saved)


def _why_no_workflow(saved: Any) -> str | None:
    if not isinstance(saved, dict) or not saved:
        return "it must be an object with nodes"
    if not is_ui_format(saved):
        good = all(
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
            and isinstance(node.get("_meta") or {}, dict)
            for node in saved.values()
        )
        return None if good else "it has neither a list of nodes nor a class_type in every node"
    for node in saved["nodes"]:
        if not isinstance(node, dict) or "id" not in node or not isinstance(node.get("type"), str):
            return "a node has no id and type"
        sockets = node.get("inputs") or []
        if not isinstance(sockets, list) or not all(
            isinstance(socket, dict)
            and isinstance(socket.get("name"), str)
            and isinstance(socket.get("link"), (int, str, type(None)))
            for socket in sockets
        ):
            return f"the inputs of node {node['id']} are not sockets with names"
        if not isinstance(node.get("widgets_values") or [], (list, dict)):
            return f"the widget values of node {node['id']} are neither a list nor named"
    links = saved.get("links") or []
    if not isinstance(links, list) or not all(not link or _is_link(link) for link in links):
        return "its links are neither lists nor objects with numbers"
    definitions = saved.get("definitions") or {}
    subgraphs = (definitions.get("subgraphs") or []) if isinstance(definitions, dict) else None
    if not isinstance(subgraphs, list) or not all(isinstance(one, dict) for one in subgraphs):
        return "its definitions are no list of subgraphs"
    return None


def _is_link(link: Any) -> bool:
    """Whether it is a link by its form, with something that can be its number."""
    if isinstance(link, dict):
        return isinstance(link.get("id"), (int, str, type(None)))
    return isinstance(link, list) and len(link) >= 3 and isinstance(link[0], (int, str))


# --- values ----------------------------------------------------------------------------------------


def apply(
    prompt: dict[str, dict[str, Any]],
    settings: Iterable[str],
    nodes: Mapping[str, Any],
    titles: Mapping[str, str],
) -> None:
    """Set values in a prompt: ``NODE.INPUT=VALUE``, where NODE is an id, a title or a node type.

    A title or type that fits several nodes sets all of them. Refusal where it fits none, where
    the node has no such widget, or where the value is not of its kind.
    """
    for setting in settings:
        target, equals, value = setting.partition("=")
        name, dot, widget = target.partition(".")
        if not (equals and dot and name and widget):
            raise Refusal(f"--set takes NODE.INPUT=VALUE, got {setting!r}")
        fitting = _named_so(name, prompt, nodes, titles)
        if not fitting:
            have = ", ".join(f"{key} ({node['class_type']})" for key, node in prompt.items())
            raise Refusal(f"--set {setting}: no node {name!r}; the workflow has {have}")
        for node_id in fitting:
            _set(prompt[node_id], widget, value, nodes, setting)


def _named_so(
    name: str, prompt: Prompt, nodes: Mapping[str, Any], titles: Mapping[str, str]
) -> list[str]:
    if name in prompt:
        return [name]
    return [
        node_id
        for node_id, node in prompt.items()
        if name in (titles.get(node_id), node["class_type"], _title(nodes[node["class_type"]]))
    ]


def _title(node: Any) -> str:
    if isinstance(node, Mapping):
        return node.get("display_name") or ""
    return node.define_schema().display_name or ""


def _set(
    node: dict[str, Any], widget: str, text: str, nodes: Mapping[str, Any], setting: str
) -> None:
    inputs = node["inputs"]
    slots = {
        slot.name: slot
        for slot in spread(slots_of(nodes[node["class_type"]]), inputs)
        if slot.has_widget
    }
    if widget not in slots:
        raise Refusal(
            f"--set {setting}: {node['class_type']} has no widget {widget!r}; it has {', '.join(slots) or 'none'}"
        )
    is_picture = node["class_type"] == "LoadImage"  # looked for later, wherever it lies
    inputs[widget] = text if is_picture else _value(slots[widget], text, setting)
    for slot in spread(slots_of(nodes[node["class_type"]]), inputs):  # those a new option adds
        if slot.has_widget and slot.name not in inputs and slot.default is not None:
            inputs[slot.name] = slot.default


def _value(slot: Slot, text: str, setting: str) -> Any:
    if slot.kind in ("COMBO",) or slot.branches:
        for option in slot.options:
            if str(option) == text:
                return option
        if slot.options:
            raise Refusal(
                f"--set {setting}: {slot.name} must be one of {', '.join(map(str, slot.options))}"
            )
        return text
    try:
        if slot.kind == "INT":
            return int(text)
        if slot.kind.startswith("FLOAT"):
            return float(text)
        if slot.kind == "BOOLEAN":
            return _TRUTHS[text.lower()]
        if slot.kind == "BOUNDING_BOX":
            return json.loads(text)
    except (ValueError, KeyError):
        raise Refusal(f"--set {setting}: {slot.name} takes {slot.kind}, got {text!r}") from None
    return text


# --- pictures --------------------------------------------------------------------------------------


def loaders(prompt: Prompt) -> list[str]:
    """The ids of the Load Image nodes, in the order of their numbers."""
    found = [key for key, node in prompt.items() if node["class_type"] == "LoadImage"]

    def order(key: str) -> tuple[bool, int, str]:
        counts = key.isascii() and key.isdigit() and len(key) < _MOST_DIGITS
        return (not counts, int(key) if counts else 0, key)

    return sorted(found, key=order)


def pictures_for(
    prompt: Prompt, files: Sequence[Path], host: Host, workflow: Path
) -> dict[str, Path]:
    """The file of each Load Image node: ``files`` in id order, the rest what they name.

    A node whose picture the host has already is left out. Refusal where there are more files than
    nodes, or where a file is missing.
    """
    waiting = loaders(prompt)
    if len(files) > len(waiting):
        raise Refusal(
            f"{len(files)} pictures for {len(waiting)} Load Image nodes: leave out {files[len(waiting)]}"
        )
    for file in files:
        if not file.is_file():
            raise Refusal(f"{file} is no file" if file.exists() else f"{file} does not exist")
    found = dict(zip(waiting, files, strict=False))
    for node_id in waiting[len(files) :]:
        name = prompt[node_id]["inputs"].get("image")
        if isinstance(name, str) and not host.has_picture(name):
            found[node_id] = find_picture(name, node_id, workflow)
    return found


def place(prompt: dict[str, dict[str, Any]], pictures: Mapping[str, Path], host: Host) -> None:
    """Bring the pictures to the host, and write their names there into the prompt."""
    taken: dict[str, Path] = {}
    for number, (node_id, file) in enumerate(pictures.items(), 1):
        own = file != sample()
        name = _plain(file.name) if own else SAMPLES[0]
        while taken.setdefault(name, file) != file:  # the same name in another folder
            name = f"{number:03}_{name}"
        placed = host.place(file, name) if own else _place_sample(file, name, host)
        prompt[node_id]["inputs"]["image"] = placed


def _place_sample(file: Path, name: str, host: Host) -> str:
    """The sample as PNG, which every host decodes alike."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder, Image.open(file) as picture:
        converted = Path(folder, name)
        picture.convert("RGB").save(converted)
        return host.place(converted, name)


def find_picture(name: str, node_id: str, workflow: Path) -> Path:
    """A picture that a workflow names: beside it, in the current folder, or one of our samples.

    A name that leads elsewhere is not followed: workflows come from strangers.
    """
    if _is_picture_below(name):
        for folder in (workflow.parent, Path.cwd()):
            if (folder / name).is_file() and _is_inside(folder / name, folder):
                return folder / name
    photo = sample()
    if name in SAMPLES and photo:
        return photo
    raise Refusal(
        f"node {node_id} (Load Image) asks for {name}, which is no picture beside the workflow or in the "
        f"current folder ({', '.join(sorted(ENDINGS))}). Name a picture with --input."
    )


def _is_picture_below(name: str) -> bool:
    """Whether a name is a picture's and leads to a folder or below it, on any system."""
    ways = (PurePosixPath(name), PureWindowsPath(name))
    leads_out = any(way.anchor or ".." in way.parts for way in ways)
    return not leads_out and "\0" not in name and ways[0].suffix.lower() in ENDINGS


def _is_inside(path: Path, folder: Path) -> bool:
    """Links followed."""
    return path.resolve().is_relative_to(folder.resolve())


def _is_plain(name: str) -> bool:
    """Whether it is the name of a file alone, on any system."""
    return name not in ("", ".", "..") and _plain(name) == name


def _plain(name: str) -> str:
    """A file's name without what leads elsewhere on another system: on Linux one may hold a colon."""
    return "".join("_" if one in _LEADING else one for one in name)


def sample() -> Path | None:
    """The photo of Grace Hopper among matplotlib's sample data (US Navy, public domain)."""
    spec = find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    return folder / "mpl-data" / "sample_data" / "grace_hopper.jpg"
