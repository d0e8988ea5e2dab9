import json

import pytest
import torch

from portrait_loupe.kernels.psf import Lens
from portrait_loupe.nodes import host
from portrait_loupe.nodes.lens import node_profile
from portrait_loupe.nodes.lens.catalogue import DEFAULT, find_lens, lenses
from portrait_loupe.nodes.lens.node_profile import LensProfile
from portrait_loupe.nodes.lens.profile import VALUES


@pytest.fixture
def inputs():
    return {each.id: each for each in LensProfile.define_schema().inputs}


@pytest.fixture
def output(tmp_path, monkeypatch):
    """The host's output folder."""
    monkeypatch.setattr(node_profile, "output_folder", lambda: tmp_path)
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    return tmp_path


def test_its_defaults_give_the_lens_of_the_lens_node(inputs, output):
    settings = {name: each.default for name, each in inputs.items()}
    lens, picture, report, text = LensProfile.execute(**settings).args
    assert lens == find_lens(DEFAULT)
    assert picture.shape == (1, 680, 1024, 3)
    assert picture.dtype == torch.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert DEFAULT in report
    assert Lens(**json.loads(text)["lens"]) == lens
    assert not list(output.iterdir())  # nothing is saved unasked


def test_the_values_count_only_when_they_are_asked_for(output):
    assert LensProfile.execute(start="ideal f/4", f_number=1.0).args[0] == find_lens("ideal f/4")
    lens = LensProfile.execute(
        start=VALUES, name="mine", f_number=4.0, w040_um=0.5, coma_um=1.0, astigmatism_um=-0.4,
        field_curvature_um=0.6, lca_um=3.0, blades=5, halation=0.06,
    ).args[0]  # fmt: skip
    assert lens.name == "mine"
    assert (lens.f_number, lens.w040_um, lens.blades) == (4.0, 0.5, 5)
    assert (lens.w131_um, lens.w222_um, lens.w220_um) == (1.0, -0.4, 0.6)
    assert lens.lca_um_per_100nm == 3.0
    assert lens.tails[0].share_r == 0.06


def test_every_default_of_the_values_makes_a_lens(inputs, output):
    settings = {name: each.default for name, each in inputs.items()}
    lens = LensProfile.execute(**{**settings, "start": VALUES}).args[0]
    assert lens == Lens("my lens", 2.0, residual_sigma_um=2.0)


def test_a_lens_is_saved_where_it_is_found_again(output):
    result = LensProfile.execute(start="ideal f/4", save_as="mine")
    saved = output / "loupe_lenses" / "mine.json"
    assert saved.is_file()
    assert f"Saved as {saved}." in result.args[2]
    assert result.ui == {"loupe_report": [result.args[2]]}
    before = LensProfile.fingerprint_inputs(load="mine", start=DEFAULT)
    assert LensProfile.execute(start=DEFAULT, load="mine").args[0] == find_lens("ideal f/4")
    saved.write_text('{"name": "other", "f_number": 8}')
    assert LensProfile.execute(load="mine").args[0].name == "other"
    assert LensProfile.fingerprint_inputs(load="mine", start=DEFAULT) != before


def test_a_shared_lens_lies_with_the_models(output, tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / "loupe_lenses"
    folder.mkdir(parents=True)
    (folder / "friend.json").write_text('{"name": "friend", "f_number": 5.6}')
    if not host.IN_COMFYUI:
        assert LensProfile.execute(load="friend").args[0].name == "friend"


@pytest.mark.parametrize("widget", ["load", "save_as"])
def test_a_name_that_leads_elsewhere_is_refused(widget, output):
    with pytest.raises(ValueError, match=f"{widget} must be a bare file name"):
        LensProfile.execute(start="ideal f/4", **{widget: "../outside"})
    assert not list(output.rglob("*"))


def test_what_cannot_be_is_refused_in_the_words_on_the_node(output):
    with pytest.raises(ValueError, match="load must name a lens file"):
        LensProfile.execute(load="nowhere")
    with pytest.raises(ValueError, match="character must be one of"):
        LensProfile.execute(start="kit zoom")
    assert LensProfile.fingerprint_inputs(load="nowhere") == "no file"


def test_without_an_output_folder_saving_is_refused(monkeypatch):
    monkeypatch.setattr(node_profile, "output_folder", lambda: None)
    with pytest.raises(RuntimeError, match="save_as needs the host's output folder"):
        LensProfile.execute(start="ideal f/4", save_as="mine")


def test_it_is_called_what_saved_workflows_call_it(inputs):
    schema = LensProfile.define_schema()
    assert schema.node_id == "LoupeLensProfile"
    assert list(inputs)[:4] == ["start", "load", "save_as", "name"]
    assert list(inputs["start"].options) == [*lenses(), VALUES]
    assert [each.display_name or each.id for each in schema.outputs] == [
        "lens", "picture", "report", "json",
    ]  # fmt: skip
    assert schema.outputs[0].get_io_type() == "LOUPE_LENS"
    assert all(each.tooltip for each in inputs.values())


@pytest.mark.parametrize(
    "values",
    [
        {"f_number": 0.7, "w040_um": 5.0, "coma_um": 4.0},
        {"f_number": 32.0, "loca_um": 1000.0, "diffusion": 0.8},
        {"w040_um": 20.0, "w060_um": -20.0, "annulus": 0.9},
        {"blades": 3, "cat_eye": 0.9, "squeeze": 3.0, "apodisation": 4.0},
    ],
    ids=lambda value: "-".join(value),
)
def test_odd_lenses_are_drawn(values, output):
    picture = LensProfile.execute(start=VALUES, **values).args[1]
    assert torch.isfinite(picture).all()
    assert picture[0, 80:280, 20:240].max() > 0.5  # a point of light is there


def test_a_lens_that_blurs_beyond_measure_is_refused_with_advice(output):
    with pytest.raises(ValueError, match="Lower its aberrations"):
        LensProfile.execute(start=VALUES, f_number=0.7, w040_um=20.0, focus_um=2000.0)
