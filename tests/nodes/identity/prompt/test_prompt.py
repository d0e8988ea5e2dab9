import re
from itertools import product

import pytest

from portrait_loupe.nodes.framing.regions import SHOTS
from portrait_loupe.nodes.identity.audit import terms as audit_terms
from portrait_loupe.nodes.identity.audit.emphasis import Segment, read_emphasis
from portrait_loupe.nodes.identity.audit.wording import find_terms
from portrait_loupe.nodes.identity.prompt.phrases import FIELDS, FROM_PRESET, NOT_SAID, number_form
from portrait_loupe.nodes.identity.prompt.prompt import FORMATS, build_prompts, content_words
from portrait_loupe.nodes.identity.prompt.read_phrases import shipped
from portrait_loupe.nodes.identity.prompt.setting import typed_ages

PHRASES = shipped()
PRESETS = list(PHRASES.presets)
REGIONS = list(PHRASES.fields["region"].options)
OPTIONS = [(field, name) for field in FIELDS for name in PHRASES.fields[field].options]


def build(preset="blank", **settings):
    fields = {name: settings.pop(name) for name in list(settings) if name in FIELDS}
    return build_prompts(PHRASES, preset=preset, fields=fields, **settings)


def one(preset="blank", **settings):
    (item,) = build(preset, **settings).items
    return item


def blemishes(prompt, format):
    """What no prompt may hold, however it was put together."""
    found = re.findall(
        r"\b(\w+) \1\b|(,\s*,|\.\s*\.(?!\d)|\s\s|\s[,.]|[,.][a-z]|^\W(?<!\()|with and|and and|, and )",
        prompt,
    )
    found += re.findall(r"[{}\[\]|]|\bNone\b|\(\)|:\)", prompt)
    if format == "tags":
        plain = re.sub(r"[()]|:1\.\d+(?=\))", "", prompt)
        tags = plain.split(", ")
        found += [tag for tag in tags if tags.count(tag) > 1 or not tag.strip()]
        found += [] if prompt.count("(") == prompt.count(")") else ["("]
    else:
        sentences = re.split(r"(?<=[a-z0-9])\. ", prompt)
        found += [text for text in sentences if not text[0].isupper()]
        found += [] if prompt.endswith(".") else ["no point at the end"]
    return found  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_reads_well_in_every_region_at_every_age(preset, format):
    for region, age in product(REGIONS, (0, 34, 46, 55, 66, 74, 90)):
        prompt = one(preset, region=region, format=format, age=age).prompt
        assert blemishes(prompt, format) == [], prompt
        assert one(preset, region=region, format=format, age=age).prompt == prompt


@pytest.mark.parametrize("format", FORMATS)
def test_every_option_reads_well_in_every_region(format):
    for (field, name), region in product(OPTIONS, REGIONS):
        settings = {"lens": "100 mm macro", "region": region, field: name}
        prompt = one(**settings, format=format).prompt
        assert blemishes(prompt, format) == [], prompt


@pytest.mark.parametrize(
    "bad", ["Skin skin with", "A b,, c.", "A {x}.", "A with and b.", "A b , c.", "a b."]
)
def test_a_prompt_that_reads_badly_is_noticed(bad):
    assert blemishes(bad.replace("Skin skin", "Skin with with"), "sentences")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("field", "name"), [each for each in OPTIONS if each[0] != "region"])
def test_words_of_an_option_stand_exactly_where_the_region_shows_their_part(field, name, format):
    option = PHRASES.fields[field].options[name]
    for region in PHRASES.fields["region"].options.values():
        prompt = one(**{"region": region.name, field: name}, format=format).prompt.casefold()
        for alternatives in option.words:
            (piece,) = alternatives
            text = number_form(piece.say if format == "sentences" else piece.tag, region.one_eye)
            if not text:  # tags leave it away
                continue
            shown = piece.part in region.parts | {"skin"}
            assert (text.casefold() in prompt) == shown, (region.name, text)


def test_lips_say_nothing_of_eyes():
    item = one("eyes editorial", region="lips")
    assert not {"iris", "irise", "lashe", "brow", "catchlight", "eye"} & content_words(item.prompt)
    assert set(item.left_out) >= {"iris", "lashes", "brows"}
    assert not any("left out" in text for text in item.conflicts)  # the preset's, not asked for


def test_what_was_asked_for_and_is_not_seen_is_said_with_where_it_would_be():
    item = one("lip colour", iris="green", background="white")
    assert "green" not in item.prompt
    asked, around = item.conflicts
    assert asked == (
        "iris 'green' is left out: region 'lips' does not show it. Change: region 'eyes' or 'one eye' "
        "or 'face' or 'face and hair'."
    )
    assert around.endswith("region 'face and hair'.")


