import pytest
import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.formats.registry import SUPPORTED, VERSIONS
from portrait_loupe.nodes.identity.adapters.inputs import Inputs
from portrait_loupe.nodes.identity.adapters.layout import Refused
from portrait_loupe.nodes.identity.adapters.recognise import recognise

FACEID, PLUS, V2 = "FaceID", "FaceID Plus", "FaceID Plus V2"
PORTRAIT, INSTANTID, PULID = "FaceID Portrait", "InstantID", "PuLID-Flux"
RESNET50, RESNET100 = "w600k_r50", "glintr100"
WHAT = {  # kind: format, encoder, needs
    "faceid": (FACEID, RESNET50, ("normed",)),
    "plus": (PLUS, RESNET50, ("normed", "clip_h")),
    "plusv2": (V2, RESNET50, ("normed", "clip_h")),
    "portrait": (PORTRAIT, RESNET50, ("normed",)),
    "unnorm": (PORTRAIT, RESNET50, ("raw",)),
    "instantid": (INSTANTID, RESNET100, ("raw",)),
    "pulid_flux": (PULID, RESNET100, ("raw", "eva")),
}
# Sizes unlike the builder's own, and what must be read back.
MLP = {"tokens": 5, "width": 48, "hidden": 24}
UNET = {"rank": 3, "text": 20}
RESAMPLER = {"tokens": 6, "width": 32, "inner": 40, "attention": 192, "depth": 4}
SIZES = {
    "faceid": MLP | UNET,
    "plus": MLP | UNET | {"width": 128, "clip": 72, "depth": 3},
    "plusv2": MLP | UNET | {"width": 128, "clip": 72, "depth": 3},
    "portrait": MLP,
    "unnorm": RESAMPLER,
    "instantid": RESAMPLER,
    "pulid_flux": {
        **{"tokens": 9, "width": 24, "inner": 32, "attention": 64, "face_tokens": 3, "each": 1},
        **{"image": 36, "image_attention": 384, "eva": 28, "pooled": 16},
    },
}
TOLD = {"text": "text_width", "pooled": "face"}
LAYERS = {"SD1.5": (16, 128), "SDXL": (70, 560), "Flux": (0, 0)}


def pairs(function):
    every = [
        (kind, base)
        for kind in WHAT
        for base in (
            ("SD1.5", "SDXL") if kind in ("faceid", "plus", "plusv2", "portrait") else ("SDXL",)
        )
    ]
    every[-1] = ("pulid_flux", "Flux")
    return pytest.mark.parametrize(("kind", "base"), every)(function)


@pytest.fixture
def make(identity_adapters):
    """``make(kind, base, **sizes)``: flat tensors, and the name that such a file was published under."""

    def made(kind, base="SD1.5", **sizes):
        tensors = flatten(identity_adapters.build(kind, base, **sizes))
        return tensors, identity_adapters.file_name(kind, base)

    return made


@pairs
@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_every_layout_is_known_and_its_sizes_read_from_either_kind_of_file(
    identity_adapters, tmp_path, kind, base, suffix
):
    sizes = SIZES[kind]
    built = identity_adapters.build(kind, base, **sizes)
    path = identity_adapters.save(built, tmp_path / f"file{suffix}")
    name = identity_adapters.file_name(kind, base)
    adapter = recognise(flatten(identity_adapters.load(path)), name, sha256="abc")
    assert (adapter.format, adapter.encoder, adapter.needs) == WHAT[kind]
    assert adapter.base == base
    assert (adapter.tokens, adapter.width) == (sizes["tokens"], sizes["width"])
    assert adapter.file == name.split("/")[-1]
    assert adapter.sha256 == "abc"
    assert adapter.unused == ()
    for asked, value in sizes.items():
        expected = 512 + value if asked == "pooled" else value
        assert adapter.sizes[TOLD.get(asked, asked)] == expected
    layers, parts = LAYERS[base]
    assert len(adapter.cross_layers) == layers
    assert len(adapter.lora) == (parts if "rank" in sizes else 0)
    assert len(adapter.flux_layers) == (20 if base == "Flux" else 0)
    if "heads" in adapter.sizes:
        attention = sizes.get("attention", sizes["width"])
        assert adapter.sizes["heads"] == attention // 64


def test_both_kinds_of_file_project_alike(identity_adapters, tmp_path):
    face = torch.ones(1, 512)
    told = []
    for suffix in (".bin", ".safetensors"):
        path = identity_adapters.save(identity_adapters.build("faceid"), tmp_path / f"a{suffix}")
        adapter = recognise(flatten(identity_adapters.load(path)))
        told.append(adapter.project(Inputs(face)).positive)
    assert torch.equal(*told)


