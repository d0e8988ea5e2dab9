import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.comparison.captions import Caption
from portrait_loupe.nodes.comparison.design import Settings
from portrait_loupe.nodes.comparison.manifest import (
    ManifestError,
    read_manifest,
    source_sha256,
    write_manifest,
)
from portrait_loupe.nodes.comparison.panels import Panel
from portrait_loupe.nodes.comparison.plate import draw, make_plate
from portrait_loupe.nodes.comparison.rebuild import read_source, rebuild
from portrait_loupe.nodes.comparison.save import cleaned
from portrait_loupe.nodes.comparison.sources import ENDING, pack
from portrait_loupe.nodes.framing.faces import Face

ROOT = Path(__file__).resolve().parents[3]
SIZE = (640, 560)
HOWS = {
    "plain": {},
    "turned, blind, figures": {
        "roll": "level",
        "blind": True,
        "blind_seed": 4,
        "show_figures": True,
    },
    "levelled lanczos": {"policy": "levelled", "kernel": "lanczos3"},
    "native, on the picture": {"policy": "native", "label_place": "on the picture"},
    "carousel": {"slides": ("lips",), "show_method": False},
}


@pytest.fixture
def sources(tmp_path):
    """Three portraits as files, and the panels made of them."""
    panels = []
    for number in range(3):
        codes = np.random.default_rng(number).integers(0, 256, (300 + number, 320, 3), np.uint8)
        path = tmp_path / f"take {number}.png"
        Image.fromarray(codes).save(path)
        face = Face(((120.3, 120.1), (190.7, 118.9 + 3 * number)))
        caption = Caption(f"model {number}", file=path.name)
        panels.append(Panel(read_source(path), face, f"Modèle {number}", "seed 5", caption=caption))
    return panels


def written(panels, **how):
    settings = Settings("eyes", SIZE, "Trois \u00d7 modèles", **how)
    made = make_plate(panels, settings.region, settings.size, settings.title, **how)
    return made, write_manifest(made, panels, settings, version="1.2.3")


@pytest.mark.parametrize("name", HOWS)
def test_a_manifest_is_the_whole_design(sources, name):
    made, text = written(sources, **HOWS[name])
    design, told = read_manifest(text)
    assert design == made.design
    assert told["pack"] == "1.2.3"
    picture, panels, key = draw(design, [panel.image for panel in sources])
    assert torch.equal(picture, made.picture)
    assert torch.equal(panels, made.panels)
    assert torch.equal(key, made.key)


@pytest.mark.parametrize("name", HOWS)
def test_a_plate_is_built_again_from_its_files_to_the_byte(sources, tmp_path, name):
    made, text = written(sources, **HOWS[name])
    again = rebuild(text, [tmp_path])
    assert again.same
    assert torch.equal(again.picture, made.picture)