def test_the_background_is_absent_unless_the_region_shows_one():
    for preset, format in product(PRESETS, FORMATS):
        item = one(preset, format=format)
        assert "background" not in item.prompt
        assert {"background", "bokeh"} <= set(item.negative.split(", "))
    assert "the frame is filled; no word of it" in build("natural window").report
    seen = one("party flash", background="grey")
    assert "mid-grey studio background" in seen.prompt
    assert "background" not in seen.negative


def test_sunglasses_hide_the_eyes_and_are_told_to_the_audit():
    item = one("natural window", region="eyes", glasses="sunglasses", iris="hazel")
    assert not {"hazel", "iris", "irise", "lashe", "catchlight"} & content_words(item.prompt)
    assert "of the eye area of a person" in item.prompt
    assert item.terms["occlusion"] == ["sunglasses"]
    assert (
        "iris 'hazel' is left out: glasses 'sunglasses' hides it. Change: glasses."
        in item.conflicts
    )
    assert "critical focus on the brows" in item.prompt
    assert one(region="lips", glasses="sunglasses").terms["occlusion"] == []


def test_closed_eyes_have_no_catchlight_and_are_sharp_at_the_lashes():
    item = one("natural window", iris="eyes closed")
    assert "catchlight" not in item.prompt
    assert "focus on the lashes" in item.prompt
    assert item.terms["occlusion"] == ["closed eyes"]


def test_one_eye_is_spoken_of_as_one():
    assert "critical focus on the iris." in one("iris macro").prompt
    assert "critical focus on the irises." in one("iris macro", region="eyes").prompt


def test_fields_by_hand_win_and_the_others_are_the_presets():
    item, preset = one("golden freckles", light="ring light"), one("golden freckles")
    assert "ring light" in item.prompt
    assert "golden-hour" not in item.prompt
    assert "golden-hour" in preset.prompt
    assert "freckles" in item.prompt
    assert one("golden freckles", light=FROM_PRESET) == preset
    report = build("golden freckles", light="ring light", iris=NOT_SAID).report
    assert "  light: ring light [hand]" in report
    assert "  iris: not said [hand]" in report
    assert "  palette: warm earth [preset]" in report


def test_a_field_that_is_not_said_leaves_no_trace():
    full = one("natural window").prompt
    less = one("natural window", light=NOT_SAID, skin_detail=NOT_SAID, make_up=NOT_SAID).prompt
    assert "light" not in less
    assert "kin" not in less
    assert len(less) < len(full)


def test_an_age_is_the_presets_or_by_hand_or_not_said():
    assert "aged 74" in one("weathered monochrome").prompt
    assert "aged 50" in one("weathered monochrome", age=50).prompt
    assert "aged" not in one("weathered monochrome", age=-1).prompt
    assert one("weathered monochrome", age=-1).terms["age"] is None
    for age in (-2, 101):
        with pytest.raises(ValueError, match=r"age must be 1 to 100"):
            one(age=age)


def test_the_subject_is_as_typed_and_a_person_without_one():
    assert "of a person, cropped" in one().prompt
    assert "of ohwx man, cropped" in one(subject="  ohwx   man,\n").prompt
    assert (
        ", (ohwx:1.1) man, 40 years old, "
        in one(subject="(ohwx:1.1) man", age=40, format="tags").prompt
    )
    assert "of a {odd} [one|two] person," in one(subject="a {odd} [one|two] person").prompt


def test_extra_stands_at_the_end_as_it_was_typed():
    extra = "a (tiny scar:1.2) on the (chin)"
    assert one("natural window", extra=f" {extra}\n").prompt.endswith(f" irises. {extra}")
    assert one("natural window", extra=extra, format="tags").prompt.endswith(f" irises, {extra}")
    assert one(extra=", scar", format="tags").prompt.endswith("to chin, scar")
    assert "as you typed them" in build(extra=extra, format="tags").report


def test_the_emphasis_of_tags_is_read_by_comfyui_as_it_is_meant():
    for preset in PRESETS:
        segments = read_emphasis(one(preset, format="tags").prompt)
        assert all(1 <= each.emphasis <= 1.2 for each in segments)
        assert segments[0].emphasis > 1  # the shot
        assert not any(set(each.text) & set("():") for each in segments)
        assert "(" not in one(preset).prompt


