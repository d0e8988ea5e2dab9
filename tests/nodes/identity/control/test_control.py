from types import SimpleNamespace

import numpy as np
import pytest
import torch

from portrait_loupe.nodes.framing.faces import Face, Faces
from portrait_loupe.nodes.identity.adapters.flatten import flatten
from portrait_loupe.nodes.identity.adapters.inputs import Inputs
from portrait_loupe.nodes.identity.adapters.recognise import recognise
from portrait_loupe.nodes.identity.control.control import (
    When,
    control_identity,
    controlled_words,
    linked,
)
from portrait_loupe.nodes.identity.node_control import IdentityControlNet
from portrait_loupe.nodes.identity.profile import Embedded, Identity, Reference

POINTS = ((300, 300), (420, 310), (355, 380), (310, 440), (405, 445))
FACES = Faces((700, 900), ((Face(POINTS[:2], points=POINTS),),), "SCRFD ONNX")


class ControlNet:
    """What is set of one, as of the host's."""

    def __init__(self, width=48):
        layer = torch.nn.Linear(width, 8)
        block = torch.nn.ModuleDict({"attn2": torch.nn.ModuleDict({"to_k": layer})})
        self.control_model = torch.nn.ModuleDict({"middle_block": block})
        self.width, self.set, self.previous_controlnet = width, None, None

    def copy(self):
        return ControlNet(self.width)

    def set_cond_hint(self, hint, strength, window, vae=None):
        self.set = hint, strength, window
        return self


@pytest.fixture
def instantid(identity_adapters):
    return recognise(
        flatten(identity_adapters.build("instantid", "SDXL")), "instantid/ip-adapter.bin"
    )


def somebody(encoder="glintr100"):
    raw = np.random.default_rng(0).normal(size=(2, 512)).astype(np.float32)
    reference = Reference(
        quality=0.9, parts={}, photo_sha256="0" * 64, eyes=((1.0, 2.0), (3.0, 2.0)), points=(),
        image_size=(10, 10), iod_px=90.0, yaw_deg=None, pitch_deg=None, blur_px=None, median_luma=0.5,
    )  # fmt: skip
    return Identity("Ada", (reference,) * 2, (Embedded(encoder, "a" * 64, "none", raw),))


def conditioning(number, **more):
    return [[torch.full((1, 77, 48), number), {"pooled_output": torch.zeros(1, 4), **more}]]


def controlled(adapter, when=None, positive=None, control_net=None, who=None, **more):
    positive = positive or conditioning(1.0)
    return control_identity(
        positive, conditioning(2.0), control_net or ControlNet(), adapter, who or somebody(), FACES, when or When(),
        **more,
    )  # fmt: skip


def test_both_conditionings_share_one_link_with_the_drawing_and_the_tokens(instantid):
    positive = conditioning(1.0)
    done = controlled(instantid, When(0.6, 0.1, 0.9), positive)
    (text, told), (other, negative) = done.positive[0], done.negative[0]
    assert text is positive[0][0]
    assert set(positive[0][1]) == {"pooled_output"}  # what went in is as it was
    assert told["control"] is negative["control"]
    assert told["control_apply_to_uncond"] is negative["control_apply_to_uncond"] is False
    assert other.unique().tolist() == [2.0]
    hint, strength, window = told["control"].control.set
    assert torch.equal(hint.movedim(1, -1), done.hint)
    assert hint.shape == (1, 3, 900, 700)
    assert (strength, window) == (0.6, (0.1, 0.9))
    who = somebody()
    embedded = who.of("glintr100")
    raw = torch.from_numpy((who.center(embedded) * who.norm(embedded)).astype(np.float32))
    tokens = instantid.project(Inputs(raw[None]))
    assert torch.equal(told["control"].tokens.positive, tokens.positive)
    assert torch.equal(told["control"].tokens.negative, tokens.negative)
    assert tokens.positive.shape == (1, instantid.tokens, instantid.width)


def test_controlnets_that_were_there_come_before_it(instantid):
    depth = SimpleNamespace(previous_controlnet=None)
    both = conditioning(1.0, control=depth) + conditioning(3.0)
    done = controlled(instantid, positive=both)
    first, second = (entry[1]["control"] for entry in done.positive)
    assert first.previous_controlnet is depth
    assert second.previous_controlnet is None
    assert second is done.negative[0][1]["control"]
    assert done.others == 1
    assert "keep the prompt: 1" in words(done, instantid)


