"""Generators that count how often they run, and a cast with scores that the test chooses.

They stand for nodes that cost money. Each call writes a line into ``casting_calls.txt`` in the output
folder; while ``casting_pause`` lies there, they wait.
"""

import importlib
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import folder_paths
import numpy as np
import torch
from PIL import Image

from .providers import CALLS, GPTImage, NanoBanana, Recraft

PAUSE = "casting_pause"
LONGEST_PAUSE = 60.0  # seconds


def output() -> Path:
    return Path(folder_paths.get_output_directory())


class CountingGenerator:
    """A portrait whose tint comes from the seed; or what providers give when they give nothing."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "name": ("STRING", {"default": "a"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1}),
                "what": (["portrait", "zeros RGBA", "no face"],),
                "scale": ("FLOAT", {"default": 1.0}),
            },
            "optional": {"photo": ("STRING", {"default": "portrait_a.png"})},
        }

    def make(self, name, seed, what, scale, photo="portrait_a.png"):
        with (output() / CALLS).open("a", encoding="utf-8") as file:
            file.write(f"{name} {seed}\n")
        until = time.monotonic() + LONGEST_PAUSE
        while (output() / PAUSE).exists() and time.monotonic() < until:
            time.sleep(0.05)
        if what == "zeros RGBA":  # as GeminiImageNode where the model sends no picture
            return (torch.zeros((1, 1024, 1024, 4)),)
        if what == "no face":
            return (torch.rand(1, 256, 256, 3, generator=torch.Generator().manual_seed(seed)),)
        with Image.open(Path(folder_paths.get_input_directory()) / photo) as file:
            size = (round(file.width * scale), round(file.height * scale))
            pixels = np.asarray(file.convert("RGB").resize(size), np.float32) / 255
        tint = torch.rand(3, generator=torch.Generator().manual_seed(seed)) * 0.1 + 0.9
        return (torch.from_numpy(pixels)[None] * tint,)


class CastingSeeds:
    """A list of seeds, which maps a generator."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_IS_LIST = "tests", "seeds", ("INT",), (True,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("INT", {"default": 0, "max": 2**53}), "count": ("INT", {"default": 4})}}  # fmt: skip

    def seeds(self, first, count):
        return (list(range(first, first + count)),)


class ScoredCast:
    """A cast of the pictures that arrive, with distances that the test chooses."""

    CATEGORY, FUNCTION, RETURN_TYPES, INPUT_IS_LIST = "tests", "cast", ("LOUPE_CAST",), True

    @classmethod
    def INPUT_TYPES(cls):
        takes = {f"take{n}": ("IMAGE",) for n in range(4)}
        return {"required": {"distances": ("STRING", {"default": ""})}, "optional": takes}

    def cast(self, distances, **sockets):
        take, find = pack("casting.take"), pack("framing.find")
        ranking = pack("casting.ranking")
        scores = [float(word) for word in distances[0].split()]
        found = []
        for name, pictures in sorted(sockets.items()):
            for picture in pictures:
                number = len(found) + 1
                face = next(iter(find.find_faces(picture).faces.frames[0]), None)
                evidence = None
                if number <= len(scores):
                    evidence = SimpleNamespace(
                        distance=scores[number - 1],
                        reason="as the test says",
                        gate=None,
                        figures={},
                    )
                found.append(
                    take.Take(
                        number, f"model {name[-1]}", picture, take.take_sha256(picture), number, "",
                        face, None, evidence, None,
                    )
                )  # fmt: skip
        cast = take.Cast(ranking.ranked(found), "face", "a portrait", "of the test", "", "embedded")
        return (cast,)


def pack(name):
    """A module of the pack that this ComfyUI has loaded from a folder with whatever name."""
    home = next(one for one in sys.modules if one.endswith(".nodes.casting.node_cast_lock"))
    return importlib.import_module(home.removesuffix("casting.node_cast_lock") + name)


NODE_CLASS_MAPPINGS = {
    "CountingGenerator": CountingGenerator,
    "CastingSeeds": CastingSeeds,
    "ScoredCast": ScoredCast,
    **{one.define_schema().node_id: one for one in (Recraft, GPTImage, NanoBanana)},
}
