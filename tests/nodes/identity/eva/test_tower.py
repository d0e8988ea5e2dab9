import pytest
import torch

from portrait_loupe.nodes.identity.eva.tower import find_tower, timm_name


@pytest.mark.parametrize("layout", ["baai", "open_clip", "timm"])
def test_every_layout_holds_the_same_tower(eva_clips, layout):
    tower = find_tower(eva_clips.build(layout))
    assert tower.sizes == {
        "width": 128, "blocks": 21, "heads": 2, "patch": 4, "grid": 3, "side": 12, "inner": 85, "pooled": 24
    }  # fmt: skip
    same = find_tower(eva_clips.build("timm")).tensors
    assert tower.tensors.keys() == same.keys()
    assert all(torch.equal(tower.tensors[name], same[name]) for name in same)
    assert tower.what == "an EVA02 tower, 128 wide, 21 blocks, patches of 4 px of 12 px"
    assert len(tower.rope) == (44 if layout == "baai" else 0)


def test_sizes_are_read_not_assumed(eva_clips):
    odd = {"width": 64, "blocks": 23, "patch": 2, "grid": 5, "inner": 7, "pooled": 3}
    sizes = find_tower(eva_clips.build(**odd)).sizes
    assert {name: sizes[name] for name in odd} == odd
    assert (sizes["heads"], sizes["side"]) == (1, 10)


def test_what_a_training_script_wraps_around_is_taken_off(eva_clips):
    plain = eva_clips.build(width=64)
    inner = {f"module.{name}": value for name, value in plain.items()}
    for whole in (
        {"epoch": 6, "state_dict": plain},
        {"model": inner},
        inner,
        {**plain, 7: torch.ones(1)},
    ):
        tower = find_tower(whole)
        assert tower.sizes["blocks"] == 21
        assert all("text" not in name for name in tower.tensors)


def test_a_tensor_is_called_as_its_file_calls_it(eva_clips):
    for layout, called in [
        ("baai", "visual.blocks.3.mlp.w1.weight"),
        ("open_clip", "visual.trunk.blocks.3.mlp.fc1_g.weight"),
        ("timm", "blocks.3.mlp.fc1_g.weight"),
    ]:
        tensors = eva_clips.build(layout, width=64)
        name = timm_name("blocks.3.mlp.w1.weight")
        assert find_tower(tensors).called(name) == called
        del tensors[called]
        assert find_tower(tensors).called(name) == called  # as it would


def without(tensors, *parts):
    return {
        name: value for name, value in tensors.items() if not any(part in name for part in parts)
    }


def fused(tensors, width):
    """As EVA01's and E's: one projection for queries, keys and values, a plain MLP, no norm inside."""
    plain = without(
        tensors, "q_proj", "k_proj", "v_proj", "mlp.w", "ffn_ln", "inner_attn_ln", "rope"
    )
    plain |= {"visual.blocks.0.attn.qkv.weight": torch.zeros(3 * width, 1)}
    plain |= {"visual.blocks.0.mlp.fc1.weight": torch.zeros(8, 1)}
    return plain | {"visual.patch_embed.proj.weight": torch.zeros(width, 3, 14, 14)}


def test_another_tower_is_called_by_its_name(eva_clips):
    small = eva_clips.build(width=64, blocks=2)
    for width, name in [(1408, "EVA01-CLIP-g/14"), (1792, "EVA02-CLIP-E/14")]:
        with pytest.raises(
            ValueError,
            match=rf"{width} wide .*{name}.* none of EVA02's kind: .*q_proj.*PuLID needs EVA02-CLIP-L/14-336",
        ):
            find_tower(fused(small, width))
    base = {  # meta: its shapes alone count
        name: torch.empty(shape, device="meta")
        for name, shape in eva_clips.shapes(768, 12, 16, 14, 2048, 512).items()
    }
    with pytest.raises(
        ValueError,
        match=r"it is EVA02-CLIP-B/16, which has 12 blocks; .*before blocks 4, 8, 12, 16, 20",
    ):
        find_tower(base)
    large = {
        name: torch.empty(shape, device="meta")
        for name, shape in eva_clips.shapes(1024, 24, 14, 24, 2730, 768).items()
    }
    assert find_tower(large).what == "EVA02-CLIP-L/14-336"


@pytest.mark.parametrize(
    ("loaded", "told"),
    [
        ([torch.ones(2)], "it holds a list, not tensors by name"),
        ({}, "no picture tower .* among its 0 entries: none"),
        ({"text_model.final_layer_norm.weight": torch.ones(3)}, "no picture tower such as EVA-CLIP's .*text_model.final"),
        ({"visual.conv1.weight": torch.ones(4, 3, 2, 2), "visual.proj": torch.ones(4, 4)}, "no picture tower"),
    ],
    ids=["a list", "nothing", "a text encoder", "OpenAI's CLIP"],
)  # fmt: skip
def test_what_is_no_eva_is_told_by_what_it_holds(loaded, told):
    with pytest.raises(ValueError, match=told + ".*PuLID needs EVA02-CLIP-L/14-336"):
        find_tower(loaded)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"visual.pos_embed": torch.ones(1, 9, 64)}, "8 places"),
        ({"visual.pos_embed": torch.ones(9, 64)}, r"visual.pos_embed must be \(1, 1 \+ grid x grid, width\), got \(9, 64\)"),
        ({"visual.pos_embed": torch.ones(1, 1, 64)}, "0 places"),
        ({"visual.patch_embed.proj.weight": torch.ones(64, 3, 4, 5)}, "patches of 4 x 5 px"),
        ({"visual.patch_embed.proj.weight": torch.ones(64, 4, 4, 4)}, "got 4 colours"),
        ({"visual.patch_embed.proj.weight": torch.ones(64, 3)}, "must be .width, 3, patch, patch., got .64, 3."),
        ({"visual.patch_embed.proj.weight": torch.ones(96, 3, 4, 4)}, "multiple of 64 wide, got 96"),
        ({"visual.head.weight": None}, r"it lacks visual.head.weight \(pooled, width\): download it again"),
        ({"visual.norm.weight": torch.ones(64, dtype=torch.int8)}, "visual.norm.weight is torch.int8"),
        ({"visual.norm.weight": "one"}, "visual.norm.weight is str"),
        ({"other.patch_embed.proj.weight": torch.ones(1)}, "it holds 2 picture towers"),
        ({"visual.blocks.0.mlp.fc1_g.weight": torch.ones(1)}, "mlp.w1.weight.*mlp.fc1_g.weight, which are one"),
    ],
    ids=str,
)  # fmt: skip
def test_a_tower_that_is_not_whole_is_named(eva_clips, change, told):
    tensors = eva_clips.build(width=64)
    for name, value in change.items():
        tensors[name] = value
        if value is None:
            del tensors[name]
    with pytest.raises(ValueError, match=told):
        find_tower(tensors)


def test_the_last_block_that_pulid_asks_about_must_be_there(eva_clips):
    assert find_tower(eva_clips.build(width=64, blocks=21)).sizes["blocks"] == 21
    with pytest.raises(ValueError, match=r"64 wide, 20 blocks, .* which has 20 blocks; PuLID"):
        find_tower(eva_clips.build(width=64, blocks=20))


def test_a_missing_block_is_named(eva_clips):
    tensors = without(eva_clips.build(width=64, blocks=23), "blocks.7.")
    with pytest.raises(ValueError, match=r"lacks visual.blocks.7, but has 22 blocks"):
        find_tower(tensors)
