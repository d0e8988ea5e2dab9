"""``python . run``, ``nodes`` and ``kernels``: what the command line asks of the hosts, and says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import Any

from .describe import describe, table
from .launch import own_comfyui
from .outcome import HostError, Outcome, Refusal, Watch
from .pictures import ENDINGS
from .runner import Host, StandIn, Workflow, apply, loaders, pictures_for, place, read_workflow
from .server import Server
from .standin.graph import GraphError, NodeError

Say = Callable[[str], None]
_RECORD = "run.json"
_FAILED, _MISUSED = 1, 2
_FEW_STEPS = 4  # not worth a bar


def nodes_command(ours: Mapping[str, Any], options: Namespace, say: Say) -> int:
    """List the nodes."""
    if options.json:
        say(json.dumps([describe(node.define_schema()) for node in ours.values()], indent=2))
    else:
        say(table(ours))
    return 0


def kernels_command(found: Mapping[str, Any], lines: str, options: Namespace, say: Say) -> int:
    """Tell what would calculate on this machine."""
    say(json.dumps(found, indent=2) if options.json else lines)
    return 0


def run_command(ours: Mapping[str, Any], options: Namespace, say: Say) -> int:
    """Run a workflow; 0 where all went well, 1 where something failed, 2 where it was asked wrongly."""
    try:
        workflow = read_workflow(options.workflow)
        pictures = _pictures(options.batch) if options.batch else None
        with _host(
            ours, options.server, lambda words: None if options.json else say(words)
        ) as host:
            job = _Job(host, workflow, options.set, options.input, options.output)
            if pictures is None:
                return _run_once(job, options.json, say)
            return _run_batch(job, pictures, options.json, say)
    except (Refusal, GraphError) as error:
        return _give_up(str(error), options.json, say, _MISUSED)
    except (NodeError, HostError, OSError) as error:
        return _give_up(str(error), options.json, say, _FAILED)


def _give_up(words: str, as_json: bool, say: Say, code: int) -> int:
    if as_json:
        say(json.dumps({"ok": False, "error": words}, indent=2))
    print(words, file=sys.stderr)
    return code


@contextlib.contextmanager
def _host(ours: Mapping[str, Any], url: str | None, say: Say) -> Iterator[Host]:
    """The host that is asked for."""
    checkout = os.environ.get("COMFYUI_PATH")
    if url:
        yield Server(url)
    elif checkout:
        say(f"Starting ComfyUI from {checkout} (COMFYUI_PATH) ...")
        with own_comfyui(Path(checkout)) as started:
            yield Server(started.url)
    else:
        yield StandIn(ours)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise Refusal(f"--batch takes a folder, got {folder}")
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file()
    )
    if not found:
        raise Refusal(f"{folder} holds no picture ({', '.join(sorted(ENDINGS))})")
    return found


class _Job:
    """A workflow with its settings on a host, ready to be run with one set of pictures or another."""

    def __init__(
        self,
        host: Host,
        workflow: Workflow,
        settings: Sequence[str],
        files: Sequence[Path],
        output: Path,
    ):
        self.host, self.workflow, self.files = host, workflow, list(files)
        self.output = output.resolve()
        self._prompt = workflow.prompt(host)
        apply(self._prompt, settings, host.nodes, workflow.titles)

    @property
    def free(self) -> list[str]:
        """The Load Image nodes that ``--input`` leaves free."""
        return loaders(self._prompt)[len(self.files) :]

    def run(self, extra: Sequence[Path], output: Path, watch: Watch | None = None) -> Outcome:
        """Run with the pictures of ``--input`` and then ``extra``."""
        prompt = {
            key: {**node, "inputs": dict(node["inputs"])} for key, node in self._prompt.items()
        }
        place(prompt, self._pictures(extra), self.host)
        saved = self.workflow.saved if "nodes" in self.workflow.saved else None
        return self.host.run(prompt, output, workflow=saved, watch=watch)

    def fingerprint(self, extra: Sequence[Path]) -> str:
        """What a run depends on: the host, the graph with its values, the pictures' content."""
        digest = hashlib.sha256()
        digest.update(json.dumps([self.host.kind, self._prompt], sort_keys=True).encode())
        for node_id, file in self._pictures(extra).items():
            digest.update(
                node_id.encode("utf-8", "surrogatepass")
                + hashlib.sha256(file.read_bytes()).digest()
            )
        return digest.hexdigest()

    def _pictures(self, extra: Sequence[Path]) -> dict[str, Path]:
        return pictures_for(self._prompt, [*self.files, *extra], self.host, self.workflow.path)


