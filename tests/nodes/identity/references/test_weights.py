import pytest

from portrait_loupe.nodes.identity.references.weights import parse_weights


def read(weight, text, count=3):
    weights = parse_weights(weight, text, count)
    return [weights.of(i) for i in range(count)]


def test_the_number_holds_for_all_that_the_list_leaves_out():
    assert read(0.7, "") == [0.7, 0.7, 0.7]
    assert read(0.7, "2:1.5") == [0.7, 1.5, 0.7]
    assert read(0.7, " 1-2 : 0 , *:8,") == [0, 0, 8]
    assert parse_weights(0.7, "1:2, *:3", 1).of(4) == 3  # beyond those that are known


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4:1", r"weights says '4:1', but there are 3 references, counted from 1"),
        ("0:1", r"weights says '0:1'"),
        ("3-2:1", r"weights says '3-2:1'"),
        ("2:1, 1-2:3", r"names reference 2 twice, the second in '1-2:3'"),
        (
            "half",
            r"weights has 'half', which is no reference and its weight; write it as 1:0.5, 2:1.5",
        ),
        ("1:x", r"the weight in '1:x' must be a number from 0 to 8, got x"),
        ("1:-1", r"from 0 to 8, got -1"),
        ("1:8.5", r"from 0 to 8, got 8.5"),
        ("1:nan", r"from 0 to 8, got nan"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_by_name(text, told):
    with pytest.raises(ValueError, match=told):
        parse_weights(1.0, text, 3)


def test_a_weight_out_of_range_is_refused():
    for weight in (-0.1, 8.01, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="weight must be a number from 0 to 8"):
            parse_weights(weight, "", 1)
