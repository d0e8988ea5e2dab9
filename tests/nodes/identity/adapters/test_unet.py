import re
from importlib.util import find_spec

import pytest
import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.adapters.unet import places

# As published, one line a block: ComfyUI's name, transformers, width as a multiple of the narrowest.
SD15 = """input 1 1 1; input 2 1 1; input 4 1 2; input 5 1 2; input 7 1 4; input 8 1 4;
output 3 1 4; output 4 1 4; output 5 1 4; output 6 1 2; output 7 1 2; output 8 1 2;
output 9 1 1; output 10 1 1; output 11 1 1; middle 0 1 4"""
SDXL = """input 4 2 2; input 5 2 2; input 7 10 4; input 8 10 4; output 0 10 4; output 1 10 4;
output 2 10 4; output 3 2 2; output 4 2 2; output 5 2 2; middle 0 10 4"""
TABLES = {"SD1.5": SD15, "SDXL": SDXL}
# SD1.5 and SDXL as they are, but 32 channels wide.
COMMON = {
    **{"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32},
    **{"use_spatial_transformer": True, "legacy": False, "num_res_blocks": 2},
}
CONFIGS = {
    "SD1.5": {
        **{"channel_mult": (1, 2, 4, 4), "num_heads": 4, "context_dim": 24},
        **{"transformer_depth": [1] * 6 + [0] * 2, "transformer_depth_middle": 1},
        **{"transformer_depth_output": [1] * 9 + [0] * 3},
    },
    "SDXL": {
        **{"channel_mult": (1, 2, 4), "num_head_channels": 32, "context_dim": 24},
        **{"transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_middle": 10},
        **{"transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10]},
        **{"use_linear_in_transformer": True},
    },
}


def table(base):
    """(block, id, index in the block, width) of every layer, in the checkpoints' order."""
    rows = [row.split() for row in TABLES[base].split(";")]
    return [
        (block, int(id), index, int(width))
        for block, id, depth, width in rows
        for index in range(int(depth))
    ]


@pytest.fixture
def adapter(identity_adapters):
    def made(kind, base, **sizes):
        tensors = flatten(identity_adapters.build(kind, base, **sizes))
        return recognise(tensors, identity_adapters.file_name(kind, base))

    return made


@pytest.mark.parametrize("base", TABLES)
def test_the_layers_are_numbered_down_up_middle(adapter, base):
    found = adapter("faceid", base, unit=32)
    expected = table(base)
    assert len(expected) == {"SD1.5": 16, "SDXL": 70}[base]
    assert [layer.patch_key for layer in found.cross_layers] == [row[:3] for row in expected]
    assert [layer.key.shape[0] for layer in found.cross_layers] == [32 * row[3] for row in expected]
    for index, layer in enumerate(found.cross_layers):
        assert layer.number == 2 * index + 1
        at = f"ip_adapter.{2 * index + 1}.to_"
        assert layer.key is found.tensors[f"{at}k_ip.weight"]
        assert layer.value is found.tensors[f"{at}v_ip.weight"]


def test_the_middle_is_numbered_last_and_runs_in_the_middle():
    assert [place.order for place in places("SD1.5")] == [*range(6), *range(7, 16), 6]
    order = [0] * 2 + [1] * 2 + [2] * 10 + [3] * 10 + [5] * 10 + [6] * 10 + [7] * 10
    assert [place.order for place in places("SDXL")] == [*order, 8, 8, 9, 9, 10, 10] + [4] * 10


def test_styles_and_compositions_transformers_are_where_they_are_known_to_be():
    """SDXL's up_blocks.0.attentions.1 and down_blocks.2.attentions.1."""
    at = {(place.block, place.id): place.order for place in places("SDXL")}
    assert at["output", 1] == 6
    assert at["input", 8] == 3


@pytest.mark.parametrize(("base", "parts"), [("SD1.5", 128), ("SDXL", 560)])
def test_the_lora_changes_every_projection_of_every_attention_once(adapter, base, parts):
    found = adapter("faceid", base)
    assert len({part.key for part in found.lora}) == len(found.lora) == parts
    by_key = {part.key: part for part in found.lora}
    for index, (block, id, transformer, _) in enumerate(table(base)):
        where = "middle_block.1" if block == "middle" else f"{block}_blocks.{id}.1"
        for number, attention in ((2 * index, "attn1"), (2 * index + 1, "attn2")):
            for ours, theirs in {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}.items():
                at = f"diffusion_model.{where}.transformer_blocks.{transformer}"
                part = by_key[f"{at}.{attention}.{theirs}.weight"]
                tensors = f"ip_adapter.{number}.to_{ours}_lora."
                assert part.up is found.tensors[f"{tensors}up.weight"]
                assert part.down is found.tensors[f"{tensors}down.weight"]


def test_portrait_and_instantid_change_no_weight(adapter):
    assert adapter("portrait", "SD1.5").lora == adapter("instantid", "SDXL").lora == ()


@pytest.mark.parametrize(
    ("key", "shape", "said"),
    [
        ("3.to_k_ip", (16, 64), r"3\.to_k_ip\.weight is \(16, 64\), expected \(8, 64\)"),
        ("31.to_v_ip", (32, 65), r"31\.to_v_ip\.weight is \(32, 65\), expected \(32, 64\)"),
        ("1.to_k_ip", (8,), r"1\.to_k_ip\.weight is \(8,\)"),
        ("0.to_q_lora.up", (9, 6), r"0\.to_q_lora\.up\.weight is \(9, 6\), expected \(8, 6\)"),
        ("8.to_k_lora.down", (6, 8), r"is \(6, 8\), expected \(6, 32\)"),
        ("9.to_k_lora.down", (6, 8), r"is \(6, 8\), expected \(6, 64\)"),
        ("9.to_out_lora.down", (7, 32), r"is \(7, 32\), expected \(6, 32\)"),
        ("1.to_k_lora.down", (6,), r"1\.to_k_lora\.down\.weight is \(6,\)"),
        ("0.to_q_lora.down", (), r"0\.to_q_lora\.(up|down)\.weight is"),
    ],
)
def test_layers_and_lora_must_fit_each_other(identity_adapters, key, shape, said):
    tensors = flatten(identity_adapters.build("faceid"))
    tensors[f"ip_adapter.{key}.weight"] = torch.zeros(shape)
    with pytest.raises(ValueError, match=said):
        recognise(tensors, "faceid.bin")


@pytest.mark.skipif(find_spec("comfy") is None, reason="ComfyUI is not importable here")
@pytest.mark.parametrize("base", CONFIGS)
class TestInComfyUI:
    @pytest.fixture
    def unet(self, base):
        import comfy.ops
        from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

        torch.manual_seed(0)
        return UNetModel(**CONFIGS[base], **COMMON, operations=comfy.ops.disable_weight_init)

    def test_every_target_of_the_lora_is_a_weight_of_that_shape(self, adapter, unet, base):
        weights = {f"diffusion_model.{key}": value for key, value in unet.state_dict().items()}
        parts = adapter("faceid", base, unit=32, text=24).lora
        for part in parts:
            assert weights[part.key].shape == (part.up @ part.down).shape
        attention = re.compile(r"\.attn[12]\.to_(q|k|v|out\.0)\.weight$")
        assert {part.key for part in parts} == set(filter(attention.search, weights))

    def test_every_layer_is_reached_by_its_key_at_its_width_and_place(self, adapter, unet, base):
        layers = adapter("faceid", base, unit=32).cross_layers
        reached = {}

        def seen(key):
            def replaced(q, k, v, options):
                reached[key] = (q.shape[-1], options["transformer_index"], options["block_index"])
                return q

            return replaced

        for parameter in unet.parameters():
            torch.nn.init.constant_(parameter, 0.01)
        patches = {layer.patch_key: seen(layer.patch_key) for layer in layers}
        with torch.no_grad():
            unet(
                torch.zeros(1, 4, 16, 16),
                torch.zeros(1),
                context=torch.zeros(1, 3, 24),
                transformer_options={"patches_replace": {"attn2": patches}},
            )
        assert reached == {
            layer.patch_key: (layer.key.shape[0], layer.order, layer.transformer_index)
            for layer in layers
        }
