"""Every projection against its equations, written out once more: numpy, float64, head by head, loops.

Nothing of the pack computes the expected values. Float32 through at most ten layers of attention agrees
to 1e-5 of the largest token.
"""

import math

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.inputs import Inputs
from portrait_loupe.nodes.identity.adapters.recognise import recognise

NEAR = 1e-5
erf = np.vectorize(math.erf)


class Oracle:
    """The published networks, one face at a time."""

    def __init__(self, tensors, prefix="image_proj."):
        self.all = {key: value.double().numpy() for key, value in tensors.items()}
        self.prefix = prefix

    def w(self, key):
        return self.all[self.prefix + key]

    def linear(self, key, x):
        out = np.einsum("oi,ni->no", self.w(f"{key}.weight"), x)
        bias = self.all.get(f"{self.prefix}{key}.bias")
        return out if bias is None else out + bias

    def norm(self, key, x):
        rows = []
        for row in x:
            centred = row - row.sum() / len(row)
            rows.append(centred / math.sqrt((centred**2).sum() / len(row) + 1e-5))
        return np.array(rows) * self.w(f"{key}.weight") + self.w(f"{key}.bias")

    @staticmethod
    def gelu(x):
        return x * (1 + erf(x / math.sqrt(2))) / 2

    def attention(self, at, context, latents):
        asking = self.norm(f"{at}0.norm2", latents)
        asked = np.vstack([self.norm(f"{at}0.norm1", context), asking])
        q, kv = self.linear(f"{at}0.to_q", asking), self.linear(f"{at}0.to_kv", asked)
        k, v = kv[:, : q.shape[1]], kv[:, q.shape[1] :]
        heads = []
        for begin in range(0, q.shape[1], 64):
            part = slice(begin, begin + 64)
            weights = np.exp(np.einsum("qd,kd->qk", q[:, part], k[:, part]) / 8)
            heads.append(weights @ v[:, part] / weights.sum(1, keepdims=True))
        return self.linear(f"{at}0.to_out", np.hstack(heads))

    def layer(self, at, context, latents):
        latents = latents + self.attention(at, context, latents)
        inner = self.gelu(self.linear(f"{at}1.1", self.norm(f"{at}1.0", latents)))
        return latents + self.linear(f"{at}1.3", inner)

    def mlp(self, e, width):
        flat = self.linear("proj.2", self.gelu(self.linear("proj.0", e[None])))
        return self.norm("norm", flat.reshape(-1, width))

    def plus(self, e, clip, width, depth, shortcut):
        own = told = self.mlp(e, width)
        at = "perceiver_resampler."
        context = self.linear(f"{at}proj_in", clip)
        for i in range(depth):
            told = self.layer(f"{at}layers.{i}.", context, told)
        told = self.norm(f"{at}norm_out", self.linear(f"{at}proj_out", told))
        return told if shortcut is None else own + shortcut * told

    def resampler(self, e, depth):
        context, told = self.linear("proj_in", e[None]), self.w("latents")[0]
        for i in range(depth):
            told = self.layer(f"layers.{i}.", context, told)
        return self.norm("norm_out", self.linear("proj_out", told))

    def mapping(self, at, x):
        for step in (0, 3):
            x = self.norm(f"{at}{step + 1}", self.linear(f"{at}{step}", x))
            x = np.where(x > 0, x, 0.01 * x)
        return self.linear(f"{at}6", x)

    def idformer(self, faces, hidden, inner, each):
        mine = self.mapping("id_embedding_mapping.", faces).reshape(-1, inner)
        first = self.w("latents")[0]
        told = np.vstack([first, mine])
        for i, states in enumerate(hidden):
            context = np.vstack([mine, self.mapping(f"mapping_{i}.", states)])
            for j in range(each):
                told = self.layer(f"layers.{i * each + j}.", context, told)
        return told[: len(first)] @ self.w("proj_out")


def near(found, expected):
    assert found.dtype == torch.float32
    assert tuple(found.shape) == expected.shape
    assert np.abs(found.numpy() - expected).max() <= NEAR * np.abs(expected).max()


def random(*shape, seed=3):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def adapter_of(identity_adapters, kind, base, **sizes):
    tensors = flatten(identity_adapters.build(kind, base, **sizes))
    return recognise(tensors, identity_adapters.file_name(kind, base)), tensors


def unit(x):
    return (x.double() / x.double().norm(dim=-1, keepdim=True)).numpy()


@pytest.mark.parametrize("base", ["SD1.5", "SDXL"])
@pytest.mark.parametrize("kind", ["faceid", "portrait"])
def test_faceid_and_portrait_are_a_net_of_two_layers(identity_adapters, kind, base):
    adapter, tensors = adapter_of(identity_adapters, kind, base, width=40)
    faces, oracle = random(3, 512), Oracle(tensors)
    told = adapter.project(Inputs(faces))
    near(told.positive, np.array([oracle.mlp(e, 40) for e in unit(faces)]))
    near(told.negative, np.array([oracle.mlp(np.zeros(512), 40)] * 3))


