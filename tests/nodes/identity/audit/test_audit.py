"""The audit as a whole: what it adds up, what it says, and what it does not know."""

import json
from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import OVAL, Face, Faces
from portrait_loupe.nodes.framing.plan import plan_crops
from portrait_loupe.nodes.identity.audit.audit import Asked, audit, report
from portrait_loupe.nodes.identity.audit.terms import Lexicon, own_terms
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

OWN = Lexicon(tuple(own_terms().values()))
HOPPER = Face(((223.0, 193.5), (305.0, 189.5)))
HOPPERS = Faces((512, 600), ((HOPPER,),), "typed eyes")


def run(
    prompt="",
    *,
    image=None,
    faces=None,
    crop_plan=None,
    identity=None,
    terms="",
    lexicon=OWN,
    **asked,
):
    return audit(
        Asked(prompt, **asked), image=image, faces=faces, crop_plan=crop_plan, identity=identity,
        terms=terms, lexicon=lexicon,
    )  # fmt: skip


def person(count=4, quality=0.6, yaws=None, encoders=("w600k_r50", "glintr100")):
    yaws = yaws or [0.0] * count
    references = tuple(
        Reference(
            quality=quality, parts={}, photo_sha256="", eyes=HOPPER.eyes, points=HOPPER.eyes,
            image_size=(512, 600), iod_px=82.0, yaw_deg=yaw, pitch_deg=0.0, blur_px=0.5,
            median_luma=0.3,
        )
        for yaw in yaws
    )  # fmt: skip
    rows = np.random.default_rng(1).normal(size=512) + np.zeros((count, 1))
    embedded = tuple(Embedded(e, "0" * 64, "", rows.astype(np.float32)) for e in encoders)
    return Identity("Grace", references, embedded)


def factors(found, name):
    return [one for one in found.factors if one.name == name]


def test_the_risk_is_what_the_factors_leave():
    found = run("(anime:1.3), mask", shot="full", distance_m=0.4)
    assert len(found.factors) == 4
    assert found.risk == pytest.approx(100 * (1 - prod(1 - one.risk for one in found.factors)))
    risks = [one.risk for one in found.factors]
    assert risks == sorted(risks, reverse=True)


def test_what_two_causes_advise_alike_is_said_once_and_trifles_not_at_all():
    found = run("anime, manga, (sepia:0.01)")
    told = report(found)
    assert told.count("drawn faces follow") == 1
    assert "'manga'" in told
    assert "sepia" not in told
    assert len(found.factors) == 3


def test_the_report_names_the_worst_first_with_what_to_change():
    found = run("(anime:1.3)", shot="half body")
    lines = report(found).splitlines()
    assert lines[0].startswith(f"risk {found.risk:.0f} of 100")
    assert "not calibrated" in lines[0]
    assert "'anime', said 1.3 times as strongly: drawn faces" in lines[1]
    assert "px tall" in lines[2]
    assert lines[-1].startswith("not looked at: ")


# --- never a lower risk ---


def rising(values):
    return values == sorted(values)


def test_a_smaller_face_never_lowers_the_risk(hopper):
    sides = (2048, 1024, 512, 256, 128, 64)
    assert rising([run(image=hopper, faces=HOPPERS, size=(s, s)).risk for s in sides])
    shots = ("CU close-up", "headshot", "MCU chest", "half body", "cowboy", "full")
    for more in ({}, {"distance_m": 0.5}, {"prompt": "full body, anime"}):
        assert rising([run(shot=shot, **more).risk for shot in shots])


def test_stronger_emphasis_never_lowers_the_risk():
    prompts = [f"(anime:{e}), mask, manga, full body" for e in (0, 0.5, 1, 1.2, 2)]
    assert rising([run(p, shot="full").risk for p in prompts])


def test_more_backlight_never_lowers_the_risk():
    y, x = np.mgrid[:400, :400] + 0.5
    head = torch.from_numpy(np.hypot(x - 200, y - 200) <= 80)
    face = Faces((400, 400), ((Face(((180.0, 200.0), (220.0, 200.0))),),), "typed eyes")
    risks = []
    for ground in (0.1, 0.3, 0.5, 0.7, 1.0):
        image = torch.full((1, 400, 400, 3), ground)
        image[0][head] = 0.4
        risks.append(run(image=image, faces=face).risk)
    assert rising(risks)
    assert risks[-1] > risks[0] + 0.1  # a flat face has lost most already


def test_a_nearer_camera_never_lowers_the_risk():
    assert rising([run(distance_m=d).risk for d in (5, 1, 0.83, 0.5, 0.2)])
    assert rising([run(shot="headshot", focal_mm=f).risk for f in (135, 85, 50, 35, 24, 14)])


