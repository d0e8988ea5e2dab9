"""Every shipped workflow opens, and runs where no model is needed."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from portrait_loupe.nodes.comparison.rebuild import rebuild
from portrait_loupe.nodes.extension import NODES
from portrait_loupe.nodes.host import IN_COMFYUI, io, saving_into
from portrait_loupe.nodes.host.pictures import read_picture, save_pictures
from portrait_loupe.nodes.host.standin.graph import GraphError, check, run
from portrait_loupe.nodes.host.standin.images import image_nodes
from portrait_loupe.nodes.host.workflow import ui_to_api
from portrait_loupe.nodes.identity import node_load_adapter, node_load_eva

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(ROOT.glob("workflows/*.json"))
OURS = {node.define_schema().node_id: node for node in NODES}

# ComfyUI's own nodes in the workflows that need models: inputs, outputs. Where they run is tests/host.
CORE = {
    "CheckpointLoaderSimple": ("ckpt_name:STRING", "MODEL CLIP VAE"),
    "UNETLoader": ("unet_name:STRING weight_dtype:STRING", "MODEL"),
    "DualCLIPLoader": ("clip_name1:STRING clip_name2:STRING type:STRING device:STRING", "CLIP"),
    "VAELoader": ("vae_name:STRING", "VAE"),
    "CLIPVisionLoader": ("clip_name:STRING", "CLIP_VISION"),
    "CLIPTextEncode": ("text:STRING clip:CLIP", "CONDITIONING"),
    "ConditioningZeroOut": ("conditioning:CONDITIONING", "CONDITIONING"),
    "FluxGuidance": ("conditioning:CONDITIONING guidance:FLOAT", "CONDITIONING"),
    "EmptyLatentImage": ("width:INT height:INT batch_size:INT", "LATENT"),
    "EmptySD3LatentImage": ("width:INT height:INT batch_size:INT", "LATENT"),
    "KSampler": (
        "model:MODEL seed:INT steps:INT cfg:FLOAT sampler_name:STRING scheduler:STRING positive:CONDITIONING "
        "negative:CONDITIONING latent_image:LATENT denoise:FLOAT",
        "LATENT",
    ),
    "SetLatentNoiseMask": ("samples:LATENT mask:MASK", "LATENT"),
    "VAEEncode": ("pixels:IMAGE vae:VAE", "LATENT"),
    "UpscaleModelLoader": ("model_name:STRING", "UPSCALE_MODEL"),
    "ImageUpscaleWithModel": ("upscale_model:UPSCALE_MODEL image:IMAGE", "IMAGE"),
    "ImageScale": (
        "image:IMAGE upscale_method:STRING width:INT height:INT crop:STRING",
        "IMAGE",
    ),
    "VAEDecode": ("samples:LATENT vae:VAE", "IMAGE"),
    "FluxKontextImageScale": ("image:IMAGE", "IMAGE"),
    "ReferenceLatent": ("conditioning:CONDITIONING latent:LATENT", "CONDITIONING"),
    "RecraftV4TextToImageNode": (
        "prompt:STRING negative_prompt:STRING model:STRING model.size:STRING n:INT seed:INT",
        "IMAGE",
    ),
    "OpenAIGPTImageNodeV2": (
        "prompt:STRING model:STRING model.size:STRING model.custom_width:INT model.custom_height:INT "
        "model.background:STRING model.quality:STRING n:INT seed:INT",
        "IMAGE",
    ),
    "GeminiImage2Node": (
        "prompt:STRING model:STRING seed:INT aspect_ratio:STRING resolution:STRING response_modalities:STRING "
        "system_prompt:STRING",
        "IMAGE STRING",
    ),
    "BatchImagesNode": ("images.image0:IMAGE images.image1:IMAGE", "IMAGE"),
}
# Those that need a real ComfyUI, and what the stand-in host says of them
_LOCK = "(Cast Lock): cast is lazy, and only ComfyUI leaves out what is not needed"
LAZY = dict.fromkeys(("casting", "casting_from_files", "full_pipeline"), _LOCK)
MODEL_FILE = re.compile(r"[^/]+\.(?:safetensors|bin|pt|onnx)")
TITLE = 30  # px of a node's head, above its place

STANDIN = pytest.mark.skipif(IN_COMFYUI, reason="it would save among the checkout's models")


@pytest.fixture
def portraits(tmp_path, hopper):
    """A folder with the pictures that the workflows load."""
    for name in ("portrait_a", "portrait_b"):
        (path,) = save_pictures(hopper, tmp_path / "input", name)
        path.rename(path.with_name(f"{name}.png"))
    return tmp_path / "input"


def test_there_are_workflows_and_they_lie_flat():
    assert SHIPPED
    assert not [path for path in (ROOT / "workflows").iterdir() if path.is_dir()]


def core_nodes():
    """Those of ``CORE`` as the stand-in host would declare them."""

    def declared(name, told):
        inputs, outputs = told
        values = {"STRING": io.String, "INT": io.Int, "FLOAT": io.Float}

        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                pairs = [one.split(":") for one in inputs.split()]
                return io.Schema(
                    node_id=name,
                    inputs=[values.get(kind, io.Custom(kind)).Input(key) for key, kind in pairs],
                    outputs=[io.Custom(kind).Output() for kind in outputs.split()],
                )

        return Node

    return {name: declared(name, told) for name, told in CORE.items()}


@pytest.fixture
def named_files(tmp_path, monkeypatch):
    """Every file that a workflow's own loaders name lies where they look; nothing is in it."""
    for node in (node for path in SHIPPED for node in json.loads(path.read_text("utf-8"))["nodes"]):
        if node["type"] in ("LoupeLoadIdentityAdapter", "LoupeLoadEvaClip"):
            file = tmp_path / "models" / node["widgets_values"][0]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def folders(kinds):
        return lambda: {kind: [tmp_path / "models" / kind] for kind in kinds}

    monkeypatch.setattr(node_load_adapter, "adapter_folders", folders(node_load_adapter.KINDS))
    monkeypatch.setattr(node_load_eva, "eva_folders", folders(node_load_eva.KINDS))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_fits_the_nodes_as_they_are(path, portraits, tmp_path, named_files):
    nodes = {**OURS, **image_nodes(portraits, tmp_path), **core_nodes()}
    prompt = ui_to_api(json.loads(path.read_text("utf-8")), nodes)
    if path.stem in LAZY:  # nothing else is wrong with it
        with pytest.raises(GraphError) as refused:
            check(prompt, nodes)
        assert [LAZY[path.stem] in problem for problem in refused.value.problems] == [True]
    else:
        check(prompt, nodes)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_node_lies_on_another_and_links_lead_to_the_right(path):
    saved = json.loads(path.read_text("utf-8"))
    boxes = {
        node["id"]: (x, y - TITLE, x + width, y + height)
        for node in saved["nodes"]
        for (x, y), (width, height) in [(node["pos"], node["size"])]
    }
    for one, (left, top, right, bottom) in boxes.items():
        for other, box in boxes.items():
            clear = box[0] >= right or box[2] <= left or box[1] >= bottom or box[3] <= top
            assert clear or one == other, (one, other)
    for _, source, _, target, _, _ in saved["links"]:
        assert boxes[source][0] <= boxes[target][0], (source, target)


