"""What a node with lists as inputs gets."""

import pytest

from portrait_loupe.nodes.casting.listed import listed, number_of, single


@pytest.mark.parametrize(
    ("value", "expected"),
    [([3], 3), (3, 3), ([], 9), (None, 9), ([None], 9), ([None, 4], 4), ((0,), 0), ([""], "")],
)
def test_a_widget_is_the_first_that_its_list_holds(value, expected):
    assert single(value, 9) == expected


def test_sockets_come_in_the_order_of_their_numbers_and_empty_ones_are_left_out():
    group = {"take10": ["k"], "take2": ["c", None, "d"], "take0": "a", "take3": [], "take4": None}
    found = listed(group)
    assert found == {"take0": ["a"], "take2": ["c", "d"], "take10": ["k"]}
    assert list(found) == ["take0", "take2", "take10"]
    assert listed([group]) == found  # as the host may wrap it
    assert listed(None) == listed([]) == {}


def test_the_number_of_a_socket():
    assert [number_of(name) for name in ("take0", "take12", "take")] == [0, 12, 0]
