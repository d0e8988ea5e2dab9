import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity.eva.network import build_eva, prepare
from portrait_loupe.nodes.identity.eva.tower import find_tower

ROOT = Path(__file__).resolve().parents[4]
# float32 against float64 through 21 blocks: at most 9e-7 of the largest number was measured, 4 seeds
CLOSE = 1e-5


def opened(tensors):
    return build_eva(find_tower(tensors), "eva.pt", "0" * 64)


@pytest.fixture
def pictures():
    return torch.rand(2, 12, 12, 3, generator=torch.Generator().manual_seed(5))


def seen_by_hand(tensors, pictures, rope):
    """EVA02-CLIP's picture tower, written out in float64 from BAAI's names."""
    at = {name.removeprefix("visual."): value.double() for name, value in tensors.items()}
    cosine, sine = (table.double() for table in rope)

    def linear(name, x, bias=None):
        return torch.einsum("...i,oi->...o", x, at[f"{name}.weight"]) + (
            at[f"{name}.bias"] if bias is None else bias
        )

    def norm(name, x):
        x = x - x.mean(-1, keepdim=True)
        x = x / ((x * x).mean(-1, keepdim=True) + 1e-6).sqrt()
        return x * at[f"{name}.weight"] + at[f"{name}.bias"]

    def turned(x):  # (B, tokens, heads, 64): pairs of neighbours, the class token not
        even, odd = x[..., 0::2], x[..., 1::2]
        partner = torch.stack([-odd, even], -1).flatten(-2)
        return x * cosine[:, None] + partner * sine[:, None]

    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).double()
    spread = torch.tensor([0.26862954, 0.26130258, 0.27577711]).double()
    plain = (pictures.double() - mean) / spread
    kernel = at["patch_embed.proj.weight"]
    patch = kernel.shape[-1]
    tiles = plain.unfold(1, patch, patch).unfold(2, patch, patch)  # (B, rows, columns, 3, y, x)
    x = torch.einsum("brcjyx,ojyx->brco", tiles, kernel) + at["patch_embed.proj.bias"]
    x = x.flatten(1, 2)
    x = torch.cat([at["cls_token"].expand(len(x), -1, -1), x], 1) + at["pos_embed"]
    states = []
    for index in range(
        1 + max(int(name.split(".")[1]) for name in at if name.startswith("blocks."))
    ):
        if index in (4, 8, 12, 16, 20):
            states.append(x)
        here = f"blocks.{index}"
        y = norm(f"{here}.norm1", x)
        query = linear(f"{here}.attn.q_proj", y, at[f"{here}.attn.q_bias"]).unflatten(-1, (-1, 64))
        key = linear(f"{here}.attn.k_proj", y, 0).unflatten(-1, (-1, 64))
        value = linear(f"{here}.attn.v_proj", y, at[f"{here}.attn.v_bias"]).unflatten(-1, (-1, 64))
        query, key = (torch.cat([one[:, :1], turned(one[:, 1:])], 1) for one in (query, key))
        logits = torch.einsum("bqhd,bkhd->bhqk", query, key) / 8
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        told = torch.einsum("bhqk,bkhd->bqhd", weights, value).flatten(2)
        x = x + linear(f"{here}.attn.proj", norm(f"{here}.attn.inner_attn_ln", told))
        y = norm(f"{here}.norm2", x)
        gate = linear(f"{here}.mlp.w1", y)
        inner = gate / (1 + (-gate).exp()) * linear(f"{here}.mlp.w2", y)
        x = x + linear(f"{here}.mlp.w3", norm(f"{here}.mlp.ffn_ln", inner))
    return linear("head", norm("norm", x)[:, 0]), states


@pytest.mark.parametrize("layout", ["baai", "open_clip", "timm"])
def test_it_sees_what_the_equations_say(eva_clips, timm, pictures, layout):
    pooled, hidden = seen_by_hand(
        eva_clips.build("baai"), pictures, eva_clips.rope(3, torch.float64)
    )
    states = opened(eva_clips.build(layout)).see(pictures)
    assert states.pooled.shape == (2, 24)
    assert [state.shape for state in states.hidden] == [(2, 10, 128)] * 5
    for got, wanted in zip((states.pooled, *states.hidden), (pooled, *hidden), strict=True):
        assert got.dtype == torch.float32
        assert got.device.type == "cpu"
        assert (got - wanted).abs().max() < CLOSE * wanted.abs().max()


