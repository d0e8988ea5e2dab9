import copy
import json
import re

import pytest

from portrait_loupe.nodes.identity.own_files import MAX_BYTES
from portrait_loupe.nodes.identity.prompt.prompt import build_prompts
from portrait_loupe.nodes.identity.prompt.read_phrases import (
    FILE,
    PhraseError,
    read_phrases,
    shipped,
    with_own,
)

OWN = {
    "about": "mine",
    "options": {"light": [{"name": "fridge", "words": [{"say": "cold light of an open fridge"}]}]},
    "presets": [{"name": "midnight snack", "light": "fridge", "skin_detail": "dewy"}],
}


@pytest.fixture
def data():
    return copy.deepcopy(json.loads(FILE.read_text("utf-8")))


def read(data):
    return read_phrases(json.dumps(data), "words.json")


def put(folder, name, data):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")


def test_the_own_file_reads_the_same_every_time(data):
    assert read(data) == shipped()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("rules"), r"words\.json has no rules"),
        (lambda d: d.update(colour=1), "entry 'colour'"),
        (lambda d: d["fields"].pop("iris"), "fields has no iris"),
        (lambda d: d["presets"][2].pop("light"), r"preset 3 \(eyes editorial\) has no light"),
        (lambda d: d["presets"][2].update(light="moon"), r"eyes editorial\): light must be one of"),
        (lambda d: d["presets"][2].update(region="not said"), "region must be one of"),
        (lambda d: d["presets"][2].update(age=130), "age must be a whole number from 0 to 100"),
        (lambda d: d["presets"][2].update(age=True), "age must be a whole number"),
        (lambda d: d["presets"][2].update(name="natural window"), "already a preset of this name"),
        (lambda d: d["fields"]["iris"]["options"][0].update(name="a, b"), "no comma"),
        (lambda d: d["fields"]["iris"]["options"][0].update(name="not said"), "not be"),
        (lambda d: d["fields"]["iris"]["options"][0].update(name="two  blanks"), "single spaces"),
        (lambda d: d["fields"]["iris"]["options"][1].update(name="dark brown"), "already an option"),
        (lambda d: d["fields"]["iris"]["options"][0].update(words="iris"), "words must be a list"),
        (lambda d: piece(d).update(say="wide (eyes)"), r"option 1 \(dark brown\), piece 1: say .* \( \)"),
        (lambda d: piece(d).update(tag="eyes:1.2"), "tag must be plain words"),
        (lambda d: piece(d).update(say="one [iris"), "say must be plain words"),
        (lambda d: piece(d).update(say="{iris}"), "say must be plain words"),
        (lambda d: piece(d).update(say="brown,"), "no comma or point at its ends"),
        (lambda d: piece(d).update(say="brown  iris"), "single spaces"),
        (lambda d: piece(d).update(say=""), "one line of 1 to 300 letters"),
        (lambda d: d["fields"]["region"]["options"][2]["words"][0].update(tag=""), "a region must have a tag"),
        (lambda d: piece(d).update(say="a\nb"), "one line"),
        (lambda d: piece(d).update(say="eyes of {subject}"), "only there"),
        (lambda d: piece(d).update(weight=1.9), "weight must be 1 to 1.4, got 1.9"),
        (lambda d: piece(d).update(weight=True), "weight must be"),
        (lambda d: piece(d).update(part="elbow"), "part must be one of"),
        (lambda d: piece(d).update(colour="red"), "entry 'colour'"),
        (lambda d: d["fields"]["region"]["options"][0].update(shot="ECU elbow"), "shot must be one of"),
        (lambda d: d["fields"]["region"]["options"][2]["words"][0].update(say="lips"), "must stand in the first piece"),
        (lambda d: d["fields"]["region"]["options"][2].update(words=[]), "a region must have words"),
        (lambda d: d["fields"]["skin_type"].update(label="{} {}"), "label must hold {} once"),
        (lambda d: d["fields"]["iris"].update(join="or"), "join must be one of"),
        (lambda d: d["rules"][0]["when"].update(light=["moon"]), r"rule 1 \(pores under foundation\): light"),
        (lambda d: d["rules"][0].update(when={}), "a rule needs conditions"),
        (lambda d: d["rules"][4].update(ages=[70]), "ages must be two whole numbers"),
        (lambda d: d["minors"].pop("why"), "minors has no why"),
        (lambda d: d["sentences"][0].update(fields=["nose"]), "sentence 1 must be one of"),
        (lambda d: d["sentences"][1].pop("otherwise"), "needs an otherwise"),
        (lambda d: d["negatives"][0].update(text="a (b)"), "negative 1 must be plain words"),
        (lambda d: d["ages"][0].pop("to"), "age band 1 has no to"),
        (lambda d: d.update(presets=[]), "presets must be a list that is not empty"),
        (lambda d: d["presets"].insert(0, 7), "preset 1 must be an object, got '7'"),
    ],
)  # fmt: skip
def test_a_damaged_entry_is_named(data, change, message):
    change(data)
    with pytest.raises(PhraseError, match=message):
        read(data)