def test_another_process_draws_the_same_bytes(sources, tmp_path):
    made, text = written(sources, roll="level", show_figures=True)
    (tmp_path / "plate.json").write_text(text, "utf-8")
    called = [sys.executable, str(ROOT), "plate", str(tmp_path / "plate.json")]
    told = subprocess.run(called, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Every byte is as it was." in told.stdout
    drawn = np.asarray(Image.open(tmp_path / "plate.png"))
    assert np.array_equal(drawn, (made.picture[0] * 255).round().byte().numpy())
    again = subprocess.run(called, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert again.returncode == 1
    assert "exists" in again.stdout + again.stderr  # nothing is overwritten


def test_sources_are_known_by_their_pixels_not_by_their_names(sources, tmp_path):
    _, text = written(sources)
    for number in range(3):
        (tmp_path / f"take {number}.png").rename(tmp_path / f"renamed {2 - number}.png")
    assert rebuild(text, [tmp_path]).same


def test_a_changed_source_is_named(sources, tmp_path):
    _, text = written(sources)
    Image.new("RGB", (320, 301)).save(tmp_path / "take 1.png")
    with pytest.raises(
        ValueError,
        match=r"no picture in .* has the pixels of: Modèle 1 \(take 1.png\). Name the folder",
    ):
        rebuild(text, [tmp_path])


def test_another_plate_than_the_manifests_is_said(sources, tmp_path):
    told = json.loads(written(sources)[1])
    told["design"]["slides"][0]["title"] = "Another title"
    told["software"]["pillow"] = "0.1"
    again = rebuild(json.dumps(told), [tmp_path])
    assert not again.same
    assert any("pillow was 0.1" in remark for remark in again.remarks)


def test_a_manifest_names_no_folder(sources):
    assert str(Path.home()) not in written(sources)[1]
    assert '"sharpening": "none"' in written(sources)[1]


def test_a_sources_hash_sees_shape_and_every_value():
    image = torch.rand(1, 6, 8, 3)
    other = image.clone()
    other[0, 3, 3, 1] = torch.nextafter(other[0, 3, 3, 1], torch.tensor(2.0))
    shas = {source_sha256(one) for one in (image, other, image.reshape(1, 8, 6, 3))}
    assert len(shas) == 3
    assert source_sha256(image) == source_sha256(image.clone())
    assert source_sha256(image.movedim(1, 2)) == source_sha256(image.movedim(1, 2).contiguous())


def set_at(told, path, value):
    *way, last = path
    for step in way:
        told = told[step]
    told[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "loupe.plate/9"),
        (["schema"], None),
        (["sources"], {}),
        (["sources"], []),
        (["sources", 0], 3),
        (["design"], []),
        (["design", "kernel"], "sharpen"),
        (["design", "slides"], []),
        (["design", "slides", 0, "panels"], []),
        (["design", "slides", 0, "panels", 0, "source"], 15),
        (["design", "slides", 0, "panels", 0, "source"], -1),
        (["design", "slides", 0, "panels", 0, "source"], True),
        (["design", "slides", 0, "panels", 0, "box", "width"], 0),
        (["design", "slides", 0, "panels", 0, "box", "width"], float("nan")),
        (["design", "slides", 0, "panels", 0, "box", "x"], 1e300),
        (["design", "slides", 0, "panels", 0, "box"], None),
        (["design", "slides", 0, "panels", 0, "turn_deg"], "x"),
        (["design", "slides", 0, "panels", 0, "reduced"], [1, 10**9]),
        (["design", "slides", 0, "panels", 0, "label"], "x" * 30000),
        (["design", "slides", 0, "panels", 0, "bar_px"], 10**9),
        (["design", "slides", 0, "layout", "size"], [10**9, 10**9]),
        (["design", "slides", 0, "layout", "panel"], [600, 100000]),
        (["design", "slides", 0, "layout", "origins", 0], [600, 500]),
        (["design", "slides", 0, "layout", "text"], 10**6),
        (["design", "key", "layout", "size"], [320, 320]),
    ],
)
def test_an_impossible_manifest_is_refused(sources, path, value):
    told = json.loads(written(sources)[1])
    set_at(told, path, value)
    with pytest.raises(ManifestError, match=r"manifest (is no manifest|cannot be drawn)"):
        read_manifest(json.dumps(told))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100000, "x" * 5_000_000])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(ManifestError, match=r"plate\.json"):
        read_manifest(text, "plate.json")


def test_a_blind_plate_that_is_shared_stays_blind(sources):
    """Its own names and order must not travel with it."""
    for how, told in (({"blind": True, "blind_seed": 4}, False), ({}, True)):
        shared = json.dumps(cleaned(json.loads(written(sources, **how)[1])), ensure_ascii=False)
        assert ("Modèle 1" in shared) is told
        assert ('"order"' in shared) is told
        assert '"kernel": "area"' in shared


def test_a_font_is_looked_for_by_name_alone(sources, tmp_path):
    told = json.loads(written(sources)[1])
    told["design"]["font"] = "../../etc/secret.ttf"
    with pytest.raises(ValueError, match="font"):
        rebuild(json.dumps(told), [tmp_path], fonts=[tmp_path])


def test_what_was_never_a_file_is_kept_and_drawn_again(sources, tmp_path):
    """Values of a VAE, of half precision, and of a file."""
    made_here = [
        replace(sources[0], image=torch.rand(1, 301, 320, 3), caption=Caption("vae")),
        replace(
            sources[1], image=torch.rand(1, 301, 320, 3).half().float(), caption=Caption("half")
        ),
        sources[2],
    ]
    _, text = written(made_here)
    kept = tmp_path / f"plate{ENDING}"
    kept.write_bytes(pack([*made_here, made_here[0]]))
    for path in tmp_path.glob("*.png"):
        path.unlink()
    assert rebuild(text, [tmp_path]).same
    # 4, 2 and 1 bytes a value
    assert kept.stat().st_size == pytest.approx(320 * 3 * (301 * 4 + 301 * 2 + 302), rel=0.01)
    data = bytearray(kept.read_bytes())
    data[-100] ^= 1
    kept.write_bytes(data)
    with pytest.raises(ValueError, match=r"no picture in .* has the pixels of: Modèle"):
        rebuild(text, [tmp_path])


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 16, b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_sources_are_passed_over(sources, tmp_path, content):
    (tmp_path / f"a{ENDING}").write_bytes(content)
    assert rebuild(written(sources)[1], [tmp_path]).same
