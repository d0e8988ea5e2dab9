"""The graph is plain values: what is in it is looked at without a host, and once with ComfyUI's own classes."""

import pytest

from portrait_loupe.nodes.identity.calibration.graph import lay_out, settings_words
from portrait_loupe.nodes.identity.node_apply import ApplyIdentity
from portrait_loupe.nodes.identity.node_calibrate import IdentityCalibrate
from portrait_loupe.nodes.identity.node_calibration_curve import CalibrationCurve

WEIGHTS, SEEDS = (0.0, 0.3, 1.2), (7, 8)
LINKS = {
    name: [f"{number}", 0]
    for number, name in enumerate(
        ("model", "adapter", "identity", "positive", "negative", "vae", "latent", "plan", "clip_vision")
    )
}  # fmt: skip
GIVEN = {
    **LINKS, "faces": None, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.9,
    "prominence": "follow", "start": 0.1, "end": 0.9, "curve": "uniform", "lora_weight": 0.5, "encoder": "all found",
    "backend": "auto",
}  # fmt: skip
KSAMPLER = {
    "model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image", "denoise",
}  # fmt: skip


@pytest.fixture(scope="module")
def laid():
    return lay_out("9.", WEIGHTS, SEEDS, GIVEN, "as ever")


def of_type(graph, name):
    return {key: node["inputs"] for key, node in graph.items() if node["class_type"] == name}


def is_link(value):
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def test_every_weight_is_applied_once_and_every_pair_sampled_once(laid):
    graph, _ = laid
    applied = of_type(graph, "LoupeApplyIdentity")
    assert sorted(node["weight"] for node in applied.values()) == list(WEIGHTS)
    sampled = of_type(graph, "KSampler").values()
    pairs = [(applied[node["model"][0]]["weight"], node["seed"]) for node in sampled]
    assert sorted(pairs) == [(weight, seed) for weight in WEIGHTS for seed in SEEDS]
    assert len(graph) == 3 + 6 + 6 + 1


def test_every_link_leads_to_a_node_of_the_graph_or_to_what_was_given(laid):
    graph, outputs = laid
    outside = {tuple(link) for link in LINKS.values()}
    links = [
        value for node in graph.values() for value in node["inputs"].values() if is_link(value)
    ]
    assert all(link[0] in graph or tuple(link) in outside for link in links)
    assert {tuple(link) for link in links} >= outside  # nothing that was given is forgotten
    (curve,) = of_type(graph, "LoupeCalibrationCurve")
    assert list(outputs) == [[curve, number] for number in range(6)]
    assert len(outputs) == len(IdentityCalibrate.define_schema().outputs) == len(CalibrationCurve.define_schema().outputs)  # fmt: skip


def test_the_inputs_are_those_that_the_nodes_have(laid):
    graph, _ = laid
    apply_ids = {each.id for each in ApplyIdentity.define_schema().inputs}
    curve_ids = {each.id for each in CalibrationCurve.define_schema().inputs}
    for inputs in of_type(graph, "LoupeApplyIdentity").values():
        assert set(inputs) <= apply_ids
        assert {
            "model",
            "adapter",
            "identity",
            "weight",
            "plan",
            "clip_vision",
            "lora_weight",
        } <= set(inputs)
        assert "faces" not in inputs  # not linked: not there
        assert inputs["model"] == LINKS["model"]
    for inputs in of_type(graph, "KSampler").values():
        assert set(inputs) == KSAMPLER
        assert inputs["denoise"] == 0.9
    for inputs in of_type(graph, "VAEDecode").values():
        assert set(inputs) == {"samples", "vae"}
    (inputs,) = of_type(graph, "LoupeCalibrationCurve").values()
    assert {name.split(".")[0] for name in inputs} <= curve_ids


def test_the_curve_gets_each_picture_with_its_own_weight_and_seed(laid):
    graph, _ = laid
    (inputs,) = of_type(graph, "LoupeCalibrationCurve").values()
    weights = [float(one) for one in inputs["weights"].split(",")]
    seeds = [int(one) for one in inputs["seeds"].split(",")]
    for number, (weight, seed) in enumerate(zip(weights, seeds, strict=True)):
        decoded = graph[inputs[f"images.image{number}"][0]]
        sampled = graph[decoded["inputs"]["samples"][0]]["inputs"]
        assert sampled["seed"] == seed
        assert graph[sampled["model"][0]]["inputs"]["weight"] == weight
    assert len(weights) == 6
    assert inputs["how"] == "as ever"
    assert inputs["model"] == LINKS["model"]  # the base, not one with the identity


def test_other_settings_make_other_ids():
    first, second = (set(lay_out("9.", WEIGHTS, SEEDS, {**GIVEN, "steps": n})[0]) for n in (20, 21))
    assert not first & second
    assert all(key.startswith("9.") for key in first | second)


def test_weights_that_are_nearly_one_keep_their_nodes():
    close = (0.3, 0.30000001, 0.30000002)
    graph, _ = lay_out("", close, SEEDS, GIVEN)
    assert len(of_type(graph, "LoupeApplyIdentity")) == 3
    (inputs,) = of_type(graph, "LoupeCalibrationCurve").values()
    assert sorted({float(one) for one in inputs["weights"].split(",")}) == list(close)


def test_the_settings_in_words():
    assert settings_words(GIVEN).startswith(
        "20 steps, cfg 7, euler, normal, denoise 0.9; identity from 0.1 to 0.9"
    )


def test_comfyui_reads_it_as_its_own_builder_would_write_it(laid):
    utils = pytest.importorskip("comfy_execution.graph_utils")
    graph, outputs = laid
    builder = utils.GraphBuilder(prefix="")
    for key, node in graph.items():
        builder.node(node["class_type"], key, **node["inputs"])
    assert builder.finalize() == graph
    assert all(utils.is_link(link) for link in outputs)
    texts = [
        value for node in graph.values() for value in node["inputs"].values() if not is_link(value)
    ]
    assert not any(utils.is_link(value) for value in texts)