@pytest.mark.parametrize("format", FORMATS)
def test_no_word_of_a_negative_is_asked_for(format):
    made = [
        one(preset, region=region, format=format) for preset, region in product(PRESETS, REGIONS)
    ]
    made += [
        one(**{field: name, "region": region}, format=format)
        for (field, name), region in product(OPTIONS, REGIONS)
        if field != "region"
    ]
    for item in made:
        assert not content_words(item.negative) & content_words(item.prompt), item
        assert len(item.negative.split(", ")) >= 8
        assert item.negative.split(", ") == list(dict.fromkeys(item.negative.split(", ")))  # fmt: skip


def test_a_negative_gives_way_to_what_was_typed_and_knows_the_format():
    assert "watermark" in one().negative
    assert "watermark" not in one(extra="a watermark").negative
    assert "watermark" not in one(subject="a man with Watermarks").negative
    assert "worst quality" in one(format="tags").negative
    assert "quality" not in one(format="sentences").negative
    assert "teeth" in one("lip colour").negative
    assert "cross-eyed" not in one("lip colour").negative


def test_the_terms_for_the_audit_agree_with_the_prompt():
    for preset, region in product(PRESETS, REGIONS):
        item = one(preset, region=region)
        terms = item.terms
        assert list(terms) == [
            "shot",
            "style",
            "conflict",
            "occlusion",
            "age",
            "skin_type",
            "make_up",
            "light",
        ]
        assert terms["shot"] in ("", *SHOTS)
        assert (terms["age"] is not None) == ("aged" in item.prompt)
        for name in ("skin_type", "make_up", "light"):
            expected = PHRASES.presets[preset].fields[name]
            words = (
                [
                    piece.say
                    for each in PHRASES.fields[name].options[expected].words
                    for piece in each
                ]
                if expected != NOT_SAID
                else []
            )
            said = any(text.casefold() in item.prompt.casefold() for text in words)
            assert terms[name] == (expected if said else None)  # fmt: skip


def found_by_the_audit(item):
    """The audit's own style, conflict and occlusion terms that it finds in a prompt."""
    lexicon = audit_terms.Lexicon(tuple(audit_terms.own_terms().values()))
    hits = find_terms(read_emphasis(item.prompt), lexicon, age=item.terms["age"])
    return {hit.term.text for hit in hits if hit.term.kind != audit_terms.SCENE}


@pytest.mark.parametrize("format", FORMATS)
def test_the_audit_finds_nothing_in_a_prompt_that_was_not_declared(format):
    lexicon = audit_terms.Lexicon(tuple(audit_terms.own_terms().values()))
    made = [
        one(preset, format=format, age=age) for preset, age in product(PRESETS, (0, 25, 45, 74))
    ]
    made += [one(**{field: name}, format=format) for field, name in OPTIONS]
    for item in made:
        declared = [*item.terms["style"], *item.terms["conflict"], *item.terms["occlusion"]]
        known = {
            h.term.text for text in declared for h in find_terms([Segment(text, 1.0)], lexicon)
        }
        assert found_by_the_audit(item) <= known, item.prompt
    assert found_by_the_audit(one(extra="anime, closed eyes")) >= {"anime"}  # it does look


def test_what_is_declared_is_known_to_the_audit():
    lexicon = audit_terms.Lexicon(tuple(audit_terms.own_terms().values()))
    for field in PHRASES.fields.values():
        for option in field.options.values():
            for kind in ("style", "conflict", "occlusion"):
                for text in getattr(option, kind):
                    hits = find_terms([Segment(text, 1.0)], lexicon)
                    assert [hit.term.kind for hit in hits] == [kind], text


# conflicts


def test_no_preset_fights_itself():
    for preset in PRESETS:
        assert one(preset).conflicts == (), preset


@pytest.mark.parametrize("rule", PHRASES.rules, ids=lambda rule: rule.name)
def test_every_rule_speaks_when_its_conditions_hold_and_only_then(rule):
    settings = {name: options[0] for name, options in rule.when.items()}
    settings["extra"] = f"with {rule.typed[0]}" if rule.typed else ""
    settings["age"] = max(rule.ages[0], 18) if rule.ages else 0
    (text,) = [t for t in one(**settings).conflicts if rule.say in t]
    assert text.endswith(f": {rule.say}. Change: {rule.change}.")
    for name in rule.when:
        if name != "region":
            other = {**settings, name: NOT_SAID}
            assert not any(rule.say in t for t in one(**other).conflicts), name
    if rule.typed:
        for quiet in (f"no {rule.typed[0]}", f"without any {rule.typed[0]}", f"x{rule.typed[0]}"):
            assert not any(rule.say in t for t in one(**{**settings, "extra": quiet}).conflicts)
    if rule.ages:
        assert not any(rule.say in t for t in one(**{**settings, "age": 50}).conflicts)
    if rule.shows:
        assert not any(rule.say in t for t in one(**{**settings, "region": "cheek"}).conflicts)


