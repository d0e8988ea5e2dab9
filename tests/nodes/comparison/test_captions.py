import json

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from portrait_loupe.nodes.comparison.captions import (
    NOTHING,
    caption_of,
    caption_of_saved,
    read_graph_of,
)


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


LOCAL = {
    "1": node("CheckpointLoaderSimple", ckpt_name="sub\\RealVisXL_V5.0.safetensors"),
    "2": node("LoraLoader", lora_name="skin/pores.safetensors", model=["1", 0], clip=["1", 1]),
    "3": node("CLIPTextEncode", text="a portrait of Marta", clip=["2", 1]),
    "4": node("CLIPTextEncode", text="blurry", clip=["2", 1]),
    "5": node("KSampler", seed=77, model=["2", 0], positive=["3", 0], negative=["4", 0]),
    "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "7": node("LoupeComparePanel", image=["6", 0], label=""),
    "8": node("SaveImage", images=["6", 0]),
}


def test_a_local_model_is_named_after_its_file_with_loras_and_seed():
    caption = caption_of(LOCAL, 7, "image")
    assert caption.name == "RealVisXL_V5.0"
    assert caption.detail == "LoRA pores · seed 77"
    assert caption.seed == 77


def test_the_prompts_hash_is_that_of_the_positive_text():
    changed = {**LOCAL, "4": node("CLIPTextEncode", text="other", clip=["2", 1])}
    retold = {**LOCAL, "3": node("CLIPTextEncode", text="a portrait of Ada", clip=["2", 1])}
    sha = caption_of(LOCAL, 7, "image").prompt_sha
    assert len(sha) == 64
    assert caption_of(changed, 7, "image").prompt_sha == sha
    assert caption_of(retold, 7, "image").prompt_sha != sha


@pytest.mark.parametrize(
    ("made_by", "name", "detail"),
    [
        (node("OpenAIGPTImage1", prompt="x", model="gpt-image-2", seed=3), "GPT Image", "gpt-image-2 · seed n/a (provider)"),
        (node("GeminiImage2Node", prompt="x", model="gemini-3-pro-image-preview", seed=3), "Nano Banana Pro", "gemini-3-pro-image-preview · seed n/a (provider)"),
        (node("RecraftV4TextToImageNode", prompt="x", seed=3), "Recraft V4", "seed n/a (provider)"),
        (node("FluxProUltraImageNode", prompt="x", seed=3), "Flux 1.1 pro Ultra", "seed 3"),
        (node("SomebodysGenerator", seed=3), "SomebodysGenerator", ""),
    ],
)  # fmt: skip
def test_a_generator_is_called_what_people_call_it(made_by, name, detail):
    graph = {"1": made_by, "2": node("LoupeLens", image=["1", 0]), "3": node("X", image=["2", 0])}
    caption = caption_of(graph, "3", "image")
    assert (caption.name, caption.detail) == (name, detail)


def test_the_nearest_generator_counts_not_what_it_was_given():
    graph = {
        **LOCAL,
        "10": node("GeminiImageNode", prompt="edit", images=["6", 0]),
        "11": node("X", image=["10", 0]),
    }
    assert caption_of(graph, "11", "image").name == "Nano Banana"


def test_a_seed_may_come_by_a_link():
    graph = {**LOCAL, "9": node("PrimitiveInt", value=1234)}
    graph["5"] = node("KSampler", seed=["9", 0], model=["2", 0], positive=["3", 0])
    assert caption_of(graph, "7", "image").seed == 1234
    graph["9"] = node("LoupeCastBrief", prompt="x", takes=4, base_seed=55)
    assert caption_of(graph, "7", "image").seed == 55  # and not the number of takes


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_loaded_file_is_called_after_the_graph_inside_it(tmp_path, kind):
    path = tmp_path / f"take.{kind}"
    picture = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    if kind == "png":
        text = PngImagePlugin.PngInfo()
        text.add_text("prompt", json.dumps(LOCAL))
        picture.save(path, pnginfo=text)
    else:
        exif = Image.Exif()
        exif[0x0110] = f"prompt:{json.dumps(LOCAL)}"
        picture.save(path, exif=exif)
    graph = {"1": node("LoadImage", image=path.name), "2": node("X", image=["1", 0])}
    caption = caption_of(graph, "2", "image", lambda name: read_graph_of(tmp_path / name))
    assert caption.name == "RealVisXL_V5.0"
    assert caption.file == path.name


def test_a_file_without_a_graph_is_called_after_itself():
    graph = {
        "1": node("LoadImage", image="a b/Marta 3.png [output]"),
        "2": node("X", image=["1", 0]),
    }
    for reader in (None, lambda name: None, lambda name: {"1": node("SaveImage", images=3)}):
        assert caption_of(graph, "2", "image", reader).name == "Marta 3"


def test_a_picture_that_was_itself_loaded_tells_nothing_more():
    assert (
        caption_of_saved(
            {"1": node("LoadImage", image="x.png"), "2": node("SaveImage", images=["1", 0])}
        )
        == NOTHING
    )


@pytest.mark.parametrize(
    "graph",
    [
        None, [], "x", 3, {}, {"1": None}, {"1": {"class_type": 3, "inputs": []}}, {"2": node("X")},
        {"2": node("X", image=["9", 0])}, {"2": node("X", image="text")}, {"2": node("X", image=[None, 0])},
        {"2": node("X", image=[["2"], 0])},
    ],
)  # fmt: skip
def test_what_is_no_graph_says_nothing(graph):
    assert caption_of(graph, "2", "image") == NOTHING


def test_a_circle_ends():
    graph = {"1": node("A", image=["2", 0]), "2": node("B", image=["1", 0], positive=["1", 0])}
    assert caption_of(graph, "2", "image").name == "A"


def test_hostile_names_become_one_short_line():
    graph = {"1": node("A\n<script>" + "x" * 9999), "2": node("B", image=["1", 0])}
    name = caption_of(graph, "2", "image").name
    assert "\n" not in name
    assert len(name) <= 120


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 64]
)
def test_a_file_that_is_no_picture_says_nothing(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    assert read_graph_of(tmp_path / "x.png") is None
    assert read_graph_of(tmp_path / "absent.png") is None


@pytest.mark.parametrize("text", ["{", "[" * 100000, "x" * 5_000_000])
def test_a_text_that_is_no_graph_says_nothing(tmp_path, text):
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", text, zip=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", pnginfo=info)
    assert read_graph_of(tmp_path / "x.png") is None