def piece(data):
    return data["fields"]["iris"]["options"][0]["words"][0]


@pytest.mark.parametrize(
    "text", ["{", "", "[" * 100_000, "7", "null", '["presets"]'], ids=lambda t: t[:5]
)
def test_what_is_no_file_of_words_is_refused_in_words(text):
    with pytest.raises(PhraseError, match=r"words\.json"):
        read_phrases(text, "words.json")


def test_own_presets_and_options_join_the_packs(tmp_path):
    put(tmp_path, "mine.json", OWN)
    phrases, remarks = with_own(shipped(), [tmp_path])
    assert remarks == ()
    assert list(phrases.own) == ["midnight snack"]
    built = build_prompts(phrases, preset="Midnight  SNACK")
    assert "Cold light of an open fridge." in built.items[0].prompt
    assert "dewy" in built.items[0].prompt
    lit = build_prompts(phrases, preset="natural window", vary={"light": "fridge, overcast"})
    assert [item.label for item in lit.items] == ["fridge", "overcast"]
    assert "fridge" not in shipped().fields["light"].options  # the pack's own stay as they are


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply|not JSON"),
        ('{"presets": [{"name": "x", "light": "moon"}]}', "light must be one of"),
        ('{"rules": []}', "entry 'rules'"),
        ('{"options": {"hat": []}}', "entry 'hat'"),
        ('{"options": {"light": []}}', "must be a list that is not empty"),
        ('{"options": {"light": [{"name": "overcast", "words": []}]}}', "already an option"),
        ('{"presets": [{"name": "blank"}]}', "already a preset 'blank'"),
        ('{"about": "' + "x" * MAX_BYTES + '"}', "at most 256 kB"),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_damaged_own_file_is_named_and_left_out_and_the_others_stay(tmp_path, text, reason):
    put(tmp_path, "good.json", OWN)
    put(tmp_path, "bad.json", text)
    phrases, remarks = with_own(shipped(), [tmp_path])
    assert list(phrases.own) == ["midnight snack"]
    (remark,) = remarks
    assert str(tmp_path / "bad.json") in remark
    assert re.search(reason, remark)


def test_bytes_that_are_no_text_and_folders_that_are_no_files_are_left_out(tmp_path):
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe\x00\x81")
    (tmp_path / "folder.json").mkdir()
    phrases, remarks = with_own(shipped(), [tmp_path, tmp_path / "missing"])
    assert phrases.own == {}
    (remark,) = remarks
    assert "noise.json must be text in UTF-8" in remark


def test_own_words_are_never_for_children(tmp_path):
    put(tmp_path, "mine.json", OWN)
    phrases, _ = with_own(shipped(), [tmp_path])
    with pytest.raises(ValueError, match="not 'midnight snack'"):
        build_prompts(phrases, preset="midnight snack", age=9, fields={"make_up": "none", "light": "overcast"})  # fmt: skip
    with pytest.raises(ValueError, match="not 'fridge'"):
        build_prompts(phrases, preset="natural window", age=9, vary={"light": "fridge"})
