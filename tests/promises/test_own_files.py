"""A workflow from a stranger takes pictures from beside itself, writes nothing of its own choice, and mixes none up."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host.outcome import Refusal
from portrait_loupe.nodes.host.pictures import read_picture, save_pictures
from portrait_loupe.nodes.host.runner import StandIn, find_picture, loaders, place, sample


def picture(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(path)
    return path


@pytest.fixture
def host():
    return StandIn({one.define_schema().node_id: one for one in NODES})


def load(name):
    return {"class_type": "LoadImage", "inputs": {"image": name}}


HOSTILE = [
    "/far/x",
    "../x",
    "a/b",
    "a\\b",
    "C:\\x",
    "a:b",
    "\x00",
    "\ud800",
    "\u00b2",
    "9" * 5000,
    "..",
    "",
]


@pytest.mark.parametrize("other", HOSTILE, ids=repr)
def test_a_nodes_number_leads_nowhere(host, tmp_path, other):
    """Two pictures of one name: the second needs another, which no number of a node may choose."""
    files = [picture(tmp_path / one / "p.png", shade) for one, shade in (("a", 10), ("b", 200))]
    prompt = {"1": load("a/p.png"), other: load("b/p.png")}
    assert set(loaders(prompt)) == {"1", other}
    before = sorted(tmp_path.rglob("*"))
    place(prompt, dict(zip(prompt, files, strict=True)), host)
    names = [one["inputs"]["image"] for one in prompt.values()]
    assert len(set(names)) == 2
    assert all(Path(name).name == name for name in names)
    assert [round(float(read_picture(host._input / name)[0].mean()) * 255) for name in names] == [10, 200]  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before


def test_numbers_alike_mix_no_pictures_up(host, tmp_path):
    shades = (10, 100, 200, 250)
    files = [picture(tmp_path / str(shade) / "p.png", shade) for shade in shades[:3]]
    files.append(picture(tmp_path / "002_p.png", shades[3]))  # what the second would be called
    prompt = {key: load("p.png") for key in ("1", "a:b", "a_b", "5")}
    place(prompt, dict(zip(prompt, files, strict=True)), host)
    found = [read_picture(host._input / one["inputs"]["image"])[0] for one in prompt.values()]
    assert [round(float(one.mean()) * 255) for one in found] == list(shades)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_a_picture_of_ones_own_may_have_any_name(host, tmp_path):
    files = [picture(tmp_path / name, 10) for name in ("taken 12:30.png", "a\\b.png")]
    prompt = {"1": load("x"), "2": load("y")}
    place(prompt, dict(zip(prompt, files, strict=True)), host)
    assert [one["inputs"]["image"] for one in prompt.values()] == ["taken 12_30.png", "a_b.png"]


def test_the_sample_does_not_take_the_place_of_ones_own(host, tmp_path):
    """Which may be called as the shipped workflows call it."""
    photo = sample()
    if photo is None:
        pytest.skip("matplotlib's sample data is not here")
    own = picture(tmp_path / "portrait_a.png", 10)
    for files in ({"1": own, "2": photo}, {"1": photo, "2": own}):
        prompt = {key: load("portrait_a.png") for key in files}
        place(prompt, files, host)
        found = {key: read_picture(host._input / one["inputs"]["image"])[0] for key, one in prompt.items()}  # fmt: skip
        sizes = {key: tuple(one.shape[1:3]) for key, one in found.items()}
        assert sizes == {key: (8, 8) if file == own else (600, 512) for key, file in files.items()}


@pytest.mark.parametrize("name", ["/etc/x.png", "../x.png", "a/x.png", "a\\x.png", "C:x.png", ".."])
def test_the_small_host_takes_no_name_that_leads_away(host, tmp_path, name):
    file = picture(tmp_path / "x.png", 1)
    with pytest.raises(Refusal, match="a file's name"):
        host.place(file, name)
    assert not host.has_picture(name)


def test_a_workflow_gets_pictures_from_beside_it_alone(tmp_path, monkeypatch):
    """Each of these is there."""
    home = tmp_path / "home"
    beside = home / "workflows"
    flow = beside / "w.json"
    good = [picture(beside / "a.png", 1), picture(beside / "more" / "b.PNG", 1)]
    outside = picture(home / "private.png", 1)
    (beside / "id_rsa").write_text("secret")
    os.symlink(outside, beside / "link.png")
    monkeypatch.chdir(beside)
    assert [find_picture(name, "1", flow) for name in ("a.png", "more/b.PNG")] == good
    for name in (str(outside), "../private.png", "more/../../private.png", "id_rsa", "link.png", "C:a.png",
                 "C:\\a.png", "\\a.png", "..\\private.png", "a.png\x00"):  # fmt: skip
        with pytest.raises(Refusal, match="asks for"):
            find_picture(name, "1", flow)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for Ghostscript")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.eps.png"])
def test_a_picture_starts_no_program(tmp_path, monkeypatch, name):
    """Pillow hands EPS to Ghostscript, whatever the file is called."""
    ran = tmp_path / "ran"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(ValueError, match="is not a picture"):
        read_picture(tmp_path / name)
    assert not ran.exists()


def test_two_runs_into_one_folder_overwrite_nothing(tmp_path, monkeypatch):
    """The second has looked before the first has saved."""
    import torch

    from portrait_loupe.nodes.host import pictures

    (tmp_path / "q_\u00b2_.png").write_bytes(b"not a number")
    monkeypatch.setattr(pictures, "_counter", lambda path, prefix: 0)
    one, two = (
        save_pictures(torch.full((2, 8, 8, 3), shade), tmp_path, "q") for shade in (0.1, 0.9)
    )
    assert len({*one, *two}) == 4
    assert [round(float(read_picture(path)[0].mean()), 1) for path in (*one, *two)] == [0.1, 0.1, 0.9, 0.9]  # fmt: skip
    for prefix in ("a\x00b", "\ud800"):
        with pytest.raises(ValueError, match="filename_prefix"):
            save_pictures(torch.zeros(1, 8, 8, 3), tmp_path, prefix)
