"""A workflow that anybody wrote is run or refused in words, in bounded time: never a traceback."""

import json
import os
import random
import resource
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest

from portrait_loupe.nodes.comparison.captions import caption_of, caption_of_saved
from portrait_loupe.nodes.host import IN_COMFYUI
from portrait_loupe.nodes.host.command import run_command
from portrait_loupe.nodes.host.outcome import Refusal
from portrait_loupe.nodes.host.runner import StandIn, apply, loaders, pictures_for, read_workflow
from portrait_loupe.nodes.host.standin.graph import GraphError, check
from portrait_loupe.nodes.host.workflow import ui_to_api

pytestmark = pytest.mark.skipif(IN_COMFYUI, reason="it asks the stand-in host")
MUTANTS = 300
SECONDS = 20.0  # that no file may take; the largest here takes one on a quiet core
WORDS = (Refusal, GraphError)


@pytest.fixture(scope="module")
def host(ours):
    return StandIn(ours)


@pytest.fixture
def asked(host, tmp_path):
    """``asked(text)``: all that is done with a workflow file before its nodes run; what it is refused with."""

    def ask(text: str | bytes) -> str:
        path = tmp_path / "strange.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        started = time.monotonic()
        told = ""
        try:
            workflow = read_workflow(path)
            assert all(isinstance(title, str) for title in workflow.titles.values())
            prompt = workflow.prompt(host)
            with suppress(Refusal):
                apply(prompt, ["LoupeLens.level=-0.5"], host.nodes, workflow.titles)
            loaders(prompt)
            with suppress(Refusal):
                pictures_for(prompt, [], host, path)
            check(prompt, host.nodes)
        except WORDS as refused:
            told = str(refused)
            assert told.strip()
            assert "Traceback" not in told
            assert len(told) < 200_000
        assert time.monotonic() - started < SECONDS
        return told

    return ask


def test_a_good_workflow_is_not_refused(asked, workflows):
    """But for the pictures, which lie nowhere here."""
    told = asked(json.dumps(workflows["extreme_close_up_comparison"]))
    assert all("image must be one of" in line for line in told.splitlines())


@pytest.mark.parametrize("name", ["extreme_close_up_comparison", "lens_micro_contrast"])
def test_three_hundred_mutants_are_run_or_refused(asked, workflows, mutated, name):
    refused = sum(
        bool(asked(json.dumps(one))) for one in mutated(workflows[name], MUTANTS, seed=len(name))
    )
    assert refused > MUTANTS / 4  # they were strange indeed


def test_three_hundred_mutants_of_a_prompt_are_run_or_refused(asked, workflows, host, mutated):
    prompt = ui_to_api(workflows["lens_micro_contrast"], host.nodes)
    refused = sum(bool(asked(json.dumps(one))) for one in mutated(prompt, MUTANTS, seed=7))
    assert refused > MUTANTS / 4


def test_mutants_say_nothing_false_of_what_made_a_picture(workflows, host, mutated):
    """The same graphs, as they stand in pictures that are compared: names and numbers, or nothing."""
    prompt = ui_to_api(workflows["lens_micro_contrast"], host.nodes)
    for one in mutated(prompt, MUTANTS, seed=3):
        told = caption_of_saved(one)
        assert isinstance(told.name, str)
        assert len(told.name) <= 400
        caption_of(one, "1", "image", lambda name, graph=one: graph)


def deep(opening, closing, depth):
    return opening * depth + "1" + closing * depth


def chain(count, *, closed=False):
    """So many nodes, each linked to the one before; the first to the last where it is closed."""
    last = {"class_type": "PreviewImage", "inputs": {"images": [str(count - 1), 0]}}
    nodes = {
        str(n): {"class_type": "LoupeLens", "inputs": {"image": [str(n - 1) if n else (str(count - 1) if closed else "x"), 0]}}
        for n in range(count)
    }  # fmt: skip
    return json.dumps({**nodes, "last": last})


def canvas(**changes):
    """A workflow with one node and no link."""
    node = {"id": 1, "type": "LoupeLens", "inputs": [], "widgets_values": []} | changes.pop(
        "node", {}
    )
    return json.dumps({"nodes": [node], "links": []} | changes)