def test_the_names_of_training_scripts_are_read_too(make):
    tensors, name = make("portrait")
    other = {
        key.replace("ip_adapter.", "adapter_modules.").replace(
            "image_proj.", "image_proj_model."
        ): v
        for key, v in tensors.items()
    }
    assert recognise(flatten(other), name).format == PORTRAIT


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("ip-adapter-faceid-plus_sd15.bin", PLUS),
        ("ip-adapter-faceid-plusv2_sd15.bin", V2),
        ("IP-Adapter-FaceID-PlusV2_SD15.safetensors", V2),
        ("faceid_plus_v2.safetensors", V2),
        ("faceid-plus-v1.safetensors", PLUS),
        ("plusv2/ip-adapter-faceid-plus_sd15.bin", PLUS),
        ("ip-adapter-faceid-plusv2/model.bin", V2),
        ("D:\\models\\faceid-plusv2\\model.bin", V2),
    ],
)
def test_the_name_tells_the_version_of_plus_and_the_users_word_overrules_it(make, name, version):
    tensors, _ = make("plus")
    adapter = recognise(tensors, name)
    assert adapter.format == version
    assert adapter.told_by.startswith("by the name")
    other = "v1" if version == V2 else "v2"
    adapter = recognise(tensors, name, version=other)
    assert adapter.format == (PLUS if other == "v1" else V2)
    assert adapter.told_by == f"by the version that was set, {other}"


def test_without_a_name_plus_is_v2_for_sdxl_and_asked_for_where_there_are_both(make):
    adapter = recognise(make("plus", "SDXL")[0], "mine.bin")
    assert adapter.format == V2
    assert "no other version was made for SDXL" in adapter.told_by
    with pytest.raises(Refused, match=r"mine.bin is FaceID Plus or FaceID Plus V2.* v1 or v2"):
        recognise(make("plus", "SD1.5")[0], "mine.bin")


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("instantid/ip-adapter.bin", INSTANTID),
        ("ip-adapter.bin", INSTANTID),
        ("models/instantid/portraits.bin", PORTRAIT),
        ("models/instantid/mine.bin", INSTANTID),
        ("InstantID_ip.safetensors", INSTANTID),
        ("ipadapter/ip-adapter-faceid-portrait_sdxl_unnorm.bin", PORTRAIT),
        ("portraits/ComfyUI/models/instantid/mine.bin", INSTANTID),
        ("instantid/ComfyUI/models/portrait/mine.bin", PORTRAIT),
    ],
)
def test_name_or_folder_tell_instantid_from_the_unnormed_portrait(make, name, format):
    tensors, _ = make("instantid", "SDXL")
    adapter = recognise(tensors, name)
    assert adapter.format == format
    assert adapter.encoder == (RESNET100 if format == INSTANTID else RESNET50)
    assert recognise(tensors, name, version="InstantID").format == INSTANTID
    assert recognise(tensors, name, version="Portrait").encoder == RESNET50


@pytest.mark.parametrize("name", ["", "mine.bin", "instantid/a/b/c/mine.bin"])
def test_where_no_name_tells_the_version_is_asked_for(make, name):
    with pytest.raises(Refused, match="Set the version to Portrait or InstantID"):
        recognise(make("instantid", "SDXL")[0], name)


def test_a_version_that_does_not_apply_is_refused_with_those_that_do(make):
    with pytest.raises(
        Refused, match=r"set to v2, but .*faceid_sd15.bin is FaceID: set it to auto"
    ):
        recognise(*make("faceid"), version="v2")
    with pytest.raises(Refused, match="set it to auto or v1 or v2"):
        recognise(*make("plus"), version="InstantID")
    with pytest.raises(Refused, match="must be one of auto, v1, v2, Portrait, InstantID; got 'v3'"):
        recognise(*make("plus"), version="v3")
    assert VERSIONS == ("auto", "v1", "v2", "Portrait", "InstantID")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pulid_sdxl_converted", "PuLID for SDXL, converted v1"),
        ("pulid_sdxl", "PuLID for SDXL, v1"),
        ("pulid_sdxl_v11", "PuLID for SDXL, v1.1"),
        ("pulid_klein", "PuLID for Flux.2 Klein"),
        ("infinite_you", "InfiniteYou's projector"),
        ("infusenet", "InfuseNet"),
        ("kolors", "Kolors"),
        ("ip_plain", "IP-Adapter"),
        ("ip_plus", "IP-Adapter Plus"),
        ("ip_full_face", "IP-Adapter full face"),
        ("photomaker_v1", "PhotoMaker v1"),
        ("photomaker_v2", "PhotoMaker v2"),
    ],
)
def test_what_is_known_but_not_supported_is_named_beside_what_is(make, kind, said):
    tensors, name = make(kind)
    with pytest.raises(Refused, match="does not yet support") as refused:
        recognise(tensors, name)
    assert said in refused.value.recognised
    assert f"{name.split('/')[-1]} is {refused.value.recognised}" in str(refused.value)
    assert all(one in str(refused.value) for one in SUPPORTED)


