import copy

import pytest
import torch

from portrait_loupe.nodes.identity.adapters.inputs import Tokens
from portrait_loupe.nodes.identity.control.link import TOLD, IdentityControl, joined

POSITIVE, NEGATIVE = torch.full((1, 3, 2), 1.0), torch.full((1, 3, 2), -1.0)
LAYERS = ((4, 6), (2, 3))  # rows and columns
ROWS = 4


class Recorder:
    """A ControlNet of the host's kind that adds a number and remembers what it was told."""

    def __init__(self, added=1.0, acts=True, models=()):
        self.added, self.acts, self.models = added, acts, list(models)
        self.told, self.begun, self.ended, self.strength = [], 0, 0, 0.7
        self.previous_controlnet = None

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        self.told.append(cond.get(TOLD, cond["c_crossattn"]))
        if not self.acts:
            return None
        planes = [torch.full((len(x_noisy), 2, *grid), self.added) for grid in LAYERS]
        return {"input": [], "middle": [planes[1]], "output": [planes[0], None, planes[1]]}

    def copy(self):
        return Recorder(self.added, self.acts, self.models)

    def deepclone_multigpu(self, load_device):
        return Recorder(self.added, self.acts, [f"{one} on {load_device}" for one in self.models])

    def pre_run(self, model, function):
        self.begun += 1

    def cleanup(self):
        self.ended += 1

    def get_models(self):
        return self.models

    def get_extra_hooks(self):
        return []

    def inference_memory_requirements(self, dtype):
        return 100


def link(control=None, mask=None, tokens=None):
    return IdentityControl(control or Recorder(), tokens or Tokens(POSITIVE, NEGATIVE), mask)


def run(control, kinds=(1, 0), prompt="prompt"):
    options = {} if kinds is None else {"cond_or_uncond": list(kinds)}
    return control.get_control(
        torch.zeros(ROWS, 4, 4, 6), None, {"c_crossattn": prompt}, 2, options
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((1, 0), (-1, -1, 1, 1)), ((0, 1), (1, 1, -1, -1)), ((0,), (1,) * 4), (None, (1,) * 4)],
)
def test_each_half_of_a_batch_is_told_its_tokens(kinds, expected):
    one = link()
    run(one, kinds)
    (told,) = one.control.told
    assert told.shape == (ROWS, 3, 2)
    assert told[:, 0, 0].tolist() == list(expected)


def test_those_before_and_after_it_keep_the_prompt():
    before, after = Recorder(10.0), Recorder(100.0)
    one = link().set_previous_controlnet(before)
    result = run(one)
    assert before.told == ["prompt"]
    assert result["output"][0].unique().tolist() == [11.0]
    assert result["output"][1] is None
    again = link(after, tokens=Tokens(2 * POSITIVE, NEGATIVE)).set_previous_controlnet(one)
    run(again, (0,))
    assert before.told == ["prompt", "prompt"]
    assert one.control.told[-1].unique().tolist() == [1.0]
    assert after.told[-1].unique().tolist() == [2.0]


def test_outside_its_window_those_before_it_go_on():
    silent = link(Recorder(acts=False))
    assert run(silent) is None
    silent.set_previous_controlnet(Recorder(3.0))
    assert run(silent)["middle"][0].unique().tolist() == [3.0]


def test_a_mask_multiplies_what_it_adds_and_nothing_else():
    mask = torch.zeros(1, 8, 12)
    mask[..., :6] = 1
    one = link(mask=mask).set_previous_controlnet(Recorder(10.0))
    wide = run(one)["output"][0]
    assert (wide[..., :3] == 11).all()
    assert (wide[..., 3:] == 10).all()
    coarse = run(one)["middle"][0]  # 3 columns: the middle one is half inside
    assert coarse[0, 0, 0].tolist() == [11, 10.5, 10]


def test_a_mask_for_every_picture_of_a_batch():
    mask = torch.stack((torch.zeros(4, 6), torch.ones(4, 6)))
    rows = run(link(mask=mask), (1, 0))["output"][0][:, 0, 0, 0]
    assert rows.tolist() == [0, 1, 0, 1]


def test_it_begins_and_ends_with_its_chain_and_keeps_nothing():
    one = link(mask=torch.ones(1, 4, 6)).set_previous_controlnet(Recorder())
    one.pre_run(None, None)
    run(one)
    assert one._planes
    one.cleanup()
    for control in (one.control, one.previous_controlnet):
        assert (control.begun, control.ended) == (1, 1)
    assert not one._planes


def test_the_host_sees_all_models_and_whatever_else_the_controlnet_has():
    one = link(Recorder(models=["mine"])).set_previous_controlnet(Recorder(models=["below"]))
    assert one.get_models() == ["mine", "below"]
    assert one.inference_memory_requirements(None) == 200
    assert one.strength == 0.7
    with pytest.raises(AttributeError):
        one.no_such_thing  # noqa: B018
    clone = one.deepclone_multigpu("cuda:1", autoregister=True)
    assert one.get_instance_for_device("cuda:1") is clone
    assert one.get_instance_for_device("cuda:0") is one
    assert one.get_models_only_self() == ["mine", "mine on cuda:1"]
    run(clone, (0,))
    assert clone.control.told[-1].unique().tolist() == [1.0]


def test_copies_are_told_the_tokens_too():
    one = link(mask=torch.zeros(1, 4, 6))
    for made in (one.copy(), copy.copy(one), copy.deepcopy(one), one.deepclone_multigpu("cuda:1")):
        assert run(made, (0,))["middle"][0].unique().tolist() == [0.0]
        assert made.control.told[-1].unique().tolist() == [1.0]
    one.set_previous_controlnet(Recorder())
    assert one.copy().previous_controlnet is None


def test_layers_that_one_chain_lacks_are_the_others():
    a, b = torch.ones(1), torch.full((1,), 2.0)
    both = joined({"input": [a, None], "middle": []}, {"input": [b], "output": [b]})
    assert both == {"input": [3.0, None], "middle": [], "output": [b]}
    assert joined(None, None) is None
