"""Which output nodes run a cast's generators past its lock."""

import pytest

from portrait_loupe.nodes.casting import hanging
from portrait_loupe.nodes.casting.hanging import hanging_on

OUTPUTS = {"PreviewImage", "SaveImage", "PreviewAny", "LoupeCastLock"}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def graph(**more):
    """A brief, two generators with a model, their sheet, the lock, and a save behind it."""
    return {
        "1": node("LoupeCastBrief", prompt="a", base_seed=3),
        "2": node("CheckpointLoaderSimple", ckpt_name="x"),
        "3": node("KSampler", model=["2", 0], seed=["1", 2]),
        "4": node("VAEDecode", samples=["3", 0], vae=["2", 2]),
        "5": node("RecraftTextToImageNode", prompt=["1", 0], seed=1),
        "6": node("LoupeCastSheet", **{"takes.take0": ["4", 0], "takes.take1": ["5", 0], "seeds": ["1", 2]}),
        "7": node("LoupeCastLock", cast=["6", 0], cast_name="a", mode="ask", lock=""),
        "8": node("SaveImage", images=["7", 0]),
        **more,
    }  # fmt: skip


def found(prompt):
    return hanging_on(prompt, "7", OUTPUTS.__contains__)


def test_what_lies_behind_the_lock_hangs_on_it_alone():
    assert found(graph()) == []


@pytest.mark.parametrize("source", ["4", "5", "6"], ids=["decoder", "provider", "contact sheet"])
def test_a_preview_above_the_lock_is_named(source):
    assert found(graph(p=node("PreviewImage", images=[source, 1]))) == ["PreviewImage (p)"]


def test_a_preview_through_other_nodes_is_named():
    more = {"s": node("ImageScale", image=["5", 0]), "p": node("PreviewImage", images=["s", 0])}
    assert found(graph(**more)) == ["PreviewImage (p)"]


def test_what_generators_share_with_others_makes_no_picture():
    more = {
        "p": node("PreviewAny", source=["1", 6]),
        "k": node("KSampler", model=["2", 0], seed=5),
        "d": node("VAEDecode", samples=["k", 0], vae=["2", 2]),
        "q": node("SaveImage", images=["d", 0]),
    }
    assert found(graph(**more)) == []


def test_a_generator_without_a_seed_is_known_by_its_place():
    prompt = graph(p=node("PreviewImage", images=["5", 0]))
    del prompt["5"]["inputs"]["seed"]
    assert found(prompt) == ["PreviewImage (p)"]


def test_a_take_from_a_file_costs_nothing():
    prompt = graph(p=node("PreviewImage", images=["5", 0]))
    prompt["5"] = node("LoadImage", image="a.png")
    assert found(prompt) == []


def test_a_second_lock_on_the_same_cast_counts_while_it_is_open():
    other = node("LoupeCastLock", cast=["6", 0], cast_name="b", mode="ask", lock="")
    assert found(graph(z=other)) == ["LoupeCastLock (z)"]
    other["inputs"]["lock"] = "ab" * 32
    assert found(graph(z=other)) == []


def test_an_output_node_between_generator_and_lock_is_named():
    prompt = graph()
    prompt["5"]["class_type"] = "SaveImage"
    assert found(prompt) == ["SaveImage (5)"]


@pytest.mark.parametrize(
    "prompt",
    [None, {}, [], {"7": {}}, {"7": {"inputs": []}}, {"7": node("LoupeCastLock")},
     {"7": node("LoupeCastLock", cast=["9", 0])}, {"7": node("LoupeCastLock", cast=["7", 0])},
     {"7": node("LoupeCastLock", cast=["6", 0]), "6": node("A", x=["5", 0]), "5": node("B", y=["6", 0])}],
    ids=str,
)  # fmt: skip
def test_a_strange_graph_has_none(prompt):
    assert found(prompt) == []


def test_a_graph_of_thousands_of_nodes_is_looked_at_once(monkeypatch):
    """Each node's links are read a few times at most, however many outputs there are."""
    graph = {"g": {"class_type": "Maker", "inputs": {"seed": 1}}, "s": {"class_type": "LoupeCastSheet", "inputs": {"takes.take0": ["g", 0]}},
             "l": {"class_type": "LoupeCastLock", "inputs": {"cast": ["s", 0]}}}  # fmt: skip
    before = "g"
    for number in range(2000):
        graph[f"n{number}"] = {"class_type": "PreviewImage", "inputs": {"images": [before, 0]}}
        before = f"n{number}"
    read = []
    real = hanging._needs
    monkeypatch.setattr(hanging, "_needs", lambda *given: read.append(1) or real(*given))
    found = hanging.hanging_on(graph, "l", lambda kind: kind == "PreviewImage")
    assert len(found) == 2000
    assert len(read) < 5 * len(graph)
