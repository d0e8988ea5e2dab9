"""A running ComfyUI, reached through its public interface as its own browser page reaches it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from .outcome import HostError, NodeOutcome, Outcome, Refusal, Watch, free_name
from .standin.graph import GraphError, NodeError, Prompt, Results, is_link

FOLDER = "portrait-loupe"  # within the server's input folder, so that no file of the user's is met
_SHOWN = ("STRING", "INT", "FLOAT", "BOOLEAN")
_READER = "loupe_reads"  # nodes added to read what an output holds
_HISTORY_TRIES = 200  # of 50 ms
_QUIET_SECONDS = 20.0  # after so long without a word the history is asked whether it is over


class Server:
    """ComfyUI at an address.

    Parameters
    ----------
    url : str
        ``http://host:port``, with a path where it lies behind one.

    Raises
    ------
    Refusal
        The address is no address.
    HostError
        Nobody answers there, or somebody who is not ComfyUI.
    """

    def __init__(self, url: str):
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise Refusal(f"--server takes an address like http://127.0.0.1:8188, got {url!r}")
        self.url = parts.geturl().rstrip("/")
        told, self.nodes = _await(self._introduce())
        self.version: str = str(told.get("comfyui_version", "of an unknown version"))

    @property
    def kind(self) -> str:
        return f"ComfyUI {self.version}"

    @property
    def label(self) -> str:
        return f"{self.kind} at {self.url}"

    def refusal_of(self, unknown: list[str]) -> str:
        """The one line about nodes that this ComfyUI does not have."""
        return f"{self.label} lacks {', '.join(unknown)}: install the packs they come from, or update it"

    def has_picture(self, name: str) -> bool:
        """Whether LoadImage there knows a file of this name."""
        spec = self.nodes.get("LoadImage", {}).get("input", {}).get("required", {}).get("image")
        options = spec[0] if spec and isinstance(spec[0], list) else []
        return name in options

    def place(self, file: Path, name: str) -> str:
        """Upload a picture; its name for LoadImage. Nothing there is overwritten."""
        return _await(self._upload(file, name))

    def run(
        self, prompt: Prompt, output: Path, *, workflow: Any = None, watch: Watch | None = None
    ) -> Outcome:
        """Queue a prompt, follow it, and fetch what it made into ``output``.

        Raises GraphError where the server refuses the graph (or a part of it: then nothing is
        kept), NodeError where a node fails, HostError where the server is lost.
        """
        return _await(self._run(prompt, output, workflow, watch or Watch()))

    # --- the conversation ---------------------------------------------------------------------

    def _session(self) -> Any:
        aiohttp = _aiohttp()
        # total=None: a picture may take as long as it takes
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10))

    async def _json(self, session: Any, path: str) -> Any:
        async with session.get(self.url + path) as answer:
            if answer.status != 200:
                raise HostError(f"{self.url}{path} answers {answer.status}: is that ComfyUI?")
            try:
                return await answer.json(content_type=None)
            except ValueError as error:
                raise HostError(f"{self.url}{path} does not answer as ComfyUI does") from error

    async def _introduce(self) -> tuple[Mapping[str, Any], dict[str, Any]]:
        async with self._session() as session:
            stats = await self._json(session, "/system_stats")
            nodes = await self._json(session, "/object_info")
        if not isinstance(stats, dict) or not isinstance(nodes, dict):
            raise HostError(f"{self.url} does not answer as ComfyUI does")
        return stats.get("system", {}), nodes

    async def _upload(self, file: Path, name: str) -> str:
        aiohttp = _aiohttp()
        form = aiohttp.FormData()
        form.add_field("image", file.read_bytes(), filename=name)
        form.add_field("type", "input")
        form.add_field("subfolder", FOLDER)
        async with (
            self._session() as session,
            session.post(f"{self.url}/upload/image", data=form) as answer,
        ):
            if answer.status != 200:
                raise HostError(f"{self.url} does not take {file.name}: it answers {answer.status}")
            stored = await answer.json()
        return "/".join(part for part in (stored.get("subfolder"), stored["name"]) if part)

    async def _run(self, prompt: Prompt, output: Path, workflow: Any, watch: Watch) -> Outcome:
        asked = {**prompt, **self._readers(prompt)}
        client = uuid.uuid4().hex
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client}"
        async with self._session() as session:
            # max_msg_size 0: previews and long texts come through here as well
            async with session.ws_connect(address, max_msg_size=0) as socket:
                started = asyncio.get_running_loop().time()
                ticket = await self._queue(session, asked, client, workflow)
                try:
                    await self._follow(session, socket, ticket, asked, watch)
                except asyncio.CancelledError:  # the user pressed Ctrl-C
                    await self._cancel(session, ticket)
                    raise
                seconds = asyncio.get_running_loop().time() - started
            shown = await self._shown(session, ticket)
            return await self._gather(session, prompt, shown, output, seconds)

    async def _shown(self, session: Any, ticket: str) -> Mapping[str, Any]:
        """What the nodes showed. The end of a run is told before the history has it."""
        for _ in range(_HISTORY_TRIES):
            told = (await self._json(session, f"/history/{ticket}")).get(ticket)
            if told:
                return told.get("outputs", {})
            await asyncio.sleep(0.05)
        raise HostError(f"{self.url} has run the graph, but its history does not hold it")

    def _readers(self, prompt: Prompt) -> dict[str, dict[str, Any]]:
        """A node behind each text or number that the graph makes anyway, to read it.

        The interface tells what nodes show, not what they give.
        """
        if "PreviewAny" not in self.nodes:
            return {}
        readers = {}
        for node_id in self._needed(prompt):
            for index, kind in enumerate(self.nodes[prompt[node_id]["class_type"]]["output"]):
                if kind in _SHOWN:
                    readers[f"{_READER}_{node_id}_{index}"] = {
                        "class_type": "PreviewAny",
                        "inputs": {"source": [node_id, index]},
                    }
        return readers

    def _needed(self, prompt: Prompt) -> list[str]:
        """The nodes that the output nodes need; others do not run.

        Whether a lazy input is needed is known when its node runs: what lies behind it alone is left
        out, or to be read would make it run.
        """
        needed: dict[str, None] = {}
        waiting = [
            node_id
            for node_id, node in prompt.items()
            if self.nodes.get(node.get("class_type"), {}).get("output_node")
        ]
        while waiting:
            node_id = waiting.pop()
            if node_id in needed or prompt.get(node_id, {}).get("class_type") not in self.nodes:
                continue
            needed[node_id] = None
            lazy = self._lazy(prompt[node_id]["class_type"])
            waiting += [
                value[0]
                for name, value in prompt[node_id]["inputs"].items()
                if is_link(value) and name not in lazy
            ]
        return list(needed)

    def _lazy(self, class_type: str) -> set[str]:
        """The inputs of a class of nodes that are asked for only when they are needed."""
        groups = self.nodes[class_type].get("input", {}).values()
        declared = (one for group in groups if isinstance(group, Mapping) for one in group.items())
        return {
            name
            for name, (_, *options) in declared
            if options and isinstance(options[0], Mapping) and options[0].get("lazy")
        }

    async def _queue(self, session: Any, prompt: Prompt, client: str, workflow: Any) -> str:
        body: dict[str, Any] = {"prompt": prompt, "client_id": client}
        if workflow is not None:
            body["extra_data"] = {"extra_pnginfo": {"workflow": workflow}}
        async with session.post(f"{self.url}/prompt", json=body) as answer:
            told = await answer.json(content_type=None)
            if answer.status == 200 and not told.get("node_errors"):
                return told["prompt_id"]
        if answer.status == 200:  # it would run a part of the graph
            await self._cancel(session, told["prompt_id"])
        raise GraphError(_problems(told) or [f"{self.url} refuses the graph: {answer.status}"])

    async def _cancel(self, session: Any, ticket: str) -> None:
        for path, body in (
            ("/queue", {"delete": [ticket]}),
            ("/interrupt", {"prompt_id": ticket}),
        ):
            async with session.post(self.url + path, json=body):
                pass

    async def _follow(
        self, session: Any, socket: Any, ticket: str, prompt: Prompt, watch: Watch
    ) -> None:
        """Wait until the prompt has run, and tell who watches."""
        kind = _aiohttp().WSMsgType
        while True:
            try:
                message = await asyncio.wait_for(socket.receive(), _QUIET_SECONDS)
            except asyncio.TimeoutError:
                if await self._is_over(session, ticket):
                    return
                continue
            if message.type in (kind.CLOSE, kind.CLOSING, kind.CLOSED, kind.ERROR):
                if await self._is_over(session, ticket):
                    return
                raise HostError(f"{self.url} closed the connection before the graph had run")
            if message.type != kind.TEXT:
                continue  # a preview
            event = json.loads(message.data)
            data = event.get("data") or {}
            if data.get("prompt_id") == ticket and self._heard(event["type"], data, prompt, watch):
                return

    def _heard(self, what: str, data: Mapping[str, Any], prompt: Prompt, watch: Watch) -> bool:
        """Take in an event; whether it was the last."""
        node_id = str(data.get("node") or "")
        if what == "executing" and node_id in prompt and not node_id.startswith(_READER):
            watch.node(node_id, self._title(prompt[node_id]["class_type"]))
        elif what == "progress" and node_id in prompt:
            watch.steps(node_id, int(data["value"]), int(data["max"]))
        elif what == "execution_error":
            raise self._failure(data)
        elif what == "execution_interrupted":
            raise HostError(f"the run was stopped on {self.url}")
        return what == "execution_success"

    def _title(self, class_type: str) -> str:
        return self.nodes[class_type].get("display_name") or class_type

    def _failure(self, data: Mapping[str, Any]) -> NodeError:
        kind = str(data.get("exception_type", "Error")).split(".")[-1]
        words = str(data.get("exception_message", "")).strip()
        plain = kind in ("ValueError", "RuntimeError")
        cause = RuntimeError(words if plain else f"{kind}: {words}")
        return NodeError(
            str(data.get("node_id")), self._title(str(data.get("node_type"))), cause, Results()
        )

    async def _is_over(self, session: Any, ticket: str) -> bool:
        """Whether the history holds the prompt; its failure is raised."""
        aiohttp = _aiohttp()
        try:
            told = (await self._json(session, f"/history/{ticket}")).get(ticket)
        except aiohttp.ClientError as error:
            raise HostError(f"{self.url} does not answer any more") from error
        if told is None:
            return False
        for what, data in told.get("status", {}).get("messages", []):
            if what == "execution_error":
                raise self._failure(data)
            if what == "execution_interrupted":
                raise HostError(f"the run was stopped on {self.url}")
        return True

    # --- what came out --------------------------------------------------------------------------

    async def _gather(
        self, session: Any, prompt: Prompt, shown: Mapping[str, Any], output: Path, seconds: float
    ) -> Outcome:
        outcome = Outcome(seconds)
        for node_id, ui in shown.items():
            if node_id not in prompt and not node_id.startswith(_READER):
                continue  # made by a node that expands into others
            if node_id.startswith(_READER):
                source, index = prompt_link(node_id)
                info = self.nodes[prompt[source]["class_type"]]
                entry = self._entry(outcome, source, prompt)
                told = [_read(info["output"][index], text) for text in ui["text"]]
                several = info["output_is_list"][index] or len(told) != 1
                entry.outputs[info["output_name"][index]] = told if several else told[0]
            else:
                self._entry(outcome, node_id, prompt).ui = {
                    key: [await self._fetched(session, entry, output, outcome) for entry in entries]
                    if isinstance(entries, list)
                    else entries
                    for key, entries in ui.items()
                }
        return outcome

    def _entry(self, outcome: Outcome, node_id: str, prompt: Prompt) -> NodeOutcome:
        class_type = prompt[node_id]["class_type"]
        return outcome.node(node_id, class_type, self._title(class_type))

    async def _fetched(self, session: Any, entry: Any, output: Path, outcome: Outcome) -> Any:
        """The path of a file that a node made, fetched; anything else as it is."""
        if not isinstance(entry, dict) or "filename" not in entry:
            return entry
        kept = {key: str(entry.get(key, "")) for key in ("filename", "subfolder", "type")}
        async with session.get(f"{self.url}/view", params=kept) as answer:
            if answer.status != 200:
                raise HostError(f"{self.url} does not give {kept['filename']}: {answer.status}")
            content = await answer.read()
        path = free_name(
            output, _inside(kept["subfolder"]) / _plain(kept["filename"], kept["type"])
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        outcome.files.append(path)
        return str(path)


def prompt_link(reader: str) -> tuple[str, int]:
    """The node and the output that a reader stands behind."""
    node_id, _, index = reader.removeprefix(f"{_READER}_").rpartition("_")
    return node_id, int(index)


def _read(kind: str, text: str) -> Any:
    """What an output held, from the text of it."""
    if kind == "STRING":
        return text
    try:
        return json.loads(text.lower() if kind == "BOOLEAN" else text)
    except ValueError:
        return text


def _inside(subfolder: str) -> PurePosixPath:
    """A folder that the server names, without anything that leads elsewhere."""
    parts = PurePosixPath(subfolder.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in ("..", "/") and ":" not in part))


def _plain(filename: str, kind: str) -> str:
    """The last part of a name that the server gives; previews are called so."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].replace(":", "_").lstrip(".")
    if kind == "temp":
        name = f"preview_00001_{PurePosixPath(name).suffix}"
    return name or "unnamed"


