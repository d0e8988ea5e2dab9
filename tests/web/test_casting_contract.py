"""What web/casting/constants.js repeats from the Python: changing either side alone would part them."""

import re
from pathlib import Path

import pytest

from portrait_loupe.nodes.casting import lock, node_cast_lock, offer, votes

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ROOT / "web/casting/constants.js"
SCHEMA = node_cast_lock.CastLock.define_schema()


def constant(name):
    """The value that the JavaScript gives a name: a number or a text."""
    (value,) = re.findall(rf"^export const {name} = (.*?);", CONSTANTS.read_text("utf-8"), re.M)
    return value[1:-1] if value.startswith('"') else float(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NODE_ID", SCHEMA.node_id),
        ("UI_KEY", offer.UI_KEY),
        ("SCHEMA", offer.SCHEMA),
        ("SCHEMA", lock.SCHEMA),
        ("ASK", lock.ASK),
        ("LOCKED", lock.LOCKED),
        ("PICK", lock.PICK),
        ("BLIND_PICK", lock.BLIND_PICK),
        ("BLIND_PICK", votes.BLIND),
        ("LEAST_PICKS", votes.FEWEST_PICKS),
    ],
)
def test_the_browser_and_the_node_agree(name, value):
    assert constant(name) == value


def test_the_widgets_that_the_panel_writes_are_the_nodes():
    inputs = {one.id for one in SCHEMA.inputs}
    assert {constant("LOCK_WIDGET"), constant("MODE_WIDGET"), "cast_name"} <= inputs


def test_auto_best_is_earned_where_the_panel_says_so():
    source = Path(votes.__file__).read_text("utf-8")
    assert f"low > {constant('LEAST_AGREEMENT'):g}" in source


def test_a_lock_of_the_panel_has_the_fields_that_the_node_writes():
    text = (ROOT / "web/casting/cast.js").read_text("utf-8")
    (body,) = re.findall(r"export function lockFor.*?return \{(.*?)\};", text, re.S)
    assert re.findall(r"^ +(\w+)[:,]", body, re.M) == list(lock.TakeLock("0" * 64).as_json())
