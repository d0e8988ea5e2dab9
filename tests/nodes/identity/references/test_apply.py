"""What is put on a model, and what is refused; the sampling itself is in test_on_comfyui."""

from types import SimpleNamespace

import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.references.apply import references_of, weigh_references
from portrait_loupe.nodes.identity.references.settings import Settings

HOOKS = SimpleNamespace(
    attention=max, masked_attention=max, around_model="around", before_sampling="before",
    after_sampling="after",
)  # fmt: skip


class Model:
    """What a host's model takes, written down."""

    def __init__(self, name="Flux"):
        self.network = type(name, (torch.nn.Module,), {"patch_size": 2})()
        self.put = []

    def clone(self):
        clone = Model(type(self.network).__name__)
        clone.put = list(self.put)
        return clone

    def get_model_object(self, name):
        sampling = SimpleNamespace(percent_to_sigma=lambda share: 1 - share)
        return {"diffusion_model": self.network, "model_sampling": sampling}[name]

    def add_wrapper_with_key(self, kind, key, wrapper):
        self.put.append(kind)

    def add_callback_with_key(self, kind, key, call):
        self.put.append(kind)

    def set_model_attn1_patch(self, patch):
        self.put.append("patch")


def conditioning(*counts):
    latent = torch.zeros(1, 16, 8, 10)
    return [[None, {"reference_latents": [latent] * n} if n else {}] for n in counts]


def weighed(model=None, count=2, linked=None, **chosen):
    model = model or Model()
    return weigh_references(model, conditioning(count), Settings(**chosen), HOOKS, **(linked or {}))


def test_only_what_acts_is_put_on_the_model():
    assert weighed(weight=0.5).model.put == ["around", "patch", "before", "after"]
    qwen = Model("QwenImageTransformer2DModel")
    assert weighed(qwen, weight=0.5).model.put == ["around", "before", "after"]
    assert qwen.put == []
    region = {"region": torch.ones(1, 4, 4)}
    assert weighed(weight=0.5, linked=region).model.put == ["around", "before", "after"]
    nothing = {"region": torch.zeros(4, 4)}, {"reference_region": torch.zeros(1, 4, 4)}
    for told in (
        weighed(),
        weighed(weight=0.5, weights="1-2:1"),
        *(weighed(weight=0.5, linked=one) for one in nothing),
    ):
        assert told.model.put == []
        assert not told.acts
    assert weighed(size_invariant=True).acts


def test_the_entry_with_most_references_counts():
    latents, several = references_of(conditioning(1, 3, 0))
    assert len(latents) == 3
    assert several
    assert not references_of(conditioning(2, 2))[1]
    for none in (conditioning(0, 0), []):
        with pytest.raises(ValueError, match="the conditioning has no reference latents to weigh"):
            references_of(none)


def test_regions_are_one_for_all_or_one_for_each():
    part = torch.zeros(2, 4, 4)
    part[0, :2] = 1
    assert weighed(weight=0.5, linked={"reference_region": part}).reference_shares == (0.5, 0)
    assert weighed(weight=0.5, linked={"reference_region": part[:1]}).reference_shares == (0.5,)
    with pytest.raises(ValueError, match="there are 2 regions of references and 3 references"):
        weighed(count=3, weight=0.5, linked={"reference_region": part})
    with pytest.raises(ValueError, match="the region of the new picture must be one mask, got 2"):
        weighed(weight=0.5, linked={"region": part})


def test_faces_and_a_mask_of_the_references_multiply():
    faces = Faces((100, 100), ((Face(((40.0, 45.0), (60.0, 45.0))),),), "test")
    whole = weighed(weight=0.5, linked={"reference_faces": faces}).reference_shares[0]
    assert 0.1 < whole < 0.4
    upper = torch.zeros(1, 100, 100)
    upper[:, :50] = 1
    half = weighed(weight=0.5, linked={"reference_faces": faces, "reference_region": upper})
    assert 0.2 * whole < half.reference_shares[0] < 0.8 * whole
    both = {"reference_faces": faces, "reference_region": torch.ones(3, 9, 9)}
    assert len(weighed(count=3, weight=0.5, linked=both).reference_shares) == 3
    with pytest.raises(ValueError, match="area face goes by where the face is, and none is known"):
        weighed(weight=0.5, linked={"reference_faces": Faces((100, 100), ((),), "test")})
