"""Files of a cast are read as JSON that every page can read back."""

import json

import pytest

from portrait_loupe.nodes.casting.disk import read_json


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_number_is_none(tmp_path, text):
    file = tmp_path / "offer.json"
    file.write_text(f'{{"score": {text}, "figures": {{"a": [{text}, 1.5]}}}}')
    told = read_json(file)
    assert told == {"score": None, "figures": {"a": [None, 1.5]}}
    assert json.dumps(told, allow_nan=False)
