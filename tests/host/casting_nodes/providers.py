"""The API nodes of the shipped casting workflow, with ComfyUI's own sockets, and nobody to pay.

Each is a subclass of the real class of ``comfy_api_nodes``: id, inputs and outputs are the host's, so a
workflow that ComfyUI changes under our feet fails here. Only what calls the provider is replaced. The
real ones are not loaded beside them (``--disable-api-nodes``).
"""

from pathlib import Path

import folder_paths
import numpy as np
import torch
from comfy_api.v0_0_2 import io
from comfy_api_nodes import nodes_gemini, nodes_openai, nodes_recraft
from PIL import Image

CALLS = "casting_calls.txt"
# by id: what the classes are called differs from one ComfyUI to another
REAL = {
    one.define_schema().node_id: one
    for module in (nodes_gemini, nodes_openai, nodes_recraft)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, io.ComfyNode) and one is not io.ComfyNode
}


def portraits(name, sizes):
    """So many pictures of the sample, each of its own tint and grain; a call is written down."""
    file = Path(folder_paths.get_output_directory(), CALLS)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{name}\n")
    turn = len(file.read_text("utf-8").splitlines())
    made = []
    for number, size in enumerate(sizes):
        with Image.open(Path(folder_paths.get_input_directory(), "portrait_a.png")) as photo:
            pixels = np.asarray(photo.convert("RGB").resize(size), np.float32) / 255
        chance = torch.Generator().manual_seed(100 * turn + number)
        grain = 0.03 * torch.randn(pixels.shape, generator=chance)  # else they are near-duplicates
        tint = 0.9 + 0.1 * torch.rand(3, generator=chance)
        made.append((torch.from_numpy(pixels) * tint + grain).clamp(0, 1))
    return torch.stack(made)


def nobody_to_pay(schema):
    """The page asks nobody to sign in."""
    schema.is_api_node, schema.price_badge, schema.hidden = False, None, []
    return schema


class Recraft(REAL["RecraftV4TextToImageNode"]):
    @classmethod
    def define_schema(cls):
        return nobody_to_pay(super().define_schema())

    @classmethod
    async def execute(cls, prompt, negative_prompt, model, n, seed, recraft_controls=None):
        size = tuple(map(int, model["size"].split("x")))
        return io.NodeOutput(portraits(f"recraft {n} {seed} {prompt}", [size] * n))


class GPTImage(REAL["OpenAIGPTImageNodeV2"]):
    @classmethod
    def define_schema(cls):
        return nobody_to_pay(super().define_schema())

    @classmethod
    async def execute(cls, prompt, model, n, seed):
        assert model["size"] == "Custom"
        size = model["custom_width"], model["custom_height"]
        return io.NodeOutput(portraits(f"gpt {n} {seed} {prompt}", [size] * n))


class NanoBanana(REAL["GeminiImage2Node"]):
    @classmethod
    def define_schema(cls):
        return nobody_to_pay(super().define_schema())

    @classmethod
    async def execute(cls, prompt, model, seed, aspect_ratio, resolution, response_modalities, **_):
        assert (aspect_ratio, resolution) == ("4:5", "1K")
        return io.NodeOutput(portraits(f"banana 1 {seed} {prompt}", [(928, 1152)]), "no words")
