import pytest

from portrait_loupe.nodes.framing.regions import SHOTS
from portrait_loupe.nodes.identity.prompt.phrases import FIELDS, PARTS, number_form
from portrait_loupe.nodes.identity.prompt.read_phrases import shipped
from portrait_loupe.nodes.identity.prompt.vary import key_of

PHRASES = shipped()
OPTIONS = [
    pytest.param(field, option, id=f"{field} {option.name}")
    for field, each in PHRASES.fields.items()
    for option in each.options.values()
]


def test_a_number_form_is_the_first_for_one_eye():
    assert number_form("[an iris|irises] and the lid[|s]", True) == "an iris and the lid"
    assert number_form("[an iris|irises] and the lid[|s]", False) == "irises and the lids"


def test_there_are_presets_enough_and_no_two_are_alike():
    kinds = {tuple(preset.fields.items()) for preset in PHRASES.presets.values()}
    assert len(kinds) == len(PHRASES.presets) >= 12
    for field in ("region", "skin_detail", "make_up", "light", "palette", "lens"):
        used = {preset.fields[field] for preset in PHRASES.presets.values()}
        assert len(used) >= 5, field


def test_two_presets_differ_in_at_least_four_fields():
    presets = list(PHRASES.presets.values())
    for at, one in enumerate(presets):
        for other in presets[at + 1 :]:
            different = [name for name in FIELDS if one.fields[name] != other.fields[name]]
            assert len(different) >= 4, f"{one.name} and {other.name}: {different}"


def test_every_region_is_a_shot_that_can_be_planned_or_none():
    shots = {option.name: option.shot for option in PHRASES.fields["region"].options.values()}
    assert set(shots.values()) - {""} <= set(SHOTS)
    assert [name for name, shot in shots.items() if not shot] == ["cheek"]


def test_every_part_that_a_shot_shows_lies_inside_it():
    """Eye line v = 0, mouth about 1.1, chin 1.83 interocular distances below (regions.py)."""
    heights = {"iris": 0, "lips": 1.1, "nose": 0.55, "brows": -0.4, "forehead": -0.9, "hair": -1.6}
    for option in PHRASES.fields["region"].options.values():
        if option.shot:
            shot = SHOTS[option.shot]
            for part in option.parts & set(heights):
                assert shot.top <= heights[part] <= shot.bottom, (option.name, part)


@pytest.mark.parametrize(("field", "option"), OPTIONS)
def test_every_option_can_be_shown_by_some_region(field, option):
    pieces = [piece for each in option.words for piece in each]
    shown = {part for region in PHRASES.fields["region"].options.values() for part in region.parts}
    assert all(piece.part in shown | {"skin"} for piece in pieces)
    assert pieces or option.name in ("none", "absent")


def test_names_are_told_apart_however_they_are_typed():
    for field in PHRASES.fields.values():
        keys = [key_of(name) for name in field.options]
        assert len(set(keys)) == len(keys)
    names = [key_of(name) for name in PHRASES.presets]
    assert len(set(names)) == len(names)


def test_the_bands_of_age_cover_every_year_once():
    for age in range(1, 101):
        assert sum(low <= age <= high for low, high, _ in PHRASES.ages) == 1, age


def test_emphasis_stays_modest():
    weights = [
        piece.weight
        for field in PHRASES.fields.values()
        for option in field.options.values()
        for each in option.words
        for piece in each
    ]
    assert max(weights) <= 1.2
    assert 1 < sum(weight > 1 for weight in weights) < len(weights) / 3


def test_every_rule_names_a_way_out_that_exists():
    names = {name for field in PHRASES.fields.values() for name in field.options}
    for rule in PHRASES.rules:
        quoted = rule.change.split("'")[1::2]
        assert set(quoted) <= names | {"not said"}, rule.name
        clashing = {option for options in rule.when.values() for option in options}
        assert not set(quoted) & clashing, f"{rule.name} sends people to what it warns of"


def test_what_is_hidden_is_a_part_of_the_face():
    hidden = {part for f in PHRASES.fields.values() for o in f.options.values() for part in o.hides}
    assert hidden == {"iris", "lashes", "eyes"}
    assert hidden <= set(PARTS)
