import pytest

from portrait_loupe.nodes.finite import finite_number


@pytest.mark.parametrize("value", [0, -3, 1.5, 2**70, 1e308])
def test_a_number_is_one(value):
    assert finite_number(value) == float(value)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), True, None, "1", [1], {}],
)
def test_what_is_none_is_told_without_an_error(value):
    assert finite_number(value) is None