@pytest.mark.parametrize(
    "more",
    [{"prompt": "anime"}, {"shot": "full"}, {"distance_m": 0.3}, {"identity": person(1)}, {"terms": '{"style": ["anime"]}'}],
    ids=["prompt", "shot", "distance", "identity", "terms"],
)  # fmt: skip
def test_what_is_unknown_adds_nothing(more):
    alone = run(**more).risk
    assert 0 < alone < 100
    assert run(prompt=more.get("prompt", "portrait"), **{k: v for k, v in more.items() if k != "prompt"}).risk == alone  # fmt: skip


# --- what is said ---


def test_nothing_to_audit_says_what_to_give():
    found = run()
    assert found.risk == 0
    assert not found.second.needed
    assert report(found).startswith("nothing to audit: write a prompt")


def test_all_that_was_not_looked_at_is_listed():
    told = report(run("portrait"))
    for missing in ("size of the face", "perspective", "light, pose", "reference photos"):
        assert missing in told
    assert "the prompt: it is empty" in report(run(shot="full"))
    assert "no face in it" in report(run("x", faces=Faces((9, 9), ((),), "x")))
    assert "too little around the head" in report(
        run(image=torch.rand(1, 300, 300, 3), faces=Faces((300, 300), ((Face(((90.0, 150.0), (210.0, 150.0))),),), "x"))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shot", "words"), [("full", "Identity Drift cannot tell"), ("half body", "")]
)
def test_the_meters_own_limit_is_said(shot, words):
    """92 px of face, and 220."""
    told = report(run(shot=shot))
    assert ("Identity Drift" in told) is bool(words)


def test_the_only_cure_and_its_plan(hopper):
    found = run(image=hopper, faces=HOPPERS, size=(160, 192))
    assert found.planned.face_px == pytest.approx(69.8, abs=0.1)  # 220.9 px in 512 x 600
    assert "second pass: recommended" in report(found)
    found = run(image=hopper, faces=HOPPERS, size=(128, 128))
    assert "second pass: the only cure" in report(found)
    assert found.second.plan == plan_crops(HOPPERS, "CU close-up", "SDXL")


def test_a_24_mm_headshot_is_warned_of():
    found = run(shot="headshot", focal_mm=24.0)
    (one,) = factors(found, "magnification")
    assert found.perspective.close
    assert "step back" in one.advice
    assert "estimate" in report(found)
    assert factors(run(shot="headshot", focal_mm=85.0), "magnification")[0].advice == ""


def test_the_lens_is_that_of_the_picture_not_of_the_crop(hopper):
    plan = plan_crops(HOPPERS, "CU close-up", "SDXL")
    whole = run(faces=HOPPERS, focal_mm=50.0).perspective
    assert run(crop_plan=plan, focal_mm=50.0).perspective.distance_m == whole.distance_m
    assert run(crop_plan=plan, faces=HOPPERS, focal_mm=50.0).perspective == whole


def test_focal_length_and_distance_that_contradict_are_said():
    assert "contradict" in report(run(shot="headshot", focal_mm=24.0, distance_m=3.0))


def test_several_faces_are_named_below_the_limits():
    small = Face(((20.0, 20.0), (40.0, 20.0)))  # 100 px of face in 1024 x 1024
    found = run(faces=Faces((512, 600), ((HOPPER, small),), "x"))
    told = report(found)
    assert "2 faces" in told
    assert "mask per face" in told
    assert "1 further face below 128 px" in told


def test_the_planned_age_decides_what_contradicts_it():
    assert not run("an old woman", terms='{"age": 72}').hits
    assert run("an old woman", terms='{"age": 30}').hits
    assert "whether the age in the prompt (25)" in report(run("25 year old"))
    assert "whether the age" not in report(run("25 year old", terms='{"age": 26}'))


def test_the_prompt_of_another_node_counts_once():
    once = run("anime")
    both = run("anime", terms='{"style": ["anime"], "shot": "full"}')
    assert [hit.term.text for hit in both.hits] == ["anime"]
    assert both.planned.source == "the shot full"
    assert factors(both, "style")[0].risk == factors(once, "style")[0].risk


def test_models_that_are_not_told_of_emphasis():
    loud, plain = run("(anime:1.5)", model="Qwen-Image"), run("anime", model="Qwen-Image")
    assert loud.risk == plain.risk
    assert "does not pass emphasis on to Qwen-Image" in report(loud)
    assert "emphasis" not in report(plain)
    assert run("(anime:1.5)", model="Flux").risk > run("anime", model="Flux").risk


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cfg": 9.0}, "cfg 9 is above 8"),
        ({"cfg": 5.0, "model": "Flux"}, "guidance 5 is above 4"),
        ({"cfg": 8.0}, ""),
        ({"cfg": 4.0, "model": "Flux"}, ""),
        ({"cfg": 50.0, "model": "Z-Image"}, ""),
    ],
)
def test_cfg_gets_a_note_and_no_number(asked, words):
    told = report(run("anime", **asked))
    assert words in told
    assert bool(words) is ("try less" in told)
    assert run("anime", **asked).risk == run("anime", **{**asked, "cfg": 0.0}).risk


