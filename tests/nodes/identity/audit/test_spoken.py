"""What Close-Up Prompt says of its prompt is read without trust."""

import json

import pytest

from portrait_loupe.nodes.identity.audit.spoken import Spoken, read_spoken


def test_every_field_is_read_and_the_unknown_ignored():
    told = {"shot": "ECU lips", "style": ["anime"], "conflict": ["beard"], "occlusion": [], "age": 40, "version": 3}  # fmt: skip
    found = read_spoken(json.dumps(told))
    assert found.shot == "ECU lips"
    assert found.words == {"style": ("anime",), "conflict": ("beard",), "occlusion": ()}
    assert found.age == 40
    assert found.remarks == ()


@pytest.mark.parametrize("text", ["", "  ", None])
def test_nothing_is_nothing(text):
    assert read_spoken(text) == Spoken()


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("{", "not the JSON"),
        ("[]", "not the JSON"),
        ("[" * 100000, "not the JSON"),
        ('{"style": "anime"}', "style must be a list"),
        ('{"style": [1, "anime"]}', "style must be a list"),
        ('{"shot": "selfie"}', "no shot 'selfie'"),
        ('{"shot": ["x"]}', "no shot"),
        ('{"age": "forty"}', "age must be"),
        ('{"age": NaN}', "age must be"),
        ('{"age": -1}', "age must be"),
        ('{"age": true}', "age must be"),
    ],
)
def test_what_is_damaged_is_left_out_and_said(text, remark):
    found = read_spoken(text)
    assert remark in found.remarks[0]
    assert found.shot == ""
    assert found.age is None