STRANGE = {
    "deep lists": deep("[", "]", 200_000),
    "deep objects": deep('{"a":', "}", 200_000),
    "deep in a widget": canvas().replace('"widgets_values": []', f'"widgets_values": [{deep("[", "]", 100_000)}]'),
    "deep but read": canvas().replace('"widgets_values": []', f'"widgets_values": [{deep("[", "]", 400)}]'),
    "a number of a million digits": canvas(node={"mode": 0}).replace('"mode": 0', f'"mode": {"9" * 1_000_000}'),
    "a node that is its own id": '{"1": {"class_type": "LoupeLens", "inputs": {"image": ["1", 0]}}}',
    "a circle of two thousand": chain(2000, closed=True),
    "a chain into nowhere": chain(2000),
    "not a number": canvas(node={"widgets_values": [float("nan"), float("inf")]}),
    "ids of every kind": json.dumps({"nodes": [{"id": one, "type": "LoupeLens"} for one in (None, [1], {"a": 1}, 1.5, True)], "links": []}),
    "the same id many times": json.dumps({"nodes": [{"id": 1, "type": "LoupeLens"}] * 50, "links": []}),
    "links of every kind": canvas(links=[[1, 2, 3], [[1], 2, 3], [{}, None, None], [None, 1, 1], {"id": [1]}, {"id": {}}]),
    "links that are lists": canvas(node={"inputs": [{"name": "image", "link": 1}]}, links=[[1, [1], [0]]]),
    "a link to nowhere": canvas(node={"inputs": [{"name": "image", "link": 1}]}, links=[[1, 99, 0]]),
    "names that are lists": canvas(node={"inputs": [{"name": ["image"], "link": 1}]}, links=[[1, 1, 0]]),
    "names that are objects": canvas(node={"inputs": [{"name": {}, "link": 1}]}, links=[[1, 1, 0]]),
    "keys of a prototype": '{"__proto__": {"class_type": "LoupeLens", "inputs": {"__proto__": {"polluted": true}}}}',
    "a class of a prototype": '{"1": {"class_type": "__class__", "inputs": {"__init__": 1, "constructor": 2}}}',
    "definitions of every kind": canvas(definitions=[1, "x"]),
    "subgraphs of every kind": canvas(definitions={"subgraphs": ["x", None, {"id": []}]}),
    "a title that is a list": canvas(node={"title": ["x"]}),
    "a meta that is a list": '{"1": {"class_type": "LoupeLens", "inputs": {}, "_meta": [1]}}',
    "an option that is a list": canvas(node={"widgets_values": [["soft"], {}, []]}),
    "a mode that is a list": canvas(node={"mode": []}),
    "a type that is none": canvas(node={"type": "\ud800"}),
    "widgets by strange names": canvas(node={"widgets_values": {"__proto__": 1, "level": [], "character": {}}}),
    "a picture that is a list": '{"1": {"class_type": "LoadImage", "inputs": {"image": ["a", "b", "c"]}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}',
    "a picture elsewhere": '{"1": {"class_type": "LoadImage", "inputs": {"image": "../../secret.png"}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}',
    "a picture with a nul": '{"1": {"class_type": "LoadImage", "inputs": {"image": "a\\u0000b"}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}',
    "wrapped without end": '{"1": {"class_type": "LoupeLens", "inputs": {"level": {"__value__": {"__value__": 1}}}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}',
    "an output of minus one": '{"1": {"class_type": "LoupeLens", "inputs": {}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", -1]}}}',
    "an output of a googol": f'{{"1": {{"class_type": "LoupeLens", "inputs": {{}}}}, "2": {{"class_type": "PreviewImage", "inputs": {{"images": ["1", 1{"0" * 100}]}}}}}}',
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_it_is_refused_in_words(asked, name):
    assert asked(STRANGE[name])


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xef\xbb\xbf", b"\xff\xfe[]", b"null", b"[]", b'"x"', b"{}", b"1e999"], ids=repr)  # fmt: skip
def test_what_is_no_graph_is_refused_in_words(asked, data):
    assert asked(data)


def test_fifty_megabytes_are_refused_in_words_and_seconds(tmp_path, ours):
    """In a Python of its own, whose memory is told at the end: 2 GB are the pack, torch and forty times the file."""
    path = tmp_path / "large.json"
    chance = random.Random(0)
    node = {"id": 1, "type": "LoupeLens", "widgets_values": [chance.random()] * 200}
    text = json.dumps([node | {"id": n} for n in range(200)])[1:-1]
    with path.open("w", encoding="utf-8") as file:
        file.write('{"links": [], "nodes": [')
        while file.tell() < 50_000_000:
            file.write(text + ",")
        file.write('{"id": 0, "type": "Nobody"}]}')
    root = Path(__file__).resolve().parents[2]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(root), "run", str(path), "--json"], capture_output=True, text=True, timeout=300,
        env={**os.environ, "LOUPE_ENVIRONMENT": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    assert "Nobody" in done.stderr or "at most" in done.stderr
    assert time.monotonic() - started < 120  # s: torch is imported, and the machine may be shared
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2_500_000  # kB


@pytest.mark.parametrize(
    "name",
    ["deep lists", "a circle of two thousand", "links of every kind", "names that are lists"],
)
def test_the_command_gives_up_with_code_2_and_one_message(ours, tmp_path, capsys, name):
    path = tmp_path / "strange.json"
    path.write_text(STRANGE[name], "utf-8")
    options = Namespace(
        workflow=path, set=[], input=[], output=tmp_path / "out", server=None, json=True, batch=None
    )
    assert run_command(ours, options, print) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["error"]
