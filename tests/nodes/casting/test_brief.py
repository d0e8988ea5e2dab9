"""The brief: seeds, sizes, and suggestions in words."""

from itertools import product
from math import log

import pytest

from portrait_loupe.nodes.casting.brief import (
    ASPECTS,
    MEGAPIXEL,
    MOST_SEED,
    plan_brief,
    seeds_of,
    size_of,
)
from portrait_loupe.nodes.casting.routing import NEEDS, Routing, own_routing


def brief(prompt="a portrait", negative="", **settings):
    return plan_brief(prompt, negative, own_routing(), **settings)


def test_take_i_has_the_base_seed_and_i():
    assert seeds_of(7, 4) == (7, 8, 9, 10)
    assert seeds_of(MOST_SEED, 16)[-1] == 2**64 - 1  # the largest that KSampler takes


@pytest.mark.parametrize(("base", "takes"), [(0, 0), (0, 17), (-1, 4), (MOST_SEED + 1, 1)])
def test_impossible_seeds_are_refused(base, takes):
    with pytest.raises(ValueError, match="must be from"):
        seeds_of(base, takes)


def test_sizes_that_are_known():
    assert size_of("1:1", 1.0, 64) == (1024, 1024)
    assert size_of("9:16", 1.0, 64) == (768, 1344)  # as SDXL was trained
    assert size_of("16:9", 3840 * 2160 / MEGAPIXEL, 8) == (3840, 2160)


@pytest.mark.parametrize(
    ("aspect", "megapixels", "multiple"), list(product(ASPECTS, (0.25, 1.0, 4.2), (8, 16, 64)))
)
def test_no_size_of_such_multiples_is_nearer(aspect, megapixels, multiple):
    width, height = size_of(aspect, megapixels, multiple)
    across, down = ASPECTS[aspect]
    assert width % multiple == 0 == height % multiple

    def wrong(w, h):
        shape = abs(log(w / h / (across / down)))
        return shape + abs(log(w * h / (megapixels * MEGAPIXEL))) / 2

    mine = wrong(width, height)
    for w in range(max(multiple, width - 2 * multiple), width + 3 * multiple, multiple):
        for h in range(max(multiple, height - 2 * multiple), height + 3 * multiple, multiple):
            assert wrong(w, h) >= mine - 1e-12, (w, h)


def test_an_aspect_turned_turns_the_size():
    for aspect in ("4:5", "3:4", "2:3", "9:16"):
        across, down = aspect.split(":")
        assert size_of(f"{down}:{across}", 1.0, 64) == size_of(aspect, 1.0, 64)[::-1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("5:7", 1.0, 64), "aspect must be one of 1:1"),
        (("1:1", 0.0, 64), "megapixels must be above 0"),
        (("1:1", float("nan"), 64), "megapixels must be above 0"),
        (("1:1", 1.0, 0), "multiple_of must be at least 1"),
        (("9:16", 99.0, 64), "do not fit"),
        (("1:1", 0.001, 8), "do not fit"),
    ],
)
def test_sizes_that_cannot_be_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        size_of(*given)


def test_the_report_tells_the_size_that_came_out():
    lines = brief(aspect="4:5").report.splitlines()
    assert any(
        "896x1152 px" in line and "0.778" in line and "2.8 % narrower" in line for line in lines
    )
    exact = brief(aspect="1:1").report
    assert "1024x1024 px, multiples of 64; 1:1; 1.00 megapixels of 1" in exact
    assert "wider" in brief(aspect="5:4").report


def test_the_report_warns_of_paying_for_seeds_times_pictures():
    report = brief(takes=4, base_seed=3).report
    assert "seeds 3 to 6" in report
    assert "runs 4 times" in report
    assert "4 seeds x 4 pictures are 16" in report
    assert "1 take a model, seed 3." in brief(takes=1, base_seed=3).report
    assert "2147483647" not in report
    assert "2147483647" in brief(base_seed=2**31 - 2).report


@pytest.mark.parametrize("need", NEEDS)
def test_every_need_gets_its_hints_in_their_order_as_suggestions(need):
    report = brief(need=need).report
    assert f"Need: {need}." in report
    assert "Nothing is chosen by them" in report
    hints = own_routing().needs[need]
    places = [report.index(f"\n{number}. {hint.model}: {hint.reason}") for number, hint in enumerate(hints, 1)]  # fmt: skip
    assert places == sorted(places)


def test_models_without_seeds_or_a_negative_prompt_are_named():
    plain = brief(need="balanced").report
    assert "No seeds: Recraft V4, GPT Image 2." in plain
    assert "Seeds by best effort: Nano Banana Pro." in plain
    assert "No negative prompt" not in plain
    said = brief(negative="smooth skin", need="balanced").report
    assert "No negative prompt: Recraft V4, GPT Image 2, Nano Banana Pro." in said


def test_the_prompt_passes_unchanged_and_an_empty_one_is_not_paid_for():
    made = brief(" Marta,\n48 ", " plastic ")
    assert (made.prompt, made.negative) == (" Marta,\n48 ", " plastic ")
    with pytest.raises(ValueError, match="prompt must say what to show"):
        brief("  \n ")


def test_remarks_on_files_reach_the_report_and_no_hints_are_said_to_be_none():
    routing = Routing({}, {}, ("mine.json is not JSON",))
    report = plan_brief("x", "", routing).report
    assert "No model is suggested for it." in report
    assert report.endswith("mine.json is not JSON")
    with pytest.raises(ValueError, match="need must be one of"):
        plan_brief("x", "", routing, need="speed")