def _problems(told: Mapping[str, Any]) -> list[str]:
    """A line for each finding of ComfyUI's own check, in the form of the stand-in's."""
    lines = []
    for node_id, node in (told.get("node_errors") or {}).items():
        for error in node.get("errors", []):
            name = (error.get("extra_info") or {}).get("input_name", "")
            words = ": ".join(part for part in (error.get("message"), error.get("details")) if part)
            head = f"node {node_id} ({node.get('class_type')}):"
            lines.append(" ".join(part for part in (head, name, words) if part))
    error = told.get("error")
    if not lines and error:
        lines.append(error if isinstance(error, str) else f"{error.get('message', error)}")
    return lines


def _await(work: Coroutine[Any, Any, Any]) -> Any:
    """Do it now; what goes wrong on the line becomes a HostError."""
    aiohttp = _aiohttp()

    async def guarded() -> Any:
        try:
            return await work
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
            raise HostError(
                f"ComfyUI cannot be reached: {error}. Is it running, and is the address right?"
            ) from error

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(guarded())
    with ThreadPoolExecutor(1) as thread:  # called from within a loop, as in a notebook
        return thread.submit(asyncio.run, guarded()).result()


def _aiohttp() -> Any:
    try:
        import aiohttp
    except ImportError as error:
        raise HostError("talking to a ComfyUI server needs aiohttp: pip install aiohttp") from error
    return aiohttp