def test_denoise_is_looked_at_where_a_picture_is_edited(hopper):
    def told(denoise, image):
        return report(run("x", image=image, faces=HOPPERS, denoise=denoise))

    assert "keeps the identity of the picture" in told(0.3, hopper)
    assert "identity of the linked picture are lost" in told(0.8, hopper)
    assert "denoise" not in told(0.5, hopper)
    assert "denoise" not in told(0.3, None)


# --- the reference ---


def test_more_and_better_photos_lower_the_risk():
    assert rising([run(identity=person(n)).risk for n in (8, 4, 2, 1)])
    assert rising([run(identity=person(4, q)).risk for q in (0.9, 0.5, 0.2, 0.05)])
    spreads = [run(identity=person(2, yaws=[0, y])).risk for y in (60.0, 30.0, 10.0, 1.0)]
    assert rising(spreads)
    alike = factors(run(identity=person(2)), "reference_spread_deg")[0]
    assert alike.risk == pytest.approx(0.06)
    apart = factors(run(identity=person(2, yaws=[-10.0, 20.0])), "reference_spread_deg")[0]
    assert (apart.value, apart.risk) == (30.0, pytest.approx(0.015))


def test_a_profile_without_encoder_or_with_one_is_told():
    none = run(identity=person(encoders=()))
    assert factors(none, "encoders")
    one = run(identity=person(encoders=("glintr100",)))
    assert not factors(one, "encoders")
    assert "embedded with glintr100 alone" in report(one)
    assert "alone" not in report(run(identity=person()))


def test_rejected_photos_do_not_count():
    full = person(3)
    away = tuple(replace(one, forced=False) for one in full.references[1:])
    part = Identity("Grace", (*full.references[:1], *away))
    assert factors(run(identity=part), "reference_photos")[0].value == 1


# --- refusals ---


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"size": (10, 1024)}, "width"), ({"size": (1024, 99999)}, "height"), ({"cfg": -1.0}, "cfg"),
        ({"denoise": 1.5}, "denoise"), ({"denoise": float("nan")}, "denoise"), ({"focal_mm": -5.0}, "focal_mm"),
        ({"distance_m": float("nan")}, "distance_m"), ({"shot": "selfie"}, "shot"), ({"model": "SD9"}, "model"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_named(asked, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        run("x", **asked)


def test_links_from_elsewhere_are_refused_by_name(hopper):
    with pytest.raises(ValueError, match="Link both to the same image"):
        run(image=hopper[:, :100], faces=HOPPERS)
    for name, word in (("faces", "faces"), ("crop_plan", "plan"), ("identity", "identity")):
        with pytest.raises(ValueError, match=f"^{word} must come from"):
            run(**{name: "x"})


def test_damaged_terms_stop_no_audit():
    found = run("anime", terms="{")
    assert found.risk == run("anime").risk
    assert "terms is not the JSON of Close-Up Prompt" in report(found)


def test_remarks_of_the_lexicon_are_told():
    lexicon = Lexicon(OWN.terms, ("mine.json is not JSON. The file is left out",))
    assert "mine.json is not JSON" in report(run("x", lexicon=lexicon))


@pytest.mark.parametrize("iod", [1e-9, 0.5, 40.0, 1e7])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_picture_and_no_face_gives_nan(iod, value):
    face = Face(((100.0 - iod / 2, 100.0), (100.0 + iod / 2, 100.0)))
    found = run(
        "(anime:1e308), (mask:-1e308), (beard:nan)", image=torch.full((1, 200, 200, 3), value),
        faces=Faces((200, 200), ((face,),), "x"), focal_mm=50.0,
    )  # fmt: skip
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert 0 <= plain["risk"] <= 100
    assert plain["face_px"] == pytest.approx(iod * OVAL[1] * 5.12, abs=0.01, rel=1e-6)
    assert report(found)


def test_the_json_gives_every_figure_of_the_report():
    found = run("(anime:1.3)", shot="full", distance_m=0.5)
    plain = found.as_json()
    assert plain["calibrated"] is False
    assert {one["name"] for one in plain["factors"]} == {"style", "face_px", "magnification"}
    assert plain["terms"][0]["emphasis"] == 1.3
    assert plain["perspective"] == {"distance_m": 0.5, "estimated": False, "magnification": 1.2}
    assert plain["second_pass"] is True
    assert plain["crop_plan"] is None
    assert plain["backlight_stops"] is None