def test_the_rotary_grid_is_stretched_to_the_one_of_224_px(eva_clips, timm, pictures):
    """As if the tower had been trained at 16 x 16 patches: a file's own tables say so too."""
    unstretched = [table.double() for table in eva_clips.rope(16)]
    places = [row * 16 + column for row in range(3) for column in range(3)]
    other, _ = seen_by_hand(eva_clips.build(), pictures, [one[places] for one in unstretched])
    states = opened(eva_clips.build()).see(pictures)
    assert (states.pooled - other).abs().max() > 100 * CLOSE * other.abs().max()


def test_it_is_timms_own_network_for_this_clip(eva_clips, timm, pictures):
    import timm as package

    tensors = eva_clips.build()
    own = package.create_model(
        "eva02_large_patch14_clip_336", pretrained=False, img_size=12, patch_size=4, embed_dim=128, depth=21,
        num_heads=2, mlp_ratio=85.5 / 128, num_classes=24,
    ).eval()  # fmt: skip
    converted = timm.checkpoint_filter_fn(
        {name: value for name, value in tensors.items() if name.startswith("visual.")}, own
    )
    own.load_state_dict(converted, strict=True)
    ours = opened(tensors)
    assert converted.keys() == ours.module.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(own(prepare(pictures, 12)), ours.see(pictures).pooled)


def test_every_size_of_mlp_is_met(eva_clips, timm):
    """timm takes a ratio and rounds down: 448 * (61 / 448) is a little less than 61."""
    assert int(448 * (61 / 448)) == 60
    for width, inner in [(448, 61), (64, 1), (64, 171)]:
        assert opened(eva_clips.build(width=width, inner=inner)).sizes["inner"] == inner


def test_one_picture_is_seen_as_it_is_in_a_batch(eva_clips, timm, pictures):
    eva = opened(eva_clips.build())
    together, alone = eva.see(pictures), eva.see(pictures[1:])
    # another order of summing, no more
    assert torch.allclose(together.pooled[1:], alone.pooled, rtol=0, atol=1e-5)
    assert torch.equal(eva.see(pictures).pooled, together.pooled)
    hooks = [block._forward_pre_hooks for block in eva.module.blocks]
    assert not any(hooks)
    assert not any(weight.requires_grad for weight in eva.module.parameters())
    assert not together.pooled.requires_grad


def test_half_precision_files_compute_in_float32(eva_clips, timm, pictures):
    for dtype in (torch.float16, torch.bfloat16):
        eva = opened({name: value.to(dtype) for name, value in eva_clips.build().items()})
        assert {weight.dtype for weight in eva.module.state_dict().values()} == {torch.float32}
        rounded = {name: value.to(dtype).float() for name, value in eva_clips.build().items()}
        wanted, _ = seen_by_hand(rounded, pictures, eva_clips.rope(3, torch.float64))
        assert (eva.see(pictures).pooled - wanted).abs().max() < CLOSE * wanted.abs().max()