def test_what_nobody_knows_is_refused_with_what_was_seen_and_why_it_is_nothing_known(make):
    tensors, _ = make("faceid")
    del tensors["image_proj.proj.0.weight"]
    with pytest.raises(Refused, match=r"x\.bin is no identity adapter that Loupe knows") as refused:
        recognise(tensors, "x.bin")
    text = str(refused.value)
    assert "293 tensors: ip_adapter (288), image_proj (5)" in text
    assert "ip_adapter.31.to_out_lora.down.weight" in text or "image_proj.proj.0.bias (32,)" in text
    why = {line.partition(" (")[0]: line for line in text.splitlines() if line.startswith("- ")}
    assert "no key image_proj.proj.0.weight" in why["- FaceID"]
    assert "no key pulid_ca.*; no key pulid_encoder.*" in why["- PuLID-Flux"]
    assert "not yet supported" in why["- PhotoMaker v1"]
    assert "not yet supported" not in why["- InstantID"]
    assert next(line for line in text.splitlines() if line[0] == "-").startswith("- FaceID (")
    assert refused.value.recognised is None


@pairs
def test_a_file_that_lacks_any_one_tensor_is_refused(make, kind, base):
    tensors, name = make(kind, base)
    keys = list(tensors)
    for key in {*keys[:40], *keys[40 :: len(keys) // 25], keys[-1]}:
        lacking = {other: value for other, value in tensors.items() if other != key}
        with pytest.raises(Refused) as refused:
            recognise(lacking, name)
        assert key in str(refused.value)


@pairs
def test_a_file_of_which_one_tensor_has_another_shape_is_refused(make, kind, base):
    tensors, name = make(kind, base)
    for key in list(tensors)[:: max(1, len(tensors) // 30)]:
        wrong = tensors | {key: torch.cat([tensors[key], tensors[key][:1]])}
        with pytest.raises(Refused):
            recognise(wrong, name)


def test_a_file_cut_off_names_the_first_layers_that_it_lacks(make):
    tensors, name = make("portrait", "SDXL")
    cut = {key: value for key, value in tensors.items() if not key.startswith("ip_adapter.13")}
    with pytest.raises(Refused, match=r"lacks ip_adapter\.13\.to_k_ip\.weight") as refused:
        recognise(cut, name)
    assert "(12 of the 140 tensors there)" in str(refused.value)
    assert refused.value.recognised == PORTRAIT


def test_instantid_on_sixteen_layers_is_refused(make):
    tensors, name = make("instantid", "SD1.5")
    with pytest.raises(Refused, match=r"there is for SDXL, but its layers are those of SD1\.5"):
        recognise(tensors, name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["image_proj.norm.weight", "ip_adapter.31.to_v_ip.weight"])
def test_weights_that_are_not_numbers_are_refused_by_name(make, key, value):
    tensors, name = make("faceid", dtype=torch.float16)
    tensors[key].view(-1)[3] = value
    with pytest.raises(Refused, match=f"{key} holds values that are not numbers"):
        recognise(tensors, name)


def test_weights_as_large_as_halves_can_be_are_numbers(make):
    tensors, name = make("faceid", dtype=torch.float16)
    tensors["ip_adapter.1.to_k_ip.weight"][:] = 65504.0
    assert recognise(tensors, name).format == FACEID


def test_eight_bits_are_refused(make):
    tensors, name = make("faceid")
    key = "ip_adapter.1.to_k_ip.weight"
    with pytest.raises(Refused, match=f"{key} is float8_e4m3fn"):
        recognise(tensors | {key: tensors[key].to(torch.float8_e4m3fn)}, name)


def test_what_nothing_reads_is_told(make):
    tensors, name = make("faceid")
    extra = {"image_proj.pos": torch.zeros(1), "ip_adapter.0.to_k_ip.weight": torch.zeros(1)}
    assert recognise(tensors | extra, name).unused == tuple(extra)