SHOWS = {"SaveImage", "PreviewImage", "PreviewAny"}  # what ComfyUI runs for its own sake


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_node_of_it_runs(path):
    """ComfyUI runs what an output node asks for, and nothing else."""
    saved = json.loads(path.read_text("utf-8"))
    kinds = {node["id"]: node["type"] for node in saved["nodes"] if node["type"] != "MarkdownNote"}
    ends = SHOWS | {key for key, node in OURS.items() if node.define_schema().is_output_node}
    wanted = {key for key, kind in kinds.items() if kind in ends}
    for _ in kinds:
        wanted |= {source for _, source, _, target, _, _ in saved["links"] if target in wanted}
    assert [kind for key, kind in kinds.items() if key not in wanted] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_its_notes_name_every_model_file_that_it_loads(path):
    nodes = json.loads(path.read_text("utf-8"))["nodes"]
    notes = "\n".join(node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    values = [
        value
        for node in nodes
        if node["type"] != "MarkdownNote"
        for value in node.get("widgets_values") or []
        if isinstance(value, str) and MODEL_FILE.search(value)
    ]
    assert not [value for value in values if value.rpartition("/")[2] not in notes]
    if values:
        assert "licence" in notes.lower()


def test_the_adapters_of_the_workflows_are_named_as_they_are_published(identity_adapters):
    named = {
        path.stem: node["widgets_values"][0]
        for path in SHIPPED
        for node in json.loads(path.read_text("utf-8"))["nodes"]
        if node["type"] == "LoupeLoadIdentityAdapter"
    }
    plus = f"ipadapter/{identity_adapters.file_name('plusv2', 'SDXL')}"
    assert named == {
        **dict.fromkeys(("close_up_identity_sdxl", "full_pipeline", "portrait_set_20"), plus),
        "close_up_identity_flux": f"pulid/{identity_adapters.file_name('pulid_flux')}",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_names_no_place_of_any_machine(path):
    text = path.read_text("utf-8")
    assert not re.findall(r'"(?:/[a-z]+/|[A-Z]:\\\\|\\\\\\\\|~)[^"]*"', text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_has_a_thumbnail_that_the_template_browser_shows(path):
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.format == "JPEG"
        assert min(picture.size) >= 256
    assert path.with_suffix(".jpg").stat().st_size < 200_000


def run_shipped(name, portraits, output):
    """A workflow on the stand-in host: what its nodes of each type gave, by the names of their outputs."""
    saved = json.loads((ROOT / f"workflows/{name}.json").read_text("utf-8"))
    nodes = {**OURS, **image_nodes(portraits, output)}
    prompt = ui_to_api(saved, nodes)
    with saving_into(output):
        results = run(prompt, nodes)
    found = {}
    for key, values in results.outputs.items():
        schema = nodes[prompt[key]["class_type"]].define_schema()
        names = [one.display_name or one.id for one in schema.outputs]
        found.setdefault(schema.node_id, []).append(dict(zip(names, values, strict=False)))
    return found


def test_the_comparison_makes_its_plate(portraits, tmp_path):
    made = run_shipped("extreme_close_up_comparison", portraits, tmp_path / "output")
    (compare,), (save,) = made["LoupeCompare"], made["LoupeSavePlate"]
    original, soft = compare["panels"]
    # the soft panel shows the same face, with less of its fine detail: neighbours differ less
    assert compare["plate"].shape[0] == 1
    assert (original - soft).abs().mean() > 0.005
    assert soft.diff(dim=1).abs().mean() < 0.8 * original.diff(dim=1).abs().mean()
    assert abs(original.mean() - soft.mean()) < 0.02
    plate, manifest, sources = (tmp_path / "output" / line for line in save["files"].splitlines())
    pixels, _ = read_picture(plate)
    assert torch.equal(pixels, (compare["plate"] * 255).round() / 255)
    assert sources.exists()
    assert rebuild(manifest.read_text("utf-8"), [plate.parent]).same


def test_the_grid_makes_two_plates_of_four_panels(portraits, tmp_path):
    made = run_shipped("model_grid", portraits, tmp_path / "output")
    assert sorted(told["report"].split(",")[0] for told in made["LoupeCompare"]) == [
        "left eye",
        "lips",
    ]
    for compare in made["LoupeCompare"]:
        assert len(compare["panels"]) == 4
        assert len(json.loads(compare["figures"])) == 4
    for save in made["LoupeSavePlate"]:
        assert all((tmp_path / "output" / line).exists() for line in save["files"].splitlines())


@STANDIN
def test_the_identity_workflow_goes_as_far_as_it_can_without_a_model(
    portraits, tmp_path, monkeypatch
):
    monkeypatch.delenv("LOUPE_MODELS", raising=False)
    made = run_shipped("identity_profile_and_audit", portraits, tmp_path / "output")
    (profile,), (drift,), (audit,) = (
        made[f"LoupeIdentity{name}"] for name in ("Profile", "Drift", "Audit")
    )
    assert "no encoder" in profile["report"]
    assert list(drift["can_tell"]) == [False]
    assert "cannot be told" in drift["report"]
    assert 0 < audit["risk"][0] < 100  # one prompt of a list
    (crop,) = made["LoupeCrop"]
    assert crop["crop"][0].shape[-1] == 3
    (saved,) = made["LoupeSaveIdentity"]
    assert (tmp_path / "output" / "identity_profiles" / saved["file"]).is_file()


@STANDIN
def test_the_identity_workflow_measures_where_an_encoder_is(
    face_pack, marker_face, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOUPE_MODELS", str(tmp_path / "models"))
    face_pack(tmp_path / "models" / "insightface")
    for name, iod in (("portrait_a", 90), ("portrait_b", 70)):
        face = {"x": 300, "y": 280, "iod": iod, "identity": 5}
        picture, _ = marker_face((600, 700), [face])
        (path,) = save_pictures(torch.from_numpy(picture)[None], tmp_path / "input", name)
        path.rename(path.with_name(f"{name}.png"))
    made = run_shipped("identity_profile_and_audit", tmp_path / "input", tmp_path / "output")
    (drift,) = made["LoupeIdentityDrift"]
    assert list(drift["can_tell"]) == [True]
    assert drift["similarity"][0] > 0.95
    (saved,) = made["LoupeSaveIdentity"]
    assert (tmp_path / "models" / "identity_profiles" / saved["file"]).is_file()


def test_the_lens_workflow_goes_from_soft_to_crisp_and_measures_it(portraits, tmp_path):
    saved = json.loads((ROOT / "workflows/lens_micro_contrast.json").read_text("utf-8"))
    nodes = {**OURS, **image_nodes(portraits, tmp_path / "output")}
    results = run(ui_to_api(saved, nodes), nodes)
    strips = {
        tuple(one["name"] for one in told["entries"]): told["entries"]
        for out in results.outputs.values()
        if out and isinstance(out[-1], str) and out[-1].startswith("{")
        for told in [json.loads(out[-1])]
        if "entries" in told
    }
    (levels,) = [one for names, one in strips.items() if names[0].startswith("level")]
    contrast = [one["micro_contrast"] for one in levels]
    assert contrast == sorted(contrast)
    assert contrast[0] < 0.9
    assert contrast[2] == pytest.approx(1)
    (styles,) = [one for names, one in strips.items() if not names[0].startswith("level")]
    assert len(styles) > 5
    (measured,) = [out for out in results.outputs.values() if out and isinstance(out[0], float)]
    assert set(json.loads(measured[4])["pictures"][0]["places"]) >= {"lip border", "brow line"}
