import json
import math

import pytest

from portrait_loupe.nodes.casting.realism import store
from portrait_loupe.nodes.casting.realism.corridor import ENOUGH
from portrait_loupe.nodes.casting.realism.store import (
    SHIPPED,
    list_corridors,
    load_corridor,
    save_corridor,
)


def test_the_shipped_corridor_is_large_enough_and_names_its_sources():
    corridor = load_corridor(SHIPPED, [])
    assert corridor.name == SHIPPED
    assert corridor.n >= ENOUGH
    (source,) = corridor.sources
    assert source.used == corridor.n <= source.pictures
    assert "us-senate" in source.name
    assert source.licence
    assert len(corridor.pictures_sha256) == 64
    assert sum(one.n for one in corridor.face_px) == corridor.n
    assert sum(one.n for one in corridor.ita_deg) == corridor.n


def test_the_shipped_file_holds_statistics_alone():
    text = store._OWN.read_text("utf-8")
    data = json.loads(text)
    assert len(text) < 16_000
    numbers = data["mean"] + [x for row in data["covariance"] for x in row]
    assert len(numbers) == 6 + 36
    assert all(math.isfinite(one) for one in numbers)
    assert not {"rows", "faces", "photos", "pictures"} & set(data)


def test_a_saved_corridor_comes_back_under_its_files_name(corridor, rows, tmp_path):
    path, note = save_corridor(corridor, "mine", tmp_path / "new")
    assert path == tmp_path / "new" / "mine.json"
    assert note == "Saved as loupe_corridors/mine.json."
    again = load_corridor("mine", [tmp_path / "none", tmp_path / "new"])
    assert again.key.split() == ["mine", corridor.sha256[:12]]
    assert again.distance(rows[0]) == corridor.distance(rows[0])
    assert list(path.parent.iterdir()) == [path]
    assert list_corridors([tmp_path / "new"]) == [SHIPPED, "mine"]


def test_both_are_kept_unless_the_user_replaces_a_corridor(corridor, tmp_path):
    save_corridor(corridor, "x", tmp_path)
    path, note = save_corridor(corridor, "x.json", tmp_path)
    assert path.name == "x_2.json"
    assert "left alone" in note
    path, note = save_corridor(corridor, "x", tmp_path, "replace")
    assert path.name == "x.json"
    assert "replaced" in note
    other = tmp_path / "y.json"
    other.write_text('{"kind": "a lens"}')
    with pytest.raises(ValueError, match="only a corridor is replaced"):
        save_corridor(corridor, "y", tmp_path, "replace")
    assert other.read_text() == '{"kind": "a lens"}'
    with pytest.raises(ValueError, match="existing must be one of"):
        save_corridor(corridor, "y", tmp_path, "append")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x_2.json", "y.json"]


@pytest.mark.parametrize("name", ["../x", "", "a/b", "con", "shipped", "Shipped.json", ".x"])
def test_a_name_that_leads_elsewhere_or_is_the_packs_own_is_refused(corridor, tmp_path, name):
    with pytest.raises(ValueError, match="name must"):
        save_corridor(corridor, name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_not_there_or_no_corridor_is_told_by_name(tmp_path):
    with pytest.raises(
        ValueError, match=r"one of shipped; there is no x\.json in models/loupe_corridors"
    ):
        load_corridor("x", [tmp_path])
    with pytest.raises(ValueError, match="corridor must be a bare file name"):
        load_corridor("../x", [tmp_path])
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not JSON"):
        load_corridor("x", [tmp_path])
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match=r"x\.json is not used: it is no corridor"):
        load_corridor("x", [tmp_path])


def test_a_file_called_shipped_does_not_hide_the_packs_own(corridor, tmp_path):
    (tmp_path / "shipped.json").write_text(json.dumps(corridor.as_json()))
    assert list_corridors([tmp_path]) == [SHIPPED]
    assert load_corridor(SHIPPED, [tmp_path]).sha256 != corridor.sha256
