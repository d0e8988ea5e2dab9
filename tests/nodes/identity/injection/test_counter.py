import pytest

from portrait_loupe.nodes.identity.injection.counter import Calls

LAYERS = [("input", 4, i) for i in range(60)] + [("middle", 0, i) for i in range(10)]


@pytest.fixture
def told():
    return []


@pytest.fixture
def calls(told):
    calls = Calls(LAYERS, "Anna", told.append)
    calls.begin()
    return calls


def test_an_identity_that_ran_everywhere_says_nothing(calls, told):
    for layer in LAYERS:
        calls.reach(layer)
    assert calls.end() is None
    assert told == []


def test_an_identity_that_never_ran_says_so_and_what_to_do(calls, told):
    assert calls.end() == told[0]
    assert "'Anna' never ran: none of its 70 layers" in told[0]
    assert "forward of its own" in told[0]
    assert "another kind than the adapter" in told[0]
    assert "Apply the identity last" in told[0]


def test_an_identity_that_lost_layers_names_them(calls, told):
    for layer in LAYERS[:60]:
        calls.reach(layer)
    calls.end()
    assert "ran in 60 of 70 layers; not reached: middle 0 0, middle 0 1" in told[0]
    assert "and 4 more" in told[0]


def test_one_sampling_warns_once_and_the_next_counts_anew(calls, told):
    calls.end()
    calls.end()
    assert len(told) == 1
    calls.reach(LAYERS[0])
    calls.begin()
    assert not calls.reached
    calls.end()
    assert len(told) == 2


def test_a_sampling_that_was_broken_off_is_no_fault_of_the_hooks(calls, told):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert calls.end() is None
    assert told == []


def test_without_a_listener_it_goes_to_the_log(caplog):
    calls = Calls([("double_block", 0)])
    calls.begin()
    calls.end()
    assert "The identity never ran" in caplog.text
