import subprocess
import sys
from pathlib import Path

import pytest
import torch

import portrait_loupe
from portrait_loupe.nodes.lens.catalogue import DEFAULT, lenses
from portrait_loupe.nodes.lens.node_lens import Lens
from portrait_loupe.nodes.lens.plan import FORMATS_MM, LEVELS

IMPORT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("portrait_loupe", sys.argv[1])
package = importlib.util.module_from_spec(spec)
sys.modules["portrait_loupe"] = package
spec.loader.exec_module(package)
import portrait_loupe.nodes.lens.node_lens
print(*sorted({"scipy", "matplotlib", "kornia", "skimage"} & sys.modules.keys()))
"""


@pytest.fixture
def inputs():
    return {each.id: each for each in Lens.define_schema().inputs}


def test_its_defaults_soften_a_portrait_and_say_how(inputs, hopper):
    settings = {name: inputs[name].default for name in ("character", "level", "format_mm")}
    result = Lens.execute(image=hopper, **settings)
    picture, report, _ = result.args
    assert picture.shape == hopper.shape
    assert picture.dtype == torch.float32
    assert not torch.equal(picture, hopper)
    assert DEFAULT in report
    assert result.ui == {"loupe_report": [report]}


@pytest.mark.parametrize("character", list(lenses()))
def test_every_lens_of_the_list_runs(character):
    picture, report, _ = Lens.execute(torch.rand(1, 24, 32, 3), character, -1.0, 36.0).args
    assert torch.isfinite(picture).all()
    assert character in report


def test_it_is_called_what_saved_workflows_call_it(inputs):
    schema = Lens.define_schema()
    assert schema.node_id == "LoupeLens"
    # appended to, never changed: prompts and saved widget values go by this order
    assert list(inputs) == [
        "image", "character", "level", "format_mm", "lens", "mask", "faces", "style", "focus_um", "highlights",
        "across_frame", "source_px", "gain_limit", "skin", "eyes", "hair",
    ]  # fmt: skip
    assert all(inputs[name].optional for name in list(inputs)[4:])
    assert [each.display_name for each in schema.outputs] == ["image", "report", "json"]


def test_its_ranges_are_those_the_renderer_takes(inputs):
    assert (inputs["level"].min, inputs["level"].max) == LEVELS
    assert (inputs["format_mm"].min, inputs["format_mm"].max) == FORMATS_MM
    assert list(inputs["character"].options) == list(lenses())


def test_every_input_explains_itself(inputs):
    assert all(each.tooltip for each in inputs.values())


def test_what_cannot_be_rendered_is_refused_in_the_words_on_the_node():
    with pytest.raises(ValueError, match="image must be a picture"):
        Lens.execute("portrait.png", DEFAULT, -1.0, 36.0)
    with pytest.raises(ValueError, match="character must be one of"):
        Lens.execute(torch.rand(1, 8, 8, 3), "kit zoom", -1.0, 36.0)


def test_it_loads_without_the_heavy_libraries():
    entry = Path(portrait_loupe.__file__ or "")
    run = subprocess.run(
        [sys.executable, "-c", IMPORT, str(entry)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
