"""What the JavaScript and the Python say twice: changing either side alone would part them."""

import re
from pathlib import Path

from portrait_loupe.nodes.extension import NODES

ROOT = Path(__file__).resolve().parents[2]


def test_the_nodes_that_report_are_the_ones_that_the_browser_listens_to():
    (listed,) = re.findall(
        r"REPORTING_NODES = \[([^\]]*)\]", (ROOT / "web/report/text.js").read_text("utf-8")
    )
    known = {node.define_schema().node_id for node in NODES}
    reporting = set()
    for path in ROOT.glob("nodes/*/node_*.py"):
        for block in path.read_text("utf-8").split("\nclass ")[1:]:
            if "loupe_report" in block:
                reporting.add(re.findall(r'node_id="(\w+)"', block)[0])
    assert set(re.findall(r'"(\w+)"', listed)) == reporting
    assert reporting <= known


def test_every_extension_carries_the_packs_name():
    names = []
    for path in ROOT.glob("web/*.js"):
        names += re.findall(r'registerExtension\(\{\s*name: "([^"]+)"', path.read_text("utf-8"))
    assert names
    assert all(name.startswith("portraitloupe.") for name in names)
