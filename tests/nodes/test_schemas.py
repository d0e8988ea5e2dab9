"""What people's saved workflows hold of our nodes, compared with what was published.

``schemas.json`` lists every node's id, and the ids, types, defaults, ranges and options of its
inputs and outputs. A difference is a decision: a new widget goes behind the old ones, a new output
at the end, and nothing is renamed or removed. Where it is meant:

    python -m pytest tests/nodes/test_schemas.py --write-schemas
"""

import json
from pathlib import Path

import pytest

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host.describe import contract

COMMITTED = Path(__file__).with_name("schemas.json")


@pytest.fixture(scope="module")
def now():
    told = [contract(node.define_schema()) for node in NODES]
    return {node["id"]: node for node in json.loads(json.dumps(told))}


def test_the_nodes_are_those_that_were_committed(now, request):
    if request.config.getoption("--write-schemas"):
        COMMITTED.write_text(json.dumps(list(now.values()), indent=1) + "\n", "utf-8")
    before = {node["id"]: node for node in json.loads(COMMITTED.read_text("utf-8"))}
    assert now == before, "see the head of this file"


def test_nothing_that_was_committed_has_moved(now):
    """New inputs and outputs come last, so that saved widget values and links keep their places."""
    for node in json.loads(COMMITTED.read_text("utf-8")):
        for part, name in (("inputs", "id"), ("outputs", "name")):
            old = [slot[name] for slot in node[part]]
            assert [slot[name] for slot in now[node["id"]][part]][: len(old)] == old, node["id"]