def test_the_way_out_of_a_rule_leads_out():
    item = one(make_up="heavy foundation", skin_detail="visible pores")
    assert "skin_detail 'matte'" in item.conflicts[0]
    assert one(make_up="heavy foundation", skin_detail="matte").conflicts == ()


def test_two_ages_are_noticed():
    assert "age 40 with 'aged 30'" in one(age=40, subject="a man aged 30").conflicts[0]
    assert one(age=40, subject="a 40-year-old man").conflicts == ()
    assert one(subject="a man aged 30").conflicts == ()


# children


@pytest.mark.parametrize(
    "preset", [name for name, each in PHRASES.presets.items() if not each.adult and name != "blank"]
)
def test_a_child_is_shown_as_it_is(preset):
    for region in ("face", "eyes"):
        item = one(preset, age=8, region=region)
        assert item.terms["make_up"] == "none"
        assert item.terms["age"] == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"age": 17, "region": "lips"}, "region 'eyes' or 'face', not 'lips'"),
        ({"age": 17, "region": "face and hair"}, "not 'face and hair'"),
        ({"age": 5, "make_up": "skin tint"}, "make_up 'none', not 'skin tint'"),
        ({"age": 5, "make_up": NOT_SAID}, "make_up 'none'"),
        ({"age": 5, "lashes": "false lashes"}, "not 'false lashes'"),
        ({"age": 5, "skin_detail": "wet"}, "not 'wet'"),
        ({"age": 12, "preset": "ring light beauty", "make_up": "none"}, "not 'ring light beauty'"),
        ({"subject": "a teenager", "make_up": "glossy lips"}, "says 'teenager'"),
        ({"subject": "a little girl", "age": 30, "region": "lips"}, "says 'little girl'"),
        ({"subject": "a girl", "region": "lips"}, "says 'girl'"),
        ({"subject": "a 15-year-old", "region": "lips"}, "says '15-year-old'"),
        ({"subject": "a 16 y.o. dancer", "region": "lips"}, "says '16 y.o'"),
        ({"subject": "somebody, 16yrs old", "region": "lips"}, "says '16yrs old'"),
        ({"subject": "somebody of 16 years of age", "region": "lips"}, "says '16 years of age'"),
        ({"subject": "someone aged 9", "region": "lips"}, "says 'aged 9'"),
        ({"subject": "someone, twelve years old", "region": "lips"}, "says 'twelve years old'"),
        ({"subject": "someone aged twelve", "region": "lips"}, "says 'aged twelve'"),
        ({"subject": "a 6-month-old", "region": "lips"}, "says '6-month-old'"),
        ({"subject": "somebody, three weeks old", "region": "lips"}, "says 'three weeks old'"),
        ({"subject": "somebody in their teens", "region": "lips"}, "says 'teens'"),
        ({"extra": "of a schoolgirl", "region": "lips"}, "says 'schoolgirl'"),
        ({"age": 9, "extra": "wearing LIPSTICK"}, "without 'lipstick'"),
        ({"age": 9, "subject": "a sultry person"}, "without 'sultry'"),
        ({"age": 9, "extra": "not nude"}, "without 'nude'"),
        ({"vary": {"age": "30, 12"}, "region": "lips"}, "age is 12"),
        ({"age": 12, "vary": {"make_up": "none, full evening"}}, "not 'full evening'"),
    ],
)  # fmt: skip
def test_a_child_in_anything_but_a_natural_portrait_is_refused(settings, said):
    with pytest.raises(ValueError, match=r"below 18.*natural portraits only") as error:
        build(**{"preset": "natural window", **settings})
    assert said in str(error.value)
    assert "Or describe an adult" in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"age": 18}, {"age": 30, "subject": "a girl with freckles"}, {"extra": "baby hairs at the temples"},
        {"subject": "a woman with baby-blue eyes"}, {"extra": "minor asymmetry"}, {"subject": "a 44-year-old"},
        {"extra": "childlike wonder"},
    ],
    ids=str,
)  # fmt: skip
def test_an_adult_is_no_child(settings):
    assert one("lip colour", **settings).prompt


# sets