@pytest.mark.parametrize("size", [(512, 512), (300, 200), (12, 12), (5, 9)], ids=str)
def test_pictures_are_resized_as_pillow_does(size):
    from PIL import Image

    picture = torch.rand(*size, 3, generator=torch.Generator().manual_seed(1))
    wanted = np.stack(
        [
            np.asarray(Image.fromarray(picture[..., one].numpy()).resize((12, 12), Image.Resampling.BICUBIC))
            for one in range(3)
        ]
    )  # fmt: skip
    mean = np.array([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    spread = np.array([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    prepared = prepare(picture[None], 12)
    assert prepared.dtype == torch.float32
    assert np.abs(prepared[0].numpy() - (wanted - mean) / spread).max() < 1e-5  # float32 sums


def test_what_is_no_picture_is_refused_and_numbers_stay_numbers(eva_clips, timm):
    eva = opened(eva_clips.build())
    for shape in [(12, 12, 3), (1, 12, 12, 4), (1, 3, 12, 12), (0, 12, 12, 3), (1, 0, 12, 3)]:
        with pytest.raises(ValueError, match=r"pictures of \(batch, height, width, 3\), got"):
            eva.see(torch.rand(shape))
    wild = torch.full((1, 20, 20, 3), float("nan"))
    wild[0, 0, 0] = float("inf")
    assert eva.see(wild).pooled.isfinite().all()
    assert torch.equal(
        eva.see(torch.full((1, 12, 12, 3), 9.0)).pooled, eva.see(torch.ones(1, 12, 12, 3)).pooled
    )


@pytest.mark.parametrize(
    ("layout", "change", "told"),
    [
        ("baai", {"visual.blocks.3.mlp.ffn_ln.bias": None}, "lacks visual.blocks.3.mlp.ffn_ln.bias: download"),
        ("baai", {"visual.blocks.0.attn.q_bias": None}, "lacks visual.blocks.0.attn.q_bias: download"),
        ("open_clip", {"visual.trunk.norm.bias": None}, "lacks visual.trunk.norm.bias: download"),
        ("timm", {"cls_token": None}, "lacks cls_token: download"),
        ("baai", {"visual.blocks.2.gamma_1": torch.ones(64)}, "holds visual.blocks.2.gamma_1, which no EVA02-CLIP"),
        ("baai", {"visual.mask_token": torch.ones(1, 1, 64)}, "holds visual.mask_token, which"),
        ("timm", {"text.weight": torch.ones(2)}, "holds text.weight, which"),
        ("baai", {"visual.blocks.5.attn.k_proj.weight": torch.ones(64, 63)}, r"k_proj.weight must be \(64, 64\), got \(64, 63\)"),
        ("baai", {"visual.head.bias": torch.ones(23)}, r"head.bias must be \(24,\), got \(23,\)"),
    ],
    ids=str,
)  # fmt: skip
def test_a_tensor_too_few_or_too_many_is_named(eva_clips, timm, layout, change, told):
    tensors = eva_clips.build(layout, width=64, text=False)
    for name, value in change.items():
        tensors[name] = value
        if value is None:
            del tensors[name]
    with pytest.raises(ValueError, match=told + ".*PuLID needs EVA02-CLIP-L/14-336"):
        opened(tensors)


def test_many_missing_tensors_are_counted(eva_clips, timm):
    tensors = {name: one for name, one in eva_clips.build(width=64).items() if "norm2" not in name}
    with pytest.raises(ValueError, match=r"lacks visual.blocks.0.norm2.weight, .* and 38 more"):
        opened(tensors)


@pytest.mark.parametrize("place", ["visual.rope.", "visual.blocks.9.attn.rope."])
def test_rotary_tables_of_another_grid_are_refused(eva_clips, timm, place):
    tensors = eva_clips.build(width=64)
    kept = tensors[f"{place}freqs_cos"]
    for wrong in (eva_clips.rope(4)[0][:9], eva_clips.rope(3)[1], eva_clips.rope(4)[0]):
        tensors[f"{place}freqs_cos"] = wrong
        with pytest.raises(ValueError, match=f"{place}freqs_cos is of another grid"):
            opened(tensors)
    tensors[f"{place}freqs_cos"] = kept.bfloat16()
    opened(tensors)


def test_weights_that_are_not_numbers_are_told_of(eva_clips, timm, pictures):
    for value in (float("nan"), float("inf")):
        tensors = eva_clips.build(width=64)
        tensors["visual.blocks.6.mlp.w3.bias"][3] = value
        with pytest.raises(ValueError, match=r"eva.pt makes numbers that are none .* damaged"):
            opened(tensors).see(pictures)


def test_without_timm_its_absence_is_priced(eva_clips, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm.models.eva", None)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        RuntimeError, match=r"pip install -U timm; without it PuLID-Flux cannot be applied"
    ):
        opened(eva_clips.build(width=64))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", r"torchvision does not go with torch .*nms does not exist"),
        ("raise AttributeError('partially initialized module')", "torchvision does not go with torch"),
        ("import torchvision_that_is_missing", "pip install -U torchvision_that_is_missing"),
        ("class Eva:\n    def __init__(self, img_size): pass", "builds no EVA02-CLIP .*pip install -U timm"),
    ],
    ids=["another torch's torchvision", "torchvision half imported", "no torchvision", "an old timm"],
)  # fmt: skip
def test_a_timm_that_cannot_be_used_is_told_apart(tmp_path, trouble, told):
    """In a process of its own: a foreign package is imported once in each."""
    place = tmp_path / "timm" / "models"
    place.mkdir(parents=True)
    for folder in (place.parent, place):
        (folder / "__init__.py").write_text("", "utf-8")
    (place / "eva.py").write_text(trouble, "utf-8")
    probe = f"""
import importlib.util, sys
sys.path.insert(0, {str(tmp_path)!r})
for name, path in (("portrait_loupe", {str(ROOT / "__init__.py")!r}), ("eva_clips", {str(ROOT / "tests" / "eva_clips.py")!r})):
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
from portrait_loupe.nodes.identity.eva.network import build_eva
from portrait_loupe.nodes.identity.eva.tower import find_tower
try:
    build_eva(find_tower(sys.modules["eva_clips"].build(width=64)), "x", "")
except RuntimeError as told:
    print(told)
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=120
    )
    assert re.search(told, answer.stdout), answer.stdout
    assert "without it PuLID-Flux cannot be applied" in answer.stdout
