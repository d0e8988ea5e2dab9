from portrait_loupe.nodes.identity.references.counter import (
    BIASED,
    CALLED,
    DUE,
    GIVEN,
    ReferenceCalls,
)


def ended(*reached):
    told = []
    calls = ReferenceCalls(told.append)
    calls.begin()
    for one in reached:
        calls.reach(one)
    assert calls.end() == (told[0] if told else None)
    return calls.warning()


def test_each_way_of_not_acting_is_told_apart():
    assert "never called ComfyUI's wrappers" in ended()
    assert "was given no reference" in ended(CALLED)
    assert "none of its attention was reached" in ended(CALLED, GIVEN, DUE)


def test_what_acted_or_was_not_due_is_silent():
    assert ended(CALLED, GIVEN, DUE, BIASED) is None
    assert ended(CALLED, GIVEN) is None  # outside its schedule


def test_nothing_is_said_of_a_sampling_that_was_broken_off():
    told = []
    calls = ReferenceCalls(told.append)
    calls.begin()
    try:
        raise RuntimeError
    except RuntimeError:
        calls.end()
    calls.end()
    assert not told