def test_a_grid_holds_every_combination_the_last_list_fastest():
    vary = {"age": "25, 45", "skin_type": "II, VI", "light": "window, ring light"}
    built = build("natural window", vary=vary)
    assert [item.label for item in built.items] == [
        f"age {age}, skin {skin}, {light}"
        for age in (25, 45) for skin in ("II", "VI") for light in ("window light", "ring light")
    ]  # fmt: skip
    assert [item.terms["age"] for item in built.items] == [25] * 4 + [45] * 4
    assert len({item.prompt for item in built.items}) == 8
    assert built.report.startswith(
        "8 prompts, in sentences: 2 age x 2 skin_type x 2 light, the last changes fastest."
    )


def test_rows_go_side_by_side_and_short_lists_repeat_their_last():
    vary = {"age": "25, 45, 70", "make_up": "none; skin tint"}
    built = build("natural window", vary=vary, combine="row by row")
    assert [item.label for item in built.items] == [
        "age 25, no make-up", "age 45, skin tint", "age 70, skin tint",
    ]  # fmt: skip


def test_an_item_of_a_set_is_what_it_would_be_alone():
    built = build("spectacles", vary={"skin_type": "*", "light": "all"})
    assert len(built.items) == 6 * 13
    skin = list(PHRASES.fields["skin_type"].options)[4]
    light = list(PHRASES.fields["light"].options)[7]
    alone = one("spectacles", skin_type=skin, light=light)
    item = built.items[4 * 13 + 7]
    assert (item.prompt, item.negative, item.terms) == (alone.prompt, alone.negative, alone.terms)


def test_without_lists_there_is_one_prompt_and_nothing_to_label():
    built = build("natural window", vary={"age": " ", "light": ", ,"})
    assert [item.label for item in built.items] == [""]
    assert built.report.startswith("1 prompt, in sentences.")


def test_not_said_may_stand_in_a_list_as_the_plain_one():
    plain, lit = build(vary={"light": "not said, overcast"}).items
    assert plain.label == "light not said"
    assert plain.prompt == one().prompt
    assert lit.label == "overcast"


def test_a_list_counts_before_the_field_and_the_report_says_so():
    built = build("natural window", light="overcast", vary={"light": "candlelight"})
    assert "candlelight" in built.items[0].prompt
    assert "overcast" not in built.items[0].prompt
    assert "  light: candlelight (varied, light 'overcast' by hand is not used)" in built.report


def test_conflicts_of_a_set_are_told_once_with_how_many_have_them():
    report = build("natural window", vary={"make_up": "none, heavy foundation, skin tint"}).report
    assert report.count("heavy foundation covers") == 1
    assert "In 1 of 3." in report


def test_at_most_256_prompts_are_made_and_the_count_is_said():
    ages = ", ".join(map(str, range(20, 84)))  # 64
    skins = "I, II, III, IV"
    assert len(build("natural window", vary={"age": ages, "skin_type": skins}).items) == 256
    with pytest.raises(ValueError, match=r"make 64 x 5 = 320 prompts, at most 256"):
        build("natural window", vary={"age": ages, "skin_type": skins + ", V"})
    assert (
        len(
            build(
                "natural window", vary={"age": ages, "skin_type": "*"}, combine="row by row"
            ).items
        )
        == 64
    )
    with pytest.raises(ValueError, match=r"make 300 prompts, at most 256"):
        build("natural window", vary={"age": "30," * 300}, combine="row by row")
    with pytest.raises(ValueError, match=r"make 257 prompts"):
        build("natural window", vary={"age": "30," * 257}, combine="row by row")


def test_the_report_says_how_long_the_prompt_is_for_clip():
    report = build("weathered monochrome", format="tags").report
    assert re.search(r"Length: \d+ words at most, about 1\d\d CLIP tokens: 2 blocks of 75", report)
    assert "CLIP" not in build("weathered monochrome").report


def test_but_for_the_longest_every_preset_fits_one_block_of_clip():
    """CLIP's own reader, with its vocabulary, counts 74 at most, and 105 for the longest."""
    reports = {preset: build(preset, format="tags").report for preset in PRESETS}
    longer = {preset for preset, report in reports.items() if ": 1 block of 75" not in report}
    assert longer == {"weathered monochrome"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "moon"}, "preset must be one of natural window.*got 'moon'"),
        ({"light": "moon"}, "light must be one of window light.*got 'moon'"),
        ({"region": NOT_SAID}, "region must be one of eyes"),
        ({"format": "verse"}, "format must be one of sentences, tags; got 'verse'"),
        ({"combine": "shuffle"}, "combine must be one of grid, row by row"),
    ],
    ids=str,
)
def test_unknown_names_are_refused_with_what_there_is(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_a_beard_may_be_days_old():
    assert not typed_ages("a man with three days old stubble and a two-week-old tattoo")
    assert typed_ages("a three-week-old and its toys") == [("three-week-old", 0)]