def _run_once(job: _Job, as_json: bool, say: Say) -> int:
    if not as_json:
        say(f"Running {job.workflow.path} on {job.host.label}:")
    with _watching(say if not as_json else None) as watch:
        outcome = job.run([], job.output, watch)
    if as_json:
        head = {"ok": True, "workflow": str(job.workflow.path), "host": job.host.label}
        say(json.dumps({**head, **_told(outcome)}, indent=2, default=str))
        return 0
    for node in outcome.nodes.values():
        for report in node.ui.get("loupe_report", []):
            say(indent(f"{node.title}: {report}", "    "))
    say(f"Done in {outcome.seconds:.1f} s.")
    for file in outcome.files:
        say(str(file))
    return 0


@contextlib.contextmanager
def _watching(say: Say | None) -> Iterator[Watch]:
    """Tell each node as it starts, and draw a bar where one takes many steps."""
    tqdm = _tqdm()
    bars: list[Any] = []

    def close() -> None:
        while bars:
            bars.pop().close()

    def node(node_id: str, title: str) -> None:
        close()
        if say:
            say(f"  {title}")

    def steps(node_id: str, done: int, total: int) -> None:
        if say and not bars and total > _FEW_STEPS:
            bars.append(tqdm(total=total, leave=False))
        for bar in bars:
            bar.update(done - bar.n)

    try:
        yield Watch(node, steps)
    finally:
        close()


def _run_batch(job: _Job, pictures: Sequence[Path], as_json: bool, say: Say) -> int:
    if not job.free:
        raise Refusal(
            f"--batch finds no free Load Image in {job.workflow.path}; --input takes {len(job.files)}"
        )
    if not as_json:
        say(f"Running {job.workflow.path} on {job.host.label}, {len(pictures)} pictures:")
    runs: list[dict[str, Any]] = []
    started = time.monotonic()
    lost = ""
    with _tqdm()(total=len(pictures), unit="picture", leave=False) as bar:
        for picture in pictures:
            bar.set_description(picture.name)
            try:
                runs.append(_run_picture(job, picture))
            except HostError as error:
                lost = str(error)  # the others would fail for the same reason
                break
            bar.update()
    counts = {state: sum(run["state"] == state for run in runs) for state in ("done", "skipped", "failed")}  # fmt: skip
    if as_json:
        head = {"ok": not (counts["failed"] or lost), "workflow": str(job.workflow.path), "host": job.host.label}  # fmt: skip
        say(json.dumps({**head, "error": lost, **counts, "runs": runs}, indent=2, default=str))
    else:
        for run in runs:
            if run["state"] == "failed":
                say(f"  {run['picture']}: {run['error']}")
        say(
            f"{counts['done']} done, {counts['skipped']} done before, {counts['failed']} failed "
            f"in {time.monotonic() - started:.1f} s. Files lie in {job.output}"
        )
    if lost:
        print(f"{lost}\nThe same command goes on from here.", file=sys.stderr)
    return _FAILED if counts["failed"] or lost else 0


def _run_picture(job: _Job, picture: Path) -> dict[str, Any]:
    """One picture of a batch: done before, done now, or failed and why."""
    folder = job.output / picture.name
    record = folder / _RECORD
    run: dict[str, Any] = {"picture": picture.name, "fingerprint": job.fingerprint([picture])}
    before = _recorded(record, run["fingerprint"])
    if before:
        return {**before, "state": "skipped"}
    try:
        outcome = job.run([picture], folder)
    except NodeError as error:
        return {**run, "state": "failed", "error": str(error)}
    run = {**run, "state": "done", **_told(outcome)}
    folder.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".part")
    draft.write_text(json.dumps(run, indent=2, default=str), "utf-8")
    os.replace(draft, record)  # whole or not at all
    return run


def _recorded(record: Path, fingerprint: str) -> dict[str, Any] | None:
    """An earlier run of the same, if all that it wrote is still there."""
    try:
        before = json.loads(record.read_text("utf-8"))
        same = before["fingerprint"] == fingerprint
        whole = all(Path(file).is_file() for file in before["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return before if same and whole else None


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "seconds": round(outcome.seconds, 3),
        "nodes": {node_id: asdict(node) for node_id, node in outcome.nodes.items()},
        "files": [str(file) for file in outcome.files],
    }


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise HostError("the progress bar needs tqdm: pip install tqdm") from error
    return tqdm
