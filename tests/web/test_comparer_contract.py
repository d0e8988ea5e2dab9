"""What web/comparer/constants.js repeats from the Python: changing either side alone would part them."""

import re
from pathlib import Path

import pytest

from portrait_loupe.nodes.comparison import difference, panels, viewer
from portrait_loupe.nodes.extension import NODES

CONSTANTS = Path(__file__).resolve().parents[2] / "web/comparer/constants.js"


def constant(name):
    """The value that the JavaScript gives a name: a number, a text or a list of texts."""
    (value,) = re.findall(
        rf"^export const {name} = (?:/\*\*[^*]*\*/ )?\(?(.*?)\)?;",
        CONSTANTS.read_text("utf-8"),
        re.MULTILINE,
    )
    if value.startswith("["):
        return re.findall(r'"([^"]*)"', value)
    return value[1:-1] if value.startswith('"') else float(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UI_KEY", viewer.UI_KEY),
        ("VERSION", viewer.VERSION),
        ("MOST_PANELS", panels.MOST),
        ("TILE", viewer.TILE),
        ("SMALLEST_LEVEL", viewer.SMALLEST_LEVEL),
        ("LEAST_NCC", difference.LEAST_NCC),
    ],
)
def test_the_browser_and_the_node_agree(name, value):
    assert constant(name) == value


def test_the_node_that_shows_the_viewer_is_one_of_ours():
    assert constant("NODE_ID") in {node.define_schema().node_id for node in NODES}