@pytest.mark.parametrize("base", ["SD1.5", "SDXL"])
@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize(("kind", "shortcut"), [("plus", None), ("plusv2", 0.7), ("plusv2", 1.0)])
def test_plus_asks_clip_and_v2_adds_what_the_embedding_says(
    identity_adapters, kind, base, width, shortcut
):
    adapter, tensors = adapter_of(identity_adapters, kind, base, width=width, depth=3)
    faces, seen, black = random(2, 512), random(2, 9, 80, seed=5), random(1, 9, 80, seed=6)
    told = adapter.project(
        Inputs(faces, clip=seen, clip_negative=black, shortcut=shortcut or 0.123)
    )
    args, oracle = (width, 3, shortcut), Oracle(tensors)
    pairs = zip(unit(faces), seen.double().numpy(), strict=True)
    near(told.positive, np.array([oracle.plus(e, c, *args) for e, c in pairs]))
    nobody = oracle.plus(np.zeros(512), black[0].double().numpy(), *args)
    near(told.negative, np.array([nobody] * 2))


@pytest.mark.parametrize("kind", ["instantid", "unnorm"])
def test_instantid_asks_the_raw_embedding(identity_adapters, kind):
    adapter, tensors = adapter_of(identity_adapters, kind, "SDXL", attention=192, depth=4)
    faces, oracle = random(2, 512), Oracle(tensors)
    told = adapter.project(Inputs(faces))
    near(told.positive, np.array([oracle.resampler(e, 4) for e in faces.double().numpy()]))
    near(told.negative, np.array([oracle.resampler(np.zeros(512), 4)] * 2))


def test_instantids_nobody_may_be_seeded_noise(identity_adapters):
    adapter, tensors = adapter_of(identity_adapters, "instantid", "SDXL")
    told = adapter.project(Inputs(random(1, 512), seed=41, noise=0.35))
    noise = 0.35 * torch.rand(1, 512, generator=torch.Generator().manual_seed(41))
    near(told.negative, Oracle(tensors).resampler(noise[0].double().numpy(), 3)[None])
    again, other = (
        adapter.project(Inputs(random(1, 512), seed=seed, noise=0.35)) for seed in (41, 42)
    )
    assert torch.equal(told.negative, again.negative)
    assert not torch.allclose(told.negative, other.negative)
    assert torch.equal(told.positive, adapter.project(Inputs(random(1, 512))).positive)


def eva(*lead, tokens=7, count=5):
    return tuple(random(*lead, tokens, 72, seed=20 + i) for i in range(count))


@pytest.mark.parametrize("sizes", [{}, {"each": 1, "face_tokens": 3, "attention": 192}])
def test_pulid_flux_asks_eva_from_early_to_late(identity_adapters, sizes):
    adapter, tensors = adapter_of(identity_adapters, "pulid_flux", "Flux", **sizes)
    faces, pooled, hidden = random(2, 512), random(2, 40, seed=9) * 7, eva(2)
    told = adapter.project(Inputs(faces, eva_pooled=pooled, eva_hidden=hidden))
    oracle, args = Oracle(tensors, "pulid_encoder."), (48, sizes.get("each", 2))
    both = np.hstack([faces.double().numpy(), unit(pooled)])
    states = [[state[b].double().numpy() for state in hidden] for b in range(2)]
    expected = [oracle.idformer(both[b : b + 1], states[b], *args) for b in range(2)]
    near(told.positive, np.array(expected))
    nobody = oracle.idformer(np.zeros((1, 552)), [0 * state for state in states[0]], *args)
    near(told.negative, np.array([nobody] * 2))


def test_pulid_makes_one_sequence_of_several_photos(identity_adapters):
    adapter, tensors = adapter_of(identity_adapters, "pulid_flux", "Flux")
    faces, pooled, hidden = random(1, 3, 512), random(1, 3, 40, seed=9), eva(1, 3)
    told = adapter.project(Inputs(faces, eva_pooled=pooled, eva_hidden=hidden))
    both = np.hstack([faces[0].double().numpy(), unit(pooled[0])])
    states = [state[0].double().numpy().reshape(-1, 72) for state in hidden]
    near(told.positive, Oracle(tensors, "pulid_encoder.").idformer(both, states, 48, 2)[None])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_sixteen_bits_are_computed_with_in_thirty_two(identity_adapters, dtype):
    adapter, tensors = adapter_of(identity_adapters, "plusv2", "SD1.5", dtype=dtype)
    faces, seen = random(1, 512), random(1, 9, 80, seed=5)
    told = adapter.project(Inputs(faces, clip=seen, clip_negative=seen))
    expected = Oracle(tensors).plus(unit(faces)[0], seen[0].double().numpy(), 64, 2, 1.0)
    near(told.positive, expected[None])
    assert {layer.key.dtype for layer in adapter.cross_layers} == {dtype}
    assert tensors["image_proj.norm.weight"].dtype == dtype