def words(done, adapter, when=None):
    return controlled_words(done, adapter, somebody(), FACES, when or When())


def test_at_strength_0_or_with_an_empty_mask_nothing_changes(instantid):
    positive = conditioning(1.0)
    for when, more in ((When(0.0), {}), (When(), {"mask": torch.zeros(1, 4, 4)})):
        done = controlled(instantid, when, positive, **more)
        assert done.positive is positive
        assert done.hint.any()
        assert "it acts nowhere" in words(done, instantid, when)


def test_the_report_says_what_it_is_shown_and_told(instantid):
    mask = torch.zeros(1, 4, 4)
    mask[:, :2] = 1
    when = When(0.8, 0.0, 0.5)
    told = words(controlled(instantid, when, mask=mask), instantid, when)
    for part in (
        "Ada's 16 tokens of InstantID",
        "in 700x900 px, 120 px between the pupils; faces by SCRFD ONNX",
        "strength 0.8, from 0 % to 50 %",
        "within the mask, 50.0 %",
    ):
        assert part in told
    assert "touch" not in told
    small = words(controlled(instantid, size=(210, 270)), instantid)
    assert "touch each other at 36 px" in small
    assert "the drawing is small" in small


def test_the_report_tells_of_the_smallest_face(instantid):
    far = tuple((x / 3, y / 3) for x, y in POINTS)
    faces = Faces((700, 900), (FACES.frames[0], (Face(far[:2], points=far),)), "SCRFD ONNX")
    done = control_identity(
        conditioning(1.0), conditioning(2.0), ControlNet(), instantid, somebody(), faces, When()
    )
    assert done.hint.shape == (2, 900, 700, 3)
    assert "2 drawings of five points in 700x900 px, 40 px between" in words(done, instantid)


def test_what_does_not_fit_is_refused_by_name(instantid, identity_adapters):
    faceid = recognise(
        flatten(identity_adapters.build("faceid", "SDXL")), "ip-adapter-faceid_sdxl.bin"
    )
    with pytest.raises(ValueError, match=r"half of InstantID, and FaceID .* has none"):
        controlled(faceid)
    with pytest.raises(ValueError, match=r"takes tokens of 32 numbers, InstantID .* of 48"):
        controlled(instantid, control_net=ControlNet(32))
    with pytest.raises(ValueError, match="glintr100"):
        controlled(instantid, who=somebody("w600k_r50"))
    for wrong, why in (
        ({"strength": 3}, "strength must be 0 to 2"),
        ({"strength": float("nan")}, "strength must be 0 to 2"),
        ({"start": -0.1}, "start must be 0 to 1"),
        ({"start": 0.6, "end": 0.5}, "start must not be after end"),
    ):
        with pytest.raises(ValueError, match=why):
            When(**wrong)


def test_a_controlnet_whose_width_cannot_be_seen_is_taken(instantid):
    hidden = ControlNet()
    hidden.control_model = None
    assert controlled(instantid, control_net=hidden).positive[0][1]["control"]


def test_the_noise_is_in_the_negative_tokens_alone(instantid):
    plain, noisy = (
        controlled(instantid, noise=noise).positive[0][1]["control"].tokens for noise in (0.0, 0.5)
    )
    assert torch.equal(plain.positive, noisy.positive)
    assert not torch.equal(plain.negative, noisy.negative)


def test_the_node_gives_what_the_function_gives(instantid):
    told = IdentityControlNet.execute(
        conditioning(1.0), conditioning(2.0), ControlNet(), instantid, somebody(), FACES, width=800, height=800
    )  # fmt: skip
    positive, negative, hint, report = told.args
    assert positive[0][1]["control"] is negative[0][1]["control"]
    assert hint.shape == (1, 800, 800, 3)
    assert told.ui == {"loupe_report": [report]}
    outputs = IdentityControlNet.define_schema().outputs
    assert len(outputs) == len(told.args)


def test_links_are_made_anew_for_each_chain():
    class Told:
        positive = negative = torch.zeros(1, 1, 1)

    hint = torch.zeros(1, 8, 8, 3)
    a, b = (SimpleNamespace(previous_controlnet=None) for _ in range(2))
    both = conditioning(1.0, control=a), conditioning(2.0, control=b)
    one, other = linked(both, ControlNet(), Told(), hint, When(), None)
    assert one[0][1]["control"].previous_controlnet is a
    assert other[0][1]["control"].previous_controlnet is b
