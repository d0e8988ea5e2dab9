"""A ComfyUI in which calls of generators are counted, and what its runs tell of a cast.

``casting_nodes`` are generators that count their calls: for each of them somebody would have paid.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_loupe.nodes.host.standin.graph import NodeError

CALLS = "casting_calls.txt"
LOCK = "7"  # of the graphs in test_casting.py


class Studio:
    """A ComfyUI in which calls of generators are counted."""

    def __init__(self, server, output, fetched):
        self.server, self.output, self.fetched = server, output, fetched

    @property
    def calls(self) -> list[str]:
        file = self.output / CALLS
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def run(self, prompt):
        """What the run gave, and how often generators were called for it."""
        before = len(self.calls)
        outcome = self.server.run(prompt, self.fetched)
        return outcome, len(self.calls) - before

    def fails(self, prompt) -> tuple[str, int]:
        before = len(self.calls)
        with pytest.raises(NodeError) as failed:
            self.server.run(prompt, self.fetched)
        return str(failed.value), len(self.calls) - before

    def offer(self, prompt):
        """The payload of a run in which nothing is locked."""
        outcome, _ = self.run(prompt)
        return self.payload(outcome)

    def take(self, cast: str, sha: str) -> Path:
        return self.output / "loupe_cast" / cast / "takes" / f"{sha}.png"

    def member(self, cast: str, sha: str) -> Path:
        return self.output / "loupe_cast" / cast / f"{sha}.png"

    @staticmethod
    def payload(outcome, node_id=LOCK):
        (told,) = outcome.nodes[node_id].ui["loupe_cast"]
        return told

    @staticmethod
    def report(outcome, node_id=LOCK):
        return outcome.nodes[node_id].ui["loupe_report"][0]

    @staticmethod
    def pick(offer, number, by="pick"):
        """The lock that the panel writes."""
        take = next(one for one in offer["takes"] if one["number"] == number)
        view = take["view"]
        return json.dumps(
            {
                "schema": 1, "take_sha256": take["sha256"], "file": f"{view['subfolder']}/{view['filename']}",
                "model": take["model"], "label": f"{take['model']} #{number}", "seed": take["seed"],
                "prompt_sha": take["prompt_sha"], "score": take["score"], "rank": take["rank"], "by": by,
                "at": f"2026-11-21T15:00:{number:02}.000Z",
            }
        )  # fmt: skip

    @staticmethod
    def saved(outcome):
        """The picture that SaveImage wrote behind the lock."""
        (file,) = [path for path in outcome.files if "saved" in path.name]
        with Image.open(file) as picture:
            return np.asarray(picture)

    @staticmethod
    def cut(picture):
        """As SaveImage cuts a picture (1, H, W, 3) to 8 bits."""
        return (255.0 * picture[0].numpy()).clip(0, 255).astype(np.uint8)
